//! How each schedule hands out a range of pieces. Only `deque`, `rayon` and `processes` do so in ways of their own.
//!
//! `dynamic`, `guided` and `auto` take claims from a shared counter, with one atomic operation each. For stealing, the range is first
//! divided into one block per worker, as `static` does. A block is one atomic word: its owner takes chunks from the front, thieves take
//! half from the back. The word is the whole state of the block, so a compare-and-swap that succeeds is correct even if the word changed
//! and changed back. A deque of chunks, such as crossbeam's, would do the same, but needs 16 bytes per chunk and a pass to fill it.

use super::schedule::{Kind, Modifier, Schedule};
use crossbeam_utils::CachePadded;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The most pieces that `auto` takes at once when nothing is known about them.
const AUTO_LIMIT: usize = 1024;

/// Under `auto`, a claim is this part of what would be each worker's share of the rest: small, so that no worker is left alone with a
/// costly tail, and results arrive nearly in order.
const AUTO_PARTS: usize = 8;

/// The part of the rest that a claim of one of `workers` is under `auto`. A single worker has nobody to share a tail with: with smaller
/// claims towards the end, a short picture had 29 instead of 16, and each costs a worker in another process a message.
pub(crate) fn auto_share(workers: usize) -> usize {
    if workers == 1 { 1 } else { AUTO_PARTS * workers }
}

/// A range that workers share under a schedule. Each piece is in exactly one claim of one worker.
#[derive(Debug)]
pub struct Loop {
    range: Range<usize>,
    workers: usize,
    plan: Plan,
    over: AtomicBool,
}

#[derive(Debug)]
enum Plan {
    /// One block per worker, as equal as possible, the larger ones first.
    Blocks,
    /// Chunks round robin, starting with worker 0.
    RoundRobin { chunk: usize },
    /// The next chunk to the next worker that asks.
    Counter { chunk: usize, next: CachePadded<AtomicUsize> },
    /// One `share`-th of what is left, within the bounds.
    Shrinking { share: usize, least: usize, most: usize, next: CachePadded<AtomicUsize> },
    /// A block of chunks per worker; a worker without any takes half of the longest block.
    Stealing { chunk: usize, blocks: Box<[CachePadded<Block>]> },
}

impl Loop {
    /// A loop over `range` for workers numbered from 0 to `workers` − 1.
    ///
    /// # Panics
    /// When there are no workers.
    pub fn new(range: Range<usize>, schedule: Schedule, workers: usize) -> Self {
        assert!(workers > 0, "a loop needs a worker");
        let chunk = schedule.chunk().map_or(1, |chunk| chunk as usize);
        let next = CachePadded::default();
        let plan = match schedule.kind() {
            Kind::Static if schedule.chunk().is_none() => Plan::Blocks,
            Kind::Static => Plan::RoundRobin { chunk },
            Kind::Dynamic if schedule.order() == Some(Modifier::Nonmonotonic) => {
                let chunks = range.len().div_ceil(chunk);
                // A block's bounds have 32 bits; with more chunks the counter is used, which a nonmonotonic schedule allows.
                if chunks > u32::MAX as usize {
                    Plan::Counter { chunk, next }
                } else {
                    let block = |worker| CachePadded::new(Block::new(part(chunks, worker, workers)));
                    Plan::Stealing { chunk, blocks: (0..workers).map(block).collect() }
                }
            }
            Kind::Dynamic => Plan::Counter { chunk, next },
            Kind::Guided => Plan::Shrinking { share: 2 * workers, least: chunk, most: usize::MAX, next },
            Kind::Auto => {
                let most = schedule.auto_limit().unwrap_or(AUTO_LIMIT);
                Plan::Shrinking { share: auto_share(workers), least: 1, most, next }
            }
        };
        Self { range, workers, plan, over: AtomicBool::new(false) }
    }

    /// The claims of `worker`, each of consecutive pieces, until the range is used up. Each worker calls this once.
    ///
    /// # Panics
    /// When there is no such worker.
    pub fn claims(&self, worker: usize) -> Claims<'_> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        Claims { owner: self, worker, turn: worker }
    }

    /// Ends the loop early: no worker gets another claim.
    pub fn cancel(&self) {
        self.over.store(true, Relaxed);
    }
}

/// The claims of one worker, made by [`Loop::claims`].
#[derive(Debug)]
pub struct Claims<'a> {
    owner: &'a Loop,
    worker: usize,
    /// For the static plans, the number of the next block or chunk.
    turn: usize,
}

impl Iterator for Claims<'_> {
    type Item = Range<usize>;

    // With claims of single pieces that cost nothing, a call would take a tenth of the time.
    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        let Loop { range, workers, plan, over } = self.owner;
        if over.load(Relaxed) {
            return None;
        }
        let len = range.len();
        let chunk_at = |number: usize, chunk: usize| {
            let start = number.checked_mul(chunk).filter(|&start| start < len)?;
            Some(start..start.saturating_add(chunk).min(len))
        };
        // The code that takes the results of a claim publishes them, so the counters need no memory ordering.
        let claim = match plan {
            Plan::Blocks => {
                let block = part(len, self.worker, *workers);
                let fresh = std::mem::replace(&mut self.turn, usize::MAX) != usize::MAX;
                (fresh && !block.is_empty()).then_some(block)
            }
            Plan::RoundRobin { chunk } => {
                let turn = self.turn;
                self.turn = turn.saturating_add(*workers);
                chunk_at(turn, *chunk)
            }
            Plan::Counter { chunk, next } => chunk_at(next.fetch_add(1, Relaxed), *chunk),
            Plan::Shrinking { share, least, most, next } => {
                let size = |start: usize| (len - start).div_ceil(*share).min(*most).max(*least).min(len - start);
                let advance = |start| (start < len).then(|| start + size(start));
                next.fetch_update(Relaxed, Relaxed, advance).ok().map(|start| start..start + size(start))
            }
            Plan::Stealing { chunk, blocks } => {
                let own = &blocks[self.worker];
                own.take_first().or_else(|| steal(blocks, own)).and_then(|number| chunk_at(number, *chunk))
            }
        }?;
        Some(range.start + claim.start..range.start + claim.end)
    }
}

/// Part number `index` of `0..len` cut into `parts` that differ by at most 1, the larger ones first.
pub(crate) fn part(len: usize, index: usize, parts: usize) -> Range<usize> {
    let (quotient, larger) = (len / parts, len % parts);
    let start = index * quotient + index.min(larger);
    start..start + quotient + usize::from(index < larger)
}

/// Moves half of the longest block into `own`, which is empty, except for its first chunk, which is returned. `None` when all blocks are
/// empty; a chunk that another thief is just taking is computed by that thief.
#[cold]
fn steal(blocks: &[CachePadded<Block>], own: &Block) -> Option<usize> {
    loop {
        let longest = blocks.iter().max_by_key(|block| block.bounds().len())?;
        if longest.bounds().is_empty() {
            return None;
        }
        if let Some(mut stolen) = longest.take_half() {
            let first = stolen.next();
            own.0.store(Block::new(stolen).0.into_inner(), Relaxed);
            return first;
        }
    }
}

/// A range of chunk numbers in one word: the start in its lower half, the end in its upper.
#[derive(Debug)]
struct Block(AtomicU64);

impl Block {
    fn new(chunks: Range<usize>) -> Self {
        Self(AtomicU64::new((chunks.end as u64) << 32 | chunks.start as u64))
    }

    fn unpack(word: u64) -> Range<usize> {
        (word as u32) as usize..(word >> 32) as usize
    }

    fn bounds(&self) -> Range<usize> {
        Self::unpack(self.0.load(Relaxed))
    }

    /// The owner's next chunk.
    #[inline]
    fn take_first(&self) -> Option<usize> {
        let advance = |word| (!Self::unpack(word).is_empty()).then_some(word + 1);
        self.0.fetch_update(Relaxed, Relaxed, advance).ok().map(|word| Self::unpack(word).start)
    }

    /// The back half, rounded up, for a thief; `None` when the block was emptied or changed meanwhile.
    fn take_half(&self) -> Option<Range<usize>> {
        let word = self.0.load(Relaxed);
        let chunks = Self::unpack(word);
        let middle = chunks.start + chunks.len() / 2;
        let left = Block::new(chunks.start..middle).0.into_inner();
        let taken = !chunks.is_empty() && self.0.compare_exchange(word, left, Relaxed, Relaxed).is_ok();
        taken.then_some(middle..chunks.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap()
    }

    /// All claims, with the worker that took each, when workers take turns.
    fn in_turns(range: Range<usize>, schedule: Schedule, workers: usize) -> Vec<(usize, Range<usize>)> {
        let shared = Loop::new(range, schedule, workers);
        let mut claims: Vec<_> = (0..workers).map(|worker| shared.claims(worker)).collect();
        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            for (worker, claims) in claims.iter_mut().enumerate() {
                taken.extend(claims.next().map(|claim| (worker, claim)));
            }
            if taken.len() == before {
                return taken;
            }
        }
    }

    #[test]
    fn static_blocks_are_those_of_openmp() {
        assert_eq!(in_turns(10..20, Schedule::STATIC, 3), [(0, 10..14), (1, 14..17), (2, 17..20)]);
        assert_eq!(in_turns(0..2, Schedule::STATIC, 3), [(0, 0..1), (1, 1..2)]);
        let round_robin = in_turns(0..10, schedule("static,2"), 3);
        assert_eq!(round_robin, [(0, 0..2), (1, 2..4), (2, 4..6), (0, 6..8), (1, 8..10)]);
    }

    #[test]
    fn counters_hand_out_increasing_ranges() {
        for text in ["dynamic", "monotonic:dynamic,3", "guided", "guided,4", "auto"] {
            let mut at = 5;
            for (_, claim) in in_turns(5..1000, schedule(text), 4) {
                assert_eq!(claim.start, at, "{text}");
                at = claim.end;
            }
            assert_eq!(at, 1000, "{text}");
        }
    }

    #[test]
    fn guided_shrinks_to_its_chunk() {
        let sizes: Vec<_> = in_turns(0..1000, schedule("guided,7"), 2).iter().map(|(_, claim)| claim.len()).collect();
        assert_eq!(sizes[0], 250, "a quarter of it for two workers");
        assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
        let (_, but_last) = sizes.split_last().unwrap();
        assert_eq!(but_last.last(), Some(&7), "{sizes:?}");
    }

    #[test]
    fn auto_stays_within_its_limit() {
        let claims = in_turns(0..10_000, Schedule::AUTO.with_auto_limit(16), 2);
        assert_eq!(claims[0].1, 0..16);
        assert_eq!(claims.last().unwrap().1, 9999..10_000);
        assert!(claims.iter().all(|(_, claim)| claim.len() <= 16));
    }

    #[test]
    fn a_thief_takes_the_back_half_of_the_longest_block() {
        let shared = Loop::new(0..16, schedule("nonmonotonic:dynamic"), 2);
        let (mut first, mut second) = (shared.claims(0), shared.claims(1));
        let own: Vec<_> = second.by_ref().take(8).map(|claim| claim.start).collect();
        assert_eq!(own, [8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(second.next(), Some(4..5), "half of 0..8");
        assert_eq!(first.next(), Some(0..1));
        assert_eq!(second.next(), Some(5..6));
        assert_eq!(first.map(|claim| claim.start).collect::<Vec<_>>(), [1, 2, 3, 7, 6], "and it is stolen back");
        assert_eq!(second.next(), None);
    }

    #[test]
    fn cancelled_loops_give_nothing_more() {
        for text in ["static", "static,1", "dynamic", "guided", "auto", "nonmonotonic:dynamic"] {
            let shared = Loop::new(0..100, schedule(text), 2);
            assert!(shared.claims(0).next().is_some());
            shared.cancel();
            assert_eq!((shared.claims(0).next(), shared.claims(1).next()), (None, None), "{text}");
        }
    }

    #[test]
    fn huge_ranges_do_not_overflow() {
        let most = usize::MAX;
        assert_eq!(Loop::new(0..most, Schedule::STEALING, 3).claims(2).next(), Some(0..1));
        assert_eq!(Loop::new(0..most, schedule("static,2147483648"), 3).claims(1).next(), Some(1 << 31..2 << 31));
        assert_eq!(Loop::new(most - 3..most, schedule("dynamic,2147483648"), 3).claims(1).next(), Some(most - 3..most));
        assert_eq!(Loop::new(0..most, Schedule::STATIC, 4096).claims(4095).next().unwrap().end, most);
    }

    proptest! {
        #[test]
        fn every_piece_is_handed_out_once(
            start in 0..1000usize, len in 0..3000usize, workers in 1..20usize, chunk in prop::option::of(1..200u32),
            kind in 0..5usize, threads: bool,
        ) {
            let kinds = [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO];
            let schedule = chunk.map_or(kinds[kind], |c| kinds[kind].with_chunk(c).unwrap_or(kinds[kind]));
            let mut claims: Vec<Range<usize>> = if threads {
                let shared = &Loop::new(start..start + len, schedule, workers);
                std::thread::scope(|scope| {
                    let take = |worker| scope.spawn(move || shared.claims(worker).collect::<Vec<_>>());
                    let taken: Vec<_> = (0..workers).map(take).collect();
                    taken.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
                })
            } else {
                in_turns(start..start + len, schedule, workers).into_iter().map(|(_, claim)| claim).collect()
            };
            claims.sort_by_key(|claim| claim.start);
            prop_assert!(claims.iter().all(|claim| !claim.is_empty()));
            let pieces: Vec<usize> = claims.into_iter().flatten().collect();
            prop_assert_eq!(pieces, (start..start + len).collect::<Vec<_>>());
        }
    }
}
