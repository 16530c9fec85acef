//! A work whose bytes show whether each piece was computed correctly, and the sink that checks them.

use super::recipe;
use fractal::backend::Session;
use fractal::parallel::{Claim, FinishedClaim, Prepared, Preparing, Recipe, Report, RunInfo, Sink, Stop, Work};
use fractal::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Pieces whose bytes are a hash of their index and of what was prepared. Lengths vary, and some are 0.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    pub(super) pieces: usize,
    /// Piece lengths are below it.
    pub(super) longest: usize,
}

impl Hashes {
    pub(super) fn new(pieces: usize) -> Self {
        Self { pieces, longest: 23 }
    }

    /// What all pieces' bytes depend on.
    fn key(&self) -> u8 {
        self.pieces as u8 ^ 0x5a
    }

    fn byte(index: usize, at: usize) -> u8 {
        let mixed = (index as u64 ^ (at as u64) << 40).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes()[0]
    }

    fn cost(index: usize) -> u64 {
        index as u64 % 13
    }
}

impl Work for Hashes {
    fn len(&self) -> usize {
        self.pieces
    }

    fn piece_len(&self, index: usize) -> usize {
        index * 7 % self.longest
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        assert!(self.pieces > 0, "nothing needs to be prepared for no pieces");
        preparing.progress(0.0);
        preparing.progress(1.0);
        let table = [self.key(); 100];
        Ok(Prepared::default().with("other", b"other"[..].into()).with("table", table[..].into()))
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(recipe("hashes", &[self.pieces, self.longest]))
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let (mut at, table) = (0, prepared.get("table").unwrap());
        assert!(table.as_ptr().addr().is_multiple_of(64) && table.len() == 100);
        for index in claim.range() {
            for byte in 0..self.piece_len(index) {
                claim.bytes()[at] = Self::byte(index, byte) ^ table[99];
                at += 1;
            }
            claim.set_cost(index, Self::cost(index));
            claim.add_executed(2 * Self::cost(index));
            claim.add_counts(&[1, index as u64]);
        }
        assert_eq!(at, claim.bytes().len(), "a claim has room for exactly its pieces");
        Ok(())
    }
}

/// Checks every piece that it is given and remembers the claims, each with its worker.
#[derive(Default)]
struct Check {
    workers: AtomicUsize,
    claims: Mutex<Vec<(usize, Range<usize>)>>,
    finished: AtomicUsize,
}

impl Sink for Check {
    fn start(&self, run: &RunInfo) -> Result<()> {
        self.workers.store(run.workers, SeqCst);
        self.claims.lock().unwrap().clear();
        Ok(())
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        assert!(done.worker < self.workers.load(SeqCst));
        assert!(done.began <= done.ended);
        assert_eq!(done.counts, [done.range.len() as u64, done.range.clone().sum::<usize>() as u64]);
        let pieces: Vec<_> = done.pieces().collect();
        assert_eq!(pieces.iter().map(|piece| piece.index).collect::<Vec<_>>(), done.range.clone().collect::<Vec<_>>());
        for piece in pieces {
            let expected: Vec<u8> = (0..piece.bytes.len())
                .map(|at| Hashes::byte(piece.index, at) ^ Hashes::new(done.work.len()).key())
                .collect();
            assert_eq!(piece.bytes, expected, "piece {}", piece.index);
            assert_eq!(piece.cost, Hashes::cost(piece.index));
        }
        self.claims.lock().unwrap().push((done.worker, done.range.clone()));
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.finished.fetch_add(report.workers.len(), SeqCst);
        Ok(())
    }
}

/// Runs `pieces` hashes and checks that each was computed once and that the report adds up.
pub(super) fn run_checked(session: &mut dyn Session, pieces: usize) -> (Report, Vec<(usize, Range<usize>)>) {
    let sink = Arc::new(Check::default());
    let report = session.run(Arc::new(Hashes::new(pieces)), sink.clone(), &Stop::new()).unwrap();
    let sink = Arc::into_inner(sink).expect("a finished run has let go of its sink");
    let claims = sink.claims.into_inner().unwrap();
    let mut seen: Vec<usize> = claims.iter().flat_map(|(_, claim)| claim.clone()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..pieces).collect::<Vec<_>>());

    let useful: u64 = (0..pieces).map(Hashes::cost).sum();
    assert_eq!((report.useful(), report.executed()), (useful, 2 * useful));
    let numbers = pieces * pieces.saturating_sub(1) / 2;
    assert_eq!(report.counts(), if pieces == 0 { vec![] } else { vec![pieces as u64, numbers as u64] });
    assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), pieces);
    assert_eq!(sink.finished.load(SeqCst), report.workers.len());
    for (number, worker) in report.workers.iter().enumerate() {
        assert_eq!(worker.index, number);
        assert_eq!(worker.claims, claims.iter().filter(|(by, _)| *by == number).count());
    }
    (report, claims)
}
