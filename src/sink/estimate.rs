//! Predicting the cost of the parts of a picture from a coarse picture of it.

use super::Tiles;
use crate::error::Result;
use crate::parallel::{FinishedClaim, Sink};
#[cfg(test)]
use crate::sample::INTERIOR;
use crate::tile::{SampleSize, Tile};
use std::sync::atomic::{AtomicU32, Ordering};

/// The cost of a sample besides its iterations, in iterations: starting and ending its orbit, its colour, its bytes in a file.
const SAMPLE_COST: f64 = 100.0;

/// Estimated cost of any part of an image, from a coarse picture of it.
#[derive(Clone, Debug)]
pub struct Estimate {
    columns: usize,
    rows: usize,
    /// The size of the image.
    size: SampleSize,
    /// Sums of the cells' costs above and left of each corner of a cell, row by row from the top left.
    sums: Vec<f64>,
}

impl Estimate {
    /// For an image of this size whose samples all cost the same.
    pub fn uniform(size: SampleSize) -> Self {
        Self::from_cells(1, 1, &[SAMPLE_COST], size)
    }

    pub(super) fn from_cells(columns: usize, rows: usize, cells: &[f64], size: SampleSize) -> Self {
        // A cell stands for this many samples.
        let area = size.area() as f64 / (columns * rows) as f64;
        let mut sums = vec![0.0; (columns + 1) * (rows + 1)];
        for (y, row) in cells.chunks_exact(columns).enumerate() {
            let mut left = 0.0;
            for (x, cost) in row.iter().enumerate() {
                left += cost * area;
                sums[(y + 1) * (columns + 1) + x + 1] = sums[y * (columns + 1) + x + 1] + left;
            }
        }
        Self { columns, rows, size, sums }
    }

    /// The cost of the whole image.
    pub fn total(&self) -> u64 {
        self.above_left(self.size.width, self.size.height)
    }

    /// The cost of a tile. The tiles of an image have exactly its total.
    pub fn cost(&self, tile: Tile) -> u64 {
        let (right, bottom) = (tile.x + tile.width, tile.y + tile.height);
        let at = |x, y| self.above_left(x, y);
        // Rounded at the corners, which neighbours share, so that the tiles add up to the total.
        at(right, bottom)
            .wrapping_sub(at(tile.x, bottom))
            .wrapping_sub(at(right, tile.y))
            .wrapping_add(at(tile.x, tile.y))
    }

    /// The cost of everything above row `y` and left of column `x`: between the corners of a cell it grows with the area.
    fn above_left(&self, x: u32, y: u32) -> u64 {
        let split = |position: u32, size: u32, cells: usize| {
            let place = f64::from(position) / f64::from(size) * cells as f64;
            let cell = (place as usize).min(cells - 1);
            (cell, place - cell as f64)
        };
        let (column, right) = split(x, self.size.width, self.columns);
        let (row, down) = split(y, self.size.height, self.rows);
        let sums = |row: usize| {
            let start = row * (self.columns + 1) + column;
            self.sums[start] * (1.0 - right) + self.sums[start + 1] * right
        };
        (sums(row) * (1.0 - down) + sums(row + 1) * down).round() as u64
    }
}

/// A sink that makes an [`Estimate`] from the run of a coarse picture. The fewer tiles its claims have, the better it locates the
/// cost.
#[derive(Debug)]
pub(crate) struct Estimator {
    tiles: Tiles,
    /// The cost of each sample, as the bits of an `f32`, row by row.
    cells: Vec<AtomicU32>,
}

impl Estimator {
    /// For a run over these tiles.
    pub(crate) fn new(tiles: Tiles) -> Self {
        let cells = (0..tiles.tiling.size().area()).map(|_| AtomicU32::new(0)).collect();
        Self { tiles, cells }
    }

    /// The run's estimate for an image of this size.
    pub(crate) fn estimate(&self, size: SampleSize) -> Estimate {
        let cells: Vec<f64> =
            self.cells.iter().map(|bits| f32::from_bits(bits.load(Ordering::Relaxed)).into()).collect();
        let SampleSize { width: columns, height: rows } = self.tiles.tiling.size();
        Estimate::from_cells(columns as usize, rows as usize, &cells, size)
    }
}

impl Sink for Estimator {
    /// An escaped sample costs its count. The iterations of each interior sample are not known, so those of a claim share the rest
    /// of its executed iterations.
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let tiles = || self.tiles.of(done).map(|(_, samples)| samples);
        let counts = || tiles().flat_map(|tile| (0..tile.counts.len()).map(move |i| tile.count(i)));
        let escaped: u64 = counts().flatten().sum();
        let interior = counts().filter(Option::is_none).count();
        let share = done.executed.saturating_sub(escaped) as f64 / interior.max(1) as f64;
        let columns = self.tiles.tiling.size().width as usize;
        for samples in tiles() {
            let tile = samples.tile;
            for i in 0..tile.area() {
                let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
                let cost = SAMPLE_COST + samples.count(i).map_or(share, |n| n as f64);
                self.cells[y * columns + x].store((cost as f32).to_bits(), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Claim, Prepared, Stop, Work};
    use crate::sample::Channels;
    use crate::tile::{ORDERS, Tiling};

    /// A work to make claims of, whose pieces have this many bytes.
    struct Made(usize);

    impl Work for Made {
        fn len(&self) -> usize {
            0
        }
        fn piece_len(&self, _: usize) -> usize {
            self.0
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    fn claim(sink: &dyn Sink, range: std::ops::Range<usize>, bytes: &[u8], executed: u64) {
        let (work, costs) = (Made(bytes.len() / range.len()), vec![0; range.len()]);
        sink.done(&FinishedClaim { executed, ..FinishedClaim::new(&work, range, bytes, &costs) }).unwrap();
    }

    #[test]
    fn costs_of_tiles_add_up_to_the_total_whatever_the_tiles() {
        let costs: Vec<f64> = (0..12).map(|i| f64::from(i * i) + 0.3).collect();
        for ((width, height), edge) in
            [((640, 480), 64), ((641, 479), 64), ((3, 2), 1), ((1000, 1), 7), ((50, 50), 1 << 20)]
        {
            let size = SampleSize { width, height };
            let estimate = Estimate::from_cells(4, 3, &costs, size);
            for &(order, ..) in ORDERS {
                let tiling = Tiling::new(size, edge, order).unwrap();
                let sum: u64 = (0..tiling.len()).map(|index| estimate.cost(tiling.tile(index))).sum();
                assert_eq!(sum, estimate.total(), "{size:?} by {edge}");
            }
        }
    }

    fn estimator(width: u32, height: u32, edge: u32) -> Estimator {
        let tiling = Tiling::new(SampleSize { width, height }, edge, ORDERS[0].0).unwrap();
        Estimator::new(Tiles { tiling, channels: Channels::COUNTS, samples: 1 })
    }

    #[test]
    fn a_cell_costs_what_its_samples_do() {
        // Two tiles of two samples in two claims: counts of 900 on the left; interior on the right, settled with 800 iterations.
        let estimator = estimator(4, 1, 2);
        claim(&estimator, 0..1, bytemuck::cast_slice(&[900u32, 900]), 5000);
        claim(&estimator, 1..2, bytemuck::cast_slice(&[INTERIOR, INTERIOR]), 800);
        let estimate = estimator.estimate(SampleSize { width: 200, height: 100 });
        assert_eq!(estimate.cost(Tile { x: 0, y: 0, width: 100, height: 100 }), 100 * 100 * (900 + 100));
        assert_eq!(estimate.cost(Tile { x: 100, y: 0, width: 100, height: 100 }), 100 * 100 * (400 + 100));
        assert_eq!(estimate.cost(Tile { x: 90, y: 7, width: 20, height: 10 }), 10 * 10 * (1000 + 500));
        assert_eq!(
            Estimate::uniform(SampleSize { width: 10, height: 20 }).cost(Tile { x: 3, y: 4, width: 2, height: 5 }),
            10 * 100
        );
    }

    #[test]
    fn interior_samples_share_what_the_escaped_ones_of_their_claim_leave() {
        let estimator = estimator(2, 2, 1);
        claim(&estimator, 0..4, bytemuck::cast_slice(&[10, INTERIOR, 30, INTERIOR]), 640);
        let estimate = estimator.estimate(SampleSize { width: 2, height: 2 });
        let cost = |x, y| estimate.cost(Tile { x, y, width: 1, height: 1 });
        assert_eq!([cost(0, 0), cost(1, 0), cost(0, 1), cost(1, 1)], [110, 400, 130, 400]);
    }
}
