//! The base primes: those up to the square root of the limit, by which all multiples are struck out. Prepared once, as bytes.

use super::sizes::{BLOCK, FAR, NEAR};
use super::wheel::{LAST_OF_PATTERNS, PATTERNS_LEN, RESIDUES, bit, write_patterns};
use crate::error::{Error, Result};
use crate::parallel::{Buffer, Prepared, Preparing};

/// The names of the prepared parts.
const PATTERNS: &str = "patterns of the primes up to 163";
const PRIMES: &str = "base primes";
const ENDS: &str = "where the base primes of each kind end";

/// Kinds of base primes that are struck out in different ways: near ones and medium ones, by what they leave when divided by 30, and far
/// ones.
const KINDS: usize = 2 * RESIDUES.len() + 1;

/// The integer square root.
pub(super) fn root(number: u64) -> u64 {
    number.isqrt()
}

/// At least as many primes as there are up to `number`, and not many more (Rosser and Schoenfeld, 1962).
pub(super) fn about(number: u64) -> usize {
    let number = number.max(LAST_OF_PATTERNS) as f64;
    (1.25506 * number / number.ln()).ceil() as usize
}

/// Computes what all segments share.
pub(super) fn prepare(limit: u64, preparing: &Preparing<'_>) -> Result<Prepared> {
    let mut patterns = Buffer::new(PATTERNS_LEN);
    write_patterns(patterns.bytes());
    let all = odd_primes(root(limit).max(LAST_OF_PATTERNS), preparing)?;
    let mut kinds: [Vec<u32>; KINDS] = Default::default();
    // 2, 3 and 5 are left to the wheel, and the first of the others to the patterns.
    for &prime in all.iter().filter(|prime| u64::from(**prime) > LAST_OF_PATTERNS) {
        let kind = match prime as usize {
            far if far > FAR => KINDS - 1,
            near if near <= NEAR => bit(near as u64),
            medium => RESIDUES.len() + bit(medium as u64),
        };
        kinds[kind].push(prime);
    }
    let small = all.iter().copied().filter(|prime| u64::from(*prime) <= LAST_OF_PATTERNS);
    let small: Vec<u32> = std::iter::once(2).chain(small).collect();
    let mut end = small.len() as u32;
    let mut ends = vec![end];
    ends.extend(kinds.iter().map(|kind| {
        end += kind.len() as u32;
        end
    }));
    let primes = [&small].into_iter().chain(&kinds).flatten().copied().collect::<Vec<u32>>();
    let buffer = |words: &[u32]| Buffer::from(bytemuck::cast_slice::<u32, u8>(words));
    Ok(Prepared::default().with(PATTERNS, patterns).with(PRIMES, buffer(&primes)).with(ENDS, buffer(&ends)))
}

/// The odd primes up to `last`, by a sieve without a wheel.
fn odd_primes(last: u64, preparing: &Preparing<'_>) -> Result<Vec<u32>> {
    let mut composite = vec![false; last as usize / 2 + 1];
    let mut primes = Vec::with_capacity(about(last));
    for number in (3..=last).step_by(2) {
        if number % (1 << 20) == 3 {
            preparing.progress(number as f64 / last as f64);
            if preparing.stop().is_set() {
                return Err(Error::Stopped);
            }
        }
        if !composite[number as usize / 2] {
            primes.push(number as u32);
            let multiples = number.saturating_mul(number) / 2..=last.saturating_sub(1) / 2;
            multiples.step_by(number as usize).for_each(|half| composite[half as usize] = true);
        }
    }
    Ok(primes)
}

/// What was prepared, as it is used.
pub(super) struct Base<'a> {
    /// All patterns, one after the other.
    pub(super) patterns: &'a [u8],
    primes: &'a [u32],
    ends: &'a [u32],
}

impl<'a> Base<'a> {
    /// What [`prepare`] returned.
    ///
    /// # Errors
    /// [`Error::Input`] when it is something else.
    pub(super) fn of(prepared: &'a Prepared) -> Result<Self> {
        let words = |name| prepared.get(name).and_then(|bytes| bytemuck::try_cast_slice::<u8, u32>(bytes).ok());
        let parts = || {
            let (patterns, primes, ends) = (prepared.get(PATTERNS)?, words(PRIMES)?, words(ENDS)?);
            let fits = patterns.len() == PATTERNS_LEN && ends.len() == KINDS + 1 && ends.is_sorted();
            (fits && ends.last().is_some_and(|end| *end as usize == primes.len())).then_some(Self {
                patterns,
                primes,
                ends,
            })
        };
        parts().ok_or_else(|| Error::Input("what was prepared for the primes is not theirs".into()))
    }

    /// Near primes, up to [`NEAR`], that leave the residue of this bit.
    pub(super) fn near(&self, bit: usize) -> &'a [u32] {
        self.kind(bit)
    }

    /// Medium primes, up to [`FAR`], that leave the residue of this bit.
    pub(super) fn medium(&self, bit: usize) -> &'a [u32] {
        self.kind(RESIDUES.len() + bit)
    }

    /// All others.
    pub(super) fn far(&self) -> &'a [u32] {
        self.kind(KINDS - 1)
    }

    fn kind(&self, kind: usize) -> &'a [u32] {
        &self.primes[self.ends[kind] as usize..self.ends[kind + 1] as usize]
    }

    /// How many base primes there are up to `limit`.
    pub(super) fn up_to(&self, limit: u64) -> u64 {
        self.primes.iter().filter(|prime| u64::from(**prime) <= limit).count() as u64
    }
}

const _: () = assert!(FAR < BLOCK, "medium primes have multiples in each block");
