//! The table of picture file formats. A format is one file and one line here.

use super::formats::Format;
use super::identity::is_stdout;
use super::image::{exr, png, ppm};
use crate::error::{Error, Result, perhaps, shorten};
use std::path::Path;

/// Every format in which pictures are written.
pub const OUTPUTS: &[Format] = &[
    png::FORMAT,
    #[cfg(feature = "exr")]
    exr::FORMAT,
    #[cfg(feature = "exr")]
    exr::TILED,
    ppm::FORMAT,
];

impl Format {
    /// The format called `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none; the error lists the known ones.
    pub fn named(name: &str) -> Result<&'static Self> {
        OUTPUTS.iter().find(|format| format.name == name).ok_or_else(|| {
            let (perhaps, name) = (perhaps(name, OUTPUTS.iter().map(|format| format.name)), shorten(name));
            Error::Usage(format!(
                "unknown picture format `{name}`{perhaps}; known are {}",
                list(|format| format.name.into())
            ))
        })
    }
}

/// The format for a file of this name: the one called `format`, else the first with the name's extension. The standard output gets
/// the first format in the table.
///
/// # Errors
/// [`Error::Input`] for a folder; [`Error::Usage`] for an unknown format or extension; the error lists the known ones.
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
    if is_stdout(path) {
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
        Error::Usage(format!("the extension of `{path}` names no picture format; known are {known} (or give a format)"))
    })
}

fn list(what: impl Fn(&Format) -> String) -> String {
    let mut names: Vec<_> = OUTPUTS.iter().map(what).collect();
    names.dedup();
    names.join(", ")
}
