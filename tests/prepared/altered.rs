//! Prepared data reaches every piece, wherever and whenever it is computed: other processes, resumed runs, shards, crops, continued
//! pictures, concurrent runs. It alters every sample, so that a piece computed without it, or with another's, shows.

use super::support::Scratch;
use fractal::backend::{BACKENDS, BackendEntry, Program, Session, SessionOptions, WorkKind};
use fractal::internal::from_recipe;
use fractal::parallel::{
    Claim, Discard, FinishedClaim, Pieces, Prepared, PreparedOnce, Preparing, Recipe, Report, Shard, Sink, Stop, Tee,
    Work,
};
use fractal::sample::{INTERIOR, Order};
use fractal::scene::{Crop, MaxIterations};
use fractal::sink::{Checkpoint, Grid, Records};
use fractal::{Error, Known, Part, Render, Result, Scene};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A picture's work with samples that are altered by a table that was prepared.
struct Altered {
    inner: Arc<dyn Work>,
    /// Words of a sample.
    words: usize,
    /// None in other processes, which do not prepare.
    table: Option<Arc<Table>>,
}

/// What is prepared; another one for each number.
struct Table {
    number: u64,
    once: PreparedOnce,
    /// How often it was made. The second time it would be another.
    made: AtomicUsize,
}

/// The bytes of a table, which are no multiple of anything, nor is a tile a multiple of them.
const LEN: usize = 70_001;
const NAME: &str = "altered";
const KIND: &str = "altered render";

impl Table {
    fn new(number: u64) -> Arc<Self> {
        Arc::new(Self { number, once: PreparedOnce::default(), made: AtomicUsize::new(0) })
    }

    /// What is added to the count of sample `at` of each tile.
    fn addend(number: u64, at: usize) -> u32 {
        (((at % LEN) as u64 + 1 + (number << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as u32 + 1
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        self.once.get(preparing, |_| {
            let number = self.number + ((self.made.fetch_add(1, SeqCst) as u64) << 16);
            let bytes: Vec<u8> = (0..LEN).map(|at| Self::addend(number, at) as u8).collect();
            Ok(Prepared::default().with(NAME, bytes[..].into()))
        })
    }
}

impl Work for Altered {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn piece_len(&self, index: usize) -> usize {
        self.inner.piece_len(index)
    }
    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let own = self.inner.prepare(preparing)?;
        Ok(own.and(&self.table.as_ref().expect("workers do not prepare").prepare(preparing)?))
    }
    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        self.inner.compute(prepared, claim, stop)?;
        let (range, table) = (claim.range(), prepared.get(NAME).expect("it was prepared"));
        let mut rest: &mut [u32] = bytemuck::cast_slice_mut(claim.bytes());
        for index in range {
            let area = self.piece_len(index) / 4 / self.words;
            let (tile, after) = rest.split_at_mut(area * self.words);
            let counts = tile[..area].iter_mut().enumerate().filter(|(_, count)| **count != INTERIOR);
            counts.for_each(|(at, count)| *count = count.wrapping_add(u32::from(table[at % LEN])));
            rest = after;
        }
        Ok(())
    }
    fn recipe(&self) -> Option<Recipe> {
        let bytes = [&[self.words as u8], &self.inner.recipe()?.bytes[..]].concat();
        Some(Recipe { kind: KIND.into(), bytes })
    }
}

pub(super) fn kind() -> WorkKind {
    WorkKind::new(KIND, |bytes| {
        let inner = from_recipe(&bytes[1..])?.work();
        Ok(Arc::new(Altered { inner, words: bytes[0].into(), table: None }))
    })
}

/// A session whose works are altered.
struct Altering<'a> {
    session: &'a mut dyn Session,
    table: &'a Arc<Table>,
    words: usize,
}

impl Session for Altering<'_> {
    fn run(&mut self, inner: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let table = Some(self.table.clone());
        self.session.run(Arc::new(Altered { inner, words: self.words, table }), sink, stop)
    }
}

fn open(entry: &BackendEntry) -> Box<dyn Session> {
    let arguments = ["worker", "--exact", "--nocapture"].map(Into::into).into();
    let program = Program { path: Some(std::env::current_exe().unwrap()), arguments };
    entry.open(&SessionOptions { workers: 2, program, timed: true, ..SessionOptions::default() }).unwrap()
}

fn scene(max: u32) -> Scene {
    let text = format!("view = {{ re = \"-0.7\" }}\nimage = {{ size = [123, 90] }}\niteration = {{ max = {max} }}");
    Scene::from_toml(&text).unwrap()
}

fn render(scene: &Scene) -> Render {
    Render::with(scene, fractal::RenderOptions { tile: 16, ..Default::default() }).unwrap()
}

/// The counts of all tiles as a plain run has them, altered by the table of this number.
fn expected(render: &Render, number: u64) -> Vec<Vec<u32>> {
    let grid = Arc::new(Grid::new(render.tiles()));
    render.run_here(grid.clone(), &Stop::new()).unwrap();
    let alter = |(at, count): (usize, &u32)| match *count {
        INTERIOR => INTERIOR,
        count => count + Table::addend(number, at),
    };
    grid.tiles().map(|samples| samples.counts.iter().enumerate().map(alter).collect()).collect()
}

fn counts(grid: &Grid) -> Vec<Vec<u32>> {
    grid.tiles().map(|samples| samples.counts.to_vec()).collect()
}

/// Everything of a picture that is not known, altered; with sinks beside.
fn missing(
    render: &Render,
    session: &mut dyn Session,
    table: &Arc<Table>,
    wanted: &Pieces,
    known: Known,
    sinks: Vec<Arc<dyn Sink>>,
) -> Result<Vec<Vec<u32>>> {
    let grid = Arc::new(Grid::new(render.tiles()));
    let sink = Arc::new(Tee::new([vec![grid.clone() as Arc<dyn Sink>], sinks].concat()));
    let mut session = Altering { session, table, words: render.channels().words() };
    render.run_missing(&mut session, sink, wanted, known, &Stop::new())?;
    Ok(counts(&grid))
}

/// The whole picture, altered.
fn whole(render: &Render, session: &mut dyn Session, table: &Arc<Table>) -> Vec<Vec<u32>> {
    missing(render, session, table, &all(render), Known::default(), Vec::new()).unwrap()
}

fn all(render: &Render) -> Pieces {
    Pieces::new(render.tiling().len(), None)
}

fn records(render: &Render, path: &std::path::Path) -> Arc<Records> {
    Arc::new(render.read_records(Records::open(path).unwrap(), &Stop::new()).unwrap())
}

fn checkpoint(render: &Render, path: &std::path::Path, shard: Option<Shard>) -> Arc<Checkpoint> {
    Arc::new(Checkpoint::create(path, &render.description(shard).unwrap()).unwrap())
}

#[test]
fn every_backend_has_that_of_the_work_of_now() {
    let render = render(&scene(100));
    let tables = [1, 2].map(Table::new);
    let right = [1, 2].map(|number| expected(&render, number));
    assert!(right[0] != right[1]);
    for entry in BACKENDS {
        let mut session = open(entry);
        for which in [0, 1, 1, 0] {
            assert!(whole(&render, &mut *session, &tables[which]) == right[which], "{} of {which}", entry.name);
        }
        // Not that of a work that prepared another part, nor of one that prepared nothing.
        render.run(&mut *session, Arc::new(Discard), &Stop::new()).unwrap();
        assert!(whole(&render, &mut *session, &tables[0]) == right[0], "{}", entry.name);
    }
    assert_eq!(tables.map(|table| table.made.load(SeqCst)), [1, 1]);
}

/// Ends a run after so many claims.
struct Fuse(AtomicUsize);

impl Sink for Fuse {
    fn done(&self, _: &FinishedClaim<'_>) -> Result<()> {
        match self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Stopped),
        }
    }
}

/// Kills a process as soon as a claim is finished.
struct Killer(u32);

impl Sink for Killer {
    fn done(&self, _: &FinishedClaim<'_>) -> Result<()> {
        #[cfg(unix)]
        if let Some(id) = rustix::process::Pid::from_raw(self.0 as i32) {
            // The second time it is gone.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        Ok(())
    }
}

#[test]
fn runs_that_were_ended_go_on_with_it_and_complete_ones_need_none() {
    let scratch = Scratch::new("prepared-resume");
    let render = render(&scene(100));
    let right = expected(&render, 3);
    for (index, entry) in BACKENDS.iter().enumerate() {
        let mut session = open(entry);
        let other = render.run(&mut *session, Arc::new(Discard), &Stop::new()).unwrap().report;
        whole(&render, &mut *session, &Table::new(20));
        let path = scratch.join(entry.name);
        let keep = checkpoint(&render, &path, None);
        let fuse = Arc::new(Fuse(AtomicUsize::new(1 + index % 3)));
        let first = Table::new(3);
        let _ = missing(&render, &mut *session, &first, &all(&render), Known::default(), vec![keep.clone(), fuse]);
        drop(keep);
        // The table that the program makes when it is started again is the same, but another session made it; a worker dies meanwhile.
        let kept = records(&render, &path);
        let again = Table::new(3);
        let keep = Arc::new(Checkpoint::go_on(&kept).unwrap());
        let killer = Arc::new(Killer(if entry.in_processes() { other.workers[0].process } else { 0 }));
        let complete = kept.is_complete();
        let known = vec![kept].into();
        let resumed = missing(&render, &mut *session, &again, &all(&render), known, vec![keep.clone(), killer]);
        assert!(resumed.unwrap() == right, "{}", entry.name);
        assert_eq!(again.made.load(SeqCst), usize::from(!complete), "{}", entry.name);
        drop(keep);
        let kept = records(&render, &path);
        assert!(kept.is_complete());
        let never = Table::new(4);
        let drawn = missing(&render, &mut *session, &never, &all(&render), vec![kept].into(), Vec::new()).unwrap();
        assert!(drawn == right && never.made.load(SeqCst) == 0, "{}", entry.name);
    }
}

#[test]
fn parts_of_shards_are_one_picture() {
    let scratch = Scratch::new("prepared-shards");
    let render = render(&scene(100));
    let right = expected(&render, 5);
    let entries: Vec<_> = BACKENDS.iter().filter(|entry| entry.in_processes() || entry.name == "threads").collect();
    let mut parts = Vec::new();
    for number in 1..=3 {
        let shard = Some(Shard::new(number, 3).unwrap());
        let path = scratch.join(format!("{number}.part"));
        let part = checkpoint(&render, &path, shard);
        let wanted = Pieces::new(render.tiling().len(), shard);
        // Each on a machine of its own, whose session has had another picture before.
        let mut session = open(entries[number as usize % entries.len()]);
        whole(&render, &mut *session, &Table::new(6));
        missing(&render, &mut *session, &Table::new(5), &wanted, Known::default(), vec![part.clone()]).unwrap();
        drop(part);
        parts.push(records(&render, &path));
    }
    let never = Table::new(7);
    let merged = missing(&render, &mut *open(entries[0]), &never, &all(&render), parts.into(), Vec::new()).unwrap();
    assert!(merged == right && never.made.load(SeqCst) == 0);
}

#[test]
fn pictures_that_go_on_have_it_beside_their_masks() {
    let scratch = Scratch::new("prepared-continue");
    let (old, new) = (render(&scene(12)), render(&scene(300)));
    for entry in BACKENDS {
        let mut session = open(entry);
        let path = scratch.join(entry.name);
        let keep = checkpoint(&old, &path, None);
        let mut both = Altering { session: &mut *session, table: &Table::new(8), words: old.channels().words() };
        old.run(&mut both, keep, &Stop::new()).unwrap();
        let escaped = Arc::new(new.escaped(&path, &scratch, &all(&new), &Stop::new()).unwrap());
        assert!(escaped.samples() > 0 && escaped.samples() < escaped.of());
        let known = Known { tiles: Vec::new(), samples: Some(escaped) };
        // Twice on one session, with masks that stay and a table that changes.
        for (number, before) in [(9, 8), (10, 8)] {
            let table = Table::new(number);
            let counts = missing(&new, &mut *session, &table, &all(&new), known.clone(), Vec::new()).unwrap();
            let [now, then] = [number, before].map(|number| expected(&new, number));
            let few = expected(&old, before);
            for (tile, counts) in counts.iter().enumerate() {
                for (at, &count) in counts.iter().enumerate() {
                    let right = if few[tile][at] == INTERIOR { now[tile][at] } else { then[tile][at] };
                    assert_eq!(count, right, "{} tile {tile} sample {at}", entry.name);
                }
            }
        }
    }
}

#[test]
fn crops_and_other_tiles_have_it() {
    let crops = [[0, 0, 123, 90], [17, 5, 40, 33], [100, 80, 23, 10]];
    for entry in BACKENDS.iter().filter(|entry| entry.in_processes() || entry.name == "threads") {
        let (mut session, table) = (open(entry), Table::new(11));
        for crop in crops {
            let mut scene = scene(100);
            scene.image.crop = Some(Crop::from(crop));
            scene.iteration.max = MaxIterations::Count(100 + u64::from(crop[0]));
            let render = render(&scene);
            assert!(whole(&render, &mut *session, &table) == expected(&render, 11), "{} {crop:?}", entry.name);
        }
        assert_eq!(table.made.load(SeqCst), 1);
    }
}

/// What the window computes: a coarse picture, then areas from where the pointer is, of one view and then of another.
#[test]
fn steps_of_a_window_have_that_of_their_view() {
    for entry in BACKENDS {
        let mut session = open(entry);
        let tables = [14, 15].map(Table::new);
        for (table, max) in [(&tables[0], 100), (&tables[1], 120), (&tables[0], 100)] {
            let whole_view = render(&scene(max));
            let area = |crop: [u32; 4]| Part::Area(crop.into());
            for part in [Part::Coarse([0, 0, 123, 90].into(), 4), area([64, 0, 59, 90]), area([0, 0, 64, 90])] {
                let step = whole_view.part(part.clone(), 16, Order::Around(3, 5)).unwrap();
                let right = expected(&step, table.number);
                assert!(whole(&step, &mut *session, table) == right, "{} {part:?}", entry.name);
            }
        }
        assert_eq!(tables.map(|table| table.made.load(SeqCst)), [1, 1]);
    }
}

#[test]
fn runs_at_the_same_time_share_it_and_those_of_others_do_not() {
    let render = render(&scene(200));
    let (table, other) = (Table::new(12), Table::new(13));
    let right = [12, 13].map(|number| expected(&render, number));
    std::thread::scope(|scope| {
        for entry in BACKENDS.iter().filter(|entry| entry.in_processes() || entry.name == "threads") {
            for (table, right) in [(&table, &right[0]), (&table, &right[0]), (&other, &right[1])] {
                let render = &render;
                scope.spawn(move || assert!(whole(render, &mut *open(entry), table) == *right, "{}", entry.name));
            }
        }
    });
    assert_eq!([table, other].map(|table| table.made.load(SeqCst)), [1, 1]);
}
