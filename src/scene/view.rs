//! Which part of the plane a picture shows, exactly, and the `f64` coordinates of its samples.
//!
//! With N samples across an image that is `width` wide in the plane, column X lies at re + (2X+1−N)·h, where h = width/(2N) is half the
//! sample spacing. Both terms are rational numbers; the coordinate is their exact sum, rounded once. Nearly always 96 bits of re and h,
//! counted from the leading bit of the larger one, are enough: all sums that they leave possible round to the same value. Where they are
//! not enough, the exact fraction decides. Coordinates never decrease with X, so nothing needs to be computed between two columns with
//! equal coordinates. Thus neither deep views nor centres with many digits cost much.

use crate::error::{Error, Result};
use crate::number::{Decimal, Ratio, ldexp, ldexp_of_all, sin_cos_degrees};
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
    /// How much is shown.
    pub extent: Extent,
    /// The angle from the real axis to the image's rightward direction, counter-clockwise, in degrees.
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
    /// Without rotation, every coordinate is correctly rounded. With rotation, the centre, the offsets from it along the image's axes, and
    /// sine and cosine are each correctly rounded; see [`Plane::point`].
    ///
    /// # Errors
    /// [`Error::Usage`] when the image has no pixels or more than [`MAX_SAMPLES_ACROSS`] samples each way.
    pub fn plane(&self, width: u32, height: u32, samples: u32) -> Result<Plane> {
        let counts = [samples_across(width, samples)?, samples_across(height, samples)?];
        let half = self.half_spacing(width, height, samples);
        if self.is_turned() {
            let centre = Complex64::new(self.re.to_f64(), self.im.to_f64());
            Ok(self.grid([zero(), zero()], &half, counts, centre))
        } else {
            Ok(self.grid([self.re.ratio(), self.im.ratio()], &half, counts, Complex64::ZERO))
        }
    }

    /// The offsets of the samples from the image's centre, divided by 2^exponent, and that exponent: the largest with 2^exponent ≤ the
    /// spacing. Neither underflows, however deep the view is. They are exact values, correctly rounded, as those of [`View::plane`] are;
    /// between them is what the plane's spacing lacks of the exact one, rounded likewise.
    ///
    /// # Errors
    /// As [`View::plane`].
    pub(crate) fn offsets(&self, width: u32, height: u32, samples: u32) -> Result<(Plane, f64, i64)> {
        let counts = [samples_across(width, samples)?, samples_across(height, samples)?];
        let Ratio { num, den } = self.half_spacing(width, height, samples);
        let exponent = Ratio { num: num.clone() * 2, den: den.clone() }.floor_log2().unwrap_or(0);
        let shift = exponent.unsigned_abs() as usize;
        let half = if exponent < 0 { Ratio { num: num << shift, den } } else { Ratio { num, den: den << shift } };
        let plane = self.grid([zero(), zero()], &half, counts, Complex64::ZERO);
        let [_, rest] = Ratio { num: half.num * 2, den: half.den }.two_parts();
        Ok((plane, rest, exponent))
    }

    /// Samples this far apart around a centre; `turned_around` is the centre of a rotated image.
    fn grid(&self, [re, im]: [Ratio; 2], half: &Ratio, [across, down]: [usize; 2], turned_around: Complex64) -> Plane {
        let columns = Axis::new(re, half.clone()).coordinates(across);
        let mut rows = Axis::new(im, half.clone()).coordinates(down);
        rows.reverse();
        let rotation = self.is_turned().then(|| {
            let (sin, cos) = sin_cos_degrees(self.rotation);
            Rotation { centre: turned_around, cos, sin }
        });
        let spacing = Ratio { num: half.num.clone() * 2, den: half.den.clone() }.to_f64();
        Plane { columns, rows, rotation, spacing }
    }

    fn is_turned(&self) -> bool {
        self.rotation % 360.0 != 0.0
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

    /// How often the width has been halved, starting from a view 4 wide: the largest k with width·2ᵏ ≤ 4, at least 0.
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

fn zero() -> Ratio {
    Ratio { num: IBig::ZERO, den: UBig::ONE }
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

/// Bits of the larger of centre and half spacing in the short forms: with an index of 26 bits, sums and their doubles fit an `i128`.
const SHORT_BITS: i64 = 96;

/// Bits that a short sum must have for its interval to be finer than an `f64` and not reach 0.
const SURE_BITS: u32 = 60;

/// Between columns that are no farther apart, each coordinate is computed: looking for equal ones would cost more.
const BLOCK: usize = 32;

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
            } else if last - first > BLOCK {
                let middle = first.midpoint(last);
                values[middle] = at(middle);
                open.extend([(first, middle), (middle, last)]);
            } else {
                (first + 1..last).for_each(|index| values[index] = at(index));
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
        // The truncated digits add less than 1 for the centre and less than k for the half spacings.
        let slack = if half_exact { 0 } else { k };
        let low = sum + slack.min(0);
        let high = sum + slack.max(0) + i128::from(!centre_exact);
        if low == high {
            return Some(rounded(low, -self.bits));
        }
        // The value lies strictly between: move the ends half a unit inwards, past any tie.
        let (low, high) = (2 * low + 1, 2 * high - 1);
        let sure = (low < 0) == (high < 0) && low.unsigned_abs().min(high.unsigned_abs()).bit_len() as u32 >= SURE_BITS;
        if !sure {
            return None;
        }
        let (least, most) = (low.unsigned_abs().min(high.unsigned_abs()), low.unsigned_abs().max(high.unsigned_abs()));
        ldexp_of_all(least, most, -self.bits - 1).map(|magnitude| if low < 0 { 0.0 - magnitude } else { magnitude })
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
mod tests;
