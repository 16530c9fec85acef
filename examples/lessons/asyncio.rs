//! Answers `async/asyncio_tasks.py`: gather, timeout and cancel; and what a blocked loop looks like (`--block`).

use super::support::{is_prime, notice};
use fractal::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

/// What this lesson can be asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Waits as `time.sleep` does, which stops everything
    #[arg(long)]
    block: bool,
}

/// A wait of the talk's tasks. "See what happens!" says the original where it blocks.
async fn wait(block: bool, time: Duration) {
    if block { std::thread::sleep(time) } else { sleep(time).await }
}

async fn squares(block: bool, time: Duration) -> Vec<u64> {
    let mut found = Vec::new();
    for n in 10..20 {
        found.push(n * n);
        wait(block, time).await;
    }
    found
}

async fn primes(block: bool, time: Duration) -> Vec<u64> {
    let mut found = Vec::new();
    for n in 10..20 {
        found.extend(Some(n).filter(|&n| is_prime(n, || ())));
        wait(block, time).await;
    }
    found
}

/// Ticks every 5 ms until it is asked to end; returns how often it did, and its longest pause.
async fn ticker(end: Arc<AtomicBool>) -> (u32, Duration) {
    let (mut ticks, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    while !end.load(Relaxed) {
        sleep(Duration::from_millis(5)).await;
        (ticks, longest, last) = (ticks + 1, longest.max(last.elapsed()), Instant::now());
    }
    (ticks, longest)
}

/// What a task holds is let go however the task ends.
struct Connection;

impl Drop for Connection {
    fn drop(&mut self) {
        println!("cancel:  the task's connection is closed");
    }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    let time = Duration::from_millis(if quick { 10 } else { 50 });
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| fractal::Error::io("start", "a runtime", error))?;
    runtime.block_on(async {
        let (end, began) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let ticks = tokio::spawn(ticker(end.clone()));
        // Python's `gather`: both run side by side, and both results are waited for.
        let both = [tokio::spawn(squares(options.block, time)), tokio::spawn(primes(options.block, time))];
        for (name, task) in ["squares", "primes "].iter().zip(both) {
            println!("gather:  {name} {:?}", task.await.expect("a task does not panic"));
        }
        let took = began.elapsed().as_secs_f64() * 1e3;
        end.store(true, Relaxed);
        let (ticks, longest) = ticks.await.expect("a ticker does not panic");
        println!("         20 waits of {} ms took {took:.0} ms", time.as_millis());
        println!("ticker:  {ticks} ticks; the longest pause between two was {:.0} ms", longest.as_secs_f64() * 1e3);

        let slow = timeout(Duration::from_millis(20), sleep(Duration::from_secs(3600)));
        println!("timeout: {}", if slow.await.is_err() { "an hour was too long" } else { "an hour has passed" });

        let held = Connection;
        let task = tokio::spawn(async move {
            let _held = held;
            sleep(Duration::from_secs(3600)).await;
        });
        tokio::task::yield_now().await;
        task.abort();
        let cancelled = task.await.is_err_and(|error| error.is_cancelled());
        println!("cancel:  whoever awaits it sees that it was cancelled: {cancelled}");
    });
    notice(if options.block {
        "one wait that blocks stops every task of the loop, even those that have nothing to do with it: the ticker's \
        pause shows it. Give such calls to a thread (`spawn_blocking`, Python's `run_in_executor`)."
    } else {
        "all this is one thread. Tasks take turns where they await, and only there, so twice ten waits take the \
        time of ten. Now run it with `--block`, and watch the ticker."
    });
    Ok(())
}
