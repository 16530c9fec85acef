//! Samples become colours.

use super::{BLANK, Frame, NOTHING};
use crate::colour::{Colourer, Depth};
use crate::sample::{Channels, Samples};
use crate::tile::Tile;

impl Frame {
    /// Paints everything again, in other colours perhaps. What the colours need and the samples do not have leaves the picture as it is.
    pub(in crate::window) fn repaint(&mut self, colourer: &Colourer) {
        const ROWS: u32 = 16;
        let (width, height) = self.size;
        for y in (0..height).step_by(ROWS as usize) {
            self.paint(Tile { x: 0, y, width, height: ROWS.min(height - y) }, colourer);
        }
    }

    /// Paints an area, in pixels.
    pub(super) fn paint(&mut self, area: Tile, colourer: &Colourer) {
        let needs = colourer.channels();
        if (needs.smooth && !self.channels.smooth) || (needs.distance && !self.channels.distance) {
            return;
        }
        let (per, memory) = (self.samples, &mut *self.scratch);
        let across = (self.size.0 * per) as usize;
        let fine = Tile { x: area.x * per, y: area.y * per, width: area.width * per, height: area.height * per };
        let row = |y: u32| {
            let start = (fine.y + y) as usize * across + fine.x as usize;
            start..start + fine.width as usize
        };
        let words = fine.area();
        let channels = Channels { smooth: needs.smooth, distance: needs.distance };
        memory.words.clear();
        (0..fine.height).for_each(|y| memory.words.extend_from_slice(&self.counts[row(y)]));
        let planes =
            [(needs.smooth, &self.fractions), (needs.distance, &self.distance[0]), (needs.distance, &self.distance[1])];
        for (wanted, plane) in planes {
            if wanted {
                (0..fine.height).for_each(|y| memory.words.extend_from_slice(bytemuck::cast_slice(&plane[row(y)])));
            }
        }
        debug_assert_eq!(memory.words.len(), words * channels.words());
        memory.pixels.resize(3 * area.area(), 0);
        let samples = Samples::new(fine, channels, bytemuck::cast_slice(&memory.words));
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

    /// Leaves the colours of a coarse step's samples in the scratch memory, if the samples have what the colours need.
    pub(super) fn paint_blocks(&mut self, samples: &Samples<'_>, grain: u32, colourer: &Colourer) -> bool {
        let (needs, memory) = (colourer.channels(), &mut *self.scratch);
        let has = |wanted: bool, plane: &[f32]| !wanted || !plane.is_empty();
        if !has(needs.smooth, samples.fractions) || !has(needs.distance, samples.distance_x) {
            return false;
        }
        memory.words.clear();
        memory.words.extend_from_slice(samples.counts);
        if needs.smooth {
            memory.words.extend(samples.fractions.iter().map(|fraction| fraction.to_bits()));
        }
        if needs.distance {
            let pixels = |distance: &f32| (distance * grain as f32).to_bits();
            memory.words.extend(samples.distance_x.iter().chain(samples.distance_y).map(pixels));
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
