//! How large blocks are, and which primes are struck out in which way.
//!
//! Measured for 10¹⁰ with one thread of a Zen 5 against primesieve 11 in the same run: 0.82 of its processor time (0.71 s and 0.87 s).
//! In a prototype these sizes took 0.92 s, blocks of half the size 1.04 s, and of twice the size 0.90 s, but half of all processors have
//! no cache for that; near primes up to 4096 instead of 8192 took 0.93 s, with parts of 24 instead of 32 KB 0.95 s.

use super::wheel::CHUNK;

/// The memory of a block, in bytes: a power of two, so that an index is in range once its upper bits are gone.
pub(super) const MEMORY: usize = 1 << 19;

/// The part of it that is sieved. Turns may begin before it or end behind it, in the rest: at most [`FAR`] bytes.
pub(super) const BLOCK: usize = MEMORY / 4 * 3;

/// The bytes in which near primes are struck out at once.
pub(super) const PART: usize = 32 * CHUNK;

/// The greatest near prime.
pub(super) const NEAR: usize = 8192;

/// The greatest medium prime.
pub(super) const FAR: usize = MEMORY - BLOCK;

/// The memory for a block.
pub(super) type Bits = [u8; MEMORY];
