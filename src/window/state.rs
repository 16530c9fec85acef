//! What the window shows, who computes it, and how events change that. No pixels and no threads: all of it is tested without them.

mod act;
mod history;
mod prompt;
mod workforce;

use super::engine::Workforce;
use super::keys::{Gesture, Trigger, action};
use super::place::{Place, Size};
use super::remember::{SavedState, WindowSettings};
use super::toolkit::{Button, Event};
use crate::backend::BackendEntry;
use crate::number::Decimal;
use crate::scene::{Scene, ViewKeys};
use history::{Kind, Spot};
use std::time::Duration;

/// Two presses within this time and distance are a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);
const CLICK_PIXELS: i64 = 4;

/// How long a message is shown.
const MESSAGE: Duration = Duration::from_secs(5);

/// The largest number of samples per pixel, each way: with it a screen's samples still fit into memory.
pub(super) const MOST_SAMPLES: u32 = 4;

/// Degrees of one turn.
const TURN: f64 = 15.0;

/// What a held button does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hold {
    /// Moves the picture; the pointer was here at the last move.
    Move((i64, i64)),
    /// Draws a box from here.
    Box((i64, i64)),
}

/// What has to be done after events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effects {
    /// The picture changed: its place, formula, size, or when an orbit ends.
    pub(super) view: bool,
    /// Everything must be computed again, by other workers.
    pub(super) again: bool,
    /// Only colours changed.
    pub(super) colour: bool,
    /// Only what is drawn over the picture changed.
    pub(super) draw: bool,
    /// The constant of the Julia inset changed.
    pub(super) inset: bool,
    pub(super) print: bool,
    pub(super) quit: bool,
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    /// Its view and image size are overridden by `place` and `size`, see [`State::scene`].
    scene: Scene,
    /// What its name and title are of.
    titled: Spot,
    pub(super) place: Place,
    pub(super) size: Size,
    pub(super) workforce: Workforce,
    /// The edge of the tiles in pixels.
    pub(super) tile: u32,
    pub(super) outlines: bool,
    pub(super) costs: bool,
    pub(super) panel: bool,
    /// The page of the help that is shown, counted from 1; 0 for none.
    pub(super) help: usize,
    pub(super) inset: bool,
    pub(super) cycling: bool,
    pub(super) pointer: (i64, i64),
    /// The pixel that the user looks at, judging by the last event.
    pub(super) focus: (i64, i64),
    pub(super) hold: Option<Hold>,
    /// What is to be saved, as it was when that was asked for.
    pub(super) saves: Vec<Scene>,
    /// What the user has typed to a question.
    prompt: Option<String>,
    /// The message that the user sees, and until when.
    pub(super) message: Option<(String, Duration)>,
    click: Option<(Duration, (i64, i64))>,
    back: Vec<Spot>,
    forward: Vec<Spot>,
    last: Option<(Kind, Duration)>,
    /// Where a Julia set was opened from.
    parameters: Option<Spot>,
    /// The backends that run here; empty until another one is asked for.
    available: Vec<&'static BackendEntry>,
}

impl State {
    pub(super) fn new(mut scene: Scene, size: Size, workforce: Workforce) -> Self {
        scene.image.samples = scene.image.samples.min(MOST_SAMPLES);
        let place = Place::of(&scene, size);
        Self {
            titled: Spot::of(&scene, place.clone()),
            scene,
            place,
            size,
            workforce,
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
            saves: Vec::new(),
            prompt: None,
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
        (scene.image.size, scene.image.crop) = (self.size, None);
        if self.spot() != self.titled {
            (scene.name, scene.title) = (None, None);
        }
        scene
    }

    /// Applies the settings, except who computes.
    pub(super) fn restore(&mut self, settings: &WindowSettings) {
        self.tile = settings.tile.clamp(4, 4096);
        (self.outlines, self.costs) = (settings.outlines, settings.costs);
        (self.panel, self.inset) = (settings.panel, settings.inset);
    }

    /// What is to be remembered.
    pub(super) fn memory(&self) -> SavedState {
        let settings = WindowSettings {
            backend: self.workforce.backend.name.into(),
            workers: self.workforce.workers,
            schedule: Some(self.workforce.schedule.to_string()),
            tile: self.tile,
            outlines: self.outlines,
            costs: self.costs,
            panel: self.panel,
            inset: self.inset,
        };
        SavedState { settings, scene: self.scene() }
    }

    /// The view's magnification, for display.
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
    pub(super) fn summary(&self) -> [String; 7] {
        let scene = self.scene();
        let (backend, schedule) = (self.workforce.backend.name, self.workforce.schedule);
        let [re, im, width] = self.place.shown(self.size.0);
        let julia = scene.julia.as_ref().map_or(String::new(), |_| " (Julia set)".into());
        let turned =
            if self.place.rotation == 0.0 { String::new() } else { format!(", turned {}", self.place.rotation) };
        [
            format!("{}{julia}, {}{turned}", scene.formula, self.magnification()),
            format!("re {re}"),
            format!("im {im}"),
            format!("width {width}, l prints the command"),
            format!("up to {} iterations", scene.max_iterations()),
            format!("backend {backend}, schedule {schedule}"),
            format!("tiles of {0} x {0}, samples {1} x {1}", self.tile, scene.image.samples),
        ]
    }

    /// The colour settings.
    pub(super) fn colour(&self) -> &crate::colour::ColourSettings {
        &self.scene.colour
    }

    /// Shifts the colours by this many turns around the palette.
    pub(super) fn shift_colours(&mut self, turns: f64) {
        let offset = self.scene.colour.offset + turns;
        self.scene.colour.offset = (offset.rem_euclid(1.0) * 1e4).round() / 1e4;
    }

    /// The constant of the Julia set of the point under the pointer.
    pub(super) fn pointed(&self) -> [Decimal; 2] {
        self.place.point(self.pointer, self.size).map(|part| part.to_decimal())
    }

    /// The scene of the Julia set of the point under the pointer, in a picture of its own.
    pub(super) fn julia(&self, size: Size) -> Option<Scene> {
        if self.scene.julia.is_some() {
            return None;
        }
        let mut scene = self.scene.clone();
        scene.julia = Some(self.pointed());
        scene.view = ViewKeys::default();
        scene.image = crate::scene::Image::new(size, 1);
        Some(scene)
    }

    /// Shows a message.
    pub(super) fn show_message(&mut self, text: impl Into<String>, now: Duration) {
        self.message = Some((text.into(), now + MESSAGE));
    }

    /// Handles an event.
    pub(super) fn handle(&mut self, event: Event, now: Duration, effects: &mut Effects) {
        match event {
            Event::Key(key) if self.prompt.is_some() => self.answer(key, now, effects),
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
                    let is_titled = self.spot() == self.titled;
                    self.place.resize(self.size, size);
                    self.size = size;
                    if is_titled {
                        self.titled = self.spot();
                    }
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
}

/// The name after or before another in a list, cyclically; the first if that is not in the list.
fn next(names: impl Iterator<Item = &'static str>, name: &str, on: bool) -> &'static str {
    let names: Vec<_> = names.collect();
    let here = names.iter().position(|there| *there == name);
    here.map_or(names[0], |here| names[(here + if on { 1 } else { names.len() - 1 }) % names.len()])
}

#[cfg(test)]
mod tests;
