//! Works of pieces whose number is their recipe.

use fractal::Result;
use fractal::parallel::{Claim, Prepared, Recipe, Stop, Work};
use std::hint::black_box;

/// The number of pieces that a recipe says.
pub(crate) fn number(bytes: &[u8]) -> usize {
    usize::from_le_bytes(bytes.try_into().expect("the recipe is a number"))
}

/// The recipe of so many pieces.
pub(crate) fn recipe(kind: &'static str, pieces: usize) -> Option<Recipe> {
    Some(Recipe { kind, bytes: pieces.to_le_bytes().to_vec() })
}

/// Pieces of nothing.
pub(crate) struct Empty(pub(crate) usize);

impl Work for Empty {
    fn len(&self) -> usize {
        self.0
    }

    fn piece_len(&self, _: usize) -> usize {
        0
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        black_box(claim);
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        recipe("empty", self.0)
    }
}
