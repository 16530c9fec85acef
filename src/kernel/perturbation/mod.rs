//! z² + c in views too small for `f64`: every sample's orbit as its difference from one reference orbit (K. I. Martin's perturbation,
//! with Zhuoran's rebasing).
//!
//! With the reference Z of the centre C, in arbitrary precision (`orbit.rs`), and a sample's c = C + δc, the difference δ of their orbits
//! follows δ′ = (2Z + δ)·δ + δc, in which nothing cancels: `f64` is enough however small δc is, as long as it does not underflow. When
//! |Z + δ| becomes smaller than |δ|, or Z ends, the sample goes on from Z₀ = 0 with δ = Z + δ (rebasing). So one reference serves all
//! samples, and there are no glitches.
//!
//! **What it promises.** Offsets from the centre are exact values, correctly rounded. Every backend, tile, crop and coarse picture gives
//! the same bits, and a larger maximum changes no sample that has escaped. Counts are not exact: roundings of `f64` add up to about
//! 2⁻⁵³ of the value for each iteration. On the exact reference data down to widths of 1e-100, at most 0.3 % of the samples that do not
//! change within a thousandth of a pixel may have another count (`tests/oracle.rs`).
//!
//! **What it does not do yet.** It skips no iterations, has no vector code, does not see that an orbit is periodic, keeps the reference to
//! the end instead of its period, knows only the plane of c, and ends where δc underflows. The prepared data is in named parts, so that
//! tables for skipping can be parts of their own, and all that is computed of one sample is in `sample.rs`.

mod fixed;
mod orbit;
mod sample;
#[cfg(test)]
mod tests;
pub(super) mod truth;

use super::distance::Frame;
use super::plain;
use super::smooth::Fraction;
use super::tier::Tier;
use super::{Counters, Facts, Kernel, Limits, TileClaim};
use crate::error::Result;
use crate::number::{Decimal, ldexp};
use crate::parallel::{Prepared, Preparing, Stop};
use crate::plane::Plane;
use crate::sample::Channels;
use orbit::Reference;

/// The smallest distance between samples whose offsets from the centre keep all their bits: 2⁻⁹⁷⁰, about 1e-292. Below 2⁻¹⁰²², `f64`
/// loses bits; the rest is for offsets of a fraction of a sample and for what is added to them.
pub(crate) const SPACING_LOG2: f64 = -970.0;

/// The kernel for views of z² + c that are too small for `f64`.
#[derive(Debug)]
pub(crate) struct Perturbation {
    reference: Reference,
    /// The samples' offsets from the reference, divided by `scale`.
    offsets: Plane,
    /// A power of two near the distance between samples.
    scale: f64,
    limits: Limits,
    channels: Channels,
    fraction: Fraction,
    frame: Frame,
}

impl Perturbation {
    /// The kernel for samples around a centre, at least 2^[`SPACING_LOG2`] apart: their offsets divided by 2^`exponent`, which is at
    /// most their spacing.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for limits out of range.
    pub(super) fn new(
        centre: [Decimal; 2],
        (offsets, exponent): (Plane, i64),
        limits: Limits,
        channels: Channels,
    ) -> Result<Self> {
        limits.check()?;
        Ok(Self {
            reference: Reference { centre, exponent, max: limits.max },
            scale: ldexp(1, exponent),
            frame: Frame::of(&offsets),
            offsets,
            limits,
            channels,
            fraction: Fraction::new(2, limits.escape_radius, false),
        })
    }
}

impl Kernel for Perturbation {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn facts(&self) -> Facts {
        Facts { tier: Tier::Perturbation.name(), isa: "scalar", exact: false, prefix_stable: true, claim_bytes: None }
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        self.reference.prepare(preparing)
    }

    fn prepared_len(&self) -> u64 {
        self.reference.most_bytes()
    }

    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        let (channels, max, orbit) = (self.channels, self.limits.max, self.reference.read(prepared)?);
        if channels.contains(Channels::DISTANCE) {
            plain::compute(channels, max, claim, stop, |x, y| self.sample::<true>(orbit, x, y, stop))
        } else {
            plain::compute(channels, max, claim, stop, |x, y| self.sample::<false>(orbit, x, y, stop))
        }
    }
}
