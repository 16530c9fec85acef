//! The protocols by which threads wait for each other, explored by loom in every order in which their steps can be observed under the
//! language's memory model. The code is the library's own; only the atomics, locks and condition variables are loom's.
//!
//! The queues of `deque` are crossbeam's; here they are lists behind a lock, so that the backend's use of them is checked.
//! Generators run on one thread.

mod sync {
    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
    pub(super) use loom::sync::{Condvar, Mutex};
    pub(super) use loom::thread::yield_now;
}

#[path = "../examples/lessons/locks/buffer.rs"]
mod buffer;
#[expect(dead_code, reason = "no model cancels a region or resets a barrier")]
#[path = "../src/parallel/event_count.rs"]
mod event_count;
#[path = "../src/parallel/exclusion.rs"]
mod exclusion;

/// Queues as crossbeam's are seen from outside: a thief who meets somebody has to come again.
mod crossbeam {
    use loom::sync::{Arc, Mutex};
    use std::collections::VecDeque;
    use std::sync::TryLockError;

    pub(super) struct Queue<T>(pub(super) Arc<Mutex<VecDeque<T>>>);
    pub(super) struct Stealer<T>(Arc<Mutex<VecDeque<T>>>);

    pub(super) enum Steal<T> {
        Empty,
        Success(T),
        Retry,
    }

    impl<T> Queue<T> {
        pub(super) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.clone())
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.0.lock().unwrap().pop_front()
        }
    }

    impl<T> Stealer<T> {
        pub(super) fn steal(&self) -> Steal<T> {
            match self.0.try_lock() {
                Ok(mut queue) => queue.pop_front().map_or(Steal::Empty, Steal::Success),
                Err(TryLockError::WouldBlock) => {
                    loom::thread::yield_now();
                    Steal::Retry
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[path = "../src/backend/deque/queues.rs"]
mod queues;

use event_count::{Barrier, EventCount, Impassable, Party, SpinThenPark};
use exclusion::Exclusion;
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;
use sync::{AtomicUsize, Ordering};

/// With a look before sleep, and without.
const PATIENCES: [SpinThenPark; 2] = [SpinThenPark::NONE, SpinThenPark { spins: 0, yields: 1 }];

/// Two members in their first region.
const PAIR: Party = Party { size: 2, left_before: 0 };

/// Checks `model` in every order, for each spin. Threads are interrupted at most three times where they could go on, which finds
/// nearly all faults of such protocols, and ends.
fn check(model: impl Fn(SpinThenPark) + Send + Sync + Copy + 'static) {
    for spin in PATIENCES {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || model(spin));
    }
}

/// A value that threads write and read without synchronisation of its own; loom tells when two meet at it.
struct Plain(UnsafeCell<usize>);

#[allow(unsafe_code)]
// SAFETY: loom fails the model when an access is not ordered after the one before it.
unsafe impl Sync for Plain {}

#[allow(unsafe_code)]
impl Plain {
    fn set(&self, value: usize) {
        // SAFETY: loom checks that nobody else is at the value.
        self.0.with_mut(|place| unsafe { *place = value });
    }

    fn get(&self) -> usize {
        // SAFETY: loom checks that nobody writes the value meanwhile.
        self.0.with(|place| unsafe { *place })
    }
}

fn plain() -> Plain {
    Plain(UnsafeCell::new(0))
}

#[test]
fn who_waits_at_a_gate_is_let_through() {
    check(|spin| {
        let shared = Arc::new((EventCount::default(), AtomicUsize::new(0), plain()));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            let (event_count, ready, value) = &*other;
            event_count.wait(spin, || ready.load(Ordering::Acquire) == 1);
            assert_eq!(value.get(), 7);
        });
        let (event_count, ready, value) = &*shared;
        value.set(7);
        ready.store(1, Ordering::Release);
        event_count.open();
        thread.join().unwrap();
    });
}

#[test]
fn a_barrier_orders_what_is_before_it_and_after() {
    check(|spin| {
        let shared = Arc::new((Barrier::default(), [plain(), plain()]));
        let member = move |index: usize, (barrier, values): &(Barrier, [Plain; 2])| {
            for round in 1..=2 {
                values[index].set(round);
                barrier.wait(PAIR, 0, spin).unwrap();
                assert_eq!(values[1 - index].get(), round);
                barrier.wait(PAIR, 0, spin).unwrap();
            }
        };
        let other = shared.clone();
        let thread = thread::spawn(move || member(1, &other));
        member(0, &shared);
        thread.join().unwrap();
    });
}

#[test]
fn who_leaves_after_the_last_barrier_is_not_missed() {
    check(|spin| {
        let barrier = Arc::new(Barrier::default());
        let member = move |barrier: &Barrier| {
            assert_eq!(barrier.wait(PAIR, 0, spin), Ok(()));
            barrier.leave(PAIR, &EventCount::default(), &EventCount::default());
        };
        let other = barrier.clone();
        let thread = thread::spawn(move || member(&other));
        member(&barrier);
        thread.join().unwrap();
    });
}

#[test]
fn who_leaves_without_coming_is_missed_and_nobody_hangs() {
    check(|spin| {
        let barrier = Arc::new(Barrier::default());
        let other = barrier.clone();
        let thread = thread::spawn(move || other.leave(PAIR, &EventCount::default(), &EventCount::default()));
        assert_eq!(barrier.wait(PAIR, 0, spin), Err(Impassable::Missing));
        thread.join().unwrap();
    });
}

#[test]
fn a_critical_section_admits_one_at_a_time_and_nobody_hangs() {
    check(|spin| {
        let shared = Arc::new((Exclusion::default(), plain()));
        let enter = move |shared: &(Exclusion, Plain), times: usize| {
            for _ in 0..times {
                let _held = shared.0.enter(spin);
                shared.1.set(shared.1.get() + 1);
            }
        };
        // Three threads, so that one sleeps while another takes its turn; one of them comes again.
        let threads = [1, 1].map(|times| {
            let shared = shared.clone();
            thread::spawn(move || enter(&shared, times))
        });
        enter(&shared, 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.1.get(), 4);
    });
}

#[test]
fn one_member_is_first_each_time_and_all_see_what_it_did() {
    check(|spin| {
        let shared = Arc::new((Barrier::default(), plain()));
        let member = move |(barrier, value): &(Barrier, Plain)| {
            for round in 1..=2 {
                if barrier.is_first() {
                    value.set(value.get() + 1);
                }
                barrier.wait(PAIR, 0, spin).unwrap();
                assert_eq!(value.get(), round);
                barrier.wait(PAIR, 0, spin).unwrap();
            }
        };
        let other = shared.clone();
        let thread = thread::spawn(move || member(&other));
        member(&shared);
        thread.join().unwrap();
    });
}

#[test]
fn a_team_begins_and_ends_its_regions_together() {
    /// What `Team` and its threads share, as far as regions go.
    struct Team {
        epoch: AtomicUsize,
        begin: EventCount,
        end: EventCount,
        barrier: Barrier,
        turns: EventCount,
        body: Plain,
        result: Plain,
    }
    const REGIONS: usize = 2;
    check(|spin| {
        let team = Arc::new(Team {
            epoch: AtomicUsize::new(0),
            begin: EventCount::default(),
            end: EventCount::default(),
            barrier: Barrier::default(),
            turns: EventCount::default(),
            body: plain(),
            result: plain(),
        });
        let worker = team.clone();
        let thread = thread::spawn(move || {
            for region in 0..REGIONS {
                worker.begin.wait(spin, || worker.epoch.load(Ordering::Acquire) == region + 1);
                worker.result.set(worker.body.get() + 1);
                worker.barrier.leave(Party::new(2, region), &worker.turns, &worker.end);
            }
        });
        for region in 0..REGIONS {
            let party = Party::new(2, region);
            team.body.set(10 * region);
            team.epoch.store(region + 1, Ordering::Release);
            team.begin.open();
            team.barrier.leave(party, &team.turns, &team.end);
            team.end.wait(spin, || team.barrier.have_left(party));
            assert_eq!(team.result.get(), 10 * region + 1);
        }
        thread.join().unwrap();
    });
}

#[test]
fn each_claim_of_a_deque_is_taken_once_and_its_workers_end() {
    const CLAIMS: [usize; 2] = [1, 3];
    check(|_| {
        let queues = CLAIMS.map(|claims| crossbeam::Queue(Arc::new(Mutex::new((0..claims).collect()))));
        // Claims as the backend numbers them: each worker's own, in turn.
        queues.iter().enumerate().for_each(|(index, queue)| {
            queue.0.lock().unwrap().iter_mut().for_each(|claim| *claim = *claim * CLAIMS.len() + index);
        });
        let stealers = Arc::new(queues::Stealers(queues.iter().map(crossbeam::Queue::stealer).collect()));
        let taken = Arc::new(CLAIMS.map(|_| plain()));
        let results = Arc::new([0; 6].map(|_| plain()));
        let [first, second] = queues;
        let work = |index: usize, own: crossbeam::Queue<usize>| {
            let (stealers, taken, results) = (stealers.clone(), taken.clone(), results.clone());
            move || {
                while let Some(claim) = stealers.next(&own, index) {
                    results[claim].set(results[claim].get() + 1);
                    taken[index].set(taken[index].get() + 1);
                }
            }
        };
        let thread = thread::spawn(work(1, second));
        work(0, first)();
        thread.join().unwrap();
        assert_eq!(taken[0].get() + taken[1].get(), CLAIMS.iter().sum::<usize>());
        assert_eq!([0, 1, 2, 3, 4, 5].map(|claim| results[claim].get()), [1, 1, 0, 1, 0, 1]);
    });
}

#[test]
fn a_bounded_buffer_delivers_everything_and_nobody_hangs() {
    check(|_| {
        let buffer = Arc::new(buffer::Buffer::new(1));
        // Full from the start: who waits for a place may find that another has taken it.
        buffer.put(3);
        let producer = |item: usize| {
            let buffer = buffer.clone();
            thread::spawn(move || buffer.put(item))
        };
        let producers = [1, 2].map(producer);
        let taken = [(); 3].map(|()| buffer.take());
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert_eq!((taken[0], taken.iter().sum::<usize>()), (3, 6));
    });
}
