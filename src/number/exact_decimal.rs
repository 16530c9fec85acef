//! Exact decimal arithmetic for views: whole numbers times powers of ten.
//!
//! Everything that moves a view (half pixels, zoom steps of 4/5, sums) stays a finite decimal number, so a pan by whole pixels is exact,
//! and the scene's own decimal strings hold every digit. Digits are rounded off in one place only, [`ExactDecimal::rounded`].

use super::{Decimal, Ratio};
use dashu_int::ops::{Abs, DivRem, UnsignedAbs};
use dashu_int::{IBig, UBig};
use std::cmp::Ordering;
use std::ops::{Add, Neg, Sub};

/// An exact decimal number, `mantissa`·10^`exponent`.
#[derive(Clone, Debug)]
pub(crate) struct ExactDecimal {
    mantissa: IBig,
    exponent: i64,
}

fn power_of_ten(exponent: i64) -> UBig {
    UBig::from(10u8).pow(usize::try_from(exponent).expect("at least 0"))
}

impl ExactDecimal {
    pub(crate) fn new(mantissa: impl Into<IBig>, exponent: i64) -> Self {
        Self { mantissa: mantissa.into(), exponent }
    }

    pub(crate) fn from_decimal(decimal: &Decimal) -> Self {
        let text = decimal.as_str();
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().expect("a decimal's exponent");
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
        let magnitude = IBig::from(UBig::from_str_radix(&plain, 10).expect("digits"));
        let mantissa = if digits.starts_with('-') { -magnitude } else { magnitude };
        Self { mantissa, exponent: exponent - fraction as i64 }
    }

    /// A ratio's value if it is a decimal number of at most `exact` significant digits, else rounded to `digits` of them.
    pub(crate) fn from_ratio(ratio: &Ratio, exact: i64, digits: i64) -> Self {
        // 0.30103 digits per bit; one more, so that there are at least `exact` digits.
        let order = ratio.floor_log2().map_or(0, |bits| (bits as f64 * std::f64::consts::LOG10_2).floor() as i64);
        let exponent = order - exact;
        let num = &ratio.num * IBig::from(power_of_ten((-exponent).max(0)));
        let den = IBig::from(&ratio.den * power_of_ten(exponent.max(0)));
        let (quotient, remainder) = num.div_rem(&den);
        let value = Self { mantissa: quotient, exponent };
        if remainder.is_zero() { value.trimmed() } else { value.significant(digits) }
    }

    /// A position or length in a rotated picture, in pixels, to 10⁻¹².
    pub(crate) fn from_pixels(pixels: f64) -> Self {
        Self::new((pixels * 1e12).round() as i128, -12).trimmed()
    }

    pub(crate) fn to_decimal(&self) -> Decimal {
        let Self { mantissa, exponent } = self.clone().trimmed();
        let digits = (&mantissa).unsigned_abs().to_string();
        let sign = if mantissa < IBig::ZERO { "-" } else { "" };
        let order = digits.len() as i64 - 1 + exponent;
        let text = if mantissa.is_zero() {
            "0".to_owned()
        } else if exponent >= 0 && order < 16 {
            format!("{sign}{digits}{}", "0".repeat(exponent as usize))
        } else if (-3..16).contains(&order) {
            let whole = (order + 1).max(0) as usize;
            let zeros = "0".repeat((-1 - order).max(0) as usize);
            let (before, after) = digits.split_at(whole);
            format!("{sign}{}.{zeros}{after}", if before.is_empty() { "0" } else { before })
        } else if digits.len() == 1 {
            format!("{sign}{digits}e{order}")
        } else {
            format!("{sign}{}.{}e{order}", &digits[..1], &digits[1..])
        };
        text.parse().expect("a decimal number")
    }

    fn ratio(&self) -> Ratio {
        Ratio {
            num: &self.mantissa * IBig::from(power_of_ten(self.exponent.max(0))),
            den: power_of_ten((-self.exponent).max(0)),
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }

    /// The largest k with 10ᵏ ≤ |value|; 0 for 0.
    pub(crate) fn order(&self) -> i64 {
        if self.is_zero() {
            return 0;
        }
        (&self.mantissa).unsigned_abs().to_string().len() as i64 - 1 + self.exponent
    }

    pub(crate) fn times(&self, factor: i64) -> Self {
        Self::new(&self.mantissa * factor, self.exponent)
    }

    pub(crate) fn multiplied(&self, other: &Self) -> Self {
        Self::new(&self.mantissa * &other.mantissa, self.exponent + other.exponent)
    }

    pub(crate) fn half(&self) -> Self {
        Self::new(&self.mantissa * 5, self.exponent - 1)
    }

    /// Rounded to a multiple of 10^exponent, halves away from 0.
    pub(crate) fn rounded(&self, exponent: i64) -> Self {
        if self.exponent >= exponent {
            return self.clone();
        }
        let unit = IBig::from(power_of_ten(exponent - self.exponent));
        let magnitude = (&self.mantissa).abs();
        let quotient: IBig = (magnitude * 2 + &unit) / (unit * 2);
        let mantissa = if self.mantissa < IBig::ZERO { -quotient } else { quotient };
        Self { mantissa, exponent }
    }

    /// Rounded to this many significant digits.
    pub(crate) fn significant(&self, digits: i64) -> Self {
        self.rounded(self.order() + 1 - digits).trimmed()
    }

    /// Without trailing zeros.
    fn trimmed(mut self) -> Self {
        if self.mantissa.is_zero() {
            return Self::new(0, 0);
        }
        let digits = self.mantissa.to_string();
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        self.mantissa /= IBig::from(power_of_ten(zeros as i64));
        self.exponent += zeros as i64;
        self
    }

    /// self / other as an `f64`; infinite when it is too large.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        let (a, b) = (self.ratio(), other.ratio());
        let sign = if b.num < IBig::ZERO { -1 } else { 1 };
        Ratio { num: a.num * IBig::from(b.den) * sign, den: b.num.unsigned_abs() * a.den }.to_f64()
    }

    /// The whole number k with self = k·unit, if there is one with |k| ≤ `largest`.
    pub(crate) fn multiple_of(&self, unit: &Self, largest: i64) -> Option<i64> {
        let exponent = self.exponent.min(unit.exponent);
        let aligned = |value: &Self| &value.mantissa * IBig::from(power_of_ten(value.exponent - exponent));
        let (quotient, remainder) = aligned(self).div_rem(aligned(unit));
        if !remainder.is_zero() {
            return None;
        }
        i64::try_from(quotient).ok().filter(|k| k.abs() <= largest)
    }

    fn with(&self, other: &Self, combine: impl Fn(IBig, IBig) -> IBig) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let aligned = |value: &Self| &value.mantissa * IBig::from(power_of_ten(value.exponent - exponent));
        Self { mantissa: combine(aligned(self), aligned(other)), exponent }
    }
}

impl PartialEq for ExactDecimal {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for ExactDecimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self - other).mantissa.partial_cmp(&IBig::ZERO)
    }
}

impl Add for &ExactDecimal {
    type Output = ExactDecimal;

    fn add(self, other: Self) -> ExactDecimal {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for &ExactDecimal {
    type Output = ExactDecimal;

    fn sub(self, other: Self) -> ExactDecimal {
        self.with(other, |a, b| a - b)
    }
}

impl Neg for ExactDecimal {
    type Output = Self;

    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixed(text: &str) -> ExactDecimal {
        ExactDecimal::from_decimal(&text.parse().unwrap())
    }

    #[test]
    fn texts_are_short_and_exact() {
        for (text, written) in [
            ("-0.7436438870371500", "-0.74364388703715"),
            ("5.1e-5", "5.1e-5"),
            ("0.0118", "0.0118"),
            ("1200", "1200"),
            ("1e30", "1e30"),
            ("-12.50", "-12.5"),
            ("0.000", "0"),
            ("7e-2000", "7e-2000"),
        ] {
            assert_eq!(fixed(text).to_decimal().as_str(), written);
        }
    }

    #[test]
    fn ratios_become_decimals_exactly_where_they_are() {
        let ratio = |num: i64, den: u64| Ratio { num: num.into(), den: den.into() };
        assert_eq!(ExactDecimal::from_ratio(&ratio(51, 128_000_000), 24, 12), fixed("3.984375e-7"));
        assert_eq!(ExactDecimal::from_ratio(&ratio(1, 3), 24, 12), fixed("0.333333333333"));
        assert_eq!(ExactDecimal::from_ratio(&ratio(200, 3), 24, 5), fixed("66.667"));
    }

    #[test]
    fn rounding_and_multiples() {
        assert_eq!(fixed("-0.125").rounded(-2), fixed("-0.13"));
        assert_eq!(fixed("12345").significant(2), fixed("12e3"));
        assert_eq!(fixed("-0.75").multiple_of(&fixed("0.25"), 100), Some(-3));
        assert_eq!(fixed("0.76").multiple_of(&fixed("0.25"), 100), None);
        assert_eq!(fixed("1e9").multiple_of(&fixed("1"), 1000), None);
        assert_eq!(fixed("3e-400").over(&fixed("-4e-400")), -0.75);
    }

    proptest! {
        #[test]
        fn sums_are_exact(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000, e in -12i64..3) {
            let (x, y) = (ExactDecimal::new(a, -6), ExactDecimal::new(b, e));
            let back = &(&x + &y) - &y;
            prop_assert_eq!(&back, &x);
            prop_assert_eq!(&ExactDecimal::from_decimal(&x.to_decimal()), &x);
            prop_assert_eq!(&x.half() + &x.half(), x);
        }
    }
}
