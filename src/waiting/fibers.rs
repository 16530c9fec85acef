//! Fibers around a hub: each target has a fiber that runs the same code as a thread of `pool`; but where that would block, it registers
//! with the hub and switches to another.
//!
//! The Python equivalents are gevent and eventlet. gevent replaces the functions of Python's library that block ("monkey patching"), so
//! that code which knows nothing of it waits on the hub. Rust cannot replace functions of others, and need not: the code asks a trait
//! for its connections ([`Net`]), and is compiled for threads and for fibers. Choose it where code that waits deep in nested calls is to
//! serve thousands of connections without being written differently. A call that really blocks stops all fibers, and nothing warns.
//!
//! A fiber costs its stack: of 128 KiB of address space only touched pages take memory, 4 to 6 KB here.

use super::blocking::{Net, fetch, left};
use super::event_loop::{EventLoop, Happened, Socket};
use super::feed::{Feed, Step};
use super::names::Found;
use super::{Answer, Frontier, Limits, WaitingEntry, refused};
use crate::error::Result;
use crate::parallel::Stop;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use url::Url;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "fibers",
    help: "a fiber for each connection, with a hub to which it switches instead of blocking",
    counterpart: "gevent, eventlet",
    choose: "for thousands of connections whose code reads as if it blocked, in nested calls too",
    avoid: "where what is called in between blocks or computes: it stops all others",
    connections: 1000,
    in_processes: false,
    source: include_str!("fibers.rs"),
    run,
};

/// Enough for a conversation, encrypted too.
const STACK_BYTES: usize = 128 << 10;

/// Resumed when what it waits for has happened, with addresses if it asked for them.
type Fiber = Coroutine<Found, (), Answer>;

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let (hub, mut feed) = (Rc::new(EventLoop::new(limits.resolve)?), Feed::new(frontier, limits, stop));
    let (mut fibers, mut stacks, mut number) = (HashMap::<usize, Fiber>::new(), Vec::new(), 0);
    loop {
        // At a stop they end by themselves: to unwind the stack of each would cost as much as all else.
        let over = || Err(io::ErrorKind::Interrupted.into());
        let step = feed.step().inspect_err(|_| fibers.values_mut().for_each(|fiber| drop(fiber.resume(over()))));
        let happened = match step? {
            Step::Start(target) => {
                number += 1;
                let stack = stacks.pop().map_or_else(|| DefaultStack::new(STACK_BYTES), Ok);
                let stack = stack.map_err(|error| refused("a fiber", &error))?;
                let (limits, own) = (limits.clone(), hub.clone());
                let body = move |fiber: &Yielder<_, _>, _| fetch(target, &limits, &Calls { number, hub: own, fiber });
                fibers.insert(number, Fiber::with_stack(stack, body));
                // Those that were started before go on meanwhile.
                [Happened::Ready(number)].into_iter().chain(hub.wait(Instant::now())).collect()
            }
            Step::Wait(moment) => hub.wait(moment),
            Step::Over => return Ok(()),
        };
        for (number, found) in happened.into_iter().map(Happened::wake) {
            // One that has ended since is not there.
            let Some(mut fiber) = fibers.remove(&number) else { continue };
            match fiber.resume(found) {
                CoroutineResult::Yield(()) => drop(fibers.insert(number, fiber)),
                CoroutineResult::Return(answer) => {
                    stacks.push(fiber.into_stack());
                    feed.deliver(answer);
                }
            }
        }
    }
}

/// The calls that would block, as a fiber makes them.
struct Calls<'a> {
    number: usize,
    hub: Rc<EventLoop>,
    fiber: &'a Yielder<Found, ()>,
}

impl Calls<'_> {
    /// Switches to the hub until something happens; fails when the time is over.
    fn switch(&self, deadline: Instant) -> Found {
        self.hub.set_timer(deadline, self.number);
        let found = self.fiber.suspend(());
        self.hub.clear_timer(deadline, self.number);
        left(deadline).and(found)
    }
}

impl Net for Calls<'_> {
    type Stream = Socket;

    fn resolve(&self, url: &Url, deadline: Instant) -> Found {
        self.hub.resolve(self.number, url, deadline);
        self.switch(deadline)
    }

    fn connect(&self, address: SocketAddr, deadline: Instant) -> io::Result<Socket> {
        let socket = self.hub.connect(address, self.number)?;
        self.switch(deadline).and_then(|_| socket.connected()).map(|()| socket)
    }

    fn wait(&self, socket: &Socket, writing: bool, deadline: Instant) -> io::Result<()> {
        socket.watch(self.number, writing).and_then(|()| self.switch(deadline)).map(drop)
    }
}
