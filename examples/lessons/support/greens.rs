//! What the green threads of `hub` do.

use super::super::hub::{Hub, Me};
use super::measure;
use super::room::Line;
use super::watched::Watched;
use crossbeam_channel::{Receiver, TryRecvError};
use polling::Event;
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

/// Writes lines to a socket as they come, until no more can come. Who sends one wakes the green thread.
pub(crate) fn speak(me: &Me, lines: &Receiver<Line>, socket: &Watched<TcpStream>) -> io::Result<()> {
    loop {
        match lines.try_recv() {
            Ok(line) => {
                let mut bytes = line.as_bytes();
                while !bytes.is_empty() {
                    bytes = &bytes[me.wait((socket, Event::writable), |mut socket| socket.write(bytes))?..];
                }
            }
            Err(TryRecvError::Empty) => me.pause(),
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

/// Two green threads that count; what they do stands in one line.
fn turns(gives_way: bool) -> io::Result<String> {
    let (hub, said) = (Hub::new()?, Rc::new(RefCell::new(String::new())));
    for name in ["a", "b"] {
        let said = said.clone();
        hub.spawn(move |me| {
            for n in 1..=3 {
                *said.borrow_mut() += &format!(" {name}{n}");
                if gives_way {
                    me.sleep(Duration::ZERO);
                }
            }
            Ok(())
        })?;
    }
    hub.run()?;
    Ok(said.take())
}

/// So many clients and a server that sleeps 50 ms before each answer, all in one thread; returns how many answers came.
fn talk(clients: usize) -> io::Result<usize> {
    let (hub, answers, listener) = (Hub::new()?, Rc::new(Cell::new(0)), TcpListener::bind("127.0.0.1:0")?);
    let address = listener.local_addr()?;
    hub.spawn(move |me| {
        let listener = Watched::new(&me.hub.poller, listener)?;
        for _ in 0..clients {
            let (stream, _) = me.wait((&listener, Event::readable), |listener| listener.accept())?;
            me.hub.spawn(move |me| {
                let (stream, mut question) = (Watched::new(&me.hub.poller, stream)?, [0; 9]);
                me.wait((&stream, Event::readable), |mut stream| stream.read(&mut question))?;
                me.sleep(Duration::from_millis(50));
                me.wait((&stream, Event::writable), |mut stream| stream.write(b"an answer")).map(drop)
            })?;
        }
        Ok(())
    })?;
    let count = answers.clone();
    hub.spawn(move |me| {
        for _ in 0..clients {
            let answers = count.clone();
            me.hub.spawn(move |me| {
                let (stream, mut answer) = (Watched::new(&me.hub.poller, TcpStream::connect(address)?)?, [0; 9]);
                me.wait((&stream, Event::writable), |mut stream| stream.write(b"question?"))?;
                let len = me.wait((&stream, Event::readable), |mut stream| stream.read(&mut answer))?;
                answers.set(answers.get() + usize::from(&answer[..len] == b"an answer"));
                Ok(())
            })?;
            // `connect` blocks where nobody accepts, and here nobody does unless this one gives way.
            me.sleep(Duration::ZERO);
        }
        Ok(())
    })?;
    hub.run()?;
    Ok(answers.get())
}

/// Both, with what they cost.
pub(crate) fn show(clients: usize) -> io::Result<()> {
    println!("sleep(0) after each number:{}", turns(true)?);
    println!("no sleep:                  {}\n", turns(false)?);
    let (answers, spent) = measure(|| talk(clients));
    let [wall, processor] = [spent.wall, spent.processor].map(|time| time.as_secs_f64() * 1e3);
    println!("{} of {clients} clients got an answer, each after 50 ms", answers?);
    println!("One thread took {wall:.0} ms for all, {processor:.0} ms of them on the processor.");
    Ok(())
}
