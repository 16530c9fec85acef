//! Saving the picture with its scene, and the scene as a command line.

use super::frame::Planes;
use crate::backend;
use crate::colour::Depth;
use crate::error::{Error, Result};
use crate::parallel::{Claim, Prepared, Stop, Work};
use crate::render::Render;
use crate::sample::Channels;
use crate::scene::{MaxIterations, Scene};
use crate::sink::{ImageSink, Output, format_for};
use crate::tile::Tiling;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A picture that is being saved, on a thread of its own.
#[derive(Debug)]
pub(super) struct Saving {
    thread: Option<JoinHandle<Result<PathBuf>>>,
}

impl Saving {
    /// Saves the picture of a scene in a folder under a name that is not used yet. Samples that are there are not computed again.
    pub(super) fn start(folder: &Path, scene: Scene, planes: Option<Planes>) -> Result<Self> {
        let folder = folder.to_path_buf();
        let thread = std::thread::Builder::new()
            .name("window saver".into())
            .spawn(move || save(&folder, &scene, planes))
            .map_err(|error| Error::Unsupported(format!("a thread for saving cannot be started: {error}")))?;
        Ok(Self { thread: Some(thread) })
    }

    /// What came of it, once, as soon as it is over.
    pub(super) fn outcome(&mut self) -> Option<Result<PathBuf>> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        self.finish()
    }

    /// Waits for the end.
    pub(super) fn finish(&mut self) -> Option<Result<PathBuf>> {
        let outcome = self.thread.take()?.join();
        Some(outcome.unwrap_or_else(|_| Err(Error::Unsupported("saving the picture failed by a fault".into()))))
    }
}

fn save(folder: &Path, scene: &Scene, planes: Option<Planes>) -> Result<PathBuf> {
    let render = Render::new(scene)?;
    let path = reserve(folder, scene)?;
    let write = || {
        let sink = Arc::new(ImageSink::new(
            format_for(&path, None)?,
            Output::create(&path)?,
            render.image_options(Depth::Eight),
        )?);
        match planes {
            Some(planes) => {
                let kept = Kept { planes, tiling: render.tiling(), channels: render.channels() };
                let mut session = backend::find("serial")?.open(&backend::Options {
                    schedule: Some(crate::parallel::Schedule::AUTO),
                    ..backend::Options::default()
                })?;
                session.run(Arc::new(kept), sink, &Stop::new()).map(|_| ())
            }
            None => {
                let workers =
                    backend::Options { schedule: Some(crate::parallel::Schedule::AUTO), ..Default::default() };
                let mut session = backend::find(backend::DEFAULT)?.open(&workers)?;
                render.run(&mut *session, sink, &Stop::new()).map(|_| ())
            }
        }
    };
    match write() {
        Ok(()) => Ok(path),
        Err(error) => {
            // Nothing but the empty file that kept the name.
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Creates an empty file under the first name of NAME-1.png, NAME-2.png … that is free, so that nobody else takes it.
fn reserve(folder: &Path, scene: &Scene) -> Result<PathBuf> {
    let name = scene.name.as_deref().unwrap_or(&scene.formula);
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    for number in 1..=1_000_000 {
        let path = folder.join(format!("{name}-{number}.png"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", path, error)),
        }
    }
    Err(Error::Unsupported(format!("a million pictures called {name} are there already")))
}

/// Samples that are there, as a work: computing a tile is copying it.
struct Kept {
    planes: Planes,
    tiling: Tiling,
    channels: Channels,
}

impl Work for Kept {
    fn len(&self) -> usize {
        self.tiling.len()
    }

    fn piece_len(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let range = claim.range();
        let mut words = bytemuck::cast_slice_mut::<u8, u32>(claim.bytes());
        let Planes { across, counts, fractions, distance: [right, down] } = &self.planes;
        let wanted = [
            (true, bytemuck::cast_slice::<u32, u32>(counts)),
            (self.channels.smooth, bytemuck::cast_slice(fractions)),
            (self.channels.distance, bytemuck::cast_slice(right)),
            (self.channels.distance, bytemuck::cast_slice(down)),
        ];
        for index in range {
            let tile = self.tiling.tile(index);
            for (_, plane) in wanted.iter().filter(|(wanted, _)| *wanted) {
                for y in tile.y..tile.y + tile.height {
                    let start = y as usize * *across as usize + tile.x as usize;
                    let (row, rest) = words.split_at_mut(tile.width as usize);
                    row.copy_from_slice(&plane[start..start + tile.width as usize]);
                    words = rest;
                }
            }
        }
        Ok(())
    }
}

/// The command that renders a scene. Names and titles are left out: they change nothing that is seen.
pub fn command_line(scene: &Scene) -> String {
    let plain = Scene::default();
    let mut words = vec!["fractal".to_owned(), "render".to_owned()];
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([format!("--{name}"), quoted(&value)]);
        }
    };
    fn unless<T: PartialEq + ToString>(value: &T, plain: &T) -> Option<String> {
        (value != plain).then(|| value.to_string())
    }
    say("formula", unless(&scene.formula, &plain.formula));
    say("power", scene.power.map(|power| power.to_string()));
    say("julia", scene.julia.as_ref().map(|[re, im]| format!("{re},{im}")));
    say("re", scene.view.re.as_ref().map(ToString::to_string));
    say("im", scene.view.im.as_ref().map(ToString::to_string));
    say("width", scene.view.width.as_ref().map(ToString::to_string));
    say("zoom", scene.view.zoom.as_ref().map(ToString::to_string));
    say("rotation", unless(&scene.view.rotation, &plain.view.rotation));
    say("size", Some(format!("{}x{}", scene.image.size.0, scene.image.size.1)));
    say("crop", scene.image.crop.map(|crop| crop.to_string()));
    say("samples", unless(&scene.image.samples, &plain.image.samples));
    say(
        "iterations",
        match scene.iteration.max {
            MaxIterations::Auto => None,
            MaxIterations::Count(count) => Some(count.to_string()),
        },
    );
    say("escape-radius", unless(&scene.iteration.escape_radius, &plain.iteration.escape_radius));
    let quality = format!("{:?}", scene.iteration.quality).to_lowercase();
    let set = |key: &str, value: Option<String>| value.map(|value| format!("{key}={value}"));
    let usual = scene.iteration.quality == plain.iteration.quality;
    say("set", set("iteration.quality", (!usual).then_some(quality)));
    let precision = format!("{:?}", scene.iteration.precision).to_lowercase();
    let usual = scene.iteration.precision == plain.iteration.precision;
    say("precision", (!usual).then_some(precision));
    let (colour, usual) = (&scene.colour, &plain.colour);
    say("colour", unless(&colour.colouring, &usual.colouring));
    say("palette", unless(&colour.palette, &usual.palette));
    say("set", set("colour.interior", unless(&colour.interior, &usual.interior)));
    say("set", set("colour.density", unless(&colour.density, &usual.density)));
    say("set", set("colour.offset", unless(&colour.offset, &usual.offset)));
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,=+/:".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_a_command() {
        assert_eq!(command_line(&Scene::default()), "fractal render --size 1920x1080");
        let scene = Scene::from_toml(
            "formula = \"multibrot\"\npower = 4\nview = { re = \"-0.5\", im = \"1e-3\", zoom = \"3\", rotation = 15.0 }\n\
             image = { size = [64, 48], samples = 2 }\niteration = { max = 700, escape_radius = 4.0, quality = \"exact\", precision = \"f64\" }\n\
             colour = { colouring = \"bands\", palette = \"ink\", interior = \"#0a1\", density = 2.5, offset = 0.25 }",
        );
        assert_eq!(
            command_line(&scene.unwrap()),
            "fractal render --formula multibrot --power 4 --re -0.5 --im 1e-3 --zoom 3 --rotation 15 --size 64x48 --samples 2 \
             --iterations 700 --escape-radius 4 --set iteration.quality=exact --precision f64 --colour bands --palette ink \
             --set 'colour.interior=#0a1' --set colour.density=2.5 --set colour.offset=0.25"
        );
    }
}
