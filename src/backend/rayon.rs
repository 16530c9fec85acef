//! Rayon's parallel iterator over claims, in a thread pool of its own: what most Rust programs would write.
//!
//! Python's counterparts are `multiprocessing.Pool.map` with a chunk size and `joblib.Parallel`. Choose it inside a program that
//! uses Rayon already.
//!
//! Rayon halves a range until each job holds one claim or a few, and lets idle threads steal halves, which is OpenMP's
//! `nonmonotonic:dynamic`. That leaves no order from first to last, so a picture would be complete everywhere at once or
//! nowhere. For the other schedules a job is therefore only the turn to take the next claim: Rayon balances the turns, a counter
//! gives the order.
//!
//! An empty piece that is a claim of its own costs 24 ns of processor time, 29 ns in order, and a run without pieces takes 5 µs.
//! A job for each claim, however many there are, costs 15 ns more, and `try_for_each`, which would end a stopped run without
//! walking through what is left, another 23 ns. `par_bridge` over a shared iterator locks, and can hang when work uses Rayon.
//! An idle thread of Rayon looks for work at each of the others, 32 times before it sleeps, which nothing sets. So a run begins after a time
//! that grows with the square of the threads: on two processors 0.07 s with 256, 0.85 s with 512, 5 s with 1024, minutes with 4096. More
//! than [`most`] are refused therefore; those of `threads`, which park at once, take 0.5 s with 4096.

use super::{Entry, Handing, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Job, Kind, Order, Report, Schedule, Sink, Stop, Work, Worker, WorkerReport};
use crossbeam_utils::CachePadded;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

pub(super) const ENTRY: Entry = Entry {
    name: "rayon",
    help: "Rayon's work-stealing parallel iterator, in its own thread pool",
    model: "threads, work stealing",
    counterpart: "multiprocessing.Pool.map, joblib",
    schedules: &[Schedule::DYNAMIC, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::OWN,
    probe: || Ok(()),
    open,
};

struct Rayon {
    pool: ThreadPool,
    /// One for each thread of the pool.
    seats: Box<[CachePadded<Seat>]>,
    schedule: Schedule,
    timed: bool,
}

/// What a thread of the pool computes with.
struct Seat {
    worker: Mutex<Worker>,
    /// What was done while the worker was busy. Work that itself uses Rayon lets a thread wait inside a piece, and Rayon has it
    /// take up another claim meanwhile: it would deadlock if it waited for its own worker.
    nested: Mutex<WorkerReport>,
}

/// How many threads are allowed: as many as begin within a second, and twice as many as can run at once, however many that are.
fn most(processors: usize) -> usize {
    512.max(2 * processors)
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, .. } = setup;
    let most = most(std::thread::available_parallelism().map_or(1, NonZero::get));
    if workers > most {
        return Err(Error::Usage(format!(
            "backend `{}` with {workers} workers is too many: each of its idle threads looks for work at all others; allowed are 1 to \
             {most} here, and more with backend `{}`",
            ENTRY.name,
            super::DEFAULT
        )));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("fractal-{index}"))
        .start_handler(move |index| {
            // Pinning was tried when it was made; a processor lost since then is no reason to end. The thread stays pinned.
            std::mem::forget(pinning.as_ref().and_then(|pinning| pinning.pin(index).ok()));
        })
        .build()
        .map_err(|error| Error::Unsupported(format!("{workers} workers cannot be started: {error}; ask for fewer")))?;
    let seat = |index| Seat { worker: Mutex::new(Worker::new(index)), nested: Mutex::default() };
    let seats = (0..workers).map(|index| CachePadded::new(seat(index))).collect();
    Ok(Box::new(Rayon { pool, seats, schedule, timed }))
}

impl Session for Rayon {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Job::begin(ENTRY.name, self.seats.len(), self.timed, work, sink, stop)?;
        let pieces = job.pieces();
        let chunk = match self.schedule.kind() {
            // Few enough pieces that a costly last claim keeps no other worker waiting for long.
            Kind::Auto => (pieces / (256 * self.seats.len())).clamp(1, job.grain()),
            _ => self.schedule.chunk().map_or(1, |chunk| chunk as usize),
        };
        let in_order = self.schedule.order() != Some(Order::Nonmonotonic);
        let next = CachePadded::new(AtomicUsize::new(0));
        let turn = |turn: usize| {
            let claim = if in_order { next.fetch_add(1, Ordering::Relaxed) } else { turn };
            let start = claim * chunk;
            let index = rayon::current_thread_index().expect("turns are taken in the pool");
            self.seats[index].execute(index, &job, start..pieces.min(start + chunk));
        };
        let turns = 0..pieces.div_ceil(chunk);
        // A job has several turns when there are so many that one job is a small part of the whole in any case.
        let most = (turns.len() / (4096 * self.seats.len())).clamp(1, 64);
        let all = || self.pool.install(|| turns.into_par_iter().with_max_len(most).for_each(turn));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(all)) {
            job.lost(payload.as_ref());
        }
        job.end(&self.schedule.to_string(), self.seats.iter_mut().map(|seat| seat.take_report()).collect())
    }
}

impl Seat {
    /// Computes `claim`; when the run is over, that is nothing.
    fn execute(&self, index: usize, job: &Job, claim: Range<usize>) {
        let _ = match self.worker.try_lock() {
            Ok(mut worker) => job.execute(&mut worker, claim),
            Err(TryLockError::Poisoned(worker)) => job.execute(&mut worker.into_inner(), claim),
            Err(TryLockError::WouldBlock) => {
                let mut worker = Worker::new(index);
                let outcome = job.execute(&mut worker, claim);
                self.nested.lock().unwrap_or_else(PoisonError::into_inner).add(&worker.take_report());
                outcome
            }
        };
    }

    fn take_report(&mut self) -> WorkerReport {
        let mut report = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take_report();
        report.add(&std::mem::take(self.nested.get_mut().unwrap_or_else(PoisonError::into_inner)));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Options;

    #[test]
    fn as_many_threads_as_begin_soon_are_allowed() {
        assert_eq!([1, 2, 256, 257, 1024].map(most), [512, 512, 512, 514, 2048]);
        let here = most(std::thread::available_parallelism().map_or(1, NonZero::get));
        if here < crate::parallel::MAX_WORKERS {
            let refused = ENTRY.open(&Options { workers: here + 1, ..Options::default() }).err().unwrap();
            assert_eq!(refused.exit_code(), 2);
            let text = refused.to_string();
            assert!(text.contains(&format!("allowed are 1 to {here} here")) && text.contains("`threads`"), "{text}");
        }
        assert!(ENTRY.open(&Options { workers: 300, ..Options::default() }).is_ok());
    }
}
