//! Whether a worker is making progress, and whether it still should.

use super::message::Beat;
use super::outbox::Out;
use crate::parallel::{Stop, lock};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a worker reports progress.
const PULSE: Duration = Duration::from_millis(250);

/// How often it does so at most while it prepares for pieces, where progress cannot be observed: for five minutes. Making a work
/// from its recipe takes a moment, and checking its prepared parts takes a second for a few gigabytes.
const READYING: u64 = 1200;

/// Reports from time to time how far the worker is, if it has made progress since.
pub(super) fn send_beats(over: &Over, out: &Out) {
    let (mut seen, mut readying, mut progress) = (0, 0, 0);
    loop {
        std::thread::sleep(PULSE);
        let checks = over.checks.load(Ordering::Relaxed);
        let checked = checks != std::mem::replace(&mut seen, checks);
        let busy = over.busy.load(Ordering::Relaxed);
        readying = if checked || !busy { 0 } else { readying + 1 };
        let ready = over.computing.load(Ordering::Relaxed);
        if busy && (checked || !ready && readying <= READYING) {
            progress += 1;
            out.send(Beat { progress }, &[]);
        }
    }
}

/// Which run the worker computes for, and whether it still should.
#[derive(Default)]
pub(super) struct Over {
    current: Mutex<Current>,
    /// How often pieces have checked their `Stop`.
    checks: Arc<AtomicU64>,
    /// Whether a message is being handled.
    pub(super) busy: AtomicBool,
    /// Whether a piece is being computed.
    pub(super) computing: AtomicBool,
}

#[derive(Default)]
struct Current {
    run: u64,
    stop: Stop,
    /// All runs up to this one are over.
    over: u64,
}

impl Over {
    pub(super) fn begin(&self, run: u64) -> Stop {
        let mut current = lock(&self.current);
        (current.run, current.stop) = (run, Stop::counted(self.checks.clone()));
        if current.over >= run {
            current.stop.set();
        }
        current.stop.clone()
    }

    pub(super) fn stop(&self, run: u64) {
        let mut current = lock(&self.current);
        current.over = current.over.max(run);
        if current.run <= run {
            current.stop.set();
        }
    }
}
