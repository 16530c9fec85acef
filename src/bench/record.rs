//! Recording runs: who computed which pieces when, and what each piece costs.

use super::clock::Clock;
use super::measure::enough;
use super::results::Timeline;
use super::simulate::{Overheads, Recording};
use super::subject::Subject;
use crate::backend::{Entry, Options};
use crate::error::Result;
use crate::parallel::{Discard, Done, Schedule, Sink, Stop};
use std::sync::{Arc, Mutex, PoisonError};

/// Worker, first piece, number of pieces, begin and end in seconds.
type Slice = (usize, usize, usize, f64, f64);

/// A sink that keeps the claims of a run.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Slice>>);

impl Sink for Recorder {
    fn done(&self, done: &Done<'_>) -> Result<()> {
        let slice =
            (done.worker, done.range.start, done.range.len(), done.began.as_secs_f64(), done.ended.as_secs_f64());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(slice);
        Ok(())
    }
}

fn options(workers: usize, schedule: Schedule) -> Options {
    Options { workers, schedule: Some(schedule), timed: true, ..Options::default() }
}

/// Runs `subject` once and keeps its claims.
///
/// # Errors
/// What the backend returns.
pub fn timeline(
    subject: &Subject,
    entry: &'static Entry,
    schedule: Schedule,
    workers: usize,
    stop: &Stop,
) -> Result<Timeline> {
    let mut session = entry.open(&options(workers, schedule))?;
    session.run(subject.small.clone(), Arc::new(Discard), stop)?;
    let recorder = Arc::new(Recorder::default());
    let report = session.run(subject.work.clone(), recorder.clone(), stop)?;
    let mut slices = std::mem::take(&mut *recorder.0.lock().unwrap_or_else(PoisonError::into_inner));
    slices.sort_by(|a, b| (a.0, a.3).partial_cmp(&(b.0, b.3)).expect("times are numbers"));
    let micro = |seconds: f64| (seconds * 1e7).round() / 10.0;
    Ok(Timeline {
        backend: entry.name.to_owned(),
        schedule: schedule.to_string(),
        workers: report.workers.len(),
        wall: report.wall.as_secs_f64(),
        claims: slices
            .iter()
            .map(|&(worker, first, count, began, ended)| (worker, first, count, micro(began), micro(ended)))
            .collect(),
    })
}

/// Finds out what each piece of `subject` costs: the least of several runs ([`enough`]) in which each is a claim of its own, and what it
/// saves to compute several together, as the backends do.
///
/// # Errors
/// What the backend returns.
pub fn costs(clock: &dyn Clock, subject: &Subject, stop: &Stop) -> Result<Recording> {
    let entry = crate::backend::find("serial")?;
    let pieces = subject.work.len();
    let grain = crate::parallel::grain(&*subject.work)?;
    let mut costs = vec![f64::INFINITY; pieces];
    let mut together = f64::INFINITY;
    let mut single = entry.open(&options(1, Schedule::STATIC.with_chunk(1)?))?;
    let mut whole = entry.open(&options(1, Schedule::STATIC))?;
    single.run(subject.small.clone(), Arc::new(Discard), stop)?;
    let (start, mut done) = (clock.now(), 0);
    while !enough(done, clock.now() - start) {
        done += 1;
        let recorder = Arc::new(Recorder::default());
        single.run(subject.work.clone(), recorder.clone(), stop)?;
        for &(_, first, _, began, ended) in recorder.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            costs[first] = costs[first].min(ended - began);
        }
        let began = clock.now();
        let report = whole.run(subject.work.clone(), Arc::new(Discard), stop)?;
        // What is prepared before is part of every run, and shared by nobody.
        let wall = (clock.now() - began).saturating_sub(report.setup).as_secs_f64();
        let busy = report.workers.iter().map(|worker| worker.busy.as_secs_f64()).sum::<f64>();
        together = together.min(busy.min(wall));
    }
    let joins = pieces - pieces.div_ceil(grain);
    let saved = costs.iter().sum::<f64>() - together;
    let joined = if joins > 0 { (saved / joins as f64).max(0.0) } else { 0.0 };
    Ok(Recording { costs, joined, grain, overheads: Overheads::default() })
}
