//! Smooth colours darkened towards the boundary by the distance estimate, so that filaments thinner than a pixel stay visible.

use super::{Colouring, ColouringEntry, Phase, Row, Scale, smooth};
use crate::sample::{Channels, DISTANCES_X, DISTANCES_Y};

pub(super) const ENTRY: ColouringEntry = ColouringEntry {
    name: "distance",
    help: "smooth colours, dark along the boundary by the distance estimate",
    channels: Channels::ALL,
    make: |scale| Box::new(Distance(scale)),
};

/// The distance in pixels at which half of the light remains.
const HALF: f32 = 0.75;

#[derive(Debug)]
struct Distance(Scale);

impl Colouring for Distance {
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]) {
        smooth::phases(self.0, row, out);
    }

    fn is_lit(&self) -> bool {
        true
    }

    fn light(&self, row: &Row<'_>, out: &mut [f32]) {
        for ((out, &x), &y) in out.iter_mut().zip(row.plane(DISTANCES_X)).zip(row.plane(DISTANCES_Y)) {
            // Far away the length may overflow, and the quotient of infinities would be NaN.
            let length = (row.spacing * (x * x + y * y).sqrt()).min(f32::MAX);
            *out = length / (length + HALF);
        }
    }
}
