//! Photographs for `fractal bench --work thumbnails`: JPEG files of 12 megapixels and about 3.4 MB, the same every time.
//!
//! They are painted: smooth light, some shapes and a camera's noise, so that decoding one costs what decoding a photograph costs.

use crate::error::{Error, Result};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::fs;
use std::path::{Path, PathBuf};

/// Width and height of a photograph.
const SIZE: (u32, u32) = (4000, 3000);

/// The quality of the files, of at most 100.
const QUALITY: u8 = 91;

/// How many photographs differ; all others are copies. To paint and encode one takes half a second.
const DIFFERENT: usize = 4;

/// A folder of photographs, which is removed with it.
#[derive(Debug)]
pub struct Photos {
    folder: PathBuf,
    /// The names of the files.
    pub names: Vec<PathBuf>,
}

impl Photos {
    /// Makes `count` photographs in a new folder for temporary files.
    ///
    /// # Errors
    /// [`Error::Io`] when they cannot be written.
    pub fn make(count: usize) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("fractal-photos-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
        let names = (0..count).map(|index| PathBuf::from(format!("{index:03}.jpg"))).collect();
        let photos = Self { folder, names };
        for (index, name) in photos.names.iter().enumerate() {
            let path = photos.folder.join(name);
            let written = match index.checked_sub(DIFFERENT) {
                None => fs::write(&path, photo(index as u32)?),
                Some(_) => fs::copy(photos.folder.join(&photos.names[index % DIFFERENT]), &path).map(|_| ()),
            };
            written.map_err(|source| Error::io("write", &path, source))?;
        }
        Ok(photos)
    }

    /// Their folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Photos {
    fn drop(&mut self) {
        // There is no one to report it to if even this fails.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A number that looks random, from a place.
fn noise(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b) ^ seed.wrapping_mul(0xc2b2_ae35);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// Noise of cells of 2^`log` pixels, with smooth transitions, from 0 to 255.
fn clouds(x: u32, y: u32, log: u32, seed: u32) -> i32 {
    let (cell, part) = ((x >> log, y >> log), (x & ((1 << log) - 1), y & ((1 << log) - 1)));
    let corner = |dx: u32, dy: u32| i64::from(noise(cell.0 + dx, cell.1 + dy, seed) & 255);
    let mix = |a: i64, b: i64, part: u32| a + (((b - a) * i64::from(part)) >> log);
    mix(mix(corner(0, 0), corner(1, 0), part.0), mix(corner(0, 1), corner(1, 1), part.0), part.1) as i32
}

/// A photograph as a JPEG file.
fn photo(seed: u32) -> Result<Vec<u8>> {
    let (width, height) = SIZE;
    let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
    for y in 0..height {
        for x in 0..width {
            // Large shapes, their edges, some texture, and the noise of a sensor.
            let shape = clouds(x, y, 9, seed);
            let edge = if shape > 128 { 30 } else { 0 };
            let texture = clouds(x, y, 4, seed + 9) / 6;
            let grain = (noise(x, y, seed) % 19) as i32 - 9;
            let light = shape / 2 + edge + texture + (y * 60 / height) as i32 + grain;
            let tint = clouds(x, y, 10, seed + 77) / 8;
            pixels.extend([light + tint, light, light + 24 - tint].map(|channel| channel.clamp(0, 255) as u8));
        }
    }
    let mut bytes = Vec::new();
    let encoded =
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode(&pixels, width, height, ExtendedColorType::Rgb8);
    encoded.map_err(|error| Error::Unsupported(format!("a photograph cannot be encoded: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of a camera with 12 megapixels have about 3.4 MB (these have 3.50), so that reading one costs what it costs there.
    #[test]
    fn photographs_are_as_large_as_those_of_a_camera() {
        for seed in 0..DIFFERENT as u32 {
            let bytes = photo(seed).unwrap();
            assert!((3_300_000..3_600_000).contains(&bytes.len()), "photograph {seed} has {} bytes", bytes.len());
        }
    }
}
