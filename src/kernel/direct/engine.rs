//! The vector kernel: many orbits at once.
//!
//! Samples go through two stages. First a *group*, a small rectangle of just enough samples to fill a few vectors, runs in *blocks*: a
//! fixed number of iterations without a test among them. After each block, a lane that has escaped is set back to its state at the start of
//! that block, and repeats the block from then on, which is harmless and needs no branch. The other lanes continue. Neighbours escape at
//! similar counts, so this costs little until half of the lanes are idle; the remaining samples then go to a *queue*. In the second stage,
//! K vectors in *flight* (how many depends on the instruction set) are kept full from this queue: once enough of their lanes have escaped,
//! these lanes are refilled. At the end of a claim, the last lanes are compacted into fewer vectors, which saves 5 % of the time of a
//! picture with many iterations.
//!
//! With 256 bits, there are 16 registers. There, blocks in flight go from one place in memory to another, by a function that does nothing
//! else and reads parameters as operands, so that 7 vectors stay in registers: 9.7 G iterations/s on Zen 5, where 5 vectors with
//! parameters in registers reach 8.9. They are twice as long, since more happens around them.
//!
//! An escaped lane keeps its state from the start of the block in which it escaped. Its exact count is found by bisection: half a block
//! is run and kept if the lane has not escaped by then, then a quarter, and so on. Growth beyond the escape radius is monotonic, so
//! this gives the first escaped iterate.
//!
//! Orbits that return to exactly the same number never escape. After every block they are compared with an earlier iterate. It is replaced
//! whenever the orbit is 1.5 times as long as at the last replacement (Brent: twice as long). If a period is coprime to the number of
//! iterations between two comparisons, finding it takes as many comparisons as the period is long, so comparing often matters. Comparing
//! after every block and replacing sooner than Brent together save a fifth of the iterations of a picture that needs many. A lane whose
//! orbit is periodic idles, like an escaped one, until enough lanes are free. Groups begin to compare late where no lanes
//! are suspected of never escaping: most end before, and a branch less is foreseen wrongly (B 0.98, C 0.99).
//!
//! Where an orbit has repeated, its neighbours are likely never to escape either; there, that is proved sooner (`bounded.rs`).
//!
//! Tried, and no faster: running groups without a test for as long as their neighbour ran; comparing only after every fourth block and
//! replacing the iterate sooner (a fifth more iterations); refilling each periodic lane at once (all gain lost); replacing every 4
//! blocks (5 % slower); finding the exact counts of several lanes at once with all state in registers and one test for all masks (2 to 10 %
//! slower on Zen 4); keeping a group's state after each quarter of a block (slower: the stores are no longer free). Claims four times as
//! large would save a further 10 % of the time of pictures with many iterations, and nothing with few; but progress would be reported in
//! coarser steps, and an interrupted run would lose more.
//!
//! Tried on AVX2, which has 16 registers, on Zen 5, in shares of the time of B and C (`fractal bench kernel`): groups of 4 vectors (1.27:
//! too few to hide the latency of 8 cycles; on Zen 3 they took less than groups of 8, once there were no masked stores) and of 6
//! with 6 in flight (1.20, of which the compiler keeps one vector's state in memory; 1.03 with parameters read from memory, so that none
//! is); blocks as functions from memory to memory, which the compiler translates to the ideal loop of 43 instructions for 6 vectors (1.12;
//! 1.06 with two such halves in a group: what each block hands over, and what follows its test, costs what the loop gains); one test of
//! all vectors, whose masks are made again where it fails (1.09, since a branch that was foreseen wrongly waits for them); exact counts
//! of 4 vectors at a time with their state in registers (1.03); lanes written one by one in refills (1.03). Groups of 8 now iterate at
//! 10.5 G/s, close to the 11.5 of the multiplication units; a quarter to a third of the time goes to what happens between them. Tried for
//! that: groups of 7 by the function that serves flights, whose calls cost more than the loop gains (B 1.05, C 1.09, A@1000 1.16); two
//! halves of 4, since the processor does not look far enough ahead to overlap them (1.23); selecting without a branch (1.04 and 1.07);
//! blocks of 32 in groups (1.02 and 1.07).
//!
//! Other thresholds on AVX2 on Granite Rapids, each within 2 % of what stands on A@1000, B and C, or slower: leaving a group at 7, 9 or
//! 10 live lanes of 16 (1.01 to 1.03), 8 or 16 of 48 idle lanes before a refill, looking for iterates to replace every 4 or
//! 16 blocks, replacing them after 1.25 or 1.35 times the orbit's length, in groups 1.33; first blocks of 8 (A@1000 1.08). Nor did these
//! gain anything there: one test of all vectors of a group, whose masks are made where it fails; the masks' bits in two chains that are
//! joined at last; comparing lanes in flight only after every second or fourth block until an orbit has repeated (B 1.00, A@50000 1.02
//! and 1.05); two iterations of a vector after each other in flight, so that no register is moved (the same; powers above 3 take 1.03).
//! With 512 bits, the compiler gathers the masks' bits in a vector, by some 20 operations; a chain that it does not see through was no
//! faster (1.02), nor was one test of all masks before (B 0.97 to 1.01, C 1.05).
//!
//! Vector code uses no closures and no iterator adapters except the closure passed to `vectorize`: what the compiler does not inline is
//! compiled without the instruction set, and everything inside becomes calls as well.

use super::Problem;
use super::scratch::{LANES, QUEUE, Scratch};
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, MaskOf, Number, Vector};
use crate::kernel::unroll::unroll;
use crate::kernel::{Counters, TileRequest};
use crate::parallel::Stop;
use crate::plane::Rotation;
use crate::tile::{Mask, Tile};
use fearless_simd::prelude::*;

/// Iterations per block of a group.
pub(super) const BLOCK: u64 = 16;
/// Iterations per block in flight for vectors of `len` lanes: with 256 bits, what happens around a block takes a larger share of it.
pub(super) const fn long(len: usize) -> u64 {
    if len == 4 { 2 * BLOCK } else { BLOCK }
}

/// Blocks before an orbit is first compared with itself, and the minimum between replacements of the iterate it is compared with.
pub(super) const PERIOD_CHECK: u64 = 4;
/// Blocks between checks of the stop flag: a tenth of a millisecond, a few milliseconds where multiply-adds are emulated.
pub(super) const STOP_CHECK: u64 = 1024;

/// The state shared by all steps of a claim's computation.
pub(super) struct Engine<'a, S: Simd, F, const K: usize, const G: usize> {
    pub(super) simd: S,
    pub(super) problem: &'a Problem<F>,
    pub(super) smooth: bool,
    pub(super) scratch: &'a mut Scratch,
    /// The result words of all samples of the claim: its tiles, all of equal area, one after the other.
    pub(super) words: &'a mut [u32],
    /// The offset from a count to its fraction, in words.
    pub(super) fractions: usize,
    pub(super) stop: &'a Stop,
    pub(super) counters: Counters,
}

/// Where a tile's words lie in `words`, and what holds for the whole tile.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) tile: Tile,
    /// Which of its samples are computed, if not all.
    pub(super) mask: Option<Mask<'a>>,
    /// Its first word.
    pub(super) first: usize,
    /// Whether a part of it may lie in a known interior region.
    pub(super) interior: bool,
}

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    pub(super) const LEN: usize = Vector::<S>::LEN;
    /// The lanes of one vector, as bits.
    pub(super) const FULL: u64 = (1 << Self::LEN) - 1;
    /// Iterations per block in flight.
    pub(super) const LONG: u64 = long(Self::LEN);
    /// All lanes in flight.
    pub(super) const FLIGHT: u64 = u64::MAX >> (64 - Self::LEN * K);
    /// All lanes of a group.
    pub(super) const GROUP: u64 = u64::MAX >> (64 - Self::LEN * G);

    /// Computes the counts of `tiles`, and |z|² in place of the fractions.
    #[inline(always)]
    pub(super) fn run(&mut self, tiles: &[TileRequest<'_>], tile_words: usize) -> Result<()> {
        let mut first = 0;
        for &TileRequest { tile, mask } in tiles {
            let interior = self.problem.may_be_interior(tile);
            self.tile(Place { tile, mask, first, interior })?;
            first += tile_words;
        }
        self.fly(true)
    }

    #[inline(always)]
    fn tile(&mut self, place: Place<'_>) -> Result<()> {
        let (width, height) = (place.tile.width as usize, place.tile.height as usize);
        let mut shallow = true;
        let mut y = 0;
        while y < height {
            let mut x = 0;
            while x < width {
                if self.stop.is_set() {
                    return Err(Error::Stopped);
                }
                if self.scratch.queue.len + LANES > QUEUE {
                    self.fly(false)?;
                }
                shallow = self.group(place, x, y, shallow);
                x += Self::LEN;
            }
            y += G;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn splat(&self, value: f64) -> Vector<S> {
        Vector::splat(self.simd, value)
    }

    #[inline(always)]
    pub(super) fn mask(&self, bits: u64) -> MaskOf<S> {
        MaskOf::<S>::from_bitmask(self.simd, bits & Self::FULL)
    }

    /// Which lanes of N vectors are within the escape radius, as bits. `limit` is R².
    ///
    /// `none` is 0, but the compiler must not know: bits that begin as 0 make it pack the first two masks into one, by a chain of seven
    /// operations, which cost 3 % of the time of B on AVX2.
    #[inline(always)]
    pub(super) fn lanes_within<const N: usize>(
        problem: &Problem<F>,
        x: &[Vector<S>; N],
        y: &[Vector<S>; N],
        limit: Vector<S>,
        none: u64,
    ) -> u64 {
        let mut within = none;
        unroll!(N, k => {
            within = within << Self::LEN | problem.within(x[N - 1 - k], y[N - 1 - k], limit).to_bitmask();
        });
        within
    }

    /// Runs `pairs` pairs of iterations on N vectors.
    #[inline(always)]
    pub(super) fn iterate<const N: usize>(
        problem: &Problem<F>,
        x: &mut [Vector<S>; N],
        y: &mut [Vector<S>; N],
        parameters: &[[Vector<S>; 3]; N],
        pairs: u64,
    ) {
        let mut i = 0;
        while i < pairs {
            unroll!(N, k => {
                [x[k], y[k]] = problem.formula.step2([x[k], y[k]], parameters[k]);
            });
            i += 1;
        }
    }
}

/// The lanes of `z` that equal the iterate they are compared with.
#[inline(always)]
pub(super) fn same<S: Simd>(simd: S, [x, y]: [Vector<S>; 2], seen: [&[f64]; 2]) -> u64 {
    let seen = [Vector::<S>::load(simd, seen[0]), Vector::<S>::load(simd, seen[1])];
    (x.0.simd_eq(seen[0].0) & y.0.simd_eq(seen[1].0)).to_bitmask()
}

impl<F: Formula> Problem<F> {
    /// R², the limit for |z|².
    #[inline(always)]
    pub(super) fn limit(&self) -> f64 {
        self.limits.escape_radius * self.limits.escape_radius
    }

    /// Lanes that are within the escape radius. `limit` is R².
    #[inline(always)]
    pub(super) fn within<S: Simd>(&self, x: Vector<S>, y: Vector<S>, limit: Vector<S>) -> MaskOf<S> {
        y.mul_add(y, x * x).at_most(limit)
    }

    /// The points of a vector of samples starting at (x, y); beyond `columns` they repeat the last one.
    #[inline(always)]
    pub(super) fn points<S: Simd>(&self, simd: S, x: usize, y: usize, columns: usize) -> [Vector<S>; 2] {
        let u = if columns == Vector::<S>::LEN {
            Vector::load(simd, &self.plane.columns[x..])
        } else {
            let mut last = [0.0; 8];
            let mut l = 0;
            while l < Vector::<S>::LEN {
                last[l] = self.plane.columns[x + l.min(columns - 1)];
                l += 1;
            }
            Vector::load(simd, &last)
        };
        let v = Vector::splat(simd, self.plane.rows[y]);
        let Some(Rotation { centre, cos, sin }) = self.plane.rotation else { return [u, v] };
        let (re, im) = (Vector::splat(simd, centre.re), Vector::splat(simd, centre.im));
        let (cos, sin, minus_sin) = (Vector::splat(simd, cos), Vector::splat(simd, sin), Vector::splat(simd, -sin));
        [u.mul_add(cos, v.mul_add(minus_sin, re)), u.mul_add(sin, v.mul_add(cos, im))]
    }

    /// Whether a tile's points may lie in a region that is known to be interior: whether its bounding box may.
    fn may_be_interior(&self, tile: Tile) -> bool {
        let has_regions = self.formula.interior([0.0, 0.0]).is_some();
        if !has_regions || self.julia.is_some() {
            return false;
        }
        let (right, bottom) = (tile.x + tile.width - 1, tile.y + tile.height - 1);
        let mut low = [f64::INFINITY; 2];
        let mut high = [f64::NEG_INFINITY; 2];
        for (x, y) in [(tile.x, tile.y), (right, tile.y), (tile.x, bottom), (right, bottom)] {
            let point = self.plane.point(x as usize, y as usize);
            low = [low[0].min(point.re), low[1].min(point.im)];
            high = [high[0].max(point.re), high[1].max(point.im)];
        }
        self.formula.may_be_interior(low, high)
    }
}
