//! `bench compare`: which differences between two result files are real.

use super::super::{print, print_json};
use super::args::BenchCompareArgs;
use super::text::{percent, table, time};
use fractal::bench::compare::{Comparison, Difference, Verdict, compare};
use fractal::bench::results::Results;
use fractal::{Error, Result};
use std::fmt::Write as _;

/// `fractal bench compare`. If anything became slower, that is an error, so that a script notices.
pub(super) fn run(args: &BenchCompareArgs) -> Result<()> {
    let (before, after) = (Results::read(&args.before)?, Results::read(&args.after)?);
    let comparison = compare(&before, &after, args.level / 100.0, args.threshold / 100.0);
    if comparison.differences.is_empty() {
        return Err(Error::Input(format!(
            "`{}` and `{}` have no measurements in common",
            args.before.display(),
            args.after.display()
        )));
    }
    if args.json {
        print_json(&comparison)?;
    } else {
        print(report(&comparison, args))?;
    }
    match comparison.count(Verdict::Slower) {
        0 => Ok(()),
        slower => Err(Error::Input(format!("{slower} of {} became slower", comparison.differences.len()))),
    }
}

fn report(comparison: &Comparison, args: &BenchCompareArgs) -> String {
    let row = |difference: &Difference| {
        let Difference { command, before, after, ratio, interval, p, verdict } = difference;
        let range = interval.map_or(String::new(), |range| format!("{} to {}", change(range.low), change(range.high)));
        let verdict = match verdict {
            Verdict::Slower => "SLOWER",
            Verdict::Faster => "faster",
            Verdict::Same => "",
            Verdict::Unknown => "too few runs",
        };
        vec![command.clone(), verdict.to_owned(), time(*before), time(*after), change(*ratio), range, format!("{p:.4}")]
    };
    let rows: Vec<_> = comparison.differences.iter().map(row).collect();
    let mut text = table(&["", "", "before", "after", "change", "interval", "p"], 2, &rows);
    _ = writeln!(
        text,
        "\n{} slower, {} faster, {} the same, {} with too few runs; changes below {} do not count. If nothing had changed, the chance \
         of any verdict would be {}.",
        comparison.count(Verdict::Slower),
        comparison.count(Verdict::Faster),
        comparison.count(Verdict::Same),
        comparison.count(Verdict::Unknown),
        percent(args.threshold / 100.0),
        percent(args.level / 100.0)
    );
    if comparison.is_other_machine {
        text += "Warning: the two were measured on different machines.\n";
    }
    comparison.unmatched.iter().for_each(|command| _ = writeln!(text, "In one file only: {command}"));
    text
}

/// A ratio of times as a change in percent.
fn change(ratio: f64) -> String {
    if ratio.is_infinite() { "+∞ %".to_owned() } else { format!("{:+.1} %", 100.0 * (ratio - 1.0)) }
}
