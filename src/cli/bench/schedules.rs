//! `bench schedules`: runs of a scene side by side, as a table, a page or a picture.

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchSchedulesArgs;
use super::busy;
use super::outputs::Outputs;
use super::progress::Bar;
use super::scenes;
use super::text::{Style, bar as filled, counted, percent, time};
use fractal::backend;
use fractal::bench::clock::System;
use fractal::bench::drawing::svg;
use fractal::bench::load::Watch;
use fractal::bench::machine::Machine;
use fractal::bench::measure::Rounds;
use fractal::bench::results::{Panel, Results, write_to};
use fractal::bench::schedules::{SHOWN, Shown, measure};
use fractal::bench::statistics::Summary;
use fractal::bench::subject::Subject;
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::{Schedule, worker_count};
use fractal::{Error, Result, Scene};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many combinations are shown at most: more cannot be compared by looking at them.
const MOST: usize = 16;

/// `fractal bench schedules`.
pub(super) fn run(args: &BenchSchedulesArgs) -> Result<()> {
    let entry = backend::find(&args.backend)?;
    let names: Vec<&str> =
        if args.schedule.is_empty() { SHOWN.into() } else { args.schedule.iter().map(String::as_str).collect() };
    let schedules = names.into_iter().map(str::parse).collect::<Result<Vec<Schedule>>>()?;
    if let Some(other) = schedules.iter().find(|asked| !entry.schedules.iter().any(|honoured| honoured.serves(**asked)))
    {
        let honoured: Vec<_> = entry.schedules.iter().map(|schedule| schedule.usage()).collect();
        let (name, honoured) = (entry.name, honoured.join(", "));
        return Err(Error::Usage(format!(
            "backend `{name}` does not honour the schedule `{other}`; it honours {honoured}"
        )));
    }
    let (subjects, shown) = combinations(args, &schedules)?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    files.reads(&args.source);
    args.svg.iter().try_for_each(|path| files.writes(path))?;
    let drawing = args.svg.as_ref().map(|path| signals.create(path)).transpose()?;
    let outputs = Outputs::open(&args.output, files, &signals)?;
    let display = Display::new(&args.progress, false);
    busy::check(&args.busy, display, &signals.stop)?;
    let progress = Bar::new(display);
    let mut results = Results { machine: Some(Machine::here()), settings: settings(args), ..Results::default() };
    let mut watch = Watch::begin(&System);
    let rounds = (entry, Rounds::Exactly(args.runs as usize));
    measure(&System, (&subjects, &shown), rounds, &mut results, &signals.stop, |step| {
        let one = &shown[step.combination];
        let what = format!("{}, tiles of {}, {}", one.schedule, one.tile, counted(one.workers, "worker"));
        progress.step(step.done, step.all, step.left, &what);
        Ok(())
    })?;
    drop(progress);
    results.usage = watch.usage(&System);
    results.warnings = results.usage.warnings();
    let text = |style| report(&subjects[0], &results, style);
    let drawn = drawing.map_or(Ok(()), |output| write_to(output, svg(&results.panels)));
    let written = outputs.finish(&results, || results.csv(), || text(Style::Markdown));
    [drawn, written, print(text(Style::Terminal))].into_iter().collect()
}

fn settings(args: &BenchSchedulesArgs) -> BTreeMap<String, String> {
    [("backend", args.backend.clone()), ("runs", args.runs.to_string()), ("weak", args.weak.to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// What is run: every number of workers with every tile size under every schedule.
fn combinations(args: &BenchSchedulesArgs, schedules: &[Schedule]) -> Result<(Vec<Subject>, Vec<Shown>)> {
    let counts = if args.workers.is_empty() { vec![worker_count(None)?] } else { args.workers.clone() };
    let edges = if args.tile.is_empty() { vec![DEFAULT_TILE] } else { args.tile.clone() };
    let all = counts.len() * edges.len() * schedules.len();
    if all > MOST {
        return Err(Error::Usage(format!(
            "{all} combinations of --schedule, --tile and --workers cannot be compared side by side; at most {MOST} can"
        )));
    }
    let least = counts.iter().copied().min().unwrap_or(1);
    let (mut subjects, mut shown) = (Vec::<Subject>::new(), Vec::new());
    for &edge in &edges {
        let tile = if edge == u32::MAX { "whole".to_owned() } else { edge.to_string() };
        let base = subject(args, edge, 1.0)?;
        let first = subjects.len();
        subjects.push(base.clone());
        for &workers in &counts {
            if args.weak && workers > least {
                subjects.push(subject(args, edge, workers as f64 / least as f64)?.grown_from(&base));
            }
            let subject = if args.weak && workers > least { subjects.len() - 1 } else { first };
            shown.extend(schedules.iter().map(|&schedule| Shown { subject, tile: tile.clone(), schedule, workers }));
        }
    }
    Ok((subjects, shown))
}

/// The scene in tiles of `edge`, with `growth` times as many pixels.
fn subject(args: &BenchSchedulesArgs, edge: u32, growth: f64) -> Result<Subject> {
    let grow = |size: (u32, u32)| [size.0, size.1].map(|pixels| (f64::from(pixels) * growth.sqrt()).round() as u32);
    let larger = |scene: &mut Scene| {
        let [width, height] = grow(scene.image.size);
        if growth > 1.0 && scene.image.crop.is_some() {
            return Err(Error::Usage("--weak lets the picture grow, which a crop does not; leave out --crop".into()));
        }
        scene.image.size = (width, height);
        Ok(())
    };
    match scenes::of_bench(&args.source) {
        Some(standard) => {
            let Some(scene) = standard.scene() else {
                if let Some(other) = args.scene.assignments().find(|assignment| !assignment.starts_with("image.size="))
                {
                    let name = standard.name;
                    return Err(Error::Usage(format!("`{name}` is not a picture, so it has no `{other}` to change")));
                }
                let mut size = Scene::default();
                args.scene.assignments().try_for_each(|assignment| size.set(&assignment))?;
                let [width, height] = grow(size.image.size);
                return Subject::standard(standard, (width, height), edge);
            };
            let mut scene = scene?;
            args.scene.assignments().try_for_each(|assignment| scene.set(&assignment))?;
            larger(&mut scene)?;
            Subject::of_scene(standard.name, standard.help, &scene, edge)
        }
        None => {
            let mut scene = scenes::other(&args.source, &args.scene)?;
            larger(&mut scene)?;
            scenes::subject(&args.source, &scene, edge)
        }
    }
}

fn report(subject: &Subject, results: &Results, style: Style) -> String {
    let mut text = String::new();
    results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    _ = write!(text, "{}", style.heading(&format!("{}: {}", subject.name, subject.help)));
    let longest = results.panels.iter().map(|panel| panel.line.wall).fold(f64::MIN_POSITIVE, f64::max);
    let row = |panel: &Panel| {
        let line = &panel.line;
        let median = Summary::of(&panel.times).map_or(line.wall, |summary| summary.median);
        vec![
            line.schedule.clone(),
            filled(line.wall / longest, 16),
            line.workers.to_string(),
            panel.tile.clone(),
            time(line.wall),
            time(median),
            percent(panel.busy()),
            percent(panel.first_idle()),
            line.claims.len().to_string(),
        ]
    };
    let rows: Vec<_> = results.panels.iter().map(row).collect();
    let headings = ["schedule", "", "workers", "tile", "fastest", "median", "busy", "first done", "claims"];
    _ = writeln!(text, "{}", style.table(&headings, 2, &rows));
    let panel = &results.panels[0];
    _ = writeln!(
        text,
        "{} with backend {}. Busy is the workers' share of time in which they computed, in the fastest run; first done is when the first \
         worker had nothing left.",
        counted(panel.times.len(), "run"),
        panel.line.backend
    );
    text
}
