//! One run as all backends in this process share it: computing a claim, timing it, catching a panic, handing on results.
//!
//! What is left to a backend is who takes which pieces when, and that is what its file shows. A backend may take any number of
//! pieces at once; they are computed in claims whose results stay in the processor's cache, so that no schedule makes a worker
//! hold a large part of a picture, and sinks hear from it often.

use super::panics::{self, catch};
use super::team::Panic;
use super::{Claim, Done, Prepared, Report, RunInfo, Sink, Stop, Work, WorkerReport};
use crate::error::{Error, Result};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Operations (iterations for a picture) that a claim should not exceed by far, going by the one before: some 50 ms. When the program
/// is killed, what its workers have in hand is lost; with the size alone as a limit that was seconds of dear tiles. Much shorter claims
/// would cost time: at the end of each, vectors wait for their longest orbit.
const CLAIM_OPERATIONS: u64 = 1 << 28;

/// How many pieces are well taken at once as far as their size goes: what one claim holds.
pub fn grain(work: &dyn Work) -> usize {
    let pieces = work.len();
    let sample = (0..8).map(|part| pieces * part / 8).filter(|&index| index < pieces);
    let largest = sample.map(|index| work.piece_len(index)).max().unwrap_or(0);
    (Job::CLAIM_BYTES / largest.max(1)).clamp(1, Job::CLAIM_PIECES)
}

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
    finished: Finished,
    /// The most pieces that the next claim should have; 0 for any number.
    most: usize,
}

/// A claim that was computed and not yet handed on: what travels from a worker to a collector. Its memory can be used again.
#[derive(Debug, Default)]
pub struct Finished {
    /// The pieces.
    pub range: Range<usize>,
    /// Their results one after the other, in whole words so that sinks can read them as numbers.
    pub words: Vec<u64>,
    /// How many bytes of `words` are results.
    pub len: usize,
    /// What each piece was worth, in the work's own unit.
    pub costs: Vec<u64>,
    /// What was really executed, in the same unit.
    pub executed: u64,
    /// Who computed it.
    pub worker: usize,
    /// When its computation began, since the start of the run.
    pub began: Duration,
    /// When its computation ended. Both are zero when the run takes no times.
    pub ended: Duration,
}

/// What computing a claim took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// What was really executed, in the work's own unit.
    pub executed: u64,
    /// When it began, since the start of the run.
    pub began: Duration,
    /// When it ended. Both are zero when the run takes no times.
    pub ended: Duration,
}

impl Finished {
    /// The results of all pieces.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
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

    /// Counts a claim that it computed elsewhere, in a process of its own for example.
    pub fn count(&mut self, done: &Done<'_>) {
        self.report.count(done.costs, done.executed, done.ended.saturating_sub(done.began));
    }

    /// What it has done since the last call, leaving nothing; its memory is kept for the next run.
    pub fn take_report(&mut self) -> WorkerReport {
        let index = self.report.index;
        std::mem::replace(&mut self.report, WorkerReport { index, ..WorkerReport::default() })
    }
}

impl Job {
    /// The most pieces of a claim. Timing and handing on cost about as much as a hundred pixels, so more would not pay.
    pub(crate) const CLAIM_PIECES: usize = 1024;

    /// Results of a claim, in bytes, beyond which no further piece is added to it: about half of a core's own cache.
    pub(crate) const CLAIM_BYTES: usize = 256 << 10;

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

    /// How many pieces are well taken at once as far as their size goes: [`grain`].
    pub fn grain(&self) -> usize {
        grain(&*self.work)
    }

    /// Whether the workers should end without taking another claim.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.stop.is_set()
    }

    /// Computes `range` as `worker` and hands the results to the sink, claim by claim. `Break` means that the run is over.
    #[inline]
    pub fn execute(&self, worker: &mut Worker, mut range: Range<usize>) -> ControlFlow<()> {
        while !range.is_empty() {
            let Worker { report, finished, most } = worker;
            let end = if *most > 0 { range.end.min(range.start.saturating_add(*most)) } else { range.end };
            let (claim, len) = self.measured(range.start..end);
            range.start = claim.end;
            self.compute_as(report, claim, len, finished)?;
            *most = match finished.executed / finished.range.len() as u64 {
                0 => 0,
                each => (CLAIM_OPERATIONS / each).max(1) as usize,
            };
            let (outcome, waited) = self.hand_on(&self.done(finished));
            report.busy += (self.now() - finished.ended).saturating_sub(waited);
            outcome?;
        }
        ControlFlow::Continue(())
    }

    /// The first pieces of `range` that are well computed at once: at least one, and as many as stay in a processor's cache.
    #[inline]
    pub fn first_claim(&self, range: Range<usize>) -> Range<usize> {
        self.measured(range).0
    }

    /// The first claim of `range`, and how many bytes it produces: lengths are asked for once.
    #[inline]
    fn measured(&self, range: Range<usize>) -> (Range<usize>, usize) {
        let start = range.start;
        let mut bytes = 0;
        for index in range.clone().take(Self::CLAIM_PIECES) {
            let with = bytes + self.work.piece_len(index);
            if with > Self::CLAIM_BYTES && index > start {
                return (start..index, bytes);
            }
            bytes = with;
        }
        (start..range.end.min(start + Self::CLAIM_PIECES), bytes)
    }

    /// The pieces of `range` in claims that are well computed at once.
    pub fn claims(&self, mut range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        std::iter::from_fn(move || {
            let claim = (!range.is_empty()).then(|| self.first_claim(range.clone()))?;
            range.start = claim.end;
            Some(claim)
        })
    }

    /// Computes `claim` as `worker` into `finished`, whose memory is used again. `Break` means that the run is over; then
    /// `finished` says nothing.
    ///
    /// A backend whose workers hand on their own results calls [`Job::execute`] instead.
    #[inline]
    pub fn compute(&self, worker: &mut Worker, claim: Range<usize>, finished: &mut Finished) -> ControlFlow<()> {
        let len = claim.clone().map(|index| self.work.piece_len(index)).sum();
        self.compute_as(&mut worker.report, claim, len, finished)
    }

    /// The same for a claim that produces `len` bytes.
    #[inline]
    fn compute_as(
        &self,
        report: &mut WorkerReport,
        claim: Range<usize>,
        len: usize,
        finished: &mut Finished,
    ) -> ControlFlow<()> {
        let Finished { words, costs, .. } = finished;
        if words.len() * 8 < len {
            words.resize(len.div_ceil(8), 0);
        }
        costs.clear();
        costs.resize(claim.len(), 0);
        let bytes = &mut bytemuck::cast_slice_mut(words)[..len];
        let Effort { executed, began, ended } = self.compute_into(report.index, claim.clone(), bytes, costs)?;
        report.count(costs, executed, ended - began);
        (finished.range, finished.len, finished.worker) = (claim, len, report.index);
        (finished.executed, finished.began, finished.ended) = (executed, began, ended);
        ControlFlow::Continue(())
    }

    /// Computes `claim` as worker number `worker` into memory that the caller has: `bytes` for the results of all pieces, one
    /// after the other, and `costs`, one a piece and all 0. `Break` means that the run is over, and what was written says nothing.
    ///
    /// For a backend whose results are computed where somebody else reads them, such as shared memory.
    #[inline]
    pub fn compute_into(
        &self,
        worker: usize,
        claim: Range<usize>,
        bytes: &mut [u8],
        costs: &mut [u64],
    ) -> ControlFlow<(), Effort> {
        if self.is_over() {
            return ControlFlow::Break(());
        }
        let compute = || {
            self.sink.claimed(worker, claim.clone());
            let began = self.now();
            let mut claim = Claim::new(claim.clone(), bytes, costs);
            self.work.compute(&self.prepared, &mut claim, &self.stop)?;
            Ok(Effort { executed: claim.executed(), began, ended: self.now() })
        };
        let broken = match catch(compute) {
            Ok(Ok(effort)) => return ControlFlow::Continue(effort),
            Ok(Err(error)) => self.fail(error),
            Err(message) => self.panicked(worker, claim, message),
        };
        debug_assert!(broken.is_break());
        ControlFlow::Break(())
    }

    /// A finished claim as the sink is told of it.
    #[inline]
    pub fn done<'a>(&'a self, finished: &'a Finished) -> Done<'a> {
        Done {
            work: &*self.work,
            range: finished.range.clone(),
            bytes: finished.bytes(),
            costs: &finished.costs,
            executed: finished.executed,
            worker: finished.worker,
            began: finished.began,
            ended: finished.ended,
            waited: Cell::default(),
        }
    }

    /// Tells the sink that a worker elsewhere, in a process of its own for example, computes `claim` now.
    pub fn claimed(&self, worker: usize, claim: Range<usize>) {
        if let Err(message) = catch(|| self.sink.claimed(worker, claim.clone())) {
            let _ = self.panicked(worker, claim, message);
        }
    }

    /// Gives the sink a finished claim, and says how long the sink only waited. `Break` means that the run is over.
    #[inline]
    pub fn hand_on(&self, done: &Done<'_>) -> (ControlFlow<()>, Duration) {
        let outcome = match catch(|| self.sink.done(done)) {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(error)) => self.fail(error),
            Err(message) => self.fail(Error::Panicked {
                piece: self.name(done.range.start),
                worker: done.worker,
                message: format!("{message} (in the sink, which was given its result)"),
            }),
        };
        (outcome, done.waited.get())
    }

    /// What is prepared for all pieces of the work.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The work.
    pub fn work(&self) -> &dyn Work {
        &*self.work
    }

    /// The time since the start of the run; zero when the run takes no times.
    #[inline]
    pub fn now(&self) -> Duration {
        if self.timed { self.began.elapsed() } else { Duration::ZERO }
    }

    /// Ends the run with what is known of a panic. Which piece it was is found by computing them again one by one: a piece's
    /// result depends on its index only, and so does its panic, but for a fault of the kernel between pieces.
    #[cold]
    fn panicked(&self, worker: usize, range: Range<usize>, message: String) -> ControlFlow<()> {
        self.stop.set();
        let again = |index| {
            let len = self.work.piece_len(index);
            let (mut bytes, mut costs) = (vec![0; len], [0]);
            let mut claim = Claim::new(index..index + 1, &mut bytes, &mut costs);
            self.work.compute(&self.prepared, &mut claim, &self.asked)
        };
        let at_fault = || range.clone().find_map(|index| Some((index, catch(|| again(index).is_ok()).err()?)));
        let single = range.len() == 1;
        let (piece, message) = if single {
            (self.name(range.start), message)
        } else if let Some((index, message)) = at_fault() {
            (self.name(index), message)
        } else {
            (format!("{} pieces from {} on", range.len(), self.name(range.start)), message)
        };
        self.fail(Error::Panicked { piece, worker, message })
    }

    /// A piece in words, for error messages.
    pub(crate) fn name(&self, index: usize) -> String {
        catch(|| self.work.describe(index)).unwrap_or_else(|_| format!("piece {index}"))
    }

    /// Ends the run because a worker panicked outside of any piece, which is a fault of its backend.
    pub fn lost(&self, payload: &(dyn Any + Send)) {
        let message = panics::message(payload);
        let _ = self.fail(Error::Unsupported(format!("a worker of backend `{}` panicked: {message}", self.backend)));
    }

    /// [`Job::lost`] for what the members of a team panicked with.
    pub(crate) fn check(&self, outcome: std::result::Result<(), Vec<Panic>>) {
        for (_, payload) in outcome.err().into_iter().flatten() {
            self.lost(payload.as_ref());
        }
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

    /// The error that ended the run, if one did, leaving none: for a worker that tells its session in another process.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
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
