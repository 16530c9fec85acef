//! Ctrl-C and its like: the first asks the run to stop, the second ends the program at once.

use fractal::parallel::Stop;
use fractal::sink::Output;
use fractal::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What signals act on.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Set by the first.
    pub(super) stop: Stop,
    /// Removed by the second: files that are not complete.
    temporaries: Arc<Mutex<Vec<PathBuf>>>,
}

impl Signals {
    /// Begins to receive SIGINT, SIGTERM and SIGHUP.
    pub(super) fn receive() -> Result<Self> {
        let signals = Self::default();
        let received = signals.clone();
        ctrlc::set_handler(move || received.act())
            .map_err(|error| Error::Unsupported(format!("signals cannot be received: {error}")))?;
        Ok(signals)
    }

    /// Opens an output that leaves nothing behind, however the program ends.
    pub(super) fn create(&self, path: impl AsRef<Path>) -> Result<Output> {
        let output = Output::create(path)?;
        let temporary = output.temporary().map(Path::to_path_buf);
        self.temporaries.lock().unwrap_or_else(PoisonError::into_inner).extend(temporary);
        Ok(output)
    }

    fn act(&self) {
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
