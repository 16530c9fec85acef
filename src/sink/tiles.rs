//! Finished claims of a picture's work as tiles of samples.

use crate::parallel::FinishedClaim;
use crate::sample::{Channels, Samples};
use crate::tile::Tiling;

/// How to read the pieces of a picture's work: which tiles they are, and which channels their samples have.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// The tiles, in samples.
    pub tiling: Tiling,
    /// The channels of each sample.
    pub channels: Channels,
    /// Samples per pixel along each axis.
    pub samples: u32,
}

impl Tiles {
    /// The samples of the finished tiles of a claim, in order, each with its tile's number.
    pub fn of<'a>(&self, done: &FinishedClaim<'a>) -> impl Iterator<Item = (usize, Samples<'a>)> {
        done.pieces().map(|piece| (piece.index, self.samples(piece.index, piece.bytes)))
    }

    /// The samples of tile `index`, whose result is `bytes`.
    pub fn samples<'a>(&self, index: usize, bytes: &'a [u8]) -> Samples<'a> {
        Samples::new(self.tiling.tile(index), self.channels, bytes)
    }

    /// The length of the result of tile `index`, in bytes.
    pub fn bytes(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }
}
