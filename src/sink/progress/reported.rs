//! Progress for a program that wants to be called.

use super::{Progress, Snapshot};
use crate::error::Result;
use crate::parallel::{FinishedClaim, RunInfo, Sink, lock};
use std::sync::Mutex;

/// Counts finished work and reports it to a function.
pub(crate) struct Reported<F> {
    progress: Progress,
    report: Mutex<F>,
}

impl<F: FnMut(&Snapshot) + Send> Reported<F> {
    pub(crate) fn new(progress: Progress, report: F) -> Self {
        Self { progress, report: Mutex::new(report) }
    }

    /// Reports how far the run is now.
    pub(crate) fn report(&self) {
        lock(&self.report)(&self.progress.snapshot());
    }

    /// Reports it unless another thread is doing so: a slow function keeps one worker, not all.
    fn report_if_free(&self) {
        if let Ok(mut report) = self.report.try_lock() {
            report(&self.progress.snapshot());
        }
    }
}

impl<F: FnMut(&Snapshot) + Send> Sink for Reported<F> {
    fn preparing(&self, done: f64) {
        self.progress.preparing(done);
        self.report_if_free();
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        self.progress.start(run)
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.progress.done(done)?;
        self.report_if_free();
        Ok(())
    }
}
