//! The period of the attracting cycle that an interior orbit tends to.

use super::Problem;
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::plain::STOP_INTERVAL;
use crate::parallel::Stop;

/// How near to each other two points are that are taken for one.
const NEAR: f64 = 1e-12;

/// The longest period that is looked for, and the most steps of Newton's method.
const MOST: u64 = 1 << 24;
const STEPS: usize = 40;

/// How often a multiplier is squared: one below 1 − 10⁻⁶ becomes small.
const SQUARES: usize = 24;

type Matrix = [[f64; 2]; 2];

impl<F: Formula> Problem<F> {
    /// The period of a sample's cycle, if the orbit comes back and the cycle attracts.
    pub(super) fn cycle(&self, column: usize, row: usize, stop: &Stop) -> Result<Option<u64>> {
        let point = self.plane.point(column, row);
        let (mut z, c) = match self.julia {
            None => ([0.0; 2], [point.re, point.im]),
            Some(k) => ([point.re, point.im], [k.re, k.im]),
        };
        if self.julia.is_none()
            && let Some(interior) = self.formula.interior(c)
            && (interior.cardioid || interior.bulb)
        {
            return Ok(Some(if interior.cardioid { 1 } else { 2 }));
        }
        let parameters = self.formula.parameters(c);
        // Brent, as for samples, but with a tolerance: an attracting cycle need not end in the same bits.
        let (mut seen, mut renew) = (z, 64);
        for n in 1..=self.limits.max {
            z = self.formula.step(z, parameters);
            if !(z[0].abs() < self.limits.escape_radius && z[1].abs() < self.limits.escape_radius) {
                return Ok(None);
            }
            if apart(z, seen) < NEAR {
                break;
            }
            if n == renew {
                (seen, renew) = (z, 2 * n);
            }
            if n % STOP_INTERVAL == 0 && stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        self.cycle_near(z, parameters, stop)
    }

    /// The period of the attracting cycle that an orbit from z on comes near: the first after which it is closer to z than before, and from
    /// which Newton's method finds such a cycle.
    fn cycle_near(&self, z: [f64; 2], parameters: [f64; 3], stop: &Stop) -> Result<Option<u64>> {
        let (mut now, mut closest) = (z, f64::INFINITY);
        for period in 1..=self.limits.max.min(MOST) {
            now = self.formula.step(now, parameters);
            let distance = apart(now, z);
            if distance < closest {
                closest = distance;
                if self.is_cycle(z, parameters, period, 100.0 * distance) {
                    return Ok(Some(period));
                }
            }
            if period % STOP_INTERVAL == 0 && stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(None)
    }

    /// Whether there is an attracting cycle of a period through a point at most `radius` from z.
    fn is_cycle(&self, z: [f64; 2], parameters: [f64; 3], period: u64, radius: f64) -> bool {
        let mut point = z;
        for _ in 0..STEPS {
            let (mut end, mut product) = (point, [[1.0, 0.0], [0.0, 1.0]]);
            for _ in 0..period {
                let [[a, b], [c, d]] = self.formula.jacobian(end);
                product = times(if F::CONFORMAL { [[a, -c], [c, a]] } else { [[a, b], [c, d]] }, product);
                end = self.formula.step(end, parameters);
            }
            // (M − 1)·step = point − end, by Cramer's rule.
            let [[a, b], [c, d]] = [[product[0][0] - 1.0, product[0][1]], [product[1][0], product[1][1] - 1.0]];
            let [x, y] = [point[0] - end[0], point[1] - end[1]];
            let determinant = a * d - b * c;
            let step = [(x * d - b * y) / determinant, (a * y - x * c) / determinant];
            point = [point[0] + step[0], point[1] + step[1]];
            if !(apart(point, z) <= radius + NEAR) {
                return false;
            }
            if step[0].hypot(step[1]) < NEAR {
                return attracts(product);
            }
        }
        false
    }
}

fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn times([[a, b], [c, d]]: Matrix, [[e, f], [g, h]]: Matrix) -> Matrix {
    [[a * e + b * g, a * f + b * h], [c * e + d * g, c * f + d * h]]
}

/// Whether all eigenvalues are within the unit circle: high powers vanish.
fn attracts(matrix: Matrix) -> bool {
    let power = (0..SQUARES).fold(matrix, |power, _| times(power, power));
    power.iter().flatten().all(|entry| entry.abs() < 1e-3)
}
