//! Clients for the servers of `chat`, which watch what the servers do.

use super::super::chat::{fibers, reactor, threads, tokio};
use super::originals::children;
use super::positive;
use super::servers::{Server, listen};
use clap::ValueEnum;
use fractal::{Error, Result};
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What this lesson can be asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Clients that talk to each other
    #[arg(long, default_value_t = 200, value_parser = positive)]
    clients: usize,
    /// Clients that come and go at random
    #[arg(long, default_value_t = 1000)]
    disconnects: usize,
    /// Serves real clients instead, until Ctrl-C; try `nc`
    #[arg(long, value_name = "MODEL")]
    serve: Option<Model>,
    /// The port of `--serve`; by default one that is free
    #[arg(long, default_value_t = 0, requires = "serve")]
    port: u16,
    /// Ends with standard input
    #[arg(long, hide = true)]
    child: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Threads,
    Tokio,
    Fibers,
    Reactor,
}

/// How long a client waits for a line that does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves, or watches all servers; returns whether it did the latter.
pub(crate) fn run(quick: bool, options: &Options) -> Result<bool> {
    converse(quick, options).map_err(|error| Error::io("run", "the chat", error))
}

fn converse(quick: bool, options: &Options) -> io::Result<bool> {
    if let Some(model) = options.serve {
        let listener = listen(options.port, options.child)?;
        return serve(model, listener).map(|()| false);
    }
    let (clients, disconnects) = if quick {
        (options.clients.min(20), options.disconnects.min(50))
    } else {
        (options.clients, options.disconnects)
    };
    println!("{clients} clients say two lines each; one does not read; {disconnects} come and go\n");
    println!("{:9}{:>10}{:>12}{:>7}{:>18}{:>18}", "", "lines", "processor", "amiss", "does not read", "come and go");
    for model in Model::value_variants() {
        let name = model.to_possible_value().expect("no model is hidden").get_name().to_owned();
        let before = children();
        let server = Server::start(&["chat", "--serve", &name])?;
        let (lines, amiss) = talk(server.address, clients)?;
        let silent = silent(server.address)?;
        let storm = storm(server.address, disconnects)?;
        drop(server);
        let processor = (children() - before).as_secs_f64();
        println!("{name:9}{lines:10}{processor:10.2} s{amiss:7}{silent:>18}{storm:>18}");
    }
    Ok(true)
}

fn serve(model: Model, listener: TcpListener) -> io::Result<()> {
    match model {
        Model::Threads => threads(&listener),
        Model::Fibers => fibers(listener),
        Model::Reactor => reactor(listener),
        Model::Tokio => {
            listener.set_nonblocking(true)?;
            ::tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(tokio(listener))
        }
    }
}

/// A client who reads.
struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects; returns the client, and how many are in the room.
    fn new(address: SocketAddr) -> io::Result<(Self, usize)> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self(BufReader::new(stream));
        let people = client.line()?.split(' ').next().and_then(|count| count.parse().ok());
        Ok((client, people.ok_or_else(|| io::Error::other("the server does not greet"))?))
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(line.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    /// The next line of somebody, whatever others say.
    fn line_of(&mut self, who: &str) -> io::Result<String> {
        loop {
            let line = self.line()?;
            if line.starts_with(who) {
                return Ok(line);
            }
        }
    }
}

/// Says two lines in each client; returns how many came to all others, and how many of these did not, or not in order, or twice.
fn talk(address: SocketAddr, clients: usize) -> io::Result<(usize, usize)> {
    let client = |_| Client::new(address).map(|(client, _)| client);
    let all = (0..clients).map(client).collect::<io::Result<Vec<_>>>()?;
    let talks = |(number, mut client): (usize, Client)| {
        let (mut next, mut amiss) = (BTreeMap::<String, usize>::new(), 0);
        for line in 0..2 {
            let said = client.say(&format!("user{number}: {line}\n"));
            for _ in 0..clients - 1 {
                let heard = said.as_ref().ok().and_then(|()| client.line().ok());
                let Some((who, what)) = heard.as_deref().and_then(|heard| heard.trim().split_once(": ")) else {
                    amiss += 1;
                    continue;
                };
                let next = next.entry(who.to_owned()).or_default();
                amiss += usize::from(what != next.to_string() || who == format!("user{number}"));
                *next += 1;
            }
        }
        // Whoever was not heard has lost two lines.
        amiss + 2 * (clients - 1 - next.len().min(clients - 1))
    };
    let amiss = thread::scope(|scope| {
        let threads: Vec<_> = all.into_iter().enumerate().map(|client| scope.spawn(move || talks(client))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no client panics")).sum()
    });
    Ok((2 * clients * (clients - 1), amiss))
}

/// Waits until so many are in the room beside who asks; returns whether that came true.
fn are_left(address: SocketAddr, people: usize) -> io::Result<bool> {
    let began = Instant::now();
    while Client::new(address)?.1 != people + 1 {
        if began.elapsed() > PATIENCE {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// Two talk while a third does not read; says what became of it.
fn silent(address: SocketAddr) -> io::Result<&'static str> {
    are_left(address, 0)?;
    // Once it has been greeted, it is in the room.
    let (silent, _) = Client::new(address)?;
    set_socket_recv_buffer_size(silent.0.get_ref(), 4096)?;
    let ((mut speaker, _), (mut listener, _)) = (Client::new(address)?, Client::new(address)?);
    let long = format!("speaker: {}\n", "x".repeat(4000));
    // More than any system keeps for a connection; the listener keeps step.
    for _ in 0..400 {
        for _ in 0..64 {
            speaker.say(&long)?;
        }
        for _ in 0..64 {
            listener.line_of("speaker: ")?;
        }
        listener.say("listener: go on\n")?;
        speaker.line_of("listener: ")?;
        let people = Client::new(address)?.1;
        if people == 3 {
            return Ok("was dropped");
        }
    }
    drop(silent);
    Ok("is still there")
}

/// Two talk while others come and go; says whether both heard everything, and the others are gone.
fn storm(address: SocketAddr, disconnects: usize) -> io::Result<&'static str> {
    are_left(address, 0)?;
    let ((mut one, _), (mut other, _)) = (Client::new(address)?, Client::new(address)?);
    let comes = |number: usize| -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        match number % 5 {
            0 => {}
            1 => stream.write_all(b"half a l")?,
            2 => {
                stream.write_all(b"reset: \n")?;
                set_socket_linger(&stream, Some(Duration::ZERO))?;
            }
            3 => stream.write_all(&b"many: \n".repeat(20))?,
            _ => drop(stream.read(&mut [0; 3])?),
        }
        Ok(())
    };
    let heard = thread::scope(|scope| {
        // An error here is the server's doing only if the talk below ends as well.
        let comes = move |thread| (thread..disconnects).step_by(4).for_each(|number| drop(comes(number)));
        let storm: Vec<_> = (0..4).map(|thread| scope.spawn(move || comes(thread))).collect();
        let (mut count, mut heard) = (0, true);
        while heard && (count < 10 || !storm.iter().all(|thread| thread.is_finished())) {
            count += 1;
            let (question, answer) = (format!("one: {count}\n"), format!("other: {count}\n"));
            heard &= one.say(&question).and_then(|()| other.line_of("one: ")).is_ok_and(|line| line == question);
            heard &= other.say(&answer).and_then(|()| one.line_of("other: ")).is_ok_and(|line| line == answer);
        }
        heard
    });
    Ok(match (heard, are_left(address, 2)?) {
        (true, true) => "disturb nobody",
        (true, false) => "are still there",
        (false, _) => "disturb others",
    })
}
