//! The file formats of pictures. A format is one file and one line in [`OUTPUTS`].

use super::image::{exr, png, ppm};
use super::output::{Output, STDOUT};
use crate::colour::{Colourer, Depth};
use crate::error::{Error, Result};
use crate::sample::Channels;
use std::io;
use std::path::Path;

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
    pub(super) encode: Encode,
}

/// Writes a picture's header, then all its rows, then what follows them.
pub(super) type Encode = fn(&mut Output, &Header, &mut dyn Rows) -> io::Result<()>;

/// Every format that pictures are written in.
pub const OUTPUTS: &[Format] = &[
    png::FORMAT,
    #[cfg(feature = "exr")]
    exr::FORMAT,
    #[cfg(feature = "exr")]
    exr::TILED,
    ppm::FORMAT,
];

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
    /// The format called `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none; it lists the known ones.
    pub fn named(name: &str) -> Result<&'static Self> {
        OUTPUTS.iter().find(|format| format.name == name).ok_or_else(|| {
            let name = name.escape_debug();
            Error::Usage(format!("unknown picture format `{name}`; known are {}", list(|format| format.name.into())))
        })
    }

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

/// The format for a file of this name: the one called `format`, else the first with the name's extension. The standard output
/// gets the first one.
///
/// # Errors
/// [`Error::Input`] for a folder; [`Error::Usage`] for an unknown format, or an extension that no format has; it lists the known ones.
pub fn format_for(path: impl AsRef<Path>, format: Option<&str>) -> Result<&'static Format> {
    let is_folder = |path: &Path| path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator);
    if is_folder(path.as_ref()) {
        let path = path.as_ref().display();
        return Err(Error::Input(format!("`{path}` is a folder; name a file in it, such as `a.png`")));
    }
    if let Some(name) = format {
        return Format::named(name);
    }
    let path = path.as_ref();
    if path == Path::new(STDOUT) {
        return Ok(&OUTPUTS[0]);
    }
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    #[cfg(not(feature = "exr"))]
    if extension == "exr" {
        return Err(Error::Unsupported(format!("`{}` {}", path.display(), exr::NO_EXR)));
    }
    OUTPUTS.iter().find(|format| *format.extension == *extension).ok_or_else(|| {
        let known = list(|format| format!(".{}", format.extension));
        let path = path.display();
        Error::Usage(format!("the ending of `{path}` names no picture format; known are {known} (or give a format)"))
    })
}

fn list(what: impl Fn(&Format) -> String) -> String {
    let mut names: Vec<_> = OUTPUTS.iter().map(what).collect();
    names.dedup();
    names.join(", ")
}
