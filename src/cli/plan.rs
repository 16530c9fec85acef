//! Turns what was typed into what it means: scenes with all overrides applied, kernels chosen, outputs named, workers configured.
//!
//! Every mistake that can be found early is found here, before anything is computed or written.

use super::args::{RenderArgs, SceneArgs};
use super::bar::Display;
use super::distinct::Files;
use super::keep::Keep;
use super::picture::Picture;
use super::wisdom::{self, Asked, Chosen};
use super::{memory, room};
use fractal::colour::Depth;
use fractal::internal::PART_EXTENSION;
use fractal::parallel::worker_count;
use fractal::sample::Channels;
use fractal::scene::PLACES;
use fractal::sink::{Data, Format, OUTPUTS, format_for};
use fractal::{Error, Render, RenderOptions, Result, Scene, backend};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What to do.
pub(super) struct Plan {
    pub(super) pictures: Vec<(Picture, Keep)>,
    pub(super) backend: &'static backend::BackendEntry,
    pub(super) workers: backend::SessionOptions,
    pub(super) depth: Depth,
    pub(super) trace: Option<PathBuf>,
    pub(super) stats: bool,
    pub(super) display: Display,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

impl Plan {
    pub(super) fn new(args: &RenderArgs) -> Result<Self> {
        let asked = Asked { backend: args.backend.as_deref(), schedule: args.schedule.as_deref(), tile: args.tile };
        let Chosen { backend, schedule, tile, .. } = wisdom::choose(asked, args.quiet)?;
        let workers = backend::SessionOptions {
            workers: args.workers.unwrap_or(0),
            schedule: Some(schedule),
            pin: args.pin,
            timed: args.trace.is_some() || args.stats.is_some() || args.verbose || args.is_watched(),
            sized: args.stats.is_some() || args.verbose,
            ..backend::SessionOptions::default()
        };
        let pictures = pictures(args, tile)?;
        check_files(args, &pictures)?;
        let count = if backend.parallel { worker_count(args.workers)? } else { 1 };
        let depth = if args.bits == "16" { Depth::Sixteen } else { Depth::Eight };
        for (picture, keep) in &pictures {
            memory::check(picture, count, backend.in_processes(), depth, keep.place.is_some())?;
            room::check(picture, depth)?;
        }
        Ok(Self {
            pictures,
            backend,
            workers,
            depth,
            trace: args.trace.clone(),
            stats: args.stats.is_some(),
            display: Display::new(&args.progress, args.quiet),
            quiet: args.quiet,
            verbose: args.verbose,
        })
    }
}

/// Whether it is the name of a place.
pub(super) fn is_place(source: &OsStr) -> bool {
    PLACES.iter().any(|place| source == place.name)
}

/// Checks that each output is a separate file, and not an input.
fn check_files(args: &RenderArgs, pictures: &[(Picture, Keep)]) -> Result<()> {
    let mut files = Files::new();
    args.scenes.iter().filter(|source| !is_place(source)).for_each(|source| files.reads(source));
    pictures.iter().filter_map(|(picture, _)| picture.continued.as_ref()).for_each(|path| files.reads(path));
    for (picture, keep) in pictures {
        files.draws(&picture.output)?;
        picture.owners.iter().try_for_each(|(path, _)| files.writes(path))?;
        keep.place.iter().try_for_each(|path| files.writes(path))?;
    }
    args.trace.iter().try_for_each(|path| files.writes(path))
}

fn pictures(args: &RenderArgs, tile: u32) -> Result<Vec<(Picture, Keep)>> {
    if args.scenes.iter().filter(|source| *source == "-").count() > 1 {
        return Err(Error::Usage("standard input (`-`) can be used for one scene only".into()));
    }
    let default = [PLACES[0].name.into()];
    let sources = if args.scenes.is_empty() { &default[..] } else { &args.scenes[..] };
    let order = args.order()?;
    let mut pictures = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let mut scene = scene(source, &args.scene)?;
        let name = name(source, &scene);
        let named = |pattern: &OsStr| fill(pattern, &name, index + 1);
        let (output, format) = match &args.output {
            _ if args.shard.is_some() => part(args, &name, index + 1)?,
            Some(pattern) => {
                let output = named(pattern)?;
                let format = format_for(&output, args.format.as_deref())?;
                (output, format)
            }
            None => default_output(&name, args.format.as_deref(), args.resume)?,
        };
        let drawn =
            |pattern: &OsStr| named(pattern).and_then(|path| format_for(&path, None).map(|format| (path, format)));
        let is_exr =
            |file: &OsString| Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("exr"));
        if format.data == Data::Samples || args.continued.as_ref().is_some_and(is_exr) {
            scene = plain(scene, source, &args.scene);
        }
        let owners = args.owners.as_deref().map(drawn).transpose()?;
        let title = name.to_string_lossy().into_owned();
        memory::check_order(&title, &scene.image, tile, order)?;
        let channels = if format.data == Data::Samples { Channels::ALL } else { Channels::default() };
        let options = RenderOptions { tile, order, channels, ..RenderOptions::default() };
        let render = Render::with(&scene, options).map_err(|error| of_scene(error, source, sources.len()))?;
        let checkpoint = args.checkpoint.as_deref().map(named).transpose()?;
        let keep = Keep::new(args, checkpoint, &output)?;
        let continued = args.continued.as_deref().map(named).transpose()?;
        let is_named = args.output.is_some();
        pictures.push((
            Picture { name: title, render, output, is_named, format, owners, shard: args.shard, continued },
            keep,
        ));
    }
    Ok(pictures)
}

/// Where a shard's part goes, and the format of the picture that is made of the parts.
fn part(args: &RenderArgs, name: &OsStr, index: usize) -> Result<(PathBuf, &'static Format)> {
    let format = args.format.as_deref().map_or(Ok(&OUTPUTS[0]), Format::named)?;
    let Some(shard) = args.shard else { unreachable!("asked for shards only") };
    let output = match &args.output {
        Some(pattern) => fill(pattern, name, index)?,
        None => with(name, &format!("-{}-of-{}.{PART_EXTENSION}", shard.number(), shard.of())),
    };
    if output.extension().is_none_or(|extension| extension != PART_EXTENSION) {
        let output = output.display();
        return Err(Error::Usage(format!(
            "a shard is written as a part for `fractal merge`, so `{output}` must end in .{PART_EXTENSION}"
        )));
    }
    if args.output.is_none() && !args.resume {
        refuse_existing(&output)?;
    }
    Ok((output, format))
}

/// The scene that an argument means, with its overrides applied.
pub(super) fn scene(source: &OsStr, replaced: &SceneArgs) -> Result<Scene> {
    overridden(Scene::load(source)?, replaced)
}

/// The same where an argument may be missing, for which the whole Mandelbrot set stands.
pub(super) fn scene_or_whole(source: Option<&OsStr>, replaced: &SceneArgs) -> Result<Scene> {
    scene(source.unwrap_or(PLACES[0].name.as_ref()), replaced)
}

/// The same for what takes single samples: those of a named place are there for its colours, and one for each pixel is enough.
pub(super) fn plain_scene(source: &OsStr, replaced: &SceneArgs) -> Result<Scene> {
    Ok(plain(scene(source, replaced)?, source, replaced))
}

fn plain(mut scene: Scene, source: &OsStr, replaced: &SceneArgs) -> Scene {
    if is_place(source) && !replaced.sets("image.samples") {
        scene.image.samples = 1;
    }
    scene
}

/// A scene with overrides applied. One that shows something else loses its name and title, unless they were given as well.
pub(super) fn overridden(loaded: Scene, replaced: &SceneArgs) -> Result<Scene> {
    let mut scene = Scene { name: None, title: None, ..loaded.clone() };
    for assignment in replaced.assignments() {
        scene.set(&assignment)?;
    }
    let place = |scene: &Scene| {
        let Scene { formula, power, julia, view, .. } = scene;
        (formula.clone(), *power, julia.clone(), view.clone())
    };
    if place(&scene) == place(&loaded) {
        scene.name = if replaced.sets("name") { scene.name } else { loaded.name };
        scene.title = if replaced.sets("title") { scene.title } else { loaded.title };
    }
    Ok(scene)
}

/// An error that says which of several scenes it is about.
fn of_scene(error: Error, source: &OsStr, scenes: usize) -> Error {
    let named = |text: String| format!("scene `{}`: {text}", source.display());
    match error {
        _ if scenes < 2 => error,
        Error::Usage(text) => Error::Usage(named(text)),
        Error::Input(text) => Error::Input(named(text)),
        Error::Unsupported(text) => Error::Unsupported(named(text)),
        other => other,
    }
}

/// A scene's short name, for files: that of the place or the file, else the scene's own.
pub(super) fn name(source: &OsStr, scene: &Scene) -> OsString {
    let stem = Path::new(source).file_stem();
    let name = match stem.filter(|_| source != "-") {
        Some(stem) => stem.to_owned(),
        None => {
            let name = scene.name.as_deref().unwrap_or(NAMELESS);
            name.chars()
                .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' })
                .collect::<String>()
                .into()
        }
    };
    // In a pattern, dots alone would mean another folder, and an empty name a hidden file.
    if name.as_encoded_bytes().iter().all(|&byte| byte == b'.') { NAMELESS.into() } else { name }
}

/// The name of a scene without one.
const NAMELESS: &str = "scene";

/// Where a picture goes by default. A file that was not named is never replaced: it may be the scene itself.
fn default_output(name: &OsStr, format: Option<&str>, resume: bool) -> Result<(PathBuf, &'static Format)> {
    let format = format.map_or(Ok(&OUTPUTS[0]), Format::named)?;
    let output = with(name, &format!(".{}", format.extension));
    if !resume {
        refuse_existing(&output)?;
    }
    Ok((output, format))
}

/// Refuses to replace a file that was not named. A link counts, even if it points nowhere.
pub(super) fn refuse_existing(output: &Path) -> Result<()> {
    match output.symlink_metadata() {
        Ok(_) => Err(Error::Usage(format!("`{0}` already exists; to replace it, give `-o {0}`", output.display()))),
        // If it cannot be inspected, it cannot be written either, and that error comes later.
        Err(_) => Ok(()),
    }
}

/// A name with an ending.
fn with(name: &OsStr, ending: &str) -> PathBuf {
    [name, ending.as_ref()].into_iter().collect::<OsString>().into()
}

/// Fills name and index into the pattern of an output's name.
fn fill(pattern: &OsStr, name: &OsStr, index: usize) -> Result<PathBuf> {
    let mut text = OsString::new();
    let mut rest = pattern;
    while let Some((before, after)) = split(rest, b'{') {
        text.push(before);
        let (key, after) = split(after, b'}').unwrap_or_default();
        match key.to_str() {
            Some("name") => text.push(name),
            Some("index") => text.push(index.to_string()),
            _ => {
                return Err(Error::Usage(format!(
                    "the output name `{}` may contain braces only as {{name}} and {{index}}",
                    pattern.display()
                )));
            }
        }
        rest = after;
    }
    text.push(rest);
    Ok(text.into())
}

/// The text before and after the first such ASCII character. File names need not be UTF-8.
#[cfg(unix)]
pub(super) fn split(text: &OsStr, at: u8) -> Option<(&OsStr, &OsStr)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = text.as_bytes();
    let place = bytes.iter().position(|&byte| byte == at)?;
    Some((OsStr::from_bytes(&bytes[..place]), OsStr::from_bytes(&bytes[place + 1..])))
}

/// Elsewhere only Unicode names are split.
#[cfg(not(unix))]
pub(super) fn split(text: &OsStr, at: u8) -> Option<(&OsStr, &OsStr)> {
    let (before, after) = text.to_str()?.split_once(char::from(at))?;
    Some((before.as_ref(), after.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        let fill = |pattern: &str, index| fill(pattern.as_ref(), "a".as_ref(), index);
        assert_eq!(fill("out/{name}-{index}.png", 3).unwrap(), Path::new("out/a-3.png"));
        assert_eq!(fill("plain.png", 1).unwrap(), Path::new("plain.png"));
        for wrong in ["{size}.png", "{name", "{}"] {
            assert!(matches!(fill(wrong, 1), Err(Error::Usage(text)) if text.contains("{name} and {index}")));
        }
    }

    #[test]
    fn names_come_from_where_the_scene_does() {
        let name = |source: &str, scene: &Scene| name(source.as_ref(), scene);
        let scene = Scene { name: Some("a/b c".into()), ..Scene::default() };
        assert_eq!(name("dir/my.scene.toml", &scene), "my.scene");
        assert_eq!(name("seahorses", &scene), "seahorses");
        assert_eq!(name("-", &scene), "a-b-c");
        assert_eq!(name("-", &Scene::default()), "scene");
        for dots in ["", ".", "..", "..."] {
            assert_eq!(name("-", &Scene { name: Some(dots.into()), ..Scene::default() }), "scene", "{dots}");
            assert_eq!(name(&format!("{dots}..toml"), &scene), "scene", "{dots}");
        }
    }
}
