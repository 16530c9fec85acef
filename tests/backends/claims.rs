//! Which pieces are computed, in which claims.

use super::hashes::run_checked;
use super::{options, recipe, schedules};
use fractal::backend::{BACKENDS, find};
use fractal::parallel::{Claim, FinishedClaim, Kind, Prepared, Recipe, Schedule, Sink, Stop, Work};
use fractal::{Error, Result};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

#[test]
fn every_backend_and_schedule_computes_each_piece_once() {
    for entry in BACKENDS {
        for schedule in schedules(entry) {
            for workers in [1, 2, 3, 7] {
                let mut session = entry.open(&options(workers, schedule)).unwrap();
                for pieces in [0, 1, 2, 7, 64, 1000] {
                    let (report, _) = run_checked(&mut *session, pieces);
                    assert_eq!(report.backend, entry.name);
                    assert_eq!(report.schedule, schedule.to_string());
                    assert_eq!(report.workers.len(), if entry.parallel { workers } else { 1 });
                }
            }
        }
    }
}

#[test]
fn claims_are_what_the_schedule_says() {
    let claims = |backend: &str, workers, schedule: &str, pieces| {
        let options = options(workers, schedule.parse().unwrap());
        run_checked(&mut *find(backend).unwrap().open(&options).unwrap(), pieces).1
    };
    let sorted = |mut claims: Vec<(usize, Range<usize>)>| {
        claims.sort_by_key(|(_, claim)| claim.start);
        claims
    };
    assert_eq!(sorted(claims("threads", 3, "static", 10)), [(0, 0..4), (1, 4..7), (2, 7..10)]);
    assert_eq!(sorted(claims("threads", 2, "static,3", 10)), [(0, 0..3), (1, 3..6), (0, 6..9), (1, 9..10)]);
    assert_eq!(claims("serial", 1, "static,4", 10), [(0, 0..4), (0, 4..8), (0, 8..10)]);

    let parallel = BACKENDS.iter().filter(|entry| entry.parallel);
    for (entry, schedule) in parallel.flat_map(|entry| schedules(entry).into_iter().map(move |s| (entry, s))) {
        let claims = claims(entry.name, 3, &schedule.to_string(), 1000);
        if let (Kind::Dynamic, Some(chunk)) = (schedule.kind(), schedule.chunk()) {
            // Chunks begin at multiples of the chunk, and only the last is shorter.
            for (_, claim) in &claims {
                let whole = (claim.start + chunk as usize).min(1000);
                assert_eq!((claim.start % chunk as usize, claim.end), (0, whole), "{} {schedule}", entry.name);
            }
        }
        if Schedule::DYNAMIC.serves(schedule) && schedule.order().is_none() {
            // What one worker takes, it takes in increasing order.
            for worker in 0..3 {
                let own: Vec<_> = claims.iter().filter(|(by, _)| *by == worker).map(|(_, claim)| claim.start).collect();
                assert!(own.is_sorted(), "{} {schedule}: {own:?}", entry.name);
            }
        }
    }
}

/// A thousand pieces of 40 KB: more than should be held at once.
pub(super) struct Large;

impl Work for Large {
    fn len(&self) -> usize {
        1000
    }

    fn piece_len(&self, _: usize) -> usize {
        40_000
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("large", &[]))
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        claim.bytes().fill(1);
        Ok(())
    }
}

#[test]
fn large_results_are_handed_on_in_small_claims() {
    struct Sizes;
    impl Sink for Sizes {
        fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
            assert!(done.bytes.len() <= 256 << 10, "{} bytes", done.bytes.len());
            Ok(())
        }
    }
    for entry in BACKENDS {
        for schedule in schedules(entry) {
            let mut session = entry.open(&options(2, schedule)).unwrap();
            let report = session.run(Arc::new(Large), Arc::new(Sizes), &Stop::new()).unwrap();
            assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), 1000);
        }
    }
}

#[test]
fn names_are_distinguished_and_schedules_refused() {
    assert_eq!(BACKENDS.iter().map(|entry| entry.name).collect::<HashSet<_>>().len(), BACKENDS.len());
    assert!(matches!(find("fast"), Err(Error::Usage(_))));
    for entry in BACKENDS {
        for schedule in [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO] {
            let honoured = entry.schedules.iter().any(|own| own.serves(schedule));
            match entry.open(&options(1, schedule)) {
                Ok(_) => assert!(honoured),
                Err(Error::Usage(text)) => assert!(!honoured && text.contains(entry.name), "{text}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
