//! A colouring combined with a palette: tiles of samples in, rows of pixels out.

use super::oklab::{Linear, parse_hex};
use super::palette::{Curve, INSIDE, Palette, PaletteEntry, Phase};
use super::transfer::Encoder;
use super::{COLOURINGS, ColourSettings, Colouring, ColouringEntry, MAX_DENSITY, PALETTES, Row, Scale, find};
use crate::error::{Error, Result, brief};
use crate::sample::{Channels, Samples};
use std::sync::OnceLock;

/// The number of bits for each of a pixel's red, green and blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits.
    #[default]
    Eight,
    /// 16 bits, big-endian, as in PNG and PPM.
    Sixteen,
}

impl Depth {
    /// The number of bits.
    pub fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Sixteen => 16,
        }
    }

    /// The bytes of an RGB pixel.
    pub fn pixel_bytes(self) -> usize {
        3 * usize::from(self.bits()) / 8
    }
}

/// Turns samples into pixels. Shared by all workers.
#[derive(Debug)]
pub struct Colourer {
    entry: &'static ColouringEntry,
    colouring: Box<dyn Colouring>,
    colours: &'static PaletteEntry,
    interior: Linear,
    /// Computed when first needed: every worker process has a colourer, and none of them paints. Even the curve through the palette's
    /// colours takes 8 µs, of the 42 in which a worker made a small render.
    palette: OnceLock<Palette>,
}

/// Scratch memory for colouring; kept by a worker so that it is not allocated for each tile.
#[derive(Debug, Default)]
pub struct Scratch {
    phases: Vec<Phase>,
    light: Vec<f32>,
    /// Linear light; the fourth number pads a pixel to a vector.
    sums: Vec<[f32; 4]>,
}

impl Colourer {
    /// Looks up the names in `settings`. The palette's tables are computed before the first tile is painted.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name, with a list of the known ones, an invalid colour, or a number out of range.
    pub fn new(settings: &ColourSettings) -> Result<Self> {
        for (what, value) in [("density", settings.density), ("offset", settings.offset)] {
            if value.is_nan() || value.abs() > MAX_DENSITY {
                let range = format!("from -{MAX_DENSITY} to {MAX_DENSITY}");
                let value = brief(value);
                return Err(Error::Usage(format!("colour {what} {value} is not a number {range}")));
            }
        }
        let entry = find(COLOURINGS, |c| c.name, "colouring", &settings.colouring)?;
        let colours = find(PALETTES, |p| p.name, "palette", &settings.palette)?;
        let interior = parse_hex(&settings.interior, "interior colour")?;
        let scale = Scale { density: settings.density, offset: settings.offset };
        Ok(Self { entry, colouring: (entry.make)(scale), colours, interior, palette: OnceLock::new() })
    }

    fn palette(&self) -> &Palette {
        let curve = || Curve::new(self.colours).expect("the palettes of the table have colours");
        self.palette.get_or_init(|| Palette::new(&curve(), self.interior))
    }

    /// Computes the palette's tables now (about a millisecond) rather than when the first tile waits for them.
    pub fn prepare(&self) {
        let _ = self.palette();
    }

    /// The channels that colouring needs besides the count.
    pub fn channels(&self) -> Channels {
        self.entry.channels
    }

    /// Colours a tile into `out`: rows of pixels from the top, each the mean of `per_pixel` × `per_pixel` samples.
    ///
    /// # Panics
    /// When the tile's sides are not multiples of `per_pixel`, the samples lack a channel, or `out` does not have the tile's size.
    pub fn paint(&self, samples: &Samples<'_>, per_pixel: u32, depth: Depth, out: &mut [u8], scratch: &mut Scratch) {
        let tile = samples.tile;
        let whole = tile.width.is_multiple_of(per_pixel) && tile.height.is_multiple_of(per_pixel);
        assert!(whole, "{tile} is cut inside a pixel");
        let pixels = (tile.width / per_pixel) as usize;
        assert_eq!(out.len(), tile.area() / (per_pixel * per_pixel) as usize * depth.pixel_bytes(), "pixels of {tile}");
        if let Some(lacking) = samples.channels().lacking(self.channels()) {
            panic!("{tile} has no {lacking}");
        }

        let palette = self.palette();
        scratch.phases.resize(tile.width as usize, 0);
        scratch.light.resize(tile.width as usize, 1.0);
        for (y, line) in out.chunks_exact_mut(pixels * depth.pixel_bytes()).enumerate() {
            if per_pixel == 1 && depth == Depth::Eight && !self.colouring.is_lit() {
                self.paint_fast(palette, &Row::of(samples, y, 1), line, scratch);
                continue;
            }
            scratch.sums.clear();
            scratch.sums.resize(pixels, [0.0; 4]);
            for sub in 0..per_pixel as usize {
                let row = Row::of(samples, y * per_pixel as usize + sub, per_pixel);
                self.add(palette, &row, per_pixel as usize, scratch);
            }
            let share = 1.0 / (per_pixel * per_pixel) as f32;
            let encoder = Encoder::shared();
            match depth {
                Depth::Eight => {
                    for (to, sum) in line.as_chunks_mut::<3>().0.iter_mut().zip(&scratch.sums) {
                        let [r, g, b, _] = *sum;
                        *to = [encoder.to_u8(r * share), encoder.to_u8(g * share), encoder.to_u8(b * share)];
                    }
                }
                Depth::Sixteen => {
                    for (to, sum) in line.as_chunks_mut::<6>().0.iter_mut().zip(&scratch.sums) {
                        let [r, g, b] = [sum[0], sum[1], sum[2]].map(|x| encoder.to_u16(x * share).to_be_bytes());
                        *to = [r[0], r[1], g[0], g[1], b[0], b[1]];
                    }
                }
            }
        }
    }

    /// One sample per pixel and unchanged palette colours: 8-bit colours straight from the palette's table.
    fn paint_fast(&self, palette: &Palette, row: &Row<'_>, line: &mut [u8], scratch: &mut Scratch) {
        self.colouring.phases(row, &mut scratch.phases);
        for (to, &phase) in line.as_chunks_mut::<3>().0.iter_mut().zip(&scratch.phases) {
            to.copy_from_slice(&palette.bytes(phase)[..3]);
        }
    }

    /// Adds the light of a row of samples to the sums of its pixels, from left to right.
    fn add(&self, palette: &Palette, row: &Row<'_>, per_pixel: usize, scratch: &mut Scratch) {
        self.colouring.phases(row, &mut scratch.phases);
        let lit = self.colouring.is_lit();
        if lit {
            self.colouring.light(row, &mut scratch.light);
        }
        let mut samples = scratch.phases.iter().zip(&scratch.light);
        // Without adapters for each pixel: where they are left as calls, colouring takes three times as long.
        for sum in &mut scratch.sums {
            for (&phase, &light) in samples.by_ref().take(per_pixel) {
                let colour = palette.linear(phase);
                let light = if lit && phase != INSIDE { light } else { 1.0 };
                for i in 0..sum.len() {
                    sum[i] += light * colour[i];
                }
            }
        }
    }
}
