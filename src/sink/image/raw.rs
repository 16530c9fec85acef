//! Samples as stored in files: one plane for each plane of a channel, named and defined as in Kalles Fraktaler 2+ and Fraktaler 3.

use crate::sample::{Channels, INTERIOR, PlaneEntry, Samples, Values};
use crate::sink::bands::Layout;

/// Added to a count before it is stored.
pub(in crate::sink) const COUNT_BIAS: u32 = 1024;

/// The planes in a file, in the order that EXR demands, by name.
#[cfg(feature = "exr")]
pub(in crate::sink) fn planes(of: Channels) -> Vec<&'static PlaneEntry> {
    let mut planes: Vec<_> = of.planes().collect();
    planes.sort_by_key(|plane| plane.exr);
    planes
}

/// The layout of the rows that [`draw`] makes: a run for each plane.
pub(in crate::sink) fn layout(of: Channels) -> Layout {
    Layout { planes: of.words(), bytes: 4 }
}

/// Appends the rows of a tile to `out`, each plane's run after the other.
pub(in crate::sink) fn draw(samples: &Samples<'_>, out: &mut Vec<u8>) {
    let mut planes: Vec<(&PlaneEntry, &[u32])> = samples.planes().collect();
    planes.sort_by_key(|(plane, _)| plane.exr);
    let width = samples.tile.width as usize;
    for y in 0..samples.tile.height as usize {
        for (plane, words) in &planes {
            let row = &words[y * width..(y + 1) * width];
            if plane.values == Values::Counts {
                let stored = |&n: &u32| if n == INTERIOR { INTERIOR } else { n + COUNT_BIAS };
                out.extend(row.iter().flat_map(|n| stored(n).to_ne_bytes()));
            } else {
                out.extend_from_slice(bytemuck::cast_slice(row));
            }
        }
    }
}
