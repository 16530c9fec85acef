//! From samples to colours: colourings say where on a palette a sample lies, palettes say which colour is there.
//!
//! Everything happens in linear light: colours are mixed over the samples of a pixel as a lens mixes light, and only the mean
//! is encoded as sRGB. The same samples give the same bytes on every machine: nothing here calls a C library's mathematics.
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

use crate::error::{Error, Result};
use crate::sample::{Channels, INTERIOR, Samples};
use palette::{CIRCLE, INSIDE, Phase};
use serde::{Deserialize, Serialize};

/// How a picture is coloured: the `[colour]` table of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A name from [`COLOURINGS`].
    pub colouring: String,
    /// A name from [`PALETTES`].
    pub palette: String,
    /// The colour of the interior, `#rrggbb` or `#rgb`.
    pub interior: String,
    /// How often the palette repeats, relative to the colouring's own measure; negative runs it backwards.
    pub density: f64,
    /// By how many times around the palette the colours are shifted; only the fraction matters.
    pub offset: f64,
}

impl Default for Settings {
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

/// The largest magnitude of [`Settings::density`] and [`Settings::offset`].
pub const MAX_DENSITY: f64 = 1000.0;

/// A colouring as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct ColouringEntry {
    /// The name, as in `colouring = "…"`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub help: &'static str,
    /// What it needs to know of a sample beside its count.
    pub channels: Channels,
    make: fn(Scale) -> Box<dyn Colouring>,
}

/// Every colouring.
pub const COLOURINGS: &[ColouringEntry] = &[smooth::ENTRY, bands::ENTRY, distance::ENTRY, relief::ENTRY];

/// What a colouring decides of each sample: where on the palette it lies, and how bright it is.
trait Colouring: Send + Sync + std::fmt::Debug {
    /// Writes the phase of each sample of `row`.
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]);

    /// Whether the colouring changes how bright the palette's colours are.
    fn is_lit(&self) -> bool {
        false
    }

    /// Writes by how much the light of each sample of `row` is multiplied, in [0, 1]. What it says of the interior is ignored.
    fn light(&self, row: &Row<'_>, out: &mut [f32]) {
        let _ = row;
        out.fill(1.0);
    }
}

/// A row of samples; planes that were not computed are empty.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    counts: &'a [u32],
    fractions: &'a [f32],
    distance_x: &'a [f32],
    distance_y: &'a [f32],
}

impl<'a> Row<'a> {
    /// Row `y` of a tile, from its top.
    fn of(samples: &Samples<'a>, y: usize) -> Self {
        let width = samples.tile.width as usize;
        fn part<T>(plane: &[T], start: usize, width: usize) -> &[T] {
            plane.get(start..start + width).unwrap_or_default()
        }
        Self {
            counts: part(samples.counts, y * width, width),
            fractions: part(samples.fractions, y * width, width),
            distance_x: part(samples.distance_x, y * width, width),
            distance_y: part(samples.distance_y, y * width, width),
        }
    }
}

/// The straight line from a colouring's measure to the phase.
#[derive(Clone, Copy, Debug)]
struct Scale {
    density: f64,
    offset: f64,
}

impl Scale {
    /// The phase of a sample whose measure is `times` times around the palette.
    ///
    /// Rounding to fixed point and taking the fraction are one addition: beside 1.5 · 2⁵²⁻²⁰ the last bits of a double count
    /// in units of 2⁻²⁰, and the bits above them, whole turns, are cut off. Right while |`times`| · density < 2³⁰.
    #[inline(always)]
    fn phase(self, times: f64) -> Phase {
        const { assert!(CIRCLE == 1 << 20) };
        let fixed = times * self.density + self.offset + 1.5 * (1u64 << 32) as f64;
        fixed.to_bits() as u32 % CIRCLE
    }

    /// The phase, or that of the interior.
    #[inline(always)]
    fn phase_unless_inside(self, count: u32, times: f64) -> Phase {
        let phase = self.phase(times);
        if count == INTERIOR { INSIDE } else { phase }
    }
}

/// The entry called `name` in a registry, or an error that lists what there is.
fn find<T: 'static>(
    entries: &'static [T],
    name_of: impl Fn(&T) -> &'static str,
    kind: &str,
    name: &str,
) -> Result<&'static T> {
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| {
        let known: Vec<_> = entries.iter().map(&name_of).collect();
        Error::Usage(format!("unknown {kind} `{}`; known are {}", shorten(name), known.join(", ")))
    })
}

/// Text from outside as an error message may repeat it: printable and short.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
