//! Works whose cost is known: nothing but arithmetic, each piece as long as requested.

use crate::backend::WorkKind;
use crate::error::{Error, Result};
use crate::parallel::{Claim, Prepared, Recipe, Stop, Work};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;

/// The kind of these works, for other processes.
pub const KIND: &str = "spin";

/// The kinds of this module.
pub(crate) fn kinds() -> [WorkKind; 1] {
    [WorkKind::new(KIND, Spin::from_recipe)]
}

/// Rounds between two checks of [`Stop`], some tenths of a millisecond.
const ROUNDS_BETWEEN_LOOKS: u64 = 100_000;

/// Pieces that multiply and shift one number over and over: no vectors, and no memory except for results, if any, so that workers cannot
/// disturb each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spin {
    /// How many pieces there are.
    pub pieces: usize,
    /// Rounds of each.
    pub rounds: u64,
    /// The first costly piece.
    pub costly_from: usize,
    /// How many times as many rounds costly pieces have.
    pub factor: u64,
    /// The length of each piece's result.
    pub bytes: usize,
}

impl Spin {
    /// Pieces that are all alike.
    pub fn even(pieces: usize, rounds: u64) -> Self {
        Self { pieces, rounds, costly_from: pieces, factor: 1, bytes: 0 }
    }

    /// Rounds of a piece.
    pub fn rounds_of(&self, index: usize) -> u64 {
        if index < self.costly_from { self.rounds } else { self.rounds.saturating_mul(self.factor) }
    }

    /// Makes the work of a [`Recipe`] of kind [`KIND`] again.
    ///
    /// # Errors
    /// [`Error::Input`] when the bytes are not such a recipe.
    pub fn from_recipe(bytes: &[u8]) -> Result<Arc<dyn Work>> {
        let spin: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::Input(format!("the bytes are not the recipe of a work `{KIND}`: {error}")))?;
        Ok(Arc::new(spin))
    }
}

/// Runs `rounds` rounds. Each needs the one before, so that a processor cannot do two at a time.
#[inline]
fn spin(mut number: u64, rounds: u64) -> u64 {
    for _ in 0..rounds {
        number = (number ^ number >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    number
}

impl Work for Spin {
    fn len(&self) -> usize {
        self.pieces
    }

    fn piece_len(&self, _: usize) -> usize {
        self.bytes
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        if self.rounds == 0 {
            // Nothing at all, so that only the overhead of a piece is measured.
            black_box(claim);
            return Ok(());
        }
        self.turn(claim, stop)
    }

    fn recipe(&self) -> Option<Recipe> {
        serde_json::to_vec(self).ok().map(|bytes| Recipe { kind: KIND.into(), bytes })
    }

    fn describe(&self, index: usize) -> String {
        format!("piece {index} of {} that spin", self.pieces)
    }
}

impl Spin {
    /// All rounds of a claim. Separate from `compute`, where the registers that it needs would cost empty pieces 2 ns.
    #[inline(never)]
    fn turn(&self, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        // One chain through all pieces of a claim: otherwise a processor would begin the next short piece before the last is done.
        let mut number = 1;
        for index in claim.range() {
            let rounds = self.rounds_of(index);
            let mut left = rounds;
            number = black_box(number ^ index as u64);
            while left > ROUNDS_BETWEEN_LOOKS {
                number = spin(number, ROUNDS_BETWEEN_LOOKS);
                left -= ROUNDS_BETWEEN_LOOKS;
                if stop.is_set() {
                    return Err(Error::Stopped);
                }
            }
            number = black_box(spin(number, left));
            claim.set_cost(index, rounds);
            claim.add_executed(rounds);
        }
        claim.bytes().fill(number as u8);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Discard;

    #[test]
    fn pieces_cost_what_they_are_reported() {
        let spin = Spin { pieces: 5, rounds: 250_000, costly_from: 4, factor: 3, bytes: 16 };
        let recipe = spin.recipe().unwrap();
        assert_eq!(recipe.kind, KIND);
        let again = Spin::from_recipe(&recipe.bytes).unwrap();
        let mut session =
            crate::backend::find("serial").unwrap().open(&crate::backend::SessionOptions::default()).unwrap();
        let report = session.run(again, Arc::new(Discard), &Stop::new()).unwrap();
        assert_eq!((report.useful(), report.executed()), (1_750_000, 1_750_000));
        assert!(Spin::from_recipe(b"{\"pieces\":1}").is_err());
    }

    #[test]
    fn a_stop_is_noticed_within_a_piece() {
        let stop = Stop::new();
        stop.set();
        let (spin, mut costs) = (Spin::even(1, u64::MAX), [0]);
        let outcome =
            spin.compute(&Prepared::default(), &mut Claim::new(0..1, &mut [], &mut costs, &mut Vec::new()), &stop);
        assert!(matches!(outcome, Err(Error::Stopped)));
    }
}
