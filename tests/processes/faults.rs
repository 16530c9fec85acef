//! A work that fails on request, and the sink that checks its results.

use super::is_worker;
use super::random::Random;
use super::support::Scratch;
use fractal::parallel::{Claim, FinishedClaim, Prepared, Recipe, RunInfo, Sink, Stop, Work};
use fractal::{Error, Result};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a worker does in place of computing a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// Ends as if all were well.
    Exit,
    /// Crashes.
    Abort,
    /// Asks for more memory than there is.
    Memory,
    /// Is killed from outside.
    Kill,
    /// Is suspended.
    Suspend,
    /// Never ends and never looks at its `Stop`.
    Loop,
    /// Writes over whatever leads to the session.
    Garbage,
    /// Writes over all memory that it shares, and goes on: zeros, ones or what comes.
    Zeros,
    Ones,
    Noise,
    /// Takes all pages out of the memory that it shares, as any process can that has its file.
    Hole,
    /// Prints to standard output, by all ways.
    Print,
    /// Goes on until it is stopped.
    Wait,
    /// Ends with an error once another piece waits.
    FailBesideWait,
}

/// Pieces of hashes, some of which go wrong. Files in a directory say what happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Faults {
    pub(super) pieces: usize,
    pub(super) bytes: usize,
    /// Whether pieces have only some of these bytes.
    pub(super) varies: bool,
    /// How long a piece takes.
    pub(super) microseconds: u64,
    /// The pieces that go wrong, and how often at most.
    pub(super) faults: Vec<(usize, Fault, usize)>,
    pub(super) directory: PathBuf,
}

impl Faults {
    pub(super) fn new(scratch: &Scratch) -> Self {
        let directory = scratch.to_path_buf();
        Self { pieces: 200, bytes: 1000, varies: false, microseconds: 0, faults: Vec::new(), directory }
    }

    /// How many bytes piece `piece` has.
    pub(super) fn len_of(&self, piece: usize) -> usize {
        if self.varies { piece * 37 % (self.bytes + 1) } else { self.bytes }
    }

    pub(super) fn with(mut self, piece: usize, fault: Fault, times: usize) -> Self {
        self.faults.push((piece, fault, times));
        self
    }

    pub(super) fn byte(piece: usize, at: usize) -> u8 {
        ((piece as u64 ^ (at as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    /// True for the first `times` callers, of all processes.
    pub(super) fn is_due(&self, piece: usize, times: usize) -> bool {
        (0..times).any(|time| fs::File::create_new(self.directory.join(format!("fault-{piece}-{time}"))).is_ok())
    }

    pub(super) fn waits(&self) -> bool {
        fs::read_dir(&self.directory).unwrap().flatten().any(|entry| entry.file_name() == "waiting")
    }

    /// `own` are the addresses of the results that are being computed.
    fn happen(&self, fault: Fault, own: &Range<usize>, stop: &Stop) -> Result<()> {
        let raise = |signal| kill_process(rustix::process::getpid(), signal).unwrap();
        match fault {
            Fault::Exit => std::process::exit(0),
            Fault::Abort => std::process::abort(),
            Fault::Memory => {
                // The runtime tells of it, which is expected.
                let nowhere = fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
                rustix::stdio::dup2_stderr(nowhere).unwrap();
                drop(std::hint::black_box(vec![1u8; isize::MAX as usize]));
            }
            // What kills a worker would kill the session that computes in its place.
            Fault::Kill if is_worker() => raise(Signal::KILL),
            Fault::Kill => {}
            Fault::Suspend | Fault::Loop => loop {
                if fault == Fault::Suspend {
                    raise(Signal::STOP);
                }
                std::thread::sleep(Duration::from_millis(1));
            },
            Fault::Garbage => {
                for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
                    let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
                    let leads = fs::read_link(entry.path()).unwrap_or_default();
                    if number > 2 && leads.to_string_lossy().starts_with("pipe:") {
                        // The end that only reads cannot be opened to write without getting another pipe's end; it is the same pipe.
                        let _ = fs::OpenOptions::new()
                            .write(true)
                            .open(entry.path())
                            .map(|mut pipe| pipe.write_all(&[0x5a; 500]));
                    }
                }
            }
            Fault::Zeros => scribble(own, |_| 0),
            Fault::Ones => scribble(own, |_| u64::MAX),
            Fault::Noise => {
                let mut random = Random(0x9e37_79b9_7f4a_7c15);
                // Small numbers are believed sooner.
                scribble(own, |at| random.below(if at % 3 == 0 { u64::MAX } else { 9 }));
            }
            Fault::Hole => punch(),
            Fault::Print => {
                println!("a piece prints");
                let _ =
                    fs::OpenOptions::new().write(true).open("/proc/self/fd/1").map(|mut out| out.write_all(b"raw\n"));
            }
            Fault::Wait => {
                fs::write(self.directory.join("waiting"), "").unwrap();
                while !stop.is_set() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Error::Stopped);
            }
            Fault::FailBesideWait => {
                while !self.waits() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Error::Input("broken".into()));
            }
        }
        Ok(())
    }
}

/// What Linux calls the memory of a session.
const NAME: &str = "/memfd:fractal (deleted)";

/// Writes over all memory that this worker shares with its session and can write, but for its `own` results, which would be wrong.
fn scribble(own: &Range<usize>, mut word: impl FnMut(usize) -> u64) {
    // Only a worker has such memory, not a session that computes a piece itself.
    assert!(is_worker());
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let memory = fs::OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
    let mut written = 0;
    for line in maps.lines().filter(|line| line.ends_with(NAME) && line.contains(" rw-s ")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let cut = [own.start as u64 & !7, (own.end as u64).next_multiple_of(8)].map(|at| at.clamp(start, end));
        for (start, end) in [(start, cut[0]), (cut[1], end)] {
            let words: Vec<u8> = (0..(end - start) as usize / 8).flat_map(|at| word(at).to_ne_bytes()).collect();
            memory.write_all_at(&words, start).unwrap();
            written += words.len();
        }
    }
    assert!(written > 0, "{maps}");
}

/// Takes the pages of the session's shared memory out of it.
fn punch() {
    let session = rustix::process::getppid().unwrap().as_raw_nonzero();
    let mut punched = 0;
    for entry in fs::read_dir(format!("/proc/{session}/fd")).unwrap().flatten() {
        if fs::read_link(entry.path()).is_ok_and(|leads| leads.to_string_lossy() == NAME) {
            let file = fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&file, flags, 0, file.metadata().unwrap().len()).unwrap();
            punched += 1;
        }
    }
    assert!(punched > 0, "the session has shared memory");
}

impl Work for Faults {
    fn len(&self) -> usize {
        self.pieces
    }

    fn piece_len(&self, _: usize) -> usize {
        self.bytes
    }

    fn varies(&self) -> bool {
        self.varies
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let pid = self.directory.join(format!("worker-{}", std::process::id()));
        if is_worker() && !pid.exists() {
            fs::write(pid, "").unwrap();
        }
        let (range, len) = (claim.range(), self.bytes);
        // Shortly before the results lies what a worker says of them.
        let own = (!self.varies).then(|| claim.bytes().as_ptr_range());
        let own = own.map_or(0..0, |own| own.start.addr() - 4096..own.end.addr());
        for (slot, piece) in range.enumerate() {
            let began = Instant::now();
            for &(at, fault, times) in &self.faults {
                if at == piece && self.is_due(piece, times) {
                    self.happen(fault, &own, stop)?;
                }
            }
            let bytes = (0..self.len_of(piece)).map(|at| Self::byte(piece, at));
            if self.varies {
                claim.put(piece, &bytes.collect::<Vec<_>>());
            } else {
                claim.bytes()[slot * len..][..len].iter_mut().zip(bytes).for_each(|(out, byte)| *out = byte);
            }
            while began.elapsed() < Duration::from_micros(self.microseconds) {
                if stop.is_set() {
                    return Err(Error::Stopped);
                }
                // Nobody else is to wait for one that takes seconds.
                if self.microseconds < 10_000 {
                    std::hint::spin_loop();
                } else {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            claim.set_cost(piece, piece as u64);
            claim.add_executed(1);
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "faults".into(), bytes: serde_json::to_vec(self).unwrap() })
    }

    fn describe(&self, index: usize) -> String {
        format!("part {index} of the test")
    }
}

/// Checks every piece, and that each comes once; and that times are on the session's clock.
pub(super) struct Check {
    work: Faults,
    seen: Mutex<Vec<bool>>,
    began: Mutex<Instant>,
}

impl Check {
    pub(super) fn new(work: &Faults) -> Arc<Self> {
        let seen = Mutex::new(vec![false; work.pieces]);
        Arc::new(Self { work: work.clone(), seen, began: Mutex::new(Instant::now()) })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.seen.lock().unwrap().iter().all(|&seen| seen)
    }
}

impl Sink for Check {
    fn start(&self, _: &RunInfo) -> Result<()> {
        *self.began.lock().unwrap() = Instant::now();
        Ok(())
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        assert!(done.began <= done.ended && done.ended <= self.began.lock().unwrap().elapsed(), "{done:?}");
        for piece in done.pieces() {
            assert_eq!(piece.bytes.len(), self.work.len_of(piece.index), "{done:?}");
            assert!(
                piece.bytes.iter().enumerate().all(|(at, &byte)| byte == Faults::byte(piece.index, at)),
                "{done:?}"
            );
            assert_eq!(piece.cost, piece.index as u64);
            assert!(
                !std::mem::replace(&mut self.seen.lock().unwrap()[piece.index], true),
                "piece {} twice",
                piece.index
            );
        }
        Ok(())
    }
}
