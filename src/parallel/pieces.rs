//! Some of the pieces of a work: those that are missing, or the share of one machine among several.

use crate::error::{Error, Result, shorten};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The largest number of shares.
pub const MAX_SHARDS: u32 = 1 << 20;

/// One of several shares of a work, numbered from 1: `3/10` is the third of ten.
///
/// Each share has one of every `of` consecutive pieces, at a pseudo-random place, so that shares are equally costly: costs change slowly
/// from piece to piece, and no stride can fall in step with the rows of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// Share `number` of `of`.
    ///
    /// # Errors
    /// [`Error::Usage`] when `number` is not from 1 to `of`, or `of` is more than [`MAX_SHARDS`].
    pub fn new(number: u32, of: u32) -> Result<Self> {
        if (1..=of).contains(&number) && of <= MAX_SHARDS {
            return Ok(Self { number, of });
        }
        Err(Error::Usage(format!(
            "shard {number}/{of} is not allowed: the first number must be from 1 to the second, which is at most {MAX_SHARDS}"
        )))
    }

    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many shares there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// How many of `pieces` pieces it has.
    pub fn len(self, pieces: usize) -> usize {
        let (whole, rest) = (pieces / self.of as usize, pieces % self.of as usize);
        whole + usize::from(self.offset(whole) < rest)
    }

    /// Its piece at `position`, counted from 0. Later positions have later pieces.
    #[inline]
    pub fn piece(self, position: usize) -> usize {
        position * self.of as usize + self.offset(position)
    }

    /// The number of the share that has piece `index`, if there are `of` shares.
    pub fn owner(index: usize, of: u32) -> u32 {
        let (block, offset) = (index / of as usize, index % of as usize);
        ((offset as u64 + scatter(block) % u64::from(of)) % u64::from(of)) as u32 + 1
    }

    /// The place of its piece in the `block`-th group of `of` pieces.
    #[inline]
    fn offset(self, block: usize) -> usize {
        let (of, own) = (u64::from(self.of), u64::from(self.number - 1));
        ((own + of - scatter(block) % of) % of) as usize
    }
}

/// The last step of the generator SplitMix64 (Steele, Lea and Flood 2014).
#[inline]
fn scatter(block: usize) -> u64 {
    let mut z = (block as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of) = numbers.ok_or_else(|| {
            Error::Usage(format!(
                "`{}` is not a shard; allowed are shards such as 3/10, the third of ten",
                shorten(text)
            ))
        })?;
        Self::new(number, of)
    }
}

impl TryFrom<(u32, u32)> for Shard {
    type Error = Error;

    fn try_from((number, of): (u32, u32)) -> Result<Self> {
        Self::new(number, of)
    }
}

impl From<Shard> for (u32, u32) {
    fn from(shard: Shard) -> Self {
        (shard.number, shard.of)
    }
}

/// A piece's place among some of a work's [`Pieces`]: its number in a work of these pieces only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub usize);

impl Position {
    /// The positions of these pieces of a work that has only some pieces of another.
    pub fn range(pieces: Range<usize>) -> Range<Self> {
        Self(pieces.start)..Self(pieces.end)
    }
}

/// Some pieces of a work, in order. Memory grows with the gaps between them, not with the pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Pieces {
    /// How many pieces the work has.
    of: usize,
    shard: Option<Shard>,
    /// Runs of positions, among all pieces or those of the shard: how many pieces come before each, and its first position.
    runs: Vec<(usize, usize)>,
    len: usize,
}

impl Pieces {
    /// All pieces of a work that has `of`, or those of a shard.
    pub fn new(of: usize, shard: Option<Shard>) -> Self {
        let len = shard.map_or(of, |shard| shard.len(of));
        Self { of, shard, runs: vec![(0, 0)], len }
    }

    /// Those of them for which `found` is false.
    pub fn without(&self, mut found: impl FnMut(usize) -> bool) -> Self {
        let (mut runs, mut len, mut next) = (Vec::new(), 0, None);
        for position in self.positions() {
            if !found(self.at(position)) {
                if next != Some(position) {
                    runs.push((len, position));
                }
                len += 1;
                next = Some(position + 1);
            }
        }
        Self { of: self.of, shard: self.shard, runs, len }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many pieces the work has.
    pub fn of(&self) -> usize {
        self.of
    }

    /// Whether they are all pieces of the work.
    pub fn is_everything(&self) -> bool {
        self.len == self.of
    }

    /// The piece at `position`, as its number in the work.
    ///
    /// # Panics
    /// When `position` is not below [`Pieces::len`].
    #[inline]
    pub fn get(&self, Position(position): Position) -> usize {
        assert!(position < self.len, "piece {position} of {}", self.len);
        let run = self.runs.partition_point(|&(before, _)| before <= position) - 1;
        let (before, start) = self.runs[run];
        self.at(start + position - before)
    }

    /// Whether piece `index` of the work is one of them.
    pub fn contains(&self, index: usize) -> bool {
        let own = self.shard.is_none_or(|shard| Shard::owner(index, shard.of()) == shard.number());
        let position = self.shard.map_or(index, |shard| index / shard.of() as usize);
        let run = self.runs.partition_point(|&(_, start)| start <= position);
        let Some(&(before, start)) = self.runs[..run].last() else { return false };
        let end = self.runs.get(run).map_or(self.len, |next| next.0);
        own && position - start < end - before
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.positions().map(|position| self.at(position))
    }

    /// The pieces at the positions `range`, as runs of consecutive pieces of the work.
    pub fn runs(&self, range: Range<Position>) -> impl Iterator<Item = Range<usize>> {
        let (mut position, last) = (range.start.0, range.end.0);
        std::iter::from_fn(move || {
            let start = (position < last).then(|| self.get(Position(position)))?;
            let mut end = start;
            while position < last && self.get(Position(position)) == end {
                (position, end) = (position + 1, end + 1);
            }
            Some(start..end)
        })
    }

    #[inline]
    fn at(&self, position: usize) -> usize {
        self.shard.map_or(position, |shard| shard.piece(position))
    }

    fn positions(&self) -> impl Iterator<Item = usize> {
        self.ranges().flatten()
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.runs.iter().skip(1).map(|run| run.0).chain([self.len]);
        self.runs.iter().zip(ends).map(|(&(before, start), end)| start..start + end - before)
    }
}

/// The serialised form of [`Pieces`].
#[derive(Serialize, Deserialize)]
struct Plain {
    of: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
    ranges: Vec<(usize, usize)>,
}

impl From<Pieces> for Plain {
    fn from(pieces: Pieces) -> Self {
        let ranges = pieces.ranges().map(|range| (range.start, range.end)).collect();
        Self { of: pieces.of, shard: pieces.shard, ranges }
    }
}

impl TryFrom<Plain> for Pieces {
    type Error = Error;

    fn try_from(Plain { of, shard, ranges }: Plain) -> Result<Self> {
        let (most, mut len, mut last) = (Self::new(of, shard).len, 0, 0);
        let mut runs = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            if start < last || end < start || end > most {
                return Err(Error::Input(format!(
                    "pieces {start} to {end} are not allowed: ranges must be in order and end by {most}"
                )));
            }
            if start < end {
                runs.push((len, start));
                (len, last) = (len + end - start, end);
            }
        }
        Ok(Self { of, shard, runs, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_piece_is_in_one_shard() {
        for (pieces, of) in [(0, 3), (1, 1), (1, 4), (10, 3), (510, 30), (1000, 7), (64, 64), (5, 100)] {
            let shards: Vec<_> = (1..=of).map(|number| Shard::new(number, of).unwrap()).collect();
            let mut seen = HashSet::new();
            for &shard in &shards {
                let own: Vec<_> = Pieces::new(pieces, Some(shard)).iter().collect();
                assert!(own.is_sorted() && own.len() == shard.len(pieces), "{shard} of {pieces}");
                assert!(own.iter().all(|&piece| piece < pieces && seen.insert(piece)), "{shard} of {pieces}: {own:?}");
                assert!(own.iter().all(|&piece| Shard::owner(piece, of) == shard.number()));
            }
            assert_eq!(seen.len(), pieces);
        }
    }

    #[test]
    fn no_shard_is_a_column_of_the_picture() {
        for (columns, of) in [(30, 30), (30, 31), (30, 29), (60, 30), (30, 15), (30, 10)] {
            let own: HashSet<_> = Pieces::new(columns * 17, Some(Shard::new(1, of).unwrap())).iter().collect();
            let full = (0..columns).map(|column| own.iter().filter(|&&piece| piece % columns == column).count());
            assert!(full.max().unwrap() < 9 + 17 / of as usize, "{columns} columns in {of} shards");
        }
    }

    #[test]
    fn missing_pieces_are_found_again() {
        for shard in [None, Some(Shard::new(2, 3).unwrap())] {
            let all = Pieces::new(100, shard);
            let gone = |piece: usize| piece < 10 || piece.is_multiple_of(7) || (40..60).contains(&piece);
            let missing = all.without(gone);
            let expected: Vec<_> = all.iter().filter(|&piece| !gone(piece)).collect();
            assert_eq!(missing.iter().collect::<Vec<_>>(), expected);
            assert_eq!(
                (0..missing.len()).map(|position| missing.get(Position(position))).collect::<Vec<_>>(),
                expected
            );
            assert!((0..120).all(|piece| missing.contains(piece) == expected.contains(&piece)), "{shard:?}");
            let runs: Vec<_> = missing.runs(Position::range(3..missing.len() - 2)).collect();
            assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), expected[3..expected.len() - 2]);
            let again: Pieces = serde_json::from_str(&serde_json::to_string(&missing).unwrap()).unwrap();
            assert_eq!(again, missing);
            assert!(all.without(|_| true).is_empty() && all.without(|_| false) == all);
        }
        assert!(Pieces::new(7, None).is_everything());
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for wrong in [
            r#"{"of":10,"ranges":[[0,11]]}"#,
            r#"{"of":10,"ranges":[[3,5],[4,6]]}"#,
            r#"{"of":10,"ranges":[[5,3]]}"#,
            r#"{"of":10,"shard":[3,2],"ranges":[]}"#,
            r#"{"of":10,"shard":[1,2],"ranges":[[0,6]]}"#,
        ] {
            assert!(serde_json::from_str::<Pieces>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "1/9999999", "a/b"] {
            let error = wrong.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains("shard") && !error.contains('\n'), "{error}");
        }
        assert_eq!("3/10".parse::<Shard>().unwrap().to_string(), "3/10");
    }
}
