//! The fraction of the smooth count, computed with our own logarithm so that every processor gives the same bits.
//!
//! f = 1 − log(log|z| / log R) / log d. With u = |z|², log|z| / log R = log₂u / log₂R². The logarithm is a polynomial of degree 10 for
//! log₂(1+s)/s on [√½ − 1, √2 − 1], near-minimax (Chebyshev), relative error below 1.1·10⁻⁹.
//!
//! Unless every iterate is tested, u is rounded to `f32` on the way, since it is stored in the word where the fraction will go. That
//! costs at most 6.3·10⁻⁸ of f for R ≥ 2 and d ≥ 2; so the error of f, including its own rounding to `f32`, is below 10⁻⁷.
//!
//! Vectors are computed several side by side, since each step of a polynomial waits for the one before: with 8, smooth samples take 0.7 of
//! the time beyond counts that they take with 2 (AVX2 on Granite Rapids, A@1000), and as long with 512 bits.

use super::unroll::{each, unroll};
use crate::formula::Lanes;
use num_complex::Complex64;

/// Coefficients of log₂(1+s)/s, from the constant on.
const LOG2: [f64; 11] = [
    1.4426950417560511,
    -0.7213475119905358,
    0.48089790445500086,
    -0.36067466009513405,
    0.2885755897331174,
    -0.24044757077719425,
    0.20504002106652403,
    -0.17919457239512765,
    0.17234259277671127,
    -0.16765051818984325,
    0.09481863798699576,
];

/// The binary logarithm of positive numbers, with a relative error of the mantissa's part below 1.1·10⁻⁹. Infinity and NaN give 1024 or
/// a little more.
#[inline(always)]
pub(super) fn log2<L: Lanes>(u: L) -> L {
    let [log] = logs([u]);
    log
}

/// The binary logarithms of N numbers side by side, since each operation on one waits for the one before.
#[inline(always)]
fn logs<L: Lanes, const N: usize>(u: [L; N]) -> [L; N] {
    let (one, last) = (u[0].constant(1.0), u[0].constant(LOG2[10]));
    let (mut exponent, mut s, mut p) = ([one; N], [one; N], [last; N]);
    unroll!(N, k => {
        let (of, mantissa) = u[k].exponent_mantissa();
        (exponent[k], s[k]) = (of, mantissa - one);
    });
    let mut i = 10;
    while i > 0 {
        i -= 1;
        let coefficient = one.constant(LOG2[i]);
        unroll!(N, k => { p[k] = p[k].mul_add(s[k], coefficient); });
    }
    each!(N, k => p[k].mul_add(s[k], exponent[k]), one)
}

/// How |z|² of the first escaped iterate becomes the fraction f.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fraction {
    /// A power of two by which |z|² is multiplied so that it fits an `f32` for every allowed degree and radius.
    pub(super) scale: f64,
    /// The logarithm of `1 / scale`.
    shift: f64,
    /// 1 / log₂R².
    per_log_radius: f64,
    /// 1 / log₂d.
    per_log_degree: f64,
    /// Whether |z|² is rounded to `f32` on the way.
    rounded: bool,
}

impl Fraction {
    pub(super) fn new(degree: u32, radius: f64, rounded: bool) -> Self {
        // R² is scaled to about 2⁻¹²⁰; |z|² is at most about R^16, which for R = 10⁵ is 2²³² times more, within f32's 2¹²⁸.
        let exponent = (radius * radius).exponent_mantissa().0;
        let shift = exponent + 120.0;
        let scale = f64::from_bits(((1023.0 - shift) as u64) << 52);
        let per_log_degree = 1.0 / log2(f64::from(degree));
        Self { scale, shift, per_log_radius: 1.0 / log2(radius * radius), per_log_degree, rounded }
    }

    /// The fractions for numbers u = |z|²·scale.
    #[inline(always)]
    pub(super) fn of_scaled<L: Lanes, const N: usize>(&self, u: [L; N]) -> [L; N] {
        let (zero, one) = (u[0].constant(0.0), u[0].constant(1.0));
        let (shift, per_log_radius) = (one.constant(self.shift), one.constant(self.per_log_radius));
        let per_log_degree = one.constant(self.per_log_degree);
        // The largest f32 below 1.
        let below_one = one.constant(f64::from(f32::from_bits(0x3f7f_ffff)));
        let log = logs(u);
        let log = logs(each!(N, k => (log[k] + shift) * per_log_radius, one));
        let f = each!(N, k => one - log[k] * per_log_degree, one);
        each!(N, k => f[k].select(zero.at_most(f[k]), zero).select(f[k].at_most(below_one), below_one), one)
    }

    /// The fraction for the first escaped iterate z.
    pub(super) fn of(&self, z: Complex64) -> f32 {
        let scaled = z.im.mul_add(z.im, z.re * z.re) * self.scale;
        let scaled = if self.rounded { f64::from(scaled as f32) } else { scaled };
        let [f] = self.of_scaled([scaled]);
        f as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_as_exact_as_stated() {
        let mut u = 1e-38_f64;
        while u < 1e38 {
            let exact = u.log2();
            let exponent = u.exponent_mantissa().0;
            let bound = 1.1e-9 * (exact - exponent).abs() + 1e-13;
            assert!((log2(u) - exact).abs() <= bound, "log2({u}) = {} instead of {exact}", log2(u));
            u *= 1.000_37;
        }
        assert_eq!(log2(1.0), 0.0);
        assert!(log2(f64::INFINITY) >= 1024.0 && log2(f64::NAN) >= 1024.0);
    }

    #[test]
    fn fraction_is_exact_to_a_ten_millionth() {
        for (degree, radius) in [(2, 1.001), (2, 2.0), (2, 256.0), (3, 2.5), (8, 256.0), (8, 1e5), (2, 1e5)] {
            let fraction = Fraction::new(degree, radius, radius >= 2.0);
            for i in 0..1000 {
                // From R to R^d, the moduli that a first escaped iterate can have.
                let power = f64::from(degree).powf(f64::from(i) / 1000.0 + 1e-9);
                let z = radius.powf(power);
                let exact = 1.0 - (z.ln() / radius.ln()).ln() / f64::from(degree).ln();
                let f = f64::from(fraction.of(Complex64::from_polar(z, 0.3 + f64::from(i))));
                assert!((f - exact).abs() < 1e-7, "d {degree} R {radius} |z| {z}: {f} instead of {exact}");
            }
        }
    }

    #[test]
    fn fraction_stays_in_its_interval() {
        let fraction = Fraction::new(2, 2.0, true);
        for z in [2.0, 2.000_000_1, 16.0, 1e100, 1e200, f64::INFINITY, f64::NAN] {
            let f = fraction.of(Complex64::new(z, 0.0));
            assert!((0.0..1.0).contains(&f), "|z| {z}: {f}");
        }
    }
}
