//! All samples of an image in memory, for those who want numbers instead of a picture.

use crate::error::Result;
use crate::parallel::{Done, Sink};
use crate::sample::{Channels, INTERIOR, Samples};
use crate::tile::Tiling;
use std::sync::OnceLock;

/// Keeps every tile's samples. A run may be made into it once.
#[derive(Debug)]
pub struct Grid {
    tiling: Tiling,
    channels: Channels,
    tiles: Vec<OnceLock<Box<[u32]>>>,
}

/// One sample, as numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The iteration count; `None` for interior.
    pub count: Option<u32>,
    /// The fraction, 0 if it was not computed.
    pub fraction: f32,
    /// The distance vector in pixels, right and down; zero if it was not computed.
    pub distance: [f32; 2],
}

impl Grid {
    /// An empty grid for the tiles of `tiling`.
    pub fn new(tiling: Tiling, channels: Channels) -> Self {
        let tiles = (0..tiling.len()).map(|_| OnceLock::new()).collect();
        Self { tiling, channels, tiles }
    }

    /// The samples of tile `index`, or `None` while it is not finished.
    pub fn tile(&self, index: usize) -> Option<Samples<'_>> {
        let words = self.tiles.get(index)?.get()?;
        Some(Samples::new(self.tiling.tile(index), self.channels, bytemuck::cast_slice(words)))
    }

    /// The finished tiles, in order.
    pub fn tiles(&self) -> impl Iterator<Item = Samples<'_>> {
        (0..self.tiling.len()).filter_map(|index| self.tile(index))
    }

    /// Every sample of the image, row by row from the top left; interior where no run has finished a tile.
    pub fn samples(&self) -> Vec<Sample> {
        let (width, height) = self.tiling.size();
        let nothing = Sample { count: None, fraction: 0.0, distance: [0.0; 2] };
        let mut all = vec![nothing; width as usize * height as usize];
        for samples in self.tiles() {
            let tile = samples.tile;
            for (i, &count) in samples.counts.iter().enumerate() {
                let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
                all[y * width as usize + x] = Sample {
                    count: (count != INTERIOR).then_some(count),
                    fraction: samples.fractions.get(i).copied().unwrap_or(0.0),
                    distance: [samples.distance_x.get(i), samples.distance_y.get(i)].map(|d| d.copied().unwrap_or(0.0)),
                };
            }
        }
        all
    }
}

impl Sink for Grid {
    fn done(&self, done: &Done<'_>) -> Result<()> {
        for piece in done.pieces() {
            // A tile that is already there stays: the same index always has the same samples.
            let _ = self.tiles[piece.index].set(bytemuck::cast_slice(piece.bytes).into());
        }
        Ok(())
    }
}
