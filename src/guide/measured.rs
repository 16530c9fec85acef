//! The figures behind the guide: measured once for the document, or on the machine at hand.

use crate::backend::{BACKENDS, BackendEntry, SessionOptions};
use crate::bench::clock::{Clock, System};
use crate::bench::load::{BUSY, Watch};
use crate::bench::machine::Machine;
use crate::bench::overhead::{self, Candidate, Cost, Grain, Grains};
use crate::bench::work::Spin;
use crate::error::{Error, Result};
use crate::parallel::{Discard, Schedule, Stop};
use crate::system;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// The figures that the document has, as they were recorded.
const RECORDED: &str = include_str!("../../docs/choosing.json");

/// The figures of all backends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The machine, in a line.
    pub machine: String,
    /// The number of workers of backends that have several.
    pub workers: usize,
    /// Whether it was done within a minute.
    pub quick: bool,
    /// Whether other programs used the processors meanwhile: then times are too long.
    pub busy: bool,
    /// By the backend's name.
    pub backends: BTreeMap<String, Figures>,
}

/// The figures of one backend. Times are seconds; all were measured with one piece per claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What an empty piece costs, in wall-clock time of all workers together.
    pub piece: f64,
    /// Starting the workers, until a first empty run has ended.
    pub start: f64,
    /// A run without pieces.
    pub run: f64,
    /// The shortest pieces that keep it 50 % efficient; `None` if none did.
    pub metg50: Option<f64>,
    /// The same for 90 %.
    pub metg90: Option<f64>,
    /// Bytes of memory of each further worker; `None` if there is never more than one.
    pub memory: Option<f64>,
}

impl Measured {
    /// The figures of the document.
    pub fn recorded() -> Self {
        serde_json::from_str(RECORDED).expect("a test reads them")
    }

    /// The figures of a backend; those of `threads` for one that was not there when they were recorded.
    pub fn of(&self, name: &str) -> Figures {
        self.backends.get(name).or_else(|| self.backends.get("threads")).copied().unwrap_or_default()
    }

    /// The command that measured them.
    pub fn command(&self) -> &'static str {
        if self.quick { "fractal guide --measure --quick" } else { "fractal guide --measure" }
    }

    /// The figures as a file, which [`Measured::recorded`] is made from.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and text are always JSON") + "\n"
    }
}

/// How thoroughly something is measured.
struct Effort {
    /// How often starts, runs and empty pieces are measured.
    rounds: usize,
    /// How often each length of pieces is measured at most.
    turns: usize,
    /// Lengths for each power of ten.
    density: u32,
    /// How long a run of pieces is: no longer than a system leaves a thread alone, so that some of many runs are undisturbed.
    run: Duration,
    /// After which time no further turn begins.
    time: Duration,
}

const THOROUGH: Effort =
    Effort { rounds: 10, turns: 40, density: 4, run: Duration::from_millis(4), time: Duration::from_secs(120) };
/// Within a minute, even where other programs take half of the processors.
const QUICK: Effort =
    Effort { rounds: 2, turns: 10, density: 2, run: Duration::from_millis(4), time: Duration::from_secs(25) };

/// The longest pieces that are measured, in seconds: the most costly messages between processes take microseconds.
const LONGEST: f64 = 0.0011;

/// Measures every backend that runs here with `workers` workers, in turns. `memory` measures a backend's memory in a new process, since
/// memory that another one has used is not taken again. `after` is called with what is done and all that there is.
///
/// # Errors
/// The errors of a backend and of `memory`; [`Error::Stopped`].
pub fn record(
    (workers, is_quick): (usize, bool),
    memory: impl Fn(&'static BackendEntry) -> Result<Option<f64>>,
    stop: &Stop,
    after: impl FnMut(usize, usize),
) -> Result<Measured> {
    let entries: Vec<_> = BACKENDS.iter().filter(|entry| entry.probe().is_ok()).collect();
    let effort = if is_quick { &QUICK } else { &THOROUGH };
    Ok(Measured { quick: is_quick, ..measure(&entries, (workers, effort), memory, stop, after)? })
}

fn measure(
    entries: &[&'static BackendEntry],
    (workers, effort): (usize, &Effort),
    memory: impl Fn(&'static BackendEntry) -> Result<Option<f64>>,
    stop: &Stop,
    mut after: impl FnMut(usize, usize),
) -> Result<Measured> {
    let clock = System;
    let Effort { rounds, turns, density, run, time } = *effort;
    let began = clock.now();
    let mut watch = Watch::begin(&clock);
    let candidates: Vec<Candidate> = entries.iter().map(|entry| single(entry, workers)).collect();
    let lengths: Vec<f64> = overhead::lengths(density).into_iter().filter(|length| *length <= LONGEST).collect();
    let (mut done, all) = (0, entries.len() * (1 + rounds + turns * lengths.len()));
    let mut step = || {
        done += 1;
        after(done, all);
        if stop.is_set() { Err(Error::Stopped) } else { Ok(()) }
    };
    let mut figures = Vec::new();
    for &entry in entries {
        figures.push(Figures { memory: memory(entry)?, ..Figures::default() });
        step()?;
    }
    let begin = |candidate: &Candidate| Cost::begin(&clock, *candidate, stop);
    let mut costs = candidates.iter().map(begin).collect::<Result<Vec<_>>>()?;
    for _ in 0..rounds {
        for (cost, candidate) in costs.iter_mut().zip(&candidates) {
            cost.round(&clock, *candidate, stop)?;
            step()?;
        }
    }
    let round = overhead::round_seconds(&clock, stop)?;
    let begin = |one: &Candidate| Grains::new(one.entry.name, &one.schedule.to_string(), one.workers);
    let mut grains: Vec<Grains> = candidates.iter().map(begin).collect();
    for turn in 0..turns {
        if turn > 0 && clock.now() - began >= time {
            break;
        }
        for &length in &lengths {
            for (grains, candidate) in grains.iter_mut().zip(&candidates) {
                grains.add(overhead::grain(&clock, *candidate, (length, round), 1, run, stop)?);
                step()?;
            }
        }
    }
    overhead::rate(&mut grains);
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let mut backends = BTreeMap::new();
    for (((entry, cost), grains), figures) in entries.iter().zip(&costs).zip(&grains).zip(&figures) {
        let figures = Figures {
            piece: least(&cost.piece),
            start: least(&cost.open),
            run: least(&cost.run),
            metg50: shortest(&grains.points, 0.5),
            metg90: shortest(&grains.points, 0.9),
            ..*figures
        };
        backends.insert(entry.name.to_owned(), figures);
    }
    let busy = watch.usage(&clock).busy() > BUSY;
    // Figures change with the machine, not with every commit.
    let machine = Machine { commit: None, ..Machine::here() }.to_string();
    Ok(Measured { machine, workers, quick: false, busy, backends })
}

/// The shortest piece with which an efficiency was reached, interpolated from the one before linearly in the logarithm. That longer pieces
/// fell below it again is the doing of other programs: on a busy machine the rule of `bench overhead`, never again, hardly ever holds.
fn shortest(points: &[Grain], level: f64) -> Option<f64> {
    let first = points.iter().position(|point| point.efficiency >= level)?;
    let good = &points[first];
    let Some(bad) = first.checked_sub(1).map(|before| &points[before]) else { return Some(good.seconds) };
    let part = (level - bad.efficiency) / (good.efficiency - bad.efficiency);
    Some((bad.seconds.ln() + part * (good.seconds.ln() - bad.seconds.ln())).exp())
}

/// A backend with one piece per claim: from a shared counter where it has one, since that is what most programs do.
fn single(entry: &'static BackendEntry, workers: usize) -> Candidate {
    let ways: Vec<Schedule> = entry.schedules.iter().filter_map(|way| way.with_chunk(1).ok()).collect();
    let dynamic = Schedule::DYNAMIC.with_chunk(1).ok();
    let way = ways.iter().find(|way| Some(**way) == dynamic).or_else(|| ways.last());
    let workers = if entry.parallel { workers } else { 1 };
    Candidate { entry, schedule: way.copied().unwrap_or(Schedule::AUTO), workers }
}

/// The bytes of memory of each further worker of a backend, from sessions of 2 and of 18 workers that have computed something; `None` if
/// it never has more than one. Must be called in a process that has done nothing else.
///
/// # Errors
/// The errors of the backend; [`Error::Unsupported`] where the system does not say how much memory is used.
pub fn memory(entry: &'static BackendEntry) -> Result<Option<f64>> {
    const COUNTS: [usize; 2] = [2, 18];
    if !entry.parallel {
        return Ok(None);
    }
    let used = |workers| {
        let options = SessionOptions { workers, ..SessionOptions::default() };
        let mut session = entry.open(&options)?;
        session.run(Arc::new(Spin::even(64 * workers, 2000)), Arc::new(Discard), &Stop::new())?;
        let used = proportional();
        drop(session);
        used
    };
    let [few, many] = COUNTS.map(used);
    let more = (COUNTS[1] - COUNTS[0]) as f64;
    Ok(Some((many? as f64 - few? as f64).max(0.0) / more))
}

/// The memory of this process and of its children, shared pages in proportion (PSS, as the kernel calls it), in bytes.
fn proportional() -> Result<u64> {
    let own = std::process::id();
    let of = |process: u32| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        system::bytes(&text, "Pss")
    };
    let children = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let process: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let parent = system::value(&system::status(process), "PPid")?.parse::<u32>().ok()?;
        (parent == own).then(|| of(process))?
    });
    let own = of(own).ok_or_else(|| {
        Error::Unsupported("this system does not say how much memory a process uses (/proc/PID/smaps_rollup)".into())
    })?;
    Ok(own + children.sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_figures_are_complete_and_possible() {
        let recorded = Measured::recorded();
        for entry in BACKENDS {
            let figures = recorded.backends.get(entry.name).unwrap_or_else(|| panic!("{} has no figures", entry.name));
            let Figures { piece, start, run, metg50, metg90, memory } = *figures;
            assert!(piece > 1e-10 && piece < 1e-3 && start > 0.0 && run > 0.0, "{}: {figures:?}", entry.name);
            assert!(metg50.zip(metg90).is_none_or(|(half, most)| half <= most), "{}: {figures:?}", entry.name);
            assert_eq!(memory.is_some(), entry.parallel, "{}", entry.name);
        }
        assert_eq!(recorded.to_json(), RECORDED, "as `--save` writes it");
        assert_eq!(recorded.of("no such"), recorded.of("threads"));
    }

    #[test]
    fn the_shortest_piece_lies_between_two_that_were_measured() {
        let point = |seconds, efficiency| Grain { seconds, pieces: 1, times: vec![1.0], efficiency };
        let points = [point(1e-6, 0.2), point(1e-4, 0.6), point(1e-3, 0.95), point(1e-2, 0.4)];
        let half = shortest(&points, 0.5).unwrap();
        assert!((half / 1e-6 - 1000.0_f64.sqrt()).abs() < 1e-6 * half / 1e-6, "{half}");
        assert!(shortest(&points, 0.9).is_some_and(|length| length > 1e-4 && length < 1e-3));
        assert_eq!((shortest(&points, 0.99), shortest(&points, 0.1)), (None, Some(1e-6)));
    }

    #[test]
    fn figures_are_measured() {
        let entries: Vec<_> = BACKENDS.iter().filter(|entry| !entry.in_processes()).collect();
        let run = Duration::from_micros(200);
        let effort = Effort { rounds: 1, turns: 1, density: 1, run, time: Duration::MAX };
        let mut steps = Vec::new();
        let memory = |entry: &BackendEntry| Ok(entry.parallel.then_some(1.0));
        let after = |done, all| steps.push((done, all));
        let measured = measure(&entries, (2, &effort), memory, &Stop::new(), after).unwrap();
        assert_eq!(measured.backends.len(), entries.len());
        let figures = measured.of("threads");
        assert!(figures.piece.min(figures.start).min(figures.run) > 0.0 && figures.memory == Some(1.0), "{figures:?}");
        assert!(measured.backends.values().any(|figures| figures.metg90.is_some()), "the best is as good as itself");
        // Each backend: its memory, its costs, and pieces from 10 ns to 1 ms.
        assert_eq!(steps.last(), Some(&(entries.len() * 8, entries.len() * 8)));
        let stop = Stop::new();
        stop.set();
        assert!(matches!(measure(&entries, (2, &effort), memory, &stop, |_, _| ()), Err(Error::Stopped)));
    }

    #[test]
    fn one_piece_per_claim_is_measured() {
        let ways: Vec<String> = BACKENDS.iter().map(|entry| single(entry, 2).schedule.to_string()).collect();
        assert!(ways.iter().all(|way| way.ends_with(",1")), "{ways:?}");
    }
}
