//! A run as the session sees it: handing on what is in the rings, listening to workers, and replacing the dead.

mod lost;

use super::claims::{Owner, Table, Unit};
use super::member::{Broken, Doing, Member};
use super::ring::{Reader, Record};
use super::segment::Segment;
use super::serve::Plan;
use super::{Crew, Memory, Shipped};
use crate::backend::worker::frame::{Head, Tail};
use crate::backend::worker::{GRACE, Held, Losses, message, tell};
use crate::error::Error;
use crate::parallel::{Done, Job, Worker};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::futex;
use rustix::time::Timespec;
use std::io::Read;
use std::mem;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the session sleeps at most before it looks whether it was asked to stop.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// How long it naps after it has handed something on, without asking to be woken: about until every worker has another result. So
/// results come in batches, and cost their workers no call of the system and no change of the processor's task.
const NAP: std::ops::RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_millis(1);

/// The most time that counts as a worker's silence between two looks: if the session itself was suspended, its workers are not at fault.
const BLINK: Duration = Duration::from_millis(100);

/// The session's side of one run.
pub(super) struct Collector<'a> {
    job: &'a Job,
    crew: &'a mut Crew,
    workers: &'a mut [Worker],
    memory: &'a Memory,
    work: &'a Shipped,
    table: Table<'a, super::claims::Word>,
    plan: Plan,
    /// Its number, its pieces, the origin of its clock.
    run: [u64; 3],
    readers: &'a mut [Reader],
    /// How many pieces of each unit were handed on. Workers can write what the table says of it.
    handed_on: Vec<usize>,
    /// Pieces whose results were not yet handed on.
    left: usize,
    losses: Rc<Losses<'a>>,
    /// Why a worker could not be started again.
    refusal: Option<Error>,
    tail: Tail,
    /// The claim that each worker was last seen at.
    seen: Vec<Range<usize>>,
    /// How long it naps now.
    nap: Duration,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        job: &'a Job,
        crew: &'a mut Crew,
        workers: &'a mut [Worker],
        memory: &'a Memory,
        readers: &'a mut [Reader],
        work: &'a Shipped,
        plan: Plan,
    ) -> Self {
        let units = plan.units.len();
        let table = Table { words: memory.segment.words(units), hint: memory.segment.header().hint() };
        table.reset();
        let (left, seen) = (job.pieces(), vec![0..0; crew.members.len()]);
        let losses = Rc::new(Losses::new(job, super::ENTRY.name, crew.members.len()));
        Self {
            job,
            crew,
            workers,
            memory,
            work,
            table,
            plan,
            run: [0; 3],
            readers,
            handed_on: vec![0; units],
            left,
            losses,
            refusal: None,
            tail: Tail::default(),
            seen,
            nap: *NAP.start(),
        }
    }

    /// Tells of workers that were lost before the run.
    pub(super) fn tell_lost(&self, lost: &mut Vec<(usize, String)>) {
        tell(lost, &self.losses);
    }

    fn segment(&self) -> &'a Segment {
        &self.memory.segment
    }

    fn slots(&self) -> Range<usize> {
        0..self.crew.members.len()
    }

    /// Computes everything, or until the run is over. Then no worker computes for it any more.
    pub(super) fn collect(&mut self, run: [u64; 3]) {
        self.run = run;
        for slot in self.slots() {
            self.readers[slot].clear(self.segment());
            self.segment().slot(slot).rest();
            // One that has ended since the last run has cost nothing.
            if self.crew.members[slot].as_mut().is_none_or(Member::has_ended) {
                if let Some(member) = &mut self.crew.members[slot] {
                    self.losses.tell(slot, &member.end(None).text);
                }
                self.restart(slot);
            }
        }
        self.slots().for_each(|slot| self.begin(slot));
        let mut told = false;
        let mut since = Instant::now();
        let mut rested = true;
        let mut over = Duration::ZERO;
        while self.left > 0 && !self.job.is_over() || self.anybody_runs() {
            if self.job.is_over() && !told {
                told = true;
                self.slots().for_each(|slot| self.tell(slot, message::STOP, [run[0]]));
            }
            let moved: usize = self.slots().map(|slot| self.drain(slot)).sum();
            self.slots().for_each(|slot| self.look_at(slot));
            self.wait(moved > 0, rested);
            rested = moved == 0;
            let time = since.elapsed().min(BLINK);
            since = Instant::now();
            if moved > 0 {
                let each = time * self.workers.len() as u32 / moved as u32;
                self.nap = ((3 * self.nap + each) / 4).clamp(*NAP.start(), *NAP.end());
            }
            self.look_after(time);
            over += if told { time } else { Duration::ZERO };
            if over > GRACE {
                self.slots().for_each(|slot| self.give_up(slot));
            }
            if self.left > 0 && !self.job.is_over() && !self.anybody_runs() {
                // All have ended their search, and something is still free, or was claimed by one that could not say so.
                for slot in self.slots() {
                    self.drain(slot);
                }
                if self.left > 0 {
                    self.again();
                }
            }
        }
    }

    /// Tells what a worker computes. Claims that are over between two looks are told when they are finished only.
    fn look_at(&mut self, slot: usize) {
        let claim = self.segment().slot(slot).claimed();
        if claim.is_empty() || claim == self.seen[slot] || claim.end > self.job.pieces() {
            return;
        }
        if self.readers[slot].has_more(self.segment()) {
            // What it finished before is told first.
            return;
        }
        let unit = self.plan.units.of(claim.start);
        // It may have been handed on since.
        let open = self.left_of(unit).start <= claim.start;
        if open && self.table.state(unit).owner == Owner::Slot(slot) {
            self.job.claimed(slot, claim.clone());
        }
        self.seen[slot] = claim;
    }

    fn anybody_runs(&self) -> bool {
        self.crew.members.iter().flatten().any(Member::runs)
    }

    /// The pieces of a unit that were not handed on.
    fn left_of(&self, unit: Unit) -> Range<usize> {
        let whole = self.plan.units.range(unit);
        whole.start + self.handed_on[unit.0]..whole.end
    }

    /// How much of a unit was handed on, and whether that is all.
    fn progress(&self, unit: Unit) -> (u64, bool) {
        (self.handed_on[unit.0] as u64, self.left_of(unit).is_empty())
    }

    /// Lets everybody look for free units again, in a table that says so.
    fn again(&mut self) {
        self.table.restore(|unit| self.progress(unit));
        self.losses.count(0, "found nothing to do");
        if self.crew.members.iter().all(Option::is_none) {
            let error = self.refusal.take().unwrap_or_else(|| Error::Unsupported("no worker is left".into()));
            let _ = self.job.fail(error);
        }
        if !self.job.is_over() {
            self.slots().for_each(|slot| self.begin(slot));
        }
    }

    /// Sends a message to a worker, if it is there and in the run.
    fn tell<const N: usize>(&mut self, slot: usize, kind: u32, numbers: [u64; N]) {
        if let Some(member) = &mut self.crew.members[slot]
            && member.send(kind, numbers, &[]).is_err()
        {
            self.lost(slot, None);
        }
    }

    /// Tells a worker that does nothing of the run, and of the memory, the work and its parts if it does not have them.
    fn begin(&mut self, slot: usize) {
        let own = self.plan.own && self.crew.members.iter().all(Option::is_some);
        let Some(member) = &mut self.crew.members[slot] else { return };
        let doing = match member.doing {
            Doing::Nothing => Doing::Run,
            Doing::Starting { run: false } => Doing::Starting { run: true },
            _ => return,
        };
        let (memory, work) = (self.memory, self.work);
        let mut send = || {
            if member.segment != memory.number {
                let layout = memory.segment.layout().numbers();
                member.send(message::SEGMENT, layout, &[&memory.file, &memory.event])?;
                member.segment = memory.number;
            }
            if let Some(lacking) = member.held.lacks(&work.contents) {
                member.send(message::WORK, work.lengths, &[&work.file])?;
                for index in lacking {
                    member.send(message::PART, work.contents.parts[index].numbers(), &[&work.parts[index]])?;
                }
            }
            let ([run, pieces, origin], [kind, size]) = (self.run, Plan { own, ..self.plan }.numbers());
            member.send(message::RUN, [run, pieces, origin, kind, size], &[])
        };
        let sent: std::result::Result<(), Broken> = send();
        member.doing = doing;
        member.quiet = Duration::ZERO;
        if sent.is_err() {
            self.lost(slot, None);
        }
    }

    /// Hands on what a worker has published, and says how many results these were.
    fn drain(&mut self, slot: usize) -> usize {
        let mut reader = mem::take(&mut self.readers[slot]);
        let mut moved = 0;
        let outcome = loop {
            match reader.next(self.segment()) {
                Ok(None) => break Ok(()),
                Ok(Some(record)) if self.take(slot, &record) => moved += 1,
                Ok(Some(_)) => break Err(reader.distrust()),
                Err(broken) => break Err(broken),
            }
            // It may be waiting for room already.
            self.wake(slot);
        };
        self.readers[slot] = reader;
        if moved > 0 {
            self.wake(slot);
        }
        if outcome.is_err() && self.crew.members[slot].is_some() {
            // What it publishes is no result, and nothing after it can be believed.
            self.lost(slot, Some("published what is no result"));
        }
        moved
    }

    fn wake(&self, slot: usize) {
        let waiting = &self.segment().slot(slot).waiting;
        if waiting.load(Ordering::SeqCst) == 1 && waiting.swap(0, Ordering::SeqCst) == 1 {
            let _ = futex::wake(waiting, futex::Flags::empty(), 1);
        }
    }

    /// Hands on one record; false when it is none of this slot's.
    fn take(&mut self, slot: usize, record: &Record<'_>) -> bool {
        if self.job.is_over() {
            return true;
        }
        let Record { range, .. } = record;
        let pieces = self.job.pieces();
        if range.is_empty() || range.end > pieces {
            return false;
        }
        let unit = self.plan.units.of(range.start);
        let left = self.left_of(unit);
        if self.table.state(unit).owner != Owner::Slot(slot) || range.start != left.start || range.end > left.end {
            return false;
        }
        let Some(done) = record.result(self.job, slot) else { return false };
        self.hand_on(slot, unit, &done);
        true
    }

    fn hand_on(&mut self, slot: usize, unit: Unit, done: &Done<'_>) {
        self.workers[slot].count(done);
        let _ = self.job.hand_on(done);
        self.left -= done.range.len();
        self.losses.handed_on(done.range.start);
        self.handed_on[unit.0] += done.range.len();
        self.table.advance(unit, self.handed_on[unit.0] as u64, self.plan.units.range(unit).len() as u64);
    }

    /// Sleeps until something happens, and listens to what workers say.
    fn wait(&mut self, moved: bool, rested: bool) {
        let asleep = &self.memory.segment.header().asleep.0;
        let mut time = if moved { self.nap } else { LOOK };
        if !moved && rested {
            asleep.store(1, Ordering::SeqCst);
            if self.readers.iter().any(|reader| reader.has_more(self.segment())) {
                time = Duration::ZERO;
            }
        } else if !moved {
            time = self.nap;
        }
        let mut slots = Vec::new();
        let mut fds = vec![PollFd::new(&self.memory.event, PollFlags::IN)];
        for (slot, member) in self.crew.members.iter().enumerate() {
            if let Some(member) = member {
                slots.push(slot);
                fds.extend(member.poll());
            }
        }
        let time = Timespec { tv_sec: 0, tv_nsec: time.as_nanos() as i64 };
        // Interrupted by a signal is as well as woken early.
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
            if happened[1] && self.crew.members[slot].as_mut().is_some_and(Member::has_ended) {
                self.lost(slot, None);
            }
        }
    }

    /// Hears messages of a worker.
    fn listen(&mut self, slot: usize) {
        let Some(member) = &mut self.crew.members[slot] else { return };
        let (id, ended) = (member.id(), member.hear());
        // Another may take its place meanwhile.
        while let Some(member) = self.crew.members[slot].as_mut().filter(|member| member.id() == id) {
            match member.next(&mut self.tail) {
                Ok(Some(head)) => self.heed(slot, head),
                Ok(None) if ended => return self.lost(slot, None),
                Ok(None) => return,
                Err(Broken) => return self.raves(slot),
            }
        }
    }

    /// Does what a message of a worker says.
    fn heed(&mut self, slot: usize, head: Head) {
        let Some(member) = &mut self.crew.members[slot] else { return };
        let current = head.numbers[0] == self.run[0] || head.numbers[0] == 0;
        match (head.kind, member.doing) {
            (message::HELLO, Doing::Starting { run }) => {
                member.doing = if run { Doing::Run } else { Doing::Nothing };
                member.quiet = Duration::ZERO;
                if let Err(error) = self.crew.program.welcome(head, &self.tail) {
                    let _ = self.job.fail(error);
                }
            }
            (message::FAILED, Doing::Starting { .. }) => {
                let why = message::unpack(self.tail.bytes()).map(|error| error.to_string());
                self.lost(slot, Some(&why.unwrap_or_else(|| "could not begin".into())));
            }
            (message::IDLE, Doing::Run) if current => member.doing = Doing::Nothing,
            (message::FAILED, _) if current => {
                if head.numbers[0] == 0 {
                    // It may not have taken what it was sent.
                    member.held = Held::default();
                }
                let unknown = || Error::Input(format!("worker {slot} failed and did not say how"));
                let _ = self.job.fail(message::unpack(self.tail.bytes()).unwrap_or_else(unknown));
            }
            (message::BEAT, _) => member.beats(head.numbers[0]),
            (message::IDLE | message::FAILED, _) => {}
            _ => self.raves(slot),
        }
    }
}
