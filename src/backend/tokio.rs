//! Asynchronous tasks on tokio: one task for each batch of claims awaits its turn, then the answers of computing threads.
//!
//! The Python equivalent is `asyncio` with `run_in_executor`.
//!
//! A runtime's threads must never compute: while they do, no other task makes progress, no timer fires and no connection is
//! answered. So the reactor, which is the caller, only orders and awaits; the threads of a pool compute, deliver the results to the
//! sinks, which may wait for an encoder, and answer for each claim through a `oneshot` channel. A semaphore bounds the tasks in flight:
//! two for each worker, with a few large claims or up to 64 small ones. With a task for each claim, the reactor was woken by each
//! answer and took the processor from a worker: a short picture with two workers took a tenth longer.
//!
//! A claim of one empty piece costs 0.6 µs of wall time with two workers. `spawn_blocking` instead of the pool costs 4 µs, starts
//! up to 512 threads as it sees fit, and does not say on which of them a task runs.

use super::worker_pool::WorkerPool;
use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Job, Report, Schedule, Sink, Stop, Work};
use ::tokio::runtime::{self, Handle};
use ::tokio::sync::{Semaphore, oneshot};
use ::tokio::task::JoinSet;
use crossbeam_channel::unbounded;
use std::ops::Range;
use std::sync::Arc;

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "tokio",
    help: "asynchronous tasks that await the answers of a pool of computing threads",
    model: "async tasks, thread pool",
    counterpart: "asyncio with run_in_executor",
    choose: "inside a program that lives in an asynchronous runtime because it mostly waits, for the network say",
    avoid: "for computing alone: it gains nothing, and a piece that computed on the runtime's own threads would stop all other tasks",
    schedules: &[Schedule::DYNAMIC, Schedule::GUIDED, Schedule::AUTO],
    dispatch: Dispatch::Push,
    open,
    ..BackendEntry::THREADS
};

/// A claim to compute, and the channel for the answer.
struct Order {
    job: Arc<Job>,
    claim: Range<usize>,
    answer: oneshot::Sender<()>,
}

struct Tokio {
    pool: WorkerPool<Order>,
    setup: Setup,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let pool = WorkerPool::start(&setup, unbounded(), |worker, Order { job, claim, answer }| {
        // The tasks notice the end of the run themselves.
        let _ = job.execute(worker, claim);
        // When the last answer has arrived, only the caller holds the job.
        drop(job);
        // Nobody listens once the reactor has failed.
        let _ = answer.send(());
    })?;
    Ok(Box::new(Tokio { pool, setup }))
}

impl Session for Tokio {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Arc::new(self.setup.begin(ENTRY.name, work, sink, stop)?);
        job.guard_apart(Handle::try_current().is_ok(), || match runtime::Builder::new_current_thread().build() {
            Ok(reactor) => reactor.block_on(self.all_claims(&job)),
            Err(error) => drop(job.fail(Error::Unsupported(format!("a reactor cannot be started: {error}")))),
        });
        self.setup.end(&job, self.pool.take_reports())
    }
}

impl Tokio {
    /// One task for each batch of claims, as many at once as the semaphore allows.
    async fn all_claims(&self, job: &Arc<Job>) {
        let shared = job.share(self.setup.schedule, self.setup.workers);
        let (mut claims, room) = (job.dealt(&shared), Arc::new(Semaphore::new(2 * self.setup.workers)));
        let mut tasks = JoinSet::new();
        let batches = std::iter::from_fn(|| Some(job.batch(&mut claims)).filter(|batch| !batch.is_empty()));
        for batch in batches {
            let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
            let (job, orders) = (job.clone(), self.pool.orders());
            tasks.spawn(async move {
                let _permit = permit;
                let order = |claim| {
                    let (answer, answered) = oneshot::channel();
                    let order = Order { job: job.clone(), claim, answer };
                    orders.send(order).expect("the pool lives as long as the session");
                    answered
                };
                let answers: Vec<_> = batch.into_iter().map(order).collect();
                // The last most likely comes last, so that the task is woken about once.
                for answered in answers.into_iter().rev() {
                    answered.await.expect("the pool answers every order");
                }
            });
            while let Some(ended) = tasks.try_join_next() {
                ended.expect("a task only waits");
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a task only waits");
        }
    }
}
