//! Numbers of 320 bits after the point and 192 before it, of a fixed size: with them every formula can be iterated far beyond what a
//! view in 64-bit numbers can show.

use crate::formula::Number;
use crate::number::{Ratio, ldexp};
use std::ops::{Add, Mul, Sub};

/// What an orbit is made of.
pub(super) trait Real: Number + PartialEq {
    /// Near the number, to a few units of the last place.
    fn to_f64(self) -> f64;
}

/// Limbs of a number.
const LIMBS: usize = 8;
/// Those after the point; the others hold up to |z|⁸ of the first escaped iterate.
const AFTER: usize = 5;

/// Two's complement, from the last place up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wide([u64; LIMBS]);

impl Wide {
    /// A number's largest multiple of the last place that is not above it; its absolute value must be below 2¹⁹¹.
    pub(super) fn of(value: &Ratio) -> Self {
        let mut limbs = [0; LIMBS];
        value.floor_limbs(64 * AFTER as i64, &mut limbs);
        Self(limbs)
    }

    fn is_negative(self) -> bool {
        self.0[LIMBS - 1] >> 63 == 1
    }

    fn negated(self) -> Self {
        Self([0; LIMBS]) - self
    }
}

impl Add for Wide {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            (*limb, carry) = limb.carrying_add(other, carry);
        }
        self
    }
}

impl Sub for Wide {
    type Output = Self;
    fn sub(mut self, other: Self) -> Self {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            (*limb, borrow) = limb.borrowing_sub(other, borrow);
        }
        self
    }
}

impl Mul for Wide {
    type Output = Self;
    #[inline(never)]
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.abs().0, other.abs().0);
        let mut product = [0; 2 * LIMBS];
        for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != 0) {
            let mut carry = 0;
            for (b, sum) in b.iter().zip(&mut product[i..]) {
                (*sum, carry) = a.carrying_mul_add(*b, *sum, carry);
            }
            product[i + LIMBS] = carry;
        }
        let mut limbs = [0; LIMBS];
        limbs.copy_from_slice(&product[AFTER..AFTER + LIMBS]);
        if self.is_negative() == other.is_negative() { Self(limbs) } else { Self(limbs).negated() }
    }
}

impl Number for Wide {
    fn constant(self, value: f64) -> Self {
        // Constants of formulas are small multiples of ½.
        let doubled = (2.0 * value) as i64;
        Self::of(&Ratio { num: doubled.into(), den: 2u8.into() })
    }
    fn mul_add(self, b: Self, c: Self) -> Self {
        self * b + c
    }
    fn mul_sub(self, b: Self, c: Self) -> Self {
        self * b - c
    }
    fn abs(self) -> Self {
        if self.is_negative() { self.negated() } else { self }
    }
    fn copysign(self, sign: Self) -> Self {
        if sign.is_negative() { self.abs().negated() } else { self.abs() }
    }
}

impl Real for Wide {
    fn to_f64(self) -> f64 {
        let limbs = self.abs().0;
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else { return 0.0 };
        let below = top.checked_sub(1).map_or(0, |at| limbs[at]);
        let leading = u128::from(limbs[top]) << 64 | u128::from(below);
        let magnitude = ldexp(leading, 64 * (top as i64 - 1 - AFTER as i64));
        if self.is_negative() { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::IBig;
    use dashu_int::UBig;
    use dashu_int::ops::UnsignedAbs;
    use proptest::prelude::*;

    fn wide(num: i64, shift: usize) -> Wide {
        Wide::of(&Ratio { num: num.into(), den: UBig::ONE << shift })
    }

    proptest! {
        #[test]
        fn operations_are_those_of_fractions(a in any::<i64>(), b in any::<i64>()) {
            // Exact: 2⁻¹⁵⁰ each, products of 2⁻³⁰⁰.
            let (x, y) = (wide(a, 150), wide(b, 150));
            let sum = |num: IBig, shift: usize| Wide::of(&Ratio { num, den: UBig::ONE << shift });
            let (a, b) = (IBig::from(a), IBig::from(b));
            prop_assert_eq!(x + y, sum(&a + &b, 150));
            prop_assert_eq!(x - y, sum(&a - &b, 150));
            prop_assert_eq!(x * y, sum(&a * &b, 300));
            let magnitude = IBig::from((&a).unsigned_abs());
            prop_assert_eq!(x.abs(), sum(magnitude.clone(), 150));
            let signed = if b < IBig::ZERO { -magnitude } else { magnitude };
            prop_assert_eq!(x.copysign(y), sum(signed, 150));
            prop_assert_eq!(x.to_f64(), Ratio { num: a, den: UBig::ONE << 150 }.to_f64());
        }
    }

    #[test]
    fn constants_and_large_numbers_are_held() {
        for value in [0.0, 1.0, -1.0, 0.5, -2.0, 8.0] {
            assert_eq!(wide(1, 0).constant(value).to_f64(), value);
        }
        let large = wide(100_000, 0);
        let power = (0..7).fold(large, |power, _| power * large);
        assert_eq!(power.to_f64(), 1e40);
        // A third, which has no last digit, rounds down: also below 0.
        let third = |num: i64| Wide::of(&Ratio { num: num.into(), den: 3u8.into() });
        assert_eq!((third(1).to_f64(), third(-1).to_f64()), (1.0 / 3.0, -1.0 / 3.0));
    }
}
