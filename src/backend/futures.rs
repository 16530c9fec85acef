//! An executor and its futures: claims are submitted to a thread pool, each gives a future, and the caller takes futures as they are
//! completed, in any order.
//!
//! Python's counterpart is `concurrent.futures`: `submit`, then `as_completed`. Choose it when tasks come one by one from
//! elsewhere, each with a result that somebody awaits. The pool is the `futures` crate's `ThreadPool`, a future of a result its
//! `RemoteHandle`, and `as_completed` is `FuturesUnordered`.
//!
//! Submitting everything at once, as one does in Python, would queue a task for each piece of a poster. So a bounded number of
//! futures is pending, and one more is submitted for each that is completed: a large claim at hand for each worker and others
//! waiting, or up to 64 small ones. A task gives its result to the sinks itself. When the caller did that with each completed future,
//! it took the processor from a worker between two claims: 5 % of two workers' time went into waiting for the next task.
//!
//! An empty piece that is a claim of its own costs 0.43 µs of wall time with two workers: a future, its task and its reply are an
//! allocation each, and the pool's queue is behind a lock. `channel` does the same work without futures in half of that.

use super::{Entry, Handing, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, Worker};
use futures_executor::{ThreadPool, ThreadPoolBuilder, block_on, enter};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::SpawnExt;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const ENTRY: Entry = Entry {
    name: "futures",
    help: "claims are submitted to an executor; their futures are taken as they are completed",
    model: "thread pool, futures",
    counterpart: "concurrent.futures.ThreadPoolExecutor",
    schedules: &[Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::Queue,
    probe: || Ok(()),
    open,
};

/// The most futures that are pending for each worker.
const PENDING: usize = 64;

thread_local! {
    /// The number of the pool's thread.
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

type Workers = Arc<[Mutex<Worker>]>;

struct Futures {
    pool: ThreadPool,
    /// One for each thread of the pool.
    workers: Workers,
    schedule: Schedule,
    timed: bool,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, .. } = setup;
    let pool = ThreadPoolBuilder::new()
        .pool_size(workers)
        .name_prefix("fractal-")
        .after_start(move |index| {
            INDEX.set(index);
            // Pinning was tried when it was made; a processor lost since then is no reason to end. The thread stays pinned.
            std::mem::forget(pinning.as_ref().and_then(|pinning| pinning.pin(index).ok()));
        })
        .create()
        .map_err(|error| Error::Unsupported(format!("{workers} workers cannot be started: {error}; ask for fewer")))?;
    let workers = (0..workers).map(|index| Mutex::new(Worker::new(index))).collect();
    Ok(Box::new(Futures { pool, workers, schedule, timed }))
}

impl Session for Futures {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let workers = self.workers.len();
        let job = Arc::new(Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?);
        // An executor refuses to run inside of another; who calls from within one gets a thread beside it.
        let all = || block_on(self.all(&job));
        let outcome = if let Ok(free) = enter() {
            drop(free);
            catch_unwind(AssertUnwindSafe(all))
        } else {
            super::beside(all)?
        };
        if let Err(payload) = outcome {
            job.lost(payload.as_ref());
        }
        job.end(&self.schedule.to_string(), self.workers.iter().map(|worker| lock(worker).take_report()).collect())
    }
}

impl Futures {
    async fn all(&self, job: &Arc<Job>) {
        let workers = self.workers.len();
        let shared = Loop::new(0..job.pieces(), self.schedule.with_auto_limit(job.grain()), workers);
        let mut claims = shared.claims(0).flat_map(|range| job.claims(range));
        let mut submit = || {
            let claim = if job.is_over() { None } else { claims.next() }?;
            let task = compute(job.clone(), self.workers.clone(), claim);
            Some(self.pool.spawn_with_handle(task).expect("the pool lives as long as the session"))
        };
        let room = workers * job.grain().clamp(2, PENDING);
        let mut pending: FuturesUnordered<_> = std::iter::from_fn(&mut submit).take(room).collect();
        while let Some(()) = pending.next().await {
            pending.extend(submit());
        }
    }
}

/// A task of the pool.
async fn compute(job: Arc<Job>, workers: Workers, claim: Range<usize>) {
    // The caller sees for itself when the run is over.
    let _ = job.execute(&mut lock(&workers[INDEX.get()]), claim);
}

fn lock(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}
