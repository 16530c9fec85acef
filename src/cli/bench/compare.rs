//! `bench compare`: which differences between two result files are real.

use super::super::{print, print_json};
use super::args::BenchCompareArgs;
use super::text::{percent, table, time};
use fractal::bench::compare::{Comparison, Difference, Verdict, compare};
use fractal::bench::results::Results;
use fractal::bench::statistics::fewest_times;
use fractal::{Error, Result};
use std::fmt::Write as _;

/// `fractal bench compare`. If anything became slower, that is an error, so that a script notices; and so is what is not decided, if a
/// decision is required.
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
        print(report(&comparison, args, [&before, &after]))?;
    }
    let all = comparison.differences.len();
    let mut faults = Vec::new();
    match comparison.count(Verdict::Slower) {
        0 => {}
        slower => faults.push(format!("{slower} of {all} became slower")),
    }
    if args.require_decision {
        let (undecided, unmatched) = (comparison.count(Verdict::Undecided), comparison.unmatched.len());
        let parts = [
            (undecided, format!("{undecided} of {all} are not decided")),
            (unmatched, format!("{unmatched} are in one file only")),
        ];
        faults.extend(parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Input(faults.join(", "))) }
}

fn report(comparison: &Comparison, args: &BenchCompareArgs, files: [&Results; 2]) -> String {
    let mut text = String::new();
    // Reasons to doubt everything come first.
    if comparison.is_other_machine {
        text += "Warning: the two were measured on different machines, so differences say nothing about the program.\n";
    }
    for (results, path) in files.into_iter().zip([&args.before, &args.after]) {
        if let Some(machine) = &results.machine {
            _ = writeln!(text, "`{}`: {}, {machine}", path.display(), machine.host);
        }
        results.warnings.iter().for_each(|line| _ = writeln!(text, "Warning: `{}`: {line}", path.display()));
    }
    let row = |difference: &Difference| {
        let Difference { command, before, after, ratio, interval, p, verdict } = difference;
        let range = interval
            .map_or("too few runs".to_owned(), |range| format!("{} to {}", change(range.low), change(range.high)));
        let verdict = match verdict {
            Verdict::Slower => "SLOWER",
            Verdict::Faster => "faster",
            Verdict::Same => "the same",
            Verdict::Undecided => "not decided",
        };
        vec![command.clone(), verdict.to_owned(), time(*before), time(*after), change(*ratio), range, format!("{p:.4}")]
    };
    let rows: Vec<_> = comparison.differences.iter().map(row).collect();
    text += if text.is_empty() { "" } else { "\n" };
    text += &table(&["", "", "before", "after", "change", "interval", "p"], 2, &rows);
    let [level, threshold] = [args.level, args.threshold].map(|value| percent(value / 100.0));
    _ = writeln!(
        text,
        "\n{} slower, {} faster, {} the same within {threshold}, {} not decided. Changes below {threshold} do not count; what \
         is called the same is within it by its whole interval. If nothing had changed, the chance that anything is called slower or \
         faster would be {level}.",
        comparison.count(Verdict::Slower),
        comparison.count(Verdict::Faster),
        comparison.count(Verdict::Same),
        comparison.count(Verdict::Undecided),
    );
    if comparison.count(Verdict::Undecided) > 0 {
        let most = comparison.differences.iter().filter(|difference| difference.interval.is_none()).count();
        let fewest = fewest_times(args.level / 100.0);
        let needs = if most > 0 { format!(", at least {fewest} on each side") } else { String::new() };
        _ = writeln!(text, "More runs on a quiet machine decide more{needs}; so does a larger --threshold.");
    }
    comparison.unmatched.iter().for_each(|command| _ = writeln!(text, "In one file only: {command}"));
    text
}

/// A ratio of times as a change in percent.
fn change(ratio: f64) -> String {
    if ratio.is_infinite() { "+∞ %".to_owned() } else { format!("{:+.1} %", 100.0 * (ratio - 1.0)) }
}
