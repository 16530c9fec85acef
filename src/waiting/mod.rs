//! Waiting: many connections at once, in every model of what a program does while it waits for answers.
//!
//! Computing has [`Work`](crate::parallel::Work) and its backends; this is the other half of concurrency, where the processor is idle.
//! A [`Frontier`] says what is wanted next and takes the answers; a model, which is an entry of [`WAITINGS`], decides how one program
//! waits for many answers at once. All models hold the same conversation with a server ([`Fetch`](http::Fetch)), with the same limits
//! and the same errors, and differ only in how they wait. So a conversation is written once, does no input or output of its own, and
//! is what tests and fuzzing attack.
//!
//! A stop is noticed within 10 ms, and a thousand connections end well within 100 ms in every model. Of ten thousand the system needs
//! longer for its own part. To close a connection to a server on the same machine takes 7.5 µs of processor time, 68 ms for 9,000, also in
//! a program that does nothing else, and whether they are closed one by one, by two threads, after they have left the event queue, by a
//! reset (`SO_LINGER` of 0), or by the end of the process. The event loops need 100 to 110 ms for all, fibers 185 (213 if each is unwound
//! instead of ending by itself), threads 200, since the system ends each of them; and the server, which reacts to every end, has the
//! same processors.

mod blocking;
mod crew;
mod descriptors;
mod event_loop;
mod feed;
mod fibers;
mod frontier;
mod futures;
pub(crate) mod http;
mod names;
mod pool;
mod process_each;
mod processes;
mod queue;
mod reactor;
mod serial;
mod thread_each;
mod tokio;

pub(crate) use crew::main;
pub use descriptors::{allow, most_connections};

pub use frontier::{Answer, Class, Failure, Frontier, List, Next, Response, Target};

use crate::backend::Program;
use crate::error::{Error, Result, perhaps, shorten};
use crate::parallel::Stop;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Every model of waiting, beginning with the simplest. Help, lists and error messages follow from this table.
pub const WAITINGS: &[WaitingEntry] = &[
    serial::ENTRY,
    pool::ENTRY,
    thread_each::ENTRY,
    process_each::ENTRY,
    futures::ENTRY,
    processes::ENTRY,
    tokio::ENTRY,
    fibers::ENTRY,
    reactor::ENTRY,
];

/// The name of the default model.
pub const DEFAULT: &str = pool::ENTRY.name;

/// What bounds a run and each of its conversations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The most connections at once, at least 1.
    pub connections: usize,
    /// How long one target may take, from the first connection to the end of the answer, with all redirects.
    pub timeout: Duration,
    /// How many redirects are followed; with 0 a redirect is an answer like any other.
    pub redirects: usize,
    /// The most bytes of an answer's head, and of the trailers after its body.
    pub head: usize,
    /// The most bytes of a body that are read and kept; then the answer is complete, though it is not [whole](Response::is_whole).
    pub body: usize,
    /// The program that is started where processes wait: by default this one, which must call [`crate::worker_main`] first.
    #[serde(skip)]
    pub program: Program,
    /// How the addresses of a name are found: by default by the system. It may block; threads call it, 256 at most for the whole program,
    /// and a target is answered when its time is over, whatever these still wait for. Processes that wait always ask the system.
    #[serde(skip, default = "by_system")]
    pub resolve: names::Resolve,
}

fn by_system() -> names::Resolve {
    names::system
}

impl Default for Limits {
    /// 100 connections, 10 s, 10 redirects, heads of 64 KiB and bodies of 1 MiB.
    fn default() -> Self {
        let program = Program::default();
        Self {
            connections: 100,
            timeout: Duration::from_secs(10),
            redirects: 10,
            head: 64 << 10,
            body: 1 << 20,
            program,
            resolve: by_system(),
        }
    }
}

/// A model's entry in the table.
#[derive(Clone, Copy)]
pub struct WaitingEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Its Python equivalent.
    pub counterpart: &'static str,
    /// When to choose it: what follows "choose it".
    pub choose: &'static str,
    /// When to choose another: what follows "choose another".
    pub avoid: &'static str,
    /// How many connections it has at once where nobody says how many.
    pub connections: usize,
    /// Whether processes wait, instead of threads.
    pub in_processes: bool,
    /// The file that it is, whose lines are counted beside its costs.
    pub source: &'static str,
    run: fn(&Arc<dyn Frontier>, &Limits, &Stop) -> Result<()>,
}

impl WaitingEntry {
    /// Fetches what `frontier` gives until it is [done](Next::Done), with at most [`Limits::connections`] at once. Each target that it
    /// gave is answered exactly once, unless the run ends with an error; after the end nothing is delivered.
    ///
    /// # Errors
    /// [`Error::Stopped`], within 100 ms of `stop` unless there are thousands of connections to close; [`Error::Unsupported`] when the
    /// system refuses what the model is made of. What goes wrong with one target is its [`Failure`], and no error of the run.
    pub fn run(&self, frontier: &Arc<dyn Frontier>, limits: &Limits, stop: &Stop) -> Result<()> {
        (self.run)(frontier, limits, stop)
    }
}

impl fmt::Debug for WaitingEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The model called `name`.
///
/// # Errors
/// [`Error::Usage`] that lists the known models.
pub fn find(name: &str) -> Result<&'static WaitingEntry> {
    WAITINGS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = WAITINGS.iter().map(|entry| entry.name).collect();
        let perhaps = perhaps(name, known.iter().copied());
        Error::Usage(format!("model `{}`{perhaps} is unknown; there are {}", shorten(name), known.join(", ")))
    })
}

/// The error when the system refuses to start what a model is made of.
fn refused(what: &str, error: &dyn fmt::Display) -> Error {
    Error::Unsupported(format!(
        "{what} cannot be started: {error}; allow fewer connections at once or use another model"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for entry in WAITINGS {
            assert_eq!(find(entry.name).unwrap().name, entry.name, "names are unique");
            for text in [entry.help, entry.counterpart, entry.choose, entry.avoid] {
                assert!(!text.contains('\n') && !text.is_empty(), "{} says what it is", entry.name);
            }
        }
        let error = find("pol").unwrap_err().to_string();
        assert!(
            error.starts_with("model `pol` (perhaps you mean `pool`) is unknown; there are serial, pool"),
            "{error}"
        );
    }
}
