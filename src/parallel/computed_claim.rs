//! A worker's state in a run, and a claim that it has computed.

use super::{FinishedClaim, WorkerReport};
use std::ops::Range;
use std::time::Duration;

/// A worker's own state in a run: its tally and the memory that its claims are computed in.
// It starts on a cache line and shares its lines with no other worker. A tally that straddled two lines, as the allocator placed it, made
// a free piece take 1.5 times as long.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Worker {
    pub(super) report: WorkerReport,
    pub(super) finished: ComputedClaim,
}

/// A computed claim that has not been delivered yet: what travels from a worker to a collector. Its memory can be reused.
#[derive(Debug, Default)]
pub struct ComputedClaim {
    /// The pieces.
    pub range: Range<usize>,
    /// Their results as in [`FinishedClaim::bytes`], in whole words so that sinks can read them as numbers.
    pub words: Vec<u64>,
    /// How many bytes of `words` are results.
    pub len: usize,
    /// What each piece was worth, in the work's own unit.
    pub costs: Vec<u64>,
    /// What was actually executed, in the same unit.
    pub executed: u64,
    /// The work's own counters for this claim.
    pub counts: Vec<u64>,
    /// The worker that computed it.
    pub worker: usize,
    /// When its computation began, since the start of the run.
    pub began: Duration,
    /// When its computation ended. Both are zero when the run is not timed.
    pub ended: Duration,
}

/// What computing a claim took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// What was actually executed, in the work's own unit.
    pub executed: u64,
    /// When it began, since the start of the run.
    pub began: Duration,
    /// When it ended. Both are zero when the run is not timed.
    pub ended: Duration,
    /// How many bytes the results take: fewer than were reserved if the work varies.
    pub len: usize,
}

impl ComputedClaim {
    /// The results of all pieces.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// Memory for `len` bytes of results, for the costs of `pieces` pieces (all 0), and for counts (none yet).
    #[inline(always)]
    pub(super) fn memory(&mut self, len: usize, pieces: usize) -> (&mut [u8], &mut [u64], &mut Vec<u64>) {
        let Self { words, costs, counts, .. } = self;
        if words.len() * 8 < len {
            words.resize(len.div_ceil(8), 0);
        }
        counts.clear();
        costs.clear();
        costs.resize(pieces, 0);
        (&mut bytemuck::cast_slice_mut(words)[..len], costs, counts)
    }
}

impl Worker {
    /// Worker number `index`, with nothing done.
    pub fn new(index: usize) -> Self {
        Self { report: WorkerReport { index, ..WorkerReport::default() }, ..Self::default() }
    }

    /// The worker's number.
    pub fn index(&self) -> usize {
        self.report.index
    }

    /// Counts a claim that it computed elsewhere, in its own process for example.
    pub fn count(&mut self, done: &FinishedClaim<'_>) {
        self.report.count(done.costs, done.executed, done.counts, done.ended.saturating_sub(done.began));
    }

    /// Takes the report of what it has done since the last call; its memory is kept for the next run.
    pub fn take_report(&mut self) -> WorkerReport {
        let index = self.report.index;
        std::mem::replace(&mut self.report, WorkerReport { index, ..WorkerReport::default() })
    }
}
