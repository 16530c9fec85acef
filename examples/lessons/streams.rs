//! Answers "do not cross the streams": two kinds of concurrency in one program, four harms that come of it, and their cures.

use super::support::notice;
use super::support::python::{FORK, python};
use fractal::Result;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// A loop on this thread, with one thread beside it for what blocks.
fn event_loop() -> Result<Runtime> {
    let built = Builder::new_current_thread().enable_time().max_blocking_threads(1).build();
    built.map_err(|error| fractal::Error::io("start", "a runtime", error))
}

/// How long a task of this loop has to wait for its 1 ms while `body` is another, in ms.
fn pause(runtime: &Runtime, body: impl Future<Output = ()>) -> u128 {
    runtime.block_on(async {
        let other = tokio::spawn(async {
            let began = Instant::now();
            sleep(Duration::from_millis(1)).await;
            began.elapsed().as_millis()
        });
        // The other task begins first.
        tokio::task::yield_now().await;
        body.await;
        other.await.expect("a wait does not panic")
    })
}

/// A task holds a lock, perhaps while it awaits, and another wants it. Returns whether that one would wait for ever.
fn lock_across_await(runtime: &Runtime, across: bool) -> bool {
    let lock = Mutex::new(0);
    let holder = async {
        let mut held = Some(lock.lock().expect("no task panics"));
        if !across {
            held = None;
        }
        tokio::task::yield_now().await;
        drop(held);
    };
    // `lock()` would block the thread, on which the holder would have to continue. So this tries for a while.
    let other = async {
        let began = Instant::now();
        while lock.try_lock().is_err() && began.elapsed() < Duration::from_millis(50) {}
        lock.try_lock().is_err()
    };
    runtime.block_on(futures_util::future::join(holder, other)).1
}

/// Two workers compute for a tenth of a second, and the caller waits for the results of both: what the `map` of any pool does.
fn pool_map() -> [Duration; 2] {
    let began = Instant::now();
    let compute = || {
        while began.elapsed() < Duration::from_millis(100) {}
        began.elapsed()
    };
    let wait = |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().expect("it does not panic");
    std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(compute)).map(wait))
}

/// Runs the lesson.
pub(crate) fn run() -> Result<()> {
    // The panic of the third harm is shown as an outcome.
    std::panic::set_hook(Box::new(|_| ()));
    let runtime = event_loop()?;
    let blocking = || std::thread::sleep(Duration::from_millis(100));
    println!("1. A call that blocks, in an event loop");
    println!("   harm: others wait {} ms for their 1 ms", pause(&runtime, async move { blocking() }));
    let cure = async move { tokio::task::spawn_blocking(blocking).await.expect("it does not panic") };
    println!("   cure: in a thread beside the loop (spawn_blocking), they wait {} ms", pause(&runtime, cure));

    println!("\n2. A lock of threads, held where a task awaits");
    println!("   harm: who wants it would wait for ever: {}", lock_across_await(&runtime, true));
    println!("   cure: it is released before the await; waits for ever: {}", lock_across_await(&runtime, false));

    println!("\n3. A pool inside a runtime");
    println!("   harm: a task calls the pool's map; others wait {} ms", pause(&runtime, async { _ = pool_map() }));
    let (sender, answer) = tokio::sync::oneshot::channel();
    let cure = async {
        std::thread::spawn(move || sender.send(pool_map()));
        _ = answer.await.expect("the pool answers");
    };
    println!("   cure: the pool answers by a channel that the task awaits; they wait {} ms", pause(&runtime, cure));
    let nested = runtime.block_on(async { catch_unwind(|| event_loop().map(|inner| inner.block_on(async {}))) });
    println!("   and a runtime inside a runtime is refused: {}", nested.is_err());

    println!("\n4. A fork beside threads: the child has only the one that forked (Python)");
    println!("   harm: a child that takes a lock of the other thread {}", python(FORK, "late"));
    println!("   cure: it is forked before there are threads, and {}", python(FORK, "early"));
    notice(
        "each of these works in small and stops in large, often without an error. Choose one model for a program; \
        where two must meet, one of them gets a thread of its own, and messages go between. Fork before threads start.",
    );
    Ok(())
}
