//! The cores: every backend with every number of workers on every scene, and the figures that follow from the times.

use super::clock::Clock;
use super::fits::{self, Point, karp_flatt};
use super::load::{LoadCounters, Watch};
use super::machine::Machine;
use super::measure::{Rounds, Step, in_turns};
use super::results::{ResultEntry, Results, Run, Scaling, VERSION};
use super::statistics::median;
use super::subject::Subject;
use crate::backend::{self, SessionOptions};
use crate::error::{Error, Result};
use crate::parallel::{Discard, Schedule, Stop};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The backend whose single worker is the baseline for all others.
pub const BASE: &str = "serial";

/// One thing to measure.
#[derive(Clone, Debug)]
pub struct Combination {
    /// Which of the subjects.
    pub subject: usize,
    /// The backend.
    pub entry: &'static backend::BackendEntry,
    /// The schedule.
    pub schedule: Schedule,
    /// The number of workers.
    pub workers: usize,
    /// The only processor that is used; `None` for all that are allowed.
    pub core: Option<usize>,
}

/// Which schedules are measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedules {
    /// All that a backend honours.
    All,
    /// These, as far as a backend honours them.
    These(Vec<Schedule>),
}

/// All combinations: each backend with each number of workers and each schedule, `serial` once. The second part says what cannot be
/// measured, and why.
pub fn combinations(
    subjects: &[Subject],
    entries: &[&'static backend::BackendEntry],
    workers: &[usize],
    schedules: &Schedules,
) -> (Vec<Combination>, Vec<String>) {
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for entry in entries {
        if let Err(why) = entry.probe() {
            left_out.push(format!("backend `{}` cannot run here: {why}", entry.name));
            continue;
        }
        let honoured: Vec<Schedule> = match schedules {
            Schedules::All => entry.schedules.to_vec(),
            Schedules::These(these) => {
                let honours = |asked: &Schedule| entry.schedules.iter().any(|schedule| schedule.serves(*asked));
                these.iter().copied().filter(honours).collect()
            }
        };
        if honoured.is_empty() {
            left_out.push(format!("backend `{}` honours none of the schedules", entry.name));
        }
        let counts: &[usize] = if entry.parallel { workers } else { &[1] };
        for (subject, &schedule) in (0..subjects.len()).flat_map(|subject| honoured.iter().map(move |s| (subject, s))) {
            let one = |&workers: &usize| Combination { subject, entry, schedule, workers, core: None };
            all.extend(counts.iter().map(one));
        }
    }
    (all, left_out)
}

/// `serial` on each processor that is allowed, alone.
pub fn per_core(subjects: &[Subject], machine: &Machine) -> Result<Vec<Combination>> {
    let entry = backend::find(BASE)?;
    let one = |subject, core| Combination { subject, entry, schedule: Schedule::AUTO, workers: 1, core: Some(core) };
    Ok((0..subjects.len()).flat_map(|subject| machine.allowed.iter().map(move |&core| one(subject, core))).collect())
}

impl Combination {
    /// Its entry in the results, without times yet.
    fn entry(&self, subjects: &[Subject]) -> ResultEntry {
        let subject = &subjects[self.subject];
        let Self { entry, schedule, workers, core, .. } = self;
        let mut parameters = BTreeMap::from(
            [
                ("scene", subject.name.clone()),
                ("backend", entry.name.to_owned()),
                ("schedule", schedule.to_string()),
                ("workers", workers.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let mut command = format!("{}, {}, {schedule}, {workers} workers", subject.name, entry.name);
        if let Some(core) = core {
            parameters.insert("core".into(), core.to_string());
            command += &format!(", processor {core}");
        }
        ResultEntry { command, parameters, pieces: subject.work.len(), ..ResultEntry::default() }
    }
}

/// What one run took.
pub(super) struct Sample {
    pub(super) wall: f64,
    processor: f64,
    own: [f64; 2],
    busy: Vec<f64>,
    claims: usize,
}

/// Runs a combination once, after a small run that wakes its workers.
pub(super) fn run(
    clock: &dyn Clock,
    subject: &Subject,
    combination: &Combination,
    pin: bool,
    stop: &Stop,
) -> Result<Sample> {
    let Combination { entry, schedule, workers, .. } = *combination;
    let (schedule, stop_open) = (Some(schedule), stop.clone());
    let options = SessionOptions { workers, schedule, pin, timed: true, stop: stop_open, ..SessionOptions::default() };
    let mut session = entry.open(&options)?;
    session.run(subject.small.clone(), Arc::new(Discard), stop)?;
    let before = LoadCounters::read();
    let (processor, began) = (clock.processor(), clock.now());
    let report = session.run(subject.work.clone(), Arc::new(Discard), stop)?;
    let wall = clock.now() - began;
    let processor = clock.processor() - processor;
    drop(session);
    Ok(Sample {
        wall: wall.as_secs_f64(),
        processor: processor.as_secs_f64(),
        own: LoadCounters::read().own_since(&before),
        busy: report.workers.iter().map(|worker| worker.busy.as_secs_f64()).collect(),
        claims: report.workers.iter().map(|worker| worker.claims).sum(),
    })
}

/// Keeps this thread and those that it starts on one processor until dropped.
struct Kept(CpuSet);

impl Kept {
    fn to(core: usize) -> Result<Self> {
        let failed =
            |error| Error::io("keep to one processor", format!("processor {core}"), std::io::Error::from(error));
        let before = rustix::thread::sched_getaffinity(None).map_err(failed)?;
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Measures all `combinations` into `results`, which may already hold times of an earlier run. After each, `after` is called with all
/// results so far, so that they can be saved.
///
/// # Errors
/// The errors of a backend and of `after`; [`Error::Stopped`] when it is stopped.
pub fn measure(
    clock: &dyn Clock,
    (subjects, combinations): (&[Subject], &[Combination]),
    (rounds, pin): (Rounds, bool),
    results: &mut Results,
    stop: &Stop,
    mut after: impl FnMut(&Step, &Results) -> Result<()>,
) -> Result<()> {
    results.fractal = VERSION;
    let mut places = Vec::new();
    for combination in combinations {
        let entry = combination.entry(subjects);
        let key = entry.key();
        let place = results.results.iter().position(|known| known.key() == key).unwrap_or_else(|| {
            results.results.push(entry);
            results.results.len() - 1
        });
        places.push(place);
    }
    let counts: Vec<usize> = places.iter().map(|&place| results.results[place].times.len()).collect();
    let earlier = results.usage;
    let mut watch = Watch::begin(clock);
    let one = |index: usize| {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let combination = &combinations[index];
        let _kept = combination.core.map(Kept::to).transpose()?;
        run(clock, &subjects[combination.subject], combination, pin, stop)
    };
    in_turns(clock, rounds, &counts, 1, one, |step, sample| {
        let entry = &mut results.results[places[step.combination]];
        if step.is_warmup {
            entry.warmup.push(sample.wall);
        } else {
            // Running means, since these are counted in ticks.
            let n = entry.times.len() as f64;
            entry.user = (entry.user * n + sample.own[0]) / (n + 1.0);
            entry.system = (entry.system * n + sample.own[1]) / (n + 1.0);
            entry.times.push(sample.wall);
            entry.processor.push(sample.processor);
            entry.busy.push(sample.busy);
            entry.claims = sample.claims;
            entry.summarise();
        }
        results.usage = earlier.and(watch.usage(clock));
        conclude(results);
        after(&step, results)
    })
}

/// Computes the figures that follow from the times quickly: speed-ups, balance, warnings. Laws take a second or more: [`fit`].
pub fn conclude(results: &mut Results) {
    let scenes: std::collections::BTreeSet<String> =
        results.results.iter().map(|entry| entry.parameter("scene").to_owned()).collect();
    let base: BTreeMap<String, f64> =
        scenes.iter().filter_map(|scene| Some((scene.clone(), base(results, scene)?))).collect();
    for entry in results.results.iter_mut().filter(|entry| !entry.times.is_empty()) {
        let workers = entry.workers();
        let speedup = base.get(entry.parameter("scene")).map(|base| base / entry.median);
        entry.speedup = speedup;
        entry.efficiency = speedup.map(|speedup| speedup / workers as f64);
        entry.karp_flatt = speedup.and_then(|speedup| karp_flatt(speedup, workers));
        let of_runs = |value: &dyn Fn(&Run) -> f64| {
            let values: Vec<f64> = entry.runs().map(|run| value(&run)).collect();
            Some(median(&values)).filter(|value| value.is_finite())
        };
        let imbalance = of_runs(&|run| run.most * run.workers as f64 / run.busy - 1.0);
        let idle = of_runs(&|run| 1.0 - run.busy / (workers as f64 * run.time));
        // Workers in other processes use time that this one's clock does not count.
        let beside = of_runs(&|run| (run.processor - run.busy) / entry.pieces as f64).filter(|&seconds| seconds >= 0.0);
        (entry.imbalance, entry.idle, entry.overhead_per_piece) = (imbalance, idle, beside);
    }
    results.warnings = results.usage.warnings();
    if let Some(machine) = &results.machine {
        let most = results.results.iter().map(ResultEntry::workers).max().unwrap_or(0);
        if most > machine.allowed.len() && !machine.allowed.is_empty() {
            results.warnings.push(format!(
                "Up to {most} workers shared {} processors: beyond that number, speed-ups show how a backend copes with \
                 oversubscription, not how it scales.",
                machine.allowed.len()
            ));
        }
        if let Some(quota) = machine.quota.filter(|quota| *quota < most as f64) {
            results.warnings.push(format!(
                "The control group allows the time of {quota} processors, less than the workers could use."
            ));
        }
        if machine.debug_assertions {
            results.warnings.push(
                "The program was built with debug assertions; build it with `--release` for figures worth keeping."
                    .into(),
            );
        }
    }
}

/// The time that speed-ups are relative to: one worker of [`BASE`], or of the fastest backend when that was not measured.
fn base(results: &Results, scene: &str) -> Option<f64> {
    let alone = || {
        let single =
            |entry: &&ResultEntry| entry.workers() == 1 && entry.parameter("scene") == scene && !entry.times.is_empty();
        results.results.iter().filter(single).filter(|entry| entry.parameter("core").is_empty())
    };
    let least = |a: &f64, b: &f64| a.total_cmp(b);
    let of_base = alone().filter(|entry| entry.parameter("backend") == BASE).map(|entry| entry.median).min_by(least);
    of_base.or_else(|| alone().map(|entry| entry.median).min_by(least))
}

/// Fits the scaling laws, with their intervals.
pub fn fit(results: &mut Results) {
    results.fits = scalings(results);
}

/// The laws of each scene, backend and schedule, from the numbers of workers that have a processor each.
fn scalings(results: &Results) -> Vec<Scaling> {
    let processors = results.machine.as_ref().map_or(usize::MAX, |machine| machine.allowed.len().max(1));
    let mut groups: BTreeMap<[String; 3], Vec<Point>> = BTreeMap::new();
    for entry in results.results.iter().filter(|entry| entry.parameter("core").is_empty() && !entry.times.is_empty()) {
        if (1..=processors).contains(&entry.workers()) {
            let key = ["scene", "backend", "schedule"].map(|name| entry.parameter(name).to_owned());
            groups.entry(key).or_default().push(Point { workers: entry.workers(), times: entry.times.clone() });
        }
    }
    let scaling = |([scene, backend, schedule], points): ([String; 3], Vec<Point>)| Scaling {
        amdahl: fits::amdahl(&points),
        universal: fits::universal(&points),
        scene,
        backend,
        schedule,
    };
    groups.into_iter().map(scaling).filter(|scaling| scaling.amdahl.is_some()).collect()
}

/// Numbers of workers up to `most`: all up to 8, then in steps that grow, and `most` itself.
pub fn worker_counts(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (1..=most.min(8)).collect();
    let mut next = 12;
    while next < most {
        counts.push(next);
        next += next.next_power_of_two() / 4;
    }
    counts.push(most);
    counts.dedup();
    counts
}

/// The time that a quick measurement takes.
pub const QUICK: Duration = Duration::from_secs(25);
/// The time that a measurement takes by default.
pub const THOROUGH: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests;
