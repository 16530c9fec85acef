//! `view`: the interactive window; and the window of `render --view`.

use super::args::{Edge, ViewArgs};
use super::picture::Picture;
use super::plan::Plan;
use super::signals::Signals;
use super::wisdom::{self, Asked};
use super::{memory, note, plan, print};
use fractal::internal::{SavedState, keys};
use fractal::parallel::{MAX_WORKERS, Schedule, Sink, Stop};
use fractal::scene::PLACES;
use fractal::window::{Explorer, ExplorerOptions, NoWindow, OnScreen, Seen, Viewer, Watched, Window, WindowSettings};
use fractal::{Error, Render, Result, Scene, backend};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The largest window that opens unless a size is given: it fits most screens.
const LARGEST: (u32, u32) = (1280, 800);

/// The smallest window that opens unless a size is given: large enough to see something and to grab.
const SMALLEST: (u32, u32) = (320, 200);

/// The edges that a window's tiles can have, in pixels.
const TILES: RangeInclusive<u32> = 4..=4096;

/// `fractal view`.
pub(crate) fn run(args: &ViewArgs) -> Result<()> {
    if args.keys {
        return print(keys::markdown());
    }
    let file = SavedState::path();
    let remembered = match &file {
        Some(file) if args.fresh => SavedState::forget(file).map(|()| None)?,
        // An unreadable file is no reason not to open.
        Some(file) => SavedState::load(file).unwrap_or_else(|error| {
            note(format!("fractal: the remembered settings are ignored: {error}"));
            None
        }),
        None => None,
    };
    let (settings, last) = remembered.map_or((WindowSettings::default(), None), |it| (it.settings, Some(it.scene)));
    let signals = Signals::receive()?;
    let mut options = ExplorerOptions {
        settings: settle(args, settings)?,
        program: backend::Program::default(),
        scale: 0.0,
        remember: file,
        folder: args.folder.clone(),
        stop: signals.stop.clone(),
    };
    let last = last.filter(|last| args.source.is_none() && is_of_use(last));
    let mut scene = scene(args, last)?;
    // The window shows the whole scene and its surroundings.
    scene.image.crop = None;
    if args.scene.size.is_none() {
        scene.image.size = fitting(scene.image.size);
    }
    OnScreen::check(scene.image.size)?;
    memory::check_window(scene.title(), Explorer::bytes(scene.image.size, scene.image.samples))?;
    Render::new(&scene)?;
    let mut window = OnScreen::open("fractal", scene.image.size, &options.program, &signals.stop)?;
    options.scale = args.scale.unwrap_or(window.density());
    Explorer::new(&scene, &options, &mut window)?.run(&mut window, &mut |line| print(format!("{line}\n")))
}

/// Runs `render` on a separate thread while a window shows its progress. The window stays until it is closed; if it is closed earlier or
/// lost, the render continues, as it does when the display cannot show it.
pub(super) fn watch<'a>(
    plan: &Plan,
    stop: &Stop,
    render: impl FnOnce(&(dyn Fn(&Picture) -> Result<Option<Arc<dyn Sink>>> + Sync)) -> Result<()> + Send + 'a,
) -> Result<()> {
    const TICK: Duration = Duration::from_millis(8);
    let first = plan.pictures.first().map_or(LARGEST, |(picture, _)| picture.render.scene().image.drawn().into());
    let size = fitting(first);
    let mut window = match OnScreen::open("fractal render", size, &backend::Program::default(), stop) {
        Ok(window) => window,
        Err(NoWindow::Unfit(why)) => {
            note(format!("fractal: no window can be opened here ({why}); the render continues"));
            return render(&|_| Ok(None));
        }
        Err(error) => return Err(error.into()),
    };
    let watched = Watched::default();
    let mut viewer = Viewer::new(watched.clone(), window.density(), &mut window);
    let sink = |picture: &Picture| watched.picture(&picture.output.to_string_lossy(), &picture.render, size).map(Some);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("render".into()).spawn_scoped(scope, || render(&sink));
        let mut thread = Some(thread.map_err(|error| {
            Error::Unsupported(format!("the thread that renders cannot be started: {error}; render without --view"))
        })?);
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            let fault = || Error::Unsupported("the thread that renders has panicked".into());
            thread.join().unwrap_or_else(|_| Err(fault()))
        };
        loop {
            match viewer.step(&mut window) {
                Ok(Seen::Nothing) => {}
                Ok(Seen::Closed) => break,
                Ok(Seen::Cancelled) => stop.set(),
                Err(error) => {
                    if !stop.is_set() && thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
                        note(format!("fractal: {error}; the render continues"));
                    }
                    break;
                }
            }
            if let Some(ended) = thread.take_if(|thread| thread.is_finished()) {
                join(ended)?;
                viewer.end("complete; Q closes the window", &window);
            }
            // An interrupt closes the window as well.
            if thread.is_none() && stop.is_set() {
                break;
            }
            window.wait(TICK);
        }
        drop((viewer, window));
        thread.map_or(Ok(()), join)
    })
}

/// The settings: as typed, else from the environment, else as remembered.
fn settle(args: &ViewArgs, mut settings: WindowSettings) -> Result<WindowSettings> {
    let variable = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let runs_here = |name: &str| backend::find(name).is_ok_and(|entry| entry.probe().is_ok());
    // A remembered backend counts as typed, unless another is named or it cannot run here.
    let named = args.backend.is_some() || variable("FRACTAL_BACKEND") || !runs_here(&settings.backend);
    let chosen = wisdom::choose(
        Asked {
            backend: if named { args.backend.as_deref() } else { Some(&settings.backend) },
            schedule: args.schedule.as_deref(),
            tile: Some(args.tile.unwrap_or(Edge::Pixels(settings.tile))),
        },
        false,
    )?;
    if let Some(Edge::Pixels(tile)) = args.tile.filter(|tile| *tile != Edge::Pixels(u32::MAX))
        && !TILES.contains(&tile)
    {
        let (least, most) = (TILES.start(), TILES.end());
        return Err(Error::Usage(format!(
            "--tile {tile} is not possible in a window: its tiles are {least} to {most} pixels wide, or `whole` or `auto`"
        )));
    }
    settings.tile = chosen.tile.clamp(*TILES.start(), *TILES.end());
    settings.backend = chosen.backend.name.into();
    if settings.workers > MAX_WORKERS
        || args.workers.is_some()
        || variable("FRACTAL_WORKERS")
        || variable("OMP_NUM_THREADS")
    {
        settings.workers = args.workers.unwrap_or(0);
    }
    let asked = args.schedule.is_some() || variable("FRACTAL_SCHEDULE") || variable("OMP_SCHEDULE");
    let honoured = |text: &str| {
        let schedule = text.parse::<Schedule>().ok();
        schedule.is_some_and(|asked| chosen.backend.schedules.iter().any(|schedule| schedule.serves(asked)))
    };
    if asked || chosen.is_best_schedule || !settings.schedule.as_deref().is_some_and(honoured) {
        settings.schedule = Some(chosen.schedule.to_string());
    }
    Ok(settings)
}

/// The scene: as named, else the one that was shown last, else the whole set; with its overrides applied.
fn scene(args: &ViewArgs, last: Option<Scene>) -> Result<Scene> {
    let (source, last) = match (&args.source, last) {
        (Some(source), _) => (source.as_os_str(), None),
        (None, last) => (PLACES[0].name.as_ref(), last),
    };
    last.map_or_else(|| plan::scene(source, &args.scene), |last| plan::overridden(last, &args.scene))
}

/// Whether the last scene can be shown. If it cannot, for example because it is too deep, the window opens all the same.
fn is_of_use(last: &Scene) -> bool {
    let mut scene = last.clone();
    (scene.image.size, scene.image.crop) = (fitting(scene.image.size), None);
    let refused = Render::new(&scene).err();
    if let Some(error) = &refused {
        note(format!("fractal: the remembered scene is ignored: {error}"));
    }
    refused.is_none()
}

/// A size that fits most screens, of the same shape if possible.
fn fitting((width, height): (u32, u32)) -> (u32, u32) {
    let (width, height) = (f64::from(width), f64::from(height));
    let share = (f64::from(LARGEST.0) / width).min(f64::from(LARGEST.1) / height).min(1.0);
    let scaled = |size: f64, least: u32| ((size * share).round() as u32).max(least);
    (scaled(width, SMALLEST.0), scaled(height, SMALLEST.1))
}
