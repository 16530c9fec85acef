//! What the window shows and who computes it, and what events make of that. No pixels and no threads: all of it is tested without.

use super::engine::Crew;
use super::keys::{Action, Gesture, Trigger, action};
use super::place::{Place, Size};
use super::remember::{Memory, Settings};
use super::toolkit::{Button, Event};
use crate::backend::{BACKENDS, Entry};
use crate::colour::{COLOURINGS, PALETTES};
use crate::formula::{self, FORMULAS};
use crate::number::Decimal;
use crate::parallel::{MAX_WORKERS, Schedule, worker_count};
use crate::scene::{Frame, MaxIterations, Scene};
use std::time::Duration;

/// Two presses within this time and few pixels are a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);
const CLICK_PIXELS: i64 = 4;

/// Changes of the same kind that follow each other faster than this are one step of the history.
const ONE_VISIT: Duration = Duration::from_millis(700);

/// The most places that are remembered for going back.
const HISTORY: usize = 500;

/// How long a message is shown.
const MESSAGE: Duration = Duration::from_secs(5);

/// The largest number of samples per pixel, each way: with it a screen's samples still fit the memory.
pub(super) const MOST_SAMPLES: u32 = 4;

/// Degrees of one turn.
const TURN: f64 = 15.0;

/// A place in the history.
#[derive(Clone, Debug, PartialEq)]
struct Spot {
    formula: String,
    power: Option<u32>,
    julia: Option<[Decimal; 2]>,
    place: Place,
}

/// What a button that is held does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hold {
    /// Moves the picture; the pointer was here when it last did.
    Move((i64, i64)),
    /// Draws a box from here.
    Box((i64, i64)),
}

/// What kind of change the last one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zoom,
    Pan,
    Turn,
    Jump,
}

/// What has to be done after events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effects {
    /// What is shown changed: where, of what, how large, or when an orbit ends.
    pub(super) view: bool,
    /// Everything is to be computed again by a new crew.
    pub(super) again: bool,
    /// Only colours changed.
    pub(super) colour: bool,
    /// Only what is drawn over the picture changed.
    pub(super) draw: bool,
    /// The constant of the Julia inset changed.
    pub(super) inset: bool,
    pub(super) save: bool,
    pub(super) print: bool,
    pub(super) quit: bool,
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    /// Its view and its image's size are those of `place` and `size`, see [`State::scene`].
    scene: Scene,
    pub(super) place: Place,
    pub(super) size: Size,
    pub(super) crew: Crew,
    /// The edge of the tiles in pixels.
    pub(super) tile: u32,
    pub(super) outlines: bool,
    pub(super) costs: bool,
    pub(super) panel: bool,
    /// The page of the help that is shown, from 1 on; 0 for none.
    pub(super) help: usize,
    pub(super) inset: bool,
    pub(super) cycling: bool,
    pub(super) pointer: (i64, i64),
    /// The pixel at which the user looks, as far as the last event tells.
    pub(super) focus: (i64, i64),
    pub(super) hold: Option<Hold>,
    /// What is told to the user, and until when.
    pub(super) message: Option<(String, Duration)>,
    click: Option<(Duration, (i64, i64))>,
    back: Vec<Spot>,
    forward: Vec<Spot>,
    last: Option<(Kind, Duration)>,
    /// Where a Julia set was opened from.
    parameters: Option<Spot>,
    /// The backends that run here, once somebody wanted another.
    available: Vec<&'static Entry>,
}

impl State {
    pub(super) fn new(mut scene: Scene, size: Size, crew: Crew) -> Self {
        scene.image.samples = scene.image.samples.min(MOST_SAMPLES);
        let place = Place::of(&scene, size);
        Self {
            scene,
            place,
            size,
            crew,
            tile: crate::render::DEFAULT_TILE,
            outlines: false,
            costs: false,
            panel: false,
            help: 0,
            inset: false,
            cycling: false,
            pointer: (i64::from(size.0 / 2), i64::from(size.1 / 2)),
            focus: (i64::from(size.0 / 2), i64::from(size.1 / 2)),
            hold: None,
            message: None,
            click: None,
            back: Vec::new(),
            forward: Vec::new(),
            last: None,
            parameters: None,
            available: Vec::new(),
        }
    }

    /// The scene that is shown.
    pub(super) fn scene(&self) -> Scene {
        let mut scene = self.scene.clone();
        scene.view = self.place.frame(self.size.0);
        scene.image.size = self.size;
        scene
    }

    /// Sets what settings say beside who computes.
    pub(super) fn restore(&mut self, settings: &Settings) {
        self.tile = settings.tile.clamp(4, 4096);
        (self.outlines, self.costs) = (settings.outlines, settings.costs);
        (self.panel, self.inset) = (settings.panel, settings.inset);
    }

    /// What is to be remembered.
    pub(super) fn memory(&self) -> Memory {
        let settings = Settings {
            backend: self.crew.backend.name.into(),
            workers: self.crew.workers,
            schedule: Some(self.crew.schedule.to_string()),
            tile: self.tile,
            outlines: self.outlines,
            costs: self.costs,
            panel: self.panel,
            inset: self.inset,
        };
        Memory { settings, scene: self.scene() }
    }

    /// How far the view is zoomed in, for people.
    pub(super) fn magnification(&self) -> String {
        let scene = self.scene();
        let log10 = (4f64.log2() - scene.view().log2_spacing(self.size.0, self.size.1) - f64::from(self.size.1).log2())
            * std::f64::consts::LOG10_2;
        if log10.abs() < 5.0 {
            format!("zoom {:.3}", 10f64.powf(log10))
        } else {
            format!("zoom {:.2}e{}", 10f64.powf(log10 - log10.floor()), log10.floor())
        }
    }

    /// What is shown and who computes it, for the panel.
    pub(super) fn summary(&self) -> [String; 4] {
        let scene = self.scene();
        let (backend, schedule) = (self.crew.backend.name, self.crew.schedule);
        let julia = scene.julia.as_ref().map_or(String::new(), |_| " (Julia set)".into());
        let turned =
            if self.place.rotation == 0.0 { String::new() } else { format!(", turned {}", self.place.rotation) };
        [
            format!("{}{julia}, {}{turned}", scene.formula, self.magnification()),
            format!("up to {} iterations", scene.max_iterations()),
            format!("backend {backend}, schedule {schedule}"),
            format!("tiles of {0} x {0}, samples {1} x {1}", self.tile, scene.image.samples),
        ]
    }

    /// How things are coloured.
    pub(super) fn colour(&self) -> &crate::colour::Settings {
        &self.scene.colour
    }

    /// The colours go on by this many times around the palette.
    pub(super) fn shift_colours(&mut self, turns: f64) {
        let offset = self.scene.colour.offset + turns;
        self.scene.colour.offset = (offset.rem_euclid(1.0) * 1e4).round() / 1e4;
    }

    /// The constant of the Julia set that belongs to the pointer's point.
    pub(super) fn pointed(&self) -> [Decimal; 2] {
        self.place.point(self.pointer, self.size).map(|part| part.to_decimal())
    }

    /// The scene of the Julia set that belongs to the pointer's point, in a picture of its own.
    pub(super) fn julia(&self, size: Size) -> Option<Scene> {
        if self.scene.julia.is_some() {
            return None;
        }
        let mut scene = self.scene.clone();
        scene.julia = Some(self.pointed());
        scene.view = Frame::default();
        scene.image = crate::scene::Image { size, samples: 1 };
        Some(scene)
    }

    /// Tells something.
    pub(super) fn tell(&mut self, text: impl Into<String>, now: Duration) {
        self.message = Some((text.into(), now + MESSAGE));
    }

    /// Handles an event.
    pub(super) fn handle(&mut self, event: Event, now: Duration, effects: &mut Effects) {
        match event {
            Event::Key(key) => {
                if let Some(action) = action(Trigger::Key(key)) {
                    self.act(action, now, effects);
                }
            }
            Event::Wheel(notches) => {
                let gesture = if notches > 0 { Gesture::WheelUp } else { Gesture::WheelDown };
                for _ in 0..notches.unsigned_abs() {
                    self.gesture(gesture, now, effects);
                }
            }
            Event::Moved(x, y) => self.moved((x, y), now, effects),
            Event::Pressed(button, shift) => self.pressed(button, shift, now, effects),
            Event::Released(button) => self.released(button, now, effects),
            Event::Resized(width, height) => {
                let size = (width, height);
                if size != self.size {
                    self.place.resize(self.size, size);
                    self.size = size;
                    effects.view = true;
                }
                effects.draw = true;
            }
            Event::Exposed => effects.draw = true,
            Event::Closed => effects.quit = true,
        }
    }

    fn gesture(&mut self, gesture: Gesture, now: Duration, effects: &mut Effects) {
        if let Some(action) = action(Trigger::Mouse(gesture)) {
            self.act(action, now, effects);
        }
    }

    fn moved(&mut self, pointer: (i64, i64), now: Duration, effects: &mut Effects) {
        self.pointer = pointer;
        effects.inset |= self.inset;
        match self.hold {
            Some(Hold::Move(_)) => self.gesture(Gesture::Drag, now, effects),
            Some(Hold::Box(_)) => effects.draw = true,
            None => {}
        }
    }

    fn pressed(&mut self, button: Button, shift: bool, now: Duration, effects: &mut Effects) {
        let at = self.pointer;
        match (button, shift) {
            (Button::Left, false) => {
                let near = |old: (i64, i64)| (old.0 - at.0).abs().max((old.1 - at.1).abs()) <= CLICK_PIXELS;
                let second = self.click.take().is_some_and(|(then, place)| now - then <= DOUBLE_CLICK && near(place));
                if second {
                    self.hold = None;
                    self.gesture(Gesture::DoubleClick, now, effects);
                } else {
                    self.click = Some((now, at));
                    self.hold = Some(Hold::Move(at));
                }
            }
            (Button::Left, true) | (Button::Right, _) => self.hold = Some(Hold::Box(at)),
            (Button::Middle, _) => {}
        }
    }

    fn released(&mut self, button: Button, now: Duration, effects: &mut Effects) {
        if matches!(self.hold, Some(Hold::Box(_))) && button != Button::Middle {
            self.gesture(Gesture::OtherDrag, now, effects);
        }
        if button != Button::Middle {
            self.hold = None;
        }
    }

    /// Does what a key or a gesture asks for.
    fn act(&mut self, action: Action, now: Duration, effects: &mut Effects) {
        match action {
            Action::ZoomIn | Action::ZoomOut => {
                let pointer = self.pointer;
                self.zoom(if action == Action::ZoomIn { 1 } else { -1 }, pointer, now, effects);
            }
            Action::NearIn | Action::NearOut => {
                let middle = self.middle();
                self.zoom(if action == Action::NearIn { 2 } else { -2 }, middle, now, effects);
            }
            Action::Drag => {
                if let Some(Hold::Move(from)) = self.hold {
                    let to = self.pointer;
                    self.hold = Some(Hold::Move(to));
                    self.pan((from.0 - to.0, from.1 - to.1), now, effects);
                }
            }
            Action::DrawBox => {
                if let Some(Hold::Box(from)) = self.hold {
                    self.draw_box(from, now, effects);
                }
            }
            Action::Centre => {
                let (pointer, size) = (self.pointer, self.size);
                self.change(Kind::Jump, now, effects, |place| place.centre(pointer, size));
                self.focus = self.middle();
            }
            Action::PanLeft | Action::PanRight | Action::PanUp | Action::PanDown => {
                let step = |length: u32| i64::from(length.div_ceil(8));
                let (across, down) = (step(self.size.0), step(self.size.1));
                let way = match action {
                    Action::PanLeft => (-across, 0),
                    Action::PanRight => (across, 0),
                    Action::PanUp => (0, -down),
                    _ => (0, down),
                };
                self.pan(way, now, effects);
            }
            Action::Back => self.travel(true, now, effects),
            Action::Forward => self.travel(false, now, effects),
            Action::Home => {
                let home = Place::of(&Scene { view: Frame::default(), ..self.scene.clone() }, self.size);
                self.focus = self.middle();
                self.change(Kind::Jump, now, effects, |place| {
                    *place = home;
                    true
                });
            }
            Action::TurnLeft | Action::TurnRight => {
                let degrees = if action == Action::TurnLeft { -TURN } else { TURN };
                self.change(Kind::Turn, now, effects, |place| {
                    place.rotate(degrees);
                    true
                });
                self.tell(format!("turned by {} degrees", self.place.rotation), now);
            }
            Action::Upright => self.change(Kind::Turn, now, effects, |place| {
                place.rotation = 0.0;
                true
            }),
            Action::MoreIterations | Action::FewerIterations | Action::AutoIterations => {
                self.set_iterations(action, now, effects);
            }
            Action::Samples => {
                self.scene.image.samples = self.scene.image.samples % MOST_SAMPLES + 1;
                let samples = self.scene.image.samples;
                self.tell(format!("{} samples a pixel", samples * samples), now);
                effects.view = true;
            }
            Action::NextFormula | Action::LastFormula => self.next_formula(action == Action::NextFormula, now, effects),
            Action::JuliaInset => {
                self.inset = !self.inset;
                effects.inset = true;
                effects.draw = true;
            }
            Action::OpenJulia => self.open_julia(now, effects),
            _ => self.act_on_others(action, now, effects),
        }
    }

    /// What is no exploring.
    fn act_on_others(&mut self, action: Action, now: Duration, effects: &mut Effects) {
        let colour = &mut self.scene.colour;
        match action {
            Action::NextBackend | Action::LastBackend => self.next_backend(action == Action::NextBackend, now),
            Action::MoreWorkers | Action::FewerWorkers => self.set_workers(action == Action::MoreWorkers, now),
            Action::NextSchedule | Action::LastSchedule => self.next_schedule(action == Action::NextSchedule, now),
            Action::SmallerTiles | Action::LargerTiles => {
                let tile = if action == Action::SmallerTiles { self.tile / 2 } else { self.tile * 2 };
                self.tile = tile.clamp(4, 4096);
                self.tell(format!("tiles of {0} × {0} pixels", self.tile), now);
            }
            Action::Again => {}
            Action::Outlines => self.outlines = !self.outlines,
            Action::Costs => self.costs = !self.costs,
            Action::Panel => self.panel = !self.panel,
            Action::Help => self.help += 1,
            Action::NextPalette | Action::LastPalette => {
                let names = PALETTES.iter().map(|palette| palette.name);
                colour.palette = next(names, &colour.palette, action == Action::NextPalette).into();
                let told = format!("palette {}", colour.palette);
                self.tell(told, now);
            }
            Action::NextColouring | Action::LastColouring => {
                let names = COLOURINGS.iter().map(|colouring| colouring.name);
                colour.colouring = next(names, &colour.colouring, action == Action::NextColouring).into();
                let told = format!("colouring {}", colour.colouring);
                self.tell(told, now);
            }
            Action::Cycle => self.cycling = !self.cycling,
            Action::OffsetOn => self.shift_colours(0.02),
            Action::OffsetBack => self.shift_colours(-0.02),
            Action::Denser | Action::Sparser => {
                let density = colour.density * if action == Action::Denser { 1.25 } else { 0.8 };
                let size = density.abs().clamp(1e-3, crate::colour::MAX_DENSITY);
                colour.density = (size * 1e4).round() / 1e4 * density.signum();
            }
            Action::Save => effects.save = true,
            Action::Print => effects.print = true,
            Action::Quit => effects.quit = true,
            _ => {}
        }
        match action {
            Action::NextBackend
            | Action::LastBackend
            | Action::MoreWorkers
            | Action::FewerWorkers
            | Action::NextSchedule
            | Action::LastSchedule
            | Action::SmallerTiles
            | Action::LargerTiles
            | Action::Again => effects.again = true,
            Action::NextPalette
            | Action::LastPalette
            | Action::NextColouring
            | Action::LastColouring
            | Action::OffsetOn
            | Action::OffsetBack
            | Action::Denser
            | Action::Sparser => {
                effects.colour = true;
                effects.inset |= self.inset;
            }
            _ => {}
        }
        effects.draw = true;
    }

    fn middle(&self) -> (i64, i64) {
        (i64::from(self.size.0 / 2), i64::from(self.size.1 / 2))
    }

    fn spot(&self) -> Spot {
        let Scene { formula, power, julia, .. } = self.scene.clone();
        Spot { formula, power, julia, place: self.place.clone() }
    }

    /// Notes where the user was before a change.
    fn leave(&mut self, kind: Kind, now: Duration) {
        let same = self
            .last
            .is_some_and(|(last, then)| last == kind && kind != Kind::Jump && now.saturating_sub(then) < ONE_VISIT);
        self.last = Some((kind, now));
        if !same {
            self.forward.clear();
            let spot = self.spot();
            if self.back.last() != Some(&spot) {
                if self.back.len() == HISTORY {
                    self.back.remove(0);
                }
                self.back.push(spot);
            }
        }
    }

    fn change(&mut self, kind: Kind, now: Duration, effects: &mut Effects, change: impl FnOnce(&mut Place) -> bool) {
        let mut place = self.place.clone();
        if !change(&mut place) {
            return self.tell("this is as far as the window goes", now);
        }
        if place != self.place {
            self.leave(kind, now);
            self.place = place;
            effects.view = true;
        }
    }

    fn zoom(&mut self, steps: i32, at: (i64, i64), now: Duration, effects: &mut Effects) {
        let size = self.size;
        self.focus = at;
        self.change(Kind::Zoom, now, effects, |place| place.zoom(steps, at, size));
    }

    fn pan(&mut self, (right, down): (i64, i64), now: Duration, effects: &mut Effects) {
        if (right, down) != (0, 0) {
            self.focus = self.middle();
            self.change(Kind::Pan, now, effects, |place| place.pan(right, down));
        }
    }

    fn draw_box(&mut self, from: (i64, i64), now: Duration, effects: &mut Effects) {
        let (to, size) = (self.pointer, self.size);
        self.hold = None;
        effects.draw = true;
        if (from.0 - to.0).abs() > CLICK_PIXELS && (from.1 - to.1).abs() > CLICK_PIXELS {
            self.focus = self.middle();
            self.change(Kind::Jump, now, effects, |place| place.show_box(from, to, size));
        }
    }

    /// Goes back in the history, or forward.
    fn travel(&mut self, back: bool, now: Duration, effects: &mut Effects) {
        let found = if back { self.back.pop() } else { self.forward.pop() };
        let Some(spot) = found else {
            let end = if back { "this is where it began" } else { "there is nothing further on" };
            return self.tell(end, now);
        };
        let here = self.spot();
        if back { &mut self.forward } else { &mut self.back }.push(here);
        self.go(spot);
        // What comes next is a visit of its own.
        self.last = None;
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn go(&mut self, spot: Spot) {
        let Spot { formula, power, julia, place } = spot;
        self.focus = self.middle();
        (self.scene.formula, self.scene.power, self.scene.julia, self.place) = (formula, power, julia, place);
    }

    fn set_iterations(&mut self, action: Action, now: Duration, effects: &mut Effects) {
        let count = self.scene().max_iterations();
        self.scene.iteration.max = match action {
            Action::MoreIterations => MaxIterations::Count(count.saturating_add(count / 2).clamp(2, 1_000_000_000)),
            Action::FewerIterations => MaxIterations::Count((count - count / 3).max(2)),
            _ => MaxIterations::Auto,
        };
        let count = self.scene().max_iterations();
        let auto = if action == Action::AutoIterations { ", from the view" } else { "" };
        self.tell(format!("up to {count} iterations{auto}"), now);
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn next_formula(&mut self, on: bool, now: Duration, effects: &mut Effects) {
        let name = next(FORMULAS.iter().map(|entry| entry.name), &self.scene.formula, on);
        self.leave(Kind::Jump, now);
        self.scene.formula = name.into();
        (self.scene.power, self.scene.julia) = (None, None);
        self.place = Place::of(&Scene { view: Frame::default(), ..self.scene.clone() }, self.size);
        self.focus = self.middle();
        let help = formula::find(name).map_or("", |entry| entry.help);
        self.tell(format!("{name}: {help}"), now);
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn open_julia(&mut self, now: Duration, effects: &mut Effects) {
        self.leave(Kind::Jump, now);
        if self.scene.julia.is_some() {
            let plane = Scene { view: Frame::default(), julia: None, ..self.scene.clone() };
            let home = Spot {
                formula: plane.formula.clone(),
                power: plane.power,
                julia: None,
                place: Place::of(&plane, self.size),
            };
            let same = |spot: &Spot| (&spot.formula, spot.power) == (&plane.formula, plane.power);
            let spot = self.parameters.take().filter(same).unwrap_or(home);
            self.go(spot);
        } else {
            self.parameters = Some(self.spot());
            let julia = self.pointed();
            self.tell(format!("the Julia set of {}, {}", julia[0], julia[1]), now);
            self.scene.julia = Some(julia);
            self.place = Place::of(&Scene { view: Frame::default(), ..self.scene.clone() }, self.size);
            self.focus = self.middle();
        }
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn next_backend(&mut self, on: bool, now: Duration) {
        if self.available.is_empty() {
            self.available = BACKENDS.iter().filter(|entry| entry.probe().is_ok()).collect();
        }
        let name = next(self.available.iter().map(|entry| entry.name), self.crew.backend.name, on);
        if let Some(entry) = self.available.iter().find(|entry| entry.name == name) {
            self.crew.backend = entry;
            if !entry.schedules.iter().any(|honoured| honoured.serves(self.crew.schedule)) {
                self.crew.schedule = Schedule::AUTO;
            }
            self.tell(format!("backend {}: {}", entry.name, entry.help), now);
        }
    }

    fn set_workers(&mut self, more: bool, now: Duration) {
        let workers = match self.crew.workers {
            0 => worker_count(None).unwrap_or(1),
            workers => workers,
        };
        self.crew.workers = if more { (workers + 1).min(MAX_WORKERS) } else { (workers - 1).max(1) };
        let told = match self.crew.workers {
            _ if !self.crew.backend.parallel => format!("backend {} has one worker only", self.crew.backend.name),
            1 => "1 worker".into(),
            workers => format!("{workers} workers"),
        };
        self.tell(told, now);
    }

    fn next_schedule(&mut self, on: bool, now: Duration) {
        let schedules = self.crew.backend.schedules;
        let here = schedules.iter().position(|schedule| *schedule == self.crew.schedule);
        let count = schedules.len();
        let index = here.map_or(0, |index| if on { index + 1 } else { index + count - 1 } % count);
        self.crew.schedule = schedules[index];
        self.tell(format!("schedule {}", self.crew.schedule), now);
    }
}

/// The name after or before one in a list; the first when it is not there.
fn next(names: impl Iterator<Item = &'static str>, name: &str, on: bool) -> &'static str {
    let names: Vec<_> = names.collect();
    let here = names.iter().position(|there| *there == name);
    here.map_or(names[0], |here| names[(here + if on { 1 } else { names.len() - 1 }) % names.len()])
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
