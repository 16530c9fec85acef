//! Colouring and encoding: what a picture costs once its samples exist.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fractal::colour::{ColourSettings, Colourer, Depth, Scratch};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Report, RunInfo, Sink, Stop, Work};
use fractal::sample::{Channels, INTERIOR, Order, SampleSize, Samples, Tiling};
use fractal::sink::{Format, ImageOptions, ImageSink, Output, Tiles};
use fractal::{Error, Result};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const WIDTH: u32 = 3840;
const HEIGHT: u32 = 2160;
const TILE: u32 = 64;

/// The whole Mandelbrot set in tiles, computed in advance by the plain loop.
struct Picture {
    tiling: Tiling,
    channels: Channels,
    pieces: Vec<Vec<u32>>,
}

impl Picture {
    fn new() -> Self {
        let tiling = Tiling::new(SampleSize { width: WIDTH, height: HEIGHT }, TILE, Order::Rows).expect("a fair size");
        let spacing = 4.6 / f64::from(WIDTH);
        let pieces = (0..tiling.len()).map(|index| {
            let tile = tiling.tile(index);
            let places = (0..tile.area() as u32).map(|i| (tile.x + i % tile.width, tile.y + i / tile.width));
            let samples: Vec<_> = places
                .map(|(x, y)| {
                    let re = -0.7 + (f64::from(x) - f64::from(WIDTH / 2)) * spacing;
                    sample(re, (f64::from(HEIGHT / 2) - f64::from(y)) * spacing)
                })
                .collect();
            let plane = |of: fn(&(u32, [f32; 3])) -> u32| samples.iter().map(of);
            let planes =
                [plane(|s| s.0), plane(|s| s.1[0].to_bits()), plane(|s| s.1[1].to_bits()), plane(|s| s.1[2].to_bits())];
            planes.into_iter().flatten().collect()
        });
        let pieces = pieces.collect();
        Self { tiling, channels: Channels::ALL, pieces }
    }

    fn samples(&self, index: usize) -> Samples<'_> {
        Samples::new(self.tiling.tile(index), self.channels, bytemuck::cast_slice(&self.pieces[index]))
    }

    fn options(&self, depth: Depth) -> ImageOptions {
        let colourer = Arc::new(Colourer::new(&ColourSettings::default()).expect("the defaults are right"));
        let tiles = Tiles { tiling: self.tiling.clone(), channels: self.channels, samples: 1 };
        ImageOptions { tiles, colourer, depth, scene: String::new() }
    }

    /// The whole path from samples to a file in memory, with one worker besides the encoder's thread.
    fn write(&self, format: &'static Format, depth: Depth) -> usize {
        let sink = ImageSink::new(format, Output::memory(), self.options(depth)).expect("a fair picture");
        let run = RunInfo { pieces: self.len(), workers: 1, backend: "bench", unit: "iterations", piece: "tile" };
        sink.start(&run).expect("memory takes all");
        for (index, words) in self.pieces.iter().enumerate() {
            let done = FinishedClaim::new(self, index..index + 1, bytemuck::cast_slice(words), &[1]);
            sink.done(&done).expect("memory takes all");
        }
        let (setup, wall) = (Duration::ZERO, Duration::ZERO);
        let report = Report {
            backend: "bench",
            schedule: "static".into(),
            setup,
            wall,
            unit: "iterations",
            workers: Vec::new(),
        };
        sink.finish(&report).expect("memory takes all");
        sink.into_memory().len()
    }
}

impl Work for Picture {
    fn len(&self) -> usize {
        self.tiling.len()
    }

    fn piece_len(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }

    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        Err(Error::Unsupported("the samples are there already".into()))
    }
}

/// Count, fraction, and some vector that stands in for a distance.
fn sample(re: f64, im: f64) -> (u32, [f32; 3]) {
    let (mut x, mut y) = (0f64, 0f64);
    for n in 1..=200 {
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        let square = x * x + y * y;
        if square > 65536.0 {
            let fraction = 1.0 - (square.ln() / 65536f64.ln()).log2();
            return (n, [fraction.clamp(0.0, 0.999_999) as f32, (x / 64.0) as f32, (y / 64.0) as f32]);
        }
    }
    (INTERIOR, [0.0; 3])
}

fn colour(criterion: &mut Criterion, picture: &Picture) {
    // As in a run, the samples are still in the cache of the core that computed them: a few tiles from the picture's middle.
    let tiles = picture.len() / 2..picture.len() / 2 + 8;
    let mut group = criterion.benchmark_group("colour");
    let area: usize = tiles.clone().map(|index| picture.tiling.tile(index).area()).sum();
    group.sample_size(20).throughput(Throughput::Elements(area as u64));
    let cases = [("bands", 1, Depth::Eight), ("smooth", 1, Depth::Eight), ("smooth", 1, Depth::Sixteen)];
    let more = [("smooth", 2, Depth::Eight), ("distance", 1, Depth::Eight), ("relief", 1, Depth::Eight)];
    for (name, samples, depth) in cases.into_iter().chain(more) {
        let colourer = Colourer::new(&ColourSettings { colouring: name.into(), ..ColourSettings::default() })
            .expect("known names");
        let (mut pixels, mut scratch) = (vec![0; (TILE * TILE) as usize * depth.pixel_bytes()], Scratch::default());
        group.bench_function(format!("{name}, {samples}x{samples} samples, {} bits", depth.bits()), |bencher| {
            bencher.iter(|| {
                for index in tiles.clone() {
                    let tile = picture.samples(index);
                    let area = tile.tile.area() / (samples * samples) as usize;
                    let out = &mut pixels[..area * depth.pixel_bytes()];
                    colourer.paint(&tile, samples, depth, out, &mut scratch);
                    black_box(out);
                }
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion, picture: &Picture) {
    let mut group = criterion.benchmark_group("write 4K");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(WIDTH * HEIGHT)));
    for (name, depth) in [("png", Depth::Eight), ("png", Depth::Sixteen), ("ppm", Depth::Eight), ("exr", Depth::Eight)]
    {
        let format = Format::named(name).expect("known names");
        group.bench_function(format!("{name}, {} bits", depth.bits()), |bencher| {
            bencher.iter(|| black_box(picture.write(format, depth)));
        });
    }
    group.finish();
}

fn palettes(criterion: &mut Criterion) {
    criterion.bench_function("palette", |bencher| {
        bencher.iter(|| Colourer::new(black_box(&ColourSettings::default())).expect("the defaults are right"));
    });
}

fn all(criterion: &mut Criterion) {
    let picture = Picture::new();
    palettes(criterion);
    colour(criterion, &picture);
    encode(criterion, &picture);
}

criterion_group!(benches, all);
criterion_main!(benches);
