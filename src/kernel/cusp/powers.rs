//! The powers of one map, w + w² + ε, as series: what 2^k of its steps do to a small w.
//!
//! With u = 2^k·w and e = 4^k·ε, the 2^k-fold map takes u to F_k(u, e), whose coefficients hardly depend on k: as k grows, they tend to
//! those of the flow of u² + e, √e·tan(arctan(u/√e) + √e). From F₀ = u + u² + e, F_{k+1}(u, e) = 2·F_k(F_k(u/2, e/4), e/4).
//!
//! Terms u^i·e^j are kept up to i + 2j = [`DEGREE`]. Within |u|, √|e| ≤ √2·2⁻⁴, what is left out is below 2⁻⁷⁶ of the larger, and a
//! passage has some 1,000 steps: all together they move an orbit's count by less than 2⁻⁶⁰ of it.

use super::Double;
use crate::formula::Number;

/// The largest i + 2j of a term.
pub(super) const DEGREE: usize = 24;

/// The terms of a series, those without e first, and in each row from the constant on.
pub(super) const TERMS: usize = row(DEGREE / 2 + 1);

/// The most steps that a series takes are 2 to this: as many as there may be iterations.
pub(super) const MOST_LEVEL: usize = 53;

/// The binary logarithm of the largest u, and of the largest √e: their larger parts are below.
pub(super) const REACH: i32 = -4;

/// Where the terms with e^j begin.
const fn row(j: usize) -> usize {
    j * (DEGREE + 2 - j)
}

/// F_k: its terms, each as the two parts of a number.
pub(super) type Series = [[f64; 2]; TERMS];

/// The series F₀, F₁ and so on, for at most `max` steps. `go_on` is asked before each, after a millisecond at most.
pub(super) fn powers(max: u64, mut go_on: impl FnMut() -> bool) -> Option<Vec<Series>> {
    let mut all = vec![first()];
    while all.len() <= MOST_LEVEL && 1 << all.len() <= max {
        if !go_on() {
            return None;
        }
        let next = twice(&all[all.len() - 1]);
        all.push(next);
    }
    Some(all)
}

fn first() -> Series {
    let mut series = [[0.0; 2]; TERMS];
    (series[1][0], series[2][0], series[row(1)][0]) = (1.0, 1.0, 1.0);
    series
}

fn twice(series: &Series) -> Series {
    let number = |i: usize, j: usize, power: usize| {
        Double::from(series[row(j) + i]).scaled(f64::from_bits((1023 - power as u64) << 52))
    };
    let mut inner = [Double::default(); TERMS];
    for j in 0..=DEGREE / 2 {
        for i in 0..=DEGREE - 2 * j {
            inner[row(j) + i] = number(i, j, i + 2 * j);
        }
    }
    // Horner's scheme. What is still to be multiplied by the i-th power of the inner series, which has no constant, needs fewer terms.
    let mut sum = [Double::default(); TERMS];
    for i in (0..=DEGREE).rev() {
        sum = product(&sum, &inner, DEGREE - i);
        for j in 0..=(DEGREE - i) / 2 {
            sum[row(j)] = sum[row(j)] + number(i, j, 2 * j);
        }
    }
    sum.map(|number| [2.0 * number.high, 2.0 * number.low])
}

/// The terms of a product up to a degree; the second factor has no constant.
fn product(a: &[Double; TERMS], b: &[Double; TERMS], degree: usize) -> [Double; TERMS] {
    let mut product = [Double::default(); TERMS];
    for (j, i) in terms(degree) {
        let factor = a[row(j) + i];
        if factor.high == 0.0 {
            continue;
        }
        for (l, k) in terms(degree - i - 2 * j) {
            let at = row(j + l) + i + k;
            product[at] = factor.mul_add(b[row(l) + k], product[at]);
        }
    }
    product
}

/// The exponents of e and u in all terms up to a degree.
fn terms(degree: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=degree / 2).flat_map(move |j| (0..=degree - 2 * j).map(move |i| (j, i)))
}

/// A series in u alone, for some e.
#[derive(Clone, Debug)]
pub(super) struct Along {
    c: [[Double; 2]; DEGREE + 1],
    /// Its derivative by e.
    by_e: [[f64; 2]; DEGREE + 1],
}

/// A value of a series, and its derivatives by u and by e.
pub(super) struct Value {
    pub(super) f: [Double; 2],
    pub(super) by_u: [f64; 2],
    pub(super) by_e: [f64; 2],
}

impl Along {
    /// For an e whose larger part is below 2^`size`, at most 2 to twice [`REACH`].
    pub(super) fn new(series: &Series, e: [Double; 2], size: i32) -> Self {
        // Powers of e below 2⁻¹²⁰ leave no trace.
        let last = (120 / size.min(-1).unsigned_abs() as usize + 1).min(DEGREE / 2);
        let near = e.map(|part| part.high);
        let (mut c, mut by_e) = ([[Double::default(); 2]; DEGREE + 1], [[0.0; 2]; DEGREE + 1]);
        for i in 0..=DEGREE {
            let (sum, change) = (&mut c[i], &mut by_e[i]);
            for j in (0..=last.min((DEGREE - i) / 2)).rev() {
                *change = plus(times(*change, near), sum.map(|part| part.high));
                *sum = times(*sum, e);
                sum[0] = sum[0] + Double::from(series[row(j) + i]);
            }
        }
        Self { c, by_e }
    }

    pub(super) fn at(&self, u: [Double; 2]) -> Value {
        let near = u.map(|part| part.high);
        let mut value = Value { f: [Double::default(); 2], by_u: [0.0; 2], by_e: [0.0; 2] };
        for (c, by_e) in self.c.iter().zip(&self.by_e).rev() {
            value.by_u = plus(times(value.by_u, near), value.f.map(|part| part.high));
            value.by_e = plus(times(value.by_e, near), *by_e);
            value.f = plus(times(value.f, u), *c);
        }
        value
    }
}

#[inline(always)]
pub(super) fn plus<N: Number>([a, b]: [N; 2], [x, y]: [N; 2]) -> [N; 2] {
    [a + x, b + y]
}

#[inline(always)]
pub(super) fn times<N: Number>([a, b]: [N; 2], [x, y]: [N; 2]) -> [N; 2] {
    [a.mul_sub(x, b * y), a.mul_add(y, b * x)]
}
