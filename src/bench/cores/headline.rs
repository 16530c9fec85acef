//! One line to quote.

use super::super::results::{ResultEntry, Results};
use super::BASE;

/// What this machine computes, in a line: pixels a second of the fastest backend, of one worker, and how the two relate. `None` without a
/// picture that was measured with one worker, and where other programs disturbed it. The first scene that is a picture counts.
pub fn headline(results: &Results) -> Option<String> {
    let pictures = || {
        let plain = |entry: &&ResultEntry| entry.pixels > 0 && entry.median > 0.0 && entry.parameter("core").is_empty();
        results.results.iter().filter(plain)
    };
    let scene = pictures().next()?.parameter("scene");
    let of_scene = || pictures().filter(|entry| entry.parameter("scene") == scene && !entry.is_weak());
    let rate = |entry: &ResultEntry| entry.pixels as f64 / entry.median / 1e6;
    let faster = |a: &&ResultEntry, b: &&ResultEntry| rate(a).total_cmp(&rate(b));
    let alone = || of_scene().filter(|entry| entry.workers() == 1);
    let one =
        alone().filter(|entry| entry.parameter("backend") == BASE).max_by(faster).or_else(|| alone().max_by(faster))?;
    let machine = results.machine.as_ref()?;
    let processors = machine.allowed.len().max(1);
    // More workers than processors scale no further.
    let best = of_scene().filter(|entry| entry.workers() <= processors).max_by(faster)?;
    let workers = best.workers().max(1);
    let scaling = 100.0 * rate(best) / rate(one) / workers as f64;
    let name = machine.processor.as_deref().unwrap_or("This machine");
    let mut line = format!("{name}: {} million pixels a second of `{scene}`", three(rate(best)));
    if workers > 1 {
        line += &format!(
            " with {workers} workers of {} ({}), {} per worker, {} with one of {}; ",
            best.parameter("backend"),
            best.parameter("schedule"),
            three(rate(best) / workers as f64),
            three(rate(one)),
            one.parameter("backend"),
        );
        line += &if scaling > 105.0 { "scaling not known".to_owned() } else { format!("scaling {scaling:.0} %") };
    } else {
        line += &format!(" with one worker of {}", best.parameter("backend"));
    }
    (!best.disturbed && !one.disturbed).then(|| line + ".")
}

/// With three digits.
fn three(value: f64) -> String {
    let digits = if value >= 99.95 { 0 } else { 1 + usize::from(value < 9.995) };
    format!("{value:.digits$}")
}
