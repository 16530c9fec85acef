//! The exterior distance estimate, from the derivative of the orbit.
//!
//! With G = Jᵀz, J the Jacobian of z_n over the plane of the image, the gradient of |z| is G/|z|, and the estimate |z|·ln|z| / |gradient|
//! (Milnor, Thurston; for formulas without a complex derivative the real Jacobian does the same) becomes the vector
//! |z|²·ln|z|·G / |G|².

use super::smooth::log2;
use crate::formula::{Formula, Lanes};
use crate::plane::Plane;

/// An orbit with its derivative: z and the columns of J.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tangent<L> {
    pub(super) z: [L; 2],
    /// ∂z/∂x.
    pub(super) right: [L; 2],
    /// ∂z/∂y; for conformal formulas it follows from `right` and is not updated.
    pub(super) up: [L; 2],
}

/// The direction of the image's axes in the plane, and the spacing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) cos: f64,
    pub(super) sin: f64,
    pub(super) per_spacing: f64,
}

impl Frame {
    pub(super) fn of(plane: &Plane) -> Self {
        let (cos, sin) = plane.rotation.map_or((1.0, 0.0), |r| (r.cos, r.sin));
        Self { cos, sin, per_spacing: 1.0 / plane.spacing }
    }
}

/// The distance vector in pixels, x right and y down, for the first escaped iterate. 0 where the gradient is 0, infinite or NaN.
#[inline(always)]
pub(super) fn vector<F: Formula, L: Lanes>(t: Tangent<L>, frame: Frame) -> [L; 2] {
    let [x, y] = t.z;
    let zero = x.constant(0.0);
    let up = if F::CONFORMAL { [zero - t.right[1], t.right[0]] } else { t.up };
    // G over the plane's own axes.
    let gx = t.right[0].mul_add(x, t.right[1] * y);
    let gy = up[0].mul_add(x, up[1] * y);
    // Scaled by its larger component, so that its square neither overflows nor underflows.
    let (ax, ay) = (gx.abs(), gy.abs());
    let largest = ax.select(ay.at_most(ax), ay);
    let (ux, uy) = (gx.div(largest), gy.div(largest));
    let norm = ux.mul_add(ux, uy * uy);
    let u = y.mul_add(y, x * x);
    // ln|z| = log₂|z|² · ln 2 / 2.
    let length = (u * log2(u) * x.constant(0.5 * std::f64::consts::LN_2 * frame.per_spacing)).div(largest * norm);
    let (cos, sin) = (x.constant(frame.cos), x.constant(frame.sin));
    let right = (ux.mul_add(cos, uy * sin)) * length;
    let down = (ux.mul_sub(sin, uy * cos)) * length;
    // Everything that is not finite fails the comparison.
    let limit = x.constant(f64::from(f32::MAX));
    let fine = right.abs().at_most(limit) & down.abs().at_most(limit);
    [right.select(fine, zero), down.select(fine, zero)]
}
