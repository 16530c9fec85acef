//! Answers `multiprocessing.Value` and its lock: what a lost update is, what the compiler refuses, three cures and what they cost.

use super::support::{nanoseconds, notice};
use fractal::Result;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Runs `body` on two threads at once; returns how long they took.
fn two(body: impl Fn() + Sync) -> Duration {
    let (start, both) = (Instant::now(), Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                both.wait();
                body();
            });
        }
    });
    start.elapsed()
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let times = if quick { 100_000 } else { 5_000_000 };

    // Slowly, so that one can follow it: both threads read the same number, and both write one more.
    let (counter, barrier) = (AtomicU64::new(0), Barrier::new(2));
    two(|| {
        for _ in 0..100 {
            let seen = counter.load(Relaxed);
            barrier.wait();
            counter.store(seen + 1, Relaxed);
            barrier.wait();
        }
    });
    println!("In step: two threads add 1 a hundred times each:  {} instead of 200\n", counter.into_inner());

    println!("At full speed, {times} times each:");
    let counter = AtomicU64::new(0);
    let took = two(|| {
        for _ in 0..times {
            counter.store(counter.load(Relaxed) + 1, Relaxed);
        }
    });
    let report = |what, took, sum| {
        let lost = 2 * times - sum;
        println!("  {what:34}{lost:9} lost{:7.1} ns each", nanoseconds(took, 2 * times));
    };
    report("load, add 1, store", took, counter.into_inner());

    // Cure 1: one operation that nothing can come between.
    let counter = AtomicU64::new(0);
    let took = two(|| {
        (0..times).for_each(|_| {
            counter.fetch_add(1, Relaxed);
        });
    });
    report("an atomic addition", took, counter.into_inner());

    // Cure 2: a lock.
    let counter = Mutex::new(0);
    let took = two(|| (0..times).for_each(|_| *counter.lock().expect("no thread panics") += 1));
    report("a lock around each addition", took, counter.into_inner().expect("no thread panics"));

    // Cure 3: share nothing; add up what each has counted when both are done.
    let counter = AtomicU64::new(0);
    let took = two(|| {
        let own = (0..times).fold(0, |sum, _| std::hint::black_box(sum + 1));
        counter.fetch_add(own, Relaxed);
    });
    report("a sum for each, added at the end", took, counter.into_inner());

    println!(
        "\nThe compiler refuses what has no atomics and no lock:\n\n{}",
        include_str!("support/refused.rs").trim()
    );
    println!("\n  error[E0499]: cannot borrow `counter` as mutable more than once at a time");
    notice(
        "an update is lost when another comes between its read and its write. Atomics and locks cure it, and cost \
        something each time; the cheapest cure is to share nothing until the end, which is what a reduction does.",
    );
    Ok(())
}
