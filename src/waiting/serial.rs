//! One after the other: the program waits for each answer before it asks the next question.
//!
//! The Python equivalent is a loop over `requests.get`. Choose it where there are few targets, or where each depends on the one
//! before. A thousand answers that take 50 ms each take 50 s, of which the processor works for a tenth of a second.
//!
//! A stop could not interrupt the wait, so even here the waiting is done by a thread, and the caller looks out for the stop.

use super::blocking::{Sockets, fetch};
use super::queue::Queue;
use super::{Frontier, Limits, WaitingEntry, pool};
use crate::error::Result;
use crate::parallel::Stop;
use std::sync::Arc;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "serial",
    help: "one connection after the other",
    counterpart: "a loop over requests.get",
    choose: "where there are few targets, or where each depends on the answer before",
    avoid: "where answers take longer than you do: the processor is idle all the time",
    connections: 1,
    in_processes: false,
    source: include_str!("serial.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let queue = Queue::new(frontier);
    let (member, limits) = (queue.member(), limits.clone());
    pool::start(move || member.answer(|target| fetch(target, &limits, &Sockets(limits.resolve))))?;
    queue.wait(0, stop)
}
