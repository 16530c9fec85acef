//! A work that is not a picture, with everything that sinks do for pictures: results of varying length, a binary recipe, its own unit.

use super::{kinds, open, support::Scratch};
use fractal::backend::{BACKENDS, Session};
use fractal::parallel::{Claim, FinishedClaim, Pieces, Prepared, Recipe, Report, Shard, Sink, Stop, Tee, Work};
use fractal::sink::{Checkpoint, Description, Kept, Progress, Records, Resumed, Trace};
use fractal::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Piece i is a line of up to `MOST` letters.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) first: u8,
    /// What piece 17 does wrong, if anything.
    pub(super) wrong: u8,
}

const PIECES: usize = 100;
const MOST: usize = 90;
const TOO_LONG: u8 = 1;
const TWICE: u8 = 2;
const NEVER: u8 = 3;

impl Lines {
    fn good() -> Self {
        Self { first: 0xf0, wrong: 0 }
    }

    /// Lengths from nothing to the most.
    fn line(&self, index: usize) -> Vec<u8> {
        let len = index * 37 % (MOST + 1);
        (0..len).map(|at| self.first.wrapping_add((index * at) as u8)).collect()
    }
}

impl Work for Lines {
    fn len(&self) -> usize {
        PIECES
    }

    fn piece_len(&self, _: usize) -> usize {
        MOST
    }

    fn varies(&self) -> bool {
        true
    }

    fn claim_bytes(&self) -> Option<usize> {
        // Of four or five pieces, so that a run has some claims whatever its schedule.
        Some(500)
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        // From the last to the first: any order will do.
        for index in claim.range().rev() {
            let line = self.line(index);
            match self.wrong {
                TOO_LONG if index == 17 => claim.put(index, &[0; MOST + 1]),
                TWICE if index == 17 => claim.put(index, &line),
                NEVER if index == 17 => continue,
                _ => {}
            }
            claim.put(index, &line);
            claim.set_cost(index, line.len() as u64);
            claim.add_executed(2 * line.len() as u64);
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "lines".into(), bytes: vec![self.first, self.wrong, 0xff] })
    }

    fn unit(&self) -> &'static str {
        "letters"
    }

    fn describe(&self, index: usize) -> String {
        format!("line {index}")
    }
}

/// Keeps each line that it is given, and whether this run computed it; ends a run after so many claims.
struct Page {
    lines: Mutex<BTreeMap<usize, (Vec<u8>, bool)>>,
    claims: AtomicUsize,
}

impl Page {
    fn new(claims: usize) -> Arc<Self> {
        Arc::new(Self { lines: Mutex::default(), claims: AtomicUsize::new(claims) })
    }

    fn take(&self, done: &FinishedClaim<'_>, computed: bool) {
        for piece in done.pieces() {
            let before = self.lines.lock().unwrap().insert(piece.index, (piece.bytes.to_vec(), computed));
            assert!(before.is_none(), "line {} twice", piece.index);
            assert_eq!(piece.cost, piece.bytes.len() as u64);
        }
    }

    /// Checks the lines, and returns how many this run computed.
    fn check(&self, wanted: impl Iterator<Item = usize>) -> usize {
        let lines = self.lines.lock().unwrap();
        assert_eq!(lines.keys().copied().collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        assert!(lines.iter().all(|(&index, line)| line.0 == Lines::good().line(index)));
        lines.values().filter(|line| line.1).count()
    }
}

impl Sink for Page {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let left = self.claims.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::Stopped)?;
        self.take(done, true);
        Ok(())
    }

    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.take(done, false);
        Ok(())
    }
}

fn run(session: &mut dyn Session, work: Arc<dyn Work>, sink: Arc<dyn Sink>) -> Result<Report> {
    session.run(work, sink, &Stop::new())
}

#[test]
fn results_of_any_length_come_from_every_backend() {
    let worth: u64 = (0..PIECES).map(|index| Lines::good().line(index).len() as u64).sum();
    for entry in BACKENDS {
        let mut session = open(entry, 3);
        for _ in 0..2 {
            let page = Page::new(usize::MAX);
            let report = run(&mut *session, Arc::new(Lines::good()), page.clone()).unwrap();
            assert_eq!(page.check(0..PIECES), PIECES, "{}", entry.name);
            assert_eq!((report.unit, report.useful(), report.executed()), ("letters", worth, 2 * worth));
        }
    }
}

#[test]
fn a_run_of_lines_ends_early_and_goes_on() {
    let scratch = Scratch::new("lines");
    let (work, stop) = (Arc::new(Lines::good()), Stop::new());
    for (entry, shard) in BACKENDS.iter().flat_map(|entry| [(entry, None), (entry, Shard::new(2, 3).ok())]) {
        let path = scratch.join(format!("{}-{}", entry.name, shard.is_some()));
        let (mut session, wanted) = (open(entry, 2), Pieces::new(PIECES, shard));
        let description = Description::new(work.recipe().as_ref(), PIECES, shard).unwrap();
        let checkpoint = Arc::new(Checkpoint::create(&path, &description).unwrap());
        let sink: Arc<dyn Sink> = Arc::new(Tee::new(vec![checkpoint, Page::new(3)]));
        let first = Resumed::new(sink, work.clone(), &wanted, Vec::new(), &stop).unwrap();
        let ended = run(&mut *session, first.rest(), Arc::new(first));
        assert!(matches!(ended, Err(Error::Stopped)), "{}: {ended:?}", entry.name);

        let records = Arc::new(Records::open(&path).unwrap().read_work(&*work, &stop).unwrap());
        let kept = records.found().len();
        assert!(kept > 0 && !records.is_complete(), "{}: {kept}", entry.name);
        assert_eq!(records.description().recipe(), [0xf0, 0, 0xff]);
        let progress = Arc::new(Progress::of_pieces(PIECES).only(&wanted));
        let trace = Arc::new(Trace::new("lines", Instant::now()));
        let (checkpoint, page) = (Arc::new(Checkpoint::go_on(&records).unwrap()), Page::new(usize::MAX));
        let sink = Arc::new(Tee::new(vec![checkpoint, progress.clone(), trace.clone(), page.clone()]));
        let rest = Resumed::new(sink, work.clone(), &wanted, vec![records as Arc<dyn Kept>], &stop).unwrap();
        run(&mut *session, rest.rest(), Arc::new(rest)).unwrap();

        assert_eq!(page.check(wanted.iter()), wanted.len() - kept, "{}", entry.name);
        let records = Records::open(&path).unwrap().read_work(&*work, &stop).unwrap();
        assert!(records.is_complete() && records.damaged() == 0);
        let end = progress.snapshot();
        let all = wanted.len() as u64;
        assert_eq!((end.pieces_done, end.pieces, end.fraction, end.unit), (all, all, 1.0, "letters"));
        let mut text = Vec::new();
        Trace::write([&*trace], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(r#""letters":"#) && !text.contains("iterations"), "{text}");
    }
}

#[test]
fn a_piece_that_gives_its_result_wrongly_is_named() {
    for entry in BACKENDS {
        let mut session = open(entry, 2);
        for (wrong, what) in [
            (TOO_LONG, "its result has 91 bytes; allowed are at most 90"),
            (TWICE, "its result was given twice"),
            (NEVER, "no result was given"),
        ] {
            let error =
                run(&mut *session, Arc::new(Lines { wrong, ..Lines::good() }), Page::new(usize::MAX)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("computing line 17: ") && text.contains(what), "{}: {text}", entry.name);
        }
        let page = Page::new(usize::MAX);
        run(&mut *session, Arc::new(Lines::good()), page.clone()).unwrap();
        page.check(0..PIECES);
    }
}

#[test]
fn a_file_of_another_work_is_refused() {
    let scratch = Scratch::new("others");
    let description = Description::new(Lines::good().recipe().as_ref(), PIECES, None).unwrap();
    Checkpoint::create(scratch.join("file"), &description).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(scratch.join("file")).unwrap()).into_owned();
    assert!(text.contains(r#""recipe_hex":"f000ff""#) && !text.contains(r#""recipe":"#), "{text}");
    let file = || Records::open(scratch.join("file")).unwrap();
    assert!(file().read_work(&Lines::good(), &Stop::new()).unwrap().found().is_empty());
    let error = file().read_work(&Lines { first: 1, wrong: 0 }, &Stop::new()).unwrap_err().to_string();
    assert!(error.contains("of another work"), "{error}");
    assert!(kinds().iter().any(|kind| kind.name() == description.kind));
}
