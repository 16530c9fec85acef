//! What a file format of pictures is, and what it is given to write.

use super::output::Output;
use crate::colour::{Colourer, Depth};
use crate::sample::Channels;
use std::io;

/// The name under which a picture carries its scene as TOML text: an iTXt chunk of PNG, a text attribute (UTF-8) of EXR.
pub const SCENE_KEY: &str = "fractal:scene";

/// What a format holds of each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Red, green and blue as sRGB.
    Colours,
    /// The samples themselves.
    Samples,
}

/// A file format as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name, as in `--format NAME`.
    pub name: &'static str,
    /// The ending of a file's name that chooses it, in lower case without the dot.
    pub extension: &'static str,
    /// What it is good for, in one line.
    pub help: &'static str,
    /// What it holds.
    pub data: Data,
    /// Whether a file is written not only from its beginning to its end, so that a pipe gets it from memory.
    pub(super) seeks: bool,
    /// How many rows are encoded at once.
    pub(super) rows: u32,
    /// The edges of the blocks whose places in the file are known until its end, if there are such.
    pub(super) blocks: Option<(u32, u32)>,
    pub(super) encode: Encode,
}

/// Writes a picture's header, then all its rows, then what follows them.
pub(super) type Encode = fn(&mut Output, &Header, &mut dyn Rows) -> io::Result<()>;

/// What a file says of a picture beside its pixels.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// Pixels in a row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Bits of each colour, for formats that hold colours.
    pub(crate) depth: Depth,
    /// What each sample has, for formats that hold samples.
    #[cfg_attr(not(feature = "exr"), expect(dead_code))]
    pub(crate) channels: Channels,
    /// The scene as TOML text, written into formats that have a place for text; nothing is written when it is empty.
    pub(crate) scene: String,
}

/// The rows of a picture, from the top.
pub(crate) trait Rows {
    /// The next rows: one or more whole ones, or `None` after the last.
    ///
    /// # Errors
    /// When no more rows will come although the picture is not complete.
    fn next_rows(&mut self) -> io::Result<Option<&[u8]>>;
}

impl Format {
    /// Writes a whole picture. An error of the output is the one that the operating system gave.
    pub(super) fn write(&self, output: &mut Output, header: &Header, rows: &mut dyn Rows) -> io::Result<()> {
        let outcome = (self.encode)(output, header, rows);
        outcome.map_err(|error| output.take_failure().unwrap_or(error))
    }

    /// Whether it can be written in pieces only where writing can go back to an earlier place: to a file, but not to a pipe.
    pub fn needs_seeking(&self) -> bool {
        self.seeks
    }

    /// What a sample must have, beside its count, to be written in this format.
    pub fn channels(&self, colourer: &Colourer) -> Channels {
        match self.data {
            Data::Colours => colourer.channels(),
            Data::Samples => Channels::ALL,
        }
    }
}
