//! What the samples of a render should be: the same orbits in numbers so wide that their rounding no longer matters, one at a time.
//!
//! Views within reach of 64-bit numbers, and all formulas there, are iterated as they stand in double-double; deeper views of z² + c and
//! its Julia sets by perturbation in double-double, plainly: no iteration is skipped, and a
//! reference only ends at an attracting cycle that it has reached. Both have about 2⁻⁵³ of the
//! error of their counterparts in `f64`, but share their way of thinking; so a few orbits are also computed with as many digits as they
//! need. Nothing here is fast: an iteration takes from 60 ns to some microseconds.

mod cycle;
mod direct;
mod fixed;
mod perturbed;
mod point;
mod ranged;
mod wide;

use super::choose::Request;
use super::perturbation::Offsets;
use super::tier::Tier;
use crate::error::{Error, Result};
use crate::parallel::{Preparing, Stop};
use direct::{Orbits, Point};
use perturbed::Perturbed;
use point::{Grid, double, shifted};
use wide::Wide;

/// The most iterations where orbits take that many: some seconds for each sample.
const MOST_AT_CUSP: u64 = 100_000_000;

/// The samples of a request as they should be.
pub(crate) struct Truth {
    grid: Grid,
    way: Way,
    degree: f64,
    escape_radius: f64,
    /// The distance between samples is `spacing`·2^`exponent`.
    spacing: f64,
    exponent: i64,
}

enum Way {
    Direct { orbits: Box<dyn Orbits>, julia: Option<(Point, [Wide; 2])> },
    Perturbed(Box<Perturbed>),
}

/// A sample as it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrueSample {
    /// The count; `None` if it does not escape within the maximum.
    pub(crate) count: Option<u64>,
    /// The smooth count less the count; 0 in the interior.
    pub(crate) fraction: f64,
    /// The distance vector in pixels, x right and y down; 0 in the interior.
    pub(crate) distance: [f64; 2],
    /// Iterations.
    pub(crate) executed: u64,
}

/// How an orbit ended.
struct End {
    count: Option<u64>,
    executed: u64,
    z: [f64; 2],
    /// The columns of the Jacobian of z over the plane, divided by 2^`exponent`.
    right: [f64; 2],
    up: [f64; 2],
    exponent: i64,
}

impl End {
    fn interior(executed: u64) -> Self {
        Self { count: None, executed, z: [0.0; 2], right: [0.0; 2], up: [0.0; 2], exponent: 0 }
    }
}

impl From<perturbed::End> for End {
    fn from(end: perturbed::End) -> Self {
        let perturbed::End { count, executed, z, derivative: right, exponent } = end;
        Self { count, executed, z, right, up: [-right[1], right[0]], exponent }
    }
}

impl Truth {
    /// For the samples of `request`.
    ///
    /// # Errors
    /// As [`Request::kernel`].
    pub(crate) fn new(request: &Request) -> Result<Self> {
        let tier = request.tier()?;
        let Offsets { plane, exponent, .. } = request.offsets()?;
        let spec = request.spec();
        let grid = Grid::new(request, plane.rotation);
        let way = if tier == Tier::F64 {
            let julia = request.julia.as_ref().map(|constant| {
                let constant = constant.each_ref().map(|part| part.ratio());
                (double(&constant), constant.each_ref().map(Wide::of))
            });
            Way::Direct { orbits: direct::orbits(&spec, request.limits)?, julia }
        } else {
            if request.is_at_cusp()? && request.limits.max > MOST_AT_CUSP {
                return Err(Error::Unsupported(format!(
                    "views this close to 1/4 are checked up to {MOST_AT_CUSP} iterations, not {}: there nothing is skipped",
                    request.limits.max
                )));
            }
            Way::Perturbed(Box::new(Perturbed::new(&request.view, request.julia.as_ref(), exponent, request.limits)))
        };
        Ok(Self {
            grid,
            way,
            degree: f64::from(spec.power),
            escape_radius: request.limits.escape_radius,
            spacing: plane.spacing,
            exponent,
        })
    }

    /// How orbits are computed, in words.
    pub(crate) fn method(&self) -> &'static str {
        match self.way {
            Way::Direct { .. } => "the formula in double-double",
            Way::Perturbed(_) => "perturbation in double-double",
        }
    }

    /// Computes what all samples share.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Unsupported`] when there is not enough memory.
    pub(crate) fn prepare(&self, preparing: &Preparing<'_>) -> Result<()> {
        match &self.way {
            Way::Direct { .. } => Ok(()),
            Way::Perturbed(perturbed) => perturbed.prepare(preparing),
        }
    }

    /// The most bytes that [`Truth::prepare`] keeps.
    pub(crate) fn prepared_len(&self) -> u64 {
        match &self.way {
            Way::Direct { .. } => 0,
            Way::Perturbed(perturbed) => perturbed.prepared_len(),
        }
    }

    /// A sample; `None` once `stop` is set.
    pub(crate) fn sample(&self, column: u32, row: u32, stop: &Stop) -> Option<TrueSample> {
        let end = match &self.way {
            Way::Direct { orbits, julia } => {
                let point = double(&self.grid.point(column, row));
                orbits.double(julia.as_ref().map(|julia| julia.0), point, stop)?
            }
            Way::Perturbed(perturbed) => {
                let offset = self.grid.offset(column, row).map(|part| shifted(part, -perturbed.exponent()));
                perturbed.sample(double(&offset), stop)?.into()
            }
        };
        Some(self.finished(&end))
    }

    /// A sample with as many digits as it needs; `None` once `stop` is set.
    pub(crate) fn exactly(&self, column: u32, row: u32, stop: &Stop) -> Option<TrueSample> {
        let point = self.grid.point(column, row);
        let end = match &self.way {
            Way::Direct { orbits, julia } => {
                orbits.wide(julia.as_ref().map(|julia| julia.1), point.each_ref().map(Wide::of), stop)?
            }
            Way::Perturbed(perturbed) => perturbed.exactly(&point, stop)?.into(),
        };
        Some(self.finished(&end))
    }

    /// Whether the count of a sample changes when its point moves by a rounding of its coordinates to 64-bit numbers. Always false where
    /// samples are differences from a reference, whose roundings are relative to the width of the view.
    pub(crate) fn is_chaotic(&self, column: u32, row: u32, count: Option<u64>, stop: &Stop) -> Option<bool> {
        let Way::Direct { orbits, julia } = &self.way else { return Some(false) };
        let point = double(&self.grid.point(column, row));
        let place = |value: f64| value.abs().next_up() - value.abs();
        for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
            let mut moved = point;
            moved[axis] = moved[axis].plus(sign * place(moved[axis].high));
            if orbits.double(julia.as_ref().map(|julia| julia.0), moved, stop)?.count != count {
                return Some(true);
            }
        }
        Some(false)
    }

    fn finished(&self, end: &End) -> TrueSample {
        let nothing = TrueSample { count: None, fraction: 0.0, distance: [0.0; 2], executed: end.executed };
        let Some(count) = end.count else { return nothing };
        let [x, y] = end.z;
        let length = x.hypot(y);
        let fraction = 1.0 - (length.ln() / self.escape_radius.ln()).ln() / self.degree.ln();
        // The gradient of |z| along the axes of the plane, then along those of the image, per sample.
        let along = |[a, b]: [f64; 2]| (a * x + b * y) / length;
        let (sin, cos) = self.grid.turn();
        let (g, h) = (along(end.right), along(end.up));
        let per_sample = |gradient: f64| gradient * self.spacing * two_to(end.exponent + self.exponent);
        let [right, down] = [g * cos + h * sin, g * sin - h * cos].map(per_sample);
        let norm = right * right + down * down;
        let scale = length * length.ln() / norm;
        let distance = if norm > 0.0 && scale.is_finite() { [right * scale, down * scale] } else { [0.0; 2] };
        TrueSample { count: Some(count), fraction, distance, executed: end.executed }
    }
}

/// 2^exponent; 0 or infinite where it is no 64-bit number.
fn two_to(exponent: i64) -> f64 {
    crate::number::ldexp(1, exponent)
}
