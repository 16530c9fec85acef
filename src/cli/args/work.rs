//! The arguments of the commands that run works other than pictures.

use super::values::{backends_or_auto, count, workers};
use clap::{Args, ValueHint};
use std::path::PathBuf;

pub(super) const PRIMES_NOTES: &str = "\
The sieve of Eratosthenes, in segments that the workers share. The count goes to standard output; with -q nothing else does. \
The limit is at most 10^15. With --checkpoint, counts of finished segments are kept in a file, from which --resume continues.

Exit status: 0 done, or the reader of standard output closed it early; 1 failed; 2 wrong usage; 130 interrupted.";

#[derive(Debug, Args)]
pub(crate) struct PrimesArgs {
    /// Primes up to this number are counted: a whole number, such as 1000000, 1_000_000, 1e6 or 10^6
    #[arg(value_name = "N", value_parser = count)]
    pub(crate) limit: u64,
    /// Keep the counts of finished segments in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Continue from the checkpoint of an interrupted run
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// Who computes a work, and what is reported.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// The backend that computes the pieces
    #[arg(long, value_name = "NAME", help_heading = "Computing", value_parser = backends_or_auto())]
    pub(crate) backend: Option<String>,
    /// Number of workers [default: the number of processors]
    #[arg(long, value_name = "N", help_heading = "Computing", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Which worker takes which pieces: static, dynamic, guided or runtime, as in OpenMP, or auto (the backend's own)
    #[arg(long, value_name = "KIND[,CHUNK]", help_heading = "Computing")]
    pub(crate) schedule: Option<String>,
    /// Pin each worker to its own processor
    #[arg(long, help_heading = "Computing")]
    pub(crate) pin: bool,
    /// Also write what each worker did, and when, as JSON for ui.perfetto.dev
    #[arg(long, value_name = "FILE", help_heading = "Reports", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Report on standard error what it cost
    #[arg(long, value_name = "FORMAT", help_heading = "Reports", value_parser = ["json"])]
    pub(crate) stats: Option<String>,
    /// Show progress on standard error: on a terminal, always, never, or as lines of JSON
    #[arg(long, value_name = "WHEN", help_heading = "Reports", value_parser = ["auto", "always", "never", "json"])]
    pub(crate) progress: Option<String>,
    /// Report the result and errors only
    #[arg(short, long, help_heading = "Reports", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Report lost workers too
    #[arg(short, long, help_heading = "Reports")]
    pub(crate) verbose: bool,
}
