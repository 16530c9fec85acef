//! OKLab, a colour space in which equal steps look equally large (Björn Ottosson, 2020), and its conversion to linear sRGB light.

use super::transfer::{Encoder, decode, root};
use crate::error::{Error, Result, shorten};

/// Linear light of the sRGB primaries, each in [0, 1] for colours that a screen can show.
pub(crate) type Linear = [f64; 3];

/// A colour in OKLab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lab {
    /// Lightness, 0 for black to 1 for white.
    pub(crate) l: f64,
    /// From green to red.
    pub(crate) a: f64,
    /// From blue to yellow.
    pub(crate) b: f64,
}

impl Lab {
    /// The colour with this linear light.
    pub(crate) fn from_linear([r, g, b]: Linear) -> Self {
        let cone = |r: f64, g: f64, b: f64| {
            let x = r + g + b;
            if x > 1e-30 { root(x, 3) } else { 0.0 }
        };
        let l = cone(0.412_221_470_8 * r, 0.536_332_536_3 * g, 0.051_445_992_9 * b);
        let m = cone(0.211_903_498_2 * r, 0.680_699_545_1 * g, 0.107_396_956_6 * b);
        let s = cone(0.088_302_461_9 * r, 0.281_718_837_6 * g, 0.629_978_700_5 * b);
        Self {
            l: 0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            a: 1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            b: 0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        }
    }

    /// Its linear light; outside [0, 1] for colours that a screen cannot show.
    pub(crate) fn to_linear(self) -> Linear {
        let cube = |x: f64| x * x * x;
        let l = cube(self.l + 0.396_337_777_4 * self.a + 0.215_803_757_3 * self.b);
        let m = cube(self.l - 0.105_561_345_8 * self.a - 0.063_854_172_8 * self.b);
        let s = cube(self.l - 0.089_484_177_5 * self.a - 1.291_485_548_0 * self.b);
        [
            4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
            -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
            -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
        ]
    }

    /// The linear light of the nearest colour of the same lightness and hue that a screen can show: less saturated as needed.
    pub(crate) fn to_gamut(self) -> Linear {
        const SLACK: f64 = 1e-6;
        let fits = |c: Linear| c.iter().all(|x| (-SLACK..=1.0 + SLACK).contains(x));
        let at = |chroma: f64| Self { a: chroma * self.a, b: chroma * self.b, ..self }.to_linear();
        let mut colour = at(1.0);
        if !fits(colour) {
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..20 {
                let middle = 0.5 * (low + high);
                if fits(at(middle)) { low = middle } else { high = middle }
            }
            colour = at(low);
        }
        colour.map(|x| x.clamp(0.0, 1.0))
    }
}

/// Colour number `index` of a series in which neighbours differ clearly in hue, however long it is: each hue is a golden angle away
/// from the one before. `lightness` is OKLab's, 0 to 1. As 8-bit sRGB.
pub(crate) fn distinct(index: usize, lightness: f64) -> [u8; 3] {
    const CHROMA: f64 = 0.15;
    // Cosine and sine of 2π(2 − φ); rotating by multiplication needs no trigonometry at run time.
    let (cos, sin) = (-0.737_368_878_078_319_8, 0.675_490_294_261_523_8);
    // The series restarts every thousand colours, before rounding errors add up.
    let turned = (0..index % 1000).fold((0.82, 0.57), |(x, y), _| (x * cos - y * sin, x * sin + y * cos));
    let colour = Lab { l: lightness, a: CHROMA * turned.0, b: CHROMA * turned.1 }.to_gamut();
    colour.map(|x| Encoder::shared().to_u8(x as f32))
}

/// Reads `#rgb` or `#rrggbb` as linear light; `what` names the colour in the error.
///
/// # Errors
/// [`Error::Usage`] when `text` is not such a colour.
pub(crate) fn parse_hex(text: &str, what: &str) -> Result<Linear> {
    let digits: Option<Vec<u32>> = text.strip_prefix('#').and_then(|hex| hex.chars().map(|c| c.to_digit(16)).collect());
    let value = match digits.as_deref() {
        Some(&[r, g, b]) => [17 * r, 17 * g, 17 * b],
        Some(&[r1, r0, g1, g0, b1, b0]) => [16 * r1 + r0, 16 * g1 + g0, 16 * b1 + b0],
        _ => {
            return Err(Error::Usage(format!("{what} `{}` is not a colour like `#000000` or `#fa0`", shorten(text))));
        }
    };
    Ok(value.map(|x| decode(f64::from(x) / 255.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_is_light_and_without_colour() {
        let white = Lab::from_linear([1.0; 3]);
        assert!((white.l - 1.0).abs() < 1e-6 && white.a.abs() < 1e-6 && white.b.abs() < 1e-6, "{white:?}");
        assert_eq!(Lab::from_linear([0.0; 3]), Lab { l: 0.0, a: 0.0, b: 0.0 });
    }

    /// The author's own test value, XYZ (1, 0, 0), is outside sRGB; the value of pure sRGB red is well known.
    #[test]
    fn red_is_where_it_is_known_to_be() {
        let red = Lab::from_linear([1.0, 0.0, 0.0]);
        assert!(
            (red.l - 0.627_955).abs() < 1e-5 && (red.a - 0.224_863).abs() < 1e-5 && (red.b - 0.125_846).abs() < 1e-5
        );
    }

    #[test]
    fn a_series_of_colours_is_distinguished() {
        let lab = |i: usize| Lab::from_linear(distinct(i, 0.72).map(|x| decode(f64::from(x) / 255.0)));
        for (i, j) in (0..12).flat_map(|i| (0..i).map(move |j| (i, j))) {
            let (p, q) = (lab(i), lab(j));
            let apart = ((p.a - q.a).powi(2) + (p.b - q.b).powi(2)).sqrt();
            assert!(apart > 0.03, "{i} and {j}: {apart}");
        }
    }

    #[test]
    fn hexadecimal_colours_are_read() {
        assert_eq!(parse_hex("#fff", "colour").unwrap(), [1.0; 3]);
        assert_eq!(parse_hex("#fA0", "c").unwrap(), parse_hex("#ffaa00", "c").unwrap());
        for bad in ["", "#", "fff", "#ff", "#ffff", "#gggggg", "#ffffff0", "#ﬀf", "red", "#12345\u{301}"] {
            let message = parse_hex(bad, "interior colour").unwrap_err().to_string();
            assert!(message.contains("interior colour") && message.contains("#000000"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_colour_or_an_error(text in ".*|#[0-9a-fA-F]{0,8}") {
            let digits = text.strip_prefix('#').filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
            let is_colour = digits.is_some_and(|hex| hex.len() == 3 || hex.len() == 6);
            prop_assert_eq!(parse_hex(&text, "colour").is_ok(), is_colour);
        }

        #[test]
        fn there_and_back(r in 0f64..=1.0, g in 0f64..=1.0, b in 0f64..=1.0) {
            let back = Lab::from_linear([r, g, b]).to_linear();
            for (x, y) in [r, g, b].into_iter().zip(back) {
                prop_assert!((x - y).abs() < 1e-5, "{x} {y}");
            }
        }

        #[test]
        fn the_gamut_is_kept_and_lightness_too(l in 0.05f64..=1.0, a in -0.5f64..0.5, b in -0.5f64..0.5) {
            let colour = Lab { l, a, b }.to_gamut();
            prop_assert!(colour.iter().all(|x| (0.0..=1.0).contains(x)));
            prop_assert!((Lab::from_linear(colour).l - l).abs() < 1e-3);
        }
    }
}
