//! A run of the missing pieces that its sinks see as a run of all pieces.
//!
//! The run's own pieces are numbered among the missing ones; here they get back their numbers in the work. Kept pieces are merged
//! in between, in order: each is read when the pieces before it are finished, so that a picture whose rows leave in order never has
//! more waiting than the claims in flight, however many gaps there are.

use super::kept::{Kept, give};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Pieces, Position, Report, RunInfo, Selected, Sink, Stop, Work, lock, waited};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The sink of a run over `missing` pieces of a work.
pub struct Resumed {
    inner: Arc<dyn Sink>,
    /// The work of all pieces.
    work: Arc<dyn Work>,
    missing: Pieces,
    kept: Vec<Arc<dyn Kept>>,
    /// The kept pieces, by number.
    found: Vec<Found>,
    state: Mutex<State>,
    stop: Stop,
}

/// A kept piece.
#[derive(Clone, Copy)]
struct Found {
    index: usize,
    /// The place where it is kept, and its entry there.
    place: u32,
    entry: usize,
}

/// How far the sinks have received pieces without a gap.
struct State {
    /// A bit for each missing piece: whether it is finished.
    finished: Vec<u64>,
    /// How many of the missing pieces are finished without a gap.
    next: usize,
    /// How many of the found pieces have been passed on.
    given: usize,
    words: Vec<u64>,
}

impl Resumed {
    /// Gives `inner` all `kept` pieces of `work`, and those that a run over the missing pieces computes. `wanted` are all the
    /// pieces that should be there in the end. The run's work must be that of [`Resumed::missing`], as [`Resumed::rest`] is.
    ///
    /// # Errors
    /// [`Error::Input`] when two places have different results for the same piece.
    pub fn new(
        inner: Arc<dyn Sink>,
        work: Arc<dyn Work>,
        wanted: &Pieces,
        kept: Vec<Arc<dyn Kept>>,
        stop: &Stop,
    ) -> Result<Self> {
        let mut found: Vec<_> = (kept.iter().zip(0u32..))
            .flat_map(|(kept, place)| {
                (0..kept.len()).map(move |entry| Found { index: kept.index(entry), place, entry })
            })
            .collect();
        found.sort_by_key(|found| found.index);
        compare(&mut found, &kept, stop)?;
        let missing = missing(wanted, &found);
        let finished = vec![0; missing.len().div_ceil(64)];
        let state = Mutex::new(State { finished, next: 0, given: 0, words: Vec::new() });
        Ok(Self { inner, work, missing, kept, found, state, stop: stop.clone() })
    }

    /// The pieces that are not kept anywhere.
    pub fn missing(&self) -> &Pieces {
        &self.missing
    }

    /// The work of the missing pieces, for a run with this sink.
    pub fn rest(&self) -> Arc<dyn Work> {
        Arc::new(Selected::new(self.work.clone(), self.missing.clone()))
    }

    /// Passes on the kept pieces before the first missing piece that is not finished.
    fn give(&self, state: &mut State) -> Result<()> {
        while state.next < self.missing.len() && state.finished[state.next / 64] >> (state.next % 64) & 1 == 1 {
            state.next += 1;
        }
        let end =
            if state.next < self.missing.len() { self.missing.get(Position(state.next)) } else { self.missing.of() };
        while let Some(&found) = self.found.get(state.given).filter(|found| found.index < end) {
            if self.stop.is_set() {
                return Err(Error::Stopped);
            }
            state.given += 1;
            let kept = &*self.kept[found.place as usize];
            give(kept, found.entry, &*self.work, &*self.inner, &mut state.words)?;
        }
        Ok(())
    }
}

/// Keeps one copy of each piece, after checking that all copies are equal.
fn compare(found: &mut Vec<Found>, kept: &[Arc<dyn Kept>], stop: &Stop) -> Result<()> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for pair in found.windows(2).filter(|pair| pair[0].index == pair[1].index) {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let [one, two] = [pair[0], pair[1]].map(|found| &kept[found.place as usize]);
        if one.read(pair[0].entry, &mut first)?.0.bytes != two.read(pair[1].entry, &mut second)?.0.bytes {
            return Err(Error::Input(format!(
                "{} and {} have different results for piece {}, so one of them is wrong; compute one of them again",
                one.place(),
                two.place(),
                pair[0].index
            )));
        }
    }
    found.dedup_by_key(|found| found.index);
    Ok(())
}

/// The pieces of `wanted` that were not found; both are in order.
fn missing(wanted: &Pieces, found: &[Found]) -> Pieces {
    let mut rest = found.iter().map(|found| found.index).peekable();
    wanted.without(|index| {
        while rest.next_if(|&found| found < index).is_some() {}
        rest.peek() == Some(&index)
    })
}

impl fmt::Debug for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumed").field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl Sink for Resumed {
    fn preparing(&self, done: f64) {
        self.inner.preparing(done);
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        assert_eq!(run.pieces, self.missing.len(), "the run is over the missing pieces");
        self.inner.start(&RunInfo { pieces: self.missing.of(), ..run.clone() })?;
        self.give(&mut lock(&self.state))
    }

    fn claimed(&self, worker: usize, range: Range<usize>) {
        self.missing.runs(Position::range(range)).for_each(|range| self.inner.claimed(worker, range));
    }

    fn lost(&self, worker: usize, how: &str) {
        self.inner.lost(worker, how);
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let (mut from, mut bytes) = (0, done.bytes);
        // The claim's totals are credited to its first pieces.
        let (mut executed, mut counts) = (done.executed, done.counts);
        let span = (done.ended - done.began) / done.range.len().max(1) as u32;
        for range in self.missing.runs(Position::range(done.range.clone())) {
            let until = from + range.len();
            let whole = done.lengths.whole(bytes, range.clone(), |index| self.work.piece_len(index));
            let (own, rest) = bytes.split_at(whole.expect("a claim has the results of its pieces"));
            let part = FinishedClaim {
                work: &*self.work,
                range,
                bytes: own,
                lengths: done.lengths,
                costs: &done.costs[from..until],
                executed: std::mem::take(&mut executed),
                counts: std::mem::take(&mut counts),
                worker: done.worker,
                // The claim's time in equal parts, for want of better data.
                began: done.began + span * from as u32,
                ended: done.began + span * until as u32,
            };
            self.inner.done(&part)?;
            (from, bytes) = (until, rest);
        }
        if self.found.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let mut state = lock(&self.state);
        waited(began.elapsed());
        for position in done.range.clone() {
            state.finished[position / 64] |= 1 << (position % 64);
        }
        self.give(&mut state)
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.inner.finish(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Claim, Prepared};
    use std::time::Duration;

    struct Empty;

    impl Work for Empty {
        fn len(&self) -> usize {
            6
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    type Part = (Range<usize>, [u64; 2], u64, Vec<u64>);

    #[derive(Default)]
    struct Parts(Mutex<Vec<Part>>);

    impl Sink for Parts {
        fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
            let times = [done.began, done.ended].map(|time| time.as_nanos() as u64);
            self.0.lock().unwrap().push((done.range.clone(), times, done.executed, done.counts.to_vec()));
            Ok(())
        }
    }

    #[test]
    fn a_claim_across_a_gap_comes_in_parts() {
        let (parts, work) = (Arc::new(Parts::default()), Arc::new(Empty));
        let wanted = Pieces::new(6, None).without(|index| index == 0 || index == 3);
        let resumed = Resumed::new(parts.clone(), work.clone(), &wanted, Vec::new(), &Stop::new()).unwrap();
        let (began, ended) = (Duration::from_nanos(100), Duration::from_nanos(190));
        let claim = FinishedClaim::new(&*work, 0..3, &[], &[1, 2, 3]);
        resumed.done(&FinishedClaim { executed: 7, counts: &[8, 9], began, ended, ..claim }).unwrap();
        let expected = [(1..3, [100, 160], 7, vec![8, 9]), (4..5, [160, 190], 0, vec![])];
        assert_eq!(*parts.0.lock().unwrap(), expected);
    }
}
