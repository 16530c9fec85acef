//! What a picture cost: `--stats json`. Programs read these keys; keys may be added but not renamed.

use super::picture::Picture;
use fractal::Outcome;
use fractal::internal::system;
use fractal::parallel::WorkerReport;
use fractal::sample::PixelSize;
use fractal::sink::ImageCost;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// A moment, in wall time and in processor time of the whole program.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    time: Instant,
    cpu: Duration,
}

impl Mark {
    /// The program's start; call it then.
    pub(super) fn first() -> Self {
        Self { cpu: Duration::ZERO, ..Self::now() }
    }

    /// The time since this moment, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.time.elapsed().as_secs_f64()
    }

    /// Wall time from an earlier moment to this one, in seconds.
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        (self.time - earlier.time).as_secs_f64()
    }

    /// The same in processor time of this process.
    pub(super) fn processor_since(&self, earlier: &Self) -> f64 {
        (self.cpu - earlier.cpu).as_secs_f64()
    }

    /// This moment.
    pub(super) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self { time: Instant::now(), cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32) }
    }
}

#[derive(Serialize)]
struct Seconds {
    /// Before the first piece: reading and planning the scene, starting workers, estimating for the progress bar.
    setup: f64,
    /// The reference orbit of a deep view, which is part of `setup`.
    reference: Option<f64>,
    /// From the start of the first claim to the end of the last.
    render: f64,
    /// Colouring samples, summed over the workers, which do it during the render.
    colour: f64,
    /// Encoding and writing, on a separate thread during the render.
    encode: f64,
    /// Keeping finished tiles in a checkpoint or a part, summed over the workers, which do it during the render.
    keep: f64,
    /// Everything.
    total: f64,
}

#[derive(Serialize)]
struct CpuSeconds {
    /// From the first claim to the complete file, with colouring and encoding.
    render: f64,
    total: f64,
}

#[derive(Serialize)]
struct Iterations {
    executed: u64,
    useful: u64,
}

#[derive(Serialize)]
struct Worker {
    index: usize,
    busy_seconds: f64,
    tiles: usize,
    host: String,
    name: String,
    claims: usize,
    iterations: Iterations,
}

/// Samples, by the reason why their orbit ended.
#[derive(Serialize)]
struct Samples {
    escaped: u64,
    cardioid: u64,
    bulb: u64,
    period: u64,
    limit: u64,
}

/// What a picture cost.
#[derive(Serialize)]
pub(super) struct Stats<'a> {
    scene: &'a str,
    output: Cow<'a, str>,
    seconds: Seconds,
    cpu_seconds: CpuSeconds,
    iterations: Iterations,
    samples: Samples,
    tiles: usize,
    pixels: u64,
    peak_memory_bytes: Option<u64>,
    backend: &'a str,
    schedule: &'a str,
    isa: &'a str,
    tier: &'a str,
    workers: Vec<Worker>,
    imbalance: f64,
    efficiency: f64,
}

impl<'a> Stats<'a> {
    /// For a finished run. The marks are the beginning of the picture, and the beginning and end of its run.
    pub(super) fn new(
        picture: &'a Picture,
        outcome: &'a Outcome,
        image: ImageCost,
        keep: Duration,
        [begin, started, ended]: [&Mark; 3],
    ) -> Self {
        let Outcome { report, counters } = outcome;
        let kernel = picture.render.kernel();
        let PixelSize { width, height } = picture.render.scene().image.drawn();
        let host = host();
        let worker = |worker: &WorkerReport| Worker {
            index: worker.index,
            busy_seconds: worker.busy.as_secs_f64(),
            tiles: worker.pieces,
            host: host.clone(),
            name: match worker.process {
                0 => format!("worker {}", worker.index),
                process => format!("worker {}, process {process}", worker.index),
            },
            claims: worker.claims,
            iterations: Iterations { executed: worker.executed, useful: worker.useful },
        };
        let workers = || report.workers.iter();
        let elsewhere: Duration = workers().map(|worker| worker.processor).sum();
        Self {
            scene: &picture.name,
            output: picture.output.to_string_lossy(),
            seconds: Seconds {
                setup: (started.time - begin.time + report.setup).as_secs_f64(),
                reference: kernel.reference_took().map(|took| took.as_secs_f64()),
                render: report.wall.as_secs_f64(),
                colour: image.colour.as_secs_f64(),
                encode: image.encode.as_secs_f64(),
                keep: keep.as_secs_f64(),
                total: (ended.time - begin.time).as_secs_f64(),
            },
            cpu_seconds: CpuSeconds {
                render: (ended.cpu - started.cpu + elsewhere).as_secs_f64(),
                total: (ended.cpu - begin.cpu + elsewhere).as_secs_f64(),
            },
            iterations: Iterations { executed: report.executed(), useful: report.useful() },
            samples: Samples {
                escaped: counters.escaped,
                cardioid: counters.cardioid,
                bulb: counters.bulb,
                period: counters.periodic,
                limit: counters.limit,
            },
            tiles: picture.render.tiling().len(),
            pixels: u64::from(width) * u64::from(height),
            peak_memory_bytes: peak_memory().map(|own| own + workers().map(|worker| worker.memory).sum::<u64>()),
            backend: report.backend,
            schedule: &report.schedule,
            isa: kernel.facts().isa,
            tier: kernel.facts().tier,
            workers: report.workers.iter().map(worker).collect(),
            imbalance: report.imbalance(),
            efficiency: report.efficiency(),
        }
    }

    /// The total time, in seconds.
    pub(super) fn total_seconds(&self) -> f64 {
        self.seconds.total
    }
}

/// The peak memory of this process in bytes, if the system reports it.
pub(super) fn peak_memory() -> Option<u64> {
    system::bytes(&system::status(std::process::id()), "VmHWM")
}

/// This machine's name.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
