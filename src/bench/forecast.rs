//! From a scene to predictions: what its pieces cost is recorded, what backends cost is measured, and every schedule is replayed; then real
//! runs are made beside, to see how far the predictions can be trusted.

use super::clock::Clock;
use super::measure::{Rounds, enough, in_turns};
use super::overhead::{Candidate, for_simulation};
use super::record;
use super::results::{Check, Forecast, Scene};
use super::simulate::{Overheads, Recording, worker_counts};
use super::subject::Subject;
use crate::backend::{Entry, Options, Session, find};
use crate::error::Result;
use crate::parallel::{Discard, Schedule, Stop};
use std::sync::Arc;

/// The backend whose costs predictions for other machines are made with: it hands out pieces exactly as the simulation does.
pub const MODEL: &str = "threads";

/// Schedules that are replayed; those that take a chunk with the best one too.
pub const SCHEDULES: [Schedule; 5] =
    [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO];

/// Records a subject and says what the model backend would do with it under every schedule and order on up to 4096 workers. `processors`
/// is how many this machine has.
///
/// # Errors
/// What a backend returns, and when it is stopped.
pub fn scene(clock: &dyn Clock, subject: &Subject, processors: usize, stop: &Stop) -> Result<Scene> {
    let mut recording = record::costs(clock, subject, stop)?;
    recording.overheads = overheads(clock, find(MODEL)?, processors, stop)?;
    let slowdown = slowdown(clock, subject, processors, stop)?;
    let tiles = subject.tiles.iter().map(|tile| [tile.x, tile.y, tile.width, tile.height]).collect();
    let predictions = predict(&recording, &subject.orders(), &slowdown, processors);
    Ok(Scene {
        name: subject.name.clone(),
        help: subject.help.clone(),
        tiles,
        recording: Some(recording),
        slowdown,
        predictions,
        ..Scene::default()
    })
}

/// What a backend costs, for the simulation; of a backend that has only `auto`, under that.
fn overheads(clock: &dyn Clock, entry: &'static Entry, workers: usize, stop: &Stop) -> Result<Overheads> {
    let single = Schedule::DYNAMIC.with_chunk(1)?;
    let schedules = [single, Schedule::STATIC.with_chunk(1)?, Schedule::AUTO];
    let honoured = |schedule: &Schedule| entry.schedules.iter().any(|honoured| honoured.serves(*schedule));
    let schedule = schedules.into_iter().find(honoured).unwrap_or(Schedule::AUTO);
    let workers = if entry.parallel { workers } else { 1 };
    for_simulation(clock, Candidate { entry, schedule, workers }, stop)
}

/// How much longer pieces take when 1, 2, … `processors` workers compute at once, by the time that the model's workers are busy.
fn slowdown(clock: &dyn Clock, subject: &Subject, processors: usize, stop: &Stop) -> Result<Vec<f64>> {
    let mut sessions = Vec::new();
    for workers in 1..=processors {
        let options = Options { workers, schedule: Some(Schedule::AUTO), timed: true, ..Options::default() };
        sessions.push((find(MODEL)?.open(&options)?, f64::INFINITY));
    }
    let (start, mut done) = (clock.now(), 0);
    while !enough(done, clock.now() - start) {
        done += 1;
        for (session, least) in &mut sessions {
            let report = session.run(subject.work.clone(), Arc::new(Discard), stop)?;
            *least = least.min(report.workers.iter().map(|worker| worker.busy.as_secs_f64()).sum());
        }
    }
    let alone = sessions.first().map_or(1.0, |(_, least)| *least);
    Ok(sessions.iter().map(|(_, least)| (least / alone).max(1.0)).collect())
}

/// The slowdown with so many workers; beyond the machine that of all its processors.
fn slowdown_of(slowdown: &[f64], workers: usize) -> f64 {
    slowdown.get(workers - 1).or(slowdown.last()).copied().unwrap_or(1.0)
}

/// Replays every schedule in every order.
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
            let plain = |&workers: &usize| (None, pieces.replay(schedule, workers, slowdown_of(slowdown, workers)));
            let forecast = |schedule: String, runs| Forecast { schedule, order: order.clone(), runs };
            predictions.push(forecast(schedule.to_string(), counts.iter().map(plain).collect()));
            if schedule != Schedule::AUTO {
                let best = |&workers: &usize| {
                    let (chunk, run) = pieces.best_chunk(schedule, workers, slowdown_of(slowdown, workers));
                    (Some(chunk), run)
                };
                predictions.push(forecast(format!("{schedule},best"), counts.iter().map(best).collect()));
            }
        }
    }
    predictions
}

/// A backend, a schedule and workers whose real run can be predicted.
struct Case {
    entry: &'static Entry,
    schedule: Schedule,
    workers: usize,
    session: Box<dyn Session>,
    overheads: Overheads,
}

/// Runs every backend of `entries` with 1 to `processors` workers under each of its schedules that the simulation knows, `runs` times in
/// turns, beside the predictions of `scene`.
///
/// # Errors
/// What a backend returns, and when it is stopped.
pub fn check(
    clock: &dyn Clock,
    subject: &Subject,
    scene: &Scene,
    (entries, processors, runs): (&[&'static Entry], usize, usize),
    stop: &Stop,
) -> Result<Vec<Check>> {
    let Some(recording) = &scene.recording else { return Ok(Vec::new()) };
    let mut cases = Vec::new();
    for entry in entries.iter().copied().filter(|entry| entry.probe().is_ok()) {
        for workers in if entry.parallel { 1..=processors } else { 1..=1 } {
            let overheads = overheads(clock, entry, workers, stop)?;
            // What `auto` means is each backend's own; the simulation has that of the model, which takes one worker everywhere.
            let known = |schedule: &&Schedule| **schedule != Schedule::AUTO || entry.name == MODEL || !entry.parallel;
            for &schedule in entry.schedules.iter().filter(known) {
                let options = Options { workers, schedule: Some(schedule), timed: true, ..Options::default() };
                cases.push(Case { entry, schedule, workers, session: entry.open(&options)?, overheads });
            }
        }
    }
    let mut least = vec![f64::INFINITY; cases.len()];
    let count = vec![0; cases.len()];
    let run = |case: usize| {
        let report = cases[case].session.run(subject.work.clone(), Arc::new(Discard), stop)?;
        Ok(report.wall.as_secs_f64())
    };
    in_turns(clock, Rounds::Exactly(runs), &count, 2, run, |step, wall| {
        least[step.combination] = least[step.combination].min(wall);
        Ok(())
    })?;
    let check = |(case, &measured): (&Case, &f64)| {
        let own = Recording { overheads: case.overheads, ..recording.clone() };
        let slowdown = slowdown_of(&scene.slowdown, case.workers);
        Check {
            backend: case.entry.name.to_owned(),
            schedule: case.schedule.to_string(),
            workers: case.workers,
            measured,
            predicted: own.replay(case.schedule, case.workers, slowdown).makespan,
        }
    };
    Ok(cases.iter().zip(&least).map(check).collect())
}

/// The timelines of one run of each backend on all processors.
///
/// # Errors
/// What a backend returns, and when it is stopped.
pub fn timelines(
    subject: &Subject,
    entries: &[&'static Entry],
    processors: usize,
    stop: &Stop,
) -> Result<Vec<super::results::Timeline>> {
    let runs = entries.iter().filter(|entry| entry.probe().is_ok());
    runs.map(|entry| record::timeline(subject, entry, Schedule::AUTO, processors, stop)).collect()
}
