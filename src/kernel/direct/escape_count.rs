//! The exact counts of lanes that are known to have escaped within a block. See the engine for the overview.

use super::Problem;
use super::engine::Engine;
use super::scratch::{FINISH, LANES, Scratch, State};
use crate::formula::{Formula, Lanes, Number, Vector};
use crate::kernel::unroll::{each, unroll};
use fearless_simd::prelude::*;

/// Where the state of escaped lanes lies, and how many iterations they have done.
pub(super) struct Batch<'a> {
    /// Two places for x and y. The first holds the state, and the other is written; then they change roles.
    pub(super) states: [&'a mut State; 2],
    pub(super) a: &'a [f64],
    pub(super) b: &'a [f64],
    pub(super) n: &'a mut [f64],
    /// Where |z|² goes, if that is wanted.
    pub(super) squares: Option<&'a mut [f64; LANES]>,
}

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    /// Finds the exact counts of a group of escaped lanes by bisection of blocks of `block` iterations. Before, each lane holds a state
    /// that has not escaped, after `n` iterations; afterwards, `n` is the count and, with `smooth`, `squares` is |z|², scaled to fit an
    /// `f32`.
    #[inline(never)]
    pub(super) fn settle(simd: S, problem: &Problem<F>, batch: &mut Batch<'_>, block: u64) {
        simd.vectorize(
            #[inline(always)]
            || Self::settle_inlined(simd, problem, batch, block),
        );
    }

    #[inline(always)]
    fn settle_inlined(simd: S, problem: &Problem<F>, batch: &mut Batch<'_>, block: u64) {
        let zero = Vector::<S>::splat(simd, 0.0);
        let all = G * Self::LEN;
        let [old, new] = &mut batch.states;
        let (mut old, mut new) = (&mut **old, &mut **new);
        let (a, b, n) = (&batch.a[..all], &batch.b[..all], &mut batch.n[..all]);
        let parameters = each!(G, k => problem.formula.parameters([
            Vector::load(simd, &a[k * Self::LEN..]),
            Vector::load(simd, &b[k * Self::LEN..]),
        ]), [zero; 3]);
        let limit = Vector::<S>::splat(simd, problem.limit());
        let mut length = block / 2;
        while length >= 2 {
            let mut u = each!(G, k => Vector::<S>::load(simd, &old[0].0[k * Self::LEN..]), zero);
            let mut v = each!(G, k => Vector::<S>::load(simd, &old[1].0[k * Self::LEN..]), zero);
            Self::iterate(problem, &mut u, &mut v, &parameters, length / 2);
            let more = Vector::<S>::splat(simd, length as f64);
            unroll!(G, k => {
                let i = k * Self::LEN;
                let within = problem.within(u[k], v[k], limit);
                u[k].select(within, Vector::load(simd, &old[0].0[i..])).store(&mut new[0].0[i..]);
                v[k].select(within, Vector::load(simd, &old[1].0[i..])).store(&mut new[1].0[i..]);
                let count = Vector::<S>::load(simd, &n[i..]);
                (count + more.kept(within)).store(&mut n[i..]);
            });
            (old, new) = (new, old);
            length /= 2;
        }
        let one = Vector::<S>::splat(simd, 1.0);
        let scale = Vector::<S>::splat(simd, problem.fraction.scale);
        let mut k = 0;
        while k < G {
            let i = k * Self::LEN;
            let (old_x, old_y) = (Vector::load(simd, &old[0].0[i..]), Vector::load(simd, &old[1].0[i..]));
            let parameters = problem.formula.parameters([Vector::load(simd, &a[i..]), Vector::load(simd, &b[i..])]);
            let [u, v] = problem.formula.step([old_x, old_y], parameters);
            let within = problem.within(u, v, limit);
            let count = Vector::<S>::load(simd, &n[i..]) + one;
            (count + one.kept(within)).store(&mut n[i..]);
            if let Some(squares) = &mut batch.squares {
                let last = [u.select(within, old_x), v.select(within, old_y)];
                let [u, v] = problem.formula.step(last, parameters);
                (v.mul_add(v, u * u) * scale).store(&mut squares[i..]);
            }
            k += 1;
        }
    }

    /// Finds the exact counts of a batch in the list of escaped samples; |z|² goes to the group's memory.
    #[inline(always)]
    fn settle_finish(&mut self, i: usize) {
        let Scratch { finish, states: [first, second], squares, .. } = &mut *self.scratch;
        let all = G * Self::LEN;
        first[0].0[..all].copy_from_slice(&finish.x[i..i + all]);
        first[1].0[..all].copy_from_slice(&finish.y[i..i + all]);
        let squares = self.smooth.then_some(&mut squares.0);
        let states: [&mut State; 2] = [first, second];
        let mut batch = Batch { states, a: &finish.a[i..], b: &finish.b[i..], n: &mut finish.n[i..], squares };
        Self::settle(self.simd, self.problem, &mut batch, Self::LONG);
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
            self.counters.executed += Self::LONG * batch as u64;
            let count = batch.min(self.scratch.finish.len - i);
            let (list, squares) = (&self.scratch.finish, &self.scratch.squares.0);
            let mut l = 0;
            while l < count {
                let (id, n) = (list.id[i + l] as usize, list.n[i + l]);
                // Samples beyond the maximum stay interior, as already written.
                if n <= max {
                    self.words[id] = n as u32;
                }
                if self.smooth {
                    self.words[id + self.fractions] = (squares[l] as f32).to_bits();
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
