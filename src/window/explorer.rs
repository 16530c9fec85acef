//! The loop: events in, frames out.

mod compute;
mod show;

use super::autosave::Autosave;
use super::engine::{Engine, EngineEvent, Workforce};
use super::frame::Frame;
use super::inset::Inset;
use super::overlay::{self, Marks};
use super::panel::Stats;
use super::place::Place;
use super::remember::{SavedState, WindowSettings};
use super::save::command_line;
use super::state::{Effects, MOST_SAMPLES, State};
use super::toolkit::{Event, Window};
use crate::backend;
use crate::colour::Colourer;
use crate::error::{Error, Result};
use crate::parallel::{Schedule, Stop};
use crate::sample::Channels;
use crate::scene::Scene;
use compute::Shown;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the loop waits between two polls: while nothing moves, and while something does and for `AWAKE` after. Polling X11 costs 30 µs.
const IDLE_TICK: Duration = Duration::from_millis(8);
const TICK: Duration = Duration::from_millis(2);
const AWAKE: Duration = Duration::from_secs(1);

/// Frames that only show more finished tiles are this far apart: drawing takes time from the workers.
const FRAME: Duration = Duration::from_millis(30);

/// Turns around the palette per second while the colours cycle.
const CYCLE: f64 = 0.08;

/// How the window starts.
#[derive(Clone, Debug)]
pub struct ExplorerOptions {
    /// Who computes, and what is drawn over the picture.
    pub settings: WindowSettings,
    /// The program that worker processes run.
    pub program: backend::Program,
    /// The screen's density, for the size of text: 2 for text of twice the usual height, 0 to follow the window's height.
    pub scale: f64,
    /// The file in which settings and place are remembered; `None` for nowhere.
    pub remember: Option<PathBuf>,
    /// The folder that pictures are saved in.
    pub folder: PathBuf,
    /// Closes the window from outside, and stops pictures being saved.
    pub stop: Stop,
}

impl Default for ExplorerOptions {
    fn default() -> Self {
        Self {
            settings: WindowSettings::default(),
            program: backend::Program::default(),
            scale: 0.0,
            remember: None,
            folder: ".".into(),
            stop: Stop::new(),
        }
    }
}

/// The picture's progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is being computed.
    Busy,
    /// It is complete: every pixel is what rendering the scene gives.
    Settled,
    /// The view cannot be computed, for this reason; the previous picture stays.
    Refused(String),
}

/// When things happened, for measuring the window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// From the last change of the view to the end of the first coarse pass (or of the picture, if there was none), as seen by the loop.
    pub first: Option<Duration>,
    /// From the last change of the view to the complete picture.
    pub full: Option<Duration>,
    /// When all workers had stopped after the last change that found them busy.
    pub stopped: Option<Instant>,
    /// Tiles finished for the picture since the last change of the view.
    pub tiles: u64,
}

/// The window's life, from events to frames. Each [`Explorer::step`] is one turn of the loop.
#[derive(Debug)]
pub struct Explorer {
    state: State,
    scale: f64,
    frame: Frame,
    shown: Shown,
    colourer: Colourer,
    engine: Engine,
    generation: u64,
    status: Status,
    marks: Marks,
    stats: Stats,
    inset: Option<Inset>,
    autosave: Autosave,
    stop: Stop,
    events: Vec<Event>,
    /// News not processed yet.
    engine_events: VecDeque<EngineEvent>,
    /// When something happened last.
    awake: Duration,
    printed: Vec<String>,
    /// The generation that a change is stopping, and when the last such one had stopped.
    stopping: Option<u64>,
    stopped: Option<Instant>,
    /// A copy of the picture for overlays.
    canvas: Vec<u32>,
    /// Whether the last frame was `canvas` rather than the picture itself.
    drawn: bool,
    /// When the last frame was shown, and how long it took.
    presented: Option<(Duration, Duration)>,
    /// Something changed that must be shown at once.
    urgent: bool,
    /// Something changed that should be shown soon.
    dirty: bool,
    cycled: Duration,
    title: String,
    /// How far pictures are saved, as shown.
    saving: Option<String>,
    quit: bool,
}

impl Explorer {
    /// Starts with a scene in a window.
    ///
    /// # Errors
    /// [`Error::Usage`] for unknown names, [`Error::Input`] for a scene with values out of range, [`Error::Unsupported`] for a view that is
    /// too deep for any window.
    pub fn new(scene: &Scene, options: &ExplorerOptions, window: &mut dyn Window) -> Result<Self> {
        scene.check()?;
        Place::check(scene, window.size())?;
        let settings = &options.settings;
        let workforce = Workforce {
            backend: backend::find(&settings.backend)?,
            workers: settings.workers,
            schedule: Schedule::requested(settings.schedule.as_deref())?,
            program: options.program.clone(),
        };
        let mut state = State::new(scene.clone(), window.size(), workforce);
        state.restore(settings);
        state.show_message("H shows all keys", window.now());
        if scene.image.samples > state.scene().image.samples {
            let samples = state.scene().image.samples;
            state.show_message(
                format!("the window computes at most {samples} × {samples} samples a pixel"),
                window.now(),
            );
        }
        let scene = state.scene();
        let colourer = Colourer::new(state.colour())?;
        let channels = (colourer.channels() | Channels::SMOOTH).for_maximum(scene.max_iterations());
        let mut explorer = Self {
            frame: Frame::new(scene.image.size, scene.image.samples, channels),
            shown: Shown::of(&state, &scene),
            scale: options.scale,
            colourer,
            engine: Engine::start()?,
            generation: 0,
            status: Status::Busy,
            marks: Marks::default(),
            stats: Stats::new(),
            inset: None,
            autosave: Autosave::new(
                options.remember.clone(),
                options.folder.clone(),
                options.stop.clone(),
                state.memory(),
            ),
            stop: options.stop.clone(),
            state,
            events: Vec::new(),
            engine_events: VecDeque::new(),
            awake: window.now(),
            printed: Vec::new(),
            stopping: None,
            stopped: None,
            canvas: Vec::new(),
            drawn: false,
            presented: None,
            urgent: true,
            dirty: false,
            cycled: window.now(),
            title: String::new(),
            saving: None,
            quit: false,
        };
        explorer.compute(false);
        explorer.update_inset()?;
        Ok(explorer)
    }

    /// The most bytes that a window's picture takes with `samples` samples per pixel, each way (limited to the window's maximum): the
    /// samples shown, the copy they are moved to, the canvas, and its copy on the way to the screen.
    pub fn bytes((width, height): (u32, u32), samples: u32) -> u64 {
        const DRAWN: u64 = 32;
        let samples = u64::from(samples.min(MOST_SAMPLES));
        let pixel = 2 * Channels::ALL.bytes(1) as u64 * samples * samples + DRAWN;
        u64::from(width) * u64::from(height) * pixel
    }

    /// The scene that is shown.
    pub fn scene(&self) -> Scene {
        self.state.scene()
    }

    /// The window's settings.
    pub fn settings(&self) -> WindowSettings {
        self.state.memory().settings
    }

    /// The picture's progress.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The message that the user sees at the moment.
    pub fn message(&self) -> Option<&str> {
        self.state.message.as_ref().map(|(text, _)| text.as_str())
    }

    /// The picture without what is drawn over it, 0x00RRGGBB, rows from the top.
    pub fn picture(&self) -> &[u32] {
        self.frame.picture()
    }

    /// The Julia set in the corner, if it is shown, and its size.
    pub fn inset(&self) -> Option<(&[u32], (u32, u32))> {
        self.inset.as_ref().map(Inset::picture)
    }

    /// When things happened.
    pub fn timing(&self) -> Timing {
        let Stats { first, full, tiles, .. } = self.stats;
        Timing { first, full, stopped: self.stopped, tiles }
    }

    /// The lines to print since the last call: scenes as command lines.
    pub fn take_printed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.printed)
    }

    /// Runs the loop until the user quits, and waits for pictures that are still being saved. However it ends, the place is remembered.
    ///
    /// # Errors
    /// As [`Explorer::step`], what `print` returns, and [`Error::Stopped`] when it was stopped from outside.
    pub fn run(&mut self, window: &mut dyn Window, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let outcome = self.turns(window, print);
        self.engine.cancel();
        self.autosave.remember(&self.state.memory());
        if let (Some(saving), false) = (self.autosave.progress(), self.stop.is_set()) {
            print(&format!("still {saving}; Ctrl-C discards it"))?;
        }
        let told = self.autosave.finish();
        outcome.and(told.iter().try_for_each(|line| print(line)))
    }

    fn turns(&mut self, window: &mut dyn Window, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        loop {
            if self.stop.is_set() {
                return Err(Error::Stopped);
            }
            let goes_on = self.step(window)?;
            self.take_printed().iter().try_for_each(|line| print(line))?;
            if !goes_on {
                return Ok(());
            }
            window.wait(self.pause(window.now()));
        }
    }

    /// How long the loop waits before its next turn.
    pub fn pause(&self, now: Duration) -> Duration {
        let moving = self.status == Status::Busy || self.state.cycling || now.saturating_sub(self.awake) < AWAKE;
        match (self.engine_events.is_empty(), moving) {
            (false, _) => Duration::ZERO,
            (true, true) => TICK,
            (true, false) => IDLE_TICK,
        }
    }

    /// One turn of the loop: reads events, takes what was computed, shows it. Returns whether to continue.
    ///
    /// # Errors
    /// When the toolkit fails, or the computing thread has ended.
    pub fn step(&mut self, window: &mut dyn Window) -> Result<bool> {
        let mut events = std::mem::take(&mut self.events);
        let outcome = window.poll(&mut events);
        let now = window.now();
        let mut effects = Effects::default();
        if !events.is_empty() {
            self.awake = now;
        }
        for event in events.drain(..) {
            self.state.handle(event, now, &mut effects);
        }
        self.events = events;
        outcome?;
        self.apply(effects, now)?;
        self.collect()?;
        self.cycle(now)?;
        if let Some(told) = self.autosave.turn(&self.state, &self.frame, now) {
            self.state.show_message(told, now);
            self.urgent = true;
        }
        let saving = self.autosave.progress();
        self.dirty |= saving != self.saving;
        self.saving = saving;
        if self.state.message.as_ref().is_some_and(|(_, until)| now > *until) {
            self.state.message = None;
            self.urgent = true;
        }
        self.show(window)?;
        Ok(!self.quit)
    }

    fn apply(&mut self, effects: Effects, now: Duration) -> Result<()> {
        if self.state.help > overlay::help_pages(self.state.size, self.font()) {
            self.state.help = 0;
        }
        if (effects.view || effects.again) && self.status == Status::Busy {
            // Before anything else: moving the picture is faster while no worker computes.
            self.engine.cancel();
            self.stopping = Some(self.generation);
        }
        if effects.colour {
            self.recolour()?;
        }
        if effects.view || self.lacks_channels() {
            self.retarget();
        } else if effects.again {
            self.compute(true);
        }
        if effects.inset || effects.view {
            self.update_inset()?;
        }
        if effects.print {
            self.printed.push(command_line(&self.state.scene()));
            self.state.show_message("the scene's command line is in the terminal", now);
        }
        self.state.saves.drain(..).for_each(|scene| self.autosave.save(scene));
        self.urgent |= effects.draw || effects.view || effects.colour || effects.again;
        self.quit |= effects.quit;
        Ok(())
    }

    /// Cycles the colours.
    fn cycle(&mut self, now: Duration) -> Result<()> {
        let passed = now.saturating_sub(self.cycled);
        if !self.state.cycling {
            self.cycled = now;
        } else if passed >= FRAME {
            self.cycled = now;
            self.state.shift_colours(CYCLE * passed.as_secs_f64().min(0.2));
            self.recolour()?;
            self.urgent = true;
        }
        Ok(())
    }

    /// What would be remembered now.
    pub fn memory(&self) -> SavedState {
        self.state.memory()
    }
}
