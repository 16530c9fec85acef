//! Work stealing by hand, on crossbeam's lock-free deques: every worker has a queue of claims of its own and takes from the
//! others' when that is empty.
//!
//! Python has no counterpart; Cilk, Go's scheduler, tokio and Rayon work this way. Choose it to study stealing: everything that
//! Rayon does inside is in this file and `deque/queues.rs`, and it keeps the order of the pieces better, for which a picture that is written row by
//! row is grateful.
//!
//! Claims are dealt out in turn before the workers begin, and owners and thieves both take a queue's oldest claim. So results
//! come nearly from first to last, and a late worker's claims do not stay behind. No claim is ever added during a run: a queue that was seen
//! empty stays empty, so a worker that has found all of them empty is done, without counters of who still works. Stealing one
//! claim at a time keeps it so; a thief that takes half of a queue hides claims from the others for a moment.
//!
//! An empty piece that is a claim of its own costs 15 to 19 ns of wall time with two workers.

use super::{Entry, Handing, Session, Setup};
use crate::error::Result;
use crate::parallel::team::Team;
use crate::parallel::{Job, Kind, Report, Schedule, Sink, Stop, Work, Worker};
use crossbeam::Queue;
use crossbeam_utils::CachePadded;
use queues::Stealers;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod queues;

/// What the protocol's model in `tests/models.rs` puts a checker's queues in the place of.
mod crossbeam {
    pub(super) use crossbeam_deque::{Steal, Stealer, Worker as Queue};
}

pub(super) const ENTRY: Entry = Entry {
    name: "deque",
    help: "work stealing on crossbeam's deques, nearly in order",
    model: "threads, work stealing by hand",
    counterpart: "none",
    schedules: &[Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::OWN,
    probe: || Ok(()),
    open,
};

struct Deque {
    team: Team,
    shared: Shared,
    schedule: Schedule,
    timed: bool,
}

struct Shared {
    seats: Box<[CachePadded<Mutex<Seat>>]>,
    stealers: Stealers,
}

/// What a worker owns; it holds the lock for a whole run.
struct Seat {
    worker: Worker,
    /// The first piece of each claim.
    queue: Queue<usize>,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, .. } = setup;
    let seats = (0..workers).map(|index| Seat { worker: Worker::new(index), queue: Queue::new_fifo() });
    let (stealers, seats) =
        seats.map(|seat| (seat.queue.stealer(), CachePadded::new(Mutex::new(seat)))).unzip::<_, _, Vec<_>, Vec<_>>();
    let shared = Shared { seats: seats.into(), stealers: Stealers(stealers.into()) };
    Ok(Box::new(Deque { team: Team::new(workers, pinning)?, shared, schedule, timed }))
}

impl Session for Deque {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let workers = self.team.len();
        let job = Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?;
        let pieces = job.pieces();
        let chunk = match self.schedule.kind() {
            // Few enough pieces that a costly last claim keeps no other worker waiting for long.
            Kind::Auto => (pieces / (256 * workers)).clamp(1, job.grain()),
            _ => self.schedule.chunk().map_or(1, |chunk| chunk as usize),
        };
        for index in 0..workers {
            let Seat { queue, .. } = &*self.shared.seat(index);
            // A run that failed or was stopped left claims behind.
            while queue.pop().is_some() {}
            (index * chunk..pieces).step_by(workers * chunk).for_each(|start| queue.push(start));
        }
        let shared = &self.shared;
        let outcome = self.team.run(&|member| {
            let Seat { worker, queue } = &mut *shared.seat(member.index());
            while let Some(start) = shared.stealers.next(queue, member.index()) {
                if job.execute(worker, start..pieces.min(start + chunk)).is_break() {
                    break;
                }
            }
        });
        job.check(outcome);
        job.end(
            &self.schedule.to_string(),
            (0..workers).map(|index| self.shared.seat(index).worker.take_report()).collect(),
        )
    }
}

impl Shared {
    fn seat(&self, index: usize) -> MutexGuard<'_, Seat> {
        self.seats[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
