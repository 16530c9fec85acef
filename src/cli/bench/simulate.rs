//! `bench simulate`: how a scene would run under other schedules and with more workers.

use super::super::args::SceneArgs;
use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::plan;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchSimulateArgs;
use super::outputs::Outputs;
use super::progress::Bar;
use super::text::{counted, percent, table, time};
use fractal::bench::clock::System;
use fractal::bench::forecast;
use fractal::bench::load::Watch;
use fractal::bench::machine::Machine;
use fractal::bench::measure::Rounds;
use fractal::bench::results::{self, MeasuredScene, Results, VERSION};
use fractal::bench::subject::{Subject, standard};
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::worker_count;
use fractal::{Error, Result, backend};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How often everything is measured by default.
const ROUNDS: Rounds = Rounds::Within { time: Duration::from_secs(40), least: 3, most: 20 };

/// Prediction errors up to this are small.
const SMALL: f64 = 0.05;

/// `fractal bench simulate`.
pub(super) fn run(args: &BenchSimulateArgs) -> Result<()> {
    let tile = args.tile.unwrap_or(DEFAULT_TILE);
    let subject = match args.source.to_str().and_then(standard).filter(|_| !Path::new(&args.source).exists()) {
        Some(standard) if args.scene.assignments().next().is_none() => Subject::standard(standard, (1920, 1080), tile)?,
        Some(standard) => {
            let mut scene = standard.scene().ok_or_else(|| {
                Error::Usage(format!("`{}` is not a picture, so it has no scene to change", standard.name))
            })??;
            args.scene.assignments().try_for_each(|assignment| scene.set(&assignment))?;
            Subject::of_scene(standard.name, standard.help, &scene, tile)?
        }
        None => of_scene(&args.source, &args.scene, tile)?,
    };
    let signals = Signals::receive()?;
    let mut files = Files::new();
    files.reads(&args.source);
    let outputs = Outputs::open(&args.output, files, &signals)?;
    let bar = Bar::new(Display::new(args.progress.as_deref(), false));
    let processors = worker_count(args.workers)?;
    let clock = System;
    let mut watch = Watch::begin(&clock);
    let entries = backend::BACKENDS.iter().collect::<Vec<_>>();
    let mut scene = if args.runs == Some(0) {
        bar.step(0, 1, None, "costs of the pieces and predictions");
        forecast::scene(&clock, &subject, processors, &signals.stop)?
    } else {
        let rounds = args.runs.map_or(ROUNDS, |runs| Rounds::Exactly(runs as usize));
        let how = (&entries[..], processors, rounds);
        forecast::scene_beside_runs(&clock, &subject, how, &signals.stop, |step| {
            bar.step(step.done, step.all, step.left, "costs of the pieces and real runs");
            Ok(())
        })?
    };
    scene.timelines = forecast::timelines(&subject, &entries, processors, &signals.stop)?;
    drop(bar);
    let usage = watch.usage(&clock);
    let mut text = report(&scene, args);
    let warnings = usage.warnings();
    warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    let machine = Some(Machine::here());
    let results = Results { fractal: VERSION, machine, usage, warnings, scenes: vec![scene], ..Results::default() };
    [outputs.finish(&results, || csv(&results.scenes[0])), print(text)].into_iter().collect()
}

/// Any scene, by its file or name.
fn of_scene(source: &OsStr, replaced: &SceneArgs, tile: u32) -> Result<Subject> {
    let scene = plan::plain_scene(source, replaced)?;
    Subject::of_scene(&plan::name(source, &scene).to_string_lossy(), scene.title(), &scene, tile)
}

fn report(scene: &MeasuredScene, args: &BenchSimulateArgs) -> String {
    let mut text = String::new();
    let Some(recording) = &scene.recording else { return text };
    let serial = recording.serial();
    let longest = recording.costs.iter().copied().fold(0.0, f64::max);
    let overheads = recording.overheads;
    _ = writeln!(
        text,
        "{}: {}\n{}, {} with one worker; the longest takes {}. A claim costs {}, the shared counter {}, a run {}.",
        scene.name,
        scene.help,
        counted(recording.costs.len(), "piece"),
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
    let shown = |workers: usize| workers.is_power_of_two() || workers <= scene.slowdown.len();
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
    for forecast in
        scene.predictions.iter().filter(|forecast| args.orders || forecast.order == scene.predictions[0].order)
    {
        let mut row = vec![forecast.schedule.clone(), forecast.order.clone()];
        row.extend(forecast.runs.iter().filter(|(_, run)| counts.contains(&run.workers)).map(|(chunk, run)| {
            let chunk = chunk.map_or(String::new(), |chunk| format!(" ,{chunk}"));
            format!("{:.1}{chunk}", serial / run.makespan)
        }));
        rows.push(row);
    }
    _ = writeln!(
        text,
        "\nSpeed-up by number of workers; after the comma the best chunk\n{}",
        table(&headings, 2, &rows)
    );
    if !scene.checks.is_empty() {
        let row = |check: &results::Check| {
            vec![
                check.backend.clone(),
                check.schedule.clone(),
                check.workers.to_string(),
                time(check.measured),
                time(check.predicted),
                format!("{:+.1} %", 100.0 * check.error()),
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
        _ = writeln!(text, "Real runs, the lower decile of {}\n{}", scene.checks[0].runs, table(&headings, 2, &rows));
        _ = writeln!(
            text,
            "The largest error is {}. Backends within {} under every schedule: {good} (of {all}).",
            percent(largest),
            percent(SMALL)
        );
    }
    text
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
