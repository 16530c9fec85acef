//! What a worker does inside a region: barriers, loops, and what the members of its team share in a construct.

use super::Shared;
use crate::parallel::claims::Loop;
use crate::parallel::critical::is_inside;
use crate::parallel::event_count::{Impassable, Party};
use crate::parallel::lock;
use crate::parallel::schedule::Schedule;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Kinds of constructs in [`Member::pass`].
const STATIC_LOOP: u32 = 1;
const SHARED: u32 = 2;
const SINGLE: u32 = 3;

/// A worker inside a region. Its constructs borrow it mutably, so that none can be entered inside another.
pub struct Member<'a> {
    shared: &'a Shared,
    index: usize,
    party: Party,
    /// How many constructs with shared state it has reached in this region; those of all members correspond in this order.
    constructs: usize,
    /// A number for the constructs that it has reached since the last barrier, which must be the same ones for all members.
    way: u32,
}

/// The constructs of the region that some member has yet to reach.
#[derive(Default)]
pub(super) struct Constructs {
    /// How many constructs every member has reached.
    pub(super) passed: usize,
    /// The others, each with the number of members that have reached it.
    pub(super) open: VecDeque<(Arc<dyn Any + Send + Sync>, usize)>,
}

/// What a member unwinds with when its region is cancelled. It is not a fault, and is not reported.
pub(super) struct Cancelled;

impl<'a> Member<'a> {
    pub(super) fn new(shared: &'a Shared, index: usize, party: Party) -> Self {
        Self { shared, index, party, constructs: 0, way: 0 }
    }

    /// The worker's number, below [`Member::len`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of workers in the team.
    pub fn len(&self) -> usize {
        self.shared.size
    }

    /// Never: a team has a worker.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Returns when all members have reached the barrier; each must do so equally often.
    ///
    /// # Panics
    /// When a member has left the region without reaching the barrier, where the others would wait for ever. When the region is
    /// cancelled, the member leaves it from here.
    pub fn barrier(&mut self) {
        assert!(!is_inside(), "worker {} reached a barrier inside a critical section", self.index);
        let way = std::mem::take(&mut self.way);
        let outcome = self.shared.barrier.wait(self.party, way, self.shared.spin);
        self.check();
        match outcome {
            Ok(()) => (),
            Err(Impassable::Missing) => {
                panic!("worker {} waits at a barrier that a member of its team skipped", self.index)
            }
            Err(Impassable::Different) => self.reached_different(),
        }
    }

    #[cold]
    fn reached_different(&self) -> ! {
        panic!(
            "worker {} reached a different construct from the others of its team; all must reach the same in the same order",
            self.index
        )
    }

    /// Ends the region early: members get no more iterations, and leave at the next barrier or by [`Member::check`].
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        self.shared.barrier.end();
        self.shared.turns.open();
    }

    /// Whether the region was cancelled, or a member has panicked.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Leaves the region when it was cancelled: a cancellation point.
    pub fn check(&self) {
        if self.is_cancelled() {
            // This calls no panic hook.
            resume_unwind(Box::new(Cancelled));
        }
    }

    pub(crate) fn waiter(&self) -> Waiter<'a> {
        Waiter { shared: self.shared, index: self.index, party: self.party }
    }

    /// This member's part of a loop over `range` that all members reach, claim by claim, without a barrier at the end.
    ///
    /// A `Break` cancels this loop: no member takes another claim of it.
    pub fn for_claims(
        &mut self,
        range: Range<usize>,
        schedule: Schedule,
        mut body: impl FnMut(Range<usize>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let size = self.len();
        let shared = self.construct(|| Loop::new(range, schedule, size));
        let region = self.shared;
        let outcome = shared.claims(self.index).try_for_each(|claim| {
            if region.cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { body(claim) }
        });
        if outcome.is_break() {
            shared.cancel();
        }
        outcome
    }

    /// This member's part of a loop over `range` under `static` with or without a chunk, of which members need to share nothing: an empty
    /// `for` of two takes 0.08 µs, and took 0.28 with a shared [`Loop`]; an iteration of `static,1` takes 0.2 ns instead of 0.8.
    pub(crate) fn for_static(&mut self, range: Range<usize>, schedule: Schedule, mut body: impl FnMut(usize)) {
        self.pass(STATIC_LOOP);
        let (size, cancelled) = (self.len(), &self.shared.cancelled);
        if schedule.chunk() == Some(1) {
            // Otherwise taking the claim would be most of what an iteration costs.
            for number in range.skip(self.index).step_by(size) {
                if cancelled.load(Ordering::Relaxed) {
                    return;
                }
                body(number);
            }
            return;
        }
        for claim in Loop::new(range, schedule, size).claims(self.index) {
            if cancelled.load(Ordering::Relaxed) {
                return;
            }
            claim.for_each(&mut body);
        }
    }

    /// Whether this member is the first to reach the construct, which ends with a barrier. Members share nothing else there: with a
    /// construct made by the first and forgotten by the last, `single` took 0.42 µs instead of 0.2.
    pub(crate) fn is_first(&mut self) -> bool {
        self.pass(SINGLE);
        self.shared.barrier.is_first()
    }

    /// Records that the member has reached a construct of some kind.
    fn pass(&mut self, kind: u32) {
        self.way = (self.way ^ kind).wrapping_mul(0x9e37_79b9).wrapping_add(1);
    }

    /// What members share in the construct that this one has reached: made by the first member, forgotten by the last.
    pub(crate) fn construct<T: Send + Sync + 'static>(&mut self, make: impl FnOnce() -> T) -> Arc<T> {
        let number = self.constructs;
        self.constructs += 1;
        self.pass(SHARED);
        let (constructs, is_used) = &*self.shared.constructs;
        let mut constructs = lock(constructs);
        is_used.store(true, Ordering::Relaxed);
        let place = number - constructs.passed;
        if place == constructs.open.len() {
            constructs.open.push_back((Arc::new(make()), 0));
        }
        let (shared, members) = &mut constructs.open[place];
        let shared = shared.clone();
        *members += 1;
        // Members reach constructs in order, so the first in the list is the first to be complete.
        if *members == self.len() {
            constructs.open.pop_front();
            constructs.passed += 1;
        }
        drop(constructs);
        shared.downcast().unwrap_or_else(|_| self.reached_different())
    }
}

/// Waits inside a construct.
#[derive(Clone, Copy)]
pub(crate) struct Waiter<'a> {
    shared: &'a Shared,
    index: usize,
    party: Party,
}

impl Waiter<'_> {
    /// Returns once `ready` was true; the member that makes it true calls [`Waiter::notify`]. `what` names what is waited for. The
    /// construct ends with a barrier, so that no member leaves the region before that.
    pub(crate) fn wait(&self, what: &str, ready: impl Fn() -> bool) {
        let Shared { turns, barrier, cancelled, spin, .. } = self.shared;
        let over = || cancelled.load(Ordering::Relaxed);
        turns.wait(*spin, || ready() || over() || barrier.is_missed(self.party));
        if over() {
            resume_unwind(Box::new(Cancelled));
        }
        // What was ready may have been taken by another member since, which is for the caller to see.
        let hopeless = barrier.is_missed(self.party) && !ready();
        assert!(!hopeless, "worker {} waits for {what}, but a member of its team has left the region", self.index);
    }

    /// Returns once `ready` is true, even in a region that was cancelled.
    pub(crate) fn wait_whatever(&self, ready: impl Fn() -> bool) {
        self.shared.turns.wait(self.shared.spin, ready);
    }

    pub(crate) fn notify(&self) {
        self.shared.turns.open();
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiter({} of {})", self.index, self.shared.size)
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({} of {})", self.index, self.len())
    }
}
