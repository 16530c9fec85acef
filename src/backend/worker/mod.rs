//! The other end of the process backends: what a program does when it was started as a worker.
//!
//! A worker has three threads, and a fourth when it sends large results through a pipe. One reads messages and computes: the program's
//! first thread, or the one that called [`crate::worker_main`]. The second reads messages while a piece is being computed, so that a
//! request to stop, or the end of the session's process, is noticed ([`incoming`]). The third reports that a long piece is making
//! progress, as long as the piece looks at its [`Stop`](crate::parallel::Stop): a suspended worker and one stuck in a loop both make
//! no progress and are replaced.

mod arrivals;
mod clock;
pub(crate) mod frame;
mod incoming;
mod kind;
mod losses;
#[cfg(test)]
pub(crate) mod made;
pub(crate) mod message;
mod outbox;
mod program;
mod pulse;
mod transport;
mod work_message;

pub(crate) use arrivals::{Arrivals, Early, report_lost};
pub(crate) use clock::origin;
pub use kind::WorkKind;
pub(crate) use losses::{End, Losses};
pub use program::Program;
pub(crate) use program::{Process, end_with, ending, role, spawn};
pub(crate) use transport::take_stdio;
pub(super) use transport::{Inbox, Share, Streams, Transport};
#[cfg(target_os = "linux")]
pub(crate) use work_message::Contents;
use work_message::Stock;
pub(crate) use work_message::{Held, WorkMessage};

use crate::error::{Error, Result};
use crate::parallel::pin::keep_to;
use crate::parallel::{Discard, Effort, Job, Key, Selected, Shared, Work};
use clock::{monotonic, processor_time};
use frame::Tail;
use incoming::{Incoming, Message};
use message::{Compute, Done, Failed, Hello, Idle, Message as _, Part, RunBegins, Slot};
use outbox::{Out, Outbox};
use pulse::{Over, send_beats};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

/// How long workers may continue after the end of a run before they are killed: fifty times what a piece may take to notice.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Becomes a worker and never returns if this process was started as one; else does nothing. `kinds` are the kinds of work that it
/// can make. Programs call [`crate::worker_main`], which adds this library's kinds.
pub(crate) fn main(kinds: impl FnOnce() -> Vec<WorkKind>) {
    let Some((backend, parent)) = role() else { return };
    if let Err(error) = serve(&backend, parent, &kinds()) {
        eprintln!("fractal: {error}");
        exit(1);
    }
    exit(0);
}

fn serve(backend: &str, parent: u32, kinds: &[WorkKind]) -> Result<()> {
    if let Err(error) = end_with(parent) {
        // A session that was killed before leaves nobody to report it to.
        return if is_hung_up() { Ok(()) } else { Err(error) };
    }
    let entry = crate::backend::find(backend)?;
    let Some(transport) = entry.transport else {
        return Err(Error::Unsupported(format!("backend `{backend}` has no workers of this kind")));
    };
    let (input, output) = (transport.open)()?;
    let out = Out::new(output);
    let over = Arc::new(Over::default());
    let incoming = Arc::new(Incoming::new(input, over.clone()));
    let (reads, pulse, beats) = (incoming.clone(), over.clone(), out.clone());
    let started = start("pulse", Box::new(move || send_beats(&pulse, &beats)))
        .and_then(|_| start("reader", Box::new(move || reads.stand_in())));
    let reader = match started {
        Ok(reader) => reader,
        Err(error) => {
            // The session reports it.
            out.send(Failed { run: 0, claim: 0 }, &[&message::pack(&error)]);
            return Ok(());
        }
    };
    out.send(Hello { protocol: message::PROTOCOL }, &[env!("CARGO_PKG_VERSION").as_bytes()]);
    WorkerLoop {
        kinds,
        backend: entry.name,
        transport,
        incoming,
        reader,
        next: None,
        outbox: Outbox::new(out),
        over,
        place: 0,
        workers: 1,
        loaded: None,
        stock: Stock::default(),
        run: None,
        share: None,
        used: processor_time(),
    }
    .serve()
}

/// Whether nobody is left at the other end of standard input, through which a session talks.
#[cfg(target_os = "linux")]
fn is_hung_up() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    /// A sibling that is being started holds what the session had open, for a moment.
    const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    let stdin = io::stdin();
    let mut end = [PollFd::new(&stdin, PollFlags::empty())];
    poll(&mut end, Some(&WAIT)).is_ok() && end[0].revents().contains(PollFlags::HUP)
}

/// Elsewhere workers do not look for their session.
#[cfg(not(target_os = "linux"))]
fn is_hung_up() -> bool {
    false
}

/// Starts a thread of a worker.
fn start(name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Thread> {
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10);
    builder.spawn(body).map(|handle| handle.thread().clone()).map_err(|error| {
        Error::Unsupported(format!("a worker cannot start a thread: {error}; ask for fewer workers or another backend"))
    })
}

/// A run as a worker sees it.
pub(super) struct Run {
    number: u64,
    pub(super) job: Job,
    pub(super) place: usize,
    pub(super) workers: usize,
    over: Arc<Over>,
    /// Added to the job's times to put them on the session's clock.
    offset: Duration,
}

impl Run {
    /// Computes a claim; times are on the session's clock.
    pub(super) fn compute(
        &self,
        claim: Range<usize>,
        bytes: &mut [u8],
        costs: &mut [u64],
        counts: &mut Vec<u64>,
    ) -> Option<Effort> {
        costs.fill(0);
        self.over.computing.store(true, Ordering::Relaxed);
        let outcome = self.job.compute_into(self.place, claim, bytes, costs, counts);
        self.over.computing.store(false, Ordering::Relaxed);
        let mut effort = outcome.continue_value()?;
        effort.began += self.offset;
        effort.ended += self.offset;
        Some(effort)
    }
}

/// A worker's state.
struct WorkerLoop<'a> {
    kinds: &'a [WorkKind],
    backend: &'static str,
    transport: Transport,
    incoming: Arc<Incoming>,
    /// The thread that reads messages while this one computes.
    reader: Thread,
    /// A message that was received ahead of its turn.
    next: Option<Message>,
    outbox: Outbox,
    over: Arc<Over>,
    place: usize,
    workers: usize,
    /// The work of the next runs.
    loaded: Option<Result<Arc<dyn Work>>>,
    /// The parts that the session has prepared and sent.
    stock: Stock,
    run: Option<Run>,
    share: Option<Box<dyn Share>>,
    /// Processor time that was reported, in nanoseconds.
    used: u64,
}

impl WorkerLoop<'_> {
    fn serve(mut self) -> ! {
        loop {
            let message = self.next.take().unwrap_or_else(|| self.incoming.next(&self.reader));
            let kind = message.head.kind;
            // A failure outside a run belongs to the next run.
            let run = if kind == RunBegins::KIND { RunBegins::of(message.head.numbers).run } else { 0 };
            let outcome = self.handle(message);
            if let Err(error) = outcome {
                self.outbox.send(Failed { run, claim: 0 }, &message::pack(&error));
            }
            if kind == RunBegins::KIND && self.share.is_some() {
                let used = processor_time();
                let processor = used - std::mem::replace(&mut self.used, used);
                self.outbox.send(Idle { run, processor }, &[]);
            }
            if self.next.is_none() {
                self.over.busy.store(false, Ordering::Relaxed);
            }
        }
    }

    fn handle(&mut self, Message { head, tail, files }: Message) -> Result<()> {
        let numbers = head.numbers;
        match head.kind {
            Slot::KIND => {
                let Slot { index, workers, processor } = Slot::of(numbers);
                (self.place, self.workers) = (index as usize, workers as usize);
                // Before this thread is kept to one of them.
                let processors = std::thread::available_parallelism().map_or(1, usize::from);
                self.outbox.set_spare(processors > self.workers);
                // Losing the processor since it was chosen is no reason to end.
                if let Some(processor) = processor.checked_sub(1) {
                    keep_to(processor as usize);
                }
            }
            message::Work::KIND => {
                // Memory of the previous run is freed before more arrives.
                self.run = None;
                self.loaded = Some(self.load(message::Work::of(numbers), tail, files));
            }
            Part::KIND => {
                let (bytes, Part { hash, len }) = (self.received(tail, files)?, Part::of(numbers));
                self.stock.take(Key { hash, len }, bytes)?;
            }
            message::Memory::KIND => {
                // The previous memory is unmapped first.
                self.share = None;
                self.share = Some((self.transport.share)(self.place, message::Memory::of(numbers), files)?);
            }
            RunBegins::KIND => self.begin(RunBegins::of(numbers))?,
            Compute::KIND => {
                let mut pairs = bytemuck::cast_slice::<_, u64>(tail.bytes()).as_chunks().0.iter();
                let Compute { run } = Compute::of(numbers);
                while let Some(pair) = pairs.next() {
                    self.compute(run, *pair, pairs.len() > 0)?;
                }
            }
            other => return Err(Error::Input(format!("a worker got a message of unknown kind {other}"))),
        }
        Ok(())
    }

    /// Computes a claim of a run and sends the result, or the reason why there is none. `more` says whether another claim follows.
    fn compute(&mut self, number: u64, [start, end]: [u64; 2], more: bool) -> Result<()> {
        let range = start as usize..end as usize;
        let run = self.run.as_ref().filter(|run| run.number == number && range.end <= run.job.pieces());
        let Some(run) = run else {
            self.outbox.send(Failed { run: number, claim: 1 }, &message::pack(&Error::Stopped));
            return Ok(());
        };
        let (pieces, len) = (range.len(), run.job.room(range.clone()));
        let mut words = self.outbox.memory(pieces + len.div_ceil(8));
        let (costs, results) = words.split_at_mut(pieces);
        let results = &mut bytemuck::cast_slice_mut(results)[..len];
        let mut counts = Vec::new();
        let Some(effort) = run.compute(range, results, costs, &mut counts) else {
            let error = run.job.take_failure().unwrap_or(Error::Stopped);
            self.outbox.send(Failed { run: number, claim: 1 }, &message::pack(&error));
            return Ok(());
        };
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        let sizes = (pieces as u64) << 32 | counts.len() as u64;
        let done = Done {
            run: number,
            first: start,
            sizes,
            executed: effort.executed,
            began: nanoseconds(effort.began),
            ended: nanoseconds(effort.ended),
        };
        if !more && self.next.is_none() {
            self.next = self.incoming.try_next();
        }
        self.outbox.result(done, (words, pieces, effort.len), counts, more || self.next.is_some())
    }

    /// The bytes of a message, from its tail or from the file that came with it.
    fn received(&self, tail: Tail, files: Vec<File>) -> Result<Shared> {
        match files.into_iter().next() {
            Some(file) => (self.transport.map)(&file),
            None => Ok(Arc::new(Owned(tail))),
        }
    }

    /// Makes the work of the following runs.
    fn load(
        &mut self,
        message::Work { kind, recipe, parts }: message::Work,
        tail: Tail,
        files: Vec<File>,
    ) -> Result<Arc<dyn Work>> {
        let received = self.received(tail, files)?;
        let mut rest = (*received).as_ref();
        let mut cut = |len: u64| {
            let (section, after) = rest.split_at_checked(len as usize)?;
            rest = after;
            Some(section)
        };
        let sections = cut(kind).zip(cut(recipe)).zip(cut(parts));
        let ((kind, recipe), list) = sections.ok_or_else(|| Error::Input("a worker got a damaged recipe".into()))?;
        self.stock.expect(list)?;
        let kind = String::from_utf8_lossy(kind);
        let (name, recipe, selected) = Selected::split(&kind, recipe)?;
        let entry = self.kinds.iter().find(|entry| entry.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.kinds.iter().map(WorkKind::name).collect();
            Error::Unsupported(format!(
                "the worker program knows no work of kind `{name}`, only {}; its `main` must pass its kinds to `fractal::worker_main`",
                names.join(", ")
            ))
        })?;
        let work = crate::parallel::guarded(|| entry.make(recipe), &format!("making the work `{name}`"))??;
        Ok(match selected {
            Some(pieces) => Arc::new(Selected::of_recipe(work, pieces)?),
            None => work,
        })
    }

    fn begin(&mut self, begins: RunBegins) -> Result<()> {
        let RunBegins { run: number, pieces, origin, .. } = begins;
        self.run = None;
        let stop = self.over.begin(number);
        let work = match &self.loaded {
            Some(Ok(work)) => work.clone(),
            // The same work would fail again with the same error.
            Some(Err(error)) => return Err(message::unpack(&message::pack(error)).unwrap_or(Error::Stopped)),
            None => return Err(Error::Input("a worker got a run before its work".into())),
        };
        if work.len() as u64 != pieces {
            return Err(Error::Input(format!(
                "the worker program makes {} pieces from a recipe of {pieces}: it is another version",
                work.len()
            )));
        }
        let (timed, sink, prepared) = (origin > 0, Arc::new(Discard), Some(self.stock.prepared()?));
        let job = Job::begin_with(self.backend, self.workers, timed, work, sink, &stop, prepared)?;
        let offset = Duration::from_nanos(monotonic().saturating_sub(origin.saturating_sub(1)));
        let offset = if origin > 0 { offset.saturating_sub(job.now()) } else { Duration::ZERO };
        let run = Run { number, job, place: self.place, workers: self.workers, over: self.over.clone(), offset };
        if let Some(share) = &mut self.share {
            return share.run(&run, begins);
        }
        self.run = Some(run);
        Ok(())
    }
}

/// Bytes that came in a frame.
struct Owned(Tail);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
