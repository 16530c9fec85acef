//! `render`: one session for all scenes, and for each its sinks.

use super::args::RenderArgs;
use super::bar::{Display, Ticker, scaled};
use super::plan::{Picture, Plan};
use super::signals::Signals;
use super::stats::{Mark, Stats};
use super::tell;
use fractal::backend::{self, Options, Session};
use fractal::parallel::{Schedule, Sink, Stop, Tee};
use fractal::render::{self, Outcome, Render};
use fractal::scene::{Image, MaxIterations};
use fractal::sink::progress::Estimator;
use fractal::sink::{ImageSink, Output, Owners, Progress, Trace};
use fractal::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// `fractal render`.
pub(crate) fn run(args: &RenderArgs) -> Result<()> {
    let mut mark = Mark::first();
    let plan = Plan::new(args)?;
    let signals = Signals::receive()?;
    let trace = plan.trace.as_ref().map(|path| signals.create(path)).transpose()?;
    let mut session = plan.backend.open(&plan.workers)?;
    let epoch = Instant::now();
    let mut traces = Vec::new();
    for picture in &plan.pictures {
        let traced = trace.as_ref().map(|_| Arc::new(Trace::new(picture.render.scene().title(), epoch)));
        traces.extend(traced.clone());
        make(&plan, picture, &mut *session, traced, &signals, &mark)?;
        mark = Mark::now();
    }
    trace.map_or(Ok(()), |output| write_trace(output, &traces))
}

/// Renders one picture.
fn make(
    plan: &Plan,
    picture: &Picture,
    session: &mut dyn Session,
    trace: Option<Arc<Trace>>,
    signals: &Signals,
    mark: &Mark,
) -> Result<()> {
    let Picture { name, render, output, format, owners } = picture;
    let image = ImageSink::new(format, signals.create(output)?, render.image_options(plan.depth))?;
    let image = Arc::new(image);
    let mut sinks: Vec<Arc<dyn Sink>> = vec![image.clone()];
    if let Some((path, format)) = owners {
        let (scene, tiling) = (render.scene(), render.tiling());
        let samples = scene.image.samples;
        sinks.push(Arc::new(Owners::new(format, signals.create(path)?, tiling, samples, scene.to_toml())?));
    }
    sinks.extend(trace.map(|trace| trace as Arc<dyn Sink>));
    let progress =
        (plan.display != Display::Hidden).then(|| progress(render, &plan.workers, &signals.stop)).transpose()?;
    sinks.extend(progress.clone().map(|progress| progress as Arc<dyn Sink>));

    let ticker = progress.map(|progress| Ticker::start(plan.display, name, progress));
    let started = Mark::now();
    let outcome = render.run(session, Arc::new(Tee::new(sinks)), &signals.stop);
    let ended = Mark::now();
    drop(ticker);
    let outcome = outcome?;
    let stats = Stats::new(picture, &outcome, image.cost(), [mark, &started, &ended]);
    if plan.verbose {
        tell(summary(picture, &outcome, &stats));
    }
    if plan.stats {
        tell(stats.json());
    }
    Ok(())
}

/// Counters for a run, with costs estimated from a coarse picture. Threads of their own compute it, one tile a claim.
fn progress(render: &Render, workers: &Options, stop: &Stop) -> Result<Arc<Progress>> {
    /// One sample of the coarse picture stands for this many, as far as it does not get too large or too small.
    const RATIO: u64 = 200;
    const FEWEST: u64 = 1 << 10;
    const MOST: u64 = 1 << 16;
    let tiling = render.tiling();
    let (width, height) = tiling.size();
    let samples = u64::from(width) * u64::from(height);
    let scale = ((samples / RATIO).clamp(FEWEST, MOST) as f64 / samples as f64).sqrt().min(1.0);
    let coarse = |size: u32| ((f64::from(size) * scale) as u32).max(1);
    let mut scene = render.scene().clone();
    scene.iteration.max = MaxIterations::Count(scene.max_iterations());
    scene.image = Image { size: (coarse(width), coarse(height)), samples: 1 };
    let preview = Render::with(&scene, render::Options { tile: 16, ..render::Options::default() })?;
    let estimator = Arc::new(Estimator::new(preview.tiling(), preview.channels()));
    let options = Options { schedule: Some(Schedule::DYNAMIC), timed: false, ..workers.clone() };
    let mut session = backend::find("threads")?.open(&options)?;
    preview.run(&mut *session, estimator.clone(), stop)?;
    let estimate = estimator.estimate((width, height));
    Ok(Arc::new(Progress::new(tiling, render.scene().image.samples, estimate)))
}

/// What `-v` tells.
fn summary(picture: &Picture, outcome: &Outcome, stats: &Stats<'_>) -> String {
    let (width, height) = picture.render.scene().image.size;
    let report = &outcome.report;
    format!(
        "{}: {} × {} pixels in {:.2} s: {} with {} workers, {}, {} in {}; {}iterations/s, efficiency {:.2}",
        picture.output,
        width,
        height,
        stats.total_seconds(),
        report.backend,
        report.workers.len(),
        report.schedule,
        picture.render.kernel().tier(),
        picture.render.kernel().isa(),
        scaled(report.executed() as f64 / report.wall.as_secs_f64().max(1e-9)),
        report.efficiency()
    )
}

fn write_trace(output: Output, traces: &[Arc<Trace>]) -> Result<()> {
    let path = output.path().to_path_buf();
    let failed = |source| Error::io("write", &path as &Path, source);
    let mut writer = BufWriter::new(output);
    Trace::write(traces.iter().map(|trace| &**trace), &mut writer).map_err(failed)?;
    writer.flush().map_err(failed)?;
    writer.into_inner().map_err(|error| failed(error.into_error()))?.finish()
}
