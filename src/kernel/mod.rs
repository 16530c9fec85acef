//! Filling tiles with samples: the trait that every way of computing implements.

pub(crate) mod choose;
mod cusp;
pub(crate) mod direct;
mod distance;
mod double_double;
mod isa;
mod limits;
mod perturbation;
mod plain;
mod smooth;
mod tier;
#[cfg(feature = "bench")]
pub(crate) mod truth;
mod unroll;

pub use crate::plane::{Plane, Rotation};
pub use choose::Request;
pub use isa::Isa;
pub use limits::{Limits, Why};
pub(crate) use perturbation::Kept;
#[cfg(feature = "window")]
pub(crate) use tier::Tier;

use crate::error::Result;
use crate::parallel::{Prepared, Preparing, Stop};
use crate::sample::Channels;
use crate::tile::{Mask, Tile};
use std::time::Duration;

/// Which samples of a tile to compute.
#[derive(Clone, Copy, Debug)]
pub struct TileRequest<'a> {
    /// The tile.
    pub tile: Tile,
    /// Which of its samples are computed, if not all. The others are written as interior and not counted.
    pub mask: Option<Mask<'a>>,
}

impl From<Tile> for TileRequest<'_> {
    /// The whole tile.
    fn from(tile: Tile) -> Self {
        Self { tile, mask: None }
    }
}

impl TileRequest<'_> {
    /// How many samples of the tile are not computed.
    pub(crate) fn skipped(&self) -> usize {
        self.mask.map_or(0, |mask| self.tile.area() - mask.count())
    }
}

/// The tiles of a claim, and memory for their samples.
#[derive(Debug)]
pub struct TileClaim<'a> {
    /// The tiles.
    pub tiles: &'a [TileRequest<'a>],
    /// Receives the samples of one tile after the other, each in the layout of [`crate::sample`].
    pub words: &'a mut [u32],
    /// Receives the useful iterations of each tile: the sum of its counts, with interior samples counting as the maximum.
    pub useful: &'a mut [u64],
}

/// What a kernel is and how its samples may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The number tier: `f64`, `perturbation`.
    pub tier: &'static str,
    /// The instruction set that runs: `scalar`, `sse4.2`, `avx2`, `avx512`, `neon`.
    pub isa: &'static str,
    /// Whether its samples are bit-identical on every machine; otherwise they are accurate within a tolerance, and finished tiles of
    /// such a kernel are not mixed with others.
    pub exact: bool,
    /// Whether escaped samples stay the same when the maximum number of iterations is raised.
    pub prefix_stable: bool,
    /// The best number of bytes of samples per call; `None` for as many as fit in a core's cache.
    pub claim_bytes: Option<usize>,
}

/// What is known of a reference orbit before it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceFacts {
    /// The bits of its numbers.
    pub bits: u64,
    /// Its most iterations.
    pub iterations: u64,
}

impl ReferenceFacts {
    /// About how many seconds of one processor it takes at most: 0.1 µs an iteration, and more with the square of its length in limbs of
    /// 64 bits, as measured on one core of a Xeon of 2023 from 256 to 8192 bits, to 15 %.
    pub fn seconds(&self) -> f64 {
        let limbs = self.bits as f64 / 64.0;
        self.iterations as f64 * 1e-6 * (0.1 + 0.008 * limbs + 0.000_66 * limbs * limbs)
    }
}

/// Computes the samples of tiles. One virtual call serves a whole claim; the code inside is generic.
pub trait Kernel: Send + Sync + std::fmt::Debug {
    /// What a sample has.
    fn channels(&self) -> Channels;

    /// What it is and how its samples may be used.
    fn facts(&self) -> Facts;

    /// Computes what all tiles share, once before any tile, in parts whose names begin with the tier's.
    ///
    /// # Errors
    /// When it cannot be computed, or [`crate::Error::Stopped`].
    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let _ = preparing;
        Ok(Prepared::default())
    }

    /// Roughly how many bytes [`Kernel::prepare`] will return, known in advance.
    fn prepared_len(&self) -> u64 {
        0
    }

    /// The orbit that [`Kernel::prepare`] computes with more than 64 bits, if it does; known in advance.
    fn reference(&self) -> Option<ReferenceFacts> {
        None
    }

    /// How long [`Kernel::prepare`] took for that orbit, if it has computed it.
    fn reference_took(&self) -> Option<Duration> {
        None
    }

    /// The period of the attracting cycle that the orbit of an interior sample tends to, if it is found.
    ///
    /// # Errors
    /// As [`Kernel::compute`].
    fn period(&self, prepared: &Prepared, column: u32, row: u32, stop: &Stop) -> Result<Option<u64>> {
        let _ = (prepared, column, row, stop);
        Ok(None)
    }

    /// Computes the samples of a claim's tiles, with what was prepared.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] when `stop` was noticed.
    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters>;
}

/// What happened inside a kernel, for statistics and for tests that check that something did happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Iterations actually executed, over all lanes.
    pub executed: u64,
    /// Samples that escaped.
    pub escaped: u64,
    /// Samples found inside by the cardioid test.
    pub cardioid: u64,
    /// Samples found inside by the period-2 bulb test.
    pub bulb: u64,
    /// Samples found inside because their orbit repeated bit for bit, or is caught by an attracting cycle.
    pub periodic: u64,
    /// Samples that reached the maximum number of iterations.
    pub limit: u64,
    /// Lanes that took a new sample while others of their vector continued.
    pub refills: u64,
}

impl Counters {
    /// The counters as numbers, for sending.
    pub fn to_numbers(self) -> [u64; 7] {
        let Self { executed, escaped, cardioid, bulb, periodic, limit, refills } = self;
        [executed, escaped, cardioid, bulb, periodic, limit, refills]
    }

    /// The counters from such numbers; missing ones are 0.
    pub fn from_numbers(numbers: &[u64]) -> Self {
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            executed: next(),
            escaped: next(),
            cardioid: next(),
            bulb: next(),
            periodic: next(),
            limit: next(),
            refills: next(),
        }
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.escaped += other.escaped;
        self.cardioid += other.cardioid;
        self.bulb += other.bulb;
        self.periodic += other.periodic;
        self.limit += other.limit;
        self.refills += other.refills;
    }
}
