//! What is typed: commands and their arguments, as clap reads them. [`super::plan`] works out what they mean.
//!
//! The allowed names come from the library's tables, and so do help, completions and the manual page.

mod crawl;
mod guide;
mod progress;
mod scene;
mod values;
mod waiting;
mod work;

pub(crate) use crawl::CrawlArgs;
pub(crate) use guide::GuideArgs;
pub(crate) use progress::ProgressArgs;
pub(crate) use scene::{ColourArgs, SceneArgs};
pub(super) use values::{AUTO, Edge, LOOPS, backends, connections, duration, models, parts, tile, workers, works};
pub(crate) use waiting::StatusArgs;
pub(crate) use work::{PrimesArgs, ThumbnailsArgs, WorkArgs};

use super::bench::args::{BENCH_NOTES, BenchArgs};
use clap::builder::Styles;
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use crawl::CRAWL_NOTES;
use fractal::parallel::Shard;
use fractal::sample::Order;
use std::ffi::OsString;
use std::path::PathBuf;
#[cfg(feature = "window")]
use values::scale;
use values::{backends_or_auto, formats, orders, shard, tile_or_auto};
use waiting::STATUS_NOTES;
use work::{PRIMES_NOTES, THUMBNAILS_NOTES};

/// Fractals, and every way of running one program in parallel.
#[derive(Debug, Parser)]
#[command(name = "fractal", version, propagate_version = true, styles = Styles::plain())]
#[command(subcommand_required = true, arg_required_else_help = true, args_override_self = true)]
#[command(after_long_help = NOTES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const NOTES: &str = "\
`fractal COMMAND --help` explains a command; names such as seahorses are those of `fractal places`.

Exit status: 0 done, or the reader of standard output closed it early (`| head`); 1 failed; 2 wrong usage; 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Render scenes to pictures
    #[command(after_long_help = RENDER_NOTES)]
    Render(Box<RenderArgs>),
    /// Merge the parts that shards computed into a picture
    #[command(after_long_help = MERGE_NOTES)]
    Merge(MergeArgs),
    /// Explore in a window
    #[cfg(feature = "window")]
    View(Box<ViewArgs>),
    /// Show where a scene is and how it would be rendered, or write it as a scene file
    Info(InfoArgs),
    /// Show the values of single pixels, and why their orbits ended
    Probe(ProbeArgs),
    /// Measure how exact a render is, at random pixels
    #[command(after_long_help = CHECK_NOTES)]
    Check(CheckArgs),
    /// Count the primes up to a number
    #[command(after_long_help = PRIMES_NOTES)]
    Primes(PrimesArgs),
    /// Make thumbnails of the pictures in a folder
    #[command(after_long_help = THUMBNAILS_NOTES)]
    Thumbnails(ThumbnailsArgs),
    /// Ask many URLs at once whether they answer
    #[command(after_long_help = STATUS_NOTES)]
    Status(StatusArgs),
    /// Follow the links of pages, politely
    #[command(after_long_help = CRAWL_NOTES)]
    Crawl(CrawlArgs),
    /// List the backends: ways to compute tiles in parallel
    Backends(BackendsArgs),
    /// Explain which model of parallelism to choose when, and answer questions about it
    Guide(GuideArgs),
    /// List the formulas
    Formulas(ListArgs),
    /// List the palettes
    Palettes(ListArgs),
    /// List the colourings
    Colourings(ListArgs),
    /// List the named places
    Places(ListArgs),
    /// Measure this machine: cores, kernels, backends and their overhead; compare and report
    #[command(args_conflicts_with_subcommands = true, after_long_help = BENCH_NOTES)]
    Bench(Box<BenchArgs>),
    /// Write a shell completion script to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a manual page to standard output
    Man {
        /// The command whose page to write, such as `render` or `bench compare` [default: the program itself]
        command: Vec<String>,
    },
}

const RENDER_NOTES: &str = "\
A SCENE is a scene file (TOML or JSON), a picture made by this program (PNG or EXR), a named place, or `-` for standard input. \
Arguments take precedence over the environment, and the environment over the scene file.

Environment: FRACTAL_BACKEND, FRACTAL_WORKERS (then OMP_NUM_THREADS), FRACTAL_SCHEDULE (then OMP_SCHEDULE), OMP_PROC_BIND, \
OMP_THREAD_LIMIT, and FRACTAL_ISA (scalar, sse4.2, avx2, avx512, neon) to force an instruction set. An empty variable counts as unset.

A render that is expected to take more than a minute says so, and keeps its finished tiles in OUTPUT.checkpoint until the picture is \
complete, if that costs less than 2 % of its time, or up to 20 % where it takes ten minutes. After Ctrl-C, a kill or a crash, the same \
command continues from there, with or without --resume. A file named with --checkpoint is kept: rendering from it again, in other \
colours perhaps, computes nothing.

Exit status: 0 done, or the reader of standard output closed it early and no other output was asked for; 1 failed, also when standard \
output is full or was closed from the start; 2 wrong usage; 130 interrupted. A file appears only when it is complete.";

const MERGE_NOTES: &str = "\
The picture is the same, byte for byte, as that of a single run. Parts are what `fractal render --shard I/N` writes, and any \
checkpoint, in any order; where they overlap, they must agree. Missing tiles are reported, or computed with --complete.";

const CHECK_NOTES: &str = "\
Each pixel, or one sample of it, is computed as `fractal render` does and again in double-double, of about 32 digits: views within reach \
of 64-bit numbers by their formula, deeper ones by perturbation that skips nothing. A few of these are computed with as many digits as \
they need as well, which takes up to seconds each.

Reported are the share of counts that differ, with an interval, and by how much; then smooth counts and distances where the counts are \
equal. A sample is chaotic if its count changes when its point moves by a rounding of its coordinates to 64-bit numbers: its count is \
then no property of the picture, and it is left out.";

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Parts of one picture, in any order
    #[arg(value_name = "PART", required = true)]
    pub(crate) parts: Vec<PathBuf>,
    /// Where the picture goes; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: OsString,
    /// The picture's format, instead of the one that the file extension implies
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub(crate) format: Option<String>,
    /// Bits per colour
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = ["8", "16"])]
    pub(crate) bits: String,
    /// Compute the tiles that no part has
    #[arg(long)]
    pub(crate) complete: bool,
    #[command(flatten)]
    pub(crate) colours: ColourArgs,
    /// Set a key of the scene that affects only colours, for example colour.density=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Report errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Report what it cost
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Scene files, pictures made by fractal, named places, or `-` [default: the whole Mandelbrot set]
    #[arg(value_name = "SCENE")]
    pub(crate) scenes: Vec<OsString>,

    #[command(flatten)]
    pub(crate) scene: SceneArgs,

    /// Where the picture goes; `-` is standard output. {name} and {index} stand for the scene's name and number
    /// [default: NAME.png in the current directory, unless that file exists]
    #[arg(short, long, value_name = "FILE", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<OsString>,
    /// The picture's format, instead of the one that the file extension implies
    #[arg(long, value_name = "FORMAT", help_heading = "Output", value_parser = formats())]
    pub(crate) format: Option<String>,
    /// Bits per colour
    #[arg(long, value_name = "BITS", help_heading = "Output", default_value = "8", value_parser = ["8", "16"])]
    pub(crate) bits: String,
    /// Also draw which worker computed each tile; may contain {name} and {index} as well
    #[arg(long, value_name = "FILE", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub(crate) owners: Option<OsString>,
    /// Also write what each worker did, and when, as JSON for ui.perfetto.dev
    #[arg(long, value_name = "FILE", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Report on standard error what each picture cost
    #[arg(long, value_name = "FORMAT", help_heading = "Output", value_parser = ["json"])]
    pub(crate) stats: Option<String>,
    #[command(flatten, next_help_heading = "Output")]
    pub(crate) progress: ProgressArgs,
    /// Show the picture in a window as it fills; the render continues if the window is closed
    #[cfg(feature = "window")]
    #[arg(long, help_heading = "Output")]
    pub(crate) view: bool,
    /// Report errors only
    #[arg(short, long, help_heading = "Output", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Report what was chosen and what it cost
    #[arg(short, long, help_heading = "Output")]
    pub(crate) verbose: bool,

    /// Keep finished tiles in this file, even after the picture is complete; may contain {name} and {index} as well
    #[arg(long, value_name = "FILE", help_heading = "Checkpoints and shards", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["no_checkpoint", "shard"])]
    pub(crate) checkpoint: Option<OsString>,
    /// Keep no finished tiles, however long the render takes
    #[arg(long, help_heading = "Checkpoints and shards", conflicts_with_all = ["resume", "shard"])]
    pub(crate) no_checkpoint: bool,
    /// Continue from the checkpoint of an interrupted run; without one start from the beginning, and leave complete pictures alone
    #[arg(long, help_heading = "Checkpoints and shards")]
    pub(crate) resume: bool,
    /// Reuse the escaped samples of the same picture with fewer iterations, from an EXR file or a kept checkpoint, and compute only the
    /// others; may contain {name} and {index} as well
    #[arg(long = "continue", value_name = "FILE", help_heading = "Checkpoints and shards", value_hint = ValueHint::FilePath)]
    pub(crate) continued: Option<OsString>,
    /// Compute one of several shares of the tiles, into a part for `fractal merge`: 3/10 is the third of ten
    #[arg(long, value_name = "I/N", help_heading = "Checkpoints and shards", value_parser = shard, conflicts_with = "owners")]
    pub(crate) shard: Option<Shard>,

    /// The backend that computes the tiles
    #[arg(long, value_name = "NAME", help_heading = "Computing", value_parser = backends_or_auto())]
    pub(crate) backend: Option<String>,
    /// Number of workers [default: the number of processors]
    #[arg(long, value_name = "N", help_heading = "Computing", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Which worker takes which tiles: static, dynamic, guided or runtime, as in OpenMP, or auto (the backend's own, or the
    /// best that `fractal bench --save` found)
    #[arg(long, value_name = "KIND[,CHUNK]", help_heading = "Computing")]
    pub(crate) schedule: Option<String>,
    /// Pin each worker to its own processor
    #[arg(long, help_heading = "Computing")]
    pub(crate) pin: bool,
    /// The edge of a tile in pixels, `whole` for a single tile, or `auto` for the best that `fractal bench --save` found
    #[arg(long, value_name = "N", help_heading = "Computing", value_parser = tile_or_auto)]
    pub(crate) tile: Option<Edge>,
    /// The order of the tiles
    #[arg(long, value_name = "ORDER", help_heading = "Computing", value_parser = orders())]
    pub(crate) order: Option<String>,
}

#[cfg(feature = "window")]
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// A scene file, a picture made by fractal, a named place, or `-` [default: the scene that was shown last]
    #[arg(value_name = "SCENE")]
    pub(crate) source: Option<OsString>,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,

    /// The backend that computes the tiles
    #[arg(long, value_name = "NAME", help_heading = "Computing", value_parser = backends_or_auto())]
    pub(crate) backend: Option<String>,
    /// Number of workers [default: the number of processors]
    #[arg(long, value_name = "N", help_heading = "Computing", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// Which worker takes which tiles: static, dynamic, guided or runtime, as in OpenMP, or auto (the backend's own, or the
    /// best that `fractal bench --save` found)
    #[arg(long, value_name = "KIND[,CHUNK]", help_heading = "Computing")]
    pub(crate) schedule: Option<String>,
    /// The edge of a tile in pixels, 4 to 4096, or `auto` for the best that `fractal bench --save` found
    #[arg(long, value_name = "N", help_heading = "Computing", value_parser = tile_or_auto)]
    pub(crate) tile: Option<Edge>,
    /// Text size as a multiple of the usual, for high-density screens [default: from the screen, else from the window's height]
    #[arg(long, value_name = "TIMES", help_heading = "Window", value_parser = scale)]
    pub(crate) scale: Option<f64>,
    /// Forget the settings and the scene of last time
    #[arg(long, help_heading = "Window")]
    pub(crate) fresh: bool,
    /// Where pictures are saved
    #[arg(long, value_name = "FOLDER", help_heading = "Window", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Print the table of keys in Markdown instead of opening the window
    #[arg(long, help_heading = "Window")]
    pub(crate) keys: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// A scene file, a picture made by fractal, a named place, or `-`; not needed where --re or --im says where to look
    #[arg(value_name = "SCENE", required_unless_present_any = ["re", "im"])]
    pub(crate) source: Option<OsString>,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// Write one JSON object
    #[arg(long, conflicts_with = "toml")]
    pub(crate) json: bool,
    /// Write the scene as a scene file, with its whole view
    #[arg(long)]
    pub(crate) toml: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// A scene file, a picture made by fractal, a named place, or `-`
    #[arg(value_name = "SCENE")]
    pub(crate) source: OsString,
    /// Pixels as X,Y from the picture's top left, or @FILE with one on each line
    #[arg(value_name = "X,Y|@FILE", required = true)]
    pub(crate) points: Vec<OsString>,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// Write a line of JSON for each pixel
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackendsArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Say when to choose each, and when another
    #[arg(long)]
    pub(crate) long: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A scene file, a picture made by fractal, a named place, or `-`; not needed where --re or --im says where to look
    #[arg(value_name = "SCENE", required_unless_present_any = ["re", "im"])]
    pub(crate) source: Option<OsString>,
    #[command(flatten)]
    pub(crate) scene: SceneArgs,
    /// How many pixels
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) pixels: usize,
    /// How many of them are also computed with as many digits as they need
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) exact: usize,
    /// What the random choice of pixels begins with
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Number of workers [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Write one JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Write a table in Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

impl RenderArgs {
    /// The order of the tiles.
    pub(crate) fn order(&self) -> fractal::Result<Order> {
        self.order.as_deref().map_or(Ok(Order::default()), str::parse)
    }

    /// Whether a window shows the render.
    pub(crate) fn is_watched(&self) -> bool {
        #[cfg(feature = "window")]
        return self.view;
        #[cfg(not(feature = "window"))]
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_argument_for_scenes_sets_a_key() {
        let values = ["3x2", "2", "-1.5", "0.25", "1e-3", "30", "500", "4", "tricorn", "none", "bands"];
        let names = [
            "size",
            "samples",
            "re",
            "im",
            "width",
            "rotation",
            "iterations",
            "escape-radius",
            "formula",
            "julia",
            "colour",
        ];
        let typed = names.iter().zip(values).flat_map(|(name, value)| [format!("--{name}"), value.to_owned()]);
        let cli = Cli::try_parse_from(["fractal", "render"].map(String::from).into_iter().chain(typed)).unwrap();
        let Command::Render(args) = cli.command else { panic!("{cli:?}") };
        let mut scene = fractal::Scene::default();
        for assignment in args.scene.assignments() {
            scene.set(&assignment).unwrap();
        }
        assert_eq!(args.scene.assignments().count(), names.len());
        assert_eq!((scene.image.size, scene.image.samples, scene.formula.as_str()), ((3, 2), 2, "tricorn"));
    }

    #[test]
    fn the_last_of_an_argument_wins_and_settings_add_up() {
        let typed = ["fractal", "render", "--re", "1", "--set", "power=2", "--re", "-2", "--set", "max=5"];
        let Ok(Cli { command: Command::Render(args) }) = Cli::try_parse_from(typed) else { panic!() };
        assert_eq!(args.scene.assignments().collect::<Vec<_>>(), ["view.re=-2", "power=2", "max=5"]);
    }
}
