//! Workers in processes of their own that were lost, as `-v` tells of them: after the run, so that no line is drawn over.

use super::tell;
use fractal::parallel::Sink;
use std::sync::{Mutex, PoisonError};

/// A sink that remembers which workers were lost, and how.
#[derive(Default)]
pub(super) struct Losses(Mutex<Vec<(usize, String)>>);

impl Losses {
    /// Tells of all since the last time.
    pub(super) fn tell(&self, name: &str) {
        for (worker, how) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            tell(format!("{name}: worker {worker} {how} and was replaced"));
        }
    }
}

impl Sink for Losses {
    fn lost(&self, worker: usize, how: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((worker, how.to_owned()));
    }
}
