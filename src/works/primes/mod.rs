//! How many primes there are up to a number, by the sieve of Eratosthenes over segments.
//!
//! A piece is a segment; its result is a count of eight bytes. What all segments share is prepared: the base primes, up to the square
//! root, and the patterns of the smallest ones.

mod base;
mod big;
mod block;
mod sizes;
mod wheel;

use crate::error::{Error, Result};
use crate::parallel::{Claim, FinishedClaim, Prepared, Preparing, Recipe, Sink, Stop, Work};
use block::Sieve;
use serde::{Deserialize, Serialize};
use sizes::BLOCK;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wheel::{CHUNK, TURN};

/// The kind of these works, for other processes.
pub(super) const KIND: &str = "count primes";

/// The greatest number that primes are counted up to. That takes a core more than a day; what is prepared, and what each worker holds,
/// stays below 40 MB.
pub const MAX_LIMIT: u64 = 1_000_000_000_000_000;

/// The fewest bytes of a segment: fewer would be over sooner than a claim is handed out.
const LEAST: usize = 32 * CHUNK;

/// Segments that a short work is cut into, so that there is something to share.
const SEGMENTS: usize = 64;

/// Bytes of a segment for each base prime. At its start, a claim places every base prime, which takes about as long as sieving one and a
/// half bytes: 4 % of a claim of one segment, which only the last claims are. With 128 the last segment of two workers took 1 % of a
/// second, while the other waited.
const BYTES_FOR_EACH_PRIME: usize = 32;

/// The primes up to a limit, counted in segments.
#[derive(Clone, Debug)]
pub struct Primes {
    limit: u64,
    /// Bytes of a segment; each stands for 30 numbers.
    segment: usize,
}

/// What a recipe says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingredients {
    limit: u64,
}

impl Primes {
    /// The primes up to `limit`, itself included.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is greater than [`MAX_LIMIT`].
    pub fn up_to(limit: u64) -> Result<Self> {
        if limit > MAX_LIMIT {
            return Err(Error::Usage(format!(
                "primes up to {limit} would take days; allowed are limits up to {MAX_LIMIT} (1e15)"
            )));
        }
        let primes = base::about(base::root(limit)) * BYTES_FOR_EACH_PRIME;
        let bytes = (limit / TURN + 1) as usize;
        let segment = if bytes < SEGMENTS * BLOCK {
            bytes.div_ceil(SEGMENTS).next_multiple_of(CHUNK).clamp(LEAST, BLOCK)
        } else {
            primes.next_multiple_of(BLOCK)
        };
        Ok(Self { limit, segment })
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many bytes the whole sieve has.
    fn bytes(&self) -> u64 {
        self.limit / TURN + 1
    }

    /// The bytes of the sieve that a segment has.
    fn place(&self, index: usize) -> Range<u64> {
        self.places(index..index + 1)
    }

    /// The bytes of the sieve that these segments have.
    fn places(&self, segments: Range<usize>) -> Range<u64> {
        (segments.start * self.segment) as u64..self.bytes().min((segments.end * self.segment) as u64)
    }

    /// How many numbers a segment has.
    fn numbers(&self, index: usize) -> u64 {
        let place = self.place(index);
        (place.end * TURN).min(self.limit + 1) - place.start * TURN
    }

    /// Makes the work of a [`Recipe`] of kind [`KIND`] again.
    pub(super) fn from_recipe(bytes: &[u8]) -> Result<Arc<dyn Work>> {
        let ingredients: Ingredients = serde_json::from_slice(bytes)
            .map_err(|error| Error::Input(format!("the bytes are not the recipe of a work `{KIND}`: {error}")))?;
        Ok(Arc::new(Self::up_to(ingredients.limit)?))
    }
}

thread_local! {
    /// A thread's sieve, kept for its next claim: half a megabyte that would have to be cleared each time.
    static SIEVE: RefCell<Option<Box<Sieve>>> = const { RefCell::new(None) };
}

impl Work for Primes {
    fn len(&self) -> usize {
        self.bytes().div_ceil(self.segment as u64) as usize
    }

    fn piece_len(&self, _: usize) -> usize {
        size_of::<u64>()
    }

    fn most_operations(&self) -> Option<u64> {
        Some(self.segment as u64 * TURN)
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        base::prepare(self.limit, preparing)
    }

    fn prepared_len(&self) -> u64 {
        (4 * base::about(base::root(self.limit)) + wheel::PATTERNS_LEN) as u64
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let mut sieve = SIEVE.take().unwrap_or_default();
        let base = base::Base::of(prepared)?;
        sieve.begin(&base, &self.places(claim.range()));
        for (at, index) in claim.range().enumerate() {
            let mut count = sieve.count(&base, self.place(index), self.limit, stop)?;
            if index == 0 {
                // Base primes strike themselves out as well, and are counted here.
                count += base.up_to(self.limit);
            }
            claim.bytes()[8 * at..][..8].copy_from_slice(&count.to_le_bytes());
            claim.set_cost(index, self.numbers(index));
            claim.add_executed(self.numbers(index));
        }
        SIEVE.set(Some(sieve));
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        let bytes = serde_json::to_vec(&Ingredients { limit: self.limit }).ok()?;
        Some(Recipe { kind: KIND.into(), bytes })
    }

    fn unit(&self) -> &'static str {
        "numbers"
    }

    fn piece(&self) -> &'static str {
        "segment"
    }

    fn describe(&self, index: usize) -> String {
        let Range { start, end } = self.place(index);
        format!("segment {index}, the numbers from {} to {}", start * TURN, self.limit.min(end * TURN - 1))
    }
}

/// A sink that adds up the counts of [`Primes`].
#[derive(Debug, Default)]
pub struct PrimeCount(AtomicU64);

impl PrimeCount {
    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Sink for PrimeCount {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let mut sum = 0_u64;
        for piece in done.pieces() {
            let count = piece.bytes.try_into().map(u64::from_le_bytes);
            // A worker in another process may say anything.
            sum = sum.wrapping_add(count.map_err(|_| Error::Input("a count of primes has 8 bytes".into()))?);
        }
        self.0.fetch_add(sum, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
