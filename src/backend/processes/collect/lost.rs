//! Workers that are lost, or given up.

use super::Collector;
use crate::backend::processes::member::{Doing, Member};
use std::time::Duration;

impl Collector<'_> {
    /// Ends a worker that continues after the end of the run. The next run has another.
    pub(super) fn give_up(&mut self, slot: usize) {
        if self.pool.members[slot].as_ref().is_some_and(Member::runs) {
            self.lost(slot, Some("did not stop"));
        }
    }

    /// A worker sends invalid messages: what it publishes from now on is not trusted either.
    pub(super) fn reject(&mut self, slot: usize) {
        self.drain(slot);
        self.readers.slots[slot].distrust();
        self.lost(slot, Some("sent an invalid message"));
    }

    /// Replaces workers that have made no progress for too long.
    pub(super) fn look_after(&mut self, time: Duration) {
        for slot in self.slots() {
            let (segment, timeout) = (self.segment(), self.pool.timeout);
            if let Some(member) = &mut self.pool.members[slot] {
                member.count_quiet(time, segment, slot);
                if member.quiet > timeout {
                    self.lost(slot, Some(&format!("made no progress for {timeout:?}")));
                }
            }
        }
    }

    /// A worker has ended, or is to be ended: once it is dead, its claims are released and another takes its place.
    pub(super) fn lost(&mut self, slot: usize, why: Option<&str>) {
        let Some(mut member) = self.pool.members[slot].take() else { return };
        let ran = member.doing != Doing::Nothing;
        let end = member.end(why);
        drop(member);
        self.losses.report(slot, &end.text);
        self.drain(slot);
        let (job, losses) = (self.job, self.losses.clone());
        let kept = self.table.hand_back(
            slot,
            |unit| self.progress(unit),
            |unit, state| {
                let next = self.left_of(unit);
                let alone = state.careful || job.first_claim(next.clone()).len() == 1;
                alone && losses.at_fault(next.start, &end)
            },
        );
        for unit in kept {
            losses.rescue(slot, self.left_of(unit).start, &end, |done| {
                self.deliver(slot, unit, done);
                self.table.release(unit);
            });
        }
        if ran {
            self.losses.count(slot, &end.text);
        }
        if !self.job.is_over() {
            self.restart(slot);
            // Others may have finished looking before this unit was free again.
            self.slots().for_each(|slot| self.begin(slot));
        }
    }

    /// Starts a worker in the place of one that is dead, or never started.
    pub(super) fn restart(&mut self, slot: usize) {
        self.readers.slots[slot].reset(&self.memory.segment);
        if let Err(error) = self.pool.restart(slot) {
            self.refusal = Some(error);
        }
    }
}
