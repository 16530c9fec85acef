//! Ctrl-C and its like: the first asks the run to stop, the second ends the program at once. What whoever started the program has it
//! ignore, as `nohup` does, stays ignored.
//!
//! Two signals tell of limits that are reached, and would end the program without a word. That of processor time (`ulimit -t`) asks the
//! run to stop as well, however often it comes: what is not over when the hard limit comes is killed. That of the length of files
//! (`ulimit -f`) is left to whoever writes, whose error says it.

use fractal::parallel::Stop;
use fractal::sink::Output;
use fractal::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the limit of processor time was reached.
static OUT_OF_TIME: AtomicBool = AtomicBool::new(false);

/// What signals act on.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Set by the first.
    pub(super) stop: Stop,
    /// Removed by the second: files that are not complete.
    temporaries: Arc<Mutex<BTreeSet<PathBuf>>>,
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
        Ok(self.guard(Output::create(path)?))
    }

    /// The same output, which leaves nothing behind from now on.
    pub(super) fn guard(&self, output: Output) -> Output {
        let temporary = output.temporary().map(Path::to_path_buf);
        self.temporaries.lock().unwrap_or_else(PoisonError::into_inner).extend(temporary);
        output
    }

    fn act(&self, signal: i32) {
        if signal == SIGXCPU {
            // Whoever was asked to stop before has nothing to do with it.
            OUT_OF_TIME.fetch_or(!self.stop.is_set(), Ordering::Relaxed);
            return self.stop.set();
        }
        if !self.stop.is_set() {
            return self.stop.set();
        }
        for path in self.temporaries.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Most were completed long ago, and so are not there any more.
            let _ = std::fs::remove_file(path);
        }
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
