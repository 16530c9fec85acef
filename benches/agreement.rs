//! Whether `fractal bench overhead` can be trusted: what it measures beside what Criterion measures of the same, minimum against minimum.
//!
//! `cargo bench --bench agreement [-- NAME …]` with names of backends, or `region`. Both sides take turns, so that a busy moment is one for
//! both; they share nothing but the backends: Criterion decides how often it calls, the works and loops are the benchmarks' own. It
//! fails when a figure differs by more than a fifth. Differences of less than 50 ns in what happens once are the clock's.
//!
//! It wants an idle machine, and says when it was none: while other programs compute, the system may keep both workers on one processor
//! for longer than one side measures, and a barrier then costs a switch between them, four times as much.

mod support;

use criterion::Criterion;
use fractal::backend::{BACKENDS, Entry, Options, Session, WorkKind};
use fractal::bench::clock::{Clock, System};
use fractal::bench::constructs;
use fractal::bench::load::Counters;
use fractal::bench::overhead::{Candidate, Cost, cost};
use fractal::parallel::region::{Member, Settings, WaitPolicy, critical, region_with};
use fractal::parallel::{Discard, Schedule, Stop, Work};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Empty, number};

const WORKERS: usize = 2;

/// How often both sides take turns.
const TURNS: usize = 3;

/// How often `bench overhead` measures each cost in a turn: its default.
const RUNS: usize = 10;

/// The largest difference, and the largest that is only the clock's, in seconds.
const ALLOWED: f64 = 0.2;
const CLOCK: f64 = 50e-9;

/// Constructs that are timed together; those of a loop's iterations many times as often.
const TIMES: u64 = 100;
const ITERATIONS: usize = 100_000;

/// What workers in other processes make of a recipe, which is the number of pieces.
const KINDS: &[WorkKind] = &[WorkKind { name: "empty", make: |pieces| Ok(Arc::new(Empty(number(pieces)))) }];

/// A figure's name, and what both sides measured of it.
struct Figure {
    name: String,
    criterion: f64,
    ours: f64,
    happens_once: bool,
}

impl Figure {
    fn agrees(&self) -> bool {
        let difference = (self.ours - self.criterion).abs();
        difference <= ALLOWED * self.criterion.min(self.ours) || self.happens_once && difference <= CLOCK
    }
}

/// Has Criterion call what `prepare` gives back as often as it wants to, and prepare it again for each of its samples: workers stay where
/// the system has put them, and two on one processor are slow as long as they live. Gives back the least time of a call, in seconds.
fn least<M: FnMut() -> Duration>(criterion: &mut Criterion, name: &str, mut prepare: impl FnMut() -> M) -> f64 {
    let mut least = Duration::MAX;
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let mut measure = prepare();
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let time = measure();
                (total, least) = (total + time, least.min(time));
            }
            total
        });
    });
    least.as_secs_f64()
}

fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let value = action();
    (began.elapsed(), value)
}

fn run(session: &mut dyn Session, work: &Arc<dyn Work>) -> Duration {
    timed(|| session.run(work.clone(), Arc::new(Discard), &Stop::new()).expect("the run is complete")).0
}

fn open(entry: &Entry, schedule: Schedule, workers: usize) -> Box<dyn Session> {
    let options = Options { workers, schedule: Some(schedule), ..Options::default() };
    entry.open(&options).expect("the backend opens")
}

/// What a backend costs under a schedule.
fn backend(criterion: &mut Criterion, candidate: Candidate) -> Vec<Figure> {
    let Candidate { entry, schedule, workers } = candidate;
    let name = format!("{} {schedule}", entry.name);
    let nothing: Arc<dyn Work> = Arc::new(Empty(0));
    let mut theirs = [f64::INFINITY; 4];
    let mut all = Vec::<Cost>::new();
    for turn in 0..TURNS {
        let measured = cost(&System, candidate, RUNS, &Stop::new()).expect("it is measured");
        let (count, named) = (measured.pieces, |what: &str| format!("{name}/{what}/{turn}"));
        all.push(measured);
        let pieces: Arc<dyn Work> = Arc::new(Empty(count));
        let runs = |work: &Arc<dyn Work>| {
            let (mut session, work) = (open(entry, schedule, workers), work.clone());
            run(&mut *session, &work);
            move || run(&mut *session, &work)
        };
        let piece = least(criterion, &named("piece"), || runs(&pieces)) / count as f64;
        let empty = least(criterion, &named("run"), || runs(&nothing));
        let start = || {
            timed(|| {
                let mut session = open(entry, schedule, workers);
                run(&mut *session, &nothing);
                session
            })
        };
        let begin = least(criterion, &named("start"), || || start().0);
        let end = least(criterion, &named("stop"), || {
            || {
                let session = start().1;
                timed(|| drop(session)).0
            }
        });
        for (least, time) in theirs.iter_mut().zip([piece, empty, begin, end]) {
            *least = least.min(time);
        }
    }
    let ours: [fn(&Cost) -> &[f64]; 4] = [|c| &c.piece, |c| &c.run, |c| &c.open, |c| &c.close];
    let figure = |index: usize| Figure {
        name: format!("{name}, {}", ["piece", "run", "start", "stop"][index]),
        criterion: theirs[index],
        ours: all.iter().flat_map(ours[index]).copied().fold(f64::INFINITY, f64::min),
        happens_once: index > 0,
    };
    (0..4).map(figure).collect()
}

/// The time of `times` of a construct in a region.
fn inside(settings: &Settings, times: u64, construct: impl Fn(&mut Member<'_>) + Sync) -> Duration {
    let all = |team: &mut Member<'_>| (0..times).for_each(|_| construct(team));
    timed(|| region_with(settings, WORKERS, all).expect("it ends well")).0
}

/// The time of `times` loops of many iterations, for one of them.
fn iterations(settings: &Settings, times: u64, schedule: Schedule) -> Duration {
    let schedule = black_box(schedule.with_chunk(1).expect("it takes a chunk"));
    let loops = |team: &mut Member<'_>| {
        team.for_each(0..ITERATIONS, schedule, |number| {
            black_box(number);
        });
    };
    (0..times).map(|_| timed(|| region_with(settings, WORKERS, loops).expect("it ends well")).0).sum()
}

/// How constructs are measured here, by the names that `bench overhead` gives them.
type Construct = (&'static str, fn(&Settings, u64) -> Duration, u64);

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
    let settings = Settings::current().expect("the environment is sound").clone();
    let settings = Settings { waiting: Some(WaitPolicy::Active), ..settings };
    let mut theirs = [f64::INFINITY; CONSTRUCTS.len()];
    let mut ours = [f64::INFINITY; CONSTRUCTS.len()];
    for turn in 0..TURNS {
        let references = constructs::measure(&System, WORKERS, RUNS, &Stop::new()).expect("they are measured");
        for (index, &(name, measure, each)) in CONSTRUCTS.iter().enumerate() {
            let found = references.iter().find(|reference| reference.name == format!("region, {name}"));
            let times = &found.expect("it is among those of `bench overhead`").times;
            ours[index] = times.iter().copied().fold(ours[index], f64::min);
            let many = if each > 1_000 { 1 } else { TIMES };
            let time = least(criterion, &format!("{name}/{turn}"), || || measure(&settings, many));
            theirs[index] = theirs[index].min(time / (many * each) as f64);
        }
    }
    let figure = |((&(name, ..), criterion), ours): ((&Construct, f64), f64)| Figure {
        name: format!("region, {name}"),
        criterion,
        ours,
        happens_once: false,
    };
    CONSTRUCTS.iter().zip(theirs).zip(ours).map(figure).collect()
}

fn main() -> ExitCode {
    fractal::worker_main(&[KINDS]);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200));
    let mut figures = Vec::new();
    let (counters, began, processor) = (Counters::read(), System.now(), System.processor());
    for entry in BACKENDS.iter().filter(|entry| is_wanted(entry.name) && entry.probe().is_ok()) {
        for candidate in Candidate::all(entry, WORKERS) {
            figures.extend(backend(&mut criterion, candidate));
        }
    }
    if is_wanted("region") {
        figures.extend(region(&mut criterion));
    }
    println!("\n{:<60}{:>14}{:>16}{:>10}", "nanoseconds, minimum", "Criterion", "bench overhead", "ratio");
    for figure in &figures {
        let Figure { name, criterion, ours, .. } = figure;
        let mark = if figure.agrees() { "" } else { "  differs" };
        println!("{name:<60}{:>14.1}{:>16.1}{:>10.3}{mark}", 1e9 * criterion, 1e9 * ours, ours / criterion);
    }
    let usage = counters.until(&Counters::read(), System.now() - began, System.processor() - processor);
    usage.warnings().iter().for_each(|warning| println!("Warning: {warning}"));
    let good = figures.iter().filter(|figure| figure.agrees()).count();
    println!("{good} of {} agree within {} %", figures.len(), 100.0 * ALLOWED);
    ExitCode::from(u8::from(good < figures.len()))
}
