//! What a session does about workers that end: which piece is at fault, who computes it next, and when to give up.
//!
//! Both process backends use this, so that a piece may cost the same number of workers in each.

use super::{Process, ending};
use crate::error::Error;
use crate::parallel::{ComputedClaim, FinishedClaim, Job, Worker, lock};
use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// How many workers a piece may cost, computed alone, before it is given to no other.
const MOST: u8 = 3;

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// In words.
    pub(crate) text: String,
    /// Whether a signal ended it, sent from outside or caused by its own fault.
    pub(crate) by_signal: bool,
    /// Whether it was killed: by the user, or by the system for lack of memory.
    killed: bool,
}

/// How many workers may end in a row without a result in between.
pub(super) fn most(workers: usize) -> usize {
    10 + 3 * workers
}

impl End {
    /// Kills a worker if it still runs, waits for its end, and says how it ended; `why` if the session gives up on it.
    pub(crate) fn of(process: &mut Process, why: Option<&str>) -> Self {
        if let Some(why) = why {
            process.end();
            return Self { text: why.to_owned(), by_signal: false, killed: false };
        }
        // Its streams may end before the process does: its own end must not be mistaken for our kill.
        let status = process.ended_soon().or_else(|| process.end());
        let signal = signal(status);
        Self { text: ending(status), by_signal: signal.is_some(), killed: signal == Some(9) }
    }

    /// The end of a worker that never started.
    pub(crate) fn before_it_began() -> Self {
        Self { text: "could not be started".to_owned(), by_signal: false, killed: true }
    }

    #[cfg(test)]
    pub(super) fn told(text: &str, by_signal: bool) -> Self {
        Self { text: text.to_owned(), by_signal, killed: by_signal }
    }
}

#[cfg(unix)]
fn signal(status: Option<ExitStatus>) -> Option<i32> {
    status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status))
}

#[cfg(not(unix))]
fn signal(_: Option<ExitStatus>) -> Option<i32> {
    None
}

/// The workers that a piece has cost.
#[derive(Clone, Copy, Debug)]
struct Loss {
    workers: u8,
    /// Whether all of them were killed from outside.
    killed: bool,
}

/// The losses of a run.
#[derive(Debug)]
pub(crate) struct Losses<'a> {
    job: &'a Job,
    backend: &'static str,
    workers: usize,
    state: Mutex<State>,
    /// Whether there are any: checked first when a result is delivered.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Workers that have ended since a result was last delivered.
    in_a_row: usize,
    /// By piece.
    pieces: HashMap<usize, Loss>,
}

impl<'a> Losses<'a> {
    pub(crate) fn new(job: &'a Job, backend: &'static str, workers: usize) -> Self {
        Self { job, backend, workers, state: Mutex::default(), any: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether any worker has ended.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// A result was delivered whose first piece is `first`.
    #[inline]
    pub(crate) fn delivered(&self, first: usize) {
        if self.any() {
            let mut state = self.state();
            state.in_a_row = 0;
            state.pieces.remove(&first);
        }
    }

    /// Reports to the run's sink that a worker was lost.
    pub(crate) fn report(&self, worker: usize, how: &str) {
        self.job.worker_lost(worker, how);
    }

    /// A worker has ended, or has done nothing though there was something to do. Too many of these in a row end the run.
    pub(crate) fn count(&self, worker: usize, how: &str) {
        let losses = {
            let mut state = self.state();
            self.any.store(true, Ordering::Relaxed);
            state.in_a_row += 1;
            state.in_a_row
        };
        if losses > most(self.workers) && !self.job.is_over() {
            let _ = self.job.fail(Error::Unsupported(format!(
                "workers of backend `{}` ended {losses} times without a result in between; the last one, worker {worker}, {how}",
                self.backend
            )));
        }
    }

    /// A worker has ended while computing only `piece`. Says whether no other worker should get it: then it is to be rescued.
    pub(crate) fn at_fault(&self, piece: usize, end: &End) -> bool {
        let mut state = self.state();
        self.any.store(true, Ordering::Relaxed);
        let loss = state.pieces.entry(piece).or_insert(Loss { workers: 0, killed: true });
        loss.workers += 1;
        loss.killed &= end.killed;
        loss.workers >= MOST
    }

    /// Computes in the session a piece that has cost as many workers as it may, and delivers it, if all of them were killed, by
    /// hand or for lack of memory. If one crashed, the session would crash as well: then the run ends with an error that names the
    /// piece.
    pub(crate) fn rescue(&self, worker: usize, piece: usize, end: &End, deliver: impl FnOnce(&FinishedClaim<'_>)) {
        if self.job.is_over() {
            return;
        }
        if !self.state().pieces.get(&piece).is_none_or(|loss| loss.killed) {
            let (piece, text) = (self.job.name(piece), &end.text);
            let _ = self.job.fail(Error::Unsupported(format!(
                "{piece} ended each of the {MOST} workers that computed it; the last one, worker {worker}, {text}"
            )));
            return;
        }
        let mut finished = ComputedClaim::default();
        if self.job.compute(&mut Worker::new(worker), piece..piece + 1, &mut finished).is_continue() {
            deliver(&self.job.done(&finished));
        }
    }
}
