//! The Mandelbrot set: z² + c.
//!
//! One iteration takes 4 operations, one of them an addition. Where an addition is as costly as a multiplication, two iterations take
//! 7: every other iterate is kept with half its imaginary part, and halving is exact, so every rounding is the same. Fewer than 3.5 for
//! one iteration is impossible with fused multiply-adds: a step of 3 leaves its result in other coordinates than it started from, so
//! two of them cannot follow each other.

use super::{Formula, FormulaEntry, Home, Interior, Lanes, Number};

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
        // Both conditions with each term at its bound over the rectangle; the margin is more than they are rounded by.
        const MARGIN: f64 = 1e-9;
        let squares = |low: f64, high: f64| {
            let least = if low > 0.0 || high < 0.0 { (low * low).min(high * high) } else { 0.0 };
            [least, (low * low).max(high * high)]
        };
        let [least_bb, most_bb] = squares(low[1], high[1]);
        let [least_pp, most_pp] = squares(low[0] - 0.25, high[0] - 0.25);
        let (least_q, most_q) = (least_pp + least_bb, most_pp + most_bb);
        let sum = least_q + (low[0] - 0.25);
        let cardioid = if sum > 0.0 { least_q * sum } else { most_q * sum };
        let [bulb, _] = squares(low[0] + 1.0, high[0] + 1.0);
        cardioid <= 0.25 * most_bb + MARGIN || bulb + least_bb <= 0.0625 + MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_said_to_be_free_of_the_regions_are() {
        let inside = |c: [f64; 2]| Mandelbrot.interior(c).is_some_and(|found| found.cardioid || found.bulb);
        let (mut free, mut in_vain) = (0, 0);
        for size in [0.3, 0.03, 0.003] {
            for i in 0..60 * 60 {
                let low = [-1.5 + 0.04 * f64::from(i % 60), -1.2 + 0.04 * f64::from(i / 60)];
                let high = low.map(|corner| corner + size);
                let any = (0..81).any(|k| {
                    let steps = [k % 9, k / 9].map(|step| f64::from(step) / 8.0);
                    inside([low[0] + size * steps[0], low[1] + size * steps[1]])
                });
                let may = Mandelbrot.may_be_interior(low, high);
                assert!(may || !any, "{low:?} {high:?}");
                free += u32::from(!may);
                in_vain += u32::from(may && !any);
            }
        }
        assert!(5 * in_vain < free, "{in_vain} are tested in vain, {free} are free");
    }
}
