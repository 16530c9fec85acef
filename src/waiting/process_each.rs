//! A process for each connection, started for it and ended with it.
//!
//! The Python equivalent is `os.fork` for each client, as in `socketserver.ForkingMixIn`; inetd and the first web servers did so. Choose
//! it where each connection must be kept apart from all others, since one user's crash or leak then ends with that user. A start costs
//! about 1 ms of processor time, and the memory of a program: a thousand at once are a gigabyte, and no machine has ten thousand.

use super::crew::{Crew, Over};
use super::queue::Queue;
use super::{Frontier, Limits, WaitingEntry, pool};
use crate::error::Result;
use crate::parallel::Stop;
use std::sync::Arc;
use std::time::Instant;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "process-each",
    help: "a process for each connection",
    counterpart: "os.fork for each, socketserver.ForkingMixIn",
    choose: "where each connection must be kept apart from all others, whatever happens to it",
    avoid: "wherever that is not needed: it costs the most of all",
    connections: 100,
    in_processes: true,
    source: include_str!("process_each.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let crew = Crew::new(limits);
    let _over = Over(crew.clone());
    Queue::new(frontier).each(limits.connections, stop, |target, member| {
        let (mut fetcher, started) = (crew.start()?, Instant::now());
        pool::start(move || {
            let answer = fetcher.fetch(&target).unwrap_or_else(|_| fetcher.lost(target, started));
            // Its place is free once it has ended.
            drop(fetcher);
            member.deliver(answer);
        })
    })
}
