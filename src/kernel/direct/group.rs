//! Groups of neighbours that run together first. See the engine for the overview.

use super::bounded::Bounded;
use super::engine::{BLOCK, Engine, PERIOD_CHECK, Place, STOP_CHECK, same};
use super::escape_count::Batch;
use super::scratch::{Flight, QUEUE, Scratch};
use crate::formula::{Formula, Lanes, MaskOf, Vector};
use crate::kernel::unroll::{each, unroll};
use crate::sample::INTERIOR;
use fearless_simd::prelude::*;

/// Iterations of half a block. A group saves its state there, so that exact counts are found sooner; saving quarters as well was
/// slower.
const HALF: u64 = BLOCK / 2;
/// Iterations of a group's first blocks where samples escape early.
const SHORT: u64 = 4;
/// Iterations after which a group checks for a period after every block. Most samples that last this long are interior.
const OLD: u64 = 512;
/// Blocks before a group first checks where no lanes are suspected of never escaping.
const LATE_CHECK: u64 = 4 * PERIOD_CHECK;
/// Iterations after which a group is suspected of never escaping, where its neighbours did not. Those of its samples for which that is
/// not proved continue in flight.
const SUSPECT: u64 = 64;
/// Iterations after which samples continue in flight, where the stop flag is looked at.
const LAST: u64 = STOP_CHECK * BLOCK;
const COUNTING: [f64; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

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

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    /// Runs the group of samples whose first is (left, top) of the tile. `shallow` means that samples of the previous group escaped
    /// early; returns whether those of this group did.
    #[inline(always)]
    pub(super) fn group(&mut self, place: Place<'_>, left: usize, top: usize, shallow: bool) -> bool {
        let columns = Self::LEN.min(place.tile.width as usize - left);
        let rows = G.min(place.tile.height as usize - top);
        let mut ran = Ran { n: 0, block: BLOCK, alive: self.locate(place, left, top, columns, rows), escaped: 0 };
        let mut soon = shallow;
        if ran.alive != 0 {
            let max = self.problem.limits.max;
            let eager = Self::PROVES && self.scratch.eager;
            let periodic = self.counters.periodic;
            soon = self.run_group(&mut ran, shallow, if eager { SUSPECT } else { LAST }, max);
            self.counters.executed += ran.n * (G * Self::LEN) as u64;
            self.scratch.eager |= self.counters.periodic > periodic;
            if eager && ran.n == SUSPECT && ran.alive != 0 {
                self.drop_bounded(&mut ran);
            }
            // Samples that have not ended continue in flight.
            if ran.n < max && ran.alive != 0 {
                self.enqueue(place, left, top, ran);
            }
            if ran.escaped != 0 {
                self.settle_group(ran);
                self.counters.executed += ran.block.min(HALF) * (G * Self::LEN) as u64;
            }
        }
        self.write_group(place, left, top, columns, rows, ran.escaped);
        soon
    }

    /// Ends the lanes of a group that are proved never to escape.
    #[inline(always)]
    fn drop_bounded(&mut self, ran: &mut Ran) {
        let group = &self.scratch.group;
        let Bounded { lanes, executed } = Self::bounded(self.simd, self.problem, group, ran.alive, ran.n);
        self.counters.executed += executed;
        self.counters.periodic += u64::from(lanes.count_ones());
        self.scratch.eager = lanes != 0;
        ran.alive &= !lanes;
    }

    /// Finds the exact counts of a group's escaped lanes.
    #[inline(always)]
    fn settle_group(&mut self, ran: Ran) {
        let simd = self.simd;
        let more = self.splat(HALF as f64);
        let done = self.splat(ran.n as f64);
        let limit = self.splat(self.problem.limit());
        let Scratch { group, middle, states: [first, second], squares, .. } = &mut *self.scratch;
        let Flight { z, a, b, base, .. } = &mut **group;
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let mut n = Vector::<S>::load(simd, &base.0[i..]) + done;
            if ran.block == BLOCK {
                let (x, y) = (Vector::load(simd, &z[0].0[i..]), Vector::load(simd, &z[1].0[i..]));
                let (u, v) = (Vector::load(simd, &middle[0].0[i..]), Vector::load(simd, &middle[1].0[i..]));
                let within = self.problem.within(u, v, limit);
                u.select(within, x).store(&mut first[0].0[i..]);
                v.select(within, y).store(&mut first[1].0[i..]);
                n = n + more.kept(within);
            }
            n.store(&mut base.0[i..]);
            k += 1;
        }
        let state = if ran.block == BLOCK { &mut **first } else { z };
        let squares = self.smooth.then_some(&mut squares.0);
        let mut batch = Batch { states: [state, second], a: &a.0, b: &b.0, n: &mut base.0, squares };
        Self::settle(simd, self.problem, &mut batch, ran.block.min(HALF));
    }

    /// Writes a group's initial state and parameters to its memory; returns the lanes whose sample is wanted and not known to be
    /// interior.
    #[inline(always)]
    fn locate(&mut self, place: Place<'_>, left: usize, top: usize, columns: usize, rows: usize) -> u64 {
        let zero = self.splat(0.0);
        let row_bits = (1 << columns) - 1;
        let (mut valid, mut cardioids, mut bulbs) = (0, 0, 0);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let (column, row) = (place.tile.x as usize + left, place.tile.y as usize + top + k.min(rows - 1));
            let point = self.problem.points(self.simd, column, row, columns);
            if k < rows {
                let wanted = match place.mask {
                    Some(mask) => mask.window((top + k) * place.tile.width as usize + left, columns),
                    None => row_bits,
                };
                valid |= wanted << i;
            }
            if place.interior
                && let Some(interior) = self.problem.formula.interior(point)
            {
                cardioids |= interior.cardioid.to_bitmask() << i;
                bulbs |= interior.bulb.to_bitmask() << i;
            }
            let (z, c) = match self.problem.julia {
                None => ([zero, zero], point),
                Some(c) => (point, [self.splat(c.re), self.splat(c.im)]),
            };
            let group = &mut *self.scratch.group;
            z[0].store(&mut group.z[0].0[i..]);
            z[1].store(&mut group.z[1].0[i..]);
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

    /// Runs a group until half of its lanes are idle or it has reached `last` or `max` iterations.
    #[inline(always)]
    fn run_group(&mut self, ran: &mut Ran, shallow: bool, last: u64, max: u64) -> bool {
        let simd = self.simd;
        let zero = self.splat(0.0);
        let problem = self.problem;
        let limit = self.splat(problem.limit());
        let first_check = BLOCK * if self.scratch.eager { PERIOD_CHECK } else { LATE_CHECK };
        let (group, [middle_x, middle_y]) = (&mut *self.scratch.group, &mut *self.scratch.middle);
        let idle = (G * Self::LEN) as u32 / 2;
        let mut soon = shallow;
        let mut block = if shallow { SHORT } else { BLOCK };
        let Ran { mut n, mut alive, mut escaped, .. } = *ran;
        let mut x = each!(G, k => Vector::load(simd, &group.z[0].0[k * Self::LEN..]), zero);
        let mut y = each!(G, k => Vector::load(simd, &group.z[1].0[k * Self::LEN..]), zero);
        let parameters = each!(G, k => problem.formula.parameters([
            Vector::load(simd, &group.a.0[k * Self::LEN..]),
            Vector::load(simd, &group.b.0[k * Self::LEN..]),
        ]), [zero; 3]);
        let (mut next_check, mut renew) = (first_check, first_check);
        loop {
            unroll!(G, k => {
                x[k].store(&mut group.z[0].0[k * Self::LEN..]);
                y[k].store(&mut group.z[1].0[k * Self::LEN..]);
            });
            let mut rest = block;
            loop {
                let part = rest.min(HALF);
                Self::iterate(problem, &mut x, &mut y, &parameters, part / 2);
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
            let within = Self::lanes_within(problem, &x, &y, limit, escaped & alive);
            if within != Self::GROUP {
                let back = Vector::<S>::splat(simd, block as f64);
                unroll!(G, k => {
                    let i = k * Self::LEN;
                    let mask = MaskOf::<S>::from_bitmask(simd, within >> i & Self::FULL);
                    let base = Vector::<S>::load(simd, &group.base.0[i..]);
                    x[k] = x[k].select(mask, Vector::load(simd, &group.z[0].0[i..]));
                    y[k] = y[k].select(mask, Vector::load(simd, &group.z[1].0[i..]));
                    (base - back + back.kept(mask)).store(&mut group.base.0[i..]);
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
                next_check += if n < OLD { first_check } else { BLOCK };
                let mut repeated = 0;
                unroll!(G, k => {
                    let i = k * Self::LEN;
                    let seen = [&group.seen[0].0[i..], &group.seen[1].0[i..]];
                    repeated |= same(simd, [x[k], y[k]], seen) << i;
                    if n >= renew {
                        x[k].store(&mut group.seen[0].0[i..]);
                        y[k].store(&mut group.seen[1].0[i..]);
                    }
                });
                // The first time, there is nothing to compare with yet.
                if n > first_check {
                    repeated &= alive;
                    self.counters.periodic += u64::from(repeated.count_ones());
                    alive &= !repeated;
                    if alive.count_ones() <= idle {
                        break;
                    }
                }
                if n >= renew {
                    renew = n + (n / 2).next_multiple_of(first_check);
                }
                if n >= last {
                    break;
                }
            }
        }
        if n <= BLOCK {
            soon = escaped != 0;
        }
        unroll!(G, k => {
            x[k].store(&mut group.z[0].0[k * Self::LEN..]);
            y[k].store(&mut group.z[1].0[k * Self::LEN..]);
        });
        *ran = Ran { n, block, alive, escaped };
        soon
    }

    /// Writes the counts of a group; those that are not in `escaped` become interior.
    #[inline(always)]
    fn write_group(&mut self, place: Place<'_>, left: usize, top: usize, columns: usize, rows: usize, escaped: u64) {
        let (simd, max) = (self.simd, self.splat(self.problem.limits.max as f64));
        let interior = self.splat(f64::from(INTERIOR));
        // An integer below 2⁵² added to this lies in the low bits.
        let integer = self.splat((1_u64 << 52) as f64);
        let mut k = 0;
        while k < rows {
            let i = k * Self::LEN;
            let first = place.first + (top + k) * place.tile.width as usize + left;
            let count = Vector::<S>::load(simd, &self.scratch.group.base.0[i..]);
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
                let squares = &self.scratch.squares.0[i..i + columns];
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

    /// Appends a group's live lanes to the queue.
    #[inline(never)]
    fn enqueue(&mut self, place: Place<'_>, left: usize, top: usize, ran: Ran) {
        self.simd.vectorize(
            #[inline(always)]
            || self.enqueue_inlined(place, left, top, ran),
        );
    }

    #[inline(always)]
    fn enqueue_inlined(&mut self, place: Place<'_>, left: usize, top: usize, ran: Ran) {
        let simd = self.simd;
        let (group, queue) = (&*self.scratch.group, &mut self.scratch.queue);
        let done = Vector::<S>::splat(simd, ran.n as f64);
        // An emptied queue starts anew.
        queue.most = if queue.len == 0 { ran.n } else { queue.most.max(ran.n) };
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
            put!(Vector::load(simd, &group.z[0].0[i..]), x);
            put!(Vector::load(simd, &group.z[1].0[i..]), y);
            put!(Vector::load(simd, &group.a.0[i..]), a);
            put!(Vector::load(simd, &group.b.0[i..]), b);
            put!(Vector::splat(simd, first as f64) + counting, id);
            put!(done, n);
            queue.len = j + bits.count_ones() as usize;
            k += 1;
        }
    }
}
