//! One run as all backends in this process share it: computing a claim, timing it, catching a panic, handing on results.
//!
//! What is left to a backend is who takes which claim when, and that is what its file shows.

use super::{Claim, Done, Prepared, Report, RunInfo, Sink, Stop, Work, WorkerReport};
use crate::error::{Error, Result};
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A run that has been prepared and started.
pub struct Job {
    work: Arc<dyn Work>,
    sink: Arc<dyn Sink>,
    prepared: Prepared,
    /// Set by the caller's request, and by a failure in this run so that the other workers stop as well.
    stop: Stop,
    failure: Mutex<Option<Error>>,
    backend: &'static str,
    setup: Duration,
    began: Instant,
    timed: bool,
}

/// A worker's own state in a run: its tally and the memory that its claims are computed in.
#[derive(Debug, Default)]
pub struct Worker {
    report: WorkerReport,
    bytes: Vec<u64>,
    costs: Vec<u64>,
}

impl Worker {
    /// Worker number `index`, with nothing done.
    pub fn new(index: usize) -> Self {
        Self { report: WorkerReport { index, ..WorkerReport::default() }, ..Self::default() }
    }

    /// The worker's number.
    pub fn index(&self) -> usize {
        self.report.index
    }

    /// What it has done since the last call, leaving nothing; its memory is kept for the next run.
    pub fn take_report(&mut self) -> WorkerReport {
        let index = self.report.index;
        std::mem::replace(&mut self.report, WorkerReport { index, ..WorkerReport::default() })
    }
}

impl Job {
    /// Prepares the work and starts the sink. `timed` says whether times are taken for each claim.
    ///
    /// # Errors
    /// What the work's `prepare` or the sink's `start` returned.
    pub fn begin(
        backend: &'static str,
        workers: usize,
        timed: bool,
        work: Arc<dyn Work>,
        sink: Arc<dyn Sink>,
        stop: &Stop,
    ) -> Result<Self> {
        let start = Instant::now();
        let prepared = work.prepare(stop)?;
        sink.start(&RunInfo { pieces: work.len(), workers, backend })?;
        Ok(Self {
            work,
            sink,
            prepared,
            stop: stop.child(),
            failure: Mutex::new(None),
            backend,
            setup: start.elapsed(),
            began: Instant::now(),
            timed,
        })
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.work.len()
    }

    /// Whether the workers should end without taking another claim.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.stop.is_set()
    }

    /// Computes `range` as `worker` and hands the results to the sink. `Break` means that the run is over.
    pub fn execute(&self, worker: &mut Worker, range: Range<usize>) -> ControlFlow<()> {
        if self.is_over() {
            return ControlFlow::Break(());
        }
        // A panic leaves nothing half-done behind: the claim's memory is not read and the run ends.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.compute(worker, range.clone())));
        let error = match outcome {
            Ok(Ok(())) => return ControlFlow::Continue(()),
            Ok(Err(error)) => error,
            Err(payload) => self.panicked(worker.index(), range, payload.as_ref()),
        };
        self.fail(error);
        ControlFlow::Break(())
    }

    fn compute(&self, worker: &mut Worker, range: Range<usize>) -> Result<()> {
        let pieces = range.len();
        let len: usize = range.clone().map(|index| self.work.piece_len(index)).sum();
        if worker.bytes.len() * 8 < len {
            worker.bytes.resize(len.div_ceil(8), 0);
        }
        worker.costs.clear();
        worker.costs.resize(pieces, 0);
        let bytes = &mut bytemuck::cast_slice_mut(&mut worker.bytes)[..len];

        let began = self.now();
        let mut claim = Claim::new(range.clone(), bytes, &mut worker.costs);
        self.work.compute(&self.prepared, &mut claim, &self.stop)?;
        let executed = claim.executed();
        let ended = self.now();

        let report = &mut worker.report;
        report.busy += ended - began;
        report.pieces += pieces;
        report.claims += 1;
        report.executed += executed;
        report.useful += worker.costs.iter().sum::<u64>();
        self.sink.done(&Done {
            work: &*self.work,
            range,
            bytes,
            costs: &worker.costs,
            executed,
            worker: report.index,
            began,
            ended,
        })
    }

    #[inline]
    fn now(&self) -> Duration {
        if self.timed { self.began.elapsed() } else { Duration::ZERO }
    }

    #[cold]
    fn panicked(&self, worker: usize, range: Range<usize>, payload: &(dyn std::any::Any + Send)) -> Error {
        let message = (payload.downcast_ref::<String>().map(String::as_str))
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message")
            .to_owned();
        let mut piece = self.work.describe(range.start);
        if range.len() > 1 {
            piece = format!("one of {} pieces from {piece}", range.len());
        }
        Error::Panicked { piece, worker, message }
    }

    /// Ends the run with `error`, unless an earlier error did.
    pub fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that only noticed the end of the run has nothing to tell beside what ended it.
        if failure.is_none() || matches!(*failure, Some(Error::Stopped)) {
            *failure = Some(error);
        }
        self.stop.set();
    }

    /// Ends the run after all workers have returned: the first error, or the report after the sink has finished.
    ///
    /// # Errors
    /// The error that ended the run, [`Error::Stopped`] when it was stopped, or what the sink's `finish` returned.
    pub fn end(self, schedule: &str, workers: Vec<WorkerReport>) -> Result<Report> {
        let wall = self.began.elapsed();
        if let Some(error) = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        if workers.iter().map(|w| w.pieces).sum::<usize>() < self.work.len() {
            return Err(Error::Stopped);
        }
        let report = Report { backend: self.backend, schedule: schedule.to_owned(), setup: self.setup, wall, workers };
        self.sink.finish(&report)?;
        Ok(report)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("backend", &self.backend).field("pieces", &self.pieces()).finish_non_exhaustive()
    }
}
