//! One run, as far as all backends share it: computing a claim, timing it, catching a panic, delivering results.
//!
//! A backend only decides which worker takes which pieces when, and that is what its file shows. It may take any number of pieces at
//! once; they are computed in claims whose results fit in the processor's cache, so that no schedule makes a worker hold a large part of
//! a picture, and sinks get results often.

mod dealing;
mod faults;

use super::claim_size::{ClaimSize, grain, longest};
use super::last_seen::LastSeen;
use super::panics::{self, catch};
use super::result::Lengths;
use super::sink::take_waited;
use super::{
    Claim, ComputedClaim, Effort, FinishedClaim, Prepared, Preparing, Report, RunInfo, Sink, Stop, Work, Worker,
    WorkerReport,
};
use crate::error::{Error, Result};
use crate::parallel::lock;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where a panic may come from while a claim is computed: the work giving a length, the work computing, or the sink.
#[derive(Clone, Copy)]
enum Stage {
    Asking,
    Computing,
    Delivering,
}

/// Threads of a pool that are kept apart until each begins to compute.
struct KeptApart(Arc<LastSeen>);

impl Drop for KeptApart {
    fn drop(&mut self) {
        self.0.release_all();
    }
}

/// A run that has been prepared and started.
pub struct Job {
    work: Arc<dyn Work>,
    sink: Arc<dyn Sink>,
    prepared: Prepared,
    /// The caller's request to stop.
    asked: Stop,
    /// Set by the caller's request, or by a failure in this run so that the other workers stop as well.
    stop: Stop,
    failure: Mutex<Option<Error>>,
    backend: &'static str,
    setup: Duration,
    began: Instant,
    timed: bool,
    grain: usize,
    size: ClaimSize,
    /// The threads that compute, where they are kept apart until they do.
    apart: Option<KeptApart>,
}

impl Job {
    /// Prepares the work, unless it has no pieces, and starts the sink. `timed` says whether each claim is timed.
    ///
    /// From the first job on, the process's panic hook no longer prints panics of pieces, which become errors, unless `RUST_BACKTRACE` is
    /// set.
    ///
    /// # Errors
    /// What the work's `prepare` or the sink's `start` returned, or a panic of the work.
    pub fn begin(
        backend: &'static str,
        workers: usize,
        timed: bool,
        work: Arc<dyn Work>,
        sink: Arc<dyn Sink>,
        stop: &Stop,
    ) -> Result<Self> {
        Self::begin_with(backend, workers, timed, work, sink, stop, None)
    }

    /// The same with what was already prepared elsewhere, if anything.
    pub(crate) fn begin_with(
        backend: &'static str,
        workers: usize,
        timed: bool,
        work: Arc<dyn Work>,
        sink: Arc<dyn Sink>,
        stop: &Stop,
        prepared: Option<Prepared>,
    ) -> Result<Self> {
        panics::prepare();
        let start = Instant::now();
        let grain = grain(&*work)?;
        let prepared = match prepared {
            Some(prepared) => prepared,
            None if work.is_empty() => Prepared::default(),
            None => {
                let progress = |done| sink.preparing(done);
                panics::guarded(|| work.prepare(&Preparing::new(stop, workers, &progress)), "preparing the work")??
            }
        };
        let size = ClaimSize::of(&*work);
        sink.start(&RunInfo { pieces: work.len(), workers, backend, unit: work.unit(), piece: work.piece() })?;
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
            grain,
            size,
            apart: None,
        })
    }

    /// Keeps the threads of a pool apart until each begins to compute.
    pub(crate) fn keep_apart(&mut self, threads: &Arc<LastSeen>) {
        if self.pieces() > 0 && threads.keep_apart(false) {
            self.apart = Some(KeptApart(threads.clone()));
        }
    }

    /// Worker number `worker` begins a claim.
    #[inline]
    fn release(&self, worker: usize) {
        if let Some(KeptApart(threads)) = &self.apart
            && threads.release(worker)
        {
            threads.rests(worker);
        }
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.work.len()
    }

    /// A good number of pieces per claim, judged by their size alone.
    pub fn grain(&self) -> usize {
        self.grain
    }

    /// How many bytes of memory the longest piece takes.
    ///
    /// # Errors
    /// [`Error::Panicked`] when the work panics while giving the length of a piece.
    pub(crate) fn longest_piece(&self) -> Result<usize> {
        longest(&*self.work, 0..self.pieces())
    }

    /// Whether the workers should end without taking another claim.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.stop.is_set()
    }

    /// Computes `range` as `worker` and delivers the results to the sink, claim by claim. `Break` means that the run is over.
    #[inline]
    pub fn execute(&self, worker: &mut Worker, mut range: Range<usize>) -> ControlFlow<()> {
        self.release(worker.index());
        let Worker { report, finished } = worker;
        while !range.is_empty() {
            if self.is_over() {
                return ControlFlow::Break(());
            }
            // One guard around all foreign code: a second one would cost as much as a free piece.
            let (mut claim, mut stage) = (range.clone(), Stage::Asking);
            let both = || {
                let (first, len) = self.size.first(&*self.work, range.clone());
                (claim.end, stage) = (first.end, Stage::Computing);
                let (bytes, costs, counts) = finished.memory(len, first.len());
                let worker = report.index;
                let Effort { executed, began, ended, len } =
                    self.effort(worker, first.clone(), bytes, costs, counts)?;
                report.count(costs, executed, counts, if self.timed { ended - began } else { Duration::ZERO });
                stage = Stage::Delivering;
                // Built from local values, not from stored ones: that would make a free piece take a tenth longer.
                let work = &*self.work;
                if self.timed {
                    take_waited();
                }
                let (bytes, lengths) = (&bytes[..len], self.size.lengths);
                let (range, counts) = (first, &*counts);
                self.sink.done(&FinishedClaim {
                    work,
                    range,
                    bytes,
                    lengths,
                    costs,
                    executed,
                    counts,
                    worker,
                    began,
                    ended,
                })?;
                Ok(ended)
            };
            let ended = match catch(both) {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => return self.fail(error),
                Err(message) => {
                    return match stage {
                        Stage::Asking => self.panicked(report.index, ClaimSize::most(&range), message),
                        Stage::Computing => self.panicked(report.index, claim, message),
                        Stage::Delivering => self.sink_panicked(report.index, claim.start, &message),
                    };
                }
            };
            if self.timed {
                report.busy += (self.now() - ended).saturating_sub(take_waited());
            }
            range.start = claim.end;
        }
        ControlFlow::Continue(())
    }

    /// The leading pieces of `range` that make a good claim: at least one, as many as fit in a processor's cache, and fewer where recent
    /// pieces were costly. If the work panics while giving lengths, that ends the run.
    #[inline]
    pub fn first_claim(&self, range: Range<usize>) -> Range<usize> {
        self.first_claim_and_len(range).0
    }

    /// The same with how many bytes of memory the claim takes, so that lengths are asked for only once: 0 if the work panicked.
    #[inline]
    pub(crate) fn first_claim_and_len(&self, range: Range<usize>) -> (Range<usize>, usize) {
        catch(|| self.size.first(&*self.work, range.clone())).unwrap_or_else(|message| {
            let _ = self.panicked(0, ClaimSize::most(&range), message);
            (range.start..range.start + 1, 0)
        })
    }

    /// Cuts `range` into claims of a good size.
    pub fn claims(&self, mut range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        std::iter::from_fn(move || {
            let claim = (!range.is_empty()).then(|| self.first_claim(range.clone()))?;
            range.start = claim.end;
            Some(claim)
        })
    }

    /// Computes `claim` as `worker` into `finished`, whose memory is reused. `Break` means that the run is over; then only the range and
    /// the worker in `finished` have a meaning.
    ///
    /// A backend whose workers deliver their own results calls [`Job::execute`] instead.
    pub fn compute(&self, worker: &mut Worker, claim: Range<usize>, finished: &mut ComputedClaim) -> ControlFlow<()> {
        self.release(worker.index());
        (finished.range, finished.worker) = (claim.clone(), worker.index());
        self.guarded(worker.index(), claim.clone(), || {
            let (bytes, costs, counts) = finished.memory(self.room(claim.clone()), claim.len());
            let Effort { executed, began, ended, len } = self.effort(worker.index(), claim, bytes, costs, counts)?;
            worker.report.count(costs, executed, counts, ended - began);
            finished.len = len;
            (finished.executed, finished.began, finished.ended) = (executed, began, ended);
            Ok(())
        })
    }

    /// Computes `claim` as worker number `worker` into the caller's memory: `bytes`, as many as [`Job::room`] says, `costs`, one per
    /// piece and all 0, and `counts`, which are replaced. The returned effort says how many of the bytes are results. `Break` means that
    /// the run is over and that what was written is meaningless.
    ///
    /// For a backend that computes results where another process reads them, such as shared memory.
    pub fn compute_into(
        &self,
        worker: usize,
        claim: Range<usize>,
        bytes: &mut [u8],
        costs: &mut [u64],
        counts: &mut Vec<u64>,
    ) -> ControlFlow<(), Effort> {
        counts.clear();
        self.guarded(worker, claim.clone(), || self.effort(worker, claim, bytes, costs, counts))
    }

    #[inline(always)]
    fn effort(
        &self,
        worker: usize,
        claim: Range<usize>,
        bytes: &mut [u8],
        costs: &mut [u64],
        counts: &mut Vec<u64>,
    ) -> Result<Effort> {
        self.sink.claimed(worker, claim.clone());
        let began = self.now();
        let pieces = claim.len();
        let (executed, len) = if self.size.lengths == Lengths::Known {
            let len = bytes.len();
            let mut claim = Claim::new(claim, bytes, costs, counts);
            self.work.compute(&self.prepared, &mut claim, &self.stop)?;
            (claim.executed(), len)
        } else {
            self.varying(claim, bytes, costs, counts, &self.stop)?
        };
        let ended = self.now();
        self.size.learn(executed, pieces);
        Ok(Effort { executed, began, ended, len })
    }

    /// Computes a claim of a work that varies. Returns what was executed and how many bytes the results take.
    #[inline(never)]
    fn varying(
        &self,
        claim: Range<usize>,
        bytes: &mut [u8],
        costs: &mut [u64],
        counts: &mut Vec<u64>,
        stop: &Stop,
    ) -> Result<(u64, usize)> {
        let most = |index| self.work.piece_len(index);
        let mut claim = Claim::with_slots(&most, claim, bytes, costs, counts);
        self.work.compute(&self.prepared, &mut claim, stop)?;
        Ok((claim.executed(), claim.close()))
    }

    /// How many bytes of memory the results of `pieces` take at most.
    pub fn room(&self, pieces: Range<usize>) -> usize {
        pieces.map(|index| self.size.lengths.room(self.work.piece_len(index))).sum()
    }

    /// How many of `bytes`, which come from elsewhere, the results of `pieces` take; `None` if they are not such results.
    pub(crate) fn whole(&self, bytes: &[u8], pieces: Range<usize>) -> Option<usize> {
        self.size.lengths.whole(bytes, pieces, |index| self.work.piece_len(index))
    }

    /// How the lengths of results are known.
    pub(crate) fn lengths(&self) -> Lengths {
        self.size.lengths
    }

    /// Calls `body`, which computes `claim` as worker number `worker`, unless the run is over. `Break` when it is, or when the body ends
    /// it with an error or a panic.
    #[inline]
    fn guarded<T>(&self, worker: usize, claim: Range<usize>, body: impl FnOnce() -> Result<T>) -> ControlFlow<(), T> {
        if self.is_over() {
            return ControlFlow::Break(());
        }
        let broken = match catch(body) {
            Ok(Ok(value)) => return ControlFlow::Continue(value),
            Ok(Err(error)) => self.fail(error),
            Err(message) => self.panicked(worker, claim, message),
        };
        debug_assert!(broken.is_break());
        ControlFlow::Break(())
    }

    /// A finished claim as the sink receives it.
    #[inline]
    pub fn done<'a>(&'a self, finished: &'a ComputedClaim) -> FinishedClaim<'a> {
        FinishedClaim {
            work: &*self.work,
            range: finished.range.clone(),
            bytes: finished.bytes(),
            lengths: self.size.lengths,
            costs: &finished.costs,
            executed: finished.executed,
            counts: &finished.counts,
            worker: finished.worker,
            began: finished.began,
            ended: finished.ended,
        }
    }

    /// Reports to the sink that a worker elsewhere, in its own process for example, is now computing `claim`.
    pub fn claimed(&self, worker: usize, claim: Range<usize>) {
        if let Err(message) = catch(|| self.sink.claimed(worker, claim.clone())) {
            let _ = self.panicked(worker, claim, message);
        }
    }

    /// Reports to the sink that worker number `worker`, in a process of its own, was lost, and how.
    pub(crate) fn worker_lost(&self, worker: usize, how: &str) {
        if let Err(message) = catch(|| self.sink.lost(worker, how)) {
            let _ = self.sink_panicked(worker, 0, &message);
        }
    }

    /// Delivers to the sink a finished claim that another worker or process has computed. `Break` means that the run is over.
    pub fn deliver(&self, done: &FinishedClaim<'_>) -> ControlFlow<()> {
        self.size.learn(done.executed, done.range.len());
        match catch(|| self.sink.done(done)) {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(error)) => self.fail(error),
            Err(message) => self.sink_panicked(done.worker, done.range.start, &message),
        }
    }

    /// What was prepared for all pieces of the work.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The work.
    pub fn work(&self) -> &dyn Work {
        &*self.work
    }

    /// The time since the start of the run; zero when the run is not timed.
    #[inline]
    pub fn now(&self) -> Duration {
        if self.timed { self.began.elapsed() } else { Duration::ZERO }
    }

    /// Ends the run with `error`, unless an earlier error already has. Always `Break`.
    pub fn fail(&self, error: Error) -> ControlFlow<()> {
        let mut failure = lock(&self.failure);
        // A worker that merely noticed the end of the run adds nothing to the error that ended it.
        if matches!(*failure, None | Some(Error::Stopped)) {
            *failure = Some(error);
        }
        self.stop.set();
        ControlFlow::Break(())
    }

    /// Takes the error that ended the run, if any: for a worker that reports it to its session in another process.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    /// Ends the run after all workers have returned: the first error, or the report after the sink has finished.
    ///
    /// # Errors
    /// The error that ended the run, [`Error::Stopped`] when it was stopped, [`Error::Unsupported`] when the backend left out a piece
    /// or computed one twice, or what the sink's `finish` returned.
    pub fn end(&self, schedule: &str, workers: Vec<WorkerReport>) -> Result<Report> {
        let wall = self.began.elapsed();
        if let Some(error) = lock(&self.failure).take() {
            return Err(error);
        }
        let (done, pieces) = (workers.iter().map(|w| w.pieces).sum::<usize>(), self.work.len());
        if done != pieces {
            return Err(if self.asked.is_set() { Error::Stopped } else { self.miscounted(done, pieces) });
        }
        let report = Report {
            backend: self.backend,
            schedule: schedule.to_owned(),
            setup: self.setup,
            wall,
            unit: self.work.unit(),
            workers,
        };
        self.sink.finish(&report)?;
        Ok(report)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("backend", &self.backend).field("pieces", &self.pieces()).finish_non_exhaustive()
    }
}
