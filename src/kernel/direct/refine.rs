//! Samples that 64-bit numbers are not enough for.
//!
//! An orbit in `f64` is the exact orbit of a point some roundings away. Where the derivative grows fast, only the first iterations count,
//! and those roundings are few. Where it grows slowly, each iteration adds its part: beside the Feigenbaum point, after 17,827 iterations,
//! the point was off by 43 · 2⁻⁵³. In small views that decides counts: 10⁸ times enlarged there, 26 % of those that are not chaotic were
//! wrong. So the samples with the most iterations of such views are computed once more, in double-double.
//!
//! That takes 7 to 9 times as long as the same iterations in `f64`, hence the bounds below; perturbation in that view takes 8 to 14 times
//! as long. Refined smooth counts alone were tried first: they take as long, and leave the counts wrong. So were the sums and products of
//! [`DoubleDouble`](crate::kernel::double_double::DoubleDouble), which are exact beside results that nearly cancel (twice the time).

use super::Problem;
use super::distance::derivative;
use super::quick::Quick;
use super::reference::Orbit;
use super::scratch::{LANES, Lists, PerLane};
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, Vector};
use crate::kernel::Why;
use crate::kernel::distance::{Frame, Tangent, vector};
use crate::kernel::double_double::fused;
use crate::kernel::unroll::{each, unroll};
use crate::parallel::Stop;
use crate::plane::Plane;
use crate::sample::INTERIOR;
use crate::tile::Tile;
use fearless_simd::prelude::*;
use num_complex::Complex64;

/// The iterations in which roundings move a point by 2⁻⁵³ at most: half of what was measured.
const PER_ROUNDING: f64 = 200.0;

/// How far that may be, as a share of the distance between samples.
const TOLERANCE: f64 = 1e-4;

/// Samples with fewer iterations are left as they are, since they are most of many pictures: their points are off by at most 20 · 2⁻⁵³,
/// which is 0.3 % of the least distance between samples.
const LEAST: f64 = 4096.0;

/// The last iterate at which a sample may escape whose count in `f64` is `n`; else it is left as it was. A sixteenth more is enough: such
/// a sample is at the mercy of a rounding of its coordinates, and one in a group would keep all others waiting.
fn last(n: u64) -> u64 {
    n + n / 16
}

/// Vectors that are computed at once.
const VECTORS: usize = 2;
/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 11;

/// The count from which on the samples of a view are refined.
pub(super) fn least(plane: &Plane) -> u64 {
    (PER_ROUNDING * TOLERANCE * plane.spacing / (0.5 * f64::EPSILON)).max(LEAST) as u64
}

/// A tile whose counts are known.
pub(super) struct Rough<'a> {
    pub(super) tile: Tile,
    pub(super) counts: &'a mut [u32],
    /// |z|² of the first escaped iterates, scaled, if fractions are made of them.
    pub(super) squares: Option<&'a mut [u32]>,
    /// Whether distance vectors are wanted.
    pub(super) distance: bool,
}

/// An orbit in double-double, with its derivative in `f64`.
#[derive(Clone, Copy)]
struct Moving<L> {
    z: [Quick<L>; 2],
    right: [L; 2],
    up: [L; 2],
}

impl<L: Lanes> Moving<L> {
    /// The start of the orbit of a point, and its parameters. `own` is [`Problem::own`].
    #[inline(always)]
    fn start<F: Formula>(formula: F, z: [L; 2], c: [L; 2], own: L) -> (Self, [Quick<L>; 3]) {
        let (zero, unit) = (own.constant(0.0), own.constant(1.0) - own);
        let moving = Self { z: z.map(Quick::of), right: [unit, zero], up: [zero, unit] };
        (moving, formula.parameters(c.map(Quick::of)))
    }

    /// One iteration. `own` is [`Problem::own`].
    #[inline(always)]
    fn step<F: Formula>(&mut self, formula: F, parameters: [Quick<L>; 3], own: L, distance: bool) {
        if distance {
            let Self { right, up, .. } = *self;
            [self.right, self.up] = derivative(formula, Tangent { z: self.high(), right, up }, own);
        }
        self.z = formula.step(self.z, parameters);
    }

    /// z in 64-bit numbers. (`map` would be a call.)
    #[inline(always)]
    fn high(&self) -> [L; 2] {
        let [x, y] = &self.z;
        [x.0.high, y.0.high]
    }

    #[inline(always)]
    fn square(&self) -> L {
        let [x, y] = self.high();
        y.mul_add(y, x * x)
    }
}

impl<F: Formula> Problem<F> {
    fn vector(&self, z: [f64; 2], right: [f64; 2], up: [f64; 2]) -> [f32; 2] {
        vector::<F, f64>(Tangent { z, right, up }, Frame::of(&self.plane)).map(|part| part as f32)
    }

    /// A point that escapes at iterate `orbit.n` in `f64`, and its distance vector, if it is `distance` and not what `f64` says; `None`
    /// once `stopped` returns true.
    pub(super) fn refined(
        &self,
        point: Complex64,
        orbit: Orbit,
        distance: bool,
        mut stopped: impl FnMut() -> bool,
    ) -> Option<(Orbit, Option<[f32; 2]>)> {
        fused(
            #[inline(always)]
            || {
                let ([z, c], own, limit) = (self.start(point), self.own(), self.limit());
                let (mut moving, parameters) = Moving::start(self.formula, z, c, own);
                for n in 1..=last(orbit.n) {
                    moving.step(self.formula, parameters, own, distance);
                    if moving.square() <= limit {
                        if n % STOP_INTERVAL == 0 && stopped() {
                            return None;
                        }
                        continue;
                    }
                    let z = moving.high();
                    let vector = distance.then(|| self.vector(z, moving.right, moving.up));
                    let why = if n > self.limits.max { Why::Limit } else { Why::Escaped };
                    return Some((Orbit { why, n: n.min(self.limits.max), z: Complex64::new(z[0], z[1]) }, vector));
                }
                Some((orbit, None))
            },
        )
    }

    /// Refines the samples of a tile; returns the iterations executed. The distance vectors are left in the second list.
    #[inline(never)]
    pub(super) fn refine<S: Simd>(
        &self,
        simd: S,
        rough: &mut Rough<'_>,
        (order, vectors): &mut Lists,
        stop: &Stop,
    ) -> Result<u64> {
        order.clear();
        vectors.clear();
        let from = self.refine_from.min(INTERIOR.into()) as u32;
        let long = rough.counts.iter().enumerate().filter(|(_, count)| (from..INTERIOR).contains(*count));
        order.extend(long.map(|(i, &count)| u64::from(count) << 32 | i as u64));
        // Neighbours in this order end at about the same time.
        order.sort_unstable();
        let mut executed = 0;
        for group in order.chunks(VECTORS * Vector::<S>::LEN) {
            executed += simd.vectorize(
                #[inline(always)]
                || self.refine_group::<S>(simd, rough, group, vectors, stop),
            )?;
        }
        Ok(executed)
    }

    #[inline(always)]
    fn refine_group<S: Simd>(
        &self,
        simd: S,
        rough: &mut Rough<'_>,
        group: &[u64],
        vectors: &mut Vec<(u32, [f32; 2])>,
        stop: &Stop,
    ) -> Result<u64> {
        let (length, distance) = (Vector::<S>::LEN, rough.distance);
        let mut starts = [const { PerLane([0.0; LANES]) }; 4];
        for l in 0..VECTORS * length {
            // Lanes without a sample of their own repeat the last one.
            let i = (group[l.min(group.len() - 1)] & 0xffff_ffff) as u32;
            let (column, row) = (rough.tile.x + i % rough.tile.width, rough.tile.y + i / rough.tile.width);
            let numbers = self.start(self.plane.point(column as usize, row as usize));
            starts.iter_mut().zip(numbers.as_flattened()).for_each(|(plane, &number)| plane.0[l] = number);
        }
        let own = Vector::<S>::splat(simd, self.own());
        let limit = Vector::<S>::splat(simd, self.limit());
        let start = |k: usize| {
            let part = |i: usize| Vector::<S>::load(simd, &starts[i].0[k * length..]);
            Moving::start(self.formula, [part(0), part(1)], [part(2), part(3)], own)
        };
        let first = start(0);
        let mut moving = each!(VECTORS, k => start(k).0, first.0);
        let parameters = each!(VECTORS, k => start(k).1, first.1);
        let mut alive = [(1_u64 << length) - 1; VECTORS];
        let end = last(group[group.len() - 1] >> 32);
        let mut n = 0;
        while n < end && alive != [0; VECTORS] {
            let until = end.min(n + STOP_INTERVAL);
            let ended = if distance {
                Self::fly::<S, true>(self.formula, &mut moving, &parameters, [own, limit], alive, &mut n, until)
            } else {
                Self::fly::<S, false>(self.formula, &mut moving, &parameters, [own, limit], alive, &mut n, until)
            };
            for (l, &key) in group.iter().enumerate() {
                let (k, lane) = (l / length, l % length);
                if ended[k] >> lane & 1 == 1 && n <= last(key >> 32) {
                    self.put(moving[k], n, (key as u32, lane), rough, vectors);
                }
            }
            alive.iter_mut().zip(ended).for_each(|(alive, ended)| *alive &= !ended);
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(n * (VECTORS * length) as u64)
    }

    /// Iterates until iterate `until`, or until a lane that is alive escapes; returns which do.
    ///
    /// A function of its own, so that its vectors stay in registers: with what happens then in the same loop, it took twice the time.
    #[inline(never)]
    fn fly<S: Simd, const DISTANCE: bool>(
        formula: F,
        moving: &mut [Moving<Vector<S>>; VECTORS],
        parameters: &[[Quick<Vector<S>>; 3]; VECTORS],
        [own, limit]: [Vector<S>; 2],
        alive: [u64; VECTORS],
        n: &mut u64,
        until: u64,
    ) -> [u64; VECTORS] {
        own.0.token().vectorize(
            #[inline(always)]
            || {
                let (mut now, parameters, mut ended) = (*moving, *parameters, [0; VECTORS]);
                while *n < until && ended == [0; VECTORS] {
                    *n += 1;
                    unroll!(VECTORS, k => {
                        now[k].step(formula, parameters[k], own, DISTANCE);
                        // Infinity and NaN are not within the limit either.
                        ended[k] = alive[k] & !now[k].square().at_most(limit).to_bitmask();
                    });
                }
                *moving = now;
                ended
            },
        )
    }

    /// Puts down that a sample of the tile, in a lane, has escaped at iterate `n`.
    #[cold]
    fn put<S: Simd>(
        &self,
        moving: Moving<Vector<S>>,
        n: u64,
        (i, lane): (u32, usize),
        rough: &mut Rough<'_>,
        vectors: &mut Vec<(u32, [f32; 2])>,
    ) {
        let number = |vector: Vector<S>| vector.0.as_slice()[lane];
        let [z, right, up] = [moving.high(), moving.right, moving.up].map(|pair| pair.map(number));
        rough.counts[i as usize] = if n > self.limits.max { INTERIOR } else { n as u32 };
        if let Some(squares) = &mut rough.squares {
            squares[i as usize] = ((z[1].mul_add(z[1], z[0] * z[0]) * self.fraction.scale) as f32).to_bits();
        }
        if rough.distance && n <= self.limits.max {
            vectors.push((i, self.vector(z, right, up)));
        }
    }
}
