//! What is computed for a view, in which order: coarse pictures where what is shown is coarser still, then every missing pixel once.

use super::engine::Step;
use super::frame::Frame;
use super::place::{Place, Size};
use crate::render::Options;
use crate::sample::Channels;
use crate::scene::{Image, MaxIterations, Scene};
use crate::tile::{Order, Tile};

/// Pixels of the blocks of the coarse passes, each way. They cost a 1000th, a 64th and a 16th of the picture.
const GRAINS: [u32; 3] = [32, 8, 4];

/// A coarse pass of fewer pixels than this is left out: the picture itself is as fast.
const LEAST: usize = 400;

/// The edge of the tiles of coarse passes: small, so that all workers have some.
const COARSE_TILE: u32 = 16;

/// What is wanted.
pub(super) struct Wanted<'a> {
    /// The scene of the whole picture.
    pub(super) scene: &'a Scene,
    pub(super) place: &'a Place,
    /// The pixel from which on it is to be computed.
    pub(super) focus: (i64, i64),
    /// The edge of the tiles in pixels.
    pub(super) tile: u32,
    /// What the samples have beside what the colouring needs.
    pub(super) channels: Channels,
    /// Whether everything is computed again, in one run.
    pub(super) whole: bool,
}

impl Wanted<'_> {
    /// The steps to a final picture from what is there.
    pub(super) fn steps(&self, frame: &Frame) -> Vec<Step> {
        let size = self.scene.image.size;
        let everything = Tile { x: 0, y: 0, width: size.0, height: size.1 };
        let mut areas = if self.whole { vec![everything] } else { frame.missing() };
        areas.sort_by_key(|area| self.distance(area));
        let mut steps = Vec::new();
        for grain in GRAINS {
            for area in areas.iter().filter(|area| area.area() >= LEAST * (grain * grain) as usize) {
                if !self.whole && frame.is_coarser_than(grain, *area) {
                    steps.push(self.step(*area, grain, size));
                }
            }
        }
        steps.extend(areas.iter().map(|area| self.step(*area, 0, size)));
        steps
    }

    fn step(&self, area: Tile, grain: u32, size: Size) -> Step {
        let block = grain.max(1);
        let part = (area.width.div_ceil(block), area.height.div_ceil(block));
        let samples = if grain == 0 { self.scene.image.samples } else { 1 };
        let mut scene = self.scene.clone();
        if grain == 0 {
            // Its samples are those of the whole, to the bit.
            scene.image.crop = Some([area.x, area.y, area.width, area.height].into()).filter(|_| part != size);
        } else {
            scene.view = self.place.part((area.x, area.y), part, block, size).frame(part.0);
            scene.image = Image::new(part, samples);
        }
        scene.iteration.max = MaxIterations::Count(self.scene.max_iterations());
        let focus = |at: i64, start: u32, count: u32| {
            let inside = (at - i64::from(start)).max(0) / i64::from(block);
            inside.min(i64::from(count) - 1) as u32 * samples
        };
        let order = Order::Around(focus(self.focus.0, area.x, part.0), focus(self.focus.1, area.y, part.1));
        let tile = if grain == 0 { self.tile } else { COARSE_TILE };
        let options = Options { tile, order, channels: self.channels, ..Options::default() };
        Step { scene, options, origin: (area.x, area.y), grain }
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
