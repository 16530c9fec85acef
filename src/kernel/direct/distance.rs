//! Distances, from a second run of the escaped samples.
//!
//! The counting kernel does not carry derivatives, since most of what it iterates never escapes. Once the counts are known, the escaped
//! samples are sorted by count and run again with their derivative, for exactly that many iterations and without any test; neighbours
//! in that order finish together.

use super::Problem;
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, Vector};
use crate::kernel::distance::{Frame, Tangent, vector};
use crate::kernel::unroll::unroll;
use crate::parallel::Stop;
use crate::sample::INTERIOR;
use crate::tile::Tile;
use fearless_simd::prelude::*;
use num_complex::Complex64;

/// Vectors that run at once.
const D: usize = 4;
/// Samples that are sorted at once, which bounds the memory needed.
const CHUNK: usize = 1 << 14;
/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u32 = 1 << 13;

/// One iteration of an orbit and its derivative. `own` is 1 where the point is c, so that f itself depends on it, and 0 for a Julia
/// set.
#[inline(always)]
pub(super) fn step<F: Formula, L: Lanes>(formula: F, t: Tangent<L>, parameters: [L; 3], own: L) -> Tangent<L> {
    let [[a, b], [c, d]] = formula.jacobian(t.z);
    let right = [a.mul_add(t.right[0], b.mul_add(t.right[1], own)), c.mul_add(t.right[0], d * t.right[1])];
    let up = if F::CONFORMAL {
        t.up
    } else {
        [a.mul_add(t.up[0], b * t.up[1]), c.mul_add(t.up[0], d.mul_add(t.up[1], own))]
    };
    Tangent { z: formula.step(t.z, parameters), right, up }
}

impl<F: Formula> Problem<F> {
    /// The distance vector of a point that escapes at iterate `n`.
    pub(super) fn distance(&self, point: Complex64, n: u64) -> [f32; 2] {
        let (z, c, own) = match self.julia {
            None => ([0.0; 2], [point.re, point.im], 1.0),
            Some(k) => ([point.re, point.im], [k.re, k.im], 0.0),
        };
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
    /// Computes the distance vectors of a tile; returns the iterations executed. `order` is scratch memory for sorting.
    #[inline(never)]
    pub(super) fn distances<S: Simd>(
        &self,
        simd: S,
        counted: &mut Counted<'_>,
        order: &mut Vec<u64>,
        stop: &Stop,
    ) -> Result<u64> {
        let mut executed = 0;
        for first in (0..counted.counts.len()).step_by(CHUNK) {
            let last = counted.counts.len().min(first + CHUNK);
            order.clear();
            for i in first..last {
                (counted.x[i], counted.y[i]) = (0, 0);
                if counted.counts[i] != INTERIOR {
                    order.push(u64::from(counted.counts[i]) << 32 | (i - first) as u64);
                }
            }
            order.sort_unstable();
            for group in order.chunks(D * Vector::<S>::LEN) {
                executed += simd.vectorize(
                    #[inline(always)]
                    || self.distance_group(simd, counted, first, group, stop),
                )?;
            }
        }
        Ok(executed)
    }

    /// Computes samples whose counts are in ascending order.
    #[inline(always)]
    fn distance_group<S: Simd>(
        &self,
        simd: S,
        counted: &mut Counted<'_>,
        first: usize,
        group: &[u64],
        stop: &Stop,
    ) -> Result<u64> {
        let length = Vector::<S>::LEN;
        let width = counted.tile.width as usize;
        let mut points = [[0.0; 8 * D]; 2];
        let mut counts = [0.0; 8 * D];
        let mut l = 0;
        while l < D * length {
            // Lanes without a sample of their own repeat the last one.
            let key = group[l.min(group.len() - 1)];
            let i = first + (key & 0xffff_ffff) as usize;
            let (column, row) = (counted.tile.x as usize + i % width, counted.tile.y as usize + i / width);
            let point = self.plane.point(column, row);
            (points[0][l], points[1][l]) = (point.re, point.im);
            counts[l] = (key >> 32) as f64;
            l += 1;
        }
        let (least, most) = ((group[0] >> 32) as u32, (group[group.len() - 1] >> 32) as u32);

        let (zero, one) = (Vector::<S>::splat(simd, 0.0), Vector::splat(simd, 1.0));
        let own = if self.julia.is_some() { zero } else { one };
        let unit = one - own;
        let mut tangents = [Tangent { z: [zero; 2], right: [unit, zero], up: [zero, unit] }; D];
        let mut parameters = [[zero; 3]; D];
        unroll!(D, k => {
            let point = [Vector::load(simd, &points[0][k * length..]), Vector::load(simd, &points[1][k * length..])];
            let c = match self.julia {
                None => point,
                Some(c) => {
                    tangents[k].z = point;
                    [Vector::splat(simd, c.re), Vector::splat(simd, c.im)]
                }
            };
            parameters[k] = self.formula.parameters(c);
        });
        let mut n = 0;
        while n < most {
            // All lanes need the iterations below `least`; after that, lanes that have reached their count keep their state.
            let until = if n < least { least } else { most }.min(n.saturating_add(STOP_INTERVAL));
            if n < least {
                while n < until {
                    unroll!(D, k => { tangents[k] = step(self.formula, tangents[k], parameters[k], own); });
                    n += 1;
                }
            } else {
                while n < until {
                    let now = Vector::<S>::splat(simd, f64::from(n + 1));
                    unroll!(D, k => {
                        let needs = now.at_most(Vector::load(simd, &counts[k * length..]));
                        let old = tangents[k];
                        let new = step(self.formula, old, parameters[k], own);
                        tangents[k] = Tangent {
                            z: [new.z[0].select(needs, old.z[0]), new.z[1].select(needs, old.z[1])],
                            right: [new.right[0].select(needs, old.right[0]), new.right[1].select(needs, old.right[1])],
                            up: [new.up[0].select(needs, old.up[0]), new.up[1].select(needs, old.up[1])],
                        };
                    });
                    n += 1;
                }
            }
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }

        let frame = Frame::of(&self.plane);
        let mut vectors = [[0.0; 8 * D]; 2];
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
}
