//! `bench`: every backend with every number of workers.

mod plan;
mod report;

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::print;
use super::super::signals::Signals;
use super::args::BenchCoresArgs;
use super::busy;
use super::outputs::Outputs;
use super::progress::Bar;
use super::text::{Style, table, time};
use fractal::bench::clock::System;
use fractal::bench::cores;
use fractal::bench::load::{BUSY, Watch};
use fractal::bench::measure::Step;
use fractal::bench::results::Results;
use fractal::bench::wisdom::{self, Wisdom};
use fractal::parallel::{Stop, worker_count};
use fractal::sink::Output;
use fractal::{Error, Result};
use plan::{Plan, entries, size};
use std::time::Instant;

/// `fractal bench`.
pub(super) fn run(args: &BenchCoresArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    let mut results = plan.begin(args)?;
    let signals = Signals::receive()?;
    let mut files = Files::new();
    args.scene.iter().for_each(|source| files.reads(source));
    let wisdom = if args.save { Some(Wisdom::path()?) } else { None };
    wisdom.iter().try_for_each(|path| files.writes(path))?;
    let mut outputs = Outputs::open(&args.output, files, &signals)?;
    let wisdom = wisdom.map(|path| Wisdom::create(&path).map(|output| signals.guard(output))).transpose()?;
    let display = Display::new(&args.progress, false);
    let progress = Bar::new(display);
    busy::check(&args.busy, display, &signals.stop)?;
    let began = Instant::now();
    let after = |step: &Step, results: &Results| {
        outputs.keep(results)?;
        let what = &plan.names[step.combination];
        progress.step(step.done, step.all, step.left, what);
        Ok(())
    };
    let subjects = (&plan.subjects[..], &plan.combinations[..]);
    let outcome = cores::measure(&System, subjects, (plan.rounds, args.pin), &mut results, &signals.stop, after);
    drop(progress);
    if let Err(Error::Stopped) = outcome {
        outputs.leave("; the same command with --resume continues");
    }
    outcome?;
    cores::fit(&mut results);
    let mut look = || plan.look_closer(args, &Bar::new(display), &mut results, (began, &signals.stop));
    let looked = if args.output.wants_timelines() { look() } else { Ok(()) };
    if let Err(Error::Stopped) = looked {
        outputs.leave("; the same command with --resume continues");
        return looked;
    }
    // Measuring took long, so each output is written even if another fails.
    let took = began.elapsed();
    let text = |style| report::report(&results, took, style);
    let kept = outputs.finish(&results, || results.csv(), || text(Style::Markdown));
    let printed = print(text(Style::Terminal));
    let saved = wisdom.map_or(Ok(()), |output| save(args, output, display, &signals.stop));
    // Last the one whose failure may be harmless: a reader that has seen enough.
    [looked, kept, saved, printed].into_iter().collect()
}

/// Finds the best settings for each backend, and keeps them.
fn save(args: &BenchCoresArgs, output: Output, display: Display, stop: &Stop) -> Result<()> {
    let path = output.path().to_path_buf();
    let entries: Vec<_> = entries(args)?.into_iter().filter(|entry| entry.probe().is_ok()).collect();
    let workers = worker_count(args.workers.iter().copied().max())?;
    let bar = Bar::new(display);
    let after = |what: &str, done: usize, all: usize| bar.step(done, all, None, &format!("the best for {what}"));
    let mut watch = Watch::begin(&System);
    let wisdom = wisdom::learn(&System, &entries, workers, size(args)?.1, stop, after)?;
    drop(bar);
    let row = |(name, choice): (&String, &wisdom::Choice)| {
        vec![name.clone(), choice.schedule.clone(), choice.tile.to_string(), time(choice.seconds)]
    };
    let rows: Vec<_> = wisdom.backends.iter().map(row).collect();
    let best = wisdom.best().map_or(String::new(), |(entry, _)| format!("; the fastest is {}", entry.name));
    wisdom.keep(output)?;
    let table = table(&["backend", "best schedule", "best tile", "time"], 2, &rows);
    let doubt = if watch.usage(&System).busy() > BUSY {
        "! Other programs used the processors meanwhile: measure again on a quiet machine.\n"
    } else {
        ""
    };
    print(format!("\nKept in `{}`{best}\n{table}{doubt}", path.display()))
}
