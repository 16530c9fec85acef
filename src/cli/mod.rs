//! The command line: a file for each command, and shared code.

pub(crate) mod args;
mod bar;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod crawl;
mod distinct;
pub(crate) mod exit;
pub(crate) mod guide;
pub(crate) mod help;
pub(crate) mod info;
mod keep;
pub(crate) mod lists;
mod losses;
pub(crate) mod manual;
mod memory;
pub(crate) mod merge;
mod picture;
mod place;
mod plan;
pub(crate) mod primes;
pub(crate) mod probe;
pub(crate) mod render;
mod room;
pub(crate) mod signals;
mod stats;
pub(crate) mod status;
pub(crate) mod thumbnails;
mod typed;
#[cfg(feature = "window")]
pub(crate) mod view;
#[cfg(feature = "net")]
mod waiting;
mod wisdom;
mod work;
mod written;

use fractal::internal::{STDOUT, check_stdout, is_hidden, printable};
use fractal::{Error, Result};
use serde::Serialize;
use std::io::Write;

/// Writes lines of text to standard output. Control characters in quoted text are escaped, so that nothing acts on a terminal.
fn print(text: impl AsRef<str>) -> Result<()> {
    let lines: Vec<_> = text.as_ref().split('\n').map(printable).collect();
    write(&lines.join("\n"))
}

/// Writes a value to standard output, as a line of JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    write(&(json(value) + "\n"))
}

fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let outcome = check_stdout().and_then(|()| stdout.write_all(text.as_bytes())).and_then(|()| stdout.flush());
    outcome.map_err(|source| Error::io("write", STDOUT, source))
}

/// Writes a line to standard error. If even that fails, there is nowhere left to report it.
fn note(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(line.as_ref()));
}

/// Writes a value to standard error, as a line of JSON.
fn note_json(value: &impl Serialize) {
    let _ = writeln!(std::io::stderr().lock(), "{}", json(value));
}

/// A value as one line of JSON. Characters that act on a terminal occur only in strings, where JSON can escape them.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("numbers and text are always JSON");
    let shown = |c| if is_hidden(c) { format!("\\u{:04x}", u32::from(c)) } else { String::from(c) };
    if text.contains(is_hidden) { text.chars().map(shown).collect() } else { text }
}
