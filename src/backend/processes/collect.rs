//! A run as the session sees it: delivering what is in the rings, listening to workers, and replacing the dead.

mod listen;
mod lost;
mod pace;

use super::claims::{Cell, Owner, Table, Unit};
use super::member::{Broken, Doing, Member};
use super::ring::{Readers, Record};
use super::segment::Segment;
use super::serve::Plan;
use super::{Body, Memory, Shipped, WorkerPool};
use crate::backend::worker::frame::Tail;
use crate::backend::worker::message::{Message, Part, RunEnds};
use crate::backend::worker::{GRACE, Losses, report_lost};
use crate::error::Error;
use crate::parallel::{FinishedClaim, Job, Key, LastSeen, Worker};
use pace::{Pace, Slack};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::{futex, sched_getcpu};
use rustix::time::Timespec;
use std::io::Read;
use std::mem;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the session sleeps at most before it checks whether it was asked to stop.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// The most time between two checks that counts as time without progress: if the session was suspended, its workers are not at fault.
const BLINK: Duration = Duration::from_millis(100);

/// The session's side of one run.
pub(super) struct Collector<'a> {
    job: &'a Job,
    pool: &'a mut WorkerPool,
    workers: &'a mut [Worker],
    memory: &'a Memory,
    work: &'a Shipped,
    table: Table<'a, super::claims::Word>,
    plan: Plan,
    /// The run's number, its pieces, the origin of its clock.
    run: [u64; 3],
    readers: &'a mut Readers,
    /// How many pieces of each unit were delivered. Not in the table, where workers can write.
    delivered: Vec<usize>,
    /// Pieces whose results are not yet delivered.
    left: usize,
    losses: Rc<Losses<'a>>,
    /// Why a worker could not be restarted.
    refusal: Option<Error>,
    tail: Tail,
    /// The claim that each worker was last seen at.
    seen: Vec<Range<usize>>,
    pace: Pace,
    processors: usize,
    last_seen: Option<&'a LastSeen>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        job: &'a Job,
        pool: &'a mut WorkerPool,
        workers: &'a mut [Worker],
        memory: &'a Memory,
        readers: &'a mut Readers,
        work: &'a Shipped,
        (plan, processors, last_seen): (Plan, usize, Option<&'a LastSeen>),
    ) -> Self {
        let units = plan.units.len();
        let table = Table { words: memory.segment.words(units), hint: memory.segment.header().hint() };
        table.reset();
        let (left, seen) = (job.pieces(), vec![0..0; pool.members.len()]);
        let losses = Rc::new(Losses::new(job, super::ENTRY.name, pool.members.len()));
        Self {
            job,
            pool,
            workers,
            memory,
            work,
            table,
            plan,
            run: [0; 3],
            readers,
            delivered: vec![0; units],
            left,
            losses,
            refusal: None,
            tail: Tail::default(),
            seen,
            pace: Pace::new(),
            processors,
            last_seen,
        }
    }

    /// Reports the workers that were lost before the run.
    pub(super) fn report_lost(&self, lost: &mut Vec<(usize, String)>) {
        report_lost(lost, &self.losses);
    }

    fn segment(&self) -> &'a Segment {
        &self.memory.segment
    }

    fn slots(&self) -> Range<usize> {
        0..self.pool.members.len()
    }

    /// Computes until everything is done or the run is over. Afterwards no worker computes for it.
    pub(super) fn collect(&mut self, run: [u64; 3]) {
        self.run = run;
        for slot in self.slots() {
            self.readers.slots[slot].clear(&self.memory.segment);
            self.segment().slot(slot).rest();
            // A worker that has ended since the last run has cost nothing.
            if self.pool.members[slot].as_mut().is_none_or(Member::has_ended) {
                if let Some(member) = &mut self.pool.members[slot] {
                    self.losses.report(slot, &member.end(None).text);
                }
                self.restart(slot);
            }
        }
        let _slack = Slack::least();
        self.begin_all();
        let mut told = false;
        let began = Instant::now();
        let mut since = began;
        let mut rested = true;
        let mut over = Duration::ZERO;
        while self.left > 0 && !self.job.is_over() || self.anybody_runs() {
            if self.job.is_over() && !told {
                told = true;
                self.slots().for_each(|slot| self.send(slot, RunEnds { run: run[0] }));
            }
            let moved: usize = self.slots().map(|slot| self.drain(slot)).sum();
            self.slots().for_each(|slot| self.look_at(slot));
            let now = Instant::now();
            let time = now.duration_since(std::mem::replace(&mut since, now)).min(BLINK);
            if moved > 0 {
                let done = (self.job.pieces() - self.left).max(1);
                let rest = began.elapsed().mul_f64(self.left as f64 / done as f64);
                self.pace.moved(moved, self.workers.len(), time, rest);
            }
            self.look_after(time);
            self.wait(moved > 0, rested);
            rested = moved == 0;
            over += if told { time } else { Duration::ZERO };
            if over > GRACE {
                self.slots().for_each(|slot| self.give_up(slot));
            }
            if self.left > 0 && !self.job.is_over() && !self.anybody_runs() {
                // All have finished looking, yet something is free, or was claimed by a worker that could not report it.
                for slot in self.slots() {
                    self.drain(slot);
                }
                if self.left > 0 {
                    self.again();
                }
            }
        }
    }

    /// Whether no unit is free, as far as the workers say: an untrue hint only costs time.
    fn all_taken(&self) -> bool {
        self.table.hint.load() >= self.table.words.len() as u64
    }

    /// Whether to look without sleeping.
    fn is_ending(&mut self) -> bool {
        (self.pace.is_near_the_end() || self.all_taken()) && self.is_alone() && self.pace.has_patience()
    }

    /// Whether a worker was last seen on this thread's processor.
    fn is_here(&self, slot: usize) -> bool {
        self.segment().slot(slot).processor() == sched_getcpu()
    }

    /// Whether a processor has no worker that still computes, and this thread's processor is such a one.
    fn is_alone(&self) -> bool {
        let running = || self.slots().filter(|&slot| self.pool.members[slot].as_ref().is_some_and(Member::runs));
        running().count() < self.processors && !running().any(|slot| self.is_here(slot))
    }

    /// Reports what a worker is computing. Claims that begin and end between two checks are reported only when finished.
    fn look_at(&mut self, slot: usize) {
        let claim = self.segment().slot(slot).claimed();
        if claim.is_empty() || claim == self.seen[slot] || claim.end > self.job.pieces() {
            return;
        }
        if self.readers.slots[slot].has_more(self.segment()) {
            // The claims that it finished before are reported first.
            return;
        }
        let unit = Unit(self.plan.units.of(claim.start));
        // It may have been delivered since.
        let open = self.left_of(unit).start <= claim.start;
        if open && self.table.state(unit).owner == Owner::Slot(slot) {
            self.job.claimed(slot, claim.clone());
        }
        self.seen[slot] = claim;
    }

    fn anybody_runs(&self) -> bool {
        self.pool.members.iter().flatten().any(Member::runs)
    }

    /// The pieces of a unit that are not yet delivered.
    fn left_of(&self, unit: Unit) -> Range<usize> {
        let whole = self.plan.units.range(unit.0);
        whole.start + self.delivered[unit.0]..whole.end
    }

    /// How much of a unit was delivered, and whether that is all.
    fn progress(&self, unit: Unit) -> (u64, bool) {
        (self.delivered[unit.0] as u64, self.left_of(unit).is_empty())
    }

    /// Lets all workers look for free units again, in a repaired table.
    fn again(&mut self) {
        self.table.restore(|unit| self.progress(unit));
        self.losses.count(0, "found nothing to do");
        if self.pool.members.iter().all(Option::is_none) {
            let error = self.refusal.take().unwrap_or_else(|| Error::Unsupported("no worker is left".into()));
            let _ = self.job.fail(error);
        }
        if !self.job.is_over() {
            self.slots().for_each(|slot| self.begin(slot));
        }
    }

    /// Sends a message to a worker, if there is one.
    fn send(&mut self, slot: usize, message: impl Message) {
        if let Some(member) = &mut self.pool.members[slot]
            && member.send(message, &[]).is_err()
        {
            self.lost(slot, None);
        }
    }

    /// Starts the run on all workers, each on a processor of its own, and on those of this thread's processor last: see [`pace`].
    fn begin_all(&mut self) {
        if let Some(last_seen) = self.last_seen {
            for (slot, member) in self.pool.members.iter().enumerate() {
                match member {
                    Some(member) => last_seen.saw(slot, member.id(), self.segment().slot(slot).processor()),
                    None => last_seen.wakes(slot),
                }
            }
            last_seen.keep_apart(false);
        }
        let (mine, others): (Vec<_>, Vec<_>) = self.slots().partition(|&slot| self.is_here(slot));
        others.into_iter().chain(mine).for_each(|slot| self.begin(slot));
        self.last_seen.into_iter().for_each(LastSeen::release_all);
    }

    /// Starts the run on an idle worker, after sending the memory, the work and its parts if it lacks them.
    fn begin(&mut self, slot: usize) {
        let own = self.plan.own && self.pool.members.iter().all(Option::is_some);
        let Some(member) = &mut self.pool.members[slot] else { return };
        let doing = match member.doing {
            Doing::Nothing => Doing::Run,
            Doing::Starting { run: false } => Doing::Starting { run: true },
            _ => return,
        };
        let (memory, work) = (self.memory, self.work);
        let mut send = || {
            member.share(memory)?;
            let mut frames = Vec::new();
            if let Some(lacking) = member.held.lacks(&work.contents) {
                match &work.body {
                    Body::File(file) => member.send(work.message, &[file])?,
                    Body::Frame(frame) => frames.clone_from(frame),
                }
                for index in lacking {
                    let Key { hash, len } = work.contents.parts[index];
                    member.send(Part { hash, len }, &[&work.parts[index]])?;
                }
            }
            let [run, pieces, origin] = self.run;
            member.send_after(frames, self.plan.message(own, run, pieces, origin), &[])
        };
        let sent: std::result::Result<(), Broken> = send();
        member.doing = doing;
        member.quiet = Duration::ZERO;
        if sent.is_err() {
            self.lost(slot, None);
        }
    }

    /// Delivers what a worker has published; returns the number of results.
    fn drain(&mut self, slot: usize) -> usize {
        let mut reader = mem::take(&mut self.readers.slots[slot]);
        let mut copy = mem::take(&mut self.readers.copy);
        let mut moved = 0;
        let outcome = loop {
            match reader.next(self.segment(), &mut copy) {
                Ok(None) => break Ok(()),
                Ok(Some(record)) if self.take(slot, &record) => moved += 1,
                Ok(Some(_)) => break Err(reader.distrust()),
                Err(broken) => break Err(broken),
            }
            // It may already be waiting for room.
            self.wake(slot);
        };
        self.readers.slots[slot] = reader;
        self.readers.copy = copy;
        if moved > 0 {
            self.wake(slot);
        }
        if outcome.is_err() && self.pool.members[slot].is_some() {
            // It published an invalid result, and nothing after it can be trusted.
            self.lost(slot, Some("published an invalid result"));
        }
        moved
    }

    fn wake(&self, slot: usize) {
        let waiting = &self.segment().slot(slot).waiting;
        if waiting.load(Ordering::SeqCst) == 1 && waiting.swap(0, Ordering::SeqCst) == 1 {
            let _ = futex::wake(waiting, futex::Flags::empty(), 1);
        }
    }

    /// Delivers one record; false when this slot could not have published it.
    fn take(&mut self, slot: usize, record: &Record<'_>) -> bool {
        if self.job.is_over() {
            return true;
        }
        let Record { range, .. } = record;
        let pieces = self.job.pieces();
        if range.is_empty() || range.end > pieces {
            return false;
        }
        let unit = Unit(self.plan.units.of(range.start));
        let left = self.left_of(unit);
        if self.table.state(unit).owner != Owner::Slot(slot) || range.start != left.start || range.end > left.end {
            return false;
        }
        let Some(done) = record.result(self.job, slot) else { return false };
        self.deliver(slot, unit, &done);
        true
    }

    fn deliver(&mut self, slot: usize, unit: Unit, done: &FinishedClaim<'_>) {
        self.workers[slot].count(done);
        let _ = self.job.deliver(done);
        self.left -= done.range.len();
        self.losses.delivered(done.range.start);
        self.delivered[unit.0] += done.range.len();
        self.table.advance(unit, self.delivered[unit.0] as u64, self.plan.units.range(unit.0).len() as u64);
    }

    /// Sleeps until something happens, and listens to workers.
    fn wait(&mut self, moved: bool, rested: bool) {
        let asleep = &self.memory.segment.header().asleep.0;
        let mut time = if moved { self.pace.nap() } else { LOOK };
        if self.is_ending() {
            time = Duration::ZERO;
        } else if !moved && rested {
            asleep.store(1, Ordering::SeqCst);
            if self.readers.slots.iter().any(|reader| reader.has_more(self.segment())) {
                time = Duration::ZERO;
            }
        } else if !moved {
            time = self.pace.nap();
        }
        let mut slots = Vec::new();
        let mut fds = vec![PollFd::new(&self.memory.event, PollFlags::IN)];
        for (slot, member) in self.pool.members.iter().enumerate() {
            if let Some(member) = member {
                slots.push(slot);
                fds.extend(member.poll());
            }
        }
        let time = Timespec { tv_sec: 0, tv_nsec: time.as_nanos() as i64 };
        // Being interrupted by a signal is the same as waking early.
        let ready = poll(&mut fds, Some(&time)).unwrap_or(0) > 0;
        asleep.store(0, Ordering::SeqCst);
        if !ready {
            return;
        }
        let happened: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if happened[0] {
            let _ = (&self.memory.event).read(&mut [0; 8]);
        }
        for (slot, happened) in slots.into_iter().zip(happened[1..].chunks_exact(2)) {
            if happened[0] {
                self.listen(slot);
            }
            if happened[1] && self.pool.members[slot].as_mut().is_some_and(Member::has_ended) {
                self.lost(slot, None);
            }
        }
    }
}
