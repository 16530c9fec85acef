//! The overhead of backends: starting and stopping, an empty run, an empty piece; and the smallest piece that keeps a backend efficient,
//! Task Bench's minimum effective task granularity (METG; Slaughter et al. 2020).
//!
//! Each time of a start, a stop, an empty run and an empty piece is the minimum of a batch. They last microseconds if undisturbed, and a
//! thousand times as long if not: on a busy machine, a single time says nothing.
//!
//! What is compared takes turns: a round of every backend, then the next round in another order, so that all of them meet the same load.
//!
//! A piece is a claim of its own where the schedule allows it, since that is what the model of parallelism costs; under `auto`, backends
//! group small pieces, and the cost per piece nearly vanishes.

use super::clock::Clock;
use super::simulate;
use super::work::Spin;
use crate::backend::{BackendEntry, Session, SessionOptions};
use crate::error::Result;
use crate::parallel::{Discard, Schedule, Stop, Work};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The overhead of all backends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Overheads {
    /// Starts, stops, empty runs and empty pieces.
    pub costs: Vec<Cost>,
    /// Efficiency over the length of a piece.
    pub grains: Vec<Grains>,
    /// The constructs of a region, and the same with other runtimes.
    pub references: Vec<Reference>,
}

/// The overhead of a backend under a schedule. All times are seconds, one for each batch of measurements: its minimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// The number of workers.
    pub workers: usize,
    /// Starting the workers, until a first empty run has ended.
    pub open: Vec<f64>,
    /// Ending them.
    pub close: Vec<f64>,
    /// A run without pieces.
    pub run: Vec<f64>,
    /// Wall-clock time of an empty piece.
    pub piece: Vec<f64>,
    /// Processor time of such a piece, all workers together; of this process only.
    pub processor: Vec<f64>,
    /// How many pieces this was measured with.
    pub pieces: usize,
    /// Whether other programs disturbed it.
    #[serde(default)]
    pub disturbed: bool,
}

/// A backend's efficiency over the length of a piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grains {
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// The number of workers.
    pub workers: usize,
    /// By length of a piece, the shortest first.
    pub points: Vec<Grain>,
    /// The shortest piece, in seconds, from which on efficiency is at least a half; `None` when it never is.
    pub metg50: Option<f64>,
    /// The shortest piece from which on it is at least 95 %.
    pub metg95: Option<f64>,
    /// Whether other programs disturbed it: then that it never is so efficient says nothing.
    #[serde(default)]
    pub disturbed: bool,
}

impl Grains {
    /// Those of a backend, without points yet.
    pub fn new(backend: &str, schedule: &str, workers: usize) -> Self {
        let (backend, schedule) = (backend.to_owned(), schedule.to_owned());
        Self { backend, schedule, workers, points: Vec::new(), metg50: None, metg95: None, disturbed: false }
    }

    /// Adds a run of a length that may have been measured before.
    pub fn add(&mut self, point: Grain) {
        match self.points.iter_mut().find(|known| known.seconds == point.seconds) {
            Some(known) => known.times.extend(point.times),
            None => self.points.push(point),
        }
    }
}

/// One length of pieces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grain {
    /// Seconds of a piece.
    pub seconds: f64,
    /// How many there were.
    pub pieces: usize,
    /// Wall-clock times of the runs.
    pub times: Vec<f64>,
    /// Work done in the fastest run over the most that was done in this time by any backend with as many workers.
    pub efficiency: f64,
}

/// A figure of our regions, or of another runtime.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The runtime and what was measured: `libgomp, construct barrier`, for example.
    pub name: String,
    /// The number of workers.
    pub workers: usize,
    /// Seconds, one for each measurement.
    pub times: Vec<f64>,
}

/// How many empty pieces are enough to measure one.
const PIECES: usize = 1_000_000;

/// About how long a run of empty pieces takes, in seconds: short enough to be undisturbed now and then. A slow backend needs fewer
/// pieces.
const EMPTY_RUN: f64 = 0.005;

/// How long a batch lasts.
const BATCH: Duration = Duration::from_millis(20);

/// A backend with a schedule that it honours, and workers.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The backend.
    pub entry: &'static BackendEntry,
    /// The schedule.
    pub schedule: Schedule,
    /// The number of workers.
    pub workers: usize,
}

impl Candidate {
    /// Each schedule of the backend with one piece per claim, then `auto`.
    pub fn all(entry: &'static BackendEntry, workers: usize) -> Vec<Self> {
        let single = entry.schedules.iter().filter_map(|schedule| schedule.with_chunk(1).ok());
        let workers = if entry.parallel { workers } else { 1 };
        single.chain([Schedule::AUTO]).map(|schedule| Self { entry, schedule, workers }).collect()
    }

    fn options(&self, timed: bool) -> SessionOptions {
        SessionOptions { workers: self.workers, schedule: Some(self.schedule), timed, ..SessionOptions::default() }
    }
}

/// Seconds that `action` takes.
pub(super) fn seconds<T>(clock: &dyn Clock, action: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = clock.now();
    let value = action()?;
    Ok(((clock.now() - began).as_secs_f64(), value))
}

/// Calls `measure`, which returns its time and another value, repeatedly for about [`BATCH`]; returns the least time with its value.
pub(super) fn least_of_batch<T>(clock: &dyn Clock, mut measure: impl FnMut() -> Result<(f64, T)>) -> Result<(f64, T)> {
    let began = clock.now();
    let mut least = measure()?;
    while clock.now() - began < BATCH {
        let next = measure()?;
        if next.0 < least.0 {
            least = next;
        }
    }
    Ok(least)
}

impl Cost {
    /// That of a candidate, with the number of pieces that are enough to measure one, and no times yet.
    ///
    /// # Errors
    /// The errors of the backend.
    pub fn begin(clock: &dyn Clock, candidate: Candidate, stop: &Stop) -> Result<Self> {
        Self::begin_timed(clock, candidate, false, stop)
    }

    fn begin_timed(clock: &dyn Clock, candidate: Candidate, timed: bool, stop: &Stop) -> Result<Self> {
        let mut session = open(candidate, timed, stop)?;
        let mut pieces = 1000;
        loop {
            let (time, _) = seconds(clock, || session.run(empty(pieces), Arc::new(Discard), stop))?;
            if time >= EMPTY_RUN || pieces >= PIECES {
                break;
            }
            let wanted = pieces as f64 * (EMPTY_RUN / time.max(1e-9)).clamp(2.0, 20.0);
            pieces = (wanted as usize).min(PIECES);
        }
        Ok(Self {
            backend: candidate.entry.name.to_owned(),
            schedule: candidate.schedule.to_string(),
            workers: candidate.workers,
            open: Vec::new(),
            close: Vec::new(),
            run: Vec::new(),
            piece: Vec::new(),
            processor: Vec::new(),
            pieces,
            disturbed: false,
        })
    }

    /// Measures the candidate once more.
    ///
    /// # Errors
    /// The errors of the backend.
    pub fn round(&mut self, clock: &dyn Clock, candidate: Candidate, stop: &Stop) -> Result<()> {
        self.round_timed(clock, candidate, false, stop)
    }

    fn round_timed(&mut self, clock: &dyn Clock, candidate: Candidate, timed: bool, stop: &Stop) -> Result<()> {
        let (nothing, work, sink) = (empty(0), empty(self.pieces), Arc::new(Discard));
        let mut session = open(candidate, timed, stop)?;
        let (run, _) = least_of_batch(clock, || seconds(clock, || session.run(nothing.clone(), sink.clone(), stop)))?;
        let (piece, used) = least_of_batch(clock, || {
            let processor = clock.processor();
            let (time, _) = seconds(clock, || session.run(work.clone(), sink.clone(), stop))?;
            Ok((time, (clock.processor() - processor).as_secs_f64()))
        })?;
        drop(session);
        let mut close = f64::INFINITY;
        let (opening, ()) = least_of_batch(clock, || {
            let (opening, session) = seconds(clock, || open(candidate, timed, stop))?;
            let ended = seconds(clock, || {
                drop(session);
                Ok(())
            });
            close = close.min(ended?.0);
            Ok((opening, ()))
        })?;
        self.open.push(opening);
        self.close.push(close);
        self.run.push(run);
        self.piece.push(piece / self.pieces as f64);
        self.processor.push(used / self.pieces as f64);
        Ok(())
    }
}

fn empty(pieces: usize) -> Arc<dyn Work> {
    Arc::new(Spin::even(pieces, 0))
}

/// A session that has run nothing once.
fn open(candidate: Candidate, timed: bool, stop: &Stop) -> Result<Box<dyn Session>> {
    let mut session = candidate.entry.open(&SessionOptions { stop: stop.clone(), ..candidate.options(timed) })?;
    session.run(empty(0), Arc::new(Discard), stop)?;
    Ok(session)
}

/// A backend's overheads for a simulation, measured with one worker and with `workers`.
///
/// # Errors
/// The errors of the backend.
pub fn for_simulation(clock: &dyn Clock, candidate: Candidate, stop: &Stop) -> Result<simulate::RunOverheads> {
    const RUNS: usize = 5;
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let measure = |candidate| {
        let mut cost = Cost::begin_timed(clock, candidate, true, stop)?;
        (0..RUNS).try_for_each(|_| cost.round_timed(clock, candidate, true, stop))?;
        Ok::<_, crate::error::Error>(cost)
    };
    let alone = measure(Candidate { workers: 1, ..candidate })?;
    let claim = least(&alone.piece);
    if candidate.workers == 1 {
        return Ok(simulate::RunOverheads { claim, shared: 0.0, start: 0.0, end: least(&alone.run) });
    }
    let together = measure(candidate)?;
    let run = least(&together.run);
    // With nothing to compute, the workers only wait for each other.
    Ok(simulate::RunOverheads { claim, shared: least(&together.piece), start: run / 2.0, end: run / 2.0 })
}

/// Seconds of one round of [`Spin`], by the fastest of several.
///
/// # Errors
/// When it is stopped.
pub fn round_seconds(clock: &dyn Clock, stop: &Stop) -> Result<f64> {
    const ROUNDS: u64 = 2_000_000;
    let mut session = crate::backend::find("serial")?
        .open(&SessionOptions { schedule: Some(Schedule::AUTO), ..SessionOptions::default() })?;
    let mut least = f64::INFINITY;
    for _ in 0..7 {
        let work = Arc::new(Spin::even(1, ROUNDS));
        let (time, _) = seconds(clock, || session.run(work, Arc::new(Discard), stop))?;
        least = least.min(time);
    }
    Ok((least / ROUNDS as f64).max(1e-12))
}

/// Lengths of pieces from 10 ns to 100 ms, `per_decade` for each power of ten.
pub fn lengths(per_decade: u32) -> Vec<f64> {
    (0..=7 * per_decade).map(|step| 1e-8 * 10_f64.powf(f64::from(step) / f64::from(per_decade))).collect()
}

/// How many pieces of a length are measured at once: enough for about `time`, and the same for each worker.
pub(super) fn pieces(length: f64, workers: usize, time: Duration) -> usize {
    let share = (time.as_secs_f64() / length).clamp(4.0, PIECES as f64 / workers as f64);
    share as usize * workers
}

/// Measures one length of pieces `runs` times. Efficiency is left to [`rate`].
///
/// # Errors
/// The errors of the backend.
pub fn grain(
    clock: &dyn Clock,
    candidate: Candidate,
    (length, round): (f64, f64),
    runs: usize,
    time: Duration,
    stop: &Stop,
) -> Result<Grain> {
    let mut session = candidate.entry.open(&SessionOptions { stop: stop.clone(), ..candidate.options(false) })?;
    let pieces = pieces(length, candidate.workers, time);
    let rounds = ((length / round).round() as u64).max(1);
    let sink = Arc::new(Discard);
    session.run(Arc::new(Spin::even(candidate.workers * 4, 1)), sink.clone(), stop)?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let work = Arc::new(Spin::even(pieces, rounds));
        times.push(seconds(clock, || session.run(work, sink.clone(), stop))?.0);
    }
    Ok(Grain { seconds: rounds as f64 * round, pieces, times, efficiency: 0.0 })
}

/// Computes efficiencies and METG, relative to the highest rate of any backend with the same number of workers.
pub fn rate(all: &mut [Grains]) {
    let fastest =
        |point: &Grain| point.pieces as f64 * point.seconds / point.times.iter().copied().fold(f64::INFINITY, f64::min);
    let counts: std::collections::BTreeSet<usize> = all.iter().map(|grains| grains.workers).collect();
    for workers in counts {
        let same = || all.iter().filter(|grains| grains.workers == workers);
        let peak = same().flat_map(|grains| &grains.points).map(fastest).fold(0.0, f64::max);
        for grains in all.iter_mut().filter(|grains| grains.workers == workers) {
            grains.points.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            for point in &mut grains.points {
                point.efficiency = fastest(point) / peak;
            }
            grains.metg50 = metg(&grains.points, 0.5);
            grains.metg95 = metg(&grains.points, 0.95);
        }
    }
}

/// The length from which on efficiency is at least `level`, interpolated between two measured ones linearly in the logarithm.
fn metg(points: &[Grain], level: f64) -> Option<f64> {
    let first = points.iter().rposition(|point| point.efficiency < level).map_or(0, |below| below + 1);
    let good = points.get(first)?;
    let Some(bad) = first.checked_sub(1).map(|below| &points[below]) else { return Some(good.seconds) };
    let part = (level - bad.efficiency) / (good.efficiency - bad.efficiency);
    Some((bad.seconds.ln() + part * (good.seconds.ln() - bad.seconds.ln())).exp())
}

#[cfg(test)]
mod tests;
