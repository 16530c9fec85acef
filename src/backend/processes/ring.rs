//! Finished claims on their way from one worker to the session: a ring of records in shared memory, which the session reads in place.
//!
//! Positions only grow; a record lies at its position modulo the ring's length, and always in one piece: what does not fit before
//! the end is skipped. A record is published by one store to the head, so a worker that is killed has published it or not.

use super::segment::{Line, Segment};
use crate::parallel::{Done, Job, MAX_COUNTS};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Words of a record's head: pieces, first piece, counts and the words of results, executed, begin, end, the record's words.
const HEAD: usize = 8;

/// In place of the number of pieces: the rest of the ring is skipped.
const SKIP: u64 = u64::MAX;

/// A finished claim, read in place.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) range: Range<usize>,
    pub(super) executed: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) costs: &'a [u64],
    pub(super) counts: &'a [u64],
    pub(super) words: &'a [u64],
    /// The position after it.
    after: u64,
}

impl Record<'_> {
    /// The result that it is, of pieces that the job has, by worker number `worker`; `None` if it is none.
    pub(super) fn result<'b>(&'b self, job: &'b Job, worker: usize) -> Option<Done<'b>> {
        let Self { range, executed, began, ended, costs, counts, words, .. } = self;
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let len = job.whole(bytes, range.clone())?;
        if len.div_ceil(8) != words.len() || counts.len() > MAX_COUNTS {
            return None;
        }
        Some(Done {
            work: job.work(),
            range: range.clone(),
            bytes: &bytes[..len],
            lengths: job.lengths(),
            costs,
            executed: *executed,
            counts,
            worker,
            began: Duration::from_nanos(*began),
            ended: Duration::from_nanos(*ended.max(began)),
        })
    }
}

/// The words of a record for so much.
pub(super) fn words(pieces: usize, bytes: usize, counts: usize) -> usize {
    HEAD + pieces + counts + bytes.div_ceil(8)
}

/// What a worker says of a claim.
pub(super) struct Finished {
    pub(super) range: Range<usize>,
    pub(super) bytes: usize,
    pub(super) executed: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// The worker's end of its ring.
pub(super) struct Writer<'a> {
    segment: &'a Segment,
    slot: usize,
    head: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(segment: &'a Segment, slot: usize) -> Self {
        Self { segment, slot, head: segment.slot(slot).head.0.load(Ordering::Relaxed) }
    }

    fn room(&self) -> u64 {
        let read = self.segment.slot(self.slot).tail.0.load(Ordering::SeqCst);
        self.segment.layout().ring as u64 - (self.head - read)
    }

    /// Whether there is room for a record of `words` words in one piece. Publishes a skip where that is needed.
    pub(super) fn fits(&mut self, words: usize) -> bool {
        let ring = self.segment.layout().ring as u64;
        let (need, at) = (8 * words as u64, self.head % ring);
        if at + need > ring {
            if self.room() < ring - at {
                return false;
            }
            // SAFETY: the session has given back all up to the ring's end, as was just checked, and nothing of it is published.
            #[allow(unsafe_code)]
            let skipped = unsafe { self.segment.write(self.slot, at as usize..at as usize + 8) };
            skipped[0] = SKIP;
            self.publish(ring - at);
        }
        self.room() >= need
    }

    /// The memory of the next record's costs and results, which must fit.
    pub(super) fn memory(&mut self, pieces: usize, bytes: usize, counts: usize) -> (&'a mut [u64], &'a mut [u64]) {
        let words = words(pieces, bytes, counts);
        assert!(self.fits(words), "the caller has waited for it");
        let at = (self.head % self.segment.layout().ring as u64) as usize;
        // SAFETY: the session has given it back, and nothing of it is published before `finish`, after which the caller has let
        // go of it: `finish` takes `&mut self` for the next record only, and the worker computes one claim after the other.
        #[allow(unsafe_code)]
        let record = unsafe { self.segment.write(self.slot, at..at + 8 * words) };
        let (costs, rest) = record[HEAD..].split_at_mut(pieces);
        (costs, &mut rest[counts..])
    }

    /// Publishes the record whose memory was asked for last, with room for as many counts as there are now or more, and perhaps with fewer
    /// bytes of results than there was memory for.
    pub(super) fn finish(&mut self, finished: &Finished, room: usize, counts: &[u64]) {
        let words = words(finished.range.len(), finished.bytes, room);
        let at = (self.head % self.segment.layout().ring as u64) as usize;
        let Finished { range, executed, began, ended, .. } = finished;
        // SAFETY: it is not published yet, and the references that `memory` gave are not used any more.
        #[allow(unsafe_code)]
        let record = unsafe { self.segment.write(self.slot, at..at + 8 * (HEAD + range.len() + room)) };
        let sizes = (counts.len() as u64) << 32 | room as u64;
        let head = [range.len() as u64, range.start as u64, sizes, *executed, *began, *ended, words as u64, 0];
        record[..HEAD].copy_from_slice(&head);
        record[HEAD + range.len()..][..counts.len()].copy_from_slice(counts);
        self.publish(8 * words as u64);
    }

    fn publish(&mut self, bytes: u64) {
        self.head += bytes;
        // Sequentially consistent with the session's going to sleep: one of the two sees the other.
        self.segment.slot(self.slot).head.0.store(self.head, Ordering::SeqCst);
    }
}

/// The session's end of a ring.
pub(super) struct Reader<'a> {
    segment: &'a Segment,
    slot: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(segment: &'a Segment, slot: usize) -> Self {
        Self { segment, slot }
    }

    fn lines(&self) -> (&Line, &Line) {
        let slot = self.segment.slot(self.slot);
        (&slot.head, &slot.tail)
    }

    /// Whether something is published that was not read.
    pub(super) fn has_more(&self) -> bool {
        let (head, tail) = self.lines();
        head.0.load(Ordering::SeqCst) != tail.0.load(Ordering::Relaxed)
    }

    /// The next record; none when there is none yet.
    ///
    /// # Errors
    /// When what was published is no record: the worker is broken.
    pub(super) fn next(&self) -> Result<Option<Record<'a>>, ()> {
        let ring = self.segment.layout().ring as u64;
        loop {
            let (head, tail) = self.lines();
            let (head, tail) = (head.0.load(Ordering::SeqCst), tail.0.load(Ordering::Relaxed));
            if head == tail {
                return Ok(None);
            }
            let at = tail % ring;
            let published =
                head.checked_sub(tail).filter(|&bytes| bytes <= ring && bytes.is_multiple_of(8)).ok_or(())?;
            let most = (published.min(ring - at) / 8) as usize;
            // SAFETY: it is published, and the worker writes there again only after `give_back`.
            #[allow(unsafe_code)]
            let record = unsafe { self.segment.read(self.slot, at as usize..at as usize + 8 * most) };
            if record[0] == SKIP {
                self.give_back(tail + ring - at);
                continue;
            }
            return parse(record, tail).map(Some).ok_or(());
        }
    }

    /// Lets the worker use the memory again up to `position`.
    fn give_back(&self, position: u64) {
        self.lines().1.0.store(position, Ordering::SeqCst);
    }

    /// Lets the worker use the memory of `record` again.
    #[allow(clippy::needless_pass_by_value, reason = "nobody may read it any more")]
    pub(super) fn done(&self, record: Record<'a>) {
        self.give_back(record.after);
    }

    /// Forgets everything that was published.
    pub(super) fn clear(&self) {
        self.give_back(self.lines().0.0.load(Ordering::SeqCst));
    }

    /// Makes the ring of a dead worker ready for another.
    pub(super) fn reset(&self) {
        let (head, tail) = self.lines();
        head.0.store(0, Ordering::SeqCst);
        tail.0.store(0, Ordering::SeqCst);
        self.segment.slot(self.slot).waiting.store(0, Ordering::SeqCst);
        self.segment.slot(self.slot).rest();
    }
}

/// A record that begins `words`, if it does.
fn parse(words: &[u64], position: u64) -> Option<Record<'_>> {
    let &[pieces, first, sizes, executed, began, ended, len, _] = words.get(..HEAD)?.as_array()?;
    let (counts, room) = ((sizes >> 32) as usize, sizes as u32 as usize);
    let body = words.get(HEAD..usize::try_from(len).ok()?)?;
    let (costs, rest) = body.split_at_checked(usize::try_from(pieces).ok()?)?;
    let (told, words) = rest.split_at_checked(room)?;
    let range = usize::try_from(first).ok()?..usize::try_from(first.checked_add(pieces)?).ok()?;
    Some(Record { range, executed, began, ended, costs, counts: told.get(..counts)?, words, after: position + 8 * len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::parallel::{Claim, Discard, Prepared, Stop, Work};
    use std::sync::Arc;

    /// Pieces of at most 9 bytes, or of exactly 8.
    struct Made {
        varies: bool,
    }

    impl Work for Made {
        fn len(&self) -> usize {
            10
        }
        fn piece_len(&self, _: usize) -> usize {
            if self.varies { 9 } else { 8 }
        }
        fn varies(&self) -> bool {
            self.varies
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    fn taken(varies: bool, words: &[u64]) -> Option<Vec<Vec<u8>>> {
        let job = Job::begin("by hand", 1, false, Arc::new(Made { varies }), Arc::new(Discard), &Stop::new()).unwrap();
        let record = parse(words, 64)?;
        assert!(record.after <= 64 + 8 * words.len() as u64);
        let done = record.result(&job, 0)?;
        Some(done.pieces().map(|piece| piece.bytes.to_vec()).collect())
    }

    /// A record of pieces 3 and 4 with costs of 1, one count and room for two, and these results.
    fn record(results: &[u64]) -> Vec<u64> {
        let words = (words(2, 8 * results.len(), 2)) as u64;
        [&[2, 3, 1 << 32 | 2, 5, 0, 0, words, 0, 1, 1, 99, 0], results].concat()
    }

    #[test]
    fn a_record_is_what_was_published() {
        assert_eq!(taken(false, &record(&[8, 9])).unwrap(), [8u64, 9].map(|n| n.to_ne_bytes().to_vec()));
        let nine = [&[255; 8][..], &u64::to_ne_bytes(255)[..1]].concat();
        assert_eq!(taken(true, &record(&[0, 9, u64::MAX, 255])).unwrap(), [vec![], nine]);
    }

    #[test]
    fn what_a_worker_gone_wild_publishes_is_no_result() {
        let good = record(&[0, 9, u64::MAX, 255]);
        for len in 0..good.len() {
            assert_eq!(taken(true, &good[..len]), None, "cut to {len} words");
        }
        for (at, wrongs) in [(0, [1, 3]), (2, [3 << 32 | 2, 1 << 32 | 3]), (6, [15, 17]), (12, [9, 10]), (13, [10, 8])]
        {
            for wrong in wrongs.into_iter().chain([u64::MAX, u64::MAX - 7, 1 << 61, 1 << 40]) {
                let mut words = good.clone();
                words[at] = wrong;
                assert_eq!(taken(true, &words), None, "{wrong:x} in word {at}");
            }
        }
        let mut far = good;
        far[1] = u64::MAX;
        assert_eq!(taken(true, &far), None);
        // A count of pieces, or of counts, that differs by one where all else fits.
        for results in [&[8][..], &[8, 9, 10], &[]] {
            assert_eq!(taken(false, &record(results)), None);
            assert_eq!(taken(true, &record(results)), None);
        }
        let mut many = vec![2, 3, 33 << 32 | 33, 5, 0, 0, words(2, 16, 33) as u64, 0, 1, 1];
        many.resize(8 + 2 + 33, 0);
        assert_eq!(taken(true, &[&many[..], &[0, 0]].concat()), None, "more counts than a claim may have");
    }
}
