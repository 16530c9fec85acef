//! What `commands` needs of processes: watching over them, and how they end.

use super::notice;
use fractal::{Error, Result, Stop};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Set where everything is to end: all watches kill what they watch.
static STOP: OnceLock<Stop> = OnceLock::new();
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How a command ended.
pub(crate) enum End {
    Status(std::process::ExitStatus),
    Timeout,
    Stopped,
    NotRun,
    NotStarted(std::io::Error),
}

impl End {
    /// Whether the command itself failed, as opposed to having been stopped for the sake of another.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            End::Status(status) => !status.success(),
            End::Timeout | End::NotStarted(_) => true,
            End::Stopped | End::NotRun => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Status(status) if status.success() => f.write_str("ok"),
            End::Status(status) => match status.signal() {
                Some(signal) => write!(f, "signal {signal}"),
                None => write!(f, "status {}", status.code().unwrap_or(-1)),
            },
            End::Timeout => f.write_str("timeout"),
            End::Stopped => f.write_str("stopped"),
            End::NotRun => f.write_str("not run"),
            End::NotStarted(error) => write!(f, "not started: {error}"),
        }
    }
}

/// Looks at a group of processes until they have ended, and kills the group when it takes too long or everything is to end.
pub(crate) struct Watch(Sender<()>, JoinHandle<Option<End>>);

impl Watch {
    pub(crate) fn start(group: i32, timeout: Option<Duration>) -> Self {
        let (ended, has_ended) = channel::<()>();
        let began = Instant::now();
        let watch = move || {
            loop {
                match has_ended.recv_timeout(Duration::from_millis(10)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return None,
                }
                let late = timeout.is_some_and(|timeout| began.elapsed() >= timeout);
                let stopped = STOP.get().is_some_and(Stop::is_set);
                if late || stopped {
                    if let Some(group) = Pid::from_raw(group) {
                        // No process of the group has been waited for, so the number is still its own.
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    return Some(if late { End::Timeout } else { End::Stopped });
                }
            }
        };
        Self(ended, thread::spawn(watch))
    }

    /// Waits for the processes; the last one's status counts, as in a shell.
    pub(crate) fn end(self, children: Vec<Child>) -> std::io::Result<End> {
        for child in &children {
            // They stay known to the system until the watch is over.
            waitid(WaitId::Pid(Pid::from_child(child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        drop(self.0);
        let killed = self.1.join().expect("a watch does not panic");
        let mut last = None;
        for mut child in children {
            last = Some(child.wait()?);
        }
        Ok(killed.unwrap_or(End::Status(last.expect("there is a command"))))
    }
}

/// Sets what it returns at Ctrl-C and SIGTERM, upon which all commands are killed.
pub(crate) fn kill_on_interrupt() -> Stop {
    let stop = STOP.get_or_init(Stop::new).clone();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("these signals can be handled");
    let set = stop.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            INTERRUPTED.store(true, SeqCst);
            set.set();
        }
    });
    stop
}

/// Whether [`kill_on_interrupt`] has heard a signal.
pub(crate) fn was_interrupted() -> bool {
    INTERRUPTED.load(SeqCst)
}

/// The demonstration.
const DEMONSTRATION: [&str; 4] =
    ["sleep .2; echo slow, and yet printed first", "echo quick", "echo to both; echo streams >&2; exit 3", "true"];

/// The commands that are asked for.
pub(crate) fn commands(asked: &[String]) -> Result<Vec<String>> {
    match asked {
        [] => Ok(DEMONSTRATION.map(str::to_owned).to_vec()),
        [one] if one == "-" => {
            let lines = std::io::stdin().lines().collect::<std::io::Result<Vec<_>>>();
            let lines = lines.map_err(|error| Error::io("read", "standard input", error))?;
            Ok(lines.into_iter().filter(|line| !line.trim().is_empty()).collect())
        }
        all => Ok(all.to_vec()),
    }
}

/// What to notice, after the demonstration; real commands have the screen to themselves.
pub(crate) fn end(asked: &[String]) {
    if asked.is_empty() {
        notice(
            "outputs are whole and in order, however the commands overlap. The exit status is the number of failures, \
            here 1. Your own: `lessons commands -j 4 'cargo test --lib' 'cargo test --doc'`.",
        );
    }
}
