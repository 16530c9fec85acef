//! All samples of an image in memory, for programs that need numbers instead of a picture.

use super::Tiles;
use crate::error::Result;
use crate::parallel::{FinishedClaim, Sink};
use crate::sample::{Channels, PlaneId, Samples};
use crate::tile::SampleSize;
use std::sync::OnceLock;

/// Keeps every tile's samples. For one run only.
#[derive(Debug)]
pub struct Grid {
    layout: Tiles,
    tiles: Vec<OnceLock<Box<[u32]>>>,
}

/// One sample, as numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The iteration count; `None` for interior.
    pub count: Option<u64>,
    /// All other planes.
    numbers: [f32; NUMBERS],
}

/// The planes other than the counts, which are the first.
const NUMBERS: usize = Channels::ALL.words() - 1;

impl Sample {
    /// The number in a plane, 0 if it was not computed.
    pub fn number(&self, plane: PlaneId) -> f32 {
        let place = Channels::ALL.place(plane).and_then(|place| place.checked_sub(1));
        place.map_or(0.0, |place| self.numbers[place])
    }
}

impl Grid {
    /// An empty grid for these tiles.
    pub fn new(tiles: Tiles) -> Self {
        Self { tiles: (0..tiles.tiling.len()).map(|_| OnceLock::new()).collect(), layout: tiles }
    }

    /// The samples of tile `index`, or `None` while it is not finished.
    pub fn tile(&self, index: usize) -> Option<Samples<'_>> {
        let words = self.tiles.get(index)?.get()?;
        Some(self.layout.samples(index, bytemuck::cast_slice(words)))
    }

    /// The finished tiles, in order.
    pub fn tiles(&self) -> impl Iterator<Item = Samples<'_>> {
        (0..self.layout.tiling.len()).filter_map(|index| self.tile(index))
    }

    /// The size of the image in samples.
    pub fn size(&self) -> SampleSize {
        self.layout.tiling.size()
    }

    /// Every sample of the image of this [size](Grid::size), row by row from the top left; interior where no run has finished a tile.
    pub fn samples(&self) -> Vec<Sample> {
        let SampleSize { width, height } = self.size();
        let nothing = Sample { count: None, numbers: [0.0; NUMBERS] };
        let mut all = vec![nothing; width as usize * height as usize];
        for samples in self.tiles() {
            let tile = samples.tile;
            let shared: Vec<_> = samples.channels().shared(Channels::ALL).skip(1).collect();
            for i in 0..tile.area() {
                let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
                let sample = &mut all[y * width as usize + x];
                sample.count = samples.count(i);
                for &(own, place, _) in &shared {
                    sample.numbers[place - 1] = f32::from_bits(samples.words(own)[i]);
                }
            }
        }
        all
    }
}

impl Sink for Grid {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        for piece in done.pieces() {
            // A tile that is already there stays: the same index always has the same samples.
            let _ = self.tiles[piece.index].set(bytemuck::cast_slice(piece.bytes).into());
        }
        Ok(())
    }
}
