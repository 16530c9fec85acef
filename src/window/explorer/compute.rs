//! Computing: new views, the engine's news, the inset.

use super::super::engine::{Batch, EngineEvent, News};
use super::super::frame::Way;
use super::super::inset::Inset;
use super::super::panel::Stats;
use super::super::passes::Wanted;
use super::super::place::{Place, Size};
use super::super::state::State;
use super::{Explorer, Status};
use crate::colour::Colourer;
use crate::error::{Error, Result};
use crate::render::Render;
use crate::sample::Channels;
use crate::scene::Scene;
use std::time::{Duration, Instant};

/// How long one turn of the loop spends on taking in finished tiles. The rest wait for the next turn, after another poll.
const INTAKE: Duration = Duration::from_millis(4);

/// What determines the samples, apart from the place.
#[derive(Clone, Debug, PartialEq)]
struct World {
    formula: String,
    power: Option<u32>,
    julia: Option<[crate::number::Decimal; 2]>,
}

/// What determines when orbits end.
#[derive(Clone, Debug, PartialEq)]
struct Limits(u64, u64, crate::scene::Quality, crate::scene::Precision);

/// What the frame shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    place: Place,
    size: Size,
    world: World,
    limits: Limits,
    samples: u32,
}

impl Shown {
    pub(super) fn of(state: &State, scene: &Scene) -> Self {
        let Scene { formula, power, julia, iteration, image, .. } = scene;
        Self {
            place: state.place.clone(),
            size: image.size,
            world: World { formula: formula.clone(), power: *power, julia: julia.clone() },
            limits: Limits(
                scene.max_iterations(),
                iteration.escape_radius.to_bits(),
                iteration.quality,
                iteration.precision,
            ),
            samples: image.samples,
        }
    }
}

impl Explorer {
    /// Whether the colouring or the counts need channels that the samples lack.
    pub(super) fn lacks_channels(&self) -> bool {
        let channels = self.frame.channels();
        !(channels | Channels::SMOOTH).contains(self.colourer.channels())
            || channels.for_maximum(self.state.scene().max_iterations()) != channels
    }

    pub(super) fn recolour(&mut self) -> Result<()> {
        self.colourer = Colourer::new(self.state.colour())?;
        self.frame.repaint(&self.colourer);
        Ok(())
    }

    /// Moves the picture to the state's current view, and has the rest computed.
    pub(super) fn retarget(&mut self) {
        let scene = self.state.scene();
        let (old, new) = (self.shown.clone(), Shown::of(&self.state, &scene));
        let moved = new.place != old.place || new.size != old.size;
        let channels = (self.colourer.channels() | Channels::SMOOTH).for_maximum(scene.max_iterations());
        if new.samples != old.samples || self.lacks_channels() || (moved && channels != self.frame.channels()) {
            self.frame.adapt(new.samples, channels, &self.colourer);
        }
        let shift = new.place.exact_shift(new.size, &old.place, old.size);
        if moved {
            let way = match shift {
                Some((right, down)) => Way::By(right, down),
                None => Way::Along {
                    map: new.place.map(new.size, &old.place, old.size),
                    scale: new.place.scale_from(&old.place),
                },
            };
            self.frame.reproject(new.size, &way);
        }
        let same_world = new.world == old.world;
        if !same_world {
            self.frame.worthless();
        } else if new.limits != old.limits || moved && Render::is_centred(&scene) {
            self.frame.stale();
        }
        self.marks.begin(shift.filter(|_| same_world), new.size);
        self.shown = new;
        self.compute(false);
    }

    /// Has the missing pixels computed, or the whole picture again.
    pub(super) fn compute(&mut self, whole: bool) {
        if whole {
            self.marks.begin(None, self.state.size);
        }
        self.generation += 1;
        self.stats = Stats::new();
        let scene = self.state.scene();
        let wanted = Wanted {
            size: scene.image.size,
            samples: scene.image.samples,
            focus: self.state.focus,
            tile: self.state.tile,
            whole,
        };
        let steps = wanted.steps(&self.frame);
        self.status = if steps.is_empty() { Status::Settled } else { Status::Busy };
        let (workforce, channels) = (self.state.workforce.clone(), self.frame.channels());
        self.engine.compute(Batch { generation: self.generation, workforce, scene, channels, steps });
    }

    /// Takes finished work. What belongs to an old view is dropped.
    pub(super) fn collect(&mut self) -> Result<()> {
        self.engine.collect(&mut self.engine_events);
        let began = Instant::now();
        while began.elapsed() < INTAKE
            && let Some(EngineEvent { generation, news }) = self.engine_events.pop_front()
        {
            if let (News::Stopped { at }, true) = (&news, self.stopping == Some(generation)) {
                (self.stopped, self.stopping) = (Some(*at), None);
            }
            if generation != self.generation {
                continue;
            }
            match news {
                News::Preparing { percent } => {
                    self.stats.prepare(percent);
                    self.dirty = true;
                }
                News::Began { step } => {
                    self.dirty |= self.stats.preparing().is_some();
                    self.stats.begin(&step);
                }
                News::Claimed { step, range, worker, at } => {
                    self.stats.claimed(worker, range.start, at);
                    self.marks.claimed(&step, range, worker);
                    self.dirty |= self.state.outlines;
                }
                News::Finished { step, claim } => {
                    self.frame.put(&step, &claim, &self.colourer);
                    self.marks.finished(&step, &claim);
                    self.stats.finished(&claim);
                    self.dirty = true;
                }
                News::Ended { grain } => {
                    let before = self.stats.first;
                    self.stats.ended(grain);
                    // A view is shown as soon as there is a coarse picture of all of it; the rest can wait for the next frame.
                    self.urgent |= self.stats.first != before;
                    self.dirty = true;
                }
                News::Complete => {
                    self.stats.complete();
                    self.status = Status::Settled;
                    self.urgent = true;
                }
                News::Failed(error) => {
                    self.stats.end_preparing();
                    self.status = Status::Refused(error.to_string());
                    self.urgent = true;
                }
                News::Stopped { .. } => {}
            }
        }
        self.urgent |= self.inset.as_mut().is_some_and(Inset::collect);
        if self.engine.is_dead() {
            return Err(Error::Unsupported("the thread that computes the window's picture has ended".into()));
        }
        Ok(())
    }

    /// Shows the Julia set of the point under the pointer, if the inset is on and there is one.
    pub(super) fn update_inset(&mut self) -> Result<()> {
        let size = Inset::size(self.state.size);
        let scene = self.state.julia(size).filter(|_| self.state.inset);
        let Some(scene) = scene else {
            self.inset = None;
            return Ok(());
        };
        let colourer = || Colourer::new(self.state.colour());
        let inset = match &mut self.inset {
            Some(inset) => inset,
            none => none.insert(Inset::start(size, colourer()?)?),
        };
        inset.show(scene, colourer()?);
        Ok(())
    }
}
