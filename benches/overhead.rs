//! What a backend costs beside its work: the time of a piece that does nothing, of one whose result is 16 KB, of a run that has no
//! pieces, of starting workers, and how well real work is spread.
//!
//! `cargo bench --bench overhead [-- FILTER]`. Beside Criterion's estimate each line tells the minima over all runs, which
//! other programs on the machine disturb least: wall time a piece, and processor time a piece, all workers together.

use criterion::{BenchmarkId, Criterion, Throughput};
use fractal::Result;
use fractal::backend::{BACKENDS, Entry, Options, Session, WorkKind};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Report, Schedule, Stop, Work};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;

/// What workers in other processes make of a recipe, which is the number of pieces.
const KINDS: &[WorkKind] = &[
    WorkKind { name: "empty", make: |pieces| Ok(Arc::new(Empty(number(pieces)))) },
    WorkKind { name: "results", make: |pieces| Ok(Arc::new(Results(number(pieces)))) },
    WorkKind { name: "uneven", make: |pieces| Ok(Arc::new(Uneven(number(pieces)))) },
];

/// The number of pieces that a recipe says.
fn number(bytes: &[u8]) -> usize {
    usize::from_le_bytes(bytes.try_into().expect("the recipe is a number"))
}

/// The recipe of so many pieces.
fn recipe(kind: &'static str, pieces: usize) -> Option<Recipe> {
    Some(Recipe { kind, bytes: pieces.to_le_bytes().to_vec() })
}

/// Pieces of nothing.
struct Empty(usize);

impl Work for Empty {
    fn len(&self) -> usize {
        self.0
    }

    fn piece_len(&self, _: usize) -> usize {
        0
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        black_box(claim);
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        recipe("empty", self.0)
    }
}

/// Pieces of 16 KB that take no time: what is measured is how results travel.
struct Results(usize);

impl Work for Results {
    fn len(&self) -> usize {
        self.0
    }

    fn piece_len(&self, _: usize) -> usize {
        16 << 10
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        black_box(claim.bytes());
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        recipe("results", self.0)
    }
}

/// Chains of hashes whose lengths differ up to a hundredfold, as the tiles of a picture do.
struct Uneven(usize);

impl Work for Uneven {
    fn len(&self) -> usize {
        self.0
    }

    fn piece_len(&self, _: usize) -> usize {
        8
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        for (index, out) in claim.range().zip(claim.bytes().chunks_exact_mut(8)) {
            let mut hash = index as u64 | 1;
            let rounds = 1000 * (1 + hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100);
            for _ in 0..rounds {
                hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            }
            out.copy_from_slice(&hash.to_le_bytes());
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        recipe("uneven", self.0)
    }
}

fn open(entry: &Entry, schedule: Schedule, timed: bool) -> Box<dyn Session> {
    let options = Options { workers: WORKERS, schedule: Some(schedule), timed, ..Options::default() };
    entry.open(&options).expect("the backend opens")
}

fn run(session: &mut dyn Session, work: &Arc<dyn Work>) -> (Duration, Report) {
    let began = Instant::now();
    let report = session.run(work.clone(), Arc::new(Discard), &Stop::new()).expect("the run is complete");
    (began.elapsed(), report)
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn empty_pieces(criterion: &mut Criterion) {
    pieces(criterion, "empty-piece", 1_000_000, &(Arc::new(Empty(1_000_000)) as Arc<dyn Work>));
    pieces(criterion, "piece-of-16-KB", 20_000, &(Arc::new(Results(20_000)) as Arc<dyn Work>));
}

fn pieces(criterion: &mut Criterion, name: &str, pieces: usize, work: &Arc<dyn Work>) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(pieces as u64)).sample_size(10);
    for entry in BACKENDS {
        // A claim for each piece first, then what is used when nothing is asked for.
        let single = entry.schedules.iter().filter_map(|schedule| schedule.with_chunk(1).ok());
        for schedule in single.chain([Schedule::AUTO]) {
            let mut session = open(entry, schedule, false);
            let mut least = [Duration::MAX; 2];
            group.bench_function(BenchmarkId::new(entry.name, schedule), |bencher| {
                bencher.iter_custom(|runs| {
                    let mut total = Duration::ZERO;
                    for _ in 0..runs {
                        let before = processor_time();
                        let (wall, _) = run(&mut *session, work);
                        total += wall;
                        least = [least[0].min(wall), least[1].min(processor_time() - before)];
                    }
                    total
                });
            });
            if least[0] < Duration::MAX {
                let [wall, processor] = least.map(|time| time.as_secs_f64() * 1e9 / pieces as f64);
                println!("    minimum {wall:.1} ns a piece, {processor:.1} ns of processor time");
            }
        }
    }
}

fn empty_runs(criterion: &mut Criterion) {
    let work: Arc<dyn Work> = Arc::new(Empty(0));
    let mut group = criterion.benchmark_group("empty-run");
    for entry in BACKENDS {
        let mut session = open(entry, Schedule::AUTO, false);
        group.bench_function(entry.name, |bencher| bencher.iter(|| run(&mut *session, &work).0));
    }
}

fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group.sample_size(20);
    for entry in BACKENDS {
        let mut least = Duration::MAX;
        group.bench_function(entry.name, |bencher| {
            bencher.iter_custom(|runs| {
                let mut total = Duration::ZERO;
                for _ in 0..runs {
                    let began = Instant::now();
                    let session = open(entry, Schedule::AUTO, false);
                    let time = began.elapsed();
                    (total, least) = (total + time, least.min(time));
                    drop(session);
                }
                total
            });
        });
        if least < Duration::MAX {
            println!("    minimum {least:?} until {WORKERS} workers are ready");
        }
    }
}

fn uneven_work(criterion: &mut Criterion) {
    let work: Arc<dyn Work> = Arc::new(Uneven(2_000));
    let mut group = criterion.benchmark_group("uneven-work");
    group.sample_size(10);
    for entry in BACKENDS {
        for &schedule in entry.schedules {
            let mut session = open(entry, schedule, true);
            let mut best: Option<Report> = None;
            group.bench_function(BenchmarkId::new(entry.name, schedule), |bencher| {
                bencher.iter_custom(|runs| {
                    let mut total = Duration::ZERO;
                    for _ in 0..runs {
                        let (time, report) = run(&mut *session, &work);
                        total += time;
                        best = best.take().filter(|best| best.efficiency() >= report.efficiency()).or(Some(report));
                    }
                    total
                });
            });
            if let Some(best) = best {
                println!("    best efficiency {:.4}, imbalance {:.4}", best.efficiency(), best.imbalance());
            }
        }
    }
}

fn main() {
    fractal::worker_main(&[KINDS]);
    let mut criterion = Criterion::default().configure_from_args().warm_up_time(Duration::from_millis(300));
    criterion = criterion.measurement_time(Duration::from_secs(1));
    empty_pieces(&mut criterion);
    empty_runs(&mut criterion);
    opening(&mut criterion);
    uneven_work(&mut criterion);
    criterion.final_summary();
}
