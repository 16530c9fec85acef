//! The claim protocol: one atomic word per unit of work is the single source of truth about it.
//!
//! A unit is free, claimed by a slot, or done. Workers do only one thing: change a free word into one claimed by their slot.
//! Everything else is the session's job: it counts the delivered pieces of a unit, marks the unit done after the last, and, once a
//! worker is dead and reaped, frees the units that its slot had claimed. A worker killed between any two instructions therefore
//! leaves nothing half-done: its word says whether it had claimed a unit, and its ring says whether it had published a result.
//!
//! Two simpler protocols lose work. If workers took tickets from a counter and then claimed, a worker killed in between would take
//! its unit with it; so the counter here is only a hint where to start looking. If workers marked units done and counted them, one
//! killed in between would leave the session waiting for a count that never comes; so the session counts what it has delivered. The
//! model beside this file tries all interleavings of all deaths, and finds both faults when they are planted.
//!
//! A rogue worker may write any word. So the session keeps its own count of what it has delivered, and writes it into the words for
//! the workers to read; and when no worker is computing and something is missing, it rewrites the words.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A unit's word, or a hint: the operations that the protocol needs of an atomic number.
pub(crate) trait Cell {
    fn load(&self) -> u64;
    fn store(&self, value: u64);
    fn replace(&self, old: u64, new: u64) -> bool;
    fn raise(&self, value: u64);
}

/// A unit's word in shared memory.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

// Relaxed: words order nothing else. All that a claim needs is in its word, and results are published by the heads of the rings.
impl Cell for Word {
    #[inline]
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        self.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn raise(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

/// The owner of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Free,
    Slot(usize),
    /// The session computes it.
    Session,
    Done,
}

/// The state of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) owner: Owner,
    /// Whether its pieces are computed one by one, because a worker was lost on it before.
    pub(crate) careful: bool,
    /// How many of its pieces, counted from the first, have been delivered.
    pub(crate) progress: u64,
}

const SESSION: u64 = 0xfffe;
const DONE: u64 = 0xffff;

impl State {
    pub(crate) fn unpack(word: u64) -> Self {
        let owner = match word & 0xffff {
            0 => Owner::Free,
            SESSION => Owner::Session,
            DONE => Owner::Done,
            slot => Owner::Slot(slot as usize - 1),
        };
        Self { owner, careful: word >> 23 & 1 == 1, progress: word >> 24 }
    }

    pub(crate) fn pack(self) -> u64 {
        let owner = match self.owner {
            Owner::Free => 0,
            Owner::Slot(slot) => slot as u64 + 1,
            Owner::Session => SESSION,
            Owner::Done => DONE,
        };
        owner | u64::from(self.careful) << 23 | self.progress << 24
    }
}

/// The number of a unit: consecutive pieces that a worker claims at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(pub(crate) usize);

/// The units of a run.
#[derive(Debug)]
pub(crate) struct Table<'a, W> {
    pub(crate) words: &'a [W],
    /// No unit below it is free, unless its worker has died.
    pub(crate) hint: &'a W,
}

impl<W: Cell> Table<'_, W> {
    pub(crate) fn state(&self, Unit(unit): Unit) -> State {
        State::unpack(self.words[unit].load())
    }

    /// For a worker: claims `unit` if it is free.
    #[inline]
    fn try_claim(&self, unit: Unit, slot: usize) -> Option<(Unit, State)> {
        let word = &self.words[unit.0];
        let old = word.load();
        let state = State::unpack(old);
        let claimed = State { owner: Owner::Slot(slot), ..state };
        (state.owner == Owner::Free && word.replace(old, claimed.pack())).then_some((unit, claimed))
    }

    /// For a worker: claims the first free unit; `None` when there is none.
    #[inline]
    pub(crate) fn claim(&self, slot: usize) -> Option<(Unit, State)> {
        let hint = (self.hint.load() as usize).min(self.words.len());
        // Free units before the hint were left by dead workers.
        let found = (hint..self.words.len()).chain(0..hint).find_map(|unit| self.try_claim(Unit(unit), slot))?;
        self.hint.raise(found.0.0 as u64 + 1);
        Some(found)
    }

    /// For a worker: claims the first free unit among its own, which are every `slots`-th, at or after `from` if there is one.
    pub(crate) fn claim_own(&self, slot: usize, slots: usize, from: Unit) -> Option<(Unit, State)> {
        let own = |range: Range<usize>| range.filter(move |unit| unit % slots == slot);
        let from = from.0.min(self.words.len());
        own(from..self.words.len()).chain(own(0..from)).find_map(|unit| self.try_claim(Unit(unit), slot))
    }

    /// For the session: all units are free.
    pub(crate) fn reset(&self) {
        self.words.iter().for_each(|word| word.store(0));
        self.hint.store(0);
    }

    /// For the session: `progress` pieces of a unit of `len` have been delivered so far. Says whether the unit is done.
    pub(crate) fn advance(&self, unit: Unit, progress: u64, len: u64) -> bool {
        let mut state = State { progress, ..self.state(unit) };
        if progress >= len {
            state.owner = Owner::Done;
        }
        self.words[unit.0].store(state.pack());
        state.owner == Owner::Done
    }

    /// For the session, once the worker of `slot` is dead and its results were delivered: frees what it had claimed, except units
    /// that the session `keeps`, which are returned. `progress` says how much of a unit has been delivered, and whether it is done.
    pub(crate) fn hand_back(
        &self,
        slot: usize,
        progress: impl Fn(Unit) -> (u64, bool),
        mut keeps: impl FnMut(Unit, State) -> bool,
    ) -> Vec<Unit> {
        let claimed = || {
            let states = self.words.iter().enumerate().map(|(unit, word)| (Unit(unit), State::unpack(word.load())));
            states.filter(|(_, state)| state.owner == Owner::Slot(slot))
        };
        // A worker has one at a time. If the table says otherwise, it was overwritten, and is not believed about any unit.
        let believed = claimed().filter(|&(unit, _)| !progress(unit).1).count() == 1;
        let mut kept = Vec::new();
        for (unit, state) in claimed() {
            let (progress, done) = progress(unit);
            let mut state = State { progress, ..state };
            if done {
                state.owner = Owner::Done;
            } else if believed && keeps(unit, state) {
                state = State { owner: Owner::Session, careful: true, ..state };
                kept.push(unit);
            } else {
                state = State { owner: Owner::Free, careful: true, ..state };
                self.hint.store(self.hint.load().min(unit.0 as u64));
            }
            self.words[unit.0].store(state.pack());
        }
        kept
    }

    /// For the session, when no worker is computing: frees every unit that `progress` does not call done.
    pub(crate) fn restore(&self, progress: impl Fn(Unit) -> (u64, bool)) {
        for (unit, word) in self.words.iter().enumerate() {
            let (progress, done) = progress(Unit(unit));
            let owner = if done { Owner::Done } else { Owner::Free };
            word.store(State { owner, careful: !done, progress }.pack());
        }
        self.hint.store(0);
    }

    /// For the session: returns a unit of its own to the workers.
    pub(crate) fn release(&self, unit: Unit) {
        let state = self.state(unit);
        if state.owner == Owner::Session {
            self.words[unit.0].store(State { owner: Owner::Free, ..state }.pack());
            self.hint.store(self.hint.load().min(unit.0 as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_was_packed() {
        for owner in [Owner::Free, Owner::Slot(0), Owner::Slot(4095), Owner::Session, Owner::Done] {
            for (careful, progress) in [(false, 0), (true, 1), (false, 1 << 39)] {
                let state = State { owner, careful, progress };
                assert_eq!(State::unpack(state.pack()), state);
            }
        }
    }
}
