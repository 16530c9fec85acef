//! Fibers: many lightweight threads with stacks of their own, which share a few system threads and switch between themselves.
//!
//! Python equivalents are greenlets, gevent and eventlet; Go's goroutines are the same with a scheduler that also preempts and
//! moves them.
//!
//! Each thread has a hub that resumes its fibers in turn; a fiber computes a claim and switches back. Fibers stay on their thread,
//! as greenlets do: they balance the load by taking claims from a shared loop, so values on a fiber's stack need not be `Send`. The
//! fibers are the workers of the schedule: under `static` each has its own share. Stacks live as long as the session; each takes
//! 2 MiB of address space, but only touched pages take memory.
//!
//! A switch costs 2 ns. A claim of one empty piece costs 28 ns of wall time with two workers, and a run without pieces 5 µs. `may`
//! has a scheduler that moves fibers, but thread-local values are unsafe to use with it, and Rust's output and random numbers use
//! them.

use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::Result;
use crate::parallel::team::Team;
use crate::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, Worker, lock};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "fibers",
    help: "green threads with their own stacks, several on each thread, that yield between claims",
    model: "stackful coroutines, M:N",
    counterpart: "gevent, greenlet, eventlet",
    choose: "where code deep in nested calls must be able to pause and let other work continue, without being written differently",
    avoid: "where pieces call what blocks a thread: all fibers of that thread stop with it",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    dispatch: Dispatch::Pull { shares: FIBERS },
    open,
    ..BackendEntry::THREADS
};

/// How many fibers a thread has.
const FIBERS: usize = 4;

/// Rust's default for a thread, so that whatever runs on a thread runs on a fiber.
const STACK_BYTES: usize = 2 << 20;

struct Fibers {
    team: Team,
    /// What each thread needs, between runs; a thread locks its own for a whole run.
    resting: Box<[Mutex<Resting>]>,
    setup: Setup,
}

/// The stacks of a thread's fibers, and the state that they compute with: one of them at a time, and never across a switch. With one for
/// each fiber, whose memory is new in a first run, a short picture took some hundredths longer.
struct Resting {
    stacks: Vec<DefaultStack>,
    worker: Worker,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let stacks = || (0..FIBERS).map(|_| DefaultStack::new(STACK_BYTES)).collect::<io::Result<_>>();
    let thread = |index| Ok(Mutex::new(Resting { stacks: stacks()?, worker: Worker::new(index) }));
    let resting = (0..setup.workers).map(thread).collect::<io::Result<_>>().map_err(|error| setup.refused(&error))?;
    Ok(Box::new(Fibers { team: setup.team()?, resting, setup }))
}

impl Session for Fibers {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { team, resting, setup } = self;
        let job = Arc::new(setup.begin(ENTRY.name, work, sink, stop)?);
        let shared = Arc::new(job.share(setup.schedule, setup.workers * FIBERS));
        let outcome = team.run(&|member| {
            let thread = member.index();
            let Resting { stacks, worker } = &mut *lock(&resting[thread]);
            let state = Rc::new(RefCell::new(std::mem::replace(worker, Worker::new(thread))));
            let begin = |(stack, share)| begin(stack, share, &state, &job, &shared);
            *stacks = take_turns(stacks.drain(..).zip(thread * FIBERS..).map(begin).collect());
            *worker = state.take();
        });
        job.check(outcome);
        setup.end(&job, resting.iter().map(|resting| lock(resting).worker.take_report()).collect())
    }
}

type Fiber = Coroutine<(), (), ()>;

/// A fiber that computes a claim of `share` each time it is resumed.
fn begin(stack: DefaultStack, share: usize, worker: &Rc<RefCell<Worker>>, job: &Arc<Job>, shared: &Arc<Loop>) -> Fiber {
    let (worker, job, shared) = (worker.clone(), job.clone(), shared.clone());
    Coroutine::with_stack(stack, move |yielder, ()| {
        let mut claims = shared.claims(share);
        while claims.next().is_some_and(|claim| job.execute(&mut worker.borrow_mut(), claim).is_continue()) {
            yielder.suspend(());
        }
    })
}

/// A thread's hub: resumes its fibers in turn until all have ended.
fn take_turns(mut fibers: VecDeque<Fiber>) -> Vec<DefaultStack> {
    let mut rested = Vec::with_capacity(fibers.len());
    while let Some(mut fiber) = fibers.pop_front() {
        match fiber.resume(()) {
            CoroutineResult::Yield(()) => fibers.push_back(fiber),
            CoroutineResult::Return(()) => rested.push(fiber.into_stack()),
        }
    }
    rested
}
