//! Starting workers: which program, from which thread, and how a worker's end is described.

use super::frame::{Head, Tail};
use super::message::{self, Failed, Hello, Message as _};
use crate::error::{Error, Result};
use crate::system;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The program that computes for a session whose workers are processes. It must call [`crate::worker_main`].
///
/// By default it is the program that opens the session. Tests, which do not control their `main`, name another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its path; `None` for this program itself.
    pub path: Option<PathBuf>,
    /// Its arguments, before the one that makes it a worker.
    pub arguments: Vec<OsString>,
}

/// A worker's last argument begins with this; then follow the backend's name and the session's process.
const WORD: &str = "fractal-worker";

impl Program {
    /// The program at `path`, without arguments.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), arguments: Vec::new() }
    }

    /// The command that starts a worker of `backend`.
    pub(crate) fn command(&self, backend: &str) -> Result<Command> {
        if role().is_some() {
            return Err(Error::Unsupported(format!(
                "a worker cannot have workers of its own in backend `{backend}`; was `fractal::worker_main` called first in `main`?"
            )));
        }
        let mut command = self.again()?;
        command.arg(format!("{WORD}:{backend}:{}", std::process::id()));
        Ok(command)
    }

    /// The command that starts the program, with its own arguments.
    pub(crate) fn again(&self) -> Result<Command> {
        let mut command = match &self.path {
            Some(path) => Command::new(path),
            // The same file even if it has been replaced since.
            None if cfg!(target_os = "linux") => {
                let mut command = Command::new("/proc/self/exe");
                #[cfg(unix)]
                std::os::unix::process::CommandExt::arg0(&mut command, std::env::args_os().next().unwrap_or_default());
                command
            }
            None => Command::new(std::env::current_exe().map_err(|error| Error::io("find", "this program", error))?),
        };
        command.args(&self.arguments);
        // Signals from the terminal are for the session, which stops its workers in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }

    /// The program in words, for error messages.
    pub(crate) fn describe(&self) -> String {
        let path = self.path.clone().or_else(|| std::env::current_exe().ok()).unwrap_or_default();
        format!("`{}`", path.display())
    }

    /// The error when the system refuses to start a worker.
    pub(crate) fn cannot_start(&self, worker: usize, workers: usize, error: &io::Error) -> Error {
        Error::Unsupported(format!(
            "worker {worker} of {workers} cannot be started from {}: {error}; ask for fewer workers or another backend",
            self.describe()
        ))
    }

    /// Checks the first message of a worker.
    pub(crate) fn welcome(&self, head: Head, tail: &Tail) -> Result<()> {
        if head.kind == Failed::KIND
            && let Some(error) = message::unpack(tail.bytes())
        {
            return Err(error);
        }
        if head.kind != Hello::KIND {
            return Err(self.no_worker("sent some other message"));
        }
        let (theirs, ours) = (String::from_utf8_lossy(tail.bytes()), env!("CARGO_PKG_VERSION"));
        if Hello::of(head.numbers).protocol == message::PROTOCOL && theirs == ours {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "the worker program {} is of version {theirs}, this one of {ours}",
            self.describe()
        )))
    }

    /// The error for a program that was started and does not answer as a worker does.
    pub(crate) fn no_worker(&self, how: &str) -> Error {
        Error::Unsupported(format!(
            "the program {} {how} before it became a worker; its `main` must call `fractal::worker_main` first",
            self.describe()
        ))
    }
}

/// The backend and the session's process, if this process was started as a worker.
pub(crate) fn role() -> Option<(String, u32)> {
    let last = std::env::args_os().next_back()?;
    let mut parts = last.to_str()?.split(':');
    let ours = parts.next() == Some(WORD);
    let (backend, parent) = (parts.next()?, parts.next()?.parse().ok()?);
    (ours && parts.next().is_none()).then(|| (backend.to_owned(), parent))
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// Starts a process from a thread that lives as long as this process: the system kills workers when the thread that started them
/// ends, not only when the process does.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Option<Sender<Order>>>> = OnceLock::new();
    let (answer, answered) = sync_channel(1);
    {
        let mut spawner = SPAWNER.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if spawner.is_none() {
            let (orders, received) = channel::<Order>();
            std::thread::Builder::new().name("fractal-spawner".into()).spawn(move || {
                for (mut command, answer) in received {
                    let _ = answer.send(command.spawn());
                }
            })?;
            *spawner = Some(orders);
        }
        let sent = spawner.as_ref().expect("it was just made").send((command, answer));
        sent.map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
    }
    answered.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that starts processes has ended")))
}

/// A process that is killed and reaped when it is dropped, so that none is left behind.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    /// Processor time that was reported.
    told: Duration,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child, ended: None, told: Duration::ZERO }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used since the last call, to a hundredth of a second; 0 when the system does not report it.
    pub(crate) fn processor_time(&mut self) -> Duration {
        // Linux reports hundredths to all programs, whatever its own clock is; the two numbers are those of user and system.
        let stat = system::text(&format!("/proc/{}/stat", self.id()));
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        let total = Duration::from_millis(10 * ticks);
        total.saturating_sub(std::mem::replace(&mut self.told, total))
    }

    /// The peak of its private memory, in bytes; without memory shared with others. 0 when the system does not report it.
    pub(crate) fn memory(&self) -> u64 {
        let status = system::status(self.id());
        let [peak, files, shared] =
            ["VmHWM", "RssFile", "RssShmem"].map(|key| system::bytes(&status, key).unwrap_or(0));
        peak.saturating_sub(files + shared)
    }

    /// Kills it, if it still runs, without waiting for its end.
    pub(crate) fn kill(&mut self) {
        if self.ended.is_none() {
            // An error means that it has already ended.
            let _ = self.child.kill();
        }
    }

    /// Kills it, if it still runs, and waits for its end.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.kill();
            self.ended = self.child.wait().ok();
        }
        self.ended
    }

    /// How it ended, if it does so within a moment.
    pub(crate) fn ended_soon(&mut self) -> Option<ExitStatus> {
        (0..100).find_map(|wait| {
            std::thread::sleep(Duration::from_millis(u64::from(wait > 0)));
            self.ended()
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has the system kill this process with the one that started it, which must be `parent`.
pub(crate) fn end_with(parent: u32) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        // It may have ended before this was asked for.
        let asked = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let found = rustix::process::getppid().map(|id| id.as_raw_nonzero().get() as u32);
        if asked.is_err() || found != Some(parent) {
            return Err(Error::Unsupported("a worker can only be started by a session".into()));
        }
    }
    let _ = parent;
    Ok(())
}

/// How a process ended, in words: "was killed by signal 9", "ended with status 0".
pub(crate) fn ending(status: Option<ExitStatus>) -> String {
    #[cfg(unix)]
    if let Some(signal) = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status)) {
        return format!("was killed by signal {signal}");
    }
    match status.and_then(|status| status.code()) {
        Some(code) => format!("ended with status {code}"),
        None => "ended".to_owned(),
    }
}
