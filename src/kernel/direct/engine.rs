//! The vector kernel: many orbits at once.
//!
//! Samples go through two stages. First a *group*, a small rectangle of as many samples as fill a few vectors, runs together in
//! *blocks* of iterations without a test in between. After a block, lanes that have escaped are set back to its start (so they repeat
//! it, harmlessly, and nothing branches), the others go on. Neighbours escape at similar counts, so this costs little until half
//! of the lanes are idle; the rest then goes to a *queue*. From it, K vectors in *flight* are kept full: when enough lanes have escaped,
//! they are refilled.
//!
//! An escaped lane knows its state at the start of the block in which it escaped. Its exact count is found by halving: half a block is
//! run and kept if the lane has not escaped by then, then a quarter, and so on. Growth beyond the escape radius is monotonic, so
//! this gives the first escaped iterate.
//!
//! Orbits that come back to exactly the same number never escape. They are compared with an iterate that is replaced at every power of
//! two (Brent), every few blocks.
//!
//! Tried and no faster: groups that run without a test as long as their neighbour did; looks for a period that end a run of blocks
//! only when one is found; letting periodic lanes idle to be refilled together; 8 blocks between looks (slower); keeping a group's
//! state after each quarter of a block (slower: the stores are no longer free).
//!
//! In this file no closure and no iterator adapter: where the compiler leaves one as a call, it is compiled without the instruction
//! set, and all inside becomes calls as well.

use super::Scene;
use super::area::{Area, FINISH, Flight, LANES, List, QUEUE};
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, MaskOf, Vector};
use crate::kernel::Counters;
use crate::parallel::Stop;
use crate::plane::Rotation;
use crate::sample::INTERIOR;
use crate::tile::Tile;
use fearless_simd::prelude::*;

/// Iterations of a block.
const BLOCK: u64 = 16;
/// Iterations of half a block. A group keeps its state there, from which exact counts are found sooner; keeping quarters as well was
/// slower.
const HALF: u64 = BLOCK / 2;
/// Iterations of a block at the start of a group in places where samples escape soon.
const SHORT: u64 = 4;
/// Blocks between two looks for a period.
const PERIOD_CHECK: u64 = 4;
/// Lanes in flight, in 48ths, that are let idle before they are refilled together.
const WAIT: u32 = 12;
/// Blocks between looks at the stop flag: about a millisecond.
const STOP_CHECK: u64 = 4096;

/// Runs a body for each number below `$n`, at most 8, spelled out: an array of vectors that is indexed in a loop which the compiler
/// leaves as a loop lives in memory for good.
macro_rules! unroll {
    ($n:expr, $k:ident => $body:block) => {
        unroll!($n, $k => $body, 0 1 2 3 4 5 6 7)
    };
    ($n:expr, $k:ident => $body:block, $($i:literal)+) => {
        $(if $n > $i {
            let $k: usize = $i;
            $body
        })+
    };
}

/// An array of `$n` values.
macro_rules! each {
    ($n:expr, $k:ident => $value:expr, $init:expr) => {{
        let mut array = [$init; $n];
        unroll!($n, $k => { array[$k] = $value; });
        array
    }};
}

/// What all parts of a claim's computation use.
pub(super) struct Engine<'a, S: Simd, F, const K: usize, const G: usize> {
    pub(super) simd: S,
    pub(super) scene: &'a Scene<F>,
    pub(super) smooth: bool,
    pub(super) area: &'a mut Area,
    /// The samples' words, of tiles of equal areas.
    pub(super) words: &'a mut [u32],
    /// How far behind a count its fraction lies.
    pub(super) fractions: usize,
    pub(super) stop: &'a Stop,
    pub(super) counters: Counters,
}

/// A group of escaped lanes: state, parameters, iterations.
struct Batch<'a> {
    x: &'a mut [f64],
    y: &'a mut [f64],
    a: &'a [f64],
    b: &'a [f64],
    n: &'a mut [f64],
}

/// How a group's common run ended.
#[derive(Clone, Copy)]
struct Ran {
    /// Iterations.
    n: u64,
    /// The length of the last block.
    block: u64,
    /// Lanes that have not ended.
    alive: u64,
    /// Lanes that have escaped.
    escaped: u64,
}

/// The words of `words`' part for one tile, and what is true of all of it.
#[derive(Clone, Copy)]
struct Place {
    tile: Tile,
    /// Its first word.
    first: usize,
    /// Whether a part of it may lie in a known interior region.
    interior: bool,
}

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    const LEN: usize = Vector::<S>::LEN;
    /// The lanes of one vector, as bits.
    const FULL: u64 = (1 << Self::LEN) - 1;
    /// All lanes in flight.
    const FLIGHT: u64 = u64::MAX >> (64 - Self::LEN * K);
    /// All lanes of a group.
    const GROUP: u64 = u64::MAX >> (64 - Self::LEN * G);

    /// Computes the counts, and |z|² in the fractions' place, of `tiles`.
    #[inline(always)]
    pub(super) fn run(&mut self, tiles: &[Tile], tile_words: usize) -> Result<()> {
        let mut first = 0;
        for tile in tiles {
            let interior = self.scene.may_be_interior(*tile);
            self.tile(Place { tile: *tile, first, interior })?;
            first += tile_words;
        }
        self.fly(true)
    }

    #[inline(always)]
    fn tile(&mut self, place: Place) -> Result<()> {
        let (width, height) = (place.tile.width as usize, place.tile.height as usize);
        let mut shallow = true;
        let mut y = 0;
        while y < height {
            let mut x = 0;
            while x < width {
                if self.area.queue.len + LANES > QUEUE {
                    self.fly(false)?;
                }
                shallow = self.group(place, x, y, shallow)?;
                x += Self::LEN;
            }
            y += G;
            if self.stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn splat(&self, value: f64) -> Vector<S> {
        Vector::splat(self.simd, value)
    }

    #[inline(always)]
    fn mask(&self, bits: u64) -> MaskOf<S> {
        MaskOf::<S>::from_bitmask(self.simd, bits & Self::FULL)
    }

    /// Runs `pairs` times two iterations of N vectors.
    #[inline(always)]
    fn iterate<const N: usize>(
        scene: &Scene<F>,
        x: &mut [Vector<S>; N],
        y: &mut [Vector<S>; N],
        parameters: &[[Vector<S>; 3]; N],
        pairs: u64,
    ) {
        let mut i = 0;
        while i < pairs {
            unroll!(N, k => {
                [x[k], y[k]] = scene.formula.step2([x[k], y[k]], parameters[k]);
            });
            i += 1;
        }
    }

    /// Finds the exact counts of a group of escaped lanes by halving, from blocks of `block` iterations. They are at a state that has
    /// not escaped, after `n` iterations; then `n` becomes the count, and with `smooth` x becomes |z|², scaled to fit an `f32`.
    #[inline(never)]
    fn settle(simd: S, scene: &Scene<F>, smooth: bool, batch: &mut Batch<'_>, block: u64) {
        simd.vectorize(
            #[inline(always)]
            || Self::settle_inlined(simd, scene, smooth, batch, block),
        );
    }

    #[inline(always)]
    fn settle_inlined(simd: S, scene: &Scene<F>, smooth: bool, batch: &mut Batch<'_>, block: u64) {
        let zero = Vector::<S>::splat(simd, 0.0);
        let all = G * Self::LEN;
        let (x, y, n) = (&mut batch.x[..all], &mut batch.y[..all], &mut batch.n[..all]);
        let (a, b) = (&batch.a[..all], &batch.b[..all]);
        let parameters = each!(G, k => scene.formula.parameters([
            Vector::load(simd, &a[k * Self::LEN..]),
            Vector::load(simd, &b[k * Self::LEN..]),
        ]), [zero; 3]);
        let mut length = block / 2;
        while length >= 2 {
            let mut u = each!(G, k => Vector::<S>::load(simd, &x[k * Self::LEN..]), zero);
            let mut v = each!(G, k => Vector::<S>::load(simd, &y[k * Self::LEN..]), zero);
            Self::iterate(scene, &mut u, &mut v, &parameters, length / 2);
            let more = Vector::<S>::splat(simd, length as f64);
            unroll!(G, k => {
                let i = k * Self::LEN;
                let within = scene.within(u[k], v[k]);
                u[k].select(within, Vector::load(simd, &x[i..])).store(&mut x[i..]);
                v[k].select(within, Vector::load(simd, &y[i..])).store(&mut y[i..]);
                let count = Vector::<S>::load(simd, &n[i..]);
                (count + more).select(within, count).store(&mut n[i..]);
            });
            length /= 2;
        }
        let one = Vector::<S>::splat(simd, 1.0);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let (old_x, old_y) = (Vector::load(simd, &x[i..]), Vector::load(simd, &y[i..]));
            let parameters = scene.formula.parameters([Vector::load(simd, &a[i..]), Vector::load(simd, &b[i..])]);
            let [u, v] = scene.formula.step([old_x, old_y], parameters);
            let within = scene.within(u, v);
            let count = Vector::<S>::load(simd, &n[i..]) + one;
            (count + one).select(within, count).store(&mut n[i..]);
            if smooth {
                let last = [u.select(within, old_x), v.select(within, old_y)];
                let [u, v] = scene.formula.step(last, parameters);
                (v.mul_add(v, u * u) * Vector::<S>::splat(simd, scene.fraction.scale)).store(&mut x[i..]);
            }
            k += 1;
        }
    }

    /// Runs the group of samples whose first is (left, top) of the tile. `shallow` says that samples may escape soon; the result says
    /// so of this group.
    #[inline(always)]
    fn group(&mut self, place: Place, left: usize, top: usize, shallow: bool) -> Result<bool> {
        let columns = Self::LEN.min(place.tile.width as usize - left);
        let rows = G.min(place.tile.height as usize - top);
        let mut ran = Ran { n: 0, block: BLOCK, alive: self.locate(place, left, top, columns, rows), escaped: 0 };
        let mut soon = shallow;
        if ran.alive != 0 {
            let max = u64::from(self.scene.limits.max);
            soon = self.run_group(&mut ran, shallow, max)?;
            self.counters.executed += ran.n * (G * Self::LEN) as u64;
            // Those that have not ended go on in flight.
            if ran.n < max && ran.alive != 0 {
                self.enqueue(place, left, top, ran);
            }
            if ran.escaped != 0 {
                self.settle_group(ran);
                self.counters.executed += ran.block.min(HALF) * (G * Self::LEN) as u64;
            }
        }
        self.write_group(place, left, top, columns, rows, ran.escaped);
        Ok(soon)
    }

    /// Finds the exact counts of a group's escaped lanes.
    #[inline(always)]
    fn settle_group(&mut self, ran: Ran) {
        let simd = self.simd;
        let more = self.splat(HALF as f64);
        let done = self.splat(ran.n as f64);
        let group = &mut *self.area.group;
        let [middle_x, middle_y] = &*self.area.middle;
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let mut n = Vector::<S>::load(simd, &group.base.0[i..]) + done;
            if ran.block == BLOCK {
                let (x, y) = (Vector::load(simd, &middle_x.0[i..]), Vector::load(simd, &middle_y.0[i..]));
                let within = self.scene.within(x, y);
                x.select(within, Vector::load(simd, &group.x.0[i..])).store(&mut group.x.0[i..]);
                y.select(within, Vector::load(simd, &group.y.0[i..])).store(&mut group.y.0[i..]);
                n = (n + more).select(within, n);
            }
            n.store(&mut group.base.0[i..]);
            k += 1;
        }
        let Flight { x, y, a, b, base, .. } = group;
        let mut batch = Batch { x: &mut x.0, y: &mut y.0, a: &a.0, b: &b.0, n: &mut base.0 };
        Self::settle(simd, self.scene, self.smooth, &mut batch, ran.block.min(HALF));
    }

    /// Writes a group's start and parameters to its memory; returns the lanes that have a sample which is not known to be interior.
    #[inline(always)]
    fn locate(&mut self, place: Place, left: usize, top: usize, columns: usize, rows: usize) -> u64 {
        let zero = self.splat(0.0);
        let row_bits = (1 << columns) - 1;
        let (mut valid, mut cardioids, mut bulbs) = (0, 0, 0);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let (column, row) = (place.tile.x as usize + left, place.tile.y as usize + top + k.min(rows - 1));
            let point = self.scene.points(self.simd, column, row, columns);
            if k < rows {
                valid |= row_bits << i;
            }
            if place.interior
                && let Some(interior) = self.scene.formula.interior(point)
            {
                cardioids |= interior.cardioid.to_bitmask() << i;
                bulbs |= interior.bulb.to_bitmask() << i;
            }
            let (z, c) = match self.scene.julia {
                None => ([zero, zero], point),
                Some(c) => (point, [self.splat(c.re), self.splat(c.im)]),
            };
            let group = &mut *self.area.group;
            z[0].store(&mut group.x.0[i..]);
            z[1].store(&mut group.y.0[i..]);
            c[0].store(&mut group.a.0[i..]);
            c[1].store(&mut group.b.0[i..]);
            zero.store(&mut group.base.0[i..]);
            k += 1;
        }
        cardioids &= valid;
        bulbs &= valid & !cardioids;
        self.counters.cardioid += u64::from(cardioids.count_ones());
        self.counters.bulb += u64::from(bulbs.count_ones());
        valid & !cardioids & !bulbs
    }

    /// Runs a group until half of its lanes are idle or it is at its end.
    #[inline(always)]
    fn run_group(&mut self, ran: &mut Ran, shallow: bool, max: u64) -> Result<bool> {
        let simd = self.simd;
        let zero = self.splat(0.0);
        let scene = self.scene;
        let (group, [middle_x, middle_y]) = (&mut *self.area.group, &mut *self.area.middle);
        let idle = (G * Self::LEN) as u32 / 2;
        let mut soon = shallow;
        let mut block = if shallow { SHORT } else { BLOCK };
        let Ran { mut n, mut alive, mut escaped, .. } = *ran;
        let mut x = each!(G, k => Vector::load(simd, &group.x.0[k * Self::LEN..]), zero);
        let mut y = each!(G, k => Vector::load(simd, &group.y.0[k * Self::LEN..]), zero);
        let parameters = each!(G, k => scene.formula.parameters([
            Vector::load(simd, &group.a.0[k * Self::LEN..]),
            Vector::load(simd, &group.b.0[k * Self::LEN..]),
        ]), [zero; 3]);
        let first_check = BLOCK * PERIOD_CHECK;
        let (mut next_check, mut renew) = (first_check, first_check);
        loop {
            unroll!(G, k => {
                x[k].store(&mut group.x.0[k * Self::LEN..]);
                y[k].store(&mut group.y.0[k * Self::LEN..]);
            });
            let mut rest = block;
            loop {
                let part = rest.min(HALF);
                Self::iterate(scene, &mut x, &mut y, &parameters, part / 2);
                rest -= part;
                if rest == 0 {
                    break;
                }
                unroll!(G, k => {
                    x[k].store(&mut middle_x.0[k * Self::LEN..]);
                    y[k].store(&mut middle_y.0[k * Self::LEN..]);
                });
            }
            n += block;
            let masks = each!(G, k => scene.within(x[k], y[k]), MaskOf::<S>::splat(simd, false));
            let mut within = 0;
            unroll!(G, k => {
                within = within << Self::LEN | masks[G - 1 - k].to_bitmask();
            });
            if within != Self::GROUP {
                let back = Vector::<S>::splat(simd, block as f64);
                unroll!(G, k => {
                    let i = k * Self::LEN;
                    let mask = masks[k];
                    let base = Vector::<S>::load(simd, &group.base.0[i..]);
                    x[k] = x[k].select(mask, Vector::load(simd, &group.x.0[i..]));
                    y[k] = y[k].select(mask, Vector::load(simd, &group.y.0[i..]));
                    base.select(mask, base - back).store(&mut group.base.0[i..]);
                });
                escaped |= alive & !within;
                alive &= within;
            }
            if n >= max || alive == 0 {
                break;
            }
            if n >= BLOCK {
                if alive.count_ones() <= idle {
                    break;
                }
                if n == BLOCK {
                    soon = escaped != 0;
                }
                block = BLOCK;
            }
            if n >= next_check {
                next_check += BLOCK * PERIOD_CHECK;
                let mut repeated = 0;
                unroll!(G, k => {
                    let i = k * Self::LEN;
                    let seen = [&group.seen_x.0[i..], &group.seen_y.0[i..]];
                    repeated |= same(simd, [x[k], y[k]], seen) << i;
                    if n == renew {
                        x[k].store(&mut group.seen_x.0[i..]);
                        y[k].store(&mut group.seen_y.0[i..]);
                    }
                });
                // The first time there is nothing to compare with.
                if n > first_check {
                    repeated &= alive;
                    self.counters.periodic += u64::from(repeated.count_ones());
                    alive &= !repeated;
                    if alive.count_ones() <= idle {
                        break;
                    }
                }
                if n == renew {
                    renew *= 2;
                }
                if n.is_multiple_of(STOP_CHECK * BLOCK) && self.stop.is_set() {
                    return Err(Error::Stopped);
                }
            }
        }
        if n <= BLOCK {
            soon = escaped != 0;
        }
        unroll!(G, k => {
            x[k].store(&mut group.x.0[k * Self::LEN..]);
            y[k].store(&mut group.y.0[k * Self::LEN..]);
        });
        *ran = Ran { n, block, alive, escaped };
        Ok(soon)
    }

    /// Writes the counts of a group; those that are not in `escaped` become interior.
    #[inline(always)]
    fn write_group(&mut self, place: Place, left: usize, top: usize, columns: usize, rows: usize, escaped: u64) {
        let (simd, max) = (self.simd, self.splat(f64::from(self.scene.limits.max)));
        let interior = self.splat(f64::from(INTERIOR));
        // An integer below 2⁵² added to this lies in the low bits.
        let integer = self.splat((1_u64 << 52) as f64);
        let mut k = 0;
        while k < rows {
            let i = k * Self::LEN;
            let first = place.first + (top + k) * place.tile.width as usize + left;
            let count = Vector::<S>::load(simd, &self.area.group.base.0[i..]);
            let count = count.select(self.mask(escaped >> i) & count.at_most(max), interior);
            let mut bits = [0.0; 8];
            (count + integer).store(&mut bits);
            let words = &mut self.words[first..first + columns];
            if columns == Self::LEN {
                let mut l = 0;
                while l < Self::LEN {
                    words[l] = bits[l].to_bits() as u32;
                    l += 1;
                }
            } else {
                let mut l = 0;
                while l < columns {
                    words[l] = bits[l].to_bits() as u32;
                    l += 1;
                }
            }
            if self.smooth {
                let squares = &self.area.group.x.0[i..i + columns];
                let words = &mut self.words[first + self.fractions..first + self.fractions + columns];
                let mut l = 0;
                while l < columns {
                    words[l] = (squares[l] as f32).to_bits();
                    l += 1;
                }
            }
            k += 1;
        }
    }

    /// Appends the lanes of a group that are alive to the queue.
    #[inline(never)]
    fn enqueue(&mut self, place: Place, left: usize, top: usize, ran: Ran) {
        self.simd.vectorize(
            #[inline(always)]
            || self.enqueue_inlined(place, left, top, ran),
        );
    }

    #[inline(always)]
    fn enqueue_inlined(&mut self, place: Place, left: usize, top: usize, ran: Ran) {
        let simd = self.simd;
        let (group, queue) = (&*self.area.group, &mut self.area.queue);
        let done = Vector::<S>::splat(simd, ran.n as f64);
        let counting = Vector::load(simd, &COUNTING);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let bits = ran.alive >> i & Self::FULL;
            let mask = MaskOf::<S>::from_bitmask(simd, bits);
            let j = queue.len;
            assert!(j <= QUEUE);
            macro_rules! put {
                ($value:expr, $to:ident) => {
                    let value: Vector<S> = $value;
                    Vector::<S>(value.0.compress(mask)).store(&mut queue.$to[j..]);
                };
            }
            let first = place.first + (top + k) * place.tile.width as usize + left;
            put!(Vector::load(simd, &group.x.0[i..]), x);
            put!(Vector::load(simd, &group.y.0[i..]), y);
            put!(Vector::load(simd, &group.a.0[i..]), a);
            put!(Vector::load(simd, &group.b.0[i..]), b);
            put!(Vector::splat(simd, first as f64) + counting, id);
            put!(done, n);
            queue.len = j + bits.count_ones() as usize;
            k += 1;
        }
    }

    /// Runs `blocks` blocks of the inner loop on points that never escape, for measuring; returns the iterations of all lanes.
    #[inline(always)]
    pub(super) fn spin(&mut self, blocks: u64) -> u64 {
        let flight = &mut *self.area.flight;
        let mut i = 0;
        while i < K * Self::LEN {
            (flight.x.0[i], flight.y.0[i]) = (0.0, 0.0);
            (flight.a.0[i], flight.b.0[i]) = (-0.11 - 0.001 * i as f64, 0.1 + 0.002 * i as f64);
            i += 1;
        }
        flight.alive = Self::FLIGHT;
        let until = flight.blocks + blocks;
        let _ = self.blocks(u32::MAX, until);
        blocks * BLOCK * (K * Self::LEN) as u64
    }

    /// Runs the samples of the queue in flight until it is empty; with `land`, until nothing flies any more.
    #[inline(never)]
    fn fly(&mut self, land: bool) -> Result<()> {
        self.simd.vectorize(
            #[inline(always)]
            || self.fly_inlined(land),
        )
    }

    #[inline(always)]
    fn fly_inlined(&mut self, land: bool) -> Result<()> {
        let max = u64::from(self.scene.limits.max);
        let mut next_stop = self.area.flight.blocks + STOP_CHECK;
        let began = self.area.flight.blocks;
        if self.area.flight.alive == 0 && self.area.queue.head == self.area.queue.len {
            self.area.queue.len = 0;
            self.area.queue.head = 0;
            self.finish(land);
            return Ok(());
        }
        self.refill(Self::FLIGHT & !self.area.flight.alive);
        let mut deadline = self.deadline(max);
        loop {
            let waiting = self.area.queue.len - self.area.queue.head;
            if waiting == 0 && (!land || self.area.flight.alive == 0) {
                break;
            }
            let alive = self.area.flight.alive;
            let patience = if waiting == 0 { alive.count_ones() } else { WAIT * (K * Self::LEN) as u32 / 48 }.max(1);
            let next_check = (self.area.flight.blocks / PERIOD_CHECK + 1) * PERIOD_CHECK;
            let escaped = self.blocks(patience, next_check.min(deadline));

            if self.area.flight.blocks >= deadline {
                self.retire_old(max, escaped);
            }
            if self.area.flight.blocks.is_multiple_of(PERIOD_CHECK) {
                self.retire_periodic(escaped);
            }
            if escaped.count_ones() >= patience {
                self.retire_escaped(escaped);
            }
            let free = Self::FLIGHT & !self.area.flight.alive;
            if free != 0 && waiting != 0 {
                self.refill(free);
                deadline = self.deadline(max);
            } else if self.area.flight.blocks >= deadline {
                deadline = self.deadline(max);
            }
            if self.area.flight.blocks >= next_stop {
                next_stop += STOP_CHECK;
                if self.stop.is_set() {
                    return Err(Error::Stopped);
                }
            }
        }
        (self.area.queue.head, self.area.queue.len) = (0, 0);
        self.counters.executed += (self.area.flight.blocks - began) * BLOCK * (K * Self::LEN) as u64;
        self.finish(land);
        Ok(())
    }

    /// Runs blocks until `patience` lanes have escaped or `until` blocks have been run; returns the escaped lanes.
    #[inline(always)]
    fn blocks(&mut self, patience: u32, until: u64) -> u64 {
        let simd = self.simd;
        let zero = self.splat(0.0);
        let radius = self.splat(self.scene.limit());
        let back = self.splat(BLOCK as f64);
        let flight: &mut Flight = &mut self.area.flight;
        let mut x = each!(K, k => Vector::load(simd, &flight.x.0[k * Self::LEN..]), zero);
        let mut y = each!(K, k => Vector::load(simd, &flight.y.0[k * Self::LEN..]), zero);
        let parameters = each!(K, k => self.scene.formula.parameters([
            Vector::load(simd, &flight.a.0[k * Self::LEN..]),
            Vector::load(simd, &flight.b.0[k * Self::LEN..]),
        ]), [zero; 3]);
        let alive = flight.alive;
        let mut blocks = flight.blocks;
        let mut escaped;
        loop {
            unroll!(K, k => {
                x[k].store(&mut flight.saved_x.0[k * Self::LEN..]);
                y[k].store(&mut flight.saved_y.0[k * Self::LEN..]);
            });
            let mut i = 0;
            while i < BLOCK / 2 {
                unroll!(K, k => {
                    [x[k], y[k]] = self.scene.formula.step2([x[k], y[k]], parameters[k]);
                });
                i += 1;
            }
            blocks += 1;
            let mut within = 0;
            unroll!(K, k => {
                within = within << Self::LEN | y[K - 1 - k].mul_add(y[K - 1 - k], x[K - 1 - k] * x[K - 1 - k]).at_most(radius).to_bitmask();
            });
            escaped = 0;
            if within != Self::FLIGHT {
                unroll!(K, k => {
                    let i = k * Self::LEN;
                    let mask = MaskOf::<S>::from_bitmask(simd, within >> i & Self::FULL);
                    let base = Vector::<S>::load(simd, &flight.base.0[i..]);
                    x[k] = x[k].select(mask, Vector::load(simd, &flight.saved_x.0[i..]));
                    y[k] = y[k].select(mask, Vector::load(simd, &flight.saved_y.0[i..]));
                    base.select(mask, base - back).store(&mut flight.base.0[i..]);
                });
                escaped = alive & !within;
                if escaped.count_ones() >= patience {
                    break;
                }
            }
            if blocks >= until {
                break;
            }
        }
        unroll!(K, k => {
            x[k].store(&mut flight.x.0[k * Self::LEN..]);
            y[k].store(&mut flight.y.0[k * Self::LEN..]);
        });
        flight.blocks = blocks;
        escaped
    }

    /// The number of blocks at which the first lane reaches `max` iterations.
    #[inline(always)]
    fn deadline(&self, max: u64) -> u64 {
        let mut largest = self.splat(f64::MIN);
        unroll!(K, k => {
            let base = Vector::load(self.simd, &self.area.flight.base.0[k * Self::LEN..]);
            let base = base.select(self.mask(self.area.flight.alive >> (k * Self::LEN)), largest);
            largest = Vector(largest.0.max(base.0));
        });
        if self.area.flight.alive == 0 {
            return u64::MAX;
        }
        let largest = largest.0.reduce_max();
        ((max as i64 - largest as i64).max(0) as u64).div_ceil(BLOCK)
    }

    /// Ends the lanes that have reached `max` iterations within the radius; they were written as interior before.
    #[inline(always)]
    fn retire_old(&mut self, max: u64, escaped: u64) {
        let flight = &mut self.area.flight;
        let left = Vector::<S>::splat(self.simd, max as f64 - (flight.blocks * BLOCK) as f64);
        let mut old = 0;
        unroll!(K, k => {
            let i = k * Self::LEN;
            old |= left.at_most(Vector::load(self.simd, &flight.base.0[i..])).to_bitmask() << i;
        });
        old &= flight.alive & !escaped;
        flight.alive &= !old;
    }

    /// Ends the lanes that are where they were before.
    #[inline(always)]
    fn retire_periodic(&mut self, escaped: u64) {
        let simd = self.simd;
        let mut repeated = 0;
        let flight = &mut self.area.flight;
        let now = Vector::<S>::splat(simd, flight.blocks as f64);
        unroll!(K, k => {
            let i = k * Self::LEN;
            let (x, y) = (Vector::<S>::load(simd, &flight.x.0[i..]), Vector::<S>::load(simd, &flight.y.0[i..]));
            let seen_x = Vector::<S>::load(simd, &flight.seen_x.0[i..]);
            let seen_y = Vector::<S>::load(simd, &flight.seen_y.0[i..]);
            repeated |= (x.0.simd_eq(seen_x.0) & y.0.simd_eq(seen_y.0)).to_bitmask() << i;
            let renew = Vector::<S>::load(simd, &flight.renew.0[i..]);
            let due = renew.at_most(now);
            x.select(due, seen_x).store(&mut flight.seen_x.0[i..]);
            y.select(due, seen_y).store(&mut flight.seen_y.0[i..]);
            let birth = Vector::<S>::load(simd, &flight.birth.0[i..]);
            (now + now - birth).select(due, renew).store(&mut flight.renew.0[i..]);
        });
        repeated &= flight.alive & !escaped;
        flight.alive &= !repeated;
        self.counters.periodic += u64::from(repeated.count_ones());
    }

    /// Moves escaped lanes to the list of those that wait for their exact count.
    #[inline(always)]
    fn retire_escaped(&mut self, escaped: u64) {
        let simd = self.simd;
        let done = self.splat((self.area.flight.blocks * BLOCK) as f64);
        unroll!(K, k => {
            let i = k * Self::LEN;
            let bits = escaped >> i & Self::FULL;
            if bits != 0 {
                let mask = self.mask(bits);
                let (flight, finish) = (&self.area.flight, &mut self.area.finish);
                let j = finish.len;
                assert!(j <= FINISH);
                let n = Vector::<S>::load(simd, &flight.base.0[i..]) + done;
                Vector::<S>(Vector::<S>::load(simd, &flight.x.0[i..]).0.compress(mask)).store(&mut finish.x[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.y.0[i..]).0.compress(mask)).store(&mut finish.y[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.a.0[i..]).0.compress(mask)).store(&mut finish.a[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.b.0[i..]).0.compress(mask)).store(&mut finish.b[j..]);
                Vector::<S>(Vector::<S>::load(simd, &flight.id.0[i..]).0.compress(mask)).store(&mut finish.id[j..]);
                Vector::<S>(n.0.compress(mask)).store(&mut finish.n[j..]);
                finish.len = j + bits.count_ones() as usize;
            }
        });
        self.area.flight.alive &= !escaped;
        if self.area.finish.len >= G * Self::LEN {
            self.finish(false);
        }
    }

    /// Gives the lanes of `free` samples from the queue while there are any; the others are put to rest.
    #[inline(never)]
    fn refill(&mut self, free: u64) {
        self.simd.vectorize(
            #[inline(always)]
            || self.refill_inlined(free),
        );
    }

    #[inline(always)]
    fn refill_inlined(&mut self, free: u64) {
        let simd = self.simd;
        let zero = self.splat(0.0);
        let now = self.splat(self.area.flight.blocks as f64);
        let done = self.splat((self.area.flight.blocks * BLOCK) as f64);
        let first = self.splat((self.area.flight.blocks + PERIOD_CHECK) as f64);
        let nan = self.splat(f64::NAN);
        let busy = self.area.flight.alive;
        unroll!(K, k => {
            let i = k * Self::LEN;
            let bits = free >> i & Self::FULL;
            if bits != 0 {
                let (flight, queue) = (&mut self.area.flight, &mut self.area.queue);
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
                    ($from:ident, $to:ident) => {
                        let old = Vector::<S>::load(simd, &flight.$to.0[i..]).select(keep, zero);
                        let new = Vector::<S>::load(simd, &queue.$from[j..]);
                        Vector::<S>(new.0.expand_merge(mask, old.0)).store(&mut flight.$to.0[i..]);
                    };
                }
                take!(x, x);
                take!(y, y);
                take!(a, a);
                take!(b, b);
                take!(id, id);
                let old = Vector::<S>::load(simd, &flight.base.0[i..]);
                let new = Vector::<S>::load(simd, &queue.n[j..]) - done;
                Vector::<S>(new.0.expand_merge(mask, old.0)).store(&mut flight.base.0[i..]);
                let fresh = MaskOf::<S>::from_bitmask(simd, bits);
                macro_rules! set {
                    ($value:expr, $to:ident) => {
                        let old = Vector::<S>::load(simd, &flight.$to.0[i..]);
                        $value.select(fresh, old).store(&mut flight.$to.0[i..]);
                    };
                }
                set!(now, birth);
                set!(first, renew);
                set!(nan, seen_x);
                queue.head = j + count;
                flight.alive |= taken << i;
                if busy != 0 {
                    self.counters.refills += count as u64;
                }
            }
        });
    }

    #[inline(always)]
    fn settle_finish(&mut self, i: usize) {
        let List { x, y, a, b, n, .. } = &mut self.area.finish;
        let mut batch = Batch { x: &mut x[i..], y: &mut y[i..], a: &a[i..], b: &b[i..], n: &mut n[i..] };
        Self::settle(self.simd, self.scene, self.smooth, &mut batch, BLOCK);
    }

    /// Finds the exact counts of full batches in the list of escaped samples, with `all` of the rest too, and writes them.
    #[inline(never)]
    fn finish(&mut self, all: bool) {
        self.simd.vectorize(
            #[inline(always)]
            || self.finish_inlined(all),
        );
    }

    #[inline(always)]
    fn finish_inlined(&mut self, all: bool) {
        let batch = G * Self::LEN;
        let max = f64::from(self.scene.limits.max);
        let mut i = 0;
        while self.area.finish.len - i >= batch || (all && i < self.area.finish.len) {
            assert!(i + batch <= FINISH + LANES);
            self.settle_finish(i);
            self.counters.executed += BLOCK * batch as u64;
            let count = batch.min(self.area.finish.len - i);
            let list = &self.area.finish;
            let mut l = i;
            while l < i + count {
                // Beyond the maximum they stay interior, as which they were written.
                if list.n[l] <= max {
                    self.words[list.id[l] as usize] = list.n[l] as u32;
                }
                if self.smooth {
                    self.words[list.id[l] as usize + self.fractions] = (list.x[l] as f32).to_bits();
                }
                l += 1;
            }
            i += count;
        }
        let list = &mut self.area.finish;
        let rest = i..list.len;
        list.len -= i;
        if i > 0 && !rest.is_empty() {
            list.x.copy_within(rest.clone(), 0);
            list.y.copy_within(rest.clone(), 0);
            list.a.copy_within(rest.clone(), 0);
            list.b.copy_within(rest.clone(), 0);
            list.id.copy_within(rest.clone(), 0);
            list.n.copy_within(rest, 0);
        }
    }
}

const COUNTING: [f64; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// The lanes of `z` that are where they were when last looked at.
#[inline(always)]
fn same<S: Simd>(simd: S, [x, y]: [Vector<S>; 2], seen: [&[f64]; 2]) -> u64 {
    let seen = [Vector::<S>::load(simd, seen[0]), Vector::<S>::load(simd, seen[1])];
    (x.0.simd_eq(seen[0].0) & y.0.simd_eq(seen[1].0)).to_bitmask()
}

impl<F: Formula> Scene<F> {
    /// R², the most that |z|² may be.
    #[inline(always)]
    fn limit(&self) -> f64 {
        self.limits.escape_radius * self.limits.escape_radius
    }

    /// Lanes that are within the escape radius.
    #[inline(always)]
    fn within<S: Simd>(&self, x: Vector<S>, y: Vector<S>) -> MaskOf<S> {
        y.mul_add(y, x * x).at_most(x.constant(self.limit()))
    }

    /// The points of a vector of samples from (x, y) on; from the `columns`-th on they repeat the last.
    #[inline(always)]
    fn points<S: Simd>(&self, simd: S, x: usize, y: usize, columns: usize) -> [Vector<S>; 2] {
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

    /// Whether a tile's points may lie in the cardioid or the bulb: whether its bounding box meets theirs.
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
        // The box is larger than cardioid and bulb by far more than rounding.
        low[0] <= 0.4 && high[0] >= -1.3 && low[1] <= 0.7 && high[1] >= -0.7
    }
}
