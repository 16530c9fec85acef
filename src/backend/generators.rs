//! Generators that take turns on one thread: each computes a claim, then yields to the others.
//!
//! The Python equivalent is a scheduler that calls `next` on generators in turn, which is how coroutines began there.
//!
//! Stable Rust's generators are `async` blocks: the compiler makes a state machine of each, and polling it by hand resumes it. So
//! the scheduler is a list and a loop, with no executor and no dependency. The generators are the workers of the schedule: under
//! `static,1` they take pieces in turn; under `static` each has a part of the picture, and the parts grow side by side. From the
//! outside there is one worker, the caller.
//!
//! A claim of one empty piece costs 20 ns, compared with 16 under `serial`. `genawaiter` offers the same with a `yield_` and values
//! to pass, but is no longer maintained.

use super::{BackendEntry, Dispatch, Session, Setup};
use crate::error::Result;
use crate::parallel::{Report, Schedule, Sink, Stop, Work, Worker};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "generators",
    help: "generators that take turns on one thread",
    model: "cooperative, one thread",
    counterpart: "generators, a task scheduler",
    choose: "to see concurrency without parallelism: several activities are in flight on one thread, and none needs a lock",
    avoid: "to be faster: one thread computes everything",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    parallel: false,
    dispatch: Dispatch::Pull { shares: GENERATORS },
    open: |setup| Ok(Box::new(Generators { worker: RefCell::new(Worker::new(0)), setup })),
    ..BackendEntry::THREADS
};

/// How many generators there are; enough to see them take turns.
const GENERATORS: usize = 8;

struct Generators {
    /// Borrowed by one generator at a time, and never across a turn.
    worker: RefCell<Worker>,
    setup: Setup,
}

impl Session for Generators {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = self.setup.begin(ENTRY.name, work, sink, stop)?;
        let _pinned = self.setup.pinning.as_ref().map(|pinning| pinning.pin(0)).transpose()?;
        let shared = job.share(self.setup.schedule, GENERATORS);
        let (job_ref, shared, worker) = (&job, &shared, &self.worker);
        let generator = |index| async move {
            for claim in shared.claims(index) {
                if job_ref.execute(&mut worker.borrow_mut(), claim).is_break() {
                    break;
                }
                next_turn().await;
            }
        };
        take_turns((0..GENERATORS).map(generator));
        self.setup.end(&job, vec![self.worker.get_mut().take_report()])
    }
}

/// Resumes the generators in turn until all have ended.
fn take_turns<G: Future<Output = ()>>(generators: impl Iterator<Item = G>) {
    // A waiting generator is polled again in the next round, so none has to be woken.
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting: Vec<Pin<Box<G>>> = generators.map(Box::pin).collect();
    while !waiting.is_empty() {
        waiting.retain_mut(|generator| generator.as_mut().poll(&mut context).is_pending());
    }
}

/// Suspends a generator until it is resumed: its `yield`.
fn next_turn() -> impl Future<Output = ()> {
    let mut suspended = false;
    poll_fn(move |_| if std::mem::replace(&mut suspended, true) { Poll::Ready(()) } else { Poll::Pending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_take_turns_until_the_last_has_ended() {
        let seen = RefCell::new(Vec::new());
        take_turns([2, 0, 3].into_iter().enumerate().map(|(number, turns)| {
            let seen = &seen;
            async move {
                for turn in 0..turns {
                    seen.borrow_mut().push((number, turn));
                    next_turn().await;
                }
            }
        }));
        assert_eq!(seen.into_inner(), [(0, 0), (2, 0), (0, 1), (2, 1), (2, 2)]);
    }
}
