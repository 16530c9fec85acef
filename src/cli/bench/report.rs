//! `bench report`: a page of measurements.

use super::super::distinct::Files;
use super::args::BenchReportArgs;
use fractal::Result;
use fractal::bench::cores;
use fractal::bench::report::{Source, html};
use fractal::bench::results::{Results, write};
use std::collections::HashMap;
use std::path::Path;

/// `fractal bench report`. Several files stand side by side, whatever they have in common.
pub(super) fn run(args: &BenchReportArgs) -> Result<()> {
    let mut files = Files::new();
    args.files.iter().for_each(|file| files.reads(file));
    files.writes(&args.output)?;
    let names = names(&args.files);
    let read = |(file, name): (&std::path::PathBuf, String)| {
        let mut results = Results::read(file)?;
        // Every time is kept, so files of earlier versions get the figures of this one.
        if results.fractal > 0 && !results.results.is_empty() {
            cores::conclude(&mut results);
            cores::fit(&mut results);
        }
        Ok(Source::new(name, results))
    };
    let sources = args.files.iter().zip(names).map(read).collect::<Result<Vec<_>>>()?;
    write(&args.output, &html(&sources))
}

/// A short name for each file: its own, with its folder where several have the same, and with a number where that is not enough.
fn names(files: &[impl AsRef<Path>]) -> Vec<String> {
    let short: Vec<String> = files
        .iter()
        .map(AsRef::as_ref)
        .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
        .collect();
    let long = files.iter().map(|path| path.as_ref().display().to_string());
    let count = |name: &String| short.iter().filter(|other| *other == name).count();
    let mut seen = HashMap::new();
    let one = |(short, long): (&String, String)| {
        let name = if count(short) > 1 { long } else { short.clone() };
        let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
        if *times > 1 { format!("{name} ({times})") } else { name }
    };
    short.iter().zip(long).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_name_of_its_own() {
        assert_eq!(names(&["x/a.json", "b.json"]), ["a.json", "b.json"]);
        assert_eq!(names(&["x/a.json", "y/a.json", "y/a.json"]), ["x/a.json", "y/a.json", "y/a.json (2)"]);
    }
}
