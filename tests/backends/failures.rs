//! Pieces and sinks that fail or panic: one sentence names the piece, and the session continues.

use super::hashes::{Hashes, run_checked};
use super::{options, recipe, schedules};
use fractal::backend::{BACKENDS, Session};
use fractal::parallel::{
    Claim, Discard, FinishedClaim, Job, Prepared, Preparing, Recipe, Report, RunInfo, Schedule, Sink, Stop, Work,
    Worker,
};
use fractal::{Error, Result};
use std::sync::Arc;

/// How panics begin that are asked for in workers; with `RUST_BACKTRACE` set the library has them printed.
pub(super) const EXPECTED: &[&str] = &[
    "no such number: 17",
    "no such length: 18",
    "only alone",
    "piece 0 has no name",
    "its result ",
    "no result was given",
];

/// One piece fails in its own way.
pub(super) struct Faulty {
    pub(super) at: usize,
    /// The number of its way in [`FAULTS`], or beyond them to panic when it is asked for its length.
    pub(super) fault: usize,
}

const FAULTS: [fn() -> Result<()>; 2] =
    [|| panic!("no such number: {}", 17), || Err(Error::Input("piece 77 is bad".into()))];

impl Work for Faulty {
    fn len(&self) -> usize {
        500
    }

    fn piece_len(&self, index: usize) -> usize {
        assert!(self.fault < FAULTS.len() || index != self.at, "no such length: {}", 18);
        3
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        if claim.range().contains(&self.at) { FAULTS[self.fault]() } else { Ok(()) }
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("faulty", &[self.at, self.fault]))
    }

    fn describe(&self, index: usize) -> String {
        format!("tile {index} of scene \"test\"")
    }
}

/// What a run of 500 pieces on each backend, schedule and some numbers of workers returns, each followed by a good run.
fn failures(work: impl Work + 'static, sink: impl Sink + 'static) -> Vec<Error> {
    let (work, sink) = (Arc::new(work), Arc::new(sink));
    let mut errors = Vec::new();
    for entry in BACKENDS {
        for schedule in schedules(entry) {
            for workers in [1, 3] {
                let mut session = entry.open(&options(workers, schedule)).unwrap();
                errors.push(session.run(work.clone(), sink.clone(), &Stop::new()).unwrap_err());
                run_checked(&mut *session, 64);
            }
        }
    }
    errors
}

#[test]
fn a_panicking_piece_is_named_and_the_session_survives() {
    for error in failures(Faulty { at: 333, fault: 0 }, Discard) {
        let Error::Panicked { piece, message, .. } = &error else { panic!("{error:?}") };
        assert_eq!(piece, "tile 333 of scene \"test\"");
        assert!(message.starts_with("no such number: 17 (tests/backends/failures.rs:"), "{message}");
        assert_eq!(error.to_string().lines().count(), 1);
        assert_eq!(error.exit_code(), 1);
    }
}

#[test]
fn a_panic_at_a_length_is_named_and_the_session_survives() {
    // Lengths of some pieces, the first among them, are asked for before the run.
    for at in [333, 0] {
        for error in failures(Faulty { at, fault: 2 }, Discard) {
            let Error::Panicked { piece, message, .. } = &error else { panic!("{error:?}") };
            assert_eq!(piece, &format!("tile {at} of scene \"test\""));
            assert!(message.starts_with("no such length: 18 (tests/backends/failures.rs:"), "{message}");
        }
    }
}

#[test]
fn a_caught_panic_is_not_printed_as_well() {
    let run = |backtrace: Option<&str>| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "failures::a_panicking_piece_is_named_and_the_session_survives"]);
        command.env_remove("RUST_BACKTRACE");
        command.envs(backtrace.map(|value| ("RUST_BACKTRACE", value)));
        let output = command.output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("1 passed"), "it did run");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!run(None).contains("no such number"));
    assert!(run(Some("1")).contains("no such number"), "who asks for backtraces gets them");
}

/// A backend that leaves out the last piece, or computes it twice.
struct Careless {
    forgets: bool,
}

impl Session for Careless {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Job::begin("careless", 1, false, work, sink, stop)?;
        let (mut worker, pieces) = (Worker::new(0), job.pieces());
        let _ = job.execute(&mut worker, 0..pieces - usize::from(self.forgets));
        if !self.forgets {
            let _ = job.execute(&mut worker, pieces - 1..pieces);
        }
        job.end("careless", vec![worker.take_report()])
    }
}

#[test]
fn a_backend_that_forgets_a_piece_is_blamed() {
    for (forgets, done) in [(true, 63), (false, 65)] {
        let run =
            |stop: &Stop| Careless { forgets }.run(Arc::new(Hashes::new(64)), Arc::new(Discard), stop).unwrap_err();
        let error = run(&Stop::new());
        let expected =
            format!("backend `careless` has a fault: it ended a run of 64 pieces with {done} of them computed");
        assert_eq!((error.to_string(), error.exit_code()), (expected, 1));
        let stop = Stop::new();
        stop.set();
        assert!(matches!(run(&stop), Error::Stopped));
    }
}

pub(super) struct Together;

impl Work for Together {
    fn len(&self) -> usize {
        500
    }
    fn piece_len(&self, _: usize) -> usize {
        0
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("together", &[]))
    }
    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        assert!(claim.range().len() < 2, "only alone");
        Ok(())
    }
    fn describe(&self, index: usize) -> String {
        panic!("piece {index} has no name")
    }
}

#[test]
fn a_panic_that_no_single_piece_shows_names_the_claim() {
    for entry in BACKENDS.iter().filter(|entry| entry.schedules.contains(&Schedule::DYNAMIC)) {
        let mut session = entry.open(&options(2, Schedule::DYNAMIC.with_chunk(500).unwrap())).unwrap();
        let error = session.run(Arc::new(Together), Arc::new(Discard), &Stop::new()).unwrap_err();
        assert!(error.to_string().contains("while computing 500 pieces from piece 0 on: only alone"), "{error}");
    }
}

#[test]
fn a_failing_piece_ends_the_run_with_its_error() {
    for error in failures(Faulty { at: 77, fault: 1 }, Discard) {
        assert_eq!(error.to_string(), "piece 77 is bad");
    }
}

#[test]
fn a_failing_sink_ends_the_run_with_its_error() {
    struct Full;
    impl Sink for Full {
        fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
            if done.range.contains(&250) { Err(Error::Input("the disk is full".into())) } else { Ok(()) }
        }
        fn finish(&self, _: &Report) -> Result<()> {
            panic!("a failed run is not finished")
        }
    }
    for error in failures(Hashes::new(500), Full) {
        assert_eq!(error.to_string(), "the disk is full");
    }
}

#[test]
fn a_panicking_sink_is_distinguished() {
    struct Broken;
    impl Sink for Broken {
        fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
            assert!(!done.range.contains(&250), "cannot take it");
            Ok(())
        }
    }
    for error in failures(Hashes::new(500), Broken) {
        let Error::Panicked { message, .. } = &error else { panic!("{error:?}") };
        assert!(message.starts_with("cannot take it") && message.contains("in the sink"), "{message}");
    }
}

#[test]
fn errors_before_and_after_the_pieces_are_returned() {
    struct Refuses(bool);
    impl Sink for Refuses {
        fn start(&self, _: &RunInfo) -> Result<()> {
            if self.0 { Err(Error::Input("not now".into())) } else { Ok(()) }
        }
        fn finish(&self, _: &Report) -> Result<()> {
            Err(Error::Input("not now".into()))
        }
    }
    struct Unprepared;
    impl Work for Unprepared {
        fn len(&self) -> usize {
            3
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn recipe(&self) -> Option<Recipe> {
            Some(recipe("never made", &[]))
        }
        fn prepare(&self, _: &Preparing<'_>) -> Result<Prepared> {
            Err(Error::Input("not now".into()))
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            unreachable!("it was not prepared")
        }
    }
    let errors = failures(Hashes::new(500), Refuses(true)).into_iter();
    let errors = errors.chain(failures(Hashes::new(500), Refuses(false))).chain(failures(Unprepared, Discard));
    errors.for_each(|error| assert_eq!(error.to_string(), "not now"));
}
