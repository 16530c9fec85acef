//! Scenes made in a program: a method for each key, where a scene file has texts.

use super::{Crop, MaxIterations, Precision, Quality, Scene};
use crate::error::{Error, Result};
use crate::number::Decimal;
use std::fmt::Display;

/// Builds a [`Scene`], key by key; what is not set stays as it is. Values are checked by [`SceneBuilder::build`].
///
/// Numbers of the plane are `f64`, `i32`, a text or a [`Decimal`]: a text has all its digits, whereas an `f64` has sixteen.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SceneBuilder {
    scene: Scene,
    /// The first number that is none.
    fault: Option<String>,
}

impl Scene {
    /// Begins with the whole Mandelbrot set.
    ///
    /// ```
    /// use fractal::Scene;
    ///
    /// # fn main() -> fractal::Result<()> {
    /// let scene = Scene::builder().formula("burning_ship").centre(-1.755, "-0.03").width(0.2).size(320, 180).samples(2).build()?;
    /// assert_eq!(scene.image.size, (320, 180));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> SceneBuilder {
        SceneBuilder::default()
    }

    /// Begins with this scene, to change some of its keys.
    ///
    /// ```
    /// # fn main() -> fractal::Result<()> {
    /// let scene = fractal::Scene::load("seahorses")?.edit().palette("ember").build()?;
    /// assert_eq!(scene.colour.palette, "ember");
    /// # Ok(())
    /// # }
    /// ```
    pub fn edit(self) -> SceneBuilder {
        SceneBuilder { scene: self, fault: None }
    }
}

/// What a number of the plane is made from.
type Made<T> = std::result::Result<Decimal, <T as TryInto<Decimal>>::Error>;

impl SceneBuilder {
    fn number<T: TryInto<Decimal, Error: Display>>(&mut self, key: &str, value: T) -> Option<Decimal> {
        let made: Made<T> = value.try_into();
        made.map_err(|why| self.fault.get_or_insert_with(|| format!("`{key}`: {why}")).clone()).ok()
    }

    /// A short name, which file names are made of.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.scene.name = Some(name.into());
        self
    }

    /// A title for display.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.scene.title = Some(title.into());
        self
    }

    /// A formula's name from [`FORMULAS`](crate::formula::FORMULAS).
    pub fn formula(mut self, name: impl Into<String>) -> Self {
        self.scene.formula = name.into();
        self
    }

    /// The power of z.
    pub fn power(mut self, power: u32) -> Self {
        self.scene.power = Some(power);
        self
    }

    /// The Julia set of the constant `re` + i·`im`.
    pub fn julia(
        mut self,
        re: impl TryInto<Decimal, Error: Display>,
        im: impl TryInto<Decimal, Error: Display>,
    ) -> Self {
        let constant = self.number("julia", re).zip(self.number("julia", im));
        self.scene.julia = constant.map(|(re, im)| [re, im]);
        self
    }

    /// The point in the middle of the image.
    pub fn centre(
        mut self,
        re: impl TryInto<Decimal, Error: Display>,
        im: impl TryInto<Decimal, Error: Display>,
    ) -> Self {
        self.scene.view.re = self.number("view.re", re);
        self.scene.view.im = self.number("view.im", im);
        self
    }

    /// The width of the image in the plane, above 0; in place of a zoom.
    pub fn width(mut self, width: impl TryInto<Decimal, Error: Display>) -> Self {
        self.scene.view.width = self.number("view.width", width);
        self.scene.view.zoom = None;
        self
    }

    /// 4 divided by the height of the image in the plane, above 0; in place of a width.
    pub fn zoom(mut self, zoom: impl TryInto<Decimal, Error: Display>) -> Self {
        self.scene.view.zoom = self.number("view.zoom", zoom);
        self.scene.view.width = None;
        self
    }

    /// Degrees by which the image's right turns counter-clockwise from the real axis.
    pub fn rotation(mut self, degrees: f64) -> Self {
        self.scene.view.rotation = degrees;
        self
    }

    /// The size of the image in pixels.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.scene.image.size = (width, height);
        self
    }

    /// Samples per pixel along each axis, 1 to [`super::MAX_SAMPLES`].
    pub fn samples(mut self, samples: u32) -> Self {
        self.scene.image.samples = samples;
        self
    }

    /// Which of the pixels are drawn.
    pub fn crop(mut self, crop: Crop) -> Self {
        self.scene.image.crop = Some(crop);
        self
    }

    /// The maximum number of iterations, which otherwise follows from the view.
    pub fn max_iterations(mut self, max: u64) -> Self {
        self.scene.iteration.max = MaxIterations::Count(max);
        self
    }

    /// The escape radius, more than 1.
    pub fn escape_radius(mut self, radius: f64) -> Self {
        self.scene.iteration.escape_radius = radius;
        self
    }

    /// How much error a deep view may trade for speed.
    pub fn quality(mut self, quality: Quality) -> Self {
        self.scene.iteration.quality = quality;
        self
    }

    /// Which numbers orbits are computed in.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.scene.iteration.precision = precision;
        self
    }

    /// A colouring's name from [`COLOURINGS`](crate::colour::COLOURINGS).
    pub fn colouring(mut self, name: impl Into<String>) -> Self {
        self.scene.colour.colouring = name.into();
        self
    }

    /// A palette's name from [`PALETTES`](crate::colour::PALETTES).
    pub fn palette(mut self, name: impl Into<String>) -> Self {
        self.scene.colour.palette = name.into();
        self
    }

    /// The colour of the interior: red, green and blue.
    pub fn interior(mut self, [red, green, blue]: [u8; 3]) -> Self {
        self.scene.colour.interior = format!("#{red:02x}{green:02x}{blue:02x}");
        self
    }

    /// How often the palette repeats, relative to the colouring's own measure; a negative density runs it backwards.
    pub fn density(mut self, density: f64) -> Self {
        self.scene.colour.density = density;
        self
    }

    /// The shift of the colours, in turns around the palette.
    pub fn offset(mut self, turns: f64) -> Self {
        self.scene.colour.offset = turns;
        self
    }

    /// The scene.
    ///
    /// # Errors
    /// [`Error::Usage`] with the key, its value and what is allowed.
    pub fn build(self) -> Result<Scene> {
        self.fault.or_else(|| self.scene.find_fault()).map_or(Ok(self.scene), |fault| Err(Error::Usage(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::KEYS;

    #[test]
    fn every_key_is_set_as_in_a_file() {
        let built = Scene::builder()
            .name("n")
            .title("t")
            .formula("multibrot")
            .power(3)
            .julia(-0.5, "0.25")
            .centre("-0.75", 1)
            .zoom(3)
            .width("5.1e-5")
            .rotation(30.0)
            .size(320, 180)
            .samples(2)
            .crop(Crop { x: 1, y: 2, width: 3, height: 4 })
            .max_iterations(5000)
            .escape_radius(100.0)
            .quality(Quality::Exact)
            .precision(Precision::F64)
            .colouring("bands")
            .palette("ember")
            .interior([1, 171, 255])
            .density(2.0)
            .offset(0.5)
            .build()
            .unwrap();
        let read = Scene::from_toml(
            "name = \"n\"\ntitle = \"t\"\nformula = \"multibrot\"\npower = 3\njulia = [\"-0.5\", \"0.25\"]\n\
             view = { re = \"-0.75\", im = \"1\", width = \"5.1e-5\", rotation = 30 }\n\
             image = { size = [320, 180], samples = 2, crop = [1, 2, 3, 4] }\n\
             iteration = { max = 5000, escape_radius = 100, quality = \"exact\", precision = \"f64\" }\n\
             colour = { colouring = \"bands\", palette = \"ember\", interior = \"#01abff\", density = 2, offset = 0.5 }\n",
        );
        assert_eq!(built, read.unwrap());
        // A new key of scene files must get its method: all of this scene's differ from the default's.
        let value = |scene: &Scene, key: &str| {
            let all = serde_json::to_value(scene).unwrap();
            all.pointer(&format!("/{}", key.replace('.', "/"))).cloned()
        };
        for key in KEYS.iter().filter(|key| !["version", "view.zoom"].contains(&key.name)) {
            let [ours, default] = [&built, &Scene::default()].map(|scene| value(scene, key.name));
            assert!(ours.is_some() && ours != default, "{}", key.name);
        }
        let again = built.edit().zoom("1e3").build().unwrap();
        assert_eq!((again.view.width, again.view.zoom), (None, Some("1e3".parse().unwrap())));
        assert_eq!(Scene::builder().build().unwrap(), Scene::default());
    }

    #[test]
    fn wrong_values_are_named() {
        let refused = |builder: SceneBuilder| builder.build().unwrap_err();
        for (error, what) in [
            (refused(Scene::builder().width(f64::NAN)), "`view.width`: NaN is not a finite number"),
            (refused(Scene::builder().centre("here", 0)), "`view.re`: `here` is not a decimal number"),
            (refused(Scene::builder().size(0, 3)), "`image.size` is 0x3"),
            (refused(Scene::builder().formula("mandelbrat")), "mandelbrat"),
            (refused(Scene::builder().palette("embre")), "embre"),
        ] {
            assert!(matches!(&error, Error::Usage(text) if text.contains(what)), "{error}");
        }
    }
}
