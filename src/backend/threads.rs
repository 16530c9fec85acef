//! A persistent team of threads that share one loop, as an OpenMP program does with `parallel for`.
//!
//! Python's counterpart is PyMP, or `threading` with a queue of rows, were it not for the interpreter's lock. Choose it for
//! everything on one machine: it has all schedules, hands out pieces in order unless told otherwise, and its threads wait for the
//! next run. The caller is one of the workers.
//!
//! An empty piece that is a claim of its own costs 10 ns of wall time with two workers under `static,1`, 11 ns when stealing and
//! 17 ns under `dynamic`, whose counter both write; under `auto` it costs 1 ns. A run without pieces takes 2 µs. Workers whose
//! states shared a cache line cost half as much again.

use super::{Entry, Handing, Session};
use crate::error::Result;
use crate::parallel::team::Team;
use crate::parallel::{Job, Report, Schedule, Sink, Stop, Work, Worker};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const ENTRY: Entry = Entry {
    name: "threads",
    help: "a persistent team of threads that share one loop, under any schedule",
    model: "threads, fork-join",
    counterpart: "PyMP, threading",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    transport: None,
    handing: Handing::OWN,
    probe: || Ok(()),
    open: |setup| {
        let workers = (0..setup.workers).map(|index| Mutex::new(Worker::new(index))).collect();
        let team = Team::new(setup.workers, setup.pinning)?;
        Ok(Box::new(Threads { team, workers, schedule: setup.schedule, timed: setup.timed }))
    },
};

struct Threads {
    team: Team,
    /// Each member locks its own for a whole run.
    workers: Box<[Mutex<Worker>]>,
    schedule: Schedule,
    timed: bool,
}

impl Session for Threads {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Job::begin(ENTRY.name, self.team.len(), self.timed, work, sink, stop)?;
        let schedule = self.schedule.with_auto_limit(job.grain());
        let outcome = self.team.run(&|member| {
            let mut worker = self.workers[member.index()].lock().unwrap_or_else(PoisonError::into_inner);
            let _ = member.for_claims(0..job.pieces(), schedule, |claim| job.execute(&mut worker, claim));
        });
        job.check(outcome);
        let report = |worker: &Mutex<Worker>| worker.lock().unwrap_or_else(PoisonError::into_inner).take_report();
        job.end(&self.schedule.to_string(), self.workers.iter().map(report).collect())
    }
}
