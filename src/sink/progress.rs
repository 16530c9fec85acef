//! How far a run is, and when it will be done: counters that workers increment and anyone may read.
//!
//! Tiles differ in cost a thousandfold, so the time left follows from costs, not from the number of tiles. The costs of all tiles
//! are estimated from a coarse picture that is rendered first, with well below 1 % of the samples; of these estimates, the cost
//! left over the cost done, times the time so far, is the time left. The scale of the estimates cancels, so a slower machine or a
//! slower colouring does not distort it. For works other than pictures nothing is known in advance: there each piece counts as one.
//!
//! Tried and lost: costs of the finished tiles alone, which do not predict the others; one cost for all interior samples, which was
//! up to ten times wrong where some are settled at once and others take every iteration; times of the coarse tiles instead of
//! iterations, which another program can distort; and coarse tiles smaller than 16 × 16, where a single long orbit keeps many lanes
//! idle.

mod reported;

pub use super::estimate::Estimate;
pub(crate) use super::estimate::Estimator;
pub(crate) use reported::Reported;

use crate::error::Result;
use crate::parallel::{FinishedClaim, Pieces, RunInfo, Sink};
use crate::tile::Tiling;
use serde::Serialize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts finished work. Workers only add to counters; others read and draw at their own pace.
#[derive(Debug)]
pub struct Progress {
    /// The picture whose tiles the pieces are, if they are tiles.
    picture: Option<Picture>,
    /// Pieces, samples and cost of everything.
    all: Amount,
    began: OnceLock<Instant>,
    /// The name of the work's operations, and of a piece.
    names: OnceLock<[&'static str; 2]>,
    /// How much of the preparation is done, in millionths, plus 1; 0 outside the preparation.
    preparing: AtomicU32,
    pieces: AtomicU64,
    area: AtomicU64,
    executed: AtomicU64,
    cost: AtomicU64,
    /// The part of `cost` that earlier runs did, which takes no time.
    kept: AtomicU64,
}

/// A picture whose progress is counted.
#[derive(Debug)]
struct Picture {
    tiling: Tiling,
    /// Samples per pixel along each axis.
    samples: u32,
    estimate: Estimate,
}

/// An amount of work.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    pieces: u64,
    /// Samples; 0 if it is not a picture.
    area: u64,
    /// As estimated for a picture; else 1 for each piece.
    cost: u64,
}

/// How far a run was at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Finished pieces: tiles of a picture.
    pub pieces_done: u64,
    /// All pieces.
    pub pieces: u64,
    /// Finished pixels and all pixels, if it is a picture.
    pub pixels: Option<[u64; 2]>,
    /// Operations executed so far: iterations for a picture.
    pub executed: u64,
    /// The name of the work's operations, in the plural; [`crate::parallel::Work::unit`].
    pub unit: &'static str,
    /// What a piece is: [`crate::parallel::Work::piece`].
    pub piece: &'static str,
    /// Fraction of the estimated cost that is done, from 0 to 1.
    pub fraction: f64,
    /// Time since the first piece began.
    pub elapsed: Duration,
    /// Estimated time left; `None` until something is done.
    pub left: Option<Duration>,
    /// How much of the preparation before the first piece is done, from 0 to 1; `None` outside the preparation.
    pub preparing: Option<f64>,
}

impl Progress {
    /// For one run over these tiles, with `samples` samples per pixel along each axis.
    pub fn new(tiling: Tiling, samples: u32, estimate: Estimate) -> Self {
        let all = Amount { pieces: tiling.len() as u64, area: tiling.size().area(), cost: estimate.total() };
        Self::over(Some(Picture { tiling, samples, estimate }), all)
    }

    /// For one run over this many pieces of any work, each of which counts as one.
    pub fn of_pieces(pieces: usize) -> Self {
        Self::over(None, Amount { pieces: pieces as u64, area: 0, cost: pieces as u64 })
    }

    fn over(picture: Option<Picture>, all: Amount) -> Self {
        let [pieces, area, executed, cost, kept] = [const { AtomicU64::new(0) }; 5];
        Self {
            picture,
            all,
            began: OnceLock::new(),
            names: OnceLock::new(),
            preparing: AtomicU32::new(0),
            pieces,
            area,
            executed,
            cost,
            kept,
        }
    }

    /// The same for a run over some of the pieces.
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

    fn amount(&self, pieces: impl Iterator<Item = usize>) -> Amount {
        let Some(Picture { tiling, estimate, .. }) = &self.picture else {
            let pieces = pieces.count() as u64;
            return Amount { pieces, area: 0, cost: pieces };
        };
        pieces.fold(Amount::default(), |amount, index| {
            let tile = tiling.tile(index);
            Amount {
                pieces: amount.pieces + 1,
                area: amount.area + tile.area() as u64,
                cost: amount.cost + estimate.cost(tile),
            }
        })
    }

    fn add(&self, Amount { pieces, area, cost }: Amount) {
        self.cost.fetch_add(cost, Ordering::Relaxed);
        self.area.fetch_add(area, Ordering::Relaxed);
        self.pieces.fetch_add(pieces, Ordering::Relaxed);
    }

    fn snapshot_after(&self, elapsed: Duration) -> Snapshot {
        let pixels = self.picture.as_ref().map(|picture| {
            [self.area.load(Ordering::Relaxed), self.all.area].map(|area| area / u64::from(picture.samples).pow(2))
        });
        let cost = self.cost.load(Ordering::Relaxed);
        // Kept costs are added to `kept` before `cost`.
        let own = cost.saturating_sub(self.kept.load(Ordering::Relaxed));
        let left = (own > 0).then(|| elapsed.mul_f64(self.all.cost.saturating_sub(cost) as f64 / own as f64));
        let [unit, piece] = self.names.get().copied().unwrap_or(["operations", "piece"]);
        Snapshot {
            pieces_done: self.pieces.load(Ordering::Relaxed),
            pieces: self.all.pieces,
            pixels,
            executed: self.executed.load(Ordering::Relaxed),
            unit,
            piece,
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
    /// One line of JSON, as `--progress json` writes it; `eta_seconds` is `null` until it is known, and `preparing` is present only
    /// during the preparation. A work that is not a picture has its own pieces, such as files, instead of tiles and pixels, and `executed`
    /// with its `unit`.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Line {
            seconds: f64,
            eta_seconds: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            preparing: Option<f64>,
        }
        let &Self { pieces_done, pieces, executed, unit, piece, elapsed, left, preparing, .. } = self;
        // The names of keys depend on the work; they are plain words, which need no escapes.
        let done = match self.pixels {
            Some([done, pixels]) => format!(
                r#""tiles_done":{pieces_done},"tiles":{pieces},"pixels_done":{done},"pixels":{pixels},"iterations":{executed}"#
            ),
            None => {
                format!(r#""{piece}s_done":{pieces_done},"{piece}s":{pieces},"unit":"{unit}","executed":{executed}"#)
            }
        };
        let (seconds, eta_seconds) = (elapsed.as_secs_f64(), left.map(|left| left.as_secs_f64()));
        let line = serde_json::to_string(&Line { seconds, eta_seconds, preparing }).expect("numbers are always JSON");
        format!("{{{done},{}", &line[1..])
    }
}

impl Sink for Progress {
    fn preparing(&self, done: f64) {
        self.preparing.store(1 + (done * 1e6) as u32, Ordering::Relaxed);
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        self.preparing.store(0, Ordering::Relaxed);
        self.names.get_or_init(|| [run.unit, run.piece]);
        self.began.get_or_init(Instant::now);
        Ok(())
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.add(self.amount(done.range.clone()));
        self.executed.fetch_add(done.executed, Ordering::Relaxed);
        Ok(())
    }

    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
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
    use crate::tile::{ORDERS, SampleSize};

    /// A work to make claims of.
    struct Made;

    impl Work for Made {
        fn len(&self) -> usize {
            0
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    fn finish(progress: &Progress, range: std::ops::Range<usize>, executed: u64) {
        let costs = vec![0; range.len()];
        progress.done(&FinishedClaim { executed, ..FinishedClaim::new(&Made, range, &[], &costs) }).unwrap();
    }

    #[test]
    fn the_time_left_is_weighted_by_cost() {
        // Of four tiles the last is as costly as nine others together.
        let tiling = Tiling::new(SampleSize { width: 40, height: 10 }, 10, ORDERS[0].0).unwrap();
        let progress =
            Progress::new(tiling.clone(), 1, Estimate::from_cells(4, 1, &[5.0, 5.0, 5.0, 45.0], tiling.size()));
        let before = progress.snapshot_after(Duration::from_secs(1));
        assert_eq!((before.pieces_done, before.left, before.fraction), (0, None, 0.0));
        finish(&progress, 0..3, 5);
        let after = progress.snapshot_after(Duration::from_secs(3));
        assert_eq!((after.pieces_done, after.pieces, after.pixels), (3, 4, Some([300, 400])));
        assert_eq!((after.left, after.fraction, after.executed), (Some(Duration::from_secs(9)), 0.25, 5));
        finish(&progress, 3..4, 600);
        let end = progress.snapshot_after(Duration::from_secs(12));
        assert_eq!((end.pieces_done, end.left, end.fraction), (4, Some(Duration::ZERO), 1.0));
        assert_eq!(
            end.json(),
            r#"{"tiles_done":4,"tiles":4,"pixels_done":400,"pixels":400,"iterations":605,"seconds":12.0,"eta_seconds":0.0}"#
        );
    }

    #[test]
    fn pixels_are_counted_not_samples() {
        let tiling = Tiling::new(SampleSize { width: 32, height: 8 }, 16, ORDERS[0].0).unwrap();
        let progress = Progress::new(tiling.clone(), 2, Estimate::uniform(tiling.size()));
        finish(&progress, 0..1, 0);
        assert_eq!(progress.snapshot().pixels, Some([32, 64]));
    }

    #[test]
    fn without_a_picture_each_piece_counts_as_one() {
        let progress = Progress::of_pieces(10).only(&Pieces::new(10, None).without(|index| index < 2));
        progress.start(&RunInfo { pieces: 8, workers: 1, backend: "by hand", unit: "pixels", piece: "file" }).unwrap();
        progress.kept(&FinishedClaim::new(&Made, 2..4, &[], &[0, 0])).unwrap();
        finish(&progress, 4..6, 70);
        let half = progress.snapshot_after(Duration::from_secs(3));
        assert_eq!((half.pieces_done, half.pieces, half.fraction), (4, 8, 0.5));
        assert_eq!(half.left, Some(Duration::from_secs(6)), "kept pieces took no time");
        assert_eq!(
            half.json(),
            r#"{"files_done":4,"files":8,"unit":"pixels","executed":70,"seconds":3.0,"eta_seconds":6.0}"#
        );
    }
}
