//! An executor and its futures: each target is submitted to a pool of threads and yields a future, and the caller delivers the answers
//! as the futures complete.
//!
//! The Python equivalent is `concurrent.futures`: `submit`, then `as_completed`. Choose it where the caller has something to do with
//! each answer and wants to do it in one place, or where single answers can be given up: a future that is dropped before its turn is
//! never fetched. It waits as `pool` does, with the same threads, and costs the same.
//!
//! Futures of such a pool are not what asynchronous code awaits: each still blocks a thread. That difference is `tokio`.

use super::blocking::{Sockets, fetch};
use super::feed::{Feed, Step, TICK};
use super::{Frontier, Limits, WaitingEntry, pool, refused};
use crate::error::Result;
use crate::parallel::Stop;
use futures_channel::mpsc;
use futures_executor::{ThreadPoolBuilder, block_on};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::SpawnExt;
use std::sync::Arc;
use std::thread;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "futures",
    help: "targets are submitted to a pool of threads, and answers are collected as their futures complete",
    counterpart: "concurrent.futures: submit, as_completed",
    choose: "where one place submits targets and uses the answers, or gives some of them up",
    avoid: "where many more answers are awaited at once than there are threads",
    connections: 100,
    in_processes: false,
    source: include_str!("futures.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let mut builder = ThreadPoolBuilder::new();
    let builder = builder.pool_size(limits.connections).stack_size(pool::STACK_BYTES).name_prefix("fractal-waits");
    let executor = builder.create().map_err(|error| refused("a pool of threads", &error))?;
    let mut feed = Feed::new(frontier, limits, stop);
    let mut ticks = ticks()?;
    block_on(async {
        let mut pending = FuturesUnordered::new();
        loop {
            match feed.step()? {
                Step::Start(target) => {
                    let limits = limits.clone();
                    let task = async move { fetch(target, &limits, &Sockets(limits.resolve)) };
                    pending.push(executor.spawn_with_handle(task).expect("the pool lives as long as this function"));
                }
                Step::Wait(_) if pending.is_empty() => drop(ticks.next().await),
                Step::Wait(_) => match select(pending.select_next_some(), ticks.next()).await {
                    Either::Left((answer, _)) => feed.deliver(answer),
                    Either::Right(_) => {}
                },
                Step::Over => return Ok(()),
            }
        }
    })
}

/// Something that completes again and again, since nothing else would wake the caller to look out for a stop. Its thread ends with it.
fn ticks() -> Result<mpsc::Receiver<()>> {
    let (mut sender, ticks) = mpsc::channel(0);
    pool::start(move || {
        while !sender.try_send(()).is_err_and(|error| error.is_disconnected()) {
            thread::sleep(TICK);
        }
    })?;
    Ok(ticks)
}
