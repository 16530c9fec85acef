//! Raw data read back from the top, as many rows at a time as requested.

use super::super::raw::{COUNT_BIAS, name, words};
use super::sample_type;
use crate::sample::{Channels, HIGH_COUNTS, INTERIOR, PlaneEntry, Values};
use crate::sink::bands::HELD_BYTES;
use crate::tile::SampleSize;
use exr::block::reader::{AllChunksReader, ChunksReader, SequentialBlockDecompressor};
use exr::meta::BlockDescription;
use exr::meta::attribute::LevelMode;
use exr::prelude::Vec2;
use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// An error text follows the file's name.
type Result<T> = std::result::Result<T, String>;

/// A picture that one of our formats wrote.
pub(in crate::sink) struct Reader {
    blocks: SequentialBlockDecompressor<AllChunksReader<BufReader<File>>>,
    width: usize,
    /// Bytes of a pixel.
    bytes: usize,
    /// The offset of each plane in a row of a block one pixel wide, and its kind of values.
    planes: Vec<(usize, Values)>,
    /// The plane of the counts' high words among these, if there is one; the low words are the first plane.
    high: Option<usize>,
    /// Rows that are read but not taken: within each row one plane after the other.
    rows: Vec<u32>,
    /// How many of them are complete.
    complete: usize,
    /// How many have been taken.
    taken: usize,
    /// The position of the next block: its column, and its row among `rows`.
    next: (usize, usize),
}

impl Reader {
    /// Opens a picture of this size, of which the channels `wanted` are read.
    ///
    /// # Errors
    /// When it cannot be read, has another size, or lacks wanted channels.
    pub(in crate::sink) fn open(path: &Path, size: SampleSize, wanted: Channels) -> Result<Self> {
        let file = File::open(path).map_err(failed)?;
        let reader = exr::block::read(BufReader::new(file), false).map_err(failed)?;
        let (width, height) = (size.width as usize, size.height as usize);
        // The file's claims are checked before memory is allocated for it.
        let [header] = reader.headers() else { return Err("has several layers".into()) };
        if header.layer_size != Vec2(width, height) {
            return Err("does not have the size that its scene says".into());
        }
        let rows = match header.blocks {
            BlockDescription::ScanLines => header.compression.scan_lines_per_block(),
            BlockDescription::Tiles(tiles) if tiles.level_mode == LevelMode::Singular => tiles.tile_size.height(),
            BlockDescription::Tiles(_) => return Err("has several levels of detail".into()),
        };
        let (mut bytes, mut places) = (0, Vec::new());
        for channel in &header.channels.list {
            if channel.sampling != Vec2(1, 1) {
                return Err("has channels of a lower resolution".into());
            }
            places.push((channel.name.to_string(), channel.sample_type, bytes));
            bytes += channel.sample_type.bytes_per_sample();
        }
        if rows.min(height).saturating_mul(bytes * width) > HELD_BYTES {
            return Err("has tiles that are too large to continue from".into());
        }
        let place = |plane: &PlaneEntry| {
            let found =
                places.iter().find(|place| place.0 == name(wanted, plane) && place.1 == sample_type(plane.values));
            let place = found.map(|place| (place.2, plane.values));
            place.ok_or_else(|| "lacks data that this picture needs".to_owned())
        };
        let planes = wanted.planes().map(place).collect::<Result<_>>()?;
        let blocks = reader.all_chunks(false).map_err(failed)?.sequential_decompressor(false);
        Ok(Self {
            blocks,
            width,
            bytes,
            planes,
            high: wanted.place(HIGH_COUNTS),
            rows: Vec::new(),
            complete: 0,
            taken: 0,
            next: (0, 0),
        })
    }

    /// Puts the next `height` rows into `out`: of each row one plane after the other, in the order of [`crate::sample`].
    ///
    /// # Errors
    /// When they cannot be read, the file ends, or its rows are not in order from the top.
    pub(in crate::sink) fn take(&mut self, height: usize, out: &mut Vec<u32>) -> Result<()> {
        while self.complete < height {
            self.read_block()?;
        }
        out.clear();
        out.extend(self.rows.drain(..height * self.width * self.planes.len()));
        self.complete -= height;
        self.taken += height;
        self.next.1 -= height;
        Ok(())
    }

    fn read_block(&mut self) -> Result<()> {
        let block = self.blocks.decompress_next_block().ok_or("ends too early")?.map_err(failed)?;
        let (Vec2(x, y), Vec2(width, height)) = (block.index.pixel_position, block.index.pixel_size);
        let (left, top) = self.next;
        let run = self.width * self.planes.len();
        if left == 0 {
            self.rows.resize((top + height) * run, 0);
        }
        let fits = left + width <= self.width && (top + height) * run <= self.rows.len();
        if (x, y) != (left, self.taken + top) || !fits || block.data.len() != self.bytes * width * height {
            return Err("does not have its rows in order from the top".into());
        }
        for (row, line) in block.data.chunks_exact(self.bytes * width).enumerate() {
            for (plane, (place, values)) in self.planes.iter().enumerate() {
                let start = (top + row) * run + plane * self.width + left;
                let words = line[place * width..][..4 * width].chunks_exact(4);
                for (word, bytes) in self.rows[start..start + width].iter_mut().zip(words) {
                    let stored = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    let is_count = *values == Values::Counts && stored != INTERIOR;
                    *word = if is_count && self.high.is_none() { stored.saturating_sub(COUNT_BIAS) } else { stored };
                }
            }
            if let Some(high) = self.high {
                let start = (top + row) * run + left;
                for (low, high) in (start..start + width).map(|low| (low, low + high * self.width)) {
                    [self.rows[low], self.rows[high]] = words([self.rows[low], self.rows[high]]);
                }
            }
        }
        self.next = if left + width < self.width { (left + width, top) } else { (0, top + height) };
        self.complete = self.next.1;
        Ok(())
    }
}

fn failed(error: impl Display) -> String {
    format!("cannot be read: {}", error.to_string().replace('\n', " "))
}
