//! The claim protocol under loom: all interleavings of two workers and their session, with one worker killed before each of its
//! steps.
//!
//! A worker may be killed between its steps: claiming, computing, publishing. The session waits for its end, delivers what it
//! published, releases what it claimed, and starts another in its place, while the second worker continues.

use super::claims::{Cell, Owner, State, Table, Unit};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

const UNITS: usize = 2;
const SLOTS: usize = 2;

impl Cell for AtomicU64 {
    fn load(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
    fn store(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    fn raise(&self, value: u64) {
        self.fetch_max(value, Ordering::Relaxed);
    }
}

/// The protocol, and two that lose work.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Sound,
    /// A counter assigns the units; a unit's word only follows.
    Tickets,
    /// Workers mark units done and count them.
    CountedByWorkers,
}

/// A ring that never wraps: results by position, and their count.
struct Ring {
    head: AtomicU64,
    records: [UnsafeCell<usize>; UNITS],
}

struct Shared {
    words: [AtomicU64; UNITS],
    hint: AtomicU64,
    rings: [Ring; SLOTS],
    done: AtomicU64,
    protocol: Protocol,
}

impl Shared {
    fn new(protocol: Protocol) -> Self {
        let ring = || Ring { head: AtomicU64::new(0), records: [0; UNITS].map(UnsafeCell::new) };
        Self {
            words: [0; UNITS].map(AtomicU64::new),
            hint: AtomicU64::new(0),
            rings: [ring(), ring()],
            done: AtomicU64::new(0),
            protocol,
        }
    }

    fn table(&self) -> Table<'_, AtomicU64> {
        Table { words: &self.words, hint: &self.hint }
    }

    fn claim(&self, slot: usize, mut alive: impl FnMut() -> bool) -> Option<usize> {
        if self.protocol != Protocol::Tickets {
            return self.table().claim(slot).map(|(unit, _)| unit.0);
        }
        let unit = self.hint.fetch_add(1, Ordering::Relaxed) as usize;
        let claimed = State { owner: Owner::Slot(slot), careful: false, progress: 0 };
        (alive() && unit < UNITS).then(|| Cell::store(&self.words[unit], claimed.pack())).map(|()| unit)
    }

    /// Runs a worker until it is killed before step number `death`.
    fn work(&self, slot: usize, death: usize) {
        let mut step = 0;
        let mut alive = || {
            step += 1;
            step <= death
        };
        while alive() {
            let Some(unit) = self.claim(slot, &mut alive) else { return };
            if !alive() {
                return;
            }
            let ring = &self.rings[slot];
            let position = ring.head.load(Ordering::Relaxed);
            // SAFETY: loom checks that access is exclusive; that is what is tested here.
            #[allow(unsafe_code)]
            ring.records[position as usize].with_mut(|record| unsafe { *record = unit + 1 });
            if !alive() {
                return;
            }
            ring.head.store(position + 1, Ordering::Release);
            if self.protocol == Protocol::CountedByWorkers {
                if !alive() {
                    return;
                }
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The session delivers what a slot has published beyond `read`.
    fn drain(&self, slot: usize, read: &mut u64, delivered: &mut [u32; UNITS]) {
        let head = self.rings[slot].head.load(Ordering::Acquire);
        while *read < head {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            let record = self.rings[slot].records[*read as usize].with(|record| unsafe { *record });
            delivered[record - 1] += 1;
            assert!(self.table().advance(Unit(record - 1), 1, 1));
            *read += 1;
        }
    }
}

/// The most steps of a worker, including the search that ends it.
const STEPS: usize = 4 * UNITS + 2;

fn check(protocol: Protocol, death: usize) {
    let mut builder = loom::model::Builder::new();
    // A third preemption takes a minute and found nothing more in the protocols that lose work.
    builder.preemption_bound = Some(if std::env::var_os("FRACTAL_LONG").is_some() { 3 } else { 2 });
    builder.check(move || {
        let shared = Arc::new(Shared::new(protocol));
        let start = |slot, death| {
            let shared = shared.clone();
            thread::spawn(move || shared.work(slot, death))
        };
        let (mortal, other) = (start(0, death), start(1, usize::MAX));
        let (mut read, mut delivered) = ([0; SLOTS], [0; UNITS]);
        mortal.join().unwrap();
        shared.drain(0, &mut read[0], &mut delivered);
        shared.drain(1, &mut read[1], &mut delivered);
        assert!(shared.table().hand_back(0, |_| (0, false), |_, _| false).is_empty());
        let heir = start(0, usize::MAX);
        heir.join().unwrap();
        other.join().unwrap();
        (0..SLOTS).for_each(|slot| shared.drain(slot, &mut read[slot], &mut delivered));
        assert_eq!(delivered, [1; UNITS], "every unit is delivered once");
        assert!((0..UNITS).all(|unit| shared.table().state(Unit(unit)).owner == Owner::Done));
        if protocol == Protocol::CountedByWorkers {
            assert_eq!(shared.done.load(Ordering::Relaxed), UNITS as u64, "the session waits forever");
        }
    });
}

#[test]
fn nothing_is_lost_whenever_a_worker_is_killed() {
    (0..=STEPS).for_each(|death| check(Protocol::Sound, death));
}

#[test]
fn planted_faults_are_found() {
    for protocol in [Protocol::Tickets, Protocol::CountedByWorkers] {
        assert!((0..=STEPS).any(|death| std::panic::catch_unwind(|| check(protocol, death)).is_err()));
        // Without a death they work, which is why they look right.
        check(protocol, usize::MAX);
    }
}
