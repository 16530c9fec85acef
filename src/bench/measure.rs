//! How things are measured: all combinations in turn, in another random order each round, so that changes on the machine affect all of
//! them; after a warm-up round that is not counted; with every time kept.

use super::clock::Clock;
use super::statistics::Random;
use crate::error::Result;
use std::time::Duration;

/// How often each combination is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounds {
    /// Exactly this often.
    Exactly(usize),
    /// As often as fits into `time`, but at least `least` and at most `most` times.
    Within {
        /// The time for everything, warm-up included.
        time: Duration,
        /// The fewest rounds.
        least: usize,
        /// The most rounds.
        most: usize,
    },
}

/// Whether runs whose minimum counts have been made often enough: at least 5 times, then until a second has passed or there are 50. On a
/// busy machine, only one of many short runs is undisturbed; long ones are too costly for more.
pub fn enough(done: usize, spent: Duration) -> bool {
    done >= 50 || done >= 5 && spent >= Duration::from_secs(1)
}

/// The progress of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The combination that was measured.
    pub combination: usize,
    /// Whether this was the warm-up round, which is not counted.
    pub is_warmup: bool,
    /// How many measurements are done.
    pub done: usize,
    /// How many there will be, as far as that is decided.
    pub all: usize,
    /// How long the rest will take, judged by each combination's last time; `None` during warm-up.
    pub left: Option<Duration>,
}

/// Measures combinations 0 to `counts.len()` − 1, which have been measured `counts` times already, by calling `measure`, and calls
/// `after` after each. Rounds continue with the combinations that were measured least.
///
/// # Errors
/// The first error of `measure` or `after`.
pub fn in_turns<S>(
    clock: &dyn Clock,
    rounds: Rounds,
    counts: &[usize],
    seed: u64,
    mut measure: impl FnMut(usize) -> Result<S>,
    mut after: impl FnMut(Step, S) -> Result<()>,
) -> Result<()> {
    let began = clock.now();
    let n = counts.len();
    let mut took = vec![Duration::ZERO; n];
    let least = counts.iter().copied().min().unwrap_or(0);
    let mut random = Random::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    let warmup = random_order(&mut random, &mut order);
    for (done, &combination) in warmup.iter().enumerate() {
        let start = clock.now();
        let sample = measure(combination)?;
        took[combination] = clock.now() - start;
        after(Step { combination, is_warmup: true, done: done + 1, all: n, left: None }, sample)?;
    }
    let round: Duration = took.iter().sum();
    let target = match rounds {
        Rounds::Exactly(rounds) => rounds,
        Rounds::Within { time, least, most } => {
            let left = time.saturating_sub(clock.now() - began);
            let fit = left.as_secs_f64() / round.as_secs_f64().max(1e-9);
            (fit as usize).clamp(least, most)
        }
    };
    let all: usize = n + counts.iter().map(|&count| target.saturating_sub(count)).sum::<usize>();
    let mut done = n;
    // The machine may have become busier than it was in the warm-up.
    let is_late = |number| match rounds {
        Rounds::Exactly(_) => false,
        Rounds::Within { time, least, .. } => number >= least && clock.now() - began >= time,
    };
    'rounds: for number in 0..target {
        // The orders of earlier rounds are drawn as well, so that continuing is like never having stopped.
        let order = random_order(&mut random, &mut order);
        if number < least {
            continue;
        }
        for &combination in order.iter().filter(|&&combination| number >= counts[combination]) {
            // A round that is begun need not be completed.
            if is_late(number) {
                break 'rounds;
            }
            let start = clock.now();
            let sample = measure(combination)?;
            took[combination] = clock.now() - start;
            done += 1;
            let round: Duration = took.iter().sum();
            let left = round.mul_f64((all - done) as f64 / n as f64);
            after(Step { combination, is_warmup: false, done, all, left: Some(left) }, sample)?;
        }
    }
    Ok(())
}

fn random_order(random: &mut Random, order: &mut [usize]) -> Vec<usize> {
    random.shuffle(order);
    order.to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::clock::Mock;
    use super::*;
    use crate::error::Error;
    use std::cell::RefCell;

    fn run(rounds: Rounds, counts: &[usize], seconds: &[f64]) -> (Vec<(usize, bool)>, Vec<Step>) {
        let clock = Mock::default();
        let measured = RefCell::new(Vec::new());
        let mut steps = Vec::new();
        let measure = |combination: usize| {
            clock.pass(seconds[combination], 1.0);
            measured.borrow_mut().push(combination);
            Ok(combination)
        };
        let after = |step: Step, combination: usize| {
            assert_eq!(step.combination, combination);
            steps.push(step);
            Ok(())
        };
        in_turns(&clock, rounds, counts, 3, measure, after).unwrap();
        (steps.iter().map(|step| (step.combination, step.is_warmup)).collect(), steps)
    }

    #[test]
    fn every_round_has_all_combinations_and_the_orders_differ() {
        let (made, _) = run(Rounds::Exactly(6), &[0; 5], &[0.1; 5]);
        let rounds: Vec<Vec<usize>> = made.chunks(5).map(|round| round.iter().map(|(c, _)| *c).collect()).collect();
        assert_eq!(rounds.len(), 7);
        assert!(made[..5].iter().all(|(_, warmup)| *warmup) && made[5..].iter().all(|(_, warmup)| !warmup));
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        let different: std::collections::HashSet<_> = rounds.iter().collect();
        assert!(different.len() > 4, "{rounds:?}");
    }

    #[test]
    fn the_time_decides_how_many_rounds_there_are() {
        let within = |seconds| Rounds::Within { time: Duration::from_secs_f64(seconds), least: 3, most: 20 };
        let count = |seconds| run(within(seconds), &[0; 2], &[0.25, 0.75]).0.len();
        assert_eq!(count(11.0), 2 + 2 * 10, "a second for the warm-up, ten rounds of a second");
        assert_eq!((count(1.0), count(1000.0)), (2 + 2 * 3, 2 + 2 * 20));
    }

    #[test]
    fn a_machine_that_becomes_busy_makes_fewer_rounds() {
        let (clock, mut runs) = (Mock::default(), 0);
        let measure = |_| {
            runs += 1;
            clock.pass(if runs == 1 { 1.0 } else { 4.0 }, 1.0);
            Ok(())
        };
        let rounds = Rounds::Within { time: Duration::from_secs(11), least: 2, most: 20 };
        in_turns(&clock, rounds, &[0], 3, measure, |_, ()| Ok(())).unwrap();
        assert_eq!(runs, 1 + 3, "after them it is 13 seconds");
    }

    /// A time that is over is over, even within a round; but the first round is complete.
    #[test]
    fn a_round_ends_with_the_time() {
        let within = |seconds| Rounds::Within { time: Duration::from_secs_f64(seconds), least: 1, most: 20 };
        let count = |seconds| run(within(seconds), &[0; 4], &[1.0; 4]).0.len();
        assert_eq!(count(13.0), 4 + 8, "two whole rounds");
        assert_eq!((count(2.0), count(8.0)), (4 + 4, 4 + 4));
        // The second round was foreseen, but the machine has become slower.
        let (clock, mut runs) = (Mock::default(), 0);
        let measure = |_| {
            runs += 1;
            clock.pass(if runs <= 4 { 1.0 } else { 1.5 }, 1.0);
            Ok(())
        };
        in_turns(&clock, within(13.0), &[0; 4], 3, measure, |_, ()| Ok(())).unwrap();
        assert_eq!(runs, 4 + 4 + 2);
    }

    #[test]
    fn the_rest_is_foreseen() {
        let (_, steps) = run(Rounds::Exactly(4), &[0; 2], &[0.5, 1.5]);
        assert_eq!(steps[1].left, None);
        assert_eq!((steps[1].done, steps[1].all), (2, 2));
        assert_eq!((steps[3].done, steps[3].all, steps[3].left), (4, 10, Some(Duration::from_secs(6))));
        assert_eq!(steps.last().unwrap().left, Some(Duration::ZERO));
    }

    #[test]
    fn going_on_measures_what_is_missing_in_the_same_order() {
        let (all, _) = run(Rounds::Exactly(5), &[0; 3], &[0.1; 3]);
        // It was stopped after the second round and one measurement of the third.
        let mut counts = [2; 3];
        let stopped = 3 + 2 * 3 + 1;
        counts[all[stopped - 1].0] += 1;
        let (rest, steps) = run(Rounds::Exactly(5), &counts, &[0.1; 3]);
        assert_eq!(rest[3..], all[stopped..], "after a warm-up");
        assert_eq!(steps.last().unwrap().done, steps.last().unwrap().all);
    }

    #[test]
    fn short_runs_are_made_more_often() {
        let times =
            |seconds: f64| (0..).find(|&done| enough(done, Duration::from_secs_f64(seconds * done as f64))).unwrap();
        assert_eq!((times(0.001), times(0.1), times(10.0)), (50, 10, 5));
    }

    #[test]
    fn nothing_to_measure_and_errors_end_it() {
        assert_eq!(run(Rounds::Exactly(3), &[], &[]).0, []);
        let fail = |_| -> Result<()> { Err(Error::Stopped) };
        let outcome = in_turns(&Mock::default(), Rounds::Exactly(3), &[0], 0, fail, |_, ()| Ok(()));
        assert!(matches!(outcome, Err(Error::Stopped)));
    }
}
