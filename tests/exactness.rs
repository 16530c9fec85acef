//! The same bits from everything: formula × backend × schedule × workers × tile × order × instruction set × channels.
//!
//! The axes are nearly independent: a backend knows nothing of instruction sets or channels, a kernel nothing of schedules. So two scenes
//! go through every way of sharing work with every tile size, while the other axes take turns; every two values of two different axes
//! meet in at least one case, which is checked. The other scenes go through every instruction set with all channels.
//! The reference is `serial` with the plain scalar loop.
//!
//! `FRACTAL_LONG=1` runs the full product for the two scenes with `serial`, `threads` and `rayon`, and about 42,000 renders in all.

mod support;

use fractal::backend::{self, Session};
use fractal::formula::{FORMULAS, Home};
use fractal::kernel::{Counters, Isa};
use fractal::parallel::Stop;
use fractal::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, ORDERS, Order, SampleSize};
use fractal::scene::Crop;
use fractal::sink::Grid;
use fractal::{Part, Render, RenderOptions, Scene};
use std::collections::HashSet;
use std::sync::Arc;
use support::is_long;

const WORKERS: [usize; 4] = [1, 2, 3, 7];
const TILES: [u32; 4] = [1, 16, 64, u32::MAX];
const CHANNELS: [Channels; 4] = [Channels::COUNTS, Channels::SMOOTH, Channels::DISTANCE, Channels::ALL];
const SCHEDULES: [&str; 7] =
    ["auto", "static", "static,3", "dynamic", "dynamic,5", "guided,2", "nonmonotonic:dynamic,2"];

/// The backends that meet every instruction set and channel with everything else.
const MULTIPLIED: [&str; 3] = ["serial", "threads", "rayon"];

/// Every sample as bits, row by row.
type Bits = Vec<[u32; 4]>;

fn compute(scene: &Scene, options: RenderOptions, session: &mut dyn Session) -> (Bits, Counters) {
    let render = Render::with(scene, options).unwrap();
    assert_eq!(render.channels(), options.channels);
    let grid = Arc::new(Grid::new(render.tiles()));
    let counters = render.run(session, grid.clone(), &Stop::new()).unwrap().counters;
    (grid.samples().into_iter().map(bits).collect(), counters)
}

fn bits(s: fractal::sink::Sample) -> [u32; 4] {
    {
        let [fraction, x, y] = [FRACTIONS, DISTANCES_X, DISTANCES_Y].map(|plane| s.number(plane).to_bits());
        [s.count.map_or(u32::MAX, |n| n as u32), fraction, x, y]
    }
}

fn session(backend: &str, workers: usize, schedule: &str) -> Box<dyn Session> {
    let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
    let schedule = Some(schedule.parse().unwrap());
    let options = backend::SessionOptions { workers, schedule, program, ..Default::default() };
    backend::find(backend).unwrap().open(&options).unwrap()
}

/// Every way to share the work out: a backend with a number of workers and a schedule that it honours.
fn ways() -> Vec<(&'static str, usize, &'static str)> {
    let mut ways = Vec::new();
    for entry in backend::BACKENDS {
        for workers in if entry.parallel { &WORKERS[..] } else { &WORKERS[..1] } {
            for schedule in SCHEDULES {
                let asked = schedule.parse().unwrap();
                if entry.schedules.iter().any(|honoured| honoured.serves(asked)) {
                    ways.push((entry.name, *workers, schedule));
                }
            }
        }
    }
    ways
}

struct Expected {
    scene: Scene,
    bits: Vec<Bits>,
}

impl Expected {
    fn new(scene: &str) -> Self {
        // The usual colouring would have smooth counts made for it.
        let mut scene = Scene::from_toml(scene).unwrap();
        scene.set("colour.colouring=bands").unwrap();
        let mut serial = session("serial", 1, "auto");
        let bits = CHANNELS.map(|channels| {
            let options = RenderOptions { tile: u32::MAX, order: Order::Rows, isa: Some(Isa::Scalar), channels };
            compute(&scene, options, &mut *serial).0
        });
        Self { scene, bits: bits.into() }
    }

    fn check(&self, way: (&str, usize, &str), session: &mut dyn Session, tile: u32, order: Order, isa: Isa, c: usize) {
        let (bits, counters) =
            compute(&self.scene, RenderOptions { tile, order, isa: Some(isa), channels: CHANNELS[c] }, session);
        let wrong = bits.iter().zip(&self.bits[c]).position(|(ours, theirs)| ours != theirs);
        assert_eq!(
            wrong, None,
            "{} with {way:?}, tile {tile}, {order}, {isa}, {:?}: first wrong sample",
            self.scene.formula, CHANNELS[c]
        );
        let samples = counters.escaped + counters.cardioid + counters.bulb + counters.periodic + counters.limit;
        assert_eq!(samples, bits.len() as u64, "every sample is counted once");
    }

    fn full_product(&self) -> usize {
        let mut cases = 0;
        let isas = Isa::available();
        for (w, way) in ways().into_iter().enumerate() {
            let mut session = session(way.0, way.1, way.2);
            for (t, tile) in TILES.into_iter().enumerate() {
                for (o, &(order, ..)) in ORDERS.iter().enumerate() {
                    let kernels = isas.len() * CHANNELS.len();
                    let one = w + kernels / 2 * t + o;
                    let chosen = if MULTIPLIED.contains(&way.0) { 0..kernels } else { one..one + 1 };
                    for kernel in chosen {
                        let (isa, channels) = (isas[kernel % isas.len()], kernel / isas.len() % CHANNELS.len());
                        self.check(way, &mut *session, tile, order, isa, channels);
                        cases += 1;
                    }
                }
            }
        }
        cases
    }

    /// Every way with each tile size; the others go round. Over both scenes every pair of values of two axes comes up.
    fn in_turns(&self, scene: usize, met: &mut Met) -> usize {
        let isas = Isa::available();
        let mut cases = 0;
        for (w, way) in ways().into_iter().enumerate() {
            let mut session = session(way.0, way.1, way.2);
            for (t, tile) in TILES.into_iter().enumerate() {
                let order = (w + t + 4 * scene) % ORDERS.len();
                let (isa, channels) = ((w / ORDERS.len() + t) % isas.len(), (w / 20 + t + scene) % CHANNELS.len());
                self.check(way, &mut *session, tile, ORDERS[order].0, isas[isa], channels);
                met.see([w, t, order, isa, channels]);
                cases += 1;
            }
        }
        cases
    }

    /// Every instruction set with all channels; a way, a tile size and an order for each in turn.
    fn kernels(&self, scene: usize) -> usize {
        let (ways, isas) = (ways(), Isa::available());
        let kernels = isas.iter().flat_map(|isa| (0..CHANNELS.len()).map(move |channels| (*isa, channels)));
        let mut cases = 0;
        for (k, (isa, channels)) in kernels.enumerate() {
            let way = ways[(37 * scene + 17 * k) % ways.len()];
            let (tile, order) = (TILES[(scene + k) % TILES.len()], ORDERS[k % ORDERS.len()].0);
            self.check(way, &mut *session(way.0, way.1, way.2), tile, order, isa, channels);
            cases += 1;
        }
        cases
    }

    /// Each way with each tile size, `serial`, `threads` and `rayon` also with each instruction set.
    fn many(&self) -> usize {
        let (ways, isas) = (ways(), Isa::available());
        let mut cases = 0;
        for (w, &way) in ways.iter().enumerate() {
            let mut session = session(way.0, way.1, way.2);
            for (t, &tile) in TILES.iter().enumerate() {
                let chosen = if MULTIPLIED.contains(&way.0) { 0..isas.len() } else { w + t..w + t + 1 };
                for i in chosen {
                    let order = ORDERS[(w + t + i) % ORDERS.len()].0;
                    let channels = (w / 3 + t + 2 * i) % CHANNELS.len();
                    self.check(way, &mut *session, tile, order, isas[i % isas.len()], channels);
                    cases += 1;
                }
            }
        }
        cases
    }
}

/// Pairs of values that came up in one case: way, tile, order, instruction set, channels, each by its number.
#[derive(Default)]
struct Met(HashSet<[(usize, usize); 2]>);

impl Met {
    fn see(&mut self, values: [usize; 5]) {
        for one in 0..values.len() {
            for other in one + 1..values.len() {
                self.0.insert([(one, values[one]), (other, values[other])]);
            }
        }
    }

    fn check(&self) {
        let lengths = [ways().len(), TILES.len(), ORDERS.len(), Isa::available().len(), CHANNELS.len()];
        for (one, &ones) in lengths.iter().enumerate() {
            for (other, &others) in lengths.iter().enumerate().skip(one + 1) {
                for (a, b) in (0..ones).flat_map(|a| (0..others).map(move |b| (a, b))) {
                    assert!(
                        self.0.contains(&[(one, a), (other, b)]),
                        "{a} of axis {one} never met {b} of axis {other}"
                    );
                }
            }
        }
    }
}

/// What must have happened for the comparison to mean something.
fn happened(scene: &Scene, shortcuts: bool) {
    let isa = Isa::best();
    let options = RenderOptions { isa: Some(isa), ..RenderOptions::default() };
    let (_, counters) = compute(scene, options, &mut *session("serial", 1, "auto"));
    assert!(counters.escaped > 0 && counters.periodic > 0 && counters.limit > 0, "{counters:?}");
    assert!(!shortcuts || (counters.cardioid > 0 && counters.bulb > 0), "{counters:?}");
    assert!(counters.refills > 0 || isa == Isa::Scalar, "{counters:?}");
}

const MANDELBROT: &str = "formula = \"mandelbrot\"\n[view]\nre = \"-0.6\"\nim = \"0.5\"\nwidth = \"1.4\"\n\
    [image]\nsize = [97, 61]\n[iteration]\nmax = 800\nescape_radius = 256.0\n";
const SHIP: &str = "formula = \"burning_ship\"\n[view]\nre = \"-1.755\"\nim = \"-0.03\"\nwidth = \"0.09\"\n\
    [image]\nsize = [83, 59]\n[iteration]\nmax = 600\nescape_radius = 256.0\n";

/// Beyond `f64`: branches at a point whose orbit ends in a cycle, and spirals.
const DEEP: &str = "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"1e-50\"\n[image]\nsize = [97, 61]\n\
    [iteration]\nmax = 800\nescape_radius = 256.0\n";
const SPIRALS: &str = "[view]\nre = \"-0.74741361951171286433463451672821\"\nim = \"0.11508171662235154579991428314184\"\n\
    width = \"1e-20\"\nrotation = 20.0\n[image]\nsize = [19, 13]\nsamples = 2\n[iteration]\nmax = 2330\n";

#[test]
fn deep_views_have_the_same_bits_everywhere() {
    for text in [DEEP, SPIRALS] {
        let expected = Expected::new(text);
        let render = Render::new(&expected.scene).unwrap();
        assert_eq!(render.kernel().facts().tier, "perturbation");
        let counts: HashSet<_> = expected.bits[0].iter().map(|bits| bits[0]).collect();
        assert!(counts.len() > 9 && counts.contains(&u32::MAX), "{} counts", counts.len());
        for (b, entry) in backend::BACKENDS.iter().enumerate() {
            let way = (entry.name, if entry.parallel { 3 } else { 1 }, "auto");
            let mut session = session(way.0, way.1, way.2);
            for (c, isa) in (b..).zip(Isa::available()) {
                let (tile, order) = ([5, 16, 64][c % 3], ORDERS[c % ORDERS.len()].0);
                expected.check(way, &mut *session, tile, order, isa, c % CHANNELS.len());
            }
        }
    }
}

#[test]
fn a_crop_is_a_part_of_the_whole() {
    for (text, rotation) in [(MANDELBROT, "0"), (MANDELBROT, "30"), (DEEP, "0"), (DEEP, "30")] {
        let mut whole = Scene::from_toml(text).unwrap();
        for assignment in [&format!("view.rotation={rotation}"), "image.samples=2"] {
            whole.set(assignment).unwrap();
        }
        let options = RenderOptions { tile: 16, channels: CHANNELS[3], ..RenderOptions::default() };
        let (all, _) = compute(&whole, options, &mut *session("threads", 2, "auto"));
        let mut crop = whole.clone();
        crop.set("image.crop=31,7,40x23").unwrap();
        let expected: Bits = (14..14 + 46).flat_map(|y| &all[y * 194 + 62..][..80]).copied().collect();
        for backend in ["serial", "processes", "pipes"] {
            let (part, _) = compute(&crop, options, &mut *session(backend, 2, "auto"));
            assert!(part == expected, "{backend}, turned by {rotation}");
            // A part of a render, and one of a part that is a scene.
            for (scene, x, y) in [(&whole, 31, 7), (&crop, 0, 0)] {
                let render = Render::with(scene, options).unwrap();
                let area = Crop { x, y, width: 40, height: 23 };
                let part = render.part(Part::Area(area), 8, Order::Centre).unwrap();
                let grid = Arc::new(Grid::new(part.tiles()));
                part.run(&mut *session(backend, 2, "auto"), grid.clone(), &Stop::new()).unwrap();
                assert!(grid.samples().into_iter().map(bits).eq(expected.iter().copied()), "{backend}, a part");
            }
        }
    }
}

#[test]
fn a_coarse_picture_has_samples_of_the_whole() {
    for scene in [SHIP, &DEEP.replace("97, 61", "83, 59")] {
        coarse_of(&Scene::from_toml(scene).unwrap());
    }
}

fn coarse_of(scene: &Scene) {
    let options = RenderOptions { channels: CHANNELS[3], ..RenderOptions::default() };
    let (all, _) = compute(scene, options, &mut *session("threads", 2, "auto"));
    let render = Render::with(scene, options).unwrap();
    let part = |x, y, width, height| Crop { x, y, width, height };
    for (area, grain, (left, top), (width, height)) in [
        (part(0, 0, 83, 59), 1, (0, 0), (83, 59)),
        (part(0, 0, 83, 59), 10, (0, 0), (9, 6)),
        (part(0, 0, 83, 59), 1000, (0, 0), (1, 1)),
        (part(17, 20, 25, 10), 8, (2, 2), (4, 2)),
        (part(82, 58, 1, 1), 60, (1, 0), (1, 1)),
    ] {
        let coarse = render.part(Part::Coarse(area, grain), 3, Order::Hilbert).unwrap();
        assert_eq!(coarse.tiling().size(), SampleSize { width, height });
        for backend in ["threads", "processes", "pipes"] {
            let grid = Arc::new(Grid::new(coarse.tiles()));
            coarse.run(&mut *session(backend, 2, "auto"), grid.clone(), &Stop::new()).unwrap();
            let middle = |i: u32, of: u32| (i * grain + grain / 2).min(of - 1) as usize;
            for (i, sample) in (0..).zip(grid.samples()) {
                let whole = all[middle(top + i / width, 59) * 83 + middle(left + i % width, 83)];
                assert_eq!(bits(sample), whole, "sample {i} of {area} in {grain} with {backend}");
            }
        }
    }
    for wrong in [part(0, 0, 84, 1), part(83, 0, 1, 1), part(0, 0, 0, 1), part(u32::MAX, 0, 2, 1)] {
        assert!(render.part(Part::Area(wrong), 16, Order::Rows).is_err());
    }
}

#[test]
fn every_two_choices_together_change_no_bit() {
    let (mut met, mut cases) = (Met::default(), 0);
    for (number, scene) in [MANDELBROT, SHIP].into_iter().enumerate() {
        let expected = Expected::new(scene);
        happened(&expected.scene, scene == MANDELBROT);
        cases += expected.in_turns(number, &mut met);
        if is_long() {
            cases += expected.full_product();
        }
    }
    met.check();
    println!("{cases} cases");
}

#[test]
fn every_formula_has_the_same_bits_from_every_kernel() {
    let view = |formula: &str, rest: &str, re: &str, im: &str, width: &str, image: &str| {
        format!(
            "formula = \"{formula}\"\n{rest}\n[view]\nre = \"{re}\"\nim = \"{im}\"\nwidth = \"{width}\"\n{image}\n\
             [iteration]\nmax = 250\nescape_radius = 256.0\n"
        )
    };
    let small = "[image]\nsize = [61, 43]";
    // All that there are, and a Julia set of each.
    let mut scenes = Vec::new();
    for entry in FORMULAS {
        for power in entry.powers.clone() {
            let power =
                if entry.powers.start() < entry.powers.end() { format!("power = {power}") } else { String::new() };
            let Home { re, im, .. } = entry.home;
            scenes.push(view(entry.name, &power, re, im, "2.6", small));
            scenes.push(view(entry.name, &format!("{power}\njulia = [\"-0.4\", \"0.3\"]"), "0.1", "0", "2.8", small));
        }
    }
    // Julia sets where few, or no, samples stay inside.
    scenes.push(view("mandelbrot", "julia = [\"-2.2\", \"0.1\"]", "0", "0", "4", small));
    scenes.push(view("burning_ship", "julia = [\"-1.5\", \"-0.2\"]", "0", "0", "3", small));
    scenes.push(view("celtic", "julia = [\"-1\", \"0.1\"]", "0", "0", "3", small));
    // Rotated, subsampled, a small escape radius, and a whole number of lanes.
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", "rotation = 33.3\n[image]\nsize = [64, 32]"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", "[image]\nsize = [31, 22]\nsamples = 2"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", small).replace("256.0", "2.0"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", small).replace("256.0", "1.5"));
    let cases = |(number, scene): (usize, &String)| {
        let expected = Expected::new(scene);
        expected.kernels(number) + if is_long() { expected.many() } else { 0 }
    };
    let cases: usize = scenes.iter().enumerate().map(cases).sum();
    println!("{cases} cases");
}
