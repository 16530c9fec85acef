//! Which worker is sent what: each part once to each worker that lacks it, and never the wrong one.

use super::*;
use crate::backend::{Program, Session, SessionOptions, WorkKind, find};
use crate::parallel::{Claim, FinishedClaim, Preparing, Report, Schedule, Sink, Stop, Work};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The keys of all parts that were sent, one entry each time.
pub(super) static SENT: Mutex<Vec<Key>> = Mutex::new(Vec::new());

/// A work whose every piece depends on its recipe and on all prepared parts.
#[derive(Clone)]
struct Mixed {
    recipe: u8,
    parts: Vec<(&'static str, Vec<u8>)>,
}

impl Mixed {
    const PIECES: usize = 64;
    const KIND: &str = "mixed";
    /// The recipe whose worker may allocate hardly any more memory.
    const NARROW: u8 = 255;
    /// Their names and lengths: whole pages, an odd length, the same once more, and empty.
    const PARTS: [(&str, usize); 4] = [("common", 3 << 16), ("own", 1001), ("twin", 1001), ("empty", 0)];

    /// With parts whose contents differ from those of every other pair of numbers.
    fn new(recipe: u8, [common, own]: [u64; 2]) -> Self {
        let numbers = [common, own, own + 500, 0];
        let parts = Self::PARTS.into_iter().zip(numbers).map(|((name, len), number)| {
            let byte = |at: usize| ((at as u64 ^ number << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            (name, (0..len).map(byte).collect())
        });
        Self { recipe, parts: parts.collect() }
    }

    fn prepared(&self) -> Prepared {
        self.parts.iter().fold(Prepared::default(), |all, (name, bytes)| all.with(name, bytes[..].into()))
    }

    fn byte(&self, prepared: &Prepared, piece: usize) -> u8 {
        let contents = Self::PARTS.map(|(name, _)| prepared.get(name).expect("it was sent"));
        contents.iter().fold(self.recipe, |all, bytes| {
            bytes.iter().skip(piece).step_by(97).fold(all.wrapping_mul(31), |all, byte| all.wrapping_mul(7) ^ byte)
        })
    }

    /// How often each of its parts was sent.
    fn sent(&self) -> Vec<usize> {
        let sent = SENT.lock().unwrap();
        let prepared = self.prepared();
        prepared.parts().map(|(_, key, _)| sent.iter().filter(|sent| **sent == key).count()).collect()
    }
}

impl Work for Mixed {
    fn len(&self) -> usize {
        Self::PIECES
    }
    fn piece_len(&self, _: usize) -> usize {
        1
    }
    fn prepare(&self, _: &Preparing<'_>) -> Result<Prepared> {
        Ok(self.prepared())
    }
    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        for (at, piece) in claim.range().enumerate() {
            claim.bytes()[at] = self.byte(prepared, piece);
        }
        Ok(())
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: Self::KIND.into(), bytes: vec![self.recipe] })
    }
}

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    let make = |bytes: &[u8]| {
        #[cfg(target_os = "linux")]
        limit_memory(bytes[0] == Mixed::NARROW);
        Ok(Arc::new(Mixed { recipe: bytes[0], parts: Vec::new() }) as Arc<dyn Work>)
    };
    crate::worker_main([WorkKind::new(Mixed::KIND, make)]);
}

/// Limits this process to a few megabytes more, or lifts the limit.
#[cfg(target_os = "linux")]
fn limit_memory(narrow: bool) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")).unwrap();
    let size = kibibytes.parse::<u64>().unwrap() << 10;
    let maximum = getrlimit(Resource::As).maximum;
    let current = if narrow { Some(size + (8 << 20)) } else { maximum };
    setrlimit(Resource::As, Rlimit { current, maximum }).unwrap();
}

fn sessions() -> impl Iterator<Item = (u64, Box<dyn Session>)> {
    let arguments = [&format!("{}::worker", module_path!().split_once("::").unwrap().1), "--exact", "--nocapture"];
    let program = Program { path: Some(std::env::current_exe().unwrap()), arguments: arguments.map(Into::into).into() };
    // With this schedule every worker computes in every run.
    let options = SessionOptions {
        workers: 2,
        schedule: Some(Schedule::STATIC),
        program,
        timed: true,
        ..SessionOptions::default()
    };
    let backends = crate::backend::BACKENDS.iter().filter(|entry| entry.in_processes());
    backends.zip(1..).map(move |(entry, number)| (number, find(entry.name).unwrap().open(&options).unwrap()))
}

/// Counts the pieces with the right bytes.
struct Right(Mixed, Prepared, AtomicUsize);

impl Sink for Right {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let right = done.pieces().filter(|piece| piece.bytes == [self.0.byte(&self.1, piece.index)]);
        self.2.fetch_add(right.count(), Ordering::Relaxed);
        Ok(())
    }
}

/// Runs a work and checks every piece.
fn run(session: &mut dyn Session, work: &Mixed) -> Report {
    let sink = Arc::new(Right(work.clone(), work.prepared(), AtomicUsize::new(0)));
    let report = session.run(Arc::new(work.clone()), sink.clone(), &Stop::new()).unwrap();
    assert_eq!(sink.2.load(Ordering::Relaxed), Mixed::PIECES, "pieces are right");
    report
}

#[test]
fn a_worker_is_sent_what_it_lacks() {
    for (number, mut session) in sessions() {
        // Contents of its own for each backend, so that what is sent can be counted.
        let (a, b) = (Mixed::new(1, [10 * number, 10 * number + 1]), Mixed::new(2, [10 * number, 10 * number + 2]));
        let same_parts = Mixed { recipe: 3, ..a.clone() };
        let sent = || [&a.sent()[..2], &b.sent()[1..2]].concat();
        let mut check = |work: &Mixed, expected: [usize; 3]| {
            let report = run(&mut *session, work);
            assert_eq!(sent(), expected, "common, of a, of b; to two workers of {number}");
            report
        };
        check(&a, [2, 2, 0]);
        check(&a, [2, 2, 0]);
        check(&same_parts, [2, 2, 0]);
        check(&b, [2, 2, 2]);
        // Parts that the newest work did not name are dropped.
        check(&a, [2, 4, 2]);
        let report = check(&same_parts, [2, 4, 2]);
        // The replacement of a killed worker has nothing.
        #[cfg(unix)]
        {
            let id = rustix::process::Pid::from_raw(report.workers[0].process as i32).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
            check(&same_parts, [3, 5, 2]);
            check(&a, [3, 5, 2]);
        }
        let _ = report;
    }
}

#[test]
fn works_in_turn_with_workers_killed_between_are_never_mixed_up() {
    for (number, mut session) in sessions() {
        // The same recipes and names with other contents, and the same contents under other names.
        let mut works: Vec<_> =
            (0..4).map(|i| Mixed::new(i as u8 / 2, [1000 * number + i / 2, 1000 * number + i])).collect();
        let (common, own) = (works[0].parts[0].1.clone(), works[0].parts[1].1.clone());
        works[3].parts[0].1 = own;
        works[3].parts[1].1 = common.clone();
        works[3].parts[3].1 = common;
        for turn in 0..24 {
            let report = run(&mut *session, &works[(turn * turn + turn / 5) % works.len()]);
            #[cfg(unix)]
            if turn % 3 == 1 {
                let id = rustix::process::Pid::from_raw(report.workers[turn % 2].process as i32).unwrap();
                rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
            }
            let _ = report;
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn who_could_not_take_a_part_is_sent_it_again() {
    // Workers of `pipes` would end, since they cannot continue without memory for a message.
    let (_, mut session) = sessions().find(|(number, _)| *number == 1).unwrap();
    let mut work = Mixed::new(Mixed::NARROW, [5, 6]);
    work.parts[0].1.resize(32 << 20, 1);
    let error = session.run(Arc::new(work.clone()), Arc::new(crate::parallel::Discard), &Stop::new()).unwrap_err();
    assert!(error.to_string().contains("cannot map `the work of a session`"), "{error}");
    run(&mut *session, &Mixed { recipe: 4, ..work });
}

fn shared(bytes: &[u8]) -> Shared {
    Arc::new(bytes.to_vec())
}

#[test]
fn a_stock_keeps_what_its_newest_work_names() {
    let [a, b] = [Mixed::new(0, [1, 2]), Mixed::new(0, [1, 3])].map(|work| work.prepared());
    let recipe = Recipe { kind: "any".into(), bytes: Vec::new() };
    let mut stock = Stock::default();
    assert!(stock.prepared().unwrap().is_empty(), "a work that prepared nothing needs nothing");
    stock.expect(WorkMessage::new(&recipe, &a).sections()[2]).unwrap();
    for (name, key, bytes) in a.parts() {
        assert!(stock.prepared().unwrap_err().to_string().contains("lacks"), "{name}");
        let longer = shared(&[bytes, &[0]].concat());
        assert!(stock.take(key, longer).is_err(), "another length");
        stock.take(key, shared(bytes)).unwrap();
    }
    let arrived = stock.prepared().unwrap();
    assert!(arrived.hashes().eq(a.hashes()));
    for (name, _, bytes) in a.parts() {
        assert_eq!(arrived.get(name), Some(bytes));
        assert!(arrived.get(name).unwrap().as_ptr().addr().is_multiple_of(ALIGNMENT), "{name}");
    }
    stock.expect(WorkMessage::new(&recipe, &b).sections()[2]).unwrap();
    assert_eq!(stock.kept.len(), 2, "two parts have the same names, but not the same contents");
    let (_, of_a, bytes) = a.parts().nth(1).unwrap();
    assert!(stock.take(of_a, shared(bytes)).is_err(), "its work does not name it");
    for (_, key, bytes) in b.parts().skip(1).take(2) {
        stock.take(key, shared(bytes)).unwrap();
    }
    let arrived = stock.prepared().unwrap();
    assert!(b.parts().all(|(name, _, bytes)| arrived.get(name) == Some(bytes)), "each has its own");
    assert!(stock.expect(b"[[\"own\",7]]").is_err());
    assert!(stock.kept.is_empty() && stock.prepared().unwrap().is_empty());
}

#[test]
fn what_is_there_twice_is_sent_once() {
    let prepared = Prepared::default().with("a", (&[7][..]).into()).with("b", (&[7][..]).into());
    let recipe = Recipe { kind: "any".into(), bytes: Vec::new() };
    let work_message = WorkMessage::new(&recipe, &prepared);
    let mut held = Held::default();
    assert_eq!(held.lacks(work_message.contents()), Some(vec![0]));
    assert_eq!(held.lacks(work_message.contents()), None);
    let other = Recipe { bytes: vec![1], ..recipe };
    assert_eq!(held.lacks(WorkMessage::new(&other, &prepared).contents()), Some(Vec::new()));
}
