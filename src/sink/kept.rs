//! Finished pieces that are kept somewhere, and the stage of a run that gives them to sinks.
//!
//! A file of records is one such place, the samples behind a window's picture are another. Resuming, merging, recolouring and
//! saving a window's picture all go this way: [`Resumed`](super::Resumed) for a run of the missing pieces, [`Replay`] for a sink
//! that needs all pieces in order when the run is complete.

use super::records::Records;
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Piece, Report, RunInfo, Sink, Stop, Work, lock};
use std::fmt;
use std::sync::{Arc, Mutex};

/// Finished pieces of a work, kept by an earlier run.
pub trait Kept: Send + Sync {
    /// The number of entries, one for each piece.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the piece of an entry from 0 to [`Kept::len`]; the numbers ascend.
    fn index(&self, entry: usize) -> usize;

    /// Reads the piece of an entry into the buffer `words`; also returns the operations executed for the claim that it was first
    /// in, else 0.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read<'a>(&self, entry: usize, words: &'a mut Vec<u64>) -> Result<(Piece<'a>, u64)>;

    /// A description of where they are kept, for messages.
    fn place(&self) -> String;
}

impl Kept for Records {
    fn len(&self) -> usize {
        self.found().len()
    }

    fn index(&self, entry: usize) -> usize {
        self.found()[entry].index
    }

    fn read<'a>(&self, entry: usize, words: &'a mut Vec<u64>) -> Result<(Piece<'a>, u64)> {
        Records::read(self, self.found()[entry], words)
    }

    fn place(&self) -> String {
        format!("`{}`", self.path().display())
    }
}

/// Passes the piece of an entry to a sink.
pub(super) fn give(
    kept: &dyn Kept,
    entry: usize,
    work: &dyn Work,
    sink: &dyn Sink,
    words: &mut Vec<u64>,
) -> Result<()> {
    let (piece, executed) = kept.read(entry, words)?;
    let costs = [piece.cost];
    sink.kept(&FinishedClaim { executed, ..FinishedClaim::single(work, piece.index, piece.bytes, &costs) })
}

/// Opens the kept pieces when a run is complete.
type Open = Box<dyn Fn() -> Result<Arc<dyn Kept>> + Send + Sync>;

/// A sink that gives another one nothing during a run, and all kept pieces, in order, when the run is complete.
pub struct Replay {
    inner: Arc<dyn Sink>,
    work: Arc<dyn Work>,
    open: Open,
    run: Mutex<Option<RunInfo>>,
    stop: Stop,
}

impl Replay {
    /// Gives `inner` the pieces of `work` in `open` when the run is complete.
    pub fn new(
        inner: Arc<dyn Sink>,
        work: Arc<dyn Work>,
        open: impl Fn() -> Result<Arc<dyn Kept>> + Send + Sync + 'static,
        stop: &Stop,
    ) -> Self {
        Self { inner, work, open: Box::new(open), run: Mutex::default(), stop: stop.clone() }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Sink for Replay {
    fn start(&self, run: &RunInfo) -> Result<()> {
        *lock(&self.run) = Some(run.clone());
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<()> {
        let run = lock(&self.run).take();
        run.map_or(Ok(()), |run| self.inner.start(&run))?;
        let (kept, mut words) = ((self.open)()?, Vec::new());
        for entry in 0..kept.len() {
            if self.stop.is_set() {
                return Err(Error::Stopped);
            }
            give(&*kept, entry, &*self.work, &*self.inner, &mut words)?;
        }
        self.inner.finish(report)
    }
}
