//! Answers `gil/prime_thread.py` and `prime_process.py`: why Python's threads compute no faster, and wait faster all the same.

use super::support::{NUMBERS, is_prime, measure, notice, say_cores};
use fractal::backend::{SessionOptions, WorkKind, find};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Schedule, Stop, Work};
use fractal::{Error, Result};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long Python lets a thread compute while others ask for the lock.
const SWITCH: Duration = Duration::from_millis(5);

/// The global interpreter lock: the next ticket, and the one whose turn it is. Whoever asks first is first.
#[derive(Default)]
struct Gil(Mutex<(u64, u64)>, Condvar);

impl Gil {
    fn take(&self) {
        let mut tickets = self.0.lock().expect("no holder panics");
        let mine = tickets.0;
        tickets.0 += 1;
        drop(self.1.wait_while(tickets, |tickets| tickets.1 != mine).expect("no holder panics"));
    }

    fn release(&self) {
        self.0.lock().expect("no holder panics").1 += 1;
        self.1.notify_all();
    }

    /// Computes with the lock, which others get every 5 ms.
    fn is_prime(&self, number: u64) -> bool {
        self.take();
        let mut since = Instant::now();
        let answer = is_prime(number, || {
            if since.elapsed() >= SWITCH {
                self.release();
                self.take();
                since = Instant::now();
            }
        });
        self.release();
        answer
    }

    /// Waits for a network or a disk, as Python does: without the lock.
    fn wait(&self) -> bool {
        self.take();
        self.release();
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
    let pieces = if quick { 10 } else { 1000 };
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
        let schedule = Some(if backend == "serial" { Schedule::AUTO } else { Schedule::DYNAMIC });
        let options = SessionOptions { workers: 2, timed: true, schedule, ..SessionOptions::default() };
        let mut session = find(backend)?.open(&options)?;
        let work = Arc::new(Pieces(pieces, piece, Gil::default()));
        let (report, spent) = measure(|| session.run(work, Arc::new(Discard), &Stop::new()));
        let workers: f64 = report?.workers.iter().map(|worker| worker.processor.as_secs_f64()).sum();
        let (wall, processor) = (spent.wall.as_secs_f64(), spent.processor.as_secs_f64() + workers);
        if backend == "serial" {
            one = wall;
        }
        println!("{what:38}{wall:7.2}{processor:11.2}{:10.2}", one / wall);
    }
    notice(
        "with one lock, two threads take as long as one: one of them always waits. Processes have a lock each. \
        And a thread that waits for a network needs no lock, so even Python's threads wait side by side.",
    );
    Ok(())
}
