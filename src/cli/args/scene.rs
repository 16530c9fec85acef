//! Arguments that override parts of a scene.

use super::values::{colourings, formulas, palettes};
use clap::Args;

/// Arguments that override parts of a scene.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Scene")]
pub(crate) struct SceneArgs {
    /// Width and height in pixels; or a width, which keeps the shape; or 720p, 1080p, 1440p, 4K or 8K
    #[arg(long, value_name = "WxH|W|NAME")]
    pub(crate) size: Option<String>,
    /// Draw only this part of the picture: W x H pixels from column X and row Y, counted from the top left
    #[arg(long, value_name = "X,Y,WxH")]
    pub(crate) crop: Option<String>,
    /// Samples per pixel along each axis
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<String>,
    /// Real part of the centre, a decimal number of any length
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    pub(crate) re: Option<String>,
    /// Imaginary part of the centre; it grows upwards
    #[arg(long, value_name = "I", allow_hyphen_values = true)]
    pub(crate) im: Option<String>,
    /// Width of the picture in the plane
    #[arg(long, value_name = "W", allow_hyphen_values = true, conflicts_with = "zoom")]
    pub(crate) width: Option<String>,
    /// 4 divided by the height of the picture in the plane
    #[arg(long, value_name = "Z", allow_hyphen_values = true)]
    pub(crate) zoom: Option<String>,
    /// Degrees by which the picture's right is turned counter-clockwise from the real axis
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    pub(crate) rotation: Option<String>,
    /// The maximum number of iterations, or `auto` to choose it from the view
    #[arg(long, value_name = "N|auto", allow_hyphen_values = true)]
    pub(crate) iterations: Option<String>,
    /// The number type that orbits are computed in; `auto` is the cheapest that is accurate enough for the view
    #[arg(long, value_name = "auto|f64|perturbation")]
    pub(crate) precision: Option<String>,
    /// The radius beyond which an orbit has escaped; 2 for plain counts
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    pub(crate) escape_radius: Option<String>,
    /// The formula to iterate
    #[arg(long, value_name = "NAME", value_parser = formulas())]
    pub(crate) formula: Option<String>,
    /// The power of z, for formulas that take one
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    pub(crate) power: Option<String>,
    /// Draw the Julia set of this constant
    #[arg(long, value_name = "RE,IM", allow_hyphen_values = true)]
    pub(crate) julia: Option<String>,
    #[command(flatten)]
    pub(crate) colours: ColourArgs,
    /// Set any key of the scene, for example colour.density=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl SceneArgs {
    /// Whether an argument sets this key, in any of its forms.
    pub(crate) fn sets(&self, key: &str) -> bool {
        let last = key.rsplit('.').next();
        self.assignments().any(|assignment| {
            let typed = assignment.split('=').next().unwrap_or_default().trim();
            typed == key || Some(typed) == last
        })
    }

    /// Each argument that was given, with the scene's key that it sets.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = String> {
        let keys = [
            ("formula", &self.formula),
            ("power", &self.power),
            ("julia", &self.julia),
            ("view.re", &self.re),
            ("view.im", &self.im),
            ("view.width", &self.width),
            ("view.zoom", &self.zoom),
            ("view.rotation", &self.rotation),
            ("image.size", &self.size),
            ("image.samples", &self.samples),
            ("image.crop", &self.crop),
            ("iteration.max", &self.iterations),
            ("iteration.escape_radius", &self.escape_radius),
            ("iteration.precision", &self.precision),
        ];
        // The scene's own crop need not fit into a new size.
        let uncropped = self.crop.as_ref().map(|_| "image.crop=none".to_owned());
        uncropped.into_iter().chain(given(keys)).chain(self.colours.assignments()).chain(self.set.iter().cloned())
    }
}

/// Arguments that override the colours of a scene.
#[derive(Debug, Default, Args)]
pub(crate) struct ColourArgs {
    /// How samples become colours
    #[arg(long, visible_alias = "color", value_name = "NAME", value_parser = colourings())]
    pub(crate) colour: Option<String>,
    /// The palette
    #[arg(long, value_name = "NAME", value_parser = palettes())]
    pub(crate) palette: Option<String>,
}

impl ColourArgs {
    /// As [`SceneArgs::assignments`].
    pub(crate) fn assignments(&self) -> impl Iterator<Item = String> {
        given([("colour.colouring", &self.colour), ("colour.palette", &self.palette)])
    }
}

/// The keys that have a value, as assignments.
fn given<const N: usize>(keys: [(&str, &Option<String>); N]) -> impl Iterator<Item = String> {
    keys.into_iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")))
}
