//! Orbits of any formula, each on its own, in any number that is wider than 64 bits.

use super::End;
use super::wide::{Real, Wide};
use crate::formula::{Formula, Spec, Visitor};
use crate::kernel::Limits;
use crate::kernel::double_double::{DoubleDouble, fused};
use crate::kernel::plain::STOP_INTERVAL;
use crate::parallel::Stop;

/// A pair of numbers of about 106 bits.
pub(super) type Point = [DoubleDouble<f64>; 2];

impl Real for DoubleDouble<f64> {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.high
    }
}

/// A formula with its type erased, and when its orbits end.
pub(super) trait Orbits: Send + Sync {
    /// The orbit of a point in double-double; `None` once `stop` is set.
    fn double(&self, julia: Option<Point>, point: Point, stop: &Stop) -> Option<End>;

    /// The same with 320 bits after the point.
    fn wide(&self, julia: Option<[Wide; 2]>, point: [Wide; 2], stop: &Stop) -> Option<End>;
}

/// The orbits of a formula by name.
pub(super) fn orbits(spec: &Spec, limits: Limits) -> crate::Result<Box<dyn Orbits>> {
    struct Make(Limits);
    impl Visitor for Make {
        type Output = Box<dyn Orbits>;
        fn visit<F: Formula>(self, formula: F) -> Self::Output {
            Box::new(Those { formula, limits: self.0 })
        }
    }
    spec.visit(Make(limits))
}

struct Those<F> {
    formula: F,
    limits: Limits,
}

impl<F: Formula> Orbits for Those<F> {
    fn double(&self, julia: Option<Point>, point: Point, stop: &Stop) -> Option<End> {
        fused(
            #[inline(always)]
            || self.orbit(julia, point, stop),
        )
    }

    fn wide(&self, julia: Option<[Wide; 2]>, point: [Wide; 2], stop: &Stop) -> Option<End> {
        self.orbit(julia, point, stop)
    }
}

impl<F: Formula> Those<F> {
    #[inline(always)]
    fn orbit<N: Real>(&self, julia: Option<[N; 2]>, point: [N; 2], stop: &Stop) -> Option<End> {
        let zero = point[0].constant(0.0);
        // The derivative by c, or by z₀ for a Julia set, in 64-bit numbers: its error is that of a product, not that of an orbit.
        let (mut z, c, own) = match julia {
            None => ([zero; 2], point, 1.0),
            Some(k) => (point, k, 0.0),
        };
        let (mut right, mut up) = ([1.0 - own, 0.0], [0.0, 1.0 - own]);
        let parameters = self.formula.parameters(c);
        let limit = self.limits.escape_radius * self.limits.escape_radius;
        // Brent: the orbit is compared with an iterate that is replaced at every power of two.
        let (mut seen, mut renew) = (z, 64);
        let max = self.limits.max;
        for n in 1..=max {
            let [[a, b], [c, d]] = self.formula.jacobian(z.map(Real::to_f64));
            right = [a.mul_add(right[0], b.mul_add(right[1], own)), c.mul_add(right[0], d * right[1])];
            if !F::CONFORMAL {
                up = [a.mul_add(up[0], b * up[1]), c.mul_add(up[0], d.mul_add(up[1], own))];
            }
            z = self.formula.step(z, parameters);
            let [x, y] = z.map(Real::to_f64);
            let u = x * x + y * y;
            if u > limit || u.is_nan() {
                let up = if F::CONFORMAL { [-right[1], right[0]] } else { up };
                return Some(End { count: Some(n), executed: n, z: [x, y], right, up, exponent: 0 });
            }
            if z == seen {
                return Some(End::interior(n));
            }
            if n == renew {
                seen = z;
                renew *= 2;
            }
            if n % STOP_INTERVAL == 0 && stop.is_set() {
                return None;
            }
        }
        Some(End::interior(max))
    }
}
