//! The kinds of work that `fractal bench` measures: pictures of scenes, and works of other shapes.

use super::subject::Subject;
use crate::error::{Error, Result};
use crate::works::Primes;
use std::fmt;
use std::sync::Arc;

/// Makes a subject that is about as much work as a picture of so many pixels.
pub type SubjectOf = fn(u64) -> Result<Subject>;

/// A kind of work as it is listed.
#[derive(Clone, Copy)]
pub struct WorkEntry {
    /// Its name.
    pub name: &'static str,
    /// What its shape is, in a line.
    pub help: &'static str,
    /// Makes a subject of it; `None` for pictures, of which there are many.
    pub subject: Option<SubjectOf>,
}

/// All kinds of work.
pub const WORKS: &[WorkEntry] = &[
    WorkEntry { name: "scene", help: "pictures of scenes: uneven pieces, large results", subject: None },
    WorkEntry {
        name: "primes",
        help: "the primes up to a number, a thousand numbers for each pixel of --size: even pieces, tiny results",
        subject: Some(primes),
    },
];

/// The kind called `name`.
///
/// # Errors
/// [`Error::Usage`] when there is none of this name.
pub fn find(name: &str) -> Result<&'static WorkEntry> {
    WORKS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<_> = WORKS.iter().map(|entry| entry.name).collect();
        Error::Usage(format!("there is no kind of work called `{name}`; allowed are {}", names.join(", ")))
    })
}

/// About as much work as a costly pixel is a thousand numbers.
fn primes(pixels: u64) -> Result<Subject> {
    const SMALL: u64 = 10_000_000;
    let limit = pixels.saturating_mul(1000);
    Ok(Subject {
        name: "primes".into(),
        help: format!("the primes up to {limit}: even pieces, tiny results"),
        work: Arc::new(Primes::up_to(limit)?),
        small: Arc::new(Primes::up_to(SMALL)?),
        tiles: Vec::new(),
        pixels: 0,
        amount: limit,
        scale: limit as f64 / SMALL as f64,
        growth: 1.0,
    })
}

impl fmt::Debug for WorkEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkEntry").field("name", &self.name).finish_non_exhaustive()
    }
}
