//! The plain loop over samples, one after the other: the scalar code of every number tier.

use super::{Counters, TileClaim, TileRequest, Why};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use crate::sample::{COUNTS, Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, HIGH_COUNTS, INTERIOR, split};

/// Iterations between checks of the stop flag: far below 20 ms, even with emulated multiply-adds.
pub(super) const STOP_INTERVAL: u64 = 1 << 16;

/// What was found of one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) why: Why,
    /// The number of iterations; of the first escaped iterate if it escaped.
    pub(super) n: u64,
    /// The fraction and the distance vector of an escaped sample, if the channels have them.
    pub(super) fraction: f32,
    pub(super) distance: [f32; 2],
}

/// Computes a claim's tiles, with orbits of at most `max` iterations: `sample` finds what there is at a column and row, or `None` once
/// `stop` is set.
pub(super) fn compute(
    channels: Channels,
    max: u64,
    TileClaim { tiles, words: mut rest, useful }: TileClaim<'_>,
    stop: &Stop,
    mut sample: impl FnMut(usize, usize) -> Option<Found>,
) -> Result<Counters> {
    let mut counters = Counters::default();
    for (wanted, useful) in tiles.iter().zip(useful) {
        let words;
        (words, rest) = rest.split_at_mut(wanted.tile.area() * channels.words());
        *useful = tile(channels, max, *wanted, words, &mut counters, stop, &mut sample)?;
    }
    Ok(counters)
}

/// Computes one tile; returns its useful iterations.
fn tile(
    channels: Channels,
    max: u64,
    TileRequest { tile, mask }: TileRequest<'_>,
    words: &mut [u32],
    counters: &mut Counters,
    stop: &Stop,
    sample: &mut impl FnMut(usize, usize) -> Option<Found>,
) -> Result<u64> {
    let area = tile.area();
    if mask.is_some() {
        // For the samples outside the mask.
        for (plane, words) in channels.planes().zip(words.chunks_exact_mut(area)) {
            words.fill(plane.values.missing());
        }
    }
    let all = [COUNTS, FRACTIONS, DISTANCES_X, DISTANCES_Y, HIGH_COUNTS];
    let [counts, fractions, right, down, high] = channels.planes_mut(area, words, all);
    let mut useful = 0;
    let mut since = 0;
    for i in (0..area).filter(|&i| mask.is_none_or(|mask| mask.has(i))) {
        let (x, y) = (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
        let found = sample(x, y).ok_or(Error::Stopped)?;
        since += found.n + 1;
        if since >= STOP_INTERVAL {
            since = 0;
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        counters.executed += found.n;
        let counter = match found.why {
            Why::Escaped => &mut counters.escaped,
            Why::Cardioid => &mut counters.cardioid,
            Why::Bulb => &mut counters.bulb,
            Why::Period => &mut counters.periodic,
            Why::Limit => &mut counters.limit,
        };
        *counter += 1;
        let escaped = found.why == Why::Escaped;
        let [low, rest] = if escaped { split(found.n) } else { [INTERIOR, 0] };
        counts[i] = low;
        if let Some(high) = high.get_mut(i) {
            *high = rest;
        }
        useful += if escaped { found.n } else { max };
        if channels.contains(Channels::SMOOTH) {
            fractions[i] = found.fraction.to_bits();
        }
        if channels.contains(Channels::DISTANCE) {
            let [x, y] = found.distance;
            (right[i], down[i]) = (x.to_bits(), y.to_bits());
        }
    }
    Ok(useful)
}
