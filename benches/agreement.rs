//! Whether `fractal bench overhead` can be trusted: compares its measurements with Criterion's of the same things, minimum against
//! minimum.
//!
//! `cargo bench --bench agreement [-- NAME …]` with names of backends, or `region`. Both sides take turns, so that a busy moment
//! affects both. They share the backends and the empty pieces, but no measuring code; each has ten batches per turn. The benchmark
//! fails when a figure differs by more than a fifth.
//!
//! It needs an idle machine, and reports if it was not idle. Even then a host may move the processors of a virtual machine apart, for
//! seconds or minutes, and shared data costs up to fifteen times as much (`fractal::bench::round_trip`). So the sides take turns figure
//! by figure, and the minima of each turn are compared. Tried, and worse: each side measuring everything in one go, or comparing the
//! minima of all turns; the sides then saw different machines, and a third of the figures differed. Nor may one side try more often, or
//! for longer at a time: threads reach their minimum only rarely. With separate pieces on each side, figures differed by 0.5 ns because
//! of where the compiler placed their functions.

use criterion::{Criterion, SamplingMode};
use fractal::backend::{BACKENDS, BackendEntry, Session, SessionOptions};
use fractal::bench::clock::System;
use fractal::bench::constructs;
use fractal::bench::load::Watch;
use fractal::bench::overhead::{Candidate, Cost};
use fractal::bench::statistics::median;
use fractal::bench::work::Spin;
use fractal::parallel::region::{Member, RegionSettings, WaitPolicy, critical, region_with};
use fractal::parallel::{Discard, Schedule, Stop, Work};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;

/// How often both sides take turns.
const TURNS: usize = 7;

/// How often `bench overhead` measures in a turn: as often as Criterion, since the minimum of more tries is lower.
const RUNS: usize = SAMPLES;

/// Criterion's samples per figure; it accepts no fewer.
const SAMPLES: usize = 10;

/// The largest difference allowed, as a fraction of the smaller figure.
const ALLOWED: f64 = 0.2;

/// Differences, in seconds, that mean nothing: two clock reads for what happens once and is timed alone; two processor cycles for
/// constructs, for which each side has its own loop.
const ONCE: f64 = 100e-9;
const CYCLES: f64 = 0.5e-9;

/// How long both sides repeat the same step: start and stop workers, then have them run nothing, then pieces, then start and stop
/// again; Criterion's side does the preceding steps without counting them. A process's history decides where the system puts its
/// threads: after a rest of 10 ms new ones start in four fifths of the time, after a tenth of a second of starting and stopping they
/// take a fifth longer to end, and two that start on one processor are separated after running for a while.
const BATCH: Duration = Duration::from_millis(20);

/// Constructs timed together, and iterations of a loop, of which there are many times as many.
const TIMES: u64 = 100;
const ITERATIONS: usize = 100_000;

/// A figure's name, and for each turn the minimum that Criterion and that `bench overhead` measured.
struct Figure {
    name: String,
    times: Vec<[f64; 2]>,
    nothing: f64,
}

impl Figure {
    fn new(name: String, nothing: f64) -> Self {
        Self { name, times: Vec::new(), nothing }
    }

    fn see(&mut self, criterion: f64, ours: &[f64]) {
        self.times.push([criterion, ours.iter().copied().fold(f64::INFINITY, f64::min)]);
    }

    fn least(&self) -> [f64; 2] {
        self.times.iter().fold([f64::INFINITY; 2], |least, times| [0, 1].map(|side| least[side].min(times[side])))
    }

    /// The median over all turns: a turn in which the processors were moved between the sides means nothing.
    fn typical(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        median(&self.times.iter().map(|&[criterion, ours]| of(criterion, ours)).collect::<Vec<_>>())
    }

    fn ratio(&self) -> f64 {
        self.typical(|criterion, ours| ours / criterion)
    }

    fn agrees(&self) -> bool {
        let ratio = self.ratio();
        ratio.max(1.0 / ratio) <= 1.0 + ALLOWED
            || self.typical(|criterion, ours| ours - criterion).abs() <= self.nothing
    }
}

/// Has Criterion call what `prepare` returns for a [`BATCH`], preparing it again for each sample: workers stay where the system has put
/// them, and two on one processor are slow as long as they live. Returns the minimum time of a call, in seconds.
fn least<M: FnMut() -> Duration>(criterion: &mut Criterion, name: &str, mut prepare: impl FnMut() -> M) -> f64 {
    let mut least = Duration::MAX;
    criterion.benchmark_group(name).sampling_mode(SamplingMode::Flat).bench_function("batch", |bencher| {
        bencher.iter_custom(|times| {
            let mut measure = prepare();
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let (time, smallest) = batch(&mut measure);
                (total, least) = (total + time, least.min(smallest));
            }
            total
        });
    });
    least.as_secs_f64()
}

/// Times `once` for a [`BATCH`]; returns the total time of its calls, and the minimum.
fn batch(mut once: impl FnMut() -> Duration) -> (Duration, Duration) {
    let (began, mut total, mut least) = (Instant::now(), Duration::ZERO, Duration::MAX);
    while began.elapsed() < BATCH {
        let time = once();
        (total, least) = (total + time, least.min(time));
    }
    (total, least)
}

fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let value = action();
    (began.elapsed(), value)
}

fn run(session: &mut dyn Session, work: &Arc<dyn Work>) -> Duration {
    let (sink, stop) = (Arc::new(Discard), Stop::new());
    timed(|| session.run(work.clone(), sink, &stop).expect("the run is complete")).0
}

fn open(entry: &BackendEntry, schedule: Schedule, workers: usize) -> Box<dyn Session> {
    let options = SessionOptions { workers, schedule: Some(schedule), ..SessionOptions::default() };
    entry.open(&options).expect("the backend opens")
}

/// The overhead of a backend under a schedule.
fn backend(criterion: &mut Criterion, candidate: Candidate) -> Vec<Figure> {
    let Candidate { entry, schedule, workers } = candidate;
    let name = format!("{} {schedule}", entry.name);
    let nothing: Arc<dyn Work> = Arc::new(Spin::even(0, 0));
    let figure = |(index, what)| Figure::new(format!("{name}, {what}"), if index > 0 { ONCE } else { 0.0 });
    let mut figures: Vec<Figure> = ["piece", "run", "start", "stop"].into_iter().enumerate().map(figure).collect();
    for turn in 0..TURNS {
        let stop = Stop::new();
        let mut measured = Cost::begin(&System, candidate, &stop).expect("it is measured");
        (0..RUNS).for_each(|_| measured.round(&System, candidate, &stop).expect("it is measured"));
        let (count, named) = (measured.pieces, |what: &str| format!("{name}/{what}/{turn}"));
        let pieces: Arc<dyn Work> = Arc::new(Spin::even(count, 0));
        let start = || {
            let (sink, stop) = (Arc::new(Discard), Stop::new());
            timed(|| {
                let mut session = open(entry, schedule, workers);
                session.run(nothing.clone(), sink, &stop).expect("the run is complete");
                session
            })
        };
        let empty = least(criterion, &named("run"), || {
            batch(|| start().0);
            let (mut session, nothing) = (open(entry, schedule, workers), &nothing);
            move || run(&mut *session, nothing)
        });
        let piece = least(criterion, &named("piece"), || {
            batch(|| start().0);
            let (mut session, pieces) = (open(entry, schedule, workers), &pieces);
            batch(|| run(&mut *session, &nothing));
            move || run(&mut *session, pieces)
        });
        let before = || {
            let mut session = open(entry, schedule, workers);
            batch(|| run(&mut *session, &pieces));
        };
        let begin = least(criterion, &named("start"), || {
            before();
            || start().0
        });
        let end = least(criterion, &named("stop"), || {
            before();
            || {
                let session = start().1;
                timed(|| drop(session)).0
            }
        });
        let piece = piece / count as f64;
        let Cost { piece: our_piece, run: our_run, open: our_start, close: our_stop, .. } = measured;
        let pairs = [(piece, our_piece), (empty, our_run), (begin, our_start), (end, our_stop)];
        figures.iter_mut().zip(pairs).for_each(|(figure, (theirs, ours))| figure.see(theirs, &ours));
    }
    figures
}

/// The time of `times` executions of a construct in a region.
fn inside(settings: &RegionSettings, times: u64, construct: impl Fn(&mut Member<'_>) + Sync) -> Duration {
    let all = |team: &mut Member<'_>| (0..times).for_each(|_| construct(team));
    timed(|| region_with(settings, WORKERS, all).expect("it ends well")).0
}

/// The time of `times` loops of many iterations each.
fn iterations(settings: &RegionSettings, times: u64, schedule: Schedule) -> Duration {
    let schedule = black_box(schedule.with_chunk(1).expect("it takes a chunk"));
    let loops = |team: &mut Member<'_>| {
        team.for_each(0..ITERATIONS, schedule, |number| {
            black_box(number);
        });
    };
    (0..times).map(|_| timed(|| region_with(settings, WORKERS, loops).expect("it ends well")).0).sum()
}

/// How constructs are measured here, by the names that `bench overhead` gives them.
type Construct = (&'static str, fn(&RegionSettings, u64) -> Duration, u64);

const CONSTRUCTS: &[Construct] = &[
    (
        "construct parallel",
        |settings, times| {
            let empty = |team: &mut Member<'_>| {
                black_box(team.index());
            };
            timed(|| (0..times).for_each(|_| region_with(settings, WORKERS, empty).expect("it ends well"))).0
        },
        1,
    ),
    (
        "construct for",
        |settings, times| {
            inside(settings, times, |team| {
                team.for_each(0..team.len(), Schedule::STATIC, |number| {
                    black_box(number);
                });
            })
        },
        1,
    ),
    ("construct barrier", |settings, times| inside(settings, times, |team| team.barrier()), 1),
    (
        "construct single",
        |settings, times| {
            inside(settings, times, |team| {
                team.single(|| black_box(()));
            })
        },
        1,
    ),
    (
        "construct critical",
        |settings, times| inside(settings, times, |_| critical("of an agreement", || black_box(()))),
        WORKERS as u64,
    ),
    (
        "construct reduction",
        |settings, times| {
            inside(settings, times, |team| {
                black_box(team.reduce(team.index(), |a, b| a + b));
            })
        },
        1,
    ),
    (
        "an iteration of schedule(static,1)",
        |settings, times| iterations(settings, times, Schedule::STATIC),
        ITERATIONS as u64,
    ),
    (
        "an iteration of schedule(dynamic,1)",
        |settings, times| iterations(settings, times, Schedule::DYNAMIC),
        ITERATIONS as u64,
    ),
];

fn region(criterion: &mut Criterion) -> Vec<Figure> {
    let settings = RegionSettings::current().expect("the environment is sound").clone();
    let settings = RegionSettings { waiting: Some(WaitPolicy::Active), ..settings };
    let figure = |&(name, measure, each): &Construct| {
        let many = if each > 1_000 { 1 } else { TIMES };
        let mut figure = Figure::new(format!("region, {name}"), CYCLES);
        for turn in 0..TURNS {
            let references = constructs::measure(&System, |construct| construct == name, WORKERS, RUNS, &Stop::new());
            let time = least(criterion, &format!("{name}/{turn}"), || || measure(&settings, many));
            figure.see(time / (many * each) as f64, &references.expect("it is measured")[0].times);
        }
        figure
    };
    CONSTRUCTS.iter().map(figure).collect()
}

fn main() -> ExitCode {
    fractal::worker_main([]);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(SAMPLES)
        .nresamples(1001)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(50));
    let mut figures = Vec::new();
    let mut watch = Watch::begin(&System);
    for entry in BACKENDS.iter().filter(|entry| is_wanted(entry.name) && entry.probe().is_ok()) {
        for candidate in Candidate::all(entry, WORKERS) {
            watch.look();
            figures.extend(backend(&mut criterion, candidate));
        }
    }
    if is_wanted("region") {
        figures.extend(region(&mut criterion));
    }
    println!("\n{:<60}{:>14}{:>16}{:>14}", "nanoseconds, minimum", "Criterion", "bench overhead", "turns' ratio");
    for figure in &figures {
        let ([criterion, ours], ratio) = (figure.least().map(|seconds| 1e9 * seconds), figure.ratio());
        let mark = if figure.agrees() { "" } else { "  differs" };
        println!("{:<60}{criterion:>14.1}{ours:>16.1}{ratio:>14.3}{mark}", figure.name);
    }
    let usage = watch.usage(&System);
    usage.way().iter().for_each(|way| println!("{way}"));
    usage.warnings().iter().for_each(|warning| println!("Warning: {warning}"));
    let good = figures.iter().filter(|figure| figure.agrees()).count();
    println!("{good} of {} agree within {} %", figures.len(), 100.0 * ALLOWED);
    ExitCode::from(u8::from(good < figures.len()))
}
