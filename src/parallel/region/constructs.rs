//! The work-sharing constructs that are built from loops and barriers.

use crate::parallel::schedule::Kind;
use crate::parallel::team::{Member, Waiter};
use crate::parallel::{Modifier, Schedule, lock};
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Member<'_> {
    /// Calls `body` for each number of `range` in one of the members (`omp for`), and waits until all have finished.
    ///
    /// # Panics
    /// As [`Member::barrier`], and when members reach different constructs.
    pub fn for_each(&mut self, range: Range<usize>, schedule: Schedule, body: impl FnMut(usize)) {
        self.for_each_nowait(range, schedule, body);
        self.barrier();
    }

    /// [`Member::for_each`] without waiting at the end (`nowait`).
    ///
    /// # Panics
    /// When members reach different constructs.
    pub fn for_each_nowait(&mut self, range: Range<usize>, schedule: Schedule, mut body: impl FnMut(usize)) {
        if schedule.kind() == Kind::Static {
            return self.for_static(range, schedule, body);
        }
        let _ = self.for_claims(range, schedule, |claim| {
            claim.for_each(&mut body);
            ControlFlow::Continue(())
        });
    }

    /// [`Member::for_each`] over all combinations of numbers below `sizes`, the last varying fastest (`collapse`).
    ///
    /// # Panics
    /// As [`Member::for_each`], and when there are more than `usize::MAX` combinations.
    pub fn collapse<const N: usize>(
        &mut self,
        sizes: [usize; N],
        schedule: Schedule,
        mut body: impl FnMut([usize; N]),
    ) {
        let all = sizes.iter().try_fold(1_usize, |all, &size| all.checked_mul(size));
        self.for_each(0..all.expect("a loop has at most `usize::MAX` iterations"), schedule, |mut number| {
            let mut place = [0; N];
            for (part, size) in place.iter_mut().zip(sizes).rev() {
                (*part, number) = (number % size, number / size);
            }
            body(place);
        });
    }

    /// [`Member::for_each`] whose body can run code in the loop's order (`ordered`), with [`Ordered::run`].
    ///
    /// # Panics
    /// As [`Member::for_each`], and when `schedule` lets members take iterations out of order, so that they would wait for each other.
    pub fn ordered(&mut self, range: Range<usize>, schedule: Schedule, mut body: impl FnMut(usize, &mut Ordered<'_>)) {
        assert!(
            schedule.order() != Some(Modifier::Nonmonotonic),
            "an ordered loop cannot have schedule `{schedule}`, which does not keep the order"
        );
        let start = range.start;
        let turn = self.construct(|| AtomicUsize::new(start));
        let waiter = self.waiter();
        let _ = self.for_claims(range, schedule, |claim| {
            for number in claim {
                let mut ordered = Ordered { turn: &turn, number, done: false, waiter };
                body(number, &mut ordered);
                // An iteration that ran nothing in order passes its turn on.
                if !ordered.done {
                    ordered.run(|| ());
                }
            }
            ControlFlow::Continue(())
        });
        self.barrier();
    }

    /// Calls each of `sections` in one of the members (`sections`), and waits until all have finished.
    ///
    /// # Panics
    /// As [`Member::for_each`].
    pub fn sections(&mut self, sections: &[&(dyn Fn() + Sync)]) {
        self.for_each(0..sections.len(), Schedule::DYNAMIC, |number| sections[number]());
    }

    /// Calls `body` in the first member that arrives (`single`), and waits until it has finished. `Some` in that member.
    ///
    /// # Panics
    /// As [`Member::for_each`].
    pub fn single<T>(&mut self, body: impl FnOnce() -> T) -> Option<T> {
        let outcome = self.is_first().then(body);
        self.barrier();
        outcome
    }

    /// Calls `body` in worker 0 only, and does not wait (`masked`). `Some` there.
    pub fn masked<T>(&mut self, body: impl FnOnce() -> T) -> Option<T> {
        (self.index() == 0).then(body)
    }

    /// Combines every member's `value`, in the order of their numbers, so that the result is the same each time even where
    /// `combine` is not associative, as for sums of floating-point numbers. All members get it.
    ///
    /// # Panics
    /// As [`Member::for_each`].
    pub fn reduce<T: Clone + Send + 'static>(&mut self, value: T, combine: impl Fn(T, T) -> T) -> T {
        let size = self.len();
        let values = self.construct(|| Mutex::new(vec![None; size]));
        lock(&values)[self.index()] = Some(value);
        self.barrier();
        let values = lock(&values).clone();
        values.into_iter().flatten().reduce(combine).expect("a team has a worker")
    }
}

/// An iteration's turn in [`Member::ordered`].
#[derive(Debug)]
pub struct Ordered<'a> {
    /// The iteration whose turn it is.
    turn: &'a AtomicUsize,
    number: usize,
    done: bool,
    waiter: Waiter<'a>,
}

impl Ordered<'_> {
    /// Calls `body` when all earlier iterations have had their turn.
    ///
    /// # Panics
    /// When the iteration has had its turn already.
    pub fn run<T>(&mut self, body: impl FnOnce() -> T) -> T {
        assert!(!std::mem::replace(&mut self.done, true), "iteration {} has had its turn already", self.number);
        self.waiter.wait("its turn in an ordered loop", || self.turn.load(Ordering::Acquire) == self.number);
        let outcome = body();
        self.turn.store(self.number + 1, Ordering::Release);
        self.waiter.notify();
        outcome
    }
}
