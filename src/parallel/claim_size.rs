//! How many pieces are computed at once, whatever a schedule hands out: as many as stay in a processor's cache, and fewer where pieces
//! are costly.

use super::Work;
use super::panics::{catch, name};
use super::result::Lengths;
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most pieces of a claim. Timing and handing on cost about as much as a hundred pixels, so more would not pay.
pub(crate) const CLAIM_PIECES: usize = 1024;

/// Results of a claim, in bytes, beyond which no further piece is added to it: about half of a core's own cache.
const CLAIM_BYTES: usize = 256 << 10;

/// The same for a work that may have asked for something else.
pub(crate) fn claim_bytes(work: &dyn Work) -> usize {
    work.claim_bytes().unwrap_or(CLAIM_BYTES)
}

/// Operations (iterations for a picture) that a claim should not exceed by far, going by those before: some 50 ms. When the program
/// is killed, what its workers have in hand is lost; with the size alone as a limit that was seconds of costly tiles. Much shorter claims
/// would cost time: at the end of each, vectors wait for their longest orbit.
const CLAIM_OPERATIONS: u64 = 1 << 28;

/// How many times as many operations a claim may take at worst, if all of its pieces are as costly as they can be.
const WORST: usize = 4;

/// Pieces that take no more operations than this are never too many for a claim.
const CHEAP: u64 = CLAIM_OPERATIONS / CLAIM_PIECES as u64;

/// How many pieces are well taken at once as far as their size goes: what one claim holds.
///
/// # Errors
/// [`Error::Panicked`] when the work panics at the length of a piece.
pub fn grain(work: &dyn Work) -> Result<usize> {
    let pieces = work.len();
    let sample = (0..8).map(|part| pieces * part / 8).filter(|&index| index < pieces);
    Ok((claim_bytes(work) / longest(work, sample)?.max(1)).clamp(1, CLAIM_PIECES))
}

/// How many bytes of memory the longest of some pieces takes.
pub(super) fn longest(work: &dyn Work, pieces: impl Iterator<Item = usize>) -> Result<usize> {
    let mut at = 0;
    let len = |index| {
        at = index;
        Lengths::of(work.varies()).room(work.piece_len(index))
    };
    let longest = catch(|| pieces.map(len).max().unwrap_or(0));
    longest.map_err(|message| Error::Panicked { piece: name(work, at), worker: 0, message })
}

/// How many pieces that take so many operations a claim should have.
fn fit(operations: u64) -> usize {
    (CLAIM_OPERATIONS / operations.max(1)).clamp(1, CLAIM_PIECES as u64) as usize
}

/// The size of a run's claims.
#[derive(Debug)]
pub(super) struct ClaimSize {
    /// The most pieces of a claim, by what pieces took lately.
    most: AtomicUsize,
    /// The most that it may become.
    cap: usize,
    /// The results of a claim, in bytes, beyond which no further piece is added to it.
    bytes: usize,
    /// How the lengths of results are known; asked for once, since free pieces would pay for more.
    pub(super) lengths: Lengths,
}

impl ClaimSize {
    /// Of work that nothing is known of but what it says itself. The first claims of a costly picture once took seconds, as did those that
    /// went from cheap pieces to costly ones; all of it was lost with each kill.
    pub(super) fn of(work: &dyn Work) -> Self {
        let most = work.most_operations().map_or(CLAIM_PIECES, fit);
        let (cap, lengths) = (CLAIM_PIECES.min(WORST * most), Lengths::of(work.varies()));
        Self { most: AtomicUsize::new(most), cap, bytes: claim_bytes(work), lengths }
    }

    /// The first claim of `range`, and how many bytes of memory it takes: lengths are asked for once.
    #[inline]
    pub(super) fn first(&self, work: &dyn Work, range: Range<usize>) -> (Range<usize>, usize) {
        let start = range.start;
        if range.len() == 1 {
            return (range, self.lengths.room(work.piece_len(start)));
        }
        let most = self.most.load(Ordering::Relaxed);
        let mut bytes = 0;
        for index in range.clone().take(most) {
            let with = bytes + self.lengths.room(work.piece_len(index));
            if with > self.bytes && index > start {
                return (start..index, bytes);
            }
            bytes = with;
        }
        (start..range.end.min(start.saturating_add(most)), bytes)
    }

    /// The pieces that the first claim of `range` has at most, whatever their lengths.
    #[inline]
    pub(super) fn most(range: &Range<usize>) -> Range<usize> {
        range.start..range.end.min(range.start.saturating_add(CLAIM_PIECES))
    }

    /// Remembers what `pieces` pieces took. All workers learn together: a costly claim counts for the next one at once, cheap ones let
    /// claims become twice as large each.
    #[inline]
    pub(super) fn learn(&self, operations: u64, pieces: usize) {
        let before = self.most.load(Ordering::Relaxed);
        // Free pieces do not pay for divisions, nor for one word that all workers write.
        if operations <= CHEAP && before == self.cap {
            return;
        }
        let now = fit(operations / pieces.max(1) as u64).min(2 * before).min(self.cap);
        if now != before {
            self.most.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Claim, Prepared, Stop};

    /// Pieces of 16 KB.
    struct Long(Option<u64>);

    impl Work for Long {
        fn len(&self) -> usize {
            1000
        }

        fn piece_len(&self, _: usize) -> usize {
            16 << 10
        }

        fn most_operations(&self) -> Option<u64> {
            self.0
        }

        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn claims_fit_a_cache_and_shrink_where_pieces_are_costly() {
        // It may be costly: from single pieces on as long as they are cheap.
        let size = ClaimSize::of(&Long(Some(CLAIM_OPERATIONS)));
        for expected in [1, 2, 4, 4, 4] {
            assert_eq!(size.first(&Long(None), 5..900).0.len(), expected);
            size.learn(1, expected);
        }
        let size = ClaimSize::of(&Long(Some(CLAIM_OPERATIONS / 8)));
        let first = || size.first(&Long(None), 5..900).0.len();
        assert_eq!(grain(&Long(None)).unwrap(), 16);
        for expected in [8, 16, 16] {
            assert_eq!(first(), expected);
            size.learn(expected as u64 * CHEAP, expected);
        }
        assert_eq!(size.first(&Long(None), 5..900), (5..21, 16 * (16 << 10)));
        assert_eq!(size.first(&Long(None), 5..6), (5..6, 16 << 10));
        (0..100).for_each(|_| size.learn(1, 16));
        size.learn(4 * CLAIM_OPERATIONS, 16);
        assert_eq!(first(), 4);
        size.learn(3 * CLAIM_OPERATIONS, 1);
        assert_eq!(first(), 1);
        size.learn(1, 1);
        assert_eq!(first(), 2);
        // Of other work nothing is known before.
        assert_eq!(ClaimSize::of(&Long(None)).first(&Long(None), 5..900).0.len(), 16);
    }
}
