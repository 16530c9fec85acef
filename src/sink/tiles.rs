//! Finished claims of a picture's work as tiles of samples.

use crate::parallel::Done;
use crate::sample::{Channels, Samples};
use crate::tile::Tiling;

/// How the pieces of a picture's work are read: which tiles they are, and which data their samples have.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// The tiles, in samples.
    pub tiling: Tiling,
    /// What each sample has.
    pub channels: Channels,
}

impl Tiles {
    /// The samples of the finished tiles of a claim, in order, each with its tile's number.
    pub fn of<'a>(&self, done: &Done<'a>) -> impl Iterator<Item = (usize, Samples<'a>)> {
        done.pieces().map(|piece| (piece.index, self.samples(piece.index, piece.bytes)))
    }

    /// The samples of tile `index`, whose result is `bytes`.
    pub fn samples<'a>(&self, index: usize, bytes: &'a [u8]) -> Samples<'a> {
        Samples::new(self.tiling.tile(index), self.channels, bytes)
    }

    /// How long the result of tile `index` is, in bytes.
    pub fn bytes(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }
}
