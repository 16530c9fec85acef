//! The arguments of the commands that wait for many connections.

use super::progress::ProgressArgs;
use super::values::{connections, duration, models};
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

pub(super) const STATUS_NOTES: &str = "\
A line for each URL, as its answer comes: the status or what kind of failure, the time from the start to the end of the answer, and the \
URL; then to where it was redirected, or what went wrong. Every status is an answer, 404 too. At most 64 KiB of a body and of its \
headers are read, and 10 redirects are followed. Certificates are checked against the authorities of this machine. \
Proxies are not used.

Kinds of failure: name, connect, tls, timeout, closed, protocol, redirects, local.

In a file, blank lines and those that begin with # are left out.

Exit status: 0 all URLs answered; 1 some did not; 2 wrong usage; 130 interrupted.";

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// URLs of http or https, and files with one on each line; `-` is standard input
    #[arg(value_name = "FILE|URL", required = true)]
    pub(crate) sources: Vec<OsString>,
    /// Ask for the head of each answer only, which some servers answer otherwise
    #[arg(long)]
    pub(crate) head: bool,
    /// Write a line of JSON for each URL
    #[arg(long)]
    pub(crate) json: bool,
    /// Write no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
    // Last, since its heading would be that of what follows.
    #[command(flatten)]
    pub(crate) waiting: WaitingArgs,
}

/// How a command waits.
#[derive(Debug, Args)]
pub(crate) struct WaitingArgs {
    /// The model of waiting
    #[arg(long, value_name = "NAME", help_heading = "Waiting", value_parser = models(), default_value = "pool")]
    pub(crate) model: String,
    /// The most connections at once [default: 1000 for thread-each, tokio, fibers and reactor, 1 for serial, else 100]
    #[arg(short = 'j', long, value_name = "N", help_heading = "Waiting", value_parser = connections)]
    pub(crate) connections: Option<usize>,
    /// How long an answer may take, with all redirects: 10s, 500ms, 2m
    #[arg(long, value_name = "TIME", help_heading = "Waiting", value_parser = duration, default_value = "10s")]
    pub(crate) timeout: Duration,
    #[command(flatten, next_help_heading = "Waiting")]
    pub(crate) progress: ProgressArgs,
}
