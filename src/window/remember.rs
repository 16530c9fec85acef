//! What the window remembers between runs, in the user's state directory: its scene and its settings.

use crate::error::{Error, Result};
use crate::scene::Scene;
use crate::sink::remembered;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The window's settings, apart from what it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowSettings {
    /// The backend's name.
    pub backend: String,
    /// The number of workers; 0 for what the environment says.
    pub workers: usize,
    /// The schedule, as on the command line; `None` for what the environment says.
    pub schedule: Option<String>,
    /// The edge of a tile in pixels.
    pub tile: u32,
    /// Whether tiles are outlined in their workers' colours.
    pub outlines: bool,
    /// Whether the costs of tiles are shown.
    pub costs: bool,
    /// Whether the panel is shown.
    pub panel: bool,
    /// Whether the Julia set of the pointer's point is shown.
    pub inset: bool,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            backend: crate::backend::DEFAULT.into(),
            workers: 0,
            schedule: None,
            tile: crate::render::DEFAULT_TILE,
            outlines: false,
            costs: false,
            panel: false,
            inset: false,
        }
    }
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedState {
    /// The window's settings.
    pub settings: WindowSettings,
    /// What it showed.
    pub scene: Scene,
}

impl SavedState {
    /// Where it is kept: `fractal/view.toml` in `XDG_STATE_HOME`, else in `~/.local/state`; `None` where there is no home.
    pub fn path() -> Option<PathBuf> {
        remembered::user_folder("XDG_STATE_HOME", ".local/state").map(|state| state.join("fractal").join("view.toml"))
    }

    /// What was remembered; `None` when nothing was.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Input`] when it is not a saved window state.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = remembered::read(path)? else { return Ok(None) };
        let memory: Self = toml::from_str(&text).map_err(|error| {
            Error::Input(format!("`{}` is not a saved window state: {}", path.display(), error.message()))
        })?;
        memory.scene.check()?;
        Ok(Some(memory))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written, [`Error::Input`] when it is not a regular file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self)
            .map_err(|error| Error::Input(format!("the window's state cannot be written as TOML: {error}")))?;
        let mut output = remembered::create(path)?;
        output.write_all(text.as_bytes()).map_err(|error| Error::io("write", path, error))?;
        output.finish()
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be removed.
    pub fn forget(path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
            _ => Ok(()),
        }
    }
}
