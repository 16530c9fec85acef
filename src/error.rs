//! The one error type: a sentence for people, and enough structure for programs.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Display` is one sentence that names the thing, what was wrong with it and what is allowed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the caller asked for is not allowed: an argument, a name, a size. Nothing was started.
    Usage(String),
    /// A file, a scene or data from outside is not what it should be.
    Input(String),
    /// The request is sound but cannot be met: here, on this machine, or yet.
    Unsupported(String),
    /// Reading or writing failed.
    Io {
        /// What was being done, as a verb: "read", "write", "create".
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The computation of a piece panicked; the run was ended.
    Panicked {
        /// The piece in the words of its work, for example `tile 12 (x 0..64, y 64..128) of scene "seahorse"`.
        piece: String,
        /// The worker that computed it.
        worker: usize,
        /// The panic's message.
        message: String,
    },
    /// The run was stopped on request before it was complete.
    Stopped,
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    /// The exit status of a program that ends with this error: 2 for usage, 130 for an interrupt, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Stopped => 130,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Input(text) | Error::Unsupported(text) => f.write_str(text),
            Error::Io { action, path, source } => write!(f, "cannot {action} `{}`: {source}", path.display()),
            Error::Panicked { piece, worker, message } => {
                write!(f, "worker {worker} panicked while computing {piece}: {message}")
            }
            Error::Stopped => f.write_str("stopped before the work was complete"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
