//! `bench`: every backend with every number of workers.

use super::super::args::SceneArgs;
use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::plan;
use super::super::signals::Signals;
use super::super::{print, tell};
use super::args::BenchCoresArgs;
use super::outputs::Outputs;
use super::progress::Bar;
use super::text::{bar, counted, percent, table, time};
use fractal::backend::{self, BACKENDS};
use fractal::bench::clock::System;
use fractal::bench::cores::{self, Schedules};
use fractal::bench::forecast;
use fractal::bench::machine::Machine;
use fractal::bench::measure::{Rounds, Step};
use fractal::bench::results::{ResultEntry, Results, Scaling};
use fractal::bench::subject::{STANDARDS, Subject, standard};
use fractal::bench::wisdom::{self, Wisdom};
use fractal::internal::DEFAULT_TILE;
use fractal::parallel::{Schedule, Stop, worker_count};
use fractal::sink::Output;
use fractal::{Error, Result, Scene};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The fewest and the most rounds when time determines their number.
const ROUNDS: [usize; 2] = [3, 100];

/// `fractal bench`.
pub(super) fn run(args: &BenchCoresArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    let mut results = plan.begin(args)?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    args.scene.iter().for_each(|source| files.reads(source));
    let wisdom = if args.save { Some(Wisdom::path()?) } else { None };
    wisdom.iter().try_for_each(|path| files.writes(path))?;
    let mut outputs = Outputs::open(&args.output, files, &signals)?;
    let wisdom = wisdom.map(|path| Wisdom::create(&path).map(|output| signals.guard(output))).transpose()?;
    let display = Display::new(args.progress.as_deref(), false);
    let progress = Bar::new(display);
    let began = Instant::now();
    let after = |step: &Step, results: &Results| {
        outputs.keep(results)?;
        let what = &plan.names[step.combination];
        progress.step(step.done, step.all, step.left, what);
        Ok(())
    };
    let subjects = (&plan.subjects[..], &plan.combinations[..]);
    let outcome = cores::measure(&System, subjects, (plan.rounds, args.pin), &mut results, &signals.stop, after);
    drop(progress);
    if let (Err(Error::Stopped), Some(path)) = (&outcome, &args.output.json) {
        tell(format!(
            "fractal: the measurements so far are in `{}`; the same command with --resume continues",
            path.display()
        ));
    }
    outcome?;
    cores::fit(&mut results);
    let mut look = || plan.look_closer(&Bar::new(display), &mut results, &signals.stop);
    let looked = if args.output.wants_timelines() { look() } else { Ok(()) };
    if let Err(Error::Stopped) = looked {
        return looked;
    }
    // Measuring took long, so each output is written even if another fails.
    let kept = outputs.finish(&results, || results.csv());
    let printed = print(report(&results, began.elapsed()));
    let saved = wisdom.map_or(Ok(()), |output| save(args, output, display, &signals.stop));
    // Last the one whose failure may be harmless: a reader that has seen enough.
    [looked, kept, saved, printed].into_iter().collect()
}

/// Finds the best settings for each backend, and keeps them.
fn save(args: &BenchCoresArgs, output: Output, display: Display, stop: &Stop) -> Result<()> {
    let path = output.path().to_path_buf();
    let entries: Vec<_> = entries(args)?.into_iter().filter(|entry| entry.probe().is_ok()).collect();
    let workers = worker_count(args.workers.iter().copied().max())?;
    let bar = Bar::new(display);
    let after = |what: &str, done: usize, all: usize| bar.step(done, all, None, &format!("the best for {what}"));
    let wisdom = wisdom::learn(&System, &entries, workers, size(args).1?, stop, after)?;
    drop(bar);
    let row = |(name, choice): (&String, &wisdom::Choice)| {
        vec![name.clone(), choice.schedule.clone(), choice.tile.to_string(), time(choice.seconds)]
    };
    let rows: Vec<_> = wisdom.backends.iter().map(row).collect();
    let best = wisdom.best().map_or(String::new(), |(entry, _)| format!("; the fastest is {}", entry.name));
    wisdom.keep(output)?;
    let table = table(&["backend", "best schedule", "best tile", "time"], 2, &rows);
    print(format!("\nKept in `{}`{best}\n{table}", path.display()))
}

fn entries(args: &BenchCoresArgs) -> Result<Vec<&'static backend::BackendEntry>> {
    if args.backend.is_empty() {
        return Ok(BACKENDS.iter().collect());
    }
    args.backend.iter().map(|name| backend::find(name)).collect()
}

/// What to measure.
struct Plan {
    subjects: Vec<Subject>,
    combinations: Vec<cores::Combination>,
    /// Short names of the combinations.
    names: Vec<String>,
    rounds: Rounds,
    left_out: Vec<String>,
    settings: BTreeMap<String, String>,
}

impl Plan {
    fn new(args: &BenchCoresArgs) -> Result<Self> {
        let mut left_out = Vec::new();
        let subjects = subjects(args, &mut left_out)?;
        let entries = entries(args)?;
        let workers =
            if args.workers.is_empty() { cores::worker_counts(worker_count(None)?) } else { args.workers.clone() };
        let schedules = schedules(&args.schedule)?;
        let (mut combinations, more) = cores::combinations(&subjects, &entries, &workers, &schedules);
        left_out.extend(more);
        if args.per_core {
            combinations.extend(cores::per_core(&subjects, &Machine::here())?);
        }
        if combinations.is_empty() {
            return Err(Error::Usage(format!("there is nothing to measure: {}", left_out.join("; "))));
        }
        let seconds = args.seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let rounds = match args.runs {
            Some(runs) => Rounds::Exactly(runs as usize),
            None => Rounds::Within {
                time: seconds.unwrap_or(if args.quick { cores::QUICK } else { cores::THOROUGH }),
                least: ROUNDS[0],
                most: ROUNDS[1],
            },
        };
        let name = |combination: &cores::Combination| {
            let subject = &subjects[combination.subject].name;
            format!("{subject}, {}, {}", combination.entry.name, counted(combination.workers, "worker"))
        };
        let sizes: Vec<String> =
            subjects.iter().map(|subject| format!("{} ({})", subject.name, subject.work.len())).collect();
        let settings = [
            ("pieces", sizes.join(", ")),
            ("size", size(args).0),
            ("tile", args.tile.unwrap_or(DEFAULT_TILE).to_string()),
            ("pin", args.pin.to_string()),
        ];
        Ok(Self {
            names: combinations.iter().map(name).collect(),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            subjects,
            combinations,
            rounds,
            left_out,
        })
    }

    /// Records each scene, for what a page shows besides the times: costs, predictions, and one run of each backend.
    fn look_closer(&self, bar: &Bar, results: &mut Results, stop: &Stop) -> Result<()> {
        let mut entries: Vec<&'static backend::BackendEntry> = Vec::new();
        for combination in &self.combinations {
            if !entries.iter().any(|entry| entry.name == combination.entry.name) {
                entries.push(combination.entry);
            }
        }
        let most = self.combinations.iter().map(|combination| combination.workers).max().unwrap_or(1);
        results.scenes.clear();
        for (index, subject) in self.subjects.iter().enumerate() {
            bar.step(index, self.subjects.len(), None, &format!("a closer look at {}", subject.name));
            let mut scene = forecast::scene(&System, subject, most, stop)?;
            scene.timelines = forecast::timelines(subject, &entries, most, stop)?;
            results.scenes.push(scene);
        }
        Ok(())
    }

    /// Empty results, or those of a measurement to be continued.
    fn begin(&self, args: &BenchCoresArgs) -> Result<Results> {
        let machine = Machine::here();
        let path = args.output.json.as_ref().filter(|path| args.resume && path.exists());
        let Some(path) = path else {
            let (settings, left_out) = (self.settings.clone(), self.left_out.clone());
            return Ok(Results { machine: Some(machine), settings, left_out, ..Results::default() });
        };
        let results = Results::read(path)?;
        let differs = |what: &str, before: &str, now: &str| {
            Err(Error::Usage(format!(
                "`{}` was measured with another {what} ({before}, now {now}), so it cannot be continued; leave out --resume",
                path.display()
            )))
        };
        let before = results.machine.as_ref().map_or_else(|| "unknown".to_owned(), Machine::signature);
        if before != machine.signature() {
            return differs("machine", &before, &machine.signature());
        }
        let known = |settings: &BTreeMap<String, String>, name: &str| settings.get(name).cloned().unwrap_or_default();
        for name in self.settings.keys() {
            let (before, now) = (known(&results.settings, name), known(&self.settings, name));
            if before != now {
                return differs(name, &before, &now);
            }
        }
        Ok(results)
    }
}

/// Width and height, as typed and as numbers.
fn size(args: &BenchCoresArgs) -> (String, Result<(u32, u32)>) {
    let text = args.size.clone().unwrap_or_else(|| (if args.quick { "1280x720" } else { "1920x1080" }).to_owned());
    let mut scene = Scene::default();
    let size = scene.set(&format!("image.size={text}")).map(|()| scene.image.size);
    (text, size)
}

fn subjects(args: &BenchCoresArgs, left_out: &mut Vec<String>) -> Result<Vec<Subject>> {
    let (text, size) = size(args);
    let size = size?;
    let tile = args.tile.unwrap_or(DEFAULT_TILE);
    if args.scene.is_empty() {
        let mut subjects = Vec::new();
        for standard in STANDARDS {
            match Subject::standard(standard, size, tile) {
                Ok(subject) => subjects.push(subject),
                Err(error @ Error::Unsupported(_)) => left_out.push(format!("scene `{}`: {error}", standard.name)),
                Err(error) => return Err(error),
            }
        }
        return Ok(subjects);
    }
    let one = |name: &OsString| match name.to_str().and_then(standard).filter(|_| !Path::new(name).exists()) {
        Some(standard) => Subject::standard(standard, size, tile),
        None => {
            let scene = plan::scene(name, &SceneArgs { size: Some(text.clone()), ..SceneArgs::default() })?;
            Subject::of_scene(&plan::name(name, &scene).to_string_lossy(), scene.title(), &scene, tile)
        }
    };
    args.scene.iter().map(one).collect()
}

fn schedules(typed: &[String]) -> Result<Schedules> {
    if typed.is_empty() {
        return Ok(Schedules::These(vec![Schedule::AUTO]));
    }
    if typed.iter().any(|text| text == "all") {
        return Ok(Schedules::All);
    }
    Ok(Schedules::These(typed.iter().map(|text| Schedule::requested(Some(text))).collect::<Result<_>>()?))
}

/// The report for the terminal.
fn report(results: &Results, took: Duration) -> String {
    let mut text = String::new();
    if let Some(machine) = &results.machine {
        _ = writeln!(text, "{machine}");
    }
    let rounds = results.results.iter().map(|entry| entry.times.len()).min().unwrap_or(0);
    _ = writeln!(text, "{} in {:.0} s", counted(rounds, "round"), took.as_secs_f64());
    let mut scenes: Vec<&str> = results.results.iter().map(|entry| entry.parameter("scene")).collect();
    scenes.dedup();
    let mut seen = std::collections::HashSet::new();
    scenes.retain(|scene| seen.insert(*scene));
    for scene in scenes {
        let entries: Vec<&ResultEntry> =
            results.results.iter().filter(|entry| entry.parameter("scene") == scene).collect();
        let help = standard(scene).map_or(String::new(), |standard| format!(": {}", standard.help));
        let pieces = entries.first().map_or(0, |entry| entry.pieces);
        _ = writeln!(text, "\n{scene}{help}; {}", counted(pieces, "piece"));
        text += &scene_table(&entries);
        for scaling in results.fits.iter().filter(|scaling| scaling.scene == scene) {
            text += &law(scaling);
        }
    }
    let outliers: usize = results.results.iter().map(|entry| entry.outliers).sum();
    let runs: usize = results.results.iter().map(|entry| entry.times.len()).sum();
    let usage = &results.usage;
    _ = writeln!(
        text,
        "\n{outliers} of {} {}. Processor time of this program: {:.1} s by its own clock, {:.1} s by the system's; \
         other programs used {:.1} s, the host took {:.1} s.",
        counted(runs, "time"),
        if outliers == 1 { "is an outlier" } else { "are outliers" },
        usage.own_clock,
        usage.own,
        usage.others,
        usage.steal
    );
    if let Some(way) = usage.way() {
        _ = writeln!(text, "{way}");
    }
    results.left_out.iter().for_each(|line| _ = writeln!(text, "Left out: {line}."));
    results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    text
}

fn scene_table(entries: &[&ResultEntry]) -> String {
    const HEADINGS: [&str; 13] = [
        "backend",
        "schedule",
        "workers",
        "minimum",
        "median",
        "± MAD",
        "speed-up",
        "",
        "efficiency",
        "idle",
        "imbalance",
        "Karp–Flatt",
        "over a piece",
    ];
    let most = entries.iter().filter_map(|entry| entry.speedup).fold(1.0, f64::max);
    let row = |entry: &&ResultEntry| {
        let known = |value: Option<f64>, show: fn(f64) -> String| value.map_or("".into(), show);
        let core = entry.parameter("core");
        let workers = if core.is_empty() { entry.parameter("workers").to_owned() } else { format!("on {core}") };
        vec![
            entry.parameter("backend").to_owned(),
            entry.parameter("schedule").to_owned(),
            workers,
            time(entry.min),
            time(entry.median),
            time(entry.mad),
            known(entry.speedup, |speedup| format!("{speedup:.2}")),
            bar(entry.speedup.unwrap_or(0.0) / most, 12),
            known(entry.efficiency, percent),
            known(entry.idle, percent),
            known(entry.imbalance, percent),
            known(entry.karp_flatt, |fraction| format!("{fraction:.4}")),
            known(entry.overhead_per_piece, time),
        ]
    };
    // On a busy machine the overhead per piece cannot be measured.
    let columns = if entries.iter().any(|entry| entry.overhead_per_piece.is_some()) { 13 } else { 12 };
    table(&HEADINGS[..columns], 2, &entries.iter().map(row).collect::<Vec<_>>())
}

/// A law and its predictions, in a line.
fn law(scaling: &Scaling) -> String {
    let Scaling { backend, schedule, amdahl, universal, .. } = scaling;
    let mut text = String::new();
    if let Some(fit) = amdahl {
        let interval = fit
            .contention_interval
            .map_or(String::new(), |range| format!(" ({} to {})", percent(range.low), percent(range.high)));
        let predicted: Vec<String> =
            [4, 16, 64].map(|workers| format!("{:.1} with {workers}", fit.law.speedup(f64::from(workers)))).into();
        _ = writeln!(
            text,
            "  {backend} {schedule}: Amdahl's serial part {}{interval}; predicts speed-ups of {}",
            percent(fit.law.contention),
            predicted.join(", ")
        );
    }
    if let Some(fit) = universal {
        let peak = fit.law.peak().map_or("no peak".to_owned(), |peak| format!("fastest with {peak:.0} workers"));
        let law = fit.law;
        _ = writeln!(
            text,
            "  {backend} {schedule}: universal law: contention {}, coherency {:.5}; {peak}",
            percent(law.contention),
            law.coherency
        );
    }
    text
}
