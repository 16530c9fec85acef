//! Double-double for iterating: its errors are small beside its operands, not beside its results, as those of [`DoubleDouble`] are. An
//! orbit's next iterate needs no more, and takes half of the operations.

use crate::formula::Number;
use crate::kernel::double_double::DoubleDouble;
use std::ops::{Add, Mul, Sub};

#[derive(Clone, Copy, Debug)]
pub(super) struct Quick<L>(pub(super) DoubleDouble<L>);

impl<L: Number> Quick<L> {
    pub(super) fn of(high: L) -> Self {
        Self(DoubleDouble::of(high))
    }

    #[inline(always)]
    fn times(self, sign: L) -> Self {
        Self(self.0.scaled(sign))
    }

    /// The product's high part, and what it lacks.
    #[inline(always)]
    fn product(self, other: Self) -> [L; 2] {
        let DoubleDouble { high, low } = DoubleDouble::product(self.0.high, other.0.high);
        [high, self.0.low.mul_add(other.0.high, self.0.high.mul_add(other.0.low, low))]
    }
}

/// The exact difference of two numbers (Knuth's 2Sum).
#[inline(always)]
fn difference<L: Number>(a: L, b: L) -> DoubleDouble<L> {
    let high = a - b;
    let minus_b = high - a;
    DoubleDouble { high, low: (a - (high - minus_b)) - (b + minus_b) }
}

#[inline(always)]
fn with<L: Number>(DoubleDouble { high, low }: DoubleDouble<L>, more: L) -> Quick<L> {
    Quick(DoubleDouble::ordered_sum(high, low + more))
}

impl<L: Number> Add for Quick<L> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        with(DoubleDouble::sum(self.0.high, other.0.high), self.0.low + other.0.low)
    }
}

impl<L: Number> Sub for Quick<L> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        with(difference(self.0.high, other.0.high), self.0.low - other.0.low)
    }
}

impl<L: Number> Mul for Quick<L> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let [high, low] = self.product(other);
        Self(DoubleDouble::ordered_sum(high, low))
    }
}

impl<L: Number> Number for Quick<L> {
    const UNIFIED_PORTS: bool = L::UNIFIED_PORTS;

    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Self::of(self.0.high.constant(value))
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        let [high, low] = self.product(b);
        with(DoubleDouble::sum(high, c.0.high), low + c.0.low)
    }
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        let [high, low] = self.product(b);
        with(difference(high, c.0.high), low - c.0.low)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.times(self.0.high.constant(1.0).copysign(self.0.high))
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.abs().times(self.0.high.constant(1.0).copysign(sign.0.high))
    }
}
