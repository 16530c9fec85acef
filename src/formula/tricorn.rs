//! The Tricorn, or Mandelbar: conj(z)² + c.

use super::{Formula, FormulaEntry, Home, Number};

/// conj(z)² + c.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tricorn;

pub(super) static ENTRY: FormulaEntry = FormulaEntry {
    name: "tricorn",
    help: "conj(z)² + c, the Tricorn or Mandelbar",
    powers: 2..=2,
    home: Home { re: "-0.2", im: "0", zoom: "1.2" },
    julia_home: Home { re: "0", im: "0", zoom: "1.6" },
};

impl Formula for Tricorn {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = false;
    const PAIRED: bool = true;
    const SQUARE: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        [a * a.constant(-1.0), b, b * b.constant(-0.5)]
    }

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
        let w = y.mul_add(y, minus_a);
        // The sign goes into the fused operation; a product with −2 would occupy the units that multiply.
        [x.mul_sub(x, w), (x + x).mul_add(y * y.constant(-1.0), b)]
    }

    #[inline(always)]
    fn step2<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        if !N::UNIFIED_PORTS {
            return self.step(self.step(z, parameters), parameters);
        }
        // As for the Mandelbrot set, with t the negative half of the imaginary part.
        let ([x, y], [minus_a, b, minus_half_b]) = (z, parameters);
        let u = x.mul_sub(x, y.mul_add(y, minus_a));
        let t = x.mul_add(y, minus_half_b);
        let q = t * t.constant(4.0);
        let w = q.mul_add(t, minus_a);
        [u.mul_sub(u, w), u.mul_add(q, b)]
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        let minus_two = x.constant(-2.0);
        [[x.constant(2.0) * x, minus_two * y], [minus_two * y, minus_two * x]]
    }
}
