//! Continuing a picture whose maximum number of iterations was raised: only samples that had not escaped are computed.
//!
//! A tile with some known samples is computed with a mask: the kernel skips the lanes of the known ones and fills its queue with the
//! rest, so that scattered samples cost no more than whole tiles do. Masks travel as part of what the session prepares, mapped or sent
//! once per worker, and not within the recipe: those of a large picture are tens of megabytes. On its way to the sinks a finished tile
//! is filled up with the known samples, so that sinks see whole tiles, as in any other run.

use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Pieces, Position, Prepared, Report, RunInfo, Sink, Stop, lock};
use crate::sample::{INTERIOR, Samples};
use crate::sink::records::{Found, Records};
use crate::sink::{Kept, Resumed, Tiles};
use crate::tile::Mask;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// What earlier runs left of a picture.
#[derive(Clone, Default)]
pub struct Known {
    /// Finished tiles of it.
    pub tiles: Vec<Arc<dyn Kept>>,
    /// Samples that had escaped in the same picture with fewer iterations.
    pub samples: Option<Arc<Escaped>>,
}

impl<K: Kept + 'static> From<Vec<Arc<K>>> for Known {
    fn from(tiles: Vec<Arc<K>>) -> Self {
        Self { tiles: tiles.into_iter().map(|tiles| tiles as Arc<dyn Kept>).collect(), samples: None }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.tiles.iter().map(|tiles| tiles.place()).collect();
        f.debug_struct("Known").field("tiles", &places).field("samples", &self.samples).finish()
    }
}

/// The samples of a picture that had escaped before its maximum was raised.
#[derive(Debug)]
pub struct Escaped {
    /// The tiles in which every sample had escaped.
    tiles: Arc<Records>,
    /// The tiles in which some had, ordered by number.
    partial: Vec<Partial>,
    layout: Tiles,
    samples: u64,
    wanted: u64,
}

/// A tile with some known samples.
#[derive(Debug)]
struct Partial {
    found: Found,
    /// A bit for each sample that is not known, as in a [`Mask`].
    mask: Box<[u8]>,
}

impl Escaped {
    pub(super) fn new(mut records: Records, layout: Tiles, wanted: &Pieces, stop: &Stop) -> Result<Self> {
        let (mut partial, mut samples) = (Vec::new(), 0);
        records.retain(stop, |found, bytes| {
            if !wanted.contains(found.index) {
                return false;
            }
            let counts = layout.samples(found.index, bytes).counts;
            let escaped = counts.iter().filter(|&&count| count != INTERIOR).count();
            samples += escaped as u64;
            if 0 < escaped && escaped < counts.len() {
                let byte = |eight: &[u32]| {
                    let bits = eight.iter().enumerate().map(|(i, &count)| u8::from(count == INTERIOR) << i);
                    bits.sum()
                };
                partial.push(Partial { found, mask: counts.chunks(8).map(byte).collect() });
            }
            escaped == counts.len()
        })?;
        let wanted = wanted.iter().map(|index| layout.tiling.tile(index).area() as u64).sum();
        Ok(Self { tiles: Arc::new(records), partial, layout, samples, wanted })
    }

    /// How many samples had escaped.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How many samples the wanted tiles have.
    pub fn of(&self) -> u64 {
        self.wanted
    }

    /// The tiles in which every sample had escaped.
    pub(super) fn tiles(&self) -> Arc<Records> {
        self.tiles.clone()
    }

    fn partial(&self, index: usize) -> Option<&Partial> {
        let place = self.partial.binary_search_by_key(&index, |partial| partial.found.index);
        place.ok().map(|place| &self.partial[place])
    }

    /// The masks of these tiles: for each tile the offset of its mask's first byte, as 64 bits, or 0 if the whole tile is wanted; then
    /// the masks.
    pub(super) fn masks(&self, pieces: &Pieces) -> Vec<u8> {
        let (mut bytes, mut masks) = (Vec::with_capacity(8 * pieces.len()), Vec::new());
        for index in pieces.iter() {
            let place = self.partial(index).map_or(0, |partial| {
                let place = 8 * pieces.len() + masks.len();
                masks.extend_from_slice(&partial.mask);
                place
            });
            bytes.extend_from_slice(&(place as u64).to_le_bytes());
        }
        bytes.append(&mut masks);
        bytes
    }
}

/// The name of the part of the prepared data that holds [`Escaped::masks`].
pub(super) const MASKS: &str = "masks";

/// The mask of piece `index`, which has `area` samples, from the bytes of [`Escaped::masks`]; `None` if the whole piece is wanted or
/// there are no masks.
pub(super) fn mask(prepared: &Prepared, index: usize, area: usize) -> Result<Option<Mask<'_>>> {
    let Some(prepared) = prepared.get(MASKS) else { return Ok(None) };
    let place = prepared.get(8 * index..).and_then(|rest| rest.first_chunk::<8>());
    let place = place.map(|bytes| u64::from_le_bytes(*bytes) as usize);
    if place == Some(0) {
        return Ok(None);
    }
    let bits = place.and_then(|place| prepared.get(place..)?.get(..Mask::bytes(area)));
    let bits = bits.ok_or_else(|| Error::Input(format!("the prepared data has no mask for piece {index}")))?;
    Ok(Some(Mask::new(bits)))
}

/// Adds the known samples to tiles of which only the others were computed, and passes on whole tiles.
pub(super) struct Filled {
    inner: Resumed,
    escaped: Arc<Escaped>,
    /// The pieces of the run.
    missing: Pieces,
    /// The useful iterations of an interior sample.
    max: u64,
    memory: Mutex<Vec<Memory>>,
}

/// A worker's memory for filling a claim.
#[derive(Default)]
struct Memory {
    words: Vec<u32>,
    costs: Vec<u64>,
    known: Vec<u64>,
}

impl Filled {
    pub(super) fn new(inner: Resumed, escaped: Arc<Escaped>, missing: Pieces, max: u64) -> Self {
        Self { inner, escaped, missing, max, memory: Mutex::default() }
    }

    /// Fills a claim; returns whether there was anything to fill.
    fn fill(&self, done: &FinishedClaim<'_>, memory: &mut Memory) -> Result<bool> {
        let Memory { words, costs, known } = memory;
        let Escaped { tiles, layout: Tiles { tiling, channels, .. }, .. } = &*self.escaped;
        let (mut from, mut filled) = (0, false);
        for (piece, number) in done.pieces().zip(done.range.clone()) {
            let index = self.missing.get(Position(number));
            let until = from + piece.bytes.len() / 4;
            if let Some(partial) = self.escaped.partial(index) {
                if !filled {
                    words.clear();
                    words.extend_from_slice(bytemuck::cast_slice(done.bytes));
                    costs.clear();
                    costs.extend_from_slice(done.costs);
                    filled = true;
                }
                let (known, _) = tiles.read(partial.found, known)?;
                let known: &[u32] = bytemuck::cast_slice(known.bytes);
                let area = tiling.tile(index).area();
                let words = &mut words[from..until];
                for i in (0..area).filter(|&i| known[i] != INTERIOR) {
                    (0..channels.words()).for_each(|plane| words[plane * area + i] = known[plane * area + i]);
                }
                let samples = Samples::new(tiling.tile(index), *channels, bytemuck::cast_slice(words));
                costs[number - done.range.start] = (0..area).map(|i| samples.count(i).unwrap_or(self.max)).sum();
            }
            from = until;
        }
        Ok(filled)
    }
}

impl Sink for Filled {
    fn preparing(&self, done: f64) {
        self.inner.preparing(done);
    }

    fn start(&self, run: &RunInfo) -> Result<()> {
        self.inner.start(run)
    }

    fn claimed(&self, worker: usize, range: Range<usize>) {
        self.inner.claimed(worker, range);
    }

    fn lost(&self, worker: usize, how: &str) {
        self.inner.lost(worker, how);
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let memories = || lock(&self.memory);
        let mut memory = memories().pop().unwrap_or_default();
        let outcome = if self.fill(done, &mut memory)? {
            let whole =
                FinishedClaim { bytes: bytemuck::cast_slice(&memory.words), costs: &memory.costs, ..done.clone() };
            self.inner.done(&whole)
        } else {
            self.inner.done(done)
        };
        memories().push(memory);
        outcome
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.inner.finish(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_that_is_not_there_is_an_error() {
        let mut masks = [0; 17];
        masks[8] = 16;
        masks[16] = 0b101;
        let prepared = Prepared::default().with(MASKS, masks[..].into());
        assert!(mask(&prepared, 0, 8).unwrap().is_none());
        assert_eq!(mask(&prepared, 1, 8).unwrap().unwrap().window(0, 8), 0b101);
        for (index, area) in [(1, 9), (2, 8), (1 << 40, 8)] {
            assert!(mask(&prepared, index, area).is_err(), "{index}");
        }
        assert!(mask(&Prepared::default(), 5, 8).unwrap().is_none());
    }
}
