//! Rayon's parallel iterator over claims, in a thread pool of its own: what most Rust programs would write.
//!
//! Python equivalents are `multiprocessing.Pool.map` with a chunk size and `joblib.Parallel`.
//!
//! Rayon halves a range until each job holds one claim or a few, and lets idle threads steal halves, which is OpenMP's
//! `nonmonotonic:dynamic`. That keeps no order, so a picture would be complete everywhere at once or nowhere. For the other
//! schedules a job is therefore only a turn to take the next claim: Rayon balances the turns, a counter keeps the order.
//!
//! A claim of one empty piece costs 24 ns of processor time, 29 ns in order, and a run without pieces takes 5 µs. One job per
//! claim, however many there are, costs 15 ns more, and `try_for_each`, which would end a stopped run without walking through the
//! rest, another 23 ns. `par_bridge` over a shared iterator locks, and can hang when the work uses Rayon.
//!
//! An idle Rayon thread looks for work at every other thread, 32 times before it sleeps, which cannot be configured. So the start
//! of a run takes time that grows with the square of the threads: on two processors 0.07 s with 256, 0.85 s with 512, 5 s with
//! 1024, minutes with 4096. Hence the limit of [`most`]; the threads of `threads`, which park at once, take 0.5 s with 4096.

use super::{BackendEntry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::{Modifier, Report, Schedule, Sink, Stop, Work, Workers};
use crossbeam_utils::CachePadded;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "rayon",
    help: "Rayon's work-stealing parallel iterator, in its own thread pool",
    model: "threads, work stealing",
    counterpart: "multiprocessing.Pool.map, joblib",
    choose: "inside a program that uses Rayon already",
    avoid: "with hundreds of threads: an idle one looks for work at all others before it sleeps",
    schedules: &[Schedule::DYNAMIC, Schedule::STEALING, Schedule::AUTO],
    open,
    ..BackendEntry::THREADS
};

struct Rayon {
    pool: ThreadPool,
    /// One for each thread of the pool.
    workers: Workers,
    setup: Setup,
}

/// How many threads are allowed: as many as start within a second, or twice as many as can run at once if that is more.
fn most(processors: usize) -> usize {
    512.max(2 * processors)
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let most = most(std::thread::available_parallelism().map_or(1, NonZero::get));
    if setup.workers > most {
        return Err(Error::Usage(format!(
            "backend `{}` cannot have {} workers, since each idle thread looks for work at all others; allowed are 1 to \
             {most} here, and more with backend `{}`",
            ENTRY.name,
            setup.workers,
            super::DEFAULT
        )));
    }
    let pool = ThreadPoolBuilder::new().num_threads(setup.workers).thread_name(|index| format!("fractal-{index}"));
    let pool = pool.start_handler(setup.first()).build().map_err(|error| setup.refused(&error))?;
    Ok(Box::new(Rayon { pool, workers: Workers::new(setup.workers), setup }))
}

impl Session for Rayon {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { pool, workers, setup } = self;
        let job = setup.begin(ENTRY.name, work, sink, stop)?;
        let claims = job.cut(setup.schedule, setup.workers);
        let in_order = setup.schedule.order() != Some(Modifier::Nonmonotonic);
        let next = CachePadded::new(AtomicUsize::new(0));
        let turn = |turn: usize| {
            let claim = if in_order { next.fetch_add(1, Ordering::Relaxed) } else { turn };
            let index = rayon::current_thread_index().expect("turns are taken in the pool");
            // When the run is over, the remaining turns compute nothing.
            let _ = workers.execute(index, &job, claims.range(claim));
        };
        let turns = 0..claims.len();
        // A job has several turns when there are so many that one job is a small part of the whole anyway.
        let most = (turns.len() / (4096 * setup.workers)).clamp(1, 64);
        job.guard(|| pool.install(|| turns.into_par_iter().with_max_len(most).for_each(turn)));
        setup.end(&job, workers.take_reports())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::SessionOptions;

    #[test]
    fn as_many_threads_as_begin_soon_are_allowed() {
        assert_eq!([1, 2, 256, 257, 1024].map(most), [512, 512, 512, 514, 2048]);
        let here = most(std::thread::available_parallelism().map_or(1, NonZero::get));
        if here < crate::parallel::MAX_WORKERS {
            let refused = ENTRY.open(&SessionOptions { workers: here + 1, ..SessionOptions::default() }).err().unwrap();
            assert_eq!(refused.exit_code(), 2);
            let text = refused.to_string();
            assert!(text.contains(&format!("allowed are 1 to {here} here")) && text.contains("`threads`"), "{text}");
        }
        assert!(ENTRY.open(&SessionOptions { workers: 300, ..SessionOptions::default() }).is_ok());
    }
}
