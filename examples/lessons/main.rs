//! The ideas of talks on concurrency as short programs: `cargo run --release --example lessons -- NAME`. `docs/lessons.md` is the
//! syllabus. Each lesson is a file of at most 80 lines of code here; what is not shown to a class is in `support/`.

mod asyncio;
mod chat;
mod commands;
mod concurrency;
mod executor;
mod find;
mod gil;
mod hub;
mod interrupts;
mod locks;
mod manager;
mod race;
mod reactor;
mod rpc;
mod sharing;
mod streams;
pub(crate) mod support;
mod switch;
mod tasks;
mod workshop;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Short lessons on running programs in parallel. The syllabus is docs/lessons.md.
#[derive(Parser)]
#[command(name = "lessons")]
struct Arguments {
    /// Smaller numbers, for a first look
    #[arg(long, global = true)]
    quick: bool,
    #[command(subcommand)]
    lesson: Lesson,
}

#[derive(Subcommand)]
enum Lesson {
    /// The workshop's Mandelbrot on every backend, in one table
    Workshop(workshop::Options),
    /// What Python's global lock does to threads, and what it does not
    Gil,
    /// Lost updates: how they happen, and three cures with their costs
    Race,
    /// False sharing: two counters on one cache line, and on two
    Sharing,
    /// A bounded buffer, a semaphore, an event, a timer; and a channel
    Locks,
    /// One executor over threads and over processes
    Executor(executor::Options),
    /// One core on which two tasks take turns, beside two cores
    Concurrency,
    /// Generators that take turns and pass values down a pipeline
    Tasks,
    /// Gather, timeout and cancel on one thread; and a loop that is blocked
    Asyncio(asyncio::Options),
    /// Two kinds of concurrency in one program: four harms and their cures
    Streams,
    /// A dictionary in a process of its own, and what an access costs
    Manager(manager::Options),
    /// Any commands at once, with whole outputs, in order
    Commands(commands::Options),
    /// Producers walk folders, consumers check files, the first hit cancels
    Find(find::Options),
    /// Ctrl-C in a pool of threads and in one of processes
    Interrupts,
    /// Two green threads that switch to each other
    Switch,
    /// How gevent works: green threads, a loop, and calls that switch
    Hub,
    /// The reactor pattern: protocols, transports and deferred results
    Reactor,
    /// A picture computed by processes over HTTP, of which one is killed
    Rpc(rpc::Options),
    /// One chat server in four models; who does not read is dropped
    Chat(support::chatters::Options),
}

/// Runs the lesson that the arguments name.
pub(crate) fn main() -> ExitCode {
    // In a process that was started as a worker, this never returns.
    fractal::worker_main([workshop::kind(), gil::kind(), interrupts::kind()]);
    let Arguments { quick, lesson } = Arguments::parse();
    let outcome = match &lesson {
        Lesson::Workshop(options) => workshop::run(quick, options),
        Lesson::Gil => gil::run(quick),
        Lesson::Race => race::run(quick),
        Lesson::Sharing => sharing::run(quick),
        Lesson::Locks => locks::run(quick),
        Lesson::Executor(options) => executor::run(options),
        Lesson::Concurrency => concurrency::run(quick),
        Lesson::Tasks => tasks::run(quick),
        Lesson::Asyncio(options) => asyncio::run(quick, options),
        Lesson::Streams => streams::run(),
        Lesson::Manager(options) => manager::run(quick, options),
        Lesson::Commands(options) => return ended(commands::run(options)),
        Lesson::Find(options) => find::run(quick, options),
        Lesson::Interrupts => interrupts::run(quick),
        Lesson::Switch => switch::run(quick),
        Lesson::Hub => hub::run(quick),
        Lesson::Reactor => reactor::run(),
        Lesson::Rpc(options) => rpc::run(quick, options),
        Lesson::Chat(options) => chat::run(quick, options),
    };
    ended(outcome.map(|()| 0))
}

/// The program's end, with the status that a lesson gives.
fn ended(outcome: fractal::Result<u8>) -> ExitCode {
    outcome.map_or_else(
        |error| {
            eprintln!("lessons: {error}");
            ExitCode::from(error.exit_code())
        },
        ExitCode::from,
    )
}
