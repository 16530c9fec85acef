//! How many pieces are computed at once, whatever a schedule hands out: as many as fit in a processor's cache, and fewer where pieces are
//! costly.

use super::Work;
use super::panics::{catch, name};
use super::result::Lengths;
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most pieces in a claim. Timing and delivering one cost about as much as a hundred pixels, so larger claims would gain nothing.
pub(crate) const CLAIM_PIECES: usize = 1024;

/// The size of a claim's results, in bytes, beyond which no further piece is added: about half of a core's own cache.
const CLAIM_BYTES: usize = 256 << 10;

/// The same limit for `work`, which may ask for another.
pub(crate) fn claim_bytes(work: &dyn Work) -> usize {
    work.claim_bytes().unwrap_or(CLAIM_BYTES)
}

/// Operations (iterations for a picture) that a claim should not far exceed, judged by recent claims: about 50 ms. When the program is
/// killed, claims in flight are lost; with size as the only limit, that was seconds of costly tiles. Much shorter claims would cost time:
/// at the end of each, vectors wait for their longest orbit.
const CLAIM_OPERATIONS: u64 = 1 << 28;

/// By what factor a claim may exceed that at worst, if all of its pieces are as costly as they can be.
const WORST: usize = 4;

/// Pieces that take no more operations than this never make a claim too long.
const CHEAP: u64 = CLAIM_OPERATIONS / CLAIM_PIECES as u64;

/// A good number of pieces per claim, judged by the size of their results alone.
///
/// # Errors
/// [`Error::Panicked`] when the work panics while giving the length of a piece.
pub(crate) fn grain(work: &dyn Work) -> Result<usize> {
    let pieces = work.len();
    let sample = (0..8).map(|part| pieces * part / 8).filter(|&index| index < pieces);
    Ok((claim_bytes(work) / longest(work, sample)?.max(1)).clamp(1, CLAIM_PIECES))
}

/// How many bytes of memory the longest of `pieces` takes.
pub(super) fn longest(work: &dyn Work, pieces: impl Iterator<Item = usize>) -> Result<usize> {
    let mut at = 0;
    let len = |index| {
        at = index;
        Lengths::of(work.varies()).room(work.piece_len(index))
    };
    let longest = catch(|| pieces.map(len).max().unwrap_or(0));
    longest.map_err(|message| Error::Panicked { piece: name(work, at), worker: 0, message })
}

/// How many pieces of `operations` each a claim should have.
fn fit(operations: u64) -> usize {
    (CLAIM_OPERATIONS / operations.max(1)).clamp(1, CLAIM_PIECES as u64) as usize
}

/// The size of a run's claims.
#[derive(Debug)]
pub(super) struct ClaimSize {
    /// The most pieces in a claim, judged by the cost of recent pieces.
    most: AtomicUsize,
    /// The upper limit of `most`.
    cap: usize,
    /// The size of a claim's results, in bytes, beyond which no further piece is added.
    bytes: usize,
    /// How the lengths of results are known; asked once, since asking again would slow down free pieces.
    pub(super) lengths: Lengths,
}

impl ClaimSize {
    /// For a work of which nothing is known except what it states itself. The first claims of a costly picture once took seconds, and so
    /// did claims that ran from cheap pieces into costly ones; each kill lost all of that.
    pub(super) fn of(work: &dyn Work) -> Self {
        let most = work.most_operations().map_or(CLAIM_PIECES, fit);
        let (cap, lengths) = (CLAIM_PIECES.min(WORST * most), Lengths::of(work.varies()));
        Self { most: AtomicUsize::new(most), cap, bytes: claim_bytes(work), lengths }
    }

    /// The first claim of `range`, and how many bytes of memory it takes: together, so that lengths are asked for only once.
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

    /// The most pieces that the first claim of `range` can have, whatever their lengths.
    #[inline]
    pub(super) fn most(range: &Range<usize>) -> Range<usize> {
        range.start..range.end.min(range.start.saturating_add(CLAIM_PIECES))
    }

    /// Records what `pieces` pieces took. All workers learn together: a costly claim shrinks the next one at once, a cheap one lets it
    /// grow to twice the size at most.
    #[inline]
    pub(super) fn learn(&self, operations: u64, pieces: usize) {
        let before = self.most.load(Ordering::Relaxed);
        // Free pieces can afford neither a division nor a word that all workers write.
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
        // It may be costly: claims start with single pieces and grow while these are cheap.
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
        // Nothing is known of other work beforehand.
        assert_eq!(ClaimSize::of(&Long(None)).first(&Long(None), 5..900).0.len(), 16);
    }
}
