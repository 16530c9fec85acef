//! `bench report`: a page of measurements.

use super::super::distinct::Files;
use super::args::BenchReportArgs;
use fractal::Result;
use fractal::bench::report::html;
use fractal::bench::results::{Results, write};

/// `fractal bench report`.
pub(super) fn run(args: &BenchReportArgs) -> Result<()> {
    let mut files = Files::new();
    args.files.iter().for_each(|file| files.reads(file));
    files.writes(&args.output)?;
    let mut all = args.files.iter().map(|file| Results::read(file)).collect::<Result<Vec<_>>>()?.into_iter();
    let Some(mut results) = all.next() else { return Ok(()) };
    all.for_each(|other| results.merge(other));
    write(&args.output, &html(&results))
}
