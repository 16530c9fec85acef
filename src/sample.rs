//! What a tile holds: raw data of each sample, from which colours are made without computing again.
//!
//! A piece's bytes are planes of 32-bit words, one word per sample, rows from the top:
//! counts (`u32`), then fractions (`f32`) if asked for, then distances x and y (two planes of `f32`) if asked for.

use crate::tile::Tile;

/// The count of a sample that did not escape within the maximum.
pub const INTERIOR: u32 = u32::MAX;

/// The largest maximum of iterations, so that a stored count (plus 1024, as EXR files keep it) fits 32 bits.
pub const MAX_ITERATIONS: u32 = u32::MAX - 1025;

/// The largest escape radius: with it, |z|² of the first escaped iterate fits an `f32` (scaled) for powers up to 8.
pub const MAX_ESCAPE_RADIUS: f64 = 1e5;

/// Which data a sample has beside its count. Computed only when something needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Channels {
    /// The fraction f in [0, 1) with smooth count ν = n + f; 0 for interior.
    pub smooth: bool,
    /// The exterior distance estimate in pixels as a vector: its length, in the direction in which |z| grows
    /// (x right, y down in the image); 0 for interior.
    pub distance: bool,
}

impl std::ops::BitOr for Channels {
    type Output = Self;

    /// What either has.
    fn bitor(self, other: Self) -> Self {
        Self { smooth: self.smooth | other.smooth, distance: self.distance | other.distance }
    }
}

impl Channels {
    /// The number of 32-bit words of one sample.
    pub fn words(self) -> usize {
        1 + usize::from(self.smooth) + 2 * usize::from(self.distance)
    }

    /// The number of bytes of a tile of `area` samples.
    pub fn bytes(self, area: usize) -> usize {
        4 * area * self.words()
    }
}

/// A finished tile of samples, as planes; planes that were not asked for are empty.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Where it lies, in samples.
    pub tile: Tile,
    /// Iteration counts n, or [`INTERIOR`].
    pub counts: &'a [u32],
    /// Fractions f, with smooth count ν = n + f.
    pub fractions: &'a [f32],
    /// Horizontal part of the distance vector, in pixels, to the right.
    pub distance_x: &'a [f32],
    /// Vertical part of the distance vector, in pixels, downwards.
    pub distance_y: &'a [f32],
}

impl<'a> Samples<'a> {
    /// Reads the bytes of a piece. They must be aligned to 4 and of the length that `channels` gives `tile`.
    pub fn new(tile: Tile, channels: Channels, bytes: &'a [u8]) -> Self {
        let area = tile.area();
        assert_eq!(bytes.len(), channels.bytes(area), "length of a tile's data");
        let (counts, rest) = bytes.split_at(4 * area);
        let (fractions, rest) = rest.split_at(if channels.smooth { 4 * area } else { 0 });
        let (x, y) = rest.split_at(rest.len() / 2);
        Self {
            tile,
            counts: bytemuck::cast_slice(counts),
            fractions: bytemuck::cast_slice(fractions),
            distance_x: bytemuck::cast_slice(x),
            distance_y: bytemuck::cast_slice(y),
        }
    }
}
