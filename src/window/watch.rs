//! Watching a render that runs anyway: its pictures fill as tiles finish. Closing the window does not stop the render.

use super::canvas::{Canvas, Font};
use super::engine::{Begun, Finished, Percent};
use super::frame::Frame;
use super::keys::{Action, Trigger, action};
use super::overlay::{self, Marks};
use super::panel::Stats;
use super::place::Size;
use super::toolkit::{Event, Window};
use crate::colour::Colourer;
use crate::error::Result;
use crate::parallel::{FinishedClaim, Report, RunInfo, Sink, lock};
use crate::render::Render;
use crate::sample::{Channels, Samples};
use crate::sink::Tiles;
use crate::tile::{PixelSize, Tile};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Frames are at least this far apart, and take at most one part in `SHARE` of the time: drawing takes time from the workers.
const FRAME: Duration = Duration::from_millis(50);
const SHARE: u32 = 8;
/// How often an unchanged picture is shown again, since toolkits do not report that the window was uncovered.
const HEARTBEAT: Duration = Duration::from_millis(450);

/// How long a message is shown.
const MESSAGE: Duration = Duration::from_secs(6);

const KEYS: &str = "O outlines tiles, M maps costs, Tab shows the workers, Q twice cancels; closing the window does not stop the render";

/// Where renders report what they do. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<Vec<WatchEvent>>>);

/// What a render reports.
#[derive(Debug)]
enum WatchEvent {
    /// The data that all tiles of the next picture share is being prepared; this many per cent of it are done.
    Preparing(u32),
    /// A picture begins.
    Picture(Box<Picture>),
    /// A worker has claimed tiles, at this moment.
    Claimed(usize, Range<usize>, Instant),
    /// A claim is finished, with the samples that are shown.
    Claim(Finished, Vec<(Tile, Box<[u32]>)>),
    /// The picture is complete.
    Complete,
}

/// A picture as it is shown: every n-th sample, each way.
#[derive(Debug)]
struct Picture {
    title: String,
    begun: Arc<Begun>,
    colourer: Colourer,
}

impl Watched {
    fn send(&self, event: WatchEvent) {
        lock(&self.0).push(event);
    }

    /// A sink for the render of the next picture, which is shown in a window of this size.
    ///
    /// # Errors
    /// When the scene's colours cannot be made.
    pub fn picture(&self, title: &str, render: &Render, (width, height): (u32, u32)) -> Result<Arc<dyn Sink>> {
        let (drawn, per) = (render.scene().image.drawn(), render.scene().image.samples);
        let reduction = drawn.width.div_ceil(width.max(1)).max(drawn.height.div_ceil(height.max(1))).max(1);
        Ok(Arc::new(Reporter {
            watched: self.clone(),
            title: title.to_owned(),
            kernel: format!("{} in {}", render.kernel().facts().tier, render.kernel().facts().isa),
            colourer: Mutex::new(Some(Colourer::new(&render.scene().colour)?)),
            tiles: render.tiles(),
            stride: per * reduction,
            percent: Percent::default(),
        }))
    }
}

/// Passes on what a run reports, with at most one sample for each pixel of the window.
#[derive(Debug)]
struct Reporter {
    watched: Watched,
    title: String,
    kernel: String,
    colourer: Mutex<Option<Colourer>>,
    tiles: Tiles,
    /// Samples that a pixel of the window stands for, each way.
    stride: u32,
    percent: Percent,
}

impl Reporter {
    /// The samples of a tile that are shown, with the pixels that they fill.
    fn thin(&self, samples: &Samples<'_>) -> Option<(Tile, Box<[u32]>)> {
        let (tile, stride) = (samples.tile, self.stride);
        let first = |start: u32| start.div_ceil(stride);
        let (x, y) = (first(tile.x), first(tile.y));
        let (width, height) = (first(tile.x + tile.width) - x, first(tile.y + tile.height) - y);
        if width == 0 || height == 0 {
            return None;
        }
        let mut words = Vec::with_capacity((width * height) as usize * samples.channels().words());
        let places = || {
            (0..height).flat_map(move |row| {
                let line = ((y + row) * stride - tile.y) * tile.width;
                (0..width).map(move |column| (line + (x + column) * stride - tile.x) as usize)
            })
        };
        for (plane, of) in samples.planes() {
            // Lengths are in samples, and must be in pixels of the window.
            words.extend(places().map(|at| plane.values.stretched(of[at], (stride as f32).recip())));
        }
        Some((Tile { x, y, width, height }, words.into()))
    }
}

impl Sink for Reporter {
    fn preparing(&self, done: f64) {
        if let Some(percent) = self.percent.news(done) {
            self.watched.send(WatchEvent::Preparing(percent));
        }
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        let begun = Begun {
            origin: (0, 0),
            grain: 0,
            tiles: self.tiles.clone(),
            workers: run.workers,
            samples: self.stride,
            kernel: self.kernel.clone(),
            unit: run.unit,
        };
        if let Some(colourer) = lock(&self.colourer).take() {
            let picture = Picture { title: self.title.clone(), begun: Arc::new(begun), colourer };
            self.watched.send(WatchEvent::Picture(Box::new(picture)));
        }
        Ok(())
    }

    fn claimed(&self, worker: usize, range: Range<usize>) {
        self.watched.send(WatchEvent::Claimed(worker, range, Instant::now()));
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let tiles = self.tiles.of(done).filter_map(|(_, samples)| self.thin(&samples)).collect();
        let claim = Finished {
            range: done.range.clone(),
            words: Box::default(),
            costs: done.costs.into(),
            executed: done.executed,
            worker: done.worker,
            busy: done.ended.saturating_sub(done.began),
        };
        self.watched.send(WatchEvent::Claim(claim, tiles));
        Ok(())
    }

    fn finish(&self, _: &Report) -> Result<()> {
        self.watched.send(WatchEvent::Complete);
        Ok(())
    }
}

/// What the user did to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing that matters to the render.
    Nothing,
    /// The window was closed: the render continues unseen.
    Closed,
    /// The user wants the render cancelled.
    Cancelled,
}

/// The window that shows watched renders.
#[derive(Debug)]
pub struct Viewer {
    watched: Watched,
    scale: f64,
    size: Size,
    frame: Frame,
    picture: Option<Picture>,
    marks: Marks,
    stats: Stats,
    outlines: bool,
    costs: bool,
    panel: bool,
    /// Whether everything is over, so that there is nothing to cancel.
    over: bool,
    asked: bool,
    message: Option<(String, Duration)>,
    /// When the last frame was shown, and how long it took.
    presented: Option<Duration>,
    cost: Duration,
    dirty: bool,
    urgent: bool,
    events: Vec<Event>,
    canvas: Vec<u32>,
}

impl Viewer {
    /// Shows what is reported to `watched` in a window.
    pub fn new(watched: Watched, scale: f64, window: &mut dyn Window) -> Self {
        let size = window.size();
        Self {
            watched,
            scale,
            size,
            frame: Frame::new((1, 1), 1, Channels::default()),
            picture: None,
            marks: Marks::default(),
            stats: Stats::new(),
            outlines: false,
            costs: false,
            panel: false,
            over: false,
            asked: false,
            message: Some((KEYS.into(), window.now() + MESSAGE)),
            presented: None,
            cost: Duration::ZERO,
            dirty: false,
            urgent: true,
            events: Vec::new(),
            canvas: Vec::new(),
        }
    }

    /// Shows that everything is over, and how it ended.
    pub fn end(&mut self, text: &str, window: &dyn Window) {
        self.over = true;
        self.stats.end_preparing();
        self.show_message(text, window.now());
    }

    /// The message that the user sees at the moment.
    pub fn message(&self) -> Option<&str> {
        self.message.as_ref().map(|(text, _)| text.as_str())
    }

    fn show_message(&mut self, text: &str, now: Duration) {
        self.message = Some((text.to_owned(), now + MESSAGE));
        self.urgent = true;
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// When the toolkit fails.
    pub fn step(&mut self, window: &mut dyn Window) -> Result<Seen> {
        let mut events = std::mem::take(&mut self.events);
        window.poll(&mut events)?;
        let now = window.now();
        let mut seen = Seen::Nothing;
        for event in events.drain(..) {
            match event {
                Event::Closed => seen = Seen::Closed,
                Event::Resized(width, height) => (self.size, self.urgent) = ((width, height), true),
                Event::Exposed => self.urgent = true,
                Event::Key(key) => {
                    if let Some(action) = action(Trigger::Key(key))
                        && self.act(action, now)
                    {
                        seen = if self.over { Seen::Closed } else { Seen::Cancelled };
                    }
                }
                _ => {}
            }
        }
        self.events = events;
        self.collect();
        if self.message.as_ref().is_some_and(|(_, until)| now > *until) {
            (self.message, self.asked, self.urgent) = (None, false, true);
        }
        let passed = self.presented.map_or(Duration::MAX, |then| now.saturating_sub(then));
        if self.urgent || (self.dirty && passed >= FRAME.max(self.cost * (SHARE - 1))) || passed >= HEARTBEAT {
            let began = Instant::now();
            self.draw();
            window.present(&self.canvas, self.size)?;
            (self.presented, self.cost) = (Some(window.now()), began.elapsed());
            (self.dirty, self.urgent) = (false, false);
        }
        Ok(seen)
    }

    /// Performs a key's action. Returns whether it closes the window or cancels the render.
    fn act(&mut self, action: Action, now: Duration) -> bool {
        match action {
            Action::Outlines => self.outlines = !self.outlines,
            Action::Costs => self.costs = !self.costs,
            Action::Panel => self.panel = !self.panel,
            Action::Help => self.show_message(KEYS, now),
            Action::Quit if self.over || self.asked => return true,
            Action::Quit => {
                self.show_message("press Q once more to cancel the render; closing the window does not stop it", now);
                self.asked = true;
            }
            _ => {}
        }
        self.urgent = true;
        false
    }

    fn collect(&mut self) {
        let events = std::mem::take(&mut *lock(&self.watched.0));
        for event in events {
            self.dirty = true;
            match event {
                WatchEvent::Preparing(percent) => self.stats.prepare(percent),
                WatchEvent::Picture(picture) => {
                    let PixelSize { width, height } = picture.begun.tiles.tiling.size().pixels(picture.begun.samples);
                    let size = (width, height);
                    self.frame.clear(size, 1, picture.begun.tiles.channels);
                    self.marks.begin(None, size);
                    self.stats = Stats::new();
                    self.stats.begin(&picture.begun);
                    self.picture = Some(*picture);
                }
                WatchEvent::Claimed(worker, range, at) => {
                    let Some(Picture { begun, .. }) = &self.picture else { continue };
                    self.stats.claimed(worker, range.start, at);
                    self.marks.claimed(begun, range, worker);
                }
                WatchEvent::Claim(claim, tiles) => {
                    let Some(Picture { begun, colourer, .. }) = &self.picture else { continue };
                    for (tile, words) in tiles {
                        let samples = Samples::new(tile, begun.tiles.channels, bytemuck::cast_slice(&words));
                        self.frame.put_samples(&samples, colourer);
                    }
                    self.marks.finished(begun, &claim);
                    self.stats.finished(&claim);
                }
                WatchEvent::Complete => {
                    self.stats.ended(0);
                    self.stats.complete();
                    self.urgent = true;
                }
            }
        }
    }

    /// Draws the picture in the middle of the window, and the overlays.
    fn draw(&mut self) {
        let (width, height) = self.size;
        let inner = self.frame.size();
        let font = Font::new(self.scale, height);
        let mut picture = self.frame.picture().to_vec();
        let mut over = Canvas { pixels: &mut picture, size: inner };
        if self.costs {
            self.marks.draw_costs(&mut over);
        }
        if self.outlines {
            self.marks.draw_outlines(&mut over, font.height() / 16);
        }
        self.canvas.clear();
        self.canvas.resize(width as usize * height as usize, 0);
        let mut canvas = Canvas { pixels: &mut self.canvas, size: self.size };
        let margin = |outer: u32, inner: u32| (i64::from(outer) - i64::from(inner)) / 2;
        canvas.copy((margin(width, inner.0), margin(height, inner.1)), &picture, inner);
        let preparing = self.stats.preparing();
        match &self.picture {
            Some(picture) if self.panel => self.stats.draw(&mut canvas, std::slice::from_ref(&picture.title), font),
            Some(_) => {}
            None => {
                let waiting = || "the render is being prepared, and its time estimated".to_owned();
                let told = format!("no tile has been computed yet: {}", preparing.clone().unwrap_or_else(waiting));
                canvas.lines((font.width(), font.width()), &[(told, overlay::DIM)], font);
            }
        }
        // Before the first picture, and in the panel, it has a place of its own.
        let preparing = preparing.filter(|_| self.picture.is_some() && !self.panel);
        let message = self.message.as_ref().map(|(message, _)| message.clone());
        if let Some(told) = [message, preparing].into_iter().flatten().reduce(|one, other| format!("{one}; {other}")) {
            overlay::draw_message(&mut canvas, &told, overlay::BRIGHT, font);
        }
    }
}
