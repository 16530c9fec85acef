//! Answers greenlet's first example: two functions that switch to each other in the middle.

use super::support::notice;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use fractal::Result;
use std::time::Instant;

/// A green thread: resumed with nothing, it pauses with the number of the one to switch to.
type Green = Coroutine<(), usize, ()>;

/// Runs the first until it switches, then the one that it switched to, and so on. One that ends returns to the caller, its parent.
fn start(green: &mut [Green]) -> u64 {
    let (mut current, mut switches) = (0, 0);
    while let CoroutineResult::Yield(next) = green[current].resume(()) {
        (current, switches) = (next, switches + 1);
    }
    switches
}

/// Pauses here and has `other` continue; returns when somebody switches back.
fn switch(yielder: &Yielder<(), usize>, other: usize) {
    yielder.suspend(other);
}

/// Any function can switch, however deep in calls: no `async`, no `yield` in those between.
fn deep(yielder: &Yielder<(), usize>, calls: u32) {
    if calls == 0 { switch(yielder, 0) } else { deep(yielder, calls - 1) }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let first = Green::new(|yielder, ()| {
        println!("first:  12");
        switch(yielder, 1);
        println!("first:  34, and it ends");
    });
    let second = Green::new(|yielder, ()| {
        println!("second: 56");
        deep(yielder, 10);
        println!("second: 78");
    });
    let mut green = [first, second];
    start(&mut green);
    println!("parent: the second has {}", if green[1].done() { "ended" } else { "not ended: nobody switched back" });
    // Dropping it unwinds its stack, so that what it holds is freed.
    drop(green);

    let times = if quick { 10_000 } else { 10_000_000 };
    let player = |other: usize| Green::new(move |yielder, ()| (0..times).for_each(|_| switch(yielder, other)));
    let (began, mut players) = (Instant::now(), [player(1), player(0)]);
    let switches = start(&mut players);
    let nanoseconds = began.elapsed().as_nanos() as f64 / switches as f64;
    println!("\n{switches} switches between two of them: {nanoseconds:.1} ns each");
    notice(
        "a switch saves a few registers and changes the stack, without asking the system: that is why one can have \
        many thousands. 78 is never printed, as in the original: who is not switched to does not run.",
    );
    Ok(())
}
