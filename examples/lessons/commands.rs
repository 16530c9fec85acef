//! Answers "how can I run my test suite in parallel?": any commands at once, with whole outputs, in order, and nothing left behind.

use super::support::cores_allowed;
use super::support::processes::{End, Watch, commands, end, kill_on_interrupt, was_interrupted};
use fractal::{Error, Result};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What to run, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Commands for `sh`; a single `-` reads them from standard input, a line each; none is a demonstration
    commands: Vec<String>,
    /// How many at once; by default one for each processor
    #[arg(short, long, default_value_t = cores_allowed(), value_parser = super::support::positive)]
    jobs: usize,
    /// Kills a command, and all that it has started, after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = super::support::seconds)]
    timeout: Option<Duration>,
    /// Stops at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Joins the commands by pipes into one, as `|` does
    #[arg(long)]
    pipe: bool,
}

/// Runs a pipeline of one or more commands; returns all that it writes, and how it ended.
fn run_one(stages: &[String], timeout: Option<Duration>) -> std::io::Result<(Vec<u8>, End)> {
    // One pipe for both streams keeps their order; and who reads one to its end cannot be waiting for the other.
    let (mut reader, writer) = std::io::pipe()?;
    let (mut children, mut input, mut group) = (Vec::new(), Stdio::null(), 0);
    for (index, stage) in stages.iter().enumerate() {
        let mut command = Command::new("sh");
        command.arg("-c").arg(stage).stdin(input).stderr(writer.try_clone()?);
        let is_last = index + 1 == stages.len();
        command.stdout(if is_last { writer.try_clone()?.into() } else { Stdio::piped() });
        // A group of its own: a signal to the group reaches grandchildren, and Ctrl-C reaches only this program.
        let mut child = command.process_group(group).spawn()?;
        group = if group == 0 { child.id() as i32 } else { group };
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push(child);
    }
    drop(writer);
    let watch = Watch::start(group, timeout);
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    Ok((output, watch.end(children)?))
}

/// Runs the lesson; returns how many commands failed.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let commands = commands(&options.commands)?;
    let jobs: Vec<_> = if options.pipe { vec![&commands[..]] } else { commands.chunks(1).collect() };
    let (stop, next, (sender, ended)) = (kill_on_interrupt(), AtomicUsize::new(0), channel());
    let failed = thread::scope(|scope| {
        for _ in 0..options.jobs.min(jobs.len()) {
            let (sender, jobs, next, stop) = (sender.clone(), &jobs, &next, &stop);
            scope.spawn(move || {
                while let Some((index, stages)) = Some(next.fetch_add(1, Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
                {
                    let outcome =
                        if stop.is_set() { Ok((Vec::new(), End::NotRun)) } else { run_one(stages, options.timeout) };
                    let (output, end) = outcome.unwrap_or_else(|error| (Vec::new(), End::NotStarted(error)));
                    if end.is_failure() && options.fail_fast {
                        stop.set();
                    }
                    let _ = sender.send((index, output, end));
                }
            });
        }
        drop(sender);
        let (mut waiting, mut printed, mut failed) = (std::collections::BTreeMap::new(), 0, 0);
        for (index, output, end) in ended {
            failed += usize::from(end.is_failure());
            waiting.insert(index, (output, end));
            // In order, as soon as all before it are printed.
            while let Some((output, end)) = waiting.remove(&printed) {
                println!("[{end}] {}", jobs[printed].join(" | "));
                let _ = std::io::stdout().write_all(&output);
                printed += 1;
            }
        }
        failed
    });
    end(&options.commands);
    if was_interrupted() { Err(Error::Stopped) } else { Ok(failed.min(100) as u8) }
}
