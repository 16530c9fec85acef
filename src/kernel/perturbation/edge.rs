//! Samples that escape along iterates of the reference at the escape radius itself.
//!
//! Near the tip −2, orbits stay at 2 for as long as they are close to the set: Z is 2 − 10⁻¹⁹⁰⁰, and its samples are on either side of
//! the radius 2, which no 64-bit number shows. So the reference notes |Z|² − R² where it is small, rounded by itself, and whether a sample
//! has escaped there is the sign of |Z + δ|² − R² = (|Z|² − R²) + Re((2Z̄ + δ̄)·δ). Vectors look for |z|² just below R² in its place, which
//! costs them nothing; what they find is asked here.

use super::orbit::Orbit;
use super::shared::Shared;
use super::wide::Wide;

/// How near |z|² is to R² where its roundings may decide, as a share of it.
const UNSURE: f64 = 1.0 / (1_u64 << 46) as f64;

impl Orbit<'_> {
    /// What |z|² is compared with in vectors: R², or below it if some samples beyond have to be asked about.
    pub(super) fn lowered(&self, limit: f64) -> f64 {
        if self.excesses.is_empty() { limit } else { limit * (1.0 - UNSURE) }
    }
}

impl Shared<'_> {
    /// Whether a sample has escaped whose iterate z is Z + δ.
    #[inline]
    pub(super) fn has_escaped(&self, at: usize, delta: Wide, [x, y]: [f64; 2]) -> bool {
        let norm = y.mul_add(y, x * x);
        let is_unsure = (norm - self.limit).abs() <= UNSURE * self.limit;
        let within = match self.orbit.excess(at) {
            Some(excess) if is_unsure => !self.is_beyond(at, delta, excess),
            _ => norm <= self.limit,
        };
        !within
    }

    /// Whether a sample with a small difference has escaped.
    pub(super) fn escapes_alone(&self, at: usize, delta: Wide) -> bool {
        self.orbit.excess(at).is_some_and(|excess| self.is_beyond(at, delta, excess))
    }

    #[inline]
    fn is_beyond(&self, at: usize, delta: Wide, excess: Wide) -> bool {
        // |2Z + δ| is below 2³, so the sum has the sign of the larger term; nearly all samples are decided here.
        if excess.e > delta.e + 8 {
            return excess.m[0] > 0.0;
        }
        let Wide { m: [x, y], e } = self.orbit.wide(at).shifted(1) + delta;
        let more = Wide { m: [x, -y], e } * delta;
        (excess + Wide { m: [more.m[0], 0.0], e: more.e }).m[0] > 0.0
    }
}
