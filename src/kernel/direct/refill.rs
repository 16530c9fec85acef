//! What happens to the lanes in flight between blocks: which end, which start, and what their orbits are compared with. See the engine
//! for the overview.
//!
//! None of it depends on the formula, so it is not generic over one: each instruction set has this code once instead of once per
//! formula, which was a third of the kernels' compile time. On AVX-512, calls take no longer than inlined code; on AVX2 they cost about
//! 1 %. Single lanes are written as whole vectors: a loop over the lanes that are due was 2 % slower on AVX-512.

use super::engine::{BLOCK, PERIOD_CHECK, long};
use super::scratch::{FINISH, QUEUE, Scratch};
use crate::formula::{Lanes, MaskOf, Vector};
use crate::kernel::unroll::unroll;
use fearless_simd::prelude::*;
use std::mem::swap;

/// The lanes in flight for an instruction set `S` with `K` vectors, and the lists they come from and go to.
pub(super) struct InFlight<'a, S: Simd, const K: usize> {
    pub(super) simd: S,
    pub(super) scratch: &'a mut Scratch,
}

impl<S: Simd, const K: usize> InFlight<'_, S, K> {
    const LEN: usize = Vector::<S>::LEN;
    /// Iterations per block.
    const LONG: u64 = long(Self::LEN);
    /// The least number of blocks between two replacements of the iterate that an orbit is compared with.
    const RENEW: u64 = PERIOD_CHECK * BLOCK / Self::LONG;
    /// The lanes of one vector, as bits.
    const FULL: u64 = (1 << Self::LEN) - 1;

    #[inline(always)]
    fn splat(&self, value: f64) -> Vector<S> {
        Vector::splat(self.simd, value)
    }

    #[inline(always)]
    fn mask(&self, bits: u64) -> MaskOf<S> {
        MaskOf::<S>::from_bitmask(self.simd, bits & Self::FULL)
    }

    /// The number of blocks at which the first lane reaches `max` iterations.
    #[inline(never)]
    pub(super) fn deadline(&self, max: u64) -> u64 {
        self.simd.vectorize(
            #[inline(always)]
            || self.deadline_inlined(max),
        )
    }

    #[inline(always)]
    fn deadline_inlined(&self, max: u64) -> u64 {
        let mut largest = self.splat(f64::MIN);
        unroll!(K, k => {
            let base = Vector::load(self.simd, &self.scratch.flight.base.0[k * Self::LEN..]);
            let base = base.select(self.mask(self.scratch.flight.alive >> (k * Self::LEN)), largest);
            largest = Vector(largest.0.max(base.0));
        });
        if self.scratch.flight.alive == 0 {
            return u64::MAX;
        }
        let largest = largest.0.reduce_max();
        ((max as i64 - largest as i64).max(0) as u64).div_ceil(Self::LONG)
    }

    /// Ends the lanes that have reached `max` iterations within the radius; they are already written as interior.
    #[inline(never)]
    pub(super) fn retire_old(&mut self, max: u64, escaped: u64) {
        self.simd.vectorize(
            #[inline(always)]
            || self.retire_old_inlined(max, escaped),
        );
    }

    #[inline(always)]
    fn retire_old_inlined(&mut self, max: u64, escaped: u64) {
        let flight = &mut self.scratch.flight;
        let left = Vector::<S>::splat(self.simd, max as f64 - (flight.blocks * Self::LONG) as f64);
        let mut old = 0;
        unroll!(K, k => {
            let i = k * Self::LEN;
            old |= left.at_most(Vector::load(self.simd, &flight.base.0[i..])).to_bitmask() << i;
        });
        old &= flight.alive & !escaped;
        flight.alive &= !old;
    }

    /// Replaces the iterates that orbits are compared with, where due. Returns those of these lanes that have done `old` iterations.
    #[inline(never)]
    pub(super) fn renew(&mut self, old: u64) -> u64 {
        self.simd.vectorize(
            #[inline(always)]
            || self.renew_inlined(old),
        )
    }

    #[inline(always)]
    fn renew_inlined(&mut self, old: u64) -> u64 {
        let simd = self.simd;
        let flight = &mut self.scratch.flight;
        let now = Vector::<S>::splat(simd, flight.blocks as f64);
        let left = Vector::<S>::splat(simd, old as f64 - (flight.blocks * Self::LONG) as f64);
        let mut old = 0;
        let (half, least) = (Vector::<S>::splat(simd, 0.5), Vector::<S>::splat(simd, Self::RENEW as f64));
        unroll!(K, k => {
            let i = k * Self::LEN;
            let renew = Vector::<S>::load(simd, &flight.renew.0[i..]);
            let due = renew.at_most(now);
            let base = Vector::<S>::load(simd, &flight.base.0[i..]);
            old |= (due & left.at_most(base)).to_bitmask() << i;
            let (x, y) = (Vector::<S>::load(simd, &flight.z[0].0[i..]), Vector::<S>::load(simd, &flight.z[1].0[i..]));
            let (seen, next) = (&mut flight.seen, &mut flight.next_seen);
            let (seen_x, seen_y) = (Vector::load(simd, &seen[0].0[i..]), Vector::load(simd, &seen[1].0[i..]));
            // To another place where that is better: see `put`.
            let to = if Self::LEN > 4 { seen } else { next };
            x.select(due, seen_x).store(&mut to[0].0[i..]);
            y.select(due, seen_y).store(&mut to[1].0[i..]);
            let age = now - Vector::<S>::load(simd, &flight.birth.0[i..]);
            let next = now + Vector((age * half).0.max(least.0));
            put(next, due, &mut flight.renew.0[i..]);
        });
        if Self::LEN <= 4 {
            swap(&mut flight.seen, &mut flight.next_seen);
        }
        old & flight.alive
    }

    /// Moves escaped lanes to the list of samples waiting for their exact count.
    #[inline(never)]
    pub(super) fn retire_escaped(&mut self, escaped: u64) {
        self.simd.vectorize(
            #[inline(always)]
            || self.retire_escaped_inlined(escaped),
        );
    }

    #[inline(always)]
    fn retire_escaped_inlined(&mut self, escaped: u64) {
        let simd = self.simd;
        let done = self.splat((self.scratch.flight.blocks * Self::LONG) as f64);
        unroll!(K, k => {
            let i = k * Self::LEN;
            let bits = escaped >> i & Self::FULL;
            if bits != 0 {
                let mask = self.mask(bits);
                let (flight, finish) = (&self.scratch.flight, &mut self.scratch.finish);
                let j = finish.len;
                assert!(j <= FINISH);
                let n = Vector::<S>::load(simd, &flight.base.0[i..]) + done;
                Vector::<S>(Vector::<S>::load(simd, &flight.z[0].0[i..]).0.compress(mask)).store(&mut finish.x[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.z[1].0[i..]).0.compress(mask)).store(&mut finish.y[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.a.0[i..]).0.compress(mask)).store(&mut finish.a[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.b.0[i..]).0.compress(mask)).store(&mut finish.b[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.id.0[i..]).0.compress(mask)).store(&mut finish.id[j..]);
                Vector::<S>(n.0.compress(mask)).store(&mut finish.n[j..]);
                finish.len = j + bits.count_ones() as usize;
            }
        });
        self.scratch.flight.alive &= !escaped;
    }

    /// Fills the lanes of `free` with samples from the queue while there are any, and parks the rest. Returns how many samples were
    /// taken while other lanes stayed in flight.
    #[inline(never)]
    pub(super) fn refill(&mut self, free: u64) -> u64 {
        self.simd.vectorize(
            #[inline(always)]
            || self.refill_inlined(free),
        )
    }

    #[inline(always)]
    fn refill_inlined(&mut self, free: u64) -> u64 {
        let simd = self.simd;
        let zero = self.splat(0.0);
        let now = self.splat(self.scratch.flight.blocks as f64);
        let done = self.splat((self.scratch.flight.blocks * Self::LONG) as f64);
        let first = self.splat((self.scratch.flight.blocks + Self::RENEW) as f64);
        let nan = self.splat(f64::NAN);
        let busy = self.scratch.flight.alive;
        let mut refills = 0;
        unroll!(K, k => {
            let i = k * Self::LEN;
            let bits = free >> i & Self::FULL;
            if bits != 0 {
                let (flight, queue) = (&mut self.scratch.flight, &mut self.scratch.queue);
                let waiting = queue.len - queue.head;
                let mut taken = bits;
                while taken.count_ones() as usize > waiting {
                    taken &= taken - 1;
                }
                let count = taken.count_ones() as usize;
                let j = queue.head;
                assert!(j <= QUEUE);
                let mask = MaskOf::<S>::from_bitmask(simd, taken);
                let keep = MaskOf::<S>::from_bitmask(simd, busy >> i & Self::FULL);
                macro_rules! take {
                    ($from:ident, $to:expr) => {
                        let old = Vector::<S>::load(simd, &$to.0[i..]).select(keep, zero);
                        let new = Vector::<S>::load(simd, &queue.$from[j..]);
                        Vector::<S>(new.0.expand_merge(mask, old.0)).store(&mut $to.0[i..]);
                    };
                }
                take!(x, flight.z[0]);
                take!(y, flight.z[1]);
                take!(a, flight.a);
                take!(b, flight.b);
                take!(id, flight.id);
                let new = Vector::<S>::load(simd, &queue.n[j..]) - done;
                put(Vector::<S>(new.0.expand_merge(mask, done.0)), mask, &mut flight.base.0[i..]);
                let fresh = MaskOf::<S>::from_bitmask(simd, bits);
                put(now, fresh, &mut flight.birth.0[i..]);
                put(first, fresh, &mut flight.renew.0[i..]);
                put(nan, fresh, &mut flight.seen[0].0[i..]);
                queue.head = j + count;
                flight.alive |= taken << i;
                refills += count as u64;
            }
        });
        if busy == 0 { 0 } else { refills }
    }
}

/// Writes the lanes of `mask` to their places among the first numbers of a slice: integers far below 2⁵³, or
/// NaN.
///
/// Where a selection is stored where one of its sides came from, the compiler makes a masked store of it, even of one that is written
/// as operations on bits. With 256 bits, AMD processors before Zen 5 take several times as long for that as for reading, blending and
/// writing. It does not see through sums, which are exact here; what is no integer is written to another place.
#[inline(always)]
fn put<S: Simd>(new: Vector<S>, mask: MaskOf<S>, slice: &mut [f64]) {
    let old = Vector::<S>::load(new.0.token(), slice);
    if Vector::<S>::LEN > 4 {
        // With masks in registers of their own, a masked store is best.
        new.select(mask, old).store(slice);
    } else {
        (old + (new - old).kept(mask)).store(slice);
    }
}

impl Scratch {
    /// Moves the live lanes to the front.
    pub(super) fn gather(&mut self) {
        let flight = &mut *self.flight;
        let ([x, y], [seen_x, seen_y]) = (&mut flight.z, &mut *flight.seen);
        let (mut to, mut lanes) = (0, flight.alive);
        while lanes != 0 {
            let from = lanes.trailing_zeros() as usize;
            for list in [
                &mut *x,
                &mut *y,
                &mut flight.a,
                &mut flight.b,
                &mut flight.id,
                &mut flight.base,
                &mut *seen_x,
                &mut *seen_y,
                &mut flight.birth,
                &mut flight.renew,
            ] {
                list.0[to] = list.0[from];
            }
            lanes &= lanes - 1;
            to += 1;
        }
        flight.alive = (1 << to) - 1;
    }
}
