//! Sessions: stopping runs, many runs in one session, and sessions side by side.

use super::hashes::{Hashes, run_checked};
use super::{open, options, recipe, schedules, within_this_process};
use fractal::backend::{BACKENDS, SessionOptions};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Schedule, Stop, Work};
use fractal::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// Pieces that go on until they are asked to stop.
struct Endless {
    started: AtomicUsize,
}

impl Work for Endless {
    fn len(&self) -> usize {
        1_000_000
    }

    fn piece_len(&self, _: usize) -> usize {
        0
    }

    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        self.started.fetch_add(1, SeqCst);
        while !stop.is_set() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::Stopped)
    }
}

#[test]
fn a_run_is_stopped_from_another_thread() {
    for entry in within_this_process() {
        for schedule in schedules(entry) {
            let workers = if entry.parallel { 3 } else { 1 };
            let mut session = entry.open(&options(workers, schedule)).unwrap();
            let work = Arc::new(Endless { started: AtomicUsize::new(0) });
            let stop = Stop::new();
            let error = std::thread::scope(|scope| {
                scope.spawn(|| {
                    // All workers are in a piece, so N workers are N threads that compute at the same time.
                    while work.started.load(SeqCst) < workers {
                        std::thread::yield_now();
                    }
                    stop.set();
                });
                session.run(work.clone(), Arc::new(Discard), &stop).unwrap_err()
            });
            assert!(matches!(error, Error::Stopped), "{error:?}");
            assert_eq!(work.started.load(SeqCst), workers, "{} {schedule}: no claim after the stop", entry.name);
            run_checked(&mut *session, 64);

            let late = session.run(Arc::new(Hashes::new(64)), Arc::new(Discard), &stop).unwrap_err();
            assert!(matches!(late, Error::Stopped), "a stop that was set before holds too");
        }
    }
}

#[test]
fn a_failure_stops_the_other_workers() {
    /// The first piece fails once another worker is in a piece that only ends when the run does.
    struct Half(AtomicBool);
    impl Work for Half {
        fn len(&self) -> usize {
            2
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
            if claim.range().start == 0 {
                while !self.0.load(SeqCst) {
                    std::thread::yield_now();
                }
                return Err(Error::Input("broken".into()));
            }
            self.0.store(true, SeqCst);
            while !stop.is_set() {
                std::thread::yield_now();
            }
            Err(Error::Stopped)
        }
    }
    for entry in within_this_process().filter(|entry| entry.parallel) {
        let stop = Stop::new();
        let outcome = open(entry, 2).run(Arc::new(Half(AtomicBool::new(false))), Arc::new(Discard), &stop);
        assert_eq!(outcome.unwrap_err().to_string(), "broken");
        assert!(!stop.is_set(), "the caller's request is the caller's");
    }
}

#[test]
fn a_session_lives_through_a_thousand_runs() {
    for entry in BACKENDS {
        let mut session = open(entry, 3);
        for pieces in 0..1000 {
            run_checked(&mut *session, pieces % 11);
        }
    }
}

#[test]
fn sessions_live_side_by_side_and_unused_ones_end() {
    for entry in BACKENDS {
        for workers in [1, 2, 8] {
            drop(open(entry, workers));
        }
        let mut sessions: Vec<_> = (1..20).map(|number| open(entry, number % 4 + 1)).collect();
        sessions.iter_mut().for_each(|session| drop(run_checked(&mut **session, 100)));
        // And all at once, each on a thread of its own.
        let begin = Barrier::new(sessions.len());
        std::thread::scope(|scope| {
            for mut session in sessions {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    for pieces in 0..50 {
                        run_checked(&mut *session, pieces * 10);
                    }
                });
            }
        });
    }
}

#[cfg(feature = "rayon")]
#[test]
fn a_run_needs_no_free_thread_of_the_callers_pool() {
    for entry in BACKENDS {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| run_checked(&mut *open(entry, 2), 200));
    }
}

#[cfg(feature = "rayon")]
pub(super) struct Nested;

#[cfg(feature = "rayon")]
impl Work for Nested {
    fn len(&self) -> usize {
        200
    }
    fn piece_len(&self, _: usize) -> usize {
        8
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("nested", &[]))
    }
    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        use rayon::prelude::*;
        for (index, out) in claim.range().zip(claim.bytes().chunks_mut(8)) {
            let sum: u64 = (0..1000u32).into_par_iter().with_max_len(1).map(|n| u64::from(n) + index as u64).sum();
            out.copy_from_slice(&sum.to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(feature = "rayon")]
#[test]
fn work_may_use_rayon_itself() {
    use fractal::parallel::{FinishedClaim, Sink};

    struct Sums;
    impl Sink for Sums {
        fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
            for piece in done.pieces() {
                assert_eq!(piece.bytes, (499_500 + 1000 * piece.index as u64).to_le_bytes());
            }
            Ok(())
        }
    }
    for entry in BACKENDS {
        let report = open(entry, 3).run(Arc::new(Nested), Arc::new(Sums), &Stop::new()).unwrap();
        assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), 200);
    }
}

pub(super) struct Sleep;

impl Work for Sleep {
    fn len(&self) -> usize {
        4
    }
    fn piece_len(&self, _: usize) -> usize {
        0
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("sleep", &[]))
    }
    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        std::thread::sleep(Duration::from_millis(2 * claim.range().len() as u64));
        Ok(())
    }
}

#[test]
fn times_are_taken_when_asked_for() {
    for entry in BACKENDS {
        for timed in [false, true] {
            let mut session = entry.open(&SessionOptions { timed, ..options(2, Schedule::AUTO) }).unwrap();
            let report = session.run(Arc::new(Sleep), Arc::new(Discard), &Stop::new()).unwrap();
            let busy: Duration = report.workers.iter().map(|worker| worker.busy).sum();
            // A sleep is never shorter than asked for.
            assert_eq!(busy >= Duration::from_millis(8), timed, "{}: {busy:?}", entry.name);
            assert_eq!(report.efficiency() > 0.0, timed);
        }
    }
}

/// Its workers report their processor time themselves; their memory is asked for only where somebody wants it.
#[cfg(target_os = "linux")]
#[test]
fn processes_report_what_they_cost_when_asked_for() {
    let entry = fractal::backend::find("processes").unwrap();
    for (timed, sized) in [(false, true), (true, false), (true, true)] {
        let mut session = entry.open(&SessionOptions { timed, sized, ..options(2, Schedule::AUTO) }).unwrap();
        for _ in 0..2 {
            let report = session.run(Arc::new(Sleep), Arc::new(Discard), &Stop::new()).unwrap();
            for worker in report.workers {
                assert_eq!(worker.processor > Duration::ZERO, timed, "{worker:?}");
                assert!(worker.processor < Duration::from_secs(60), "{worker:?}");
                assert_eq!(worker.memory > 0, timed && sized, "{worker:?}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) struct Processors;

#[cfg(target_os = "linux")]
impl Work for Processors {
    fn len(&self) -> usize {
        64
    }
    fn piece_len(&self, _: usize) -> usize {
        0
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("processors", &[]))
    }
    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        match rustix::thread::sched_getaffinity(None).unwrap().count() {
            1 => Ok(()),
            count => Err(Error::Input(format!("{count} processors"))),
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn pinned_workers_keep_to_one_processor_and_free_the_caller() {
    use rustix::thread::sched_getaffinity;

    let before = sched_getaffinity(None).unwrap();
    for entry in BACKENDS {
        let mut session = entry.open(&SessionOptions { pin: true, ..options(3, Schedule::AUTO) }).unwrap();
        for _ in 0..3 {
            session.run(Arc::new(Processors), Arc::new(Discard), &Stop::new()).unwrap();
            assert_eq!(sched_getaffinity(None).unwrap(), before);
        }
    }
}
