//! Ctrl-C and the like: the first signal asks the run to stop, the second ends the program at once. Signals that were ignored when the
//! program started, as with `nohup`, stay ignored.
//!
//! A thread that is blocked, by a pipe without a reader or a disk that does not answer, cannot see that it should stop. So if the
//! program has not ended by itself in time, the first signal ends it as a second would.
//!
//! Two signals report that a limit is reached, and would end the program silently. The one for processor time (`ulimit -t`) also asks the
//! run to stop, however often it comes: at the hard limit the system kills the program. The one for the length of files (`ulimit -f`) is
//! ignored, so that the write fails with an error that says so.

use fractal::internal::{Leftover, system};
use fractal::parallel::Stop;
use fractal::sink::Output;
use fractal::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a program that was asked to stop may take to end. Workers in other processes get a third of it.
const GRACE: Duration = Duration::from_secs(3);

/// How long opening an output may take: only a pipe without a reader takes longer.
const OPENING: Duration = Duration::from_millis(200);

/// Whether the limit on processor time was reached.
static OUT_OF_TIME: AtomicBool = AtomicBool::new(false);

/// The state that signals act on.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Set by the first signal.
    pub(super) stop: Stop,
    /// Incomplete files, removed by the second signal.
    temporaries: Arc<Mutex<Vec<Leftover>>>,
    /// How many outputs are being opened.
    opening: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to receive SIGINT, SIGTERM, SIGHUP and SIGXCPU, except those that are already ignored.
    pub(super) fn receive() -> Result<Self> {
        let ignored = ignored(&system::status(std::process::id()));
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

    /// The same output, guarded from now on, so that it leaves nothing behind.
    pub(super) fn guard(&self, output: Output) -> Output {
        let mut temporaries = self.temporaries.lock().unwrap_or_else(PoisonError::into_inner);
        temporaries.retain(Leftover::is_open);
        temporaries.extend(output.leftover());
        output
    }

    fn act(&self, signal: i32) {
        if signal == SIGXCPU {
            // If the run was already stopping, the limit is not the cause.
            OUT_OF_TIME.fetch_or(!self.stop.is_set(), Ordering::Relaxed);
            return self.stop.set();
        }
        if !self.stop.is_set() {
            self.stop.set();
            let signals = self.clone();
            // If the thread cannot start, a second signal is needed.
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

/// Turns reaching the limit on file length into an error of the write.
pub(crate) fn heed_lengths() {
    // The handler does nothing; that there is one makes the write fail. If it cannot be installed, the signal ends the program as usual.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// The error to report if a limit caused this one.
pub(super) fn explained(error: Error) -> Error {
    if matches!(error, Error::Stopped) && OUT_OF_TIME.load(Ordering::Relaxed) {
        return Error::Unsupported(
            "stopped before the work was complete, since the limit on processor time was reached: raise it (`ulimit -t`)".into(),
        );
    }
    error
}

/// A bit for each signal that the process ignores, the lowest for signal 1, as Linux reports it in `/proc/self/status`. Elsewhere it is
/// unknown, and no signal counts as ignored.
fn ignored(status: &str) -> u64 {
    let mask = system::value(status, "SigIgn");
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
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
