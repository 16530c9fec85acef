//! Saving the picture with its scene, and the scene as a command line.

use super::frame::{Planes, Shown};
use crate::backend;
use crate::colour::Depth;
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Piece, Pieces, Schedule, Sink, Stop, Tee};
use crate::render::{Known, Render};
use crate::scene::{MaxIterations, Scene};
use crate::sink::{ImageSink, Kept, Output, Tiles, format_for, identity};
use crate::tile::SampleSize;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// A picture that is being saved, on a thread of its own.
#[derive(Debug)]
pub(super) struct Saving {
    thread: Option<JoinHandle<Result<PathBuf>>>,
    progress: Arc<Progress>,
}

/// How many tiles of a picture are saved.
#[derive(Debug, Default)]
struct Progress {
    done: AtomicUsize,
    all: AtomicUsize,
}

impl Sink for Progress {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.done.fetch_add(done.range.len(), Ordering::Relaxed);
        Ok(())
    }

    fn kept(&self, kept: &FinishedClaim<'_>) -> Result<()> {
        self.done(kept)
    }
}

impl Saving {
    /// Saves the picture of a scene in a folder under a name that is not used yet. Final samples are not computed again.
    pub(super) fn start(folder: &Path, scene: Scene, shown: Option<Shown>, stop: Stop) -> Result<Self> {
        let folder = folder.to_path_buf();
        let progress = Arc::new(Progress::default());
        let counted = progress.clone();
        let thread = std::thread::Builder::new()
            .name("window saver".into())
            .spawn(move || save(&folder, &scene, shown, &counted, &stop))
            .map_err(|error| Error::Unsupported(format!("a thread for saving cannot be started: {error}")))?;
        Ok(Self { thread: Some(thread), progress })
    }

    /// The share that is saved, in per cent.
    pub(super) fn percent(&self) -> usize {
        let Progress { done, all } = &*self.progress;
        100 * done.load(Ordering::Relaxed) / all.load(Ordering::Relaxed).max(1)
    }

    /// The outcome, once, as soon as saving is over.
    pub(super) fn outcome(&mut self) -> Option<Result<PathBuf>> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        self.finish()
    }

    /// Waits until saving is over.
    pub(super) fn finish(&mut self) -> Option<Result<PathBuf>> {
        let outcome = self.thread.take()?.join();
        Some(
            outcome
                .unwrap_or_else(|_| Err(Error::Unsupported("saving the picture failed: its thread panicked".into()))),
        )
    }
}

fn save(folder: &Path, scene: &Scene, shown: Option<Shown>, progress: &Arc<Progress>, stop: &Stop) -> Result<PathBuf> {
    let render = Render::new(scene)?;
    progress.all.store(render.tiling().len(), Ordering::Relaxed);
    let (path, reserved) = reserve(folder, scene)?;
    let write = || {
        let sink = Arc::new(ImageSink::new(
            format_for(&path, None)?,
            Output::create(&path)?,
            render.image_options(Depth::Eight),
        )?);
        let workers = backend::SessionOptions { schedule: Some(Schedule::AUTO), ..backend::SessionOptions::default() };
        let mut session = backend::find(backend::DEFAULT)?.open(&workers)?;
        let everything = Pieces::new(render.tiling().len(), None);
        let known = shown.map(|shown| Arc::new(Final::new(shown, &render)));
        let known = Known::from(Vec::from_iter(known));
        let sinks = Arc::new(Tee::new(vec![sink, progress.clone()]));
        render.run_missing(&mut *session, sinks, &everything, known, stop).map(|_| ())
    };
    match write() {
        Ok(()) => Ok(path),
        Err(error) => {
            // Removes only the empty file that reserved the name, if it is still there.
            let _ = identity::remove(&reserved, &path);
            Err(error)
        }
    }
}

/// Creates an empty file under the first free name of NAME-1.png, NAME-2.png …, to reserve it.
fn reserve(folder: &Path, scene: &Scene) -> Result<(PathBuf, File)> {
    let name = scene.name.as_deref().unwrap_or(&scene.formula);
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    for number in 1..=1_000_000 {
        let path = folder.join(format!("{name}-{number}.png"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", path, error)),
        }
    }
    Err(Error::Unsupported(format!("there are a million pictures called {name} already")))
}

/// The tiles of a window's picture whose samples are all final.
struct Final {
    planes: Planes,
    tiles: Tiles,
    /// Samples in a row of a plane.
    across: usize,
    /// The tiles' numbers.
    numbers: Vec<usize>,
}

impl Final {
    /// The final tiles for `render`, which has the same view. None if other channels are needed.
    fn new(shown: Shown, render: &Render) -> Self {
        let (tiles, samples) = (render.tiles(), render.scene().image.samples);
        let fits = shown.samples == samples && shown.planes.channels.contains(tiles.channels);
        let fits =
            fits && tiles.tiling.size() == SampleSize { width: shown.size.0 * samples, height: shown.size.1 * samples };
        let is_final = |index: &usize| {
            let tile = tiles.tiling.tile(*index);
            let pixels = |length: u32| (length / samples) as usize;
            let rows = shown.levels.chunks_exact(shown.size.0 as usize).skip(pixels(tile.y)).take(pixels(tile.height));
            let columns = pixels(tile.x)..pixels(tile.x + tile.width);
            rows.into_iter().all(|row| row[columns.clone()].iter().all(|&level| level == 0))
        };
        let numbers = (0..tiles.tiling.len()).filter(|_| fits).filter(is_final).collect();
        Self { planes: shown.planes, across: (shown.size.0 * samples) as usize, numbers, tiles }
    }
}

impl Kept for Final {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn index(&self, entry: usize) -> usize {
        self.numbers[entry]
    }

    fn read<'a>(&self, entry: usize, words: &'a mut Vec<u64>) -> Result<(Piece<'a>, u64)> {
        let index = self.numbers[entry];
        let (tile, len) = (self.tiles.tiling.tile(index), self.tiles.bytes(index));
        words.resize(words.len().max(len.div_ceil(8)), 0);
        let bytes = &mut bytemuck::cast_slice_mut(words)[..len];
        let mut rows = bytemuck::cast_slice_mut::<u8, u32>(bytes).chunks_exact_mut(tile.width as usize);
        for (place, ..) in self.planes.channels.shared(self.tiles.channels) {
            for (y, row) in (tile.y..tile.y + tile.height).zip(&mut rows) {
                let start = y as usize * self.across + tile.x as usize;
                row.copy_from_slice(&self.planes.words[place][start..start + tile.width as usize]);
            }
        }
        Ok((Piece { index, bytes, cost: 0 }, 0))
    }

    fn place(&self) -> String {
        "the window".into()
    }
}

/// The command that renders a scene. Names and titles are left out: they do not change the picture.
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

/// A word, quoted for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,=+/:".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::*;
    use crate::colour::Colourer;
    use crate::sample::Channels;
    use crate::sink::Grid;

    /// Saving a frame that has some of its tiles gives the whole picture, and those tiles are taken from the frame.
    #[test]
    fn only_what_is_not_final_is_computed() {
        let scene =
            Scene::from_toml("[image]\nsize = [150, 130]\nsamples = 2\n[colour]\ncolouring = \"relief\"").unwrap();
        let render = Render::new(&scene).unwrap();
        let grid = Arc::new(Grid::new(render.tiles()));
        render.run_here(grid.clone(), &Stop::new()).unwrap();
        let colourer = Colourer::new(&scene.colour).unwrap();
        let mut frame = Frame::new((150, 130), 2, Channels::ALL);
        for index in [0, 4, 5, 7] {
            frame.put_samples(&grid.tile(index).unwrap(), &colourer);
        }
        let known = Final::new(frame.shown(), &render);
        assert_eq!(known.numbers, [0, 4, 5, 7]);
        let mut words = Vec::new();
        for (entry, &index) in known.numbers.iter().enumerate() {
            let (piece, _) = Kept::read(&known, entry, &mut words).unwrap();
            let ours = grid.tile(index).unwrap();
            let theirs = render.tiles().samples(index, piece.bytes);
            assert!(ours.planes().map(|plane| plane.1).eq(theirs.planes().map(|plane| plane.1)), "tile {index}");
        }
        let folder = std::env::temp_dir().join(format!("fractal-saved-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = [Some(frame.shown()), None]
            .map(|shown| std::fs::read(save(&folder, &scene, shown, &Arc::default(), &Stop::new()).unwrap()).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(files[0] == files[1]);
        // Samples that lack a channel the colours need are of no use.
        assert!(Final::new(Frame::new((150, 130), 2, Channels::SMOOTH).shown(), &render).is_empty());
    }

    #[test]
    fn a_scene_is_a_command() {
        assert_eq!(command_line(&Scene::default()), "fractal render --size 1920x1080");
        let scene = Scene::from_toml(
            "formula = \"multibrot\"\npower = 4\nview = { re = \"-0.5\", im = \"1e-3\", zoom = \"3\", rotation = 15.0 }\n\
             image = { size = [64, 48], samples = 2 }\niteration = { max = 700, escape_radius = 4.0, \
             quality = \"exact\", precision = \"f64\" }\n\
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
