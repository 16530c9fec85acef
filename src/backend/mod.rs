//! Who computes the pieces: the trait and the table of backends. A backend is one file and one line here.

use crate::error::Result;
use crate::parallel::{Report, Sink, Stop, Work};
use std::sync::Arc;

/// Workers that live across runs.
pub trait Session: Send {
    /// Runs `work` to the end, giving every finished piece to `sink`. The session can be used again afterwards, also after
    /// an error or a stop.
    ///
    /// # Errors
    /// The first error of the work or the sink, [`crate::Error::Panicked`], or [`crate::Error::Stopped`].
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report>;
}
