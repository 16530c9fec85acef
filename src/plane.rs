//! Where samples lie in the complex plane: the bridge between an exact view and the numbers that kernels compute with.

use num_complex::Complex64;
use std::ops::Range;

/// The points of a grid of samples, as `f64`.
///
/// Unrotated: the point of sample (x, y) is `columns[x] + i·rows[y]`, each the correctly rounded `f64` of the exact value. Rotated:
/// `columns` and `rows` hold the offsets from the centre along the image's own axes, right and up, and the point follows from the fused
/// formula in [`Plane::point`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// One number per column.
    pub columns: Vec<f64>,
    /// One number per row, from the top.
    pub rows: Vec<f64>,
    /// Set when the image is rotated.
    pub rotation: Option<Rotation>,
    /// The distance between neighbouring samples in the plane.
    pub spacing: f64,
}

/// How the image's axes lie in the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    /// The point at the image's centre.
    pub centre: Complex64,
    /// Cosine of the angle by which the image's right turns counter-clockwise from the real axis.
    pub cos: f64,
    /// Sine of that angle.
    pub sin: f64,
}

impl Plane {
    /// The largest magnitude of a coordinate's real or imaginary part, up to the rotation.
    pub fn reach(&self) -> f64 {
        let axis =
            |numbers: &[f64]| numbers.first().into_iter().chain(numbers.last()).fold(0.0, |m: f64, n| m.max(n.abs()));
        let centre = self.rotation.map_or(0.0, |r| r.centre.re.abs().max(r.centre.im.abs()));
        axis(&self.columns).max(axis(&self.rows)) + centre
    }

    /// The points of some of its columns and rows, bit for bit.
    ///
    /// # Panics
    /// If a range exceeds what there is.
    #[must_use]
    pub fn part(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let (columns, rows) = (self.columns[columns].to_vec(), self.rows[rows].to_vec());
        Self { columns, rows, rotation: self.rotation, spacing: self.spacing }
    }

    /// The points in the middle of squares of `grain` × `grain` samples, counted from the top left: a coarse version of the whole.
    /// Squares that are cut off before their middle at the right or bottom use the last point.
    #[must_use]
    pub fn coarse(&self, grain: usize) -> Self {
        let every = |numbers: &[f64]| {
            let middle = |start: usize| numbers[(start + grain / 2).min(numbers.len() - 1)];
            (0..numbers.len()).step_by(grain.max(1)).map(middle).collect()
        };
        Self { columns: every(&self.columns), rows: every(&self.rows), rotation: self.rotation, spacing: self.spacing }
    }

    /// The point of sample (x, y). Every kernel computes exactly this, with the same roundings.
    #[inline]
    pub fn point(&self, x: usize, y: usize) -> Complex64 {
        let (u, v) = (self.columns[x], self.rows[y]);
        match self.rotation {
            None => Complex64::new(u, v),
            Some(Rotation { centre, cos, sin }) => {
                Complex64::new(u.mul_add(cos, v.mul_add(-sin, centre.re)), u.mul_add(sin, v.mul_add(cos, centre.im)))
            }
        }
    }
}
