//! What outlives the window: saved pictures and its remembered state.

use super::frame::Frame;
use super::remember::SavedState;
use super::save::Saving;
use super::state::State;
use crate::error::Error;
use crate::parallel::Stop;
use crate::scene::Scene;
use std::path::PathBuf;
use std::time::Duration;

/// Changes are remembered this often, so that little is lost however the window ends.
const PACE: Duration = Duration::from_secs(5);

/// Saves and remembers.
#[derive(Debug)]
pub(super) struct Autosave {
    file: Option<PathBuf>,
    folder: PathBuf,
    /// Stops pictures being saved.
    stop: Stop,
    /// What the file says, and when changes were last looked for.
    kept: SavedState,
    looked: Duration,
    /// Scenes whose pictures are to be saved.
    wanted: Vec<Scene>,
    saving: Vec<Saving>,
    /// Why remembering failed; reported once.
    failure: Option<String>,
    told: bool,
}

impl Autosave {
    pub(super) fn new(file: Option<PathBuf>, folder: PathBuf, stop: Stop, kept: SavedState) -> Self {
        Self {
            file,
            folder,
            stop,
            kept,
            looked: Duration::ZERO,
            wanted: Vec::new(),
            saving: Vec::new(),
            failure: None,
            told: false,
        }
    }

    /// Asks for the picture of this scene to be saved.
    pub(super) fn save(&mut self, scene: Scene) {
        self.wanted.push(scene);
    }

    /// How far the pictures that are being saved are.
    pub(super) fn progress(&self) -> Option<String> {
        let percent = self.saving.iter().map(Saving::percent).min()?;
        Some(match self.saving.len() {
            1 => format!("saving a picture, {percent} %"),
            count => format!("saving {count} pictures, {percent} %"),
        })
    }

    /// Does what is due. Returns a message to show, if any.
    pub(super) fn turn(&mut self, state: &State, frame: &Frame, now: Duration) -> Option<String> {
        let mut told = None;
        for scene in self.wanted.drain(..) {
            // Pixels that are final are not computed again.
            let shown = (scene == state.scene()).then(|| frame.shown());
            match Saving::start(&self.folder, scene, shown, self.stop.clone()) {
                Ok(saving) => self.saving.push(saving),
                Err(error) => told = Some(error.to_string()),
            }
        }
        self.saving.retain_mut(|saving| match saving.outcome() {
            None => true,
            Some(outcome) => {
                told = Some(outcome.map_or_else(
                    |error| error.to_string(),
                    |path| format!("saved as {}; `fractal view {0}` continues there", path.display()),
                ));
                false
            }
        });
        if now.saturating_sub(self.looked) >= PACE {
            self.looked = now;
            self.remember(&state.memory());
            if let (Some(failure), false) = (&self.failure, self.told) {
                self.told = true;
                told = Some(failure.clone());
            }
        }
        told
    }

    /// Remembers the state if it has changed.
    pub(super) fn remember(&mut self, memory: &SavedState) {
        if let Some(file) = self.file.as_ref().filter(|_| *memory != self.kept) {
            self.kept = memory.clone();
            self.failure =
                memory.save(file).err().map(|error| format!("the window's state is not remembered: {error}"));
        }
    }

    /// Waits for pictures that are being saved. Returns what to report about them, and about what went wrong.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let saved = self.saving.iter_mut().filter_map(Saving::finish);
        let mut told: Vec<_> = saved
            // The user who stopped it knows.
            .filter(|outcome| !matches!(outcome, Err(Error::Stopped)))
            .map(|outcome| {
                outcome.map_or_else(|error| error.to_string(), |path| format!("saved as {}", path.display()))
            })
            .collect();
        self.saving.clear();
        told.extend(self.failure.take().filter(|_| !self.told));
        told
    }
}
