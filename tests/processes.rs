//! Nothing that happens to a worker process is lost on its session: every piece is computed once, to the same bits, or the run ends
//! with one sentence.
//!
//! `FRACTAL_LONG=1 cargo test --test processes` makes 500 kills of it where there are a few otherwise. The tests wait for what
//! happens and never for a time; a watch ends those that hang.
#![cfg(target_os = "linux")]

mod support;

use fractal::backend::{BACKENDS, Entry, Options, Program, Session, WorkKind};
use fractal::parallel::{Claim, Discard, Done, Prepared, Recipe, RunInfo, Sink, Stop, Work};
use fractal::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Scratch;

/// What all workers make of a recipe.
const KINDS: &[WorkKind] = &[WorkKind {
    name: "faults",
    make: |bytes| {
        Ok(Arc::new(serde_json::from_slice::<Faults>(bytes).map_err(|error| Error::Input(error.to_string()))?))
    },
}];

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    fractal::worker_main(&[KINDS]);
}

/// What a worker does in place of computing a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Fault {
    /// Ends as if all were well.
    Exit,
    /// Crashes.
    Abort,
    /// Asks for more memory than there is.
    Memory,
    /// Is killed from outside.
    Kill,
    /// Is suspended.
    Suspend,
    /// Never ends and never looks at its `Stop`.
    Loop,
    /// Writes over whatever leads to the session.
    Garbage,
    /// Prints to standard output, by all ways.
    Print,
    /// Goes on until it is stopped.
    Wait,
    /// Ends with an error once another piece waits.
    FailBesideWait,
}

/// Pieces of hashes, some of which go wrong. What happened is told by files in a directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Faults {
    pieces: usize,
    bytes: usize,
    /// How long a piece takes.
    microseconds: u64,
    /// The pieces that go wrong, and how often at most.
    faults: Vec<(usize, Fault, usize)>,
    directory: PathBuf,
}

impl Faults {
    fn new(scratch: &Scratch) -> Self {
        Self { pieces: 200, bytes: 1000, microseconds: 0, faults: Vec::new(), directory: scratch.to_path_buf() }
    }

    fn with(mut self, piece: usize, fault: Fault, times: usize) -> Self {
        self.faults.push((piece, fault, times));
        self
    }

    fn byte(piece: usize, at: usize) -> u8 {
        ((piece as u64 ^ (at as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    /// The `times` first callers are told true, of all processes.
    fn is_due(&self, piece: usize, times: usize) -> bool {
        (0..times).any(|time| fs::File::create_new(self.directory.join(format!("fault-{piece}-{time}"))).is_ok())
    }

    fn waits(&self) -> bool {
        fs::read_dir(&self.directory).unwrap().flatten().any(|entry| entry.file_name() == "waiting")
    }

    fn happen(&self, fault: Fault, stop: &Stop) -> Result<()> {
        let raise = |signal| kill_process(rustix::process::getpid(), signal).unwrap();
        match fault {
            Fault::Exit => std::process::exit(0),
            Fault::Abort => std::process::abort(),
            Fault::Memory => drop(std::hint::black_box(vec![1u8; isize::MAX as usize])),
            // What kills a worker would kill the session that computes in its place.
            Fault::Kill if is_worker() => raise(Signal::KILL),
            Fault::Kill => {}
            Fault::Suspend | Fault::Loop => loop {
                if fault == Fault::Suspend {
                    raise(Signal::STOP);
                }
                std::thread::sleep(Duration::from_millis(1));
            },
            Fault::Garbage => {
                for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
                    let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
                    let leads = fs::read_link(entry.path()).unwrap_or_default();
                    if number > 2 && leads.to_string_lossy().starts_with("pipe:") {
                        // The end that only reads cannot be opened to write without getting another pipe's end; it is the same pipe.
                        let _ = fs::OpenOptions::new()
                            .write(true)
                            .open(entry.path())
                            .map(|mut pipe| pipe.write_all(&[0x5a; 500]));
                    }
                }
            }
            Fault::Print => {
                println!("a piece prints");
                let _ =
                    fs::OpenOptions::new().write(true).open("/proc/self/fd/1").map(|mut out| out.write_all(b"raw\n"));
            }
            Fault::Wait => {
                fs::write(self.directory.join("waiting"), "").unwrap();
                while !stop.is_set() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Error::Stopped);
            }
            Fault::FailBesideWait => {
                while !self.waits() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Error::Input("broken".into()));
            }
        }
        Ok(())
    }
}

fn is_worker() -> bool {
    std::env::args().next_back().is_some_and(|last| last.starts_with("fractal-worker"))
}

impl Work for Faults {
    fn len(&self) -> usize {
        self.pieces
    }

    fn piece_len(&self, _: usize) -> usize {
        self.bytes
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let pid = self.directory.join(format!("worker-{}", std::process::id()));
        if is_worker() && !pid.exists() {
            fs::write(pid, "").unwrap();
        }
        let (range, len) = (claim.range(), self.bytes);
        for (slot, piece) in range.enumerate() {
            let began = Instant::now();
            for &(at, fault, times) in &self.faults {
                if at == piece && self.is_due(piece, times) {
                    self.happen(fault, stop)?;
                }
            }
            for (at, byte) in claim.bytes()[slot * len..][..len].iter_mut().enumerate() {
                *byte = Self::byte(piece, at);
            }
            while began.elapsed() < Duration::from_micros(self.microseconds) {
                if stop.is_set() {
                    return Err(Error::Stopped);
                }
                std::hint::spin_loop();
            }
            claim.set_cost(piece, piece as u64);
            claim.add_executed(1);
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "faults", bytes: serde_json::to_vec(self).unwrap() })
    }

    fn describe(&self, index: usize) -> String {
        format!("part {index} of the test")
    }
}

/// Checks every piece, and that each comes once; and that times are on the session's clock.
struct Check {
    seen: Mutex<Vec<bool>>,
    began: Mutex<Instant>,
}

impl Check {
    fn new(pieces: usize) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::new(vec![false; pieces]), began: Mutex::new(Instant::now()) })
    }

    fn is_complete(&self) -> bool {
        self.seen.lock().unwrap().iter().all(|&seen| seen)
    }
}

impl Sink for Check {
    fn start(&self, _: &RunInfo) -> Result<()> {
        *self.began.lock().unwrap() = Instant::now();
        Ok(())
    }

    fn done(&self, done: &Done<'_>) -> Result<()> {
        assert!(done.began <= done.ended && done.ended <= self.began.lock().unwrap().elapsed(), "{done:?}");
        for piece in done.pieces() {
            assert!(
                piece.bytes.iter().enumerate().all(|(at, &byte)| byte == Faults::byte(piece.index, at)),
                "{done:?}"
            );
            assert_eq!(piece.cost, piece.index as u64);
            assert!(
                !std::mem::replace(&mut self.seen.lock().unwrap()[piece.index], true),
                "piece {} twice",
                piece.index
            );
        }
        Ok(())
    }
}

fn backends() -> impl Iterator<Item = &'static Entry> {
    BACKENDS.iter().filter(|entry| entry.processes)
}

fn options(workers: usize, schedule: &str) -> Options {
    let arguments = ["worker", "--exact", "--nocapture"].map(Into::into).into();
    // Named, since `/proc/self/exe` is another program's under Valgrind; without a name is how the program itself is tested.
    let program = Program { path: Some(std::env::current_exe().unwrap()), arguments };
    Options { workers, schedule: Some(schedule.parse().unwrap()), program, timed: true, ..Options::default() }
}

fn open(entry: &Entry, workers: usize, schedule: &str) -> Box<dyn Session> {
    entry.open(&options(workers, schedule)).unwrap()
}

fn run(session: &mut dyn Session, work: &Faults) -> Result<()> {
    let check = Check::new(work.pieces);
    let report = session.run(Arc::new(work.clone()), check.clone(), &Stop::new())?;
    assert!(check.is_complete());
    assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), work.pieces);
    assert!(report.workers.iter().any(|worker| worker.process > 0));
    Ok(())
}

/// Ends the program when a test hangs, with what it was.
fn watched<T>(what: &str, limit: Duration, body: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let began = Instant::now();
            while !done.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(100));
                if began.elapsed() > limit {
                    eprintln!("{what} hangs");
                    std::process::exit(101);
                }
            }
        });
        // Also when the body panics.
        struct Done<'a>(&'a AtomicBool, std::thread::Thread);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
                self.1.unpark();
            }
        }
        let _done = Done(&done, watch.thread().clone());
        body()
    })
}

const LIMIT: Duration = Duration::from_secs(300);

fn long() -> bool {
    std::env::var_os("FRACTAL_LONG").is_some()
}

/// A small generator for places and times (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// The workers that a directory tells of and that still live.
fn workers_in(directory: &Path) -> Vec<i32> {
    let names = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let mut ids: Vec<i32> = names.filter_map(|name| name.strip_prefix("worker-")?.parse().ok()).collect();
    ids.retain(|id| fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z ")));
    ids.sort_unstable();
    ids
}

fn signal(id: i32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(id).unwrap(), signal).is_ok()
}

#[test]
fn random_kills_cost_nothing_but_time() {
    let target = if long() { 250 } else { 12 };
    for entry in backends() {
        for (schedule, seed) in [("dynamic", 1), ("static,3", 2), ("auto", 3)] {
            let scratch = Scratch::new(&format!("kills-{}-{seed}", entry.name));
            let work = Faults { pieces: 3000, microseconds: 200, ..Faults::new(&scratch) };
            let (kills, over) = (AtomicUsize::new(0), AtomicBool::new(false));
            let mut runs = 0;
            watched("a run with kills", 10 * LIMIT, || {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut random = Random(seed * 0x1234_5678_9abc_def1);
                        while !over.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_micros(random.below(20_000)));
                            let workers = workers_in(&scratch);
                            if !workers.is_empty() {
                                let victim = workers[random.below(workers.len() as u64) as usize];
                                kills.fetch_add(usize::from(signal(victim, Signal::KILL)), Ordering::Relaxed);
                            }
                        }
                    });
                    let mut session = open(entry, 3, schedule);
                    while kills.load(Ordering::Relaxed) < target {
                        let outcome = run(&mut *session, &work);
                        if let Err(error) = outcome {
                            over.store(true, Ordering::Relaxed);
                            panic!("{} {schedule}: {error}", entry.name);
                        }
                        runs += 1;
                    }
                    over.store(true, Ordering::Relaxed);
                });
            });
            // Each worker that computed left a file: more than three of them says that new ones took part.
            let seen: HashSet<_> = fs::read_dir(&*scratch).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert!(seen.len() > 3 + target / 2, "{} {schedule}: {} workers", entry.name, seen.len());
            println!("{} {schedule}: {} kills in {runs} runs, {} workers", entry.name, kills.into_inner(), seen.len());
        }
    }
}

#[test]
fn a_worker_that_ends_or_crashes_once_is_replaced() {
    for entry in backends() {
        for schedule in ["dynamic", "dynamic,16", "static", "static,3", "auto"] {
            for fault in [Fault::Exit, Fault::Abort, Fault::Memory, Fault::Kill] {
                let scratch = Scratch::new(&format!("once-{}", entry.name));
                let work = Faults::new(&scratch).with(0, fault, 1).with(77, fault, 2).with(199, fault, 1);
                let mut session = open(entry, 2, schedule);
                watched("a run with faults", LIMIT, || run(&mut *session, &work)).unwrap();
                assert!(!work.is_due(0, 1) && !work.is_due(77, 2) && !work.is_due(199, 1), "they did happen");
            }
        }
    }
}

#[test]
fn a_piece_that_no_worker_survives_is_named_and_the_session_goes_on() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "dynamic,50"] {
            let mut session = open(entry, 2, schedule);
            for (fault, how) in [(Fault::Abort, "was killed by signal 6"), (Fault::Exit, "ended with status 0")] {
                let scratch = Scratch::new(&format!("always-{}", entry.name));
                let work = Faults::new(&scratch).with(123, fault, 1000);
                let error = watched("a deadly piece", LIMIT, || run(&mut *session, &work)).unwrap_err().to_string();
                let begin = "part 123 of the test ended each of the 3 workers that computed it; the last one, worker ";
                assert!(error.starts_with(begin) && error.ends_with(how), "{} {schedule}: {error}", entry.name);
                // Alone three times, and perhaps once among others.
                assert!(!work.is_due(123, 3) && work.is_due(123, 5), "as many workers, no more");
                run(&mut *session, &Faults::new(&scratch)).unwrap();
            }
        }
    }
}

#[test]
fn a_piece_whose_workers_are_killed_from_outside_is_computed_by_the_session() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "dynamic,50"] {
            let scratch = Scratch::new(&format!("outside-{}", entry.name));
            let work = Faults::new(&scratch).with(123, Fault::Kill, 1000);
            watched("a piece under fire", LIMIT, || run(&mut *open(entry, 2, schedule), &work)).unwrap();
            // Alone three times, perhaps once among others, and the session itself.
            assert!(!work.is_due(123, 4) && work.is_due(123, 6), "{} {schedule}", entry.name);
        }
    }
}

#[test]
fn garbage_and_prints_do_no_harm() {
    for entry in backends() {
        for fault in [Fault::Garbage, Fault::Print] {
            let scratch = Scratch::new(&format!("garbage-{}", entry.name));
            let work = Faults::new(&scratch).with(5, fault, 1).with(150, fault, 1);
            watched("a run with garbage", LIMIT, || run(&mut *open(entry, 2, "dynamic"), &work)).unwrap();
            assert!(!work.is_due(5, 1) && !work.is_due(150, 1), "it did happen");
        }
    }
}

/// The session's own program is started with other patience than the other tests'.
#[test]
fn a_suspended_worker_and_a_caught_one_are_replaced() {
    let patient = std::env::var_os("FRACTAL_PATIENCE").is_some();
    if !patient {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_suspended_worker_and_a_caught_one_are_replaced", "--nocapture"]);
        let output = watched("workers that hang", LIMIT, || command.env("FRACTAL_PATIENCE", "1").output().unwrap());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    for entry in backends() {
        for fault in [Fault::Suspend, Fault::Loop] {
            let scratch = Scratch::new(&format!("hang-{}", entry.name));
            // Longer than the patience, and looks at its `Stop`: nobody replaces it.
            let slow = Faults { pieces: 2, microseconds: 2_500_000, ..Faults::new(&scratch) };
            let mut session = open(entry, 2, "dynamic");
            run(&mut *session, &slow).unwrap();
            assert_eq!(workers_in(&scratch).len(), 2, "{}: they are the same as before", entry.name);
            run(&mut *session, &Faults::new(&scratch).with(60, fault, 1)).unwrap();
            let error = run(&mut *session, &Faults::new(&scratch).with(61, fault, 1000)).unwrap_err().to_string();
            assert!(error.starts_with("part 61 of the test ended each of the 3 workers"), "{error}");
            assert!(error.contains("gave no sign of life"), "{error}");
        }
    }
}

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
fn programs_that_are_no_workers_are_told() {
    let told = |entry: &Entry, program: Program| {
        let options = Options { program, ..options(2, "auto") };
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
        let arguments = ["opens_a_session_in_a_worker", "--exact", "--ignored"].map(Into::into).into();
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
            self.0.map(|kind| Recipe { kind, bytes: b"nonsense".into() })
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
            text.contains("knows no work of kind `primes`, only faults, render") && text.contains("worker_main"),
            "{text}"
        );
        assert!(told(Some("faults")).contains("expected"), "{}", told(Some("faults")));
        run(&mut *session, &Faults::new(&scratch)).unwrap();
    }
}

#[test]
fn a_worker_that_cannot_be_replaced_leaves_the_rest_to_the_others() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "static,2"] {
            let scratch = Scratch::new(&format!("gone-{}", entry.name));
            let link = scratch.join("program");
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &link).unwrap();
            let mut options = options(2, schedule);
            options.program.path = Some(link.clone());
            let mut session = entry.open(&options).unwrap();
            fs::remove_file(&link).unwrap();
            let work = Faults::new(&scratch).with(20, Fault::Exit, 1);
            watched("a run with one worker left", LIMIT, || run(&mut *session, &work)).unwrap();
            let work = Faults::new(&scratch).with(21, Fault::Exit, 9).with(180, Fault::Exit, 9);
            let error = watched("a run with none left", LIMIT, || run(&mut *session, &work)).unwrap_err().to_string();
            assert!(
                error.contains("cannot be started from") && error.lines().count() == 1,
                "{} {schedule}: {error}",
                entry.name
            );
        }
    }
}

/// The processes whose parent is `id`.
fn children(id: u32) -> Vec<i32> {
    let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let own: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (state, parent) = stat.rsplit_once(") ")?.1.split_once(' ')?;
        (parent.split(' ').next()? == id.to_string() && state != "Z").then_some(own)
    });
    stats.collect()
}

fn lives(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A picture that takes some seconds.
const PICTURE: [&str; 14] = [
    "render",
    "whole",
    "--size",
    "1920x1080",
    "--iterations",
    "60000",
    "--samples",
    "2",
    "--tile",
    "32",
    "--workers",
    "2",
    "-q",
    "-o",
];

#[test]
fn a_killed_session_leaves_nothing_behind() {
    let shm = || {
        fs::read_dir("/dev/shm")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| name.to_string_lossy().contains("fractal"))
            .count()
    };
    let scratch = Scratch::new("orphans");
    for entry in backends() {
        let mut command = scratch.program(PICTURE);
        command.args(["out.png", "--backend", entry.name]).stderr(Stdio::null());
        watched("a killed session", LIMIT, || {
            let mut session = command.spawn().unwrap();
            while children(session.id()).len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
                assert!(session.try_wait().unwrap().is_none(), "it ended too early");
            }
            let workers = children(session.id());
            session.kill().unwrap();
            session.wait().unwrap();
            let began = Instant::now();
            while workers.iter().any(|&worker| lives(worker)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("{}: gone after {:?}", entry.name, began.elapsed());
        });
        assert_eq!(shm(), 0);
        assert!(!scratch.join("out.png").exists());
    }
}

#[test]
fn kills_change_no_picture() {
    let scratch = Scratch::new("picture");
    let render = |name: &str, backend: &str| {
        let mut command =
            scratch.program(["render", "seahorses", "--size", "640x360", "--tile", "16", "-q", "-o", name]);
        command.args(["--backend", backend, "--workers", "2"]);
        command
    };
    assert!(render("serial.exr", "threads").status().unwrap().success());
    let expected = fs::read(scratch.join("serial.exr")).unwrap();
    let target = if long() { 250 } else { 5 };
    for entry in backends() {
        let (mut kills, mut random) = (0, Random(42));
        watched("a picture with kills", 10 * LIMIT, || {
            while kills < target {
                let mut session = render("out.exr", entry.name).spawn().unwrap();
                while session.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_micros(random.below(15_000)));
                    let workers = children(session.id());
                    // Before the session has heard of its workers, it is told that they cannot be started, which is another test.
                    if workers.len() == 2
                        && scratch.join("out.exr").exists()
                            | fs::read_dir(&*scratch)
                                .unwrap()
                                .flatten()
                                .any(|e| e.file_name().to_string_lossy().contains("out.exr"))
                        && session.try_wait().unwrap().is_none()
                    {
                        kills += usize::from(signal(workers[random.below(2) as usize], Signal::KILL));
                    }
                }
                assert!(session.wait().unwrap().success());
                assert!(fs::read(scratch.join("out.exr")).unwrap() == expected, "{}", entry.name);
                fs::remove_file(scratch.join("out.exr")).unwrap();
            }
        });
        println!("{}: {kills} kills", entry.name);
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
