//! Finished claims on their way from one worker to the session: a ring of records in shared memory.
//!
//! Positions only grow; a record lies at its position modulo the ring's length, and is always contiguous: if it does not fit before
//! the end of the ring, the rest is skipped. One store to the head publishes a record, so a killed worker has published it or not.
//!
//! The session copies a record before parsing it, since a rogue worker may overwrite what it has published. For the same reason
//! each end keeps its own position privately and only publishes it to the other. All rings share the memory for copies: with one for each,
//! the first record of each worker would cost as much for new pages as the copying itself. A worker computes in the ring itself: results
//! computed in memory of its own and copied from there took as long, to 2 %.
//!
//! Of a short picture (960 × 540 pixels of the whole set, 4.2 MB of results), copying takes the session 17 µs for 256 KB that lie in
//! another core's cache: 14 with `rep movsb`, 15 with vectors of 512 bits, 13 to 15 with prefetches 4 KB ahead (least of 200). That the
//! session has read them makes a worker's next writes there slower: without the copies, which is no protocol, its claims took 5 to 7 %
//! less. What else a run takes beyond its claims: 100 µs to begin, half of it to make the work, and 50 to 80 to end.

use super::member::Broken;
use super::segment::{Segment, Slot, SlotMemory};
use crate::parallel::{FinishedClaim, Job, MAX_COUNTS};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Words of a record's head: pieces, first piece, number and room of counts, executed, begin, end, the record's words, and a spare.
const HEAD: usize = 8;

/// Where the record's length in words is.
const LEN: usize = 6;

/// Words of a usual record, at most.
const USUAL: usize = (256 << 10) / 8 + 64;

/// In place of the number of pieces: skip the rest of the ring.
const SKIP: u64 = u64::MAX;

/// A finished claim.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) range: Range<usize>,
    pub(super) executed: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) costs: &'a [u64],
    pub(super) counts: &'a [u64],
    pub(super) words: &'a [u64],
}

impl Record<'_> {
    /// The result in this record, for pieces of the job, by worker number `worker`; `None` if it is invalid.
    pub(super) fn result<'b>(&'b self, job: &'b Job, worker: usize) -> Option<FinishedClaim<'b>> {
        let Self { range, executed, began, ended, costs, counts, words } = self;
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let len = job.whole(bytes, range.clone())?;
        if len.div_ceil(8) != words.len() || counts.len() > MAX_COUNTS {
            return None;
        }
        Some(FinishedClaim {
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

/// The words of a record of this size.
pub(super) fn words(pieces: usize, bytes: usize, counts: usize) -> usize {
    HEAD + pieces + counts + bytes.div_ceil(8)
}

/// A worker's report of a finished claim.
pub(super) struct Finished {
    pub(super) range: Range<usize>,
    pub(super) bytes: usize,
    pub(super) executed: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// The worker's end of its ring.
#[derive(Debug)]
pub(super) struct Writer {
    memory_of_slot: SlotMemory,
    /// Bytes of the ring.
    ring: u64,
    head: u64,
}

impl Writer {
    /// One end of a ring in which nothing was published.
    pub(super) fn new(memory_of_slot: SlotMemory, ring: usize) -> Self {
        Self { memory_of_slot, ring: ring as u64, head: 0 }
    }

    pub(super) fn slot(&self) -> &Slot {
        self.memory_of_slot.slot()
    }

    fn room(&self) -> u64 {
        let read = self.slot().tail.0.load(Ordering::SeqCst);
        self.head.checked_sub(read).and_then(|unread| self.ring.checked_sub(unread)).unwrap_or(0)
    }

    /// The index of the word at the head.
    fn at(&self) -> usize {
        (self.head % self.ring / 8) as usize
    }

    /// Whether there is contiguous room for a record of `words` words. Publishes a skip where one is needed.
    pub(super) fn fits(&mut self, words: usize) -> bool {
        let (need, left) = (8 * words as u64, self.ring - self.head % self.ring);
        if need > left {
            if self.room() < left {
                return false;
            }
            let at = self.at();
            self.memory_of_slot.part(at..at + 1)[0] = SKIP;
            self.publish(left);
        }
        self.room() >= need
    }

    /// The next record, of `pieces` pieces, with room for `bytes` bytes of results and `counts` counts. It must fit.
    pub(super) fn draft(&mut self, pieces: usize, bytes: usize, counts: usize) -> Draft<'_> {
        assert!(self.fits(words(pieces, bytes, counts)), "the caller has waited for it");
        Draft { writer: self, pieces, bytes, counts }
    }

    fn publish(&mut self, bytes: u64) {
        self.head += bytes;
        // Sequentially consistent with the session's falling asleep: at least one of the two sees the other's store.
        self.slot().head.0.store(self.head, Ordering::SeqCst);
    }
}

/// A record that is not yet published.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    writer: &'a mut Writer,
    pieces: usize,
    bytes: usize,
    counts: usize,
}

impl Draft<'_> {
    fn record(&mut self) -> &mut [u64] {
        let (at, words) = (self.writer.at(), words(self.pieces, self.bytes, self.counts));
        self.writer.memory_of_slot.part(at..at + words)
    }

    /// The memory for its costs and results.
    pub(super) fn memory(&mut self) -> (&mut [u64], &mut [u8]) {
        let (pieces, bytes, counts) = (self.pieces, self.bytes, self.counts);
        let (costs, rest) = self.record()[HEAD..].split_at_mut(pieces);
        (costs, &mut bytemuck::cast_slice_mut(&mut rest[counts..])[..bytes])
    }

    /// Publishes it, with no more counts than there is room for, and possibly fewer bytes of results.
    pub(super) fn publish(mut self, finished: &Finished, counts: &[u64]) {
        let Finished { range, executed, began, ended, .. } = finished;
        assert!(range.len() == self.pieces && finished.bytes <= self.bytes && counts.len() <= self.counts);
        let words = words(self.pieces, finished.bytes, self.counts);
        let sizes = (counts.len() as u64) << 32 | self.counts as u64;
        let record = self.record();
        let head = [range.len() as u64, range.start as u64, sizes, *executed, *began, *ended, words as u64, 0];
        record[..HEAD].copy_from_slice(&head);
        record[HEAD + range.len()..][..counts.len()].copy_from_slice(counts);
        self.writer.publish(8 * words as u64);
    }
}

/// The session's end of a ring.
#[derive(Debug, Default)]
pub(super) struct Reader {
    slot: usize,
    tail: u64,
    /// The worker has published an invalid record; nothing that it publishes afterwards is trusted.
    broken: bool,
}

/// The session's ends of all rings.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) slots: Vec<Reader>,
    /// The copy of a record.
    pub(super) copy: Vec<u64>,
}

impl Readers {
    /// The ends of the rings of so many slots, in which nothing was published.
    pub(super) fn new(slots: usize) -> Self {
        // Written, not only reserved: a run's first record would wait 40 µs for its pages.
        Self { slots: (0..slots).map(Reader::new).collect(), copy: vec![u64::MAX; USUAL] }
    }
}

impl Reader {
    /// One end of a ring in which nothing was published.
    pub(super) fn new(slot: usize) -> Self {
        Self { slot, ..Self::default() }
    }

    fn head(&self, segment: &Segment) -> u64 {
        segment.slot(self.slot).head.0.load(Ordering::SeqCst)
    }

    /// Whether there is an unread record.
    pub(super) fn has_more(&self, segment: &Segment) -> bool {
        !self.broken && self.head(segment) != self.tail
    }

    /// The published bytes that are unread; `None` if the head is at an impossible position.
    fn published(&self, segment: &Segment) -> Option<u64> {
        let bytes = self.head(segment).checked_sub(self.tail)?;
        (bytes <= segment.layout().ring as u64 && bytes.is_multiple_of(8)).then_some(bytes)
    }

    /// The next record, copied to `copy`: the worker may reuse its memory. `None` when there is none yet.
    ///
    /// # Errors
    /// When the record is invalid: the worker is broken. From then on there are no more records.
    pub(super) fn next<'a>(&mut self, segment: &Segment, copy: &'a mut Vec<u64>) -> Result<Option<Record<'a>>, Broken> {
        let (ring, shared) = (segment.layout().ring as u64, segment.ring(self.slot));
        while self.has_more(segment) {
            let Some(published) = self.published(segment).filter(|&bytes| bytes > 0) else {
                return Err(self.distrust());
            };
            let left = ring - self.tail % ring;
            let most = (published.min(left) / 8) as usize;
            let shared = &shared[(self.tail % ring / 8) as usize..][..most];
            if shared[0].load(Ordering::Relaxed) == SKIP {
                self.give_back(segment, left);
                continue;
            }
            // Only its length is read here; its parts are read from the copy.
            let len = shared.get(LEN).map_or(0, |len| len.load(Ordering::Relaxed));
            let Some(shared) = usize::try_from(len).ok().and_then(|len| shared.get(..len)) else {
                return Err(self.distrust());
            };
            copy.clear();
            copy.extend(shared.iter().map(|word| word.load(Ordering::Relaxed)));
            self.give_back(segment, 8 * len);
            return parse(copy).map(Some).ok_or_else(|| self.distrust());
        }
        Ok(None)
    }

    /// Stops trusting anything that this worker publishes.
    pub(super) fn distrust(&mut self) -> Broken {
        self.broken = true;
        Broken
    }

    /// Lets the worker reuse these bytes.
    fn give_back(&mut self, segment: &Segment, bytes: u64) {
        self.tail += bytes;
        segment.slot(self.slot).tail.0.store(self.tail, Ordering::SeqCst);
    }

    /// Discards everything that was published.
    pub(super) fn clear(&mut self, segment: &Segment) {
        if let Some(published) = self.published(segment) {
            self.give_back(segment, published);
        }
    }

    /// Makes the ring of a dead worker ready for another.
    pub(super) fn reset(&mut self, segment: &Segment) {
        let slot = segment.slot(self.slot);
        (self.tail, self.broken) = (0, false);
        slot.head.0.store(0, Ordering::SeqCst);
        slot.tail.0.store(0, Ordering::SeqCst);
        slot.waiting.store(0, Ordering::SeqCst);
        slot.rest();
    }
}

/// Parses `words` as a record.
fn parse(words: &[u64]) -> Option<Record<'_>> {
    let &[pieces, first, sizes, executed, began, ended, len, _] = words.get(..HEAD)?.as_array()?;
    let (counts, room) = ((sizes >> 32) as usize, sizes as u32 as usize);
    let body = words.get(HEAD..usize::try_from(len).ok()?)?;
    let (costs, rest) = body.split_at_checked(usize::try_from(pieces).ok()?)?;
    let (told, words) = rest.split_at_checked(room)?;
    let range = usize::try_from(first).ok()?..usize::try_from(first.checked_add(pieces)?).ok()?;
    Some(Record { range, executed, began, ended, costs, counts: told.get(..counts)?, words })
}

#[cfg(test)]
mod tests {
    use super::super::segment::Layout;
    use super::*;
    use crate::backend::worker::made;

    /// A segment with one slot, and both ends of its ring.
    fn memory(record: usize) -> (Segment, Reader, Writer) {
        let layout = Layout::new(1, 1, record);
        let (segment, file) = Segment::create(layout).unwrap();
        // SAFETY: nobody else has this file.
        #[allow(unsafe_code)]
        let memory_of_slot = unsafe { SlotMemory::open(&file, layout, 0) }.unwrap();
        (segment, Reader::new(0), Writer::new(memory_of_slot, layout.ring))
    }

    /// Publishes a record of one piece with these results.
    fn publish(writer: &mut Writer, first: usize, results: &[u8]) {
        let mut draft = writer.draft(1, results.len(), 2);
        draft.memory().0[0] = 1;
        draft.memory().1.copy_from_slice(results);
        let (bytes, executed) = (results.len(), first as u64);
        draft.publish(&Finished { range: first..first + 1, bytes, executed, began: 0, ended: 0 }, &[99]);
    }

    #[test]
    fn records_of_all_lengths_pass_many_times_round_the_ring() {
        let (segment, mut reader, mut writer) = memory(0);
        let (ring, mut copy) = (segment.layout().ring, Vec::new());
        for first in 0..40 {
            let results = vec![first as u8; (first * 99_991) % (ring / 2)];
            assert!(writer.fits(words(1, results.len(), 2)));
            publish(&mut writer, first, &results);
            assert!(reader.has_more(&segment));
            let record = reader.next(&segment, &mut copy).unwrap().unwrap();
            assert_eq!((record.range, record.executed), (first..first + 1, first as u64));
            assert_eq!((record.costs, record.counts), (&[1][..], &[99][..]));
            assert_eq!(bytemuck::cast_slice::<_, u8>(record.words)[..results.len()], results);
            assert!(reader.next(&segment, &mut Vec::new()).unwrap().is_none() && !reader.has_more(&segment));
        }
    }

    #[test]
    fn a_record_stays_what_it_was_when_it_was_read() {
        let (segment, mut reader, mut writer) = memory(0);
        publish(&mut writer, 3, &[7; 64]);
        let mut copy = Vec::new();
        let record = reader.next(&segment, &mut copy).unwrap().unwrap();
        segment.ring(0).iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        assert_eq!((record.words, record.costs), (&[0x0707_0707_0707_0707; 8][..], &[1][..]));
    }

    #[test]
    fn nothing_is_believed_after_what_is_no_record() {
        let (segment, mut reader, mut writer) = memory(0);
        publish(&mut writer, 3, &[7; 64]);
        segment.ring(0)[LEN].store(5, Ordering::Relaxed);
        publish(&mut writer, 4, &[7; 64]);
        assert_eq!(reader.next(&segment, &mut Vec::new()).err(), Some(Broken));
        publish(&mut writer, 5, &[7; 64]);
        assert!(reader.next(&segment, &mut Vec::new()).unwrap().is_none() && !reader.has_more(&segment));
        reader.clear(&segment);
        assert!(reader.next(&segment, &mut Vec::new()).unwrap().is_none());
        // Another worker takes its place.
        reader.reset(&segment);
        writer.head = 0;
        publish(&mut writer, 6, &[7; 64]);
        assert_eq!(reader.next(&segment, &mut Vec::new()).unwrap().unwrap().range, 6..7);
    }

    #[test]
    fn positions_that_cannot_be_are_found_and_those_of_others_are_not_read() {
        for wild in [1, 4, 8, 12, 64, 4 << 20, (4 << 20) + 8, 1 << 63, u64::MAX - 7, u64::MAX] {
            for clears in [false, true] {
                let (segment, mut reader, mut writer) = memory(0);
                let slot = segment.slot(0);
                publish(&mut writer, 3, &[7; 64]);
                assert!(reader.next(&segment, &mut Vec::new()).unwrap().is_some());
                // The session does not rely on the position that it publishes.
                publish(&mut writer, 4, &[7; 64]);
                slot.tail.0.store(wild, Ordering::SeqCst);
                assert_eq!(reader.next(&segment, &mut Vec::new()).unwrap().unwrap().range, 4..5);
                slot.head.0.store(wild, Ordering::SeqCst);
                if clears {
                    reader.clear(&segment);
                }
                assert!(
                    reader.next(&segment, &mut Vec::new()).map_or(true, |record| record.is_none()),
                    "a head of {wild}"
                );
                // A worker finds no room at positions that its session cannot have read.
                slot.tail.0.store(wild, Ordering::SeqCst);
                assert!(wild <= writer.head || !writer.fits(1), "a tail of {wild}");
            }
        }
    }

    fn taken(varies: bool, words: &[u64]) -> Option<Vec<Vec<u8>>> {
        let job = made::job(varies);
        let record = parse(words)?;
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
        // The number of pieces, or of counts, is off by one and all else fits.
        for results in [&[8][..], &[8, 9, 10], &[]] {
            assert_eq!(taken(false, &record(results)), None);
            assert_eq!(taken(true, &record(results)), None);
        }
        let mut many = vec![2, 3, 33 << 32 | 33, 5, 0, 0, words(2, 16, 33) as u64, 0, 1, 1];
        many.resize(8 + 2 + 33, 0);
        assert_eq!(taken(true, &[&many[..], &[0, 0]].concat()), None, "more counts than a claim may have");
    }
}
