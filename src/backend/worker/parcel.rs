//! A work as it is sent to workers: the name of its kind, its recipe and what was prepared, one after the other.

use crate::parallel::{ALIGNMENT, Encoded, Prepared, Recipe};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A work to be sent.
#[derive(Debug)]
pub(crate) struct Parcel<'a> {
    recipe: &'a Recipe,
    hash: u64,
    prepared: Encoded<'a>,
}

impl<'a> Parcel<'a> {
    pub(crate) fn new(recipe: &'a Recipe, prepared: &'a Prepared) -> Self {
        let mut hasher = DefaultHasher::new();
        (&recipe.kind, &recipe.bytes).hash(&mut hasher);
        prepared.hashes().for_each(|part| part.hash(&mut hasher));
        Self { recipe, hash: hasher.finish(), prepared: prepared.encode() }
    }

    /// Tells it from others: a work that was sent last is not sent again.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The numbers of its message: the lengths of the three.
    pub(crate) fn lengths(&self) -> [u64; 3] {
        let prepared = self.prepared.parts().iter().map(|part| part.len()).sum();
        [self.recipe.kind.len(), self.recipe.bytes.len(), prepared].map(|len| len as u64)
    }

    /// Its bytes. What was prepared begins at a multiple of [`ALIGNMENT`].
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        let (kind, recipe) = (self.recipe.kind.as_bytes(), &self.recipe.bytes);
        let gap = (kind.len() + recipe.len()).next_multiple_of(ALIGNMENT) - kind.len() - recipe.len();
        let mut parts = vec![kind, recipe, &[0; ALIGNMENT][..gap]];
        parts.append(&mut self.prepared.parts());
        parts
    }
}
