//! What is computed for a view, and in which order: coarse pictures where the frame is coarser still, then every missing pixel once.

use super::engine::Step;
use super::frame::Frame;
use super::place::Size;
use crate::scene::Crop;
use crate::tile::{Order, Tile};

/// The block sizes of the coarse passes in pixels, each way. The passes cost a 1000th, a 64th and a 16th of the picture.
const GRAINS: [u32; 3] = [32, 8, 4];

/// A coarse pass of fewer samples than this is left out: the picture itself is as fast.
const LEAST: usize = 400;

/// The edge of the tiles of coarse passes: small, so that all workers get some.
const COARSE_TILE: u32 = 16;

/// The picture that is asked for.
pub(super) struct Wanted {
    /// The size of the picture.
    pub(super) size: Size,
    /// Samples per pixel, each way.
    pub(super) samples: u32,
    /// The pixel around which to start computing.
    pub(super) focus: (i64, i64),
    /// The edge of the tiles in pixels.
    pub(super) tile: u32,
    /// Whether everything is computed again, in one run.
    pub(super) whole: bool,
}

impl Wanted {
    /// The steps from the frame to a final picture.
    pub(super) fn steps(&self, frame: &Frame) -> Vec<Step> {
        let everything = Tile { x: 0, y: 0, width: self.size.0, height: self.size.1 };
        let mut areas = if self.whole { vec![everything] } else { frame.missing() };
        areas.sort_by_key(|area| self.distance(area));
        let mut steps = Vec::new();
        for grain in GRAINS {
            for area in areas.iter().filter(|area| area.area() >= LEAST * (grain * grain) as usize) {
                if !self.whole && frame.is_coarser_than(grain, *area) {
                    steps.push(self.step(*area, grain));
                }
            }
        }
        steps.extend(areas.iter().map(|area| self.step(*area, 0)));
        steps
    }

    fn step(&self, area: Tile, grain: u32) -> Step {
        // Positions count samples of the area, or coarse samples of whole blocks.
        let (block, samples) = (grain.max(1), if grain == 0 { self.samples } else { 1 });
        let focus = |at: i64, start: u32, count: u32| {
            let first = start / block;
            let last = (start + count).div_ceil(block) - first - 1;
            let inside = (at.max(0) / i64::from(block) - i64::from(first)).clamp(0, last.into());
            inside as u32 * samples
        };
        let order = Order::Around(focus(self.focus.0, area.x, area.width), focus(self.focus.1, area.y, area.height));
        let tile = if grain == 0 { self.tile } else { COARSE_TILE };
        let Tile { x, y, width, height } = area;
        Step { area: Crop { x, y, width, height }, grain, tile, order }
    }

    /// The square of the distance from the focus to an area's nearest pixel.
    fn distance(&self, area: &Tile) -> i64 {
        let away = |at: i64, start: u32, length: u32| {
            let (first, last) = (i64::from(start), i64::from(start + length) - 1);
            (first - at).max(at - last).max(0)
        };
        let (x, y) = self.focus;
        away(x, area.x, area.width).pow(2) + away(y, area.y, area.height).pow(2)
    }
}
