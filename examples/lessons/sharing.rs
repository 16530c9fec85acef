//! Answers "my threads share nothing, and are slow": false sharing, where two counters lie on one cache line.

use super::support::{nanoseconds, notice, say_cores};
use crossbeam_utils::CachePadded;
use fractal::Result;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Two counters, side by side in memory and on one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Together([AtomicU64; 2]);

/// Two counters, each with a cache line of its own.
#[derive(Default)]
struct Apart([CachePadded<AtomicU64>; 2]);

/// Each thread counts on its own counter; returns how long both take.
fn count(counters: [&AtomicU64; 2], times: u64) -> Duration {
    let began = Instant::now();
    thread::scope(|scope| {
        for counter in counters {
            scope.spawn(move || {
                (0..times).for_each(|_| {
                    counter.fetch_add(1, Relaxed);
                });
            });
        }
    });
    began.elapsed()
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let times = if quick { 1_000_000 } else { 50_000_000 };
    let (together, apart) = (Together::default(), Apart::default());
    let distance =
        |[one, other]: [&AtomicU64; 2]| std::ptr::from_ref(other) as usize - std::ptr::from_ref(one) as usize;
    say_cores();
    println!("Two threads count to {times}, each on a counter of its own\n");
    println!("{:24}{:>16}{:>19}{:>14}", "", "bytes apart", "ns an addition", "total");
    let rows =
        [("on one cache line", together.0.each_ref()), ("on a line each", apart.0.each_ref().map(|padded| &**padded))];
    let times_taken = rows.map(|(what, counters)| {
        // The best of three: other programs disturb.
        let took = (0..3).map(|_| count(counters, times)).min().expect("three runs");
        let total: u64 = counters.iter().map(|counter| counter.load(Relaxed)).sum();
        println!("{what:24}{:16}{:19.2}{total:14}", distance(counters), nanoseconds(took, times));
        took.as_secs_f64()
    });
    println!("\nThe first takes {:.1} times as long.", times_taken[0] / times_taken[1]);
    notice(
        "cores exchange memory in lines of 64 bytes. A counter that nobody else uses is slow all the same if its \
        line has something that another core writes. Nothing in the program's text shows it: only a measurement does.",
    );
    Ok(())
}
