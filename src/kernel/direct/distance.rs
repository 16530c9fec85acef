//! Distances, from a second run of the escaped samples.
//!
//! The counting kernel does not carry derivatives, since most of what it iterates never escapes. Once the counts are known, the escaped
//! samples are sorted by count and run again with their derivative, for exactly that many iterations and without any test; neighbours
//! in that order finish together.
//!
//! An iteration of z² + c takes 7 operations of the multiply-add units, so a vector at least 3.5 cycles. Two vectors at once do not hide
//! all latency: on Zen 5 they take 5 cycles. With 256 bits, and so 16 registers, three run at once, in a function that does nothing else
//! and reads what stays the same from memory: only then the compiler keeps all of their state in registers. On Granite Rapids, all that
//! a sample takes with its distance falls from 115 ns to 103 on B (`fractal bench kernel`), and from 77 to 69 on C. Formulas that are not
//! conformal have half as much state again, of which two vectors fit.
//!
//! Tried there, in ns on B and C: two vectors by that function (116 and 79); four, of which some spill (115 and 74, and sometimes 196 and
//! 125); four with the derivative in memory, which is written and read in each iteration (104 and 67; it depends on how soon what is
//! written can be read); a barrier before each vector's step (103 and 69).

use super::Problem;
use super::scratch::{LANES, PerLane};
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, Vector};
use crate::kernel::distance::{Frame, Tangent, vector};
use crate::kernel::unroll::{each, unroll};
use crate::parallel::Stop;
use crate::sample::INTERIOR;
use crate::tile::Tile;
use fearless_simd::prelude::*;
use num_complex::Complex64;
use std::hint::black_box;

/// Samples that are sorted at once, which bounds the memory needed.
const CHUNK: usize = 1 << 14;
/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u32 = 1 << 13;

/// The derivative of the next iterate: the columns of its Jacobian. `own` is [`Problem::own`].
#[inline(always)]
pub(super) fn derivative<F: Formula, L: Lanes>(formula: F, t: Tangent<L>, own: L) -> [[L; 2]; 2] {
    let [[a, b], [c, d]] = formula.jacobian(t.z);
    let right = [a.mul_add(t.right[0], b.mul_add(t.right[1], own)), c.mul_add(t.right[0], d * t.right[1])];
    let up = if F::CONFORMAL {
        t.up
    } else {
        [a.mul_add(t.up[0], b * t.up[1]), c.mul_add(t.up[0], d.mul_add(t.up[1], own))]
    };
    [right, up]
}

/// One iteration of an orbit and its derivative.
#[inline(always)]
pub(super) fn step<F: Formula, L: Lanes>(formula: F, t: Tangent<L>, parameters: [L; 3], own: L) -> Tangent<L> {
    let [right, up] = derivative(formula, t, own);
    Tangent { z: formula.step(t.z, parameters), right, up }
}

/// x and y of z, and of the columns of its derivative, of the vectors that run at once.
type Tangents = [PerLane; 6];

/// Those of the `k`-th vector. Without `both`, the second column is 0.
#[inline(always)]
fn tangent<S: Simd>(simd: S, tangents: &Tangents, k: usize, both: bool) -> Tangent<Vector<S>> {
    let i = k * Vector::<S>::LEN;
    let zero = Vector::splat(simd, 0.0);
    Tangent {
        z: [Vector::load(simd, &tangents[0].0[i..]), Vector::load(simd, &tangents[1].0[i..])],
        right: [Vector::load(simd, &tangents[2].0[i..]), Vector::load(simd, &tangents[3].0[i..])],
        up: if both {
            [Vector::load(simd, &tangents[4].0[i..]), Vector::load(simd, &tangents[5].0[i..])]
        } else {
            [zero; 2]
        },
    }
}

/// Writes the `k`-th vector; without `both`, not its second column.
#[inline(always)]
fn put<S: Simd>(t: Tangent<Vector<S>>, tangents: &mut Tangents, k: usize, both: bool) {
    let i = k * Vector::<S>::LEN;
    t.z[0].store(&mut tangents[0].0[i..]);
    t.z[1].store(&mut tangents[1].0[i..]);
    t.right[0].store(&mut tangents[2].0[i..]);
    t.right[1].store(&mut tangents[3].0[i..]);
    if both {
        t.up[0].store(&mut tangents[4].0[i..]);
        t.up[1].store(&mut tangents[5].0[i..]);
    }
}

/// What stays the same for each lane: the formula's parameters, and `own` of [`step`].
type Same = [PerLane; 4];

/// One iteration of the `k`-th vector.
#[inline(always)]
fn stepped<F: Formula, S: Simd>(
    simd: S,
    formula: F,
    t: Tangent<Vector<S>>,
    same: &Same,
    k: usize,
) -> Tangent<Vector<S>> {
    let i = k * Vector::<S>::LEN;
    let parameters =
        [Vector::load(simd, &same[0].0[i..]), Vector::load(simd, &same[1].0[i..]), Vector::load(simd, &same[2].0[i..])];
    step(formula, t, parameters, Vector::load(simd, &same[3].0[i..]))
}

impl<F: Formula> Problem<F> {
    /// The distance vector of a point that escapes at iterate `n`.
    pub(super) fn distance(&self, point: Complex64, n: u64) -> [f32; 2] {
        let ([z, c], own) = (self.start(point), self.own());
        let parameters = self.formula.parameters(c);
        let mut t = Tangent { z, right: [1.0 - own, 0.0], up: [0.0, 1.0 - own] };
        for _ in 0..n {
            t = step(self.formula, t, parameters, own);
        }
        let [x, y] = vector::<F, f64>(t, Frame::of(&self.plane));
        [x as f32, y as f32]
    }
}

/// A tile whose counts are known.
pub(super) struct Counted<'a> {
    pub(super) tile: Tile,
    pub(super) counts: &'a [u32],
    /// Where the distance vectors go.
    pub(super) x: &'a mut [u32],
    pub(super) y: &'a mut [u32],
}

impl<F: Formula> Problem<F> {
    /// Computes the distance vectors of a tile; returns the iterations executed. `order` and `sorted` are scratch memory.
    #[inline(never)]
    pub(super) fn distances<S: Simd>(
        &self,
        simd: S,
        counted: &mut Counted<'_>,
        [order, sorted]: &mut [Vec<u64>; 2],
        stop: &Stop,
    ) -> Result<u64> {
        let mut executed = 0;
        for first in (0..counted.counts.len()).step_by(CHUNK) {
            let last = counted.counts.len().min(first + CHUNK);
            order.clear();
            let (mut least, mut most) = (u32::MAX, 0);
            for i in first..last {
                let count = counted.counts[i];
                (counted.x[i], counted.y[i]) = (0, 0);
                if count != INTERIOR {
                    (least, most) = (least.min(count), most.max(count));
                    order.push(u64::from(count) << 32 | (i - first) as u64);
                }
            }
            sort(order, sorted, least, most);
            let order = &*order;
            executed += if Vector::<S>::LEN > 4 {
                self.distance_groups::<S, 4>(simd, counted, first, order, stop)?
            } else if Vector::<S>::LEN == 4 && F::CONFORMAL {
                self.distance_groups::<S, 3>(simd, counted, first, order, stop)?
            } else {
                self.distance_groups::<S, 2>(simd, counted, first, order, stop)?
            };
        }
        Ok(executed)
    }

    /// Computes samples whose counts are in ascending order, D vectors at once.
    #[inline(always)]
    fn distance_groups<S: Simd, const D: usize>(
        &self,
        simd: S,
        counted: &mut Counted<'_>,
        first: usize,
        order: &[u64],
        stop: &Stop,
    ) -> Result<u64> {
        let mut executed = 0;
        for group in order.chunks(D * Vector::<S>::LEN) {
            executed += simd.vectorize(
                #[inline(always)]
                || self.distance_group::<S, D>(simd, counted, first, group, stop),
            )?;
        }
        Ok(executed)
    }

    #[inline(always)]
    fn distance_group<S: Simd, const D: usize>(
        &self,
        simd: S,
        counted: &mut Counted<'_>,
        first: usize,
        group: &[u64],
        stop: &Stop,
    ) -> Result<u64> {
        let length = Vector::<S>::LEN;
        let width = counted.tile.width;
        let mut points = [PerLane([0.0; LANES]), PerLane([0.0; LANES])];
        let mut counts = PerLane([0.0; LANES]);
        let mut l = 0;
        while l < D * length {
            // Lanes without a sample of their own repeat the last one.
            let key = group[l.min(group.len() - 1)];
            let i = first as u32 + key as u32;
            let (column, row) = (counted.tile.x + i % width, counted.tile.y + i / width);
            let point = self.plane.point(column as usize, row as usize);
            (points[0].0[l], points[1].0[l]) = (point.re, point.im);
            counts.0[l] = (key >> 32) as f64;
            l += 1;
        }
        let (least, most) = ((group[0] >> 32) as u32, (group[group.len() - 1] >> 32) as u32);

        let (zero, one) = (Vector::<S>::splat(simd, 0.0), Vector::splat(simd, 1.0));
        let own = Vector::<S>::splat(simd, self.own());
        let unit = one - own;
        let mut same = [const { PerLane([0.0; LANES]) }; 4];
        let mut tangents = [const { PerLane([0.0; LANES]) }; 6];
        unroll!(D, k => {
            let i = k * length;
            let point = [Vector::load(simd, &points[0].0[i..]), Vector::load(simd, &points[1].0[i..])];
            let (z, c) = match self.julia {
                None => ([zero; 2], point),
                Some(c) => (point, [Vector::splat(simd, c.re), Vector::splat(simd, c.im)]),
            };
            let [p, q, r] = self.formula.parameters(c);
            p.store(&mut same[0].0[i..]);
            q.store(&mut same[1].0[i..]);
            r.store(&mut same[2].0[i..]);
            own.store(&mut same[3].0[i..]);
            put(Tangent { z, right: [unit, zero], up: [zero, unit] }, &mut tangents, k, !F::CONFORMAL);
        });
        let mut n = 0;
        // All lanes need the iterations below `least`.
        while n < least {
            let until = least.min(n.saturating_add(STOP_INTERVAL));
            Self::advance::<S, D>(simd, self.formula, &same, &mut tangents, until - n);
            n = until;
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        let same = black_box(&same);
        let mut tangents = each!(D, k => tangent(simd, &tangents, k, !F::CONFORMAL), Tangent {
            z: [zero; 2],
            right: [zero; 2],
            up: [zero; 2],
        });
        // After that, lanes that have reached their count keep their state.
        while n < most {
            let until = most.min(n.saturating_add(STOP_INTERVAL));
            while n < until {
                black_box(());
                let now = Vector::<S>::splat(simd, f64::from(n + 1));
                unroll!(D, k => {
                    let needs = now.at_most(Vector::load(simd, &counts.0[k * length..]));
                    let (old, new) = (tangents[k], stepped(simd, self.formula, tangents[k], same, k));
                    tangents[k] = Tangent {
                        z: [new.z[0].select(needs, old.z[0]), new.z[1].select(needs, old.z[1])],
                        right: [new.right[0].select(needs, old.right[0]), new.right[1].select(needs, old.right[1])],
                        up: [new.up[0].select(needs, old.up[0]), new.up[1].select(needs, old.up[1])],
                    };
                });
                n += 1;
            }
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }

        let frame = Frame::of(&self.plane);
        let mut vectors = [[0.0; LANES]; 2];
        unroll!(D, k => {
            let [x, y] = vector::<F, _>(tangents[k], frame);
            x.store(&mut vectors[0][k * length..]);
            y.store(&mut vectors[1][k * length..]);
        });
        let mut l = 0;
        while l < group.len() {
            let i = first + (group[l] & 0xffff_ffff) as usize;
            counted.x[i] = (vectors[0][l] as f32).to_bits();
            counted.y[i] = (vectors[1][l] as f32).to_bits();
            l += 1;
        }
        Ok(u64::from(most) * (D * length) as u64)
    }

    /// Runs `times` iterations of D vectors.
    ///
    /// A function of its own without anything else, for the same reason as `Engine::block`.
    #[inline(never)]
    fn advance<S: Simd, const D: usize>(simd: S, formula: F, same: &Same, tangents: &mut Tangents, times: u32) {
        simd.vectorize(
            #[inline(always)]
            || {
                let zero = Vector::<S>::splat(simd, 0.0);
                let mut t = each!(D, k => tangent(simd, tangents, k, !F::CONFORMAL), Tangent {
                    z: [zero; 2],
                    right: [zero; 2],
                    up: [zero; 2],
                });
                let mut n = 0;
                while n < times {
                    // Read anew each time, as operands: what is read once takes registers from the state.
                    let same = black_box(same);
                    unroll!(D, k => { t[k] = stepped(simd, formula, t[k], same, k); });
                    n += 1;
                }
                unroll!(D, k => { put(t[k], tangents, k, !F::CONFORMAL); });
            },
        );
    }
}

/// Sorts keys whose upper halves, counts, are from `least` to `most`.
fn sort(keys: &mut Vec<u64>, sorted: &mut Vec<u64>, least: u32, most: u32) {
    let range = most.saturating_sub(least) as usize + 1;
    if range > keys.len() {
        keys.sort_unstable();
        return;
    }
    // By counting, which takes a third of the time.
    let mut starts = [0_u32; CHUNK + 1];
    let place = |key: u64| ((key >> 32) as u32 - least) as usize;
    for &key in &*keys {
        starts[place(key) + 1] += 1;
    }
    for i in 1..range {
        starts[i] += starts[i - 1];
    }
    sorted.clear();
    sorted.resize(keys.len(), 0);
    for &key in &*keys {
        let start = &mut starts[place(key)];
        sorted[*start as usize] = key;
        *start += 1;
    }
    std::mem::swap(keys, sorted);
}
