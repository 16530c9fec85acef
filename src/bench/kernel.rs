//! Measuring kernels: the inner loop, whole scenes, and the machine's peak.
//!
//! All times are processor time of the calling thread, so that other load on the machine disturbs them little; take the minimum of
//! several.

use crate::error::Result;
use crate::formula::{Formula, FormulaEntry, Number, Spec, Vector, Visitor, operations};
use crate::kernel::direct::Direct;
use crate::kernel::{Counters, Isa, Kernel, Limits, Request, TileClaim, TileRequest};
use crate::parallel::{Prepared, Preparing, Stop};
use crate::plane::Plane;
use crate::sample::Channels;
use crate::scene::{Image, Scene};
use crate::tile::Tile;
use fearless_simd::Level;
use fearless_simd::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Processor time that this thread has used.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A view of the Mandelbrot set that kernels are measured on.
#[derive(Clone, Copy, Debug)]
pub struct Benchmark {
    /// Its name.
    pub name: &'static str,
    /// What is hard about it, in a line.
    pub help: &'static str,
    /// Centre and width in the plane; not used for a place.
    pub view: [f64; 3],
    /// The named place that is measured instead, with one sample a pixel.
    pub place: Option<&'static str>,
    /// The maximum number of iterations.
    pub max: u32,
}

/// The views: the whole set, with few and with many iterations; a deep valley; a view in which every sample escapes.
pub const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "A@1000",
        help: "the whole set with few iterations: a third of the samples ends early",
        view: [-0.5, 0.0, 3.0],
        place: None,
        max: 1000,
    },
    Benchmark {
        name: "A@50000",
        help: "the whole set with many iterations: what its interior costs",
        view: [-0.5, 0.0, 3.0],
        place: None,
        max: 50_000,
    },
    Benchmark {
        name: "B@5000",
        help: "deep in the valley of the seahorses: costly and even",
        view: [-0.743643887037151, 0.131825904205330, 5.1e-5],
        place: None,
        max: 5000,
    },
    Benchmark {
        name: "C@2000",
        help: "a view in which every sample escapes soon: the cost of escaping",
        view: [-0.77568377, 0.13646737, 3e-4],
        place: None,
        max: 2000,
    },
    Benchmark {
        name: "D@30000",
        help: "the place clover, 1e55 times enlarged: perturbation that skips most iterations",
        view: [0.0; 3],
        place: Some("clover"),
        max: 30_000,
    },
    Benchmark {
        name: "E@200000",
        help: "the place lightning, 1e620 times enlarged: perturbation with exponents of its own",
        view: [0.0; 3],
        place: Some("lightning"),
        max: 200_000,
    },
];

/// What computing a whole image took.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Processor time.
    pub time: Duration,
    /// What the kernel counted.
    pub counters: Counters,
    /// What it was worth in iterations.
    pub useful: u64,
}

/// A [`Benchmark`] made ready: 1920 × 1080 samples in square tiles.
#[derive(Debug)]
pub struct Prepare {
    kernel: Arc<dyn Kernel>,
    prepared: Prepared,
    tiles: Vec<TileRequest<'static>>,
    claim: usize,
    words: Vec<u32>,
    useful: Vec<u64>,
}

impl Benchmark {
    /// Makes it ready, in tiles of `tile` × `tile` samples, `claim` of them at once.
    ///
    /// # Errors
    /// When the processor does not have `isa`, or the escape radius is not allowed.
    pub fn prepare(
        &self,
        isa: Isa,
        escape_radius: f64,
        channels: Channels,
        tile: u32,
        claim: usize,
    ) -> Result<Prepare> {
        let (width, height) = (1920_u32, 1080_u32);
        let kernel = self.kernel((width, height), isa, escape_radius, channels)?;
        let prepared = kernel.prepare(&Preparing::quietly(&Stop::new()))?;
        let mut tiles = Vec::new();
        for y in (0..height).step_by(tile as usize) {
            for x in (0..width).step_by(tile as usize) {
                tiles.push(Tile { x, y, width: tile.min(width - x), height: tile.min(height - y) }.into());
            }
        }
        let words = vec![0; claim * tile as usize * tile as usize * channels.words()];
        Ok(Prepare { kernel, prepared, tiles, claim, words, useful: vec![0; claim] })
    }

    fn kernel(
        &self,
        (width, height): (u32, u32),
        isa: Isa,
        escape_radius: f64,
        channels: Channels,
    ) -> Result<Arc<dyn Kernel>> {
        let limits = Limits { max: self.max.into(), escape_radius };
        if let Some(place) = self.place {
            let scene = Scene { image: Image::new((width, height), 1), ..Scene::load(place)? };
            let mut request = Request::new(&scene, channels, Some(isa))?;
            request.limits = limits;
            return request.kernel();
        }
        let [re, im, extent] = self.view;
        let spacing = extent / f64::from(width);
        let offset = |i: u32, n: u32| f64::from(i) + 0.5 - f64::from(n) / 2.0;
        let plane = Plane {
            columns: (0..width).map(|x| re + offset(x, width) * spacing).collect(),
            rows: (0..height).map(|y| im - offset(y, height) * spacing).collect(),
            rotation: None,
            spacing,
        };
        let spec = Spec { entry: crate::formula::find("mandelbrot")?, power: 2, julia: None };
        Ok(Arc::new(Direct::new(&spec, Arc::new(plane), limits, channels, isa)?))
    }
}

impl Prepare {
    /// Computes the image once.
    ///
    /// # Errors
    /// Only those of the kernel; it is not stopped.
    pub fn run(&mut self) -> Result<Figures> {
        let (mut counters, mut useful) = (Counters::default(), 0);
        let stop = Stop::new();
        let start = thread_time();
        for tiles in self.tiles.chunks(self.claim) {
            let area: usize = tiles.iter().map(|wanted| wanted.tile.area()).sum();
            let words = &mut self.words[..area * self.kernel.channels().words()];
            let sums = &mut self.useful[..tiles.len()];
            counters += self.kernel.compute(&self.prepared, TileClaim { tiles, words, useful: sums }, &stop)?;
            useful += sums.iter().sum::<u64>();
        }
        Ok(Figures { time: thread_time() - start, counters, useful })
    }
}

/// A formula's inner loop made ready.
#[derive(Debug)]
pub struct InnerLoop {
    kernel: Direct,
    /// Operations of one iteration that keep the busiest units occupied.
    pub operations: f64,
}

impl InnerLoop {
    /// The loop of `entry` with `power` on `isa`.
    ///
    /// # Errors
    /// When the formula has no such power or the processor no such instruction set.
    pub fn new(entry: &'static FormulaEntry, power: u32, isa: Isa) -> Result<Self> {
        struct Count(bool);
        impl Visitor for Count {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                operations(formula, self.0)
            }
        }
        let spec = Spec { entry, power, julia: None };
        let operations = spec.visit(Count(!isa.has_adders()))?;
        let plane = Plane { columns: vec![0.0], rows: vec![0.0], rotation: None, spacing: 1.0 };
        let limits = Limits { max: 1, escape_radius: 2.0 };
        let kernel = Direct::new(&spec, Arc::new(plane), limits, Channels::default(), isa)?;
        Ok(Self { kernel, operations })
    }

    /// Runs `blocks` blocks with their tests on points that never escape; returns iterations per second, 0 for the scalar loop.
    pub fn rate(&self, blocks: u64) -> f64 {
        let start = thread_time();
        let iterations = black_box(&self.kernel).spin(blocks);
        iterations as f64 / (thread_time() - start).as_secs_f64()
    }
}

/// A rate as a share of the peak; `None` where it is above: then other units than those for multiply-adds do a part, and that peak is none.
pub fn share_of_peak(rate: f64, peak: f64) -> Option<f64> {
    // Clock rates vary by a few percent from one measurement to the next.
    Some(rate / peak).filter(|share| share.is_finite() && *share <= 1.05).map(|share| share.min(1.0))
}

/// Fused multiply-adds per second and lane that one thread reaches on `isa` with independent operands and nothing else; 0 where there
/// are no vectors.
pub fn multiply_add_peak(isa: Isa, rounds: u64) -> f64 {
    #[inline(always)]
    fn chains<S: Simd>(simd: S, rounds: u64) -> u64 {
        let (b, c) = (Vector::<S>::splat(simd, black_box(0.5)), Vector::<S>::splat(simd, black_box(1.0)));
        let mut x = [c; 12];
        for _ in 0..rounds {
            for x in &mut x {
                *x = x.mul_add(b, c);
            }
        }
        black_box(x);
        rounds * 12 * Vector::<S>::LEN as u64
    }
    fn run<S: Simd>(simd: S, rounds: u64) -> u64 {
        simd.vectorize(
            #[inline(always)]
            || chains(simd, rounds),
        )
    }
    let level = Level::new();
    let start = thread_time();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let done = match isa {
        Isa::Avx512 => level.as_avx512().map(|simd| run(simd, rounds)),
        Isa::Avx2 => level.as_avx2().map(|simd| run(simd, rounds)),
        Isa::Sse42 => level.as_sse4_2().map(|simd| run(simd, rounds)),
        _ => None,
    };
    #[cfg(target_arch = "aarch64")]
    let done = level.as_neon().filter(|_| isa == Isa::Neon).map(|simd| run(simd, rounds));
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    let done: Option<u64> = None;
    done.unwrap_or(0) as f64 / (thread_time() - start).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_share_is_above_the_whole() {
        assert_eq!([50.0, 100.0, 102.0].map(|rate| share_of_peak(rate, 100.0)), [Some(0.5), Some(1.0), Some(1.0)]);
        assert_eq!([136.0, f64::NAN].map(|rate| share_of_peak(rate, 100.0)), [None, None]);
        assert_eq!(share_of_peak(1.0, 0.0), None);
    }
}
