//! Sine and cosine with the same bits on every machine.
//!
//! `f64::sin_cos` calls the system's maths library, whose last bits differ between systems; here the series are summed in integers,
//! once per picture.

use super::round::Ratio;
use dashu_int::{IBig, UBig};

/// Fractional bits of the sums; their last few are rounding errors, far below an `f64`'s last place.
const BITS: usize = 192;

/// π·2¹⁹², rounded down.
const PI: &str = "3243f6a8885a308d313198a2e03707344a4093822299f31d0";

/// Sine and cosine of an angle in degrees, rounded from a value that is accurate to 170 bits; multiples of 90 degrees are exact. The
/// angle must be finite.
pub(crate) fn sin_cos_degrees(degrees: f64) -> (f64, f64) {
    // Both steps are exact: the remainder of `f64` is, and so is the difference of numbers this close together.
    let turned = degrees % 360.0;
    let quarter = (turned / 90.0).round();
    let rest = turned - 90.0 * quarter;
    let (sin, cos) = series(rest);
    match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Sine and cosine of at most 45 degrees by their power series.
fn series(degrees: f64) -> (f64, f64) {
    if degrees == 0.0 {
        return (0.0, 1.0);
    }
    let pi = IBig::from_str_radix(PI, 16).expect("a constant");
    // An f64 of this size has at most 52 + 64 fractional bits that matter; smaller angles lose digits below 2⁻¹⁹².
    let angle: IBig = (scaled(degrees) * pi / 180) >> BITS;
    let mut term = IBig::ONE << BITS;
    let (mut sin, mut cos) = (IBig::ZERO, IBig::ZERO);
    let mut n = 0u32;
    while term != IBig::ZERO && n < 200 {
        match n % 4 {
            0 => cos += &term,
            1 => sin += &term,
            2 => cos -= &term,
            _ => sin -= &term,
        }
        n += 1;
        term = ((term * &angle) >> BITS) / n;
    }
    let round = |num| Ratio { num, den: UBig::ONE << BITS }.to_f64();
    (round(sin), round(cos))
}

/// degrees·2¹⁹² rounded down.
fn scaled(degrees: f64) -> IBig {
    let bits = degrees.abs().to_bits();
    let exponent = (bits >> 52) as i64;
    let mantissa = IBig::from(bits & ((1 << 52) - 1) | if exponent > 0 { 1 << 52 } else { 0 });
    let shift = exponent.max(1) - 1075 + BITS as i64;
    let value = if shift >= 0 { mantissa << shift as usize } else { mantissa >> (-shift) as usize };
    if degrees < 0.0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pi_is_machins() {
        // π = 16·arctan(1/5) − 4·arctan(1/239), with 16 bits more than needed.
        let one = IBig::ONE << (BITS + 16);
        let arctan_inverse = |x: u32| {
            let (mut sum, mut power, mut n) = (IBig::ZERO, &one / x, 1u32);
            while power != IBig::ZERO {
                if n % 4 == 1 {
                    sum += &power / n;
                } else {
                    sum -= &power / n;
                }
                power /= x * x;
                n += 2;
            }
            sum
        };
        let pi = arctan_inverse(5) * 16 - arctan_inverse(239) * 4;
        assert_eq!(pi >> 16usize, IBig::from_str_radix(PI, 16).unwrap());
    }

    #[test]
    fn quarters_are_exact() {
        for turns in -3..=3 {
            let base = 360.0 * f64::from(turns);
            assert_eq!(sin_cos_degrees(base), (0.0, 1.0));
            assert_eq!(sin_cos_degrees(base + 90.0), (1.0, 0.0));
            assert_eq!(sin_cos_degrees(base + 180.0), (0.0, -1.0));
            assert_eq!(sin_cos_degrees(base - 90.0), (-1.0, 0.0));
        }
    }

    #[test]
    fn values_agree_with_the_library_to_its_last_places() {
        for i in -4000..4000 {
            let degrees = f64::from(i) * 0.37;
            let (sin, cos) = sin_cos_degrees(degrees);
            let (s, c) = degrees.to_radians().sin_cos();
            assert!((sin - s).abs() < 4e-15 && (cos - c).abs() < 4e-15, "{degrees}");
            assert!((sin * sin + cos * cos - 1.0).abs() < 3e-16);
        }
        assert_eq!(sin_cos_degrees(30.0).0, 0.5);
        assert_eq!(sin_cos_degrees(60.0).1, 0.5);
        assert_eq!(sin_cos_degrees(1e-300).1, 1.0);
    }
}
