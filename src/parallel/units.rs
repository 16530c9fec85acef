//! How a run is cut into claims before it begins, for backends whose workers find them in a table or a queue of their own.

use super::claims::{auto_share, part};
use std::ops::Range;
use std::sync::Arc;

/// How the pieces of a run are cut into units, which any worker may claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) enum Units {
    /// Units of `chunk` pieces; the last may have fewer.
    Chunks { pieces: usize, chunk: usize },
    /// `blocks` units whose sizes differ by at most one piece.
    Blocks { pieces: usize, blocks: usize },
    /// `full` units of `most` pieces, then smaller ones: their first pieces, and the number of all pieces.
    Shrinking { most: usize, full: usize, rest: Arc<[usize]> },
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
impl Units {
    /// As `auto` shares out pieces among `workers`, with at most `most` in a unit. Units of one size were tried and lost: large ones keep
    /// workers waiting at the end, and with small ones a short picture took 7 % longer, since vectors wait for the longest orbit of each.
    pub(crate) fn shrinking(pieces: usize, workers: usize, most: usize) -> Self {
        let share = auto_share(workers);
        // Those at whose beginning more is left than `share` units with a piece less.
        let full = pieces.saturating_sub(share.saturating_mul(most - 1)).div_ceil(most);
        let mut rest = vec![full * most];
        while let Some(&last) = rest.last().filter(|&&last| last < pieces) {
            rest.push(last + (pieces - last).div_ceil(share));
        }
        Units::Shrinking { most, full, rest: rest.into() }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Units::Chunks { pieces, chunk } => pieces.div_ceil(*chunk),
            Units::Blocks { pieces, blocks } => *blocks.min(pieces),
            Units::Shrinking { full, rest, .. } => full + rest.len() - 1,
        }
    }

    /// The pieces of a unit.
    pub(crate) fn range(&self, unit: usize) -> Range<usize> {
        match *self {
            Units::Chunks { pieces, chunk } => unit * chunk..pieces.min((unit * chunk).saturating_add(chunk)),
            Units::Blocks { pieces, blocks } => part(pieces, unit, blocks),
            Units::Shrinking { most, full, .. } if unit < full => unit * most..(unit + 1) * most,
            Units::Shrinking { full, ref rest, .. } => rest[unit - full]..rest[unit - full + 1],
        }
    }

    /// The unit of a piece.
    pub(crate) fn of(&self, piece: usize) -> usize {
        match *self {
            Units::Chunks { chunk, .. } => piece / chunk,
            Units::Blocks { pieces, blocks } => {
                let (quotient, larger) = (pieces / blocks, pieces % blocks);
                let edge = larger * (quotient + 1);
                if piece < edge { piece / (quotient + 1) } else { larger + (piece - edge) / quotient.max(1) }
            }
            Units::Shrinking { most, full, .. } if piece < full * most => piece / most,
            Units::Shrinking { full, ref rest, .. } => full + rest.partition_point(|&first| first <= piece) - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Loop, Schedule};

    #[test]
    fn units_cover_all_pieces() {
        for pieces in [1, 2, 7, 100, 101] {
            for size in [1, 2, 3, 50, 1000] {
                let same = [Units::Chunks { pieces, chunk: size }, Units::Blocks { pieces, blocks: size }];
                let fewer = [1, 2, 3].map(|workers| Units::shrinking(pieces, workers, size));
                for units in same.into_iter().chain(fewer) {
                    let all: Vec<_> = (0..units.len()).flat_map(|unit| units.range(unit)).collect();
                    assert_eq!(all, (0..pieces).collect::<Vec<_>>(), "{units:?}");
                    let own = |unit: usize| units.range(unit).all(|piece| units.of(piece) == unit);
                    assert!((0..units.len()).all(own), "{units:?}");
                }
            }
        }
    }

    #[test]
    fn shrinking_units_are_the_claims_of_a_loop() {
        for (pieces, most) in [(1, 1), (7, 3), (135, 8), (1000, 8), (1000, 1), (1000, 1024), (20_000, 1024)] {
            for workers in [1, 2, 3, 64] {
                let units = Units::shrinking(pieces, workers, most);
                let all: Vec<_> = (0..units.len()).map(|unit| units.range(unit)).collect();
                let shared = Loop::new(0..pieces, Schedule::AUTO.with_auto_limit(most), workers);
                assert_eq!(
                    all,
                    shared.claims(0).collect::<Vec<_>>(),
                    "{pieces} pieces, {workers} workers, at most {most}"
                );
            }
        }
    }
}
