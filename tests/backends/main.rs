//! Every backend computes every piece exactly once under any schedule, and survives any fault of a piece or a sink.

mod claims;
mod failures;
mod formula;
mod hashes;
mod own;
mod sessions;
#[path = "../support/mod.rs"]
mod support;

use fractal::backend::{BACKENDS, BackendEntry, Program, Session, SessionOptions, WorkKind};
use fractal::parallel::{Recipe, Schedule};
use hashes::Hashes;
use std::sync::Arc;

/// What workers in other processes make of a recipe. One that is not here cannot be computed there.
fn kinds() -> Vec<WorkKind> {
    vec![
        WorkKind::new("hashes", |bytes| Ok(Arc::new(Hashes { pieces: number(bytes, 0), longest: number(bytes, 1) }))),
        WorkKind::new("lines", |bytes| Ok(Arc::new(own::Lines { first: bytes[0], wrong: bytes[1] }))),
        WorkKind::new("large", |_| Ok(Arc::new(claims::Large))),
        WorkKind::new("faulty", |bytes| {
            Ok(Arc::new(failures::Faulty { at: number(bytes, 0), fault: number(bytes, 1) }))
        }),
        WorkKind::formula(formula::Leaning { slope: 0.5 }),
        WorkKind::new("together", |_| Ok(Arc::new(failures::Together))),
        #[cfg(feature = "rayon")]
        WorkKind::new("nested", |_| Ok(Arc::new(sessions::Nested))),
        WorkKind::new("sleep", |_| Ok(Arc::new(sessions::Sleep))),
        #[cfg(target_os = "linux")]
        WorkKind::new("processors", |_| Ok(Arc::new(sessions::Processors))),
    ]
}

/// This program is also its own worker program: it is started again with the name of this test.
#[test]
fn worker() {
    // Called first, so that the library's own hook is around it. A worker tells its session of panics; any other one is printed.
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload_as_str().unwrap_or_default();
        if !failures::EXPECTED.iter().any(|begin| said.starts_with(begin)) {
            others(info);
        }
    }));
    fractal::worker_main(kinds());
    drop(std::panic::take_hook());
}

fn recipe(kind: &'static str, numbers: &[usize]) -> Recipe {
    Recipe { kind: kind.into(), bytes: numbers.iter().flat_map(|number| number.to_le_bytes()).collect() }
}

fn number(bytes: &[u8], index: usize) -> usize {
    usize::from_le_bytes(*bytes.as_chunks().0.get(index).expect("the recipe has this number"))
}

/// The backends whose workers see what a test changes while they run.
fn within_this_process() -> impl Iterator<Item = &'static BackendEntry> {
    BACKENDS.iter().filter(|entry| !entry.in_processes())
}

fn options(workers: usize, schedule: Schedule) -> SessionOptions {
    let arguments = ["worker", "--exact", "--nocapture"].map(Into::into).into();
    let program = Program { path: None, arguments };
    SessionOptions { workers, schedule: Some(schedule), program, ..SessionOptions::default() }
}

fn open(entry: &BackendEntry, workers: usize) -> Box<dyn Session> {
    entry.open(&options(workers, Schedule::AUTO)).unwrap()
}

/// Each schedule that a backend honours, without a chunk and with some.
fn schedules(entry: &BackendEntry) -> Vec<Schedule> {
    let with_chunks = |&schedule: &Schedule| {
        let chunked = [1, 2, 5, 64, 5000].into_iter().filter_map(move |chunk| schedule.with_chunk(chunk).ok());
        std::iter::once(schedule).chain(chunked)
    };
    entry.schedules.iter().flat_map(with_chunks).collect()
}
