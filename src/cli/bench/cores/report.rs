//! The report of `bench`, for the terminal or as Markdown.

use super::super::text::{Style, bar, counted, percent, time};
use fractal::bench::cores;
use fractal::bench::fits::{self, Fit};
use fractal::bench::results::{ResultEntry, Results, Scaling, piece_name};
use fractal::bench::statistics::{Interval, fewest_times};
use fractal::bench::subject::standard;
use fractal::bench::works;
use std::fmt::Write as _;
use std::time::Duration;

/// The report.
pub(super) fn report(results: &Results, took: Duration, style: Style) -> String {
    let mut text = String::new();
    // What makes all figures doubtful comes before them.
    results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: {line}"));
    if let Some(line) = cores::headline(results) {
        _ = writeln!(text, "{line}");
    } else if results.results.iter().any(|entry| entry.disturbed) {
        text += "There is no line to quote, since other programs disturbed the times.\n";
    }
    if let Some(machine) = &results.machine {
        _ = writeln!(text, "{machine}");
    }
    let rounds = results.results.iter().map(|entry| entry.times.len()).min().unwrap_or(0);
    _ = writeln!(text, "{} in {:.0} s", counted(rounds, "round"), took.as_secs_f64());
    let mut scenes: Vec<&str> = results.results.iter().map(|entry| entry.parameter("scene")).collect();
    scenes.dedup();
    let mut seen = std::collections::HashSet::new();
    scenes.retain(|scene| seen.insert(*scene));
    for scene in scenes {
        let entries: Vec<&ResultEntry> =
            results.results.iter().filter(|entry| entry.parameter("scene") == scene).collect();
        let help = standard(scene).map(|standard| standard.help);
        let help = help.or_else(|| works::find(scene).ok().map(|entry| entry.help));
        let help = help.map_or(String::new(), |help| format!(": {help}"));
        let piece = entries.first().map_or("", |entry| piece_name(&entry.piece));
        let pieces = entries.first().map_or(0, |entry| entry.pieces);
        text += &style.heading(&format!("{scene}{help}; {}", counted(pieces, piece)));
        let (weak, strong): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.is_weak());
        text += &scene_table(&strong, style);
        if !weak.is_empty() {
            _ = writeln!(text, "Weak scaling: the work grows with the workers, and the speed-up is scaled by it.");
            text += &scene_table(&weak, style);
        }
        _ = match results.bases.get(scene) {
            Some(base) => writeln!(text, "Speed-ups are relative to {base}."),
            None => {
                let why = "since nothing was measured with one worker; `--workers 1,…` adds it";
                writeln!(text, "There are no speed-ups, {why}.")
            }
        };
        let mine = || results.fits.iter().filter(|scaling| scaling.scene == scene);
        let disturbed = |scaling: &Scaling| {
            let same = |entry: &&ResultEntry| {
                let key = ["backend", "schedule"].map(|name| entry.parameter(name));
                entry.disturbed && entry.parameter("scene") == scene && key == [&*scaling.backend, &*scaling.schedule]
            };
            results.results.iter().any(|entry| same(&entry))
        };
        mine().for_each(|scaling| text += &law(scaling, disturbed(scaling)));
        if mine().any(|scaling| scaling.amdahl.as_ref().is_some_and(|fit| fit.contention_interval.is_none())) {
            let fewest = fewest_times(1.0 - fits::LEVEL);
            _ = writeln!(
                text,
                "Scaling laws need {fewest} runs with each number of workers; where there are fewer, they say nothing."
            );
        }
        for measured in results.scenes.iter().filter(|measured| measured.name == scene) {
            measured.advice.iter().for_each(|line| _ = writeln!(text, "{line}"));
        }
    }
    text += &footnotes(results);
    let outliers: usize = results.results.iter().map(|entry| entry.outliers).sum();
    let runs: usize = results.results.iter().map(|entry| entry.times.len()).sum();
    let usage = &results.usage;
    _ = writeln!(
        text,
        "\n{outliers} of {} {}. Processor time of this program: {:.1} s by its own clock, {:.1} s by the system's; \
         other programs used {:.1} s, the host took {:.1} s.",
        counted(runs, "time"),
        if outliers == 1 { "is an outlier" } else { "are outliers" },
        usage.own_clock,
        usage.own,
        usage.others,
        usage.steal
    );
    if let Some(way) = usage.way() {
        _ = writeln!(text, "{way}");
    }
    results.left_out.iter().for_each(|line| _ = writeln!(text, "Left out: {line}."));
    text
}

/// A serial fraction. Outside of 0 to 1 it is none: the workers were slower than one, or faster than their number allows.
fn fraction(fraction: f64) -> String {
    match fraction {
        fraction if fraction > 1.0 => "> 1".to_owned(),
        fraction if fraction < 0.0 => "< 0".to_owned(),
        fraction => format!("{fraction:.4}"),
    }
}

/// What the marks in the tables mean.
fn footnotes(results: &Results) -> String {
    let mut text = String::from("\n");
    let entries = || results.results.iter();
    if entries().any(|entry| entry.disturbed) {
        text += "! Other programs used the processors during these runs: times are too long, and speed-ups that would be far above the \
                 number of workers are left out.\n";
    }
    if entries().any(above) {
        text += "† More than the workers can explain: chance, where the interval reaches down to their number; otherwise parts fit into \
                 caches that the whole does not fit, or the baseline was slow.\n";
    }
    let known = |entry: &ResultEntry| entry.karp_flatt.is_none_or(|share| (0.0..=1.0).contains(&share));
    let above_all = |scaling: &Scaling| {
        let amdahl = scaling.amdahl.as_ref().and_then(|fit| fit.contention_interval);
        let gustafson = scaling.gustafson.as_ref().and_then(|law| law.interval);
        [amdahl, gustafson].into_iter().flatten().any(|range| range.high > 1.0)
    };
    if !entries().all(known) || results.fits.iter().any(above_all) {
        text += "A serial part outside of 0 to 1 is no share: above 1 (100 %) several workers were slower than one, below 0 faster than \
                 their number allows.\n";
    }
    let few = |entry: &ResultEntry| entry.speedup.is_some() && entry.speedup_interval.is_none() && !is_base(entry);
    if entries().any(few) {
        let fewest = fewest_times(1.0 - fits::LEVEL);
        _ = writeln!(text, "– Intervals of 95 % need {fewest} runs of both times.");
    }
    text
}

/// Whether speed-ups are relative to this entry.
fn is_base(entry: &ResultEntry) -> bool {
    entry.workers() == 1 && entry.speedup == Some(1.0)
}

/// Whether an efficiency is above 100 %, as it is printed.
fn above(entry: &ResultEntry) -> bool {
    entry.efficiency.is_some_and(|efficiency| efficiency >= 1.0005)
}

fn scene_table(entries: &[&ResultEntry], style: Style) -> String {
    const HEADINGS: [&str; 14] = [
        "backend",
        "schedule",
        "workers",
        "least",
        "median",
        "± MAD",
        "speed-up",
        "interval",
        "",
        "efficiency",
        "idle",
        "imbalance",
        "Karp–Flatt",
        "over a piece",
    ];
    let most = entries.iter().filter_map(|entry| entry.speedup).fold(1.0, f64::max);
    let row = |entry: &&ResultEntry| {
        let known = |value: Option<f64>, show: fn(f64) -> String| value.map_or("".into(), show);
        let core = entry.parameter("core");
        let workers = if core.is_empty() { entry.parameter("workers").to_owned() } else { format!("on {core}") };
        let range = |range: Interval| format!("{:.2} to {:.2}", range.low, range.high);
        let few = if is_base(entry) { "base" } else { "–" };
        let interval = entry.speedup_interval.map_or(few.to_owned(), range);
        vec![
            entry.parameter("backend").to_owned(),
            entry.parameter("schedule").to_owned(),
            workers,
            time(entry.min),
            time(entry.median) + if entry.disturbed { " !" } else { "" },
            // Of one time nothing is known but itself.
            if entry.times.len() > 1 { time(entry.mad) } else { "–".into() },
            known(entry.speedup, |speedup| format!("{speedup:.2}")),
            if entry.speedup.is_some() { interval } else { String::new() },
            bar(entry.speedup.unwrap_or(0.0) / most, 12),
            known(entry.efficiency, percent) + if above(entry) { " †" } else { "" },
            known(entry.idle, percent),
            known(entry.imbalance, percent),
            known(entry.karp_flatt, fraction),
            known(entry.overhead_per_piece, time),
        ]
    };
    // On a busy machine the overhead per piece cannot be measured.
    let columns = if entries.iter().any(|entry| entry.overhead_per_piece.is_some()) { 14 } else { 13 };
    style.table(&HEADINGS[..columns], 2, &entries.iter().map(row).collect::<Vec<_>>())
}

/// The laws and their predictions, a line each, every one with its interval.
fn law(scaling: &Scaling, disturbed: bool) -> String {
    let Scaling { backend, schedule, amdahl, universal, gustafson, .. } = scaling;
    let (mut text, mark) = (String::new(), if disturbed { " !" } else { "" });
    let share = |value: f64| if value > 1.0 { "above 100 %".to_owned() } else { percent(value.max(0.0)) };
    let range = |range: Option<Interval>, show: &dyn Fn(f64) -> String| {
        range.map_or(String::new(), |range| format!(" ({} to {})", show(range.low), show(range.high)))
    };
    let serial = |value: f64, interval: Option<Interval>| match interval {
        Some(Interval { high, .. }) if high < 0.0 => {
            "is none: the workers were faster than their number allows".to_owned()
        }
        Some(Interval { low, high }) if low <= 0.0 && high >= 1.0 => "is not known".to_owned(),
        _ => share(value) + &range(interval, &share),
    };
    let forecasts = |fit: &Fit| {
        let known: Vec<String> = fit
            .forecasts
            .iter()
            .map(|one| {
                let Interval { low, high } = one.interval;
                format!("{:.1} ({low:.1} to {high:.1}) with {}", one.speedup, one.workers)
            })
            .collect();
        let known =
            if known.is_empty() { known.join("") } else { format!("predicts speed-ups of {}; ", known.join(", ")) };
        known + &fit.limit_of_forecasts()
    };
    if let Some(fit) = amdahl.as_ref().filter(|fit| fit.contention_interval.is_some()) {
        let serial = serial(fit.law.contention, fit.contention_interval);
        _ = writeln!(text, "  {backend} {schedule}{mark}: Amdahl's serial part {serial}; {}", forecasts(fit));
    }
    if let Some(law) = gustafson.as_ref().filter(|law| law.interval.is_some()) {
        let serial = serial(law.serial, law.interval);
        _ = writeln!(
            text,
            "  {backend} {schedule}{mark}: Gustafson's serial part, of work that grows with the workers, {serial}"
        );
    }
    if let Some(fit) = universal.as_ref().filter(|fit| !fit.forecasts.is_empty()) {
        let whole = |workers: f64| format!("{workers:.0}");
        let peak = fit.law.peak().filter(|_| fit.peak_interval.is_some());
        let peak = peak.map_or("no peak is certain".to_owned(), |peak| {
            format!("fastest with {peak:.0}{} workers", range(fit.peak_interval, &whole))
        });
        let contention = percent(fit.law.contention) + &range(fit.contention_interval, &share);
        let coherency =
            format!("{:.5}", fit.law.coherency) + &range(fit.coherency_interval, &|beta| format!("{beta:.5}"));
        _ = writeln!(
            text,
            "  {backend} {schedule}{mark}: universal law: contention {contention}, coherency {coherency}; {peak}; {}",
            forecasts(fit)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_none_is_explained() {
        let entry = |share| ResultEntry { karp_flatt: Some(share), ..ResultEntry::default() };
        let notes = |shares: &[f64]| {
            footnotes(&Results { results: shares.iter().copied().map(entry).collect(), ..Results::default() })
        };
        assert!(!notes(&[0.0, 0.3]).contains("is no share"));
        assert!(notes(&[0.3, 1.2]).contains("is no share") && notes(&[-0.1]).contains("is no share"));
    }
}
