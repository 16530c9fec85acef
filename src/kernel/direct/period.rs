//! The period of the attracting cycle that an interior orbit tends to.

use super::Problem;
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::plain::STOP_INTERVAL;
use crate::parallel::Stop;

/// How near to an earlier iterate the cycle's next time round is, and how near to each other different points of a cycle may be.
const NEAR: f64 = 1e-12;
const SAME: f64 = 1e-7;

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
        let (mut seen, mut since, mut renew) = (z, 0, 64);
        for n in 1..=self.limits.max {
            z = self.formula.step(z, parameters);
            if !(z[0].abs() < self.limits.escape_radius && z[1].abs() < self.limits.escape_radius) {
                return Ok(None);
            }
            if apart(z, seen) < NEAR && n > since {
                return Ok(self.least_period(z, parameters, n - since));
            }
            if n == renew {
                (seen, since, renew) = (z, n, 2 * n);
            }
            if n % STOP_INTERVAL == 0 && stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(None)
    }

    /// The smallest divisor of `period` after which the orbit is back at z, if the cycle attracts.
    fn least_period(&self, z: [f64; 2], parameters: [f64; 3], period: u64) -> Option<u64> {
        let (mut now, mut product) = (z, [[1.0, 0.0], [0.0, 1.0]]);
        for n in 1..=period {
            let [[a, b], [c, d]] = self.formula.jacobian(now);
            let one = if F::CONFORMAL { [[a, -c], [c, a]] } else { [[a, b], [c, d]] };
            product = times(one, product);
            now = self.formula.step(now, parameters);
            if period % n == 0 && apart(now, z) < SAME {
                return attracts(product).then_some(n);
            }
        }
        None
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
