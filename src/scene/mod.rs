//! What is drawn: the scene, its exact view, and where scenes come from.
//!
//! A [`Scene`] is what a scene file says, and nothing more: every key has a default, so that an empty file is the whole Mandelbrot set.
//! A formula's name is only text here; whoever looks it up says which are known.

mod keys;
mod load;
mod picture;
mod places;
mod view;

pub use keys::{KEYS, Key};
pub use load::MAX_SCENE_BYTES;
pub use picture::{KEYWORD, MAX_HEAD_BYTES};
pub use places::{PLACES, Place};
pub use view::{Extent, MAX_SAMPLES_ACROSS, View};

use crate::colour::{Colourer, Settings};
use crate::error::{Error, Result};
use crate::formula;
use crate::number::Decimal;
use crate::sample::{MAX_ESCAPE_RADIUS, MAX_ITERATIONS};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The largest number of pixels of an image, and of pixels on one side.
pub const MAX_PIXELS: u64 = 1 << 30;
/// The largest number of samples per pixel each way.
pub const MAX_SAMPLES: u32 = 16;
/// Coordinates, widths and zooms of views are below 10 to this power.
const MAX_ORDER: i64 = 100;

/// Everything that decides what a picture looks like; see DESIGN of the file format in the README.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// Version of the format, 1.
    pub version: u32,
    /// A short name, for file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name of the formula.
    pub formula: String,
    /// The power of z in formulas that take one, 2 to 8; without it, the formula's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<u32>,
    /// The constant k of a Julia set, as real and imaginary part; without it c is the pixel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub julia: Option<[Decimal; 2]>,
    /// Which part of the plane is shown, as far as the file says; [`Scene::view`] has the rest.
    #[serde(skip_serializing_if = "Frame::is_home")]
    pub view: Frame,
    /// Pixels.
    pub image: Image,
    /// When an orbit ends.
    pub iteration: Iteration,
    /// How numbers become colours.
    pub colour: Settings,
}

/// The keys of `[view]`; what is absent is that of the formula's home view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Frame {
    /// Real part of the image's centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<Decimal>,
    /// Imaginary part of the image's centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub im: Option<Decimal>,
    /// Width of the image in the plane; not together with `zoom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<Decimal>,
    /// 4 divided by the height of the image in the plane; not together with `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<Decimal>,
    /// Degrees by which the image's right turns counter-clockwise from the real axis.
    pub rotation: f64,
}

impl Frame {
    /// Whether nothing differs from the home view.
    fn is_home(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys of `[image]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Samples per pixel, each way, 1 to [`MAX_SAMPLES`].
    pub samples: u32,
}

/// The keys of `[iteration]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Iteration {
    /// The largest number of iterations.
    pub max: MaxIterations,
    /// An orbit has escaped when |z| is larger; more than 1, at most [`MAX_ESCAPE_RADIUS`].
    pub escape_radius: f64,
    /// How much error a deep view may trade for speed.
    pub quality: Quality,
}

/// The largest number of iterations: a number, or `auto` from the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxIterations {
    /// Chosen by [`auto_max`].
    #[default]
    Auto,
    /// This number, 1 to [`MAX_ITERATIONS`].
    Count(u32),
}

/// How much error a deep view may trade for speed; views that `f64` is enough for are always exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// For previews.
    Draft,
    /// At most a few pixels in a thousand may differ.
    #[default]
    Normal,
    /// Nothing is skipped that could change a pixel.
    Exact,
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
            view: Frame::default(),
            image: Image::default(),
            iteration: Iteration::default(),
            colour: Settings::default(),
        }
    }
}

impl Default for Image {
    fn default() -> Self {
        Self { size: (1920, 1080), samples: 1 }
    }
}

impl Default for Iteration {
    fn default() -> Self {
        Self { max: MaxIterations::Auto, escape_radius: 256.0, quality: Quality::Normal }
    }
}

impl Scene {
    /// Reads a scene in TOML.
    ///
    /// # Errors
    /// [`Error::Input`] with line and column of what is not a scene, and what is allowed there.
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

    /// A scene by name of a place, from a file (TOML, JSON, or a PNG or EXR picture of ours), or from standard input for `-`.
    /// A place comes before a file of the same name.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is neither such a place nor such a file, [`Error::Io`] when it cannot be read, [`Error::Input`] when it
    /// is no scene.
    pub fn load(argument: &str) -> Result<Self> {
        load::load(argument)
    }

    /// Sets one key from a text `key=value` as typed: `iteration.max=5000`, `view.re=-0.75`, `image.size=1920x1080`, `julia=-0.8,0.156`.
    /// The last part of a key is enough: `max=5000`. [`KEYS`] lists all.
    ///
    /// # Errors
    /// [`Error::Usage`] when key or value is not allowed; the scene is as before then.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        keys::set(self, assignment).map_err(Error::Usage)
    }

    /// Checks what types cannot say; every way of reading a scene does this.
    ///
    /// # Errors
    /// [`Error::Input`] with the key, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        self.find_fault().map_or(Ok(()), |fault| Err(Error::Input(fault)))
    }

    /// The view: what the scene says, and where it says nothing, the home view of its formula.
    pub fn view(&self) -> View {
        let Frame { re, im, width, zoom, rotation } = &self.view;
        // An unknown name is told by whoever looks the formula up to compute it.
        let entry = formula::find(&self.formula).unwrap_or(formula::FORMULAS[0]);
        let home = if self.julia.is_some() { entry.julia_home } else { entry.home };
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

    /// The largest number of iterations, where `auto` is resolved.
    pub fn max_iterations(&self) -> u32 {
        match self.iteration.max {
            MaxIterations::Count(count) => count,
            MaxIterations::Auto => auto_max(self.view().octaves(self.image.size.0, self.image.size.1)),
        }
    }

    /// The title, else the name, else the formula.
    pub fn title(&self) -> &str {
        self.title.as_deref().or(self.name.as_deref()).unwrap_or(&self.formula)
    }

    /// A sentence on the first value that is out of range.
    fn find_fault(&self) -> Option<String> {
        let Self { version, power, view, image, iteration, colour, .. } = self;
        if *version != 1 {
            return Some(format!("`version` is {version}, but only version 1 of scenes is known"));
        }
        for (key, text) in
            [("name", self.name.as_deref()), ("title", self.title.as_deref()), ("formula", Some(self.formula.as_str()))]
        {
            if text.is_some_and(|text| text.chars().any(char::is_control) || text.len() > 1000) {
                return Some(format!("`{key}` must be one line of at most 1000 bytes"));
            }
        }
        if let Some(power) = power
            && !(2..=8).contains(power)
        {
            return Some(format!("`power` is {power}, but must be 2 to 8"));
        }
        if view.width.is_some() && view.zoom.is_some() {
            return Some("`view.width` and `view.zoom` are both given, but only one of them is allowed".into());
        }
        let [julia_re, julia_im] = self.julia.as_ref().map_or([None; 2], |[re, im]| [Some(re), Some(im)]);
        for (key, value) in
            [("view.re", view.re.as_ref()), ("view.im", view.im.as_ref()), ("julia", julia_re), ("julia", julia_im)]
        {
            if value.and_then(Decimal::order).is_some_and(|order| order >= MAX_ORDER) {
                return Some(format!("`{key}` is out of range: its absolute value must be below 1e{MAX_ORDER}"));
            }
        }
        if view.width.as_ref().is_some_and(|v| v.signum() <= 0 || v.order().is_some_and(|order| order >= MAX_ORDER)) {
            return Some(format!("`view.width` is out of range: it must be above 0 and below 1e{MAX_ORDER}"));
        }
        if view.zoom.as_ref().is_some_and(|v| v.signum() <= 0 || v.order().is_some_and(|order| order < -MAX_ORDER)) {
            return Some(format!("`view.zoom` is out of range: it must be at least 1e-{MAX_ORDER}"));
        }
        let (width, height) = image.size;
        let across = |pixels: u32| u64::from(pixels) * u64::from(image.samples);
        if !(1..=MAX_SAMPLES).contains(&image.samples) {
            return Some(format!("`image.samples` is {}, but must be 1 to {MAX_SAMPLES}", image.samples));
        }
        if u64::from(width) * u64::from(height) == 0
            || u64::from(width) * u64::from(height) > MAX_PIXELS
            || across(width.max(height)) > MAX_SAMPLES_ACROSS
        {
            return Some(format!(
                "`image.size` is {width}x{height}, but both must be at least 1, their product at most {MAX_PIXELS}, and each \
                 times `image.samples` at most {MAX_SAMPLES_ACROSS}"
            ));
        }
        if let MaxIterations::Count(count) = iteration.max
            && !(1..=MAX_ITERATIONS).contains(&count)
        {
            return Some(format!("`iteration.max` is {count}, but must be 1 to {MAX_ITERATIONS}, or \"auto\""));
        }
        if !(iteration.escape_radius > 1.0 && iteration.escape_radius <= MAX_ESCAPE_RADIUS) {
            return Some(format!(
                "`iteration.escape_radius` is {}, but must be more than 1 and at most {MAX_ESCAPE_RADIUS}",
                iteration.escape_radius
            ));
        }
        if !(-1e6..=1e6).contains(&view.rotation) {
            return Some(format!("`view.rotation` is {}, but must be -1000000 to 1000000", view.rotation));
        }
        Colourer::new(colour).err().map(|error| format!("`colour`: {error}"))
    }
}

/// The largest number of iterations for a view whose width was halved `octaves` times, coming from 4:
/// 1000 + 100·octaves^1.5, at most 50 million.
///
/// The number that a view needs grows a little faster than its depth, as the surroundings of small copies of the set, which are what is
/// worth visiting, have ever longer periods; the form was fitted to known deep views by hand. Pictures for show should give their own.
pub fn auto_max(octaves: u32) -> u32 {
    let octaves = f64::from(octaves);
    // Products and square roots are the same on every machine, other powers are not.
    (1000.0 + 100.0 * octaves * octaves.sqrt()).min(50e6) as u32
}

impl Serialize for MaxIterations {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            MaxIterations::Auto => serializer.serialize_str("auto"),
            MaxIterations::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for MaxIterations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl de::Visitor<'_> for Reader {
            type Value = MaxIterations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {MAX_ITERATIONS}, or \"auto\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<MaxIterations, E> {
                if text == "auto" {
                    Ok(MaxIterations::Auto)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<MaxIterations, E> {
                let count =
                    u32::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
                Ok(MaxIterations::Count(count))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<MaxIterations, E> {
                let count = u32::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))?;
                Ok(MaxIterations::Count(count))
            }
        }

        deserializer.deserialize_any(Reader)
    }
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
