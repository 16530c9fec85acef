//! A reactor and callbacks: one loop waits for all connections, and calls what is registered for the one on which something happened.
//!
//! The Python equivalent is Twisted, whose names these are: a *transport* moves bytes, a *protocol* is called with what arrived and says
//! what to send, and a *deferred* is called once with the result. asyncio's transports and protocols are the same. Choose it inside a
//! library that other models are built on, or where every byte counts: a connection costs only the state of its protocol, less than
//! half a kilobyte here. It reads the worst: what was a loop is spread over callbacks, and each has to remember where it was.

use super::event_loop::{EventLoop, Happened, Socket};
use super::feed::{Feed, Step};
use super::http::Fetch;
use super::{Answer, Failure, Frontier, Limits, WaitingEntry};
use crate::error::Result;
use crate::parallel::Stop;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use std::vec::IntoIter;

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

/// A connection, the protocol that is called with what happens on it, and the deferred that is called once with the result.
struct Transport<D: FnOnce(Answer)> {
    number: usize,
    /// Those of the host that are still to be tried.
    addresses: IntoIter<SocketAddr>,
    socket: Option<Socket>,
    is_connected: bool,
    protocol: Fetch,
    deferred: D,
}

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let (reactor, feed) = (EventLoop::new(limits.resolve)?, RefCell::new(Feed::new(frontier, limits, stop)));
    let (mut transports, mut number) = (HashMap::new(), 0);
    loop {
        let step = feed.borrow_mut().step()?;
        let happened = match step {
            Step::Start(target) => {
                number += 1;
                let (protocol, deferred) = (Fetch::new(target, limits), |answer| feed.borrow_mut().deliver(answer));
                transports.insert(number, Box::new(Transport::begin(number, protocol, deferred, &reactor)));
                // Not all are started before the first is looked at: each that waits for that holds its request.
                reactor.wait(Instant::now())
            }
            Step::Wait(moment) => reactor.wait(moment),
            Step::Over => return Ok(()),
        };
        for what in happened {
            // One that has ended since is not there.
            let Entry::Occupied(mut entry) = transports.entry(what.number()) else { continue };
            entry.get_mut().happened(what, &reactor);
            if entry.get().protocol.is_complete() {
                let Transport { number, protocol, deferred, .. } = *entry.remove();
                reactor.clear_timer(protocol.deadline(), number);
                deferred(protocol.into_answer());
            }
        }
    }
}

impl<D: FnOnce(Answer)> Transport<D> {
    fn begin(number: usize, protocol: Fetch, deferred: D, reactor: &EventLoop) -> Self {
        reactor.set_timer(protocol.deadline(), number);
        reactor.resolve(number, protocol.url(), protocol.deadline());
        Self { number, addresses: IntoIter::default(), socket: None, is_connected: false, protocol, deferred }
    }

    fn happened(&mut self, what: Happened, reactor: &EventLoop) {
        let outcome = match what {
            Happened::Late(_) => Err(io::ErrorKind::TimedOut.into()),
            Happened::Ready(_) if self.is_connected => self.ready(reactor),
            Happened::Ready(_) => match self.socket.as_ref().map_or(Ok(()), Socket::connected) {
                Ok(()) => self.ready(reactor),
                Err(error) => self.connect(reactor, self.protocol.unconnected(&error)),
            },
            Happened::Found(_, Ok(addresses)) => {
                self.addresses = addresses.into_iter();
                self.connect(reactor, Failure::no_address())
            }
            Happened::Found(_, Err(error)) => self.connect(reactor, self.protocol.unresolved(&error)),
        };
        outcome.unwrap_or_else(|error| self.protocol.broken(&error));
    }

    /// Begins to connect to the next address, after this failure.
    fn connect(&mut self, reactor: &EventLoop, mut failure: Failure) -> io::Result<()> {
        self.is_connected = false;
        self.socket = self.addresses.by_ref().find_map(|address| {
            reactor.connect(address, self.number).map_err(|error| failure = self.protocol.unconnected(&error)).ok()
        });
        if self.socket.is_none() {
            self.protocol.fail(failure);
        }
        Ok(())
    }

    /// Moves bytes between the connection and the protocol.
    fn ready(&mut self, reactor: &EventLoop) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        self.is_connected = true;
        self.addresses = IntoIter::default();
        if self.protocol.is_listening() && self.protocol.receive(|bytes| (&**socket).read(bytes))? {
            if !self.protocol.is_complete() {
                // Redirected: the next connection begins with an address.
                reactor.resolve(self.number, self.protocol.url(), self.protocol.deadline());
            }
            return Ok(());
        }
        let is_sent = self.protocol.send(|bytes| (&**socket).write(bytes))?;
        socket.watch(self.number, !is_sent)
    }
}
