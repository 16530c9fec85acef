//! Works that are no pictures of fractals: other shapes of work for the same backends, schedules and instruments.
//!
//! A render has uneven pieces and large results of known length. [`Primes`] has even pieces and tiny results.

mod primes;

pub use primes::{MAX_LIMIT, PrimeCount, Primes};

use crate::backend::WorkKind;

/// The kinds of these works, which every worker program knows.
pub(crate) fn kinds() -> impl Iterator<Item = WorkKind> {
    [WorkKind::new(primes::KIND, Primes::from_recipe)].into_iter()
}
