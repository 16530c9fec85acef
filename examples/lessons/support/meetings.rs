//! Threads that meet, for `locks`: each meeting has two sides, and does not know what holds them together.

use super::nanoseconds;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// One thread puts the numbers from 1 to `count`, another takes them. Returns the nanoseconds for each.
pub(crate) fn transfer(name: &str, count: u64, put: impl Fn(u64) + Send, take: impl Fn() -> Option<u64>) -> f64 {
    let began = Instant::now();
    let sum: u64 = thread::scope(|scope| {
        scope.spawn(move || (1..=count).for_each(put));
        (0..count).map_while(|_| take()).sum()
    });
    println!("{:10} {count} numbers through 4 places, sum {sum}", format!("{name}:"));
    nanoseconds(began.elapsed(), count)
}

/// Six threads enter where there is room for two.
pub(crate) fn enter(name: &str, acquire: impl Fn() + Sync, release: impl Fn() + Sync) {
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                acquire();
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::sleep(Duration::from_millis(2));
                inside.fetch_sub(1, SeqCst);
                release();
            });
        }
    });
    println!("{:10} 6 threads, 2 places; never more than 2 inside: {}", format!("{name}:"), most.into_inner() <= 2);
}

/// Three threads wait for what happens once.
pub(crate) fn wake(name: &str, wait: impl Fn() -> bool + Sync, set: impl FnOnce()) {
    let woken = thread::scope(|scope| {
        let waiting = [(); 3].map(|()| scope.spawn(&wait));
        set();
        waiting.into_iter().filter_map(|thread| thread.join().ok()).filter(|woken| *woken).count()
    });
    println!("{:10} set once, {woken} of 3 threads wake", format!("{name}:"));
}

/// Two timers, of which one is cancelled.
pub(crate) fn ring<T>(name: &str, start: impl Fn(Duration, Box<dyn FnOnce() + Send>) -> T, cancel: impl FnOnce(&T)) {
    let (rings, heard) = channel();
    let timer = |after, text| {
        let rings = rings.clone();
        start(after, Box::new(move || _ = rings.send(text)))
    };
    let cancelled = timer(Duration::from_secs(3600), "after an hour");
    let _kept = timer(Duration::from_millis(20), "after 20 ms");
    cancel(&cancelled);
    println!("{:10} one is cancelled, one rings {}", format!("{name}:"), heard.recv().expect("one rings"));
}
