//! `check`: how exact a render is, at random samples.

use super::args::CheckArgs;
use super::bar::{Display, Ticker};
use super::place::short;
use super::signals::Signals;
use super::{memory, plan, print, print_json};
use fractal::Result;
use fractal::backend::{self, SessionOptions};
use fractal::bench::check::{Check, Checked, Choice, Findings, Spread};
use fractal::parallel::Tee;
use fractal::sink::Progress;
use std::sync::Arc;

/// `fractal check`.
pub(crate) fn run(args: &CheckArgs) -> Result<()> {
    let scene = plan::scene_or_whole(args.source.as_deref(), &args.scene)?;
    let choice = Choice { samples: args.pixels, exact: args.exact, seed: args.seed };
    let check = Arc::new(Check::new(&scene, choice)?);
    memory::check_shared(scene.title(), memory::shared(check.render()) + memory::growing(check.truth_len()))?;
    let signals = Signals::receive()?;
    let workers = args.workers.unwrap_or(0);
    let options = SessionOptions { workers, stop: signals.stop.clone(), ..SessionOptions::default() };
    let mut session = backend::find("threads")?.open(&options)?;
    let progress = Arc::new(Progress::of_pieces(check.samples()));
    let ticker = Ticker::start(Display::new(&args.progress, false), "check", progress.clone());
    let sinks = Tee::new(vec![Arc::new(Findings(check.clone())), progress]);
    let outcome = session.run(check.clone(), Arc::new(sinks), &signals.stop);
    drop(ticker);
    outcome?;
    let found = check.outcome();
    if args.json { print_json(&found) } else { print(text(&found)) }
}

/// A share in percent, with three digits.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let places = if percent > 0.0 { (2.0 - percent.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
    format!("{percent:.places$} %")
}

/// What was found, as people read it.
fn text(found: &Checked) -> String {
    let Checked { samples, all, seed, chaotic, off, .. } = *found;
    let which = if samples as u64 == all { "all".to_owned() } else { format!("at random, with seed {seed}") };
    let calm = samples - chaotic;
    let mut rows = vec![
        ("checked", format!("{samples} of {all} samples, {which}")),
        ("numbers", format!("{}, against {}", found.tier, found.against)),
    ];
    if found.tier == "f64" {
        let what = "counts change when the point moves by a rounding of its coordinates; left out below";
        rows.push(("chaotic", format!("{chaotic} samples ({}): {what}", percent(chaotic as f64 / samples as f64))));
    }
    let interval = format!("{} to {} with 95 % confidence", percent(found.interval.low), percent(found.interval.high));
    let by = found.iterations.map_or(String::new(), |by| {
        format!(", by {} iterations at most, {} in the median", short(by.largest), short(by.median))
    });
    let sides = match found.sides {
        0 => String::new(),
        sides => format!("; {sides} of them escape in one only"),
    };
    rows.push(("counts", format!("{off} of {calm} differ: {} ({interval}){by}{sides}", percent(found.share))));
    let spread = |spread: Option<Spread>, unit: &str| match spread {
        Some(Spread { median, p99, largest }) => {
            let [median, p99, largest] = [median, p99, largest].map(|size| format!("{size:.1e}"));
            format!("off by {median}{unit} in the median, {p99} at most for 99 %, {largest} at most")
        }
        None => "none to compare".into(),
    };
    rows.push(("smooth", spread(found.smooth, " iterations")));
    rows.push(("distances", spread(found.distance, " of their length")));
    if found.exact > 0 {
        let differ = match found.exact_off {
            0 => "no count differs".to_owned(),
            off => format!("{off} counts differ, so double-double is not enough to check this view"),
        };
        rows.push(("all digits", format!("{} of these also with as many digits as they need: {differ}", found.exact)));
    }
    rows.into_iter().map(|(key, value)| format!("{key:11} {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_three_digits() {
        assert_eq!([0.0, 1.0, 0.123_456, 0.000_216].map(percent), ["0 %", "100 %", "12.3 %", "0.0216 %"]);
    }
}
