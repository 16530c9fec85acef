//! From samples to colours: a colouring decides where on a palette a sample lies, a palette which colour is there.
//!
//! Everything happens in linear light: colours are mixed over the samples of a pixel as a lens mixes light, and only the mean is
//! encoded as sRGB. The same samples give the same bytes on every machine: nothing here calls a C library's maths functions.
//!
//! A new colouring is one file and one line in [`COLOURINGS`]; a new palette is one entry in [`PALETTES`].

mod bands;
mod colourer;
mod distance;
mod oklab;
mod palette;
mod palettes;
mod relief;
mod smooth;
mod transfer;

pub use colourer::{Colourer, Depth, Scratch};
pub use palette::PaletteEntry;
pub use palettes::PALETTES;

pub(crate) use oklab::distinct;

use crate::error::{Error, Result, perhaps, shorten};
use crate::sample::{Channels, HIGH_COUNTS, INTERIOR, PlaneId, Samples, joined};
use palette::{CIRCLE, INSIDE, Phase};
use serde::{Deserialize, Serialize};

/// How a picture is coloured: the `[colour]` table of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColourSettings {
    /// A name from [`COLOURINGS`].
    pub colouring: String,
    /// A name from [`PALETTES`].
    pub palette: String,
    /// The colour of the interior, `#rrggbb` or `#rgb`.
    pub interior: String,
    /// How often the palette repeats, relative to the colouring's own measure; negative values run it backwards.
    pub density: f64,
    /// The shift of the colours, in turns around the palette; only the fraction matters.
    pub offset: f64,
}

impl Default for ColourSettings {
    fn default() -> Self {
        Self {
            colouring: COLOURINGS[0].name.into(),
            palette: PALETTES[0].name.into(),
            interior: "#000000".into(),
            density: 1.0,
            offset: 0.0,
        }
    }
}

/// The largest magnitude of [`ColourSettings::density`] and [`ColourSettings::offset`].
pub const MAX_DENSITY: f64 = 1000.0;

/// A colouring's entry in the registry.
#[derive(Clone, Copy, Debug)]
pub struct ColouringEntry {
    /// The name, as in `colouring = "…"`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub help: &'static str,
    /// The channels it needs besides the count.
    pub channels: Channels,
    make: fn(Scale) -> Box<dyn Colouring>,
}

/// Every colouring.
pub const COLOURINGS: &[ColouringEntry] = &[smooth::ENTRY, bands::ENTRY, distance::ENTRY, relief::ENTRY];

/// What a colouring decides for each sample: where on the palette it lies, and how bright it is.
trait Colouring: Send + Sync + std::fmt::Debug {
    /// Writes the phase of each sample of `row`.
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]);

    /// Whether the colouring changes the brightness of the palette's colours.
    fn is_lit(&self) -> bool {
        false
    }

    /// Writes the factor in [0, 1] by which the light of each sample of `row` is multiplied. Values for interior samples are ignored.
    fn light(&self, row: &Row<'_>, out: &mut [f32]) {
        let _ = row;
        out.fill(1.0);
    }
}

/// A row of samples.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    counts: &'a [u32],
    samples: Samples<'a>,
    /// Which of the tile's samples they are.
    first: usize,
    /// The distance between samples in pixels, by which distance estimates must be multiplied.
    spacing: f32,
}

impl<'a> Row<'a> {
    /// Row `y` of a tile, from its top, with `per_pixel` samples per pixel along each axis.
    fn of(samples: &Samples<'a>, y: usize, per_pixel: u32) -> Self {
        let width = samples.tile.width as usize;
        let first = y * width;
        Self {
            counts: &samples.counts[first..first + width],
            samples: *samples,
            first,
            spacing: 1.0 / per_pixel as f32,
        }
    }

    /// The high words of the counts, if these need any.
    fn high(&self) -> Option<&'a [u32]> {
        let place = self.samples.channels().place(HIGH_COUNTS)?;
        Some(&self.samples.words(place)[self.first..self.first + self.counts.len()])
    }

    /// A plane of numbers, empty if it was not computed.
    fn plane(&self, plane: PlaneId) -> &'a [f32] {
        self.samples.plane(plane).get(self.first..self.first + self.counts.len()).unwrap_or_default()
    }
}

/// The linear map from a colouring's measure to the phase.
#[derive(Clone, Copy, Debug)]
struct Scale {
    density: f64,
    offset: f64,
}

impl Scale {
    /// The phase of a sample whose measure is `times` turns around the palette.
    ///
    /// Rounding to fixed point and taking the fraction are one addition: near 1.5 · 2⁵²⁻²⁰ the last bits of a double count in units of
    /// 2⁻²⁰, and the bits above them, whole turns, are cut off. Valid while |`times`| · density < 2³⁰.
    #[inline(always)]
    fn phase(self, times: f64) -> Phase {
        const { assert!(CIRCLE == 1 << 20) };
        let fixed = times * self.density + self.offset + 1.5 * (1u64 << 32) as f64;
        fixed.to_bits() as u32 % CIRCLE
    }

    /// The same for a measure of any size, from a count of two words: whole turns are cut off first.
    fn phase_of_large(self, [low, high]: [u32; 2], measure: impl Fn(f64) -> f64) -> Phase {
        let turns = measure(joined(low, high) as f64) * self.density;
        let phase = Self { density: 1.0, ..self }.phase(turns - turns.floor());
        if low == INTERIOR { INSIDE } else { phase }
    }

    /// The phase, or that of the interior.
    #[inline(always)]
    fn phase_unless_inside(self, count: u32, times: f64) -> Phase {
        let phase = self.phase(times);
        if count == INTERIOR { INSIDE } else { phase }
    }
}

/// The entry called `name` in a registry, or an error that lists the known names.
fn find<T: 'static>(
    entries: &'static [T],
    name_of: impl Fn(&T) -> &'static str,
    kind: &str,
    name: &str,
) -> Result<&'static T> {
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| {
        let known: Vec<_> = entries.iter().map(&name_of).collect();
        let (perhaps, name) = (perhaps(name, known.iter().copied()), shorten(name));
        Error::Usage(format!("unknown {kind} `{name}`{perhaps}; the {kind}s are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::Tile;
    use proptest::prelude::*;

    /// The words of a row: counts, fractions, then both parts of the distances; missing ones are filled with zeros.
    fn words(counts: &[u32], planes: [&[f32]; 3]) -> Vec<u32> {
        let filled = |plane: &[f32]| -> Vec<u32> {
            (0..counts.len()).map(|i| plane.get(i).map_or(0, |number| number.to_bits())).collect()
        };
        [counts.to_vec()].into_iter().chain(planes.map(filled)).flatten().collect()
    }

    fn row(words: &[u32], per_pixel: u32) -> Row<'_> {
        let tile = Tile { x: 0, y: 0, width: words.len() as u32 / 4, height: 1 };
        Row::of(&Samples::new(tile, Channels::ALL, bytemuck::cast_slice(words)), 0, per_pixel)
    }

    fn phases(name: &str, scale: Scale, row: &Row<'_>) -> Vec<Phase> {
        let mut out = vec![0; row.counts.len()];
        let entry = COLOURINGS.iter().find(|entry| entry.name == name).unwrap();
        (entry.make)(scale).phases(row, &mut out);
        out
    }

    fn light(name: &str, row: &Row<'_>) -> Vec<f32> {
        let mut out = vec![f32::NAN; row.counts.len()];
        let entry = COLOURINGS.iter().find(|entry| entry.name == name).unwrap();
        (entry.make)(PLAIN).light(row, &mut out);
        out
    }

    const PLAIN: Scale = Scale { density: 1.0, offset: 0.0 };

    /// How far two phases are apart around the circle.
    fn apart(a: Phase, b: Phase) -> u32 {
        let direct = a.abs_diff(b);
        direct.min(CIRCLE - direct)
    }

    #[test]
    fn names_are_unique_and_helped() {
        let names: Vec<_> =
            (COLOURINGS.iter().map(|c| (c.name, c.help))).chain(PALETTES.iter().map(|p| (p.name, p.help))).collect();
        for (i, (name, help)) in names.iter().enumerate() {
            assert!(!help.is_empty() && names[..i].iter().all(|(other, _)| other != name), "{name}");
        }
        assert!(PALETTES.len() >= 8);
    }

    #[test]
    fn the_interior_is_inside_for_every_colouring() {
        for entry in COLOURINGS {
            let words = words(&[INTERIOR, 7], [&[0.0, 0.5], &[0.0, 1.0], &[0.0, 1.0]]);
            let phases = phases(entry.name, PLAIN, &row(&words, 1));
            assert!(phases[0] == INSIDE && phases[1] < CIRCLE, "{}", entry.name);
        }
    }

    #[test]
    fn smooth_colours_go_around_with_the_root() {
        let counts = [4, 25, 64, 121, 196];
        let phases = phases("smooth", PLAIN, &row(&words(&counts, [&[]; 3]), 1));
        for (i, &phase) in phases.iter().enumerate() {
            assert!(apart(phase, (i as u32 % 2) * CIRCLE / 2) <= 1, "{phases:?}");
        }
    }

    #[test]
    fn bands_are_flat_and_differ() {
        let phases = phases("bands", Scale { density: 2.0, offset: 0.25 }, &row(&words(&[8, 9, 40], [&[]; 3]), 1));
        assert_eq!(phases, [CIRCLE / 4 * 3, CIRCLE / 16 * 13, CIRCLE / 4 * 3]);
    }

    #[test]
    fn distance_darkens_the_boundary() {
        let one = words(&[5; 4], [&[], &[0.0, 0.45, -3.0, f32::MAX], &[0.0, 0.6, 4.0, f32::MAX]]);
        assert_eq!(light("distance", &row(&one, 1)), [0.0, 0.5, 5.0 / 5.75, 1.0]);
        // The same place with twice as many samples per pixel.
        let four = words(&[5; 4], [&[], &[0.0, 0.9, -6.0, f32::INFINITY], &[0.0, 1.2, 8.0, 0.0]]);
        assert_eq!(light("distance", &row(&four, 2)), [0.0, 0.5, 5.0 / 5.75, 1.0]);
    }

    #[test]
    fn relief_is_lit_from_the_upper_left() {
        let words = words(&[5; 4], [&[], &[2.0, -2.0, 2.0, 0.0], &[2.0, -2.0, -2.0, 0.0]]);
        let light = light("relief", &row(&words, 1));
        assert!(
            (light[0] - 1.0).abs() < 1e-6 && (light[1] - 0.2).abs() < 1e-6 && (light[2] - 0.6).abs() < 1e-6,
            "{light:?}"
        );
        assert_eq!(light[3], 0.6);
    }

    /// The default picture's first colour, worked out by hand: ν = 4 is where the palette begins.
    #[test]
    fn a_colour_is_that_of_the_palette() {
        let tile = Tile { x: 0, y: 0, width: 2, height: 1 };
        let words = words(&[4, INTERIOR], [&[]; 3]);
        let samples = Samples::new(tile, Channels::ALL, bytemuck::cast_slice(&words));
        for entry in PALETTES {
            let settings =
                ColourSettings { palette: entry.name.into(), interior: "#0A1".into(), ..ColourSettings::default() };
            let mut pixels = [0; 6];
            Colourer::new(&settings).unwrap().paint(&samples, 1, Depth::Eight, &mut pixels, &mut Scratch::default());
            let [r, g, b, rest @ ..] = pixels;
            assert_eq!(format!("#{r:02x}{g:02x}{b:02x}"), entry.stops[0].1, "{}", entry.name);
            assert_eq!((entry.stops[0].0, rest), (0.0, [0x00, 0xaa, 0x11]));
        }
    }

    proptest! {
        #[test]
        fn phases_are_fractions_of_turns(times in 0f64..60_000.0, density in -1000f64..1000.0, offset in -1000f64..1000.0) {
            let turns = (times * density + offset).rem_euclid(1.0);
            let exact = (turns * f64::from(CIRCLE)).round() as u32 % CIRCLE;
            let scale = Scale { density, offset };
            prop_assert!(apart(scale.phase(times), exact) <= 1);
        }

        /// No step where the count changes, however deep.
        #[test]
        fn smooth_colours_have_no_steps(n in 1u32..INTERIOR - 1024) {
            let below = 1.0 - f32::EPSILON / 2.0;
            let phases = phases("smooth", PLAIN, &row(&words(&[n, n + 1], [&[below], &[], &[]]), 1));
            prop_assert!(apart(phases[0], phases[1]) <= 1);
        }
    }
}
