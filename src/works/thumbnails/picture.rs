//! One file: reading it, making it small, and encoding the result.
//!
//! Nothing that a file contains ends more than that file: sizes are checked before memory is taken, and a decoder's panic is caught.

use super::eighth::{self, Eighth, Unread};
use super::{Encoding, Options};
use crate::error::{Error, Result};
use crate::parallel::{Stop, guarded};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};
use std::error::Error as _;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

/// The most pixels of a file: a camera's largest pictures have 200 million.
pub(super) const MOST_PIXELS: u64 = 1 << 28;

/// The most bytes that a file may have, and those that it may take when it is decoded at full size.
pub(super) const MOST_BYTES: u64 = 512 << 20;

/// The quality of JPEG files, of at most 100.
const QUALITY: u8 = 85;

/// A thumbnail.
#[derive(Debug, PartialEq)]
pub(super) struct Thumbnail {
    pub(super) encoding: Encoding,
    pub(super) bytes: Vec<u8>,
    /// Pixels of the picture that it was made of.
    pub(super) pixels: u64,
}

/// Makes the thumbnail of the file at `path`.
///
/// # Errors
/// [`Error::Stopped`]; all others are about the file, and say what is wrong with it without its name.
pub(super) fn make(path: &Path, options: &Options, resizer: &mut Resizer, stop: &Stop) -> Result<Thumbnail> {
    let data = read(path)?;
    let made = guarded(|| of_bytes(&data, options, resizer, stop), "its decoder")?;
    if stop.is_set() { Err(Error::Stopped) } else { made }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::Input(format!("cannot be read: {error}"));
    // Opening a pipe would wait for whoever writes to it.
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(Error::Input("is not a regular file".into()));
    }
    let mut data = Vec::with_capacity(found.len().min(MOST_BYTES) as usize);
    // It may grow meanwhile.
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut data)).map_err(failed)?;
    if data.len() as u64 > MOST_BYTES {
        return Err(Error::Input(format!("has more than the {} MB that are allowed", MOST_BYTES >> 20)));
    }
    Ok(data)
}

fn of_bytes(data: &[u8], options: &Options, resizer: &mut Resizer, stop: &Stop) -> Result<Thumbnail> {
    let format = image::guess_format(data).ok();
    let Some(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) = format else {
        return Err(Error::Input("is not a picture of format JPEG, PNG or WebP".into()));
    };
    let small = match eighth_of(data, format, options, stop)? {
        Some(eighth) => from_eighth(eighth, options.size, resizer)?,
        None => from_full(data, format, options.size, resizer)?,
    };
    encode(small, options)
}

/// A thumbnail before it is encoded, and the pixels that it was made of.
type Small = (DynamicImage, u64);

/// The picture at an eighth of its size, if that is enough: at least twice as large as the thumbnail, so that the resizer has something
/// to weigh.
fn eighth_of(data: &[u8], format: ImageFormat, options: &Options, stop: &Stop) -> Result<Option<Eighth>> {
    let enough = |(width, height): (u32, u32)| width.max(height) >= 16 * options.size;
    let Some(size) = eighth::size(data).filter(|size| !options.full && format == ImageFormat::Jpeg && enough(*size))
    else {
        return Ok(None);
    };
    check_pixels(size)?;
    match eighth::read(data, stop) {
        Ok(eighth) => Ok(Some(eighth)),
        Err(Unread::Other) => Ok(None),
        Err(Unread::Damaged(why)) => Err(Error::Input(format!("is damaged: {why}"))),
        Err(Unread::Stopped) => Err(Error::Stopped),
    }
}

fn check_pixels((width, height): (u32, u32)) -> Result<()> {
    if u64::from(width) * u64::from(height) <= MOST_PIXELS {
        return Ok(());
    }
    let most = MOST_PIXELS / 1_000_000;
    Err(Error::Input(format!("has {width} × {height} pixels; allowed are at most {most} million")))
}

/// The size of a thumbnail: it fits into a square of `edge` pixels, keeps its proportions and is never enlarged.
pub(super) fn fitting((width, height): (u32, u32), edge: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= edge {
        return (width, height);
    }
    let side = |side: u32| ((f64::from(side) * f64::from(edge) / f64::from(longest)).round() as u32).max(1);
    (side(width), side(height))
}

fn from_eighth(eighth: Eighth, edge: u32, resizer: &mut Resizer) -> Result<Small> {
    let Eighth { full, size, channels, pixels, orientation } = eighth;
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    // Blocks at the right and the bottom may reach beyond the picture.
    let seen = [full.0, full.1].map(|side| f64::from(side) / 8.0);
    let small = resize(&pixels, size, seen, kind, fitting(full, edge), resizer)?;
    Ok((turned(small, orientation), u64::from(full.0) * u64::from(full.1)))
}

fn from_full(data: &[u8], format: ImageFormat, edge: u32, resizer: &mut Resizer) -> Result<Small> {
    let damaged = |error: image::ImageError| {
        // Of which format it is need not be said.
        let inner = match &error {
            image::ImageError::Decoding(inner) => inner.source().map(ToString::to_string),
            _ => None,
        };
        Error::Input(format!("cannot be decoded: {}", inner.unwrap_or_else(|| error.to_string())))
    };
    let mut reader = ImageReader::with_format(Cursor::new(data), format);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(2 * MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (size, bytes) = (decoder.dimensions(), decoder.total_bytes());
    check_pixels(size)?;
    if bytes > MOST_BYTES {
        let (width, height) = size;
        let (taken, most) = (bytes >> 20, MOST_BYTES >> 20);
        return Err(Error::Input(format!(
            "has {width} × {height} pixels, which would take {taken} MB of memory; allowed are {most} MB"
        )));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let (picture, kind) = match picture {
        grey @ DynamicImage::ImageLuma8(_) => (grey, PixelType::U8),
        other if other.color().has_alpha() => (other.into_rgba8().into(), PixelType::U8x4),
        other => (other.into_rgb8().into(), PixelType::U8x3),
    };
    let pixels = u64::from(size.0) * u64::from(size.1);
    if size == fitting(size, edge) {
        return Ok((turned(picture, orientation), pixels));
    }
    let seen = [size.0, size.1].map(f64::from);
    let small = resize(picture.as_bytes(), size, seen, kind, fitting(size, edge), resizer)?;
    Ok((turned(small, orientation), pixels))
}

/// Resizes `pixels`, of which the first `seen` across and down are the picture.
fn resize(
    pixels: &[u8],
    (width, height): (u32, u32),
    seen: [f64; 2],
    kind: PixelType,
    to: (u32, u32),
    resizer: &mut Resizer,
) -> Result<DynamicImage> {
    let failed = |error: &dyn std::fmt::Display| Error::Input(format!("cannot be resized: {error}"));
    let source = ImageRef::new(width, height, pixels, kind).map_err(|error| failed(&error))?;
    let mut target = Image::new(to.0, to.1, kind);
    let options = ResizeOptions::new().crop(0.0, 0.0, seen[0], seen[1]);
    resizer.resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
    let bytes = target.into_vec();
    let image = match kind {
        PixelType::U8 => image::GrayImage::from_raw(to.0, to.1, bytes).map(DynamicImage::from),
        PixelType::U8x3 => image::RgbImage::from_raw(to.0, to.1, bytes).map(DynamicImage::from),
        _ => image::RgbaImage::from_raw(to.0, to.1, bytes).map(DynamicImage::from),
    };
    image.ok_or_else(|| failed(&"its size is wrong"))
}

/// The picture as the camera was held.
fn turned(mut picture: DynamicImage, orientation: Orientation) -> DynamicImage {
    picture.apply_orientation(orientation);
    picture
}

fn encode((small, pixels): Small, options: &Options) -> Result<Thumbnail> {
    let is_transparent = small.as_rgba8().is_some_and(|small| small.pixels().any(|pixel| pixel.0[3] < 255));
    let encoding = options.encoding.unwrap_or(if is_transparent { Encoding::Png } else { Encoding::Jpeg });
    let small = if encoding == Encoding::Jpeg && is_transparent { on_white(&small) } else { small };
    let small = if small.as_rgba8().is_some() && !(encoding == Encoding::Png && is_transparent) {
        small.into_rgb8().into()
    } else {
        small
    };
    let mut bytes = Vec::new();
    let (width, height, color) = (small.width(), small.height(), ExtendedColorType::from(small.color()));
    let encoded = match encoding {
        Encoding::Jpeg => {
            JpegEncoder::new_with_quality(&mut bytes, QUALITY).write_image(small.as_bytes(), width, height, color)
        }
        Encoding::Png => PngEncoder::new(&mut bytes).write_image(small.as_bytes(), width, height, color),
    };
    encoded.map_err(|error| Error::Input(format!("cannot be encoded: {error}")))?;
    Ok(Thumbnail { encoding, bytes, pixels })
}

/// What is transparent becomes white.
fn on_white(small: &DynamicImage) -> DynamicImage {
    let mut small = small.to_rgba8();
    for pixel in small.pixels_mut() {
        let alpha = u32::from(pixel.0[3]);
        pixel.0[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
        pixel.0[3] = 255;
    }
    small.into()
}
