//! Rounds exact values to the nearest `f64`, ties to even: the one place where an exact number loses digits.

use dashu_int::ops::{BitTest, DivRem, UnsignedAbs};
use dashu_int::{IBig, Sign, UBig};

/// An exact rational number; the denominator is positive, the fraction need not be in lowest terms.
#[derive(Clone, Debug)]
pub struct Ratio {
    /// Numerator.
    pub num: IBig,
    /// Denominator, at least 1.
    pub den: UBig,
}

impl Ratio {
    /// The nearest `f64`, ties to even. Values that are too large become infinite; zero has no sign.
    pub fn to_f64(&self) -> f64 {
        let (quotient, exponent) = self.leading_bits();
        let sign = self.num.sign();
        let value = round_big(&quotient, exponent);
        if sign == Sign::Negative { 0.0 - value } else { value }
    }

    /// The nearest `f64`, and the nearest to what that leaves.
    pub(crate) fn two_parts(&self) -> [f64; 2] {
        let high = self.to_f64();
        let rest = Self::from_f64(high);
        [high, self.plus(&Self { num: -rest.num, den: rest.den }).to_f64()]
    }

    /// A finite `f64`, exactly.
    pub(crate) fn from_f64(value: f64) -> Self {
        let bits = value.to_bits();
        let biased = (bits >> 52 & 0x7ff) as i64;
        let mantissa = IBig::from(bits & ((1 << 52) - 1) | if biased > 0 { 1 << 52 } else { 0 });
        let num = if value < 0.0 { -mantissa } else { mantissa };
        let shift = biased.max(1) - 1075;
        let bits = shift.unsigned_abs() as usize;
        if shift >= 0 { Self { num: num << bits, den: UBig::ONE } } else { Self { num, den: UBig::ONE << bits } }
    }

    /// The sum.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let num = &self.num * IBig::from(other.den.clone()) + &other.num * IBig::from(self.den.clone());
        Self { num, den: &self.den * &other.den }
    }

    /// The binary logarithm of the absolute value, accurate to a few units of the 15th digit however small the value; minus infinity
    /// for 0.
    pub fn log2(&self) -> f64 {
        let (quotient, exponent) = self.leading_bits();
        round_big(&quotient, 0).log2() + exponent as f64
    }

    /// The largest integer k with 2ᵏ ≤ |value|; `None` for 0. Integer arithmetic only, hence the same on every machine.
    pub fn floor_log2(&self) -> Option<i64> {
        let (quotient, exponent) = self.leading_bits();
        (!quotient.is_zero()).then(|| quotient.bit_len() as i64 - 1 + exponent)
    }

    /// Whether the value is 0.
    pub fn is_zero(&self) -> bool {
        self.num.is_zero()
    }

    /// |value| = quotient·2^exponent with at least 65 bits of quotient, whose last bit is also set when digits were cut off, so that
    /// it rounds like the exact value.
    fn leading_bits(&self) -> (UBig, i64) {
        let num = (&self.num).unsigned_abs();
        let shift = 66 + self.den.bit_len() as i64 - num.bit_len() as i64;
        let (quotient, remainder) = if shift >= 0 {
            (num << shift as usize).div_rem(&self.den)
        } else {
            num.div_rem(&self.den << (-shift) as usize)
        };
        ((quotient << 1) + UBig::from(u8::from(!remainder.is_zero())), -shift - 1)
    }

    /// The largest integer n with n·2^-bits ≤ value, and whether it is equal.
    pub fn floor_scaled(&self, bits: i64) -> (IBig, bool) {
        use dashu_int::ops::DivRemEuclid;
        let den = IBig::from(self.den.clone());
        let (quotient, remainder) = if bits >= 0 {
            (&self.num << bits as usize).div_rem_euclid(den)
        } else {
            (&self.num).div_rem_euclid(den << (-bits) as usize)
        };
        (quotient, remainder.is_zero())
    }

    /// The largest integer n with n·2^-bits ≤ value, in two's complement, from the last place up; `limbs` must have room for it.
    pub(crate) fn floor_limbs(&self, bits: i64, limbs: &mut [u64]) {
        let (floor, _) = self.floor_scaled(bits);
        let negative = floor < IBig::ZERO;
        // −n − 1 is the complement of n.
        let magnitude = if negative { (-floor - IBig::ONE).unsigned_abs() } else { floor.unsigned_abs() };
        let mut bytes = magnitude.to_le_bytes().into_vec();
        bytes.resize(8 * limbs.len(), 0);
        for (limb, &bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
            let whole = u64::from_le_bytes(bytes);
            *limb = if negative { !whole } else { whole };
        }
    }
}

/// value·2^exponent as the nearest `f64`, ties to even.
fn round_big(value: &UBig, exponent: i64) -> f64 {
    let excess = value.bit_len().saturating_sub(127);
    let cut = value.trailing_zeros().is_some_and(|zeros| zeros < excess);
    let top = u128::try_from(value >> excess).expect("127 bits fit 128");
    ldexp(top << 1 | u128::from(cut), exponent + excess as i64 - 1)
}

/// value·2^exponent as the nearest `f64`, ties to even; infinite when too large.
pub(crate) fn ldexp(value: u128, exponent: i64) -> f64 {
    const MANTISSA: i64 = f64::MANTISSA_DIGITS as i64;
    /// The exponent of the last place of the smallest numbers.
    const LAST: i64 = f64::MIN_EXP as i64 - MANTISSA;
    let bits = i64::from(128 - value.leading_zeros());
    if bits == 0 || bits + exponent < LAST {
        return 0.0;
    }
    // Digits below the last place of the result, at least 0.
    let below = (bits - MANTISSA).max(LAST - exponent).max(0);
    let (mut kept, place) = if below > 127 { (0, exponent + below) } else { (value >> below, exponent + below) };
    if below > 0 {
        let half = 1u128 << (below - 1).min(127);
        let rest = if below > 127 { value } else { value & ((1u128 << below) - 1) };
        kept += u128::from(rest > half || (rest == half && kept & 1 == 1));
    }
    // Exact from here on: at most 53 bits, times a power of two as two factors that are both normal numbers.
    if place + 64 - i64::from((kept as u64).leading_zeros()) > i64::from(f64::MAX_EXP) {
        return f64::INFINITY;
    }
    let half = place / 2;
    kept as u64 as f64 * power_of_two(half) * power_of_two(place - half)
}

/// The nearest `f64` of all values from low·2^exponent to high·2^exponent, if they have the same: as [`ldexp`] of both, in a third of
/// the time where these are normal numbers of one length and neither lies halfway between two.
pub(crate) fn ldexp_of_all(low: u128, high: u128, exponent: i64) -> Option<f64> {
    let below = i64::from(128 - low.leading_zeros()) - i64::from(f64::MANTISSA_DIGITS);
    let place = exponent + below;
    // Far from the ends of all ranges: rounding may add a binary place.
    if below > 0
        && (-1000..900).contains(&place)
        && low.leading_zeros() > 0
        && low.leading_zeros() == high.leading_zeros()
    {
        let half = 1u128 << (below - 1);
        // Not with `map` over both ends: that is a call for each, and a picture's coordinates took twice as long.
        let (first, last, cut) = ((low + half) >> below, (high + half) >> below, 2 * half - 1);
        if low & cut != half && high & cut != half {
            return (first == last).then(|| first as u64 as f64 * power_of_two(place));
        }
    }
    let (low, high) = (ldexp(low, exponent), ldexp(high, exponent));
    (low == high).then_some(low)
}

/// 2^exponent for exponents of normal numbers.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(num: i64, den: u64) -> f64 {
        Ratio { num: num.into(), den: den.into() }.to_f64()
    }

    #[test]
    fn small_fractions_are_the_quotients_of_the_processor() {
        for num in -200..200 {
            for den in 1..60u64 {
                assert_eq!(ratio(num, den), num as f64 / den as f64, "{num}/{den}");
            }
        }
        assert!(ratio(0, 7).is_sign_positive());
    }

    #[test]
    fn ldexp_agrees_with_the_processor_over_all_exponents() {
        for exponent in -1080..1000 {
            let expected = 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2);
            assert_eq!(ldexp(1, exponent.into()), expected, "2^{exponent}");
            assert_eq!(ldexp(1 << 100, i64::from(exponent) - 100), expected, "2^{exponent}");
        }
        assert_eq!(ldexp(u128::MAX, 896), f64::INFINITY);
        assert_eq!(ldexp((1 << 53) - 1, 971), f64::MAX);
        assert_eq!(ldexp((1 << 54) - 1, 970), f64::INFINITY);
    }

    #[test]
    fn ties_go_to_even_and_one_more_digit_breaks_them() {
        let one: u128 = 1 << 60;
        let half_place: u128 = 1 << 7;
        assert_eq!(ldexp(one + half_place, -60), 1.0);
        assert_eq!(ldexp(one + half_place + 1, -60), 1.0 + f64::EPSILON);
        assert_eq!(ldexp(one + 3 * half_place, -60), 1.0 + 2.0 * f64::EPSILON);
        // The same, halfway to the smallest number above 0.
        assert_eq!(ldexp(1, -1075), 0.0);
        assert_eq!(ldexp((1 << 80) + 1, -1155), f64::from_bits(1));
        assert_eq!(ldexp(3, -1075), f64::from_bits(2));
    }

    #[test]
    fn values_that_round_alike_are_found() {
        let near = |end: u128| [0, end >> 54, end >> 53, end - end / 4].map(|more| end + more);
        let ends = [0, 1, 4, 52, 53, 54, 60, 64, 100].map(|bits| 1u128 << bits);
        for low in ends.into_iter().flat_map(near).flat_map(|end| end - 1..end + 2) {
            for width in [0, 1, 2, 9, 64, 127, 128, 300, low >> 54, low >> 53, low / 2, 3 * low] {
                for exponent in [-1150, -1080, -1000, -90, 0, 700, 890, 960] {
                    let (first, last) = (ldexp(low, exponent), ldexp(low + width, exponent));
                    let expected = (first == last).then_some(first);
                    assert_eq!(ldexp_of_all(low, low + width, exponent), expected, "{low} and {width} more");
                }
            }
        }
        assert_eq!(ldexp_of_all(u128::MAX - 1, u128::MAX, 0), Some(2f64.powi(128)));
    }

    #[test]
    fn logarithms_do_not_underflow() {
        let tiny = Ratio { num: 3.into(), den: UBig::ONE << 9000 };
        assert!((tiny.log2() - (3f64.log2() - 9000.0)).abs() < 1e-9);
        assert_eq!(tiny.floor_log2(), Some(-8999));
        assert_eq!(tiny.to_f64(), 0.0);
        let zero = Ratio { num: 0.into(), den: 5u8.into() };
        assert_eq!((zero.log2(), zero.floor_log2()), (f64::NEG_INFINITY, None));
    }
}
