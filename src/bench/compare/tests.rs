use super::super::clock::{Clock, Mock};
use super::super::measure::{Rounds, in_turns};
use super::super::statistics::fewest_times;
use super::*;
use std::cell::{Cell, RefCell};

/// Times in nanoseconds of 400 real runs of the same render, one after the other, on a virtual machine with two processors on which other
/// programs ran now and then: `fractal bench --scene exterior --size 320x180 --backend serial --runs 400`.
const NOISE: &str = include_str!("noise.txt");

/// Measures a program before and after a change that makes it `slowdown` times slower, in turns, on a clock on which each run takes as
/// long as the next recorded one.
fn measured(start: usize, rounds: usize, slowdown: f64) -> [Results; 2] {
    let noise: Vec<f64> = NOISE.split_whitespace().map(|text| text.parse::<f64>().unwrap() * 1e-9).collect();
    assert_eq!(noise.len(), 400);
    let clock = Mock::default();
    let next = Cell::new(start);
    let times = RefCell::new([Vec::new(), Vec::new()]);
    let measure = |which: usize| {
        let began = clock.now();
        clock.pass(noise[next.get() % noise.len()] * if which == 1 { slowdown } else { 1.0 }, 1.0);
        next.set(next.get() + 1);
        Ok((clock.now() - began).as_secs_f64())
    };
    let keep = |step: super::super::measure::Step, time| {
        if !step.is_warmup {
            times.borrow_mut()[step.combination].push(time);
        }
        Ok(())
    };
    in_turns(&clock, Rounds::Exactly(rounds), &[0, 0], start as u64, measure, keep).unwrap();
    times.into_inner().map(|times| results(&[("a", &times)]))
}

fn results(entries: &[(&str, &[f64])]) -> Results {
    let entry = |&(name, times): &(&str, &[f64])| ResultEntry {
        command: name.into(),
        times: times.to_vec(),
        ..ResultEntry::default()
    };
    Results { results: entries.iter().map(entry).collect(), ..Results::default() }
}

fn verdict(before: &Results, after: &Results) -> Verdict {
    compare(before, after, 0.05, 0.01).differences[0].verdict
}

#[test]
fn a_slowdown_of_five_percent_is_found_in_real_noise() {
    for start in 0..100 {
        let [before, after] = measured(3 * start, 80, 1.05);
        let difference = &compare(&before, &after, 0.05, 0.01).differences[0];
        assert_eq!(difference.verdict, Verdict::Slower, "{start}: {difference:?}");
        assert_eq!(verdict(&after, &before), Verdict::Faster);
    }
}

#[test]
fn nothing_is_found_where_nothing_changed_more_often_than_stated() {
    let wrong = (0..100).filter(|start| {
        let [before, after] = measured(3 * start, 80, 1.0);
        [Verdict::Slower, Verdict::Faster].contains(&verdict(&before, &after))
    });
    let wrong = wrong.count();
    assert!(wrong <= 5, "{wrong} of 100 comparisons of the same with itself");
}

/// A file has many lines, and the level holds for all of them together.
#[test]
fn many_lines_do_not_make_wrong_verdicts_more_likely() {
    let wrong = (0..100).filter(|&file: &usize| {
        let pairs: Vec<_> = (0..10).map(|line| measured(31 * file + 37 * line, 15, 1.0)).collect();
        let names: Vec<String> = (0..10).map(|line| line.to_string()).collect();
        let side = |side: usize| {
            let lines = pairs.iter().zip(&names).map(|(pair, name)| (name.as_str(), &*pair[side].results[0].times));
            results(&lines.collect::<Vec<_>>())
        };
        let comparison = compare(&side(0), &side(1), 0.05, 0.0);
        assert_eq!(comparison.differences.len(), 10);
        comparison.count(Verdict::Slower) + comparison.count(Verdict::Faster) > 0
    });
    let wrong = wrong.count();
    assert!(wrong <= 5, "{wrong} of 100 files with ten lines each");
}

#[test]
fn the_change_and_its_interval_are_reported() {
    let before: Vec<f64> = (0..30).map(|i| 1.0 + f64::from(i % 7) * 0.01).collect();
    let after: Vec<f64> = before.iter().map(|time| time * 1.2).collect();
    let comparison = compare(&results(&[("a", &before)]), &results(&[("a", &after), ("b", &before)]), 0.05, 0.01);
    let difference = &comparison.differences[0];
    assert!((difference.ratio - 1.2).abs() < 1e-12 && difference.interval.unwrap().contains(1.2));
    assert!(difference.interval.unwrap().low > 1.1 && difference.p < 1e-6);
    assert_eq!((difference.verdict, comparison.unmatched.len()), (Verdict::Slower, 1));
    // The same change does not count when only larger ones do, and nobody knows where it may be either.
    let near = compare(&results(&[("a", &before)]), &results(&[("a", &after)]), 0.05, 0.21);
    assert_eq!(near.differences[0].verdict, Verdict::Undecided);
    let large = compare(&results(&[("a", &before)]), &results(&[("a", &after)]), 0.05, 0.25);
    assert_eq!(large.differences[0].verdict, Verdict::Same);
}

#[test]
fn few_runs_decide_nothing() {
    let few = |factor: f64| results(&[("a", &[factor, 1.01 * factor, 0.99 * factor])]);
    assert_eq!(verdict(&few(1.0), &few(2.0)), Verdict::Undecided);
    assert_eq!(verdict(&few(1.0), &few(1.0)), Verdict::Undecided);
    assert_eq!([0.5, 0.05, 0.01, 1e-300, 0.0].map(fewest_times), [2, 6, 8, 998, usize::MAX]);
    let times = |count: usize| results(&[("a", &vec![1.0; count])]);
    assert_eq!([5, 6].map(|n| verdict(&times(n), &times(n))), [Verdict::Undecided, Verdict::Same]);
}

/// That a test finds nothing does not show that nothing has changed.
#[test]
fn what_may_have_changed_is_not_called_the_same() {
    let wide = [1.0, 1.1, 1.9, 0.8, 1.2, 2.3, 0.9, 1.4];
    let other = [1.3, 0.9, 1.2, 2.6, 1.5, 0.7, 2.2, 1.6];
    let comparison = compare(&results(&[("a", &wide)]), &results(&[("a", &other)]), 0.05, 0.01);
    let difference = &comparison.differences[0];
    let range = difference.interval.unwrap();
    assert!(difference.ratio > 1.1 && range.low < 0.9 && range.high > 1.5, "{difference:?}");
    assert_eq!(difference.verdict, Verdict::Undecided);
    // Within 300 % it is the same.
    assert_eq!(compare(&results(&[("a", &wide)]), &results(&[("a", &other)]), 0.05, 3.0).count(Verdict::Same), 1);
}

#[test]
fn names_that_occur_more_than_once_find_their_own() {
    let times = |start: f64| (0..20).map(|run| start + f64::from(run) * 1e-4).collect::<Vec<f64>>();
    let (short, long) = (times(1.0), times(5.0));
    let twice = results(&[("a", &short), ("b", &short), ("a", &long)]);
    let comparison = compare(&twice, &twice, 0.05, 0.01);
    assert_eq!((comparison.count(Verdict::Same), comparison.unmatched.len()), (3, 0));
    assert!(comparison.differences.iter().all(|difference| difference.ratio == 1.0));
    // One more has no partner, on either side.
    let once = results(&[("a", &short)]);
    for (before, after) in [(&twice, &once), (&once, &twice)] {
        let comparison = compare(before, after, 0.05, 0.01);
        assert_eq!((comparison.count(Verdict::Same), comparison.unmatched), (1, vec!["b".to_owned(), "a".to_owned()]));
    }
    // Two commands with the same parameters, which hyperfine makes, in another order.
    let with = |entries: [(&str, &[f64]); 2]| {
        let mut results = results(&entries);
        results.results.iter_mut().for_each(|entry| _ = entry.parameters.insert("n".into(), "1".into()));
        results
    };
    let (before, after) = (with([("x 1", &short), ("y 1", &long)]), with([("y 1", &long), ("x 1", &short)]));
    assert_eq!(compare(&before, &after, 0.05, 0.01).count(Verdict::Same), 2);
    // Other programs with the same parameters are compared.
    let after = with([("new x 1", &short), ("new y 1", &long)]);
    assert_eq!(compare(&before, &after, 0.05, 0.01).count(Verdict::Same), 2);
}

#[test]
fn times_of_0_are_compared() {
    let (none, some) = ([0.0; 20], [1.0; 20]);
    for (before, after, ratio, expected) in [
        (&none, &none, 1.0, Verdict::Same),
        (&none, &some, f64::INFINITY, Verdict::Slower),
        (&some, &none, 0.0, Verdict::Faster),
    ] {
        let comparison = compare(&results(&[("a", before)]), &results(&[("a", after)]), 0.05, 0.01);
        let difference = &comparison.differences[0];
        assert_eq!((difference.ratio, difference.verdict), (ratio, expected));
        assert!(difference.p.is_finite());
    }
}
