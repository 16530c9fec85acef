//! Fixed-point numbers for what perturbation is checked against: two's complement in 64-bit limbs, the last of which is the whole part.
//!
//! The additions and squares of one orbit are all that is needed, always of one length, so they work in place. Integers give the same
//! bits on every machine.

use crate::kernel::double_double::DoubleDouble;
use crate::number::Ratio;

/// A number as limbs, from the last place up: `limbs`·2^(−64·(length − 1)).
#[derive(Clone, Debug)]
pub(super) struct Fixed(Vec<u64>);

impl Fixed {
    /// A number's largest multiple of the last place that is not above it; its absolute value must be below 2⁶³.
    pub(super) fn of(value: &Ratio, limbs: usize) -> Self {
        let mut number = Self::zero(limbs);
        value.floor_limbs(64 * (limbs as i64 - 1), &mut number.0);
        number
    }

    pub(super) fn zero(limbs: usize) -> Self {
        Self(vec![0; limbs])
    }

    /// Becomes another number of the same length.
    pub(super) fn set(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0);
    }

    pub(super) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            (*limb, carry) = limb.carrying_add(*other, carry);
        }
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            (*limb, borrow) = limb.borrowing_sub(*other, borrow);
        }
    }

    fn is_negative(&self) -> bool {
        self.0.last().is_some_and(|limb| limb >> 63 == 1)
    }

    /// Becomes its absolute value.
    fn make_positive(&mut self) {
        if self.is_negative() {
            let mut carry = true;
            for limb in &mut self.0 {
                (*limb, carry) = (!*limb).carrying_add(0, carry);
            }
        }
    }

    /// Becomes its square, which must be below 2⁶³, less at most as many units of the last place as there are limbs. `wide` has twice
    /// as many limbs.
    pub(super) fn square(&mut self, wide: &mut [u64]) {
        self.make_positive();
        let x = &mut self.0;
        let n = x.len();
        // Columns below this one add less than a unit for each of their products.
        let first = n.saturating_sub(2);
        wide.fill(0);
        for (i, limb) in x.iter().enumerate() {
            let from = (i + 1).max(first.saturating_sub(i));
            let mut carry = 0;
            for (other, sum) in x[from..].iter().zip(&mut wide[i + from..]) {
                (*sum, carry) = limb.carrying_mul_add(*other, *sum, carry);
            }
            wide[i + n] = carry;
        }
        // Each product of two different limbs counts twice, each square of one once.
        let mut shifted_out = 0;
        let mut carry = false;
        for (i, limb) in x.iter().enumerate() {
            let (low, high) = if 2 * i >= first { limb.carrying_mul(*limb, 0) } else { (0, 0) };
            for (at, term) in [(2 * i, low), (2 * i + 1, high)] {
                let doubled = wide[at] << 1 | shifted_out;
                shifted_out = wide[at] >> 63;
                (wide[at], carry) = doubled.carrying_add(term, carry);
            }
        }
        x.copy_from_slice(&wide[n - 1..2 * n - 1]);
    }

    /// The number as m·2^e with m in double-double: 0, or 2⁻⁶⁴ to 1.
    pub(super) fn double(&self, scratch: &mut Self) -> (DoubleDouble<f64>, i64) {
        scratch.set(self);
        scratch.make_positive();
        let limbs = &scratch.0;
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else { return (DoubleDouble::of(0.0), 0) };
        let mut value = DoubleDouble::of(0.0);
        let mut place = if self.is_negative() { -1.0 } else { 1.0 };
        for limb in (0..3).map(|below| top.checked_sub(below).map_or(0, |at| limbs[at])) {
            for half in [limb >> 32, limb & 0xffff_ffff] {
                place *= 1.0 / (1u64 << 32) as f64;
                value = value.plus(place * half as f64);
            }
        }
        (value, 64 * (top as i64 + 2 - limbs.len() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::IBig;
    use dashu_int::UBig;
    use proptest::prelude::*;

    /// num·2^−200.
    fn ratio(num: &IBig) -> Ratio {
        Ratio { num: num.clone(), den: UBig::ONE << 200 }
    }

    fn value(number: &Fixed) -> f64 {
        let (double, exponent) = number.double(&mut number.clone());
        double.high * 2_f64.powi(exponent as i32)
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_big_integers(a in any::<[u64; 3]>(), b in any::<[u64; 3]>(), limbs in 2_usize..9) {
            // Up to 2¹⁹¹, then ±2⁻⁸ and less.
            let [a, b] = [a, b].map(|parts| {
                let magnitude = parts.iter().fold(IBig::ZERO, |sum, &part| (sum << 64) + IBig::from(part));
                if parts[0] % 2 == 1 { -magnitude } else { magnitude }
            });
            let unit = 2_f64.powi(-64 * (limbs as i32 - 1));
            let (mut x, y) = (Fixed::of(&ratio(&a), limbs), Fixed::of(&ratio(&b), limbs));
            let exact = |num: &IBig, den: usize| Ratio { num: num.clone(), den: UBig::ONE << den }.to_f64();
            let near = |number: &Fixed, exact: f64, units: f64| {
                (value(number) - exact).abs() <= units * unit + exact.abs() * 1e-15
            };
            prop_assert!(near(&x, exact(&a, 200), 1.0), "{x:?}");
            x.add(&y);
            prop_assert!(near(&x, exact(&(&a + &b), 200), 2.0), "{x:?}");
            x.subtract(&y);
            prop_assert!(near(&x, exact(&a, 200), 1.0), "{x:?}");
            x.square(&mut vec![0; 2 * limbs]);
            prop_assert!(near(&x, exact(&(&a * &a), 400), limbs as f64 + 2.0), "{x:?} for {a}");
        }
    }

    #[test]
    fn negative_numbers_round_down_and_become_f64_again() {
        for (num, limbs, expected) in
            [(-1, 2, -(2_f64.powi(-64))), (-1, 5, -(2_f64.powi(-200))), (3, 5, 3.0 * 2_f64.powi(-200))]
        {
            assert_eq!(value(&Fixed::of(&ratio(&IBig::from(num)), limbs)), expected, "{num} with {limbs} limbs");
        }
        assert_eq!(value(&Fixed::zero(3)), 0.0);
        let exact = Fixed::of(&Ratio { num: IBig::from(-7), den: UBig::from(4u8) }, 3);
        assert_eq!(value(&exact), -1.75);
        let mut square = exact;
        square.square(&mut [0; 6]);
        assert_eq!(value(&square), 3.0625);
    }

    #[test]
    fn double_double_keeps_what_f64_would_round() {
        // −1.75 − 2⁻⁹⁰.
        let num = -(IBig::from(7) << 88usize) - IBig::ONE;
        let finer = Fixed::of(&Ratio { num, den: UBig::ONE << 90 }, 4);
        let (double, exponent) = finer.double(&mut finer.clone());
        assert_eq!(double.scaled(2_f64.powi(exponent as i32)), DoubleDouble::from([-1.75, -(2_f64.powi(-90))]));
    }
}
