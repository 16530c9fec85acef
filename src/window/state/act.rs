//! What each action of the table does to the state.

use super::super::keys::Action;
use super::super::place::Place;
use super::history::{Kind, Spot};
use super::{CLICK_PIXELS, Effects, Hold, MOST_SAMPLES, State, TURN, next};
use crate::colour::{COLOURINGS, PALETTES};
use crate::formula::{self, FORMULAS};
use crate::scene::{MaxIterations, Scene, ViewKeys};
use std::time::Duration;

impl State {
    /// Performs an action.
    pub(super) fn act(&mut self, action: Action, now: Duration, effects: &mut Effects) {
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
                let home = Place::of(&Scene { view: ViewKeys::default(), ..self.scene.clone() }, self.size);
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
                self.show_message(format!("turned by {} degrees", self.place.rotation), now);
            }
            Action::Upright => self.change(Kind::Turn, now, effects, |place| {
                place.rotation = 0.0;
                true
            }),
            Action::MoreIterations | Action::FewerIterations | Action::AutoIterations => {
                self.set_iterations(action, now, effects);
            }
            Action::Samples => {
                let more = self.scene.image.samples % MOST_SAMPLES + 1;
                let refusal = self.new_refusal(&self.place, more);
                let samples = if refusal.is_some() { 1 } else { more };
                self.scene.image.samples = samples;
                let why = refusal.map_or(String::new(), |why| format!("; no more, since {why}"));
                self.show_message(format!("{} samples a pixel{why}", samples * samples), now);
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

    /// Actions that do not explore.
    fn act_on_others(&mut self, action: Action, now: Duration, effects: &mut Effects) {
        let colour = &mut self.scene.colour;
        match action {
            Action::NextBackend | Action::LastBackend => self.next_backend(action == Action::NextBackend, now),
            Action::MoreWorkers | Action::FewerWorkers => self.set_workers(action == Action::MoreWorkers, now),
            Action::NextSchedule | Action::LastSchedule => self.next_schedule(action == Action::NextSchedule, now),
            Action::SmallerTiles | Action::LargerTiles => {
                let tile = if action == Action::SmallerTiles { self.tile / 2 } else { self.tile * 2 };
                self.tile = tile.clamp(4, 4096);
                self.show_message(format!("tiles of {0} × {0} pixels", self.tile), now);
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
                self.show_message(told, now);
            }
            Action::NextColouring | Action::LastColouring => {
                let names = COLOURINGS.iter().map(|colouring| colouring.name);
                colour.colouring = next(names, &colour.colouring, action == Action::NextColouring).into();
                let told = format!("colouring {}", colour.colouring);
                self.show_message(told, now);
            }
            Action::Cycle => self.cycling = !self.cycling,
            Action::OffsetOn => self.shift_colours(0.02),
            Action::OffsetBack => self.shift_colours(-0.02),
            Action::Denser | Action::Sparser => {
                let density = colour.density * if action == Action::Denser { 1.25 } else { 0.8 };
                let size = density.abs().clamp(1e-3, crate::colour::MAX_DENSITY);
                colour.density = (size * 1e4).round() / 1e4 * density.signum();
            }
            Action::Save => self.saves.push(self.scene()),
            Action::SaveAs => self.ask(),
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

    pub(super) fn middle(&self) -> (i64, i64) {
        (i64::from(self.size.0 / 2), i64::from(self.size.1 / 2))
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

    fn set_iterations(&mut self, action: Action, now: Duration, effects: &mut Effects) {
        let count = self.scene().max_iterations();
        self.scene.iteration.max = match action {
            Action::MoreIterations => MaxIterations::Count(count.saturating_add(count / 2).clamp(2, 1_000_000_000)),
            Action::FewerIterations => MaxIterations::Count((count - count / 3).max(2)),
            _ => MaxIterations::Auto,
        };
        let count = self.scene().max_iterations();
        let auto = if action == Action::AutoIterations { ", set by the view" } else { "" };
        self.show_message(format!("up to {count} iterations{auto}"), now);
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn next_formula(&mut self, on: bool, now: Duration, effects: &mut Effects) {
        let name = next(FORMULAS.iter().map(|entry| entry.name), &self.scene.formula, on);
        self.leave(Kind::Jump, now);
        self.scene.formula = name.into();
        (self.scene.power, self.scene.julia) = (None, None);
        self.place = Place::of(&Scene { view: ViewKeys::default(), ..self.scene.clone() }, self.size);
        self.focus = self.middle();
        let help = formula::find(name).map_or("", |entry| entry.help);
        self.show_message(format!("{name}: {help}"), now);
        effects.view = true;
        effects.inset |= self.inset;
    }

    fn open_julia(&mut self, now: Duration, effects: &mut Effects) {
        self.leave(Kind::Jump, now);
        if self.scene.julia.is_some() {
            let plane = Scene { view: ViewKeys::default(), julia: None, ..self.scene.clone() };
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
            self.show_message(format!("the Julia set of {}, {}", julia[0], julia[1]), now);
            self.scene.julia = Some(julia);
            self.place = Place::of(&Scene { view: ViewKeys::default(), ..self.scene.clone() }, self.size);
            self.focus = self.middle();
        }
        effects.view = true;
        effects.inset |= self.inset;
    }
}
