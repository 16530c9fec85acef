//! Processes that share memory: each worker is another process of the same program.
//!
//! The Python equivalent is `multiprocessing` with `shared_memory`. `README.md` in this folder explains the protocol.
//!
//! Workers are this program executed anew, never a bare fork, which is sound in a program with threads only as long as the child
//! does next to nothing. They take pieces from a table in shared memory ([`claims`]) and leave results where the session finds them
//! ([`ring`]); messages over a socket only announce works and runs. The session delivers what it finds in the rings, on the thread
//! that called it, and sleeps while there is nothing.
//!
//! Prepared data is copied into shared memory, once for all runs that need it: 64 MiB in 24 ms. Computing it in such memory in the
//! first place was tried and lost: that saves this copy and its memory, but allocating and sealing the pages costs 22 ms more than
//! other memory does, and does so for every backend, since the backend is not known when a render prepares.
//!
//! A claim of one empty piece costs 0.1 µs of wall time with two workers, one with a result of 16 KB 0.12 to 0.26 µs, measured
//! before the session copied each record for safety. Two workers are ready after 2.3 ms.

mod claims;
mod collect;
mod member;
#[cfg(test)]
mod model;
mod ring;
pub(super) mod segment;
pub(super) mod serve;

use super::worker::frame::{self, Tail};
use super::worker::message::{self, Failed, Hello, Message as _};
use super::worker::{Arrivals, Contents, Early, Program, WorkMessage, origin};
use super::{BackendEntry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::pin::Pinning;
use crate::parallel::{
    CLAIM_PIECES, Job, Key, Kind, LastSeen, MAX_COUNTS, Prepared, Recipe, Report, Schedule, Sink, Stop, Units, Work,
    Worker, claim_bytes,
};
use collect::{Collector, LOOK};
use member::{Doing, Member, WorkerSlot};
use ring::Readers;
use rustix::time::Timespec;
use segment::{Layout, Segment};
use serve::Plan;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "processes",
    help: "processes of this program that share memory; a worker that crashes or is killed costs only its piece",
    model: "processes, shared memory",
    counterpart: "multiprocessing with shared_memory",
    choose: "where a fault must not end everything: a worker that crashes, is killed, hangs or runs out of memory costs only the piece \
        that it was computing",
    avoid: "for a work without a recipe, which cannot be made in another process, and on systems other than Linux (`pipes`)",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::AUTO],
    transport: Some(serve::TRANSPORT),
    open,
    ..BackendEntry::THREADS
};

struct Processes {
    pool: WorkerPool,
    workers: Vec<Worker>,
    schedule: Schedule,
    timed: bool,
    /// Whether the memory of workers is measured.
    sized: bool,
    memory: Option<Memory>,
    readers: Readers,
    /// How many segments were made.
    segments: u64,
    work: Option<Shipped>,
    run: u64,
    processors: usize,
    last_seen: Option<Arc<LastSeen>>,
    /// The workers that were lost before the next run, and how.
    lost: Vec<(usize, String)>,
}

/// The processes, by worker number; `None` where one could not be restarted.
struct WorkerPool {
    members: Vec<Option<Member>>,
    program: Program,
    pinning: Option<Pinning>,
    timeout: Duration,
}

/// The shared memory and the event that wakes the session.
struct Memory {
    segment: Segment,
    file: File,
    event: File,
    number: u64,
}

/// A work as it is sent.
struct Shipped {
    contents: Contents,
    body: Body,
    message: message::Work,
    /// The prepared parts.
    parts: Vec<Arc<File>>,
}

/// The recipe of a work and the list of its parts: a short one without parts follows its message, in less than half the time that a file
/// takes to be made, sealed and mapped (35 µs).
enum Body {
    /// With its message.
    Frame(Vec<u8>),
    File(File),
}

/// How long a short one is at most: far less than a socket holds.
const SHORT: usize = 4096;

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let last_seen = setup.last_seen().clone();
    let Setup { workers, schedule, pinning, timed, sized, program, timeout, stop, .. } = setup;
    let mut pool = WorkerPool { members: Vec::new(), program, pinning, timeout };
    for index in 0..workers {
        let member = Member::start(&pool.program, pool.place(index, workers))?;
        pool.members.push(Some(member));
    }
    // Meanwhile, make the memory that nearly every run needs: allocating its pages takes milliseconds.
    let memory = Memory::new(Layout::new(workers, UNITS, 0), 1)?;
    let lost = pool.wait_until_ready(&stop)?;
    // Workers map it before the first run: page by page, a picture's results would take 1 ms longer. One that cannot be reached has
    // ended, which will be noticed soon.
    for member in pool.members.iter_mut().flatten() {
        let _ = member.share(&memory);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (workers, readers) = ((0..workers).map(Worker::new).collect(), Readers::new(workers));
    let (memory, segments) = (Some(memory), 1);
    Ok(Box::new(Processes {
        pool,
        workers,
        schedule,
        timed,
        sized,
        memory,
        readers,
        segments,
        work: None,
        run: 0,
        processors,
        last_seen,
        lost,
    }))
}

/// The units that the first segment has room for.
const UNITS: usize = 1 << 14;

impl Memory {
    fn new(layout: Layout, number: u64) -> Result<Self> {
        let (segment, file) = Segment::create(layout)?;
        let event = serve::event().map_err(|error| Error::io("make", "an event", error))?;
        Ok(Self { segment, file, event, number })
    }
}

impl WorkerPool {
    fn place(&self, index: usize, workers: usize) -> WorkerSlot {
        WorkerSlot { index, workers, processor: self.pinning.as_ref().map(|pinning| pinning.processor(index)) }
    }

    /// Restarts worker `index`.
    fn restart(&mut self, index: usize) -> Result<()> {
        self.members[index] = None;
        self.members[index] = Some(Member::start(&self.program, self.place(index, self.members.len()))?);
        Ok(())
    }

    /// Waits until every worker has sent its first message; returns the workers that were lost meanwhile, and how.
    fn wait_until_ready(&mut self, stop: &Stop) -> Result<Vec<(usize, String)>> {
        let (program, timeout) = (self.program.clone(), self.timeout);
        let mut arrivals = Arrivals::new(&program, ENTRY.name, self.members.len());
        loop {
            let (deadline, mut lost) = (Instant::now() + timeout, Vec::new());
            for (index, member) in self.members.iter_mut().enumerate() {
                let Some(member) = member.as_mut().filter(|member| member.is_starting()) else { continue };
                match first_message(member, &program, deadline, stop)? {
                    None => arrivals.answered(),
                    Some(Early::Wrong(text)) if text.is_empty() => {
                        lost.push((index, Early::Wrong(format!("sent nothing for {timeout:?}"))));
                    }
                    Some(early) => lost.push((index, early)),
                }
            }
            if lost.is_empty() {
                return Ok(arrivals.into_lost());
            }
            let again: Vec<_> = lost.iter().map(|(index, _)| *index).collect();
            arrivals.lost(lost)?;
            again.into_iter().try_for_each(|index| self.restart(index))?;
        }
    }
}

/// Waits for the first message of a worker; returns why there is none, with an empty text where it sent nothing.
fn first_message(member: &mut Member, program: &Program, deadline: Instant, stop: &Stop) -> Result<Option<Early>> {
    let mut tail = Tail::default();
    while member.is_starting() {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let mut waited = member.poll();
        let left = deadline.saturating_duration_since(Instant::now());
        let time = Timespec { tv_sec: 0, tv_nsec: left.min(LOOK).as_nanos() as i64 };
        // Being interrupted by a signal is the same as waking early.
        let _ = rustix::event::poll(&mut waited, Some(&time));
        let [said, ended] = waited.map(|fd| !fd.revents().is_empty());
        let is_over = said && member.hear();
        match member.next(&mut tail) {
            Ok(Some(head)) if matches!(head.kind, Hello::KIND | Failed::KIND) => {
                program.welcome(head, &tail)?;
                member.doing = Doing::Nothing;
            }
            Ok(None) if is_over || ended => return Ok(Some(Early::Ended(member.end(None)))),
            Ok(None) if left.is_zero() => return Ok(Some(Early::Wrong(String::new()))),
            Ok(None) => {}
            _ => return Ok(Some(Early::Wrong("sent some other message".to_owned()))),
        }
    }
    Ok(None)
}

impl Processes {
    /// Makes sure that there is enough shared memory.
    fn make_room(&mut self, units: usize, record: usize) -> Result<()> {
        let layout = Layout::new(self.workers.len(), units, record);
        if self.memory.as_ref().is_some_and(|memory| memory.segment.layout().serves(&layout)) {
            return Ok(());
        }
        self.segments += 1;
        // Workers unmap the old segment when the new one is announced.
        self.memory = None;
        self.memory = Some(Memory::new(layout, self.segments)?);
        self.readers = Readers::new(layout.slots);
        Ok(())
    }

    /// Makes sure that the work is in files that workers can map. Parts shared with the previous work are kept.
    fn ship(&mut self, recipe: &Recipe, prepared: &Prepared) -> Result<()> {
        let work_message = WorkMessage::new(recipe, prepared);
        let contents = work_message.contents();
        if self.work.as_ref().is_some_and(|work| work.contents == *contents) {
            return Ok(());
        }
        let before = self.work.take().map(|work| (work.contents.parts, work.parts)).unwrap_or_default();
        let mut made: Vec<(Key, Arc<File>)> = before.0.into_iter().zip(before.1).collect();
        // Memory of old parts is freed before memory for new ones is allocated.
        made.retain(|(key, _)| contents.parts.contains(key));
        let mut parts = Vec::new();
        for (key, bytes) in contents.parts.iter().zip(work_message.parts()) {
            let file = match made.iter().find(|(made, _)| made == key) {
                Some((_, file)) => file.clone(),
                None => Arc::new(segment::constant(&[bytes])?),
            };
            made.push((*key, file.clone()));
            parts.push(file);
        }
        let sections = work_message.sections();
        let is_short = parts.is_empty() && sections.iter().map(|section| section.len()).sum::<usize>() <= SHORT;
        let message = work_message.message();
        let body = if is_short {
            let mut bytes = Vec::new();
            frame::write(&mut bytes, message::Work::KIND, &message.numbers(), &sections)
                .expect("memory can be written");
            Body::Frame(bytes)
        } else {
            Body::File(segment::constant(&sections)?)
        };
        self.work = Some(Shipped { contents: contents.clone(), body, message, parts });
        Ok(())
    }

    fn plan(&self, job: &Job) -> Plan {
        let (pieces, workers) = (job.pieces(), self.workers.len());
        match self.schedule.kind() {
            Kind::Static if self.schedule.chunk().is_none() => {
                Plan { units: Units::Blocks { pieces, blocks: workers }, own: true }
            }
            kind => Plan { units: job.cut(self.schedule, workers), own: kind == Kind::Static },
        }
    }

    /// Computes all pieces of the job.
    fn compute(&mut self, job: &Job, recipe: &Recipe) -> Result<()> {
        let plan = self.plan(job);
        let largest = job.longest_piece()?;
        let record = 8 * ring::words(CLAIM_PIECES, largest.max(claim_bytes(job.work())), MAX_COUNTS);
        self.make_room(plan.units.len(), record)?;
        self.ship(recipe, job.prepared())?;
        self.run += 1;
        let (Some(memory), Some(work)) = (&self.memory, &self.work) else { unreachable!("both were just made") };
        let origin = if self.timed { origin(job) } else { 0 };
        let mut collector = Collector::new(
            job,
            &mut self.pool,
            &mut self.workers,
            memory,
            &mut self.readers,
            work,
            (plan, self.processors, self.last_seen.as_deref()),
        );
        collector.report_lost(&mut self.lost);
        collector.collect([self.run, job.pieces() as u64, origin]);
        Ok(())
    }
}

impl Session for Processes {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let recipe = work.recipe().ok_or_else(|| super::no_recipe(ENTRY.name))?;
        let job = Job::begin(ENTRY.name, self.workers.len(), self.timed, work, sink, stop)?;
        self.pool.members.iter_mut().flatten().for_each(|member| member.processor = Duration::ZERO);
        if job.pieces() > 0
            && !job.is_over()
            && let Err(error) = self.compute(&job, &recipe)
        {
            let _ = job.fail(error);
        }
        let mut reports: Vec<_> = self.workers.iter_mut().map(Worker::take_report).collect();
        for (report, member) in reports.iter_mut().zip(&self.pool.members) {
            let Some(member) = member.as_ref().filter(|_| self.timed) else { continue };
            (report.process, report.processor) = (member.id(), member.processor);
            report.memory = if self.sized { member.memory() } else { 0 };
        }
        job.end(&self.schedule.to_string(), reports)
    }
}
