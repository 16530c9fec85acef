//! Works that are no pictures of fractals: other shapes of work for the same backends, schedules and instruments.
//!
//! A render has uneven pieces and large results of known length. [`Primes`] has even pieces and tiny results; `thumbnails` read files, and
//! their results have any length.

mod primes;
#[cfg(feature = "thumbnails")]
pub mod thumbnails;

pub use primes::{MAX_LIMIT, PrimeCount, Primes};

use crate::backend::WorkKind;

/// What a program without them says.
pub const NO_THUMBNAILS: &str =
    "this program was built without thumbnails: build it with `cargo install --path . --features thumbnails`";

/// The kinds of these works, which every worker program knows.
pub(crate) fn kinds() -> impl Iterator<Item = WorkKind> {
    let kinds = [WorkKind::new(primes::KIND, Primes::from_recipe)].into_iter();
    #[cfg(feature = "thumbnails")]
    let kinds = kinds.chain([WorkKind::new(thumbnails::KIND, thumbnails::Thumbnails::from_recipe)]);
    kinds
}
