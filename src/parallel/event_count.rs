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
    pub(crate) fn wait(&self, spin: SpinThenPark, ready: impl Fn() -> bool) {
        for look in 0..spin.spins + spin.yields {
            if ready() {
                return;
            }
            if look < spin.spins { spin_loop() } else { yield_now() }
        }
        if ready() {
            return;
        }
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
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.woken.notify_all();
        }
    }
}

/// A reusable barrier for all members of a team.
///
/// Waiting members read a different cache line from the one that arriving members write.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    /// This round's arrivals, and above 32 bits the sum of their ways. One number, since two would cost a barrier of two 40 ns more.
    arrived: CachePadded<AtomicU64>,
    /// Completed rounds.
    rounds: CachePadded<AtomicUsize>,
    /// Members that will not arrive any more, and whether members came by different ways: what ends a wait.
    gone: CachePadded<Gone>,
    event_count: CachePadded<EventCount>,
}

#[derive(Debug, Default)]
struct Gone {
    members: AtomicUsize,
    different: AtomicUsize,
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
    /// Returns when all `size` members have arrived, or reports that one is gone, or that they did not all come by the same `way`: a number
    /// for what a member did since the last barrier.
    pub(crate) fn wait(&self, size: usize, way: u32, spin: SpinThenPark) -> Result<(), Impassable> {
        let round = self.rounds.load(Ordering::Relaxed);
        let arrived = self.arrived.fetch_add(u64::from(way) << 32 | 1, Ordering::AcqRel);
        if arrived as u32 as usize + 1 == size {
            let same = ((arrived >> 32) as u32).wrapping_add(way) == way.wrapping_mul(size as u32);
            if !same {
                self.gone.different.store(1, Ordering::Relaxed);
            }
            // The others come again only after the next store.
            self.arrived.store(0, Ordering::Relaxed);
            self.rounds.store(round.wrapping_add(1), Ordering::Release);
            self.event_count.open();
        } else {
            let over = || self.rounds.load(Ordering::Acquire) != round;
            self.event_count.wait(spin, || over() || self.is_missed());
            // A member may be gone because all have arrived; then the round was over before it left.
            if !over() {
                return Err(Impassable::Missing);
            }
        }
        if self.gone.different.load(Ordering::Relaxed) == 0 { Ok(()) } else { Err(Impassable::Different) }
    }

    /// Records that a member will not arrive any more.
    pub(crate) fn leave(&self) {
        self.gone.members.fetch_add(1, Ordering::AcqRel);
        self.event_count.open();
    }

    /// Whether a member is gone.
    pub(crate) fn is_missed(&self) -> bool {
        self.gone.members.load(Ordering::Acquire) > 0
    }

    /// Resets the barrier. No member may be waiting.
    pub(crate) fn reset(&self) {
        self.arrived.store(0, Ordering::Relaxed);
        for number in [&*self.rounds, &self.gone.members, &self.gone.different] {
            number.store(0, Ordering::Relaxed);
        }
    }
}
