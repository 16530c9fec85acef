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
    /// A file, a scene or other external data is invalid.
    Input(String),
    /// The request is valid but cannot be met here, on this machine, or yet.
    Unsupported(String),
    /// Reading or writing failed.
    Io {
        /// What was being done, as a verb: "read", "write", "create".
        action: &'static str,
        /// The path it was done to.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The computation of a piece panicked; the run was ended.
    Panicked {
        /// The piece as its work describes it, for example `tile 12 (x 0..64, y 64..128) of scene "seahorse"`.
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

/// Quoted text may contain anything; the output is always one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&match self {
            Error::Usage(text) | Error::Input(text) | Error::Unsupported(text) => text.into(),
            Error::Io { action, path, source } => format!("cannot {action} `{}`: {source}", path.display()),
            Error::Panicked { piece, worker, message } => {
                format!("worker {worker} panicked while computing {piece}: {message}")
            }
            Error::Stopped => "stopped before the work was complete".into(),
        }))
    }
}

/// Whether a character acts on a terminal, or on the text around it, instead of being displayed: control characters, line separators,
/// and marks that change the writing direction.
pub fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// Makes external text safe to show on a terminal: one line in which every character is visible. All text that is not our own goes
/// through here, since files and file names may contain anything, and a terminal obeys.
pub fn printable(text: &str) -> String {
    let shown = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A number as a sentence quotes it, as short as it can be read back: `256`, `0.25`, `1e300`.
pub(crate) fn brief(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The beginning of a text, for quoting it in a sentence.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut short: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    printable(&short)
}

/// What an unknown name was probably meant to be, to follow it in a sentence; nothing if no name is near.
pub(crate) fn perhaps<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.85;
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&name, &other.to_lowercase());
    let near = names.into_iter().map(|other| (likeness(other), other)).filter(|(likeness, _)| *likeness >= NEAR);
    let nearest = near.max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map_or(String::new(), |(_, other)| format!(" (perhaps you mean `{other}`)"))
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_right_are_recognised() {
        let names = ["seahorses", "elephants", "starfish"];
        for (typed, meant) in [("seahorse", "seahorses"), ("Elefants", "elephants"), ("starfsh", "starfish")] {
            assert_eq!(perhaps(typed, names), format!(" (perhaps you mean `{meant}`)"));
        }
        assert_eq!((perhaps("x", names), perhaps("", names), perhaps("picture", names)), Default::default());
    }

    #[test]
    fn what_is_quoted_cannot_act() {
        let foreign = "a\u{1b}[2J\u{9b}1m\u{202e}b\r\nc\u{7}\u{7f}\u{2028}é∞";
        assert_eq!(printable(foreign), "a\u{fffd}[2J\u{fffd}1m\u{fffd}b  c\u{fffd}\u{fffd}\u{fffd}é∞");
        for error in [
            Error::Input(foreign.into()),
            Error::io("read", foreign, io::ErrorKind::NotFound.into()),
            Error::Panicked { piece: foreign.into(), worker: 0, message: foreign.into() },
        ] {
            assert!(!error.to_string().chars().any(is_hidden), "{error}");
        }
        assert_eq!(shorten(&"\u{1b}".repeat(41)), "\u{fffd}".repeat(40) + "…");
    }
}
