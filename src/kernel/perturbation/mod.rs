//! z² + c in views too small for `f64`: every sample's orbit as its difference from one reference orbit (K. I. Martin's perturbation,
//! with Zhuoran's rebasing).
//!
//! With the reference Z of the centre C, in arbitrary precision (`orbit.rs`), and a sample's c = C + δc, the difference δ of their orbits
//! follows δ′ = (2Z + δ)·δ + δc, in which nothing cancels: `f64` is enough however small δc is, as long as it does not underflow. When
//! |Z + δ| becomes smaller than |δ|, or Z ends, the sample goes on from Z₀ = 0 with δ = Z + δ (rebasing). So one reference serves all
//! samples, and there are no glitches.
//!
//! **What it promises.** Offsets from the centre are exact values, correctly rounded. Every backend, tile, crop, coarse picture and
//! instruction set gives the same bits, and a larger maximum changes no sample that has escaped. Counts are not exact: roundings of `f64`
//! add up to about 2⁻⁵³ of the value for each iteration. On the exact reference data, to widths of 1e-2000, at most 0.3 % of the samples
//! that do not change within a thousandth of a pixel may have another count (`tests/oracle.rs`). Of quality `exact`, tables and the tail
//! are in double-double, and samples in question go through all of their iterations in it.
//!
//! **How.** The reference orbit (`orbit.rs`) and tables for skipping most of its iterations (`tables.rs`) are prepared, in parts of their
//! own. A batch of samples goes through the tables' stages (`stages.rs`), and what is left of each orbit one iteration at a time
//! (`tail.rs`). Both are written over lanes; the scalar code is the same with one lane.
//!
//! **Julia sets** have the same constant for all samples, and differ by where they start: along the orbit of the view's centre at first,
//! and after rebasing along that of 0. Nothing is added to their differences.
//!
//! **Interior samples** are found by a look ahead (`interior.rs`), which changes only the time taken.

mod compute;
mod difference;
mod disc;
mod divide;
mod edge;
mod interior;
mod kept;
mod orbit;
mod pack;
mod precise;
mod prepared;
mod scratch;
mod shared;
mod stages;
mod tables;
mod tail;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unlike;
mod wide;

use super::distance::Frame;
use super::smooth::Fraction;
use super::tier::Tier;
use super::{Counters, Facts, Isa, Kernel, Limits, ReferenceFacts, TileClaim};
use crate::error::Result;
use crate::number::Decimal;
use crate::parallel::{Prepared, Preparing, Stop};
use crate::plane::Plane;
use crate::sample::Channels;
use crate::scene::Quality;
pub(crate) use kept::Kept;
use orbit::Reference;
use prepared::{Sound, Tables};
use shared::Shared;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The binary logarithm of the smallest distance between samples, about 1e-30103: there an iterate of the reference takes 2 ms, and a stop
/// is still noticed in time.
pub(crate) const SPACING_LOG2: f64 = -100_000.0;

/// The binary logarithm of the tables' tolerance. At a dense place of 1e50, 0.3 % of the counts are off at 2⁻³⁶, 0.25 % at 2⁻⁴⁰, for a
/// third more of the time; with what is exact, 0.07 % (2 of 3,000), for six times. Tables in double-double alone gain nothing there.
fn tolerance(quality: Quality) -> i32 {
    match quality {
        Quality::Draft => -24,
        Quality::Normal => -40,
        Quality::Exact => -44,
    }
}

/// The bytes that an iterate of the reference takes, with its share of the tables, at most: see [`tables::build`].
const BYTES_PER_ITERATE: u64 = 64;

/// The offsets of samples from a centre.
#[derive(Debug)]
pub(super) struct Offsets {
    /// Divided by 2^`exponent`.
    pub(super) plane: Plane,
    /// What its spacing lacks of the exact one.
    pub(super) rest: f64,
    pub(super) exponent: i64,
    /// No sample of the whole picture is farther from the centre, divided by 2^`exponent`.
    pub(super) radius: f64,
}

/// The kernel for views of z² + c that are too small for `f64`.
#[derive(Debug)]
pub(crate) struct Perturbation {
    reference: Reference,
    /// Its orbit, if it is that of another view.
    kept: Option<Prepared>,
    /// The samples' offsets from the reference, divided by 2^`exponent`, and what their spacing lacks of the exact one, if they are whole
    /// numbers of half of it: previews around the reference of another view do without.
    offsets: Plane,
    rest: Option<f64>,
    /// The binary logarithm of about the distance between samples.
    exponent: i32,
    /// The instruction set that runs.
    isa: Isa,
    /// The binary logarithm of the tables' tolerance.
    tolerance: i32,
    limits: Limits,
    channels: Channels,
    fraction: Fraction,
    frame: Frame,
    sound: Sound,
    /// How long the reference took, once it is prepared.
    took: OnceLock<Duration>,
}

impl Perturbation {
    /// The kernel for samples around a centre, of the Julia set of a constant if there is one: their offsets divided by 2^`exponent`,
    /// which is at most their spacing. No sample of the whole picture, of which they may be a part, is farther from the centre than
    /// `radius`, divided likewise.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for limits out of range.
    pub(super) fn new(
        (centre, julia): ([Decimal; 2], Option<[Decimal; 2]>),
        Offsets { plane, rest, exponent, radius }: Offsets,
        limits: Limits,
        channels: Channels,
        (quality, isa): (Quality, Isa),
    ) -> Result<Self> {
        limits.check()?;
        let double = quality == Quality::Exact;
        let limit = limits.escape_radius * limits.escape_radius;
        let max = limits.max.min(u64::from(u32::MAX)) as u32;
        let has_code = matches!(isa, Isa::Avx2 | Isa::Avx512 | Isa::Neon);
        Ok(Self {
            // More iterates than this fit into no memory.
            reference: Reference { centre, julia, exponent, radius, max, limit, double },
            kept: None,
            tolerance: tolerance(quality),
            frame: Frame::of(&plane),
            offsets: plane,
            rest: Some(rest),
            exponent: exponent as i32,
            isa: if has_code { isa } else { Isa::Scalar },
            limits,
            channels,
            fraction: Fraction::new(2, limits.escape_radius, false),
            sound: Sound::default(),
            took: OnceLock::new(),
        })
    }

    /// What all samples share.
    fn shared<'a>(&self, prepared: &'a Prepared, stop: &'a Stop) -> Result<Shared<'a>> {
        let orbit = self.orbit(prepared)?;
        let tables = Tables::read(prepared, orbit, &self.sound)?;
        let limit = self.limit();
        let (exponent, tolerance) = (self.exponent, self.tolerance);
        Ok(Shared { orbit, tables, max: self.limits.max, exponent, tolerance, normal: stages::NORMAL, limit, stop })
    }

    /// R², the limit for |z|².
    fn limit(&self) -> f64 {
        self.limits.escape_radius * self.limits.escape_radius
    }

    /// The reference orbit, without what another escape radius has noted.
    fn orbit<'a>(&self, prepared: &'a Prepared) -> Result<orbit::Orbit<'a>> {
        let mut orbit = self.reference.read(prepared)?;
        if self.reference.limit != self.limit() {
            orbit.excesses = &[];
        }
        Ok(orbit)
    }

    /// What tables are made for.
    fn table_limits(&self, orbit: orbit::Orbit<'_>) -> tables::Limits {
        tables::Limits {
            tolerance: self.tolerance,
            exponent: self.exponent,
            escape_radius: self.limits.escape_radius,
            complete: orbit.critical as u64 <= self.limits.max,
            start: self.reference.julia.is_some().then(|| self.reference.size()),
            max: self.limits.max,
            bytes: tables::most_bytes(orbit.z.len()),
        }
    }
}

impl Kernel for Perturbation {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn facts(&self) -> Facts {
        Facts {
            tier: Tier::Perturbation.name(),
            isa: self.isa.name(),
            exact: false,
            prefix_stable: true,
            claim_bytes: None,
        }
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let prepared = match self.kept.clone() {
            Some(kept) => kept,
            None => {
                let begin = Instant::now();
                let prepared = self.reference.prepare(preparing)?;
                let _ = self.took.set(begin.elapsed());
                prepared
            }
        };
        let orbit = self.orbit(&prepared)?;
        Ok(prepared.and(&Tables::prepare(orbit, self.table_limits(orbit))))
    }

    fn prepared_len(&self) -> u64 {
        // Of an orbit that ends at its period it is a small part.
        let rest = if self.reference.double { size_of::<orbit::Iterate>() as u64 } else { 0 };
        let orbits = if self.reference.julia.is_some() { 2 } else { 1 };
        (self.limits.max + 1).saturating_mul(orbits * (BYTES_PER_ITERATE + rest))
    }

    fn reference(&self) -> Option<ReferenceFacts> {
        Some(ReferenceFacts { bits: self.reference.bits(), iterations: self.limits.max })
    }

    fn reference_took(&self) -> Option<Duration> {
        self.took.get().copied()
    }

    fn period(&self, prepared: &Prepared, column: u32, row: u32, stop: &Stop) -> Result<Option<u64>> {
        let shared = self.shared(prepared, stop)?;
        let c = self.offsets.point(column as usize, row as usize);
        // Within the maximum many orbits have not come near their cycle; what is not found by then is hardly ever found.
        let more = self.limits.max.saturating_mul(64).min(1_000_000_000);
        shared.period(shared.start([c.re, c.im]), self.limits.max.saturating_add(more))
    }

    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        self.claim(self.shared(prepared, stop)?, claim)
    }
}
