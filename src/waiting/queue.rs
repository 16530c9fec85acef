//! What the threads of the blocking models share: they sleep until a target is there, and the caller until all is done or stopped.

use super::{Answer, Frontier, Next, Target};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the caller may take to notice a stop.
const TICK: Duration = Duration::from_millis(10);

/// Targets for threads that block.
///
/// A thread that waits for a server, or for the address of a name, cannot be woken. So threads are not joined: after a stop the caller
/// leaves, and a thread that is still waiting finds the queue closed, at the latest when its target's time is over.
pub(super) struct Queue {
    frontier: Arc<dyn Frontier>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    /// How many threads there are.
    threads: usize,
}

impl Queue {
    pub(super) fn new(frontier: &Arc<dyn Frontier>) -> Arc<Self> {
        Arc::new(Self { frontier: frontier.clone(), state: Mutex::default(), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next target, once there is one; `None` when nothing more will come.
    fn take(&self) -> Option<Target> {
        let mut state = self.lock();
        while !state.is_closed {
            state = match self.frontier.next() {
                Next::Target(target) => return Some(target),
                Next::Done => return None,
                Next::Later => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::At(moment) => {
                    let time = moment.saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        None
    }

    /// Delivers an answer, unless the run is over.
    fn deliver(&self, answer: Answer) {
        let state = self.lock();
        if !state.is_closed {
            self.frontier.deliver(answer);
            self.changed.notify_all();
        }
    }

    /// Gives each target to `start`, which starts a thread for it, while there are fewer than `most` of them.
    pub(super) fn each(
        self: &Arc<Self>,
        most: usize,
        stop: &Stop,
        mut start: impl FnMut(Target, Member) -> Result<()>,
    ) -> Result<()> {
        loop {
            self.wait(most - 1, stop)?;
            match self.frontier.next() {
                Next::Target(target) => start(target, self.member()).inspect_err(|_| self.close())?,
                Next::Done => return self.wait(0, stop),
                Next::At(_) | Next::Later => {
                    drop(self.changed.wait_timeout(self.lock(), TICK).unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    /// Counts a thread until what is returned is dropped.
    pub(super) fn member(self: &Arc<Self>) -> Member {
        self.lock().threads += 1;
        Member(self.clone())
    }

    /// Waits until at most `most` threads are left, or for a stop, which closes the queue.
    pub(super) fn wait(&self, most: usize, stop: &Stop) -> Result<()> {
        let mut state = self.lock();
        loop {
            if stop.is_set() {
                state.is_closed = true;
                self.changed.notify_all();
                return Err(Error::Stopped);
            }
            if state.threads <= most {
                return Ok(());
            }
            state = self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the run: nothing more is given or delivered.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

/// A thread among those of a queue.
pub(super) struct Member(Arc<Queue>);

impl Member {
    /// Takes targets and delivers their answers until nothing more will come.
    pub(super) fn answer(&self, mut fetch: impl FnMut(Target) -> Answer) {
        while let Some(target) = self.0.take() {
            self.deliver(fetch(target));
        }
    }

    /// Delivers an answer, unless the run is over.
    pub(super) fn deliver(&self, answer: Answer) {
        self.0.deliver(answer);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.changed.notify_all();
    }
}
