//! The Mandelbrot set: z² + c.
//!
//! One iteration takes 4 operations, one of them an addition. Where an addition is as costly as a multiplication, two iterations take
//! 7: every other iterate is kept with half its imaginary part, and halving is exact, so every rounding is the same. Fewer than 3.5 for
//! one iteration is impossible with fused multiply-adds: a step of 3 leaves its result in other coordinates than it started from, so
//! two of them cannot follow each other.

use super::{Formula, FormulaEntry, Home, Interior, Lanes, Number, regions};

/// z² + c.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mandelbrot;

pub(super) static ENTRY: FormulaEntry = FormulaEntry {
    name: "mandelbrot",
    help: "z² + c, the Mandelbrot set",
    powers: 2..=2,
    home: Home { re: "-0.75", im: "0", zoom: "1.6" },
    julia_home: Home { re: "0", im: "0", zoom: "1.7" },
};

impl Formula for Mandelbrot {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = true;
    const PAIRED: bool = true;
    const SQUARE: bool = true;
    const NARROW: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        // −a, since a fused multiply-subtract of a would negate it each time.
        [a * a.constant(-1.0), b, b * b.constant(0.5)]
    }

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
        let w = y.mul_add(y, minus_a);
        [x.mul_sub(x, w), (x + x).mul_add(y, b)]
    }

    #[inline(always)]
    fn step2<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        if !N::UNIFIED_PORTS {
            return self.step(self.step(z, parameters), parameters);
        }
        let ([x, y], [minus_a, b, half_b]) = (z, parameters);
        let u = x.mul_sub(x, y.mul_add(y, minus_a));
        let t = x.mul_add(y, half_b);
        let q = t * t.constant(4.0);
        let w = q.mul_add(t, minus_a);
        [u.mul_sub(u, w), u.mul_add(q, b)]
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        // Sums, since products would occupy the multiplication unit; the sign goes into a fused operation.
        let (xx, yy) = (x + x, y + y);
        [[xx, yy * y.constant(-1.0)], [yy, xx]]
    }

    #[inline(always)]
    fn interior<L: Lanes>(self, [a, b]: [L; 2]) -> Option<Interior<L::Mask>> {
        let (bb, p) = (b * b, a - a.constant(0.25));
        let q = p.mul_add(p, bb);
        let cardioid = (q * (q + p)).at_most(bb * a.constant(0.25));
        let r = a + a.constant(1.0);
        let bulb = r.mul_add(r, bb).at_most(a.constant(0.0625));
        Some(Interior { cardioid, bulb })
    }

    fn may_be_interior(self, low: [f64; 2], high: [f64; 2]) -> bool {
        regions::may_meet(low, high)
    }
}
