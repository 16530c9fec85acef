//! The figures that follow from measured times: speed-ups and what they are relative to, balance, laws, and which figures to doubt.

use super::super::fits::{self, Point, karp_flatt};
use super::super::load::{BUSY, TICK, Usage};
use super::super::results::{ResultEntry, Results, Run, Scaling};
use super::super::statistics::{median, ratio_of_medians};
use super::BASE;
use std::collections::{BTreeMap, BTreeSet};

/// Efficiencies above this are withheld where other programs disturbed the times: by itself, a program gains little from caches.
const TOO_GOOD: f64 = 1.05;

/// Computes the figures that follow from the times quickly: speed-ups, balance, warnings. Laws and intervals take longer: [`fit`].
pub fn conclude(results: &mut Results) {
    let usage = results.usage;
    results.results.iter_mut().for_each(|entry| entry.disturbed = is_disturbed(entry, &usage));
    let scenes: BTreeSet<String> = results.results.iter().map(|entry| entry.parameter("scene").to_owned()).collect();
    let mut bases: BTreeMap<String, (f64, bool)> = BTreeMap::new();
    results.bases.clear();
    for scene in scenes {
        if let Some(base) = base(results, &scene) {
            let words = format!("one worker of {}, {}", base.parameter("backend"), base.parameter("schedule"));
            bases.insert(scene.clone(), (base.median, base.disturbed));
            results.bases.insert(scene, words);
        }
    }
    for entry in results.results.iter_mut().filter(|entry| !entry.times.is_empty()) {
        let workers = entry.workers();
        let base = bases.get(entry.parameter("scene"));
        let speedup = base.map(|(base, _)| entry.growth() * base / entry.median);
        let doubtful = entry.disturbed || base.is_some_and(|(_, disturbed)| *disturbed);
        let speedup = speedup.filter(|speedup| !doubtful || speedup / workers as f64 <= TOO_GOOD);
        entry.speedup = speedup;
        entry.efficiency = speedup.map(|speedup| speedup / workers as f64);
        entry.karp_flatt = speedup.filter(|_| !entry.is_weak()).and_then(|speedup| karp_flatt(speedup, workers));
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
    warn(results);
}

/// Whether other programs disturbed an entry: by the count during its own runs, where that decides, else by that of the whole measurement.
fn is_disturbed(entry: &ResultEntry, usage: &Usage) -> bool {
    let wall: f64 = entry.times.iter().sum();
    let Some(used) = entry.others else { return usage.busy() > BUSY };
    let open = TICK * (entry.times.len() as f64).sqrt();
    used > BUSY * wall + open || usage.busy() > BUSY && used > BUSY * wall - open
}

fn warn(results: &mut Results) {
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

/// What speed-ups are relative to: one worker of [`BASE`], or of the fastest backend when that was not measured.
fn base<'a>(results: &'a Results, scene: &str) -> Option<&'a ResultEntry> {
    let alone = || {
        let single =
            |entry: &&ResultEntry| entry.workers() == 1 && entry.parameter("scene") == scene && !entry.times.is_empty();
        results.results.iter().filter(single).filter(|entry| entry.parameter("core").is_empty())
    };
    let least = |a: &&ResultEntry, b: &&ResultEntry| a.median.total_cmp(&b.median);
    let of_base = alone().filter(|entry| entry.parameter("backend") == BASE).min_by(least);
    of_base.or_else(|| alone().min_by(least))
}

/// Fits the scaling laws, and finds the intervals of speed-ups.
pub fn fit(results: &mut Results) {
    results.fits = scalings(results);
    let scenes: BTreeSet<String> = results.bases.keys().cloned().collect();
    for scene in scenes {
        let Some(times) = base(results, &scene).map(|base| base.times.clone()) else { continue };
        let mine =
            results.results.iter_mut().filter(|entry| entry.parameter("scene") == scene && entry.speedup.is_some());
        for entry in mine {
            // The baseline is 1 by definition.
            if entry.times == times && entry.workers() == 1 {
                entry.speedup_interval = None;
                continue;
            }
            let interval = ratio_of_medians(&entry.times, &times, 1.0 - fits::LEVEL);
            let growth = entry.growth();
            entry.speedup_interval = interval.map(|mut range| {
                (range.low, range.high) = (growth * range.low, growth * range.high);
                range
            });
        }
    }
}

/// The laws of each scene, backend and schedule, from the numbers of workers that have a processor each.
fn scalings(results: &Results) -> Vec<Scaling> {
    let processors = results.machine.as_ref().map_or(usize::MAX, |machine| machine.allowed.len().max(1));
    let mut groups: BTreeMap<[String; 3], [Vec<(Point, f64)>; 2]> = BTreeMap::new();
    for entry in results.results.iter().filter(|entry| entry.parameter("core").is_empty() && !entry.times.is_empty()) {
        if (1..=processors).contains(&entry.workers()) {
            let key = ["scene", "backend", "schedule"].map(|name| entry.parameter(name).to_owned());
            let point = Point { workers: entry.workers(), times: entry.times.clone() };
            groups.entry(key).or_default()[usize::from(entry.is_weak())].push((point, entry.growth()));
        }
    }
    let scaling = |([scene, backend, schedule], [strong, weak]): ([String; 3], [Vec<(Point, f64)>; 2])| {
        let points: Vec<Point> = strong.into_iter().map(|(point, _)| point).collect();
        let one = points.iter().find(|point| point.workers == 1).map_or(&[][..], |point| &point.times);
        let gustafson = fits::gustafson(one, &weak);
        Scaling {
            amdahl: fits::amdahl(&points),
            universal: fits::universal(&points),
            gustafson,
            scene,
            backend,
            schedule,
        }
    };
    let known = |scaling: &Scaling| scaling.amdahl.is_some() || scaling.gustafson.is_some();
    groups.into_iter().map(scaling).filter(known).collect()
}
