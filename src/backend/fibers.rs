//! Fibers: many light threads with stacks of their own, which take turns on few threads of the system and switch themselves.
//!
//! Python's counterparts are greenlets, gevent and eventlet; Go's goroutines are the same with a scheduler that also interrupts
//! and moves them. Choose it where code that computes deep in calls must be able to pause in the middle and let something else
//! go on: unlike an `async` function, whatever it calls can pause, and nothing has to be written differently.
//!
//! Each thread has a hub that resumes its fibers in turn; a fiber computes a claim and switches back. Fibers stay on their
//! thread, as greenlets do: they balance the load by taking claims from a loop that all share, and what a fiber has on its stack
//! need not be fit to be moved to another thread. The fibers are the workers of the schedule, so that under `static` each has its
//! own part. Stacks, 2 MiB of address space each, of which only what is touched takes memory, live as long as the session.
//!
//! A switch costs 2 ns. An empty piece that is a claim of its own costs 28 ns of wall time with two workers, and a run without
//! pieces 5 µs. `may` brings a scheduler that moves fibers, but it is unsafe to use thread-local values in them, and Rust's output
//! and random numbers do.

use super::{Entry, Handing, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::team::Team;
use crate::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, Worker, WorkerReport};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const ENTRY: Entry = Entry {
    name: "fibers",
    help: "green threads with their own stacks, several on each thread, that yield between claims",
    model: "stackful coroutines, M:N",
    counterpart: "gevent, greenlet, eventlet",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::Own { shares: FIBERS },
    probe: || Ok(()),
    open,
};

/// How many fibers a thread has.
const FIBERS: usize = 4;

/// As much as a thread of Rust's gets, so that whatever runs on a thread runs on a fiber.
const STACK_BYTES: usize = 2 << 20;

struct Fibers {
    team: Team,
    /// Each thread locks its own for a whole run.
    seats: Box<[CachePadded<Mutex<Vec<Resting>>>]>,
    schedule: Schedule,
    timed: bool,
}

/// A fiber between runs.
struct Resting {
    stack: DefaultStack,
    worker: Worker,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, .. } = setup;
    let resting = |worker| {
        let stack = DefaultStack::new(STACK_BYTES).map_err(|error| {
            Error::Unsupported(format!(
                "the stacks of {FIBERS} fibers for each of {workers} workers cannot be had: {error}; ask for fewer workers"
            ))
        })?;
        Ok(Resting { stack, worker: Worker::new(worker) })
    };
    let seat = |index| Ok(CachePadded::new(Mutex::new((0..FIBERS).map(|_| resting(index)).collect::<Result<_>>()?)));
    let seats = (0..workers).map(seat).collect::<Result<_>>()?;
    Ok(Box::new(Fibers { team: Team::new(workers, pinning)?, seats, schedule, timed }))
}

impl Session for Fibers {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let workers = self.team.len();
        let job = Arc::new(Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?);
        let schedule = self.schedule.with_auto_limit(job.grain());
        let shared = Arc::new(Loop::new(0..job.pieces(), schedule, workers * FIBERS));
        let seats = &self.seats;
        let outcome = self.team.run(&|member| {
            let mut seat = lock(&seats[member.index()]);
            let first = member.index() * FIBERS;
            let fibers = seat.drain(..).zip(first..).map(|(resting, number)| begin(resting, number, &job, &shared));
            let rested = take_turns(fibers.collect());
            *seat = rested;
        });
        job.check(outcome);
        job.end(
            &self.schedule.to_string(),
            self.seats.iter().enumerate().map(|(index, seat)| report(index, seat)).collect(),
        )
    }
}

type Fiber = Coroutine<(), (), Worker>;

/// A fiber that computes the claims of `number` in the loop when it is resumed.
fn begin(resting: Resting, number: usize, job: &Arc<Job>, shared: &Arc<Loop>) -> Fiber {
    let (job, shared, mut worker) = (job.clone(), shared.clone(), resting.worker);
    Coroutine::with_stack(resting.stack, move |yielder, ()| {
        for claim in shared.claims(number) {
            if job.execute(&mut worker, claim).is_break() {
                break;
            }
            yielder.suspend(());
        }
        worker
    })
}

/// The hub of a thread: resumes its fibers one after the other until all have ended.
fn take_turns(mut fibers: VecDeque<Fiber>) -> Vec<Resting> {
    let mut rested = Vec::with_capacity(fibers.len());
    while let Some(mut fiber) = fibers.pop_front() {
        match fiber.resume(()) {
            CoroutineResult::Yield(()) => fibers.push_back(fiber),
            CoroutineResult::Return(worker) => rested.push(Resting { stack: fiber.into_stack(), worker }),
        }
    }
    rested
}

fn report(index: usize, seat: &Mutex<Vec<Resting>>) -> WorkerReport {
    let mut report = WorkerReport { index, ..WorkerReport::default() };
    lock(seat).iter_mut().for_each(|fiber| report.add(&fiber.worker.take_report()));
    report
}

fn lock(seat: &Mutex<Vec<Resting>>) -> MutexGuard<'_, Vec<Resting>> {
    seat.lock().unwrap_or_else(PoisonError::into_inner)
}
