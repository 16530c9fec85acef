//! The samples on the screen, whichever view they came from, and the picture painted from them.
//!
//! Samples are kept rather than colours, so that palettes change at once. Each pixel has a level: the size of the block it belongs to.
//! Level 0 is final: computed for exactly this pixel of this view. A moved view reuses the samples of the old one: where coordinates are
//! the same to the bit, levels stay; elsewhere they say how coarse the enlarged picture is, and coarse passes draw only where they are
//! finer.

mod coarse;
mod gather;
mod missing;
mod paint;

pub(super) use gather::Way;

use super::engine::{Begun, Finished};
use super::place::{Map, Size};
use crate::colour::{Colourer, Scratch};
use crate::sample::{Channels, Samples};
use crate::tile::Tile;
use gather::Gather;

/// The level of a pixel about which nothing is known.
pub(super) const NOTHING: u8 = u8::MAX;

/// Levels per octave of block sizes.
const PER_OCTAVE: f64 = 8.0;

/// The colour of pixels about which nothing is known.
const BLANK: u32 = 0x16_16_1a;

/// The level of blocks of `grain` pixels each way.
pub(super) fn level(grain: f64) -> u8 {
    (1.0 + PER_OCTAVE * grain.max(1.0).log2()).round().min(254.0) as u8
}

/// The planes of samples, and the picture.
#[derive(Debug)]
pub(super) struct Frame {
    size: Size,
    /// Samples per pixel, each way.
    samples: u32,
    planes: Planes,
    /// One per pixel.
    levels: Vec<u8>,
    picture: Vec<u32>,
    /// Scratch memory for painting and moving.
    scratch: Box<FrameScratch>,
}

#[derive(Debug, Default)]
struct FrameScratch {
    planes: Planes,
    words: Vec<u32>,
    levels: Vec<u8>,
    picture: Vec<u32>,
    pixels: Vec<u8>,
    colour: Scratch,
}

impl Frame {
    /// An empty frame of this size.
    pub(super) fn new(size: Size, samples: u32, channels: Channels) -> Self {
        let mut frame = Self {
            size,
            samples,
            planes: Planes::default(),
            levels: Vec::new(),
            picture: Vec::new(),
            scratch: Box::default(),
        };
        frame.clear(size, samples, channels);
        frame
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, size: Size, samples: u32, channels: Channels) {
        (self.size, self.samples) = (size, samples);
        let pixels = size.0 as usize * size.1 as usize;
        self.planes.clear(channels, pixels * (samples * samples) as usize);
        refill(&mut self.levels, pixels, NOTHING);
        refill(&mut self.picture, pixels, BLANK);
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// The picture, 0x00RRGGBB.
    pub(super) fn picture(&self) -> &[u32] {
        &self.picture
    }

    /// The channels of the samples.
    pub(super) fn channels(&self) -> Channels {
        self.planes.channels
    }

    /// Moves everything to a new view of this size: exactly, by whole pixels, or approximately, along a map with the size of the new pixels
    /// in old ones. The picture's colours are moved as well, which is faster than painting them again: 3 ms at 1280×720.
    pub(super) fn reproject(&mut self, size: Size, way: &Way) {
        let pixels = size.0 as usize * size.1 as usize;
        let (samples, count) = (self.samples, pixels * (self.samples * self.samples) as usize);
        let mut old = std::mem::take(&mut *self.scratch);
        std::mem::swap(&mut old.planes, &mut self.planes);
        std::mem::swap(&mut old.levels, &mut self.levels);
        std::mem::swap(&mut old.picture, &mut self.picture);
        self.planes.clear(old.planes.channels, count);
        refill(&mut self.levels, pixels, NOTHING);
        refill(&mut self.picture, pixels, BLANK);
        let (fine, old_fine) = ([size, self.size]).map(|(w, h)| (w * samples, h * samples)).into();
        let gather = Gather::new(way, size, self.size, 1);
        gather.plane(&old.levels, &mut self.levels);
        gather.plane(&old.picture, &mut self.picture);
        let gather = if samples == 1 { gather } else { Gather::new(way, fine, old_fine, samples) };
        for (old, new) in old.planes.words.iter().zip(&mut self.planes.words) {
            gather.plane(old, new);
        }
        if let Way::Along { scale, .. } = way {
            // One pixel of the old view is 1/scale pixels now.
            let finer = (-PER_OCTAVE * scale.log2()).round().clamp(-300.0, 300.0) as i32;
            for level in &mut self.levels {
                if *level != NOTHING {
                    *level = (i32::from(*level).max(1) + finer).clamp(1, 254) as u8;
                }
            }
        }
        *self.scratch = old;
        self.size = size;
    }

    /// Changes the number of samples per pixel, or the channels. Samples that lack a new channel become worthless.
    pub(super) fn adapt(&mut self, samples: u32, channels: Channels, colourer: &Colourer) {
        let fine = |per: u32| (self.size.0 * per, self.size.1 * per);
        let (new, old) = (fine(samples), fine(self.samples));
        let count = new.0 as usize * new.1 as usize;
        let step = f64::from(self.samples) / f64::from(samples);
        let map = Map { origin: [0.0; 2], right: [step, 0.0], down: [0.0, step] };
        let gather = Gather::new(&Way::Along { map, scale: 1.0 }, new, old, 1);
        let from = std::mem::take(&mut self.planes);
        self.planes.clear(channels, count);
        for (new, old, _) in channels.shared(from.channels) {
            gather.plane(&from.words[old], &mut self.planes.words[new]);
        }
        let same = self.samples == samples;
        self.samples = samples;
        if !from.channels.contains(channels) {
            self.worthless();
        } else if !same {
            self.stale();
            self.repaint(colourer);
        }
    }

    /// Marks everything as not final, though it looks much like the picture to come.
    pub(super) fn stale(&mut self) {
        for level in &mut self.levels {
            *level = (*level).max(1);
        }
    }

    /// Marks everything as unrelated to the picture to come.
    pub(super) fn worthless(&mut self) {
        self.levels.fill(NOTHING - 1);
    }

    /// Takes the samples of finished tiles and paints them.
    pub(super) fn put(&mut self, step: &Begun, claim: &Finished, colourer: &Colourer) {
        let mut words = &claim.words[..];
        for index in claim.range.clone() {
            let (own, rest) = words.split_at(step.tiles.bytes(index) / 4);
            words = rest;
            let samples = step.tiles.samples(index, bytemuck::cast_slice(own));
            if step.grain > 0 {
                self.put_coarse(step, &samples, colourer);
            } else if let Some(area) = self.put_final(step, &samples) {
                self.paint(area, colourer);
            }
        }
    }

    /// Takes final samples unchanged and paints them.
    pub(super) fn put_samples(&mut self, samples: &Samples<'_>, colourer: &Colourer) {
        if let Some(area) = self.store((samples.tile.x, samples.tile.y), samples) {
            self.paint(area, colourer);
        }
    }

    fn put_final(&mut self, step: &Begun, samples: &Samples<'_>) -> Option<Tile> {
        let (per, tile) = (self.samples, samples.tile);
        if step.samples != per {
            return None;
        }
        self.store((step.origin.0 * per + tile.x, step.origin.1 * per + tile.y), samples)
    }

    /// Takes final samples, the first of them at (x, y), in samples.
    fn store(&mut self, (x, y): (u32, u32), samples: &Samples<'_>) -> Option<Tile> {
        let (per, tile) = (self.samples, samples.tile);
        let (across, down) = (self.size.0 * per, self.size.1 * per);
        if x + tile.width > across || y + tile.height > down {
            return None;
        }
        for (number, plane, _) in self.planes.channels.shared(samples.channels()) {
            let (plane, words) = (samples.words(plane), &mut self.planes.words[number]);
            for (row, from) in (y..).zip(plane.chunks_exact(tile.width as usize)) {
                let to = row as usize * across as usize + x as usize;
                words[to..to + from.len()].copy_from_slice(from);
            }
        }
        let area = Tile { x: x / per, y: y / per, width: tile.width / per, height: tile.height / per };
        for row in area.y..area.y + area.height {
            let start = row as usize * self.size.0 as usize + area.x as usize;
            self.levels[start..start + area.width as usize].fill(0);
        }
        Some(area)
    }

    /// A copy of the samples and their levels, to keep.
    pub(super) fn shown(&self) -> Shown {
        let (planes, levels) = (self.planes.clone(), self.levels.clone());
        Shown { size: self.size, samples: self.samples, planes, levels }
    }
}

/// All samples, and which of them are final.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) size: Size,
    /// Samples per pixel, each way.
    pub(super) samples: u32,
    pub(super) planes: Planes,
    /// One per pixel; 0 is final.
    pub(super) levels: Vec<u8>,
}

/// All samples: for each plane of the channels one word per sample, rows from the top.
#[derive(Clone, Debug, Default)]
pub(super) struct Planes {
    pub(super) channels: Channels,
    pub(super) words: Vec<Vec<u32>>,
}

impl Planes {
    /// Forgets everything.
    fn clear(&mut self, channels: Channels, count: usize) {
        self.channels = channels;
        self.words.resize_with(channels.words(), Vec::new);
        for (plane, words) in channels.planes().zip(&mut self.words) {
            refill(words, count, plane.values.missing());
        }
    }
}

fn refill<T: Copy>(plane: &mut Vec<T>, len: usize, value: T) {
    plane.clear();
    plane.resize(len, value);
}
