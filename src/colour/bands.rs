//! One flat colour for each iteration count: the classic look, and the cheapest samples.

use super::{Colouring, ColouringEntry, Phase, Row, Scale};
use crate::sample::Channels;

pub(super) const ENTRY: ColouringEntry = ColouringEntry {
    name: "bands",
    help: "one flat colour for each iteration count",
    channels: Channels::COUNTS,
    make: |scale| Box::new(Bands(scale)),
};

/// The number of bands once around the palette: few enough that neighbours differ clearly.
const TURN: f64 = 32.0;

#[derive(Debug)]
struct Bands(Scale);

impl Colouring for Bands {
    fn phases(&self, row: &Row<'_>, out: &mut [Phase]) {
        if let Some(high) = row.high() {
            for ((out, &n), &high) in out.iter_mut().zip(row.counts).zip(high) {
                *out = self.0.phase_of_large([n, high], |count| count * (1.0 / TURN));
            }
            return;
        }
        for (out, &n) in out.iter_mut().zip(row.counts) {
            *out = self.0.phase_unless_inside(n, f64::from(n) * (1.0 / TURN));
        }
    }
}
