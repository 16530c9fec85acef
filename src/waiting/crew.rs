//! Processes that wait: what the models `processes` and `process-each` share, and what such a process does.
//!
//! It reads lines of JSON, first the limits, then targets, and answers each with a line of JSON. It ends with its input, and the system
//! kills it with the process that started it.

use super::blocking::{Sockets, fetch};
use super::{Answer, Class, Failure, Limits, Target, refused};
use crate::backend::worker::{Process, end_with, ending, role, spawn};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio, exit};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The role of such a process.
const ROLE: &str = "waiting";

/// All processes of a run, which end with it at the latest.
pub(super) struct Crew {
    limits: Limits,
    /// By their numbers; `None` once the run is over.
    processes: Mutex<Option<BTreeMap<u32, Process>>>,
}

/// A process that answers targets.
pub(super) struct Fetcher {
    crew: Arc<Crew>,
    id: u32,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Ends the processes of a crew when it is dropped, whoever still waits for them.
pub(super) struct Over(pub(super) Arc<Crew>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut processes = self.0.lock().take().unwrap_or_default();
        // All are ending before the first is waited for.
        processes.values_mut().for_each(Process::kill);
    }
}

impl Crew {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self { limits: limits.clone(), processes: Mutex::new(Some(BTreeMap::new())) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BTreeMap<u32, Process>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the system refuses; [`Error::Stopped`] once the run is over.
    pub(super) fn start(self: &Arc<Self>) -> Result<Fetcher> {
        let mut command = self.limits.program.command(ROLE)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(command).map_err(|error| refused("a process", &error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut process = Process::new(child);
        let mut input = input.expect("it was asked for");
        if writeln!(input, "{}", json(&self.limits)).is_err() {
            let end = ending(process.ended_soon());
            return Err(refused("a process", &format_args!("{} {end}", self.limits.program.describe())));
        }
        let id = process.id();
        self.lock().as_mut().ok_or(Error::Stopped)?.insert(id, process);
        let output = BufReader::new(output.expect("it was asked for"));
        Ok(Fetcher { crew: self.clone(), id, input, output })
    }
}

impl Fetcher {
    /// Has the process fetch a target; fails if it is lost.
    pub(super) fn fetch(&mut self, target: &Target) -> io::Result<Answer> {
        let mut line = String::new();
        writeln!(self.input, "{}", json(target))?;
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// The answer to a target with which the process was lost.
    pub(super) fn lost(&self, target: Target, started: Instant) -> Answer {
        let end = match self.crew.lock().as_mut().and_then(|processes| processes.get_mut(&self.id)) {
            Some(process) => ending(process.ended_soon()),
            None => "ended".into(),
        };
        let text = format!("was lost with the process that asked it, which {end}");
        let outcome = Err(Failure::new(Class::Local, text));
        Answer { target, took: started.elapsed(), redirects: Vec::new(), outcome }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let process = self.crew.lock().as_mut().and_then(|processes| processes.remove(&self.id));
        // Outside the lock, since it waits for the end.
        drop(process);
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and text are always JSON")
}

/// Becomes such a process and never returns, if this process was started as one; else does nothing.
pub(crate) fn main() {
    let Some((_, parent)) = role().filter(|(name, _)| name == ROLE) else { return };
    let outcome = end_with(parent).and_then(|()| serve().map_err(|error| Error::io("read", "the targets", error)));
    if let Err(error) = outcome {
        eprintln!("fractal: {error}");
        exit(1);
    }
    exit(0);
}

fn serve() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = String::new();
    input.read_line(&mut line)?;
    let limits: Limits = serde_json::from_str(&line)?;
    for line in input.lines() {
        let answer = fetch(serde_json::from_str(&line?)?, &limits, &Sockets(limits.resolve));
        writeln!(output, "{}", json(&answer))?;
        output.flush()?;
    }
    Ok(())
}
