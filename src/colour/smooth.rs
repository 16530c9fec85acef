//! The smooth count ν as colour, without visible steps.

use super::{Colouring, ColouringEntry, Phase, Row, Scale};
use crate::sample::{Channels, FRACTIONS};

pub(super) const ENTRY: ColouringEntry = ColouringEntry {
    name: "smooth",
    help: "the smooth iteration count, without steps",
    channels: Channels::SMOOTH,
    make: |scale| Box::new(Smooth(scale)),
};

/// √ν grows by this much once around the palette.
///
/// The square root suits shallow and deep views alike: around the whole set ν runs from 4 to a few dozen, in a deep view from thousands
/// to a few thousand more, and in both √ν covers between several units and a few tens. With ν itself, deep views turn to noise; with
/// log ν, they turn flat. A square root is also exact by IEEE 754, hence the same everywhere.
const TURN: f64 = 6.0;

/// √ν where the palette begins: far outside a whole set, as in the background of most pictures.
const BEGIN: f64 = 2.0;

/// How many turns around the palette √ν makes for a sample.
#[inline(always)]
fn turns(count: f64, fraction: f32) -> f64 {
    (count + f64::from(fraction)).sqrt() * (1.0 / TURN) - BEGIN / TURN
}

#[derive(Debug)]
struct Smooth(Scale);

impl Colouring for Smooth {
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]) {
        phases(self.0, row, out);
    }
}

/// The phases of smooth colouring, which other colourings build on.
pub(super) fn phases(scale: Scale, row: &Row<'_>, out: &mut [Phase]) {
    let samples = out.iter_mut().zip(row.counts).zip(row.plane(FRACTIONS));
    if let Some(high) = row.high() {
        samples.zip(high).for_each(|(((out, &n), &f), &high)| {
            *out = scale.phase_of_large([n, high], |count| turns(count, f));
        });
        return;
    }
    for ((out, &n), &f) in samples {
        *out = scale.phase_unless_inside(n, turns(f64::from(n), f));
    }
}
