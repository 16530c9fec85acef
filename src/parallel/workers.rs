//! The workers of a backend whose threads belong to a library, such as a pool: the state that each of them computes with.

use super::{Job, Worker, WorkerReport, lock};
use crossbeam_utils::CachePadded;
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Workers numbered from 0, each behind a lock that its thread takes for a claim or for a whole run.
#[derive(Debug)]
pub(crate) struct Workers(Box<[CachePadded<Place>]>);

#[derive(Debug)]
struct Place {
    worker: Mutex<Worker>,
    /// Claims computed while the worker was locked.
    nested: Mutex<WorkerReport>,
}

impl Workers {
    /// `count` workers, with nothing done.
    pub(crate) fn new(count: usize) -> Self {
        let place = |index| Place { worker: Mutex::new(Worker::new(index)), nested: Mutex::default() };
        Self((0..count).map(|index| CachePadded::new(place(index))).collect())
    }

    /// Worker number `index`, once no other thread has it.
    pub(crate) fn lock(&self, index: usize) -> MutexGuard<'_, Worker> {
        lock(&self.0[index].worker)
    }

    /// Computes `claim` as worker number `index`. `Break` means that the run is over.
    ///
    /// Work that itself uses a pool may make a thread wait inside a piece, and the pool has it take another claim meanwhile. It would
    /// deadlock if it waited for its own worker, so it gets another with the same number.
    #[cfg_attr(not(any(feature = "fibers", feature = "futures", feature = "rayon")), allow(dead_code))]
    pub(crate) fn execute(&self, index: usize, job: &Job, claim: Range<usize>) -> ControlFlow<()> {
        let place = &self.0[index];
        match place.worker.try_lock() {
            Ok(mut worker) => job.execute(&mut worker, claim),
            Err(TryLockError::Poisoned(worker)) => job.execute(&mut worker.into_inner(), claim),
            Err(TryLockError::WouldBlock) => {
                let mut worker = Worker::new(index);
                let outcome = job.execute(&mut worker, claim);
                lock(&place.nested).add(&worker.take_report());
                outcome
            }
        }
    }

    /// Takes what each has done since the last call.
    pub(crate) fn take_reports(&self) -> Vec<WorkerReport> {
        let take = |place: &CachePadded<Place>| {
            let mut report = lock(&place.worker).take_report();
            report.add(&std::mem::take(&mut *lock(&place.nested)));
            report
        };
        self.0.iter().map(take).collect()
    }
}
