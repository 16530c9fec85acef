//! Rayon's parallel iterator over claims, in a thread pool of its own: what most Rust programs would write.
//!
//! Python's counterparts are `multiprocessing.Pool.map` with a chunk size and `joblib.Parallel`. Choose it inside a program that
//! uses Rayon already.
//!
//! Rayon halves a range until each job holds one claim and lets idle threads steal halves, which is OpenMP's
//! `nonmonotonic:dynamic`. That leaves no order from first to last, so a picture would be complete everywhere at once or
//! nowhere. For the other schedules a job is therefore only the turn to take the next claim: Rayon balances the turns, a counter
//! gives the order, for a few nanoseconds a claim. `par_bridge` over such an iterator locks and costs more.

use super::{Entry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Job, Kind, Order, Report, Schedule, Sink, Stop, Work, Worker, WorkerReport};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const ENTRY: Entry = Entry {
    name: "rayon",
    help: "Rayon's work-stealing parallel iterator, in its own thread pool",
    model: "threads, work stealing",
    counterpart: "multiprocessing.Pool.map, joblib",
    schedules: &[Schedule::DYNAMIC, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    probe: || Ok(()),
    open,
};

struct Rayon {
    pool: ThreadPool,
    /// For each thread the states that it can compute with. It is one but for work that itself uses Rayon: a thread that
    /// waits inside a piece takes up another claim meanwhile, and would deadlock if it kept its only state locked.
    workers: Vec<Mutex<Vec<Worker>>>,
    schedule: Schedule,
    timed: bool,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed } = setup;
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("fractal-{index}"))
        .start_handler(move |index| {
            // Pinning was tried when it was made; a processor lost since then is no reason to end. The thread stays pinned.
            std::mem::forget(pinning.as_ref().and_then(|pinning| pinning.pin(index).ok()));
        })
        .build()
        .map_err(|error| Error::Unsupported(format!("{workers} workers cannot be started: {error}; ask for fewer")))?;
    let workers = (0..workers).map(|_| Mutex::default()).collect();
    Ok(Box::new(Rayon { pool, workers, schedule, timed }))
}

impl Session for Rayon {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Job::begin(ENTRY.name, self.workers.len(), self.timed, work, sink, stop)?;
        let pieces = job.pieces();
        let chunk = match self.schedule.kind() {
            // Few enough pieces that a costly last claim keeps no other worker waiting for long.
            Kind::Auto => (pieces / (256 * self.workers.len())).clamp(1, job.grain()),
            _ => self.schedule.chunk().map_or(1, |chunk| chunk as usize),
        };
        let in_order = self.schedule.order() != Some(Order::Nonmonotonic);
        let next = AtomicUsize::new(0);
        let turn = |turn: usize| {
            let claim = if in_order { next.fetch_add(1, Ordering::Relaxed) } else { turn };
            let start = claim * chunk;
            self.execute(&job, start..pieces.min(start + chunk))
        };
        let turns = 0..pieces.div_ceil(chunk);
        let all = || self.pool.install(|| turns.into_par_iter().with_max_len(1).try_for_each(turn));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(all)) {
            job.lost(payload.as_ref());
        }
        job.end(&self.schedule.to_string(), self.take_reports())
    }
}

impl Rayon {
    fn execute(&self, job: &Job, claim: Range<usize>) -> ControlFlow<()> {
        let index = rayon::current_thread_index().expect("turns are taken in the pool");
        let states = || self.workers[index].lock().unwrap_or_else(PoisonError::into_inner);
        let spare = states().pop();
        let mut worker = spare.unwrap_or_else(|| Worker::new(index));
        let outcome = job.execute(&mut worker, claim);
        states().push(worker);
        outcome
    }

    fn take_reports(&mut self) -> Vec<WorkerReport> {
        let report = |(index, states): (usize, &mut Mutex<Vec<Worker>>)| {
            let states = states.get_mut().unwrap_or_else(PoisonError::into_inner);
            let mut total = WorkerReport { index, ..WorkerReport::default() };
            states.iter_mut().for_each(|state| total.add(&state.take_report()));
            states.truncate(1);
            total
        };
        self.workers.iter_mut().enumerate().map(report).collect()
    }
}
