//! An executor and its futures: claims are submitted to a thread pool, each yields a future, and the caller takes futures as they
//! complete, in any order.
//!
//! The Python equivalent is `concurrent.futures`: `submit`, then `as_completed`. The pool is the `futures` crate's
//! `ThreadPool`, a future of a result its `RemoteHandle`, and `as_completed` is `FuturesUnordered`.
//!
//! Submitting everything at once, as one does in Python, would queue a task for each piece of a poster. So a bounded number of
//! futures is pending, in batches of up to 64 small claims or a few large ones, and another batch is submitted for each that
//! completes. A task delivers its result to the sinks itself. When the caller did so for each completed future, or was woken by each
//! to submit another, it took the processor from a worker between two claims: a short picture with two workers took a tenth longer.
//!
//! A claim of one empty piece costs 0.43 µs of wall time with two workers: a future, its task and its reply are one allocation
//! each, and the pool's queue is behind a lock. `channel` does the same work without futures in half of that.

use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::Result;
use crate::parallel::{Job, Report, Schedule, Sink, Stop, Work, Workers};
use futures_executor::{ThreadPool, ThreadPoolBuilder, block_on, enter};
use futures_util::future::RemoteHandle;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::SpawnExt;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "futures",
    help: "claims are submitted to an executor, and their results are collected as the futures complete",
    model: "thread pool, futures",
    counterpart: "concurrent.futures.ThreadPoolExecutor",
    choose: "when tasks arrive one by one from elsewhere, each with a result that somebody awaits",
    avoid: "for a loop whose pieces are all known beforehand: a future for each costs more than the next number from a counter",
    schedules: &[Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    dispatch: Dispatch::Push,
    open,
    ..BackendEntry::THREADS
};

thread_local! {
    /// The number of the pool's thread.
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

struct Futures {
    pool: ThreadPool,
    /// One for each thread of the pool.
    workers: Arc<Workers>,
    setup: Setup,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let first = setup.first();
    let begin = move |index| {
        INDEX.set(index);
        first(index);
    };
    let pool = ThreadPoolBuilder::new().pool_size(setup.workers).name_prefix("fractal-").after_start(begin).create();
    let pool = pool.map_err(|error| setup.refused(&error))?;
    Ok(Box::new(Futures { pool, workers: Arc::new(Workers::new(setup.workers)), setup }))
}

impl Session for Futures {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Arc::new(self.setup.begin(ENTRY.name, work, sink, stop)?);
        // The guard from `enter` is dropped before another executor runs.
        let inside_another = enter().is_err();
        job.guard_apart(inside_another, || block_on(self.all(&job)));
        self.setup.end(&job, self.workers.take_reports())
    }
}

impl Futures {
    async fn all(&self, job: &Arc<Job>) {
        let shared = job.share(self.setup.schedule, self.setup.workers);
        let mut claims = job.dealt(&shared);
        let mut submit = || {
            let task = |claim| compute(job.clone(), self.workers.clone(), claim);
            let submit = |task| self.pool.spawn_with_handle(task).expect("the pool lives as long as the session");
            let batch: Vec<_> = job.batch(&mut claims).into_iter().map(task).map(submit).collect();
            (!batch.is_empty()).then(|| all_of(batch))
        };
        let mut pending: FuturesUnordered<_> = std::iter::from_fn(&mut submit).take(2 * self.setup.workers).collect();
        while let Some(()) = pending.next().await {
            pending.extend(submit());
        }
    }
}

/// Completes with a batch. It awaits the last one first, which most likely completes last, so that it is woken about once.
async fn all_of(batch: Vec<RemoteHandle<()>>) {
    for task in batch.into_iter().rev() {
        task.await;
    }
}

/// A task of the pool.
async fn compute(job: Arc<Job>, workers: Arc<Workers>, claim: Range<usize>) {
    // The caller notices the end of the run itself.
    let _ = workers.execute(INDEX.get(), &job, claim);
}
