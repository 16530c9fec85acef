//! Ctrl-C and its like: the first asks the run to stop, the second ends the program at once. What whoever started the program has it
//! ignore, as `nohup` does, stays ignored.
//!
//! Who waits for others cannot look whether it is to stop: for somebody to read from a pipe, for a disk that does not answer. So the first
//! ends the program as the second does when it has not ended by itself in time.
//!
//! Two signals tell of limits that are reached, and would end the program without a word. That of processor time (`ulimit -t`) asks the
//! run to stop as well, however often it comes: what is not over when the hard limit comes is killed. That of the length of files
//! (`ulimit -f`) is left to whoever writes, whose error says it.

use fractal::parallel::Stop;
use fractal::sink::Output;
use fractal::sink::output::Leftover;
use fractal::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a program that was asked to stop may take to end. Workers in other processes have a third of it.
const GRACE: Duration = Duration::from_secs(3);

/// How long it may take to open an output: a pipe that nobody reads from is waited for, and nothing else takes long.
const OPENING: Duration = Duration::from_millis(200);

/// Whether the limit of processor time was reached.
static OUT_OF_TIME: AtomicBool = AtomicBool::new(false);

/// What signals act on.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Set by the first.
    pub(super) stop: Stop,
    /// Removed by the second: files that are not complete.
    temporaries: Arc<Mutex<Vec<Leftover>>>,
    /// How many outputs are being opened.
    opening: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to receive SIGINT, SIGTERM, SIGHUP and SIGXCPU, but those that are ignored already.
    pub(super) fn receive() -> Result<Self> {
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let wanted = [SIGINT, SIGTERM, SIGHUP, SIGXCPU].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let failed = |error| Error::Unsupported(format!("signals cannot be received: {error}"));
        let mut source = iterator::Signals::new(wanted).map_err(failed)?;
        let signals = Self::default();
        let received = signals.clone();
        let wait = move || source.forever().for_each(|signal| received.act(signal));
        std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
        Ok(signals)
    }

    /// Opens an output that leaves nothing behind, however the program ends.
    pub(super) fn create(&self, path: impl AsRef<Path>) -> Result<Output> {
        self.opening.fetch_add(1, Ordering::Relaxed);
        let output = Output::create(path).map(|output| self.guard(output));
        self.opening.fetch_sub(1, Ordering::Relaxed);
        output
    }

    /// The same output, which leaves nothing behind from now on.
    pub(super) fn guard(&self, output: Output) -> Output {
        let mut temporaries = self.temporaries.lock().unwrap_or_else(PoisonError::into_inner);
        temporaries.retain(Leftover::is_open);
        temporaries.extend(output.leftover());
        output
    }

    fn act(&self, signal: i32) {
        if signal == SIGXCPU {
            // Whoever was asked to stop before has nothing to do with it.
            OUT_OF_TIME.fetch_or(!self.stop.is_set(), Ordering::Relaxed);
            return self.stop.set();
        }
        if !self.stop.is_set() {
            self.stop.set();
            let signals = self.clone();
            // Without the thread the second is needed where the first would have done.
            let _ = std::thread::Builder::new().name("stopping".into()).spawn(move || signals.end_in_time());
            return;
        }
        self.end();
    }

    /// Ends the program if it does not do so by itself in time.
    fn end_in_time(&self) {
        std::thread::sleep(OPENING);
        if self.opening.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(GRACE - OPENING);
        }
        self.end();
    }

    /// Ends the program at once.
    fn end(&self) {
        self.temporaries.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Leftover::remove);
        std::process::exit(Error::Stopped.exit_code().into());
    }
}

/// Lets files that reach the limit of their length be errors of whoever writes them.
pub(crate) fn heed_lengths() {
    // The handler does nothing that matters: what counts is that there is one. Without it the program ends as others do.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// What an outcome is called that a limit has led to.
pub(super) fn explained(error: Error) -> Error {
    if matches!(error, Error::Stopped) && OUT_OF_TIME.load(Ordering::Relaxed) {
        return Error::Unsupported(
            "stopped before the work was complete, since the limit of processor time is reached: raise it (`ulimit -t`)".into(),
        );
    }
    error
}

/// A bit for each signal that the process ignores, the lowest for signal 1, as Linux tells it in `/proc/self/status`. Elsewhere nothing is
/// known, and then nothing counts as ignored.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read() {
        // `nohup`, with the SIGPIPE of every Rust program.
        let mask = ignored(
            "Name:\tfractal\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000440\n",
        );
        assert_eq!(mask, 1 << (SIGHUP - 1) | 1 << 12);
        assert_eq!((ignored(""), ignored("SigIgn:\tnone\n")), (0, 0));
    }
}
