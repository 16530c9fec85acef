//! z² + c close to the cusp of the main cardioid, where orbits take millions of iterations, or billions, to pass the point ½.
//!
//! ¼ keeps ½ in place. With z = ½ + w and c = ¼ + ε, the difference from it follows w′ = w + w² + ε: perturbation whose reference is one
//! number. As long as w is small this is nearly the identity, and an orbit creeps past ½ in about π/√ε steps; a reference of as many
//! iterates fits into no memory. But 2^k of the steps together are a series in w and ε, the same for all orbits (`powers.rs`). An orbit
//! takes the longest that its distance from ½ and its ε allow, some 1,000 in all, whatever π/√ε is.
//!
//! **What it promises.** All numbers are double-double, and ε keeps the 106 bits that it has beside ¼, so counts are those of arbitrary
//! precision. Which step an orbit takes depends on nothing but its w and ε, so tiles, backends and larger maxima change no bit.
//!
//! Series of second order, as the tables of perturbation have, would not do: where a step leaves out 2⁻⁴⁴ of w, a passage takes so many
//! that a count of 10⁹ is off by thousands.

mod powers;

use super::distance::{Frame, Tangent, vector};
use super::double_double::DoubleDouble;
use super::perturbation::Offsets;
use super::plain::{self, Found};
use super::smooth::Fraction;
use super::tier::Tier;
use super::{Counters, Facts, Isa, Kernel, Limits, TileClaim, Why};
use crate::error::{Error, Result};
use crate::formula::Mandelbrot;
use crate::number::{Decimal, Ratio};
use crate::parallel::{Buffer, Prepared, Preparing, Stop};
use crate::plane::Plane;
use crate::sample::Channels;
use num_complex::Complex64;
use powers::{Along, MOST_LEVEL, REACH, Series, plus, powers, times};

/// The part of the prepared data that holds the series.
const PART: &str = "perturbation: steps past the cusp";

/// No sample's ε is larger than 2 to this: some 800,000 iterations, from which on this is faster than a reference.
const FARTHEST_LOG2: f64 = -36.0;

/// How much smaller than ε the distance between samples may be, as a power of two: there ε still has 16 bits for it.
const FINEST_LOG2: f64 = -90.0;

/// Where all samples' ε are below 2 to this, none escapes within 2⁵³ iterations, so it does not matter what digits ε has.
const NEVER_LOG2: f64 = -110.0;

/// Steps between checks of the stop flag: less than a millisecond.
const STOP_INTERVAL: u32 = 256;

type Double = DoubleDouble<f64>;

/// The kernel for views close to ¼.
#[derive(Debug)]
pub(super) struct Cusp {
    /// The centre's ε.
    centre: [Double; 2],
    /// The samples' offsets from the centre, divided by 2^`exponent`.
    offsets: Plane,
    scale: f64,
    limits: Limits,
    channels: Channels,
    fraction: Fraction,
    frame: Frame,
}

/// How an orbit ended.
struct Orbit {
    why: Why,
    n: u64,
    steps: u64,
    z: [f64; 2],
    /// ∂z/∂c times the scale of the offsets.
    derivative: [f64; 2],
}

/// Whether views around `centre` are close to the cusp: their samples' offsets, and the binary logarithm of the distance between samples.
pub(super) fn is_near(centre: &[Decimal; 2], offsets: &Offsets, spacing_log2: f64) -> bool {
    let epsilon = epsilon(centre).map(|part| part.log2()).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let farthest = epsilon.max(offsets.radius.log2() + offsets.exponent as f64);
    farthest <= FARTHEST_LOG2 && (farthest <= NEVER_LOG2 || spacing_log2 >= epsilon + FINEST_LOG2)
}

/// c − ¼.
fn epsilon([re, im]: &[Decimal; 2]) -> [Ratio; 2] {
    let Ratio { num, den } = re.ratio();
    [Ratio { num: num * 4 - dashu_int::IBig::from(den.clone()), den: den * 4u8 }, im.ratio()]
}

impl Cusp {
    /// The kernel for samples around a centre for which [`is_near`] is true.
    ///
    /// # Errors
    /// [`Error::Usage`] for limits out of range.
    pub(super) fn new(centre: &[Decimal; 2], offsets: Offsets, limits: Limits, channels: Channels) -> Result<Self> {
        limits.check()?;
        let Offsets { plane, exponent, .. } = offsets;
        Ok(Self {
            centre: epsilon(centre).map(|part| part.two_parts().into()),
            frame: Frame::of(&plane),
            offsets: plane,
            scale: crate::number::ldexp(1, exponent),
            limits,
            channels,
            fraction: Fraction::new(2, limits.escape_radius, false),
        })
    }

    fn epsilon(&self, column: usize, row: usize) -> [Double; 2] {
        let offset = self.offsets.point(column, row);
        [self.centre[0].plus(offset.re * self.scale), self.centre[1].plus(offset.im * self.scale)]
    }

    /// The orbit of a point; `None` once `stop` is set.
    fn orbit(&self, series: &[Series], epsilon: [Double; 2], stop: &Stop) -> Option<Orbit> {
        let limit = self.limits.escape_radius * self.limits.escape_radius;
        let mut w = [Double::of(-0.5), Double::default()];
        let mut orbit = Orbit { why: Why::Limit, n: 0, steps: 0, z: [0.0; 2], derivative: [0.0; 2] };
        if is_in_cardioid(epsilon.map(|part| part.high)) {
            return Some(Orbit { why: Why::Cardioid, ..orbit });
        }
        let mut along: [Option<Box<Along>>; MOST_LEVEL + 1] = [const { None }; MOST_LEVEL + 1];
        let size = exponent(epsilon);
        // The larger part of 4^level·ε is below 4^REACH.
        let most = ((2 * REACH - size).max(0) / 2).min(MOST_LEVEL as i32);
        let mut until_check = STOP_INTERVAL;
        while orbit.n < self.limits.max {
            (orbit.steps, until_check) = (orbit.steps + 1, until_check - 1);
            if until_check == 0 {
                until_check = STOP_INTERVAL;
                if stop.is_set() {
                    return None;
                }
            }
            let level = (REACH - exponent(w)).clamp(0, most);
            if level > 0 {
                orbit.n += 1 << level;
                // A step that goes beyond the maximum has no series, nor does an orbit escape in one.
                let Some(series) = series.get(level as usize).filter(|_| orbit.n <= self.limits.max) else { break };
                let (up, squared) = (power_of_two(level), power_of_two(2 * level));
                let along = along[level as usize].get_or_insert_with(|| {
                    Box::new(Along::new(series, epsilon.map(|part| part.scaled(squared)), size + 2 * level))
                });
                let value = along.at(w.map(|part| part.scaled(up)));
                w = value.f.map(|part| part.scaled(1.0 / up));
                orbit.derivative =
                    plus(times(value.by_u, orbit.derivative), value.by_e.map(|part| part * up * self.scale));
                continue;
            }
            let z = [w[0].high + 0.5, w[1].high];
            orbit.derivative = plus(times([2.0 * z[0], 2.0 * z[1]], orbit.derivative), [self.scale, 0.0]);
            w = plus(plus(times(w, w), w), epsilon);
            orbit.n += 1;
            let [x, y] = [w[0].high + 0.5, w[1].high];
            let norm = y.mul_add(y, x * x);
            // NaN counts as escaped.
            if norm > limit || norm.is_nan() {
                return Some(Orbit { why: Why::Escaped, z: [x, y], ..orbit });
            }
        }
        Some(Orbit { n: self.limits.max, ..orbit })
    }

    fn series<'a>(&self, prepared: &'a Prepared) -> Result<&'a [Series]> {
        let damaged = || Error::Input("the steps past the cusp at ¼ are missing or damaged".into());
        let numbers: Option<&[[f64; 2]]> = prepared.get(PART).and_then(|bytes| bytemuck::try_cast_slice(bytes).ok());
        let (series, rest) = numbers.ok_or_else(damaged)?.as_chunks();
        // An orbit takes only steps that are within the maximum.
        let levels = self.limits.max.ilog2() as usize + 1;
        if series.len() == levels && rest.is_empty() { Ok(series) } else { Err(damaged()) }
    }
}

impl Kernel for Cusp {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn facts(&self) -> Facts {
        let (tier, isa) = (Tier::Perturbation.name(), Isa::Scalar.name());
        Facts { tier, isa, exact: false, prefix_stable: true, claim_bytes: None }
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let series = powers(self.limits.max, || !preparing.stop().is_set()).ok_or(Error::Stopped)?;
        Ok(Prepared::default().with(PART, Buffer::from(bytemuck::cast_slice(series.as_flattened()))))
    }

    fn prepared_len(&self) -> u64 {
        (u64::from(self.limits.max.ilog2()) + 1) * size_of::<Series>() as u64
    }

    fn period(&self, _prepared: &Prepared, column: u32, row: u32, _stop: &Stop) -> Result<Option<u64>> {
        let epsilon = self.epsilon(column as usize, row as usize).map(|part| part.high);
        Ok(is_in_cardioid(epsilon).then_some(1))
    }

    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        let series = self.series(prepared)?;
        let mut steps = 0;
        let mut counters = plain::compute(self.channels, self.limits.max, claim, stop, |x, y| {
            let orbit = self.orbit(series, self.epsilon(x, y), stop)?;
            steps += orbit.steps;
            let mut found = Found { why: orbit.why, n: orbit.n, fraction: 0.0, distance: [0.0; 2] };
            if orbit.why == Why::Escaped {
                let (z, right) = (orbit.z, orbit.derivative);
                let tangent = Tangent { z, right, up: right };
                found.fraction = self.fraction.of(Complex64::new(z[0], z[1]));
                found.distance = vector::<Mandelbrot, f64>(tangent, self.frame).map(|part| part as f32);
            }
            Some(found)
        })?;
        counters.executed = steps;
        Ok(counters)
    }
}

/// Whether ¼ + ε lies in the main cardioid, |1 − √(−4ε)| < 1: that is where 2|ε| < 1 − cos arg ε.
fn is_in_cardioid([x, y]: [f64; 2]) -> bool {
    let size = x.hypot(y);
    let (cos, sin) = (x / size, y / size);
    let less = if cos > 0.0 { sin * sin / (1.0 + cos) } else { 1.0 - cos };
    2.0 * size < less
}

/// The smallest e with both parts below 2^e; of 0 and NaN the smallest of all.
fn exponent([x, y]: [Double; 2]) -> i32 {
    let size = x.high.abs().max(y.high.abs());
    if size.is_nan() { 0 } else { (size.to_bits() >> 52) as i32 - 1022 }
}

/// 2^k, which is a normal number.
fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((1023 + k) as u64) << 52)
}

#[cfg(test)]
mod tests;
