//! The kernels against exact reference data: every view of `tests/oracle` for which `f64` can be accurate enough, and those of z² + c that
//! perturbation reaches.
//!
//! `tests/oracle/README.md` defines the data. A sample is left out only where the data itself says that its result depends on less than a
//! thousandth of a pixel (`chaotic`) or is not proved.

use fractal::kernel::TileClaim;
use fractal::parallel::{Prepared, Preparing, Stop};
use fractal::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR, Samples, Tile};
use fractal::sink::{Grid, Sample};
use fractal::{Render, RenderOptions, Scene};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The smallest pixel spacing at which `f64` is asked to meet the data.
const SMALLEST_SPACING: f64 = 1e-11;

struct View {
    name: String,
    data: Value,
}

impl View {
    fn text(&self, key: &str) -> &str {
        self.data[key].as_str().unwrap()
    }

    /// 0 if it is too small for an `f64`.
    fn spacing(&self) -> f64 {
        self.text("width").parse::<f64>().unwrap() / self.data["image"][0].as_f64().unwrap()
    }

    fn power(&self) -> u32 {
        self.data["power"].as_u64().unwrap() as u32
    }

    /// The view as a scene of ours, by its own text.
    fn scene(&self, escape_radius: f64) -> Scene {
        let (mut formula, mut julia) = (self.text("formula"), String::new());
        if formula == "julia" {
            formula = "mandelbrot";
            let k = |i: usize| self.data["julia_k"][i].as_str().unwrap();
            julia = format!("julia = [\"{}\", \"{}\"]\n", k(0), k(1));
        }
        let power = if formula == "multibrot" { format!("power = {}\n", self.power()) } else { String::new() };
        let (re, im, width) = (self.text("re"), self.text("im"), self.text("width"));
        let (w, h) = (&self.data["image"][0], &self.data["image"][1]);
        let max = &self.data["max_iter"];
        Scene::from_toml(&format!(
            "formula = \"{formula}\"\n{power}{julia}[view]\nre = \"{re}\"\nim = \"{im}\"\nwidth = \"{width}\"\n\
             [image]\nsize = [{w}, {h}]\n[iteration]\nmax = {max}\nescape_radius = {escape_radius:?}\n"
        ))
        .unwrap()
    }

    fn samples(&self, escape_radius: f64, distance: bool) -> Vec<Sample> {
        let channels = if distance { Channels::ALL } else { Channels::SMOOTH };
        let render =
            Render::with(&self.scene(escape_radius), RenderOptions { channels, ..RenderOptions::default() }).unwrap();
        let grid = Arc::new(Grid::new(render.tiles()));
        render.run_here(grid.clone(), &Stop::new()).unwrap();
        grid.samples()
    }
}

/// All views.
fn views() -> Vec<View> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut views = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "json") && !name.starts_with("nuclei") {
            let data = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            views.push(View { name, data });
        }
    }
    views
}

#[derive(Default)]
struct Tally {
    checked: usize,
    smooth: usize,
    distance: usize,
    worst_smooth: f64,
    worst_distance: f64,
    wrong: String,
}

impl Tally {
    fn check(&mut self, view: &View) {
        let (width, height) = (view.data["image"][0].as_u64().unwrap(), view.data["image"][1].as_u64().unwrap());
        let counts = view.samples(2.0, false);
        let full = view.samples(256.0, true);
        let spacing = view.spacing();
        for sample in view.data["samples"].as_array().unwrap() {
            if sample["chaotic"] == true || sample["unproved"] == true {
                continue;
            }
            self.checked += 1;
            let (x, y) = (sample["x"].as_u64().unwrap(), sample["y"].as_u64().unwrap());
            let i = (y * width + x) as usize;
            let count = Value::as_u64;
            let mut fail = |what: &str, ours: f64, theirs: f64| {
                let _ = writeln!(self.wrong, "{} ({x}, {y}): {what} is {ours}, should be {theirs}", view.name);
            };
            let shown = |n: Option<u64>| n.map_or(f64::INFINITY, |n| n as f64);
            if counts[i].count != count(&sample["n"]) {
                fail("n", shown(counts[i].count), shown(count(&sample["n"])));
            }
            if full[i].count != count(&sample["n256"]) {
                fail("n256", shown(full[i].count), shown(count(&sample["n256"])));
            }
            let (Some(n), Some(nu)) = (full[i].count, sample["smooth"].as_f64()) else { continue };
            // What the rounding of the coordinates alone can change, as a share of the distance to the set.
            let (re, im) = (view.text("re").parse::<f64>().unwrap(), view.text("im").parse::<f64>().unwrap());
            let c = (re + (x as f64 + 0.5 - width as f64 / 2.0) * spacing)
                .hypot(im + (height as f64 / 2.0 - y as f64 - 0.5) * spacing);
            let share = sample["de_px"].as_f64().map(|de| 64.0 * f64::EPSILON / 2.0 * c / (spacing * de));
            let slack = share.unwrap_or(0.0) / f64::from(view.power()).ln();
            let error = (n as f64 + f64::from(full[i].number(FRACTIONS)) - nu).abs();
            self.smooth += 1;
            self.worst_smooth = self.worst_smooth.max((error - slack).max(0.0));
            if error > 1e-6 + slack {
                fail("smooth", n as f64 + f64::from(full[i].number(FRACTIONS)), nu);
            }
            if let (Some(share), Some(de)) = (share, sample["de_px"].as_f64()) {
                let ours = f64::from(full[i].number(DISTANCES_X)).hypot(f64::from(full[i].number(DISTANCES_Y)));
                let error = (ours / de - 1.0).abs();
                self.distance += 1;
                self.worst_distance = self.worst_distance.max((error - share).max(0.0));
                if error > 1e-3 + share {
                    fail("distance", ours, de);
                }
            }
        }
    }
}

#[test]
fn every_view_in_reach_agrees_with_exact_arithmetic() {
    let mut tally = Tally::default();
    let mut views = views();
    views.retain(|view| view.spacing() >= SMALLEST_SPACING);
    views.iter().for_each(|view| tally.check(view));
    println!(
        "{} views, {} samples; {} smooth, worst beyond rounding {:.1e}; {} distances, worst relative beyond rounding {:.1e}",
        views.len(),
        tally.checked,
        tally.smooth,
        tally.worst_smooth,
        tally.distance,
        tally.worst_distance
    );
    assert!(views.len() >= 15 && tally.checked > 3500, "the data is there");
    assert!(tally.wrong.is_empty(), "\n{}", tally.wrong);
}

/// A deep view of which single samples are computed, since a whole picture would take minutes.
struct Deep {
    render: Render,
    prepared: Prepared,
}

impl Deep {
    fn new(view: &View, quality: &str, escape_radius: f64, channels: Channels) -> Self {
        let mut scene = view.scene(escape_radius);
        scene.set(&format!("iteration.quality={quality}")).unwrap();
        let render = Render::with(&scene, RenderOptions { channels, ..RenderOptions::default() }).unwrap();
        assert_eq!(render.kernel().facts().tier, "perturbation", "{}", view.name);
        let prepared = render.prepared(&Preparing::quietly(&Stop::new())).unwrap();
        Self { render, prepared }
    }

    /// The count, the fraction and the distance of a sample.
    fn sample(&self, x: u32, y: u32) -> (Option<u32>, f64, f64) {
        let (kernel, tile) = (self.render.kernel(), Tile { x, y, width: 1, height: 1 });
        let mut words = vec![0_u32; kernel.channels().words()];
        let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
        kernel.compute(&self.prepared, claim, &Stop::new()).unwrap();
        let samples = Samples::new(tile, kernel.channels(), bytemuck::cast_slice(&words));
        let number = |plane| samples.plane(plane).first().map_or(0.0, |&number| f64::from(number));
        let distance = number(DISTANCES_X).hypot(number(DISTANCES_Y));
        (Some(samples.counts[0]).filter(|&n| n != INTERIOR), number(FRACTIONS), distance)
    }
}

/// What a deep view's samples add up to.
#[derive(Debug, Default)]
struct DeepTally {
    checked: usize,
    counts_off: usize,
    farthest: u32,
    smooth: usize,
    smooth_off: usize,
    distances: usize,
    distances_off: usize,
}

impl DeepTally {
    fn check(&mut self, view: &View, quality: &str) {
        let plain = Deep::new(view, quality, 2.0, Channels::COUNTS);
        let full = Deep::new(view, quality, 256.0, Channels::ALL);
        for sample in view.data["samples"].as_array().unwrap() {
            if sample["chaotic"] == true || sample["unproved"] == true {
                continue;
            }
            self.checked += 1;
            let at = |key: &str| sample[key].as_u64().map(|n| n as u32);
            let (x, y) = (at("x").unwrap(), at("y").unwrap());
            let ((n, ..), (n256, fraction, distance)) = (plain.sample(x, y), full.sample(x, y));
            if n != at("n") || n256 != at("n256") {
                self.counts_off += 1;
                let far = n.zip(at("n")).map_or(u32::MAX, |(ours, theirs)| ours.abs_diff(theirs));
                self.farthest = self.farthest.max(far);
                println!("{} ({x}, {y}): {n:?} and {n256:?} instead of {:?} and {:?}", view.name, at("n"), at("n256"));
            }
            if let (Some(n), Some(nu), Some(de)) = (n256, sample["smooth"].as_f64(), sample["de_px"].as_f64()) {
                self.smooth += 1;
                let allowed = 1e-6 + 1e-4 / (de * std::f64::consts::LN_2);
                self.smooth_off += usize::from((f64::from(n) + fraction - nu).abs() > allowed);
                self.distances += 1;
                self.distances_off += usize::from((distance / de - 1.0).abs() > 1e-2);
            }
        }
    }
}

#[test]
fn deep_views_agree_with_exact_arithmetic() {
    let mut views = views();
    views.retain(|view| view.text("formula") == "mandelbrot" && view.spacing() < SMALLEST_SPACING / 20.0);
    let mut tally = DeepTally::default();
    views.iter().for_each(|view| tally.check(view, "normal"));
    println!("{} deep views: {tally:?}", views.len());
    assert!(views.len() >= 12 && tally.checked > 4000, "the data is there");
    assert_eq!(tally.counts_off, 0, "{tally:?}");
    let few = |off: usize, of: usize| off * 1000 <= of * 3;
    assert!(few(tally.smooth_off, tally.smooth) && few(tally.distances_off, tally.distances), "{tally:?}");
}

/// Of quality `exact`, views that 64-bit numbers reach have perturbation too.
#[test]
fn views_of_quality_exact_agree_with_exact_arithmetic_at_any_depth() {
    let mut views = views();
    views.retain(|view| ["mandelbrot", "julia"].contains(&view.text("formula")));
    let shallow = views.iter().filter(|view| view.spacing() >= SMALLEST_SPACING).count();
    let mut tally = DeepTally::default();
    views.iter().for_each(|view| tally.check(view, "exact"));
    println!("{} views, {shallow} of them shallow: {tally:?}", views.len());
    assert!(views.len() >= 25 && shallow >= 8 && tally.checked > 6000, "the data is there");
    assert_eq!((tally.counts_off, tally.smooth_off, tally.distances_off), (0, 0, 0), "{tally:?}");
}

/// Orbits of Julia sets are short, so no rounding adds up: every sample holds.
#[test]
fn deep_views_of_julia_sets_agree_with_exact_arithmetic() {
    let mut views = views();
    views.retain(|view| view.text("formula") == "julia" && view.spacing() < SMALLEST_SPACING / 20.0);
    let mut tally = DeepTally::default();
    views.iter().for_each(|view| tally.check(view, "normal"));
    println!("{} deep views: {tally:?}", views.len());
    assert!(views.len() >= 7 && tally.checked > 300, "the data is there");
    assert_eq!((tally.counts_off, tally.smooth_off, tally.distances_off), (0, 0, 0), "{tally:?}");
}

/// The periods of the cycles that interior orbits tend to, of every number tier.
#[test]
fn interior_samples_have_the_exact_periods() {
    let (mut checked, mut wrong) = (0, String::new());
    for (quality, view) in views().iter().flat_map(|view| [("normal", view), ("exact", view)]) {
        let mut scene = view.scene(2.0);
        scene.set(&format!("iteration.quality={quality}")).unwrap();
        let Ok(render) = Render::with(&scene, RenderOptions::default()) else { continue };
        let (kernel, stop) = (render.kernel(), Stop::new());
        let samples = view.data["samples"].as_array().unwrap().iter().filter(|sample| sample["period"].is_u64());
        let mut samples = samples.filter(|sample| sample["chaotic"] != true).peekable();
        if samples.peek().is_none() {
            continue;
        }
        let prepared = render.prepared(&Preparing::quietly(&stop)).unwrap();
        for sample in samples {
            let [x, y] = ["x", "y"].map(|key| sample[key].as_u64().unwrap() as u32);
            let found = kernel.period(&prepared, x, y, &stop).unwrap();
            checked += 1;
            if found != sample["period"].as_u64() {
                let _ = writeln!(wrong, "{} ({x}, {y}): {found:?} instead of {}", view.name, sample["period"]);
            }
        }
    }
    println!("{checked} periods");
    assert!(checked > 100 && wrong.is_empty(), "{checked}\n{wrong}");
}

/// At the smallest distance between samples, around the centre of a view that is too deep: counts from whole numbers of 1,200 bits, which
/// do not change when the sample moves by a thousandth of a pixel.
#[test]
fn the_deepest_view_agrees_with_exact_arithmetic() {
    let mut view = views().into_iter().find(|view| view.name == "mandelbrot-1e-300").unwrap();
    view.data["width"] = "4e-290".into();
    let deep = Deep::new(&view, "normal", 2.0, Channels::COUNTS);
    for (x, y, n) in [
        (0, 0, 8730),
        (319, 0, 8721),
        (0, 179, 8721),
        (319, 179, 8730),
        (160, 90, 9508),
        (101, 37, 8817),
        (222, 120, 8830),
        (40, 150, 8760),
        (158, 91, 9391),
    ] {
        assert_eq!(deep.sample(x, y).0, Some(n), "{x},{y}");
    }
}
