//! Answers `gil/prime_thread.py` and `prime_process.py`: why Python's threads compute no faster, and wait faster all the same.

use super::support::fair_lock::FairLock;
use super::support::{NUMBERS, is_prime, notice, run_on, say_cores};
use fractal::backend::{WorkKind, find};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Stop, Work};
use fractal::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long Python lets a thread compute while others ask for the lock.
const SWITCH: Duration = Duration::from_millis(5);

/// The global interpreter lock, which is fair: whoever asks first is first.
#[derive(Default)]
struct Gil(FairLock);

impl Gil {
    /// Computes with the lock, which others get every 5 ms.
    fn is_prime(&self, number: u64) -> bool {
        self.0.take();
        let mut since = Instant::now();
        let answer = is_prime(number, || {
            if since.elapsed() >= SWITCH {
                self.0.release();
                self.0.take();
                since = Instant::now();
            }
        });
        self.0.release();
        answer
    }

    /// Waits for a network or a disk, as Python does: without the lock.
    fn wait(&self) -> bool {
        self.0.take();
        self.0.release();
        std::thread::sleep(SWITCH);
        true
    }
}

/// So many pieces; piece i answers for number i modulo 10.
struct Pieces(usize, fn(&Gil, u64) -> bool, Gil);

impl Work for Pieces {
    fn len(&self) -> usize {
        self.0
    }

    fn piece_len(&self, _: usize) -> usize {
        1
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        for (index, out) in claim.range().zip(claim.bytes()) {
            *out = (self.1)(&self.2, NUMBERS[index % 10]).into();
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "gil".into(), bytes: vec![(self.0 / 10) as u8] })
    }
}

/// How a worker process makes this work: without a lock, since every Python process has its own.
pub(crate) fn kind() -> WorkKind {
    WorkKind::new("gil", |bytes| match bytes {
        [tens] => Ok(Arc::new(Pieces(10 * usize::from(*tens), |_, number| is_prime(number, || ()), Gil::default()))),
        _ => Err(Error::Input("a recipe of these pieces is one number".into())),
    })
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let pieces = if quick { 10 } else { 200 };
    say_cores();
    println!("{pieces} numbers are tested for being prime; then as many waits of 5 ms. Seconds:\n");
    println!("{:38}{:>7}{:>11}{:>10}", "", "wall", "processor", "speed-up");
    let free: fn(&Gil, u64) -> bool = |_, number| is_prime(number, || ());
    let rows = [
        ("one thread computes", "serial", free),
        ("two threads compute", "threads", free),
        ("two threads, one lock: this is Python", "threads", Gil::is_prime),
        ("two processes compute", "pipes", free),
        ("one thread waits", "serial", |gil, _| gil.wait()),
        ("two threads wait, without the lock", "threads", |gil, _| gil.wait()),
    ];
    let mut one = 0.0;
    for (what, backend, piece) in rows {
        let work = Arc::new(Pieces(pieces, piece, Gil::default()));
        let [wall, processor] = run_on(find(backend)?, 2, work, Arc::new(Discard))?;
        one = if backend == "serial" { wall } else { one };
        println!("{what:38}{wall:7.2}{processor:11.2}{:10.2}", one / wall);
    }
    notice(
        "with one lock, two threads take as long as one: one of them always waits. Processes have a lock each. \
        And a thread that waits for a network needs no lock, so even Python's threads wait side by side.",
    );
    Ok(())
}
