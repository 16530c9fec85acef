//! `bench simulate`: how a scene would run under other schedules and with more workers.

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchSimulateArgs;
use super::busy;
use super::outputs::Outputs;
use super::progress::Bar;
use super::scenes;
use super::text::{Style, counted, percent, time};
use fractal::bench::advice::advise;
use fractal::bench::clock::System;
use fractal::bench::forecast;
use fractal::bench::load::{BUSY, Watch};
use fractal::bench::machine::Machine;
use fractal::bench::measure::Rounds;
use fractal::bench::results::{self, MeasuredScene, Results, VERSION};
use fractal::bench::subject::Subject;
use fractal::bench::works;
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::{Schedule, worker_count};
use fractal::{Error, Result, backend};
use std::fmt::Write as _;
use std::time::Duration;

/// How often everything is measured by default.
const ROUNDS: Rounds = Rounds::Within { time: Duration::from_secs(40), least: 3, most: 20 };

/// Prediction errors up to this are small.
const SMALL: f64 = 0.05;

/// `fractal bench simulate`.
pub(super) fn run(args: &BenchSimulateArgs) -> Result<()> {
    let subject = subject(args)?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    args.source.iter().for_each(|source| files.reads(source));
    let outputs = Outputs::open(&args.output, files, &signals)?;
    let display = Display::new(&args.progress, false);
    busy::check(&args.busy, display, &signals.stop)?;
    let bar = Bar::new(display);
    let processors = worker_count(args.workers)?;
    let clock = System;
    let mut watch = Watch::begin(&clock);
    let entries = backend::BACKENDS.iter().collect::<Vec<_>>();
    let mut scene = if args.runs == Some(0) {
        bar.step(0, 1, None, "costs of the pieces and predictions");
        forecast::scene(&clock, &subject, (processors, Duration::MAX), &signals.stop)?
    } else {
        let rounds = args.runs.map_or(ROUNDS, |runs| Rounds::Exactly(runs as usize));
        let how = (&entries[..], processors, rounds);
        forecast::scene_beside_runs(&clock, &subject, how, &signals.stop, |step| {
            bar.step(step.done, step.all, step.left, "costs of the pieces and real runs");
            Ok(())
        })?
    };
    let runs: Vec<_> = entries.iter().map(|&entry| (entry, Schedule::AUTO, processors)).collect();
    scene.timelines = forecast::timelines(&subject, &runs, false, &signals.stop)?;
    drop(bar);
    let usage = watch.usage(&clock);
    let warnings = usage.warnings();
    // What waits for other programs would be put down to the schedule.
    scene.advice = if usage.busy() > BUSY { Vec::new() } else { advise(&scene) };
    let machine = Some(Machine::here());
    let results = Results { fractal: VERSION, machine, usage, warnings, scenes: vec![scene], ..Results::default() };
    let scene = &results.scenes[0];
    let text = |style| report(scene, &results.warnings, args, style);
    let written = outputs.finish(&results, || csv(scene), || text(Style::Markdown));
    [written, print(text(Style::Terminal))].into_iter().collect()
}

/// What is simulated: a scene, or a work of another kind.
fn subject(args: &BenchSimulateArgs) -> Result<Subject> {
    const SIZE: (u32, u32) = (1920, 1080);
    /// For works of other kinds, of which a run of every backend should not take long.
    const PIXELS: u64 = 1280 * 720;
    let tile = args.tile.unwrap_or(DEFAULT_TILE);
    let Some(source) = &args.source else {
        let kind = args.work.as_deref().unwrap_or_default();
        let subjects = works::find(kind)?.subjects.filter(|_| args.scene.assignments().next().is_none());
        let named = "a scene to simulate must be named, such as `whole`";
        let subjects = subjects.ok_or_else(|| Error::Usage(named.into()))?;
        // The first is the usual one.
        return Ok(subjects(PIXELS)?.swap_remove(0));
    };
    match scenes::of_bench(source) {
        Some(standard) if args.scene.assignments().next().is_none() => Subject::standard(standard, SIZE, tile),
        Some(standard) => {
            let mut scene = standard.scene().ok_or_else(|| {
                Error::Usage(format!("`{}` is not a picture, so it has no scene to change", standard.name))
            })??;
            args.scene.assignments().try_for_each(|assignment| scene.set(&assignment))?;
            Subject::of_scene(standard.name, standard.help, &scene, tile)
        }
        None => scenes::subject(source, &scenes::other(source, &args.scene)?, tile),
    }
}

fn report(scene: &MeasuredScene, warnings: &[String], args: &BenchSimulateArgs, style: Style) -> String {
    let mut text = String::new();
    // What makes all figures doubtful comes before them.
    warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    let Some(recording) = &scene.recording else { return text };
    let serial = recording.serial();
    let longest = recording.costs.iter().copied().fold(0.0, f64::max);
    let overheads = recording.overheads;
    _ = writeln!(
        text,
        "{}: {}\n{}, {} with one worker; the longest takes {}. A claim costs {}, the shared counter {}, a run {}.",
        scene.name,
        scene.help,
        counted(recording.costs.len(), results::piece_name(&scene.piece)),
        time(serial),
        time(longest),
        time(overheads.claim),
        time(overheads.shared),
        time(overheads.start + overheads.end)
    );
    if let Some((workers, slowdown)) = scene.slowdown.iter().enumerate().next_back() {
        _ = writeln!(
            text,
            "With {} at once every piece takes {slowdown:.3} times as long.",
            counted(workers + 1, "worker")
        );
    }
    // With their intervals, all powers of two would be too wide.
    let even = |workers: usize| workers.is_power_of_two() && workers.trailing_zeros().is_multiple_of(2);
    let shown = |workers: usize| even(workers) || workers <= scene.slowdown.len();
    let counts: Vec<usize> = scene
        .predictions
        .first()
        .map_or(Vec::new(), |forecast| forecast.runs.iter().map(|(_, run)| run.workers).collect());
    let counts: Vec<usize> = counts.into_iter().filter(|&workers| shown(workers)).collect();
    let mut headings = vec!["schedule".to_owned(), "order".to_owned()];
    headings.extend(counts.iter().map(usize::to_string));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut rows = vec![vec!["no schedule can be faster".to_owned(), String::new()]];
    if let Some(forecast) = scene.predictions.first() {
        let bounds = forecast.runs.iter().filter(|(_, run)| counts.contains(&run.workers));
        rows[0].extend(bounds.map(|(_, run)| format!("{:.1}", serial / run.bound)));
    }
    let wanted = |forecast: &&results::Forecast| {
        scene.errors.is_some() && (args.orders || forecast.order == scene.predictions[0].order)
    };
    for forecast in scene.predictions.iter().filter(wanted) {
        let mut row = vec![forecast.schedule.clone(), forecast.order.clone()];
        row.extend(forecast.runs.iter().filter(|(_, run)| counts.contains(&run.workers)).map(|(chunk, run)| {
            let chunk = chunk.map_or(String::new(), |chunk| format!(" ,{chunk}"));
            let speedup = serial / run.makespan;
            let ends =
                scene.errors.map_or([speedup; 2], |range| [range.low, range.high].map(|part| speedup * (1.0 + part)));
            format!("{speedup:.1} ({:.1} to {:.1}){chunk}", ends[0], ends[1])
        }));
        rows.push(row);
    }
    text += &style.heading("Speed-up by number of workers, with its interval; after the comma the best chunk");
    _ = writeln!(text, "{}", style.table(&headings, 2, &rows));
    match scene.errors {
        Some(range) if scene.checks.is_empty() => {
            let (low, high) = (100.0 * range.low, 100.0 * range.high);
            _ = writeln!(
                text,
                "The recordings differed by {low:+.1} to {high:+.1} %; no real run checked the predictions."
            );
        }
        Some(range) => {
            let (low, high) = (100.0 * range.low, 100.0 * range.high);
            let model = forecast::MODEL;
            _ = writeln!(
                text,
                "Predictions were off by {low:+.1} to {high:+.1} % for the real runs of {model}; hence the intervals."
            );
        }
        None if scene.checks.is_empty() => {
            text += "There are no predictions: the recordings differ too much for them to say anything.\n";
        }
        None => {
            text += "There are no predictions: real runs were so far from them that they say nothing. A quiet machine or a larger picture \
                     helps.\n";
        }
    }
    scene.advice.iter().for_each(|line| _ = writeln!(text, "{line}"));
    if !scene.checks.is_empty() {
        let row = |check: &results::Check| {
            vec![
                check.backend.clone(),
                check.schedule.clone(),
                check.workers.to_string(),
                time(check.measured),
                time(check.predicted),
                error(check),
            ]
        };
        let rows: Vec<_> = scene.checks.iter().map(row).collect();
        let largest = scene.checks.iter().map(|check| check.error().abs()).fold(0.0, f64::max);
        let mut names: Vec<&str> = scene.checks.iter().map(|check| check.backend.as_str()).collect();
        names.dedup();
        let all_small = |name: &&str| {
            scene.checks.iter().filter(|check| check.backend == *name).all(|check| check.error().abs() <= SMALL)
        };
        let (good, all) = (names.iter().copied().filter(all_small).collect::<Vec<_>>().join(", "), names.len());
        let good = if good.is_empty() { "none" } else { &good };
        let headings = ["backend", "schedule", "workers", "measured", "predicted", "error"];
        text += &style.heading(&format!("Real runs, the lower decile of {}", scene.checks[0].runs));
        _ = writeln!(text, "{}", style.table(&headings, 2, &rows));
        _ = writeln!(
            text,
            "The largest error is {}. Backends within {} under every schedule: {good} (of {all}).",
            if largest > 1.0 { format!("a factor of {:.1}", 1.0 + largest) } else { percent(largest) },
            percent(SMALL)
        );
    }
    text
}

/// A prediction's error. Above 100 %, a share says less than a factor: the run was disturbed, or the simulation does not know it.
fn error(check: &results::Check) -> String {
    match check.error() {
        error if error <= 1.0 => format!("{:+.1} %", 100.0 * error),
        error => format!("× {:.1}", 1.0 + error),
    }
}

/// A row for each prediction.
fn csv(scene: &MeasuredScene) -> String {
    let mut text = "scene,schedule,order,workers,chunk,seconds,speedup,bound,efficiency,imbalance,claims\n".to_owned();
    let serial = scene.recording.as_ref().map_or(f64::NAN, |recording| recording.serial());
    for forecast in &scene.predictions {
        for (chunk, run) in &forecast.runs {
            let chunk = chunk.map_or(String::new(), |chunk| chunk.to_string());
            _ = writeln!(
                text,
                "{},\"{}\",{},{},{chunk},{},{},{},{},{},{}",
                scene.name,
                forecast.schedule,
                forecast.order,
                run.workers,
                run.makespan,
                serial / run.makespan,
                run.bound,
                run.efficiency,
                run.imbalance,
                run.claims
            );
        }
    }
    text
}
