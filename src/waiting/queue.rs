//! What the threads of the blocking models share: they sleep until a target is there, and the caller until all is done or stopped.

use super::feed::TICK;
use super::{Answer, Frontier, Next, Target};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

/// Targets for threads that block.
///
/// A thread that waits for a server, or for the address of a name, cannot be woken. So threads are not joined: after a stop the caller
/// leaves, and a thread that is still waiting finds the queue closed, at the latest when its target's time is over.
pub(super) struct Queue {
    frontier: Arc<dyn Frontier>,
    /// Whether the run is over. Deliveries hold it for reading, so that one that takes long keeps no other thread waiting.
    is_closed: RwLock<bool>,
    /// How many threads there are.
    threads: Mutex<usize>,
    changed: Condvar,
}

impl Queue {
    pub(super) fn new(frontier: &Arc<dyn Frontier>) -> Arc<Self> {
        let (is_closed, threads) = (RwLock::new(false), Mutex::new(0));
        Arc::new(Self { frontier: frontier.clone(), is_closed, threads, changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Option<RwLockReadGuard<'_, bool>> {
        Some(self.is_closed.read().unwrap_or_else(PoisonError::into_inner)).filter(|is_closed| !**is_closed)
    }

    /// The next target, once there is one; `None` when nothing more will come.
    fn take(&self) -> Option<Target> {
        let mut threads = self.lock();
        loop {
            let next = {
                let _open = self.open()?;
                self.frontier.next()
            };
            threads = match next {
                Next::Target(target) => return Some(target),
                Next::Done => return None,
                Next::Later => self.changed.wait(threads).unwrap_or_else(PoisonError::into_inner),
                Next::At(moment) => {
                    let time = moment.saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(threads, time).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Delivers an answer, unless the run is over.
    fn deliver(&self, answer: Answer) {
        if let Some(_open) = self.open() {
            self.frontier.deliver(answer);
        }
        // Whoever found nothing has begun to wait by now.
        drop(self.lock());
        self.changed.notify_all();
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
        *self.lock() += 1;
        Member(self.clone())
    }

    /// Waits until at most `most` threads are left, or for a stop, which closes the queue.
    pub(super) fn wait(&self, most: usize, stop: &Stop) -> Result<()> {
        let mut threads = self.lock();
        while !stop.is_set() {
            if *threads <= most {
                return Ok(());
            }
            threads = self.changed.wait_timeout(threads, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(threads);
        self.close();
        Err(Error::Stopped)
    }

    /// Ends the run: nothing more is given or delivered.
    pub(super) fn close(&self) {
        *self.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
        drop(self.lock());
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
        *self.0.lock() -= 1;
        self.0.changed.notify_all();
    }
}
