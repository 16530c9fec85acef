//! `render`: one session for all scenes, and sinks for each of them.
//!
//! A resumed render draws its picture when all tiles are there. Drawing the kept tiles at each start would cost more than a kill loses:
//! a render that is killed often would pay for the same colours and the same compression again and again. In return they no longer
//! overlap with the computation: a tenth of a second for 8 million pixels.

use super::args::RenderArgs;
use super::bar::{Display, Ticker, scaled};
use super::keep::{Before, Expected, Keep, LONG};
use super::losses::Losses;
use super::picture::Picture;
use super::plan::{Plan, refuse_existing};
use super::signals::Signals;
use super::stats::{Mark, Stats};
use super::{exit, note, note_json, written};
use fractal::backend::{Session, SessionOptions};
use fractal::internal::is_stdout;
use fractal::parallel::{Sink, Stop, Tee};
use fractal::sample::PixelSize;
use fractal::sink::{Checkpoint, Estimate, ImageSink, Kept, Output, Progress, Replay, Trace, WorkerMap};
use fractal::{Costs, Error, Known, Outcome, Render, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// `fractal render`.
pub(crate) fn run(args: &RenderArgs) -> Result<()> {
    let mark = Mark::first();
    let plan = Plan::new(args)?;
    let signals = Signals::receive()?;
    #[cfg(feature = "window")]
    if args.view {
        let (plan, signals) = (&plan, &signals);
        return super::view::watch(plan, &signals.stop, move |window| pictures(plan, signals, mark, window));
    }
    pictures(&plan, &signals, mark, &|_| Ok(None))
}

/// Opens another sink for the samples of a picture, such as a window.
type Watching<'a> = &'a (dyn Fn(&Picture) -> Result<Option<Arc<dyn Sink>>> + Sync);

/// Renders all pictures.
fn pictures(plan: &Plan, signals: &Signals, mut mark: Mark, watching: Watching<'_>) -> Result<()> {
    let trace = plan.trace.as_ref().map(|path| signals.create(path)).transpose()?;
    let mut session = plan.backend.open(&SessionOptions { stop: signals.stop.clone(), ..plan.workers.clone() })?;
    let epoch = Instant::now();
    let mut traces = Vec::new();
    for (index, (picture, keep)) in plan.pictures.iter().enumerate() {
        let traced = trace.as_ref().map(|_| {
            let tiling = picture.render.tiling();
            let place = |index: usize| {
                let tile = tiling.tile(index);
                [tile.x, tile.y, tile.width, tile.height]
            };
            let tiles = (0..tiling.len()).map(place).collect();
            Arc::new(Trace::new(picture.render.scene().title(), epoch).of_tiles(tiles))
        });
        traces.extend(traced.clone());
        make(plan, picture, keep, &mut *session, traced, signals, &mark, watching)
            .map_err(|error| with_what_is_lost(error, plan, index))?;
        mark = Mark::now();
    }
    trace.map_or(Ok(()), |output| write_trace(output, &traces))
}

/// The error that ended picture number `index`. A reader of standard output that has left is no error, unless other outputs were asked
/// for, which are then lost too.
fn with_what_is_lost(error: Error, plan: &Plan, index: usize) -> Error {
    if !exit::reader_has_left(&error) {
        return error;
    }
    let pictures = || plan.pictures[index..].iter().map(|(picture, _)| picture);
    let owners = pictures().filter_map(|picture| Some(&picture.owners.as_ref()?.0));
    let files = plan.trace.iter().chain(owners).chain(pictures().skip(1).map(|picture| &picture.output));
    let mut lost: Vec<_> = files.filter(|path| !is_stdout(path)).map(|path| format!("`{}`", path.display())).collect();
    if plan.stats {
        lost.push("the report of --stats".into());
    }
    if lost.is_empty() {
        return error;
    }
    let (all, verb) = (lost.join(", "), if lost.len() == 1 { "is" } else { "are" });
    Error::Unsupported(format!(
        "the reader of standard output closed it before everything was written, so {all} {verb} not written: give the picture a file"
    ))
}

/// Renders one picture, or a shard's part of one.
#[allow(clippy::too_many_arguments)] // Each is one of a kind.
fn make(
    plan: &Plan,
    picture: &Picture,
    keep: &Keep,
    session: &mut dyn Session,
    trace: Option<Arc<Trace>>,
    signals: &Signals,
    mark: &Mark,
    watching: Watching<'_>,
) -> Result<()> {
    let Picture { render, output, .. } = picture;
    let records = match keep.before(picture, plan.quiet, &signals.stop)? {
        Before::Everything => {
            if !plan.quiet {
                note(format!("`{}` is already complete", output.display()));
            }
            return Ok(());
        }
        Before::Some(records) => vec![records],
        Before::Nothing => Vec::new(),
    };
    // With --resume it may exist, but then it is not the picture asked for.
    if !picture.is_named {
        refuse_existing(output)?;
    }
    let own = records.first().cloned();
    let wanted = picture.wanted();
    let mut known = Known::from(records);
    if let Some(path) = &picture.continued {
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let escaped = render.escaped(path, folder.unwrap_or(Path::new(".")), &wanted, &signals.stop)?;
        if !plan.quiet {
            let (samples, all) = (escaped.samples(), escaped.of());
            let rest = all - samples;
            note(format!("{samples} of {all} samples had escaped in `{}`; {rest} are computed", path.display()));
        }
        known.samples = Some(Arc::new(escaped));
    }
    let sinks = Sinks::open(plan, picture, signals)?;
    let shown = plan.display != Display::Hidden;
    let is_complete = own.as_ref().is_some_and(|own| own.is_complete());
    let goes_on = own.as_ref().is_some_and(|own| !own.found().is_empty());
    let (estimate, expected) = if goes_on {
        // Estimating costs part of the picture each time: a render that is stopped often would pay more for it than it loses.
        (Some(Estimate::uniform(render.tiling().size())), None)
    } else if shown || (keep.depends_on_time() && may_be_long(render, &plan.workers)) {
        let most = if shown { SHOWN } else { DECIDING };
        let (estimate, expected) = estimate(render, plan, most, &signals.stop)?;
        (Some(estimate), Some(expected))
    } else {
        (None, None)
    };
    let kept = keep.open(render, own.as_ref(), expected, plan.quiet)?;
    if plan.verbose
        && let Ok(kept) = &kept
    {
        note(format!("{}: finished tiles are kept in {}", output.display(), kept.checkpoint.path().display()));
    }
    if let Some(expected) = expected.filter(|_| written::is_reported(plan)) {
        expected.report(picture, plan.depth, &kept);
    }
    let checkpoint = kept.as_ref().ok().map(|kept| kept.checkpoint.clone());
    let window = watching(picture)?;
    let later = kept.as_ref().ok().filter(|_| goes_on && !is_complete).map(|kept| kept.checkpoint.clone());
    let sinks = Sinks { checkpoint, trace, window, later, ..sinks };
    match sinks.run(plan, picture, session, known, estimate.filter(|_| shown), signals, mark) {
        Ok(()) => {
            kept.map_or(Ok(()), |kept| kept.complete(output))?;
            written::report(plan, picture, mark);
            Ok(())
        }
        Err(error) => {
            match kept {
                Ok(kept) => kept.leave(output, plan.quiet),
                Err(why) if matches!(error, Error::Stopped) && !plan.quiet => why.leave(output),
                Err(_) => {}
            }
            Err(error)
        }
    }
}

/// The sinks of a picture.
#[derive(Default)]
pub(super) struct Sinks {
    checkpoint: Option<Arc<Checkpoint>>,
    image: Option<Arc<ImageSink>>,
    map: Option<Arc<dyn Sink>>,
    trace: Option<Arc<Trace>>,
    window: Option<Arc<dyn Sink>>,
    /// The checkpoint from which the picture is made once it has all tiles; without one, the picture is made as they come.
    later: Option<Arc<Checkpoint>>,
}

impl Sinks {
    /// Opens the outputs to be drawn. A shard's part is no picture.
    pub(super) fn open(plan: &Plan, picture: &Picture, signals: &Signals) -> Result<Self> {
        let Picture { render, output, format, owners, shard, .. } = picture;
        let mut sinks = Self::default();
        if shard.is_none() {
            let image = ImageSink::new(format, signals.create(output)?, render.image_options(plan.depth))?;
            sinks.image = Some(Arc::new(image));
        }
        if let Some((path, format)) = owners {
            let (scene, tiling) = (render.scene(), render.tiling());
            let samples = scene.image.samples;
            let map = WorkerMap::new(format, signals.create(path)?, tiling, samples, scene.to_toml())?;
            sinks.map = Some(Arc::new(map));
        }
        Ok(sinks)
    }

    /// Computes the wanted tiles that are not `known`. Progress is shown if costs are given.
    #[allow(clippy::too_many_arguments)] // Each is one of a kind.
    pub(super) fn run(
        self,
        plan: &Plan,
        picture: &Picture,
        session: &mut dyn Session,
        known: Known,
        costs: Option<Estimate>,
        signals: &Signals,
        mark: &Mark,
    ) -> Result<()> {
        let Picture { name, render, .. } = picture;
        let wanted = picture.wanted();
        let samples = render.scene().image.samples;
        let progress = costs.map(|costs| Arc::new(Progress::new(render.tiling(), samples, costs).only(&wanted)));
        let Self { checkpoint, image, map, trace, window, later } = self;
        let drawn = image.clone().map(|image| image as Arc<dyn Sink>).map(|image| match later {
            Some(file) => {
                let (render, stop) = (render.clone(), signals.stop.clone());
                let open = move || Ok(Arc::new(render.read_records(file.records()?, &stop)?) as Arc<dyn Kept>);
                Arc::new(Replay::new(image, picture.render.work(), open, &signals.stop))
            }
            None => image,
        });
        let losses = Arc::new(Losses::default());
        let sinks = [
            // First, so that whatever another sink has seen is safe.
            checkpoint.clone().map(|checkpoint| checkpoint as Arc<dyn Sink>),
            drawn,
            map,
            trace.map(|trace| trace as Arc<dyn Sink>),
            progress.clone().map(|progress| progress as Arc<dyn Sink>),
            plan.verbose.then(|| losses.clone() as Arc<dyn Sink>),
            window,
        ];
        let sinks = Arc::new(Tee::new(sinks.into_iter().flatten().collect()));

        let ticker = progress.map(|progress| Ticker::start(plan.display, name, progress));
        let started = Mark::now();
        let outcome = render.run_missing(session, sinks, &wanted, known, &signals.stop);
        drop(ticker);
        losses.report(&picture.output.display().to_string());
        let outcome = outcome?;
        let ended = Mark::now();
        let cost = image.map(|image| image.cost()).unwrap_or_default();
        let keep = checkpoint.map(|checkpoint| checkpoint.cost()).unwrap_or_default();
        let stats = Stats::new(picture, &outcome, cost, keep, [mark, &started, &ended]);
        if plan.verbose {
            note(summary(picture, &outcome, &stats));
        }
        if plan.stats {
            note_json(&stats);
        }
        Ok(())
    }
}

/// The most samples of the coarse picture from which costs are estimated: for the remaining time, and for deciding whether a render is
/// long, which must cost next to nothing.
const SHOWN: u64 = 1 << 16;
const DECIDING: u64 = 1 << 13;

/// Whether a render could be long if every sample took all iterations and a worker did only 100 million a second, fewer than any
/// number tier does. Most renders could not.
fn may_be_long(render: &Render, workers: &SessionOptions) -> bool {
    let iterations = render.tiling().size().area() as f64 * (render.scene().max_iterations() as f64 + 100.0);
    iterations > LONG.as_secs_f64() * workers.workers.max(1) as f64 * 100e6
}

/// Costs, estimated from a coarse picture of at most `most` samples, and the time that the render will take.
fn estimate(render: &Render, plan: &Plan, most: u64, stop: &Stop) -> Result<(Estimate, Expected)> {
    let Costs { estimate, time, workers } = render.costs(&plan.workers, most, stop)?;
    let workers = if plan.backend.parallel { workers } else { 1 };
    Ok((estimate, Expected { time: time / workers as u32, workers }))
}

/// What `-v` reports.
fn summary(picture: &Picture, outcome: &Outcome, stats: &Stats<'_>) -> String {
    let PixelSize { width, height } = picture.render.scene().image.drawn();
    let report = &outcome.report;
    format!(
        "{}: {} × {} pixels in {:.2} s: {} with {} {}, {}, {} in {}; {}{}/s, efficiency {:.2}",
        picture.output.display(),
        width,
        height,
        stats.total_seconds(),
        report.backend,
        report.workers.len(),
        if report.workers.len() == 1 { "worker" } else { "workers" },
        report.schedule,
        picture.render.kernel().facts().tier,
        picture.render.kernel().facts().isa,
        scaled(report.executed() as f64 / report.wall.as_secs_f64().max(1e-9)),
        report.unit,
        report.efficiency()
    )
}

/// Writes the traces of all runs.
pub(super) fn write_trace(output: Output, traces: &[Arc<Trace>]) -> Result<()> {
    let path = output.path().to_path_buf();
    let failed = |source| Error::io("write", &path as &Path, source);
    let mut writer = BufWriter::new(output);
    Trace::write(traces.iter().map(|trace| &**trace), &mut writer).map_err(failed)?;
    writer.flush().map_err(failed)?;
    writer.into_inner().map_err(|error| failed(error.into_error()))?.finish()
}
