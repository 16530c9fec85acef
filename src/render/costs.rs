//! What the parts of a render will cost, before it is computed.

use super::{Part, Render};
use crate::backend::{self, SessionOptions};
use crate::error::Result;
use crate::parallel::{Schedule, Stop};
use crate::scene::Crop;
use crate::sink::progress::{Estimate, Estimator};
use crate::tile::{Order, PixelSize};
use std::sync::Arc;
use std::time::Duration;

/// What a render will cost.
#[derive(Clone, Debug)]
pub struct Costs {
    /// The cost of each part of the picture.
    pub estimate: Estimate,
    /// The time that one worker on this machine would take.
    pub time: Duration,
    /// The workers that computed the coarse picture.
    pub workers: usize,
}

impl Render {
    /// Estimates costs from a coarse picture of at most `most` samples, and of at most a two-hundredth of the render's. Threads compute
    /// it, with the workers of `options`.
    ///
    /// # Errors
    /// As [`Render::part`] and [`Render::run`].
    pub fn costs(&self, options: &SessionOptions, most: u64, stop: &Stop) -> Result<Costs> {
        /// One sample of the coarse picture stands for this many, unless that makes it too large or too small.
        const RATIO: u64 = 200;
        const FEWEST: u64 = 1 << 10;
        let size = self.tiling().size();
        let grain = (size.area() as f64 / (size.area() / RATIO).clamp(FEWEST, most) as f64).sqrt().max(1.0).ceil();
        let PixelSize { width, height } = self.scene.image.drawn();
        let coarse = self.part(Part::Coarse(Crop { x: 0, y: 0, width, height }, grain as u32), 16, Order::Rows)?;
        let estimator = Arc::new(Estimator::new(coarse.tiles()));
        // One tile per claim, which locates the costs best.
        let options = SessionOptions { schedule: Some(Schedule::DYNAMIC), timed: false, ..options.clone() };
        let mut session = backend::find("threads")?.open(&options)?;
        let report = coarse.run(&mut *session, estimator.clone(), stop)?.report;
        let estimate = estimator.estimate(size);
        let ratio = estimate.total() as f64 / estimator.estimate(coarse.tiling().size()).total().max(1) as f64;
        let workers = report.workers.len();
        Ok(Costs { time: report.wall.mul_f64(ratio * workers as f64), estimate, workers })
    }
}
