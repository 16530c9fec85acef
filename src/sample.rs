//! Samples: raw data for each, from which a picture is coloured without recomputing, and the tiles in which they are computed.
//!
//! A piece's bytes are planes of 32-bit words, one word per sample, rows from the top: the counts, then the planes of each channel of
//! [`CHANNELS`] that was asked for, in the order of that table. A new channel is an entry in it, plus the kernel code that computes it.

pub use crate::tile::{Mask, ORDERS, Order, PixelSize, SampleSize, Tile, Tiling};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The count of a sample that did not escape within the maximum.
pub const INTERIOR: u32 = u32::MAX;

/// The largest allowed maximum number of iterations: every count is also an `f64`.
pub const MAX_ITERATIONS: u64 = 1 << 53;

/// What one unit of a high word of a count is worth: counts below need none, and fit 32 bits even with the 1024 that EXR files add.
/// So no low word of an escaped sample is [`INTERIOR`].
pub const COUNTS_PER_HIGH: u64 = INTERIOR as u64 - 1024;

/// The largest escape radius, for which |z|² of the first escaped iterate still fits an `f32` (scaled) for powers up to 8.
pub const MAX_ESCAPE_RADIUS: f64 = 1e5;

/// What one plane of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Iteration counts (`u32`), or their low words; [`INTERIOR`] for a sample that has none.
    Counts,
    /// The high words of counts (`u32`), each worth [`COUNTS_PER_HIGH`]; 0 for a sample that has none.
    HighCounts,
    /// Numbers without a unit (`f32`), 0 for a sample that has none.
    Numbers,
    /// Lengths in pixels (`f32`), 0 for a sample that has none: they change when pixels become larger or smaller.
    Lengths,
}

impl Values {
    /// The word of a sample about which nothing is known.
    pub const fn missing(self) -> u32 {
        match self {
            Values::Counts => INTERIOR,
            Values::HighCounts | Values::Numbers | Values::Lengths => 0,
        }
    }

    /// The word of a sample once its pixel has become `pixels` pixels each way, or a fraction of one.
    #[inline]
    pub fn stretched(self, word: u32, pixels: f32) -> u32 {
        match self {
            Values::Lengths => (f32::from_bits(word) * pixels).to_bits(),
            Values::Counts | Values::HighCounts | Values::Numbers => word,
        }
    }
}

/// One plane of a channel.
#[derive(Clone, Copy, Debug)]
pub struct PlaneEntry {
    /// The name of the plane's channel in EXR files, as Kalles Fraktaler 2+ and Fraktaler 3 use it.
    pub exr: &'static str,
    /// What it holds.
    pub values: Values,
}

/// Data of a sample that belong together, as [`CHANNELS`] lists them.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Its name.
    pub name: &'static str,
    /// What it holds, as a plural noun.
    pub plural: &'static str,
    /// Its planes, in storage order.
    pub planes: &'static [PlaneEntry],
}

/// Every channel. The first one, counts, is always there.
pub const CHANNELS: &[Channel] = &[
    Channel { name: "count", plural: "counts", planes: &[PlaneEntry { exr: "N", values: Values::Counts }] },
    // The fraction f in [0, 1) with smooth count ν = n + f; 0 for interior.
    Channel { name: "smooth", plural: "fractions", planes: &[PlaneEntry { exr: "NF", values: Values::Numbers }] },
    // The exterior distance estimate as a vector: its length, in the direction in which |z| grows (x right, y down in the image);
    // 0 for interior.
    Channel {
        name: "distance",
        plural: "distances",
        planes: &[
            PlaneEntry { exr: "DEX", values: Values::Lengths },
            PlaneEntry { exr: "DEY", values: Values::Lengths },
        ],
    },
    // Only where the maximum needs it: see `Channels::for_maximum`.
    Channel { name: "high", plural: "high words", planes: &[PlaneEntry { exr: "N1", values: Values::HighCounts }] },
];

/// Names one plane of [`CHANNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneId {
    channel: usize,
    number: usize,
}

/// The iteration counts n, which are integers rather than `f32`.
pub const COUNTS: PlaneId = PlaneId { channel: 0, number: 0 };

/// The fractions f in [0, 1) with smooth count ν = n + f.
pub const FRACTIONS: PlaneId = PlaneId { channel: 1, number: 0 };

/// The horizontal parts of distance vectors, in pixels, to the right. Both parts are 0 where z does not change with the point, so that
/// there is no direction; deep in the outside, where a distance is beyond an `f32`, the vector is about 10³⁰ pixels long.
pub const DISTANCES_X: PlaneId = PlaneId { channel: 2, number: 0 };

/// The vertical parts of distance vectors, in pixels, downwards.
pub const DISTANCES_Y: PlaneId = PlaneId { channel: 2, number: 1 };

/// The high words of the iteration counts.
pub const HIGH_COUNTS: PlaneId = PlaneId { channel: 3, number: 0 };

/// A set of [`CHANNELS`]: which data a sample has. Channels are computed only when needed, counts always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channels(u32);

impl Default for Channels {
    fn default() -> Self {
        Self::COUNTS
    }
}

impl std::ops::BitOr for Channels {
    type Output = Self;

    /// The channels of either.
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Channels {
    /// Counts alone.
    pub const COUNTS: Self = Self(1);

    /// Counts with their fractions.
    pub const SMOOTH: Self = Self(1 | 1 << FRACTIONS.channel);

    /// Counts and distance vectors.
    pub const DISTANCE: Self = Self(1 | 1 << DISTANCES_X.channel);

    /// Every channel that one may ask for.
    pub const ALL: Self = Self(Self::SMOOTH.0 | Self::DISTANCE.0);

    /// Counts with their high words, which are there exactly where the maximum needs them.
    const HIGH: Self = Self(1 | 1 << HIGH_COUNTS.channel);

    /// The same channels for orbits of at most `max` iterations: with the high words of counts if these do not fit 32 bits.
    #[must_use]
    pub fn for_maximum(self, max: u64) -> Self {
        if max >= COUNTS_PER_HIGH { self | Self::HIGH } else { Self(self.0 & !(1 << HIGH_COUNTS.channel)) }
    }

    /// These channels, with the high words of counts if `others` has them.
    #[cfg(feature = "window")]
    pub(crate) fn with_high_of(self, others: Self) -> Self {
        Self(self.0 | others.0 & 1 << HIGH_COUNTS.channel)
    }

    /// Whether this set contains all of `others`.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether this set contains channel number `number` of [`CHANNELS`].
    const fn has(self, number: usize) -> bool {
        self.0 >> number & 1 != 0
    }

    /// Their entries, in order.
    pub fn iter(self) -> impl Iterator<Item = &'static Channel> + Clone {
        CHANNELS.iter().enumerate().filter(move |(number, _)| self.has(*number)).map(|(_, channel)| channel)
    }

    /// The planes of a piece, in storage order.
    pub fn planes(self) -> impl Iterator<Item = &'static PlaneEntry> + Clone {
        self.iter().flat_map(|channel| channel.planes)
    }

    /// The first channel of `others` that this set lacks, as a plural noun.
    pub fn lacking(self, others: Self) -> Option<&'static str> {
        Self(others.0 & !self.0).iter().next().map(|channel| channel.plural)
    }

    /// The number of 32-bit words of one sample.
    pub const fn words(self) -> usize {
        self.words_before(CHANNELS.len())
    }

    /// The number of 32-bit words of one sample that belong to channels before number `end`.
    const fn words_before(self, end: usize) -> usize {
        let (mut number, mut words) = (0, 0);
        while number < end {
            if self.has(number) {
                words += CHANNELS[number].planes.len();
            }
            number += 1;
        }
        words
    }

    /// The place of a plane among a piece's planes, if it is there.
    pub const fn place(self, plane: PlaneId) -> Option<usize> {
        if self.has(plane.channel) { Some(self.words_before(plane.channel) + plane.number) } else { None }
    }

    /// The planes that `others` has as well: the place of each in this set and in `others`, and its entry.
    pub fn shared(self, others: Self) -> impl Iterator<Item = (usize, usize, &'static PlaneEntry)> {
        let both = CHANNELS.iter().enumerate().filter(move |(number, _)| (self.0 & others.0) >> number & 1 != 0);
        both.flat_map(move |(number, channel)| {
            let [own, theirs] = [self, others].map(|channels| channels.words_before(number));
            (0..).zip(channel.planes).map(move |(plane, entry)| (own + plane, theirs + plane, entry))
        })
    }

    /// Some planes of a piece with `area` samples, for writing; planes that are absent or named twice are empty.
    // Out of line: inlined into a kernel's passes, it made distances 3 % slower with 512 bits.
    #[inline(never)]
    pub fn planes_mut<const N: usize>(self, area: usize, words: &mut [u32], planes: [PlaneId; N]) -> [&mut [u32]; N] {
        let places = planes.map(|plane| self.place(plane));
        let mut found = [(); N].map(|()| Default::default());
        for (place, words) in words.chunks_exact_mut(area).enumerate() {
            if let Some(plane) = places.iter().position(|&wanted| wanted == Some(place)) {
                found[plane] = words;
            }
        }
        found
    }

    /// The number of bytes of a tile of `area` samples.
    pub const fn bytes(self, area: usize) -> usize {
        4 * area * self.words()
    }
}

/// As a map from the name of each channel except the counts to whether it is present.
impl Serialize for Channels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // High words are named only where they are, so that other files stay as they were.
        let named = CHANNELS.iter().enumerate().skip(1);
        let named = named.filter(|(number, _)| self.has(*number) || *number != HIGH_COUNTS.channel);
        let mut map = serializer.serialize_map(Some(named.clone().count()))?;
        for (number, channel) in named {
            map.serialize_entry(channel.name, &self.has(number))?;
        }
        map.end()
    }
}

/// Channels that the map does not name are absent; unknown names are errors.
impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Channels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from channel names to booleans")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Channels, A::Error> {
                let mut channels = Channels::COUNTS;
                while let Some(name) = map.next_key::<String>()? {
                    let number = CHANNELS.iter().skip(1).position(|channel| channel.name == name);
                    let Some(number) = number else {
                        return Err(A::Error::custom(format!("unknown field `{}`", crate::error::shorten(&name))));
                    };
                    if map.next_value()? {
                        channels.0 |= 1 << (number + 1);
                    }
                }
                Ok(channels)
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// A finished tile of samples, as planes; planes that were not asked for are empty.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Where it lies, in samples.
    pub tile: Tile,
    /// Iteration counts n, or their low words; [`INTERIOR`] for the interior. [`Samples::count`] is the whole number.
    pub counts: &'a [u32],
    channels: Channels,
    words: &'a [u32],
}

impl<'a> Samples<'a> {
    /// Reads the bytes of a piece. They must be aligned to 4 bytes and have the length that follows from `tile` and `channels`.
    pub fn new(tile: Tile, channels: Channels, bytes: &'a [u8]) -> Self {
        assert_eq!(bytes.len(), channels.bytes(tile.area()), "length of a tile's data");
        let words = bytemuck::cast_slice(bytes);
        Self { tile, counts: &words[..tile.area()], channels, words }
    }

    /// Which channels they have.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// A plane of numbers; empty if absent.
    pub fn plane(&self, plane: PlaneId) -> &'a [f32] {
        self.channels.place(plane).map_or(&[], |place| bytemuck::cast_slice(self.words(place)))
    }

    /// The iteration count of a sample; `None` for the interior.
    #[inline]
    pub fn count(&self, index: usize) -> Option<u64> {
        let high = self.channels.place(HIGH_COUNTS).map_or(0, |place| self.words(place)[index]);
        Some(self.counts[index]).filter(|&low| low != INTERIOR).map(|low| joined(low, high))
    }

    /// The words of the plane at a place; see [`Channels::place`].
    pub fn words(&self, place: usize) -> &'a [u32] {
        let area = self.tile.area();
        &self.words[place * area..(place + 1) * area]
    }

    /// All planes as words, each with its entry, in storage order.
    pub fn planes(&self) -> impl Iterator<Item = (&'static PlaneEntry, &'a [u32])> + Clone + use<'a> {
        self.channels.planes().zip(self.words.chunks_exact(self.tile.area()))
    }
}

/// The count with these words.
#[inline]
pub(crate) fn joined(low: u32, high: u32) -> u64 {
    u64::from(high) * COUNTS_PER_HIGH + u64::from(low)
}

/// The low and the high word of a count.
#[inline]
pub(crate) fn split(count: u64) -> [u32; 2] {
    [(count % COUNTS_PER_HIGH) as u32, (count / COUNTS_PER_HIGH) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_name_what_the_table_has() {
        let names = |channels: Channels| channels.iter().map(|channel| channel.name).collect::<Vec<_>>();
        assert_eq!(names(Channels::default()), ["count"]);
        assert_eq!(names(Channels::SMOOTH), ["count", "smooth"]);
        assert_eq!(names(Channels::DISTANCE), ["count", "distance"]);
        assert_eq!(Channels::SMOOTH | Channels::DISTANCE, Channels::ALL);
        let exr = |plane: PlaneId| CHANNELS[plane.channel].planes[plane.number].exr;
        assert_eq!([FRACTIONS, DISTANCES_X, DISTANCES_Y].map(exr), ["NF", "DEX", "DEY"]);
        let exr: Vec<_> = Channels::ALL.planes().map(|plane| plane.exr).collect();
        assert!((1..exr.len()).all(|i| !exr[..i].contains(&exr[i])), "{exr:?}");
    }

    #[test]
    fn planes_lie_where_they_are_said_to() {
        let tile = Tile { x: 3, y: 4, width: 2, height: 1 };
        let words = [7, INTERIOR, 0.5_f32.to_bits(), 0, 1.0_f32.to_bits(), 0, 2.0_f32.to_bits(), 0];
        let all = Samples::new(tile, Channels::ALL, bytemuck::cast_slice(&words));
        assert_eq!((all.counts, all.plane(FRACTIONS)), (&words[..2], &[0.5, 0.0][..]));
        assert_eq!([DISTANCES_X, DISTANCES_Y].map(|plane| all.plane(plane)[0]), [1.0, 2.0]);
        let mut copy = words;
        let [x, counts] = Channels::ALL.planes_mut(2, &mut copy, [DISTANCES_X, COUNTS]);
        assert_eq!((&x[..], &counts[..]), (&words[4..6], &words[..2]));
        let [none, y] = Channels::DISTANCE.planes_mut(2, &mut copy[..6], [FRACTIONS, DISTANCES_Y]);
        assert_eq!((none.len(), &y[..]), (0, &words[4..6]));
        assert!(all.planes().map(|(_, words)| words).eq(words.chunks(2)));
        let some = Samples::new(tile, Channels::DISTANCE, bytemuck::cast_slice(&words[..6]));
        assert_eq!((some.plane(FRACTIONS).len(), some.plane(DISTANCES_Y)), (0, &[1.0, 0.0][..]));
        assert_eq!(Channels::DISTANCE.lacking(Channels::ALL), Some("fractions"));
        assert_eq!(Channels::ALL.lacking(Channels::SMOOTH), None);
        let shared: Vec<_> = Channels::ALL.shared(Channels::DISTANCE).map(|(all, some, _)| (all, some)).collect();
        assert_eq!(shared, [(0, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn large_counts_have_two_words() {
        for count in [0, 1, COUNTS_PER_HIGH - 1, COUNTS_PER_HIGH, 1 << 32, 5_000_000_000, MAX_ITERATIONS] {
            let [low, high] = split(count);
            assert_eq!(joined(low, high), count);
            assert!(low < u32::MAX - 1024 && (high > 0) == (count >= COUNTS_PER_HIGH), "{count}: {low} {high}");
        }
        let channels = Channels::SMOOTH.for_maximum(COUNTS_PER_HIGH);
        assert_eq!((channels.words(), channels.for_maximum(COUNTS_PER_HIGH - 1)), (3, Channels::SMOOTH));
        let tile = Tile { x: 0, y: 0, width: 2, height: 1 };
        let words = [7, INTERIOR, 0, 0, 2, 0];
        let samples = Samples::new(tile, channels, bytemuck::cast_slice(&words));
        assert_eq!([0, 1].map(|i| samples.count(i)), [Some(2 * COUNTS_PER_HIGH + 7), None]);
        let samples = Samples::new(tile, Channels::COUNTS, bytemuck::cast_slice(&words[..2]));
        assert_eq!([0, 1].map(|i| samples.count(i)), [Some(7), None]);
    }

    #[test]
    fn channels_are_written_by_name() {
        let text = serde_json::to_string(&Channels::SMOOTH).unwrap();
        assert_eq!(text, r#"{"smooth":true,"distance":false}"#);
        for channels in [Channels::COUNTS, Channels::SMOOTH, Channels::DISTANCE, Channels::ALL] {
            let text = serde_json::to_string(&channels).unwrap();
            assert_eq!(serde_json::from_str::<Channels>(&text).unwrap(), channels);
        }
        let high = Channels::COUNTS.for_maximum(COUNTS_PER_HIGH);
        let text = serde_json::to_string(&high).unwrap();
        assert_eq!(text, r#"{"smooth":false,"distance":false,"high":true}"#);
        assert_eq!(serde_json::from_str::<Channels>(&text).unwrap(), high);
        assert_eq!(serde_json::from_str::<Channels>("{}").unwrap(), Channels::COUNTS);
        assert!(serde_json::from_str::<Channels>(r#"{"smoth":true}"#).unwrap_err().to_string().contains("smoth"));
    }
}
