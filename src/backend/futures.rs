//! An executor and its futures: claims are submitted to a thread pool, each gives a future of its result, and the caller takes
//! results as they are completed, in any order.
//!
//! Python's counterpart is `concurrent.futures`: `submit`, then `as_completed`. Choose it when tasks come one by one from
//! elsewhere, each with a result that somebody awaits. The pool is the `futures` crate's `ThreadPool`, a future of a result its
//! `RemoteHandle`, and `as_completed` is `FuturesUnordered`.
//!
//! Submitting everything at once, as one does in Python, would hold a whole picture in results that nobody has taken. So a
//! bounded number of futures is pending, each with the memory for its result, and one more is submitted for each that is
//! completed: a large claim at hand for each worker and another waiting, or up to 64 small ones.
//!
//! An empty piece that is a claim of its own costs 0.55 µs of wall time with two workers: a future, its task and its reply are an
//! allocation each, and the pool's queue is behind a lock. `channel` does the same work without futures in half of that.

use super::{Entry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Finished, Job, Loop, Report, Schedule, Sink, Stop, Work, Worker};
use crossbeam_utils::CachePadded;
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
    processes: false,
    probe: || Ok(()),
    open,
};

/// The most futures that are pending for each worker.
const PENDING: usize = 64;

thread_local! {
    /// The number of the pool's thread.
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

type Workers = Arc<[CachePadded<Mutex<Worker>>]>;

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
    let workers = (0..workers).map(|index| CachePadded::new(Mutex::new(Worker::new(index)))).collect();
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
            std::thread::scope(|scope| scope.spawn(all).join())
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
        let mut submit = |memory| {
            let claim = if job.is_over() { None } else { claims.next() }?;
            let task = compute(job.clone(), self.workers.clone(), claim, memory);
            Some(self.pool.spawn_with_handle(task).expect("the pool lives as long as the session"))
        };
        let room = workers * job.grain().clamp(2, PENDING);
        let mut pending: FuturesUnordered<_> = (0..room).map_while(|_| submit(Finished::default())).collect();
        while let Some(result) = pending.next().await {
            let Some(memory) = result else { continue };
            let _ = job.hand_on(&job.done(&memory));
            pending.extend(submit(memory));
        }
    }
}

/// A task of the pool: the result of `claim` in `memory`, or nothing when the run is over.
async fn compute(job: Arc<Job>, workers: Workers, claim: Range<usize>, mut memory: Finished) -> Option<Finished> {
    let outcome = job.compute(&mut lock(&workers[INDEX.get()]), claim, &mut memory);
    outcome.is_continue().then_some(memory)
}

fn lock(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}
