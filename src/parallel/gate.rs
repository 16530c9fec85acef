//! Waiting until something has become true, and the barrier made of it.
//!
//! Who waits looks a few times in a row, since what it waits for often follows at once, then gives the processor away between
//! looks, then sleeps. Who makes the condition true looks for sleepers, which costs a fence, and wakes them. So nobody who
//! waits for long costs anything, and a barrier that all reach together takes no call of the system.

use super::sync::{AtomicUsize, Condvar, Mutex, Ordering, fence, spin_loop, yield_now};
use crossbeam_utils::CachePadded;

/// How long a waiting thread looks before it sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often with only a pause in between.
    pub(crate) spins: u32,
    /// How often with the processor given away in between.
    pub(crate) yields: u32,
}

impl Patience {
    /// Sleep at once: whoever looks only keeps the others from running.
    pub(crate) const NONE: Self = Self { spins: 0, yields: 0 };
}

/// A place to wait at.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Gate {
    /// Returns when `ready` does. Whoever makes it so calls [`Gate::open`] afterwards.
    pub(crate) fn wait(&self, patience: Patience, ready: impl Fn() -> bool) {
        for look in 0..patience.spins + patience.yields {
            if ready() {
                return;
            }
            if look < patience.spins { spin_loop() } else { yield_now() }
        }
        if ready() {
            return;
        }
        // Nothing panics while it holds the lock, which guards nothing but the moment between a last look and sleep.
        let mut guard = self.lock.lock().unwrap_or_else(|error| error.into_inner());
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        // Of this fence and that in `open` one comes first: either the condition is seen here or the sleeper is seen there.
        fence(Ordering::SeqCst);
        while !ready() {
            guard = self.woken.wait(guard).unwrap_or_else(|error| error.into_inner());
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes those who wait, to look again.
    pub(crate) fn open(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.woken.notify_all();
        }
    }
}

/// Where all members of a team wait for each other, again and again.
///
/// Who waits looks at another cache line than the one that who comes writes.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    /// How often a member has come, since the first round.
    arrived: CachePadded<AtomicUsize>,
    /// How often all have been here.
    rounds: CachePadded<AtomicUsize>,
    /// Members that will not come any more.
    gone: CachePadded<AtomicUsize>,
    gate: CachePadded<Gate>,
}

/// Some member will not come, so that the others would wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing;

impl Barrier {
    /// Returns when all `size` members have come, or tells that one is gone.
    pub(crate) fn wait(&self, size: usize, patience: Patience) -> Result<(), Missing> {
        let round = self.rounds.load(Ordering::Relaxed);
        if self.arrived.fetch_add(1, Ordering::AcqRel).wrapping_add(1) == round.wrapping_add(1).wrapping_mul(size) {
            self.rounds.store(round.wrapping_add(1), Ordering::Release);
            self.gate.open();
            return Ok(());
        }
        let over = || self.rounds.load(Ordering::Acquire) != round;
        self.gate.wait(patience, || over() || self.is_missed());
        // A member may be gone because all have been here; then the round is over, and was before it went.
        if over() { Ok(()) } else { Err(Missing) }
    }

    /// Says that a member will not come any more.
    pub(crate) fn leave(&self) {
        self.gone.fetch_add(1, Ordering::AcqRel);
        self.gate.open();
    }

    /// Whether a member is gone.
    pub(crate) fn is_missed(&self) -> bool {
        self.gone.load(Ordering::Acquire) > 0
    }

    /// Makes it as new, when nobody is in it.
    pub(crate) fn reset(&self) {
        self.arrived.store(0, Ordering::Relaxed);
        self.rounds.store(0, Ordering::Relaxed);
        self.gone.store(0, Ordering::Relaxed);
    }
}
