//! The loop: events in, frames out.

use super::canvas::{Canvas, Font};
use super::engine::{Batch, Crew, Engine, Letter, News};
use super::frame::{Frame, Way};
use super::inset::Inset;
use super::keeper::Keeper;
use super::overlay::{self, Marks};
use super::panel::Stats;
use super::passes::Wanted;
use super::place::{Place, Size};
use super::remember::{Memory, Settings};
use super::save::command_line;
use super::state::{Effects, Hold, State};
use super::toolkit::{Event, Window};
use crate::backend;
use crate::colour::Colourer;
use crate::error::{Error, Result};
use crate::parallel::Schedule;
use crate::sample::Channels;
use crate::scene::Scene;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the loop waits between two looks at what has happened: when nothing moves, and as long as something does and a little
/// longer. A look at X11 costs 30 µs.
const IDLE_TICK: Duration = Duration::from_millis(8);
const TICK: Duration = Duration::from_millis(2);
const AWAKE: Duration = Duration::from_secs(1);

/// How long one turn of the loop takes in finished tiles. More of them wait for the next turn, after a look at what has happened.
const INTAKE: Duration = Duration::from_millis(4);

/// Frames that only show more finished tiles are this far apart: drawing takes time from the workers.
const FRAME: Duration = Duration::from_millis(30);

/// An unchanged picture is shown again so often, since toolkits do not tell that the window was uncovered.
const HEARTBEAT: Duration = Duration::from_millis(450);

/// Showing an unchanged picture again may take one of so many parts of the time.
const IDLE_SHARE: u32 = 40;

/// Turns around the palette in a second when colours run.
const CYCLE: f64 = 0.08;

/// How the window begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who computes, and what is drawn over the picture.
    pub settings: Settings,
    /// What workers that are processes run.
    pub program: backend::Program,
    /// How dense the screen is, for the size of letters: 2 for letters of twice the usual height, 0 to follow the window's height.
    pub scale: f64,
    /// The file in which settings and place are remembered; `None` for nowhere.
    pub remember: Option<PathBuf>,
    /// The folder that pictures are saved in.
    pub folder: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            program: backend::Program::default(),
            scale: 0.0,
            remember: None,
            folder: ".".into(),
        }
    }
}

/// How far the picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is being computed.
    Busy,
    /// It is complete: every pixel is what rendering the scene gives.
    Settled,
    /// The view cannot be computed, for this reason; what is shown is what was there before.
    Refused(String),
}

/// When things happened, for measuring the window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// From the last change of the view to the end of the first coarse pass (or of the picture, when there was none), as it was taken.
    pub first: Option<Duration>,
    /// From the last change of the view to the complete picture.
    pub full: Option<Duration>,
    /// When all workers had stopped after the last change that found them busy.
    pub stopped: Option<Instant>,
    /// Tiles that were finished for the picture since the last change of the view.
    pub tiles: u64,
}

/// What is computed beside where: what decides the samples.
#[derive(Clone, Debug, PartialEq)]
struct World {
    formula: String,
    power: Option<u32>,
    julia: Option<[crate::number::Decimal; 2]>,
}

/// What decides when orbits end.
#[derive(Clone, Debug, PartialEq)]
struct Limits(u32, u64, crate::scene::Quality);

/// What the frame shows.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    place: Place,
    size: Size,
    world: World,
    limits: Limits,
    samples: u32,
}

impl Shown {
    fn of(state: &State, scene: &Scene) -> Self {
        let Scene { formula, power, julia, iteration, image, .. } = scene;
        Self {
            place: state.place.clone(),
            size: image.size,
            world: World { formula: formula.clone(), power: *power, julia: julia.clone() },
            limits: Limits(scene.max_iterations(), iteration.escape_radius.to_bits(), iteration.quality),
            samples: image.samples,
        }
    }
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
    keeper: Keeper,
    events: Vec<Event>,
    /// News that were not taken in yet.
    letters: VecDeque<Letter>,
    /// When something happened last.
    awake: Duration,
    printed: Vec<String>,
    /// The generation whose workers a change has stopped, and when they had.
    stopping: Option<u64>,
    stopped: Option<Instant>,
    /// What is drawn on when something is drawn over the picture.
    canvas: Vec<u32>,
    /// When the last frame was shown, and what it cost.
    presented: Option<(Duration, Duration)>,
    /// Something changed that is to be shown at once.
    urgent: bool,
    /// Something changed that is to be shown soon.
    dirty: bool,
    cycled: Duration,
    title: String,
    quit: bool,
}

impl Explorer {
    /// Begins with a scene in a window.
    ///
    /// # Errors
    /// [`Error::Usage`] for names that are not known, [`Error::Input`] for a scene with values out of range.
    pub fn new(scene: &Scene, options: &Options, window: &mut dyn Window) -> Result<Self> {
        scene.check()?;
        let settings = &options.settings;
        let crew = Crew {
            backend: backend::find(&settings.backend)?,
            workers: settings.workers,
            schedule: Schedule::requested(settings.schedule.as_deref())?,
            program: options.program.clone(),
        };
        let mut state = State::new(scene.clone(), window.size(), crew);
        state.restore(settings);
        state.tell("H shows all keys", window.now());
        if scene.image.samples > state.scene().image.samples {
            let samples = state.scene().image.samples;
            state.tell(format!("the window has at most {samples} samples a pixel, each way"), window.now());
        }
        let scene = state.scene();
        let colourer = Colourer::new(state.colour())?;
        let channels = colourer.channels() | Channels { smooth: true, distance: false };
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
            keeper: Keeper::new(options.remember.clone(), options.folder.clone(), state.memory()),
            state,
            events: Vec::new(),
            letters: VecDeque::new(),
            awake: window.now(),
            printed: Vec::new(),
            stopping: None,
            stopped: None,
            canvas: Vec::new(),
            presented: None,
            urgent: true,
            dirty: false,
            cycled: window.now(),
            title: String::new(),
            quit: false,
        };
        explorer.compute(false);
        explorer.update_inset()?;
        Ok(explorer)
    }

    /// The scene that is shown.
    pub fn scene(&self) -> Scene {
        self.state.scene()
    }

    /// How the window is set.
    pub fn settings(&self) -> Settings {
        self.state.memory().settings
    }

    /// How far the picture is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What is told to the user at the moment.
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

    /// What was to be printed since the last call: scenes as command lines.
    pub fn take_printed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.printed)
    }

    /// Turns the loop until the user quits, and waits for pictures that are still being saved.
    ///
    /// # Errors
    /// As [`Explorer::step`], and what `print` returns.
    pub fn run(&mut self, window: &mut dyn Window, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        loop {
            let goes_on = self.step(window)?;
            self.take_printed().iter().try_for_each(|line| print(line))?;
            if !goes_on {
                break;
            }
            window.wait(self.pause(window.now()));
        }
        self.engine.cancel();
        self.keeper.remember(&self.state.memory());
        let told = self.keeper.finish();
        told.iter().try_for_each(|line| print(line))
    }

    /// How long the loop waits before its next turn.
    pub fn pause(&self, now: Duration) -> Duration {
        let moving = self.status == Status::Busy || self.state.cycling || now.saturating_sub(self.awake) < AWAKE;
        match (self.letters.is_empty(), moving) {
            (false, _) => Duration::ZERO,
            (true, true) => TICK,
            (true, false) => IDLE_TICK,
        }
    }

    /// One turn of the loop: reads events, takes what was computed, shows it. Returns whether to go on.
    ///
    /// # Errors
    /// When the toolkit fails, or the thread that computes has ended.
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
        let settled = self.status == Status::Settled;
        if let Some(told) = self.keeper.turn(&self.state, &self.frame, settled, now) {
            self.state.tell(told, now);
            self.urgent = true;
        }
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
            // Before anything else: moving what is shown is faster when nobody else computes.
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
            self.state.tell("the scene's command line is in the terminal", now);
        }
        if effects.save {
            self.keeper.save(self.state.scene());
            self.state.tell("saving ...", now);
        }
        self.urgent |= effects.draw || effects.view || effects.colour || effects.again;
        self.quit |= effects.quit;
        Ok(())
    }

    /// Whether the colouring needs what the samples do not have.
    fn lacks_channels(&self) -> bool {
        self.colourer.channels().distance && !self.frame.channels().distance
    }

    fn recolour(&mut self) -> Result<()> {
        self.colourer = Colourer::new(self.state.colour())?;
        self.frame.repaint(&self.colourer);
        Ok(())
    }

    /// Moves what is shown to where the state is now, and has the rest computed.
    fn retarget(&mut self) {
        let scene = self.state.scene();
        let (old, new) = (self.shown.clone(), Shown::of(&self.state, &scene));
        let moved = new.place != old.place || new.size != old.size;
        let channels = self.colourer.channels() | Channels { smooth: true, distance: false };
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
        } else if new.limits != old.limits {
            self.frame.stale();
        }
        self.marks.begin(shift.filter(|_| same_world), new.size);
        self.shown = new;
        self.compute(false);
    }

    /// Has computed what is missing; or everything again.
    fn compute(&mut self, whole: bool) {
        if whole {
            self.marks.begin(None, self.state.size);
        }
        self.generation += 1;
        self.stats = Stats::new();
        let scene = self.state.scene();
        let wanted = Wanted {
            scene: &scene,
            place: &self.state.place,
            focus: self.state.focus,
            tile: self.state.tile,
            channels: self.frame.channels(),
            whole,
        };
        let steps = wanted.steps(&self.frame);
        self.status = if steps.is_empty() { Status::Settled } else { Status::Busy };
        self.engine.compute(Batch { generation: self.generation, crew: self.state.crew.clone(), steps });
    }

    /// Takes what was computed. What belongs to an old view is dropped.
    fn collect(&mut self) -> Result<()> {
        self.engine.collect(&mut self.letters);
        let began = Instant::now();
        while began.elapsed() < INTAKE
            && let Some(Letter { generation, news }) = self.letters.pop_front()
        {
            if let (News::Stopped { at }, true) = (&news, self.stopping == Some(generation)) {
                (self.stopped, self.stopping) = (Some(*at), None);
            }
            if generation != self.generation {
                continue;
            }
            match news {
                News::Began { step } => self.stats.begin(&step),
                News::Claimed { step, range, worker, at } => {
                    self.marks.claimed(&step, range, worker);
                    self.stats.claimed(worker, at);
                    self.dirty |= self.state.outlines;
                }
                News::Finished { step, claim } => {
                    self.frame.put(&step, &claim, &self.colourer);
                    self.marks.finished(&step, &claim);
                    self.stats.finished(&claim);
                    self.dirty = true;
                }
                News::Ended { grain } => {
                    self.stats.ended(grain);
                    self.urgent = true;
                }
                News::Complete => {
                    self.stats.complete();
                    self.status = Status::Settled;
                    self.urgent = true;
                }
                News::Failed(error) => {
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

    /// Shows the Julia set of the pointer's point, if it is wanted and there is one.
    fn update_inset(&mut self) -> Result<()> {
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

    /// Lets colours run.
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

    fn font(&self) -> Font {
        Font::new(self.scale, self.state.size.1)
    }

    fn show(&mut self, window: &mut dyn Window) -> Result<()> {
        let now = window.now();
        let live = self.state.panel && self.status == Status::Busy;
        let due = match self.presented {
            None => true,
            Some((then, cost)) => {
                let passed = now.saturating_sub(then);
                let again = passed >= HEARTBEAT.max(cost * IDLE_SHARE);
                self.urgent || ((self.dirty || live) && passed >= FRAME) || again
            }
        };
        if due {
            let began = Instant::now();
            let drawn = self.draw();
            let picture = if drawn { &self.canvas[..] } else { self.frame.picture() };
            window.present(picture, self.frame.size())?;
            self.presented = Some((now, began.elapsed()));
            (self.urgent, self.dirty) = (false, false);
            let title = self.title();
            if title != self.title {
                window.set_title(&title);
                self.title = title;
            }
        }
        Ok(())
    }

    fn title(&self) -> String {
        let scene = self.state.scene();
        let name = if scene.julia.is_some() { format!("Julia set of {}", scene.formula) } else { scene.formula };
        format!("fractal - {name}, {}", self.state.magnification())
    }

    /// Draws what belongs over the picture on a copy of it; whether there is anything.
    fn draw(&mut self) -> bool {
        let State { outlines, costs, panel, help, hold, pointer, .. } = self.state;
        let refusal = match &self.status {
            Status::Refused(why) => Some(why.as_str()),
            _ => None,
        };
        let message = self.state.message.as_ref().map(|(text, _)| text.as_str());
        let boxed = match hold {
            Some(Hold::Box(from)) => Some(from),
            _ => None,
        };
        let anything = outlines || costs || panel || help > 0 || boxed.is_some() || self.inset.is_some();
        if !anything && refusal.or(message).is_none() {
            return false;
        }
        self.canvas.clear();
        self.canvas.extend_from_slice(self.frame.picture());
        let font = Font::new(self.scale, self.state.size.1);
        let mut canvas = Canvas { pixels: &mut self.canvas, size: self.frame.size() };
        let thick = font.height() / 16;
        if costs {
            self.marks.draw_costs(&mut canvas);
        }
        if outlines {
            self.marks.draw_outlines(&mut canvas, thick);
        }
        if let Some(from) = boxed {
            overlay::draw_box(&mut canvas, from, pointer);
        }
        if let Some(inset) = &self.inset {
            let (picture, (width, height)) = inset.picture();
            let (width, height) = (i64::from(width), i64::from(height));
            let (across, down) = canvas.size;
            let at = (i64::from(across) - width - font.width(), i64::from(down) - height - font.width());
            canvas.copy(at, picture, (width as u32, height as u32));
            canvas.outline((at.0 - 1, at.1 - 1), (width + 2, height + 2), overlay::DIM, thick);
        }
        if panel {
            self.stats.draw(&mut canvas, &self.state.summary(), font);
        }
        match (refusal, message) {
            (Some(why), _) => overlay::draw_message(&mut canvas, why, overlay::ACCENT, font),
            (None, Some(message)) => overlay::draw_message(&mut canvas, message, overlay::BRIGHT, font),
            (None, None) => {}
        }
        if help > 0 {
            overlay::draw_help(&mut canvas, help, font);
        }
        true
    }

    /// What would be remembered now.
    pub fn memory(&self) -> Memory {
        self.state.memory()
    }
}
