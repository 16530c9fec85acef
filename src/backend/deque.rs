//! Handmade work stealing on crossbeam's lock-free deques: every worker has its own queue of claims and steals from the others'
//! when it is empty.
//!
//! Python has no equivalent; Cilk, Go's scheduler, tokio and Rayon work this way.
//!
//! Claims are handed out round-robin before the workers begin, and owners and thieves both take a queue's oldest claim. So results
//! come nearly in order, and a late worker's claims do not lag behind. No claim is added during a run: a queue seen empty stays
//! empty, so a worker that has found all of them empty is done, with no count of active workers. That is why thieves steal one
//! claim at a time: one that took half of a queue would hide claims from the others for a moment.
//!
//! A claim of one empty piece costs 15 to 19 ns of wall time with two workers.

use super::{BackendEntry, Session, Setup};
use crate::error::Result;
use crate::parallel::team::Team;
use crate::parallel::{Report, Schedule, Sink, Stop, Work, Workers, lock};
use crossbeam::Queue;
use queues::Stealers;
use std::sync::{Arc, Mutex};

mod queues;

/// What the protocol's model in `tests/models.rs` replaces with loom's queues.
mod crossbeam {
    pub(super) use crossbeam_deque::{Steal, Stealer, Worker as Queue};
}

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "deque",
    help: "work stealing on crossbeam's deques; results come nearly in order",
    model: "threads, work stealing by hand",
    counterpart: "none",
    choose: "to study work stealing: what Rayon does inside is in one short file, and results come nearly in order",
    avoid: "in a program that may use `rayon` or `threads`, which others maintain or which have more schedules",
    schedules: &[Schedule::STEALING, Schedule::AUTO],
    open: |setup| Ok(Box::new(Deque { team: setup.team()?, workers: Workers::new(setup.workers), setup })),
    ..BackendEntry::THREADS
};

struct Deque {
    team: Team,
    workers: Workers,
    setup: Setup,
}

impl Session for Deque {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { team, workers, setup } = self;
        let job = setup.begin(ENTRY.name, work, sink, stop)?;
        let claims = job.cut(setup.schedule, setup.workers);
        // A claim is queued as its number.
        let queues: Vec<_> = (0..setup.workers).map(|_| Queue::new_fifo()).collect();
        (0..claims.len()).zip(queues.iter().cycle()).for_each(|(claim, queue)| queue.push(claim));
        let stealers = Stealers(queues.iter().map(Queue::stealer).collect());
        // Each worker locks its own for the whole run.
        let queues: Vec<_> = queues.into_iter().map(Mutex::new).collect();
        let outcome = team.run(&|member| {
            let mut worker = workers.lock(member.index());
            let queue = lock(&queues[member.index()]);
            while let Some(claim) = stealers.next(&queue, member.index())
                && job.execute(&mut worker, claims.range(claim)).is_continue()
            {}
        });
        job.check(outcome);
        setup.end(&job, workers.take_reports())
    }
}
