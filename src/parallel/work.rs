//! What every backend can run: independent pieces, each a pure function from an index to bytes.

use super::result::Slots;
use super::{Prepared, Preparing, Stop};
use crate::error::Result;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The most numbers that [`Claim::add_counts`] may be given.
pub const MAX_COUNTS: usize = 32;

/// Independent pieces of any kind. This is all that a backend knows of what it runs.
///
/// Rendering is one such work (a piece is a tile of samples); testing numbers for primality is another.
pub trait Work: Send + Sync {
    /// The number of pieces, numbered from 0 in the order in which they are best computed.
    fn len(&self) -> usize;

    /// Whether there is nothing to compute.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes piece `index` produces; may be 0. Where the work [varies](Work::varies), the most that it may produce.
    fn piece_len(&self, index: usize) -> usize;

    /// Whether the length of a result is known only once its piece is computed, as with compressed pictures. The same for the whole life
    /// of the work.
    fn varies(&self) -> bool {
        false
    }

    /// The most operations (iterations for a picture) that a piece can take, if known: if it is many, a run begins with small claims, so
    /// that its first results come soon.
    fn most_operations(&self) -> Option<u64> {
        None
    }

    /// The best size of a claim's results in bytes, beyond which no further piece is added. `None` means as many as fit in a core's
    /// cache; a device that computes many pieces at once may ask for more.
    fn claim_bytes(&self) -> Option<usize> {
        None
    }

    /// Computes what all pieces share, once before any of them, for example a reference orbit. Not called for a run without pieces. Works
    /// that share it keep a [`super::PreparedOnce`].
    ///
    /// # Errors
    /// When it cannot be computed, or [`crate::Error::Stopped`].
    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let _ = preparing;
        Ok(Prepared::default())
    }

    /// About how many bytes [`Work::prepare`] will return, known beforehand.
    fn prepared_len(&self) -> u64 {
        0
    }

    /// Computes the pieces `claim.range()` into `claim.bytes()`, which holds them one after the other. Every byte must be
    /// written; what was there before is unspecified. A work that [varies](Work::varies) gives each result to [`Claim::put`] instead. The
    /// result of a piece depends on its index and `prepared` only.
    ///
    /// # Errors
    /// When a piece cannot be computed, or [`crate::Error::Stopped`] when `stop` was noticed, at the latest 20 ms after it was set.
    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()>;

    /// How another process makes the same work again; `None` when it can run in this process only.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// The unit that costs and executed operations are counted in, in the plural: iterations for a picture.
    fn unit(&self) -> &'static str {
        "operations"
    }

    /// What a piece is, in the singular: a tile of a picture. Its plural ends in -s.
    fn piece(&self) -> &'static str {
        "piece"
    }

    /// Piece `index` in words, for error messages.
    fn describe(&self, index: usize) -> String {
        format!("{} {index}", self.piece())
    }
}

/// How another process makes the same [`Work`]: the name of its kind and the bytes that this kind understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The kind of work, as registered in the worker program.
    pub kind: Cow<'static, str>,
    /// The parameters, in the kind's own encoding.
    pub bytes: Vec<u8>,
}

/// One or more consecutive pieces that a worker took at once, and where their results go.
pub struct Claim<'a> {
    range: Range<usize>,
    bytes: &'a mut [u8],
    costs: &'a mut [u64],
    executed: u64,
    counts: &'a mut Vec<u64>,
    /// Where results of varying length go.
    slots: Option<Slots<'a>>,
}

impl<'a> Claim<'a> {
    /// A claim of `range`: results go to `bytes`, costs to `costs`, one per piece, and counts are added to `counts`.
    pub fn new(range: Range<usize>, bytes: &'a mut [u8], costs: &'a mut [u64], counts: &'a mut Vec<u64>) -> Self {
        assert_eq!(range.len(), costs.len(), "one cost for each piece");
        Self { range, bytes, costs, executed: 0, counts, slots: None }
    }

    /// The same for a work that varies, given the longest result of each piece.
    pub(super) fn with_slots(
        most: &'a dyn Fn(usize) -> usize,
        range: Range<usize>,
        bytes: &'a mut [u8],
        costs: &'a mut [u64],
        counts: &'a mut Vec<u64>,
    ) -> Self {
        let slots = Slots::open(most, range.clone(), bytes);
        Self { slots: Some(slots), ..Self::new(range, bytes, costs, counts) }
    }

    /// Some of its pieces as a claim of `range`: `pieces` are their places in this claim, `bytes` the part of its memory for their
    /// results. `most` is the longest result of each piece of `range` if the work varies.
    pub(super) fn part<'b>(
        &'b mut self,
        range: Range<usize>,
        pieces: Range<usize>,
        bytes: Range<usize>,
        most: Option<&'b dyn Fn(usize) -> usize>,
    ) -> Claim<'b> {
        let (bytes, costs) = (&mut self.bytes[bytes], &mut self.costs[pieces]);
        match most {
            Some(most) => Claim::with_slots(most, range, bytes, costs, self.counts),
            None => Claim::new(range, bytes, costs, self.counts),
        }
    }

    /// Moves the results of a work that varies together, and returns how many bytes they take.
    ///
    /// # Panics
    /// If a result is missing.
    pub(super) fn close(self) -> usize {
        let len = self.bytes.len();
        self.slots.map_or(len, |slots| slots.close(self.bytes))
    }

    /// The pieces to compute.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Where the results of all pieces go, one after the other in the order of `range`. Of no use where the work [varies](Work::varies).
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// Gives the result of piece `index`, where the work [varies](Work::varies). Pieces may come in any order, each once.
    ///
    /// # Panics
    /// If the work does not vary, the result is longer than [`Work::piece_len`], or the piece already has one or is not in this claim.
    /// The run then ends with an error that names the piece, as it does when one has no result after [`Work::compute`].
    #[track_caller]
    pub fn put(&mut self, index: usize, result: &[u8]) {
        let slots =
            self.slots.as_mut().expect("`Claim::put` is for a work that `varies`; others write into `Claim::bytes`");
        slots.put(self.bytes, index, result);
    }

    /// Reports what piece `index` was worth, in the work's own unit (iterations for a picture), however it was computed.
    pub fn set_cost(&mut self, index: usize, useful: u64) {
        self.costs[index - self.range.start] = useful;
    }

    /// Reports that `operations` (iterations for a picture) were actually executed for this claim.
    pub fn add_executed(&mut self, operations: u64) {
        self.executed += operations;
    }

    /// The sum given to [`Claim::add_executed`].
    pub fn executed(&self) -> u64 {
        self.executed
    }

    /// Adds the work's own counters for this claim, at most [`MAX_COUNTS`] numbers. Sinks get them with the claim
    /// ([`FinishedClaim::counts`](super::FinishedClaim::counts)), the report gets their sums
    /// ([`WorkerReport::counts`](super::WorkerReport::counts)).
    ///
    /// # Panics
    /// If there are more.
    pub fn add_counts(&mut self, counts: &[u64]) {
        assert!(counts.len() <= MAX_COUNTS, "{} counts; allowed are at most {MAX_COUNTS}", counts.len());
        add(self.counts, counts);
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("range", &self.range).field("executed", &self.executed).finish_non_exhaustive()
    }
}

/// Adds `counts` to sums, number by number.
#[inline]
pub(super) fn add(sums: &mut Vec<u64>, counts: &[u64]) {
    // Not inlined: for works that count nothing, free pieces would take a fifth longer.
    #[inline(never)]
    fn add_some(sums: &mut Vec<u64>, counts: &[u64]) {
        if sums.len() < counts.len() {
            sums.resize(counts.len(), 0);
        }
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = sum.wrapping_add(*count);
        }
    }
    if !counts.is_empty() {
        add_some(sums, counts);
    }
}
