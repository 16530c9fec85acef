//! The tables among what was prepared: written once, and read by every worker, to which other processes may have sent them.

use super::orbit::Orbit;
use super::tables::{Entry, Limits, Stage, WideEntry, build};
use super::wide::Wide;
use crate::error::{Error, Result};
use crate::parallel::{Buffer, Prepared};
use bytemuck::Pod;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The parts of the prepared data that hold them.
const STAGES: &str = "perturbation: stages";
const ENTRIES: &str = "perturbation: entries";
const WIDE_ENTRIES: &str = "perturbation: wide entries";

/// The largest exponent of a wide entry.
const MOST_EXPONENT: i32 = 1 << 28;

/// The tables of a reference orbit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    stages: &'a [[u32; 2]],
    /// How many of the stages are those of the critical orbit.
    critical: usize,
    entries: &'a [EntryWords],
    wides: &'a [WideWords],
}

/// What was prepared that was found sound last, by the hashes of its parts. To examine the tables for each claim took 2 to 4 % of the time.
#[derive(Debug, Default)]
pub(super) struct Sound(AtomicU64);

impl Sound {
    /// Never 0, which is that of nothing.
    fn key(prepared: &Prepared) -> u64 {
        let mut hasher = DefaultHasher::new();
        for part in prepared.hashes() {
            part.hash(&mut hasher);
        }
        hasher.finish() | 1
    }
}

/// An entry and a wide entry as they are prepared: their numbers, then their integers, two in a word.
type EntryWords = [u64; 14];
type WideWords = [u64; 14];

impl<'a> Tables<'a> {
    /// The tables of an orbit as parts of what is prepared.
    pub(super) fn prepare(orbit: Orbit<'_>, limits: Limits) -> Prepared {
        let made = build(orbit, limits);
        let stages: Vec<[u32; 2]> = made.stages.iter().map(|stage| [stage.begin, stage.end]).collect();
        Prepared::default()
            .with(STAGES, Buffer::from(bytemuck::cast_slice(&stages)))
            .with(ENTRIES, packed(&made.entries, entry_words))
            .with(WIDE_ENTRIES, packed(&made.wides, wide_words))
    }

    /// The tables of an orbit, unless `sound` knows them from an earlier claim, examined.
    ///
    /// # Errors
    /// [`Error::Input`] when they are not there, or lead out of themselves or of the orbit.
    pub(super) fn read(prepared: &'a Prepared, orbit: Orbit<'_>, sound: &Sound) -> Result<Self> {
        let stages: &[[u32; 2]] = part(prepared, STAGES)?;
        let tables = Self {
            stages,
            critical: stages.len().checked_sub(usize::from(orbit.has_way())).ok_or_else(damaged)?,
            entries: part(prepared, ENTRIES)?,
            wides: part(prepared, WIDE_ENTRIES)?,
        };
        let key = Sound::key(prepared);
        if sound.0.load(Relaxed) != key {
            if !tables.is_sound(orbit) {
                return Err(damaged());
            }
            sound.0.store(key, Relaxed);
        }
        Ok(tables)
    }

    fn is_sound(&self, orbit: Orbit<'_>) -> bool {
        let places = orbit.z.len() - 1;
        if self.critical == 0 {
            return false;
        }
        let mut before = 0..orbit.critical - 1;
        for stage in 0..self.stages.len() {
            if stage == self.critical {
                before = orbit.critical..places;
            }
            let Stage { begin, end } = self.stage(stage);
            let (begin, end) = (begin as usize, end as usize);
            if begin >= end || end >= self.entries.len() {
                return false;
            }
            let sound = |at: usize| {
                let entry = self.entry(at);
                entry.len > 0 && before.contains(&(entry.next as usize)) && entry.wide as usize <= self.wides.len()
            };
            if !(begin..end).all(sound) {
                return false;
            }
            before = begin..end;
        }
        let in_range = |e: i32| (-MOST_EXPONENT..=MOST_EXPONENT).contains(&e);
        (0..self.entries.len()).all(|at| self.entry(at).place as usize <= places)
            && self
                .wides
                .iter()
                .all(|words| words[12..].iter().copied().flat_map(halves).all(|half| in_range(half as i32)))
    }

    /// The stage in which samples of an orbit are first, and the entry: at the begin of the critical orbit, or along their own.
    pub(super) fn first(&self, own: bool) -> (usize, usize) {
        let stage = if own { self.critical } else { self.critical - 1 };
        (stage, self.stage(stage).begin as usize)
    }

    /// Whether there is no stage with shorter entries of the same orbit.
    pub(super) fn is_shortest(&self, stage: usize) -> bool {
        stage == 0 || stage == self.critical
    }

    /// Where samples of a stage go on after rebasing: in the same stage, if it is of the critical orbit.
    pub(super) fn back(&self, stage: usize) -> (usize, usize) {
        if stage < self.critical { (stage, self.stage(stage).begin as usize) } else { self.first(false) }
    }

    pub(super) fn stage(&self, stage: usize) -> Stage {
        let [begin, end] = self.stages[stage];
        Stage { begin, end }
    }

    /// The place in the orbit of the iterate that an entry starts from.
    #[inline(always)]
    pub(super) fn place(&self, at: usize) -> usize {
        halves(self.entries[at][13])[1] as usize
    }

    #[inline(always)]
    pub(super) fn entry(&self, at: usize) -> Entry {
        let words = &self.entries[at];
        let ([len, next], [wide, place]) = (halves(words[12]), halves(words[13]));
        let (a, b, d, e, f) = (pair(words, 0), pair(words, 2), pair(words, 4), pair(words, 6), pair(words, 8));
        let [r, rc] = pair(words, 10);
        Entry { a, b, d, e, f, r, rc, len, next, wide, place }
    }

    /// An entry with exponents of its own.
    pub(super) fn wide(&self, at: usize) -> WideEntry {
        let entry = self.entry(at);
        if let Some(place) = entry.wide.checked_sub(1) {
            let words = &self.wides[place as usize];
            let (a, b, d, e, f) = (pair(words, 0), pair(words, 2), pair(words, 4), pair(words, 6), pair(words, 8));
            let [r, rc] = pair(words, 10);
            let [[a_exponent, b_exponent], [def_exponent, r_exponent]] =
                [12, 13].map(|word| halves(words[word]).map(|half| half as i32));
            return WideEntry { a, b, d, e, f, r, rc, a_exponent, b_exponent, def_exponent, r_exponent };
        }
        let [a, b] = [entry.a, entry.b].map(|number| Wide::new(number, 0));
        let def = [entry.d, entry.e, entry.f].map(|number| Wide::new(number, 0));
        let def_exponent = def.iter().map(|number| number.e).max().unwrap_or(0);
        let [d, e, f] = def.map(|number| number.shifted(-def_exponent).to_f64());
        let r = Wide::new([entry.r, 0.0], 0);
        WideEntry {
            a: a.m,
            b: b.m,
            d,
            e,
            f,
            r: r.m[0],
            rc: entry.rc,
            a_exponent: a.e,
            b_exponent: b.e,
            def_exponent,
            r_exponent: r.e,
        }
    }
}

#[cfg(test)]
impl Tables<'_> {
    /// How many stages there are.
    pub(super) fn stages(&self) -> usize {
        self.stages.len()
    }

    /// The same tables, with an exponent of its own for every number of every entry.
    pub(super) fn widened(&self) -> Prepared {
        let all = 0..self.entries.len();
        let wides: Vec<_> = all.clone().map(|at| self.wide(at)).collect();
        let entries: Vec<_> = all.map(|at| Entry { wide: at as u32 + 1, ..self.entry(at) }).collect();
        Prepared::default()
            .with(STAGES, Buffer::from(bytemuck::cast_slice(self.stages)))
            .with(ENTRIES, packed(&entries, entry_words))
            .with(WIDE_ENTRIES, packed(&wides, wide_words))
    }
}

fn entry_words(entry: &Entry) -> EntryWords {
    let &Entry { a, b, d, e, f, r, rc, len, next, wide, place } = entry;
    words([a, b, d, e, f, [r, rc]], [[len, next], [wide, place]])
}

fn wide_words(entry: &WideEntry) -> WideWords {
    let &WideEntry { a, b, d, e, f, r, rc, a_exponent, b_exponent, def_exponent, r_exponent } = entry;
    let integers = [[a_exponent as u32, b_exponent as u32], [def_exponent as u32, r_exponent as u32]];
    words([a, b, d, e, f, [r, rc]], integers)
}

#[inline(always)]
fn words(numbers: [[f64; 2]; 6], integers: [[u32; 2]; 2]) -> [u64; 14] {
    let mut words = [0; 14];
    for i in 0..6 {
        (words[2 * i], words[2 * i + 1]) = (numbers[i][0].to_bits(), numbers[i][1].to_bits());
    }
    for i in 0..2 {
        words[12 + i] = u64::from(integers[i][1]) << 32 | u64::from(integers[i][0]);
    }
    words
}

/// Two numbers among some words.
#[inline(always)]
fn pair(words: &[u64; 14], at: usize) -> [f64; 2] {
    [f64::from_bits(words[at]), f64::from_bits(words[at + 1])]
}

/// The two integers of a word.
#[inline(always)]
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

fn packed<T>(entries: &[T], words: fn(&T) -> [u64; 14]) -> Buffer {
    let mut buffer = Buffer::new(8 * 14 * entries.len());
    let to: &mut [u64] = bytemuck::cast_slice_mut(buffer.bytes());
    let (to, _) = to.as_chunks_mut::<14>();
    for i in 0..to.len().min(entries.len()) {
        to[i] = words(&entries[i]);
    }
    buffer
}

fn damaged() -> Error {
    Error::Input("the tables of the view's reference orbit are missing or damaged".into())
}

fn part<'a, T: Pod>(prepared: &'a Prepared, name: &str) -> Result<&'a [T]> {
    prepared.get(name).and_then(|bytes| bytemuck::try_cast_slice(bytes).ok()).ok_or_else(damaged)
}
