//! Palettes: closed curves through OKLab, as tables of linear light.
//!
//! A palette is a handful of stops around a circle. Between them each OKLab coordinate is a monotone cubic (Fritsch and Butland, 1984):
//! smooth at the stops and without overshoot, so no colour appears that is not between two stops. Periodic Catmull-Rom was tried first;
//! it left the gamut next to dark stops, where clipping showed as kinks.

use super::oklab::{Lab, Linear, parse_hex};
use super::transfer::{Encoder, boxed};
use crate::error::Result;

/// The number of colours around the circle. Neighbours differ by less than an 8-bit step nearly everywhere.
pub(super) const LEN: usize = 4096;

/// Bits of a [`Phase`] below the colour's index, for interpolation.
const FRACTION_BITS: u32 = 8;

/// Where on a palette's circle a sample lies, in [0, [`CIRCLE`]), or [`INSIDE`].
pub(crate) type Phase = u32;

/// One turn around the palette.
pub(crate) const CIRCLE: Phase = (LEN as u32) << FRACTION_BITS;

/// The phase of the interior: an entry in the table after the one that closes the circle, so that no branch is needed.
pub(crate) const INSIDE: Phase = (LEN as u32 + 1) << FRACTION_BITS;

/// A power of two, so that masked indices need no bounds checks.
const TABLE: usize = 2 * LEN;

/// One named palette.
#[derive(Clone, Copy, Debug)]
pub struct PaletteEntry {
    /// The name, as in `palette = "…"`.
    pub name: &'static str,
    /// What it looks like, in one line.
    pub help: &'static str,
    /// The stops: positions on the circle, in [0, 1) and increasing, with colours as `#rrggbb`.
    pub stops: &'static [(f64, &'static str)],
}

/// A palette ready for colouring, with the colour of the interior.
pub(crate) struct Palette {
    /// Linear light; the fourth number pads an entry to a vector.
    linear: Box<[[f32; 4]; TABLE]>,
    /// The same colours as 8-bit sRGB.
    bytes: Box<[[u8; 4]; TABLE]>,
}

impl std::fmt::Debug for Palette {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Palette({LEN} colours)")
    }
}

impl Palette {
    /// Computes the tables.
    pub(super) fn new(curve: &Curve, interior: Linear) -> Self {
        let single = |colour: Linear| [colour[0] as f32, colour[1] as f32, colour[2] as f32, 0.0];
        let mut linear = boxed([0.0; 4]);
        for (i, colour) in linear.iter_mut().enumerate().take(LEN) {
            *colour = single(curve.at(i as f64 / LEN as f64).to_gamut());
        }
        linear[LEN] = linear[0];
        linear[LEN + 1..LEN + 3].fill(single(interior));
        let mut bytes = boxed([0; 4]);
        let encoder = Encoder::shared();
        for (to, from) in bytes.iter_mut().zip(linear.iter()).take(LEN + 3) {
            *to = from.map(|x| encoder.to_u8(x));
        }
        Self { linear, bytes }
    }

    /// The linear light at `phase`; the fourth number is 0.
    #[inline(always)]
    pub(super) fn linear(&self, phase: Phase) -> [f32; 4] {
        let index = (phase >> FRACTION_BITS) as usize;
        let part = (phase & ((1 << FRACTION_BITS) - 1)) as f32 * (1.0 / (1 << FRACTION_BITS) as f32);
        let (mut colour, high) = (self.linear[index % TABLE], self.linear[(index + 1) % TABLE]);
        for i in 0..colour.len() {
            colour[i] += part * (high[i] - colour[i]);
        }
        colour
    }

    /// The 8-bit sRGB colour of the entry at `phase`, without interpolation, and a 0.
    #[inline(always)]
    pub(super) fn bytes(&self, phase: Phase) -> [u8; 4] {
        self.bytes[(phase >> FRACTION_BITS) as usize % TABLE]
    }
}

/// A closed curve through the stops of a palette.
#[derive(Debug)]
pub(super) struct Curve {
    /// Position, colour, and slope there.
    stops: Vec<(f64, [f64; 3], [f64; 3])>,
}

impl Curve {
    /// The curve of `entry`.
    ///
    /// # Errors
    /// When a stop is not a colour.
    pub(super) fn new(entry: &PaletteEntry) -> Result<Self> {
        let mut points = Vec::with_capacity(entry.stops.len());
        for &(at, hex) in entry.stops {
            let Lab { l, a, b } = Lab::from_linear(parse_hex(hex, entry.name)?);
            points.push((at, [l, a, b]));
        }
        let count = points.len();
        // The step from stop i to the next one around the circle, and the mean slope on the way.
        let secant = |i: usize| {
            let ((from, low), (to, high)) = (points[i % count], points[(i + 1) % count]);
            let step = if to > from { to - from } else { to + 1.0 - from };
            (step, std::array::from_fn::<f64, 3, _>(|k| (high[k] - low[k]) / step))
        };
        let stops = (0..count).map(|i| {
            let ((before, left), (after, right)) = (secant(i + count - 1), secant(i));
            // The weighted harmonic mean of the slopes on both sides, 0 at a turning point.
            let slope = std::array::from_fn(|k| {
                let (w1, w2) = (2.0 * after + before, after + 2.0 * before);
                if left[k] * right[k] > 0.0 { (w1 + w2) / (w1 / left[k] + w2 / right[k]) } else { 0.0 }
            });
            (points[i].0, points[i].1, slope)
        });
        Ok(Self { stops: stops.collect() })
    }

    /// The colour at `at` in [0, 1).
    fn at(&self, at: f64) -> Lab {
        let count = self.stops.len();
        let next = self.stops.partition_point(|stop| stop.0 <= at);
        let ((from, low, rise), (to, high, fall)) = (self.stops[(next + count - 1) % count], self.stops[next % count]);
        let step = if to > from { to - from } else { to + 1.0 - from };
        let t = (if at >= from { at - from } else { at + 1.0 - from }) / step;
        let u = 1.0 - t;
        let [l, a, b] = std::array::from_fn(|k| {
            // The Hermite cubic in Bernstein form.
            let (p1, p2) = (low[k] + step * rise[k] / 3.0, high[k] - step * fall[k] / 3.0);
            u * u * u * low[k] + 3.0 * u * u * t * p1 + 3.0 * u * t * t * p2 + t * t * t * high[k]
        });
        Lab { l, a, b }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PALETTES;
    use super::*;

    fn palette(entry: &PaletteEntry) -> Palette {
        Palette::new(&Curve::new(entry).unwrap(), [0.25, 0.5, 0.75])
    }

    fn distance(p: &Palette, i: usize, j: usize) -> f64 {
        let lab = |k: usize| Lab::from_linear(std::array::from_fn(|c| f64::from(p.linear[k][c])));
        let (p, q) = (lab(i), lab(j));
        ((p.l - q.l).powi(2) + (p.a - q.a).powi(2) + (p.b - q.b).powi(2)).sqrt()
    }

    #[test]
    fn stops_are_in_order_and_on_the_curve() {
        for entry in PALETTES {
            assert!(entry.stops.len() >= 2, "{}", entry.name);
            assert!(entry.stops.windows(2).all(|w| w[0].0 < w[1].0), "{}", entry.name);
            assert!(entry.stops.iter().all(|s| (0.0..1.0).contains(&s.0)), "{}", entry.name);
            let curve = Curve::new(entry).unwrap();
            for &(at, hex) in entry.stops {
                let (is, should) = (curve.at(at), Lab::from_linear(parse_hex(hex, "stop").unwrap()));
                let off = (is.l - should.l).abs() + (is.a - should.a).abs() + (is.b - should.b).abs();
                assert!(off < 1e-12, "{} at {at}: {is:?}, {should:?}", entry.name);
            }
        }
    }

    /// The step between neighbouring entries is invisible (0.02 in OKLab is about the smallest visible one), also where the circle
    /// closes.
    #[test]
    fn palettes_are_continuous_and_cyclic() {
        for entry in PALETTES {
            let p = palette(entry);
            for i in 0..LEN {
                let step = distance(&p, i, (i + 1) % LEN);
                assert!(step < 0.02, "{} at {i}: {step}", entry.name);
            }
            assert_eq!(p.linear[0], p.linear[LEN]);
            assert_eq!(p.linear(CIRCLE - 1).map(|x| (x * 100.0).round()), p.linear(0).map(|x| (x * 100.0).round()));
        }
    }

    #[test]
    fn the_interior_has_its_own_colour() {
        let p = palette(&PALETTES[0]);
        assert_eq!(p.linear(INSIDE), [0.25, 0.5, 0.75, 0.0]);
        assert_eq!(p.bytes(INSIDE), [0.25, 0.5, 0.75, 0.0].map(|x| Encoder::shared().to_u8(x)));
    }

    #[test]
    fn both_tables_tell_the_same() {
        let p = palette(&PALETTES[0]);
        for i in 0..LEN as u32 {
            let phase = i << FRACTION_BITS;
            assert_eq!(p.bytes(phase), p.linear(phase).map(|x| Encoder::shared().to_u8(x)));
        }
    }
}
