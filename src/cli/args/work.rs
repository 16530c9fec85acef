//! The arguments of the commands that run works other than pictures.

use super::progress::ProgressArgs;
use super::values::{backends_or_auto, count, workers};
use clap::{Args, ValueHint};
use std::path::PathBuf;

pub(super) const PRIMES_NOTES: &str = "\
The sieve of Eratosthenes, in segments that the workers share. The count goes to standard output; with -q nothing else does. \
The limit is at most 10^15. With --checkpoint, counts of finished segments are kept in a file, from which --resume continues.

Exit status: 0 done, or the reader of standard output closed it early; 1 failed; 2 wrong usage; 130 interrupted.";

pub(super) const THUMBNAILS_NOTES: &str = "\
A thumbnail has the name of its picture, in the same folder below -o; where the format differs, its ending is added: a.webp becomes \
a.webp.jpg. Pictures are turned as the camera was held. Files that cannot be used are reported, a line each, and left out. Hidden files \
and folders are left alone, links to folders are not followed. A file appears only when it is complete, and replaces an older one.

A picture may have 268 million pixels. JPEG files that are large enough are decoded at an eighth of their size; others may take up to \
1 GB of memory for each worker.

Exit status: 0 done; 1 failed, or some files were left out; 2 wrong usage; 130 interrupted.";

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

#[derive(Debug, Args)]
pub(crate) struct ThumbnailsArgs {
    /// A folder with pictures: JPEG, PNG and WebP files, in it and below it
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Where the thumbnails go, under the same names; it is made if it is not there
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,
    /// The longest edge in pixels, 1 to 1024; smaller pictures keep their size
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) size: u32,
    /// The format of all thumbnails [default: jpeg, and png where something is transparent]
    #[arg(long, value_name = "FORMAT", value_parser = ["jpeg", "png"])]
    pub(crate) format: Option<String>,
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
    #[command(flatten, next_help_heading = "Reports")]
    pub(crate) progress: ProgressArgs,
    /// Report the result and errors only
    #[arg(short, long, help_heading = "Reports", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Report lost workers too
    #[arg(short, long, help_heading = "Reports")]
    pub(crate) verbose: bool,
}
