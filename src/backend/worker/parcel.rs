//! A work as it is sent to workers: the name of its kind, its recipe and what was prepared, one after the other.

use crate::parallel::Recipe;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A work to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel<'a> {
    recipe: &'a Recipe,
    prepared: &'a [u8],
}

impl<'a> Parcel<'a> {
    pub(crate) fn new(recipe: &'a Recipe, prepared: &'a [u8]) -> Self {
        Self { recipe, prepared }
    }

    /// Tells it from others: a work that was sent last is not sent again.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.recipe.kind, &self.recipe.bytes, self.prepared).hash(&mut hasher);
        hasher.finish()
    }

    /// The numbers of its message: the lengths of the three.
    pub(crate) fn lengths(&self) -> [u64; 3] {
        [self.recipe.kind.len(), self.recipe.bytes.len(), self.prepared.len()].map(|len| len as u64)
    }

    /// Its bytes. What was prepared begins at a multiple of 8.
    pub(crate) fn parts(&self) -> [&'a [u8]; 4] {
        let (kind, recipe) = (self.recipe.kind.as_bytes(), &self.recipe.bytes);
        let gap = (kind.len() + recipe.len()).next_multiple_of(8) - kind.len() - recipe.len();
        [kind, recipe, &[0; 8][..gap], self.prepared]
    }
}
