//! Counts of two words on their way from a kernel to every kind of sink.

use super::{Render, RenderOptions};
use crate::colour::Depth;
use crate::error::Result;
use crate::kernel::{Counters, Facts, Kernel, TileClaim};
use crate::parallel::{Prepared, Stop};
use crate::sample::{COUNTS, COUNTS_PER_HIGH, Channels, FRACTIONS, HIGH_COUNTS, INTERIOR, split};
use crate::scene::Scene;
use crate::sink::{Grid, ImageSink, Output, Picture, PictureSink, format_for};
use std::sync::Arc;

const SIZE: (u32, u32) = (23, 9);
const MAX: u64 = 1 << 45;

/// Counts that follow from the place, times a factor.
#[derive(Debug)]
struct Placed {
    channels: Channels,
    count: fn(u32, u32) -> Option<u64>,
}

fn large(x: u32, y: u32) -> Option<u64> {
    (x > 0).then(|| u64::from(y) * (COUNTS_PER_HIGH * 3 + 5) + u64::from(x) * 10_007)
}

/// As far around a palette of 32 bands as the large ones.
fn small(x: u32, y: u32) -> Option<u64> {
    large(x, y).map(|count| count % 32)
}

impl Kernel for Placed {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn facts(&self) -> Facts {
        Facts { tier: "f64", isa: "scalar", exact: true, prefix_stable: true, claim_bytes: None }
    }

    fn compute(&self, _: &Prepared, claim: TileClaim<'_>, _: &Stop) -> Result<Counters> {
        let [wanted] = claim.tiles else { panic!("one tile") };
        let (area, tile) = (wanted.tile.area(), wanted.tile);
        let planes = [COUNTS, FRACTIONS, HIGH_COUNTS];
        let [counts, fractions, high] = self.channels.planes_mut(area, claim.words, planes);
        fractions.fill(0.25_f32.to_bits());
        for (i, count) in counts.iter_mut().enumerate() {
            let words = (self.count)(i as u32 % tile.width, i as u32 / tile.width).map(split);
            let [low, rest] = words.unwrap_or([INTERIOR, 0]);
            *count = low;
            high.get_mut(i).into_iter().for_each(|word| *word = rest);
        }
        Ok(Counters::default())
    }
}

fn render(colouring: &str, max: u64, count: fn(u32, u32) -> Option<u64>) -> Render {
    let mut scene = Scene::builder().size(SIZE.0, SIZE.1).max_iterations(max).build().unwrap();
    scene.colour.colouring = colouring.into();
    let options = RenderOptions { channels: Channels::SMOOTH, ..RenderOptions::default() };
    let kernel = |request: &crate::kernel::Request| -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(Placed { channels: request.channels, count }))
    };
    Render::with_kernel(&scene, options, kernel).unwrap()
}

fn picture(render: &Render) -> Picture {
    let sink = Arc::new(PictureSink::new(render.image_options(Depth::Eight)).unwrap());
    render.run_here(sink.clone(), &Stop::new()).unwrap();
    Arc::into_inner(sink).unwrap().into_picture()
}

#[test]
fn large_counts_reach_memory_and_colours() {
    let all = render("bands", MAX, large);
    let grid = Arc::new(Grid::new(all.tiles()));
    all.run_here(grid.clone(), &Stop::new()).unwrap();
    for (i, sample) in grid.samples().iter().enumerate() {
        assert_eq!(sample.count, large(i as u32 % SIZE.0, i as u32 / SIZE.0), "{i}");
        assert_eq!(sample.number(FRACTIONS), 0.25);
    }
    assert_eq!(picture(&all), picture(&render("bands", 1000, small)));
    assert_ne!(picture(&all), picture(&render("bands", 1000, |x, _| small(x, 0))), "rows differ by their high words");
    // √ν / 6 of these is a whole number of turns more than that of the others.
    let far = |x: u32, _: u32| Some((6 * 200_003 + 6 * u64::from(x) + 12).pow(2) - u64::from(x % 2));
    let near = |x: u32, _: u32| Some((6 * 3 + 6 * u64::from(x) + 12).pow(2));
    let [far, near] = [render("smooth", MAX, far), render("smooth", 1 << 20, near)].map(|render| picture(&render));
    let off = far.pixels.iter().zip(&near.pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off < Some(12), "{off:?}");
}

#[cfg(feature = "exr")]
#[test]
fn large_counts_are_halves_in_exr_files() {
    use exr::prelude::FlatSamples;
    let path = std::env::temp_dir().join(format!("fractal-large-{}.exr", std::process::id()));
    let all = render("bands", MAX, large);
    let output = Output::create(&path).unwrap();
    let sink = ImageSink::new(format_for(&path, None).unwrap(), output, all.image_options(Depth::Eight)).unwrap();
    all.run_here(Arc::new(sink), &Stop::new()).unwrap();
    let image = exr::prelude::read_first_flat_layer_from_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let channels = image.layer_data.channel_data.list;
    let names: Vec<_> = channels.iter().map(|channel| channel.name.to_string()).collect();
    assert_eq!(names, ["N0", "N1", "NF"]);
    let plane = |number: usize| match &channels[number].sample_data {
        FlatSamples::U32(words) => words.clone(),
        other => panic!("{other:?}"),
    };
    for (i, (low, high)) in plane(0).into_iter().zip(plane(1)).enumerate() {
        let stored = large(i as u32 % SIZE.0, i as u32 / SIZE.0).map_or(u64::MAX, |count| count + 1024);
        assert_eq!(u64::from(high) << 32 | u64::from(low), stored, "{i}");
    }
}
