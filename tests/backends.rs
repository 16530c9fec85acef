//! Every backend computes every piece once, whatever the schedule, and survives whatever a piece or a sink does.

use fractal::backend::{BACKENDS, Entry, Options, Program, Session, WorkKind, find};
use fractal::parallel::{Claim, Discard, Done, Kind, Prepared, Recipe, Report, RunInfo, Schedule, Sink, Stop, Work};
use fractal::{Error, Result};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

/// What workers in other processes make of a recipe. One that is not here cannot be computed there.
const KINDS: &[WorkKind] = &[
    WorkKind {
        name: "hashes",
        make: |bytes| Ok(Arc::new(Hashes { pieces: number(bytes, 0), longest: number(bytes, 1) })),
    },
    WorkKind { name: "large", make: |_| Ok(Arc::new(Large)) },
    WorkKind { name: "faulty", make: |bytes| Ok(Arc::new(Faulty { at: number(bytes, 0), fault: number(bytes, 1) })) },
    WorkKind { name: "together", make: |_| Ok(Arc::new(Together)) },
    #[cfg(feature = "rayon")]
    WorkKind { name: "nested", make: |_| Ok(Arc::new(Nested)) },
    WorkKind { name: "sleep", make: |_| Ok(Arc::new(Sleep)) },
    #[cfg(target_os = "linux")]
    WorkKind { name: "processors", make: |_| Ok(Arc::new(Processors)) },
];

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    fractal::worker_main(&[KINDS]);
}

fn recipe(kind: &'static str, numbers: &[usize]) -> Recipe {
    Recipe { kind, bytes: numbers.iter().flat_map(|number| number.to_le_bytes()).collect() }
}

fn number(bytes: &[u8], index: usize) -> usize {
    usize::from_le_bytes(*bytes.as_chunks().0.get(index).expect("the recipe has this number"))
}

/// The backends whose workers see what a test changes while they run.
fn within_this_process() -> impl Iterator<Item = &'static Entry> {
    BACKENDS.iter().filter(|entry| !entry.processes)
}

/// Pieces whose bytes are a hash of their index and of what was prepared. Lengths vary, and some are 0.
#[derive(Clone, Copy)]
struct Hashes {
    pieces: usize,
    /// Piece lengths are below it.
    longest: usize,
}

impl Hashes {
    fn new(pieces: usize) -> Self {
        Self { pieces, longest: 23 }
    }

    fn byte(index: usize, at: usize) -> u8 {
        let mixed = (index as u64 ^ (at as u64) << 40).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes()[0]
    }

    fn cost(index: usize) -> u64 {
        index as u64 % 13
    }
}

impl Work for Hashes {
    fn len(&self) -> usize {
        self.pieces
    }

    fn piece_len(&self, index: usize) -> usize {
        index * 7 % self.longest
    }

    fn prepare(&self, _: &Stop) -> Result<Prepared> {
        Ok(Prepared::new(vec![0x5a]))
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("hashes", &[self.pieces, self.longest]))
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let mut at = 0;
        for index in claim.range() {
            for byte in 0..self.piece_len(index) {
                claim.bytes()[at] = Self::byte(index, byte) ^ prepared.bytes()[0];
                at += 1;
            }
            claim.set_cost(index, Self::cost(index));
            claim.add_executed(2 * Self::cost(index));
        }
        assert_eq!(at, claim.bytes().len(), "a claim has room for exactly its pieces");
        Ok(())
    }
}

/// Checks every piece that it is given and remembers the claims, each with its worker.
#[derive(Default)]
struct Check {
    workers: AtomicUsize,
    claims: Mutex<Vec<(usize, Range<usize>)>>,
    finished: AtomicUsize,
}

impl Sink for Check {
    fn start(&self, run: &RunInfo) -> Result<()> {
        self.workers.store(run.workers, SeqCst);
        self.claims.lock().unwrap().clear();
        Ok(())
    }

    fn done(&self, done: &Done<'_>) -> Result<()> {
        assert!(done.worker < self.workers.load(SeqCst));
        assert!(done.began <= done.ended);
        let pieces: Vec<_> = done.pieces().collect();
        assert_eq!(pieces.iter().map(|piece| piece.index).collect::<Vec<_>>(), done.range.clone().collect::<Vec<_>>());
        for piece in pieces {
            let expected: Vec<u8> = (0..piece.bytes.len()).map(|at| Hashes::byte(piece.index, at) ^ 0x5a).collect();
            assert_eq!(piece.bytes, expected, "piece {}", piece.index);
            assert_eq!(piece.cost, Hashes::cost(piece.index));
        }
        self.claims.lock().unwrap().push((done.worker, done.range.clone()));
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.finished.fetch_add(report.workers.len(), SeqCst);
        Ok(())
    }
}

fn options(workers: usize, schedule: Schedule) -> Options {
    let arguments = ["worker", "--exact", "--nocapture"].map(Into::into).into();
    let program = Program { path: None, arguments };
    Options { workers, schedule: Some(schedule), program, ..Options::default() }
}

fn open(entry: &Entry, workers: usize) -> Box<dyn Session> {
    entry.open(&options(workers, Schedule::AUTO)).unwrap()
}

/// Runs `pieces` hashes and checks that each was computed once and that the report adds up.
fn run_checked(session: &mut dyn Session, pieces: usize) -> (Report, Vec<(usize, Range<usize>)>) {
    let sink = Arc::new(Check::default());
    let report = session.run(Arc::new(Hashes::new(pieces)), sink.clone(), &Stop::new()).unwrap();
    let sink = Arc::into_inner(sink).expect("a finished run has let go of its sink");
    let claims = sink.claims.into_inner().unwrap();
    let mut seen: Vec<usize> = claims.iter().flat_map(|(_, claim)| claim.clone()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..pieces).collect::<Vec<_>>());

    let useful: u64 = (0..pieces).map(Hashes::cost).sum();
    assert_eq!((report.useful(), report.executed()), (useful, 2 * useful));
    assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), pieces);
    assert_eq!(sink.finished.load(SeqCst), report.workers.len());
    for (number, worker) in report.workers.iter().enumerate() {
        assert_eq!(worker.index, number);
        assert_eq!(worker.claims, claims.iter().filter(|(by, _)| *by == number).count());
    }
    (report, claims)
}

/// Each schedule that a backend honours, without a chunk and with some.
fn schedules(entry: &Entry) -> Vec<Schedule> {
    let with_chunks = |&schedule: &Schedule| {
        let chunked = [1, 2, 5, 64, 5000].into_iter().filter_map(move |chunk| schedule.with_chunk(chunk).ok());
        std::iter::once(schedule).chain(chunked)
    };
    entry.schedules.iter().flat_map(with_chunks).collect()
}

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
struct Large;

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
        fn done(&self, done: &Done<'_>) -> Result<()> {
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

/// One piece fails in its own way.
struct Faulty {
    at: usize,
    /// The number of its way in [`FAULTS`], or beyond them to panic when it is asked for its length.
    fault: usize,
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
        assert!(message.starts_with("no such number: 17 (tests/backends.rs:"), "{message}");
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
            assert!(message.starts_with("no such length: 18 (tests/backends.rs:"), "{message}");
        }
    }
}

#[test]
fn a_caught_panic_is_not_printed_as_well() {
    let run = |backtrace: Option<&str>| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "a_panicking_piece_is_named_and_the_session_survives"]);
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

struct Together;

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
        fn done(&self, done: &Done<'_>) -> Result<()> {
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
fn a_panicking_sink_is_told_apart() {
    struct Broken;
    impl Sink for Broken {
        fn done(&self, done: &Done<'_>) -> Result<()> {
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
        fn prepare(&self, _: &Stop) -> Result<Prepared> {
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
struct Nested;

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
    struct Sums;
    impl Sink for Sums {
        fn done(&self, done: &Done<'_>) -> Result<()> {
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

struct Sleep;

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
            let mut session = entry.open(&Options { timed, ..options(2, Schedule::AUTO) }).unwrap();
            let report = session.run(Arc::new(Sleep), Arc::new(Discard), &Stop::new()).unwrap();
            let busy: Duration = report.workers.iter().map(|worker| worker.busy).sum();
            // A sleep is never shorter than asked for.
            assert_eq!(busy >= Duration::from_millis(8), timed, "{}: {busy:?}", entry.name);
            assert_eq!(report.efficiency() > 0.0, timed);
        }
    }
}

#[cfg(target_os = "linux")]
struct Processors;

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
        let mut session = entry.open(&Options { pin: true, ..options(3, Schedule::AUTO) }).unwrap();
        for _ in 0..3 {
            session.run(Arc::new(Processors), Arc::new(Discard), &Stop::new()).unwrap();
            assert_eq!(sched_getaffinity(None).unwrap(), before);
        }
    }
}

#[test]
fn names_are_told_apart_and_schedules_refused() {
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
