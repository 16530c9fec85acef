//! Allowed values of arguments: names from the library's tables, numbers in their ranges.

use clap::builder::{PossibleValue, PossibleValuesParser};
use fractal::backend::BACKENDS;
use fractal::bench::kernel::BENCHMARKS;
use fractal::bench::works::WORKS;
use fractal::colour::{COLOURINGS, PALETTES};
use fractal::formula::FORMULAS;
use fractal::parallel::{MAX_WORKERS, Shard};
use fractal::sample::ORDERS;
use fractal::sink::OUTPUTS;
use std::time::Duration;

/// The name that leaves a choice to measurements.
pub(in crate::cli) const AUTO: &str = "auto";

/// The name of the inner loops among the things to measure.
pub(in crate::cli) const LOOPS: &str = "loops";

pub(in crate::cli) fn names(entries: impl Iterator<Item = (&'static str, &'static str)>) -> PossibleValuesParser {
    entries.map(|(name, help)| PossibleValue::new(name).help(help)).collect::<Vec<_>>().into()
}

pub(in crate::cli) fn backends() -> PossibleValuesParser {
    names(BACKENDS.iter().map(|entry| (entry.name, entry.help)))
}

/// The backends, and `auto`, which leaves the choice to measurements.
pub(in crate::cli) fn backends_or_auto() -> PossibleValuesParser {
    let auto = (AUTO, "the fastest that `fractal bench --save` has measured on this machine");
    names(BACKENDS.iter().map(|entry| (entry.name, entry.help)).chain([auto]))
}

pub(in crate::cli) fn formulas() -> PossibleValuesParser {
    names(FORMULAS.iter().map(|entry| (entry.name, entry.help)))
}

pub(in crate::cli) fn colourings() -> PossibleValuesParser {
    names(COLOURINGS.iter().map(|entry| (entry.name, entry.help)))
}

pub(in crate::cli) fn palettes() -> PossibleValuesParser {
    names(PALETTES.iter().map(|entry| (entry.name, entry.help)))
}

pub(in crate::cli) fn formats() -> PossibleValuesParser {
    names(OUTPUTS.iter().map(|format| (format.name, format.help)))
}

pub(in crate::cli) fn parts() -> PossibleValuesParser {
    let scenes = BENCHMARKS.iter().map(|benchmark| (benchmark.name, benchmark.help));
    names(std::iter::once((LOOPS, "the inner loop of every formula")).chain(scenes))
}

/// The kinds of work.
pub(in crate::cli) fn works() -> PossibleValuesParser {
    names(WORKS.iter().map(|entry| (entry.name, entry.help)))
}

/// The models of waiting.
#[cfg(feature = "net")]
pub(in crate::cli) fn models() -> PossibleValuesParser {
    names(fractal::internal::waiting::WAITINGS.iter().map(|entry| (entry.name, entry.help)))
}

/// A program without them takes any name, and says what it lacks.
#[cfg(not(feature = "net"))]
pub(in crate::cli) fn models() -> clap::builder::StringValueParser {
    clap::builder::StringValueParser::new()
}

/// A number of connections.
pub(in crate::cli) fn connections(text: &str) -> Result<usize, String> {
    let allowed = || "must be a number from 1 to 100000".to_owned();
    text.parse().ok().filter(|connections| (1..=100_000).contains(connections)).ok_or_else(allowed)
}

/// A number of connections to one host.
pub(in crate::cli) fn per_host(text: &str) -> Result<usize, String> {
    let allowed = || "must be a number from 1 to 100".to_owned();
    text.parse().ok().filter(|connections| (1..=100).contains(connections)).ok_or_else(allowed)
}

/// A time with its unit, up to a day: `50ms`, `2s`, `1.5m`; without a unit, seconds.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    let allowed = || "must be a time from 1ms to 24h, such as 500ms, 10s or 2m".to_owned();
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let read = |(unit, seconds): (&str, f64)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * seconds);
    let seconds = units.into_iter().find_map(read).filter(|seconds| (1e-3..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(allowed)
}

pub(in crate::cli) fn orders() -> PossibleValuesParser {
    names(ORDERS.iter().map(|&(_, name, help)| (name, help)))
}

pub(in crate::cli) fn shard(text: &str) -> Result<Shard, String> {
    text.parse().map_err(|error: fractal::Error| error.to_string())
}

pub(in crate::cli) fn workers(text: &str) -> Result<usize, String> {
    let allowed = format!("must be a number from 1 to {MAX_WORKERS}");
    text.parse().ok().filter(|workers| (1..=MAX_WORKERS).contains(workers)).ok_or(allowed)
}

/// A whole number, also as `1_000_000`, `1e6`, `2.5e6` or `10^6`. What is beyond 64 bits is as great as these can say.
pub(in crate::cli) fn count(text: &str) -> Result<u64, String> {
    let wanted = || "must be a whole number, such as 1000000, 1_000_000, 1e6 or 10^6".to_owned();
    // Not first, not last, and never two.
    let grouped = text.split('_').all(|group| !group.is_empty());
    let plain = text.replace('_', "");
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Text of digits only fails to be a number when it is too great.
    let number = |text: &str| digits(text).then(|| text.parse().unwrap_or(u64::MAX));
    let power = |base: u64, exponent: u64| base.saturating_pow(u32::try_from(exponent).unwrap_or(u32::MAX));
    let value = if let Some((base, exponent)) = plain.split_once('^') {
        number(base).zip(number(exponent)).map(|(base, exponent)| power(base, exponent))
    } else if let Some((mantissa, exponent)) = plain.split_once(['e', 'E']) {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let places = |exponent: u64| exponent.checked_sub(fraction.len() as u64);
        let all = number(&format!("{whole}{fraction}")).filter(|_| digits(whole));
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        all.zip(number(exponent).and_then(places)).map(|(all, places)| all.saturating_mul(power(10, places)))
    } else {
        number(&plain)
    };
    value.filter(|_| grouped).ok_or_else(wanted)
}

/// The density of a screen.
#[cfg(feature = "window")]
pub(in crate::cli) fn scale(text: &str) -> Result<f64, String> {
    let allowed = "must be a number from 0.5 to 16".to_owned();
    text.parse().ok().filter(|scale| (0.5..=16.0).contains(scale)).ok_or(allowed)
}

/// The edge of a tile; larger than any image for `whole`.
pub(in crate::cli) fn tile(text: &str) -> Result<u32, String> {
    if text == "whole" {
        return Ok(u32::MAX);
    }
    text.parse()
        .ok()
        .filter(|&edge| edge > 0)
        .ok_or_else(|| "must be a number of pixels, at least 1, or `whole`".into())
}

/// The requested tile size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Edge {
    /// The best that was measured.
    Best,
    /// The edge; larger than any image for `whole`.
    Pixels(u32),
}

pub(in crate::cli) fn tile_or_auto(text: &str) -> Result<Edge, String> {
    if text == AUTO {
        return Ok(Edge::Best);
    }
    tile(text).map(Edge::Pixels).map_err(|_| "must be a number of pixels, at least 1, `whole` or `auto`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_and_workers_are_checked_where_they_are_typed() {
        assert_eq!((tile("64"), tile("whole")), (Ok(64), Ok(u32::MAX)));
        assert!(["0", "-1", "", "all", "4294967296"].iter().all(|text| tile(text).is_err()));
        assert_eq!(workers("7"), Ok(7));
        assert!(["0", "4097", "two", "-1"].iter().all(|text| workers(text).is_err()));
    }

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in
            [("50ms", 50), ("2s", 2000), ("1.5m", 90_000), ("3", 3000), ("24h", 86_400_000), ("1ms", 1)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "0", "-1s", "ms", "25h", "1d", "NaN", "inf", "0.5ms", "s10"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(["0", "100001", "-1", "many"].iter().all(|text| connections(text).is_err()));
    }

    #[test]
    fn whole_numbers_are_read_in_every_usual_form() {
        for text in ["2500000", "2_500_000", "2.5e6", "25E+5", "2.50e6", "0002500000"] {
            assert_eq!(count(text), Ok(2_500_000), "{text}");
        }
        assert_eq!((count("10^10"), count("1e9"), count("2^0")), (Ok(10_000_000_000), Ok(1_000_000_000), Ok(1)));
        let huge = ["99999999999999999999", "1e99", "10^30", "2^99999999999"];
        assert!(huge.iter().all(|text| count(text) == Ok(u64::MAX)));
        for wrong in
            ["", "-1", "1.5", "1.55e1", "ten", "1e", "e9", "10^", "^2", "1__0", "_1", "1_", "0x10", "1e9x", ".5e1"]
        {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }
}
