//! A persistent team of threads that run a region together, as in OpenMP: the caller is worker 0.
//!
//! The caller takes part because it would wait otherwise: a team of one needs no thread and no hand-over, and a region is
//! entered as in OpenMP, where the encountering thread becomes the primary one. Between regions the others spin briefly, since
//! the next region often follows at once, then look while giving the processor away, and then park, so that an idle team costs
//! nothing. A team with more workers than processors parks at once: who looks then only keeps the others from running. An
//! empty region of two takes 2 µs. Spinning alone for 100 µs was as fast on an idle machine, and took 28 to 60 µs beside other
//! programs, as often as the system had put both threads on one processor.
//!
//! A region's body is shared by reference counting. Bodies that borrow from the caller's frame would need their lifetime
//! erased, in unsafe code; runs do not need them, and what a worker passes to [`Member::for_each`] may borrow freely.

use super::claims::Loop;
use super::pin::Pinning;
use super::schedule::Schedule;
use crate::error::{Error, Result};
use crossbeam_utils::CachePadded;
use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread, available_parallelism};

/// How often a waiting thread looks with a pause in between, about a microsecond in all.
const SPINS: u32 = 20;

/// How often it then looks with the processor given away in between, some 50 µs in all.
const YIELDS: u32 = 100;

/// What all members of a team do in a region.
pub(crate) type Body = Arc<dyn Fn(&Member<'_>) + Send + Sync>;

/// Workers that live until the team is dropped.
pub(crate) struct Team {
    shared: Arc<Shared>,
    /// Workers 1 and up.
    threads: Vec<JoinHandle<()>>,
    pinning: Option<Pinning>,
}

/// A worker inside a region.
pub(crate) struct Member<'a> {
    shared: &'a Shared,
    index: usize,
    /// How many loops it has come to in this region; the loops of all members correspond in this order.
    loops: Cell<usize>,
}

struct Shared {
    size: usize,
    /// Whether waiting threads look for a while before they park.
    patient: bool,
    /// Counts regions, and the end of the team.
    epoch: CachePadded<AtomicUsize>,
    /// Members other than the caller that have not left the current region.
    inside: CachePadded<AtomicUsize>,
    /// The current region; none ends the team.
    region: Mutex<Option<Region>>,
    loops: Mutex<Loops>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Clone)]
struct Region {
    body: Body,
    caller: Thread,
}

/// The loops of the region that some member has yet to come to.
#[derive(Default)]
struct Loops {
    /// How many are over with, in the sense that every member has come to them.
    passed: usize,
    /// Each with the number of members that have come to it.
    open: VecDeque<(Arc<Loop>, usize)>,
}

impl Team {
    /// Starts `workers` − 1 threads.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the system gives no more threads.
    pub(crate) fn new(workers: usize, pinning: Option<Pinning>) -> Result<Self> {
        let processors = available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            size: workers,
            patient: workers <= processors,
            epoch: CachePadded::default(),
            inside: CachePadded::default(),
            region: Mutex::default(),
            loops: Mutex::default(),
            panic: Mutex::default(),
        });
        let mut team = Self { shared, threads: Vec::with_capacity(workers - 1), pinning };
        for index in 1..workers {
            let (shared, pinning) = (team.shared.clone(), team.pinning.clone());
            let thread = thread::Builder::new().name(format!("fractal-{index}")).spawn(move || {
                // Pinning was tried when it was made; a processor lost since then is no reason to end.
                let _pinned = pinning.and_then(|pinning| pinning.pin(index).ok());
                shared.work(index);
            });
            // What was started ends when the team is dropped.
            team.threads.push(thread.map_err(|error| {
                Error::Unsupported(format!(
                    "worker {index} of {workers} cannot be started: {error}; ask for fewer workers"
                ))
            })?);
        }
        Ok(team)
    }

    /// The number of workers.
    pub(crate) fn len(&self) -> usize {
        self.shared.size
    }

    /// Calls `body` once in every worker and returns when all have; by then they have let go of it.
    ///
    /// # Errors
    /// The first panic of a member. The others go on to their end, and the team can be used again.
    pub(crate) fn run(&mut self, body: Body) -> thread::Result<()> {
        let shared = &*self.shared;
        *lock(&shared.loops) = Loops::default();
        shared.inside.store(self.threads.len(), Ordering::Relaxed);
        *lock(&shared.region) = Some(Region { body: body.clone(), caller: thread::current() });
        self.call();
        let pinned = self.pinning.as_ref().and_then(|pinning| pinning.pin(0).ok());
        shared.enter(&body, 0);
        drop((pinned, body));
        shared.wait(|| shared.inside.load(Ordering::Acquire) == 0);
        *lock(&shared.region) = None;
        lock(&shared.panic).take().map_or(Ok(()), Err)
    }

    /// Begins a new epoch.
    fn call(&self) {
        self.shared.epoch.fetch_add(1, Ordering::Release);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        *lock(&self.shared.region) = None;
        self.call();
        for thread in self.threads.drain(..) {
            // Members' panics are caught, so there is none to pass on.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The life of worker `index`.
    fn work(&self, index: usize) {
        for epoch in 1.. {
            self.wait(|| self.epoch.load(Ordering::Acquire) >= epoch);
            let Some(Region { body, caller }) = lock(&self.region).clone() else { return };
            self.enter(&body, index);
            drop(body);
            if self.inside.fetch_sub(1, Ordering::Release) == 1 {
                caller.unpark();
            }
        }
    }

    fn enter(&self, body: &Body, index: usize) {
        let member = Member { shared: self, index, loops: Cell::new(0) };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body(&member))) {
            lock(&self.panic).get_or_insert(payload);
        }
    }

    /// Returns when `ready` does; whoever makes it so unparks the waiting thread.
    fn wait(&self, ready: impl Fn() -> bool) {
        let (spins, yields) = if self.patient { (SPINS, YIELDS) } else { (0, 0) };
        for look in 0..spins + yields {
            if ready() {
                return;
            }
            if look < spins {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        while !ready() {
            thread::park();
        }
    }
}

impl Member<'_> {
    /// The worker's number, below [`Member::len`].
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The number of workers in the team.
    pub(crate) fn len(&self) -> usize {
        self.shared.size
    }

    /// This member's part of a loop over `range` that all members come to, claim by claim.
    ///
    /// A `Break` cancels the loop: no member takes another claim. There is no barrier at its end (OpenMP's `nowait`).
    pub(crate) fn for_each(
        &self,
        range: Range<usize>,
        schedule: Schedule,
        mut body: impl FnMut(Range<usize>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let shared = self.next_loop(|| Loop::new(range, schedule, self.len()));
        let outcome = shared.claims(self.index).try_for_each(&mut body);
        if outcome.is_break() {
            shared.cancel();
        }
        outcome
    }

    /// The loop that this member comes to now: made by the first member, forgotten by the last.
    fn next_loop(&self, make: impl FnOnce() -> Loop) -> Arc<Loop> {
        let number = self.loops.replace(self.loops.get() + 1);
        let mut loops = lock(&self.shared.loops);
        let place = number - loops.passed;
        if place == loops.open.len() {
            loops.open.push_back((Arc::new(make()), 0));
        }
        let (shared, members) = &mut loops.open[place];
        let shared = shared.clone();
        *members += 1;
        // Members come to loops in order, so the first of the list is the first to be complete.
        if *members == self.len() {
            loops.open.pop_front();
            loops.passed += 1;
        }
        shared
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks; if it did, the values would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Team({} workers)", self.len())
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({} of {})", self.index, self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::Ordering::Relaxed;

    fn team(workers: usize) -> Team {
        Team::new(workers, None).unwrap()
    }

    #[test]
    fn every_member_enters_each_region_once_on_its_own_thread() {
        let mut team = team(4);
        let caller = thread::current().id();
        for _ in 0..500 {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let body = seen.clone();
            team.run(Arc::new(move |member| {
                body.lock().unwrap().push((member.index(), member.len(), thread::current().id()));
            }))
            .unwrap();
            let mut seen = Arc::into_inner(seen).expect("the team let go of the body").into_inner().unwrap();
            seen.sort_by_key(|member| member.0);
            assert_eq!(
                seen.iter().map(|member| (member.0, member.1)).collect::<Vec<_>>(),
                [(0, 4), (1, 4), (2, 4), (3, 4)]
            );
            assert_eq!(seen[0].2, caller);
            assert_eq!(seen.iter().map(|member| member.2).collect::<HashSet<_>>().len(), 4);
        }
    }

    #[test]
    fn loops_of_one_region_do_not_mix() {
        let mut team = team(3);
        let schedules = [Schedule::DYNAMIC, Schedule::STATIC, Schedule::STEALING, Schedule::GUIDED, Schedule::AUTO];
        let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..1000).map(|_| AtomicUsize::new(0)).collect());
        let body = counts.clone();
        team.run(Arc::new(move |member| {
            for number in 0..10 {
                let schedule = schedules[number % schedules.len()];
                let mut own = 0; // what the body borrows need not outlive the region
                let done = member.for_each(number * 100..(number + 1) * 100, schedule, |claim| {
                    own += claim.len();
                    for piece in claim {
                        body[piece].fetch_add(1, Relaxed);
                    }
                    ControlFlow::Continue(())
                });
                assert!(done.is_continue() && own <= 100);
            }
        }))
        .unwrap();
        assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
        let loops = lock(&team.shared.loops);
        assert_eq!((loops.passed, loops.open.len()), (10, 0));
    }

    #[test]
    fn a_panic_in_any_member_is_returned_and_the_team_lives_on() {
        let mut team = team(3);
        for culprit in 0..3 {
            let payload = team
                .run(Arc::new(move |member| {
                    if member.index() == culprit {
                        std::panic::resume_unwind(Box::new(culprit));
                    }
                    let _ = member.for_each(0..50, Schedule::DYNAMIC, |_| ControlFlow::Continue(()));
                }))
                .unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&culprit));
            team.run(Arc::new(|_| ())).unwrap();
        }
    }

    #[test]
    fn a_break_cancels_the_loop_for_all() {
        let mut team = team(2);
        let taken = Arc::new(AtomicUsize::new(0));
        let body = taken.clone();
        team.run(Arc::new(move |member| {
            let _ = member.for_each(0..usize::MAX, Schedule::DYNAMIC, |claim| {
                body.fetch_add(1, Relaxed);
                if claim.start >= 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }))
        .unwrap();
        assert!((101..=102).contains(&taken.load(Relaxed)), "else it would run for ever");
    }

    #[test]
    fn teams_come_and_go() {
        for workers in [1, 2, 5, 16] {
            drop(team(workers));
            let mut team = team(workers);
            assert_eq!(team.len(), workers);
            team.run(Arc::new(|_| ())).unwrap();
        }
    }
}
