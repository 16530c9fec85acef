//! A picture of who computed what: each tile in the colour of its worker, so that the schedule is visible at a glance.

use super::formats::{Data, Format, Header, Rows};
use super::output::Output;
use crate::colour::{Depth, distinct};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Report, RunInfo, Sink, lock};
use crate::sample::Channels;
use crate::tile::{PixelSize, Tiling};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Lightness of a tile and of its outline.
const LIGHTNESS: [f64; 2] = [0.74, 0.58];

/// In place of a worker's number for tiles of an earlier run; their grey and that of their outline.
const NOBODY: u32 = u32::MAX;
const GREYS: [[u8; 3]; 2] = [[190; 3], [150; 3]];

/// Tiles with fewer pixels each way get no outline, which would hide them.
const OUTLINED: usize = 6;

/// A sink that draws each tile in its worker's colour when the run is complete.
#[derive(Debug)]
pub struct WorkerMap {
    tiling: Tiling,
    /// Samples per pixel along each axis.
    samples: u32,
    /// By the tile's number.
    workers: Vec<AtomicU32>,
    format: &'static Format,
    header: Header,
    output: Mutex<Option<Output>>,
}

impl WorkerMap {
    /// A map of the tiles of `tiling`, as large as the picture with `samples` per pixel along each axis. `scene` is kept in the file.
    ///
    /// # Errors
    /// [`Error::Usage`] when the format holds no colours, or for 0 samples.
    pub fn new(format: &'static Format, output: Output, tiling: Tiling, samples: u32, scene: String) -> Result<Self> {
        if format.data != Data::Colours {
            return Err(Error::Usage(format!(
                "{} holds samples, but the map of workers has only colours",
                format.name
            )));
        }
        if samples == 0 {
            return Err(Error::Usage("a picture of 0 samples per pixel is empty; take at least 1".into()));
        }
        let PixelSize { width, height } = tiling.size().pixels(samples);
        let header = Header { width, height, depth: Depth::Eight, channels: Channels::default(), scene };
        let workers = (0..tiling.len()).map(|_| AtomicU32::new(0)).collect();
        Ok(Self { tiling, samples, workers, format, header, output: Mutex::new(Some(output)) })
    }
}

impl Sink for WorkerMap {
    fn start(&self, run: &RunInfo) -> Result<()> {
        assert_eq!(run.pieces, self.workers.len(), "the work's pieces are the map's tiles");
        Ok(())
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        for worker in &self.workers[done.range.clone()] {
            worker.store(done.worker as u32, Ordering::Relaxed);
        }
        Ok(())
    }

    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        for worker in &self.workers[done.range.clone()] {
            worker.store(NOBODY, Ordering::Relaxed);
        }
        Ok(())
    }

    fn finish(&self, _: &Report) -> Result<()> {
        let output = lock(&self.output).take();
        let Some(mut output) = output else {
            return Err(Error::Usage("the map of workers was given to two runs".into()));
        };
        let mut rows = Drawn::new(self);
        let written = self.format.write(&mut output, &self.header, &mut rows);
        written.map_err(|source| Error::io("write", output.path(), source))?;
        output.finish()
    }
}

/// The rows of the map, drawn on demand: one row of tiles at a time.
struct Drawn<'a> {
    owners: &'a WorkerMap,
    /// Every tile's number, from the top left in reading order.
    order: Vec<u32>,
    /// How many tiles of `order` have been drawn.
    drawn: usize,
    rows: Vec<u8>,
}

impl<'a> Drawn<'a> {
    fn new(owners: &'a WorkerMap) -> Self {
        let mut order: Vec<u32> = (0..owners.tiling.len() as u32).collect();
        order.sort_by_key(|&index| {
            let tile = owners.tiling.tile(index as usize);
            (tile.y, tile.x)
        });
        Self { owners, order, drawn: 0, rows: Vec::new() }
    }
}

impl Rows for Drawn<'_> {
    fn next_rows(&mut self) -> io::Result<Option<&[u8]>> {
        let WorkerMap { tiling, samples, workers, header, .. } = self.owners;
        let tile_of = |place: usize| self.order.get(place).map(|&index| (index as usize, tiling.tile(index as usize)));
        let Some((_, first)) = tile_of(self.drawn) else { return Ok(None) };
        let pixels = |samples_before: u32| (samples_before.div_ceil(*samples)) as usize;
        let (top, bottom) = (pixels(first.y), pixels(first.y + first.height));
        let width = header.width as usize;
        self.rows.resize(3 * width * (bottom - top), 0);
        while let Some((index, tile)) = tile_of(self.drawn).filter(|(_, tile)| tile.y == first.y) {
            let (left, right) = (pixels(tile.x), pixels(tile.x + tile.width));
            let [fill, line] = match workers[index].load(Ordering::Relaxed) {
                NOBODY => GREYS,
                worker => LIGHTNESS.map(|lightness| distinct(worker as usize, lightness)),
            };
            let outlined = (right - left).min(bottom - top) >= OUTLINED;
            for (y, row) in self.rows.chunks_exact_mut(3 * width).enumerate() {
                for (x, pixel) in row.as_chunks_mut::<3>().0[left..right].iter_mut().enumerate() {
                    *pixel = if outlined && (x == 0 || y == 0) { line } else { fill };
                }
            }
            self.drawn += 1;
        }
        Ok(Some(&self.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::super::OUTPUTS;
    use super::*;
    use crate::parallel::{Claim, Prepared, Stop, Work};
    use crate::tile::{ORDERS, SampleSize};

    struct Nothing(usize);

    impl Work for Nothing {
        fn len(&self) -> usize {
            self.0
        }

        fn piece_len(&self, _: usize) -> usize {
            0
        }

        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    /// Rows of a map in which tile i was computed by worker i modulo 3.
    fn rows(width: u32, height: u32, tile: u32, samples: u32, order: crate::tile::Order) -> (WorkerMap, Vec<u8>) {
        let tiling = Tiling::new(SampleSize { width, height }, tile, order).unwrap();
        let work = Nothing(tiling.len());
        let owners = WorkerMap::new(&OUTPUTS[0], Output::memory(), tiling, samples, String::new()).unwrap();
        for index in 0..work.0 {
            let done = FinishedClaim::new(&work, index..index + 1, &[], &[1]);
            owners.done(&FinishedClaim { worker: index % 3, ..done }).unwrap();
        }
        let mut drawn = Drawn::new(&owners);
        let mut all = Vec::new();
        while let Some(rows) = drawn.next_rows().unwrap() {
            all.extend_from_slice(rows);
        }
        (owners, all)
    }

    #[test]
    fn every_pixel_has_its_workers_colour() {
        for &(order, ..) in ORDERS {
            for (width, height, tile, samples) in
                [(1, 1, 1, 1), (30, 20, 8, 1), (30, 20, 8, 2), (9, 9, 3, 3), (64, 40, 100, 1)]
            {
                let (owners, all) = rows(width, height, tile, samples, order);
                let pixels = all.as_chunks::<3>().0;
                assert_eq!(pixels.len(), (width / samples * (height / samples)) as usize);
                for index in 0..owners.tiling.len() {
                    let tile = owners.tiling.tile(index);
                    let colours = LIGHTNESS.map(|lightness| distinct(index % 3, lightness));
                    for (y, x) in
                        (tile.y..tile.y + tile.height).flat_map(|y| (tile.x..tile.x + tile.width).map(move |x| (y, x)))
                    {
                        let pixel = pixels[(y / samples * (width / samples) + x / samples) as usize];
                        assert!(colours.contains(&pixel), "{order} {tile} at {x}, {y}");
                    }
                    let (right, bottom) = ((tile.x + tile.width - 1) / samples, (tile.y + tile.height - 1) / samples);
                    assert_eq!(pixels[(bottom * (width / samples) + right) as usize], colours[0], "{order} {tile}");
                }
            }
        }
    }

    #[cfg(feature = "exr")]
    #[test]
    fn a_map_needs_colours() {
        let raw = Format::named("exr").unwrap();
        let tiling = Tiling::new(SampleSize { width: 4, height: 4 }, 2, crate::tile::Order::Rows).unwrap();
        assert!(matches!(WorkerMap::new(raw, Output::memory(), tiling, 1, String::new()), Err(Error::Usage(_))));
    }
}
