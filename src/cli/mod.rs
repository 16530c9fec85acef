//! The command line: a file for each command, and what they share.

pub(crate) mod args;
mod bar;
pub(crate) mod bench;
mod distinct;
pub(crate) mod exit;
pub(crate) mod info;
mod keep;
pub(crate) mod lists;
mod memory;
pub(crate) mod merge;
mod picture;
mod plan;
pub(crate) mod probe;
pub(crate) mod render;
pub(crate) mod shell;
mod signals;
mod stats;
#[cfg(feature = "window")]
pub(crate) mod view;
mod wisdom;
mod written;

use fractal::sink::output::STDOUT;
use fractal::{Error, Result};
use std::io::Write;

/// Writes to standard output.
fn print(text: impl AsRef<[u8]>) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let outcome = stdout.write_all(text.as_ref()).and_then(|()| stdout.flush());
    outcome.map_err(|source| Error::io("write", STDOUT, source))
}

/// Writes a line to standard error. When even that fails there is nobody left to tell.
fn tell(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}
