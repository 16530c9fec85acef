//! The arguments of `guide`.

use super::progress::ProgressArgs;
use super::values::{backends, workers};
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct GuideArgs {
    /// Answer a question: words, the length of a piece and a number, with commas between, such as compute,10us,local
    #[arg(long, value_name = "QUESTION")]
    pub(crate) ask: Option<String>,
    /// Write it in Markdown
    #[arg(long, conflicts_with_all = ["json", "ask"])]
    pub(crate) markdown: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure the figures on this machine, in some minutes, instead of using those that were recorded
    #[arg(long)]
    pub(crate) measure: bool,
    /// Measure within a minute
    #[arg(long, requires = "measure")]
    pub(crate) quick: bool,
    /// Number of workers to measure with [default: the number of processors]
    #[arg(long, value_name = "N", requires = "measure", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Write the measured figures to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "measure", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Print the bytes of memory of each further worker of a backend; for --measure, which runs it in a new process
    #[arg(long, value_name = "NAME", hide = true, value_parser = backends())]
    pub(crate) memory_of: Option<String>,
}
