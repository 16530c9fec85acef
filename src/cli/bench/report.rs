//! `bench report`, and where all results of `bench` go.

use super::args::{BenchReportArgs, ResultArgs};
use fractal::Result;
use fractal::bench::report::html;
use fractal::bench::results::{Results, write};
use fractal::sink::Trace;

/// `fractal bench report`.
pub(super) fn run(args: &BenchReportArgs) -> Result<()> {
    let mut all = args.files.iter().map(|file| Results::read(file)).collect::<Result<Vec<_>>>()?.into_iter();
    let Some(mut results) = all.next() else { return Ok(()) };
    all.for_each(|other| results.merge(other));
    write(&args.output, &html(&results))
}

/// Writes what was asked for.
pub(super) fn keep(args: &ResultArgs, results: &Results, csv: impl FnOnce() -> String) -> Result<()> {
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    if let Some(path) = &args.csv {
        write(path, &csv())?;
    }
    if let Some(path) = &args.trace {
        let traces: Vec<Trace> = results
            .scenes
            .iter()
            .flat_map(|scene| scene.timelines.iter().map(|line| line.trace(&scene.name)))
            .collect();
        let mut text = Vec::new();
        Trace::write(&traces, &mut text).expect("memory can be written");
        write(path, &String::from_utf8(text).expect("a trace is text"))?;
    }
    args.html.as_ref().map_or(Ok(()), |path| write(path, &html(results)))
}
