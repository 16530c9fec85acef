//! A persistent team of threads that run a region together, as in OpenMP: the caller is worker 0.
//!
//! The caller takes part because it would otherwise only wait: a team of one needs no thread and no hand-over, and a region is entered as
//! in OpenMP, where the encountering thread becomes the primary one. Between regions the others spin briefly, since the next region often
//! follows at once, then yield between checks, and then sleep, so that an idle team costs nothing. A team with more workers than
//! processors sleeps at once: spinning would only keep the others from running. An empty region of two takes 0.3 µs and a barrier 0.06 µs
//! when both have a processor, 4.7 and 2.3 µs when they take turns on one. Only spinning, for 100 µs, was as fast on an idle machine, but
//! took 28 to 60 µs beside other programs whenever the system had put both threads on one processor.
//!
//! What an empty region costs is cache lines: each that goes from one processor to another takes some 60 ns on a Granite Rapids. There a
//! region takes 0.35 µs, where GNU's OpenMP takes 0.68. It took 0.81 with the body behind a lock, members that were counted twice as they
//! left, and numbers that were set back for each region, and 0.59 with what the body borrows in another line than the body.
//!
//! A region's body may borrow from the caller's frame, as in `std::thread::scope`. The threads are older than that frame, so the
//! body's lifetime is erased on the way to them; that is the unsafe code of regions, in [`erased`] and,
//! for tasks, in `region/tasks.rs`.

mod member;

pub use member::Member;
pub(crate) use member::Waiter;

use super::event_count::{Barrier, EventCount, Party, SpinThenPark};
use super::last_seen::LastSeen;
use super::pin::Pinning;
use crate::error::{Error, Result};
use crate::parallel::lock;
use crossbeam_utils::CachePadded;
use member::{Cancelled, Constructs};
use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, available_parallelism};

/// What waiting threads do first when there is a processor for each: spin for about a microsecond, then yield for some 50 µs.
const SPIN: SpinThenPark = SpinThenPark { spins: 40, yields: 100 };

/// What all members of a team do in a region.
pub(crate) type Body<'a> = dyn Fn(&mut Member<'_>) + Sync + 'a;

/// A member's number, and what it panicked with.
pub(crate) type Panic = (usize, Box<dyn Any + Send>);

/// Workers that live until the team is dropped.
pub(crate) struct Team {
    shared: Arc<Shared>,
    /// Workers 1 and up.
    threads: Vec<JoinHandle<()>>,
    pinning: Option<Pinning>,
    /// How many regions it has run.
    regions: usize,
}

struct Shared {
    size: usize,
    spin: SpinThenPark,
    /// Where its threads ran last; `None` where they are pinned or wake apart without help.
    last_seen: Option<LastSeen>,
    call: CachePadded<Call>,
    begin: CachePadded<EventCount>,
    end: CachePadded<EventCount>,
    barrier: Barrier,
    /// Where members wait for each other inside constructs.
    turns: CachePadded<EventCount>,
    /// Whether the region is to end early.
    cancelled: CachePadded<AtomicBool>,
    /// Apart from what all members read.
    constructs: CachePadded<(Mutex<Constructs>, AtomicBool)>,
    panics: Mutex<Vec<Panic>>,
}

/// What a thread waits for between regions, in one cache line: it comes from the caller's processor.
#[derive(Default)]
struct Call {
    /// Counts regions, and the end of the team.
    epoch: AtomicUsize,
    /// This region's body; `None` ends the team.
    body: UnsafeCell<Option<&'static Body<'static>>>,
}

#[allow(unsafe_code)]
// SAFETY: `epoch` orders access to `body`, see `Shared::call` and `Shared::called`.
unsafe impl Sync for Call {}

impl Team {
    /// Starts `workers` − 1 threads.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the system cannot start more threads.
    pub(crate) fn new(workers: usize, pinning: Option<Pinning>) -> Result<Self> {
        let processors = available_parallelism().map_or(1, usize::from);
        Self::with_spin(workers, pinning, if workers <= processors { SPIN } else { SpinThenPark::NONE })
    }

    pub(crate) fn with_spin(workers: usize, pinning: Option<Pinning>, spin: SpinThenPark) -> Result<Self> {
        let shared = Arc::new(Shared {
            size: workers,
            spin,
            last_seen: if pinning.is_none() { LastSeen::new(workers) } else { None },
            call: CachePadded::default(),
            begin: CachePadded::default(),
            end: CachePadded::default(),
            barrier: Barrier::default(),
            turns: CachePadded::default(),
            cancelled: CachePadded::default(),
            constructs: CachePadded::default(),
            panics: Mutex::default(),
        });
        // The caller needs no waking.
        shared.last_seen.iter().for_each(|last_seen| last_seen.wakes(0));
        let mut team = Self { shared, threads: Vec::with_capacity(workers - 1), pinning, regions: 0 };
        for index in 1..workers {
            let (shared, pinning) = (team.shared.clone(), team.pinning.clone());
            let thread = thread::Builder::new().name(format!("fractal-{index}")).spawn(move || {
                // Pinning was tested when it was set up; a processor lost since then is no reason to end.
                let _pinned = pinning.and_then(|pinning| pinning.pin(index).ok());
                shared.work(index);
            });
            // The threads already started end when the team is dropped.
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

    /// Calls `body` once in every worker and returns when all have left it.
    ///
    /// # Errors
    /// The panics of the members, by number. The team remains usable.
    pub(crate) fn run(&mut self, body: &Body<'_>) -> std::result::Result<(), Vec<Panic>> {
        let shared = &*self.shared;
        shared.reset();
        let party = Party::new(shared.size, self.regions);
        self.regions = self.regions.wrapping_add(1);
        let pinned = self.pinning.as_ref().and_then(|pinning| pinning.pin(0).ok());
        erased(body, (shared, party), |body| {
            shared.call(self.regions, Some(body));
            shared.enter(body, 0, party);
        });
        drop(pinned);
        // Who panicked has cancelled the region.
        if !shared.cancelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut panics = std::mem::take(&mut *lock(&shared.panics));
        panics.sort_by_key(|(member, _)| *member);
        if panics.is_empty() { Ok(()) } else { Err(panics) }
    }
}

/// Lends `body` to `during`, and through it to the team's threads, as if it lived for ever.
#[allow(unsafe_code)]
fn erased(body: &Body<'_>, (shared, party): (&Shared, Party), during: impl FnOnce(&'static Body<'static>)) {
    struct Wait<'a>(&'a Shared, Party);
    impl Drop for Wait<'_> {
        fn drop(&mut self) {
            self.0.end.wait(self.0.spin, || self.0.barrier.have_left(self.1));
        }
    }
    let _wait = Wait(shared, party);
    // SAFETY: the threads use the body only between the start of the epoch, which `during` brings about, and their leaving the region.
    // `Wait` keeps this function from returning or unwinding before all have left it. So it is never used after the end of its real
    // lifetime, which is longer than this call.
    during(unsafe { std::mem::transmute::<&Body<'_>, &'static Body<'static>>(body) });
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.call(self.regions.wrapping_add(1), None);
        for thread in self.threads.drain(..) {
            // Members' panics are caught, so there is none to pass on.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Forgets what is left of the last region.
    fn reset(&self) {
        let (constructs, is_used) = &*self.constructs;
        if is_used.load(Ordering::Relaxed) {
            *lock(constructs) = Constructs::default();
            is_used.store(false, Ordering::Relaxed);
        }
        self.barrier.reset();
        if self.cancelled.load(Ordering::Relaxed) {
            self.cancelled.store(false, Ordering::Relaxed);
        }
    }

    /// Begins an epoch: the threads enter `body`.
    #[allow(unsafe_code)]
    fn call(&self, epoch: usize, body: Option<&'static Body<'static>>) {
        // SAFETY: only the team's owner calls this, between regions. No thread reads the body then: it has read the last one before it left
        // that region, for which `Wait` waited, and reads the next one once the epoch has begun.
        unsafe { *self.call.body.get() = body };
        self.call.epoch.store(epoch, Ordering::Release);
        let kept = self.last_seen.as_ref().filter(|last_seen| last_seen.keep_apart(true));
        self.begin.open();
        kept.into_iter().for_each(LastSeen::release_all);
    }

    /// For worker `index`: the body of an epoch, once it has begun.
    #[allow(unsafe_code)]
    fn called(&self, epoch: usize, index: usize) -> Option<&'static Body<'static>> {
        self.last_seen.iter().for_each(|last_seen| last_seen.waits(index));
        let sleeps = || self.last_seen.iter().for_each(|last_seen| last_seen.rests(index));
        self.begin.wait_after(self.spin, sleeps, || self.call.epoch.load(Ordering::Acquire) == epoch);
        self.last_seen.iter().for_each(|last_seen| last_seen.wakes(index));
        // SAFETY: the body was written before the epoch began, and is written again after this thread has left the region.
        unsafe { *self.call.body.get() }
    }

    /// The life of worker `index`.
    fn work(&self, index: usize) {
        let mut region = 0_usize;
        // The system may have begun it on the caller's processor.
        self.last_seen.iter().for_each(|last_seen| last_seen.rests(index));
        while let Some(body) = self.called(region.wrapping_add(1), index) {
            self.enter(body, index, Party::new(self.size, region));
            region = region.wrapping_add(1);
        }
    }

    fn enter(&self, body: &Body<'_>, index: usize, party: Party) {
        let mut member = Member::new(self, index, party);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body(&mut member))) {
            self.cancelled.store(true, Ordering::Relaxed);
            if !payload.is::<Cancelled>() {
                lock(&self.panics).push((index, payload));
            }
        }
        // The member reaches no more barriers; those that wait for something check whether it can still happen.
        self.barrier.leave(party, &self.turns, &self.end);
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Team({} workers)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Schedule;
    use std::collections::HashSet;
    use std::ops::ControlFlow;
    use std::sync::atomic::Ordering::Relaxed;

    fn team(workers: usize) -> Team {
        Team::new(workers, None).unwrap()
    }

    #[test]
    fn every_member_enters_each_region_once_on_its_own_thread() {
        let mut team = team(4);
        let caller = thread::current().id();
        for _ in 0..500 {
            let seen = Mutex::new(Vec::new());
            let body = &seen;
            team.run(&|member| {
                body.lock().unwrap().push((member.index(), member.len(), thread::current().id()));
            })
            .unwrap();
            let mut seen = seen.into_inner().unwrap();
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
        let counts: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        let body = &counts;
        team.run(&|member| {
            for number in 0..10 {
                let schedule = schedules[number % schedules.len()];
                let mut own = 0; // what the body borrows need not outlive the region
                let done = member.for_claims(number * 100..(number + 1) * 100, schedule, |claim| {
                    own += claim.len();
                    for piece in claim {
                        body[piece].fetch_add(1, Relaxed);
                    }
                    ControlFlow::Continue(())
                });
                assert!(done.is_continue() && own <= 100);
            }
        })
        .unwrap();
        assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
        let constructs = lock(&team.shared.constructs.0);
        assert_eq!((constructs.passed, constructs.open.len()), (10, 0));
    }

    #[test]
    fn a_panic_in_any_member_is_returned_and_the_team_lives_on() {
        let mut team = team(3);
        for culprit in 0..3 {
            let panics = team
                .run(&|member| {
                    if member.index() == culprit {
                        std::panic::resume_unwind(Box::new(culprit));
                    }
                    let _ = member.for_claims(0..50, Schedule::DYNAMIC, |_| ControlFlow::Continue(()));
                })
                .unwrap_err();
            assert_eq!((panics.len(), panics[0].0, panics[0].1.downcast_ref()), (1, culprit, Some(&culprit)));
            team.run(&|_| ()).unwrap();
        }
    }

    #[test]
    fn a_break_cancels_the_loop_for_all() {
        let mut team = team(2);
        let taken = AtomicUsize::new(0);
        let body = &taken;
        team.run(&|member| {
            let _ = member.for_claims(0..usize::MAX, Schedule::DYNAMIC, |claim| {
                body.fetch_add(1, Relaxed);
                if claim.start >= 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        })
        .unwrap();
        assert!((101..=102).contains(&taken.load(Relaxed)), "else it would run for ever");
    }

    #[test]
    fn teams_come_and_go() {
        for workers in [1, 2, 5, 16] {
            drop(team(workers));
            let mut team = team(workers);
            assert_eq!(team.len(), workers);
            team.run(&|_| ()).unwrap();
        }
    }
}
