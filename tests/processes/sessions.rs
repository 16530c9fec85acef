//! What a session of processes accepts and refuses, and how it ends.

use super::faults::{Fault, Faults};
use super::support::Scratch;
use super::{LIMIT, backends, is_worker, open, options, run, watched, workers_in};
use fractal::backend::{BackendEntry, Program, SessionOptions};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Stop, Work};
use fractal::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_run_is_stopped_and_a_failure_stops_the_others() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "auto"] {
            let scratch = Scratch::new(&format!("stop-{}", entry.name));
            let mut session = open(entry, 2, schedule);
            let stop = Stop::new();
            let work = Faults::new(&scratch).with(0, Fault::Wait, 1).with(199, Fault::Wait, 1);
            let outcome = watched("a stopped run", LIMIT, || {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        while !work.waits() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        stop.set();
                    });
                    session.run(Arc::new(work.clone()), Arc::new(Discard), &stop)
                })
            });
            assert!(matches!(outcome, Err(Error::Stopped)), "{} {schedule}: {outcome:?}", entry.name);
            let ids = workers_in(&scratch);
            let scratch = Scratch::new(&format!("fail-{}", entry.name));
            let failing = Faults { pieces: 2, ..Faults::new(&scratch) };
            let failing = failing.with(0, Fault::FailBesideWait, 1).with(1, Fault::Wait, 1);
            let error = watched("a failing run", LIMIT, || run(&mut *session, &failing)).unwrap_err();
            assert_eq!(error.to_string(), "broken");
            run(&mut *session, &Faults::new(&scratch)).unwrap();
            let after = workers_in(&scratch);
            assert!(ids.iter().all(|id| after.contains(id)), "nobody had to be killed: {ids:?}, {after:?}");
        }
    }
}

#[test]
fn programs_that_are_no_workers_are_reported() {
    let told = |entry: &BackendEntry, program: Program| {
        let options = SessionOptions { program, ..options(2, "auto") };
        let error = watched("a program that is no worker", LIMIT, || entry.open(&options).err().unwrap());
        assert_eq!((error.to_string().lines().count(), error.exit_code()), (1, 1));
        error.to_string()
    };
    for entry in backends() {
        let text = told(entry, Program::at("/bin/true"));
        assert!(
            text.contains("`/bin/true` ended with status 0 before it became a worker") && text.contains("worker_main"),
            "{text}"
        );
        let text = told(entry, Program::at("/no/such/program"));
        assert!(text.contains("cannot be started from `/no/such/program`") && text.contains("ask for fewer"), "{text}");
        // A program that opens sessions before it calls `worker_main`, or never does, does not start itself for ever.
        let arguments = ["sessions::opens_a_session_in_a_worker", "--exact", "--ignored"].map(Into::into).into();
        let text = told(entry, Program { path: None, arguments });
        assert!(text.contains("ended with status 0 before it became a worker"), "{text}");
    }
    let text = told(backends().find(|entry| entry.name == "pipes").unwrap(), Program::at("/usr/bin/yes"));
    assert!(text.contains("became a worker"), "{text}");
}

#[test]
#[ignore = "it is started as a worker by another test"]
fn opens_a_session_in_a_worker() {
    for entry in backends().filter(|_| is_worker()) {
        let error = entry.open(&options(1, "auto")).err().unwrap().to_string();
        assert!(error.contains("cannot have workers of its own"), "{error}");
    }
}

#[test]
fn work_that_cannot_be_made_elsewhere_is_refused() {
    struct Own(Option<&'static str>);
    impl Work for Own {
        fn len(&self) -> usize {
            3
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
        fn recipe(&self) -> Option<Recipe> {
            self.0.map(|kind| Recipe { kind: kind.into(), bytes: b"nonsense".into() })
        }
    }
    let scratch = Scratch::new("refused");
    for entry in backends() {
        let mut session = open(entry, 2, "auto");
        let mut told =
            |kind| session.run(Arc::new(Own(kind)), Arc::new(Discard), &Stop::new()).unwrap_err().to_string();
        assert!(told(None).contains("since it has no recipe; use `threads`"), "{}", told(None));
        let text = told(Some("primes"));
        assert!(
            text.contains("knows no work of kind `primes`, only faults, endless, render")
                && text.contains("worker_main"),
            "{text}"
        );
        assert!(told(Some("faults")).contains("expected"), "{}", told(Some("faults")));
        run(&mut *session, &Faults::new(&scratch)).unwrap();
    }
}

#[test]
fn results_of_any_size_pass() {
    let scratch = Scratch::new("sizes");
    for entry in backends() {
        let mut session = open(entry, 2, "dynamic,3");
        for len in [0, 1, 7, 4096, 70_000, 300_000, 5_000_000, 13] {
            let work = Faults { pieces: 20, bytes: len, ..Faults::new(&scratch) };
            watched("a run with large results", LIMIT, || run(&mut *session, &work)).unwrap();
        }
    }
}
