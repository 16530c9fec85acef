//! One worker process as its session sees it: how it is started, addressed and found dead.

use super::Memory;
use super::segment::Segment;
use crate::backend::worker::frame::{self, Head, Tail};
use crate::backend::worker::message::{Idle, Message, Slot};
use crate::backend::worker::{End, Held, Process, Program, spawn};
use crate::error::Result;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

/// The longest message from a worker: an error.
const LONGEST: u64 = 1 << 20;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It has not sent anything yet. If it was given a run, it will begin with it.
    Starting {
        run: bool,
    },
    Nothing,
    /// It computes for the current run.
    Run,
}

#[derive(Debug)]
pub(super) struct Member {
    process: Process,
    socket: UnixStream,
    pidfd: OwnedFd,
    pub(super) doing: Doing,
    /// The number of the shared memory that it was last sent.
    pub(super) segment: u64,
    /// The work and parts that it was sent.
    pub(super) held: Held,
    heard: Heard,
    /// How long it has shown no progress.
    pub(super) quiet: Duration,
    /// The head of its ring when last checked.
    seen: u64,
    /// The progress that it last reported.
    progress: u64,
    /// Processor time that it has reported of the run: to ask the system for it takes 10 to 20 µs.
    pub(super) processor: Duration,
}

/// The first message to every worker of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerSlot {
    pub(super) index: usize,
    pub(super) workers: usize,
    pub(super) processor: Option<usize>,
}

/// A worker can no longer be reached, or sends invalid messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Bytes received from a worker and not yet handled. The session never blocks on the rest of a message: a worker that is suspended
/// within one, or sends it byte by byte, must not stop its session.
#[derive(Debug, Default)]
struct Heard(Vec<u8>);

impl Heard {
    /// Takes what has arrived, once; true at the end of the stream.
    fn hear(&mut self, socket: &UnixStream) -> bool {
        let mut bytes = [0; 1 << 12];
        match rustix::net::recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => true,
            Ok((_, count)) => {
                self.0.extend_from_slice(&bytes[..count]);
                false
            }
            // A worker that ends with unread messages resets the stream.
            Err(errno) => ![Errno::AGAIN, Errno::INTR].contains(&errno),
        }
    }

    /// The next message, if it has arrived as a whole.
    fn next(&mut self, tail: &mut Tail) -> std::result::Result<Option<Head>, Broken> {
        let mut rest = &self.0[..];
        match frame::read(&mut rest, tail, |_| LONGEST) {
            Ok(head) => {
                let read = self.0.len() - rest.len();
                self.0.drain(..read);
                Ok(head)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(_) => Err(Broken),
        }
    }
}

impl Member {
    /// Starts a worker, which sends a message when it is ready.
    pub(super) fn start(program: &Program, place: WorkerSlot) -> Result<Self> {
        let mut command = program.command(super::ENTRY.name)?;
        let refused = |error: io::Error| program.cannot_start(place.index, place.workers, &error);
        let (socket, theirs) = UnixStream::pair().map_err(refused)?;
        // A worker that does not read must not block its session; its progress is checked elsewhere.
        socket.set_write_timeout(Some(Duration::from_secs(1))).map_err(refused)?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let process = Process::new(spawn(command).map_err(refused)?);
        let id = Pid::from_raw(process.id() as i32).expect("a process has a number");
        let pidfd = pidfd_open(id, PidfdFlags::empty()).map_err(|errno| refused(errno.into()))?;
        let doing = Doing::Starting { run: false };
        let (held, heard, quiet) = (Held::default(), Heard::default(), Duration::ZERO);
        let (seen, progress, processor) = (0, 0, Duration::ZERO);
        let mut member =
            Self { process, socket, pidfd, doing, segment: 0, held, heard, quiet, seen, progress, processor };
        let processor = place.processor.map_or(0, |processor| processor as u64 + 1);
        // A worker that cannot be reached has ended, which will be noticed soon.
        let _ = member.send(Slot { index: place.index as u64, workers: place.workers as u64, processor }, &[]);
        Ok(member)
    }

    /// Sends a message, with files.
    pub(super) fn send<M: Message>(&mut self, message: M, files: &[&File]) -> std::result::Result<(), Broken> {
        self.send_after(Vec::new(), message, files)
    }

    /// Sends frames and then a message, with files, all at once. They are short, so that the socket has room for all of them.
    pub(super) fn send_after<M: Message>(
        &mut self,
        mut bytes: Vec<u8>,
        message: M,
        files: &[&File],
    ) -> std::result::Result<(), Broken> {
        frame::write(&mut bytes, M::KIND, &message.numbers(), &[]).map_err(|_| Broken)?;
        let files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Broken);
        }
        let sent = sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
        // A message is far shorter than the socket's buffer: it is sent whole or, if the worker hangs, not at all.
        if sent == Ok(bytes.len()) { Ok(()) } else { Err(Broken) }
    }

    /// Sends the shared memory and its event, if it was not sent them already.
    pub(super) fn share(&mut self, memory: &Memory) -> std::result::Result<(), Broken> {
        if self.segment != memory.number {
            self.send(memory.segment.layout().message(), &[&memory.file, &memory.event])?;
            self.segment = memory.number;
        }
        Ok(())
    }

    /// Receives what the worker has sent; true at the end of the stream.
    pub(super) fn hear(&mut self) -> bool {
        self.heard.hear(&self.socket)
    }

    /// The next of its messages that have arrived.
    pub(super) fn next(&mut self, tail: &mut Tail) -> std::result::Result<Option<Head>, Broken> {
        self.heard.next(tail)
    }

    /// Whether it has not sent anything yet.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.doing, Doing::Starting { .. })
    }

    /// It reports progress. Merely being alive is not enough.
    pub(super) fn beats(&mut self, progress: u64) {
        if std::mem::replace(&mut self.progress, progress) != progress {
            self.quiet = Duration::ZERO;
        }
    }

    /// What to poll: a message, and the end of the process.
    pub(super) fn poll(&self) -> [PollFd<'_>; 2] {
        [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)]
    }

    /// Counts time without progress. A result in the ring counts as progress.
    pub(super) fn count_quiet(&mut self, time: Duration, segment: &Segment, slot: usize) {
        let head = segment.slot(slot).head.0.load(std::sync::atomic::Ordering::Relaxed);
        let moved = std::mem::replace(&mut self.seen, head) != head;
        self.quiet = if moved || self.doing == Doing::Nothing { Duration::ZERO } else { self.quiet + time };
    }

    /// Kills the worker if it still runs, waits for its end, and says how it ended; `why` if the session gives up on it.
    pub(super) fn end(&mut self, why: Option<&str>) -> End {
        End::of(&mut self.process, why)
    }

    /// Its part of the run is over.
    pub(super) fn rests(&mut self, Idle { processor, .. }: Idle) {
        self.doing = Doing::Nothing;
        self.processor = self.processor.saturating_add(Duration::from_nanos(processor));
    }

    /// Whether it takes part in a run.
    pub(super) fn runs(&self) -> bool {
        matches!(self.doing, Doing::Run | Doing::Starting { run: true })
    }

    /// Whether the process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// The process ID.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The peak of its private memory, in bytes; without memory shared with its session. 0 when the system does not report it.
    pub(super) fn memory(&self) -> u64 {
        self.process.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::worker::message::{Beat, Failed};
    use std::io::Write;

    #[test]
    fn a_stream_that_ends_is_no_wrong_message() {
        let hear = |said: &[u8], unread: bool| {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            if unread {
                ours.write_all(b"read by nobody").unwrap();
            }
            theirs.write_all(said).unwrap();
            drop(theirs);
            let mut heard = Heard::default();
            while !heard.hear(&ours) {}
            heard.next(&mut Tail::default())
        };
        let mut beat = Vec::new();
        frame::write(&mut beat, Beat::KIND, &[0; 6], &[]).unwrap();
        assert!(matches!(hear(&beat, false), Ok(Some(Head { kind: Beat::KIND, .. }))));
        assert!(matches!(hear(&beat[..40], false), Ok(None)));
        assert!(matches!(hear(&[], false), Ok(None)));
        assert!(matches!(hear(&[], true), Ok(None)), "it was reset");
        assert!(matches!(hear(&[7; 72], false), Err(Broken)));
    }

    #[test]
    fn nobody_waits_for_the_rest_of_a_message() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut heard, mut tail) = (Heard::default(), Tail::default());
        let mut said = Vec::new();
        frame::write(&mut said, Failed::KIND, &[7; 6], &[b"why"]).unwrap();
        frame::write(&mut said, Idle::KIND, &[7; 6], &[]).unwrap();
        assert!(!heard.hear(&ours), "there is nothing, but something may come");
        for byte in &said[..said.len() - 1] {
            theirs.write_all(&[*byte]).unwrap();
            assert!(!heard.hear(&ours));
        }
        assert!(matches!(heard.next(&mut tail), Ok(Some(Head { kind: Failed::KIND, .. }))));
        assert_eq!(tail.bytes(), b"why");
        assert!(matches!(heard.next(&mut tail), Ok(None)));
        theirs.write_all(&said[said.len() - 1..]).unwrap();
        heard.hear(&ours);
        assert!(matches!(heard.next(&mut tail), Ok(Some(Head { kind: Idle::KIND, .. }))));
        assert!(matches!(heard.next(&mut tail), Ok(None)));
    }
}
