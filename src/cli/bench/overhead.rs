//! `bench overhead`: what backends cost beside their work, and the shortest pieces for which they are efficient.

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchOverheadArgs;
use super::busy;
use super::outputs::Outputs;
use super::progress::Bar;
use super::text::{Style, counted, time};
use fractal::backend::{self, BACKENDS};
use fractal::bench::clock::System;
use fractal::bench::constructs;
use fractal::bench::load::{BUSY, Watch};
use fractal::bench::machine::Machine;
use fractal::bench::overhead::{self, Candidate, Cost, Grains, Overheads, Reference};
use fractal::bench::record;
use fractal::bench::reference::{self, OpenMp};
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
    let display = Display::new(&args.progress, false);
    busy::check(&args.busy, display, &signals.stop)?;
    let outcome = measure(args, workers, &candidates, &mut results, display, &signals, &mut outputs);
    if let Err(Error::Stopped) = outcome {
        outputs.leave("");
    }
    let (found, round) = outcome?;
    let mut look = || timelines(&candidates, round, &signals.stop).map(|scene| results.scenes.push(scene));
    let looked = if args.output.wants_timelines() { look() } else { Ok(()) };
    if let Err(Error::Stopped) = looked {
        outputs.leave("");
        return looked;
    }
    let text = |style| report(&results, &found, style);
    let written = outputs.finish(&results, || csv(&found), || text(Style::Markdown));
    [looked, written, print(text(Style::Terminal))].into_iter().collect()
}

/// Measures all candidates; what is known is kept after each length of pieces. Also the seconds of a round of work.
fn measure(
    args: &BenchOverheadArgs,
    workers: usize,
    candidates: &[Candidate],
    results: &mut Results,
    display: Display,
    signals: &Signals,
    outputs: &mut Outputs,
) -> Result<(Overheads, f64)> {
    let clock = System;
    let mut watch = Watch::begin(&clock);
    let runs = args.runs.map_or(if args.quick { 3 } else { 10 }, |runs| runs as usize);
    let lengths = overhead::lengths(if args.quick { 2 } else { 4 });
    let turns = runs.min(5);
    let progress = Progress::new(display, candidates.len() * (runs + turns * lengths.len()));
    let mut found = Overheads::default();
    let mut order = Order::of(candidates.len());
    // What is compared takes turns, in a new order each time.
    for candidate in candidates {
        found.costs.push(Cost::begin(&clock, *candidate, &signals.stop)?);
    }
    for _ in 0..runs {
        watch.look();
        for index in order.next() {
            let candidate = candidates[index];
            found.costs[index].round(&clock, candidate, &signals.stop)?;
            progress.step(&format!("cost of {} {}", candidate.entry.name, candidate.schedule));
        }
    }
    let round = overhead::round_seconds(&clock, &signals.stop)?;
    let time = Duration::from_millis(if args.quick { 10 } else { 40 });
    let (openmp, others) = references(args, workers, runs, &mut results.left_out, &signals.stop)?;
    found.references = others;
    found.grains = candidates.iter().map(empty).chain(openmp.as_ref().map(OpenMp::grains)).collect();
    for &length in &lengths {
        for _ in 0..turns {
            for index in order.next() {
                let point = overhead::grain(&clock, candidates[index], (length, round), 1, time, &signals.stop)?;
                found.grains[index].add(point);
                progress.step(&format!("pieces of {}", super::text::time(length)));
            }
            if let Some(openmp) = &openmp {
                let point = openmp.grain((length, round), 1, time, &signals.stop)?;
                point.into_iter().for_each(|point| found.grains[candidates.len()].add(point));
            }
        }
        overhead::rate(&mut found.grains);
        results.usage = watch.usage(&clock);
        results.warnings = results.usage.warnings();
        // They took turns, so whatever disturbed one disturbed all.
        let disturbed = results.usage.busy() > BUSY;
        found.costs.iter_mut().for_each(|cost| cost.disturbed = disturbed);
        found.grains.iter_mut().for_each(|grains| grains.disturbed = disturbed);
        results.overhead = Some(found.clone());
        outputs.keep(results)?;
    }
    Ok((found, round))
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
        pixels: 0,
        amount: PIECES as u64,
        scale: PIECES as f64 / 16.0,
        growth: 1.0,
    };
    let timeline = |&Candidate { entry, schedule, workers }: &Candidate| {
        record::timeline(&subject, entry, schedule, (workers, false), stop)
    };
    let timelines = candidates.iter().map(timeline).collect::<Result<_>>()?;
    Ok(MeasuredScene { name: subject.name.clone(), help: subject.help.clone(), timelines, ..MeasuredScene::default() })
}

/// The order of candidates, a new one each time.
struct Order(Random, Vec<usize>);

impl Order {
    fn of(count: usize) -> Self {
        Self(Random::new(1), (0..count).collect())
    }

    fn next(&mut self) -> Vec<usize> {
        self.0.shuffle(&mut self.1);
        self.1.clone()
    }
}

/// The constructs of our regions and of other runtimes, in turns, and OpenMP's program for pieces. What is not installed is left out.
fn references(
    args: &BenchOverheadArgs,
    workers: usize,
    runs: usize,
    left_out: &mut Vec<String>,
    stop: &Stop,
) -> Result<(Option<OpenMp>, Vec<Reference>)> {
    let mut known = |missing: Error| match missing {
        Error::Unsupported(why) => {
            left_out.push(why);
            Ok(())
        }
        error => Err(error),
    };
    let mut openmp = None;
    if !args.no_references {
        match OpenMp::compile(workers) {
            Ok(program) => openmp = Some(program),
            Err(error) => known(error)?,
        }
    }
    let mut has_pymp = !args.no_references;
    let mut all: [Vec<Reference>; 3] = Default::default();
    for turn in 0..runs {
        merge(&mut all[0], constructs::measure(&System, |_| true, workers, 1, stop)?);
        // Others start a program each time.
        if turn >= 5 {
            continue;
        }
        match openmp.as_ref().map(|openmp| openmp.constructs(1, stop)) {
            Some(Ok(constructs)) => merge(&mut all[1], constructs),
            Some(Err(error)) => {
                openmp = None;
                known(error)?;
            }
            None => {}
        }
        if has_pymp {
            match reference::pymp((workers, 1), stop) {
                Ok(constructs) => merge(&mut all[2], constructs),
                Err(error) => {
                    has_pymp = false;
                    known(error)?;
                }
            }
        }
    }
    Ok((openmp, all.concat()))
}

/// Adds the times of one more turn.
fn merge(all: &mut Vec<Reference>, turn: Vec<Reference>) {
    for one in turn {
        match all.iter_mut().find(|known| known.name == one.name) {
            Some(known) => known.times.extend(one.times),
            None => all.push(one),
        }
    }
}

fn empty(candidate: &Candidate) -> Grains {
    Grains::new(candidate.entry.name, &candidate.schedule.to_string(), candidate.workers)
}

/// A bar that derives the remaining time from the number of steps, which all take about equally long.
struct Progress {
    bar: Bar,
    all: usize,
    done: std::cell::Cell<usize>,
    began: Instant,
}

impl Progress {
    fn new(display: Display, all: usize) -> Self {
        let bar = Bar::new(display);
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

fn report(results: &Results, found: &Overheads, style: Style) -> String {
    let mut text = String::new();
    // What makes all figures doubtful comes before them.
    results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    let mark = |disturbed: bool| if disturbed { " !" } else { "" };
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
            both(&cost.piece) + mark(cost.disturbed),
            both(&cost.processor),
            both(&cost.run),
            both(&cost.open),
            both(&cost.close),
        ]
    };
    let rows: Vec<_> = found.costs.iter().map(row).collect();
    let headings =
        ["backend", "schedule", "workers", "empty piece", "its processor time", "empty run", "start", "stop"];
    text += &style.heading("Costs: minimum (median)");
    _ = writeln!(text, "{}", style.table(&headings, 2, &rows));
    let row = |grains: &Grains| {
        let never = if grains.disturbed { "withheld" } else { "never" };
        let known = |length: Option<f64>| {
            length.map_or(never.into(), |length| format!("{}{}", time(length), mark(grains.disturbed)))
        };
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
    text += &style.table(&["backend", "schedule", "efficiency", "50 %", "95 %"], 3, &rows);
    if found.grains.iter().any(|grains| grains.disturbed) {
        text += "! Other programs used the processors meanwhile, so these are too long; an efficiency that was never reached then says \
                 nothing about a backend, and is withheld.\n";
    }
    text.push('\n');
    text += &constructs_table(&found.references, both, style);
    text.push('\n');
    if let Some(way) = results.usage.way() {
        _ = writeln!(text, "{way}");
    }
    results.left_out.iter().for_each(|line| _ = writeln!(text, "Left out: {line}."));
    text
}

/// The costs of constructs, with a column for each runtime.
fn constructs_table(references: &[Reference], show: impl Fn(&[f64]) -> String, style: Style) -> String {
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
    style.table(&headings, 1, &rows.iter().map(row).collect::<Vec<_>>())
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
