//! Some pieces of any work, as a work of their own.

use super::result::Lengths;
use super::{Claim, Pieces, Position, Prepared, Preparing, Recipe, Stop, Work};
use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// What the kind of such a work begins with; the rest is the kind of the whole work.
const PREFIX: &str = "some of ";

/// Some pieces of a work, numbered from 0: the missing ones, or those of a shard. Workers in other processes can make it if they can make
/// the whole work.
pub struct Selected {
    work: Arc<dyn Work>,
    pieces: Pieces,
}

impl Selected {
    /// These pieces of `work`.
    ///
    /// # Panics
    /// If they are pieces of a work with another number of pieces.
    pub fn new(work: Arc<dyn Work>, pieces: Pieces) -> Self {
        assert_eq!(work.len(), pieces.of(), "pieces of this work");
        Self { work, pieces }
    }

    /// Splits a recipe into the kind and the recipe of the whole work, and the pieces that are selected; `None` if it is of a whole work.
    ///
    /// # Errors
    /// [`Error::Input`] when the recipe is damaged.
    pub(crate) fn split<'a>(kind: &'a str, recipe: &'a [u8]) -> Result<(&'a str, &'a [u8], Option<Pieces>)> {
        let Some(kind) = kind.strip_prefix(PREFIX) else { return Ok((kind, recipe, None)) };
        let cut = || {
            let (len, rest) = recipe.split_first_chunk()?;
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
        };
        let damaged = || Error::Input(format!("the recipe of some pieces of a work `{kind}` is damaged"));
        let (pieces, recipe) = cut().ok_or_else(damaged)?;
        Ok((kind, recipe, Some(serde_json::from_slice(pieces).map_err(|_| damaged())?)))
    }

    /// These pieces of a work that a recipe made, if they are of a work with as many.
    ///
    /// # Errors
    /// [`Error::Input`] when they are not.
    pub(crate) fn of_recipe(work: Arc<dyn Work>, pieces: Pieces) -> Result<Self> {
        if work.len() == pieces.of() {
            return Ok(Self { work, pieces });
        }
        Err(Error::Input(format!("a recipe selects from {} pieces, but its work has {}", pieces.of(), work.len())))
    }
}

impl Work for Selected {
    fn len(&self) -> usize {
        self.pieces.len()
    }

    fn piece_len(&self, index: usize) -> usize {
        self.work.piece_len(self.pieces.get(Position(index)))
    }

    fn varies(&self) -> bool {
        self.work.varies()
    }

    fn most_operations(&self) -> Option<u64> {
        self.work.most_operations()
    }

    fn claim_bytes(&self) -> Option<usize> {
        self.work.claim_bytes()
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        self.work.prepare(preparing)
    }

    fn prepared_len(&self) -> u64 {
        self.work.prepared_len()
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let (lengths, most) = (Lengths::of(self.varies()), |index| self.work.piece_len(index));
        let (mut piece, mut byte) = (0, 0);
        for run in self.pieces.runs(Position::range(claim.range())) {
            let room = run.clone().map(|index| lengths.room(most(index))).sum::<usize>();
            let (pieces, bytes) = (piece..piece + run.len(), byte..byte + room);
            (piece, byte) = (pieces.end, bytes.end);
            let mut part = claim.part(run, pieces, bytes, (lengths == Lengths::Prefixed).then_some(&most));
            self.work.compute(prepared, &mut part, stop)?;
            let executed = part.executed();
            claim.add_executed(executed);
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        let Recipe { kind, bytes } = self.work.recipe()?;
        let pieces = serde_json::to_vec(&self.pieces).ok()?;
        let bytes = [&(pieces.len() as u64).to_le_bytes()[..], &pieces, &bytes].concat();
        Some(Recipe { kind: format!("{PREFIX}{kind}").into(), bytes })
    }

    fn unit(&self) -> &'static str {
        self.work.unit()
    }

    fn piece(&self) -> &'static str {
        self.work.piece()
    }

    fn describe(&self, index: usize) -> String {
        self.work.describe(self.pieces.get(Position(index)))
    }
}

impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selected").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_recipe_is_reported() {
        assert!(matches!(Selected::split("primes", b"abc"), Ok(("primes", b"abc", None))));
        for recipe in
            [&b""[..], &[1; 7], &[255; 9], &[2, 0, 0, 0, 0, 0, 0, 0, b'{'], &[2, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']]
        {
            let error = Selected::split("some of primes", recipe).unwrap_err().to_string();
            assert!(error.contains("`primes`"), "{error}");
        }
    }
}
