//! Answers "Ctrl-C and a `multiprocessing.Pool`": how a pool of threads and one of processes end early, and are used again.

use super::support::python::interrupt_pool;
use super::support::{notice, stop_at_interrupt};
use fractal::backend::{SessionOptions, WorkKind, find};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Recipe, Sink, Stop, Work};
use fractal::{Error, Result};
use rustix::process::{Pid, Signal, getpid, kill_process, test_kill_process};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Pieces that wait a little and look whether they should stop.
struct Naps(u32);

impl Work for Naps {
    fn len(&self) -> usize {
        self.0 as usize
    }

    fn piece_len(&self, _: usize) -> usize {
        0
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        for _ in claim.range() {
            std::thread::sleep(Duration::from_millis(1));
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "naps".into(), bytes: self.0.to_le_bytes().to_vec() })
    }
}

/// How a worker process makes this work.
pub(crate) fn kind() -> WorkKind {
    let wrong = |_| Error::Input("a recipe of naps is one number".into());
    WorkKind::new("naps", move |bytes| Ok(Arc::new(Naps(u32::from_le_bytes(bytes.try_into().map_err(wrong)?)))))
}

/// Presses Ctrl-C, so to speak, when so many pieces are done.
struct Interrupt(AtomicUsize, usize);

impl Sink for Interrupt {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let before = self.0.fetch_add(done.range.len(), Relaxed);
        if (before..before + done.range.len()).contains(&self.1) {
            kill_process(getpid(), Signal::INT).expect("a process may signal itself");
        }
        Ok(())
    }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    // One place of the program hears Ctrl-C, and sets what every loop looks at.
    let current = Arc::new(Mutex::new(Stop::new()));
    stop_at_interrupt(current.clone());
    for backend in ["threads", "pipes"] {
        let options = SessionOptions { workers: 2, timed: true, ..SessionOptions::default() };
        let mut session = find(backend)?.open(&options)?;
        let mut go = |pieces, at| {
            let stop = Stop::new();
            *current.lock().expect("nobody panics") = stop.clone();
            session.run(Arc::new(Naps(pieces)), Arc::new(Interrupt(AtomicUsize::new(0), at)), &stop)
        };
        let workers = go(10, usize::MAX)?.workers;
        let error = go(1_000_000, if quick { 5 } else { 200 }).expect_err("it is interrupted");
        let again: usize = go(10, usize::MAX)?.workers.iter().map(|worker| worker.pieces).sum();
        drop(session);
        let pids = workers.iter().filter_map(|worker| Pid::from_raw(worker.process as i32));
        let left = pids.filter(|pid| test_kill_process(*pid).is_ok()).count();
        println!("{backend}:\n  interrupted: {error}");
        println!("  the same workers again: {again} pieces\n  worker processes that are left: {left}");
    }
    println!("\nPython's Pool, interrupted with its workers: {}", interrupt_pool());
    notice(
        "Ctrl-C goes to every process of the terminal's group, so Python's workers die of it one by one, each with a \
        traceback. Ours are in groups of their own: the session alone hears the signal, asks them to stop, and keeps them.",
    );
    Ok(())
}
