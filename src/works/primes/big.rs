//! Striking out the multiples of far primes, which have at most a few in each block, and most in none.
//!
//! Each prime waits in the list of the block in which its next multiple lies, so that a block touches only primes that have one there.

use super::sizes::{BLOCK, Bits};
use super::wheel::{RESIDUES, TURN, bit};
use std::ops::Range;

/// A far prime that waits for a block.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// A thirtieth of the prime.
    turns: u32,
    /// The byte of its next multiple in that block, times 64, plus the step: eight times the bit of what the prime leaves, divided by 30,
    /// plus the bit of the multiple's cofactor.
    at: u32,
}

/// What a step does: what it strikes out, and how far it is to the next multiple.
#[derive(Clone, Copy)]
struct Step {
    mask: u8,
    /// The difference between this cofactor and the next: so many times a thirtieth of the prime, and so many bytes more.
    gap: u8,
    more: u8,
    next: u8,
}

/// All steps.
const STEPS: [Step; 64] = {
    let (mut steps, mut at) = ([Step { mask: 0, gap: 0, more: 0, next: 0 }; 64], 0);
    while at < 64 {
        let (prime, this) = (RESIDUES[at / 8], RESIDUES[at % 8]);
        let next = if at % 8 == 7 { TURN + RESIDUES[0] } else { RESIDUES[at % 8 + 1] };
        steps[at] = Step {
            mask: !(1 << bit(prime * this)),
            gap: (next - this) as u8,
            more: (prime * next / TURN - prime * this / TURN) as u8,
            next: (at / 8 * 8 + (at + 1) % 8) as u8,
        };
        at += 1;
    }
    steps
};

/// The far primes of a claim.
#[derive(Debug, Default)]
pub(super) struct Far {
    /// For each block of the claim the primes that wait for it.
    blocks: Vec<Vec<Waiting>>,
    /// The block that is next.
    next: usize,
}

impl Far {
    /// Places `primes` for the claim of these bytes.
    pub(super) fn begin(&mut self, primes: &[u32], place: &Range<u64>) {
        let blocks = ((place.end - place.start) as usize).div_ceil(BLOCK);
        self.blocks.iter_mut().for_each(Vec::clear);
        self.blocks.resize_with(self.blocks.len().max(blocks), Vec::new);
        self.next = 0;
        for &prime in primes {
            let prime = u64::from(prime);
            // The first cofactor of the wheel whose multiple is in the claim.
            let first = (place.start * TURN).div_ceil(prime);
            let step = RESIDUES.iter().position(|residue| *residue >= first % TURN).unwrap_or(7);
            let cofactor = first / TURN * TURN + RESIDUES[step];
            let byte = cofactor * prime / TURN - place.start;
            let waiting = Waiting { turns: (prime / TURN) as u32, at: (8 * bit(prime) + step) as u32 };
            wait(&mut self.blocks[..blocks], waiting, byte as usize);
        }
    }

    /// Strikes out the multiples in the next block.
    pub(super) fn strike(&mut self, bits: &mut Bits) {
        let Some((block, later)) = self.blocks[self.next..].split_first_mut() else { return };
        self.next += 1;
        for waiting in block.drain(..) {
            let mut step = STEPS[waiting.at as usize % 64];
            let mut byte = waiting.at as usize / 64;
            loop {
                bits[byte % BLOCK] &= step.mask;
                byte += waiting.turns as usize * usize::from(step.gap) + usize::from(step.more);
                if byte >= BLOCK {
                    break;
                }
                step = STEPS[usize::from(step.next)];
            }
            wait(later, Waiting { at: u32::from(step.next), ..waiting }, byte - BLOCK);
        }
    }
}

/// Lets a prime whose step is in `waiting.at` wait for its multiple at `byte`, unless that lies beyond the claim.
fn wait(blocks: &mut [Vec<Waiting>], waiting: Waiting, byte: usize) {
    if let Some(block) = blocks.get_mut(byte / BLOCK) {
        block.push(Waiting { at: (byte % BLOCK * 64) as u32 + waiting.at, ..waiting });
    }
}
