//! Samples as files hold them: a plane for each channel, with the names and meanings of Kalles Fraktaler 2+ and Fraktaler 3.

use crate::sample::{Channels, INTERIOR, Samples};
use crate::sink::bands::Layout;

/// What is added to a count before it is stored.
pub(in crate::sink) const COUNT_BIAS: u32 = 1024;

/// The channels in a file, in the order that EXR demands, by name; each with whether its values are whole numbers.
pub(in crate::sink) fn channels(of: Channels) -> impl Iterator<Item = (&'static str, bool)> {
    let all = [("DEX", false, of.distance), ("DEY", false, of.distance), ("N", true, true), ("NF", false, of.smooth)];
    all.into_iter().filter(|channel| channel.2).map(|(name, whole, _)| (name, whole))
}

/// How the rows lie that [`draw`] makes: a run for each channel.
pub(in crate::sink) fn layout(of: Channels) -> Layout {
    Layout { planes: channels(of).count(), bytes: 4 }
}

/// Appends the rows of a tile to `out`, each channel's run after the other.
pub(in crate::sink) fn draw(samples: &Samples<'_>, out: &mut Vec<u8>) {
    let width = samples.tile.width as usize;
    for y in 0..samples.tile.height as usize {
        let row = y * width..(y + 1) * width;
        let part = |plane: &[f32], out: &mut Vec<u8>| {
            if let Some(values) = plane.get(row.clone()) {
                out.extend_from_slice(bytemuck::cast_slice(values));
            }
        };
        part(samples.distance_x, out);
        part(samples.distance_y, out);
        for &n in &samples.counts[row.clone()] {
            let stored = if n == INTERIOR { INTERIOR } else { n + COUNT_BIAS };
            out.extend_from_slice(&stored.to_ne_bytes());
        }
        part(samples.fractions, out);
    }
}
