//! The arguments of `crawl`.

use super::values::{count, duration, per_host};
use super::waiting::WaitingArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const CRAWL_NOTES: &str = "\
A line for each page, as it comes: the status or what kind of failure, the time from the start to the end of the answer, and the URL; \
then where a redirect leads, or what went wrong. A page that robots.txt disallows is refused: it is not asked for.

A page's links are followed as soon as the page is there. Links are those of a, area, frame, iframe and link (next, prev, alternate and \
the like), in their normal form, without the part behind #. Those with nofollow are counted and left alone. The first page's host is the \
only one unless --host or --any-host say otherwise; http and https are one.

Each host is asked for its robots.txt first, for the agent `fractal`. No such file allows everything; one that cannot be read, as the host \
does not answer or is out of order, allows nothing. Its crawl delay is kept where it is longer than --pause, and so is Retry-After, which \
busy servers send; both up to an hour.

-o FOLDER keeps the bodies of all answers of status 200 to 299, and pages.jsonl, which has a line of JSON for each page, with the name of \
its file. What was there at Ctrl-C is kept, and --resume continues from there: pages that are listed are not asked for again, whatever \
came of them, and they count for --pages and --bytes.

Exit status: 0 done, whatever became of other pages than the first; 1 the first page did not answer, with a status below 400; 2 wrong \
usage; 130 interrupted.";

#[derive(Debug, Args)]
pub(crate) struct CrawlArgs {
    /// The first page, of http or https
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) url: String,
    /// Keep the pages in this folder, which must be new or empty, or resumed
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    /// Continue the crawl whose pages are in the folder of -o, if there is one
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// Write a line of JSON for each page
    #[arg(long)]
    pub(crate) json: bool,
    /// Write no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How many links away from the first page
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = count, default_value = "20")]
    pub(crate) depth: u64,
    /// How many pages are asked for; redirects count
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = count, default_value = "1000")]
    pub(crate) pages: u64,
    /// Ask for no more pages after so many bytes
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = count, default_value = "1e9")]
    pub(crate) bytes: u64,
    /// Keep no more of a page than so many bytes, at most 10^9
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = count, default_value = "1048576")]
    pub(crate) page_bytes: u64,
    /// Ask for no more pages after so much time: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Follow links to this host, too; with its port where that is not the scheme's own. May be repeated
    #[arg(long, value_name = "HOST", help_heading = "Hosts")]
    pub(crate) host: Vec<String>,
    /// Follow links to any host
    #[arg(long, help_heading = "Hosts")]
    pub(crate) any_host: bool,
    /// The most connections to a host at once
    #[arg(long, value_name = "N", help_heading = "Hosts", value_parser = per_host, default_value = "2")]
    pub(crate) per_host: usize,
    /// The pause between the beginnings of two requests to a host
    #[arg(long, value_name = "TIME", help_heading = "Hosts", value_parser = duration, default_value = "100ms")]
    pub(crate) pause: Duration,
    #[command(flatten)]
    pub(crate) waiting: WaitingArgs,
}
