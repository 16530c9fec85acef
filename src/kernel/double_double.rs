//! Numbers of 106 bits as unevaluated sums of two `f64`, in one lane or in many.
//!
//! The algorithms are those that M. Joldes, J.-M. Muller and V. Popescu analyse in "Tight and rigorous error bounds for basic building
//! blocks of double-word arithmetic" (2017), with fused multiply-adds. With u = 2⁻⁵³, a sum is off by at most 3u² of its value (and a
//! little), a product by 4u². The exponents are those of `f64`: what is below 2⁻⁹⁶⁹ loses bits of its low part.
//!
//! It is a [`Number`], so that every formula can be iterated with it.

use crate::formula::Number;
use fearless_simd::Level;
use fearless_simd::prelude::*;
use std::ops::{Add, Mul, Sub};

/// `high + low`, where `high` is the sum rounded to `f64`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DoubleDouble<L> {
    pub(super) high: L,
    pub(super) low: L,
}

impl<L: Number> DoubleDouble<L> {
    /// A number without a low part.
    #[inline(always)]
    pub(super) fn of(high: L) -> Self {
        Self { high, low: high.constant(0.0) }
    }

    /// The exact sum of two numbers (Knuth's 2Sum).
    #[inline(always)]
    pub(super) fn sum(a: L, b: L) -> Self {
        let high = a + b;
        let a_of_high = high - b;
        let b_of_high = high - a_of_high;
        Self { high, low: (a - a_of_high) + (b - b_of_high) }
    }

    /// The exact sum where |a| ≥ |b|, or a = 0 (Dekker's Fast2Sum).
    #[inline(always)]
    pub(super) fn ordered_sum(a: L, b: L) -> Self {
        let high = a + b;
        Self { high, low: b - (high - a) }
    }

    /// The exact product of two numbers, unless its low part underflows.
    #[inline(always)]
    pub(super) fn product(a: L, b: L) -> Self {
        let high = a * b;
        Self { high, low: a.mul_sub(b, high) }
    }

    /// Times a power of two: exact, unless it underflows.
    #[inline(always)]
    pub(super) fn scaled(self, power_of_two: L) -> Self {
        Self { high: self.high * power_of_two, low: self.low * power_of_two }
    }

    /// Plus a number that has no low part.
    #[inline(always)]
    pub(super) fn plus(self, term: L) -> Self {
        let Self { high, low } = Self::sum(self.high, term);
        Self::ordered_sum(high, low + self.low)
    }

    /// Both parts times a sign.
    #[inline(always)]
    fn signed(self, sign: L) -> Self {
        self.scaled(sign)
    }
}

impl<L: Number> Add for DoubleDouble<L> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // The variant without the second sum is wrong by any factor where the high parts cancel.
        let (high, low) = (Self::sum(self.high, other.high), Self::sum(self.low, other.low));
        let sum = Self::ordered_sum(high.high, high.low + low.high);
        Self::ordered_sum(sum.high, low.low + sum.low)
    }
}

impl<L: Number> Sub for DoubleDouble<L> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + other.signed(other.high.constant(-1.0))
    }
}

impl<L: Number> Mul for DoubleDouble<L> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let Self { high, low } = Self::product(self.high, other.high);
        let cross = self.low.mul_add(other.high, self.high.mul_add(other.low, self.low * other.low));
        Self::ordered_sum(high, low + cross)
    }
}

impl<L: Number> Number for DoubleDouble<L> {
    const UNIFIED_PORTS: bool = L::UNIFIED_PORTS;

    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Self::of(self.high.constant(value))
    }
    /// Rounded twice, both times far below an `f64`'s last place.
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        self * b + c
    }
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        self * b - c
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.signed(self.high.constant(1.0).copysign(self.high))
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.abs().signed(self.high.constant(1.0).copysign(sign.high))
    }
}

/// A number as its high part: a plain one, or a double-double.
pub(super) trait HighPart<L>: Copy {
    /// The number without a low part.
    fn of(high: L) -> Self;

    /// The number rounded to one without a low part.
    fn high(self) -> L;
}

impl<L: Number> HighPart<L> for L {
    #[inline(always)]
    fn of(high: L) -> Self {
        high
    }
    #[inline(always)]
    fn high(self) -> L {
        self
    }
}

impl<L: Number> HighPart<L> for DoubleDouble<L> {
    #[inline(always)]
    fn of(high: L) -> Self {
        DoubleDouble::of(high)
    }
    #[inline(always)]
    fn high(self) -> L {
        self.high
    }
}

impl From<[f64; 2]> for DoubleDouble<f64> {
    /// From its high and its low part.
    fn from([high, low]: [f64; 2]) -> Self {
        Self { high, low }
    }
}

/// Runs something with fused multiply-adds as instructions, where there are any: without them each is a call of a function.
#[inline(always)]
pub(super) fn fused<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(simd) = Level::new().as_avx2() {
        return simd.vectorize(run);
    }
    let _ = Level::new();
    run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{Lanes, Vector};
    use crate::number::Ratio;
    use dashu_int::ops::UnsignedAbs;
    use dashu_int::{IBig, UBig};
    use fearless_simd::{Level, Simd, dispatch};
    use proptest::prelude::*;

    type Double = DoubleDouble<f64>;

    /// Numbers are multiples of 2⁻ᵇⁱᵗˢ here.
    const BITS: i64 = 400;

    fn exact(number: Double) -> IBig {
        [number.high, number.low].into_iter().fold(IBig::ZERO, |sum, part| {
            let bits = part.to_bits();
            let mantissa = IBig::from(bits & ((1 << 52) - 1) | 1 << 52);
            let shift = (bits >> 52 & 0x7ff) as i64 - 1075 + BITS;
            if part == 0.0 {
                return sum;
            }
            let value = mantissa << usize::try_from(shift).expect("a number that is not too small");
            if part < 0.0 { sum - value } else { sum + value }
        })
    }

    /// Two numbers near 2^`exponent`, made of random words, where the second may nearly cancel the first.
    fn number([a, b]: [u64; 2], exponent: i32) -> Double {
        let part = |bits: u64| (bits >> 11) as f64 * 2_f64.powi(exponent - 53);
        let sign = if a & 1 == 0 { 1.0 } else { -1.0 };
        Double::sum(sign * (part(a) + 2_f64.powi(exponent - 60)), part(b) * 2_f64.powi(-54))
    }

    /// Whether a result is off by at most `squares`·u² of its exact value, which is a multiple of 2^−(`bits`).
    fn near(result: Double, value: &IBig, bits: i64, squares: f64) -> bool {
        let scaled = exact(result) << (bits - BITS) as usize;
        let (error, value) = ((scaled - value).unsigned_abs(), value.unsigned_abs());
        let share = Ratio { num: error.into(), den: value.max(UBig::ONE) }.to_f64();
        share <= squares * 2_f64.powi(-106) && result.high == result.high + result.low
    }

    proptest! {
        #[test]
        fn operations_are_as_accurate_as_stated(
            a in any::<[u64; 2]>(), b in any::<[u64; 2]>(), apart in -70_i32..70, cancels in any::<bool>()
        ) {
            let a = number(a, 3);
            let b = number(b, if cancels { 3 } else { 3 + apart });
            let b = if cancels { Double::sum(-a.high, b.low) } else { b };
            let (x, y) = (exact(a), exact(b));
            prop_assert!(near(a + b, &(&x + &y), BITS, 3.01), "{a:?} + {b:?}");
            prop_assert!(near(a - b, &(&x - &y), BITS, 3.01), "{a:?} - {b:?}");
            prop_assert!(near(a * b, &(&x * &y), 2 * BITS, 5.01), "{a:?} * {b:?}");
            let plain = exact(Double::of(b.high));
            prop_assert!(near(a.plus(b.high), &(&x + &plain), BITS, 2.01), "{a:?} + {:?}", b.high);
            prop_assert!(exact(a.scaled(8.0)) == &x * 8);
            let magnitude = IBig::from((&x).unsigned_abs());
            let signed = |sign: f64| if sign.is_sign_negative() { -magnitude.clone() } else { magnitude.clone() };
            prop_assert!(exact(a.abs()) == magnitude && exact(a.copysign(b)) == signed(b.high));
        }
    }

    #[test]
    fn what_f64_loses_is_kept() {
        let one = Double::of(1.0);
        let tiny = Double::of(2_f64.powi(-100));
        let sum = one + tiny;
        assert_eq!((sum.high, sum.low), (1.0, 2_f64.powi(-100)));
        assert_eq!((sum - one).high, 2_f64.powi(-100));
        // (1 + 2⁻¹⁰⁰)² = 1 + 2⁻⁹⁹ + 2⁻²⁰⁰, of which the last is lost.
        assert_eq!(sum * sum, Double::from([1.0, 2_f64.powi(-99)]));
    }

    #[test]
    fn vectors_have_the_bits_of_single_numbers() {
        #[inline(always)]
        fn lanes<S: Simd>(simd: S) {
            let numbers = [0.1, -0.7, 1.0 / 3.0, 2e-9, 5.5, -1e20, 3.25, 1.0];
            let single = |l: usize| {
                let (a, b) = (Double::sum(numbers[l], 1e-17), Double::sum(numbers[7 - l], -3e-18));
                a.mul_add(b, a) - (b * b * Double::of(numbers[l])).copysign(a)
            };
            let load = |numbers: &[f64]| Vector::<S>::load(simd, numbers);
            let backwards: Vec<f64> = numbers.iter().rev().copied().collect();
            let (a, b) = (load(&numbers), load(&backwards));
            let (x, y) = (DoubleDouble::sum(a, a.constant(1e-17)), DoubleDouble::sum(b, b.constant(-3e-18)));
            let all = x.mul_add(y, x) - (y * y * DoubleDouble::of(a)).copysign(x);
            let mut stored = [[0.0; 8]; 2];
            all.high.store(&mut stored[0]);
            all.low.div(all.low.constant(1.0)).store(&mut stored[1]);
            let [highs, lows] = stored;
            for (l, (high, low)) in highs.into_iter().zip(lows).enumerate().take(Vector::<S>::LEN) {
                assert_eq!([high, low], [single(l).high, single(l).low], "lane {l}");
            }
        }
        dispatch!(Level::new(), simd => lanes(simd));
    }
}
