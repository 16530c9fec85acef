//! The worker's side: its streams, its shared memory, and how it takes and computes pieces.

use super::claims::{Table, Unit};
use super::ring::{self, Finished, Writer};
use super::segment::{Layout, Segment, SlotMemory, read_only};
use crate::backend::worker::message::{self, RunBegins};
use crate::backend::worker::{Inbox, Run, Share, Streams, Transport, take_stdio};
use crate::error::{Error, Result};
use crate::parallel::{MAX_COUNTS, Units};
use rustix::event::eventfd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::thread::futex;
use rustix::time::Timespec;
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a worker waits for room before it checks whether the run is over.
const NAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// A socket for messages, which also carries the files of shared memory.
pub(super) const TRANSPORT: Transport = Transport {
    open: streams,
    share: |place, layout, files| Ok(Box::new(Memory::new(place, layout, files)?)),
    map: |file| Ok(Arc::new(read_only(file)?)),
};

/// The socket to the session, which is a worker's standard input.
fn streams() -> Result<Streams> {
    let failed = |error| Error::io("take", "the socket to the session", error);
    let (input, _) = take_stdio().map_err(failed)?;
    let socket = UnixStream::from(std::os::fd::OwnedFd::from(input));
    let output = socket.try_clone().map_err(failed)?;
    Ok((Box::new(Socket { socket, files: Vec::new() }), Box::new(output)))
}

/// The socket, with the files that came over it.
struct Socket {
    socket: UnixStream,
    files: Vec<File>,
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(&self.socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files.map(File::from));
            }
        }
        Ok(received.bytes)
    }
}

impl Inbox for Socket {
    fn files(&mut self) -> Vec<File> {
        std::mem::take(&mut self.files)
    }
}

/// The memory shared by a worker and its session.
struct Memory {
    segment: Segment,
    place: usize,
    writer: Writer,
    /// Wakes the session.
    event: File,
}

/// How a run's pieces are shared out, as its message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) units: Units,
    /// Whether each worker has units of its own.
    pub(crate) own: bool,
}

impl Plan {
    /// The message that begins a run; `own` says whether a worker still has units of its own.
    pub(super) fn message(&self, own: bool, run: u64, pieces: u64, origin: u64) -> RunBegins {
        let (cut, size) = match self.units {
            Units::Chunks { chunk, .. } => (0, chunk),
            Units::Blocks { blocks, .. } => (1, blocks),
            Units::Shrinking { most, .. } => (2, most),
        };
        RunBegins { run, pieces, origin, cut: cut << 1 | u64::from(own), size: size as u64 }
    }

    /// What the message to one of `workers` workers says.
    fn of(RunBegins { pieces, cut, size, .. }: RunBegins, workers: usize) -> Self {
        let (pieces, size) = (pieces as usize, size.max(1) as usize);
        let units = match cut >> 1 {
            0 => Units::Chunks { pieces, chunk: size },
            1 => Units::Blocks { pieces, blocks: size },
            _ => Units::shrinking(pieces, workers, size),
        };
        Self { units, own: cut & 1 == 1 }
    }
}

impl Memory {
    fn new(place: usize, message::Memory { slots, units, ring }: message::Memory, files: Vec<File>) -> Result<Self> {
        let [slots, units, ring] = [slots, units, ring].map(|number| number as usize);
        let Ok([file, event]) = <[File; 2]>::try_from(files) else {
            return Err(Error::Input("a worker got no shared memory".into()));
        };
        let layout = Layout { slots, units, ring };
        let segment = Segment::open(&file, layout)?;
        // SAFETY: a session has one living worker in a place, waits for its end before it starts another, and sends it each memory
        // once; this function is called for nothing else.
        #[allow(unsafe_code)]
        let memory_of_slot = unsafe { SlotMemory::open(&file, layout, place) }?;
        Ok(Self { segment, place, writer: Writer::new(memory_of_slot, ring), event })
    }

    /// Waits until a record of `words` words fits; false if the run ends first.
    fn wait_for_room(&mut self, run: &Run, words: usize) -> bool {
        while !self.writer.fits(words) {
            self.writer.slot().waiting.store(1, Ordering::SeqCst);
            // The session may have fallen asleep before a skip was published, or may have read everything meanwhile.
            self.wake_session();
            if !self.writer.fits(words) {
                if run.job.is_over() {
                    return false;
                }
                // Woken, interrupted or timed out: no difference.
                let _ = futex::wait(&self.writer.slot().waiting, futex::Flags::empty(), 1, Some(&NAP));
            }
            self.writer.slot().waiting.store(0, Ordering::SeqCst);
        }
        true
    }

    fn wake_session(&self) {
        let asleep = &self.segment.header().asleep.0;
        if asleep.load(Ordering::SeqCst) == 1 && asleep.swap(0, Ordering::SeqCst) == 1 {
            // It fails only if the counter is full, and then the session is awake.
            let _ = (&self.event).write(&1u64.to_ne_bytes());
        }
    }
}

impl Share for Memory {
    fn run(&mut self, run: &Run, begins: RunBegins) -> Result<()> {
        let plan = Plan::of(begins, run.workers);
        let (units, layout) = (plan.units.len(), self.segment.layout());
        if units > layout.units || run.place != self.place {
            return Err(Error::Input("a worker got too little shared memory".into()));
        }
        let (mut from, mut counts) = (Unit(0), Vec::new());
        while !run.job.is_over() {
            let table = Table { words: self.segment.words(units), hint: self.segment.header().hint() };
            let claimed = if plan.own { table.claim_own(run.place, run.workers, from) } else { table.claim(run.place) };
            let Some((unit, state)) = claimed else { break };
            from = Unit(unit.0 + 1);
            let mut range = plan.units.range(unit.0);
            range.start = range.end.min(range.start + state.progress as usize);
            while !range.is_empty() {
                // After a loss, piece by piece, to find the one that is at fault.
                let one = range.start..range.start + 1;
                let (claim, bytes) = run.job.first_claim_and_len(if state.careful { one } else { range.clone() });
                range.start = claim.end;
                let words = ring::words(claim.len(), bytes, MAX_COUNTS);
                if 8 * words > layout.ring {
                    return Err(Error::Input("a worker got too little shared memory for a piece".into()));
                }
                if !self.wait_for_room(run, words) {
                    break;
                }
                self.writer.slot().claim(&claim);
                let mut draft = self.writer.draft(claim.len(), bytes, MAX_COUNTS);
                let (costs, results) = draft.memory();
                let Some(effort) = run.compute(claim.clone(), results, costs, &mut counts) else { break };
                let nanoseconds = |time: Duration| time.as_nanos() as u64;
                let (began, ended) = (nanoseconds(effort.began), nanoseconds(effort.ended));
                let finished = Finished { range: claim, bytes: effort.len, executed: effort.executed, began, ended };
                draft.publish(&finished, &counts);
                self.wake_session();
            }
        }
        run.job.take_failure().map_or(Ok(()), Err)
    }
}

/// The event that wakes a session.
pub(super) fn event() -> io::Result<File> {
    use rustix::event::EventfdFlags;
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?.into())
}
