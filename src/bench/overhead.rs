//! The overhead of backends: starting and stopping, an empty run, an empty piece; and the smallest piece that keeps a backend efficient,
//! Task Bench's minimum effective task granularity (METG; Slaughter et al. 2020).
//!
//! Each time of a start, a stop, an empty run and an empty piece is the minimum of a batch. They last microseconds if undisturbed, and a
//! thousand times as long if not: on a busy machine, a single time says nothing.
//!
//! A piece is a claim of its own where the schedule allows it, since that is what the model of parallelism costs; under `auto`, backends
//! group small pieces, and the cost per piece nearly vanishes.

use super::clock::Clock;
use super::simulate;
use super::work::Spin;
use crate::backend::{BackendEntry, SessionOptions};
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

/// Measures the overhead of a backend, `runs` times.
///
/// # Errors
/// The errors of the backend.
pub fn cost(clock: &dyn Clock, candidate: Candidate, runs: usize, stop: &Stop) -> Result<Cost> {
    measure_cost(clock, candidate, runs, false, stop)
}

fn measure_cost(clock: &dyn Clock, candidate: Candidate, runs: usize, timed: bool, stop: &Stop) -> Result<Cost> {
    let Candidate { entry, schedule, workers } = candidate;
    let mut cost = Cost {
        backend: entry.name.to_owned(),
        schedule: schedule.to_string(),
        workers,
        open: Vec::new(),
        close: Vec::new(),
        run: Vec::new(),
        piece: Vec::new(),
        processor: Vec::new(),
        pieces: 0,
    };
    let empty = |pieces| Arc::new(Spin::even(pieces, 0)) as Arc<dyn Work>;
    let nothing = empty(0);
    let sink = Arc::new(Discard);
    let open_one = || {
        let mut session = entry.open(&SessionOptions { stop: stop.clone(), ..candidate.options(timed) })?;
        session.run(nothing.clone(), sink.clone(), stop)?;
        Ok(session)
    };
    for round in 0..=runs {
        let mut session = open_one()?;
        if round == 0 {
            // The number of pieces is chosen before anything counts.
            cost.pieces = 1000;
            loop {
                let (time, _) = seconds(clock, || session.run(empty(cost.pieces), sink.clone(), stop))?;
                if time >= EMPTY_RUN || cost.pieces >= PIECES {
                    break;
                }
                let wanted = cost.pieces as f64 * (EMPTY_RUN / time.max(1e-9)).clamp(2.0, 20.0);
                cost.pieces = (wanted as usize).min(PIECES);
            }
            continue;
        }
        let (run, _) = least_of_batch(clock, || seconds(clock, || session.run(nothing.clone(), sink.clone(), stop)))?;
        let work = empty(cost.pieces);
        let (piece, used) = least_of_batch(clock, || {
            let processor = clock.processor();
            let (time, _) = seconds(clock, || session.run(work.clone(), sink.clone(), stop))?;
            Ok((time, (clock.processor() - processor).as_secs_f64()))
        })?;
        drop(session);
        let mut close = f64::INFINITY;
        let (open, ()) = least_of_batch(clock, || {
            let (open, session) = seconds(clock, open_one)?;
            let ended = seconds(clock, || {
                drop(session);
                Ok(())
            });
            close = close.min(ended?.0);
            Ok((open, ()))
        })?;
        cost.open.push(open);
        cost.close.push(close);
        cost.run.push(run);
        cost.piece.push(piece / cost.pieces as f64);
        cost.processor.push(used / cost.pieces as f64);
    }
    Ok(cost)
}

/// A backend's overheads for a simulation, measured with one worker and with `workers`.
///
/// # Errors
/// The errors of the backend.
pub fn for_simulation(clock: &dyn Clock, candidate: Candidate, stop: &Stop) -> Result<simulate::RunOverheads> {
    const RUNS: usize = 5;
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let alone = measure_cost(clock, Candidate { workers: 1, ..candidate }, RUNS, true, stop)?;
    let claim = least(&alone.piece);
    if candidate.workers == 1 {
        return Ok(simulate::RunOverheads { claim, shared: 0.0, start: 0.0, end: least(&alone.run) });
    }
    let together = measure_cost(clock, candidate, RUNS, true, stop)?;
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
mod tests {
    use super::*;

    fn grains(backend: &str, workers: usize, overhead: f64) -> Grains {
        let point = |&seconds: &f64| Grain {
            seconds,
            pieces: 100 * workers,
            times: vec![100.0 * (seconds + overhead), 500.0 * (seconds + overhead)],
            efficiency: 0.0,
        };
        let points = lengths(3).iter().map(point).collect();
        Grains { backend: backend.into(), schedule: "auto".into(), workers, points, metg50: None, metg95: None }
    }

    #[test]
    fn the_grain_is_where_overhead_equals_work() {
        let mut all =
            [grains("fast", 2, 1e-7), grains("slow", 2, 1e-4), grains("free", 1, 0.0), grains("stuck", 2, 1.0)];
        rate(&mut all);
        // Efficiency is 50 % for pieces as long as the overhead, and 95 % for pieces 19 times as long.
        for (grains, overhead) in all.iter().zip([1e-7, 1e-4]) {
            let metg = |found: Option<f64>, times: f64| found.unwrap() / (times * overhead);
            assert!((0.9..1.1).contains(&metg(grains.metg50, 1.0)), "{:?}", grains.metg50);
            assert!((0.9..1.1).contains(&metg(grains.metg95, 19.0)), "{:?}", grains.metg95);
        }
        let free = &all[2];
        assert_eq!((free.metg50, free.points[0].efficiency), (Some(free.points[0].seconds), 1.0));
        assert_eq!((all[3].metg50, all[3].metg95), (None, None));
    }

    #[test]
    fn lengths_cover_the_axis() {
        let lengths = lengths(3);
        assert_eq!(lengths.len(), 22);
        assert!((lengths[0] / 1e-8 - 1.0).abs() < 1e-9 && (lengths[21] / 0.1 - 1.0).abs() < 1e-9);
        let time = Duration::from_millis(20);
        assert_eq!((pieces(1e-8, 2, time), pieces(1e-3, 2, time), pieces(0.1, 3, time)), (1_000_000, 40, 12));
    }

    #[test]
    fn every_backend_can_be_measured() {
        let clock = super::super::clock::System;
        // This test program cannot become a worker process; tests/bench.rs has those backends too.
        let runs = |entry: &&BackendEntry| entry.probe().is_ok() && !entry.in_processes();
        for entry in crate::backend::BACKENDS.iter().filter(runs) {
            let candidate = Candidate::all(entry, 2)[0];
            let cost = cost(&clock, candidate, 2, &Stop::new()).unwrap();
            assert_eq!((cost.open.len(), cost.close.len(), cost.run.len(), cost.piece.len()), (2, 2, 2, 2));
            assert!(cost.piece.iter().all(|&time| time > 0.0) && cost.pieces >= 1000, "{cost:?}");
            let point = grain(&clock, candidate, (1e-5, 1e-9), 2, Duration::from_millis(1), &Stop::new()).unwrap();
            assert_eq!(point.times.len(), 2);
        }
    }
}
