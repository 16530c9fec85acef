//! What is typed after `bench`.

use super::super::args::{SceneArgs, backends, parts, tile, workers};
use clap::{Args, Subcommand, ValueHint};
use fractal::kernel::Isa;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const BENCH_NOTES: &str = "\
Without a subcommand every backend is measured with 1, 2, … workers on several scenes. All combinations take turns, in another order \
each round, after a round that is not counted. Figures are medians; every time is kept.

The file of --json has the shape of hyperfine's, with more keys. It is rewritten after each measurement, so that after Ctrl-C the same \
command with --resume goes on.

Exit status: 0 done, or whoever reads the standard output has seen enough; 1 failed (or slower, for `compare`); 2 wrong usage; \
130 interrupted.";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BenchCommand>,
    #[command(flatten)]
    pub(crate) cores: BenchCoresArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure kernels in processor time of one thread: inner loops and whole scenes
    Kernel(BenchKernelArgs),
    /// Measure what backends cost beside their work, and how short their pieces may be
    #[command(after_long_help = OVERHEAD_NOTES)]
    Overhead(Box<BenchOverheadArgs>),
    /// Predict a scene's speed-up under every schedule on up to 4096 workers
    #[command(after_long_help = SIMULATE_NOTES)]
    Simulate(Box<BenchSimulateArgs>),
    /// Tell which differences between two files of results are real; fails when something has become slower
    Compare(BenchCompareArgs),
    /// Make one page with charts of one or more files of results
    Report(BenchReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BenchKernelArgs {
    /// What is measured: the inner loops, or scenes [default: everything]
    #[arg(value_name = "PART", value_parser = parts())]
    pub(crate) parts: Vec<String>,
    /// How often; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    /// The instruction set [default: FRACTAL_ISA, else all of this processor with fused multiply-adds]
    #[arg(long, value_name = "NAME", value_parser = Isa::ALL.map(Isa::name))]
    pub(crate) isa: Option<String>,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const OVERHEAD_NOTES: &str = "\
Each schedule that a backend honours is measured with one piece a claim, then `auto`, which puts small pieces together. Efficiency is the \
work done over the most that any backend did in the same time with as many workers; the shortest piece that keeps 50 % and 95 % of it \
is Task Bench's METG.";

const SIMULATE_NOTES: &str = "\
The cost of each tile is recorded with one worker, and what a claim, the shared counter and a run cost is measured. Then every schedule \
is replayed event by event with the code that hands out tiles in real runs. Real runs on this machine's processors stand beside; their \
predictions take what each backend was measured to cost with even pieces as long as the tiles are on average.";

#[derive(Debug, Args)]
pub(crate) struct BenchCoresArgs {
    /// Small pictures and few rounds: done within a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// How long everything may take, in seconds; decides how many rounds there are [default: 180, with --quick 25]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) seconds: Option<u32>,
    /// How many rounds there are, however long they take
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: Option<u32>,
    /// Measure this scene only: whole, valley, exterior, deep, costly-tail, or any SCENE; may be repeated
    #[arg(long, value_name = "SCENE")]
    pub(crate) scene: Vec<OsString>,
    /// Measure this backend only; may be repeated
    #[arg(long, value_name = "NAME", value_parser = backends())]
    pub(crate) backend: Vec<String>,
    /// Numbers of workers, separated by commas [default: from 1 to the number of processors]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = workers)]
    pub(crate) workers: Vec<usize>,
    /// A schedule, or `all`; may be repeated [default: auto]
    #[arg(long, value_name = "KIND[,CHUNK]")]
    pub(crate) schedule: Vec<String>,
    /// Width and height of the pictures [default: 1920x1080, with --quick 1280x720]
    #[arg(long, value_name = "WxH")]
    pub(crate) size: Option<String>,
    /// The edge of a tile in pixels, or `whole`
    #[arg(long, value_name = "N", value_parser = tile)]
    pub(crate) tile: Option<u32>,
    /// Keep each worker on its own processor
    #[arg(long)]
    pub(crate) pin: bool,
    /// Also measure each processor alone
    #[arg(long)]
    pub(crate) per_core: bool,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    /// Also find the best schedule and tile of each backend, and keep them for `--backend auto`, `--schedule auto` and `--tile auto`
    #[arg(long)]
    pub(crate) save: bool,
    /// Go on with the measurement that the file of --json holds
    #[arg(long, requires = "json")]
    pub(crate) resume: bool,
    /// Show progress on standard error: on a terminal, always, never, or as lines of JSON
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never", "json"])]
    pub(crate) progress: Option<String>,
}

/// Where results go beside the terminal.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// Write everything that was measured to this file, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) json: Option<PathBuf>,
    /// Write a row for each combination to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) csv: Option<PathBuf>,
    /// Write a page with charts, timelines and everything that was measured to this file; it needs no network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Write who did what when, in one more run of each backend, to this file, for ui.perfetto.dev; all runs begin at 0 there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
}

impl ResultArgs {
    /// Whether somebody wants to see who did what when.
    pub(super) fn wants_timelines(&self) -> bool {
        self.html.is_some() || self.trace.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct BenchOverheadArgs {
    /// Few runs and lengths of pieces
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each cost is measured [default: 10, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: Option<u32>,
    /// Measure this backend only; may be repeated
    #[arg(long, value_name = "NAME", value_parser = backends())]
    pub(crate) backend: Vec<String>,
    /// How many workers there are [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Do not measure OpenMP (with a C compiler) and PyMP (with Python) beside, where they are installed
    #[arg(long)]
    pub(crate) no_references: bool,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    /// Show progress on standard error: on a terminal, always, never, or as lines of JSON
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never", "json"])]
    pub(crate) progress: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchSimulateArgs {
    /// A scene file, a picture of ours, a named place, `-`, or a scene of `fractal bench`: whole, valley, exterior, deep, costly-tail
    #[arg(value_name = "SCENE")]
    pub(crate) source: OsString,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// The edge of a tile in pixels, or `whole`
    #[arg(long, value_name = "N", value_parser = tile)]
    pub(crate) tile: Option<u32>,
    /// How many workers this machine's real runs have at most [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// How often each real run beside the predictions is made; 0 for none [default: 3 to 20 times, as fits into 40 seconds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) runs: Option<u32>,
    /// Show all orders of tiles, not only the one from the top
    #[arg(long)]
    pub(crate) orders: bool,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    /// Show progress on standard error: on a terminal, always, never, or as lines of JSON
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never", "json"])]
    pub(crate) progress: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchCompareArgs {
    /// Results of `fractal bench --json`, or of hyperfine's --export-json
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The same, later
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// The chance, in percent, that anything is called a change when nothing has changed
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub(crate) level: f64,
    /// Changes of fewer percent are none
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    pub(crate) threshold: f64,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let wanted = "a number from 0 to 100 is wanted".to_owned();
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).ok_or(wanted)
}

#[derive(Debug, Args)]
pub(crate) struct BenchReportArgs {
    /// Files that --json has written, or hyperfine's --export-json
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Where the page goes; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}
