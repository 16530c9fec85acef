//! The kinds of work that `fractal bench` measures: pictures of scenes, and works of other shapes.

use super::subject::Subject;
use crate::error::{Error, Result};
use crate::works::Primes;
use std::fmt;
use std::sync::Arc;

/// Makes subjects that are each about as much work as a picture of so many pixels.
pub type SubjectsOf = fn(u64) -> Result<Vec<Subject>>;

/// A kind of work as it is listed.
#[derive(Clone, Copy)]
pub struct WorkEntry {
    /// Its name.
    pub name: &'static str,
    /// What its shape is, in a line.
    pub help: &'static str,
    /// Makes subjects of it; `None` for pictures, of which there are many.
    pub subjects: Option<SubjectsOf>,
}

/// All kinds of work.
pub const WORKS: &[WorkEntry] = &[
    WorkEntry { name: "scene", help: "pictures of scenes: uneven pieces, large results", subjects: None },
    WorkEntry {
        name: "primes",
        help: "the primes up to a number, a thousand numbers for each pixel of --size: even pieces, tiny results",
        subjects: Some(primes),
    },
    WorkEntry {
        name: "thumbnails",
        help: "thumbnails of photographs, which it makes itself, and the same decoded at full size: files as input, results of any length",
        subjects: Some(thumbnails),
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
fn primes(pixels: u64) -> Result<Vec<Subject>> {
    const SMALL: u64 = 10_000_000;
    let limit = pixels.saturating_mul(1000);
    Ok(vec![Subject {
        name: "primes".into(),
        help: format!("the primes up to {limit}: even pieces, tiny results"),
        work: Arc::new(Primes::up_to(limit)?),
        small: Arc::new(Primes::up_to(SMALL)?),
        tiles: Vec::new(),
        pixels: 0,
        amount: limit,
        scale: limit as f64 / SMALL as f64,
        growth: 1.0,
    }])
}

/// As many photographs as there are pixels of this many.
#[cfg(feature = "thumbnails")]
const PIXELS_FOR_EACH: u64 = 1280 * 720 / 24;

/// Thumbnails of photographs, decoded as they usually are, and at full size.
#[cfg(feature = "thumbnails")]
fn thumbnails(pixels: u64) -> Result<Vec<Subject>> {
    use super::photos::Photos;
    use crate::works::thumbnails::{Options, Thumbnails};
    let count = (pixels / PIXELS_FOR_EACH).clamp(4, 10_000);
    let photos = Arc::new(Photos::make(count as usize)?);
    let subject = |name: &str, help: &str, full| {
        let work = |count: usize| {
            let options = Options { size: 64, encoding: None, full };
            let work = Thumbnails::new(photos.folder(), photos.names[..count].to_vec(), options)?;
            Ok::<_, Error>(Arc::new(work.keeping(photos.clone())))
        };
        Ok::<_, Error>(Subject {
            name: name.into(),
            help: format!("{count} photographs of 12 megapixels, {help}"),
            work: work(count as usize)?,
            small: work(1)?,
            tiles: Vec::new(),
            pixels: 0,
            amount: count,
            scale: count as f64,
            growth: 1.0,
        })
    };
    Ok(vec![
        subject("thumbnails", "decoded at an eighth of their size", false)?,
        subject("thumbnails-full", "decoded at full size", true)?,
    ])
}

#[cfg(not(feature = "thumbnails"))]
fn thumbnails(_: u64) -> Result<Vec<Subject>> {
    Err(Error::Unsupported(crate::works::NO_THUMBNAILS.into()))
}

impl fmt::Debug for WorkEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkEntry").field("name", &self.name).finish_non_exhaustive()
    }
}
