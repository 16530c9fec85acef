//! What a session does about workers that end: which piece is at fault, who computes it then, and when it is too much.
//!
//! Both process backends ask here, so that a piece may cost as many workers in the one as in the other.

use super::{Process, ending};
use crate::error::Error;
use crate::parallel::{Done, Finished, Job, Worker};
use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many workers a piece may cost, computed alone, before it is no longer given to one.
const MOST: u8 = 3;

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// In words.
    pub(crate) text: String,
    /// Whether a signal ended it, from outside or by its own fault.
    pub(crate) by_signal: bool,
    /// Whether somebody killed it: the user, or the system for want of memory.
    killed: bool,
}

/// How many workers may end one after the other without a result in between.
pub(super) fn most(workers: usize) -> usize {
    10 + 3 * workers
}

impl End {
    /// Kills a worker if it still runs, waits for its end, and says how it ended; `why` if the session does not bear it any more.
    pub(crate) fn of(process: &mut Process, why: Option<&str>) -> Self {
        if let Some(why) = why {
            process.end();
            return Self { text: why.to_owned(), by_signal: false, killed: false };
        }
        // Its streams may have ended before it has: how it ends is not to be mistaken for how it is ended here.
        let status = process.ended_soon().or_else(|| process.end());
        let signal = signal(status);
        Self { text: ending(status), by_signal: signal.is_some(), killed: signal == Some(9) }
    }

    /// That of a worker which never was.
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

/// What a piece has cost.
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
    /// Whether there are any: results that are handed on look here first.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Workers that have ended since a result was last handed on.
    in_a_row: usize,
    /// By piece.
    pieces: HashMap<usize, Loss>,
}

impl<'a> Losses<'a> {
    pub(crate) fn new(job: &'a Job, backend: &'static str, workers: usize) -> Self {
        Self { job, backend, workers, state: Mutex::default(), any: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any worker has ended.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// A result was handed on, whose first piece is `first`.
    #[inline]
    pub(crate) fn handed_on(&self, first: usize) {
        if self.any() {
            let mut state = self.state();
            state.in_a_row = 0;
            state.pieces.remove(&first);
        }
    }

    /// Tells the run's sink that a worker was lost.
    pub(crate) fn tell(&self, worker: usize, how: &str) {
        self.job.worker_lost(worker, how);
    }

    /// A worker has ended, or has done nothing though there was something to do. Workers that do so one after the other end the run.
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

    /// A worker has ended that computed `piece` and nothing else. Says whether no other is to have it: then it is to be rescued.
    pub(crate) fn at_fault(&self, piece: usize, end: &End) -> bool {
        let mut state = self.state();
        self.any.store(true, Ordering::Relaxed);
        let loss = state.pieces.entry(piece).or_insert(Loss { workers: 0, killed: true });
        loss.workers += 1;
        loss.killed &= end.killed;
        loss.workers >= MOST
    }

    /// Computes a piece that has cost as many workers as it may, and hands it on, if all were killed, by hand or by the system for want
    /// of memory. If one crashed, the session would crash as well: then the run ends with an error that names the piece.
    pub(crate) fn rescue(&self, worker: usize, piece: usize, end: &End, hand_on: impl FnOnce(&Done<'_>)) {
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
        let mut finished = Finished::default();
        if self.job.compute(&mut Worker::new(worker), piece..piece + 1, &mut finished).is_continue() {
            hand_on(&self.job.done(&finished));
        }
    }
}
