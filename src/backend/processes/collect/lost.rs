//! Workers that are lost, or have to be.

use super::Collector;
use crate::backend::processes::claims::{State, Unit};
use crate::backend::processes::member::{Doing, Member};
use crate::backend::processes::ring::Reader;
use std::time::Duration;

impl Collector<'_> {
    /// Ends a worker that goes on though the run is over. The next run has another.
    pub(super) fn give_up(&mut self, slot: usize) {
        if self.crew.members[slot].as_ref().is_some_and(Member::runs) {
            self.lost(slot, Some("did not stop"));
        }
    }

    /// Replaces workers that have given no sign of life for too long.
    pub(super) fn look_after(&mut self, time: Duration) {
        for slot in self.slots() {
            let (segment, patience) = (self.segment(), self.crew.patience);
            if let Some(member) = &mut self.crew.members[slot] {
                member.count_quiet(time, segment, slot);
                if member.quiet > patience {
                    self.lost(slot, Some(&format!("gave no sign of life for {patience:?}")));
                }
            }
        }
    }

    /// A worker has ended, or is to: what it had claimed goes back once it is dead, and another takes its place.
    pub(super) fn lost(&mut self, slot: usize, why: Option<&str>) {
        let Some(mut member) = self.crew.members[slot].take() else { return };
        let ran = member.doing != Doing::Nothing;
        let end = member.end(why);
        drop(member);
        self.losses.tell(slot, &end.text);
        self.drain(slot);
        Reader::new(self.segment(), slot).reset();
        let (job, plan, losses) = (self.job, self.plan, self.losses.clone());
        let next = |unit: Unit, state: State| {
            let whole = plan.units.range(unit);
            whole.start + state.progress as usize..whole.end
        };
        let kept = self.table.hand_back(slot, |unit, state| {
            let next = next(unit, state);
            let alone = state.careful || job.first_claim(next.clone()).len() == 1;
            alone && losses.at_fault(next.start, &end)
        });
        for unit in kept {
            let (piece, len) = (next(unit, self.table.state(unit)).start, plan.units.range(unit).len());
            losses.rescue(slot, piece, &end, |done| {
                self.hand_on(slot, unit, len, done);
                self.table.release(unit);
            });
        }
        if ran {
            self.losses.count(slot, &end.text);
        }
        if !self.job.is_over() {
            self.restart(slot);
            // Others may have ended their search before this was free again.
            self.slots().for_each(|slot| self.begin(slot));
        }
    }

    pub(super) fn restart(&mut self, slot: usize) {
        if let Err(error) = self.crew.restart(slot) {
            self.refusal = Some(error);
        }
    }
}
