//! Counts the operations of a formula by running it over numbers that count.

use super::{Formula, Number};
use std::cell::Cell;
use std::ops::{Add, Mul, Sub};

// Of the operations so far: products, fused or not, and all others.
thread_local!(static COUNT: Cell<[u32; 2]> = const { Cell::new([0; 2]) });

/// A number that counts the operations on it. `UNIFIED` is its [`Number::UNIFIED_PORTS`].
#[derive(Clone, Copy, Debug)]
struct Counted<const UNIFIED: bool>(f64);

impl<const UNIFIED: bool> Counted<UNIFIED> {
    fn product(value: f64) -> Self {
        let [products, others] = COUNT.get();
        COUNT.set([products + 1, others]);
        Self(value)
    }

    fn other(value: f64) -> Self {
        let [products, others] = COUNT.get();
        COUNT.set([products, others + 1]);
        Self(value)
    }
}

impl<const UNIFIED: bool> Add for Counted<UNIFIED> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::other(self.0 + other.0)
    }
}

impl<const UNIFIED: bool> Sub for Counted<UNIFIED> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::other(self.0 - other.0)
    }
}

impl<const UNIFIED: bool> Mul for Counted<UNIFIED> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::product(self.0 * other.0)
    }
}

impl<const UNIFIED: bool> Number for Counted<UNIFIED> {
    const UNIFIED_PORTS: bool = UNIFIED;

    fn constant(self, value: f64) -> Self {
        Self(value)
    }
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self::product(self.0.mul_add(b.0, c.0))
    }
    fn mul_sub(self, b: Self, c: Self) -> Self {
        Self::product(self.0.mul_add(b.0, -c.0))
    }
    fn abs(self) -> Self {
        Self::other(self.0.abs())
    }
    fn copysign(self, sign: Self) -> Self {
        Self::other(self.0.copysign(sign.0))
    }
}

/// The operations that keep the busiest units occupied in one iteration as kernels run it: half of those of two. `unified_ports`: whether
/// additions occupy the same ports as multiplications, as with Intel's 512-bit vectors; then it is all operations, else the products,
/// fused or not, or the others where they are more.
pub(crate) fn operations<F: Formula>(formula: F, unified_ports: bool) -> f64 {
    fn count<F: Formula, const UNIFIED: bool>(formula: F) -> [u32; 2] {
        let number = Counted::<UNIFIED>;
        let parameters = formula.parameters([number(0.25), number(0.5)]);
        COUNT.set([0; 2]);
        formula.step2([number(0.5), number(0.25)], parameters);
        COUNT.get()
    }
    let two = if unified_ports {
        count::<F, true>(formula).iter().sum()
    } else {
        let [products, others] = count::<F, false>(formula);
        products.max(others)
    };
    f64::from(two) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{BurningShip, Mandelbrot, Multibrot, Tricorn};

    #[test]
    fn counts_are_those_of_the_text_books() {
        assert_eq!(operations(Mandelbrot, true), 3.5);
        assert_eq!(operations(Mandelbrot, false), 3.0);
        assert_eq!(operations(Multibrot::<3>, false), 6.0);
        assert_eq!(operations(Tricorn, true), 3.5);
        assert_eq!(operations(BurningShip, true), 4.5);
        assert_eq!(operations(Multibrot::<3>, true), 6.0);
        assert_eq!(operations(Multibrot::<4>, true), 8.0);
    }
}
