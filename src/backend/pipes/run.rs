//! A run as the threads of a session share it: the claims of each worker, what becomes of those of lost workers, and a watch on
//! everybody's progress.

use super::member::{Live, WorkerSlot};
use crate::backend::worker::frame;
use crate::backend::worker::message::{Message, RunEnds};
use crate::backend::worker::{GRACE, Losses, Program, WorkMessage};
use crate::error::Error;
use crate::parallel::pin::Pinning;
use crate::parallel::{Claims, Job, Kind, Loop, Schedule, lock};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often to check whether the run is over and whether workers make progress.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// The most time between two checks that counts as time without progress: if the session was suspended, its workers are not at fault.
const BLINK: Duration = Duration::from_millis(100);

/// Pieces given, or to be given, to a worker.
pub(super) type Given = Range<usize>;

/// A run, for all threads.
pub(super) struct Run<'a> {
    pub(super) job: &'a Job,
    pub(super) work_message: WorkMessage<'a>,
    pub(super) program: &'a Program,
    pub(super) pinning: Option<&'a Pinning>,
    pub(super) schedule: Schedule,
    pub(super) pieces: Loop,
    pub(super) workers: usize,
    pub(super) number: u64,
    /// The origin of its clock plus one, or 0.
    pub(super) origin: u64,
    /// Pieces given to workers, some perhaps twice.
    pub(super) given: AtomicUsize,
    pub(super) losses: Losses<'a>,
    pub(super) pool: Mutex<Pool>,
    pub(super) changed: Condvar,
}

/// What threads pass to each other.
#[derive(Default)]
pub(super) struct Pool {
    /// Pieces of workers that could not be replaced.
    pub(super) orphans: Vec<Given>,
    /// Threads that have something to do.
    pub(super) active: usize,
    /// Why a worker could not be replaced.
    pub(super) refusal: Option<Error>,
}

impl Run<'_> {
    /// Sends a stop to workers when the run is over, and kills those that make no progress, until all threads have ended.
    pub(super) fn look_after(&self, lives: &[Arc<Mutex<Option<Arc<Live>>>>], running: &AtomicUsize, timeout: Duration) {
        let mut quiet = vec![(0, Duration::ZERO); lives.len()];
        let mut told = vec![false; lives.len()];
        let (mut since, mut over) = (Instant::now(), Duration::ZERO);
        while running.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(LOOK);
            let time = since.elapsed().min(BLINK);
            since = Instant::now();
            if self.job.is_over() {
                self.changed.notify_all();
                over += time;
            }
            for ((live, (seen, quiet)), told) in lives.iter().zip(&mut quiet).zip(&mut told) {
                let Some(live) = lock(live).clone() else { continue };
                // If a thread is just writing to it, it is stopped in the next round.
                if self.job.is_over()
                    && !*told
                    && let Ok(mut input) = live.input.try_lock()
                {
                    *told = true;
                    let _ = frame::write(&mut *input, RunEnds::KIND, &RunEnds { run: self.number }.numbers(), &[]);
                }
                let signs = live.signs.load(Ordering::Relaxed);
                let silent = std::mem::replace(seen, signs) == signs && live.busy.load(Ordering::Relaxed);
                *quiet = if silent { *quiet + time } else { Duration::ZERO };
                if *quiet > timeout {
                    *quiet = Duration::ZERO;
                    live.give_up(format!("made no progress for {timeout:?}"));
                } else if over > GRACE && live.busy.load(Ordering::Relaxed) {
                    // The next run starts another in its place.
                    live.give_up("did not stop".to_owned());
                }
            }
        }
    }

    /// A thread's part: serves one worker for the whole run.
    pub(super) fn serve(&self, place: &mut WorkerSlot) {
        let mut own = self.pieces.claims(place.worker.index());
        let (mut todo, mut given) = (VecDeque::new(), VecDeque::new());
        let mut tail = std::mem::take(&mut place.tail);
        while let Some(next) = self.next(&mut own, &mut todo) {
            todo.push_front(next);
            if let Err(why) = self.converse(place, &mut own, &mut todo, &mut given, &mut tail) {
                let ended = self.replace(place, why, &mut todo, &mut given);
                if ended && !self.job.is_over() {
                    // Claims reserved for this worker are now for any other.
                    if self.schedule.kind() == Kind::Static {
                        todo.extend(own);
                    }
                    let mut pool = lock(&self.pool);
                    pool.orphans.extend(todo);
                    pool.active -= 1;
                    self.changed.notify_all();
                    return;
                }
            }
            if let Some(member) = &place.member {
                member.live.busy.store(false, Ordering::Relaxed);
            }
        }
        place.tail = tail;
    }

    /// The pieces to compute next; `None` when no more can come.
    fn next(&self, own: &mut Claims<'_>, todo: &mut VecDeque<Given>) -> Option<Given> {
        if self.job.is_over() {
            let mut pool = lock(&self.pool);
            pool.active -= 1;
            self.changed.notify_all();
            return None;
        }
        if let Some(next) = self.own(own, todo) {
            return Some(next);
        }
        let mut pool = lock(&self.pool);
        pool.active -= 1;
        self.changed.notify_all();
        loop {
            if self.job.is_over() {
                return None;
            }
            if let Some(orphan) = pool.orphans.pop() {
                pool.active += 1;
                return Some(orphan);
            }
            if pool.active == 0 {
                return None;
            }
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// This worker's next claim, at most one.
    pub(super) fn own(&self, own: &mut Claims<'_>, todo: &mut VecDeque<Given>) -> Option<Given> {
        let next = todo.pop_front().or_else(|| own.next())?;
        let claim = self.job.first_claim(next.clone());
        if self.job.is_over() {
            // Perhaps because the work panicked when asked for the length, which is needed again before the claim is sent.
            return None;
        }
        if claim.end < next.end {
            todo.push_front(claim.end..next.end);
        }
        self.given.fetch_add(claim.len(), Ordering::Relaxed);
        Some(claim)
    }

    /// The worker is lost: it is reaped, its claims are returned, and another takes its place. True if none can.
    fn replace(
        &self,
        place: &mut WorkerSlot,
        why: Option<&str>,
        todo: &mut VecDeque<Given>,
        given: &mut VecDeque<Given>,
    ) -> bool {
        let (index, was_there) = (place.worker.index(), place.member.is_some());
        let end = place.end(why);
        if was_there {
            self.losses.report(index, &end.text);
        }
        if self.job.is_over() {
            given.clear();
            return false;
        }
        let mut lost: VecDeque<_> = std::mem::take(given);
        if let Some(first) = lost.pop_front() {
            let piece = first.start;
            if first.len() == 1 && self.losses.at_fault(piece, &end) {
                self.losses.rescue(index, piece, &end, |done| self.deliver(&mut place.worker, done));
            } else {
                // Piece by piece, to find the one at fault.
                first.rev().for_each(|piece| lost.push_front(piece..piece + 1));
            }
        }
        lost.into_iter().rev().for_each(|given| todo.push_front(given));
        self.losses.count(index, &end.text);
        match place.start(self.program, self.pinning, self.workers) {
            Ok(()) => false,
            Err(error) => {
                lock(&self.pool).refusal = Some(error);
                true
            }
        }
    }
}
