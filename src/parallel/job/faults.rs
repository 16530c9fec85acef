//! The errors of a run in which a piece, the sink or the backend fails.

use super::Job;
use crate::error::Error;
use crate::parallel::Claim;
use crate::parallel::panics::{self, catch};
use crate::parallel::result::Lengths;
use crate::parallel::team::Panic;
use std::any::Any;
use std::ops::{ControlFlow, Range};

impl Job {
    /// Ends the run with what is known about a panic. The piece at fault is found by computing the pieces again one by one: a piece's
    /// result depends on its index only, and so does its panic, unless the kernel fails between pieces.
    #[cold]
    pub(super) fn panicked(&self, worker: usize, range: Range<usize>, message: String) -> ControlFlow<()> {
        self.stop.set();
        let again = |index| {
            let (mut bytes, mut costs) = (vec![0; self.room(index..index + 1)], [0]);
            let (mut counts, piece) = (Vec::new(), index..index + 1);
            if self.size.lengths == Lengths::Prefixed {
                return self.varying(piece, &mut bytes, &mut costs, &mut counts, &self.asked).map(|_| ());
            }
            let mut claim = Claim::new(piece, &mut bytes, &mut costs, &mut counts);
            self.work.compute(&self.prepared, &mut claim, &self.asked)
        };
        let at_fault = || range.clone().find_map(|index| Some((index, catch(|| again(index).is_ok()).err()?)));
        let single = range.len() == 1;
        let (piece, message) = if single {
            (self.name(range.start), message)
        } else if let Some((index, message)) = at_fault() {
            (self.name(index), message)
        } else {
            (format!("{} pieces from {} on", range.len(), self.name(range.start)), message)
        };
        self.fail(Error::Panicked { piece, worker, message })
    }

    /// Ends the run with what is known about a panic of the sink.
    #[cold]
    pub(super) fn sink_panicked(&self, worker: usize, piece: usize, message: &str) -> ControlFlow<()> {
        let message = format!("{message} (in the sink, which received its result)");
        self.fail(Error::Panicked { piece: self.name(piece), worker, message })
    }

    /// A piece in words, for error messages.
    pub(crate) fn name(&self, index: usize) -> String {
        panics::name(&*self.work, index)
    }

    /// Ends the run because a worker panicked outside any piece, which is a fault of its backend.
    pub fn lost(&self, payload: &(dyn Any + Send)) {
        let message = panics::message(payload);
        let _ = self.fail(Error::Unsupported(format!("a worker of backend `{}` panicked: {message}", self.backend)));
    }

    /// [`Job::lost`] for the panics of a team's members.
    pub(crate) fn check(&self, outcome: std::result::Result<(), Vec<Panic>>) {
        for (_, payload) in outcome.err().into_iter().flatten() {
            self.lost(payload.as_ref());
        }
    }

    /// The error of a backend whose run ended by itself without computing each piece exactly once.
    #[cold]
    pub(super) fn miscounted(&self, done: usize, pieces: usize) -> Error {
        Error::Unsupported(format!(
            "backend `{}` has a fault: it ended a run of {pieces} pieces with {done} of them computed",
            self.backend
        ))
    }
}
