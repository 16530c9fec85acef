//! The places that were visited, back and forward.

use super::super::place::Place;
use super::{Effects, State};
use crate::number::Decimal;
use crate::render::Render;
use crate::scene::Scene;
use std::time::Duration;

/// Changes of the same kind that follow each other faster than this are one step of the history.
const ONE_VISIT: Duration = Duration::from_millis(700);

/// The most places remembered for going back.
const HISTORY: usize = 500;

/// A place in the history.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spot {
    pub(super) formula: String,
    pub(super) power: Option<u32>,
    pub(super) julia: Option<[Decimal; 2]>,
    pub(super) place: Place,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zoom,
    Pan,
    Turn,
    Jump,
}

impl Spot {
    /// What a scene shows at this place.
    pub(super) fn of(scene: &Scene, place: Place) -> Self {
        let Scene { formula, power, julia, .. } = scene.clone();
        Self { formula, power, julia, place }
    }
}

impl State {
    pub(super) fn spot(&self) -> Spot {
        Spot::of(&self.scene, self.place.clone())
    }

    /// Records where the user was before a change.
    pub(super) fn leave(&mut self, kind: Kind, now: Duration) {
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

    pub(super) fn change(
        &mut self,
        kind: Kind,
        now: Duration,
        effects: &mut Effects,
        change: impl FnOnce(&mut Place) -> bool,
    ) {
        let mut place = self.place.clone();
        if !change(&mut place) {
            return self.show_message("this is as far as the window goes", now);
        }
        if place != self.place {
            if let Some(why) = self.new_refusal(&place, self.scene.image.samples) {
                return self.show_message(format!("no further: {why}"), now);
            }
            self.leave(kind, now);
            self.place = place;
            effects.view = true;
        }
    }

    /// Why a place cannot be computed with so many samples per pixel, unless that is so for what is shown already.
    pub(super) fn new_refusal(&self, place: &Place, samples: u32) -> Option<crate::Error> {
        let mut scene = self.scene();
        let shown = scene.clone();
        scene.view = place.frame(self.size.0);
        scene.image.samples = samples;
        Render::too_deep(&scene).filter(|_| Render::too_deep(&shown).is_none())
    }

    /// Goes back in the history, or forward.
    pub(super) fn travel(&mut self, back: bool, now: Duration, effects: &mut Effects) {
        let found = if back { self.back.pop() } else { self.forward.pop() };
        let Some(spot) = found else {
            let end = if back { "there is nothing further back" } else { "there is nothing further forward" };
            return self.show_message(end, now);
        };
        let here = self.spot();
        if back { &mut self.forward } else { &mut self.back }.push(here);
        self.go(spot);
        // The next change is a visit of its own.
        self.last = None;
        effects.view = true;
        effects.inset |= self.inset;
    }

    pub(super) fn go(&mut self, spot: Spot) {
        let Spot { formula, power, julia, place } = spot;
        self.focus = self.middle();
        (self.scene.formula, self.scene.power, self.scene.julia, self.place) = (formula, power, julia, place);
    }
}
