//! Pictures in files: workers turn finished tiles into pixels, and one thread encodes them in order while rendering continues.

#[cfg(feature = "exr")]
pub(super) mod exr;
#[cfg(not(feature = "exr"))]
#[path = "no_exr.rs"]
pub(super) mod exr;
pub(super) mod png;
pub(super) mod ppm;
mod raw;

use super::bands::{Area, Bands, HELD_BYTES, Layout};
use super::formats::{Data, Format, Header, Rows};
use super::output::{Output, copy};
use super::tiles::Tiles;
use crate::colour::{Colourer, Depth, Scratch};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Report, RunInfo, Sink, lock, waited};
use crate::sample::Samples;
use crate::tile::{PixelSize, SampleSize, Tile};
use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a block's position in a file.
const PLACE: u64 = 8;

/// The inputs of a picture.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The tiles that are the work's pieces, of whole pixels; their samples have at least the channels that the format and the colourer
    /// need.
    pub tiles: Tiles,
    /// The colours.
    pub colourer: Arc<Colourer>,
    /// Bits of each colour.
    pub depth: Depth,
    /// The scene as TOML text, kept in the file.
    pub scene: String,
}

impl ImageOptions {
    /// The size of the picture.
    ///
    /// # Errors
    /// [`Error::Usage`] when pixels are cut by tiles or by the image's edge.
    pub(super) fn size(&self) -> Result<PixelSize> {
        let (SampleSize { width, height }, samples) = (self.tiles.tiling.size(), self.tiles.samples);
        // A tile that extends beyond the image ends at the image's edge.
        let edge = self.tiles.tiling.edge();
        let lengths = [width, height, edge.min(width), edge.min(height)];
        if samples == 0 || !lengths.iter().all(|length| length.is_multiple_of(samples)) {
            return Err(Error::Usage(format!(
                "{samples} samples per pixel do not divide an image of {width} × {height} samples in tiles of {edge}"
            )));
        }
        Ok(PixelSize { width: width / samples, height: height / samples })
    }

    /// The layout of a picture's bytes in this format before they are encoded.
    fn layout(&self, format: &Format) -> Layout {
        match format.data {
            Data::Colours => Layout { planes: 1, bytes: self.depth.pixel_bytes() },
            Data::Samples => raw::layout(self.tiles.channels),
        }
    }

    /// The bytes of this many samples in this format before they are encoded.
    pub fn bytes(&self, format: &Format, width: u32, height: u32) -> u64 {
        let pixels = u64::from(width.div_ceil(self.tiles.samples)) * u64::from(height.div_ceil(self.tiles.samples));
        self.layout(format).size(1) as u64 * pixels
    }

    /// The most memory, in bytes, that an [`ImageSink`] needs besides the claims in flight.
    pub fn memory(&self, format: &Format) -> u64 {
        let SampleSize { width, height } = self.tiles.tiling.size();
        let band = self.bytes(format, width, self.tiles.tiling.edge().min(height));
        let encoded = self.bytes(format, width, format.rows.min(height));
        // Besides the held bands: the next to leave, one that has become the next since, the encoder's, and the encoder's copy;
        // then the rows encoded at once, cut from bands and cut into blocks.
        self.bytes(format, width, height).min(HELD_BYTES as u64) + 4 * band + 2 * encoded
    }

    /// Besides that, bytes of tables in memory: of the rows of tiles, and of the blocks in the file.
    pub fn tables(&self, format: &Format) -> u64 {
        let bands = u64::from(self.tiles.tiling.size().height.div_ceil(self.tiles.tiling.edge()));
        bands * Bands::KNOWN as u64 + PLACE * self.blocks(format)
    }

    /// The largest size of a file in this format, in bytes, roughly.
    pub fn file(&self, format: &Format) -> u64 {
        let SampleSize { width, height } = self.tiles.tiling.size();
        // Besides its pixels a block has its position, its coordinates and its length.
        self.bytes(format, width, height) + 4 * PLACE * self.blocks(format)
    }

    /// The smallest size of a file in this format, in bytes, if every pixel were the same.
    pub fn least_file(&self, format: &Format) -> u64 {
        let SampleSize { width, height } = self.tiles.tiling.size();
        self.bytes(format, width, height) / format.shrinks
    }

    /// The number of blocks in the file whose positions are kept in memory until its end.
    fn blocks(&self, format: &Format) -> u64 {
        let Some((across, down)) = format.blocks else { return 0 };
        let SampleSize { width, height } = self.tiles.tiling.size();
        let count = |length: u32, edge: u32| u64::from(length.div_ceil(self.tiles.samples).div_ceil(edge));
        count(width, across) * count(height, down)
    }

    /// The area of a tile, in pixels.
    pub(super) fn area(&self, tile: Tile) -> Area {
        let pixels = |samples: u32| (samples / self.tiles.samples) as usize;
        Area { x: pixels(tile.x), y: pixels(tile.y), width: pixels(tile.width), height: pixels(tile.height) }
    }

    /// Colours a tile into `pixels`, which is cleared first.
    pub(super) fn paint(&self, samples: &Samples<'_>, pixels: &mut Vec<u8>, scratch: &mut Scratch) {
        let area = self.area(samples.tile);
        pixels.resize(area.width * area.height * self.depth.pixel_bytes(), 0);
        self.colourer.paint(samples, self.tiles.samples, self.depth, pixels, scratch);
    }
}

/// The cost of writing a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageCost {
    /// Time spent turning samples into pixels, summed over the workers.
    pub colour: Duration,
    /// Time spent encoding and writing, on the encoder's own thread.
    pub encode: Duration,
}

/// A sink that writes the picture of one run into an [`Output`].
pub struct ImageSink {
    options: ImageOptions,
    data: Data,
    shared: Arc<Shared>,
    /// The encoder thread's inputs, until it starts.
    waiting: Mutex<Option<(Output, &'static Format, Header)>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    memory: Mutex<Vec<Memory>>,
    colour: AtomicU64,
}

/// The state shared by workers and the encoder's thread.
struct Shared {
    bands: Bands,
    path: PathBuf,
    failed: AtomicBool,
    outcome: Mutex<Option<Result<Output>>>,
    encode: AtomicU64,
}

/// A worker's memory for its current tile.
#[derive(Default)]
struct Memory {
    pixels: Vec<u8>,
    scratch: Scratch,
}

impl fmt::Debug for ImageSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageSink")
            .field("path", &self.shared.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl ImageSink {
    /// A sink for one run that writes to `output`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the format cannot hold such a picture.
    pub fn new(format: &'static Format, output: Output, options: ImageOptions) -> Result<Self> {
        let PixelSize { width, height } = options.size()?;
        if width.max(height) > i32::MAX as u32 {
            let largest = i32::MAX;
            return Err(Error::Usage(format!(
                "a picture of {width} × {height} pixels is too large; each side may have {largest}"
            )));
        }
        if format.data == Data::Samples && options.tiles.samples > 1 {
            let (name, samples) = (format.name, options.tiles.samples);
            return Err(Error::Usage(format!(
                "{name} holds raw samples and needs 1 sample per pixel, not {samples} each way: set samples = 1"
            )));
        }
        if format.data == Data::Colours {
            options.colourer.prepare();
        }
        let layout = options.layout(format);
        let rows = (options.tiles.tiling.edge() / options.tiles.samples).max(1) as usize;
        let bands = Bands::new(layout, width as usize, height as usize, rows, output.folder());
        let header = Header {
            width,
            height,
            depth: options.depth,
            channels: options.tiles.channels,
            scene: options.scene.clone(),
        };
        let shared = Shared {
            bands,
            path: output.path().to_path_buf(),
            failed: AtomicBool::new(false),
            outcome: Mutex::default(),
            encode: AtomicU64::new(0),
        };
        Ok(Self {
            data: format.data,
            options,
            shared: Arc::new(shared),
            waiting: Mutex::new(Some((output, format, header))),
            thread: Mutex::default(),
            memory: Mutex::default(),
            colour: AtomicU64::new(0),
        })
    }

    /// The cost of the picture; complete after the run.
    pub fn cost(&self) -> ImageCost {
        let time = |nanoseconds: &AtomicU64| Duration::from_nanos(nanoseconds.load(Ordering::Relaxed));
        ImageCost { colour: time(&self.colour), encode: time(&self.shared.encode) }
    }

    /// The bytes written, after a run with an [`Output::memory`].
    pub fn into_memory(self) -> Vec<u8> {
        match take(&self.shared.outcome) {
            Some(Ok(output)) => output.into_memory(),
            _ => Vec::new(),
        }
    }

    fn draw(&self, done: &FinishedClaim<'_>, memory: &mut Memory) -> io::Result<Duration> {
        let mut waited = Duration::ZERO;
        for (_, samples) in self.options.tiles.of(done) {
            match self.data {
                Data::Colours => self.options.paint(&samples, &mut memory.pixels, &mut memory.scratch),
                Data::Samples => {
                    memory.pixels.clear();
                    raw::draw(&samples, &mut memory.pixels);
                }
            }
            waited += self.shared.bands.put(&memory.pixels, self.options.area(samples.tile))?;
        }
        Ok(waited)
    }
}

impl Sink for ImageSink {
    fn start(&self, run: &RunInfo) -> Result<()> {
        assert_eq!(run.pieces, self.options.tiles.tiling.len(), "the work's pieces are the picture's tiles");
        let Some((output, format, header)) = take(&self.waiting) else {
            return Err(Error::Usage(format!("the picture `{}` was given to two runs", self.shared.path.display())));
        };
        let shared = self.shared.clone();
        let body = move || shared.encode(output, format, &header);
        let spawned = std::thread::Builder::new().name("encoder".into()).spawn(body);
        let thread = spawned.map_err(|source| Error::io("start the encoder of", &self.shared.path, source))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(self.shared.failure());
        }
        let began = Instant::now();
        let mut memory = lock(&self.memory).pop().unwrap_or_default();
        let waiting = self.draw(done, &mut memory).map_err(|source| self.shared.error(source))?;
        waited(waiting);
        lock(&self.memory).push(memory);
        let busy = began.elapsed().saturating_sub(waiting);
        self.colour.fetch_add(busy.as_nanos() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn finish(&self, _: &Report) -> Result<()> {
        if !self.shared.bands.is_complete() {
            self.shared.bands.close();
        }
        if let Some(thread) = take(&self.thread) {
            // Its panics are caught inside and are part of the outcome.
            let _ = thread.join();
        }
        let mut outcome = lock(&self.shared.outcome);
        match outcome.take() {
            Some(Ok(output)) if output.is_memory() => *outcome = Some(Ok(output)),
            Some(Ok(output)) => return output.finish(),
            Some(Err(error)) => return Err(error),
            None => return Err(self.shared.error(io::Error::other("the picture is not complete"))),
        }
        Ok(())
    }
}

impl Drop for ImageSink {
    fn drop(&mut self) {
        self.shared.bands.close();
        if let Some(thread) = take(&self.thread) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The encoder thread's body.
    fn encode(&self, mut output: Output, format: &Format, header: &Header) {
        let mut rows = FromBands { shared: self, rows: Vec::new(), waited: Duration::ZERO };
        let began = Instant::now();
        // A panic leaves behind only an output, which is dropped and so removed.
        let outcome = catch_unwind(AssertUnwindSafe(|| format.write(&mut output, header, &mut rows)));
        let busy = began.elapsed().saturating_sub(rows.waited);
        self.encode.store(busy.as_nanos() as u64, Ordering::Relaxed);
        let result = match outcome {
            Ok(Ok(())) => Ok(output),
            Ok(Err(source)) => Err(self.error(source)),
            Err(payload) => Err(self.error(io::Error::other(format!("the encoder panicked: {}", message(&*payload))))),
        };
        let failed = result.is_err();
        *lock(&self.outcome) = Some(result);
        self.failed.store(failed, Ordering::Release);
        // No worker may wait for a thread that is gone.
        self.bands.close();
    }

    fn error(&self, source: io::Error) -> Error {
        Error::io("write", &self.path, source)
    }

    /// The failure of the encoder; it can be asked for repeatedly.
    fn failure(&self) -> Error {
        match &*lock(&self.outcome) {
            Some(Err(Error::Io { source, .. })) => self.error(copy(source)),
            _ => Error::Stopped,
        }
    }
}

/// The bands of a picture as the encoder's source.
struct FromBands<'a> {
    shared: &'a Shared,
    rows: Vec<u8>,
    waited: Duration,
}

impl Rows for FromBands<'_> {
    fn next_rows(&mut self) -> io::Result<Option<&[u8]>> {
        let bands = &self.shared.bands;
        bands.recycle(std::mem::take(&mut self.rows));
        let began = Instant::now();
        let taken = bands.take()?;
        self.waited += began.elapsed();
        match taken {
            Some(rows) => {
                self.rows = rows;
                Ok(Some(&self.rows))
            }
            None if bands.is_taken() => Ok(None),
            None => Err(io::Error::new(io::ErrorKind::Interrupted, "the run ended before the picture was complete")),
        }
    }
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::ColourSettings;
    use crate::parallel::{Claim, Prepared, Stop, Work};
    use crate::sample::Channels;
    use crate::sink::OUTPUTS;
    use crate::tile::{Order, Tiling};

    struct Black(Tiling);

    impl Work for Black {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn piece_len(&self, index: usize) -> usize {
            8 * self.0.tile(index).area()
        }

        fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
            Ok(())
        }
    }

    fn run(format: &'static Format) -> Error {
        let tiling = Tiling::new(SampleSize { width: 8, height: 8 }, 8, Order::Rows).unwrap();
        let options = ImageOptions {
            tiles: Tiles { tiling: tiling.clone(), channels: Channels::SMOOTH, samples: 1 },
            colourer: Arc::new(Colourer::new(&ColourSettings::default()).unwrap()),
            depth: Depth::Eight,
            scene: String::new(),
        };
        let sink = ImageSink::new(format, Output::memory(), options).unwrap();
        sink.start(&RunInfo { pieces: 1, workers: 1, backend: "test", unit: "iterations", piece: "tile" }).unwrap();
        let (work, words, zero) = (Black(tiling), [0u32; 128], Duration::ZERO);
        let bytes = bytemuck::cast_slice(&words);
        let given = sink.done(&FinishedClaim::new(&work, 0..1, bytes, &[1]));
        let report = Report {
            backend: "test",
            schedule: String::new(),
            setup: zero,
            wall: zero,
            unit: "iterations",
            workers: Vec::new(),
        };
        given.and_then(|()| sink.finish(&report)).unwrap_err()
    }

    #[test]
    fn a_panic_of_the_encoder_ends_the_run_with_an_error() {
        static PANICS: Format = Format { encode: |_, _, _| panic!("out of ink"), ..OUTPUTS[0] };
        static PANICS_LATE: Format = Format {
            encode: |_, _, rows| {
                rows.next_rows()?;
                panic!("out of {}", "paper")
            },
            ..OUTPUTS[0]
        };
        assert_eq!(run(&PANICS).to_string(), "cannot write `memory`: the encoder panicked: out of ink");
        assert_eq!(run(&PANICS_LATE).to_string(), "cannot write `memory`: the encoder panicked: out of paper");
    }
}
