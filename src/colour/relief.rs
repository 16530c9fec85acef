//! Smooth colours lit from the upper left as if the count were a height: the slope has the direction of the distance estimate ("normal
//! map effect", after Jos Leys and Arnaud Chéritat).

use super::{Colouring, ColouringEntry, Phase, Row, Scale, smooth};
use crate::sample::{Channels, DISTANCES_X, DISTANCES_Y};

pub(super) const ENTRY: ColouringEntry = ColouringEntry {
    name: "relief",
    help: "smooth colours on a landscape lit from the upper left",
    channels: Channels::ALL,
    make: |scale| Box::new(Relief(scale)),
};

/// The height of the light above the plane; its direction in the plane has length 1.
const HEIGHT: f32 = 1.5;

#[derive(Debug)]
struct Relief(Scale);

impl Colouring for Relief {
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]) {
        smooth::phases(self.0, row, out);
    }

    fn is_lit(&self) -> bool {
        true
    }

    fn light(&self, row: &Row<'_>, out: &mut [f32]) {
        const DIAGONAL: f32 = std::f32::consts::FRAC_1_SQRT_2;
        for ((out, &x), &y) in out.iter_mut().zip(row.plane(DISTANCES_X)).zip(row.plane(DISTANCES_Y)) {
            let length = (x * x + y * y).sqrt();
            // |z| falls away from the set, so the slope faces the light where the vector points down to the right.
            let facing = if length > 0.0 && length < f32::INFINITY { DIAGONAL * (x + y) / length } else { 0.0 };
            *out = ((facing + HEIGHT) / (1.0 + HEIGHT)).clamp(0.0, 1.0);
        }
    }
}
