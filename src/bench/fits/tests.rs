use super::*;
use proptest::prelude::*;

fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{value} is not {expected}");
}

/// NIST StRD, linear least squares: `Norris`, `NoInt1` and `Wampler1` with their certified values.
#[test]
fn certified_regressions_are_met() {
    let x = [
        0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5,
        11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2,
        669.1, 448.9, 0.5,
    ];
    let y = [
        0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9,
        10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9,
        668.4, 449.2, 0.2,
    ];
    let norris = least_squares(&[vec![1.0; 36], x.to_vec()], &y).unwrap();
    close(norris[0], -0.262323073774029);
    close(norris[1], 1.00211681802045);

    let x: Vec<f64> = (60..=70).map(f64::from).collect();
    let y: Vec<f64> = (130..=140).map(f64::from).collect();
    close(least_squares(&[x], &y).unwrap()[0], 2.07438016528926);

    let powers = |power| (0..=20).map(|x| f64::from(x).powi(power)).collect::<Vec<f64>>();
    let columns: Vec<_> = (0..=5).map(powers).collect();
    let y: Vec<f64> = (0..=20).map(|x| (0..=5).map(|power| f64::from(x).powi(power)).sum()).collect();
    least_squares(&columns, &y).unwrap().into_iter().for_each(|value| close(value, 1.0));
}

/// The ray tracer's throughput from Gunther's book; expected are the values of LAPACK (`numpy.linalg.lstsq`) for the same model.
#[test]
fn a_known_scaling_is_fitted() {
    let measured = [
        (1, 20),
        (4, 78),
        (8, 130),
        (12, 170),
        (16, 190),
        (20, 200),
        (24, 210),
        (28, 230),
        (32, 240),
        (48, 250),
        (64, 260),
    ];
    let points: Vec<_> =
        measured.map(|(workers, rate)| Point { workers, times: vec![1.0 / f64::from(rate)] }).into_iter().collect();
    let law = universal(&points).unwrap().law;
    close(law.single, 0.046495777588130976);
    close(law.contention, 0.050086831138198035);
    close(law.coherency, 0.00031857785720961146);
    close(law.peak().unwrap(), ((1.0 - 0.050086831138198035_f64) / 0.00031857785720961146).sqrt());
    let law = amdahl(&points).unwrap().law;
    close(law.contention, 0.0672940768016641);
    close(law.limit().unwrap(), 1.0 / 0.0672940768016641);
    assert_eq!(law.peak(), None);
}

#[test]
fn too_few_points_and_impossible_times_give_no_law() {
    let point = |workers, times: &[f64]| Point { workers, times: times.to_vec() };
    assert!(amdahl(&[point(1, &[1.0])]).is_none());
    assert!(amdahl(&[point(2, &[1.0]), point(2, &[1.1])]).is_none(), "the same number of workers twice");
    assert!(universal(&[point(1, &[1.0]), point(2, &[0.6])]).is_none());
    assert!(amdahl(&[point(1, &[1.0]), point(2, &[])]).is_none());
    assert!(amdahl(&[point(1, &[f64::NAN]), point(2, &[1.0])]).is_none());
    assert!(least_squares(&[vec![1.0, 2.0], vec![2.0, 4.0]], &[1.0, 1.0]).is_none(), "dependent columns");
    assert!(least_squares(&[vec![1.0], vec![2.0]], &[1.0]).is_none(), "more unknowns than rows");
}

#[test]
fn a_speed_up_beyond_the_workers_is_no_negative_fraction() {
    let point = |workers, time| Point { workers, times: vec![time] };
    let law = amdahl(&[point(1, 1.0), point(2, 0.4)]).unwrap().law;
    assert_eq!(law.contention, 0.0);
    let law = amdahl(&[point(1, 1.0), point(2, 1.3)]).unwrap().law;
    assert!(law.contention <= 1.0, "{law:?}");
    assert!(karp_flatt(2.5, 2).unwrap() < 0.0);
}

/// Every forecast has an interval, and there is none where it says nothing.
#[test]
fn nothing_is_predicted_from_nothing() {
    let scattered = |middle: f64, scatter: f64| (-5..=5).map(|i| middle * (1.0 + scatter * f64::from(i))).collect();
    let two = |second: f64, scatter: f64| {
        let times: [Vec<f64>; 2] = [scattered(1.0, scatter), scattered(second, scatter)];
        amdahl(&[1, 2].map(|workers| Point { workers, times: times[workers - 1].clone() })).unwrap()
    };
    // Perfect halves with little scatter: forecasts to eight times the workers, whose intervals grow; never to 256 from two points.
    let good = two(0.51, 0.002);
    let range = good.contention_interval.unwrap();
    assert!(range.low > 0.0 && range.contains(0.02) && range.high < 0.05, "{range:?}");
    assert_eq!(good.forecasts.iter().map(|one| one.workers).collect::<Vec<_>>(), [2, 4, 8, 16]);
    for pair in good.forecasts.windows(2) {
        let width = |one: &Extrapolated| one.interval.high / one.interval.low;
        assert!(width(&pair[0]) < width(&pair[1]) && pair[1].interval.contains(pair[1].speedup));
    }
    assert!(good.limit_of_forecasts().contains("beyond 16"));
    // Anything from superlinear to no gain at all.
    let wild = two(0.5, 0.19);
    assert!(wild.forecasts.len() < 3, "{wild:?}");
    // Times below half of one worker's: the serial part is not 0.0 (0.0 to 0.0), and there is no forecast of 16.0 (16.0 to 16.0).
    let faster = two(0.4, 0.001);
    assert!(faster.contention_interval.unwrap().high < 0.0 && faster.forecasts.is_empty());
    assert!(faster.limit_of_forecasts().contains("faster than their number"));
    // Two workers that are slower than one: not 1.0 (1.0 to 1.0) with any number.
    let slower = two(1.4, 0.001);
    assert!(slower.contention_interval.unwrap().low > 1.0 && slower.forecasts.is_empty());
    assert!(slower.limit_of_forecasts().contains("slower than one"));
    // Three runs give no interval, and therefore no forecast.
    let few = amdahl(&[1, 2].map(|workers| Point { workers, times: vec![1.0 / workers as f64; 3] })).unwrap();
    assert!(few.contention_interval.is_none() && few.forecasts.is_empty());
    assert!(few.limit_of_forecasts().contains("needs 6 runs"));
}

/// A fifth of each run is serial, and only the rest grows: what n workers do in the time of one is 0.2 + 0.8 n.
#[test]
fn scaled_speed_ups_follow_gustafson() {
    let point = |workers: usize| {
        let n = workers as f64;
        (Point { workers, times: vec![n / (n - 0.2 * (n - 1.0)); 6] }, n)
    };
    let law = gustafson(&[1.0; 6], &[point(2), point(4), point(8)]).unwrap();
    close(law.serial, 0.2);
    let range = law.interval.unwrap();
    assert!((range.low - 0.2).abs() < 1e-9 && (range.high - 0.2).abs() < 1e-9);
    assert!(gustafson(&[1.0; 5], &[point(2)]).unwrap().interval.is_none(), "too few times");
    assert!(gustafson(&[1.0; 6], &[point(1)]).is_none() && gustafson(&[], &[point(2)]).is_none());
}

#[test]
fn the_fraction_of_karp_and_flatt_is_theirs() {
    // A speed-up of 1.95 with 2 processors, and 6.73 with 8.
    close(karp_flatt(1.95, 2).unwrap(), 0.025641025641025664);
    close(karp_flatt(6.73, 8).unwrap(), (1.0 / 6.73 - 0.125) / 0.875);
    assert_eq!(karp_flatt(1.0, 1), None);
    close(karp_flatt(1.0, 8).unwrap(), 1.0);
}

proptest! {
    #[test]
    fn laws_are_found_again_from_their_times(
        single in 1e-6..1e3, contention in 0.0..0.9, coherency in 0.0..0.01, more in 0..6usize,
    ) {
        let law = Law { single, contention, coherency };
        let points: Vec<_> = (0..3 + more)
            .map(|power| 1 << power)
            .map(|workers| Point { workers, times: vec![single / law.speedup(workers as f64); 6] })
            .collect();
        let found = universal(&points).unwrap();
        prop_assert!((found.law.single / single - 1.0).abs() < 1e-9);
        prop_assert!((found.law.contention - contention).abs() < 1e-9, "{:?}", found);
        prop_assert!((found.law.coherency - coherency).abs() < 1e-9);
        // All runs took the same time, so there is no uncertainty.
        let near = |range: Interval, value: f64| range.low <= value + 1e-9 && range.high >= value - 1e-9;
        prop_assert!(near(found.contention_interval.unwrap(), contention), "{:?}", found);
        for forecast in &found.forecasts {
            prop_assert!(near(forecast.interval, forecast.speedup), "{:?}", forecast);
            prop_assert!(forecast.workers <= 8 << (2 + more));
        }
    }

    #[test]
    fn serial_fractions_give_their_speed_up_back(fraction in 0.0..1.0, workers in 2..4096usize) {
        let law = Law { single: 1.0, contention: fraction, coherency: 0.0 };
        prop_assert!((karp_flatt(law.speedup(workers as f64), workers).unwrap() - fraction).abs() < 1e-9);
    }

    #[test]
    fn intervals_grow_with_the_scatter(noise in 0.001..0.1, seed in 0..1000u64) {
        let mut random = crate::bench::statistics::Random::new(seed);
        let mut times = |time: f64, noise: f64| {
            (0..20).map(|_| time * (1.0 + noise * (random.bits() >> 11) as f64 / (1_u64 << 53) as f64)).collect::<Vec<_>>()
        };
        let law = Law { single: 1.0, contention: 0.2, coherency: 0.0 };
        let mut width = |noise| {
            let points: Vec<_> =
                [1, 2, 4].map(|workers| Point { workers, times: times(1.0 / law.speedup(workers as f64), noise) }).into();
            let interval = amdahl(&points).unwrap().contention_interval.unwrap();
            interval.high - interval.low
        };
        prop_assert!(width(noise) < width(10.0 * noise));
    }
}
