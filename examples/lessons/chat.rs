//! Answers the talks' chat servers with Twisted, gevent and eventlet: one room in four models. Who does not read is dropped.

use super::hub::Hub;
use super::reactor::{Protocol, Reactor};
use super::support::chatters::{self, Options};
use super::support::greens::speak;
use super::support::notice;
use super::support::room::{Give, Line, Lines, MOST_UNSENT, MOST_WAITING, Room, hang_up, hear, hear_from, speak_to};
use super::support::transport::Transport;
use super::support::watched::Watched;
use crossbeam_channel::bounded;
use fractal::Result;
use polling::Event;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Two threads for each client: one blocks until it says something, one until there is something to give it.
pub(crate) fn threads(listener: &TcpListener) -> io::Result<()> {
    let room = Arc::new(Room::new());
    for stream in listener.incoming() {
        let (stream, room, (put, lines)) = (Arc::new(stream?), room.clone(), bounded::<Line>(MOST_WAITING));
        let (input, output) = (stream.clone(), stream.clone());
        thread::spawn(move || lines.into_iter().all(|line| (&*output).write_all(line.as_bytes()).is_ok()));
        thread::spawn(move || {
            let number = room.enter(move |line| put.try_send(line.clone()).is_ok() || hang_up(&stream));
            hear(&room, number, |bytes| (&*input).read(bytes));
            hang_up(&input);
        });
    }
    Ok(())
}

/// The same with green threads: where a thread would block, one switches to the loop.
pub(crate) fn fibers(listener: TcpListener) -> io::Result<()> {
    let (hub, room) = (Hub::new()?, Rc::new(Room::new()));
    hub.spawn(move |me| {
        let listener = Watched::new(&me.hub.poller, listener)?;
        loop {
            let (stream, _) = me.wait((&listener, Event::readable), |listener| listener.accept())?;
            let (room, (put, lines)) = (room.clone(), bounded::<Line>(MOST_WAITING));
            // Both wait for events, each for its own, so each has a descriptor of its own.
            let output = Watched::new(&me.hub.poller, stream.try_clone()?)?;
            let writer = me.hub.spawn(move |me| speak(me, &lines, &output))?;
            let input = Rc::new(Watched::new(&me.hub.poller, stream)?);
            me.hub.spawn(move |me| {
                let (stream, hub) = (input.clone(), me.hub.clone());
                let number = room.enter(move |line| {
                    hub.wake(writer);
                    put.try_send(line.clone()).is_ok() || hang_up(&stream)
                });
                hear(&room, number, |bytes| me.wait((&input, Event::readable), |mut input| input.read(bytes)));
                hang_up(&input);
                me.hub.wake(writer);
                Ok(())
            })?;
        }
    })?;
    hub.run()
}

/// A task for each client, which waits for three things at once. Whoever leaves the room drops `inside`, and that is the third.
pub(crate) async fn tokio(listener: TcpListener) -> io::Result<()> {
    let (room, listener) = (Arc::new(Room::new()), tokio::net::TcpListener::from_std(listener)?);
    loop {
        let (room, (input, output)) = (room.clone(), listener.accept().await?.0.into_split());
        let ((put, lines), (inside, outside)) = (mpsc::channel::<Line>(MOST_WAITING), oneshot::channel::<()>());
        tokio::spawn(async move {
            let number = room.enter(move |line| !inside.is_closed() && put.try_send(line.clone()).is_ok());
            tokio::select! { () = hear_from(&room, number, input) => {}, () = speak_to(output, lines) => {}, _ = outside => {} }
            room.leave(number);
        });
    }
}

/// What the reactor calls: nothing ever waits, and what a client does not take yet is its transport's affair.
struct Client<G>(Rc<Room<G>>, Lines, usize);

impl Protocol for Client<Give> {
    fn connected(&mut self, transport: &Rc<Transport>) {
        let out = transport.clone();
        self.2 = self.0.enter(Box::new(move |line| out.write(line.as_bytes()) <= MOST_UNSENT || out.close()));
    }

    fn received(&mut self, transport: &Rc<Transport>, bytes: &[u8]) {
        if !self.1.take(bytes, |line| self.0.say(self.2, line)) {
            transport.close();
        }
    }

    fn lost(&mut self) {
        self.0.leave(self.2);
    }
}

pub(crate) fn reactor(listener: TcpListener) -> io::Result<()> {
    let room = Rc::new(Room::new());
    Reactor::new()?.run((listener, || Client(room.clone(), Lines::default(), 0)), || false)
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    if chatters::run(quick, options)? {
        notice(
            "the room is the same for all; only the waiting differs. Two threads read like what they do, and so do two \
            fibers. A task waits for several things at once. A reactor calls, and nothing reads from top to bottom. In all \
            of them who speaks never waits for who does not read.",
        );
    }
    Ok(())
}
