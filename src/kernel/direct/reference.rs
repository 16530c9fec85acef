//! The scalar reference: one sample after the other, one iteration after the other. Every other way gives the same bits.

use super::{Problem, Why};
use crate::error::Result;
use crate::formula::Formula;
use crate::kernel::plain::{Found, STOP_INTERVAL};
use crate::kernel::{Counters, TileClaim, plain};
use crate::parallel::Stop;
use crate::sample::Channels;
use num_complex::Complex64;

/// How an orbit ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orbit {
    pub(super) why: Why,
    /// The number of iterations; of the first escaped iterate if it escaped.
    pub(super) n: u64,
    /// The last iterate.
    pub(super) z: Complex64,
}

impl<F: Formula> Problem<F> {
    /// The orbit of a point. `shortcuts` enables the tests for interior regions and for periodicity, which change only the time taken.
    /// `None` once `stopped` returns true.
    pub(super) fn orbit(&self, point: Complex64, shortcuts: bool, stopped: &mut impl FnMut() -> bool) -> Option<Orbit> {
        let [mut z, c] = self.start(point);
        let end = |why, n, [re, im]: [f64; 2]| Some(Orbit { why, n, z: Complex64 { re, im } });
        if shortcuts
            && self.julia.is_none()
            && !self.checked
            && let Some(interior) = self.formula.interior(c)
        {
            if interior.cardioid {
                return end(Why::Cardioid, 0, z);
            }
            if interior.bulb {
                return end(Why::Bulb, 0, z);
            }
        }
        let parameters = self.formula.parameters(c);
        let limit = self.limits.escape_radius * self.limits.escape_radius;
        // Brent: the orbit is compared with an iterate that is replaced at every power of two.
        let mut seen = z;
        let mut renew = 64;
        for n in 1..=self.limits.max {
            z = self.formula.step(z, parameters);
            let u = z[1].mul_add(z[1], z[0] * z[0]);
            // NaN counts as escaped.
            if u > limit || u.is_nan() {
                return end(Why::Escaped, n, z);
            }
            if shortcuts {
                if z == seen {
                    return end(Why::Period, n, z);
                }
                if n == renew {
                    seen = z;
                    renew = renew.saturating_mul(2);
                }
            }
            if n % STOP_INTERVAL == 0 && stopped() {
                return None;
            }
        }
        end(Why::Limit, self.limits.max, z)
    }

    /// Computes all tiles, sample by sample.
    pub(super) fn one_by_one(&self, channels: Channels, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        plain::compute(channels, self.limits.max, claim, stop, |x, y| {
            let point = self.plane.point(x, y);
            let (mut orbit, mut vector) = (self.orbit(point, true, &mut || stop.is_set())?, None);
            if orbit.why == Why::Escaped && orbit.n >= self.refine_from {
                let distance = channels.contains(Channels::DISTANCE);
                (orbit, vector) = self.refined(point, orbit, distance, || stop.is_set())?;
            }
            let mut found = Found { why: orbit.why, n: orbit.n, fraction: 0.0, distance: [0.0; 2] };
            if orbit.why == Why::Escaped {
                if channels.contains(Channels::SMOOTH) {
                    found.fraction = self.fraction.of(orbit.z);
                }
                if channels.contains(Channels::DISTANCE) {
                    found.distance = vector.unwrap_or_else(|| self.distance(point, orbit.n));
                }
            }
            Some(found)
        })
    }
}
