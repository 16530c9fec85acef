//! The Burning Ship: (|x| + i|y|)² + c.

use super::{Formula, FormulaEntry, Home, Number};

/// (|x| + i|y|)² + c.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BurningShip;

pub(super) static ENTRY: FormulaEntry = FormulaEntry {
    name: "burning_ship",
    help: "(|x| + i|y|)² + c, the Burning Ship; its masts point down",
    powers: 2..=2,
    home: Home { re: "-0.45", im: "-0.55", zoom: "1.35" },
    julia_home: Home { re: "0", im: "0", zoom: "1.7" },
};

impl Formula for BurningShip {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = false;
    const PAIRED: bool = true;
    const SQUARE: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        [a * a.constant(-1.0), b, b * b.constant(0.5)]
    }

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
        let w = y.mul_add(y, minus_a);
        [x.mul_sub(x, w), (x + x).abs().mul_add(y.abs(), b)]
    }

    #[inline(always)]
    fn step2<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        if !N::UNIFIED_PORTS {
            return self.step(self.step(z, parameters), parameters);
        }
        // As for the Mandelbrot set; |x·y| is x times y with the sign of x, which is one operation where a bit-select is.
        let ([x, y], [minus_a, b, half_b]) = (z, parameters);
        let u = x.mul_sub(x, y.mul_add(y, minus_a));
        let t = x.mul_add(y.copysign(x), half_b);
        let q = t * t.constant(4.0);
        let w = q.mul_add(t, minus_a);
        [u.mul_sub(u, w), u.mul_add(q.copysign(u), b)]
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        let two = x.constant(2.0);
        let sign = two.copysign(x * y);
        [[two * x, x.constant(-2.0) * y], [sign * y, sign * x]]
    }
}
