//! The Julia set of the point under the pointer, live in a corner, with an engine and a frame of its own.

use super::engine::{Batch, Engine, EngineEvent, News, Step, Workforce};
use super::frame::Frame;
use super::place::Size;
use crate::backend;
use crate::colour::Colourer;
use crate::error::Result;
use crate::parallel::Schedule;
use crate::sample::Channels;
use crate::scene::{Crop, Image, MaxIterations, Scene};
use crate::tile::Order;
use std::collections::VecDeque;

/// More iterations would make it lag behind the pointer.
const MOST_ITERATIONS: u64 = 2000;

/// The block size of its coarse pass, in pixels.
const GRAIN: u32 = 4;

/// The edge of its tiles.
const TILE: u32 = 32;

#[derive(Debug)]
pub(super) struct Inset {
    engine: Engine,
    frame: Frame,
    generation: u64,
    engine_events: VecDeque<EngineEvent>,
    colourer: Colourer,
}

impl Inset {
    /// Starts its engine.
    pub(super) fn start(size: Size, colourer: Colourer) -> Result<Self> {
        let channels = colourer.channels();
        let (engine, frame) = (Engine::start()?, Frame::new(size, 1, channels));
        Ok(Self { engine, frame, generation: 0, engine_events: VecDeque::new(), colourer })
    }

    /// The size that suits a window: a quarter of its width.
    pub(super) fn size((width, height): Size) -> Size {
        let share = f64::from(width / 4).clamp(32.0, 640.0) / f64::from(width.max(1));
        let scaled = |length: u32| (f64::from(length) * share).round().max(1.0) as u32;
        (scaled(width), scaled(height))
    }

    /// Shows another scene, in the colours of `colourer`.
    pub(super) fn show(&mut self, mut scene: Scene, colourer: Colourer) {
        let size = scene.image.size;
        scene.iteration.max = MaxIterations::Count(scene.max_iterations().min(MOST_ITERATIONS));
        let channels = colourer.channels() | Channels::SMOOTH;
        self.colourer = colourer;
        if size != self.frame.size() || channels != self.frame.channels() {
            self.frame.clear(size, 1, channels);
        } else {
            self.frame.repaint(&self.colourer);
            self.frame.worthless();
        }
        scene.image = Image::new(size, 1);
        let area = Crop { x: 0, y: 0, width: size.0, height: size.1 };
        let steps = [GRAIN, 0].map(|grain| Step { area, grain, tile: TILE, order: Order::Centre });
        self.generation += 1;
        let program = backend::Program::default();
        let workforce = Workforce { backend: &backend::BACKENDS[0], workers: 1, schedule: Schedule::AUTO, program };
        self.engine.compute(Batch { generation: self.generation, workforce, scene, channels, steps: steps.into() });
    }

    /// Takes finished work. Returns whether there was any.
    pub(super) fn collect(&mut self) -> bool {
        self.engine.collect(&mut self.engine_events);
        let mut news = false;
        for engine_event in
            self.engine_events.drain(..).filter(|engine_event| engine_event.generation == self.generation)
        {
            if let News::Finished { step, claim } = engine_event.news {
                self.frame.put(&step, &claim, &self.colourer);
                news = true;
            }
        }
        news
    }

    pub(super) fn picture(&self) -> (&[u32], Size) {
        (self.frame.picture(), self.frame.size())
    }
}
