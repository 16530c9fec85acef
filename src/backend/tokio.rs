//! Asynchronous tasks on tokio: a task for each claim, which awaits its turn, then the answer of a thread that computes.
//!
//! Python's counterpart is `asyncio` with `run_in_executor`. Choose it inside a program that lives in an asynchronous runtime
//! because most of what it does is waiting, for the network say; computing itself gains nothing.
//!
//! A runtime's threads must never compute: while they do, no other task gets on, no timer fires and no connection is answered.
//! So the reactor, which is the caller, only orders and awaits; threads of a pool compute, give the results to the sinks, which
//! may wait for an encoder, and answer each task by a `oneshot` channel. A semaphore bounds the tasks under way: two large
//! claims for each worker, or up to 64 small ones.
//!
//! An empty piece that is a claim of its own costs 0.6 µs of wall time with two workers. `spawn_blocking` instead of the pool costs
//! 4 µs, starts threads as it sees fit, up to 512, and tells no task on which one it runs.

use super::crew::Crew;
use super::{Entry, Handing, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, WorkerReport};
use ::tokio::runtime::{self, Handle, Runtime};
use ::tokio::sync::{Semaphore, oneshot};
use ::tokio::task::JoinSet;
use crossbeam_channel::{Sender, unbounded};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "tokio",
    help: "asynchronous tasks that await the answers of a pool of computing threads",
    model: "async tasks, thread pool",
    counterpart: "asyncio with run_in_executor",
    schedules: &[Schedule::DYNAMIC, Schedule::GUIDED, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::Queue,
    probe: || Ok(()),
    open,
};

/// The most tasks that are under way for each worker.
const UNDER_WAY: usize = 64;

/// A claim to compute, and where to say that it is done.
struct Order {
    job: Arc<Job>,
    claim: Range<usize>,
    answer: oneshot::Sender<WorkerReport>,
}

struct Tokio {
    /// There until the session is dropped.
    reactor: Option<Runtime>,
    crew: Crew<Order>,
    schedule: Schedule,
    timed: bool,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, .. } = setup;
    let reactor = runtime::Builder::new_current_thread().build();
    let reactor = reactor.map_err(|error| Error::Unsupported(format!("a reactor cannot be started: {error}")))?;
    let crew = Crew::start(workers, pinning.as_ref(), unbounded(), |worker, Order { job, claim, answer }| {
        // The tasks see for themselves when the run is over.
        let _ = job.execute(worker, claim);
        // When the last answer is there, nobody but the caller holds the job.
        drop(job);
        // Nobody listens after a failure of the reactor's.
        let _ = answer.send(worker.take_report());
    })?;
    Ok(Box::new(Tokio { reactor: Some(reactor), crew, schedule, timed }))
}

impl Session for Tokio {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let workers = self.crew.len();
        let job = Arc::new(Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?);
        let mut reports: Vec<_> = (0..workers).map(|index| WorkerReport { index, ..WorkerReport::default() }).collect();
        let (reactor, orders) = (self.reactor.as_ref().expect("the session is open"), self.crew.orders());
        let schedule = self.schedule.with_auto_limit(job.grain());
        let all = || reactor.block_on(all_claims(&job, schedule, orders, &mut reports));
        // A runtime refuses to run inside of another; who calls from within one gets a thread beside it.
        let outcome =
            if Handle::try_current().is_err() { catch_unwind(AssertUnwindSafe(all)) } else { super::beside(all)? };
        if let Err(payload) = outcome {
            job.lost(payload.as_ref());
        }
        job.end(&self.schedule.to_string(), reports)
    }
}

/// A task for each claim, as many at once as the semaphore allows.
async fn all_claims(job: &Arc<Job>, schedule: Schedule, orders: &Sender<Order>, reports: &mut [WorkerReport]) {
    let shared = Loop::new(0..job.pieces(), schedule, reports.len());
    let room = Arc::new(Semaphore::new(reports.len() * job.grain().clamp(2, UNDER_WAY)));
    let mut tasks = JoinSet::new();
    let mut add = |report: std::result::Result<WorkerReport, _>| {
        let report = report.expect("a task only waits");
        reports[report.index].add(&report);
    };
    for claim in shared.claims(0).flat_map(|range| job.claims(range)) {
        let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        if job.is_over() {
            break;
        }
        let (answer, answered) = oneshot::channel();
        let order = Order { job: job.clone(), claim, answer };
        let orders = orders.clone();
        tasks.spawn(async move {
            let _permit = permit;
            orders.send(order).expect("the pool lives as long as the session");
            answered.await.expect("the pool answers every order")
        });
        while let Some(report) = tasks.try_join_next() {
            add(report);
        }
    }
    while let Some(report) = tasks.join_next().await {
        add(report);
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        // Unlike a plain drop this is allowed inside of another runtime.
        self.reactor.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
