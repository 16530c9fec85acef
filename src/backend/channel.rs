//! Fixed workers and two channels: claims go out on one, finished claims come back on the other, and only the caller delivers
//! results to the sinks.
//!
//! The Python equivalent is `threading` with two `queue.Queue`s.
//!
//! A finished claim travels with its memory, which goes back to its worker. The number of claims in flight is bounded, both channels have
//! room for all of them, and sending never blocks: when sinks are slow, the memory stays with the caller and the workers wait for it.
//! Each worker can have one large claim at hand and three waiting, or up to 64 small ones, so that the caller is woken for many replies
//! at once (`replies.rs`).
//!
//! A claim of one empty piece costs 0.7 µs of wall time with two workers on two processors and the caller as third thread; it was 0.3 while
//! the caller yielded to them, but pieces had to take 1.3 µs instead of 0.9 for half of the time to be useful.

use super::replies::Replies;
use super::worker_pool::WorkerPool;
use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::Result;
use crate::parallel::{ComputedClaim, Job, Report, Schedule, Sink, Stop, Work};
use crossbeam_channel::bounded;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "channel",
    help: "a fixed number of workers; claims and results travel through bounded channels, and the caller collects the results",
    model: "threads, message passing",
    counterpart: "threading with queue.Queue",
    choose: "when one thread must receive all results, and to see how far plain messages go: the same design carries over to processes \
        and machines",
    avoid: "for pieces of a few microseconds or less: each is two messages",
    schedules: &[Schedule::DYNAMIC, Schedule::GUIDED, Schedule::AUTO],
    dispatch: Dispatch::Push,
    open,
    ..BackendEntry::THREADS
};

/// A claim to compute.
struct Order {
    job: Arc<Job>,
    claim: Range<usize>,
}

/// What became of an order. The memory holds the result, unless the run is over.
struct Reply {
    memory: ComputedClaim,
    outcome: ControlFlow<()>,
}

struct Channel {
    pool: WorkerPool<Order>,
    replies: Arc<Replies<Order, Reply>>,
    setup: Setup,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let room = Job::most_under_way(setup.workers);
    let (orders, inbox) = bounded(room);
    let replies = Arc::new(Replies::new(setup.workers, inbox.clone(), room));
    let outbox = replies.clone();
    let pool = WorkerPool::start(&setup, (orders, inbox), move |worker, Order { job, claim }| {
        let mut memory = outbox.memory(worker.index());
        let outcome = job.compute(worker, claim, &mut memory);
        // When the last reply has arrived, only the caller holds the job.
        drop(job);
        outbox.send(Reply { memory, outcome });
    })?;
    Ok(Box::new(Channel { pool, replies, setup }))
}

impl Session for Channel {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { pool, replies, setup } = self;
        let job = Arc::new(setup.begin(ENTRY.name, work, sink, stop)?);
        let shared = job.share(setup.schedule, setup.workers);
        let (mut claims, mut flight) = (job.dealt(&shared), job.flight(setup.workers));
        let all = || loop {
            while flight.has_room()
                && let Some(claim) = claims.next()
            {
                flight.begin(&claim);
                pool.order(Order { job: job.clone(), claim });
            }
            if flight.claims == 0 {
                break;
            }
            let Reply { memory, outcome } = replies.receive();
            flight.end(&memory.range);
            if outcome.is_continue() {
                let _ = job.deliver(&job.done(&memory));
            }
            replies.give_back(memory);
        };
        if job.guard(all).is_none() {
            // No reply of this run may be left for the next one.
            (0..flight.claims).for_each(|_| drop(replies.receive()));
        }
        setup.end(&job, pool.take_reports())
    }
}
