//! One worker process as its session sees it: its slot, its pipes and how it is started.

use crate::backend::worker::frame::{self, Head, Tail};
use crate::backend::worker::message::{Message, Slot};
use crate::backend::worker::{End, Held, Process, Program, spawn};
use crate::error::Result;
use crate::parallel::pin::Pinning;
use crate::parallel::{Worker, lock};
use std::io::{self, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// How many bytes of results a pipe holds: the most that Linux allows every user by default.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// A worker's slot, and the worker in it.
pub(super) struct WorkerSlot {
    pub(super) worker: Worker,
    pub(super) member: Option<Member>,
    /// The worker's shared part, for the thread that watches it.
    pub(super) live: Arc<Mutex<Option<Arc<Live>>>>,
    /// The memory for its results: new for each run, its pages would take a hundredth of a short one's time.
    pub(super) tail: Tail,
}

pub(super) struct Member {
    pub(super) live: Arc<Live>,
    output: BufReader<ChildStdout>,
    /// Whether it has sent anything.
    pub(super) greeted: bool,
    /// The work and parts that it was sent.
    pub(super) held: Held,
    /// The progress that it last reported.
    progress: u64,
}

/// The part of a worker process that several threads share.
pub(super) struct Live {
    pub(super) input: Mutex<ChildStdin>,
    pub(super) process: Mutex<Process>,
    /// Counts its signs of progress.
    pub(super) signs: AtomicU64,
    /// Whether a message is expected from it.
    pub(super) busy: AtomicBool,
    /// Why it was killed, if it was: it made no progress, for example.
    pub(super) given_up: OnceLock<String>,
}

impl Live {
    /// Kills the process, and records why.
    pub(super) fn give_up(&self, why: String) {
        let _ = self.given_up.set(why);
        lock(&self.process).end();
    }

    /// The worker has shown progress.
    pub(super) fn sign(&self) {
        self.signs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn send<M: Message>(&self, message: M, tail: &[&[u8]]) -> io::Result<()> {
        frame::write(&mut *lock(&self.input), M::KIND, &message.numbers(), tail)
    }

    /// Sends frames that are written already.
    pub(super) fn send_bytes(&self, frames: &[u8]) -> io::Result<()> {
        lock(&self.input).write_all(frames)
    }
}

impl Member {
    /// It reports progress. Merely being alive is not enough.
    pub(super) fn beats(&mut self, progress: u64) {
        if std::mem::replace(&mut self.progress, progress) != progress {
            self.live.sign();
        }
    }

    pub(super) fn read(&mut self, tail: &mut Tail, limit: impl FnOnce(&Head) -> u64) -> io::Result<Option<Head>> {
        let head = if self.greeted {
            frame::read(&mut self.output, tail, limit)
        } else {
            frame::read_first(&mut self.output, tail, limit)
        }?;
        self.greeted = true;
        Ok(head)
    }
}

impl WorkerSlot {
    /// Starts a worker in this slot.
    pub(super) fn start(&mut self, program: &Program, pinning: Option<&Pinning>, workers: usize) -> Result<()> {
        self.member = None;
        let index = self.worker.index();
        let refused = |error| program.cannot_start(index, workers, &error);
        let mut command = program.command(super::ENTRY.name)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(command).map_err(refused)?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both are pipes");
        // A claim's results fit into it, so that the sender need not wait for a reader. A smaller pipe works as well, if the system
        // does not allow this size.
        #[cfg(target_os = "linux")]
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE);
        let live = Arc::new(Live {
            input: Mutex::new(input),
            process: Mutex::new(Process::new(child)),
            signs: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            given_up: OnceLock::new(),
        });
        let processor = pinning.map_or(0, |pinning| pinning.processor(index) as u64 + 1);
        // A worker that cannot be reached has ended, which will be noticed soon.
        let _ = live.send(Slot { index: index as u64, workers: workers as u64, processor }, &[]);
        *lock(&self.live) = Some(live.clone());
        let output = BufReader::with_capacity(1 << 16, output);
        self.member = Some(Member { live, output, greeted: false, held: Held::default(), progress: 0 });
        Ok(())
    }

    /// Removes the worker, waits for its end and says how it ended; `why` if what it sent is invalid.
    pub(super) fn end(&mut self, why: Option<&str>) -> End {
        let Some(member) = self.member.take() else { return End::before_it_began() };
        *lock(&self.live) = None;
        let given_up = member.live.given_up.get().map(String::as_str);
        End::of(&mut lock(&member.live.process), given_up.or(why))
    }
}
