//! Samples as stored in files: one plane for each plane of a channel, named and defined as in Kalles Fraktaler 2+ and Fraktaler 3.

use crate::sample::{Channels, HIGH_COUNTS, INTERIOR, PlaneEntry, Samples, Values, joined};
use crate::sink::bands::Layout;

/// Added to a count before it is stored.
pub(in crate::sink) const COUNT_BIAS: u32 = 1024;

/// The name of a plane in a file. Counts of two words are stored as the halves of a number of 64 bits.
pub(in crate::sink) fn name(of: Channels, plane: &PlaneEntry) -> &'static str {
    if plane.values == Values::Counts && of.place(HIGH_COUNTS).is_some() { "N0" } else { plane.exr }
}

/// The planes in a file, in the order that EXR demands, by name.
#[cfg(feature = "exr")]
pub(in crate::sink) fn planes(of: Channels) -> Vec<&'static PlaneEntry> {
    let mut planes: Vec<_> = of.planes().collect();
    planes.sort_by_key(|plane| name(of, plane));
    planes
}

/// A count as the low and the high half that are stored, where it has two words.
fn halves([low, high]: [u32; 2]) -> [u32; 2] {
    if low == INTERIOR {
        return [INTERIOR; 2];
    }
    let stored = joined(low, high) + u64::from(COUNT_BIAS);
    [stored as u32, (stored >> 32) as u32]
}

/// The words of a count of two words from the halves that are stored.
#[cfg(feature = "exr")]
pub(in crate::sink) fn words([low, high]: [u32; 2]) -> [u32; 2] {
    let stored = u64::from(high) << 32 | u64::from(low);
    if stored == u64::MAX { [INTERIOR, 0] } else { crate::sample::split(stored.saturating_sub(COUNT_BIAS.into())) }
}

/// The layout of the rows that [`draw`] makes: a run for each plane.
pub(in crate::sink) fn layout(of: Channels) -> Layout {
    Layout { planes: of.words(), bytes: 4 }
}

/// Appends the rows of a tile to `out`, each plane's run after the other.
pub(in crate::sink) fn draw(samples: &Samples<'_>, out: &mut Vec<u8>) {
    let mut planes: Vec<(&PlaneEntry, &[u32])> = samples.planes().collect();
    planes.sort_by_key(|(plane, _)| name(samples.channels(), plane));
    let high = samples.channels().place(HIGH_COUNTS).map(|place| samples.words(place));
    let width = samples.tile.width as usize;
    for y in 0..samples.tile.height as usize {
        for (plane, words) in &planes {
            let row = &words[y * width..(y + 1) * width];
            let is_count = matches!(plane.values, Values::Counts | Values::HighCounts);
            if let Some(high) = high.filter(|_| is_count) {
                let (row, half) = (y * width..(y + 1) * width, usize::from(plane.values == Values::HighCounts));
                let counts = samples.counts[row.clone()].iter().zip(&high[row]);
                out.extend(counts.flat_map(|(&low, &high)| halves([low, high])[half].to_ne_bytes()));
            } else if plane.values == Values::Counts {
                let stored = |&n: &u32| if n == INTERIOR { INTERIOR } else { n + COUNT_BIAS };
                out.extend(row.iter().flat_map(|n| stored(n).to_ne_bytes()));
            } else {
                out.extend_from_slice(bytemuck::cast_slice(row));
            }
        }
    }
}
