//! Stands in for EXR pictures in a build without them.

use crate::sample::Channels;
use std::convert::Infallible;
use std::path::Path;

/// The error for such a picture; it follows the file's name.
pub(crate) const NO_EXR: &str = "is an EXR picture, which this program was built without: it lacks the feature `exr`";

/// A picture that cannot be read.
pub(in crate::sink) struct Reader(Infallible);

impl Reader {
    pub(in crate::sink) fn open(_: &Path, _: crate::tile::SampleSize, _: Channels) -> Result<Self, String> {
        Err(NO_EXR.into())
    }

    pub(in crate::sink) fn take(&mut self, _: usize, _: &mut Vec<u32>) -> Result<(), String> {
        match self.0 {}
    }
}
