//! Answers "Ctrl-C and a `multiprocessing.Pool`": how a pool of threads and one of processes end early, and are used again.

use super::support::python::interrupt_pool;
use super::support::{nanoseconds, notice};
use fractal::backend::{SessionOptions, WorkKind, find};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Recipe, Sink, Stop, Work};
use fractal::{Error, Result};
use rustix::process::{Pid, Signal, getpid, kill_process, test_kill_process};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
struct Interrupt(AtomicUsize, usize, Mutex<Option<Instant>>);

impl Sink for Interrupt {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let before = self.0.fetch_add(done.range.len(), Relaxed);
        if (before..before + done.range.len()).contains(&self.1) {
            *self.2.lock().expect("no sink panics") = Some(Instant::now());
            kill_process(getpid(), Signal::INT).expect("a process may signal itself");
        }
        Ok(())
    }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    // One place for the whole program hears Ctrl-C, and sets what every loop looks at.
    let (mut signals, current) =
        (Signals::new([SIGINT]).expect("SIGINT can be handled"), Arc::new(Mutex::new(Stop::new())));
    let stop = current.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| stop.lock().expect("nobody panics").set()));

    for backend in ["threads", "pipes"] {
        let mut session =
            find(backend)?.open(&SessionOptions { workers: 2, timed: true, ..SessionOptions::default() })?;
        let mut go = |pieces, at| {
            *current.lock().expect("nobody panics") = Stop::new();
            let (sink, stop) = (
                Arc::new(Interrupt(AtomicUsize::new(0), at, Mutex::default())),
                current.lock().expect("nobody panics").clone(),
            );
            let outcome = session.run(Arc::new(Naps(pieces)), sink.clone(), &stop);
            (outcome, sink)
        };
        let workers = go(10, usize::MAX).0?.workers;
        println!("{backend}:");
        let (outcome, sink) = go(1_000_000, if quick { 5 } else { 200 });
        let after = sink.2.lock().expect("no sink panics").map_or(0.0, |at| nanoseconds(at.elapsed(), 1_000_000));
        println!(
            "  interrupted: {}; {after:.1} ms after the signal",
            outcome.err().map_or("no".into(), |error| error.to_string())
        );
        println!(
            "  the same workers again: {} pieces",
            go(10, usize::MAX).0?.workers.iter().map(|worker| worker.pieces).sum::<usize>()
        );
        drop(session);
        let alive = workers
            .iter()
            .filter_map(|worker| Pid::from_raw(worker.process as i32))
            .filter(|pid| test_kill_process(*pid).is_ok());
        println!("  worker processes that are left: {}", alive.count());
    }
    println!("Python's Pool, interrupted with its workers: {}", interrupt_pool());
    notice(
        "Ctrl-C goes to every process of the terminal's group. Python's workers each die of it, with a traceback. Ours are in groups of their own: only the session hears the signal, asks them to stop, and keeps them.",
    );
    Ok(())
}
