//! Where results go. Pictures, progress, traces and checkpoints are all sinks, so every backend serves all of them.

use super::{Lengths, Report, Work};
use crate::error::Result;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Receives finished claims. Methods are called from the workers' threads, several at the same time; the defaults do nothing.
///
/// An error ends the run, which returns it.
pub trait Sink: Send + Sync {
    /// Called before [`Sink::start`], perhaps often and from any thread, while what all pieces share is prepared: `done` is the fraction
    /// that is done, from 0 to 1. Not called where there is nothing to prepare.
    fn preparing(&self, done: f64) {
        let _ = done;
    }

    /// Called once before any piece.
    ///
    /// # Errors
    /// When the sink cannot take the results.
    fn start(&self, run: &RunInfo) -> Result<()> {
        let _ = run;
        Ok(())
    }

    /// Called when worker number `worker` begins to compute these pieces, before [`Sink::done`] is called for them. A claim that is lost
    /// with its worker is begun again, perhaps in parts; where another thread delivers results, a worker begins its next claim before the
    /// last one is done. For observers.
    fn claimed(&self, worker: usize, range: Range<usize>) {
        let _ = (worker, range);
    }

    /// Called when worker number `worker`, in a process of its own, was lost: `how` says what happened to it, such as "was killed by
    /// signal 9". Another takes its place if one can be started. Losses before a run are reported when it begins. For observers.
    fn lost(&self, worker: usize, how: &str) {
        let _ = (worker, how);
    }

    /// Called once for each finished claim, in any order, by the worker that computed it. A sink that waits instead of working, for an
    /// encoder perhaps, reports that with [`waited`].
    ///
    /// # Errors
    /// When the results cannot be taken.
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let _ = done;
        Ok(())
    }

    /// Called like [`Sink::done`] for claims that an earlier run computed and a record kept. No worker of this run computed them: worker
    /// and times are meaningless.
    ///
    /// # Errors
    /// When the results cannot be taken.
    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.done(done)
    }

    /// Called once after the last piece of a complete run, not when a run failed or was stopped.
    ///
    /// # Errors
    /// When the results cannot be completed.
    fn finish(&self, report: &Report) -> Result<()> {
        let _ = report;
        Ok(())
    }
}

/// What a sink learns before a run.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The number of pieces.
    pub pieces: usize,
    /// The number of workers; worker numbers are below it.
    pub workers: usize,
    /// The backend's name.
    pub backend: &'static str,
    /// What the work counts: [`Work::unit`].
    pub unit: &'static str,
    /// What its pieces are: [`Work::piece`].
    pub piece: &'static str,
}

/// A finished claim.
#[derive(Clone)]
pub struct FinishedClaim<'a> {
    /// The work, for the lengths of its pieces.
    pub work: &'a dyn Work,
    /// The pieces.
    pub range: Range<usize>,
    /// Their results: one after the other if their lengths are known, else with their lengths. [`FinishedClaim::pieces`] reads either.
    pub bytes: &'a [u8],
    /// How the lengths of the results are known.
    pub lengths: Lengths,
    /// What each piece was worth, in the work's own unit.
    pub costs: &'a [u64],
    /// What was actually executed for the claim, in the same unit.
    pub executed: u64,
    /// The work's own counters for this claim.
    pub counts: &'a [u64],
    /// The worker that computed it.
    pub worker: usize,
    /// When its computation began, since the start of the run.
    pub began: Duration,
    /// When its computation ended, since the start of the run. Both are zero when the run is not timed.
    pub ended: Duration,
}

/// One piece of a finished claim.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its number.
    pub index: usize,
    /// Its result.
    pub bytes: &'a [u8],
    /// What it was worth, in the work's own unit.
    pub cost: u64,
}

impl<'a> FinishedClaim<'a> {
    /// Finished pieces of `work`, without saying how long they took or which worker computed them.
    pub fn new(work: &'a dyn Work, range: Range<usize>, bytes: &'a [u8], costs: &'a [u64]) -> Self {
        let (zero, lengths) = (Duration::ZERO, Lengths::of(work.varies()));
        Self { work, range, bytes, lengths, costs, executed: 0, counts: &[], worker: 0, began: zero, ended: zero }
    }

    /// One such piece, whose cost is in `costs`.
    pub fn single(work: &'a dyn Work, index: usize, bytes: &'a [u8], costs: &'a [u64; 1]) -> Self {
        Self { lengths: Lengths::Single, ..Self::new(work, index..index + 1, bytes, costs) }
    }

    /// The pieces of the claim, in order, each with its own bytes.
    ///
    /// # Panics
    /// The iterator panics if the bytes are not the results of the pieces.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let (work, lengths, range, costs, mut rest) =
            (self.work, self.lengths, self.range.clone(), self.costs, self.bytes);
        range.zip(costs).map(move |(index, &cost)| {
            let (bytes, after) =
                lengths.first(rest, work.piece_len(index)).expect("a claim has the results of its pieces");
            rest = after;
            Piece { index, bytes, cost }
        })
    }
}

impl fmt::Debug for FinishedClaim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishedClaim")
            .field("range", &self.range)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

thread_local!(static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) });

/// Reports that this thread, in a sink's method, has waited for `time` instead of working. It does not count as the worker's busy time.
pub fn waited(time: Duration) {
    WAITED.set(WAITED.get() + time);
}

/// What was reported with [`waited`] on this thread since the last call.
pub(super) fn take_waited() -> Duration {
    WAITED.take()
}

/// Passes everything to several sinks, in order.
#[derive(Default)]
pub struct Tee(Vec<Arc<dyn Sink>>);

impl Tee {
    /// A sink that passes everything on to `sinks`.
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self(sinks)
    }
}

impl fmt::Debug for Tee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tee({} sinks)", self.0.len())
    }
}

impl Sink for Tee {
    fn preparing(&self, done: f64) {
        self.0.iter().for_each(|sink| sink.preparing(done));
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.start(run))
    }

    fn claimed(&self, worker: usize, range: Range<usize>) {
        self.0.iter().for_each(|sink| sink.claimed(worker, range.clone()));
    }

    fn lost(&self, worker: usize, how: &str) {
        self.0.iter().for_each(|sink| sink.lost(worker, how));
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.done(done))
    }

    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.kept(done))
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.0.iter().try_for_each(|sink| sink.finish(report))
    }
}

/// A sink that drops everything, for measuring.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {}
