//! The cores: every backend with every number of workers on every scene, and the figures that follow from the times.

use super::clock::Clock;
use super::load::{LoadCounters, Watch};
use super::machine::Machine;
use super::measure::{Rounds, Step, in_turns};
use super::results::{ResultEntry, Results, VERSION};
use super::subject::Subject;
use crate::backend::{self, SessionOptions};
use crate::error::{Error, Result};
use crate::parallel::{Discard, Schedule, Stop};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod figures;
mod headline;
pub use figures::{conclude, fit};
pub use headline::headline;

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
        if let Schedules::These(these) = schedules {
            let missing: Vec<String> =
                these.iter().filter(|asked| !honoured.contains(asked)).map(|asked| format!("`{asked}`")).collect();
            if honoured.is_empty() {
                left_out.push(format!("backend `{}` honours none of the schedules", entry.name));
            } else if !missing.is_empty() {
                left_out.push(format!("backend `{}` does not honour {}", entry.name, missing.join(", ")));
            }
        }
        if !entry.parallel && !workers.contains(&1) {
            left_out.push(format!("backend `{}` has one worker only, and was measured with it", entry.name));
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
        if subject.growth > 1.0 {
            parameters.insert("scaling".into(), "weak".into());
            command += &format!(", {:.4} times the work", subject.growth);
        }
        if let Some(core) = core {
            parameters.insert("core".into(), core.to_string());
            command += &format!(", processor {core}");
        }
        let (pieces, pixels, growth) = (subject.work.len(), subject.pixels, subject.growth);
        let piece = subject.work.piece().to_owned();
        ResultEntry { command, piece, parameters, pieces, pixels, growth, ..ResultEntry::default() }
    }
}

/// What one run took.
pub(super) struct Sample {
    pub(super) wall: f64,
    processor: f64,
    own: [f64; 2],
    /// Processor seconds of other programs.
    others: f64,
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
    let after = LoadCounters::read();
    drop(session);
    Ok(Sample {
        wall: wall.as_secs_f64(),
        processor: processor.as_secs_f64(),
        own: after.own_since(&before),
        others: after.others_since(&before, processor),
        busy: report.workers.iter().map(|worker| worker.busy.as_secs_f64()).collect(),
        claims: report.workers.iter().map(|worker| worker.claims).sum(),
    })
}

/// About how long one round of all combinations takes, in seconds, from the time that one worker needs for the small part of each subject.
///
/// # Errors
/// The errors of the backend.
pub fn estimate(clock: &dyn Clock, subjects: &[Subject], combinations: &[Combination], stop: &Stop) -> Result<f64> {
    /// Starting and waking workers.
    const EACH: f64 = 0.01;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = SessionOptions { schedule: Some(Schedule::AUTO), stop: stop.clone(), ..SessionOptions::default() };
    let mut session = backend::find(BASE)?.open(&SessionOptions { workers: 1, ..options })?;
    let mut alone = Vec::new();
    for subject in subjects {
        let mut least = f64::INFINITY;
        for _ in 0..2 {
            let began = clock.now();
            session.run(subject.small.clone(), Arc::new(Discard), stop)?;
            least = least.min((clock.now() - began).as_secs_f64());
        }
        alone.push(least * subject.scale);
    }
    let one = |one: &Combination| alone[one.subject] / one.workers.min(processors) as f64 + EACH;
    Ok(combinations.iter().map(one).sum())
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
            entry.others = Some(entry.others.unwrap_or(0.0) + sample.others);
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
