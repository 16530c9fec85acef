//! Complex numbers whose exponent has a range of its own, for what `f64` cannot hold: derivatives and small iterates at depth.
//!
//! Only IEEE operations, none of them fused: the same bits everywhere, and quick where the processor's multiply-add is a function call.

use crate::kernel::double_double::{DoubleDouble, HighPart};
use std::cmp::Ordering;
use std::ops::{Add, Mul, Sub};

/// The exponent of 0: small enough to stay the smallest in any sum of a few exponents.
const ZERO: i32 = -(1 << 28);

/// The largest exponent and, negative, the smallest; numbers beyond are 0 or have this exponent.
const MOST: i32 = 1 << 27;

/// m·2^e, where the larger part of m is in [1, 2); for 0 all parts are 0 and e is [`ZERO`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wide<P = f64> {
    pub(super) m: [P; 2],
    pub(super) e: i32,
}

/// A part of a complex number: an `f64`, or two.
pub(super) trait Part:
    HighPart<f64> + PartialEq + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// Times a power of two.
    fn scaled(self, power: f64) -> Self;

    /// 1 divided by it.
    fn reciprocal(self) -> Self;
}

impl Part for f64 {
    #[inline(always)]
    fn scaled(self, power: f64) -> Self {
        self * power
    }
    #[inline(always)]
    fn reciprocal(self) -> Self {
        1.0 / self
    }
}

impl Part for DoubleDouble<f64> {
    #[inline(always)]
    fn scaled(self, power: f64) -> Self {
        DoubleDouble::scaled(self, power)
    }
    /// By a step of Newton's method from the quotient in `f64`.
    #[inline(always)]
    fn reciprocal(self) -> Self {
        let near = DoubleDouble::of(1.0 / self.high);
        near + near * (DoubleDouble::of(1.0) - self * near)
    }
}

/// The larger part of a complex number, as a positive number m·2^e with m in [1, 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) m: f64,
    pub(super) e: i32,
}

/// 2^e, or 0 and infinity beyond the range of normal numbers.
#[inline(always)]
pub(super) fn power_of_two(e: i32) -> f64 {
    match e {
        ..-1022 => 0.0,
        1024.. => f64::INFINITY,
        _ => f64::from_bits(((e + 1023) as u64) << 52),
    }
}

/// The larger of two numbers, without care for NaN.
#[inline(always)]
pub(super) fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The larger part of a complex number.
#[inline(always)]
pub(super) fn largest([x, y]: [f64; 2]) -> f64 {
    larger(x.abs(), y.abs())
}

#[inline(always)]
fn product<P: Part>([a, b]: [P; 2], [c, d]: [P; 2]) -> [P; 2] {
    [a * c - b * d, a * d + b * c]
}

impl<P: Part> Wide<P> {
    /// 0 and 1.
    pub(super) fn zero() -> Self {
        Self { m: [P::of(0.0); 2], e: ZERO }
    }

    pub(super) fn one() -> Self {
        Self { m: [P::of(1.0), P::of(0.0)], e: 0 }
    }

    /// m·2^e, whose parts are 0 or normal numbers.
    #[inline(always)]
    pub(super) fn new(m: [P; 2], e: i32) -> Self {
        let size = largest([m[0].high(), m[1].high()]);
        if size == 0.0 {
            return Self::zero();
        }
        let k = ((size.to_bits() >> 52) as i32) - 1023;
        if e + k < -MOST {
            return Self::zero();
        }
        let e = (e + k).min(MOST);
        if k < 1023 {
            let scale = f64::from_bits(((1023 - k) as u64) << 52);
            return Self { m: [m[0].scaled(scale), m[1].scaled(scale)], e };
        }
        // 2^−1023 is no normal number.
        let (half, rest) = (power_of_two(-(k / 2)), power_of_two(k / 2 - k));
        Self { m: [m[0].scaled(half).scaled(rest), m[1].scaled(half).scaled(rest)], e }
    }

    pub(super) fn is_zero(self) -> bool {
        self.e == ZERO
    }

    /// 2^k times: exactly.
    #[inline(always)]
    pub(super) fn shifted(self, k: i32) -> Self {
        Self { m: self.m, e: if self.is_zero() { ZERO } else { self.e + k } }
    }

    /// Its negative.
    pub(super) fn negated(self) -> Self {
        Self { m: self.m.map(|part| part.scaled(-1.0)), e: self.e }
    }

    /// 1 divided by it; 0 for 0.
    #[inline(always)]
    pub(super) fn inverse(self) -> Self {
        let Self { m, e } = self.loose_inverse();
        Self::new(m, e)
    }

    /// A product, a sum and an inverse whose larger part may be outside [1, 2): for terms of a product or a sum that brings it back, with
    /// the same bits. Bringing back each of them took half of the time of tables.
    #[inline(always)]
    pub(super) fn loose_product(self, other: Self) -> Self {
        Self { m: product(self.m, other.m), e: self.e + other.e }
    }

    #[inline(always)]
    pub(super) fn loose_sum(self, other: Self) -> Self {
        let e = self.e.max(other.e);
        let (s, t) = (power_of_two(self.e - e), power_of_two(other.e - e));
        let x = self.m[0].scaled(s) + other.m[0].scaled(t);
        Self { m: [x, self.m[1].scaled(s) + other.m[1].scaled(t)], e }
    }

    #[inline(always)]
    pub(super) fn loose_inverse(self) -> Self {
        let [x, y] = self.m;
        let norm = x * x + y * y;
        if norm.high() == 0.0 {
            return Self::zero();
        }
        let per_norm = norm.reciprocal();
        Self { m: [x * per_norm, y.scaled(-1.0) * per_norm], e: -self.e }
    }

    /// The same in 64-bit numbers.
    #[inline(always)]
    pub(super) fn high(self) -> Wide {
        Wide { m: [self.m[0].high(), self.m[1].high()], e: self.e }
    }

    /// Its nearest number in `f64`: 0 or infinite beyond that range.
    #[inline(always)]
    pub(super) fn to_f64(self) -> [f64; 2] {
        let (scale, [x, y]) = (power_of_two(self.e), self.high().m);
        [if x == 0.0 { 0.0 } else { x * scale }, if y == 0.0 { 0.0 } else { y * scale }]
    }

    /// Its absolute value in `f64`.
    pub(super) fn modulus(self) -> f64 {
        let [x, y] = self.to_f64();
        (x * x + y * y).sqrt()
    }

    pub(super) fn size(self) -> Size {
        Size { m: largest(self.high().m), e: self.e }
    }
}

impl<P: Part> Add for Wide<P> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let Self { m, e } = self.loose_sum(other);
        Self::new(m, e)
    }
}

impl<P: Part> Mul for Wide<P> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let Self { m, e } = self.loose_product(other);
        Self::new(m, e)
    }
}

impl Size {
    /// Larger than every number that occurs.
    pub(super) const INFINITE: Self = Self { m: 1.0, e: -ZERO };
    /// Smaller than every number that occurs.
    pub(super) const NONE: Self = Self { m: 0.0, e: 2 * ZERO };

    pub(super) fn of(value: f64) -> Self {
        if value > 0.0 { Wide::new([value, 0.0], 0).size() } else { Self::NONE }
    }

    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        let m = self.m * other.m;
        let over = i32::from(m >= 2.0);
        Self { m: if m >= 2.0 { 0.5 * m } else { m }, e: self.e.max(ZERO) + other.e.max(ZERO) + over }
    }

    /// `self` / `other`; infinite where `other` is 0.
    #[inline(always)]
    pub(super) fn over(self, other: Self) -> Self {
        if other.m == 0.0 {
            return Self::INFINITE;
        }
        let m = self.m / other.m;
        let under = i32::from(m < 1.0);
        Self { m: if m < 1.0 { m + m } else { m }, e: self.e - other.e - under }
    }

    #[inline(always)]
    pub(super) fn is_below(self, other: Self) -> bool {
        self.e.cmp(&other.e).then(self.m.partial_cmp(&other.m).unwrap_or(Ordering::Equal)) == Ordering::Less
    }

    #[inline(always)]
    pub(super) fn min(self, other: Self) -> Self {
        if other.is_below(self) { other } else { self }
    }

    /// Times 2^k, in `f64`: 0 or infinite beyond that range.
    pub(super) fn to_f64(self, k: i32) -> f64 {
        self.m * power_of_two(self.e.saturating_add(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_goes_beyond_f64() {
        let tiny: Wide = Wide::new([3.0, -4.0], -5000);
        assert_eq!((tiny.m, tiny.e), ([0.75, -1.0], -4998));
        let square = tiny * tiny;
        assert_eq!((square.m, square.e), ([-7.0 / 16.0, -1.5], -9996));
        assert_eq!(tiny + Wide::one(), Wide::one());
        assert_eq!(tiny * Wide::zero(), Wide::zero());
        assert_eq!(Wide::zero() + tiny, tiny);
        let third = Wide::new([DoubleDouble::of(3.0), DoubleDouble::of(0.0)], 2000).inverse();
        let one = third * Wide::new([DoubleDouble::of(3.0), DoubleDouble::of(0.0)], 2000);
        assert!(((one.m[0] - DoubleDouble::of(1.0)).high).abs() < 1e-30 && one.e == 0 || one.e == -1, "{one:?}");
        let back = tiny.inverse() * tiny;
        assert!((back.to_f64()[0] - 1.0).abs() < 1e-15 && back.to_f64()[1].abs() < 1e-15, "{back:?}");
        assert_eq!(tiny.to_f64(), [0.0, 0.0]);
        assert_eq!(tiny.shifted(5000).to_f64(), [3.0, -4.0]);
        assert_eq!(Wide::new([f64::MIN_POSITIVE, 0.0], 0), Wide { m: [1.0, 0.0], e: -1022 });
        assert_eq!(Wide::new([0.0, f64::MAX], 0).e, 1023);
    }

    #[test]
    fn sizes_are_ordered_and_multiplied() {
        let [a, b] = [Size::of(3.0), Size::of(0.25)];
        assert!(b.is_below(a) && !a.is_below(a) && Size::NONE.is_below(b) && a.is_below(Size::INFINITE));
        assert_eq!(a.times(a).to_f64(0), 9.0);
        assert_eq!(b.over(a).to_f64(4), 4.0 / 3.0);
        assert_eq!(a.over(Size::of(0.0)), Size::INFINITE);
        assert_eq!((a.min(b), Size::of(-1.0)), (b, Size::NONE));
        assert!(Size::NONE.times(a).is_below(Wide::<f64>::one().size()) && Size::NONE.over(b).is_below(a));
        assert_eq!(Wide::<f64>::zero().size().to_f64(0), 0.0);
    }
}
