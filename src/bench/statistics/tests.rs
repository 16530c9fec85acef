use super::*;
use proptest::prelude::*;

fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{value} is not {expected}");
}

/// The speed of light, first two series of Michelson 1879, in km/s above 299,000.
const FIRST: [f64; 20] = [
    850.0, 740.0, 900.0, 1070.0, 930.0, 850.0, 950.0, 980.0, 980.0, 880.0, 1000.0, 980.0, 930.0, 650.0, 760.0, 810.0,
    1000.0, 1000.0, 960.0, 960.0,
];
const SECOND: [f64; 20] = [
    960.0, 940.0, 960.0, 940.0, 880.0, 800.0, 850.0, 880.0, 900.0, 840.0, 830.0, 790.0, 810.0, 880.0, 880.0, 830.0,
    800.0, 790.0, 760.0, 800.0,
];

#[test]
fn michelsons_speed_of_light_is_summarised() {
    let summary = Summary::of(&FIRST).unwrap();
    close(summary.mean, 909.0);
    close(summary.stddev, 104.92603911427577);
    assert_eq!((summary.median, summary.mad, summary.min, summary.max), (940.0, 60.0, 650.0, 1070.0));
    assert_eq!(summary.outliers, 0);
    for (p, expected) in [(0.1, 758.0), (0.25, 850.0), (0.9, 1000.0), (0.333, 886.54), (0.0, 650.0), (1.0, 1070.0)] {
        close(quantile(&FIRST, p), expected);
    }
}

/// NIST StRD, univariate: `NumAcc1` to `NumAcc4`, whose values differ in their last digits only.
#[test]
fn certified_standard_deviations_are_met() {
    let summary = Summary::of(&[10_000_001.0, 10_000_003.0, 10_000_002.0]).unwrap();
    assert_eq!((summary.mean, summary.stddev), (10_000_002.0, 1.0));
    for base in [1.0, 1_000_000.0, 10_000_000.0] {
        let values: Vec<f64> = (0..1001)
            .map(|index| match index {
                0 => base + 0.2,
                odd if odd % 2 == 1 => base + 0.1,
                _ => base + 0.3,
            })
            .collect();
        let summary = Summary::of(&values).unwrap();
        close(summary.mean, base + 0.2);
        // The values themselves are only this exact as 64-bit numbers.
        assert!((summary.stddev - 0.1).abs() < 1e-9_f64.max(base * 2e-16), "{base}: {}", summary.stddev);
    }
}

#[test]
fn outliers_are_far_from_the_median() {
    let mut values = vec![10.0, 10.1, 9.9, 10.2, 9.8, 10.0, 10.1, 9.9];
    assert_eq!(Summary::of(&values).unwrap().outliers, 0);
    values.push(12.0);
    assert_eq!(Summary::of(&values).unwrap().outliers, 1);
    assert_eq!(Summary::of(&[1.0, 1.0, 1.0, 5.0]).unwrap().outliers, 0, "without any deviation there are no outliers");
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    assert_eq!(Summary::of(&[2.5]).unwrap().stddev, 0.0);
}

/// Expected are the values of `scipy.stats.mannwhitneyu`.
#[test]
fn ranks_compare_as_in_scipy() {
    let test = mann_whitney(&FIRST, &SECOND).unwrap();
    assert_eq!(test.u, 284.5);
    close(test.p, 0.02273389651267);
    // Hollander and Wolfe's example of permeability.
    let first = [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    let test = mann_whitney(&first, &[1.15, 0.88, 0.90, 0.74, 1.21]).unwrap();
    assert_eq!(test.u, 35.0);
    close(test.p, 0.2544122544122544);
    let test =
        mann_whitney(&[1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.5], &[2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 30.0]).unwrap();
    close(test.p, 0.778865578865579);
    let first: Vec<f64> = (0..40).map(|i| f64::from(i * 37 % 101) + 0.25).collect();
    let second: Vec<f64> = (0..40).map(|i| f64::from(i * 53 % 103) + 4.5).collect();
    let test = mann_whitney(&first, &second).unwrap();
    assert_eq!(test.u, 772.0);
    close(test.p, 0.7913030794272248);
    let same = mann_whitney(&[1.0; 5], &[1.0; 6]).unwrap();
    assert_eq!(same.p, 1.0);
    assert_eq!(mann_whitney(&[], &[1.0]), None);
}

#[test]
fn the_tail_of_the_normal_distribution_is_known() {
    for (z, expected) in [
        (0.0, 0.5),
        (0.3, 0.3820885778110474),
        (1.0, 0.15865525393145707),
        (1.96, 0.024997895148220435),
        (2.9, 0.0018658133003840375),
        (3.1, 0.0009676032132183563),
        (5.0, 2.866515718791933e-07),
        (8.0, 6.22096057427174e-16),
    ] {
        close(upper_tail(z), expected);
    }
}

/// The example of Benjamini and Hochberg 1995: of these 15, four are rejected.
#[test]
fn shares_lie_where_wilson_says() {
    // The examples of Newcombe 1998, with more digits.
    let some = Interval::of_share(15, 148);
    assert!((some.low - 0.062_386_4).abs() < 1e-6 && (some.high - 0.160_487_2).abs() < 1e-6, "{some:?}");
    let none = Interval::of_share(0, 20);
    assert!(none.low == 0.0 && (none.high - 3.841_458_821 / 23.841_458_821).abs() < 1e-9, "{none:?}");
    assert_eq!(Interval::of_share(0, 0), Interval { low: 0.0, high: 1.0 });
    assert_eq!(Interval::of_share(9, 9).high, 1.0);
}

#[test]
fn discoveries_are_those_of_the_paper() {
    let p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0,
    ];
    assert_eq!(discoveries(&p, 0.05), p.map(|p| p <= 0.0095));
    assert_eq!(discoveries(&[0.5, 0.04], 0.05), [false, false]);
    assert_eq!(discoveries(&[], 0.05), [false; 0]);
}

#[test]
fn the_bootstrap_covers_the_mean_as_often_as_it_says() {
    let mut random = Random::new(7);
    let covered = (0..200)
        .filter(|&seed| {
            let sample: Vec<f64> = (0..30).map(|_| random.below(1000) as f64).collect();
            let mean = |drawn: &[Vec<f64>]| drawn[0].iter().sum::<f64>() / drawn[0].len() as f64;
            bootstrap(&[&sample], 0.9, seed, mean).unwrap().contains(499.5)
        })
        .count();
    assert!((165..=195).contains(&covered), "{covered} of 200 intervals of 90 %");
    assert_eq!(bootstrap(&[&[1.0], &[]], 0.9, 0, |_| 0.0), None);
}

proptest! {
    #[test]
    fn summaries_are_in_order(values in prop::collection::vec(-1e6..1e6, 1..60)) {
        let summary = Summary::of(&values).unwrap();
        prop_assert!(summary.min <= summary.median && summary.median <= summary.max);
        let slack = 1e-9 * (1.0 + summary.max.abs().max(summary.min.abs()));
        prop_assert!(summary.min <= summary.mean + slack && summary.mean <= summary.max + slack);
        prop_assert!(summary.mad <= (summary.max - summary.min) && summary.outliers * 2 <= values.len());
        let (low, high) = (quantile(&values, 0.2), quantile(&values, 0.7));
        prop_assert!(low <= high);
    }

    #[test]
    fn statistics_follow_shift_and_scale(values in prop::collection::vec(0.0..1e3, 2..40), scale in 0.1..10.0) {
        let moved: Vec<f64> = values.iter().map(|value| 5.0 + scale * value).collect();
        let (a, b) = (Summary::of(&values).unwrap(), Summary::of(&moved).unwrap());
        let pairs: [(f64, f64); 3] = [(5.0 + scale * a.mean, b.mean), (scale * a.stddev, b.stddev), (scale * a.mad, b.mad)];
        for (before, after) in pairs {
            prop_assert!((before - after).abs() < 1e-8 * (1.0 + after.abs()), "{before} {after}");
        }
    }

    #[test]
    fn the_comparison_is_symmetric(
        first in prop::collection::vec(0..50i32, 1..30), second in prop::collection::vec(0..50i32, 1..30),
    ) {
        let floats = |sample: &[i32]| sample.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let (first, second) = (floats(&first), floats(&second));
        let (there, back) = (mann_whitney(&first, &second).unwrap(), mann_whitney(&second, &first).unwrap());
        prop_assert_eq!(there.u + back.u, (first.len() * second.len()) as f64);
        prop_assert!((there.p - back.p).abs() < 1e-12 && (0.0..=1.0).contains(&there.p));
        let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (a, b)));
        let counted: f64 = pairs.map(|(a, b)| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }).sum();
        prop_assert_eq!(there.u, counted);
    }

    #[test]
    fn shuffling_keeps_everything(mut items in prop::collection::vec(0..100u32, 0..50), seed: u64) {
        let mut before = items.clone();
        Random::new(seed).shuffle(&mut items);
        items.sort_unstable();
        before.sort_unstable();
        prop_assert_eq!(items, before);
    }
}

#[test]
fn a_tenth_is_below_the_lower_decile() {
    let decile = |values: &[f64]| lower_decile(values, |value| *value).copied();
    assert_eq!((decile(&[]), decile(&[3.0]), decile(&[2.0, 1.0])), (None, Some(3.0), Some(1.0)));
    assert_eq!(decile(&[5.0, 4.0, 3.0, 2.0, 1.0]), Some(1.0));
    assert_eq!(decile(&(0..101).map(f64::from).collect::<Vec<_>>()), Some(10.0));
}

#[test]
fn medians_are_drawn_as_whole_samples_are() {
    let mut random = Random::new(5);
    let mut sample = |len: usize| -> Vec<f64> { (0..len).map(|_| (random.below(50) as f64).sqrt()).collect() };
    let ratio = |[a, b]: [f64; 2]| b / (a + 1.0);
    let slowly =
        |a: &[f64], b: &[f64]| bootstrap(&[a, b], 0.9, 3, |drawn| ratio([median(&drawn[0]), median(&drawn[1])]));
    for (m, n) in [(1, 1), (2, 3), (7, 10), (100, 99), (1000, 1)] {
        let (a, b) = (sample(m), sample(n));
        assert_eq!(bootstrap_medians([&a, &b], 0.9, 3, ratio), slowly(&a, &b), "{m} {n}");
    }
    assert_eq!(bootstrap_medians([&[1.0], &[]], 0.9, 3, ratio), None);
    let [a, b] = [3001, 4000].map(|len| (0..len).map(f64::from).collect::<Vec<_>>());
    let (fast, slow) = (bootstrap_medians([&a, &b], 0.9, 3, ratio).unwrap(), slowly(&a, &b).unwrap());
    assert!((fast.low - slow.low).abs() < 0.01 && (fast.high - slow.high).abs() < 0.01, "{fast:?} {slow:?}");
    // A thousand times a million would be a matter of minutes.
    let many: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    assert!(bootstrap_medians([&many, &many], 0.9, 3, ratio).unwrap().contains(1.0));
}
