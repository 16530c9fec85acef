//! Fixed workers and two channels: claims go out on one, finished claims come back on the other, and only the caller delivers
//! results to the sinks.
//!
//! The Python equivalent is `threading` with two `queue.Queue`s.
//!
//! A finished claim travels with its memory, which goes back to a worker with a next claim. The number of claims in flight is bounded,
//! both channels have room for all of them, and sending never blocks: when sinks are slow, the memory stays with the caller and the
//! workers wait for it. Each worker can have one large claim at hand and another waiting, or up to 64 small ones, because waking a
//! sleeping thread costs as much as a hundred messages. With eight large ones for each worker, a short picture spent a tenth of its
//! time on the first use of their memory.
//!
//! A claim of one empty piece costs 0.21 µs of wall time with two workers and the caller as third thread.

use super::worker_pool::WorkerPool;
use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::Result;
use crate::parallel::{ComputedClaim, Job, Report, Schedule, Sink, Stop, Work};
use crossbeam_channel::{Receiver, bounded};
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

/// A claim to compute, with memory for the result.
struct Order {
    job: Arc<Job>,
    claim: Range<usize>,
    memory: ComputedClaim,
}

/// What became of an order. The memory holds the result, unless the run is over.
struct Reply {
    claim: Range<usize>,
    memory: ComputedClaim,
    outcome: ControlFlow<()>,
}

struct Channel {
    pool: WorkerPool<Order>,
    replies: Receiver<Reply>,
    setup: Setup,
    /// Memory that no order has, kept for the next run.
    spare: Vec<ComputedClaim>,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let room = Job::most_under_way(setup.workers);
    let (outbox, replies) = bounded(room);
    let pool = WorkerPool::start(&setup, bounded(room), move |worker, Order { job, claim, mut memory }| {
        let outcome = job.compute(worker, claim.clone(), &mut memory);
        // When the last reply has arrived, only the caller holds the job.
        drop(job);
        // The caller receives all replies before it drops the other end.
        let _ = outbox.send(Reply { claim, memory, outcome });
    })?;
    Ok(Box::new(Channel { pool, replies, setup, spare: Vec::new() }))
}

impl Session for Channel {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { pool, replies, setup, spare } = self;
        let job = Arc::new(setup.begin(ENTRY.name, work, sink, stop)?);
        let shared = job.share(setup.schedule, setup.workers);
        let (mut claims, mut flight) = (job.dealt(&shared), job.flight(setup.workers));
        let receive = || replies.recv().expect("the workers live as long as the session");
        let all = || loop {
            while flight.has_room()
                && let Some(claim) = claims.next()
            {
                flight.begin(&claim);
                pool.order(Order { job: job.clone(), claim, memory: spare.pop().unwrap_or_default() });
            }
            if flight.claims == 0 {
                break;
            }
            let Reply { claim, memory, outcome } = receive();
            flight.end(&claim);
            if outcome.is_continue() {
                let _ = job.deliver(&job.done(&memory));
            }
            spare.push(memory);
        };
        if job.guard(all).is_none() {
            // No reply of this run may be left for the next one.
            (0..flight.claims).for_each(|_| drop(receive()));
        }
        setup.end(&job, pool.take_reports())
    }
}
