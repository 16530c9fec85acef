//! Sieving a segment, block by block.
//!
//! Three ways of striking out multiples, by the size of the prime p, whose multiples by the eight residues of a turn of the wheel are
//! struck out together:
//! - near ones, in parts of a block that fit into the fastest cache;
//! - medium ones, over a block, which fits into a core's own cache;
//! - far ones, which have few multiples in a block: see `big`.
//!
//! Turns of the first two are never divided at the ends of a part or a block: a turn that crosses an end is made in both. What it
//! strikes out beyond the end is either a multiple too, or outside the block, in memory that nobody reads; in return the eight strikes
//! have no conditions between them. At most one turn of eight strikes for each prime and part is made twice.

use super::base::Base;
use super::big::Far;
use super::sizes::{BLOCK, Bits, MEMORY, PART};
use super::wheel::{CHUNK, GROUP_COUNT, PERIODS, RESIDUES, STARTS, TURN, bit};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::hint::black_box;
use std::ops::Range;

/// A prime, and where its next turn begins, relative to the block: before its end, and after −p.
#[derive(Clone, Copy, Debug)]
struct Striker {
    prime: u32,
    at: i32,
}

/// Primes by the bit of what they leave, divided by 30.
type Strikers = [Vec<Striker>; 8];

/// Working memory for a segment.
#[derive(Debug)]
pub(super) struct Sieve {
    /// Bits that are set where no base prime divides a number.
    bits: Box<Bits>,
    near: Strikers,
    medium: Strikers,
    far: Far,
}

impl Default for Box<Sieve> {
    fn default() -> Self {
        // Where glibc maps memory of this size by itself, two workers take 4 % longer, and 17 % if they touch its pages only as they sieve;
        // once it has freed such a map, it takes as much from the thread's heap.
        drop(black_box(vec![0_u8; MEMORY]));
        let bits = vec![u8::MAX; MEMORY].into_boxed_slice().try_into().expect("its length is that of the array");
        Box::new(Sieve { bits, near: Strikers::default(), medium: Strikers::default(), far: Far::default() })
    }
}

impl Sieve {
    /// Places all base primes for the bytes `place` of the sieve, segments that follow each other.
    pub(super) fn begin(&mut self, base: &Base<'_>, place: &Range<u64>) {
        for bit in 0..8 {
            let striker = |&prime: &u32| Striker { prime, at: -((place.start % u64::from(prime)) as i32) };
            self.near[bit].clear();
            self.near[bit].extend(base.near(bit).iter().map(striker));
            self.medium[bit].clear();
            self.medium[bit].extend(base.medium(bit).iter().map(striker));
        }
        self.far.begin(base.far(), place);
    }

    /// How many numbers up to `limit` in the next segment, the bytes `place` of the sieve, no base prime divides. 1 is none of them.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped, which is looked at after each block, about a millisecond.
    pub(super) fn count(&mut self, base: &Base<'_>, place: Range<u64>, limit: u64, stop: &Stop) -> Result<u64> {
        let (mut start, mut count) = (place.start, 0);
        while start < place.end {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let len = (place.end - start).min(BLOCK as u64) as usize;
            self.strike(base, start, len);
            if start == 0 {
                self.bits[0] &= !1;
            }
            if start + len as u64 == limit / TURN + 1 {
                // Numbers of the last byte that are beyond the limit.
                let last = limit % TURN;
                let beyond = RESIDUES.iter().filter(|residue| **residue > last);
                beyond.for_each(|residue| self.bits[len - 1] &= !(1 << bit(*residue)));
            }
            count += ones(&self.bits[..len]);
            start += len as u64;
        }
        Ok(count)
    }

    /// Strikes out all multiples in a block of `len` bytes from byte `start` of the sieve on.
    fn strike(&mut self, base: &Base<'_>, start: u64, len: usize) {
        begin(&mut self.bits[..len.next_multiple_of(CHUNK)], base.patterns, start);
        for part in (0..len).step_by(PART) {
            strike_all(&mut self.bits, &mut self.near, len.min(part + PART) as i32);
        }
        strike_all(&mut self.bits, &mut self.medium, len as i32);
        self.far.strike(&mut self.bits);
        for strikers in self.near.iter_mut().chain(&mut self.medium) {
            for striker in strikers {
                striker.at -= len as i32;
            }
        }
    }
}

/// Sets the bits of the numbers that no prime of the patterns divides; the length is a multiple of [`CHUNK`].
fn begin(bits: &mut [u8], patterns: &[u8], start: u64) {
    let mut at: [usize; GROUP_COUNT] = PERIODS.map(|period| (start % period as u64) as usize);
    let (chunks, _) = bits.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        // Four at a time: more pointers would not fit into the registers.
        for four in 0..GROUP_COUNT / 4 {
            let pattern = |group: usize| -> &[u8; CHUNK] {
                let from = STARTS[4 * four + group] + at[4 * four + group];
                patterns[from..from + CHUNK].try_into().expect("its length is that of the array")
            };
            let (a, b, c, d) = (pattern(0), pattern(1), pattern(2), pattern(3));
            let all = |i: usize| a[i] & b[i] & c[i] & d[i];
            if four == 0 {
                (0..CHUNK).for_each(|i| chunk[i] = all(i));
            } else {
                (0..CHUNK).for_each(|i| chunk[i] &= all(i));
            }
        }
        for (at, period) in at.iter_mut().zip(PERIODS) {
            *at += CHUNK;
            *at -= if *at >= period { period } else { 0 };
        }
    }
}

/// Strikes out the multiples of all these primes up to byte `end` of the block.
fn strike_all(bits: &mut Bits, strikers: &mut Strikers, end: i32) {
    let [a, b, c, d, e, f, g, h] = strikers;
    strike::<0>(bits, a, end);
    strike::<1>(bits, b, end);
    strike::<2>(bits, c, end);
    strike::<3>(bits, d, end);
    strike::<4>(bits, e, end);
    strike::<5>(bits, f, end);
    strike::<6>(bits, g, end);
    strike::<7>(bits, h, end);
}

/// The same for primes that leave residue number `R`, so that the bits of their multiples are known.
fn strike<const R: usize>(bits: &mut Bits, strikers: &mut [Striker], end: i32) {
    for striker in strikers {
        // The multiple by 30 k + w lies k · p bytes behind the one by w, and that at byte p · w / 30, which is a sum of two parts.
        let turns = striker.prime as usize / TURN as usize;
        let offset = |w: usize| turns * RESIDUES[w] as usize + (RESIDUES[R] * RESIDUES[w] / TURN) as usize;
        // A function of the library that fills arrays may be left as a call.
        let offsets = [offset(0), offset(1), offset(2), offset(3), offset(4), offset(5), offset(6), offset(7)];
        let prime = striker.prime as i32;
        while striker.at < end {
            // Before the block and behind it are one place: the rest of the memory.
            let from = striker.at as usize;
            macro_rules! strike {
                ($($w:literal)*) => {
                    $(bits[from.wrapping_add(offsets[$w]) % MEMORY] &= !const { 1 << bit(RESIDUES[R] * RESIDUES[$w]) };)*
                };
            }
            strike!(0 1 2 3 4 5 6 7);
            striker.at += prime;
        }
        // The turn that crosses the end is made again in what follows.
        striker.at -= prime;
    }
}

/// How many bits are set.
fn ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones());
    words.chain(rest.iter().map(|byte| byte.count_ones())).map(u64::from).sum()
}
