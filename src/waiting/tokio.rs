//! Asynchronous tasks: one for each target, all on one thread, which goes on with another task wherever one awaits.
//!
//! The Python equivalents are asyncio and aiohttp. Choose it for thousands of connections, in a program that is asynchronous anyway: a
//! task that awaits costs only the state it has to remember, 1 to 2 KB here, and the code still reads from top to bottom. The price is
//! that all code on the way must be asynchronous too, and that a task which computes or blocks stops all others.
//!
//! A task is not a thread: everything here runs on one processor. Names are resolved by threads, since the system's resolver only knows
//! how to block.

use super::feed::{Feed, Step};
use super::http::Fetch;
use super::names::wait_in_task;
use super::{Answer, Failure, Frontier, Limits, Target, WaitingEntry, refused};
use crate::error::Result;
use crate::parallel::Stop;
use ::tokio::net::TcpStream;
use ::tokio::runtime;
use ::tokio::task::{JoinSet, yield_now};
use ::tokio::time::{sleep_until, timeout_at};
use std::io;
use std::sync::Arc;

pub(super) const ENTRY: WaitingEntry = WaitingEntry {
    name: "tokio",
    help: "an asynchronous task for each connection, all on one thread",
    counterpart: "asyncio, aiohttp",
    choose: "for thousands of connections, in code that may be asynchronous throughout",
    avoid: "where what is called in between computes or blocks: it stops all others",
    connections: 1000,
    in_processes: false,
    source: include_str!("tokio.rs"),
    run,
};

fn run(frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| refused("a reactor", &error))?;
    runtime.block_on(all(Feed::new(frontier, limits, stop), limits))
}

async fn all(mut feed: Feed<'_>, limits: &Limits) -> Result<()> {
    let mut tasks = JoinSet::new();
    loop {
        match feed.step()? {
            Step::Start(target) => {
                tasks.spawn(fetch(target, limits.clone()));
                // Those that were started before go on meanwhile.
                yield_now().await;
            }
            Step::Wait(moment) if tasks.is_empty() => sleep_until(moment.into()).await,
            Step::Wait(moment) => {
                if let Ok(Some(answer)) = timeout_at(moment.into(), tasks.join_next()).await {
                    feed.deliver(answer.expect("a task does not panic"));
                }
            }
            Step::Over => return Ok(()),
        }
    }
}

async fn fetch(target: Target, limits: Limits) -> Answer {
    let mut fetch = Fetch::new(target, &limits);
    let deadline = fetch.deadline().into();
    while !fetch.is_complete() {
        let connected = timeout_at(deadline, connect(&fetch, &limits)).await;
        match connected.unwrap_or_else(|late| Err(fetch.unconnected(&late.into()))) {
            Err(failure) => fetch.fail(failure),
            Ok(stream) => match timeout_at(deadline, converse(&mut fetch, &stream)).await {
                Ok(outcome) => outcome.unwrap_or_else(|error| fetch.broken(&error)),
                Err(late) => fetch.broken(&late.into()),
            },
        }
    }
    fetch.into_answer()
}

async fn connect(fetch: &Fetch, limits: &Limits) -> std::result::Result<TcpStream, Failure> {
    let mut failure = Failure::no_address();
    let found = wait_in_task(fetch.url(), limits.resolve, fetch.deadline()).await;
    for address in found.map_err(|error| fetch.unresolved(&error))? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = fetch.unconnected(&error),
        }
    }
    Err(failure)
}

async fn converse(fetch: &mut Fetch, stream: &TcpStream) -> io::Result<()> {
    loop {
        while !fetch.send(|bytes| stream.try_write(bytes))? {
            stream.writable().await?;
        }
        stream.readable().await?;
        if fetch.receive(|bytes| stream.try_read(bytes))? {
            return Ok(());
        }
    }
}
