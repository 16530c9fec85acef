//! The scalar reference: one sample after the other, one iteration after the other. Every other way gives the same bits.

use super::{Problem, Why, escaped};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::{Counters, TileRequest};
use crate::parallel::Stop;
use crate::sample::{COUNTS, Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR};
use num_complex::Complex64;

/// Iterations between checks of the stop flag: far below 20 ms, even with emulated multiply-adds.
const STOP_INTERVAL: u64 = 1 << 16;

/// How an orbit ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orbit {
    pub(super) why: Why,
    /// The number of iterations; of the first escaped iterate if it escaped.
    pub(super) n: u32,
    /// The last iterate.
    pub(super) z: Complex64,
}

impl<F: Formula> Problem<F> {
    /// The orbit of a point. `shortcuts` enables the tests for interior regions and for periodicity, which change only the time taken.
    /// `None` once `stopped` returns true.
    pub(super) fn orbit(&self, point: Complex64, shortcuts: bool, stopped: &mut impl FnMut() -> bool) -> Option<Orbit> {
        let (mut z, c) = match self.julia {
            None => ([0.0; 2], [point.re, point.im]),
            Some(k) => ([point.re, point.im], [k.re, k.im]),
        };
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
            if u64::from(n) % STOP_INTERVAL == 0 && stopped() {
                return None;
            }
        }
        end(Why::Limit, self.limits.max, z)
    }

    /// Computes all tiles, sample by sample.
    pub(super) fn one_by_one(
        &self,
        channels: Channels,
        tiles: &[TileRequest<'_>],
        words: &mut [u32],
        useful: &mut [u64],
        stop: &Stop,
    ) -> Result<Counters> {
        let mut counters = Counters::default();
        let mut rest = words;
        for (wanted, useful) in tiles.iter().zip(useful) {
            let (words, after) = rest.split_at_mut(wanted.tile.area() * channels.words());
            rest = after;
            *useful = self.tile(channels, *wanted, words, &mut counters, stop)?;
        }
        Ok(counters)
    }

    /// Computes one tile; returns its useful iterations.
    fn tile(
        &self,
        channels: Channels,
        TileRequest { tile, mask }: TileRequest<'_>,
        words: &mut [u32],
        counters: &mut Counters,
        stop: &Stop,
    ) -> Result<u64> {
        let area = tile.area();
        if mask.is_some() {
            // For the samples outside the mask.
            for (plane, words) in channels.planes().zip(words.chunks_exact_mut(area)) {
                words.fill(plane.values.missing());
            }
        }
        let all = [COUNTS, FRACTIONS, DISTANCES_X, DISTANCES_Y];
        let [counts, fractions, right, down] = channels.planes_mut(area, words, all);
        let mut useful = 0;
        let mut since = 0;
        for i in (0..area).filter(|&i| mask.is_none_or(|mask| mask.has(i))) {
            let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
            let point = self.plane.point(x, y);
            let orbit = self.orbit(point, true, &mut || stop.is_set()).ok_or(Error::Stopped)?;
            since += u64::from(orbit.n) + 1;
            if since >= STOP_INTERVAL {
                since = 0;
                if stop.is_set() {
                    return Err(Error::Stopped);
                }
            }
            counters.executed += u64::from(orbit.n);
            let counter = match orbit.why {
                Why::Escaped => &mut counters.escaped,
                Why::Cardioid => &mut counters.cardioid,
                Why::Bulb => &mut counters.bulb,
                Why::Period => &mut counters.periodic,
                Why::Limit => &mut counters.limit,
            };
            *counter += 1;
            counts[i] = if orbit.why == Why::Escaped { orbit.n } else { INTERIOR };
            useful += u64::from(counts[i].min(self.limits.max));
            if channels.contains(Channels::SMOOTH) {
                fractions[i] = if escaped(counts[i]) { self.fraction.of(orbit.z).to_bits() } else { 0 };
            }
            if channels.contains(Channels::DISTANCE) {
                let vector = if escaped(counts[i]) { self.distance(point, counts[i]) } else { [0.0; 2] };
                [right[i], down[i]] = vector.map(f32::to_bits);
            }
        }
        Ok(useful)
    }
}
