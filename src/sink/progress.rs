//! How far a run is, and when it will be done: counters that workers add to and anybody may read.
//!
//! Tiles differ in cost a thousandfold, so the time that is left follows from costs, not from the number of tiles. The costs of all
//! tiles are estimated from a coarse picture that is rendered before, with well below 1 % of the samples; what is left over what is
//! done of these estimates, times the time so far, is the time left. The scale of the estimates cancels, so a slower machine or a
//! slower colouring does not spoil it.
//!
//! What lost: costs of the finished tiles alone, which know nothing of what comes; one cost for all interior samples, which was up to
//! ten times wrong where some are settled at once and others take every iteration; times of the coarse tiles instead of iterations,
//! which another program can spoil; and coarse tiles smaller than 16 × 16, where a single long orbit keeps many lanes idle.

use super::Tiles;
use crate::error::Result;
use crate::parallel::{Done, Pieces, RunInfo, Sink};
use crate::sample::{INTERIOR, Samples};
use crate::tile::{Tile, Tiling};
use serde::Serialize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a sample costs beside its iterations, in iterations: starting and ending its orbit, its colour, its bytes in a file.
const SAMPLE_COST: f64 = 100.0;

/// Estimated cost of any part of an image, from a coarse picture of it.
#[derive(Clone, Debug)]
pub struct Estimate {
    columns: usize,
    rows: usize,
    /// Size of the image, in samples.
    width: u32,
    height: u32,
    /// Sums of the cells' costs above and left of each corner of a cell, row by row from the top left.
    sums: Vec<f64>,
}

impl Estimate {
    /// Every sample of an image of this size, in samples, costs the same.
    pub fn uniform((width, height): (u32, u32)) -> Self {
        Self::from_cells(1, 1, &[SAMPLE_COST], (width, height))
    }

    fn from_cells(columns: usize, rows: usize, cells: &[f64], (width, height): (u32, u32)) -> Self {
        // A cell stands for this many samples.
        let area = f64::from(width) * f64::from(height) / (columns * rows) as f64;
        let mut sums = vec![0.0; (columns + 1) * (rows + 1)];
        for (y, row) in cells.chunks_exact(columns).enumerate() {
            let mut left = 0.0;
            for (x, cost) in row.iter().enumerate() {
                left += cost * area;
                sums[(y + 1) * (columns + 1) + x + 1] = sums[y * (columns + 1) + x + 1] + left;
            }
        }
        Self { columns, rows, width, height, sums }
    }

    /// The cost of the whole image.
    pub fn total(&self) -> u64 {
        self.above_left(self.width, self.height)
    }

    /// The cost of a tile. The tiles of an image have exactly its total.
    pub fn cost(&self, tile: Tile) -> u64 {
        let (right, bottom) = (tile.x + tile.width, tile.y + tile.height);
        let at = |x, y| self.above_left(x, y);
        // Rounded at the corners, which neighbours share, so that nothing is lost between them.
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
        let (column, right) = split(x, self.width, self.columns);
        let (row, down) = split(y, self.height, self.rows);
        let sums = |row: usize| {
            let start = row * (self.columns + 1) + column;
            self.sums[start] * (1.0 - right) + self.sums[start + 1] * right
        };
        (sums(row) * (1.0 - down) + sums(row + 1) * down).round() as u64
    }
}

/// A sink that makes an [`Estimate`] of the run of a coarse picture. The fewer tiles its claims have, the better it knows where the
/// cost is.
#[derive(Debug)]
pub struct Estimator {
    tiles: Tiles,
    /// The cost of each sample, as the bits of an `f32`, row by row.
    cells: Vec<AtomicU32>,
}

impl Estimator {
    /// For a run over these tiles.
    pub fn new(tiles: Tiles) -> Self {
        let (width, height) = tiles.tiling.size();
        let cells = (0..width as usize * height as usize).map(|_| AtomicU32::new(0)).collect();
        Self { tiles, cells }
    }

    /// What the run says about an image of this size, in samples.
    pub fn estimate(&self, size: (u32, u32)) -> Estimate {
        let cells: Vec<f64> =
            self.cells.iter().map(|bits| f32::from_bits(bits.load(Ordering::Relaxed)).into()).collect();
        let (columns, rows) = self.tiles.tiling.size();
        Estimate::from_cells(columns as usize, rows as usize, &cells, size)
    }
}

impl Sink for Estimator {
    /// An escaped sample costs its count. How soon each interior one was settled is not known, so those of a claim share what is left
    /// of its executed iterations.
    fn done(&self, done: &Done<'_>) -> Result<()> {
        let tiles = || self.tiles.of(done).map(|(_, samples)| samples);
        let counts = || tiles().flat_map(|tile| tile.counts.iter().copied());
        let escaped: u64 = counts().filter(|&n| n != INTERIOR).map(u64::from).sum();
        let interior = counts().filter(|&n| n == INTERIOR).count();
        let share = done.executed.saturating_sub(escaped) as f64 / interior.max(1) as f64;
        let columns = self.tiles.tiling.size().0 as usize;
        for Samples { tile, counts, .. } in tiles() {
            for (i, &n) in counts.iter().enumerate() {
                let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
                let cost = SAMPLE_COST + if n == INTERIOR { share } else { n.into() };
                self.cells[y * columns + x].store((cost as f32).to_bits(), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Counts what is done. Workers only add to counters; drawing is for others, at their own pace.
#[derive(Debug)]
pub struct Progress {
    tiling: Tiling,
    /// Samples per pixel, each way.
    samples: u32,
    estimate: Estimate,
    /// Tiles, samples and cost of everything.
    all: Amount,
    began: OnceLock<Instant>,
    /// How much of what is prepared is done, in millionths, and 1; 0 while nothing is being prepared.
    preparing: AtomicU32,
    tiles: AtomicU64,
    area: AtomicU64,
    executed: AtomicU64,
    cost: AtomicU64,
    /// The part of `cost` that earlier runs did, which takes no time.
    kept: AtomicU64,
}

/// So much of a picture.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    tiles: u64,
    /// Samples.
    area: u64,
    /// As estimated.
    cost: u64,
}

/// How far a run was at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Finished tiles.
    pub tiles_done: u64,
    /// All tiles.
    pub tiles: u64,
    /// Finished pixels.
    pub pixels_done: u64,
    /// All pixels.
    pub pixels: u64,
    /// Iterations executed so far.
    pub iterations: u64,
    /// Part of the estimated cost that is done, from 0 to 1.
    pub fraction: f64,
    /// Time since the first piece was begun.
    pub elapsed: Duration,
    /// Estimated time left; `None` until something is done.
    pub left: Option<Duration>,
    /// How much is done of what must be there before the first piece, from 0 to 1; `None` when that is not what is going on.
    pub preparing: Option<f64>,
}

impl Progress {
    /// For one run over these tiles, with `samples` samples per pixel each way.
    pub fn new(tiling: Tiling, samples: u32, estimate: Estimate) -> Self {
        let (width, height) = tiling.size();
        let samples_in_all = u64::from(width) * u64::from(height);
        let all = Amount { tiles: tiling.len() as u64, area: samples_in_all, cost: estimate.total() };
        let [tiles, area, executed, cost, kept] = [const { AtomicU64::new(0) }; 5];
        Self {
            tiling,
            samples,
            estimate,
            all,
            began: OnceLock::new(),
            preparing: AtomicU32::new(0),
            tiles,
            area,
            executed,
            cost,
            kept,
        }
    }

    /// The same for a run over some of the tiles.
    pub fn only(mut self, pieces: &Pieces) -> Self {
        if !pieces.is_everything() {
            self.all = self.amount(pieces.iter());
        }
        self
    }

    /// How far the run is now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_after(self.began.get().map_or(Duration::ZERO, Instant::elapsed))
    }

    fn amount(&self, tiles: impl Iterator<Item = usize>) -> Amount {
        tiles.fold(Amount::default(), |amount, index| {
            let tile = self.tiling.tile(index);
            Amount {
                tiles: amount.tiles + 1,
                area: amount.area + tile.area() as u64,
                cost: amount.cost + self.estimate.cost(tile),
            }
        })
    }

    fn add(&self, Amount { tiles, area, cost }: Amount) {
        self.cost.fetch_add(cost, Ordering::Relaxed);
        self.area.fetch_add(area, Ordering::Relaxed);
        self.tiles.fetch_add(tiles, Ordering::Relaxed);
    }

    fn snapshot_after(&self, elapsed: Duration) -> Snapshot {
        let per_pixel = u64::from(self.samples).pow(2);
        let cost = self.cost.load(Ordering::Relaxed);
        // Kept costs are counted before `cost` has them.
        let own = cost.saturating_sub(self.kept.load(Ordering::Relaxed));
        let left = (own > 0).then(|| elapsed.mul_f64(self.all.cost.saturating_sub(cost) as f64 / own as f64));
        Snapshot {
            tiles_done: self.tiles.load(Ordering::Relaxed),
            tiles: self.all.tiles,
            pixels_done: self.area.load(Ordering::Relaxed) / per_pixel,
            pixels: self.all.area / per_pixel,
            iterations: self.executed.load(Ordering::Relaxed),
            fraction: cost as f64 / self.all.cost.max(1) as f64,
            elapsed,
            left,
            preparing: match self.preparing.load(Ordering::Relaxed) {
                0 => None,
                done => Some(f64::from(done - 1) / 1e6),
            },
        }
    }
}

impl Snapshot {
    /// One line of JSON, as `--progress json` writes it; `eta_seconds` is `null` until something is known, and `preparing` is there only while
    /// something is prepared.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Line {
            tiles_done: u64,
            tiles: u64,
            pixels_done: u64,
            pixels: u64,
            iterations: u64,
            seconds: f64,
            eta_seconds: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            preparing: Option<f64>,
        }
        let &Self { tiles_done, tiles, pixels_done, pixels, iterations, elapsed, left, preparing, .. } = self;
        let (seconds, eta_seconds) = (elapsed.as_secs_f64(), left.map(|left| left.as_secs_f64()));
        let line = Line { tiles_done, tiles, pixels_done, pixels, iterations, seconds, eta_seconds, preparing };
        serde_json::to_string(&line).expect("numbers are always JSON")
    }
}

impl Sink for Progress {
    fn preparing(&self, done: f64) {
        self.preparing.store(1 + (done * 1e6) as u32, Ordering::Relaxed);
    }

    fn start(&self, _: &RunInfo) -> Result<()> {
        self.preparing.store(0, Ordering::Relaxed);
        self.began.get_or_init(Instant::now);
        Ok(())
    }

    fn done(&self, done: &Done<'_>) -> Result<()> {
        self.add(self.amount(done.range.clone()));
        self.executed.fetch_add(done.executed, Ordering::Relaxed);
        Ok(())
    }

    fn kept(&self, done: &Done<'_>) -> Result<()> {
        let amount = self.amount(done.range.clone());
        self.kept.fetch_add(amount.cost, Ordering::Relaxed);
        self.add(amount);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Claim, Prepared, Stop, Work};
    use crate::sample::Channels;
    use crate::tile::ORDERS;

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
        sink.done(&Done { executed, ..Done::new(&work, range, bytes, &costs) }).unwrap();
    }

    fn finish(progress: &Progress, range: std::ops::Range<usize>, executed: u64) {
        claim(progress, range, &[], executed);
    }

    #[test]
    fn costs_of_tiles_add_up_to_the_total_whatever_the_tiles() {
        let costs: Vec<f64> = (0..12).map(|i| f64::from(i * i) + 0.3).collect();
        for (size, edge) in [((640, 480), 64), ((641, 479), 64), ((3, 2), 1), ((1000, 1), 7), ((50, 50), 1 << 20)] {
            let estimate = Estimate::from_cells(4, 3, &costs, size);
            for &(order, ..) in ORDERS {
                let tiling = Tiling::new(size.0, size.1, edge, order).unwrap();
                let sum: u64 = (0..tiling.len()).map(|index| estimate.cost(tiling.tile(index))).sum();
                assert_eq!(sum, estimate.total(), "{size:?} by {edge}");
            }
        }
    }

    fn estimator(tiling: Result<Tiling>) -> Estimator {
        Estimator::new(Tiles { tiling: tiling.unwrap(), channels: Channels::COUNTS })
    }

    #[test]
    fn a_cell_costs_what_its_samples_do() {
        // Two tiles of two samples in two claims: counts of 900 on the left; interior on the right, settled with 800 iterations.
        let estimator = estimator(Tiling::new(4, 1, 2, ORDERS[0].0));
        claim(&estimator, 0..1, bytemuck::cast_slice(&[900u32, 900]), 5000);
        claim(&estimator, 1..2, bytemuck::cast_slice(&[INTERIOR, INTERIOR]), 800);
        let estimate = estimator.estimate((200, 100));
        assert_eq!(estimate.cost(Tile { x: 0, y: 0, width: 100, height: 100 }), 100 * 100 * (900 + 100));
        assert_eq!(estimate.cost(Tile { x: 100, y: 0, width: 100, height: 100 }), 100 * 100 * (400 + 100));
        assert_eq!(estimate.cost(Tile { x: 90, y: 7, width: 20, height: 10 }), 10 * 10 * (1000 + 500));
        assert_eq!(Estimate::uniform((10, 20)).cost(Tile { x: 3, y: 4, width: 2, height: 5 }), 10 * 100);
    }

    #[test]
    fn interior_samples_share_what_the_escaped_ones_of_their_claim_leave() {
        let estimator = estimator(Tiling::new(2, 2, 1, ORDERS[0].0));
        claim(&estimator, 0..4, bytemuck::cast_slice(&[10, INTERIOR, 30, INTERIOR]), 640);
        let estimate = estimator.estimate((2, 2));
        let cost = |x, y| estimate.cost(Tile { x, y, width: 1, height: 1 });
        assert_eq!([cost(0, 0), cost(1, 0), cost(0, 1), cost(1, 1)], [110, 400, 130, 400]);
    }

    #[test]
    fn the_time_left_is_weighted_by_cost() {
        // Of four tiles the last is as dear as nine others together.
        let tiling = Tiling::new(40, 10, 10, ORDERS[0].0).unwrap();
        let progress = Progress::new(tiling, 1, Estimate::from_cells(4, 1, &[5.0, 5.0, 5.0, 45.0], (40, 10)));
        let before = progress.snapshot_after(Duration::from_secs(1));
        assert_eq!((before.tiles_done, before.left, before.fraction), (0, None, 0.0));
        finish(&progress, 0..3, 5);
        let after = progress.snapshot_after(Duration::from_secs(3));
        assert_eq!((after.tiles_done, after.tiles, after.pixels_done, after.pixels), (3, 4, 300, 400));
        assert_eq!((after.left, after.fraction, after.iterations), (Some(Duration::from_secs(9)), 0.25, 5));
        finish(&progress, 3..4, 600);
        let end = progress.snapshot_after(Duration::from_secs(12));
        assert_eq!((end.tiles_done, end.left, end.fraction), (4, Some(Duration::ZERO), 1.0));
        assert_eq!(
            end.json(),
            r#"{"tiles_done":4,"tiles":4,"pixels_done":400,"pixels":400,"iterations":605,"seconds":12.0,"eta_seconds":0.0}"#
        );
    }

    #[test]
    fn pixels_are_counted_not_samples() {
        let tiling = Tiling::new(32, 8, 16, ORDERS[0].0).unwrap();
        let progress = Progress::new(tiling, 2, Estimate::uniform((32, 8)));
        finish(&progress, 0..1, 0);
        let snapshot = progress.snapshot();
        assert_eq!((snapshot.pixels_done, snapshot.pixels), (32, 64));
    }
}
