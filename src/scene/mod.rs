//! What is drawn: the scene, its exact view, and where scenes come from.
//!
//! A [`Scene`] holds exactly what a scene file says. Every key has a default, so that an empty file is the whole Mandelbrot set.

mod builder;
mod check;
mod foreign;
mod keys;
mod literals;
mod load;
mod picture;
mod places;
mod tables;
mod view;

pub use crate::number::{Decimal, MAX_DIGITS, MAX_EXPONENT, ParseDecimalError};
pub use builder::SceneBuilder;
pub use check::{MAX_PIXELS, MAX_SAMPLES};
pub use keys::{KEYS, SceneKey};
pub use picture::MAX_HEAD_BYTES;
pub use places::{PLACES, Place};
pub use tables::{Crop, Image, Iteration, MaxIterations, Precision, Quality, ViewKeys};
pub use view::{Extent, MAX_SAMPLES_ACROSS, View};

use crate::colour::ColourSettings;
use crate::error::{Error, Result};
use crate::formula;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The largest size of a scene as text: enough for all its numbers at their longest.
pub const MAX_SCENE_BYTES: usize = 1 << 20;

/// Everything that decides what a picture looks like: the keys of a scene file, under the same names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// Version of the format, 1.
    pub version: u32,
    /// A short name, for file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A title for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name of the formula.
    pub formula: String,
    /// The power of z; without it, the formula's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<u32>,
    /// The constant k of a Julia set, as real and imaginary part; without it c is the pixel.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "tables::julia")]
    pub julia: Option<[Decimal; 2]>,
    /// Which part of the plane is shown, as far as the file says; [`Scene::view`] fills in the rest.
    #[serde(skip_serializing_if = "ViewKeys::is_home", deserialize_with = "tables::table")]
    pub view: ViewKeys,
    /// Pixels.
    #[serde(deserialize_with = "tables::table")]
    pub image: Image,
    /// When an orbit ends.
    #[serde(deserialize_with = "tables::table")]
    pub iteration: Iteration,
    /// How numbers become colours.
    #[serde(deserialize_with = "tables::table")]
    pub colour: ColourSettings,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            version: 1,
            name: None,
            title: None,
            formula: "mandelbrot".into(),
            power: None,
            julia: None,
            view: ViewKeys::default(),
            image: Image::default(),
            iteration: Iteration::default(),
            colour: ColourSettings::default(),
        }
    }
}

impl Scene {
    /// Reads a scene in TOML.
    ///
    /// # Errors
    /// [`Error::Input`] with the line and column of a mistake, and what is allowed there.
    pub fn from_toml(text: &str) -> Result<Self> {
        load::from_toml(text).map_err(Error::Input)
    }

    /// Reads a scene in JSON, with the same keys.
    ///
    /// # Errors
    /// As [`Scene::from_toml`].
    pub fn from_json(text: &str) -> Result<Self> {
        load::from_json(text).map_err(Error::Input)
    }

    /// The scene in TOML; reads back as an equal scene.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a scene has only what TOML has")
    }

    /// The scene in JSON; reads back as an equal scene.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a scene has only what JSON has")
    }

    /// A scene by the name of a place, from a file (TOML, JSON, or a PNG or EXR picture of ours), or from standard input for `-`. A
    /// place comes before a file of the same name.
    ///
    /// # Errors
    /// [`Error::Usage`] for a bare name of neither a place nor a file, [`Error::Io`] when the file cannot be read, [`Error::Input`]
    /// when it is not a scene.
    pub fn load(argument: impl AsRef<Path>) -> Result<Self> {
        load::load(argument.as_ref())
    }

    /// A scene from the bytes of a file as [`Scene::load`] reads it: text in TOML or JSON, or the beginning of a picture of ours.
    ///
    /// # Errors
    /// [`Error::Input`] when it is not a scene.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        load::from_bytes(bytes, false).map_err(|why| Error::Input(format!("the file {why}")))
    }

    /// Sets one key from a text `key=value` as typed: `iteration.max=5000`, `view.re=-0.75`, `image.size=1920x1080`, `julia=-0.8,0.156`.
    /// The last part of a key is enough: `max=5000`. [`KEYS`] lists all.
    ///
    /// # Errors
    /// [`Error::Usage`] when the key or value is not allowed; the scene is then unchanged.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        keys::set(self, assignment).map_err(Error::Usage)
    }

    /// Checks what types cannot express; every way of reading a scene does this.
    ///
    /// # Errors
    /// [`Error::Input`] with the key, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        self.find_fault().map_or(Ok(()), |fault| Err(Error::Input(fault)))
    }

    /// The view: what the scene says, with the rest taken from the home view of its formula.
    pub fn view(&self) -> View {
        // A checked scene never names an unknown formula; computing an unchecked one reports it.
        let entry = formula::find(&self.formula).unwrap_or(formula::FORMULAS[0]);
        let home = if self.julia.is_some() { entry.julia_home } else { entry.home };
        let ViewKeys { re, im, width, zoom, rotation } = &self.view;
        let fixed = |text: &str| text.parse::<Decimal>().expect("a constant");
        let extent = match (width, zoom) {
            (Some(width), _) => Extent::Width(width.clone()),
            (None, Some(zoom)) => Extent::Zoom(zoom.clone()),
            (None, None) => Extent::Zoom(fixed(home.zoom)),
        };
        View {
            re: re.clone().unwrap_or_else(|| fixed(home.re)),
            im: im.clone().unwrap_or_else(|| fixed(home.im)),
            extent,
            rotation: *rotation,
        }
    }

    /// The maximum number of iterations, with `auto` resolved.
    pub fn max_iterations(&self) -> u64 {
        match self.iteration.max {
            MaxIterations::Count(count) => count,
            MaxIterations::Auto => auto_max(self.view().octaves(self.image.size.0, self.image.size.1)),
        }
    }

    /// The title, else the name, else the formula.
    pub fn title(&self) -> &str {
        self.title.as_deref().or(self.name.as_deref()).unwrap_or(&self.formula)
    }
}

/// The maximum number of iterations for a view whose width has been halved `octaves` times, starting from 4: 1000 + 100·octaves^1.5, and
/// no more than 1000 + 1300·octaves, at most 50 million.
///
/// What a view needs depends on the periods of the small copies of the set around it, which its depth only bounds from experience. Of
/// known deep views, a dense one at 1e-50 needs most for its depth: 1050 iterations an octave. One at 1e-157 needs 61, one at 1e-533 at
/// most 70, one at 1e-1086 about 300. Too few leave holes, too many cost time only in the interior, so all of these are covered. The
/// power, fitted to shallower views by hand, would ask for three times as many at 1e-533 and for five times as many at 1e-1086. Pictures
/// for display should set their own.
pub fn auto_max(octaves: u32) -> u64 {
    let octaves = f64::from(octaves);
    // Products and square roots are the same on every machine, other powers are not.
    let more = (100.0 * octaves * octaves.sqrt()).min(1300.0 * octaves);
    (1000.0 + more).min(50e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_whole_set() {
        let scene = Scene::from_toml("").unwrap();
        assert_eq!(scene, Scene::default());
        assert_eq!(Scene::from_json("{}").unwrap(), scene);
        let plane = scene.view().plane(1920, 1080, 1).unwrap();
        assert!(plane.columns[0] < -2.0 && plane.columns[1919] > 0.5);
        assert!(plane.rows[0] > 1.2 && plane.rows[1079] < -1.2);
    }
}
