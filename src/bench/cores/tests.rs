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
    let bases = [("a", "one worker of serial, auto"), ("b", "one worker of threads, auto")];
    assert_eq!(results.bases, bases.map(|(scene, base)| (scene.to_owned(), base.to_owned())).into());
    assert!(results.warnings[0].contains("Up to 2 workers shared 1 processors"), "{:?}", results.warnings);
    fit(&mut results);
    assert!(results.fits.is_empty(), "two workers on one processor say nothing about scaling");
    results.machine = Some(Machine { allowed: vec![0, 1], ..Machine::default() });
    fit(&mut results);
    let law = results.fits[0].amdahl.as_ref().unwrap().law;
    // 4.4 s and 2.5 s: 0.6 s serial and 3.8 s parallel.
    assert!((law.single - 4.4).abs() < 1e-9 && (law.contention - 0.6 / 4.4).abs() < 1e-9, "{law:?}");
}

/// What other programs touch is marked, and no share far above 100 % follows from it.
#[test]
fn disturbed_times_are_marked() {
    let mut results = Results {
        results: vec![
            entry("a", "serial", 1, &[4.0, 4.0], &[4.0]),
            entry("a", "threads", 1, &[2.0, 2.0], &[2.0]),
            entry("a", "threads", 2, &[2.5, 2.5], &[2.4, 1.6]),
        ],
        ..Results::default()
    };
    let busy = |results: &mut Results, others: [f64; 3]| {
        // In processors on average.
        for (entry, others) in results.results.iter_mut().zip(others) {
            entry.others = Some(others * entry.times.iter().sum::<f64>());
        }
        conclude(results);
        results.results.iter().map(|entry| entry.disturbed).collect::<Vec<_>>()
    };
    assert_eq!(busy(&mut results, [0.0, 0.04, -0.01]), [false; 3]);
    assert_eq!(results.results[1].speedup, Some(2.0), "on a quiet machine it is shown and explained");
    assert_eq!(busy(&mut results, [1.0, 0.0, 0.0]), [true, false, false]);
    assert_eq!(results.results[1].speedup, None, "a speed-up of 2 with one worker, whose baseline was disturbed");
    assert_eq!(results.results[2].speedup, Some(1.6));
    // Where the count of an entry decides nothing, that of the whole measurement does.
    results.usage.wall = 20.0;
    results.usage.others = 10.0;
    assert_eq!(busy(&mut results, [1.0, 0.0, 0.045]), [true, false, true]);
    results.results.iter_mut().for_each(|entry| entry.others = None);
    conclude(&mut results);
    assert!(results.results.iter().all(|entry| entry.disturbed), "old files have no counts of their own");
}

#[test]
fn the_headline_can_be_quoted() {
    let mut results = Results {
        results: vec![entry("a", "serial", 1, &[4.0], &[4.0]), entry("a", "threads", 2, &[2.5], &[2.4, 1.6])],
        machine: Some(Machine { processor: Some("Z80".into()), allowed: vec![0, 1], ..Machine::default() }),
        ..Results::default()
    };
    assert_eq!(headline(&results), None, "no picture");
    results.results.iter_mut().for_each(|entry| entry.pixels = 10_000_000);
    let expected = "Z80: 4.00 million pixels a second of `a` with 2 workers of threads (auto), 2.00 per worker, 2.50 with one of \
                    serial; scaling 80 %.";
    assert_eq!(headline(&results).unwrap(), expected);
    results.results[1].median = 1.0;
    assert!(headline(&results).unwrap().ends_with("scaling not known."));
    results.results[0].disturbed = true;
    assert_eq!(headline(&results), None, "nobody should quote it");
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
    assert_eq!((all.len(), left_out.len()), (1, 2), "{left_out:?}");
    assert!(left_out[0].contains("`serial` honours none") && left_out[1].contains("one worker only"), "{left_out:?}");
    // Schedules that a backend does not honour are named, even where it honours others.
    let asked = Schedules::These(vec![Schedule::STATIC, Schedule::GUIDED]);
    let (all, left_out) = combinations(&subjects, &entries[..1], &[1], &asked);
    assert_eq!((all.len(), &left_out[..]), (1, &["backend `serial` does not honour `guided`".to_owned()][..]));
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
