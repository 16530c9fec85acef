//! One worker process as its session sees it: its place, its pipes and how it is started.

use crate::backend::worker::frame::{self, Head, Tail};
use crate::backend::worker::message::{self, numbers};
use crate::backend::worker::{End, Held, Process, Program, spawn};
use crate::error::Result;
use crate::parallel::Worker;
use crate::parallel::pin::Pinning;
use std::io::{self, BufReader};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many bytes of results a pipe holds: what Linux gives everyone.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// A worker's place, and the worker in it.
pub(super) struct Seat {
    pub(super) worker: Worker,
    pub(super) member: Option<Member>,
    /// The same for whoever looks after it.
    pub(super) live: Arc<Mutex<Option<Arc<Live>>>>,
}

pub(super) struct Member {
    pub(super) live: Arc<Live>,
    output: BufReader<ChildStdout>,
    /// Whether it has said anything.
    pub(super) greeted: bool,
    /// What it was sent.
    pub(super) held: Held,
    /// How far it last said that it was.
    progress: u64,
}

/// A worker process as several threads see it.
pub(super) struct Live {
    pub(super) input: Mutex<ChildStdin>,
    pub(super) process: Mutex<Process>,
    /// Counts the messages that say that it gets on.
    pub(super) signs: AtomicU64,
    /// Whether something is expected of it.
    pub(super) busy: AtomicBool,
    /// Why it was killed, if it was: it gave no sign of life, for example.
    pub(super) given_up: OnceLock<String>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Kills the process, and says why.
    pub(super) fn give_up(&self, why: String) {
        let _ = self.given_up.set(why);
        lock(&self.process).end();
    }

    /// The worker has said that it gets on.
    pub(super) fn sign(&self) {
        self.signs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn send<const N: usize>(&self, kind: u32, given: [u64; N], tail: &[&[u8]]) -> io::Result<()> {
        frame::write(&mut *lock(&self.input), kind, &numbers(given), tail)
    }
}

impl Member {
    /// It says how far it is. That it lives is not enough.
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

impl Seat {
    /// Starts a worker in this place.
    pub(super) fn start(&mut self, program: &Program, pinning: Option<&Pinning>, workers: usize) -> Result<()> {
        self.member = None;
        let index = self.worker.index();
        let refused = |error| program.cannot_start(index, workers, &error);
        let mut command = program.command(super::ENTRY.name)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(command).map_err(refused)?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both are pipes");
        // A claim's results fit into it, so that their sender need not wait for a reader. Smaller ones work as well, if the system allows
        // no such.
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
        // One that cannot be told has ended, which shows soon.
        let _ = live.send(message::SEAT, [index as u64, workers as u64, processor], &[]);
        *lock(&self.live) = Some(live.clone());
        let output = BufReader::with_capacity(1 << 16, output);
        self.member = Some(Member { live, output, greeted: false, held: Held::default(), progress: 0 });
        Ok(())
    }

    /// Takes the worker away, waits for its end and says how it ended; `why` if what it said cannot be borne.
    pub(super) fn end(&mut self, why: Option<&str>) -> End {
        let Some(member) = self.member.take() else { return End::before_it_began() };
        *lock(&self.live) = None;
        let given_up = member.live.given_up.get().map(String::as_str);
        End::of(&mut lock(&member.live.process), given_up.or(why))
    }
}
