//! Rendering what is missing: what a file of finished tiles must say to be of this render, and the run of the rest.

use super::{Ingredients, Outcome, Render, RenderWork, from_recipe};
use crate::backend::Session;
use crate::error::{Error, Result};
use crate::parallel::{Pieces, Shard, Sink, Stop, Work};
use crate::sample::{Channels, INTERIOR, Samples};
use crate::scene::{MaxIterations, Scene};
use crate::sink::Resumed;
use crate::sink::records::{Description, Records, Unread, of_picture};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

impl Render {
    /// What a file of this render's finished tiles says of them; `shard` if it is to have a share only.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a formula that only this program has.
    pub fn description(&self, shard: Option<Shard>) -> Result<Description> {
        Description::new(self.work.recipe().as_ref(), self.work.len(), shard)
    }

    /// The render whose finished tiles the file at `path` has.
    ///
    /// # Errors
    /// [`Error::Input`] when they are of something else, or computed by another version of this program.
    pub fn of_records(description: &Description, path: &Path) -> Result<Self> {
        let named = |what: &str| Error::Input(format!("`{}` {what}", path.display()));
        if description.kind != super::KIND {
            return Err(named("has finished pieces of a work that is no picture"));
        }
        let render = from_recipe(&description.recipe()).map_err(|error| named(&format!("is damaged: {error}")))?;
        if description.pieces != render.work.len() {
            return Err(named("is damaged: its scene has another number of tiles"));
        }
        description.check_program(path)?;
        Ok(render)
    }

    /// The same tiles, with the same data, of another scene: in other colours, for example.
    ///
    /// # Errors
    /// As [`Render::with`].
    pub fn of_scene(&self, scene: &Scene) -> Result<Self> {
        Self::with(scene, self.work.options)
    }

    /// Checks that a file has finished tiles of this render, then reads it. Names and colours may differ, all else may not.
    ///
    /// # Errors
    /// [`Error::Input`] with what differs, and as [`Render::of_records`] and [`Unread::read`].
    pub fn read_records(&self, file: Unread, stop: &Stop) -> Result<Records> {
        let theirs = Self::of_records(file.description(), file.path())?;
        self.refuse_other(&theirs, file.path())?;
        file.read(|index| self.work.piece_len(index), stop)
    }

    fn refuse_other(&self, other: &Self, path: &Path) -> Result<()> {
        let Some((key, theirs, ours)) = self.difference(other) else { return Ok(()) };
        Err(Error::Input(format!("`{}` is of another picture: its {key} is {theirs}, not {ours}", path.display())))
    }

    /// The tiles of the same picture with fewer iterations, or as many, in which every sample has escaped: a larger maximum does not
    /// change them. `path` is a file of finished tiles or an EXR picture; of the latter the tiles wait in a file in `folder`, without a
    /// name. Tiles with samples that have not escaped are to be computed from their start, since no file keeps where orbits were.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where samples depend on the maximum as a whole; [`Error::Input`] when the file is of another picture or
    /// of more iterations; as [`Render::read_records`].
    pub fn escaped(&self, path: &Path, folder: &Path, stop: &Stop) -> Result<Records> {
        if self.kernel().tier() != "f64" {
            return Err(Error::Unsupported(format!(
                "a picture in numbers of `{}` cannot go on from `{}`: there, all samples depend on the maximum of iterations",
                self.kernel().tier(),
                path.display()
            )));
        }
        let is_picture = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("exr"));
        let (theirs, file) = if is_picture {
            // Its data is there whatever colours it was made for.
            let scene = Scene { colour: self.scene.colour.clone(), ..Scene::load(&path.to_string_lossy())? };
            (self.of_scene(&scene)?, None)
        } else {
            let file = Records::open(path)?;
            (Self::of_records(file.description(), path)?, Some(file))
        };
        let (old, new) = (theirs.scene.max_iterations(), self.scene.max_iterations());
        if old > new {
            return Err(Error::Input(format!(
                "`{}` has up to {old} iterations, more than the {new} of this picture, so nothing can go on from it",
                path.display()
            )));
        }
        let mut same = theirs.scene().clone();
        same.iteration.max = MaxIterations::Count(new);
        self.refuse_other(&theirs.of_scene(&same)?, path)?;
        let (tiling, channels) = (self.tiling(), self.channels());
        let Some(file) = file else {
            return of_picture(path, self.description(None)?, &tiling, channels, folder, stop);
        };
        let mut records = file.read(|index| self.work.piece_len(index), stop)?;
        records.retain(stop, |index, bytes| {
            !Samples::new(tiling.tile(index), channels, bytes).counts.contains(&INTERIOR)
        })?;
        Ok(records)
    }

    /// The first thing that decides samples or tiles and is not the same in `other`: its key, and both values, theirs first.
    fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let (ours, theirs) = (facts(&self.work), facts(&other.work));
        let value = |facts: &[(String, String)], key: &str| {
            facts.iter().find(|(name, _)| name == key).map_or("not given".into(), |(_, value)| value.clone())
        };
        let keys = ours.iter().chain(&theirs).map(|(key, _)| key);
        let mut pairs = keys.map(|key| (key.clone(), value(&theirs, key), value(&ours, key)));
        pairs.find(|(_, theirs, ours)| theirs != ours)
    }

    /// As [`Render::run`], but only those tiles of `wanted` are computed that no file of `records` has. The sink sees all of them.
    ///
    /// # Errors
    /// As [`Render::run`], and as [`Resumed::new`].
    pub fn run_missing(
        &self,
        session: &mut dyn Session,
        sink: Arc<dyn Sink>,
        wanted: &Pieces,
        records: Vec<Arc<Records>>,
        stop: &Stop,
    ) -> Result<Outcome> {
        if records.is_empty() && wanted.is_everything() {
            return self.run(session, sink, stop);
        }
        let sink = Resumed::new(sink, self.work(), wanted, records, stop)?;
        let work = Arc::new(self.work.only(sink.missing().clone()));
        let report = session.run(work.clone(), Arc::new(sink), stop)?;
        Ok(Outcome { report, counters: work.take_counters() })
    }
}

/// What decides a render's samples and tiles, as keys and values.
fn facts(work: &RenderWork) -> Vec<(String, String)> {
    let scene = Scene { name: None, title: None, colour: Default::default(), ..work.scene.clone() };
    let iteration = crate::scene::Iteration { max: MaxIterations::Count(scene.max_iterations()), ..scene.iteration };
    let scene = Scene { iteration, ..scene };
    let mut facts = Vec::new();
    flatten("", &serde_json::to_value(scene).unwrap_or_default(), &mut facts);
    let (tile, order) = (work.tiling.edge() / work.scene.image.samples, work.options.order);
    facts.push(("tile size".into(), tile.to_string()));
    facts.push(("order of tiles".into(), order.to_string()));
    let Channels { smooth, distance } = work.options.channels;
    let data = ["counts", if smooth { ", fractions" } else { "" }, if distance { ", distances" } else { "" }].concat();
    facts.push(("data".into(), data));
    facts
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

impl RenderWork {
    /// The work of some of its tiles.
    pub(super) fn only(&self, pieces: Pieces) -> Self {
        Self {
            scene: self.scene.clone(),
            options: self.options,
            kernel: self.kernel.clone(),
            tiling: self.tiling.clone(),
            pieces: Some(pieces),
            counters: Default::default(),
            own_formula: self.own_formula,
        }
    }
}

impl Ingredients {
    /// The work that these make.
    pub(super) fn work(pieces: Option<Pieces>, render: &Render) -> Result<Arc<RenderWork>> {
        let Some(pieces) = pieces else { return Ok(render.work.clone()) };
        if pieces.of() != render.work.tiling.len() {
            return Err(Error::Input("the recipe of a render has pieces of another number of tiles".into()));
        }
        Ok(Arc::new(render.work.only(pieces)))
    }
}
