//! Lost worker processes, as `-v` reports them: after the run, so that the progress bar overwrites no line.

use super::note;
use fractal::parallel::Sink;
use std::sync::{Mutex, PoisonError};

/// A sink that records which workers were lost, and how.
#[derive(Default)]
pub(super) struct Losses(Mutex<Vec<(usize, String)>>);

impl Losses {
    /// Reports all losses since the last call.
    pub(super) fn report(&self, name: &str) {
        for (worker, how) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            note(format!("{name}: worker {worker} {how} and was replaced"));
        }
    }
}

impl Sink for Losses {
    fn lost(&self, worker: usize, how: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((worker, how.to_owned()));
    }
}
