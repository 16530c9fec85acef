//! One run as all backends in this process share it: computing a claim, timing it, catching a panic, handing on results.
//!
//! What is left to a backend is who takes which pieces when, and that is what its file shows. A backend may take any number of
//! pieces at once; they are computed in claims whose results stay in the processor's cache, so that no schedule makes a worker
//! hold a large part of a picture, and sinks hear from it often.

use super::panics::{self, catch};
use super::{Claim, Done, Prepared, Report, RunInfo, Sink, Stop, Work, WorkerReport};
use crate::error::{Error, Result};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most pieces of a claim. Timing and handing on cost about as much as a hundred pixels, so more would not pay.
const CLAIM_PIECES: usize = 1024;

/// Results of a claim, in bytes, beyond which no further piece is added to it: about half of a core's own cache.
const CLAIM_BYTES: usize = 256 << 10;

/// A run that has been prepared and started.
pub struct Job {
    work: Arc<dyn Work>,
    sink: Arc<dyn Sink>,
    prepared: Prepared,
    /// The caller's request.
    asked: Stop,
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
    /// Whether the claim is computed and the sink's turn has come, so that a panic is the sink's.
    in_sink: bool,
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
    /// From the first job on, the process's panic hook is silent about panics of pieces, which become errors, unless
    /// `RUST_BACKTRACE` is set.
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
        panics::prepare();
        let start = Instant::now();
        let prepared = work.prepare(stop)?;
        sink.start(&RunInfo { pieces: work.len(), workers, backend })?;
        Ok(Self {
            work,
            sink,
            prepared,
            asked: stop.clone(),
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

    /// How many pieces are well taken at once as far as their size goes: what one claim holds.
    pub fn grain(&self) -> usize {
        let pieces = self.pieces();
        let sample = (0..8).map(|part| pieces * part / 8).filter(|&index| index < pieces);
        let largest = sample.map(|index| self.work.piece_len(index)).max().unwrap_or(0);
        (CLAIM_BYTES / largest.max(1)).clamp(1, CLAIM_PIECES)
    }

    /// Whether the workers should end without taking another claim.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.stop.is_set()
    }

    /// Computes `range` as `worker` and hands the results to the sink. `Break` means that the run is over.
    #[inline]
    pub fn execute(&self, worker: &mut Worker, mut range: Range<usize>) -> ControlFlow<()> {
        while !range.is_empty() {
            if self.is_over() {
                return ControlFlow::Break(());
            }
            let (claim, bytes) = self.first_claim(range.clone());
            range.start = claim.end;
            match catch(|| self.compute(worker, claim.clone(), bytes)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.fail(error),
                Err(message) => return self.panicked(worker, claim, message),
            }
        }
        ControlFlow::Continue(())
    }

    /// The first pieces of `range` that make a claim, and how many bytes they produce.
    #[inline]
    fn first_claim(&self, range: Range<usize>) -> (Range<usize>, usize) {
        let start = range.start;
        let mut bytes = 0;
        for index in range.clone().take(CLAIM_PIECES) {
            let with = bytes + self.work.piece_len(index);
            if with > CLAIM_BYTES && index > start {
                return (start..index, bytes);
            }
            bytes = with;
        }
        (start..range.end.min(start + CLAIM_PIECES), bytes)
    }

    #[inline]
    fn compute(&self, worker: &mut Worker, range: Range<usize>, len: usize) -> Result<()> {
        let pieces = range.len();
        worker.in_sink = false;
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
        report.pieces += pieces;
        report.claims += 1;
        report.executed += executed;
        report.useful += worker.costs.iter().sum::<u64>();
        worker.in_sink = true;
        let done = Done {
            work: &*self.work,
            range,
            bytes,
            costs: &worker.costs,
            executed,
            worker: report.index,
            began,
            ended,
            waited: Cell::default(),
        };
        let outcome = self.sink.done(&done);
        report.busy += (self.now() - began).saturating_sub(done.waited.get());
        outcome
    }

    #[inline]
    fn now(&self) -> Duration {
        if self.timed { self.began.elapsed() } else { Duration::ZERO }
    }

    /// Ends the run with what is known of a panic. Which piece it was is found by computing them again one by one: a piece's
    /// result depends on its index only, and so does its panic, but for a fault of the kernel between pieces.
    #[cold]
    fn panicked(&self, worker: &mut Worker, range: Range<usize>, message: String) -> ControlFlow<()> {
        self.stop.set();
        let name = |index| catch(|| self.work.describe(index)).unwrap_or_else(|_| format!("piece {index}"));
        let in_sink = worker.in_sink;
        let again = |index| {
            let len = self.work.piece_len(index);
            let (mut bytes, mut costs) = (vec![0; len], [0]);
            let mut claim = Claim::new(index..index + 1, &mut bytes, &mut costs);
            self.work.compute(&self.prepared, &mut claim, &self.asked)
        };
        let at_fault = || range.clone().find_map(|index| Some((index, catch(|| again(index).is_ok()).err()?)));
        let single = range.len() == 1;
        let (piece, message) = if in_sink {
            (name(range.start), format!("{message} (in the sink, which was given its result)"))
        } else if single {
            (name(range.start), message)
        } else if let Some((index, message)) = at_fault() {
            (name(index), message)
        } else {
            (format!("{} pieces from {} on", range.len(), name(range.start)), message)
        };
        self.fail(Error::Panicked { piece, worker: worker.index(), message })
    }

    /// Ends the run because a worker panicked outside of any piece, which is a fault of its backend.
    pub fn lost(&self, payload: &(dyn Any + Send)) {
        let message = panics::message(payload);
        let _ = self.fail(Error::Unsupported(format!("a worker of backend `{}` panicked: {message}", self.backend)));
    }

    /// Ends the run with `error`, unless an earlier error did. Always `Break`.
    pub fn fail(&self, error: Error) -> ControlFlow<()> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that only noticed the end of the run has nothing to tell beside what ended it.
        if matches!(*failure, None | Some(Error::Stopped)) {
            *failure = Some(error);
        }
        self.stop.set();
        ControlFlow::Break(())
    }

    /// Ends the run after all workers have returned: the first error, or the report after the sink has finished.
    ///
    /// # Errors
    /// The error that ended the run, [`Error::Stopped`] when it was stopped, or what the sink's `finish` returned.
    pub fn end(&self, schedule: &str, workers: Vec<WorkerReport>) -> Result<Report> {
        let wall = self.began.elapsed();
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
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
