//! Rendering what is missing: whether a file of finished tiles belongs to a render, and the run that computes the rest.

use super::continued::{Escaped, Filled, Known, MASKS};
use super::ingredients::Ingredients;
use super::maker::{Maker, is_render};
use super::recipe::from_recipe;
use super::{Outcome, Part, Render, RenderOptions};
use crate::backend::Session;
use crate::error::{Error, Result, printable};
use crate::kernel::Facts;
use crate::parallel::{Pieces, Prepared, Shard, Sink, Stop, Work};
use crate::scene::{Iteration, MaxIterations, Precision, Scene};
use crate::sink::records::{Description, Records, Unread, of_picture};
use crate::sink::{Kept, Resumed};
use crate::tile::PixelSize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

impl Render {
    /// The description for a file of this render's finished tiles, or of a `shard` of them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a kernel of your own.
    pub fn description(&self, shard: Option<Shard>) -> Result<Description> {
        Description::new(self.work.recipe().as_ref(), self.work.len(), shard)
    }

    /// The render whose finished tiles are in the file at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] when they belong to something else, or were computed by another version of this program;
    /// [`Error::Unsupported`] for a formula that is not of this library.
    pub fn of_records(description: &Description, path: &Path) -> Result<Self> {
        let Identity { kind, .. } = Identity::of(description, path)?;
        if Maker::Library.kind().is_none_or(|ours| ours != kind) {
            return Err(Error::Unsupported(format!(
                "`{}` has tiles of kind `{}`: only the program that has this formula can continue it",
                path.display(),
                printable(&kind)
            )));
        }
        let render = from_recipe(&description.recipe()).map_err(|error| damaged(path, &error.to_string()))?;
        if description.pieces != render.work.len() {
            return Err(damaged(path, "its scene has a different number of tiles"));
        }
        Ok(render)
    }

    /// A render of another scene with the same tiles and data: the same picture in other colours, for example.
    ///
    /// # Errors
    /// As [`Render::with`]; [`Error::Unsupported`] for a kernel of your own.
    pub fn of_scene(&self, scene: &Scene) -> Result<Self> {
        let render = Self::made_by(scene, self.work.options, &self.work.maker)?;
        let [ours, theirs] = [self, &render].map(|render| render.identity());
        Ok(if ours.difference(&theirs).is_none() { render.sharing(self) } else { render })
    }

    fn identity(&self) -> Identity {
        let Facts { tier, exact, .. } = self.kernel().facts();
        let kind = self.work.maker.kind().unwrap_or_default().into();
        Identity { kind, scene: self.work.scene.clone(), options: self.work.options, tier: tier.into(), exact }
    }

    /// Checks that a file has finished tiles of this render, then reads it. Names and colours may differ, but nothing else.
    ///
    /// # Errors
    /// [`Error::Input`] with what differs, and as [`Render::of_records`] and [`Unread::read`].
    pub fn read_records(&self, file: Unread, stop: &Stop) -> Result<Records> {
        self.recognize(&Identity::of(file.description(), file.path())?, file.path())?;
        self.read_recognized(file, stop)
    }

    /// The second step, once the file has been recognised as this render's.
    fn read_recognized(&self, file: Unread, stop: &Stop) -> Result<Records> {
        if file.description().pieces != self.work.len() {
            return Err(damaged(file.path(), "its scene has a different number of tiles"));
        }
        file.read(|index| self.work.piece_len(index), stop)
    }

    /// The samples that had escaped in the same picture with at most as many iterations: a larger maximum does not change them. `path`
    /// is a file of finished tiles or an EXR picture; the tiles of the latter are stored in an unnamed file in `folder`. Only tiles of
    /// `wanted` are read. All other samples must be computed from the start, since no file stores where orbits were.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where all samples depend on the maximum; [`Error::Input`] when the file belongs to another picture or has
    /// more iterations; as [`Render::read_records`].
    pub fn escaped(&self, path: &Path, folder: &Path, wanted: &Pieces, stop: &Stop) -> Result<Escaped> {
        let facts = self.kernel().facts();
        if !facts.prefix_stable {
            return Err(Error::Unsupported(format!(
                "a picture in number tier `{}` cannot continue from `{}`: all its samples depend on the maximum number of iterations",
                facts.tier,
                path.display()
            )));
        }
        let is_picture = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("exr"));
        let (mut theirs, file) = if is_picture {
            // A picture can be read in tiles of any size.
            let scene = Scene::load(path)?;
            let tier = self.tier_with(scene.iteration.precision)?;
            (Identity { scene, tier, ..self.identity() }, None)
        } else {
            let file = Records::open(path)?;
            (Identity::of(file.description(), path)?, Some(file))
        };
        let (old, new) = (theirs.scene.max_iterations(), self.scene.max_iterations());
        if old > new {
            return Err(Error::Input(format!(
                "`{}` has up to {old} iterations, more than the {new} of this picture, which therefore cannot continue from it",
                path.display()
            )));
        }
        theirs.scene.iteration.max = MaxIterations::Count(new);
        self.recognize(&theirs, path)?;
        let records = match file {
            Some(file) => self.read_recognized(file, stop)?,
            None => of_picture(path, self.description(None)?, &self.tiles(), folder, stop)?,
        };
        Escaped::new(records, self.tiles(), wanted, stop)
    }

    /// The number tier of this render if its scene asked for this one.
    fn tier_with(&self, precision: Precision) -> Result<String> {
        if !matches!(self.work.maker, Maker::Library) {
            return Ok(self.kernel().facts().tier.into());
        }
        let mut request = self.work.request.clone();
        request.precision = precision;
        Ok(request.tier()?.name().into())
    }

    /// Checks that an identity is this render's. Nothing is built from what it claims: a foreign file may claim a picture of any size.
    fn recognize(&self, theirs: &Identity, path: &Path) -> Result<()> {
        let Some((key, theirs, ours)) = self.identity().difference(theirs) else { return Ok(()) };
        Err(Error::Input(format!("`{}` is of another picture: its {key} is {theirs}, not {ours}", path.display())))
    }

    /// As [`Render::run`], but computes only what is `wanted` and not yet `known`. The sink sees everything that is wanted.
    ///
    /// # Errors
    /// As [`Render::run`], and as [`Resumed::new`].
    pub fn run_missing(
        &self,
        session: &mut dyn Session,
        sink: Arc<dyn Sink>,
        wanted: &Pieces,
        known: Known,
        stop: &Stop,
    ) -> Result<Outcome> {
        let Known { mut tiles, samples } = known;
        tiles.extend(samples.as_ref().map(|escaped| escaped.tiles() as Arc<dyn Kept>));
        if tiles.is_empty() && wanted.is_everything() {
            return self.run(session, sink, stop);
        }
        let resumed = Resumed::new(sink, self.work(), wanted, tiles, stop)?;
        let missing = resumed.missing().clone();
        let (sink, part): (Arc<dyn Sink>, _) = match samples {
            Some(escaped) => {
                let masks = Prepared::default().with(MASKS, escaped.masks(&missing)[..].into());
                let max = self.scene.max_iterations();
                (Arc::new(Filled::new(resumed, escaped, missing.clone(), max)), Part::Samples(missing, masks))
            }
            None => (Arc::new(resumed), Part::Tiles(missing)),
        };
        let RenderOptions { tile, order, .. } = self.work.options;
        self.part(part, tile, order)?.run(session, sink, stop)
    }
}

/// Everything that determines a render's samples and tiles.
struct Identity {
    kind: String,
    scene: Scene,
    options: RenderOptions,
    tier: String,
    exact: bool,
}

impl Identity {
    /// The identity that a file claims.
    fn of(description: &Description, path: &Path) -> Result<Self> {
        if !is_render(&description.kind) {
            return Err(Error::Input(format!(
                "`{}` has finished pieces of a work that is not a picture",
                path.display()
            )));
        }
        let because = |error: Error| damaged(path, &error.to_string());
        let ingredients = Ingredients::read(&description.recipe()).map_err(because)?;
        description.check_program(path)?;
        let Ingredients { scene, tile, order, channels, tier, exact, .. } = ingredients;
        let order = order.parse().map_err(because)?;
        let options = RenderOptions { tile, order, isa: None, channels };
        Ok(Self { kind: description.kind.clone(), scene, options, tier, exact })
    }

    /// The first difference from `other`: its key, and both values, theirs first.
    fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let (ours, theirs) = (self.facts(), other.facts());
        let value = |facts: &[(String, String)], key: &str| {
            facts.iter().find(|(name, _)| name == key).map_or("not given".into(), |(_, value)| value.clone())
        };
        let keys = ours.iter().chain(&theirs).map(|(key, _)| key);
        let mut pairs = keys.map(|key| (key.clone(), value(&theirs, key), value(&ours, key)));
        pairs.find(|(_, theirs, ours)| theirs != ours)
    }

    /// All of it, as keys and values.
    fn facts(&self) -> Vec<(String, String)> {
        let RenderOptions { tile, order, channels, .. } = self.options;
        let scene = Scene { name: None, title: None, colour: Default::default(), ..self.scene.clone() };
        let iteration = Iteration {
            max: MaxIterations::Count(scene.max_iterations()),
            precision: Precision::Auto,
            ..scene.iteration
        };
        let scene = Scene { iteration, ..scene };
        let PixelSize { width, height } = scene.image.drawn();
        let mut facts = vec![("kind of work".into(), printable(&self.kind))];
        flatten("", &serde_json::to_value(scene).unwrap_or_default(), &mut facts);
        facts.push(("tile size".into(), tile.min(width.max(height)).to_string()));
        facts.push(("order of tiles".into(), order.to_string()));
        facts.push(("number tier".into(), self.tier.clone()));
        facts.push(("precision".into(), if self.exact { "exact" } else { "within a tolerance" }.into()));
        let data: Vec<_> = channels.iter().map(|channel| channel.plural).collect();
        facts.push(("data".into(), data.join(", ")));
        facts
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::Input(format!("`{}` is damaged: {why}", path.display()))
}

fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{key}"), value, out);
            }
        }
        other => out.push((format!("`{prefix}`"), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_within_a_tolerance_is_of_another_picture() {
        let render = Render::new(&Scene::default()).unwrap();
        let (exact, other) = (render.identity(), Identity { exact: false, ..render.identity() });
        assert!(exact.difference(&render.identity()).is_none());
        let (key, theirs, ours) = exact.difference(&other).unwrap();
        assert_eq!([&key, &theirs, &ours], ["precision", "within a tolerance", "exact"]);
        let recipe = String::from_utf8(render.work().recipe().unwrap().bytes).unwrap();
        assert!(!recipe.contains("exact\":true"), "defaults are left out");
        let wrong = recipe.replacen('{', "{\"exact\":false,", 1);
        assert!(from_recipe(wrong.as_bytes()).unwrap_err().to_string().contains("tolerance"));
    }
}
