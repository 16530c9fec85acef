//! The tables of a scene file: `[view]`, `[image]` and `[iteration]`.

use crate::number::Decimal;
use crate::sample::MAX_ITERATIONS;
use crate::tile::PixelSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::marker::PhantomData;

/// The keys of `[view]`; absent ones come from the formula's home view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewKeys {
    /// Real part of the image's centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<Decimal>,
    /// Imaginary part of the image's centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub im: Option<Decimal>,
    /// Width of the image in the plane; not together with `zoom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<Decimal>,
    /// 4 divided by the height of the image in the plane; not together with `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<Decimal>,
    /// Degrees by which the image's right turns counter-clockwise from the real axis.
    pub rotation: f64,
}

impl ViewKeys {
    /// Whether nothing differs from the home view.
    pub(super) fn is_home(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys of `[image]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// Width and height in pixels.
    #[serde(deserialize_with = "pair")]
    pub size: (u32, u32),
    /// Samples per pixel along each axis, 1 to [`super::MAX_SAMPLES`].
    pub samples: u32,
    /// Which of the pixels are drawn, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
}

impl Image {
    /// An image of this size with so many samples per pixel along each axis.
    pub fn new(size: (u32, u32), samples: u32) -> Self {
        Self { size, samples, crop: None }
    }

    /// The size of what is drawn.
    pub fn drawn(&self) -> PixelSize {
        let (width, height) = self.crop.map_or(self.size, |crop| (crop.width, crop.height));
        PixelSize { width, height }
    }
}

/// A rectangle of an image's pixels, written as a list `[x, y, width, height]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct Crop {
    /// Columns to the left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

impl From<[u32; 4]> for Crop {
    fn from([x, y, width, height]: [u32; 4]) -> Self {
        Self { x, y, width, height }
    }
}

impl From<Crop> for [u32; 4] {
    fn from(Crop { x, y, width, height }: Crop) -> Self {
        [x, y, width, height]
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, width, height } = self;
        write!(f, "{x},{y},{width}x{height}")
    }
}

/// The keys of `[iteration]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Iteration {
    /// The largest number of iterations.
    pub max: MaxIterations,
    /// An orbit has escaped when |z| is larger; more than 1, at most [`crate::sample::MAX_ESCAPE_RADIUS`].
    pub escape_radius: f64,
    /// How much error a view of z² + c may trade for speed.
    pub quality: Quality,
    /// Which numbers orbits are computed in.
    #[serde(skip_serializing_if = "Precision::is_auto")]
    pub precision: Precision,
}

/// The maximum number of iterations: a number, or `auto`, which follows from the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxIterations {
    /// Chosen by [`super::auto_max`].
    #[default]
    Auto,
    /// This number, 1 to [`MAX_ITERATIONS`].
    Count(u64),
}

/// How much error a view of z² + c may trade for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// For previews.
    Draft,
    /// At most a few pixels in a thousand may differ; in views within reach of 64-bit numbers, those whose counts change when their points
    /// move by a rounding of the coordinates. There, the longest orbits of small views have numbers of 32 digits.
    #[default]
    Normal,
    /// At most a few pixels in ten thousand may differ, at any depth: where 64-bit numbers could decide a count, numbers of 32 digits do,
    /// for about six times the time. Views within reach of 64-bit numbers have perturbation too, and take some twenty times as long.
    Exact,
}

/// Which numbers orbits are computed in: the number tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The cheapest that are accurate enough for the view.
    #[default]
    Auto,
    /// 64-bit numbers.
    F64,
    /// Differences, in 64-bit numbers, from one orbit of arbitrary precision: z² + c at any depth to about 1e-30000.
    Perturbation,
}

impl Precision {
    fn is_auto(&self) -> bool {
        *self == Precision::Auto
    }
}

impl Default for Image {
    fn default() -> Self {
        Self::new((1920, 1080), 1)
    }
}

impl Default for Iteration {
    fn default() -> Self {
        Self { max: MaxIterations::Auto, escape_radius: 256.0, quality: Quality::Normal, precision: Precision::Auto }
    }
}

impl Serialize for MaxIterations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MaxIterations::Auto => serializer.serialize_str("auto"),
            MaxIterations::Count(count) => serializer.serialize_u64(*count),
        }
    }
}

impl<'de> Deserialize<'de> for MaxIterations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl de::Visitor<'_> for Reader {
            type Value = MaxIterations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {MAX_ITERATIONS}, or \"auto\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MaxIterations, E> {
                if text == "auto" {
                    Ok(MaxIterations::Auto)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<MaxIterations, E> {
                Ok(MaxIterations::Count(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<MaxIterations, E> {
                let count = u64::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))?;
                Ok(MaxIterations::Count(count))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// Reads a table by its keys only: the derived readers would also accept a list of the values in order.
pub(super) fn table<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of keys")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Reader(PhantomData))
}

/// Reads a list of exactly two values: some formats' own readers ignore a third.
pub(super) fn pair<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<(T, T), D::Error> {
    struct Reader<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Reader<T> {
        type Value = (T, T);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of two numbers")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<(T, T), A::Error> {
            let first = list.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
            let second = list.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
            match list.next_element::<de::IgnoredAny>()? {
                None => Ok((first, second)),
                Some(_) => Err(de::Error::invalid_length(3, &self)),
            }
        }
    }

    deserializer.deserialize_seq(Reader(PhantomData))
}

/// Reads the two parts of a Julia set's constant.
pub(super) fn julia<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[Decimal; 2]>, D::Error> {
    pair(deserializer).map(|(re, im)| Some([re, im]))
}
