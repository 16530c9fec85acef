//! A reactor and callbacks: one loop waits for all connections, and calls what is registered for the one on which something happened.
//!
//! The Python equivalent is Twisted, whose names these are: a *transport* moves bytes, a *protocol* is called with what arrived and says
//! what to send, and a *deferred* is called once with the result. asyncio's transports and protocols are the same. Choose it inside a
//! library that other models are built on, or where every byte counts: a connection costs only the state of its protocol, less than
//! half a kilobyte here. It reads the worst: what was a loop is spread over callbacks, and each has to remember where it was.

use super::blocking::is_busy;
use super::event_loop::{EventLoop, Happened, Socket};
use super::feed::{Feed, Step};
use super::http::{Fetch, address_of};
use super::{Answer, Class, Failure, Frontier, Limits, WaitingEntry};
use crate::error::Result;
use crate::parallel::Stop;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "reactor",
    help: "callbacks for each connection, called from one loop",
    counterpart: "Twisted: reactor, transport, protocol, deferred",
    choose: "inside a library, or where the memory of each connection counts",
    avoid: "for code that people shall read: a loop is spread over callbacks, each of which must remember where it was",
    connections: 1000,
    in_processes: false,
    source: include_str!("reactor.rs"),
    run,
};

/// What is called once with the result.
type Deferred<'a> = Box<dyn FnOnce(Answer) + 'a>;

/// A connection, and the protocol that is called with what happens on it.
struct Transport<'a> {
    number: usize,
    socket: Option<Socket>,
    is_connected: bool,
    /// Those of the host that are still to be tried.
    addresses: std::vec::IntoIter<SocketAddr>,
    protocol: Fetch,
    deferred: Deferred<'a>,
}

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let (reactor, feed) = (EventLoop::new()?, RefCell::new(Feed::new(frontier, limits, stop)));
    let (mut transports, mut number) = (HashMap::new(), 0);
    loop {
        let step = feed.borrow_mut().step()?;
        let happened = match step {
            Step::Start(target) => {
                number += 1;
                let (protocol, deferred) =
                    (Fetch::new(target, limits), Box::new(|answer| feed.borrow_mut().deliver(answer)));
                reactor.set_timer(protocol.deadline(), number);
                transports.insert(number, Transport::new(number, protocol, deferred));
                vec![Happened::Ready(number)]
            }
            Step::Wait(moment) => reactor.wait(moment),
            Step::Over => return Ok(()),
        };
        for what in happened {
            let (Happened::Ready(number) | Happened::Late(number) | Happened::Found(number, _)) = what;
            // One that has ended since is not there.
            let Some(transport) = transports.get_mut(&number) else { continue };
            if !transport.protocol.is_complete() {
                transport.happened(what, &reactor);
            }
            if transport.protocol.is_complete() {
                let Transport { protocol, deferred, .. } = transports.remove(&number).expect("it is there");
                reactor.clear_timer(protocol.deadline(), number);
                deferred(protocol.into_answer());
            }
        }
    }
}

impl<'a> Transport<'a> {
    fn new(number: usize, protocol: Fetch, deferred: Deferred<'a>) -> Self {
        Self { number, socket: None, is_connected: false, addresses: Vec::new().into_iter(), protocol, deferred }
    }

    fn happened(&mut self, what: Happened, reactor: &EventLoop) {
        let outcome = match what {
            Happened::Late(_) => Err(io::ErrorKind::TimedOut.into()),
            Happened::Found(_, Ok(addresses)) => Ok(self.connect(reactor, addresses)),
            Happened::Found(_, Err(error)) => Ok(self.protocol.fail(self.protocol.unresolved(&error))),
            Happened::Ready(_) if self.socket.is_none() => self.open(reactor),
            Happened::Ready(_) => self.ready(reactor),
        };
        outcome.unwrap_or_else(|error| self.protocol.broken(&error));
    }

    /// Begins a connection for what the protocol wants next.
    fn open(&mut self, reactor: &EventLoop) -> io::Result<()> {
        let (host, port) = address_of(self.protocol.url());
        match host.parse() {
            Ok(address) => Ok(self.connect(reactor, vec![SocketAddr::new(address, port)])),
            Err(_) => reactor.resolve(self.number, &host, port),
        }
    }

    fn connect(&mut self, reactor: &EventLoop, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into_iter();
        self.connect_next(reactor, Failure::new(Class::Name, "has a host without an address"));
    }

    /// Tries the next address, since the last one failed.
    fn connect_next(&mut self, reactor: &EventLoop, mut failure: Failure) {
        self.is_connected = false;
        for address in self.addresses.by_ref() {
            let begun = reactor.connect(address).and_then(|socket| socket.watch(self.number, true).map(|()| socket));
            match begun {
                Ok(socket) => return self.socket = Some(socket),
                Err(error) => failure = self.protocol.unconnected(&error),
            }
        }
        self.protocol.fail(failure);
    }

    /// Reads what has arrived, and writes what the protocol answers.
    fn ready(&mut self, reactor: &EventLoop) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        if !self.is_connected
            && let Err(error) = socket.connected()
        {
            let failure = self.protocol.unconnected(&error);
            return Ok(self.connect_next(reactor, failure));
        }
        self.is_connected = true;
        let mut stream: &TcpStream = socket;
        if self.protocol.outgoing().is_empty() {
            let mut bytes = vec![0; 16 << 10];
            match stream.read(&mut bytes) {
                Ok(count) if self.protocol.received(&bytes[..count]) => {
                    return if self.protocol.is_complete() { Ok(()) } else { self.open(reactor) };
                }
                Err(error) if !is_busy(&error) => return Err(error),
                _ => {}
            }
        }
        while !self.protocol.outgoing().is_empty() {
            match stream.write(self.protocol.outgoing()) {
                Ok(sent) => self.protocol.sent(sent),
                Err(error) if is_busy(&error) => return socket.watch(self.number, true),
                Err(error) => return Err(error),
            }
        }
        socket.watch(self.number, false)
    }
}
