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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
}

/// A worker process as several threads see it.
pub(super) struct Live {
    pub(super) input: Mutex<ChildStdin>,
    pub(super) process: Mutex<Process>,
    /// Counts its messages.
    pub(super) signs: AtomicU64,
    /// Whether something is expected of it.
    pub(super) busy: AtomicBool,
    /// Whether it was killed because it gave no sign of life.
    pub(super) hung: AtomicBool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Kills the process because it gives no sign of life.
    pub(super) fn give_up(&self) {
        self.hung.store(true, Ordering::Relaxed);
        lock(&self.process).end();
    }

    pub(super) fn send<const N: usize>(&self, kind: u32, given: [u64; N], tail: &[&[u8]]) -> io::Result<()> {
        frame::write(&mut *lock(&self.input), kind, &numbers(given), tail)
    }
}

impl Member {
    pub(super) fn read(&mut self, tail: &mut Tail, limit: impl FnOnce(&Head) -> u64) -> io::Result<Option<Head>> {
        let head = if self.greeted {
            frame::read(&mut self.output, tail, limit)
        } else {
            frame::read_first(&mut self.output, tail, limit)
        }?;
        self.greeted = true;
        self.live.signs.fetch_add(1, Ordering::Relaxed);
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
            hung: AtomicBool::new(false),
        });
        let processor = pinning.map_or(0, |pinning| pinning.processor(index) as u64 + 1);
        // One that cannot be told has ended, which shows soon.
        let _ = live.send(message::SEAT, [index as u64, workers as u64, processor], &[]);
        *lock(&self.live) = Some(live.clone());
        let output = BufReader::with_capacity(1 << 16, output);
        self.member = Some(Member { live, output, greeted: false, held: Held::default() });
        Ok(())
    }

    /// Takes the worker away, waits for its end and says how it ended; `why` if what it said cannot be borne.
    pub(super) fn end(&mut self, why: Option<&str>) -> End {
        let Some(member) = self.member.take() else { return End::before_it_began() };
        *lock(&self.live) = None;
        let hung = member.live.hung.load(Ordering::Relaxed).then_some("gave no sign of life");
        End::of(&mut lock(&member.live.process), hung.or(why))
    }
}
