//! One worker process as its session sees it: how it is started, spoken to and found dead.

use super::segment::Segment;
use crate::backend::worker::frame::{self, Head, Tail};
use crate::backend::worker::message::{self, numbers};
use crate::backend::worker::{End, Held, Process, Program, spawn};
use crate::error::Result;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

/// The longest message of a worker: an error.
const LONGEST: u64 = 1 << 20;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It has not said anything yet. If it was given a run, it will begin with it.
    Starting {
        run: bool,
    },
    Nothing,
    /// It computes for the run of now.
    Run,
}

#[derive(Debug)]
pub(super) struct Member {
    process: Process,
    socket: UnixStream,
    pidfd: OwnedFd,
    pub(super) doing: Doing,
    /// The number of the shared memory that it was told of.
    pub(super) segment: u64,
    /// What else it was sent.
    pub(super) held: Held,
    /// How long it has given no sign of getting on.
    pub(super) quiet: Duration,
    /// The position of its ring when it was last looked at.
    seen: u64,
}

/// What every worker of a session is told first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) index: usize,
    pub(super) workers: usize,
    pub(super) processor: Option<usize>,
}

/// A worker can no longer be spoken to, or says or publishes nonsense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

fn receive(mut socket: &UnixStream, tail: &mut Tail) -> std::result::Result<Option<Head>, Broken> {
    match frame::read(&mut socket, tail, |_| LONGEST) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(Broken),
        // A worker that ends with messages unread, or within its own, resets or cuts the stream.
        outcome => Ok(outcome.unwrap_or(None)),
    }
}

impl Member {
    /// Starts a worker; it says so itself when it is ready.
    pub(super) fn start(program: &Program, seat: Seat) -> Result<Self> {
        let mut command = program.command(super::ENTRY.name)?;
        let refused = |error: io::Error| program.cannot_start(seat.index, seat.workers, &error);
        let (socket, theirs) = UnixStream::pair().map_err(refused)?;
        // A worker that does not answer must not stop its session; that it gets on is looked after elsewhere.
        let patience = Some(Duration::from_secs(5));
        socket.set_read_timeout(patience).and_then(|()| socket.set_write_timeout(patience)).map_err(refused)?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let process = Process::new(spawn(command).map_err(refused)?);
        let id = Pid::from_raw(process.id() as i32).expect("a process has a number");
        let pidfd = pidfd_open(id, PidfdFlags::empty()).map_err(|errno| refused(errno.into()))?;
        let doing = Doing::Starting { run: false };
        let (held, quiet) = (Held::default(), Duration::ZERO);
        let mut member = Self { process, socket, pidfd, doing, segment: 0, held, quiet, seen: 0 };
        let processor = seat.processor.map_or(0, |processor| processor as u64 + 1);
        // One that cannot be told has ended, which shows soon.
        let _ = member.send(message::SEAT, [seat.index as u64, seat.workers as u64, processor], &[]);
        Ok(member)
    }

    /// Sends a message, with files.
    pub(super) fn send<const N: usize>(
        &mut self,
        kind: u32,
        given: [u64; N],
        files: &[&File],
    ) -> std::result::Result<(), Broken> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, kind, &numbers(given), &[]).map_err(|_| Broken)?;
        let files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Broken);
        }
        let sent = sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
        // A message is far shorter than the socket's memory: it is taken as a whole or, by a worker that hangs, not at all.
        if sent == Ok(bytes.len()) { Ok(()) } else { Err(Broken) }
    }

    /// The next message; none when the worker has ended.
    pub(super) fn receive(&mut self, tail: &mut Tail) -> std::result::Result<Option<Head>, Broken> {
        self.quiet = Duration::ZERO;
        receive(&self.socket, tail)
    }

    /// What to poll: a message, and the end of the process.
    pub(super) fn poll(&self) -> [PollFd<'_>; 2] {
        [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)]
    }

    /// Counts time without a sign of life. A result in the ring is one.
    pub(super) fn count_quiet(&mut self, time: Duration, segment: &Segment, slot: usize) {
        let head = segment.slot(slot).head.0.load(std::sync::atomic::Ordering::Relaxed);
        let moved = std::mem::replace(&mut self.seen, head) != head;
        self.quiet = if moved || self.doing == Doing::Nothing { Duration::ZERO } else { self.quiet + time };
    }

    /// Kills the worker if it still runs, waits for its end, and says how it ended; `why` if the session does not bear it any more.
    pub(super) fn end(&mut self, why: Option<&str>) -> End {
        End::of(&mut self.process, why)
    }

    /// Whether the process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Processor time since the last call.
    pub(super) fn processor_time(&mut self) -> Duration {
        self.process.processor_time()
    }

    /// The process's number.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The most memory that it had for itself, in bytes; without what it shares with its session. 0 when the system does not tell.
    pub(super) fn memory(&self) -> u64 {
        self.process.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            receive(&ours, &mut Tail::default())
        };
        let mut beat = Vec::new();
        frame::write(&mut beat, message::BEAT, &numbers([0]), &[]).unwrap();
        assert!(matches!(hear(&beat, false), Ok(Some(Head { kind: message::BEAT, .. }))));
        assert!(matches!(hear(&beat[..40], false), Ok(None)));
        assert!(matches!(hear(&[], false), Ok(None)));
        assert!(matches!(hear(&[], true), Ok(None)), "it was reset");
        assert!(matches!(hear(&[7; 72], false), Err(Broken)));
    }
}
