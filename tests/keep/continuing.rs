//! Continuing a picture with a larger maximum of iterations.

use super::support::Scratch;
use super::{ALL, Count, Fuse, told, words};
use fractal::backend::{self, BACKENDS};
use fractal::formula::FORMULAS;
use fractal::parallel::{FinishedClaim, Pieces, RunInfo, Shard, Sink, Stop, Tee};
use fractal::sample::{DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR, Order, Samples};
use fractal::scene::MaxIterations;
use fractal::sink::{Checkpoint, Grid, Records};
use fractal::{Known, Outcome, Render, RenderOptions, Result, Scene};
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A sink whose samples are wrong wherever they have escaped.
struct Wrong(Arc<dyn Sink>, Render);

impl Sink for Wrong {
    fn start(&self, run: &RunInfo) -> Result<()> {
        self.0.start(run)
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let mut words: Vec<u32> = bytemuck::cast_slice(done.bytes).to_vec();
        let mut rest = &mut words[..];
        for index in done.range.clone() {
            let area = self.1.tiling().tile(index).area();
            let (tile, after) = rest.split_at_mut(area * ALL.words());
            (0..area).filter(|&i| tile[i] != INTERIOR).collect::<Vec<_>>().into_iter().for_each(|i| tile[i] += 1 << 20);
            rest = after;
        }
        self.0.done(&FinishedClaim { bytes: bytemuck::cast_slice(&words), ..done.clone() })
    }
}

/// All samples of a picture, as planes.
fn whole(render: &Render) -> Grid {
    let grid = Arc::new(Grid::new(render.tiles()));
    render.run_here(grid.clone(), &Stop::new()).unwrap();
    Arc::into_inner(grid).unwrap()
}

/// How many samples the kernel computed.
fn computed(outcome: &Outcome) -> u64 {
    let counters = outcome.counters;
    counters.escaped + counters.cardioid + counters.bulb + counters.periodic + counters.limit
}

/// A picture and how far it was computed, and by whom.
#[derive(Clone, Debug)]
struct Case {
    formula: usize,
    julia: bool,
    size: (u32, u32),
    samples: u32,
    tile: u32,
    order: Order,
    max: (u32, u32),
    backend: usize,
    /// Claims after which the first run ends, and the first that goes on.
    fuses: [usize; 2],
    shard: Option<Shard>,
}

fn case() -> impl Strategy<Value = Case> {
    let fuse = || prop_oneof![Just(usize::MAX), 0usize..6];
    let shard = prop_oneof![3 => Just(None), 1 => (1u32..3).prop_map(|i| Some(Shard::new(i, 3).unwrap()))];
    let picture = (0..FORMULAS.len(), any::<bool>(), (20u32..70, 20u32..60), 1u32..4);
    let cut = (prop_oneof![1u32..20, Just(64)], prop_oneof![Just(Order::Rows), Just(Order::Hilbert)]);
    let run = ((1u32..60, 0u32..900), 0..BACKENDS.len(), [fuse(), fuse()], shard);
    (picture, cut, run).prop_map(|((formula, julia, size, samples), (tile, order), (max, backend, fuses, shard))| {
        let max = (max.0, max.0 + max.1);
        Case { formula, julia, size, samples, tile, order, max, backend, fuses, shard }
    })
}

impl Case {
    fn render(&self, max: u32) -> Render {
        let entry = &FORMULAS[self.formula];
        let mut scene = Scene { formula: entry.name.into(), ..Scene::default() };
        scene.julia = self.julia.then(|| ["-0.4", "0.6"].map(|number| number.parse().unwrap()));
        scene.image.size = self.size;
        scene.image.samples = self.samples;
        scene.iteration.max = MaxIterations::Count(max.into());
        let options = RenderOptions { tile: self.tile, order: self.order, channels: ALL, ..RenderOptions::default() };
        Render::with(&scene, options).unwrap()
    }

    fn check(&self) {
        let scratch = Scratch::new("escaped");
        let (old, new) = (self.render(self.max.0), self.render(self.max.1));
        let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
        let options = backend::SessionOptions { workers: 2, program, ..Default::default() };
        let mut session = BACKENDS[self.backend].open(&options).unwrap();
        let create = |path: &Path, render: &Render, shard| {
            Arc::new(Checkpoint::create(path, &render.description(shard).unwrap()).unwrap())
        };
        let first = create(&scratch.join("old"), &old, None);
        // What had escaped is kept wrong, so that nobody who computed it again would go unnoticed.
        let wrong = Arc::new(Wrong(first.clone(), old.clone()));
        let sink = Arc::new(Tee::new(vec![wrong, Arc::new(Fuse::new(self.fuses[0]))]));
        let _ = old.run(&mut *session, sink, &Stop::new());
        drop(first);

        let wanted = Pieces::new(new.tiling().len(), self.shard);
        let escaped = new.escaped(&scratch.join("old"), &scratch, &wanted, &Stop::new()).unwrap();
        let escaped = Arc::new(escaped);
        let own = create(&scratch.join("new"), &new, self.shard);
        let sink = Arc::new(Tee::new(vec![own.clone(), Arc::new(Fuse::new(self.fuses[1]))]));
        let known = Known { tiles: Vec::new(), samples: Some(escaped.clone()) };
        let _ = new.run_missing(&mut *session, sink, &wanted, known, &Stop::new());
        drop(own);

        let read = |name: &str, render: &Render| {
            render.read_records(Records::open(scratch.join(name)).unwrap(), &Stop::new()).unwrap()
        };
        let (before, records) = (read("old", &old), read("new", &new));
        let has = |records: &Records, index| records.found().iter().any(|found| found.index == index);
        let (fresh, few) = (whole(&new), whole(&old));
        let known = |index: usize, i: usize| has(&before, index) && few.tile(index).unwrap().counts[i] != INTERIOR;
        let area = |index: usize| new.tiling().tile(index).area();
        let left: Vec<_> = wanted.iter().filter(|&index| !has(&records, index)).collect();
        let missing: usize = left.iter().map(|&index| (0..area(index)).filter(|&i| !known(index, i)).count()).sum();

        let (count, grid) = (Arc::new(Count::default()), Arc::new(Grid::new(new.tiles())));
        let sink = Arc::new(Tee::new(vec![count.clone(), grid.clone()]));
        let earlier = Known { tiles: vec![Arc::new(records)], samples: Some(escaped) };
        let outcome = new.run_missing(&mut *session, sink, &wanted, earlier, &Stop::new()).unwrap();
        for index in wanted.iter() {
            let (tile, fresh) = (grid.tile(index).unwrap(), fresh.tile(index).unwrap());
            for i in 0..area(index) {
                let wrong = if known(index, i) { 1 << 20 } else { 0 };
                assert_eq!(tile.counts[i], fresh.counts[i].wrapping_add(wrong), "sample {i} of tile {index}");
            }
            let rest = |samples: &Samples<'_>| {
                let parts = [FRACTIONS, DISTANCES_X, DISTANCES_Y].map(|plane| samples.plane(plane)).concat();
                parts.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            assert!(rest(&tile) == rest(&fresh), "tile {index}");
        }
        assert_eq!(computed(&outcome), missing as u64, "samples were computed");
        assert!(count.computed.load(Ordering::Relaxed) <= left.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn only_samples_that_had_not_escaped_are_computed(case in case()) {
        case.check();
    }
}

#[test]
fn every_backend_leaves_out_what_had_escaped() {
    for backend in 0..BACKENDS.len() {
        let (order, shard, fuses) = (Order::Hilbert, None, [usize::MAX, 1]);
        let (formula, julia, size, samples, tile, max) = (0, false, (103, 70), 2, 9, (40, 700));
        Case { formula, julia, size, samples, tile, order, max, backend, fuses, shard }.check();
    }
}

#[test]
fn more_iterations_take_what_had_escaped() {
    let scratch = Scratch::new("continue");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    let scene = "render seahorses --size 320x180 --tile 16 --samples 1";
    // Such a file has one sample for each pixel; a place's own number is for pictures that begin with it.
    for arguments in ["--iterations 100 -o few.exr", "--iterations 300 --continue few.exr -o more.png"] {
        assert_eq!(run(&format!("render coast --size 64x36 -q {arguments}")), (0, String::new()));
    }
    assert_eq!(run(&format!("{scene} --iterations 300 -o few.exr --checkpoint few.tiles")).0, 0);
    assert_eq!(run(&format!("{scene} --iterations 300 -o few.png --checkpoint colours.tiles")).0, 0);
    assert_eq!(run(&format!("{scene} --iterations 300 --format exr-tiles -o tiled.exr")).0, 0);
    for (format, files) in [("exr", ["few.exr", "few.tiles"]), ("png", ["tiled.exr", "colours.tiles"])] {
        assert_eq!(run(&format!("{scene} --iterations 3000 -o plain.{format}")).0, 0);
        for file in files {
            let (code, text) =
                run(&format!("{scene} --iterations 3000 --continue {file} --stats json -o more.{format}"));
            assert_eq!(code, 0, "{text}");
            assert!(read(&format!("more.{format}")) == read(&format!("plain.{format}")), "{file} to {format}");
            let (first, stats) = text.split_once('\n').unwrap();
            let numbers: Vec<u64> = words(first).into_iter().filter_map(|word| word.parse().ok()).collect();
            let &[known, all, rest] = &numbers[..] else { panic!("{first}") };
            assert!(0 < known && known < all && all == 320 * 180 && rest == all - known, "{first}");
            let stats: Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
            let computed: u64 =
                stats["samples"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(computed, rest, "{file} to {format}");
        }
    }
    // What was taken is kept in the new run's own file, which needs no other then.
    let more = format!("{scene} --iterations 3000 -q -o kept.exr --checkpoint more.tiles");
    assert_eq!(run(&format!("{more} --continue few.exr")), (0, String::new()));
    let (code, text) = run(&format!("{more} --resume --stats json"));
    assert!(code == 0 && text.contains(r#""iterations":{"executed":0,"#), "{text}");
    assert!(read("kept.exr") == read("plain.exr"));
    // Each shard takes its own share.
    for i in 1..=2 {
        let part = format!("{scene} --iterations 3000 --format exr --shard {i}/2 -q -o {i}.part --continue few.exr");
        assert_eq!(run(&part), (0, String::new()));
    }
    assert_eq!(run("merge 2.part 1.part -q -o merged.exr"), (0, String::new()));
    assert!(read("merged.exr") == read("plain.exr"));
    for (arguments, part) in [
        ("--iterations 200 --continue few.exr", "up to 300 iterations, more than the 200"),
        ("--iterations 200 --continue few.tiles", "up to 300 iterations, more than the 200"),
        ("--iterations 400 --re 0.3 --continue few.exr", "its `view.re` is"),
        ("--iterations 400 --re 0.3 --continue few.tiles", "its `view.re` is"),
        ("--iterations 400 --size 32x18 --continue few.exr", "its `image.size` is"),
        ("--iterations 400 --format exr -o x.exr --continue colours.tiles", "its data is"),
        ("--iterations 400 --precision perturbation --continue few.exr", "its number tier is f64"),
        ("--iterations 400 --precision perturbation --continue few.tiles", "its number tier is f64"),
        ("--iterations 400 --continue few.png", "not a file of finished pieces"),
        ("--iterations 400 --continue nowhere.exr", "nowhere.exr"),
    ] {
        let (code, text) = run(&format!("render seahorses --size 320x180 --tile 16 --samples 1 -o x.png {arguments}"));
        assert!(code == 1 && text.contains(part) && text.lines().count() == 1, "{arguments}: {text}");
    }
    // Beyond 64-bit numbers too.
    let deep = "render whole --re 0 --im 1 --width 1e-50 --size 64x36 -q";
    for (iterations, output) in [("140", "deep.exr"), ("400", "plain.png"), ("400 --continue deep.exr", "deeper.png")] {
        assert_eq!(run(&format!("{deep} --iterations {iterations} -o {output}")), (0, String::new()));
    }
    assert!(read("deeper.png") == read("plain.png"));
    fs::write(scratch.join("cut.exr"), &read("few.exr")[..20_000]).unwrap();
    let (code, text) = run(&format!("{scene} --iterations 400 --continue cut.exr -o x.png"));
    assert!(code == 1 && text.contains("`cut.exr`") && text.lines().count() == 1, "{text}");
}
