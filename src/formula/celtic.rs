//! The Celtic fractal: |Re z²| + i·Im z² + c.

use super::{Formula, FormulaEntry, Home, Number};

/// |Re z²| + i·Im z² + c.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Celtic;

pub(super) static ENTRY: FormulaEntry = FormulaEntry {
    name: "celtic",
    help: "|Re z²| + i·Im z² + c, the Celtic fractal",
    powers: 2..=2,
    home: Home { re: "-0.6", im: "0", zoom: "1.4" },
    julia_home: Home { re: "0", im: "0", zoom: "1.7" },
};

impl Formula for Celtic {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = false;
    const PAIRED: bool = true;
    const SQUARE: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        [a, b, b * b.constant(0.5)]
    }

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
        [x.mul_sub(x, y * y).abs() + a, (x + x).mul_add(y, b)]
    }

    #[inline(always)]
    fn step2<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        if !N::UNIFIED_PORTS {
            return self.step(self.step(z, parameters), parameters);
        }
        // As for the Mandelbrot set: half the imaginary part between the two iterations.
        let ([x, y], [a, b, half_b]) = (z, parameters);
        let u = x.mul_sub(x, y * y).abs() + a;
        let t = x.mul_add(y, half_b);
        let q = t * t.constant(4.0);
        [u.mul_sub(u, q * t).abs() + a, u.mul_add(q, b)]
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        let two = x.constant(2.0);
        let sign = two.copysign(x.mul_sub(x, y * y));
        [[sign * x, sign * y * x.constant(-1.0)], [two * y, two * x]]
    }
}
