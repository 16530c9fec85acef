//! A thread for each connection, started when the connection is wanted and ended with it.
//!
//! The Python equivalent is `threading.Thread` for each client, as in `socketserver.ThreadingMixIn`. Choose it where connections live
//! long and each has much to do, up to some thousand of them: the code reads as if there were only one. It is not true that this
//! cannot reach ten thousand. They work; but each costs a start of about 20 µs, about 10 KB of resident memory and 16 KB in the kernel,
//! and more processor time than an event loop's connection, for the switches.

use super::blocking::{Sockets, fetch};
use super::queue::Queue;
use super::{Frontier, Limits, WaitingEntry, pool};
use crate::error::Result;
use crate::parallel::Stop;
use std::sync::Arc;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "thread-each",
    help: "a thread for each connection",
    counterpart: "threading.Thread for each, socketserver.ThreadingMixIn",
    choose: "where up to some thousand connections live long, and each does more than wait",
    avoid: "where connections are short or many thousands: starts, switches and stacks cost more than the waiting",
    connections: 1000,
    in_processes: false,
    source: include_str!("thread_each.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let shared = Arc::new(limits.clone());
    Queue::new(frontier).each(limits.connections, stop, |target, member| {
        let limits = shared.clone();
        pool::start(move || member.deliver(fetch(target, &limits, &Sockets(limits.resolve))))
    })
}
