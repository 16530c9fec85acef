//! Pictures in memory, for programs that use the library.

use super::bands::Layout;
use super::formats::{Data, Header, Rows};
use super::image::ImageOptions;
use super::output::Output;
use super::outputs::format_for;
use crate::colour::{Depth, Scratch};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Sink, lock};
use crate::sample::Channels;
use crate::tile::PixelSize;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A picture: 8-bit sRGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green and blue of each pixel, rows from the top.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Its size.
    pub fn size(&self) -> PixelSize {
        PixelSize { width: self.width, height: self.height }
    }

    /// Red, green and blue of the pixel in column `x` of row `y`, both counted from 0 at the top left; `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let inside = x < self.width && y < self.height;
        let index = y as usize * self.width as usize + x as usize;
        self.pixels.as_chunks().0.get(index).copied().filter(|_| inside)
    }

    /// Writes the picture to a file in the format of the name's extension. It carries no scene.
    ///
    /// # Errors
    /// [`Error::Usage`] when the extension names no format for colours, [`Error::Io`] when the file cannot be written; then an
    /// existing file is unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = format_for(path, None)?;
        if format.data != Data::Colours {
            return Err(Error::Usage(format!("{} holds samples, but this picture has only colours", format.name)));
        }
        let mut output = Output::create(path)?;
        let (width, height) = (self.width, self.height);
        let header = Header { width, height, depth: Depth::Eight, channels: Channels::default(), scene: String::new() };
        let mut rows = Whole(Some(&self.pixels));
        format.write(&mut output, &header, &mut rows).map_err(|source| Error::io("write", path, source))?;
        output.finish()
    }
}

/// The bytes of its pixels, rows from the top.
impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        &self.pixels
    }
}

#[cfg(feature = "image")]
impl From<Picture> for image::RgbImage {
    /// The same pixels, not copied.
    ///
    /// # Panics
    /// When the number of pixels does not match the sizes.
    fn from(picture: Picture) -> Self {
        let Picture { width, height, pixels } = picture;
        Self::from_raw(width, height, pixels).expect("a picture has width × height pixels")
    }
}

/// All rows at once.
struct Whole<'a>(Option<&'a [u8]>);

impl Rows for Whole<'_> {
    fn next_rows(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.0.take())
    }
}

/// A sink that collects a [`Picture`].
#[derive(Debug)]
pub struct PictureSink {
    options: ImageOptions,
    picture: Mutex<Picture>,
}

impl PictureSink {
    /// A sink with a black picture. Depth and scene of the options are not used.
    ///
    /// # Errors
    /// [`Error::Usage`] when pixels would be cut by tiles, [`Error::Unsupported`] when the picture does not fit into memory.
    pub fn new(options: ImageOptions) -> Result<Self> {
        let PixelSize { width, height } = options.size()?;
        let bytes = (3 * width as usize).checked_mul(height as usize);
        let mut pixels = Vec::new();
        if bytes.is_none_or(|bytes| pixels.try_reserve_exact(bytes).is_err()) {
            return Err(Error::Unsupported(format!("a picture of {width} × {height} pixels does not fit into memory")));
        }
        pixels.resize(bytes.unwrap_or_default(), 0);
        let options = ImageOptions { depth: Depth::Eight, ..options };
        Ok(Self { options, picture: Mutex::new(Picture { width, height, pixels }) })
    }

    /// The picture so far; pixels not yet computed are black.
    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        lock(&self.picture)
    }

    /// The picture, after the run.
    pub fn into_picture(self) -> Picture {
        self.picture.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for PictureSink {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let (mut pixels, mut scratch) = (Vec::new(), Scratch::default());
        for (_, samples) in self.options.tiles.of(done) {
            self.options.paint(&samples, &mut pixels, &mut scratch);
            let mut picture = self.picture();
            let width = picture.width as usize;
            let layout = Layout { planes: 1, bytes: 3 };
            layout.copy(&pixels, self.options.area(samples.tile), width, &mut picture.pixels);
        }
        Ok(())
    }
}
