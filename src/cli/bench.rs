//! `bench`: how fast this machine computes. This file measures the kernels, in processor time of one thread; the fastest run counts.

pub(crate) mod args;
mod busy;
mod charts;
mod compare;
mod cores;
mod deep;
mod outputs;
mod overhead;
mod progress;
mod report;
mod scenes;
mod schedules;
mod simulate;
mod text;
mod waiting;

pub(super) use progress::Bar;

use super::args::LOOPS;
use super::bar::Display;
use super::{print, print_json};
use args::BenchKernelArgs;
use fractal::bench::kernel::{BENCHMARKS, Benchmark, Figures, InnerLoop, multiply_add_peak, share_of_peak};
use fractal::formula::FORMULAS;
use fractal::internal::system;
use fractal::kernel::Isa;
use fractal::parallel::Stop;
use fractal::sample::Channels;
use fractal::{Error, Result};
use serde::Serialize;

/// The modes in which a whole scene is computed: name, escape radius and channels.
const MODES: [(&str, f64, Channels); 4] = [
    ("counts R=2", 2.0, Channels::COUNTS),
    ("counts R=256", 256.0, Channels::COUNTS),
    ("smooth R=256", 256.0, Channels::SMOOTH),
    ("distance R=256", 256.0, Channels::ALL),
];

/// Edge of a tile, and tiles per claim, roughly as backends take them.
const TILE: u32 = 64;
const CLAIM: usize = 16;

#[derive(Serialize)]
struct Machine {
    processor: Option<String>,
    runs: u32,
    loops: Vec<Loop>,
    scenes: Vec<Scene>,
}

#[derive(Serialize)]
struct Loop {
    isa: &'static str,
    formula: &'static str,
    power: u32,
    iterations_per_second: f64,
    /// Operations of the busiest units per iteration: all, or multiplications where adders are separate.
    operations: f64,
    /// These operations as a share of this thread's peak rate of fused multiply-adds.
    /// `None` where more was measured, so that other units do a part.
    share_of_peak: Option<f64>,
}

#[derive(Serialize)]
struct Scene {
    isa: &'static str,
    scene: &'static str,
    mode: &'static str,
    seconds: f64,
    nanoseconds_per_pixel: f64,
    executed: u64,
    useful: u64,
}

/// `fractal bench`.
pub(crate) fn run(args: &args::BenchArgs) -> Result<()> {
    match &args.command {
        None => cores::run(&args.cores),
        Some(args::BenchCommand::Kernel(args)) => kernel(args),
        Some(args::BenchCommand::Overhead(args)) => overhead::run(args),
        Some(args::BenchCommand::Simulate(args)) => simulate::run(args),
        Some(args::BenchCommand::Schedules(args)) => schedules::run(args),
        Some(args::BenchCommand::Deep(args)) => deep::run(args),
        Some(args::BenchCommand::Waiting(args)) => waiting::run(args),
        Some(args::BenchCommand::Compare(args)) => compare::run(args),
        Some(args::BenchCommand::Report(args)) => report::run(args),
    }
}

/// `fractal bench kernel`.
fn kernel(args: &BenchKernelArgs) -> Result<()> {
    let isas = match &args.isa {
        Some(name) => vec![name.parse()?],
        None if std::env::var_os("FRACTAL_ISA").is_some_and(|name| !name.is_empty()) => vec![Isa::from_env()?],
        None => fused(),
    };
    let wanted = |part: &str| args.parts.is_empty() || args.parts.iter().any(|name| name == part);
    if isas.contains(&Isa::Scalar) && args.parts.iter().any(|part| part == LOOPS) {
        return Err(Error::Unsupported("`scalar` has no vectors and therefore no inner loop to measure".into()));
    }
    busy::check(&args.busy, Display::Hidden, &Stop::new())?;
    let mut machine = Machine { processor: processor(), runs: args.runs, loops: Vec::new(), scenes: Vec::new() };
    if !args.json {
        let processor = machine.processor.as_deref().unwrap_or("unknown processor");
        print(format!("{processor}, one thread, the best of {}\n", args.runs))?;
    }
    for isa in isas {
        if wanted(LOOPS) && isa != Isa::Scalar {
            loops(isa, args, &mut machine)?;
        }
        for benchmark in BENCHMARKS.iter().filter(|benchmark| wanted(benchmark.name)) {
            scenes(isa, benchmark, args, &mut machine)?;
        }
    }
    if args.json {
        print_json(&machine)?;
    }
    Ok(())
}

/// The instruction sets of this processor that have fused multiply-adds over vectors, on which kernels rely; else its best.
fn fused() -> Vec<Isa> {
    let fused: Vec<_> = Isa::available().into_iter().filter(|isa| !matches!(isa, Isa::Scalar | Isa::Sse42)).collect();
    if fused.is_empty() { vec![Isa::best()] } else { fused }
}

/// Inner loops against the processor's peak, which take turns, so that both meet the same clock rate and load.
fn loops(isa: Isa, args: &BenchKernelArgs, machine: &mut Machine) -> Result<()> {
    let mut loops = Vec::new();
    for entry in FORMULAS {
        for power in entry.powers.clone() {
            loops.push((entry.name, power, InnerLoop::new(entry, power, isa)?, 0.0_f64));
        }
    }
    let mut peak = 0.0_f64;
    for _ in 0..args.runs {
        for (.., inner, rate) in &mut loops {
            peak = peak.max(multiply_add_peak(isa, 400_000));
            *rate = rate.max(inner.rate(20_000));
        }
    }
    if !args.json {
        print(format!("{isa}: {:.2} G multiply-adds/s at the peak of their units\n", peak / 1e9))?;
    }
    for (formula, power, inner, rate) in loops {
        let share = share_of_peak(rate * inner.operations, peak);
        if !args.json {
            let share = share.map_or("more than the multiply-add units alone can do".into(), |share| {
                format!("{:5.1} % of the peak", 100.0 * share)
            });
            print(format!("  {formula:14} {power}  {:6.2} G iterations/s  {share}\n", rate / 1e9))?;
        }
        machine.loops.push(Loop {
            isa: isa.name(),
            formula,
            power,
            iterations_per_second: rate,
            operations: inner.operations,
            share_of_peak: share,
        });
    }
    Ok(())
}

/// A whole image of a scene in each mode.
fn scenes(isa: Isa, benchmark: &'static Benchmark, args: &BenchKernelArgs, machine: &mut Machine) -> Result<()> {
    for (mode, radius, channels) in MODES {
        let mut image = benchmark.prepare(isa, radius, channels, TILE, CLAIM)?;
        let mut fastest: Option<Figures> = None;
        for _ in 0..args.runs {
            let figures = image.run()?;
            fastest = fastest.filter(|fastest| fastest.time <= figures.time).or(Some(figures));
        }
        let Some(Figures { time, counters, useful }) = fastest else { continue };
        let pixels = counters.escaped + counters.cardioid + counters.bulb + counters.periodic + counters.limit;
        let scene = Scene {
            isa: isa.name(),
            scene: benchmark.name,
            mode,
            seconds: time.as_secs_f64(),
            nanoseconds_per_pixel: time.as_secs_f64() * 1e9 / pixels as f64,
            executed: counters.executed,
            useful,
        };
        if !args.json {
            print(format!(
                "{isa:7} {:8} {mode:15} {:9.2} ms  {:7.2} ns/pixel  {:7.2} G iterations/s\n",
                scene.scene,
                1e3 * scene.seconds,
                scene.nanoseconds_per_pixel,
                scene.executed as f64 / scene.seconds / 1e9
            ))?;
        }
        machine.scenes.push(scene);
    }
    Ok(())
}

/// The processor's own name, if the system reports it.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    system::value(&text, "model name").map(str::to_owned)
}
