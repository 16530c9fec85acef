//! Pieces of an image: rectangles of samples, and the order in which they are computed.

/// A rectangle of samples, in samples from the image's top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Number of columns, at least 1.
    pub width: u32,
    /// Number of rows, at least 1.
    pub height: u32,
}

impl Tile {
    /// The number of samples.
    pub fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }
}
