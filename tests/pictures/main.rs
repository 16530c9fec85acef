//! Pictures: every way of cutting and delivering an image gives the same file, files describe what was computed, and a failure leaves
//! nothing behind.

mod contents;
mod outputs;
#[path = "../support/random.rs"]
mod random;

use fractal::colour::{COLOURINGS, ColourSettings, Colourer, Depth, PALETTES, Scratch};
use fractal::parallel::{Claim, FinishedClaim, Prepared, Report, RunInfo, Sink, Stop, Work};
use fractal::sample::{
    Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR, ORDERS, Order, SampleSize, Samples, Tile, Tiling,
};
use fractal::sink::{
    Format, ImageOptions, ImageSink, OUTPUTS, Output, Picture, PictureSink, SCENE_KEY, Tiles, format_for,
};
use fractal::{Error, Result};
use random::Random;
use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i as u64 + 1) as usize);
    }
}

/// All samples of an image, and the work that would compute them in tiles.
struct Image {
    tiling: Tiling,
    channels: Channels,
    counts: Vec<u32>,
    /// Fraction, distance x, distance y.
    planes: [Vec<f32>; 3],
}

const ALL: Channels = Channels::ALL;

impl Image {
    fn new(width: u32, height: u32, tile: u32, order: Order, channels: Channels) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let area = (width * height) as usize;
        let counts: Vec<u32> = (0..area)
            .map(|_| match random.below(8) {
                0 => INTERIOR,
                1 => random.below(1_000_000) as u32 + 1,
                _ => random.below(200) as u32 + 1,
            })
            .collect();
        let unit = |below: u64| below as f32 / (1u64 << 24) as f32;
        let mut plane = |scale: f32, shift: f32| -> Vec<f32> {
            counts
                .iter()
                .map(|&n| if n == INTERIOR { 0.0 } else { scale * unit(random.below(1 << 24)) - shift })
                .collect()
        };
        let planes = [plane(1.0, 0.0), plane(6.0, 3.0), plane(6.0, 3.0)];
        Self { tiling: Tiling::new(SampleSize { width, height }, tile, order).unwrap(), channels, counts, planes }
    }

    /// The bytes of a piece, in words so that they are aligned.
    fn piece(&self, index: usize) -> Vec<u32> {
        let tile = self.tiling.tile(index);
        let width = self.tiling.size().width;
        let places: Vec<usize> = (tile.y..tile.y + tile.height)
            .flat_map(|y| (tile.x..tile.x + tile.width).map(move |x| (y * width + x) as usize))
            .collect();
        let mut words: Vec<u32> = places.iter().map(|&i| self.counts[i]).collect();
        let wanted = [FRACTIONS, DISTANCES_X, DISTANCES_Y].map(|plane| self.channels.place(plane).is_some());
        for (plane, _) in self.planes.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            words.extend(places.iter().map(|&i| plane[i].to_bits()));
        }
        words
    }

    fn done<'a>(&'a self, index: usize, words: &'a [u32], cost: &'a [u64]) -> FinishedClaim<'a> {
        FinishedClaim::new(self, index..index + 1, bytemuck::cast_slice(words), cost)
    }

    /// Gives the pieces to `sink` in this order, from two threads that take turns as it happens.
    fn deliver(&self, sink: &dyn Sink, order: &[usize]) -> Result<()> {
        sink.start(&RunInfo {
            pieces: self.tiling.len(),
            workers: 2,
            backend: "test",
            unit: "iterations",
            piece: "tile",
        })?;
        let (left, right) = order.split_at(order.len() / 2);
        let give =
            |part: &[usize]| part.iter().try_for_each(|&index| sink.done(&self.done(index, &self.piece(index), &[1])));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| give(right));
            give(left).and(other.join().unwrap())
        })?;
        sink.finish(&report())
    }

    fn in_order(&self) -> Vec<usize> {
        (0..self.tiling.len()).collect()
    }

    fn options(&self, samples: u32, depth: Depth, settings: &ColourSettings) -> ImageOptions {
        ImageOptions {
            tiles: Tiles { tiling: self.tiling.clone(), channels: self.channels, samples },
            colourer: Arc::new(Colourer::new(settings).unwrap()),
            depth,
            scene: SCENE.into(),
        }
    }

    fn file(&self, format: &'static Format, options: ImageOptions, order: &[usize]) -> Vec<u8> {
        let sink = ImageSink::new(format, Output::memory(), options).unwrap();
        self.deliver(&sink, order).unwrap();
        sink.into_memory()
    }
}

fn report() -> Report {
    let (setup, wall) = (Duration::ZERO, Duration::ZERO);
    Report { backend: "test", schedule: "static".into(), setup, wall, unit: "iterations", workers: Vec::new() }
}

impl Work for Image {
    fn len(&self) -> usize {
        self.tiling.len()
    }

    fn piece_len(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }

    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        Err(Error::Unsupported("pieces are delivered by the test".into()))
    }
}

const SCENE: &str = "version = 1\n# Größe, 分形, “quotes”\n[view]\nre = \"-0.75\"\n";

fn format(name: &str) -> &'static Format {
    Format::named(name).unwrap()
}

/// Width, height, and the pixels as 16-bit numbers of the file's depth.
fn decode(png: &[u8]) -> (u32, u32, Vec<u16>) {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = match info.bit_depth {
        png::BitDepth::Eight => bytes.iter().map(|&b| b.into()).collect(),
        png::BitDepth::Sixteen => bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
        other => panic!("{other:?}"),
    };
    (info.width, info.height, pixels)
}

/// Every pixel by itself: its samples coloured one by one with 16 bits, mixed in linear light with the C library's powers.
fn recomputed(image: &Image, samples: u32, settings: &ColourSettings) -> Vec<f64> {
    let colourer = Colourer::new(settings).unwrap();
    let SampleSize { width, height } = image.tiling.size();
    let mut out = Vec::new();
    for (y, x) in (0..height / samples).flat_map(|y| (0..width / samples).map(move |x| (y, x))) {
        let mut sum = [0f64; 3];
        for (sy, sx) in (0..samples).flat_map(|sy| (0..samples).map(move |sx| (sy, sx))) {
            let i = ((y * samples + sy) * width + x * samples + sx) as usize;
            // A sample by itself is a pixel of its own, so its distances are given in pixels of that size.
            let [dx, dy] = [1, 2].map(|plane| (image.planes[plane][i] / samples as f32).to_bits());
            let words = [image.counts[i], image.planes[0][i].to_bits(), dx, dy];
            let tile = Tile { x: 0, y: 0, width: 1, height: 1 };
            let one = Samples::new(tile, ALL, bytemuck::cast_slice(&words));
            let mut pixel = [0; 6];
            colourer.paint(&one, 1, Depth::Sixteen, &mut pixel, &mut Scratch::default());
            for (sum, value) in sum.iter_mut().zip(pixel.chunks_exact(2)) {
                let value = f64::from(u16::from_be_bytes([value[0], value[1]])) / 65535.0;
                *sum += if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
            }
        }
        out.extend(sum.map(|sum| {
            let mean = sum / f64::from(samples * samples);
            if mean <= 0.0031308 { 12.92 * mean } else { 1.055 * mean.powf(1.0 / 2.4) - 0.055 }
        }));
    }
    out
}

/// An empty directory of this test; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fractal-pictures-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(target_os = "linux")]
fn descriptor(pipe: &impl std::os::fd::AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", pipe.as_raw_fd()).into()
}
