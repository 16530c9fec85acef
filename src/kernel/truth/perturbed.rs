//! Perturbation in double-double, for checking: every iteration of every sample, with a reference as long as its orbit.
//!
//! Differences have an exponent of their own while they are too small for `f64`. Rebasing is the kernel's; everything that it does for
//! speed is left out.

use super::cycle::Cycle;
use super::fixed::Fixed;
use super::ranged::{Double, Wide, exponent_of, largest, norm, product, two_to};
use crate::error::{Error, Result};
use crate::kernel::Limits;
use crate::number::{Decimal, Ratio};
use crate::parallel::{Preparing, Stop};
use crate::scene::View;
use crate::system::available;
use dashu_int::{IBig, UBig};
use std::sync::OnceLock;

/// Bits of the reference beyond those of the distance between samples: those of a double-double and as many for the sum of errors.
const GUARD_BITS: u64 = 256;

/// Memory that is not worth asking for.
const SURE_BYTES: u64 = 64 << 20;

/// Below 2 to this, a difference has an exponent of its own: above, its square is a normal number, and so is the square's last digit.
const DEEP: i64 = -400;

/// Below 2 to this, an iterate of the reference is also kept with an exponent of its own.
const SMALL: i64 = -500;

/// How near |Z|² is to R², as a share of it, where the difference is kept, and |z|² where that decides.
const NEARLY: f64 = 1.0 / (1_u64 << 40) as f64;
const UNSURE: f64 = 1.0 / (1_u64 << 46) as f64;

/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 12;

/// How an orbit ended: see the fields of what it is made into.
pub(super) struct End {
    /// The number of iterations; `None` for the interior.
    pub(super) count: Option<u64>,
    pub(super) executed: u64,
    /// The first escaped iterate.
    pub(super) z: [f64; 2],
    /// ∂z/∂c divided by 2^exponent.
    pub(super) derivative: [f64; 2],
    pub(super) exponent: i64,
}

/// A reference orbit.
#[derive(Default)]
struct Reference {
    z: Vec<[Double; 2]>,
    /// The iterates below 2^[`SMALL`], 0 among them, by their place.
    small: Vec<(usize, Wide)>,
    /// |z|² − R² where 64 bits hardly show which is larger.
    excesses: Vec<(usize, Wide)>,
    /// The iterate that the last one is equal to, where the orbit has come to an attracting cycle.
    again: Option<usize>,
}

/// What the rest of a sample's orbit follows from, apart from which reference it is.
#[derive(Clone, Copy)]
struct State {
    m: usize,
    deep: bool,
    delta: [Double; 2],
    wide: Wide,
}

/// The samples of a view of z² + c.
pub(super) struct Perturbed {
    centre: [Ratio; 2],
    /// The constant of a Julia set.
    julia: Option<[Ratio; 2]>,
    /// The binary logarithm of the distance between samples, rounded down.
    exponent: i64,
    limits: Limits,
    /// The orbit along which samples start, and that of 0 if it is another.
    references: OnceLock<[Reference; 2]>,
}

impl Reference {
    /// An iterate with its full range.
    #[inline(always)]
    fn wide(&self, m: usize) -> Wide {
        match self.small.binary_search_by_key(&m, |(place, _)| *place) {
            Ok(found) => self.small[found].1,
            Err(_) => Wide { z: self.z[m], exponent: 0 },
        }
    }

    /// Whether iterate m is the last one, and there is nothing to go on with.
    #[inline(always)]
    fn is_over(&self, m: usize) -> bool {
        m + 1 == self.z.len() && self.again.is_none()
    }

    /// The place of the iterate from which an orbit goes on that has come to iterate m.
    #[inline(always)]
    fn next(&self, m: usize) -> usize {
        match self.again {
            Some(again) if m + 1 == self.z.len() => again,
            _ => m,
        }
    }

    /// Whether a sample has escaped whose |z|² nearly is R², as far as the difference is known: its difference from an iterate is `delta`.
    #[cold]
    fn is_beyond(&self, m: usize, delta: Wide) -> Option<bool> {
        let found = self.excesses.binary_search_by_key(&m, |(place, _)| *place).ok()?;
        let around = self.wide(m);
        let Wide { z: [x, y], exponent } = Wide { z: around.z, exponent: around.exponent + 1 }.plus(delta);
        let more = Wide { z: [x, y.scaled(-1.0)], exponent }.times(delta);
        let real = Wide { z: [more.z[0], Double::default()], exponent: more.exponent };
        Some(self.excesses[found].1.plus(real).z[0].high > 0.0)
    }
}

impl Perturbed {
    pub(super) fn new(view: &View, julia: Option<&[Decimal; 2]>, exponent: i64, limits: Limits) -> Self {
        let centre = [view.re.ratio(), view.im.ratio()];
        let julia = julia.map(|constant| constant.each_ref().map(Decimal::ratio));
        Self { centre, julia, exponent, limits, references: OnceLock::new() }
    }

    /// The exponent by which offsets are divided.
    pub(super) fn exponent(&self) -> i64 {
        self.exponent
    }

    /// The most bytes of its references.
    pub(super) fn prepared_len(&self) -> u64 {
        let orbits = if self.julia.is_some() { 2 } else { 1 };
        self.max().saturating_add(1).saturating_mul(orbits * size_of::<[Double; 2]>() as u64)
    }

    fn limbs(&self) -> usize {
        // Close to 0, a Julia set has the structure of the square.
        let depth = self.exponent.min(0).unsigned_abs() * if self.julia.is_some() { 2 } else { 1 };
        ((depth + GUARD_BITS).div_ceil(64) + 1) as usize
    }

    /// R², the limit for |z|².
    fn limit(&self) -> f64 {
        self.limits.escape_radius * self.limits.escape_radius
    }

    /// |z|² − R², if |z|² nearly is R².
    fn excess(&self, [x, y]: [&Fixed; 2], z: [Double; 2]) -> Option<Wide> {
        let limit = self.limit();
        if (norm(z) - limit).abs() > NEARLY * limit {
            return None;
        }
        let (mut sum, mut other, mut wide) = (x.clone(), y.clone(), vec![0; 2 * self.limbs()]);
        [&mut sum, &mut other].into_iter().for_each(|number| number.square(&mut wide));
        sum.add(&other);
        sum.subtract(&Fixed::of(&Ratio::from_f64(limit), self.limbs()));
        let (excess, exponent) = sum.double(&mut other);
        Some(Wide { z: [excess, Double::default()], exponent }.normalised())
    }

    fn max(&self) -> u64 {
        self.limits.max
    }

    /// Computes the reference orbits.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Unsupported`] when there is not enough memory.
    pub(super) fn prepare(&self, preparing: &Preparing<'_>) -> Result<()> {
        if self.references.get().is_some() {
            return Ok(());
        }
        let first = self.reference(&self.centre, preparing)?;
        let critical = match self.julia {
            Some(_) => self.reference(&[of_0(), of_0()], preparing)?,
            None => Reference::default(),
        };
        // Another thread may have been faster, with the same numbers.
        let _ = self.references.set([first, critical]);
        Ok(())
    }

    /// The reference orbit of a point.
    fn reference(&self, point: &[Ratio; 2], preparing: &Preparing<'_>) -> Result<Reference> {
        let mut reference = Reference::default();
        let (mut full, mut cycle) = (false, Cycle::default());
        let mut scratch = Fixed::zero(self.limbs());
        self.iterate(point, |n, parts| {
            let [x, y] = parts.map(|part| part.double(&mut scratch));
            let wide = Wide::of(x, y);
            reference.again = cycle.closes(wide).map(|place| place as usize);
            if wide.is_below(SMALL) {
                reference.small.push((reference.z.len(), wide));
            }
            full = reference.z.len() == reference.z.capacity() && !has_room(&mut reference.z);
            let z = wide.plain();
            if let Some(excess) = self.excess(parts, z) {
                reference.excesses.push((reference.z.len(), excess));
            }
            if !full {
                reference.z.push(z);
            }
            if n % (1 << 16) == 0 {
                preparing.progress(n as f64 / self.max() as f64);
            }
            full || norm(z) > 4.0 || reference.again.is_some() || n % STOP_INTERVAL == 0 && preparing.stop().is_set()
        });
        if full {
            return Err(Error::Unsupported(format!(
                "the reference orbit for checking does not fit into memory: it has {} iterates so far, of {} bytes each; fewer \
                 iterations need less",
                reference.z.len(),
                size_of::<[Double; 2]>()
            )));
        }
        if preparing.stop().is_set() {
            return Err(Error::Stopped);
        }
        Ok(reference)
    }

    /// The orbit of a point with as many digits as it needs: calls `each` with 0 and z₀, 1 and z₁ and so on, up to the maximum or until
    /// it returns true; returns whether it did.
    fn iterate(&self, point: &[Ratio; 2], mut each: impl FnMut(u64, [&Fixed; 2]) -> bool) -> bool {
        let limbs = self.limbs();
        let mut wide = vec![0; 2 * limbs];
        let c = self.julia.as_ref().unwrap_or(point).each_ref().map(|part| Fixed::of(part, limbs));
        let [mut x, mut y, mut sum] = std::array::from_fn(|_| Fixed::zero(limbs));
        if self.julia.is_some() {
            [x, y] = point.each_ref().map(|part| Fixed::of(part, limbs));
        }
        if each(0, [&x, &y]) {
            return true;
        }
        for n in 1..=self.max() {
            sum.set(&x);
            sum.add(&y);
            [&mut sum, &mut x, &mut y].into_iter().for_each(|number| number.square(&mut wide));
            sum.subtract(&x);
            sum.subtract(&y);
            sum.add(&c[1]);
            x.subtract(&y);
            x.add(&c[0]);
            std::mem::swap(&mut y, &mut sum);
            if each(n, [&x, &y]) {
                return true;
            }
        }
        false
    }

    /// The orbit of a point with as many digits as it needs; `None` once `stop` is set.
    pub(super) fn exactly(&self, point: &[Ratio; 2], stop: &Stop) -> Option<End> {
        let mut scratch = Fixed::zero(self.limbs());
        let limit = self.limit();
        let (mut end, mut derivative, mut before) = (None, self.derivative(), Wide::ZERO);
        let mut cycle = Cycle::default();
        self.iterate(point, |n, parts| {
            if n > 0 {
                derivative.step(before);
            }
            let [x, y] = parts.map(|part| part.double(&mut scratch));
            before = Wide::of(x, y);
            let z = before.plain();
            let escaped = self.excess(parts, z).map_or(norm(z) > limit, |excess| excess.z[0].high > 0.0);
            if n > 0 && escaped {
                end = Some(derivative.end(n, z));
            } else if cycle.closes(before).is_some() {
                end = Some(End::interior(n));
            }
            end.is_some() || n % STOP_INTERVAL == 0 && stop.is_set()
        });
        if end.is_none() && stop.is_set() {
            return None;
        }
        Some(end.unwrap_or_else(|| End::interior(self.max())))
    }

    /// The sample at an offset, divided by 2^[`Perturbed::exponent`], from the view's centre; `None` once `stop` is set.
    pub(super) fn sample(&self, offset: [Double; 2], stop: &Stop) -> Option<End> {
        let [first, critical] = self.references.get()?;
        let limit = self.limit();
        let is_unsure = |norm: f64| (norm - limit).abs() <= UNSURE * limit;
        let mut reference = first;
        let offset = Wide { z: offset, exponent: self.exponent }.normalised();
        let (mut wide, c) = if self.julia.is_some() { (offset, Wide::ZERO) } else { (Wide::ZERO, offset) };
        let plain_c = c.plain();
        let (mut deep, mut m, mut delta) = (true, 0, [Double::default(); 2]);
        let (mut z, mut derivative) = (reference.wide(0).plus(wide), self.derivative());
        if self.julia.is_some() && (z.is_smaller_than(wide) || first.z.len() == 1) {
            (reference, wide) = (critical, z);
        }
        // Brent: what repeats itself to the last bit never ends.
        let (mut seen, mut renew) = (None, 64);
        for n in 1..=self.max() {
            derivative.step(z);
            let (escaped, rebases);
            if deep {
                let around = reference.wide(m);
                // 2Z + δ
                let factor = Wide { z: around.z, exponent: around.exponent + 1 }.plus(wide);
                wide = factor.times(wide).plus(c);
                m += 1;
                z = reference.wide(m).plus(wide);
                let norm = norm(z.plain());
                let beyond = if is_unsure(norm) { reference.is_beyond(m, wide) } else { None };
                escaped = beyond.unwrap_or(norm > limit || norm.is_nan());
                rebases = reference.is_over(m) || z.is_smaller_than(wide);
                m = reference.next(m);
                if rebases {
                    (wide, m) = (z, 0);
                }
                deep = wide.is_below(DEEP);
                if !deep {
                    delta = wide.plain();
                }
            } else {
                let orbit = &reference.z;
                let [x, y] = orbit[m];
                let factor = [x.scaled(2.0) + delta[0], y.scaled(2.0) + delta[1]];
                let [x, y] = product(factor, delta);
                delta = [x + plain_c[0], y + plain_c[1]];
                m += 1;
                let plain = [orbit[m][0] + delta[0], orbit[m][1] + delta[1]];
                z = Wide { z: plain, exponent: 0 };
                let norm = norm(plain);
                let difference = || Wide { z: delta, exponent: 0 }.normalised();
                let beyond = if is_unsure(norm) { reference.is_beyond(m, difference()) } else { None };
                escaped = beyond.unwrap_or(norm > limit || norm.is_nan());
                rebases = reference.is_over(m) || largest(plain) < largest(delta);
                m = reference.next(m);
                if rebases {
                    (delta, m) = (plain, 0);
                }
                deep = largest(delta) < two_to(DEEP);
                if deep {
                    wide = Wide { z: delta, exponent: 0 }.normalised();
                }
            }
            if escaped {
                return Some(derivative.end(n, z.plain()));
            }
            if rebases && self.julia.is_some() {
                (reference, seen) = (critical, seen.filter(|_| std::ptr::eq(reference, critical)));
            }
            let state = State { m, deep, delta, wide };
            if seen.is_some_and(|seen: State| seen.m == m && seen.is_again(state)) {
                return Some(End::interior(n));
            }
            if n == renew {
                (seen, renew) = (Some(state), 2 * renew);
            }
            if n % STOP_INTERVAL == 0 && stop.is_set() {
                return None;
            }
        }
        Some(End::interior(self.max()))
    }

    /// The derivative of the first iterate.
    fn derivative(&self) -> Derivative {
        if self.julia.is_some() {
            Derivative { d: [1.0, 0.0], exponent: 0, own: 0.0 }
        } else {
            Derivative { d: [0.0; 2], exponent: 0, own: 1.0 }
        }
    }
}

impl State {
    #[inline(always)]
    fn is_again(self, other: Self) -> bool {
        self.deep == other.deep && if self.deep { self.wide == other.wide } else { self.delta == other.delta }
    }
}

fn of_0() -> Ratio {
    Ratio { num: IBig::ZERO, den: UBig::ONE }
}

impl End {
    fn interior(executed: u64) -> Self {
        Self { count: None, executed, z: [0.0; 2], derivative: [0.0; 2], exponent: 0 }
    }
}

/// ∂z/∂c, or ∂z/∂z₀, in 64-bit numbers with an exponent of its own.
#[derive(Clone, Copy, Debug)]
struct Derivative {
    d: [f64; 2],
    exponent: i64,
    /// What an iteration adds: 1 for c, 0 for z₀.
    own: f64,
}

impl Derivative {
    /// The derivative of the next iterate after z: 2·z·d, and 1 for c.
    #[inline(always)]
    fn step(&mut self, z: Wide) {
        let ([x, y], [a, b]) = (z.z.map(|part| part.high), self.d);
        let [a, b] = [2.0 * (x * a - y * b), 2.0 * (x * b + y * a)];
        if self.exponent == 0 && z.exponent == 0 {
            self.d = [a + self.own, b];
        } else {
            let exponent = self.exponent + z.exponent;
            let kept = if self.own > 0.0 { exponent.max(0) } else { exponent };
            let scale = two_to(exponent - kept);
            (self.d, self.exponent) = ([a * scale + self.own * two_to(-kept), b * scale], kept);
            if self.d == [0.0; 2] {
                self.exponent = 0;
            }
        }
        let size = self.d[0].abs().max(self.d[1].abs());
        let small = size < 1e-90 && if self.own > 0.0 { self.exponent > 0 } else { size > 0.0 };
        if size > 1e90 || small {
            let shift = exponent_of(size);
            let shift = if self.own > 0.0 { shift.max(-self.exponent) } else { shift };
            (self.d, self.exponent) = (self.d.map(|part| part * two_to(-shift)), self.exponent + shift);
        }
    }

    fn end(&self, n: u64, z: [Double; 2]) -> End {
        let z = z.map(|part| part.high);
        End { count: Some(n), executed: n, z, derivative: self.d, exponent: self.exponent }
    }
}

/// Makes room for as many iterates again; whether there is memory for them, while both are there.
fn has_room(orbit: &mut Vec<[Double; 2]>) -> bool {
    let more = orbit.len().max(1 << 10);
    let bytes = ((orbit.len() + 2 * more) * size_of::<[Double; 2]>()) as u64;
    let fits = bytes <= SURE_BYTES || available().is_none_or(|available| available >= bytes);
    fits && orbit.try_reserve(more).is_ok()
}
