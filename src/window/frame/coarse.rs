//! Coarse pictures: one sample per block of pixels, drawn where the frame is coarser.

use super::super::engine::Begun;
use super::paint::colour_of;
use super::{Frame, level};
use crate::colour::Colourer;
use crate::sample::Samples;

impl Frame {
    /// Draws blocks where the frame is coarser. Each is painted once, which is many times faster than painting their pixels, and a row of
    /// blocks is spread over its pixels once, for all rows of pixels that it covers.
    pub(super) fn put_coarse(&mut self, step: &Begun, samples: &Samples<'_>, colourer: &Colourer) {
        let (grain, per) = (step.grain, self.samples as usize);
        let finer = level(grain.into());
        let tile = samples.tile;
        let shared = self.planes.channels.shared(samples.channels());
        let shared: Vec<_> = shared.map(|(number, plane, _)| (number, samples.words(plane))).collect();
        let painted = self.paint_blocks(samples, colourer);
        let (left, top) = (step.origin.0 + tile.x * grain, step.origin.1 + tile.y * grain);
        let (right, bottom) =
            ((left + tile.width * grain).min(self.size.0), (top + tile.height * grain).min(self.size.1));
        let (width, across) = (right.saturating_sub(left) as usize, self.size.0 as usize);
        let mut spread = Spread::default();
        for (row, y) in (top..bottom).step_by(grain as usize).enumerate() {
            let blocks = row * tile.width as usize..(row + 1) * tile.width as usize;
            spread.planes.resize_with(shared.len(), Vec::new);
            for (row, (_, words)) in spread.planes.iter_mut().zip(&shared) {
                spread_row(row, &words[blocks.clone()], grain as usize * per, width * per);
            }
            if painted {
                let colours = self.scratch.pixels.as_chunks().0[blocks].iter().copied().map(colour_of);
                spread.blocks.clear();
                spread.blocks.extend(colours);
                spread_row(&mut spread.picture, &spread.blocks, grain as usize, width);
            }
            for y in y..(y + grain).min(bottom) {
                let start = y as usize * across + left as usize;
                let mut x = 0;
                while x < width {
                    // Up to the next pixel that is already as fine.
                    let levels = &mut self.levels[start + x..start + width];
                    let run = levels.iter().position(|&level| level <= finer).unwrap_or(levels.len());
                    if run == 0 {
                        x += levels.iter().position(|&level| level > finer).unwrap_or(levels.len());
                        continue;
                    }
                    levels[..run].fill(finer);
                    let drawn = x..x + run;
                    if painted {
                        self.picture[start + x..start + x + run].copy_from_slice(&spread.picture[drawn.clone()]);
                    }
                    let fine = drawn.start * per..drawn.end * per;
                    for sub in 0..per {
                        let first = (y as usize * per + sub) * across * per + left as usize * per;
                        for ((number, _), row) in shared.iter().zip(&spread.planes) {
                            self.planes.words[*number][first + fine.start..first + fine.end]
                                .copy_from_slice(&row[fine.clone()]);
                        }
                    }
                    x += run;
                }
            }
        }
    }
}

/// A row of blocks, spread over the pixels of one row.
#[derive(Debug, Default)]
struct Spread {
    /// For each plane that is drawn, one word per sample.
    planes: Vec<Vec<u32>>,
    /// The colours of the blocks, and of the pixels.
    blocks: Vec<u32>,
    picture: Vec<u32>,
}

/// Repeats each of `blocks` `grain` times, up to `width` in all.
fn spread_row(row: &mut Vec<u32>, blocks: &[u32], grain: usize, width: usize) {
    row.resize(width, 0);
    for (pixels, &block) in row.chunks_mut(grain).zip(blocks) {
        pixels.fill(block);
    }
}

#[cfg(test)]
mod tests {
    use super::super::NOTHING;
    use super::*;
    use crate::scene::Scene;
    use crate::sink::Tiles;
    use crate::tile::{Order, SampleSize, Tiling};

    /// A coarse tile over a frame whose pixels have many levels, compared with drawing pixel by pixel.
    #[test]
    fn blocks_are_drawn_where_they_are_finer_and_nowhere_else() {
        let colourer = Colourer::new(&Scene::default().colour).unwrap();
        let channels = colourer.channels();
        for (samples, grain, size) in [(1, 4, (21, 14)), (2, 3, (13, 10)), (3, 1, (5, 4)), (1, 16, (40, 20))] {
            let mut frame = Frame::new(size, samples, channels);
            let mine = level(f64::from(grain));
            for (at, shown) in frame.levels.iter_mut().enumerate() {
                *shown = [NOTHING, 0, mine, mine + 1, mine - 1, NOTHING, NOTHING][at / 3 % 7];
            }
            let before = (frame.levels.clone(), frame.planes.words.clone(), frame.picture.clone());
            let squares = (size.0.div_ceil(grain) - 1, size.1.div_ceil(grain) - 1);
            let squares = SampleSize { width: squares.0, height: squares.1 };
            let tiling = Tiling::new(squares, 64, Order::Rows).unwrap();
            let tiles = Tiles { tiling, channels, samples: 1 };
            let words: Vec<u32> = (0..tiles.bytes(0) / 4).map(|word| (7.5 + word as f32).to_bits()).collect();
            let begun = Begun {
                origin: (grain, grain),
                grain,
                tiles: tiles.clone(),
                workers: 1,
                samples: 1,
                kernel: String::new(),
                unit: "iterations",
            };
            let tile = tiles.samples(0, bytemuck::cast_slice(&words));
            frame.put_coarse(&begun, &tile, &colourer);

            let painted = frame.paint_blocks(&tile, &colourer);
            assert!(painted, "the default colouring needs no neighbours");
            let mut drawn = 0;
            for (x, y) in (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y))) {
                let at = (y * size.0 + x) as usize;
                let block = (x >= grain && y >= grain && before.0[at] > mine)
                    .then(|| ((y / grain - 1) * squares.width + x / grain - 1) as usize);
                drawn += usize::from(block.is_some());
                assert_eq!(frame.levels[at], block.map_or(before.0[at], |_| mine), "{x}, {y}");
                let colour = block.map(|block| colour_of(frame.scratch.pixels.as_chunks().0[block]));
                assert_eq!(frame.picture[at], colour.unwrap_or(before.2[at]), "{x}, {y}");
                for (number, plane, _) in channels.shared(channels) {
                    for (fine_x, fine_y) in (0..samples * samples).map(|sub| (sub % samples, sub / samples)) {
                        let fine = (y * samples + fine_y) * size.0 * samples + x * samples + fine_x;
                        let expected = block.map_or(before.1[number][fine as usize], |block| tile.words(plane)[block]);
                        assert_eq!(frame.planes.words[number][fine as usize], expected, "{x}, {y}");
                    }
                }
            }
            assert!(drawn > 0, "some are drawn");
        }
    }
}
