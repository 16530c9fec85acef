//! Gathering tiles that finish in any order into rows that leave in order.
//!
//! A band is a row of tiles. Workers copy finished tiles into their band; a complete band waits until all bands above it have left,
//! and one consumer (an encoder's thread) takes the bands from the top. Memory is bounded: when tiles come roughly in rows, workers
//! wait for a slow consumer; in other orders, tiles that cannot leave soon are spilled to disk once the bands reach their memory limit.
//!
//! Such orders cannot simply be refused for large pictures: that would require knowing the tile order of every backend and schedule.

use super::spill::Spill;
use crate::parallel::lock;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Complete bands beyond this many bytes make workers wait, as long as the consumer has a band to take.
const WAITING_BYTES: usize = 16 << 20;

/// The most bytes that all bands in memory may take together, apart from the one that leaves next.
pub(crate) const HELD_BYTES: usize = 192 << 20;

/// A rectangle of the picture, in pixels from its top left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// The layout of a picture's bytes: each row is `planes` runs of `width` elements of `bytes` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many runs make up a row of pixels: 1 when the colours of a pixel are interleaved.
    pub(crate) planes: usize,
    /// Bytes of a pixel in a run.
    pub(crate) bytes: usize,
}

impl Layout {
    /// The bytes of `pixels` pixels.
    pub(crate) fn size(self, pixels: usize) -> usize {
        self.planes * self.bytes * pixels
    }

    /// Copies a tile's bytes (rows from the top, each in this layout) into whole rows of a picture `width` pixels wide.
    /// `area` counts from the first of these rows.
    pub(crate) fn copy(self, tile: &[u8], area: Area, width: usize, rows: &mut [u8]) {
        let run = area.width * self.bytes;
        for (i, part) in tile.chunks_exact(run).enumerate() {
            let (row, plane) = (area.y + i / self.planes, i % self.planes);
            let start = self.size(row * width) + (plane * width + area.x) * self.bytes;
            rows[start..start + run].copy_from_slice(part);
        }
    }
}

/// The bands of one picture.
#[derive(Debug)]
pub(crate) struct Bands {
    layout: Layout,
    width: usize,
    height: usize,
    /// Rows of a band; the last band may have fewer.
    rows: usize,
    filling: Vec<Mutex<Filling>>,
    queue: Mutex<Queue>,
    /// Tiles of bands for which memory has no room.
    spill: Spill,
    /// The most bytes of bands in memory.
    limit: usize,
    /// Notified when the consumer may have something to do.
    ready: Condvar,
    /// Notified when workers may continue.
    room: Condvar,
}

#[derive(Debug)]
struct Filling {
    band: Band,
    /// Pixels that have not yet arrived.
    missing: usize,
}

/// The tiles of a band so far: some in memory, others on disk.
#[derive(Debug, Default)]
struct Band {
    /// Empty until a tile finds room in memory.
    rows: Vec<u8>,
    /// Their areas in the band and positions in the file.
    spilled: Vec<(Area, u64)>,
}

#[derive(Debug, Default)]
struct Queue {
    complete: BTreeMap<usize, Band>,
    /// Bytes of rows in `complete`.
    bytes: usize,
    /// Bytes of all rows in use.
    held: usize,
    /// The band that leaves next.
    next: usize,
    /// Memory of bands that have left.
    free: Vec<Vec<u8>>,
    closed: bool,
}

impl Queue {
    fn is_waiting_for_consumer(&self) -> bool {
        !self.closed && self.bytes > WAITING_BYTES && self.complete.len() > 1 && self.complete.contains_key(&self.next)
    }
}

impl Bands {
    /// Bytes of bookkeeping for each band.
    pub(crate) const KNOWN: usize = size_of::<Mutex<Filling>>();

    /// Bands of `rows` rows for a picture of `width` × `height` pixels. Spilled tiles go to a nameless file in `folder`.
    pub(crate) fn new(layout: Layout, width: usize, height: usize, rows: usize, folder: impl Into<PathBuf>) -> Self {
        let rows = rows.min(height);
        let filling = (0..height.div_ceil(rows)).map(|band| {
            let missing = width * rows.min(height - band * rows);
            Mutex::new(Filling { band: Band::default(), missing })
        });
        let filling = filling.collect();
        Self {
            layout,
            width,
            height,
            rows,
            filling,
            queue: Mutex::default(),
            spill: Spill::in_folder(folder),
            limit: HELD_BYTES,
            ready: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// Copies a tile into its band. May wait for the consumer, and returns for how long. After [`Bands::close`] tiles are dropped.
    ///
    /// # Errors
    /// When the tile must be spilled and cannot be written.
    pub(crate) fn put(&self, tile: &[u8], area: Area) -> io::Result<Duration> {
        let band = area.y / self.rows;
        let top = band * self.rows;
        let height = self.rows.min(self.height - top);
        assert!(area.y + area.height <= top + height, "a tile of {area:?} lies in several bands of {} rows", self.rows);
        let inside = Area { y: area.y - top, ..area };
        let mut filling = lock(&self.filling[band]);
        if filling.band.rows.is_empty() {
            filling.band.rows = self.rows_for(band, height, false).unwrap_or_default();
        }
        if filling.band.rows.is_empty() {
            let place = self.spill.put(tile)?;
            filling.band.spilled.push((inside, place));
        } else {
            self.layout.copy(tile, inside, self.width, &mut filling.band.rows);
        }
        filling.missing -= area.width * area.height;
        if filling.missing > 0 {
            return Ok(Duration::ZERO);
        }
        let complete = std::mem::take(&mut filling.band);
        drop(filling);

        let mut queue = lock(&self.queue);
        if queue.closed {
            return Ok(Duration::ZERO);
        }
        queue.bytes += complete.rows.len();
        queue.complete.insert(band, complete);
        if band == queue.next {
            self.ready.notify_one();
        }
        if !queue.is_waiting_for_consumer() {
            return Ok(Duration::ZERO);
        }
        let began = Instant::now();
        while queue.is_waiting_for_consumer() {
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(began.elapsed())
    }

    /// Memory for the rows of a band, if there is room for it, or it `must` be had, or the band leaves next.
    fn rows_for(&self, band: usize, height: usize, must: bool) -> Option<Vec<u8>> {
        let size = self.layout.size(self.width * height);
        let mut queue = lock(&self.queue);
        if !must && band != queue.next && queue.held + size > self.limit {
            return None;
        }
        queue.held += size;
        let mut rows = queue.free.pop().unwrap_or_default();
        drop(queue);
        rows.resize(size, 0);
        Some(rows)
    }

    /// Waits for the next band from the top and takes it; `None` after the last one or when the bands were closed.
    ///
    /// # Errors
    /// When spilled tiles cannot be read.
    pub(crate) fn take(&self) -> io::Result<Option<Vec<u8>>> {
        let Some((number, Band { mut rows, spilled })) = self.take_band() else { return Ok(None) };
        if rows.is_empty() {
            let height = self.rows.min(self.height - number * self.rows);
            rows = self.rows_for(number, height, true).unwrap_or_default();
        }
        let mut tile = Vec::new();
        for (area, place) in spilled {
            tile.resize(self.layout.size(area.width * area.height), 0);
            self.spill.take(place, &mut tile)?;
            self.layout.copy(&tile, area, self.width, &mut rows);
        }
        Ok(Some(rows))
    }

    fn take_band(&self) -> Option<(usize, Band)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed || queue.next == self.filling.len() {
                return None;
            }
            let next = queue.next;
            if let Some(band) = queue.complete.remove(&next) {
                queue.bytes -= band.rows.len();
                queue.next += 1;
                self.room.notify_all();
                return Some((next, band));
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes back the memory of a band that was taken, for use by another.
    pub(crate) fn recycle(&self, rows: Vec<u8>) {
        let mut queue = lock(&self.queue);
        queue.held -= rows.len();
        if queue.next + queue.complete.len() < self.filling.len() && rows.capacity() > 0 {
            queue.free.push(rows);
        }
    }

    /// Ends everything: all waits end, and later tiles are dropped.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        queue.complete.clear();
        self.ready.notify_all();
        self.room.notify_all();
    }

    /// Whether the last band has been taken.
    pub(crate) fn is_taken(&self) -> bool {
        lock(&self.queue).next == self.filling.len()
    }

    /// Whether every tile has arrived.
    pub(crate) fn is_complete(&self) -> bool {
        let queue = lock(&self.queue);
        queue.next + queue.complete.len() == self.filling.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LAYOUT: Layout = Layout { planes: 1, bytes: 3 };

    /// A slow consumer must hold up a worker, and every band must still come out once, in order.
    #[test]
    fn workers_wait_for_a_slow_consumer() {
        // Bands of 6 MB: three are too many.
        let (width, rows, count) = (1 << 20, 2, 12);
        let bands = Bands::new(LAYOUT, width, rows * count, rows, std::env::temp_dir());
        // No assertions while the worker may be waiting: a panic would leave it waiting forever.
        let (waited, most, order) = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let tile = |y: usize| vec![y as u8; 3 * width * rows];
                let area = |y: usize| Area { x: 0, y: y * rows, width, height: rows };
                (0..count).map(|y| bands.put(&tile(y), area(y)).unwrap()).sum::<Duration>()
            });
            // The worker that has put in too much waits as soon as this shows.
            while lock(&bands.queue).bytes <= WAITING_BYTES {
                thread::yield_now();
            }
            let (mut most, mut order) = (0, Vec::new());
            while let Some(rows) = bands.take().unwrap() {
                most = most.max(rows.len() + lock(&bands.queue).bytes);
                order.push((rows[0], rows[rows.len() - 1]));
                bands.recycle(rows);
            }
            (worker.join().unwrap(), most, order)
        });
        assert!(waited > Duration::ZERO);
        assert!(most <= WAITING_BYTES + 2 * (6 << 20), "{most}");
        assert!(order.into_iter().eq((0..count as u8).map(|y| (y, y))));
        assert!(bands.is_taken() && bands.is_complete());
    }

    /// Even if nothing is taken, tiles from the bottom must come in: making them wait would be a deadlock.
    #[test]
    fn nobody_waits_when_the_top_is_missing() {
        let (width, rows, count) = (1 << 20, 2, 8);
        let bands = Bands::new(LAYOUT, width, rows * count, rows, std::env::temp_dir());
        for y in (1..count).rev() {
            let area = Area { x: 0, y: y * rows, width, height: rows };
            let waited = bands.put(&vec![y as u8; 3 * width * rows], area).unwrap();
            assert_eq!(waited, Duration::ZERO);
        }
        assert!(!bands.is_complete());
        thread::scope(|scope| {
            scope.spawn(|| bands.put(&vec![0; 3 * width * rows], Area { x: 0, y: 0, width, height: rows }));
            let taken: Vec<u8> = std::iter::from_fn(|| bands.take().unwrap()).map(|rows| rows[0]).collect();
            assert!(taken.into_iter().eq(0..count as u8));
        });
    }

    #[test]
    fn closing_frees_everybody() {
        let bands = Bands::new(LAYOUT, 1 << 20, 20, 2, std::env::temp_dir());
        thread::scope(|scope| {
            let workers = scope.spawn(|| {
                for y in 0..10 {
                    bands.put(&vec![0; 6 << 20], Area { x: 0, y: 2 * y, width: 1 << 20, height: 2 }).unwrap();
                }
            });
            assert!(bands.take().unwrap().is_some());
            bands.close();
            workers.join().unwrap();
        });
        assert!(bands.take().unwrap().is_none());
        assert!(!bands.is_taken() && !bands.is_complete());
    }

    /// With room for at most two bands, tiles in any order come out in rows, and little more is held.
    #[test]
    fn what_has_no_room_waits_on_the_disk() {
        let (width, height, edge) = (20, 30, 4);
        let layout = Layout { planes: 2, bytes: 1 };
        let mut places: Vec<_> =
            (0..height).step_by(edge).flat_map(|y| (0..width).step_by(edge).map(move |x| (x, y))).collect();
        let mut state = 1u64;
        for round in 0..50 {
            let limit = layout.size(width * edge) * (round % 3);
            let bands = Bands { limit, ..Bands::new(layout, width, height, edge, std::env::temp_dir()) };
            for i in (1..places.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                places.swap(i, (state >> 33) as usize % (i + 1));
            }
            let mut taken = Vec::new();
            thread::scope(|scope| {
                scope.spawn(|| {
                    for &(x, y) in &places {
                        let area = Area { x, y, width: edge, height: edge.min(height - y) };
                        let row = |y: usize| (0..2 * edge).map(move |i| (y * 40 + i / edge * 20 + x + i % edge) as u8);
                        let tile: Vec<u8> = (y..y + area.height).flat_map(row).collect();
                        bands.put(&tile, area).unwrap();
                        let queue = lock(&bands.queue);
                        // Beyond the limit there are the next band to leave, one that has become the next since, and the one taken.
                        assert!(queue.held <= limit + 3 * layout.size(width * edge), "{}", queue.held);
                    }
                });
                while let Some(rows) = bands.take().unwrap() {
                    taken.extend_from_slice(&rows);
                    bands.recycle(rows);
                }
            });
            let expected: Vec<u8> = (0..2 * width * height).map(|i| i as u8).collect();
            assert!(taken == expected, "round {round}");
        }
    }

    #[test]
    fn planes_lie_one_after_the_other_in_a_row() {
        let layout = Layout { planes: 2, bytes: 1 };
        let mut rows = vec![b'.'; layout.size(3 * 2)];
        let area = Area { x: 1, y: 0, width: 2, height: 2 };
        layout.copy(b"abABcdCD", area, 3, &mut rows);
        assert_eq!(rows, b".ab.AB.cd.CD");
    }
}
