//! The guide's chapter on waiting: prose, and the figures that `fractal bench waiting` recorded. A figure stands in braces, as
//! `{tokio.10000.resident}`.

use super::ask::{bytes, time};
use crate::bench::waited::{Cost, Costs};

/// The figures that the document has, as they were recorded.
const RECORDED: &str = include_str!("../../docs/waiting.json");

/// The command that recorded them.
pub(super) const COMMAND: &str = "fractal bench waiting --connections 1000,10000 --block-one --python --json";

/// The chapter's heading, and the paragraphs around its table.
pub(super) const TITLE: &str = "Many connections";

pub(super) const BEFORE: &[&str] = &[
    "A program that asks a thousand servers waits: its processor is idle. What distinguishes the models is what a connection costs \
     while nothing happens, and what they do to all others when one of them does something. In all of these the conversation with the \
     server is the same code. The server is one of `fractal bench waiting`'s own, which answers after {delay}.",
];

pub(super) const AFTER: &[&str] = &[
    "*Threads or async, at 1,000 and at 10,000.* With 1,000 connections both are done in about the time of the answer: \
     {thread-each.1000.wall} with a thread for each, {tokio.1000.wall} with tasks. Only a pool is slower, since it has fewer threads than \
     there are connections: {pool.1000.wall} in ten rounds of 100. With 10,000 threads still work, which is often denied; but each takes \
     {thread-each.10000.resident} of resident memory and {thread-each.10000.stacks} in the kernel, a fiber {fibers.10000.resident}, a \
     task {tokio.10000.resident} and a reactor's connection {reactor.10000.resident}, and in processor time they cost \
     {thread-each.10000.processor} instead of {tokio.10000.processor}. (A loop must look at its \
     connections while it begins others: one that begins all first has the first answers wait for the last beginning.)",
    "*Async is not parallel.* Everything that `tokio`, `fibers` and `reactor` did above, they did on one thread. They wait for many at \
     once; they never compute two things at once. Where an answer must be worked on for long, that work goes to threads or processes.",
    "*One call that blocks.* In the column before the last, the use of the first answer calls something that blocks for {block}. \
     A pool loses one of its threads meanwhile, and nobody else notices. In an event loop all connections wait: the median grows from \
     {tokio.1000.p50} to {tokio.1000.blocked} with tasks, to {fibers.1000.blocked} with fibers. No compiler warns, and nothing fails; so \
     a loop should watch itself. Ours reports each time that it stood still for 100 ms or more. asyncio does so in its debug mode \
     (`loop.slow_callback_duration`), gevent with `GEVENT_MONITOR_THREAD_ENABLE`.",
    "*Monkey patching, and what Rust does instead.* gevent replaces the functions of Python's library that block by those of its hub, \
     while the program runs, so that code which knows nothing of it gives way. What it cannot replace, such as a library in C, blocks. \
     Rust has no such door. The code asks a trait for its connections, and the compiler makes one program of it for threads and another \
     for fibers: `pool` and `fibers` are the same conversation, in `src/waiting/blocking.rs`. Or the function says `async`, and who calls \
     it sees that it may pause.",
    "*Why not a kept HTTP client?* In a program of yours, take one: with up to some hundred connections their memory is nothing. They were \
     tried here too, against the same hostile servers, which they pass. But each of 10,000 connections takes 16.3 KB with hyper 1.12 in a \
     task and 299 KB with ureq 3.5 in a thread, 39 KB with its smallest buffers, instead of {tokio.10000.resident} and \
     {thread-each.10000.resident}. And a client that waits by itself is of no use to fibers and callbacks, which have to do that in their \
     own way. So the conversation here does no input or output at all; what reads heads, encrypts and knows URLs is kept by others \
     (httparse, rustls, url). How it was measured is in `src/waiting/http/mod.rs`.",
];

/// The recorded costs.
pub(super) fn recorded() -> Costs {
    serde_json::from_str(RECORDED).expect("a test reads them")
}

pub(super) const HEADINGS: [&str; 10] = [
    "Model",
    "Connections, at once",
    "Wall",
    "Processor",
    "Memory each",
    "In the kernel",
    "p50",
    "p99",
    "p50, one blocks",
    "Lines of code",
];

/// The rows of the models' costs.
pub(super) fn rows(costs: &Costs) -> Vec<Vec<String>> {
    let row = |cost: &Cost| {
        let at_once = format!("{}, {}", cost.connections, cost.at_once);
        let blocked = cost.blocked.map_or(String::new(), |blocked| time(blocked.p50));
        let lines = cost.lines.map_or("–".to_owned(), |lines| lines.to_string());
        // Less than that is the doing of other programs, since the kernel's stacks are counted for the whole machine.
        let kernel = if cost.stacks < 500.0 { "–".to_owned() } else { bytes(cost.stacks) };
        let kept = bytes(cost.resident);
        let [wall, processor, p50, p99] = [cost.wall, cost.processor, cost.p50, cost.p99].map(time);
        vec![format!("`{}`", cost.model), at_once, wall, processor, kept, kernel, p50, p99, blocked, lines]
    };
    costs.costs.iter().map(row).collect()
}

/// A figure by its name.
pub(super) fn value(name: &str, costs: &Costs) -> Option<String> {
    match name {
        "delay" => return Some(time(costs.delay)),
        "block" => return costs.block.map(time),
        _ => {}
    }
    let mut parts = name.split('.');
    let (model, number, figure) = (parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
    let cost = costs.costs.iter().find(|cost| cost.model == model && cost.connections == number)?;
    Some(match figure {
        "wall" => time(cost.wall),
        "processor" => time(cost.processor),
        "resident" => bytes(cost.resident),
        "stacks" => bytes(cost.stacks),
        "p50" => time(cost.p50),
        "blocked" => time(cost.blocked?.p50),
        _ => return None,
    })
}
