use super::*;

fn grains(backend: &str, workers: usize, overhead: f64) -> Grains {
    let point = |&seconds: &f64| Grain {
        seconds,
        pieces: 100 * workers,
        times: vec![100.0 * (seconds + overhead), 500.0 * (seconds + overhead)],
        efficiency: 0.0,
    };
    let points = lengths(3).iter().map(point).collect();
    Grains { points, ..Grains::new(backend, "auto", workers) }
}

#[test]
fn the_grain_is_where_overhead_equals_work() {
    let mut all = [grains("fast", 2, 1e-7), grains("slow", 2, 1e-4), grains("free", 1, 0.0), grains("stuck", 2, 1.0)];
    rate(&mut all);
    // Efficiency is 50 % for pieces as long as the overhead, and 95 % for pieces 19 times as long.
    for (grains, overhead) in all.iter().zip([1e-7, 1e-4]) {
        let metg = |found: Option<f64>, times: f64| found.unwrap() / (times * overhead);
        assert!((0.9..1.1).contains(&metg(grains.metg50, 1.0)), "{:?}", grains.metg50);
        assert!((0.9..1.1).contains(&metg(grains.metg95, 19.0)), "{:?}", grains.metg95);
    }
    let free = &all[2];
    assert_eq!((free.metg50, free.points[0].efficiency), (Some(free.points[0].seconds), 1.0));
    assert_eq!((all[3].metg50, all[3].metg95), (None, None));
}

/// The runs of a length are made in turns with those of others, and the least of all turns counts.
#[test]
fn the_least_of_all_turns_counts() {
    let mut grains = [Grains::new("a", "auto", 2), Grains::new("b", "auto", 2)];
    let point = |time: f64| Grain { seconds: 1.0, pieces: 2, times: vec![time], efficiency: 0.0 };
    for (turn, slow) in [2.0, 1.0, 3.0].into_iter().enumerate() {
        grains[0].add(point(1.0));
        grains[1].add(point(slow));
        assert_eq!(grains[1].points.len(), 1, "turn {turn}");
    }
    rate(&mut grains);
    assert_eq!(grains[1].points[0].times, [2.0, 1.0, 3.0]);
    assert_eq!(grains.map(|grains| (grains.points[0].efficiency, grains.metg95)), [(1.0, Some(1.0)); 2]);
}

#[test]
fn lengths_cover_the_axis() {
    let lengths = lengths(3);
    assert_eq!(lengths.len(), 22);
    assert!((lengths[0] / 1e-8 - 1.0).abs() < 1e-9 && (lengths[21] / 0.1 - 1.0).abs() < 1e-9);
    let time = Duration::from_millis(20);
    assert_eq!((pieces(1e-8, 2, time), pieces(1e-3, 2, time), pieces(0.1, 3, time)), (1_000_000, 40, 12));
}

#[test]
fn every_backend_can_be_measured() {
    let clock = super::super::clock::System;
    // This test program cannot become a worker process; tests/bench.rs has those backends too.
    let runs = |entry: &&BackendEntry| entry.probe().is_ok() && !entry.in_processes();
    for entry in crate::backend::BACKENDS.iter().filter(runs) {
        let candidate = Candidate::all(entry, 2)[0];
        let mut cost = Cost::begin(&clock, candidate, &Stop::new()).unwrap();
        (0..2).for_each(|_| cost.round(&clock, candidate, &Stop::new()).unwrap());
        assert_eq!((cost.open.len(), cost.close.len(), cost.run.len(), cost.piece.len()), (2, 2, 2, 2));
        assert!(cost.piece.iter().all(|&time| time > 0.0) && cost.pieces >= 1000, "{cost:?}");
        let point = grain(&clock, candidate, (1e-5, 1e-9), 2, Duration::from_millis(1), &Stop::new()).unwrap();
        assert_eq!(point.times.len(), 2);
    }
}
