//! Which part of the plane a picture shows, exactly, and the `f64` coordinates of its samples.
//!
//! With N samples across an image of this width, column X lies at re + (2X+1−N)·h, h = width/(2N) being half the sample spacing. Both
//! terms are rational numbers; the coordinate is their exact sum, rounded once. Nearly always 96 fractional bits of both terms are
//! enough to know the rounded value: all values in the interval that they leave round to it. Where they are not enough, the exact
//! fraction decides. Coordinates grow with X, so that between two columns with equal coordinates nothing needs to be computed, and
//! neither deep views nor long centres cost much.

use crate::error::{Error, Result};
use crate::number::{Decimal, Ratio, ldexp, sin_cos_degrees};
use crate::plane::{Plane, Rotation};
use dashu_int::ops::{BitTest, UnsignedAbs};
use dashu_int::{IBig, UBig};
use num_complex::Complex64;

/// The largest number of samples in a row or a column of an image.
pub const MAX_SAMPLES_ACROSS: u64 = 1 << 24;

/// Which part of the plane a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Real part of the image's centre.
    pub re: Decimal,
    /// Imaginary part of the image's centre; it grows upwards.
    pub im: Decimal,
    /// How much is seen.
    pub extent: Extent,
    /// By how many degrees the image's right turns counter-clockwise from the real axis.
    pub rotation: f64,
}

/// How much of the plane a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Extent {
    /// The width of the image, above 0.
    Width(Decimal),
    /// 4 divided by the height of the image, above 0.
    Zoom(Decimal),
}

impl View {
    /// The points of the samples of an image of `width`×`height` pixels with `samples` samples per pixel each way.
    ///
    /// Unrotated, every coordinate is the exact value, correctly rounded. Rotated, the offsets from the centre along the image's axes,
    /// and the centre, are the exact values, correctly rounded, and so are sine and cosine; see [`Plane::point`].
    ///
    /// # Errors
    /// [`Error::Usage`] when the image has no pixels or more than [`MAX_SAMPLES_ACROSS`] samples each way.
    pub fn plane(&self, width: u32, height: u32, samples: u32) -> Result<Plane> {
        let (across, down) = (samples_across(width, samples)?, samples_across(height, samples)?);
        let half = self.half_spacing(width, height, samples);
        let spacing = Ratio { num: half.num.clone() * 2, den: half.den.clone() }.to_f64();
        let turned = self.rotation % 360.0 != 0.0;
        let axis = |centre: &Decimal, count| {
            let centre = if turned { Ratio { num: IBig::ZERO, den: UBig::ONE } } else { centre.ratio() };
            Axis::new(centre, half.clone()).coordinates(count)
        };
        let columns = axis(&self.re, across);
        let mut rows = axis(&self.im, down);
        rows.reverse();
        let rotation = turned.then(|| {
            let (sin, cos) = sin_cos_degrees(self.rotation);
            Rotation { centre: Complex64::new(self.re.to_f64(), self.im.to_f64()), cos, sin }
        });
        Ok(Plane { columns, rows, rotation, spacing })
    }

    /// The distance between neighbouring pixels in the plane; 0 when it is too small for an `f64`.
    pub fn spacing(&self, width: u32, height: u32) -> f64 {
        self.spacing_ratio(width, height).to_f64()
    }

    /// The binary logarithm of the distance between neighbouring pixels, which does not underflow.
    pub fn log2_spacing(&self, width: u32, height: u32) -> f64 {
        self.spacing_ratio(width, height).log2()
    }

    /// The exact distance between neighbouring pixels of an image of `width`×`height` pixels, both at least 1.
    pub fn spacing_ratio(&self, width: u32, height: u32) -> Ratio {
        let half = self.half_spacing(width, height, 1);
        Ratio { num: half.num * 2, den: half.den }
    }

    /// 4 divided by the image's height: how much larger everything is than in a square picture of the whole set.
    pub fn zoom(&self, width: u32, height: u32) -> f64 {
        let Ratio { num, den } = self.spacing_ratio(width, height);
        Ratio { num: IBig::from(den) * 4, den: num.unsigned_abs() * height }.to_f64()
    }

    /// How often the width was halved, coming from a view 4 wide: the largest k with width·2ᵏ ≤ 4, at least 0.
    pub fn octaves(&self, width: u32, height: u32) -> u32 {
        let Ratio { num, den } = self.spacing_ratio(width, height);
        let magnification = Ratio { num: IBig::from(den) * 4, den: num.unsigned_abs() * width };
        magnification.floor_log2().unwrap_or(0).clamp(0, u32::MAX.into()) as u32
    }

    /// Half the distance between neighbouring samples.
    fn half_spacing(&self, width: u32, height: u32, samples: u32) -> Ratio {
        match &self.extent {
            Extent::Width(size) => {
                let Ratio { num, den } = size.ratio();
                Ratio { num, den: den * 2u8 * width * samples }
            }
            Extent::Zoom(zoom) => {
                let Ratio { num, den } = zoom.ratio();
                Ratio { num: IBig::from(den) * 2, den: num.unsigned_abs() * height * samples }
            }
        }
    }
}

fn samples_across(pixels: u32, samples: u32) -> Result<usize> {
    let count = u64::from(pixels) * u64::from(samples);
    if count == 0 || count > MAX_SAMPLES_ACROSS {
        return Err(Error::Usage(format!(
            "an image of {pixels} pixels with {samples} samples each is not possible: the product must be 1 to {MAX_SAMPLES_ACROSS}"
        )));
    }
    Ok(count as usize)
}

/// Bits of the larger of centre and half spacing in the short forms: with an index of 26 bits, sums and twice them fit an `i128`.
const SHORT_BITS: i64 = 96;

/// Bits that a short sum must have for its interval to be finer than an `f64` and not to reach 0.
const SURE_BITS: u32 = 60;

/// Values centre + k·half for whole k, rounded.
struct Axis {
    centre: Ratio,
    half: Ratio,
    /// Centre and half spacing as floor(value·2^bits), and whether this is exact.
    short: [(i128, bool); 2],
    bits: i64,
}

impl Axis {
    fn new(centre: Ratio, half: Ratio) -> Self {
        let magnitude = centre.floor_log2().max(half.floor_log2()).unwrap_or(0);
        let bits = SHORT_BITS - magnitude;
        let short = [&centre, &half].map(|value| {
            let (floor, exact) = value.floor_scaled(bits);
            (i128::try_from(floor).expect("at most 97 bits"), exact)
        });
        Self { centre, half, short, bits }
    }

    /// The coordinates of `count` samples, ascending.
    fn coordinates(&self, count: usize) -> Vec<f64> {
        let mut values = vec![0.0; count];
        let at = |index: usize| self.at(2 * index as i64 + 1 - count as i64);
        let last = count - 1;
        values[0] = at(0);
        values[last] = at(last);
        let mut open = vec![(0, last)];
        while let Some((first, last)) = open.pop() {
            if values[first] == values[last] {
                let value = values[first];
                values[first..=last].fill(value);
            } else if last - first > 1 {
                let middle = first.midpoint(last);
                values[middle] = at(middle);
                open.extend([(first, middle), (middle, last)]);
            }
        }
        values
    }

    /// centre + k·half, rounded.
    fn at(&self, k: i64) -> f64 {
        self.at_short(k).unwrap_or_else(|| self.at_exact(k))
    }

    /// The same from the short forms; `None` when these cannot decide.
    fn at_short(&self, k: i64) -> Option<f64> {
        let [(centre, centre_exact), (half, half_exact)] = self.short;
        let k = i128::from(k);
        let sum = centre + k * half;
        // The cut digits add less than 1 for the centre and less than k for the half spacings.
        let slack = if half_exact { 0 } else { k };
        let low = sum + slack.min(0);
        let high = sum + slack.max(0) + i128::from(!centre_exact);
        if low == high {
            return Some(rounded(low, -self.bits));
        }
        // The value lies strictly between: take the ends half a unit inwards, which is past any tie.
        let (low, high) = (2 * low + 1, 2 * high - 1);
        let sure = (low < 0) == (high < 0) && low.unsigned_abs().min(high.unsigned_abs()).bit_len() as u32 >= SURE_BITS;
        let (low, high) = (rounded(low, -self.bits - 1), rounded(high, -self.bits - 1));
        (sure && low == high).then_some(low)
    }

    /// The same from the exact fractions.
    fn at_exact(&self, k: i64) -> f64 {
        let (centre, half) = (&self.centre, &self.half);
        let num = &centre.num * IBig::from(half.den.clone()) + k * &half.num * IBig::from(centre.den.clone());
        Ratio { num, den: &centre.den * &half.den }.to_f64()
    }
}

/// value·2^exponent, rounded; zero has no sign.
fn rounded(value: i128, exponent: i64) -> f64 {
    let magnitude = ldexp(value.unsigned_abs(), exponent);
    if value < 0 { 0.0 - magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(re: &str, im: &str, extent: Extent) -> View {
        View { re: re.parse().unwrap(), im: im.parse().unwrap(), extent, rotation: 0.0 }
    }

    fn width(text: &str) -> Extent {
        Extent::Width(text.parse().unwrap())
    }

    /// A decimal without exponent letters as mantissa and power of ten, read digit by digit.
    fn read(text: &str) -> (IBig, i64) {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut power: i64 = exponent.parse().unwrap();
        let (mut value, mut fraction) = (IBig::ZERO, false);
        for c in mantissa.chars() {
            match c {
                '.' => fraction = true,
                '-' => {}
                _ => {
                    value = value * 10 + c.to_digit(10).unwrap();
                    power -= i64::from(fraction);
                }
            }
        }
        (if mantissa.starts_with('-') { -value } else { value }, power)
    }

    /// centre + k·width/(2·count) as a fraction, by nothing but big integers.
    fn exact(centre: &str, width: &str, count: i64, k: i64) -> (IBig, IBig) {
        let ((c, cp), (w, wp)) = (read(centre), read(width));
        let least = cp.min(wp).min(0);
        let ten = |power: i64| IBig::from(10).pow(power as usize);
        let num = c * ten(cp - least) * (2 * count) + w * ten(wp - least) * k;
        (num, ten(-least) * (2 * count))
    }

    /// A finite number as mantissa·2^exponent.
    fn parts(value: f64) -> (IBig, i64) {
        let bits = value.abs().to_bits();
        let exponent = (bits >> 52) as i64;
        let mantissa = IBig::from(bits & ((1 << 52) - 1) | u64::from(exponent > 0) << 52);
        (if value < 0.0 { -mantissa } else { mantissa }, exponent.max(1) - 1075)
    }

    /// Whether no other `f64` is nearer to num/den, and of two that are equally near `value` is the even one.
    fn is_nearest(value: f64, (num, den): &(IBig, IBig)) -> bool {
        // Compare with the middle of two neighbours: m·2^e against num/den.
        let side = |other: f64| {
            let ((a, ae), (b, be)) = (parts(value), parts(other));
            let least = ae.min(be) - 1;
            let middle = (a << (ae - least) as usize) + (b << (be - least) as usize);
            // middle·2^(least−1)
            let shift = 1 - least;
            assert!(shift > 0, "numbers in tests are small");
            (middle * den).cmp(&(num << shift as usize))
        };
        let even = value.to_bits() & 1 == 0;
        let (below, above) = (side(value.next_down()), side(value.next_up()));
        (below.is_lt() || even && below.is_eq()) && (above.is_gt() || even && above.is_eq())
    }

    fn check(re: &str, width_text: &str, count: u32) {
        let plane = view(re, "0", width(width_text)).plane(count, 1, 1).unwrap();
        for (x, &value) in plane.columns.iter().enumerate() {
            let exact = exact(re, width_text, count.into(), 2 * x as i64 + 1 - i64::from(count));
            assert!(is_nearest(value, &exact), "{value:?} for column {x} of {count}, centre {re}, width {width_text}");
        }
    }

    #[test]
    fn coordinates_are_correctly_rounded_where_it_is_hard() {
        let tie = "1.00000000000000011102230246251565404236316680908203125";
        for re in ["0", "-0.75", "1e-2000", "-1e-30", tie, &tie[..40], &format!("{tie}{}1", "0".repeat(200))] {
            for width in ["4", "3.5", "1e-5", "1.7e-16", "3e-60", "1e-310", "7e-330", "1e-2000"] {
                for count in [1, 2, 3, 7, 10] {
                    check(re, width, count);
                }
            }
        }
    }

    #[test]
    fn the_nearest_is_told_from_its_neighbours() {
        let third = (IBig::from(1), IBig::from(3));
        let value = 1.0 / 3.0;
        assert!(is_nearest(value, &third));
        assert!(!is_nearest(f64::next_up(value), &third) && !is_nearest(f64::next_down(value), &third));
    }

    fn decimal() -> impl Strategy<Value = String> {
        (any::<bool>(), "[0-9]{1,3}", "[0-9]{1,60}", -40i32..3)
            .prop_map(|(minus, whole, rest, e)| format!("{}{whole}.{rest}e{e}", if minus { "-" } else { "" }))
    }

    proptest! {
        #[test]
        fn coordinates_are_correctly_rounded(re in decimal(), size in "[1-9]\\.[0-9]{0,30}", e in -60i32..2, count in 1u32..40) {
            check(&re, &format!("{size}e{e}"), count);
        }

        #[test]
        fn short_sums_decide_as_exact_fractions_do(re in decimal(), size in "[1-9]\\.[0-9]{0,30}", e in -60i32..2, k in -8000i64..8000) {
            let axis = Axis::new(
                re.parse::<Decimal>().unwrap().ratio(),
                format!("{size}e{e}").parse::<Decimal>().unwrap().ratio(),
            );
            prop_assert_eq!(axis.at(k).to_bits(), axis.at_exact(k).to_bits());
        }
    }

    #[test]
    fn long_sums_are_rarely_needed() {
        let half = view("0", "0", width("5.1e-5")).half_spacing(7680, 4320, 1);
        let axis = Axis::new("-0.743643887037151".parse::<Decimal>().unwrap().ratio(), half);
        let short = (-7679..7680).step_by(2).filter(|&k| axis.at_short(k).is_some()).count();
        assert_eq!(short, 7680);
    }

    #[test]
    fn rows_go_down_and_columns_right() {
        let plane = view("1", "2", width("4")).plane(4, 2, 1).unwrap();
        assert_eq!(plane.columns, [-0.5, 0.5, 1.5, 2.5]);
        assert_eq!(plane.rows, [2.5, 1.5]);
        assert_eq!(plane.spacing, 1.0);
        assert_eq!(plane.rotation, None);
    }

    #[test]
    fn samples_divide_pixels() {
        let plane = view("0", "0", width("4")).plane(2, 1, 2).unwrap();
        assert_eq!(plane.columns, [-1.5, -0.5, 0.5, 1.5]);
        assert_eq!(plane.rows, [0.5, -0.5]);
    }

    #[test]
    fn zoom_is_four_over_the_height() {
        let zoomed = view("0", "0", Extent::Zoom("2".parse().unwrap()));
        assert_eq!(zoomed.spacing(400, 100), 0.02);
        assert_eq!(zoomed.plane(400, 100, 1).unwrap(), view("0", "0", width("8")).plane(400, 100, 1).unwrap());
        assert_eq!(zoomed.zoom(400, 100), 2.0);
        assert_eq!(view("0", "0", width("8")).zoom(400, 100), 2.0);
    }

    #[test]
    fn a_rotated_view_turns_the_same_points() {
        let straight = view("-0.5", "0.25", width("3"));
        let plane = straight.plane(30, 20, 1).unwrap();
        let full = View { rotation: 360.0, ..straight.clone() }.plane(30, 20, 1).unwrap();
        assert_eq!(full, plane);
        // A quarter turn counter-clockwise: the image's right is up in the plane.
        let quarter = View { rotation: 90.0, ..straight.clone() }.plane(30, 20, 1).unwrap();
        let point = quarter.point(29, 10);
        assert!((point - Complex64::new(-0.45, 1.7)).norm() < 1e-15);
        let half = View { rotation: 180.0, ..straight }.plane(30, 20, 1).unwrap();
        for (x, y) in [(0, 0), (29, 3), (11, 19)] {
            let difference = half.point(x, y) - plane.point(29 - x, 19 - y);
            assert!(difference.norm() < 1e-15);
        }
    }

    #[test]
    fn deep_views_keep_their_depth() {
        let deep = view("0", "0", width("1e-2000"));
        assert_eq!(deep.spacing(1000, 10), 0.0);
        assert!((deep.log2_spacing(1000, 10) - -2003.0 * 10f64.log2()).abs() < 1e-9);
        assert_eq!(deep.octaves(1000, 10), 6645);
        assert_eq!(deep.zoom(1000, 10), f64::INFINITY);
        assert_eq!(view("0", "0", width("1e9")).octaves(1, 1), 0);
        assert_eq!(view("0", "0", width("4")).octaves(16, 9), 0);
        assert_eq!(view("0", "0", width("2")).octaves(16, 9), 1);
        assert_eq!(view("0", "0", width("1.99")).octaves(16, 9), 1);
    }

    #[test]
    fn impossible_images_are_refused() {
        let view = view("0", "0", width("4"));
        for (w, h, s) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (u32::MAX, 1, 1), (1, 1 << 24, 2)] {
            assert!(matches!(view.plane(w, h, s), Err(Error::Usage(_))), "{w}x{h} with {s}");
        }
    }
}
