//! Painting: from samples to colours.

use super::{BLANK, Frame, NOTHING};
use crate::colour::{Colourer, Depth};
use crate::sample::Samples;
use crate::tile::Tile;

impl Frame {
    /// Paints everything again, perhaps in other colours. If the samples lack a channel that the colours need, the picture stays as it is.
    pub(in crate::window) fn repaint(&mut self, colourer: &Colourer) {
        const ROWS: u32 = 16;
        let (width, height) = self.size;
        for y in (0..height).step_by(ROWS as usize) {
            self.paint(Tile { x: 0, y, width, height: ROWS.min(height - y) }, colourer);
        }
    }

    /// Paints an area, in pixels.
    pub(super) fn paint(&mut self, area: Tile, colourer: &Colourer) {
        let needs = colourer.channels().with_high_of(self.planes.channels);
        if !self.planes.channels.contains(needs) {
            return;
        }
        let (per, memory) = (self.samples, &mut *self.scratch);
        let across = (self.size.0 * per) as usize;
        let fine = Tile { x: area.x * per, y: area.y * per, width: area.width * per, height: area.height * per };
        let row = |y: u32| {
            let start = (fine.y + y) as usize * across + fine.x as usize;
            start..start + fine.width as usize
        };
        memory.words.clear();
        for (place, ..) in self.planes.channels.shared(needs) {
            (0..fine.height).for_each(|y| memory.words.extend_from_slice(&self.planes.words[place][row(y)]));
        }
        memory.pixels.resize(3 * area.area(), 0);
        let samples = Samples::new(fine, needs, bytemuck::cast_slice(&memory.words));
        colourer.paint(&samples, per, Depth::Eight, &mut memory.pixels, &mut memory.colour);
        let colours = memory.pixels.as_chunks::<3>().0.chunks_exact(area.width as usize);
        for (y, colours) in (area.y..).zip(colours) {
            let start = y as usize * self.size.0 as usize + area.x as usize;
            let to = start..start + area.width as usize;
            for ((pixel, level), colour) in self.picture[to.clone()].iter_mut().zip(&self.levels[to]).zip(colours) {
                *pixel = if *level == NOTHING { BLANK } else { colour_of(*colour) };
            }
        }
    }

    /// Leaves the colours of a coarse step's samples in the scratch memory, if the samples have the channels that the colours need.
    pub(super) fn paint_blocks(&mut self, samples: &Samples<'_>, colourer: &Colourer) -> bool {
        let needs = colourer.channels().with_high_of(samples.channels());
        let (memory, per) = (&mut *self.scratch, self.samples as f32);
        if !samples.channels().contains(needs) {
            return false;
        }
        memory.words.clear();
        for (place, _, plane) in samples.channels().shared(needs) {
            // Lengths are in samples; here, the colourer has one per pixel.
            let pixels = |&word: &u32| plane.values.stretched(word, per.recip());
            memory.words.extend(samples.words(place).iter().map(pixels));
        }
        memory.pixels.resize(3 * samples.tile.area(), 0);
        let blocks = Samples::new(samples.tile, needs, bytemuck::cast_slice(&memory.words));
        colourer.paint(&blocks, 1, Depth::Eight, &mut memory.pixels, &mut memory.colour);
        true
    }
}

/// A painted pixel as 0x00RRGGBB.
pub(super) fn colour_of([r, g, b]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, r, g, b])
}
