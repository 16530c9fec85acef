//! The best settings found on this machine, kept for later runs: wisdom, as FFTW (Frigo and Johnson 2005) calls it.
//!
//! For each backend, every kind of schedule is measured, then several tile sizes with the best of them. The minimum of a few times
//! counts, summed over two scenes that are hard in different ways. A choice other than the default must gain more than the error of
//! measurement.

use super::clock::Clock;
use super::cores::{self, Combination};
use super::machine::Machine;
use super::measure::{Rounds, in_turns};
use super::results;
use super::subject::{Subject, standard};
use crate::backend::{self, BackendEntry};
use crate::error::{Error, Result};
use crate::parallel::{Schedule, Stop};
use crate::render::DEFAULT_TILE;
use crate::sink::{Output, remembered};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::path::{Path, PathBuf};

/// The version of the file.
const VERSION: u32 = 1;
/// The tile sizes that are tried.
const TILES: [u32; 4] = [32, DEFAULT_TILE, 128, 256];
/// The scenes: one with a costly middle, one that is costly and even.
const SCENES: [&str; 2] = ["whole", "valley"];
/// How often each combination is measured.
const ROUNDS: usize = 3;
/// What another choice must gain over the default.
const WORTH: f64 = 0.02;

/// The best settings on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wisdom {
    /// The version of the file.
    pub fractal: u32,
    /// The machine that it was measured on: its [`Machine::signature`].
    pub machine: String,
    /// How many workers there were.
    pub workers: usize,
    /// The best settings, by the backend's name.
    pub backends: BTreeMap<String, Choice>,
}

/// The best settings for one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The schedule as it is typed.
    pub schedule: String,
    /// The edge of a tile in pixels.
    pub tile: u32,
    /// The time that the scenes took.
    pub seconds: f64,
}

impl Wisdom {
    /// Where it is kept: `fractal/wisdom.json` in `XDG_CACHE_HOME`, else in `~/.cache`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no home directory.
    pub fn path() -> Result<PathBuf> {
        let none =
            || Error::Unsupported("there is no place to keep wisdom: neither XDG_CACHE_HOME nor HOME is set".into());
        let cache = remembered::user_folder("XDG_CACHE_HOME", ".cache").ok_or_else(none)?;
        Ok(cache.join("fractal").join("wisdom.json"))
    }

    /// The stored wisdom; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Input`] when it is damaged, or was measured on another machine.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = remembered::read(path)? else { return Ok(None) };
        let wisdom: Self = serde_json::from_str(&text).map_err(|error| damaged(path, error))?;
        if wisdom.fractal != VERSION {
            let version = wisdom.fractal;
            return Err(damaged(path, format!("it has version {version}; this program reads version {VERSION}")));
        }
        for (name, choice) in &wisdom.backends {
            let schedule = choice.schedule.parse::<Schedule>();
            if schedule.is_err() || choice.tile == 0 || !(choice.seconds >= 0.0 && choice.seconds.is_finite()) {
                return Err(damaged(path, format!("its choice for `{name}` is invalid")));
            }
        }
        let here = Machine::here().signature();
        if wisdom.machine != here {
            let there = &wisdom.machine;
            let path = path.display();
            return Err(Error::Input(format!("`{path}` was measured on another machine ({there}; this is {here})")));
        }
        Ok(Some(wisdom))
    }

    /// Opens the file that it will be kept in, and makes its folder. Best done before anything is measured.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written, [`Error::Input`] when it is not a regular file.
    pub fn create(path: &Path) -> Result<Output> {
        remembered::create(path)
    }

    /// Stores it in the output that [`Wisdom::create`] opened, together with what is stored there for other backends on the same machine.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn keep(mut self, output: Output) -> Result<()> {
        if let Ok(Some(before)) = Self::read(output.path())
            && before.workers == self.workers
        {
            for (name, choice) in before.backends {
                self.backends.entry(name).or_insert(choice);
            }
        }
        results::write_to(output, serde_json::to_string_pretty(&self).expect("numbers and text are always JSON"))
    }

    /// The fastest of the backends that can run here, and its best settings.
    pub fn best(&self) -> Option<(&'static BackendEntry, &Choice)> {
        let here = |(name, choice)| Some((backend::find(name).ok().filter(|entry| entry.probe().is_ok())?, choice));
        let known = self.backends.iter().map(|(name, choice)| (name.as_str(), choice)).filter_map(here);
        known.min_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds))
    }
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Input(format!("`{}` is not a valid file of wisdom: {why}", path.display()))
}

/// Finds the best settings for each of `entries` with `workers` workers on pictures of `size`. `after` is called after each measurement
/// with the backend's name, how many are done, and how many there are, as far as that is known.
///
/// # Errors
/// The errors of a backend; [`Error::Stopped`] when it is stopped.
pub fn learn(
    clock: &dyn Clock,
    entries: &[&'static BackendEntry],
    workers: usize,
    size: (u32, u32),
    stop: &Stop,
    mut after: impl FnMut(&str, usize, usize),
) -> Result<Wisdom> {
    let scheduled: Vec<(&'static BackendEntry, Schedule, u32)> = entries
        .iter()
        .flat_map(|&entry| entry.schedules.iter().map(move |&schedule| (entry, schedule, DEFAULT_TILE)))
        .collect();
    let runs = 2 * (ROUNDS + 1);
    let all = runs * (scheduled.len() + TILES.len() * entries.len());
    let mut done = 0;
    let mut measure = |candidates: &[(&'static BackendEntry, Schedule, u32)]| {
        times(clock, candidates, workers, size, stop, |entry| {
            done += 1;
            after(entry.name, done, all);
        })
    };
    let times_of_schedules = measure(&scheduled)?;
    let mut tiled = Vec::new();
    for &entry in entries {
        let mine: Vec<_> = scheduled
            .iter()
            .zip(&times_of_schedules)
            .filter(|((of, ..), _)| of.name == entry.name)
            .map(|(&(_, schedule, _), &time)| (schedule, time))
            .collect();
        if let Some((schedule, _)) = choose(&mine, Schedule::AUTO) {
            tiled.extend(TILES.map(|tile| (entry, schedule, tile)));
        }
    }
    let times_of_tiles = measure(&tiled)?;
    let mut backends = BTreeMap::new();
    for (candidates, times) in tiled.chunks(TILES.len()).zip(times_of_tiles.chunks(TILES.len())) {
        let (entry, schedule, _) = candidates[0];
        let mine: Vec<_> = candidates.iter().zip(times).map(|(&(.., tile), &time)| (tile, time)).collect();
        if let Some((tile, seconds)) = choose(&mine, DEFAULT_TILE) {
            backends.insert(entry.name.to_owned(), Choice { schedule: schedule.to_string(), tile, seconds });
        }
    }
    Ok(Wisdom { fractal: VERSION, machine: Machine::here().signature(), workers, backends })
}

/// The candidate with the least time, or the default if that does not gain enough.
fn choose<T: Copy + PartialEq>(candidates: &[(T, f64)], default: T) -> Option<(T, f64)> {
    let best = candidates.iter().copied().min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let default = candidates.iter().copied().find(|&(value, _)| value == default);
    Some(default.filter(|&(_, time)| best.1 > time * (1.0 - WORTH)).unwrap_or(best))
}

/// The time of each candidate over all scenes.
fn times(
    clock: &dyn Clock,
    candidates: &[(&'static BackendEntry, Schedule, u32)],
    workers: usize,
    size: (u32, u32),
    stop: &Stop,
    mut after: impl FnMut(&BackendEntry),
) -> Result<Vec<f64>> {
    let mut subjects: BTreeMap<(u32, &str), Subject> = BTreeMap::new();
    for &(.., tile) in candidates {
        for name in SCENES {
            if let MapEntry::Vacant(place) = subjects.entry((tile, name)) {
                let standard = standard(name).expect("it is one of the table's");
                place.insert(Subject::standard(standard, size, tile)?);
            }
        }
    }
    let mut least = vec![[f64::INFINITY; SCENES.len()]; candidates.len()];
    let counts = vec![0; candidates.len() * SCENES.len()];
    let one = |index: usize| {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let (entry, schedule, tile) = candidates[index / SCENES.len()];
        let subject = &subjects[&(tile, SCENES[index % SCENES.len()])];
        let workers = if entry.parallel { workers } else { 1 };
        let combination = Combination { subject: 0, entry, schedule, workers, core: None };
        Ok(cores::run(clock, subject, &combination, false, stop)?.wall)
    };
    in_turns(clock, Rounds::Exactly(ROUNDS), &counts, 1, one, |step, wall| {
        let (candidate, scene) = (step.combination / SCENES.len(), step.combination % SCENES.len());
        after(candidates[candidate].0);
        if !step.is_warmup {
            least[candidate][scene] = least[candidate][scene].min(wall);
        }
        Ok(())
    })?;
    Ok(least.iter().map(|times| times.iter().sum()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clock::System;

    #[test]
    fn a_choice_must_gain_more_than_measuring_errs() {
        let choose = |times: &[(u32, f64)]| choose(times, 64).unwrap().0;
        assert_eq!(choose(&[(32, 0.99), (64, 1.0), (128, 1.5)]), 64);
        assert_eq!(choose(&[(32, 0.97), (64, 1.0), (128, 0.95)]), 128);
        assert_eq!(choose(&[(32, 0.97)]), 32);
    }

    #[test]
    fn what_is_kept_is_read_again_and_joined() {
        let folder = std::env::temp_dir().join(format!("fractal-wisdom-{}", std::process::id()));
        let path = folder.join("deep").join("wisdom.json");
        assert_eq!(Wisdom::read(&path).unwrap(), None);
        let entries = |names: [&str; 2]| names.map(|name| backend::find(name).unwrap());
        let mut steps = 0;
        let first = learn(&System, &entries(["serial", "threads"]), 2, (64, 48), &Stop::new(), |_, done, all| {
            steps += 1;
            assert!(done == steps && done <= all);
        });
        let first = first.unwrap();
        assert!(steps > 20);
        first.clone().keep(Wisdom::create(&path).unwrap()).unwrap();
        assert_eq!(Wisdom::read(&path).unwrap(), Some(first.clone()));
        let second = learn(&System, &entries(["threads", "channel"]), 2, (64, 48), &Stop::new(), |_, _, _| {}).unwrap();
        second.clone().keep(Wisdom::create(&path).unwrap()).unwrap();
        let kept = Wisdom::read(&path).unwrap().unwrap();
        assert_eq!(kept.backends.keys().collect::<Vec<_>>(), ["channel", "serial", "threads"]);
        assert_eq!(kept.backends["serial"], first.backends["serial"]);
        assert_eq!(kept.backends["threads"], second.backends["threads"]);
        let (best, choice) = kept.best().unwrap();
        assert!(kept.backends.values().all(|other| other.seconds >= choice.seconds), "{}", best.name);

        // Another machine's wisdom, and invalid files.
        let other = Wisdom { machine: "abacus".into(), ..kept.clone() };
        results::write(&path, &serde_json::to_string(&other).unwrap()).unwrap();
        assert!(Wisdom::read(&path).unwrap_err().to_string().contains("another machine (abacus; this is "));
        let mut wrong = kept;
        wrong.backends.get_mut("threads").unwrap().schedule = "now and then".into();
        for text in ["", "{}", "[1", &serde_json::to_string(&wrong).unwrap()] {
            results::write(&path, text).unwrap();
            let told = Wisdom::read(&path).unwrap_err().to_string();
            assert!(told.contains("wisdom.json` is not a valid file of wisdom: "), "{told}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
