//! Which differences between two measurements are real.
//!
//! Each pair of samples is compared by ranks (Mann and Whitney), which needs no normal distribution and is robust against outliers. Where
//! many pairs are compared, some differ by chance; so the level holds for all of them together (Benjamini and Hochberg): when nothing has
//! changed, the chance that anything at all is called a change is the level. The size of a difference is given by the ratio of the
//! medians with its bootstrap interval.
//!
//! A test that finds nothing shows nothing: two things are called the same only where the whole interval lies within the threshold, and
//! slower or faster only where the test and the interval exclude that nothing has changed. Everything else is not decided.

use super::results::{ResultEntry, Results};
use super::statistics::{Interval, discoveries, mann_whitney, median, ratio_of_medians};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// The verdict on one thing that was measured twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It has become faster: no change is excluded, and the measured one counts.
    Faster,
    /// It has become slower, in the same sense.
    Slower,
    /// It has changed by less than the threshold: the whole interval lies within it.
    Same,
    /// The times allow none of these verdicts.
    Undecided,
}

/// One thing that was measured twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// What was run.
    pub command: String,
    /// The median before, in seconds.
    pub before: f64,
    /// The median after, in seconds.
    pub after: f64,
    /// After over before: above 1 it has become slower; infinite where the median before is 0 and that after is not.
    pub ratio: f64,
    /// The interval that holds the ratio with probability 1 − level; `None` if there are too few times for one.
    pub interval: Option<Interval>,
    /// How likely such a difference is by chance.
    pub p: f64,
    /// What that means.
    pub verdict: Verdict,
}

/// All that was measured twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// In the order of the first file.
    pub differences: Vec<Difference>,
    /// Commands with times in only one of the files.
    pub unmatched: Vec<String>,
    /// Whether the machines differ, so that differences say nothing about the program.
    pub is_other_machine: bool,
}

/// Compares entries with the same parameters, and with the same command where several have the same. `level` is the chance of a wrong
/// verdict among all; changes smaller than `threshold`, a fraction, do not count.
pub fn compare(before: &Results, after: &Results, level: f64, threshold: f64) -> Comparison {
    let mut comparison = Comparison::default();
    let (partners, new) = pair(&before.results, &after.results);
    for (entry, partner) in before.results.iter().zip(partners) {
        match partner {
            Some(other) if !entry.times.is_empty() && !other.times.is_empty() => {
                comparison.differences.extend(difference(entry, other, level));
            }
            _ => comparison.unmatched.push(entry.command.clone()),
        }
    }
    comparison.unmatched.extend(new.into_iter().map(|entry| entry.command.clone()));
    let decided: Vec<f64> = comparison.differences.iter().map(|difference| difference.p).collect();
    for (difference, is_found) in comparison.differences.iter_mut().zip(discoveries(&decided, level)) {
        let (least, most) = (1.0 / (1.0 + threshold), 1.0 + threshold);
        difference.verdict = match difference.interval {
            Some(Interval { low, .. }) if is_found && low > 1.0 && difference.ratio > most => Verdict::Slower,
            Some(Interval { high, .. }) if is_found && high < 1.0 && difference.ratio < least => Verdict::Faster,
            Some(Interval { low, high }) if low >= least && high <= most => Verdict::Same,
            _ => Verdict::Undecided,
        };
    }
    let signature = |results: &Results| results.machine.as_ref().map(super::machine::Machine::signature);
    comparison.is_other_machine = matches!((signature(before), signature(after)), (Some(a), Some(b)) if a != b);
    comparison
}

/// The partner of each entry of `before`, and the entries of `after` without one. Names may occur more than once: first entries are
/// paired that also have the command in common, then the rest, each in the order of its file.
fn pair<'a>(before: &[ResultEntry], after: &'a [ResultEntry]) -> (Vec<Option<&'a ResultEntry>>, Vec<&'a ResultEntry>) {
    let mut partners = vec![None; before.len()];
    let mut taken = vec![false; after.len()];
    for with_command in [true, false] {
        let name = |entry: &ResultEntry| (entry.key(), with_command.then(|| entry.command.clone()));
        let mut free: HashMap<_, VecDeque<usize>> = HashMap::new();
        for place in (0..after.len()).filter(|&place| !taken[place]) {
            free.entry(name(&after[place])).or_default().push_back(place);
        }
        for (entry, partner) in before.iter().zip(&mut partners).filter(|(_, partner)| partner.is_none()) {
            if let Some(place) = free.get_mut(&name(entry)).and_then(VecDeque::pop_front) {
                (*partner, taken[place]) = (Some(&after[place]), true);
            }
        }
    }
    (partners, after.iter().zip(taken).filter(|(_, taken)| !taken).map(|(entry, _)| entry).collect())
}

/// After over before. Times too short for the clock are 0: two of them are equal, and any other is infinitely longer.
fn over(after: f64, before: f64) -> f64 {
    if after == before { 1.0 } else { after / before }
}

impl Comparison {
    /// How many have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.differences.iter().filter(|difference| difference.verdict == verdict).count()
    }
}

fn difference(before: &ResultEntry, after: &ResultEntry, level: f64) -> Option<Difference> {
    let test = mann_whitney(&before.times, &after.times)?;
    Some(Difference {
        command: before.command.clone(),
        before: median(&before.times),
        after: median(&after.times),
        ratio: over(median(&after.times), median(&before.times)),
        interval: ratio_of_medians(&before.times, &after.times, level),
        p: test.p,
        verdict: Verdict::Undecided,
    })
}

#[cfg(test)]
mod tests;
