//! `bench overhead`: what backends cost beside their work, and the shortest pieces for which they are efficient.

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchOverheadArgs;
use super::outputs::Outputs;
use super::progress::Bar;
use super::text::{counted, table, time};
use fractal::backend::{self, BACKENDS};
use fractal::bench::clock::System;
use fractal::bench::constructs;
use fractal::bench::load::Watch;
use fractal::bench::machine::Machine;
use fractal::bench::overhead::{self, Candidate, Cost, Grains, Overheads, Reference};
use fractal::bench::record;
use fractal::bench::reference;
use fractal::bench::results::{MeasuredScene, Results, VERSION};
use fractal::bench::statistics::{Random, Summary};
use fractal::bench::subject::Subject;
use fractal::bench::work::Spin;
use fractal::parallel::{Stop, Work, worker_count};
use fractal::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `fractal bench overhead`.
pub(super) fn run(args: &BenchOverheadArgs) -> Result<()> {
    let workers = worker_count(args.workers)?;
    let mut results = Results { fractal: VERSION, machine: Some(Machine::here()), ..Results::default() };
    let entries = if args.backend.is_empty() {
        BACKENDS.iter().collect()
    } else {
        args.backend.iter().map(|name| backend::find(name)).collect::<Result<Vec<_>>>()?
    };
    let mut candidates = Vec::new();
    for entry in entries {
        match entry.probe() {
            Ok(()) => candidates.extend(Candidate::all(entry, workers)),
            Err(why) => results.left_out.push(format!("backend `{}` cannot run here: {why}", entry.name)),
        }
    }
    if candidates.is_empty() {
        return Err(Error::Usage(format!("there is nothing to measure: {}", results.left_out.join("; "))));
    }
    let signals = Signals::receive()?;
    let mut outputs = Outputs::open(&args.output, Files::new(), &signals)?;
    let clock = System;
    let mut watch = Watch::begin(&clock);
    let runs = args.runs.map_or(if args.quick { 3 } else { 10 }, |runs| runs as usize);
    let lengths = overhead::lengths(if args.quick { 2 } else { 4 });
    let progress = Progress::new(args, candidates.len() * (1 + lengths.len()));
    let mut found = Overheads::default();
    // Costs first, then the lengths: each length for all backends in turn, in a new order each time.
    for candidate in &candidates {
        watch.look();
        found.costs.push(overhead::cost(&clock, *candidate, runs, &signals.stop)?);
        progress.step(&format!("cost of {} {}", candidate.entry.name, candidate.schedule));
    }
    let round = overhead::round_seconds(&clock, &signals.stop)?;
    let time = Duration::from_millis(if args.quick { 10 } else { 40 });
    found.references = constructs::measure(&clock, |_| true, workers, runs, &signals.stop)?;
    if !args.no_references {
        let more =
            references((workers, runs), (&lengths, round, time), &mut found, &mut results.left_out, &signals.stop)?;
        found.references.extend(more);
    }
    found.grains.splice(0..0, candidates.iter().map(empty));
    let mut random = Random::new(1);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    for &length in &lengths {
        random.shuffle(&mut order);
        for &index in &order {
            let point = overhead::grain(&clock, candidates[index], (length, round), runs.min(5), time, &signals.stop)?;
            found.grains[index].points.push(point);
            progress.step(&format!("pieces of {}", super::text::time(length)));
        }
        overhead::rate(&mut found.grains);
        results.usage = watch.usage(&clock);
        results.warnings = results.usage.warnings();
        results.overhead = Some(found.clone());
        outputs.keep(&results)?;
    }
    drop(progress);
    let mut look = || timelines(&candidates, round, &signals.stop).map(|scene| results.scenes.push(scene));
    let looked = if args.output.wants_timelines() { look() } else { Ok(()) };
    if let Err(Error::Stopped) = looked {
        return looked;
    }
    let outcomes = [looked, outputs.finish(&results, || csv(&found)), print(report(&results, &found))];
    outcomes.into_iter().collect()
}

/// One run of each candidate on pieces so short that the gaps between them show.
fn timelines(candidates: &[Candidate], round: f64, stop: &Stop) -> Result<MeasuredScene> {
    const PIECES: usize = 400;
    const LENGTH: f64 = 1e-5;
    let work = |pieces| Arc::new(Spin::even(pieces, (LENGTH / round) as u64)) as Arc<dyn Work>;
    let subject = Subject {
        name: "pieces of 10 µs".into(),
        help: "even pieces, so short that the gaps between them show".into(),
        work: work(PIECES),
        small: work(16),
        tiles: Vec::new(),
    };
    let timeline = |&Candidate { entry, schedule, workers }: &Candidate| {
        record::timeline(&subject, entry, schedule, workers, stop)
    };
    let timelines = candidates.iter().map(timeline).collect::<Result<_>>()?;
    Ok(MeasuredScene { name: subject.name.clone(), help: subject.help.clone(), timelines, ..MeasuredScene::default() })
}

/// Other runtimes; those that are not installed are left out.
fn references(
    (workers, runs): (usize, usize),
    pieces: (&[f64], f64, Duration),
    found: &mut Overheads,
    left_out: &mut Vec<String>,
    stop: &Stop,
) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    match reference::openmp((workers, runs.min(5)), pieces, stop) {
        Ok((constructs, grains)) => {
            references.extend(constructs);
            found.grains.push(grains);
        }
        Err(Error::Unsupported(why)) => left_out.push(why),
        Err(error) => return Err(error),
    }
    match reference::pymp((workers, runs.min(5)), stop) {
        Ok(more) => references.extend(more),
        Err(Error::Unsupported(why)) => left_out.push(why),
        Err(error) => return Err(error),
    }
    Ok(references)
}

fn empty(candidate: &Candidate) -> Grains {
    Grains {
        backend: candidate.entry.name.to_owned(),
        schedule: candidate.schedule.to_string(),
        workers: candidate.workers,
        points: Vec::new(),
        metg50: None,
        metg95: None,
    }
}

/// A bar that derives the remaining time from the number of steps, which all take about equally long.
struct Progress {
    bar: Bar,
    all: usize,
    done: std::cell::Cell<usize>,
    began: Instant,
}

impl Progress {
    fn new(args: &BenchOverheadArgs, all: usize) -> Self {
        let bar = Bar::new(Display::new(args.progress.as_deref(), false));
        Self { bar, all, done: std::cell::Cell::new(0), began: Instant::now() }
    }

    fn step(&self, what: &str) {
        let done = self.done.get() + 1;
        self.done.set(done);
        let left = self.began.elapsed().mul_f64((self.all - done) as f64 / done as f64);
        self.bar.step(done, self.all, Some(left), what);
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn report(results: &Results, found: &Overheads) -> String {
    let mut text = String::new();
    if let Some(machine) = &results.machine {
        _ = writeln!(text, "{machine}");
    }
    let both = |times: &[f64]| {
        let median = Summary::of(times).map_or(f64::NAN, |summary| summary.median);
        format!("{} ({})", time(least(times)), time(median))
    };
    let row = |cost: &Cost| {
        vec![
            cost.backend.clone(),
            cost.schedule.clone(),
            cost.workers.to_string(),
            both(&cost.piece),
            both(&cost.processor),
            both(&cost.run),
            both(&cost.open),
            both(&cost.close),
        ]
    };
    let rows: Vec<_> = found.costs.iter().map(row).collect();
    let headings =
        ["backend", "schedule", "workers", "empty piece", "its processor time", "empty run", "start", "stop"];
    _ = writeln!(text, "\nCosts: minimum (median)\n{}", table(&headings, 2, &rows));
    let row = |grains: &Grains| {
        let known = |length: Option<f64>| length.map_or("never".into(), time);
        let curve: String = grains.points.iter().map(|point| bar_cell(point.efficiency)).collect();
        vec![grains.backend.clone(), grains.schedule.clone(), curve, known(grains.metg50), known(grains.metg95)]
    };
    let rows: Vec<_> = found.grains.iter().map(row).collect();
    let ends =
        found.grains.first().and_then(|grains| Some((grains.points.first()?.seconds, grains.points.last()?.seconds)));
    if let Some((first, last)) = ends {
        _ = writeln!(
            text,
            "The shortest pieces that keep this efficiency, and the efficiency of pieces from {} to {}",
            time(first),
            time(last)
        );
    }
    text += &table(&["backend", "schedule", "efficiency", "50 %", "95 %"], 3, &rows);
    text.push('\n');
    text += &constructs_table(&found.references, both);
    text.push('\n');
    if let Some(way) = results.usage.way() {
        _ = writeln!(text, "{way}");
    }
    results.left_out.iter().for_each(|line| _ = writeln!(text, "Left out: {line}."));
    results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    text
}

/// The costs of constructs, with a column for each runtime.
fn constructs_table(references: &[Reference], show: impl Fn(&[f64]) -> String) -> String {
    let mut runtimes: Vec<&str> = Vec::new();
    let mut rows: Vec<(&str, BTreeMap<&str, String>)> = Vec::new();
    for reference in references {
        let (runtime, what) = reference.name.split_once(", ").unwrap_or(("", &reference.name));
        if !runtimes.contains(&runtime) {
            runtimes.push(runtime);
        }
        let place = rows.iter().position(|(known, _)| *known == what).unwrap_or_else(|| {
            rows.push((what, BTreeMap::new()));
            rows.len() - 1
        });
        rows[place].1.insert(runtime, show(&reference.times));
    }
    let workers = references.first().map_or(0, |reference| reference.workers);
    let first = format!("with {}", counted(workers, "worker"));
    let headings: Vec<&str> = std::iter::once(first.as_str()).chain(runtimes.iter().copied()).collect();
    let row = |(what, cells): &(&str, BTreeMap<&str, String>)| {
        let known = runtimes.iter().map(|runtime| cells.get(runtime).cloned().unwrap_or_default());
        std::iter::once((*what).to_owned()).chain(known).collect()
    };
    table(&headings, 1, &rows.iter().map(row).collect::<Vec<_>>())
}

/// An efficiency as one character, from a low block to a full one.
fn bar_cell(efficiency: f64) -> char {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    LEVELS[(efficiency.clamp(0.0, 1.0) * 8.0).round() as usize]
}

/// A row for each backend and piece length.
fn csv(found: &Overheads) -> String {
    let mut text = "backend,schedule,workers,seconds,pieces,efficiency,times\n".to_owned();
    for grains in &found.grains {
        for point in &grains.points {
            let times: Vec<String> = point.times.iter().map(f64::to_string).collect();
            _ = writeln!(
                text,
                "{},\"{}\",{},{},{},{},{}",
                grains.backend,
                grains.schedule,
                grains.workers,
                point.seconds,
                point.pieces,
                point.efficiency,
                times.join(" ")
            );
        }
    }
    text
}
