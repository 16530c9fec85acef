//! A session copes with anything that happens to a worker process: every piece is computed once, to the same bits, or the run ends with
//! one sentence.
//!
//! `FRACTAL_LONG=1 cargo test --test processes` kills 500 workers instead of a few. The tests wait for events, never for a time; a
//! watchdog ends those that hang.
#![cfg(target_os = "linux")]

mod faults;
mod losses;
mod pictures;
mod pretending;
#[path = "../support/random.rs"]
mod random;
mod sessions;
#[path = "../support/mod.rs"]
mod support;

use faults::{Check, Faults};
use fractal::backend::{BACKENDS, BackendEntry, Program, Session, SessionOptions, WorkKind};
use fractal::parallel::Stop;
use fractal::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What all workers make of a recipe.
fn kinds() -> [WorkKind; 2] {
    [
        WorkKind::new("faults", |bytes| {
            Ok(Arc::new(serde_json::from_slice::<Faults>(bytes).map_err(|error| Error::Input(error.to_string()))?))
        }),
        WorkKind::new("endless", pretending::Endless::make),
    ]
}

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    fractal::worker_main(kinds());
}

fn is_worker() -> bool {
    std::env::args().next_back().is_some_and(|last| last.starts_with("fractal-worker"))
}

fn backends() -> impl Iterator<Item = &'static BackendEntry> {
    BACKENDS.iter().filter(|entry| entry.in_processes())
}

fn options(workers: usize, schedule: &str) -> SessionOptions {
    let arguments = ["worker", "--exact", "--nocapture"].map(Into::into).into();
    // Named, since `/proc/self/exe` is another program's under Valgrind; without a name is how the program itself is tested.
    let program = Program { path: Some(std::env::current_exe().unwrap()), arguments };
    SessionOptions {
        workers,
        schedule: Some(schedule.parse().unwrap()),
        program,
        timed: true,
        ..SessionOptions::default()
    }
}

fn open(entry: &BackendEntry, workers: usize, schedule: &str) -> Box<dyn Session> {
    entry.open(&options(workers, schedule)).unwrap()
}

fn run(session: &mut dyn Session, work: &Faults) -> Result<()> {
    let check = Check::new(work);
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

/// Runs a test again in a process of its own, with a variable in its environment and with all that it and its workers print caught, and
/// shown if it fails. True in that process.
fn on_its_own(test: &str, variable: (&str, &str)) -> bool {
    if std::env::var_os(variable.0).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs([variable]);
    let output = watched(test, LIMIT, || command.output().unwrap());
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    false
}

const LIMIT: Duration = Duration::from_secs(300);

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
