//! The reference orbit: that of the view's centre C, in arbitrary precision, rounded to `f64` for all samples.
//!
//! **Where it ends.** At the period of the largest set within the view (Munafo's atom domain): at the first m where a shift of C within
//! the view can bring Z_m to 0, that is where |Z_m| is below the view's radius times |D_m|, with D_m = ∂Z_m/∂C. From there on samples go
//! on from Z₀, so the rest would never be used; at places that are looked at, it is most of the orbit. It also ends beyond radius 2, and
//! at the maximum.
//!
//! **Precision.** An error ε of Z_m acts like a shift of C by ε/|D_m|, which must be small against the view's radius R. So Z_m needs only
//! log₂(1/R) − log₂|D_m| bits after the point, besides a fixed number for the sum over all iterations, whatever the maximum: the limbs in
//! use follow the derivative, and a larger maximum makes the same orbit longer and changes nothing of it. This saves 30 to 50 % of the
//! products. What a step needs follows from the derivative after it: that before it is wrong at the first dip.
//!
//! **Julia sets** have two orbits of the same constant k: that of the view's centre, z₀ = C, along which all samples start, and the
//! critical one from 0, which they go on along after rebasing. The first ends where the view can contain a point whose orbit comes to 0,
//! by the same test with ∂Z_m/∂z₀. There samples are s = R·|∂Z_m/∂z₀| from 0 at most, so their first differences from the critical orbit
//! are about s²: for that orbit, s² is what R is for the other.

use super::disc::attracts;
use super::precise::{Precise, is_noted};
use super::wide::{Part, Size, Wide, larger};
use crate::error::{Error, Result};
use crate::kernel::double_double::DoubleDouble;
use crate::number::Decimal;
use crate::parallel::{Buffer, Prepared, Preparing};
use crate::system::available;

/// The part of the prepared data that holds it.
pub(super) const PART: &str = "perturbation: reference orbit";

/// The part that holds what its iterates lack of the exact ones, if tables and samples need it.
pub(super) const REST_PART: &str = "perturbation: rest of the orbit";

/// The part that holds how many of the iterates are the critical orbit's, for Julia sets.
const START_PART: &str = "perturbation: where the centre's orbit starts";

/// The part that holds the iterates for which `f64` is too coarse.
pub(super) const SMALL_PART: &str = "perturbation: small iterates";

/// The part that holds |Z|² − R² of the iterates at the escape radius.
pub(super) const EXCESS_PART: &str = "perturbation: iterates at the escape radius";

/// Bits beyond those that the derivative asks for, 7 of them before the point. With 72, counts go wrong at a dense place of 1e50.
const GUARD_BITS: i64 = 110;

/// The binary logarithm of how much closer to 0 than s samples of a Julia set may come: the square of a picture's samples across.
const CLOSER: i32 = -40;

/// Bits more where iterates are given in two 64-bit numbers.
const DOUBLE_BITS: i64 = 53;

/// How close to an earlier iterate one is that may be the cycle's next time round.
const CLOSE: f64 = 1.0 / (1_u64 << 30) as f64;

/// What an iterate takes at most while tables are made, and what is not worth asking for.
const GROWING_BYTES: u64 = 160;
const SURE_BYTES: u64 = 64 << 20;

/// Products of limbs between checks of the stop flag, and between reports of progress: about 2 ms, and 50.
const STOP_INTERVAL: u64 = 1 << 20;
const REPORT_INTERVAL: u64 = 1 << 25;

/// The exponent below which an iterate is also kept with an exponent of its own.
const SMALL: i32 = -890;

/// An iterate: real and imaginary part.
pub(super) type Iterate = [f64; 2];

/// An iterate that is too small for `f64`, or |Z|² − R² of one.
#[derive(Clone, Copy, Debug)]
struct Small {
    m: [f64; 2],
    e: i32,
    /// Its place in the orbit.
    at: u32,
}

/// The same as it is prepared.
type SmallWords = [u64; 3];

/// How a reference orbit is computed.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) centre: [Decimal; 2],
    /// The constant of a Julia set.
    pub(super) julia: Option<[Decimal; 2]>,
    /// The binary logarithm of the distance between samples, rounded down.
    pub(super) exponent: i64,
    /// How far samples are from the centre at most, divided by 2^`exponent`.
    pub(super) radius: f64,
    /// The maximum number of iterations.
    pub(super) max: u32,
    /// R², the limit for |z|².
    pub(super) limit: f64,
    /// Whether 64-bit numbers are too coarse for the iterates.
    pub(super) double: bool,
}

/// A reference orbit: z₀ = 0, z₁ and so on. For a Julia set the orbit of the view's centre follows, from z₀ on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orbit<'a> {
    pub(super) z: &'a [Iterate],
    /// How many of them are the critical orbit's.
    pub(super) critical: usize,
    /// What these lack of the exact iterates; empty if it is not needed.
    pub(super) rest: &'a [Iterate],
    small: &'a [SmallWords],
    /// |Z|² − R² where it is small.
    pub(super) excesses: &'a [SmallWords],
}

impl Orbit<'_> {
    /// Whether samples start along an orbit of their own.
    pub(super) fn has_start(&self) -> bool {
        self.critical < self.z.len()
    }

    /// Whether that orbit has more than its first iterate: otherwise samples start so close to 0 that they rebase at once.
    pub(super) fn has_way(&self) -> bool {
        self.critical + 1 < self.z.len()
    }

    /// How close to 0 samples come that start at most this far from the centre of a Julia set's view, and leave its orbit; at most 1.
    pub(super) fn closest(&self, radius: Size) -> Size {
        let (mut closest, mut derivative) = (Size::of(1.0), Wide::one());
        for z in (self.critical..self.z.len()).map(|at| self.wide(at)) {
            let reach = radius.times(derivative.size());
            if comes_close(z, reach) {
                closest = closest.min(reach);
            }
            derivative = (z * derivative).shifted(1);
        }
        closest
    }

    /// The place at which the orbit ends that has a place.
    #[inline(always)]
    pub(super) fn last(&self, at: usize) -> usize {
        if at < self.critical { self.critical - 1 } else { self.z.len() - 1 }
    }

    /// An iterate with its full range.
    pub(super) fn wide(&self, at: usize) -> Wide {
        let z = Wide::new(self.z[at], 0);
        if z.e >= SMALL || self.small.is_empty() {
            return z;
        }
        find(self.small, at).map_or(z, |Small { m, e, .. }| Wide { m, e })
    }

    /// |Z|² − R² of an iterate, if it is noted: see `edge.rs`.
    #[inline]
    pub(super) fn excess(&self, at: usize) -> Option<Wide> {
        if self.excesses.is_empty() {
            return None;
        }
        find(self.excesses, at).map(|Small { m, e, .. }| Wide::new(m, e))
    }
}

/// A number that an iterate can be given in.
pub(super) trait Given: Part {
    /// An iterate with its full range.
    fn iterate(orbit: &Orbit<'_>, at: usize) -> Wide<Self>;
}

impl Given for f64 {
    #[inline(always)]
    fn iterate(orbit: &Orbit<'_>, at: usize) -> Wide {
        orbit.wide(at)
    }
}

impl Given for DoubleDouble<f64> {
    fn iterate(orbit: &Orbit<'_>, at: usize) -> Wide<Self> {
        let z = orbit.wide(at);
        if z.e < SMALL {
            return Wide { m: [DoubleDouble::of(z.m[0]), DoubleDouble::of(z.m[1])], e: z.e };
        }
        let ([x, y], [x_rest, y_rest]) = (orbit.z[at], orbit.rest[at]);
        Wide::new([DoubleDouble::sum(x, x_rest), DoubleDouble::sum(y, y_rest)], 0)
    }
}

/// What is computed of an orbit.
#[derive(Debug, Default)]
struct Made {
    z: Vec<Iterate>,
    rest: Vec<Iterate>,
    small: Vec<Small>,
    excesses: Vec<Small>,
}

impl Made {
    /// Puts another orbit behind.
    fn append(&mut self, mut other: Self) {
        let len = self.z.len() as u32;
        let moved = |small: &Small| Small { at: small.at + len, ..*small };
        self.small.extend(other.small.iter().map(moved));
        self.excesses.extend(other.excesses.iter().map(moved));
        self.z.append(&mut other.z);
        self.rest.append(&mut other.rest);
    }
}

/// What orbit is computed, and how exactly.
struct Path<'a> {
    /// z₀, if it is not 0.
    start: Option<&'a [Decimal; 2]>,
    constant: &'a [Decimal; 2],
    /// How far samples are from the orbit at most, for a derivative of 1: where |Z| is below this times the derivative, it ends.
    radius: Size,
    /// The most limbs of an iterate.
    limbs: usize,
}

impl Reference {
    /// The most bits that an iterate has.
    pub(super) fn bits(&self) -> u64 {
        let radius = self.size();
        // Close to 0, a Julia set has the structure of the square.
        let derivative = self.julia.as_ref().map_or(0, |_| self.distance_to_0().e.max(radius.e).min(0));
        64 * self.limbs(radius.e, derivative) as u64
    }

    /// About how far the centre is from 0.
    fn distance_to_0(&self) -> Size {
        let e = self.centre.iter().filter_map(|part| part.ratio().floor_log2()).max();
        e.map_or(Size::NONE, |e| Size { m: 1.0, e: e.clamp(-(1 << 27), 1 << 27) as i32 })
    }

    /// The view's radius.
    pub(super) fn size(&self) -> Size {
        Size::of(self.radius).times(Size { m: 1.0, e: self.exponent as i32 })
    }

    /// How many limbs an iterate needs where |∂Z/∂C| is 2^`derivative`.
    fn limbs(&self, radius: i32, derivative: i32) -> usize {
        let guard = if self.double { GUARD_BITS + DOUBLE_BITS } else { GUARD_BITS };
        // What a derivative by c has been lost below 1, c adds again.
        let derivative = if self.julia.is_some() { derivative } else { derivative.max(0) };
        (guard + (-i64::from(radius) - i64::from(derivative)).max(0)).unsigned_abs().div_ceil(64) as usize
    }

    /// Computes it.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Unsupported`] when there is not enough memory.
    pub(super) fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        preparing.progress(0.0);
        let (made, critical) = self.compute(preparing)?;
        let orbit = Buffer::from(bytemuck::cast_slice::<Iterate, u8>(&made.z));
        let [small, excesses] = [&made.small, &made.excesses]
            .map(|small| Buffer::from(bytemuck::cast_slice::<SmallWords, u8>(&words(small))));
        preparing.progress(1.0);
        let rest = Buffer::from(bytemuck::cast_slice::<Iterate, u8>(&made.rest));
        let prepared = Prepared::default()
            .with(PART, orbit)
            .with(REST_PART, rest)
            .with(SMALL_PART, small)
            .with(EXCESS_PART, excesses);
        if self.julia.is_none() {
            return Ok(prepared);
        }
        Ok(prepared.with(START_PART, Buffer::from(bytemuck::bytes_of(&(critical as u64)))))
    }

    /// Both orbits of a Julia set, or the critical one; and how many iterates that has.
    fn compute(&self, preparing: &Preparing<'_>) -> Result<(Made, usize)> {
        let radius = self.size();
        let Some(constant) = &self.julia else {
            let limbs = self.limbs(radius.e, 0);
            let path = Path { start: None, constant: &self.centre, radius, limbs };
            let made = self.path(&path, preparing)?;
            let len = made.z.len();
            return Ok((made, len));
        };
        // The derivative falls to 2R at most before the orbit ends.
        let limbs = self.limbs(radius.e, radius.e);
        let path = Path { start: Some(&self.centre), constant, radius, limbs };
        let start = self.path(&path, preparing)?;
        let closest = Orbit { z: &start.z, critical: 0, rest: &[], small: &words(&start.small), excesses: &[] };
        let closest = closest.closest(radius);
        let radius = closest.times(closest).times(Size { m: 1.0, e: CLOSER });
        let limbs = self.limbs(radius.e, radius.e);
        let mut made = self.path(&Path { start: None, constant, radius, limbs }, preparing)?;
        let len = made.z.len();
        made.append(start);
        Ok((made, len))
    }

    fn path(&self, path: &Path<'_>, preparing: &Preparing<'_>) -> Result<Made> {
        let &Path { start, constant, radius, limbs: most } = path;
        let first = start.unwrap_or(constant).each_ref().map(Decimal::to_f64);
        let from = usize::from(start.is_none());
        let mut made = Made { z: vec![[0.0; 2]; from], ..Made::default() };
        made.z.push(first);
        let escaped = |[x, y]: Iterate| x * x + y * y > 4.0;
        if escaped(first) {
            made.rest = vec![[0.0; 2]; if self.double { made.z.len() } else { 0 }];
            return Ok(made);
        }
        let [first, constant] = [start.unwrap_or(constant), constant].map(|point| point.each_ref().map(Decimal::ratio));
        let mut precise = Precise::new(&first, &constant, most);
        let mut z = precise.value();
        let mut derivative: Wide = Wide::one();
        if self.double {
            made.rest = vec![[0.0; 2]; from];
            made.rest.push(precise.rest());
        }
        let own = if self.julia.is_some() { Wide::zero() } else { Wide::one() };
        let spread = if self.julia.is_some() { Size::NONE } else { radius };
        let (mut seen, mut renew) = (from, from + 1);
        let (mut work, mut reported) = (0, 0);
        for n in from..=self.max as usize {
            if n > from {
                made.z.push(z.to_f64());
                if self.double {
                    made.rest.push(precise.rest());
                }
            }
            if z.e < SMALL && !z.is_zero() {
                made.small.push(Small { m: z.m, e: z.e, at: n as u32 });
            }
            if is_noted(made.z[n], self.limit) {
                let Wide { m, e } = precise.excess(self.limit);
                made.excesses.push(Small { m, e: if m == [0.0; 2] { 0 } else { e }, at: n as u32 });
            }
            let reach = radius.times(derivative.size());
            if z.size().is_below(reach) || escaped(made.z[n]) || n == self.max as usize {
                break;
            }
            if n > seen && is_close(made.z[n], made.z[seen]) {
                if attracts(&made.z[seen..=n], spread) {
                    break;
                }
                // Where the cycle passes 0 closely, that is the place from which it shows.
                let near = |at: &usize| larger(made.z[*at][0].abs(), made.z[*at][1].abs());
                seen = (seen + 1..=n).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(n);
                renew = 2 * n;
            }
            if n >= renew {
                (seen, renew) = (n, 2 * n);
            }
            derivative = (z * derivative).shifted(1) + own;
            let limbs = self.limbs(radius.e, derivative.e).min(most);
            if limbs > precise.used() {
                precise.resize(limbs);
            }
            precise.step();
            if limbs < precise.used() {
                precise.resize(limbs);
            }
            z = precise.value();
            if made.z.len() == made.z.capacity() {
                let bytes = GROWING_BYTES * 2 * made.z.len() as u64;
                if bytes > SURE_BYTES && available().is_some_and(|available| available < bytes) {
                    return Err(self.too_long(n));
                }
                made.z.try_reserve(made.z.len()).map_err(|_| self.too_long(n))?;
                if self.double {
                    made.rest.try_reserve(made.z.len()).map_err(|_| self.too_long(n))?;
                }
            }
            let used = precise.used() as u64;
            let before = work;
            work += used * used + 64;
            if work / STOP_INTERVAL > before / STOP_INTERVAL && preparing.stop().is_set() {
                return Err(Error::Stopped);
            }
            if work / REPORT_INTERVAL > reported {
                reported = work / REPORT_INTERVAL;
                preparing.progress(n as f64 / f64::from(self.max));
            }
        }
        Ok(made)
    }

    fn too_long(&self, n: usize) -> Error {
        Error::Unsupported(format!(
            "the reference orbit of this view does not fit into memory: it has {n} iterates so far and may have {}, of {} bytes each; \
             fewer iterations need less",
            u64::from(self.max) + 1,
            size_of::<Iterate>()
        ))
    }

    /// The orbit among what was prepared.
    ///
    /// # Errors
    /// [`Error::Input`] when it is not there or has no length that it could have: it may come from another process.
    pub(super) fn read<'a>(&self, prepared: &'a Prepared) -> Result<Orbit<'a>> {
        let missing = || Error::Input("the view's reference orbit is missing".into());
        let bytes = prepared.get(PART).ok_or_else(missing)?;
        let orbit: Option<&[Iterate]> = bytemuck::try_cast_slice(bytes).ok();
        let orbits = if self.julia.is_some() { 2 } else { 1 };
        let most = orbits * (u64::from(self.max) + 1);
        let z = orbit.filter(|orbit| (2..=most).contains(&(orbit.len() as u64))).ok_or_else(|| {
            let (len, each) = (bytes.len(), size_of::<Iterate>());
            Error::Input(format!(
                "the view's reference orbit is damaged: it has {len} bytes, but must have 2 to {most} iterates of {each} bytes"
            ))
        })?;
        let rest_bytes = prepared.get(REST_PART).ok_or_else(missing)?;
        let rest: Option<&[Iterate]> = bytemuck::try_cast_slice(rest_bytes).ok();
        let len = if self.double { z.len() } else { 0 };
        let rest = rest
            .filter(|rest| rest.len() == len)
            .ok_or_else(|| Error::Input("what the iterates of the view's reference orbit lack is damaged".into()))?;
        let read = |part: &str, what: &str| {
            let small: Option<&[SmallWords]> = bytemuck::try_cast_slice(prepared.get(part).ok_or_else(missing)?).ok();
            small
                .filter(|small| small.iter().all(|words| Small::of(words).is_sound()))
                .ok_or_else(|| Error::Input(format!("the {what} of the view's reference orbit are damaged")))
        };
        let (small, excesses) =
            (read(SMALL_PART, "small iterates")?, read(EXCESS_PART, "iterates at the escape radius")?);
        let critical = match self.julia {
            None => Some(z.len()),
            Some(_) => prepared
                .get(START_PART)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_ne_bytes)
                .and_then(|len| usize::try_from(len).ok().filter(|len| (2..z.len()).contains(len))),
        };
        let critical = critical
            .ok_or_else(|| Error::Input("where the orbit of the view's centre starts is missing or damaged".into()))?;
        Ok(Orbit { z, critical, rest, small, excesses })
    }
}

/// Whether two iterates are nearly equal.
fn is_close([x, y]: Iterate, [a, b]: Iterate) -> bool {
    larger((x - a).abs(), (y - b).abs()) <= CLOSE * larger(a.abs(), b.abs())
}

/// Whether samples within a distance of an iterate, at most some times as much, can be nearer to 0 than to it.
fn comes_close(z: Wide, reach: Size) -> bool {
    z.size().is_below(Size { m: reach.m, e: reach.e + 2 })
}

/// What is kept of an iterate, if it is among these.
fn find(small: &[SmallWords], at: usize) -> Option<Small> {
    let found = small.binary_search_by_key(&at, |words| Small::of(words).at as usize);
    found.ok().map(|place| Small::of(&small[place]))
}

fn words(small: &[Small]) -> Vec<SmallWords> {
    small.iter().map(|small| small.words()).collect()
}

impl Small {
    fn words(self) -> SmallWords {
        let [x, y] = self.m.map(f64::to_bits);
        [x, y, u64::from(self.e as u32) << 32 | u64::from(self.at)]
    }

    fn of(&[x, y, rest]: &SmallWords) -> Self {
        Self { m: [x, y].map(f64::from_bits), e: (rest >> 32) as i32, at: rest as u32 }
    }

    /// Whether it is a number that computing can begin with.
    fn is_sound(self) -> bool {
        self.m.iter().all(|part| part.abs() < 2.0) && self.e.unsigned_abs() < 1 << 27
    }
}
