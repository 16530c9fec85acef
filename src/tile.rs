//! Pieces of an image: rectangles of samples, and the order in which they are computed.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The size of an image in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelSize {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl PixelSize {
    /// The size in samples, with so many samples per pixel along each axis.
    pub fn samples(self, per_pixel: u32) -> SampleSize {
        SampleSize { width: self.width.saturating_mul(per_pixel), height: self.height.saturating_mul(per_pixel) }
    }
}

impl From<PixelSize> for (u32, u32) {
    fn from(PixelSize { width, height }: PixelSize) -> Self {
        (width, height)
    }
}

/// The size of an image in samples: larger than its [`PixelSize`] where a pixel has more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleSize {
    /// Samples in a row.
    pub width: u32,
    /// Rows of samples.
    pub height: u32,
}

impl SampleSize {
    /// The number of samples.
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The size in pixels, with so many samples per pixel along each axis; a pixel that is cut counts.
    pub fn pixels(self, per_pixel: u32) -> PixelSize {
        PixelSize { width: self.width.div_ceil(per_pixel), height: self.height.div_ceil(per_pixel) }
    }
}

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

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tile { x, y, width, height } = *self;
        write!(f, "x {x}..{}, y {y}..{}", u64::from(x) + u64::from(width), u64::from(y) + u64::from(height))
    }
}

/// A subset of a tile's samples: one bit per sample, rows from the top, the lowest bit of a byte first.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a>(&'a [u8]);

impl<'a> Mask<'a> {
    /// The length in bytes of a mask for `area` samples.
    pub fn bytes(area: usize) -> usize {
        area.div_ceil(8)
    }

    /// The mask in these bytes; bits beyond the last sample must be 0.
    pub fn new(bits: &'a [u8]) -> Self {
        Self(bits)
    }

    /// The samples from `first` on, at most 8 of them, as bits.
    #[inline]
    pub fn window(self, first: usize, len: usize) -> u64 {
        let byte = |at: usize| self.0.get(at).map_or(0, |&byte| u64::from(byte));
        let at = first / 8;
        (byte(at) | byte(at + 1) << 8) >> (first % 8) & ((1 << len) - 1)
    }

    /// Whether sample `index` is in the mask.
    #[inline]
    pub fn has(self, index: usize) -> bool {
        self.window(index, 1) != 0
    }

    /// The number of samples in the mask.
    pub fn count(self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

/// The order in which tiles are numbered, and so computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Row by row from the top: rows are complete early, so encoding overlaps rendering and needs the least memory.
    #[default]
    Rows,
    /// Along a Hilbert curve: neighbours in time are neighbours in the image.
    Hilbert,
    /// From the centre outwards, for watching.
    Centre,
    /// From the tile with this sample outwards, for pointing at what to see first. Written `X,Y`.
    Around(u32, u32),
}

/// Every [`Order`] that has a name, with what it is good for.
pub const ORDERS: &[(Order, &str, &str)] = &[
    (Order::Rows, "rows", "row by row from the top; least memory"),
    (Order::Hilbert, "hilbert", "along a Hilbert curve; neighbours in time are neighbours in the image"),
    (Order::Centre, "centre", "from the centre outwards"),
];

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Order::Around(x, y) = self {
            return write!(f, "{x},{y}");
        }
        let known = ORDERS.iter().find(|(order, ..)| order == self);
        f.write_str(known.map_or("", |(_, name, _)| name))
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((x, y)) = text.split_once(',')
            && let (Ok(x), Ok(y)) = (x.parse(), y.parse())
        {
            return Ok(Order::Around(x, y));
        }
        let found = ORDERS.iter().find(|(_, name, _)| *name == text);
        found.map(|(order, ..)| *order).ok_or_else(|| {
            let names: Vec<_> = ORDERS.iter().map(|(_, name, _)| *name).collect();
            Error::Usage(format!(
                "unknown order `{text}`; the orders are {}, or `X,Y` from that sample outwards",
                names.join(", ")
            ))
        })
    }
}

/// An image cut into square tiles (smaller at the right and bottom edges), numbered in an [`Order`]. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Tiling {
    size: SampleSize,
    edge: u32,
    columns: u32,
    rows: u32,
    /// Column and row of each tile by its number; empty for [`Order::Rows`], which needs no table.
    places: Arc<[(u32, u32)]>,
}

/// The largest number of tiles of one image.
pub(crate) const MAX_TILES: usize = 1 << 28;

impl Tiling {
    /// Cuts an image into tiles of `edge` × `edge` samples; an `edge` beyond the image gives one tile.
    ///
    /// # Errors
    /// When a size is 0, or there would be more than 2²⁸ tiles.
    pub fn new(size: SampleSize, edge: u32, order: Order) -> Result<Self> {
        let SampleSize { width, height } = size;
        if width == 0 || height == 0 || edge == 0 {
            return Err(Error::Usage(format!(
                "an image of {width} × {height} samples in tiles of {edge} is empty; every size must be at least 1"
            )));
        }
        let (columns, rows) = (width.div_ceil(edge), height.div_ceil(edge));
        if u64::from(columns) * u64::from(rows) > MAX_TILES as u64 {
            return Err(Error::Usage(format!(
                "tiles of {edge} cut {width} × {height} samples into more than {MAX_TILES} pieces; use larger tiles"
            )));
        }
        let places = match order {
            Order::Rows => Arc::default(),
            Order::Hilbert => hilbert(columns, rows).into(),
            Order::Centre => outwards(columns, rows, (columns - 1, rows - 1)).into(),
            Order::Around(x, y) => {
                let cell = |sample: u32, count: u32| (sample / edge).min(count - 1) * 2;
                outwards(columns, rows, (cell(x, columns), cell(y, rows))).into()
            }
        };
        Ok(Self { size, edge, columns, rows, places })
    }

    /// The number of tiles.
    #[allow(clippy::len_without_is_empty)] // There is always a tile.
    pub fn len(&self) -> usize {
        self.columns as usize * self.rows as usize
    }

    /// The size of the image.
    pub fn size(&self) -> SampleSize {
        self.size
    }

    /// The edge of a tile that is not cut by the image's edge, in samples.
    pub fn edge(&self) -> u32 {
        self.edge
    }

    /// Tile number `index`.
    ///
    /// # Panics
    /// When `index` is not below [`Tiling::len`].
    #[inline]
    pub fn tile(&self, index: usize) -> Tile {
        assert!(index < self.len(), "tile {index} of {}", self.len());
        let (column, row) = match self.places.get(index) {
            Some(&place) => place,
            None => ((index % self.columns as usize) as u32, (index / self.columns as usize) as u32),
        };
        let (x, y) = (column * self.edge, row * self.edge);
        Tile { x, y, width: self.edge.min(self.size.width - x), height: self.edge.min(self.size.height - y) }
    }
}

/// All cells of a grid outwards from a place, which is given as twice its column and row; cells at equal distance in reading order.
fn outwards(columns: u32, rows: u32, twice: (u32, u32)) -> Vec<(u32, u32)> {
    let mut cells: Vec<_> = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row))).collect();
    let off = |i: u32, twice: u32| (2 * i64::from(i) - i64::from(twice)).pow(2);
    cells.sort_by_key(|&(column, row)| off(column, twice.0) + off(row, twice.1));
    cells
}

/// All cells of a grid along the Hilbert curve of the smallest enclosing square whose side is a power of two.
fn hilbert(columns: u32, rows: u32) -> Vec<(u32, u32)> {
    /// The curve through the square at `origin` that leaves along the vector `a` and turns to the vector `b`, both as long as the
    /// square's side; squares outside the grid are skipped.
    fn walk(origin: (i64, i64), a: (i64, i64), b: (i64, i64), grid: (i64, i64), out: &mut Vec<(u32, u32)>) {
        let corner = (origin.0 + (a.0 + b.0).min(0), origin.1 + (a.1 + b.1).min(0));
        if corner.0 >= grid.0 || corner.1 >= grid.1 {
            return;
        }
        if (a.0 + a.1).abs() == 1 {
            out.push((corner.0 as u32, corner.1 as u32));
            return;
        }
        let (a, b) = ((a.0 / 2, a.1 / 2), (b.0 / 2, b.1 / 2));
        let at = |i: i64, j: i64| (origin.0 + i * a.0 + j * b.0, origin.1 + i * a.1 + j * b.1);
        walk(origin, b, a, grid, out);
        walk(at(0, 1), a, b, grid, out);
        walk(at(1, 1), a, b, grid, out);
        walk(at(2, 1), (-b.0, -b.1), (-a.0, -a.1), grid, out);
    }
    let side = i64::from(columns.max(rows)).max(1) as u64;
    let side = side.next_power_of_two() as i64;
    let mut cells = Vec::with_capacity(columns as usize * rows as usize);
    walk((0, 0), (side, 0), (0, side), (i64::from(columns), i64::from(rows)), &mut cells);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_sample_is_in_exactly_one_tile() {
        for (width, height, edge) in [(1, 1, 1), (7, 3, 2), (64, 64, 16), (100, 37, 16), (5, 9, u32::MAX), (17, 1, 4)] {
            let around = Order::Around(width / 3, height + 5);
            for order in ORDERS.iter().map(|&(order, ..)| order).chain([around]) {
                let tiling = Tiling::new(SampleSize { width, height }, edge, order).unwrap();
                let mut seen = vec![0u8; (width * height) as usize];
                for index in 0..tiling.len() {
                    let t = tiling.tile(index);
                    for y in t.y..t.y + t.height {
                        for x in t.x..t.x + t.width {
                            seen[(y * width + x) as usize] += 1;
                        }
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{width}×{height} by {edge}, {order}");
            }
        }
    }

    #[test]
    fn a_mask_gives_its_bits_wherever_a_window_begins() {
        let bits = [0b1010_0110, 0b0001_1001, 0b101];
        let mask = Mask::new(&bits);
        let all: Vec<bool> = (0..19).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect();
        assert_eq!((0..19).map(|i| mask.has(i)).collect::<Vec<_>>(), all);
        assert_eq!(mask.count(), all.iter().filter(|&&bit| bit).count());
        for first in 0..19 {
            for len in 0..=8.min(19 - first) {
                let window: u64 = (0..len).map(|i| u64::from(all[first + i]) << i).sum();
                assert_eq!(mask.window(first, len), window, "{len} from {first}");
            }
        }
        assert_eq!((mask.window(100, 8), Mask::bytes(19)), (0, 3));
    }

    #[test]
    fn hilbert_steps_to_a_neighbour() {
        let cells = hilbert(16, 16);
        assert_eq!(cells.iter().collect::<HashSet<_>>().len(), 256);
        for pair in cells.windows(2) {
            let step = pair[0].0.abs_diff(pair[1].0) + pair[0].1.abs_diff(pair[1].1);
            assert_eq!(step, 1, "{pair:?}");
        }
    }

    #[test]
    fn outwards_begins_at_the_place_and_ends_in_a_corner() {
        let tiles = |order| {
            let tiling = Tiling::new(SampleSize { width: 50, height: 30 }, 10, order).unwrap();
            [0, 14].map(|index| (tiling.tile(index).x, tiling.tile(index).y))
        };
        assert_eq!(tiles(Order::Centre), [(20, 10), (40, 20)]);
        assert_eq!(tiles(Order::Around(39, 29)), [(30, 20), (0, 0)]);
        assert_eq!("39,29".parse::<Order>().unwrap(), Order::Around(39, 29));
        assert_eq!(Order::Around(39, 29).to_string(), "39,29");
    }

    #[test]
    fn orders_read_what_they_write() {
        for &(order, name, _) in ORDERS {
            assert_eq!(name.parse::<Order>().unwrap(), order);
            assert_eq!(order.to_string(), name);
        }
        assert!("spiral".parse::<Order>().unwrap_err().to_string().contains("hilbert"));
    }

    #[test]
    fn impossible_tilings_are_refused() {
        for (width, height, edge) in [(0, 1, 1), (1, 1, 0), (u32::MAX, u32::MAX, 1)] {
            assert!(Tiling::new(SampleSize { width, height }, edge, Order::Rows).is_err());
        }
    }
}
