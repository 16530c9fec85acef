//! From a scene to predictions: the costs of its pieces are recorded, the overheads of backends are measured, and every schedule is
//! replayed. Real runs alongside show how far the predictions can be trusted.

use super::clock::Clock;
use super::measure::{Rounds, Step, enough, in_turns};
use super::overhead::{Candidate, for_simulation, round_seconds};
use super::record::{self, Between, Costs};
use super::results::{Check, Forecast, MeasuredScene, ResultEntry};
use super::simulate::{Recording, RunOverheads, worker_counts};
use super::statistics::{Interval, Summary, lower_decile};
use super::subject::Subject;
use super::work::Spin;
use crate::backend::{BackendEntry, Dispatch, Session, SessionOptions, find};
use crate::error::Result;
use crate::parallel::{Discard, Schedule, Stop, Work};
use std::sync::Arc;
use std::time::Duration;

/// The backend whose overheads are used when other machines are predicted, because it hands out pieces exactly as the simulation does.
pub const MODEL: &str = "threads";

/// The schedules that are replayed. Those that take a chunk are also replayed with their best chunk.
pub const SCHEDULES: [Schedule; 5] =
    [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO];

/// What the pieces of a subject cost, and how much longer they take when several workers compute at once.
struct Observed {
    costs: Costs,
    slowdown: Slowdown,
}

impl Observed {
    fn new(subject: &Subject, processors: usize, stop: &Stop) -> Result<Self> {
        Ok(Self { costs: Costs::new(subject, stop)?, slowdown: Slowdown::new(processors)? })
    }

    /// The subject with the results so far.
    fn scene(&self, subject: &Subject, overheads: RunOverheads, processors: usize) -> MeasuredScene {
        let recording = Recording { overheads, ..self.costs.recording() };
        let slowdown = self.slowdown.values();
        let tiles = subject.tiles.iter().map(|tile| [tile.x, tile.y, tile.width, tile.height]).collect();
        MeasuredScene {
            name: subject.name.clone(),
            help: subject.help.clone(),
            piece: subject.work.piece().to_owned(),
            tiles,
            // How much the recordings differ, until real runs show more.
            errors: self.costs.scatter().filter(|range| range.high - range.low <= VAGUE),
            predictions: predict(&recording, &subject.orders(), &slowdown, processors),
            recording: Some(recording),
            slowdown,
            ..MeasuredScene::default()
        }
    }
}

/// Records a subject and predicts how the model backend would run it under every schedule and order on up to 4096 workers. `processors`
/// is how many this machine has; after `time` no round of recording begins, but for the first.
///
/// # Errors
/// The errors of a backend; [`crate::Error::Stopped`] when `stop` is set.
pub fn scene(
    clock: &dyn Clock,
    subject: &Subject,
    (processors, time): (usize, Duration),
    stop: &Stop,
) -> Result<MeasuredScene> {
    let (start, mut done) = (clock.now(), 0);
    let mut observed = Observed::new(subject, processors, stop)?;
    while done == 0 || clock.now() - start < time && !enough(done, clock.now() - start) {
        done += 1;
        observed.costs.round(subject, stop)?;
        observed.slowdown.round(subject, stop)?;
    }
    Ok(observed.scene(subject, model(clock, processors, stop)?, processors))
}

/// The overheads of the model backend.
fn model(clock: &dyn Clock, workers: usize, stop: &Stop) -> Result<RunOverheads> {
    let schedule = Schedule::DYNAMIC.with_chunk(1)?;
    for_simulation(clock, Candidate { entry: find(MODEL)?, schedule, workers }, stop)
}

/// How much longer pieces take when 1, 2, … workers compute at once, by the busy time of the model's workers. Each piece is a claim of
/// its own, so that the claims are the same for any number of workers.
struct Slowdown(Vec<(Box<dyn Session>, Vec<f64>)>);

impl Slowdown {
    fn new(processors: usize) -> Result<Self> {
        let schedule = Some(Schedule::DYNAMIC.with_chunk(1)?);
        let open = |workers| {
            let options = SessionOptions { workers, schedule, timed: true, ..SessionOptions::default() };
            Ok((find(MODEL)?.open(&options)?, Vec::new()))
        };
        (1..=processors).map(open).collect::<Result<_>>().map(Self)
    }

    fn round(&mut self, subject: &Subject, stop: &Stop) -> Result<()> {
        for (session, times) in &mut self.0 {
            let report = session.run(subject.work.clone(), Arc::new(Discard), stop)?;
            times.push(report.workers.iter().map(|worker| worker.busy.as_secs_f64()).sum());
        }
        Ok(())
    }

    fn values(&self) -> Vec<f64> {
        let times = self.0.iter().map(|(_, times)| lower_decile(times, |time| *time).copied().unwrap_or(0.0));
        let times: Vec<f64> = times.collect();
        times.iter().map(|time| if times[0] > 0.0 { (time / times[0]).max(1.0) } else { 1.0 }).collect()
    }
}

/// Replays every schedule with the pieces in each of `orders`. With 1, 2, … workers a piece takes `slowdown` times as long. `processors` is
/// how many this machine has.
pub fn predict(
    recording: &Recording,
    orders: &[(String, Vec<usize>)],
    slowdown: &[f64],
    processors: usize,
) -> Vec<Forecast> {
    let mut predictions = Vec::new();
    let counts = worker_counts(processors);
    for (order, numbers) in orders {
        let pieces = recording.reordered(numbers);
        for schedule in SCHEDULES {
            let plain = |&workers: &usize| (None, pieces.replay(schedule, workers, slowdown));
            let forecast = |schedule: String, runs| Forecast { schedule, order: order.clone(), runs };
            predictions.push(forecast(schedule.to_string(), counts.iter().map(plain).collect()));
            if schedule != Schedule::AUTO {
                let best = |&workers: &usize| {
                    let (chunk, run) = pieces.best_chunk(schedule, workers, slowdown);
                    (Some(chunk), run)
                };
                predictions.push(forecast(format!("{schedule},best"), counts.iter().map(best).collect()));
            }
        }
    }
    predictions
}

/// How many seconds the even pieces that show a backend's overheads last in total.
const EVEN: f64 = 0.1;

/// A backend, a schedule and workers whose real run can be predicted.
struct Case {
    entry: &'static BackendEntry,
    schedule: Schedule,
    workers: usize,
    /// For real runs, and for runs of even pieces: with only one, other processes would have to be sent the work again each time.
    sessions: [Box<dyn Session>; 2],
    /// The times of the real runs.
    times: Vec<f64>,
    /// The times between even pieces, in each run of them.
    between: Vec<Between>,
}

impl Case {
    /// Every backend of `entries` with 1 to `processors` workers under each of its schedules that the simulation knows.
    fn all(entries: &[&'static BackendEntry], processors: usize) -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        for entry in entries.iter().copied().filter(|entry| entry.probe().is_ok()) {
            // `auto` differs from backend to backend; the simulation knows the model's, which also holds wherever there is only one
            // worker.
            let known = |schedule: &&Schedule| **schedule != Schedule::AUTO || entry.name == MODEL || !entry.parallel;
            for workers in if entry.parallel { 1..=processors } else { 1..=1 } {
                for &schedule in entry.schedules.iter().filter(known) {
                    let options =
                        SessionOptions { workers, schedule: Some(schedule), timed: true, ..SessionOptions::default() };
                    let sessions = [entry.open(&options)?, entry.open(&options)?];
                    let (times, between) = (Vec::new(), Vec::new());
                    cases.push(Self { entry, schedule, workers, sessions, times, between });
                }
            }
        }
        Ok(cases)
    }

    fn round(&mut self, subject: &Subject, even: &Arc<dyn Work>, stop: &Stop) -> Result<()> {
        let [real, other] = &mut self.sessions;
        self.between.push(Between::of(&mut **other, even.clone(), stop)?);
        let report = real.run(subject.work.clone(), Arc::new(Discard), stop)?;
        self.times.push(report.wall.as_secs_f64());
        Ok(())
    }

    /// The typical run of even pieces.
    fn between(&self) -> Option<&Between> {
        lower_decile(&self.between, |between| between.wall)
    }

    /// Whether only the workers themselves handle their claims.
    fn is_plain(&self) -> bool {
        !self.entry.in_processes() && self.entry.dispatch != Dispatch::Push
    }

    /// The measurement and its prediction. `even` is how long an even piece takes undisturbed.
    fn check(&self, scene: &MeasuredScene, recording: &Recording, even: f64) -> Option<Check> {
        let Between { start, ends, gap, piece, pieces, .. } = *self.between()?;
        // A thread that hands out claims or takes results needs a processor as well, and takes it from a worker that is computing.
        let disturbed = if self.is_plain() { 0.0 } else { (piece - even).max(0.0) * pieces };
        let overheads = RunOverheads { claim: gap + disturbed, shared: 0.0, start, end: ends };
        let own = Recording { overheads, ..recording.clone() };
        Some(Check {
            backend: self.entry.name.to_owned(),
            schedule: self.schedule.to_string(),
            workers: self.workers,
            runs: self.times.len(),
            measured: *lower_decile(&self.times, |time| *time)?,
            predicted: own.replay_handed(self.schedule, self.workers, &scene.slowdown, self.entry.dispatch).makespan,
        })
    }
}

/// As [`scene`], alongside real runs of every backend of `entries` with 1 to `processors` workers. Costs, even pieces and real runs are
/// measured in turns, so that a busy moment affects all of them alike; only the overheads of [`MODEL`] are measured before. A backend's
/// overheads are measured with even pieces: all are as long as the subject's on average, with results as large, because overheads depend on
/// both: a thread that sleeps between two pieces costs far more than one whose queue never runs dry.
///
/// # Errors
/// The errors of a backend; [`crate::Error::Stopped`] when `stop` is set.
pub fn scene_beside_runs(
    clock: &dyn Clock,
    subject: &Subject,
    (entries, processors, rounds): (&[&'static BackendEntry], usize, Rounds),
    stop: &Stop,
    mut after: impl FnMut(&Step) -> Result<()>,
) -> Result<MeasuredScene> {
    let overheads = model(clock, processors, stop)?;
    let mut observed = Observed::new(subject, processors, stop)?;
    observed.costs.round(subject, stop)?;
    let even = even(subject, &observed.costs.recording(), round_seconds(clock, stop)?, processors);
    let mut cases = Case::all(entries, processors)?;
    // All predictions rest on costs and slowdown, so these are measured more often.
    const EACH: usize = 2;
    let count = vec![0; 2 * EACH + cases.len()];
    let measure = |combination: usize| match combination {
        n if n < EACH => observed.costs.round(subject, stop),
        n if n < 2 * EACH => observed.slowdown.round(subject, stop),
        n => cases[n - 2 * EACH].round(subject, &even, stop),
    };
    in_turns(clock, rounds, &count, 2, measure, |step, ()| after(&step))?;
    // The warm-up round does not count.
    for case in &mut cases {
        case.times.drain(..1);
        case.between.drain(..1);
    }
    let mut scene = observed.scene(subject, overheads, processors);
    let recording = observed.costs.recording();
    let plain = |workers: usize| {
        let lengths = cases.iter().filter(|case| case.is_plain() && case.workers == workers);
        let lengths: Vec<f64> = lengths.filter_map(|case| Some(case.between()?.piece)).collect();
        Summary::of(&lengths).map_or(f64::INFINITY, |summary| summary.median)
    };
    let plain: Vec<f64> = (1..=processors).map(plain).collect();
    scene.checks = cases.iter().filter_map(|case| case.check(&scene, &recording, plain[case.workers - 1])).collect();
    scene.errors = errors(&scene.checks);
    Ok(scene)
}

/// Pieces that are all as long as a subject's on average, with results as large; no more of them than are needed.
fn even(subject: &Subject, recording: &Recording, round: f64, workers: usize) -> Arc<dyn Work> {
    let len = subject.work.len().max(1);
    let mean = (recording.costs.iter().sum::<f64>() / len as f64).max(round);
    let bytes = (0..subject.work.len()).map(|index| subject.work.piece_len(index)).sum::<usize>() / len;
    let pieces = ((EVEN / mean) as usize).clamp(8 * workers, len.max(8 * workers));
    Arc::new(Spin { bytes, ..Spin::even(pieces, (mean / round) as u64) })
}

/// A run to record: a backend, a schedule and workers.
pub type Recorded = (&'static BackendEntry, Schedule, usize);

/// The timelines of one run of each of `runs`, with workers pinned if `pin`.
///
/// # Errors
/// The errors of a backend; [`crate::Error::Stopped`] when `stop` is set.
pub fn timelines(
    subject: &Subject,
    runs: &[Recorded],
    pin: bool,
    stop: &Stop,
) -> Result<Vec<super::results::Timeline>> {
    let here = runs.iter().filter(|(entry, ..)| entry.probe().is_ok());
    here.map(|&(entry, schedule, workers)| record::timeline(subject, entry, schedule, (workers, pin), stop)).collect()
}

/// By how much predictions for the model backend may be wrong, as a range that has 0 in it: how far its real runs were from their
/// predictions, in the same measurement. `None` without real runs, and where the range is so wide that predictions say nothing.
pub fn errors(checks: &[Check]) -> Option<Interval> {
    let own = checks.iter().filter(|check| check.backend == MODEL).map(Check::error);
    let range = own.fold(None, |range: Option<Interval>, error| {
        let Interval { low, high } = range.unwrap_or(Interval { low: 0.0, high: 0.0 });
        Some(Interval { low: low.min(error), high: high.max(error) })
    })?;
    (range.high - range.low <= VAGUE).then_some(range)
}

/// Compares predictions with the measured times of the model backend under the schedules that it was measured with.
pub fn check_against(scene: &mut MeasuredScene, entries: &[ResultEntry]) {
    let own = |entry: &&ResultEntry| {
        let plain = !entry.is_weak() && entry.parameter("core").is_empty();
        plain && entry.parameter("scene") == scene.name && entry.parameter("backend") == MODEL
    };
    let order = scene.predictions.first().map(|forecast| forecast.order.clone());
    let check = |entry: &ResultEntry| {
        let schedule = entry.parameter("schedule");
        let same = |forecast: &&Forecast| Some(&forecast.order) == order.as_ref() && forecast.schedule == schedule;
        let (_, run) =
            scene.predictions.iter().find(same)?.runs.iter().find(|(_, run)| run.workers == entry.workers())?;
        Some(Check {
            backend: MODEL.to_owned(),
            schedule: schedule.to_owned(),
            workers: entry.workers(),
            runs: entry.times.len(),
            measured: *lower_decile(&entry.times, |time| *time)?,
            predicted: run.makespan,
        })
    };
    scene.checks = entries.iter().filter(own).filter_map(check).collect();
    if !scene.checks.is_empty() {
        scene.errors = errors(&scene.checks);
    }
}

/// Predictions that may be wrong by more than this, from the least to the largest error, say nothing.
const VAGUE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_as_good_as_real_runs_show() {
        let check = |backend: &str, predicted: f64| Check {
            backend: backend.into(),
            schedule: "static".into(),
            workers: 2,
            runs: 3,
            measured: 1.0,
            predicted,
        };
        assert_eq!(errors(&[]), None, "nothing was checked");
        assert_eq!(errors(&[check("rayon", 1.0)]), None, "another backend does not count");
        let range = errors(&[check(MODEL, 1.04), check(MODEL, 1.1), check("pipes", 16.2)]).unwrap();
        assert!(range.low == 0.0 && (range.high - 0.1).abs() < 1e-9, "{range:?}");
        assert_eq!(errors(&[check(MODEL, 0.9), check(MODEL, 16.2)]), None, "an error of 1520 %");
    }
}
