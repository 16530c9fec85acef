//! One sample: its difference from the reference, iterated in `f64`.
//!
//! Products and sums are separate operations, since without vector code a fused one is a call of a function.

use super::Perturbation;
use super::orbit::Iterate;
use crate::formula::Mandelbrot;
use crate::kernel::Why;
use crate::kernel::distance::{Tangent, vector};
use crate::kernel::plain::{Found, STOP_INTERVAL};
use crate::parallel::Stop;
use num_complex::Complex64;

impl Perturbation {
    /// The sample at a column and row, with its distance vector if `DISTANCE`; `None` once `stop` is set.
    pub(super) fn sample<const DISTANCE: bool>(
        &self,
        orbit: &[Iterate],
        column: usize,
        row: usize,
        stop: &Stop,
    ) -> Option<Found> {
        let offset = self.offsets.point(column, row);
        let (a, b) = (offset.re * self.scale, offset.im * self.scale);
        let limit = self.limits.escape_radius * self.limits.escape_radius;
        let last = orbit.len() - 1;
        // δ, the iterate z = Z + δ, and ∂z/∂c times the scale; `m` is the place of the reference.
        let (mut dx, mut dy, mut m) = (0.0, 0.0, 0);
        let (mut x, mut y) = (0.0, 0.0);
        let (mut right, mut up) = (0.0, 0.0);
        for n in 1..=self.limits.max {
            if DISTANCE {
                (right, up) = (2.0 * (x * right - y * up) + self.scale, 2.0 * (x * up + y * right));
            }
            // 2Z + δ = Z + z.
            let (wx, wy) = (orbit[m][0] + x, orbit[m][1] + y);
            (dx, dy) = (wx * dx - wy * dy + a, wx * dy + wy * dx + b);
            m += 1;
            (x, y) = (orbit[m][0] + dx, orbit[m][1] + dy);
            let u = x * x + y * y;
            // NaN counts as escaped.
            if u > limit || u.is_nan() {
                let z = Complex64::new(x, y);
                let distance = if DISTANCE {
                    let tangent = Tangent { z: [x, y], right: [right, up], up: [-up, right] };
                    vector::<Mandelbrot, f64>(tangent, self.frame).map(|part| part as f32)
                } else {
                    [0.0; 2]
                };
                return Some(Found { why: Why::Escaped, n, fraction: self.fraction.of(z), distance });
            }
            // Compared by their larger parts: squares would underflow.
            if m == last || larger(x.abs(), y.abs()) < larger(dx.abs(), dy.abs()) {
                (dx, dy, m) = (x, y, 0);
            }
            if n % STOP_INTERVAL == 0 && stop.is_set() {
                return None;
            }
        }
        Some(Found { why: Why::Limit, n: self.limits.max, fraction: 0.0, distance: [0.0; 2] })
    }
}

/// The larger of two numbers, without care for NaN.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}
