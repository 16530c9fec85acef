//! `guide`: which model of parallelism when.

use super::args::GuideArgs;
use super::bar::Display;
use super::bench::Bar;
use super::distinct::Files;
use super::signals::Signals;
use super::{note, print, print_json};
use fractal::backend::{self, BackendEntry};
use fractal::bench::results::write_to;
use fractal::internal::guide::{Answer, Measured, Question, Style, ask, guide, json, memory, record};
use fractal::parallel::worker_count;
use fractal::{Error, Result};
use std::process::Command;
use std::time::Instant;

/// `fractal guide`.
pub(crate) fn run(args: &GuideArgs) -> Result<()> {
    if let Some(name) = &args.memory_of {
        return print_json(&memory(backend::find(name)?)?);
    }
    // A wrong question is reported before minutes are spent.
    let question = args.ask.as_deref().map(str::parse::<Question>).transpose()?;
    let measured = if args.measure { measure(args)? } else { Measured::recorded() };
    match question {
        Some(question) => answer(&ask(&question, &measured), args.json),
        None if args.json => print_json(&json(&measured)),
        None => print(
            guide(&measured, if args.markdown { Style::Markdown } else { Style::Text }).trim_end().to_owned() + "\n",
        ),
    }
}

fn measure(args: &GuideArgs) -> Result<Measured> {
    let workers = worker_count(args.workers)?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    args.save.iter().try_for_each(|path| files.writes(path))?;
    let output = args.save.as_ref().map(|path| signals.create(path)).transpose()?;
    let bar = Bar::new(Display::new(&args.progress, false));
    let began = Instant::now();
    let measured = record((workers, args.quick), in_new_process, &signals.stop, |done, all| {
        let left = began.elapsed().mul_f64((all - done) as f64 / done as f64);
        bar.step(done, all, Some(left), "costs of the models");
    })?;
    drop(bar);
    if measured.busy {
        note(
            "fractal: other programs used the processors meanwhile: times are too long, so measure again on a quiet machine",
        );
    }
    output.map_or(Ok(()), |output| write_to(output, measured.to_json()))?;
    Ok(measured)
}

/// The memory of a backend's workers, measured in a process that has not used any yet.
fn in_new_process(entry: &'static BackendEntry) -> Result<Option<f64>> {
    let failed = |source| Error::io("start", "fractal guide --memory-of", source);
    let program = std::env::current_exe().map_err(failed)?;
    let output = Command::new(program).args(["guide", "--memory-of", entry.name]).output().map_err(failed)?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Error::Unsupported(format!("the memory of backend `{}` cannot be measured: {said}", entry.name))
    })
}

fn answer(answer: &Answer, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(answer);
    }
    let Answer { model, because, number, source, run, missing } = answer;
    let help = backend::find(model).map_or(String::new(), |entry| format!(" – {}", entry.help));
    let missing = missing.map_or(String::new(), |missing| format!("Not built yet: {missing}.\n"));
    print(format!(
        "{model}{help}\nBecause: {because}.\nNumber:  {number}\nFrom:    {source}\nTry:     {run}\n{missing}"
    ))
}
