//! How the results of a claim are laid out in memory. Only this module knows.
//!
//! Results whose lengths are known beforehand lie one after the other, with nothing in between. Those of a work that varies lie in slots:
//! eight bytes for the length, in this machine's byte order, then the result padded to whole words, so that every slot is aligned. While
//! a claim is computed, each slot has room for the longest result that its piece may give, so results can come in any order;
//! [`Slots::close`] then moves them together.
//!
//! No stored length is trusted: it may come from a worker in another process that has gone wild.

use std::ops::Range;

const WORD: usize = size_of::<u64>();

/// In place of a length: no result yet.
const NONE: [u8; WORD] = u64::MAX.to_ne_bytes();

/// How the lengths of results are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lengths {
    /// From [`Work::piece_len`](super::Work::piece_len).
    #[default]
    Known,
    /// From eight bytes before each result: the work [`varies`](super::Work::varies).
    Prefixed,
    /// There is one result, which takes all bytes.
    Single,
}

impl Lengths {
    /// For the claims of a work that varies or does not.
    #[inline]
    pub(crate) fn of(varies: bool) -> Self {
        if varies { Self::Prefixed } else { Self::Known }
    }

    /// How much memory a result takes that has at most `most` bytes, or exactly that many if lengths are known.
    #[inline]
    pub(crate) fn room(self, most: usize) -> usize {
        if self == Self::Prefixed { WORD + most.next_multiple_of(WORD) } else { most }
    }

    /// The first result in `bytes`, of at most `most` bytes, or exactly that many if lengths are known, and what comes after it; `None`
    /// if there is no such result.
    #[inline]
    pub(crate) fn first(self, bytes: &[u8], most: usize) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Known => bytes.split_at_checked(most),
            Self::Prefixed => {
                let (&len, rest) = bytes.split_first_chunk()?;
                let len = usize::try_from(u64::from_ne_bytes(len)).ok().filter(|&len| len <= most)?;
                let (slot, after) = rest.split_at_checked(len.next_multiple_of(WORD))?;
                Some((&slot[..len], after))
            }
            Self::Single => Some((bytes, &[])),
        }
    }

    /// How many of `bytes` the results of `pieces` take, given the longest that each may be; `None` if `bytes` does not hold them.
    pub(crate) fn whole(
        self,
        bytes: &[u8],
        pieces: Range<usize>,
        mut most: impl FnMut(usize) -> usize,
    ) -> Option<usize> {
        let rest = pieces.into_iter().try_fold(bytes, |rest, index| Some(self.first(rest, most(index))?.1))?;
        Some(bytes.len() - rest.len())
    }
}

/// The slots of a claim that is being computed.
pub(super) struct Slots<'a> {
    /// The longest result that a piece may give.
    most: &'a dyn Fn(usize) -> usize,
    pieces: Range<usize>,
    /// The piece whose result came last, and where its slot begins.
    last: (usize, usize),
}

impl<'a> Slots<'a> {
    /// Makes empty slots for `pieces` in `bytes`.
    pub(super) fn open(most: &'a dyn Fn(usize) -> usize, pieces: Range<usize>, bytes: &mut [u8]) -> Self {
        let mut at = 0;
        for index in pieces.clone() {
            bytes[at..at + WORD].copy_from_slice(&NONE);
            at += Lengths::Prefixed.room(most(index));
        }
        assert_eq!(at, bytes.len(), "a claim has memory for exactly its pieces");
        Self { most, last: (pieces.start, 0), pieces }
    }

    /// Puts the result of a piece into its slot.
    #[track_caller]
    pub(super) fn put(&mut self, bytes: &mut [u8], index: usize, result: &[u8]) {
        assert!(self.pieces.contains(&index), "a result was given for piece {index}, which is not in the claim");
        let (mut at, mut start) = if index < self.last.0 { (self.pieces.start, 0) } else { self.last };
        while at < index {
            start += Lengths::Prefixed.room((self.most)(at));
            at += 1;
        }
        self.last = (index, start);
        let most = (self.most)(index);
        assert!(result.len() <= most, "its result has {} bytes; allowed are at most {most}", result.len());
        let (len, slot) = bytes[start..start + Lengths::Prefixed.room(most)].split_at_mut(WORD);
        assert!(len == NONE, "its result was given twice");
        len.copy_from_slice(&(result.len() as u64).to_ne_bytes());
        slot[..result.len()].copy_from_slice(result);
        // No bytes of earlier claims remain, and equal results have equal bytes.
        slot[result.len()..result.len().next_multiple_of(WORD)].fill(0);
    }

    /// Moves the results together, after all were given, and returns how many bytes they take.
    pub(super) fn close(self, bytes: &mut [u8]) -> usize {
        let (mut from, mut to) = (0, 0);
        for index in self.pieces {
            let most = (self.most)(index);
            assert!(bytes[from..from + WORD] != NONE, "no result was given");
            let (result, _) =
                Lengths::Prefixed.first(&bytes[from..], most).expect("only results are written into slots");
            let taken = Lengths::Prefixed.room(result.len());
            bytes.copy_within(from..from + taken, to);
            from += Lengths::Prefixed.room(most);
            to += taken;
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Piece i gives at most i bytes.
    fn most(index: usize) -> usize {
        index
    }

    fn memory(pieces: Range<usize>) -> Vec<u8> {
        vec![0xaa; pieces.map(|index| Lengths::Prefixed.room(most(index))).sum()]
    }

    fn read(bytes: &[u8], pieces: Range<usize>) -> Vec<&[u8]> {
        let mut rest = bytes;
        let mut next = |index| {
            let (result, after) = Lengths::Prefixed.first(rest, most(index)).unwrap();
            rest = after;
            result
        };
        pieces.map(&mut next).collect()
    }

    #[test]
    fn results_come_in_any_order_and_move_together() {
        let mut bytes = memory(3..8);
        let mut slots = Slots::open(&most, 3..8, &mut bytes);
        for (index, result) in [(5, &b"five!"[..]), (7, b""), (3, b"3"), (4, b"four"), (6, b"six")] {
            slots.put(&mut bytes, index, result);
        }
        let len = slots.close(&mut bytes);
        assert_eq!(len, 5 * WORD + 4 * WORD);
        let bytes = &bytes[..len];
        assert_eq!(read(bytes, 3..8), [&b"3"[..], b"four", b"five!", b"six", b""]);
        assert_eq!(Lengths::Prefixed.whole(bytes, 3..8, most), Some(len));
        assert!(!bytes.contains(&0xaa), "no earlier bytes remain");
    }

    #[test]
    fn a_work_that_gives_results_wrongly_is_reported() {
        let told = |body: &dyn Fn(&mut Slots<'_>, &mut [u8])| {
            let said = crate::parallel::panics::catch(|| {
                let mut bytes = memory(3..5);
                let mut slots = Slots::open(&most, 3..5, &mut bytes);
                body(&mut slots, &mut bytes);
                slots.close(&mut bytes);
            });
            said.unwrap_err()
        };
        crate::parallel::panics::prepare();
        assert!(
            told(&|slots, bytes| slots.put(bytes, 3, b"long"))
                .starts_with("its result has 4 bytes; allowed are at most 3")
        );
        let twice = told(&|slots, bytes| {
            slots.put(bytes, 4, b"");
            slots.put(bytes, 4, b"");
        });
        assert!(twice.starts_with("its result was given twice"));
        assert!(told(&|slots, bytes| slots.put(bytes, 3, b"3")).starts_with("no result was given"));
        assert!(told(&|slots, bytes| slots.put(bytes, 5, b"")).starts_with("a result was given for piece 5"));
        assert!(told(&|_, bytes| bytes.fill(1)).starts_with("only results are written"));
    }

    #[test]
    fn a_length_that_is_none_is_no_result() {
        for len in [8, 9, u64::MAX, 1 << 40, u64::MAX - 6] {
            let bytes = [&len.to_ne_bytes()[..], &[0; 64]].concat();
            assert_eq!(Lengths::Prefixed.whole(&bytes, 7..8, most), None, "{len}");
        }
        let bytes = [&7u64.to_ne_bytes()[..], &[0; 8]].concat();
        assert_eq!(Lengths::Prefixed.whole(&bytes, 7..8, most), Some(16));
        for len in 0..16 {
            assert_eq!(Lengths::Prefixed.whole(&bytes[..len], 7..8, most), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_are_read_beyond_their_end(mut bytes in prop::collection::vec(0u8..3, 0..200), zeros in 0usize..9) {
            // Mostly small numbers, so that some of the lengths are valid.
            bytes.chunks_mut(8).for_each(|chunk| chunk.iter_mut().skip(zeros).for_each(|byte| *byte = 0));
            for lengths in [Lengths::Known, Lengths::Prefixed, Lengths::Single] {
                let whole = lengths.whole(&bytes, 0..6, |_| 20);
                prop_assert!(whole.is_none_or(|whole| whole <= bytes.len()));
            }
        }
    }
}
