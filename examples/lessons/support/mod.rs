//! What the lessons share and a class need not read: measuring, and text that fits on a projector.

pub(crate) mod calls;
pub(crate) mod chatters;
pub(crate) mod fair_lock;
pub(crate) mod greens;
pub(crate) mod http;
pub(crate) mod meetings;
pub(crate) mod originals;
pub(crate) mod pages;
pub(crate) mod processes;
pub(crate) mod python;
pub(crate) mod room;
pub(crate) mod servers;
pub(crate) mod transport;
pub(crate) mod watched;

use fractal::Result;
use fractal::backend::{BackendEntry, SessionOptions};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Schedule, Sink, Stop, Work};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The most columns that a lesson prints.
pub(crate) const COLUMNS: usize = 78;

/// What a part of a lesson cost.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    /// Wall time.
    pub(crate) wall: Duration,
    /// Processor time of this process.
    pub(crate) processor: Duration,
}

/// Runs `body`, and says what it cost.
pub(crate) fn measure<T>(body: impl FnOnce() -> T) -> (T, Spent) {
    let (began, before) = (Instant::now(), processor_time());
    let result = body();
    (result, Spent { wall: began.elapsed(), processor: processor_time() - before })
}

/// Says how many cores this program can use at the moment, without which no figure of a lesson means anything.
pub(crate) fn say_cores() {
    let until = Instant::now() + Duration::from_millis(60);
    let ((), spent) = measure(|| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while Instant::now() < until {});
            }
        });
    });
    let cores = spent.processor.as_secs_f64() / spent.wall.as_secs_f64();
    println!("Two threads that only spin use {cores:.2} cores here at the moment.");
    if cores < 1.9 {
        println!("That is not 2: other programs disturb the times below. Try again.");
    }
    println!();
}

/// Runs a work once on a backend, a piece at a time where it can; returns the wall time and all processor time, in seconds.
pub(crate) fn run_on(
    backend: &BackendEntry,
    workers: usize,
    work: Arc<dyn Work>,
    sink: Arc<dyn Sink>,
) -> Result<[f64; 2]> {
    let schedule = backend.schedules.contains(&Schedule::DYNAMIC).then_some(Schedule::DYNAMIC);
    let mut session = backend.open(&SessionOptions { workers, schedule, timed: true, ..SessionOptions::default() })?;
    let (report, spent) = measure(|| session.run(work, sink, &Stop::new()));
    // What other processes have used is known of them alone.
    let elsewhere: f64 = report?.workers.iter().map(|worker| worker.processor.as_secs_f64()).sum();
    Ok([spent.wall.as_secs_f64(), spent.processor.as_secs_f64() + elsewhere])
}

/// Receives the results of pieces of equal length, in any order.
pub(crate) struct Gathered(Mutex<Vec<u8>>);

impl Gathered {
    pub(crate) fn new(work: &dyn Work) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![0; work.len() * work.piece_len(0)])))
    }

    /// All results, in order.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no sink panics").clone()
    }
}

impl Sink for Gathered {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let start = done.range.start * done.work.piece_len(0);
        self.0.lock().expect("no sink panics")[start..][..done.bytes.len()].copy_from_slice(done.bytes);
        Ok(())
    }
}

/// Computes one piece of a work that prepares nothing.
pub(crate) fn one_piece(work: &dyn Work, index: usize) -> Result<Vec<u8>> {
    let (mut bytes, mut costs, mut counts) = (vec![0; work.piece_len(index)], [0], Vec::new());
    let mut claim = Claim::new(index..index + 1, &mut bytes, &mut costs, &mut counts);
    work.compute(&Prepared::default(), &mut claim, &Stop::new())?;
    Ok(bytes)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Nanoseconds for each of `count` operations.
pub(crate) fn nanoseconds(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// Prints the end of a lesson: what to notice.
pub(crate) fn notice(text: &str) {
    println!("\n{}", wrapped(&format!("Notice: {text}")));
}

/// `text` in lines of at most [`COLUMNS`] characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

/// The numbers that the talks test.
pub(crate) const NUMBERS: [u64; 10] = [
    1_297_337,
    1_116_281,
    104_395_303,
    472_882_027,
    533_000_389,
    817_504_243,
    982_451_653,
    112_272_535_095_293,
    115_280_095_190_773,
    1_099_726_899_285_419,
];

/// Whether `n` has no divisor, found as the talks find it: by trying odd numbers. `tick` is called now and then.
pub(crate) fn is_prime(n: u64, mut tick: impl FnMut()) -> bool {
    /// Some 50 µs of divisions.
    const BLOCK: u64 = 20_000;
    let (root, mut from) = (n.isqrt(), 3);
    while from <= root {
        let to = root.min(from + 2 * BLOCK - 1);
        if (from..=to).step_by(2).any(|divisor| n.is_multiple_of(divisor)) {
            return false;
        }
        tick();
        from += 2 * BLOCK;
    }
    n == 2 || n > 2 && n % 2 == 1
}

/// From now on Ctrl-C sets what is in `current`, instead of ending the program.
pub(crate) fn stop_at_interrupt(current: Arc<Mutex<Stop>>) {
    let mut signals = Signals::new([SIGINT]).expect("SIGINT can be handled");
    std::thread::spawn(move || signals.forever().for_each(|_| current.lock().expect("nobody panics").set()));
}

/// How many processors this process may use.
pub(crate) fn cores_allowed() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keeps the calling thread to the first `count` processors that it may use, where the system has a way to say so.
pub(crate) fn keep_to_cores(count: usize) {
    #[cfg(target_os = "linux")]
    if let Ok(allowed) = rustix::thread::sched_getaffinity(None) {
        let mut kept = rustix::thread::CpuSet::new();
        let all = (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        all.take(count).for_each(|core| kept.set(core));
        // If it is refused, the lesson shows that.
        let _ = rustix::thread::sched_setaffinity(None, &kept);
    }
    let _ = count;
}

/// A number of at least 1, as an argument.
pub(crate) fn positive(text: &str) -> std::result::Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&number| (1..=4096).contains(&number))
        .ok_or("allowed are whole numbers from 1 to 4096".into())
}

/// A time in seconds, as an argument.
pub(crate) fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=1e6).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("allowed are seconds from 0.001 to 1000000".into())
}

/// A folder that goes away with the value, and the CRC-32 of one of its files.
pub(crate) struct Tree(pub(crate) PathBuf, pub(crate) u32);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder of so many folders with 25 files each.
pub(crate) fn made_tree(folders: usize) -> Result<Tree> {
    let root = std::env::temp_dir().join(format!("lessons-tree-{}", std::process::id()));
    let text = |folder: usize, file: usize| format!("file {file} of folder {folder}\n").repeat(400);
    let tree = Tree(root, crc32fast::hash(text(folders / 2, 7).as_bytes()));
    for folder in 0..folders {
        let path = tree.0.join(format!("{}/{folder}", folder % 3));
        let written = std::fs::create_dir_all(&path).and_then(|()| {
            (0..25).try_for_each(|file| std::fs::write(path.join(format!("{file}.txt")), text(folder, file)))
        });
        written.map_err(|error| fractal::Error::io("write", &path, error))?;
    }
    Ok(tree)
}
