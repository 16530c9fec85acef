//! The same bits from everything: formula × backend × schedule × workers × tile × order × instruction set × channels.
//!
//! Mandelbrot and the Burning Ship go through the full product with `serial`, `threads` and `rayon`. The other backends know as little
//! of instruction sets and channels as those do, so with them these two axes go round while all others are multiplied. The other
//! formulas go through pairs, so that every two values of two different axes meet at least once. The reference is `serial` with the
//! plain scalar loop.

use fractal::backend::{self, Session};
use fractal::kernel::{Counters, Isa};
use fractal::parallel::Stop;
use fractal::render::{Options, Render};
use fractal::sample::Channels;
use fractal::scene::Scene;
use fractal::sink::Grid;
use fractal::tile::{ORDERS, Order};
use std::sync::Arc;

const WORKERS: [usize; 4] = [1, 2, 3, 7];
const TILES: [u32; 4] = [1, 16, 64, u32::MAX];
const CHANNELS: [Channels; 3] = [
    Channels { smooth: false, distance: false },
    Channels { smooth: true, distance: false },
    Channels { smooth: true, distance: true },
];
const SCHEDULES: [&str; 7] =
    ["auto", "static", "static,3", "dynamic", "dynamic,5", "guided,2", "nonmonotonic:dynamic,2"];

/// The backends that meet every instruction set and channel with everything else.
const MULTIPLIED: [&str; 3] = ["serial", "threads", "rayon"];

/// Every sample as bits, row by row.
type Bits = Vec<[u32; 4]>;

fn compute(scene: &Scene, options: Options, session: &mut dyn Session) -> (Bits, Counters) {
    let render = Render::with(scene, options).unwrap();
    let grid = Arc::new(Grid::new(render.tiling(), render.channels()));
    let counters = render.run(session, grid.clone(), &Stop::new()).unwrap().counters;
    let bits = |s: fractal::sink::Sample| {
        [s.count.unwrap_or(u32::MAX), s.fraction.to_bits(), s.distance[0].to_bits(), s.distance[1].to_bits()]
    };
    (grid.samples().into_iter().map(bits).collect(), counters)
}

fn session(backend: &str, workers: usize, schedule: &str) -> Box<dyn Session> {
    let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
    let schedule = Some(schedule.parse().unwrap());
    let options = backend::Options { workers, schedule, program, ..Default::default() };
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
        let scene = Scene::from_toml(scene).unwrap();
        let mut serial = session("serial", 1, "auto");
        let bits = CHANNELS.map(|channels| {
            let options = Options { tile: u32::MAX, order: Order::Rows, isa: Some(Isa::Scalar), channels };
            compute(&scene, options, &mut *serial).0
        });
        Self { scene, bits: bits.into() }
    }

    fn check(&self, way: (&str, usize, &str), session: &mut dyn Session, tile: u32, order: Order, isa: Isa, c: usize) {
        let (bits, counters) =
            compute(&self.scene, Options { tile, order, isa: Some(isa), channels: CHANNELS[c] }, session);
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

    /// All pairs of values of two axes by a Latin-square walk: case k takes value (k·(axis's own odd stride) + k / length).
    fn pairs(&self) -> usize {
        let ways = ways();
        let isas: Vec<_> = Isa::available();
        let mut cases = 0;
        for (w, &way) in ways.iter().enumerate() {
            let mut session = session(way.0, way.1, way.2);
            // Each way meets each tile size, and over the ways all other pairs come round.
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

/// What must have happened for the comparison to mean something.
fn happened(scene: &Scene, shortcuts: bool) {
    let isa = Isa::best();
    let options = Options { isa: Some(isa), ..Options::default() };
    let (_, counters) = compute(scene, options, &mut *session("serial", 1, "auto"));
    assert!(counters.escaped > 0 && counters.periodic > 0 && counters.limit > 0, "{counters:?}");
    assert!(!shortcuts || (counters.cardioid > 0 && counters.bulb > 0), "{counters:?}");
    assert!(counters.refills > 0 || isa == Isa::Scalar, "{counters:?}");
}

const MANDELBROT: &str = "formula = \"mandelbrot\"\n[view]\nre = \"-0.6\"\nim = \"0.5\"\nwidth = \"1.4\"\n\
    [image]\nsize = [97, 61]\n[iteration]\nmax = 800\nescape_radius = 256.0\n";
const SHIP: &str = "formula = \"burning_ship\"\n[view]\nre = \"-1.755\"\nim = \"-0.03\"\nwidth = \"0.09\"\n\
    [image]\nsize = [83, 59]\n[iteration]\nmax = 600\nescape_radius = 256.0\n";

#[test]
fn mandelbrot_full_product() {
    let expected = Expected::new(MANDELBROT);
    happened(&expected.scene, true);
    println!("{} cases", expected.full_product());
}

#[test]
fn burning_ship_full_product() {
    let expected = Expected::new(SHIP);
    happened(&expected.scene, false);
    println!("{} cases", expected.full_product());
}

#[test]
fn the_other_formulas_in_pairs() {
    let view = |formula: &str, rest: &str, re: &str, im: &str, width: &str, image: &str| {
        format!(
            "formula = \"{formula}\"\n{rest}\n[view]\nre = \"{re}\"\nim = \"{im}\"\nwidth = \"{width}\"\n{image}\n\
             [iteration]\nmax = 250\nescape_radius = 256.0\n"
        )
    };
    let small = "[image]\nsize = [61, 43]";
    let mut scenes = vec![
        view("tricorn", "", "-0.2", "0", "3.6", small),
        view("celtic", "", "-0.6", "0.3", "2.4", small),
        view("mandelbrot", "julia = [\"-0.8\", \"0.156\"]", "0", "0", "3", small),
        view("mandelbrot", "julia = [\"-2.2\", \"0.1\"]", "0", "0", "4", small),
        view("burning_ship", "julia = [\"-1.5\", \"-0.2\"]", "0", "0", "3", small),
        view("celtic", "julia = [\"-1\", \"0.1\"]", "0", "0", "3", small),
        view("tricorn", "julia = [\"-0.4\", \"0.1\"]", "0", "0", "3", small),
    ];
    for power in 3..=8 {
        scenes.push(view("multibrot", &format!("power = {power}"), "0.1", "0.2", "2.5", small));
    }
    scenes.push(view("multibrot", "power = 3\njulia = [\"0.4\", \"0.2\"]", "0", "0", "2.5", small));
    // Rotated, subsampled, a small escape radius, and a whole number of lanes.
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", "rotation = 33.3\n[image]\nsize = [64, 32]"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", "[image]\nsize = [31, 22]\nsamples = 2"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", small).replace("256.0", "2.0"));
    scenes.push(view("mandelbrot", "", "-0.7", "0.1", "2", small).replace("256.0", "1.5"));
    let cases: usize = scenes.iter().map(|scene| Expected::new(scene).pairs()).sum();
    println!("{cases} cases");
}
