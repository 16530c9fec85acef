//! A picture's file format, and the data that it is given to write.

use super::output::Output;
use crate::colour::{Colourer, Depth};
use crate::sample::Channels;
use std::io;

/// The name under which a picture carries its scene as TOML text: an iTXt chunk of PNG, a text attribute (UTF-8) of EXR.
pub const SCENE_KEY: &str = "fractal:scene";

/// The data that a format holds for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Red, green and blue as sRGB.
    Colours,
    /// The samples themselves.
    Samples,
}

/// An entry in the table of file formats.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name, as in `--format NAME`.
    pub name: &'static str,
    /// The file extension that chooses it, in lower case without the dot.
    pub extension: &'static str,
    /// Its purpose, in one line.
    pub help: &'static str,
    /// The data that it holds.
    pub data: Data,
    /// Whether writing a file needs seeking, so that for a pipe it is made in memory first.
    pub(super) seeks: bool,
    /// How many times smaller than its pixels a file can be at best.
    pub(super) shrinks: u64,
    /// How many rows are encoded at once.
    pub(super) rows: u32,
    /// The edges of the blocks whose positions are kept in memory until the end of the file, if it has blocks.
    pub(super) blocks: Option<(u32, u32)>,
    pub(super) encode: Encode,
}

/// Writes a picture's header, all its rows, and any trailer.
pub(super) type Encode = fn(&mut Output, &Header, &mut dyn Rows) -> io::Result<()>;

/// The properties of a picture in a file besides its pixels.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// Pixels in a row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Bits of each colour, for formats that hold colours.
    pub(crate) depth: Depth,
    /// The channels of each sample, for formats that hold samples.
    #[cfg_attr(not(feature = "exr"), expect(dead_code))]
    pub(crate) channels: Channels,
    /// The scene as TOML text, written into formats that have a place for text; nothing is written when it is empty.
    pub(crate) scene: String,
}

/// The rows of a picture, from the top.
pub(crate) trait Rows {
    /// The next rows: one or more whole rows, or `None` after the last.
    ///
    /// # Errors
    /// When no more rows will come although the picture is not complete.
    fn next_rows(&mut self) -> io::Result<Option<&[u8]>>;
}

impl Format {
    /// Writes a whole picture. An output error is returned as the operating system gave it.
    pub(super) fn write(&self, output: &mut Output, header: &Header, rows: &mut dyn Rows) -> io::Result<()> {
        let outcome = (self.encode)(output, header, rows);
        outcome.map_err(|error| output.take_failure().unwrap_or(error))
    }

    /// Whether it can be written piecemeal only to an output that can seek: a file, but not a pipe.
    pub fn needs_seeking(&self) -> bool {
        self.seeks
    }

    /// The channels that a sample needs, besides its count, to be written in this format.
    pub fn channels(&self, colourer: &Colourer) -> Channels {
        match self.data {
            Data::Colours => colourer.channels(),
            Data::Samples => Channels::ALL,
        }
    }
}
