//! A pool of processes: each fetches one target at a time, and a thread of this process brings it the targets and takes its answers.
//!
//! The Python equivalents are `ProcessPoolExecutor.map` and `multiprocessing.Pool`, where it is a usual mistake: waiting needs no second
//! processor and no second interpreter. Choose it where what is done with an answer computes, or may crash and must not take the program
//! with it. A process costs its start, about 1 ms of processor time, and a megabyte or more, a hundred times a thread.
//!
//! A process that is lost answers its target with a failure, and is replaced.

use super::crew::{Crew, Over};
use super::queue::Queue;
use super::{Frontier, Limits, WaitingEntry, pool};
use crate::error::Result;
use crate::parallel::Stop;
use std::sync::Arc;
use std::time::Instant;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "processes",
    help: "a fixed number of processes, each of which waits for one answer at a time",
    counterpart: "concurrent.futures.ProcessPoolExecutor, multiprocessing.Pool",
    choose: "where what is done with each answer computes, or may crash and must not take the program with it",
    avoid: "for waiting alone: a process waits no better than a thread, and costs a hundred times as much",
    connections: 100,
    in_processes: true,
    source: include_str!("processes.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let (queue, crew) = (Queue::new(frontier), Crew::new(limits));
    let _over = Over(crew.clone());
    // All are started before the first is asked, so that none gives its time to the start of another.
    let mut fetchers = Vec::new();
    while fetchers.len() < limits.connections && !stop.is_set() {
        fetchers.push(crew.start()?);
    }
    for mut fetcher in fetchers {
        let (member, crew) = (queue.member(), crew.clone());
        let started = pool::start(move || {
            member.answer(|target| {
                let started = Instant::now();
                fetcher.fetch(&target).unwrap_or_else(|_| {
                    let answer = fetcher.lost(target, started);
                    // Without another, the next target is lost as well.
                    if let Ok(another) = crew.start() {
                        fetcher = another;
                    }
                    answer
                })
            });
        });
        started.inspect_err(|_| queue.close())?;
    }
    queue.wait(0, stop)
}
