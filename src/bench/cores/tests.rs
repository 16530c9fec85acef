use super::super::clock::Mock;
use super::*;

fn entry(scene: &str, backend: &str, workers: usize, times: &[f64], busy: &[f64]) -> ResultEntry {
    let parameters = [("scene", scene), ("backend", backend), ("schedule", "auto"), ("workers", &workers.to_string())];
    let mut entry = ResultEntry {
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        times: times.to_vec(),
        busy: times.iter().map(|_| busy.to_vec()).collect(),
        processor: times.iter().map(|_| busy.iter().sum::<f64>() + 0.01).collect(),
        pieces: 100,
        ..ResultEntry::default()
    };
    entry.summarise();
    entry
}

#[test]
fn figures_follow_from_times() {
    let mut results = Results {
        results: vec![
            entry("a", "serial", 1, &[4.0, 4.0, 4.2], &[4.0]),
            entry("a", "threads", 1, &[4.4], &[4.0]),
            entry("a", "threads", 2, &[2.5, 2.5, 2.5], &[2.4, 1.6]),
            entry("b", "threads", 1, &[1.0], &[0.9]),
        ],
        machine: Some(Machine { allowed: vec![0], ..Machine::default() }),
        ..Results::default()
    };
    conclude(&mut results);
    let two = &results.results[2];
    assert_eq!((two.speedup, two.efficiency), (Some(1.6), Some(0.8)));
    assert!((two.karp_flatt.unwrap() - 0.25).abs() < 1e-12);
    assert!((two.imbalance.unwrap() - 0.2).abs() < 1e-12);
    assert!((two.idle.unwrap() - 0.2).abs() < 1e-12);
    assert!((two.overhead_per_piece.unwrap() - 0.0001).abs() < 1e-12);
    assert_eq!(results.results[3].speedup, Some(1.0), "without the baseline, one worker of the fastest");
    assert!(results.warnings[0].contains("Up to 2 workers shared 1 processors"), "{:?}", results.warnings);
    fit(&mut results);
    assert!(results.fits.is_empty(), "two workers on one processor say nothing about scaling");
    results.machine = Some(Machine { allowed: vec![0, 1], ..Machine::default() });
    fit(&mut results);
    let law = results.fits[0].amdahl.unwrap().law;
    // 4.4 s and 2.5 s: 0.6 s serial and 3.8 s parallel.
    assert!((law.single - 4.4).abs() < 1e-9 && (law.contention - 0.6 / 4.4).abs() < 1e-9, "{law:?}");
}

#[test]
fn every_backend_is_combined_with_every_number_of_workers_once() {
    let standard = super::super::subject::standard("costly-tail").unwrap();
    let subjects = [Subject::standard(standard, (64, 64), 64).unwrap()];
    let entries = ["serial", "threads"].map(|name| backend::find(name).unwrap());
    let (all, left_out) = combinations(&subjects, &entries, &[1, 2, 3], &Schedules::These(vec![Schedule::AUTO]));
    let names: Vec<_> = all.iter().map(|one| (one.entry.name, one.workers)).collect();
    assert_eq!(names, [("serial", 1), ("threads", 1), ("threads", 2), ("threads", 3)]);
    assert!(left_out.is_empty());
    let (all, left_out) = combinations(&subjects, &entries, &[2], &Schedules::These(vec![Schedule::GUIDED]));
    assert_eq!((all.len(), left_out.len()), (1, 1), "{left_out:?}");
    let (all, _) = combinations(&subjects, &entries, &[2], &Schedules::All);
    assert_eq!(all.len(), entries.iter().map(|entry| entry.schedules.len()).sum::<usize>());
}

#[test]
fn real_runs_are_kept_and_gone_on_with() {
    let standard = super::super::subject::standard("whole").unwrap();
    let subjects = [Subject::standard(standard, (96, 64), 16).unwrap()];
    // This test program cannot become a worker process; tests/bench.rs has those backends too.
    let entries: Vec<_> = backend::BACKENDS.iter().filter(|entry| !entry.in_processes()).collect();
    let (all, _) = combinations(&subjects, &entries, &[1, 2], &Schedules::These(vec![Schedule::AUTO]));
    let mut results = Results::default();
    let (mut calls, stop) = (0, Stop::new());
    // The fourth measurement of the first round is the last that is made.
    let outcome = measure(
        &Mock::default(),
        (&subjects, &all),
        (Rounds::Exactly(2), false),
        &mut results,
        &stop,
        |step, results| {
            calls += 1;
            assert_eq!(results.results.len(), all.len());
            if !step.is_warmup && step.done == all.len() + 4 {
                stop.set();
            }
            Ok(())
        },
    );
    assert!(matches!(outcome, Err(Error::Stopped)));
    assert_eq!(results.results.iter().map(|entry| entry.times.len()).sum::<usize>(), 4);
    measure(
        &Mock::default(),
        (&subjects, &all),
        (Rounds::Exactly(2), false),
        &mut results,
        &Stop::new(),
        |_, _| Ok(()),
    )
    .unwrap();
    for entry in &results.results {
        assert_eq!((entry.times.len(), entry.busy.len(), entry.exit_codes.len()), (2, 2, 2), "{}", entry.command);
        assert_eq!((entry.pieces, entry.busy[0].len()), (24, entry.workers()), "{}", entry.command);
    }
}

#[test]
fn numbers_of_workers_grow() {
    assert_eq!(worker_counts(1), [1]);
    assert_eq!(worker_counts(3), [1, 2, 3]);
    assert_eq!(worker_counts(64), [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 28, 36, 52, 64]);
}
