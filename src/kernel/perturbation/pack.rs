//! What perturbation needs of lanes beyond [`Lanes`]: moving them to and from memory, and choosing among them. One `f64` is a pack of one
//! lane, so the scalar code is the vector code.

use super::orbit::Iterate;
use crate::formula::{Lanes, MaskOf, Number, Vector};
use fearless_simd::f64x2;
use fearless_simd::prelude::*;

/// The most lanes of any pack.
pub(super) const MOST_LANES: usize = 8;

/// 2⁵²: a whole number below 2³² added to it lies in the low bits.
const TWO_52: f64 = (1_u64 << 52) as f64;

/// One or more `f64` in registers.
pub(super) trait Pack: Lanes {
    /// How many.
    const LEN: usize;

    /// The first numbers of a slice.
    fn load(self, from: &[f64]) -> Self;

    /// Writes to the first numbers of a slice.
    fn store(self, to: &mut [f64]);

    /// A mask as bits, of which the lowest is the first lane's.
    fn bits(mask: Self::Mask) -> u64;

    /// The mask of such bits.
    fn mask(self, bits: u64) -> Self::Mask;

    /// The lanes of the mask, moved to the front.
    fn compress(self, mask: Self::Mask) -> Self;

    /// The larger number in each lane, without care for NaN.
    fn larger(self, other: Self) -> Self;

    /// The smaller one, likewise.
    fn smaller(self, other: Self) -> Self;

    /// The lanes of the mask, 0 in the others; and 0 in the lanes of the mask.
    fn masked(self, mask: Self::Mask) -> Self;
    fn without(self, mask: Self::Mask) -> Self;

    /// The iterates at some places, one for each lane.
    fn iterates(self, places: &Places, orbit: &[Iterate]) -> [Self; 2];
}

/// The places of some lanes, as [`place`] makes them.
pub(super) type Places = [f64; MOST_LANES];

/// A place in an orbit as a lane: adding 1 gives the next.
pub(super) fn place(at: u32) -> f64 {
    TWO_52 + f64::from(at)
}

/// The place that a lane has.
#[inline(always)]
pub(super) fn at(place: f64) -> usize {
    (place.to_bits() & 0xffff_ffff) as usize
}

impl Pack for f64 {
    const LEN: usize = 1;

    #[inline(always)]
    fn load(self, from: &[f64]) -> Self {
        from[0]
    }
    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        to[0] = self;
    }
    #[inline(always)]
    fn bits(mask: bool) -> u64 {
        u64::from(mask)
    }
    #[inline(always)]
    fn mask(self, bits: u64) -> bool {
        bits & 1 == 1
    }
    #[inline(always)]
    fn compress(self, mask: bool) -> Self {
        if mask { self } else { 0.0 }
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn masked(self, mask: bool) -> Self {
        if mask { self } else { 0.0 }
    }
    #[inline(always)]
    fn without(self, mask: bool) -> Self {
        if mask { 0.0 } else { self }
    }
    #[inline(always)]
    fn iterates(self, places: &Places, orbit: &[Iterate]) -> [Self; 2] {
        orbit[at(places[0])]
    }
}

impl<S: Simd> Pack for Vector<S> {
    const LEN: usize = Vector::<S>::LEN;

    #[inline(always)]
    fn load(self, from: &[f64]) -> Self {
        Self::load(self.0.token(), from)
    }
    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        self.store(to);
    }
    #[inline(always)]
    fn bits(mask: MaskOf<S>) -> u64 {
        mask.to_bitmask()
    }
    #[inline(always)]
    fn mask(self, bits: u64) -> MaskOf<S> {
        MaskOf::<S>::from_bitmask(self.0.token(), bits)
    }
    #[inline(always)]
    fn compress(self, mask: MaskOf<S>) -> Self {
        Self(self.0.compress(mask))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
    #[inline(always)]
    fn masked(self, mask: MaskOf<S>) -> Self {
        let (mask, bits): (S::u64s, S::u64s) = (mask.to_vector().bitcast(), self.0.bitcast());
        Self((mask & bits).bitcast())
    }
    #[inline(always)]
    fn without(self, mask: MaskOf<S>) -> Self {
        let (mask, bits): (S::u64s, S::u64s) = (mask.to_vector().bitcast(), self.0.bitcast());
        Self(((mask & bits) ^ bits).bitcast())
    }
    #[inline(always)]
    fn iterates(self, places: &Places, orbit: &[Iterate]) -> [Self; 2] {
        // All are looked up first, so that each is one load, of both parts.
        let mut found = [&orbit[0]; MOST_LANES];
        let mut l = 0;
        while l < Self::LEN {
            found[l] = &orbit[at(places[l])];
            l += 1;
        }
        // Blocks of two lanes: the even ones in one vector, the odd ones in another. The compiler makes two unpackings of the rest.
        let simd = self.0.token();
        let (mut even, mut odd) = (block(simd, found[0]), block(simd, found[1]));
        let mut l = 2;
        while l < Self::LEN {
            let from_here = MaskOf::<S>::from_bitmask(simd, u64::MAX << l);
            even = from_here.select(block::<S>(simd, found[l]), even);
            odd = from_here.select(block::<S>(simd, found[l + 1]), odd);
            l += 2;
        }
        let (crossed, second) = (even.slide_within_blocks::<1>(odd), MaskOf::<S>::from_bitmask(simd, 0xaa));
        [Self(second.select(crossed, even)), Self(second.select(odd, crossed))]
    }
}

/// An iterate in every block of a vector.
#[inline(always)]
fn block<S: Simd>(simd: S, iterate: &Iterate) -> S::f64s {
    S::f64s::block_splat(f64x2::from_slice(simd, iterate))
}

/// (a + bi)·(c + di).
#[inline(always)]
pub(super) fn product<L: Lanes>([a, b]: [L; 2], [c, d]: [L; 2]) -> [L; 2] {
    [a.mul_sub(c, b * d), a.mul_add(d, b * c)]
}

#[inline(always)]
pub(super) fn sum<N: Number>([a, b]: [N; 2], [c, d]: [N; 2]) -> [N; 2] {
    [a + c, b + d]
}

/// The larger part.
#[inline(always)]
pub(super) fn largest<L: Pack>([x, y]: [L; 2]) -> L {
    x.abs().larger(y.abs())
}

/// w·δ + c, with the roundings that every way of iterating has; w is Z + (Z + δ).
#[inline(always)]
pub(super) fn difference<N: Number>([wx, wy]: [N; 2], [dx, dy]: [N; 2], [a, b]: [N; 2]) -> [N; 2] {
    let minus_wy = wy * wy.constant(-1.0);
    [minus_wy.mul_add(dy, wx.mul_add(dx, a)), wx.mul_add(dy, wy.mul_add(dx, b))]
}

/// The derivative after an iteration from z = Z + δ: 2zD + `scale`.
#[inline(always)]
pub(super) fn tangent<N: Number>([x, y]: [N; 2], [right, up]: [N; 2], scale: N) -> [N; 2] {
    let (x2, y2) = (x + x, y + y);
    let minus_y2 = y2 * y2.constant(-1.0);
    [minus_y2.mul_add(up, x2.mul_add(right, scale)), x2.mul_add(up, y2 * right)]
}
