//! A pool of threads: each takes the next target, waits for its answer, delivers it, and takes another.
//!
//! The Python equivalent is `ThreadPoolExecutor.map`, or threads around a `Queue`. Choose it for up to some hundred connections at
//! once: nothing is simpler, and a call that blocks blocks only its own thread. The pool's size is the limit: with 100 threads, a
//! thousand answers that take 50 ms each take ten rounds, half a second.
//!
//! A thread blocks in a system call, so it costs its stack: about 10 KB of resident memory, and 16 KB in the kernel.

use super::blocking::{Sockets, fetch};
use super::queue::Queue;
use super::{Frontier, Limits, WaitingEntry, refused};
use crate::error::Result;
use crate::parallel::Stop;
use std::sync::Arc;
use std::thread;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "pool",
    help: "a fixed number of threads, each of which waits for one answer at a time",
    counterpart: "concurrent.futures.ThreadPoolExecutor, threading with a Queue",
    choose: "for up to some hundred connections at once: the simplest that is fast, and any call may block",
    avoid: "where many more answers are awaited at once than there are threads",
    connections: 100,
    in_processes: false,
    source: include_str!("pool.rs"),
    run,
};

/// Enough for a conversation, encrypted too. Only touched pages take memory, but address space has its limits as well.
pub(super) const STACK_BYTES: usize = 256 << 10;

/// Starts a thread that nobody joins.
pub(super) fn start(run: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = thread::Builder::new().name("fractal-waits".into()).stack_size(STACK_BYTES).spawn(run);
    started.map(drop).map_err(|error| refused("a thread", &error))
}

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let queue = Queue::new(frontier);
    for _ in 0..limits.connections {
        let (member, limits) = (queue.member(), limits.clone());
        let started = start(move || member.answer(|target| fetch(target, &limits, &Sockets(limits.resolve))));
        started.inspect_err(|_| queue.close())?;
    }
    queue.wait(0, stop)
}
