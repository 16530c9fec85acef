//! The exact counts of lanes that are known to have escaped within a block. See the engine for the overview.

use super::Problem;
use super::engine::{BLOCK, Engine};
use super::scratch::{FINISH, LANES, List};
use crate::formula::{Formula, Lanes, Number, Vector};
use crate::kernel::unroll::{each, unroll};
use fearless_simd::prelude::*;

/// A group of escaped lanes: state, parameters, iterations.
pub(super) struct Batch<'a> {
    pub(super) x: &'a mut [f64],
    pub(super) y: &'a mut [f64],
    pub(super) a: &'a [f64],
    pub(super) b: &'a [f64],
    pub(super) n: &'a mut [f64],
}

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    /// Finds the exact counts of a group of escaped lanes by bisection of blocks of `block` iterations. Before, each lane holds a state
    /// that has not escaped, after `n` iterations; afterwards, `n` is the count and, with `smooth`, x is |z|², scaled to fit an `f32`.
    #[inline(never)]
    pub(super) fn settle(simd: S, problem: &Problem<F>, smooth: bool, batch: &mut Batch<'_>, block: u64) {
        simd.vectorize(
            #[inline(always)]
            || Self::settle_inlined(simd, problem, smooth, batch, block),
        );
    }

    #[inline(always)]
    fn settle_inlined(simd: S, problem: &Problem<F>, smooth: bool, batch: &mut Batch<'_>, block: u64) {
        let zero = Vector::<S>::splat(simd, 0.0);
        let all = G * Self::LEN;
        let (x, y, n) = (&mut batch.x[..all], &mut batch.y[..all], &mut batch.n[..all]);
        let (a, b) = (&batch.a[..all], &batch.b[..all]);
        let parameters = each!(G, k => problem.formula.parameters([
            Vector::load(simd, &a[k * Self::LEN..]),
            Vector::load(simd, &b[k * Self::LEN..]),
        ]), [zero; 3]);
        let mut length = block / 2;
        while length >= 2 {
            let mut u = each!(G, k => Vector::<S>::load(simd, &x[k * Self::LEN..]), zero);
            let mut v = each!(G, k => Vector::<S>::load(simd, &y[k * Self::LEN..]), zero);
            Self::iterate(problem, &mut u, &mut v, &parameters, length / 2);
            let more = Vector::<S>::splat(simd, length as f64);
            unroll!(G, k => {
                let i = k * Self::LEN;
                let within = problem.within(u[k], v[k]);
                u[k].store_lanes(within, &mut x[i..]);
                v[k].store_lanes(within, &mut y[i..]);
                let count = Vector::<S>::load(simd, &n[i..]);
                (count + more.select(within, zero)).store(&mut n[i..]);
            });
            length /= 2;
        }
        let one = Vector::<S>::splat(simd, 1.0);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let (old_x, old_y) = (Vector::load(simd, &x[i..]), Vector::load(simd, &y[i..]));
            let parameters = problem.formula.parameters([Vector::load(simd, &a[i..]), Vector::load(simd, &b[i..])]);
            let [u, v] = problem.formula.step([old_x, old_y], parameters);
            let within = problem.within(u, v);
            let count = Vector::<S>::load(simd, &n[i..]) + one;
            (count + one.select(within, zero)).store(&mut n[i..]);
            if smooth {
                let last = [u.select(within, old_x), v.select(within, old_y)];
                let [u, v] = problem.formula.step(last, parameters);
                (v.mul_add(v, u * u) * Vector::<S>::splat(simd, problem.fraction.scale)).store(&mut x[i..]);
            }
            k += 1;
        }
    }

    #[inline(always)]
    fn settle_finish(&mut self, i: usize) {
        let List { x, y, a, b, n, .. } = &mut self.scratch.finish;
        let mut batch = Batch { x: &mut x[i..], y: &mut y[i..], a: &a[i..], b: &b[i..], n: &mut n[i..] };
        Self::settle(self.simd, self.problem, self.smooth, &mut batch, BLOCK);
    }

    /// Finds and writes the exact counts of full batches in the list of escaped samples; with `all`, those of the rest too.
    #[inline(never)]
    pub(super) fn finish(&mut self, all: bool) {
        self.simd.vectorize(
            #[inline(always)]
            || self.finish_inlined(all),
        );
    }

    #[inline(always)]
    fn finish_inlined(&mut self, all: bool) {
        let batch = G * Self::LEN;
        let max = self.problem.limits.max as f64;
        let mut i = 0;
        while self.scratch.finish.len - i >= batch || (all && i < self.scratch.finish.len) {
            assert!(i + batch <= FINISH + LANES);
            self.settle_finish(i);
            self.counters.executed += BLOCK * batch as u64;
            let count = batch.min(self.scratch.finish.len - i);
            let list = &self.scratch.finish;
            let mut l = i;
            while l < i + count {
                // Samples beyond the maximum stay interior, as already written.
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
        let list = &mut self.scratch.finish;
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
