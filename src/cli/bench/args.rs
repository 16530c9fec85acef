//! The arguments of `bench`.

use super::super::args::{
    ProgressArgs, SceneArgs, backends, connections, duration, models, parts, tile, workers, works,
};
use clap::{Args, Subcommand, ValueHint};
use fractal::backend::DEFAULT;
use fractal::kernel::Isa;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const BENCH_NOTES: &str = "\
Without a subcommand every backend is measured with 1, 2, … workers on several scenes. All combinations take turns, in a new \
order each round, after a warm-up round that does not count. Figures are medians; every time is kept. Times that other programs \
disturbed are marked with `!`.

The file of --json has the format of hyperfine's, with more keys. It is rewritten after each measurement, so that after Ctrl-C the same \
command with --resume continues.

Exit status: 0 done, or the reader of standard output closed it early; 1 failed (for `compare` also: something is slower, or not \
decided where a decision is required); 2 wrong usage; 130 interrupted.";

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
    /// Measure the overhead of backends, and how short their pieces may be
    #[command(after_long_help = OVERHEAD_NOTES)]
    Overhead(Box<BenchOverheadArgs>),
    /// Predict a scene's speed-up under every schedule on up to 4096 workers
    #[command(after_long_help = SIMULATE_NOTES)]
    Simulate(Box<BenchSimulateArgs>),
    /// Show several schedules side by side: who computed which tile, when, and how long it took
    #[command(after_long_help = SCHEDULES_NOTES)]
    Schedules(Box<BenchSchedulesArgs>),
    /// Measure what deep views cost: time against pixels, depth and the maximum of iterations
    Deep(BenchDeepArgs),
    /// Measure what waiting for many connections costs in each model: time, memory, and what one blocking call does
    #[command(after_long_help = WAITING_NOTES)]
    Waiting(BenchWaitingArgs),
    /// Report what is slower, faster, the same or not decided between two result files; fails if anything became slower
    Compare(BenchCompareArgs),
    /// Make one page with charts from one or more result files
    Report(BenchReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BenchKernelArgs {
    /// What to measure: the inner loops, or scenes [default: everything]
    #[arg(value_name = "PART", value_parser = parts())]
    pub(crate) parts: Vec<String>,
    /// Number of runs; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    /// The instruction set [default: FRACTAL_ISA, else all that this processor has with fused multiply-adds]
    #[arg(long, value_name = "NAME", value_parser = Isa::ALL.map(Isa::name))]
    pub(crate) isa: Option<String>,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
}

/// What happens on a machine that other programs use.
#[derive(Debug, Args)]
pub(crate) struct BusyArgs {
    /// Wait until other programs leave the processors alone; after so many seconds it fails [default: 600]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "600",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) wait_idle: Option<u32>,
    /// Measure without a warning at the start if other programs use the processors; with --wait-idle, after waiting in vain
    #[arg(long)]
    pub(crate) anyway: bool,
}

const OVERHEAD_NOTES: &str = "\
Each schedule that a backend honours is measured with one piece per claim, then `auto`, which groups small pieces. Efficiency is the work \
done, divided by the most that any backend did in the same time with as many workers; the shortest pieces that keep 50 % and 95 % \
efficiency are Task Bench's METG. Runs take turns, and the minimum time of each length counts. What other programs disturbed is marked \
with `!`, and where they make an efficiency unknown it is withheld.";

const SIMULATE_NOTES: &str = "\
The cost of each tile is recorded with one worker; the costs of a claim, of the shared counter and of a run are measured. Then every \
schedule is replayed, event by event, by the code that hands out tiles in real runs. Real runs on this machine are shown next to their \
predictions, which use the costs of each backend as measured with even pieces that are as long as the average tile.";

#[derive(Debug, Args)]
pub(crate) struct BenchCoresArgs {
    /// Small pictures and few rounds: done within half a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// How long everything but --save may take, in seconds; determines the number of rounds, and how large pictures are [default: 180,
    /// with --quick 25]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) seconds: Option<u32>,
    /// Number of rounds, however long they take
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: Option<u32>,
    /// The kind of work that is measured
    #[arg(long, value_name = "KIND", value_parser = works(), default_value = "scene")]
    pub(crate) work: String,
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
    /// Width and height of the pictures; works of other kinds grow with them [default: 1920x1080, with --quick 1280x720, or less where
    /// three rounds would take too long]
    #[arg(long, value_name = "WxH")]
    pub(crate) size: Option<String>,
    /// The edge of a tile in pixels, or `whole`
    #[arg(long, value_name = "N", value_parser = tile)]
    pub(crate) tile: Option<u32>,
    /// Pin each worker to its own processor
    #[arg(long)]
    pub(crate) pin: bool,
    /// Also measure each processor alone
    #[arg(long)]
    pub(crate) per_core: bool,
    /// Also measure weak scaling: pictures that grow with the number of workers
    #[arg(long)]
    pub(crate) weak: bool,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    /// Also find the best schedule and tile size of each backend, and keep them for `--backend auto`, `--schedule auto` and `--tile auto`
    #[arg(long)]
    pub(crate) save: bool,
    /// Continue the measurement in the file of --json
    #[arg(long, requires = "json")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// Where results go, apart from the terminal.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// Write all measurements to this file, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) json: Option<PathBuf>,
    /// Write a row for each combination to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) csv: Option<PathBuf>,
    /// Write the tables of the terminal to this file, as Markdown
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) markdown: Option<PathBuf>,
    /// Write a page with charts, timelines and all measurements to this file; it needs no network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Write a trace of one more run of each backend and schedule, with the most workers, to this file, for ui.perfetto.dev; all runs
    /// begin at 0
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
}

impl ResultArgs {
    /// Whether timelines are needed.
    pub(super) fn wants_timelines(&self) -> bool {
        self.html.is_some() || self.trace.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct BenchOverheadArgs {
    /// Few runs and few piece lengths
    #[arg(long)]
    pub(crate) quick: bool,
    /// Number of measurements of each cost [default: 10, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: Option<u32>,
    /// Measure this backend only; may be repeated
    #[arg(long, value_name = "NAME", value_parser = backends())]
    pub(crate) backend: Vec<String>,
    /// Number of workers [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Leave out OpenMP (needs a C compiler) and PyMP (needs Python), which are measured too where they are installed
    #[arg(long)]
    pub(crate) no_references: bool,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchSimulateArgs {
    /// A scene file, a picture made by fractal, a named place, `-`, or a scene of `fractal bench`: whole, valley, exterior, deep,
    /// costly-tail
    #[arg(value_name = "SCENE", required_unless_present = "work")]
    pub(crate) source: Option<OsString>,
    /// Instead of a scene a work of another kind, as much as `fractal bench --work --quick` measures
    #[arg(long, value_name = "KIND", value_parser = works(), conflicts_with_all = ["source", "tile", "orders"])]
    pub(crate) work: Option<String>,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// The edge of a tile in pixels, or `whole`
    #[arg(long, value_name = "N", value_parser = tile)]
    pub(crate) tile: Option<u32>,
    /// The most workers of the real runs on this machine [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// How often each real run is repeated; 0 for no real runs [default: 3 to 20 times, as fits into 40 seconds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) runs: Option<u32>,
    /// Show all orders of tiles, not only from the top
    #[arg(long)]
    pub(crate) orders: bool,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

const WAITING_NOTES: &str = "\
A server of its own answers after the delay; for each run a client asks it, in a process of its own, on this machine only. Start is the \
time until the first question, and wall that from there to the last answer. Processor time is the client's. Memory is measured in another \
run, in which the server answers once all connections that the model has at once are open: resident memory for each, and the kernel's \
stacks, which Linux counts for the whole machine only. p50 and p99 are from a question to its answer. The pools have 100 threads or \
processes; `serial` and `process-each` are given fewer connections, and it says so. Lines are those of the model's file.";

#[derive(Debug, Args)]
pub(crate) struct BenchWaitingArgs {
    /// Numbers of connections, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = connections, default_value = "1000")]
    pub(crate) connections: Vec<usize>,
    /// When the server answers: 50ms, 2s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "50ms")]
    pub(crate) delay: Duration,
    /// Measure this model only; may be repeated
    #[arg(long, value_name = "NAME", value_parser = models())]
    pub(crate) model: Vec<String>,
    /// Number of runs; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Also measure a run in which the use of the first answer blocks for this time
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "500ms",
        value_parser = duration)]
    pub(crate) block_one: Option<Duration>,
    /// Also measure Python's ThreadPoolExecutor, aiohttp and gevent, those that `python3` has
    #[arg(long)]
    pub(crate) python: bool,
    #[command(flatten)]
    pub(crate) charts: ChartArgs,
}

/// What measurements with charts have in common.
#[derive(Debug, Args)]
pub(crate) struct ChartArgs {
    /// Draw the charts into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) svg: Option<PathBuf>,
    /// Write a page with the charts to this file; it needs no network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Write one JSON value
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchDeepArgs {
    /// Width and height of the pictures whose pixels are not what is varied
    #[arg(long, value_name = "WxH", default_value = "320x180")]
    pub(crate) size: String,
    /// Number of runs; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    #[command(flatten)]
    pub(crate) charts: ChartArgs,
}

const SCHEDULES_NOTES: &str = "\
Every combination of a schedule, a tile size and a number of workers is run in turns, in a new order each round, after a warm-up \
round. The fastest run of each is shown: on a machine that other programs use, it says most about the schedule. The figures are printed as \
a table.";

#[derive(Debug, Args)]
pub(crate) struct BenchSchedulesArgs {
    /// A scene file, a picture made by fractal, a named place, `-`, or a scene of `fractal bench`: whole, valley, exterior, deep,
    /// costly-tail
    #[arg(value_name = "SCENE")]
    pub(crate) source: OsString,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// A schedule; may be repeated [default: static, static,1, dynamic and guided]
    #[arg(long, value_name = "KIND[,CHUNK]")]
    pub(crate) schedule: Vec<String>,
    /// Edges of a tile in pixels, or `whole`, separated by commas [default: 64]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = tile)]
    pub(crate) tile: Vec<u32>,
    /// Numbers of workers, separated by commas [default: the number of processors]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = workers)]
    pub(crate) workers: Vec<usize>,
    /// The backend; it must honour the schedules
    #[arg(long, value_name = "NAME", default_value = DEFAULT, value_parser = backends())]
    pub(crate) backend: String,
    /// Let the picture grow with the number of workers (weak scaling)
    #[arg(long)]
    pub(crate) weak: bool,
    /// Number of runs of each; the fastest is shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    #[command(flatten)]
    pub(crate) output: ResultArgs,
    /// Draw maps of owners and timelines to this file, as an SVG picture
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchCompareArgs {
    /// Results of `fractal bench --json`, or of hyperfine's --export-json
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// The same, measured later
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// The chance, in percent, that anything is called a change if nothing has changed
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub(crate) level: f64,
    /// Changes of fewer percent do not count
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    pub(crate) threshold: f64,
    /// Fail also if anything is not decided, or is in one file only
    #[arg(long)]
    pub(crate) require_decision: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let wanted = "must be a number from 0 to 100".to_owned();
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).ok_or(wanted)
}

#[derive(Debug, Args)]
pub(crate) struct BenchReportArgs {
    /// Result files of --json, or of hyperfine's --export-json
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Where the page goes; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}
