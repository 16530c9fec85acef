//! A kernel's prepared data is made once for a render, and reaches every claim of every run.

mod altered;
#[path = "../support/mod.rs"]
mod support;

use fractal::backend::{BACKENDS, SessionOptions};
use fractal::kernel::{Counters, Facts, Kernel, Request, TileClaim};
use fractal::parallel::{Discard, Piece, Pieces, Prepared, Preparing, Sink, Stop, Tee};
use fractal::sample::{Channels, INTERIOR};
use fractal::sink::{Checkpoint, Grid, Kept};
use fractal::{Error, Known, Render, Result, Scene};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    fractal::worker_main([altered::kind()]);
}

/// A kernel that adds to every count what it prepared.
#[derive(Debug)]
struct Shifted {
    inner: Arc<dyn Kernel>,
    by: u8,
    prepared: Arc<AtomicUsize>,
}

impl Kernel for Shifted {
    fn channels(&self) -> Channels {
        self.inner.channels()
    }
    fn facts(&self) -> Facts {
        // All tiles at once, for a change.
        Facts { claim_bytes: Some(1 << 20), ..self.inner.facts() }
    }
    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let times = self.prepared.fetch_add(1, SeqCst);
        preparing.progress(0.0);
        std::thread::sleep(Duration::from_millis(10));
        assert!(self.by < 200, "not with {}", self.by);
        preparing.progress(1.0);
        // Were it made a second time, it would be another.
        Ok(Prepared::default().with("shift", [self.by + times as u8; 3][..].into()))
    }
    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        let TileClaim { tiles, words, useful } = claim;
        let counters = self.inner.compute(prepared, TileClaim { tiles, words, useful }, stop)?;
        let mut rest = words;
        for wanted in tiles {
            let (tile, after) = rest.split_at_mut(wanted.tile.area() * self.channels().words());
            let counts = tile[..wanted.tile.area()].iter_mut().filter(|count| **count != INTERIOR);
            counts.for_each(|count| *count += u32::from(prepared.get("shift").unwrap()[2]));
            rest = after;
        }
        Ok(counters)
    }
}

fn shifted(by: u8) -> (Render, Arc<AtomicUsize>) {
    let scene = Scene::from_toml("[image]\nsize = [60, 40]\n[iteration]\nmax = 100\n").unwrap();
    let (options, prepared) = (fractal::RenderOptions { tile: 16, ..Default::default() }, Arc::default());
    let own = |request: &Request| {
        let kernel = Shifted { inner: request.kernel()?, by, prepared: Arc::clone(&prepared) };
        Ok(Arc::new(kernel) as Arc<dyn Kernel>)
    };
    (Render::with_kernel(&scene, options, own).unwrap(), prepared)
}

/// The sum of all counts of a run on a backend.
fn sum(render: &Render, backend: &str) -> Result<u64> {
    let grid = Arc::new(Grid::new(render.tiles()));
    let mut session =
        fractal::backend::find(backend)?.open(&SessionOptions { workers: 2, ..SessionOptions::default() })?;
    render.run(&mut *session, grid.clone(), &Stop::new())?;
    Ok(grid.samples().iter().filter_map(|sample| sample.count).sum())
}

#[test]
fn it_is_made_once_for_all_runs_and_reaches_every_claim() {
    let (plain, _) = shifted(0);
    let escaped = plain.run_here(Arc::new(Discard), &Stop::new()).unwrap().counters.escaped;
    let (base, (render, prepared)) = (sum(&plain, "serial").unwrap(), shifted(7));
    for entry in BACKENDS.iter().filter(|entry| !entry.in_processes()) {
        assert_eq!(sum(&render, entry.name).unwrap(), base + 7 * escaped, "{}", entry.name);
    }
    // No other process can make it.
    assert!(matches!(sum(&render, "pipes"), Err(Error::Unsupported(_) | Error::Usage(_))));
    assert_eq!(prepared.load(SeqCst), 1);
}

#[test]
fn two_runs_at_once_share_it_and_two_renders_do_not() {
    let (one, other) = (shifted(1), shifted(2));
    let single = sum(&one.0, "serial").unwrap();
    let double = sum(&other.0, "serial").unwrap();
    assert_ne!(single, double);
    let (one, other) = (shifted(1), shifted(2));
    std::thread::scope(|scope| {
        for backend in ["threads", "rayon", "deque"] {
            for (render, expected) in [(&one.0, single), (&other.0, double)] {
                scope.spawn(move || assert_eq!(sum(render, backend).unwrap(), expected));
            }
        }
    });
    assert_eq!((one.1.load(SeqCst), other.1.load(SeqCst)), (1, 1));
}

/// The tiles of a grid up to one.
struct Former(Grid, usize);

impl Kept for Former {
    fn len(&self) -> usize {
        self.1
    }
    fn index(&self, position: usize) -> usize {
        position
    }
    fn read<'a>(&self, position: usize, words: &'a mut Vec<u64>) -> Result<(Piece<'a>, u64)> {
        let samples = self.0.tile(position).unwrap();
        let all: Vec<u32> = samples.planes().flat_map(|(_, plane)| plane.to_vec()).collect();
        words.clear();
        words.resize(all.len().div_ceil(2), 0);
        bytemuck::cast_slice_mut(words)[..all.len()].copy_from_slice(&all);
        Ok((Piece { index: position, bytes: &bytemuck::cast_slice(words)[..4 * all.len()], cost: 0 }, 0))
    }
    fn place(&self) -> String {
        "memory".into()
    }
}

#[test]
fn runs_of_what_is_missing_share_it() {
    let (render, prepared) = shifted(3);
    let grid = || Arc::new(Grid::new(render.tiles()));
    let whole = grid();
    render.run_here(whole.clone(), &Stop::new()).unwrap();
    let samples = whole.samples();
    let whole = Arc::into_inner(whole).unwrap();
    let tiles = render.tiling().len();
    let former: Arc<dyn Kept> = Arc::new(Former(whole, tiles / 2));
    let known = || Known { tiles: vec![former.clone()], samples: None };
    for entry in BACKENDS.iter().filter(|entry| !entry.in_processes()) {
        let resumed = grid();
        let mut session = entry.open(&SessionOptions { workers: 2, ..SessionOptions::default() }).unwrap();
        let all = Pieces::new(tiles, None);
        let outcome = render.run_missing(&mut *session, resumed.clone(), &all, known(), &Stop::new()).unwrap();
        let computed: usize = outcome.report.workers.iter().map(|worker| worker.pieces).sum();
        assert!(computed == tiles - tiles / 2 && resumed.samples() == samples, "{}", entry.name);
    }
    assert_eq!(prepared.load(SeqCst), 1);
}

#[test]
fn what_is_left_of_a_picture_that_goes_on_has_it() {
    let scratch = support::Scratch::new("prepared-left");
    let (render, prepared) = shifted(5);
    let options = fractal::RenderOptions { tile: 16, ..Default::default() };
    let plain = |max: u32| {
        let scene = format!("[image]\nsize = [60, 40]\n[iteration]\nmax = {max}\n");
        let render = Render::with(&Scene::from_toml(&scene).unwrap(), options).unwrap();
        let grid = Arc::new(Grid::new(render.tiles()));
        let keep = Checkpoint::create(scratch.join(max.to_string()), &render.description(None).unwrap()).unwrap();
        render.run_here(Arc::new(Tee::new(vec![grid.clone(), Arc::new(keep)])), &Stop::new()).unwrap();
        (render, grid.samples())
    };
    let (few, (whole, all)) = (plain(9).1, plain(100));
    let wanted = Pieces::new(whole.tiling().len(), None);
    let escaped = Arc::new(whole.escaped(&scratch.join("9"), &scratch, &wanted, &Stop::new()).unwrap());
    let right: Vec<_> = few.iter().zip(&all).map(|(few, all)| few.count.or(all.count.map(|count| count + 5))).collect();
    assert!(few.iter().zip(&right).any(|(few, right)| few.count != *right));
    for entry in BACKENDS.iter().filter(|entry| !entry.in_processes()) {
        let grid = Arc::new(Grid::new(render.tiles()));
        let mut session = entry.open(&SessionOptions { workers: 2, ..SessionOptions::default() }).unwrap();
        let known = Known { tiles: Vec::new(), samples: Some(escaped.clone()) };
        render.run_missing(&mut *session, grid.clone(), &wanted, known, &Stop::new()).unwrap();
        let counts: Vec<_> = grid.samples().iter().map(|sample| sample.count).collect();
        assert!(counts == right, "{}", entry.name);
    }
    assert_eq!(prepared.load(SeqCst), 1);
}

#[test]
fn nothing_is_prepared_for_no_tiles() {
    let (render, prepared) = shifted(1);
    let nothing = Pieces::new(render.tiling().len(), None).without(|_| true);
    let mut session = fractal::backend::find("threads").unwrap().open(&SessionOptions::default()).unwrap();
    render.run_missing(&mut *session, Arc::new(Discard), &nothing, Known::default(), &Stop::new()).unwrap();
    assert_eq!(prepared.load(SeqCst), 0);
}

/// What a sink learns before the first piece.
#[derive(Default)]
struct Told(Mutex<Vec<f64>>);

impl Sink for Told {
    fn preparing(&self, done: f64) {
        self.0.lock().unwrap().push(done);
    }
    fn start(&self, _: &fractal::parallel::RunInfo) -> Result<()> {
        self.0.lock().unwrap().push(2.0);
        Ok(())
    }
}

#[test]
fn sinks_are_reported_of_it_once() {
    let (render, _) = shifted(1);
    for expected in [vec![0.0, 1.0, 2.0], vec![2.0]] {
        let told = Arc::new(Told::default());
        render.run_here(told.clone(), &Stop::new()).unwrap();
        assert_eq!(*told.0.lock().unwrap(), expected);
    }
}

#[test]
fn its_panic_is_one_sentence_and_the_next_run_tries_again() {
    let (render, prepared) = shifted(200);
    for times in 1..3 {
        let error = sum(&render, "threads").unwrap_err().to_string();
        assert!(error.starts_with("preparing the work panicked: not with 200 (tests/prepared/main.rs:"), "{error}");
        assert_eq!(prepared.load(SeqCst), times);
    }
}
