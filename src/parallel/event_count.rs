//! Waiting until a condition becomes true, and the barrier built on it.
//!
//! A waiting thread first spins, since the condition often becomes true at once, then yields between checks, then sleeps. The thread that
//! makes the condition true checks for sleepers, which costs a fence, and wakes them. So a long wait costs nothing, and a barrier that
//! all members reach together needs no system call.

use super::sync::{AtomicU64, AtomicUsize, Condvar, Mutex, Ordering, fence, spin_loop, yield_now};
use crossbeam_utils::CachePadded;

/// How often a waiting thread checks before it sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpinThenPark {
    /// Checks with only a spin hint in between.
    pub(crate) spins: u32,
    /// Checks with a yield in between.
    pub(crate) yields: u32,
}

impl SpinThenPark {
    /// Sleep at once: spinning would only keep the others from running.
    pub(crate) const NONE: Self = Self { spins: 0, yields: 0 };
}

/// Where threads wait for a condition.
#[derive(Debug, Default)]
pub(crate) struct EventCount {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    woken: Condvar,
}

impl EventCount {
    /// Returns once `ready` is true. The thread that makes it true calls [`EventCount::open`] afterwards.
    #[inline(always)]
    pub(crate) fn wait(&self, spin: SpinThenPark, ready: impl Fn() -> bool) {
        self.wait_after(spin, || (), ready);
    }

    /// The same, and calls `sleeps` before it sleeps.
    #[inline]
    pub(crate) fn wait_after(&self, spin: SpinThenPark, sleeps: impl FnOnce(), ready: impl Fn() -> bool) {
        for look in 0..spin.spins + spin.yields {
            if ready() {
                return;
            }
            if look < spin.spins { spin_loop() } else { yield_now() }
        }
        if ready() {
            return;
        }
        sleeps();
        // Nothing panics while holding the lock, which guards only the moment between the last check and sleep.
        let mut guard = self.lock.lock().unwrap_or_else(|error| error.into_inner());
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        // Either this fence or the one in `open` comes first: the condition is seen here or the sleeper is seen there.
        fence(Ordering::SeqCst);
        while !ready() {
            guard = self.woken.wait(guard).unwrap_or_else(|error| error.into_inner());
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes the sleepers to check again.
    pub(crate) fn open(&self) {
        Self::open_all([self]);
    }

    /// [`EventCount::open`] for several, with one fence.
    pub(crate) fn open_all<const N: usize>(all: [&Self; N]) {
        fence(Ordering::SeqCst);
        for one in all {
            if one.sleepers.load(Ordering::Relaxed) > 0 {
                one.wake();
            }
        }
    }

    #[cold]
    fn wake(&self) {
        drop(self.lock.lock());
        self.woken.notify_all();
    }
}

/// A reusable barrier for all members of a team, and what else they must know of each other: who came first, and who has left the region.
///
/// Waiting members read a different cache line from the one that arriving members write. Nothing is set back that need not be: a store
/// takes the line from the processors that read it.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    arrivals: CachePadded<Arrivals>,
    /// Completed rounds.
    rounds: CachePadded<AtomicUsize>,
    gone: CachePadded<Gone>,
    event_count: CachePadded<EventCount>,
}

#[derive(Debug, Default)]
struct Arrivals {
    /// This round's arrivals, and above 32 bits the sum of their ways. One number, since two would cost a barrier of two 40 ns more.
    arrived: AtomicU64,
    /// The round, counted from 1, in which a member last came first. Here, since who asks arrives next.
    first: AtomicUsize,
}

/// What ends a wait.
#[derive(Debug, Default)]
struct Gone {
    /// Members that have left, in all regions together.
    left: AtomicUsize,
    /// Whether the region is to end without another round.
    ended: AtomicUsize,
    /// Whether members came by different ways.
    different: AtomicUsize,
}

/// Who comes to a barrier in a region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    /// The number of members.
    pub(crate) size: usize,
    /// How many had left in all earlier regions together.
    pub(crate) left_before: usize,
}

impl Party {
    /// That of region number `region`, counted from 0.
    pub(crate) fn new(size: usize, region: usize) -> Self {
        Self { size, left_before: size.wrapping_mul(region) }
    }
}

/// Why a barrier cannot be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Impassable {
    /// Some member will not arrive, so the others would wait for ever.
    Missing,
    /// Members came by different ways.
    Different,
}

impl Barrier {
    /// Returns when all members have arrived, or reports that one is gone, or that they did not all come by the same `way`: a number for
    /// what a member did since the last barrier.
    pub(crate) fn wait(&self, party: Party, way: u32, spin: SpinThenPark) -> Result<(), Impassable> {
        let round = self.rounds.load(Ordering::Relaxed);
        let arrived = self.arrivals.arrived.fetch_add(u64::from(way) << 32 | 1, Ordering::AcqRel);
        if arrived as u32 as usize + 1 == party.size {
            let same = ((arrived >> 32) as u32).wrapping_add(way) == way.wrapping_mul(party.size as u32);
            if !same {
                self.gone.different.store(1, Ordering::Relaxed);
            }
            // The others come again only after the next store.
            self.arrivals.arrived.store(0, Ordering::Relaxed);
            self.rounds.store(round.wrapping_add(1), Ordering::Release);
            self.event_count.open();
        } else {
            let over = || self.rounds.load(Ordering::Acquire) != round;
            self.event_count.wait(spin, || over() || self.is_missed(party));
            // A member may be gone because all have arrived; then the round was over before it left.
            if !over() {
                return Err(Impassable::Missing);
            }
        }
        if self.gone.different.load(Ordering::Relaxed) == 0 { Ok(()) } else { Err(Impassable::Different) }
    }

    /// Whether the member is the first to ask since the last round. Each asks once.
    pub(crate) fn is_first(&self) -> bool {
        let round = self.rounds.load(Ordering::Relaxed).wrapping_add(1);
        self.arrivals.first.swap(round, Ordering::Relaxed) != round
    }

    /// Records that a member will not arrive any more. Who waits at `others` is woken as well, and who waits at `end` by the last.
    pub(crate) fn leave(&self, party: Party, others: &EventCount, end: &EventCount) {
        self.gone.left.fetch_add(1, Ordering::AcqRel);
        EventCount::open_all([&self.event_count, others]);
        if self.have_left(party) {
            end.open();
        }
    }

    /// Whether all members have left.
    pub(crate) fn have_left(&self, party: Party) -> bool {
        self.gone.left.load(Ordering::Acquire) == party.left_before.wrapping_add(party.size)
    }

    /// Ends the wait of all members: there are no more rounds before [`Barrier::reset`].
    pub(crate) fn end(&self) {
        self.gone.ended.store(1, Ordering::Release);
        self.event_count.open();
    }

    /// Whether a member is gone.
    pub(crate) fn is_missed(&self, party: Party) -> bool {
        self.gone.left.load(Ordering::Acquire) != party.left_before || self.gone.ended.load(Ordering::Acquire) != 0
    }

    /// Forgets what is left of a region that ended early. No member may be waiting.
    pub(crate) fn reset(&self) {
        let Arrivals { arrived, first } = &*self.arrivals;
        if arrived.load(Ordering::Relaxed) != 0 {
            arrived.store(0, Ordering::Relaxed);
        }
        let Gone { ended, different, .. } = &*self.gone;
        // Who came first in a round that was not completed would be taken for who comes first in the next one.
        let begun = first.load(Ordering::Relaxed) != self.rounds.load(Ordering::Relaxed);
        for (number, is_left) in [(first, begun), (ended, true), (different, true)] {
            if is_left && number.load(Ordering::Relaxed) != 0 {
                number.store(0, Ordering::Relaxed);
            }
        }
    }
}
