//! Pictures: every way of cutting and delivering an image gives the same file, files say what was computed, and a failure
//! leaves nothing behind.

#[path = "support/random.rs"]
mod random;

use fractal::colour::{COLOURINGS, Colourer, Depth, PALETTES, Scratch, Settings};
use fractal::parallel::{Claim, Done, Prepared, Report, RunInfo, Sink, Stop, Work};
use fractal::sample::{Channels, INTERIOR, Samples};
use fractal::sink::{Format, ImageOptions, ImageSink, OUTPUTS, Output, Picture, PictureSink, SCENE_KEY, format_for};
use fractal::tile::{ORDERS, Order, Tile, Tiling};
use fractal::{Error, Result};
use random::Random;
use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i as u64 + 1) as usize);
    }
}

/// All samples of an image, and the work that would compute them in tiles.
struct Image {
    tiling: Tiling,
    channels: Channels,
    counts: Vec<u32>,
    /// Fraction, distance x, distance y.
    planes: [Vec<f32>; 3],
}

const ALL: Channels = Channels { smooth: true, distance: true };

impl Image {
    fn new(width: u32, height: u32, tile: u32, order: Order, channels: Channels) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let area = (width * height) as usize;
        let counts: Vec<u32> = (0..area)
            .map(|_| match random.below(8) {
                0 => INTERIOR,
                1 => random.below(1_000_000) as u32 + 1,
                _ => random.below(200) as u32 + 1,
            })
            .collect();
        let unit = |below: u64| below as f32 / (1u64 << 24) as f32;
        let mut plane = |scale: f32, shift: f32| -> Vec<f32> {
            counts
                .iter()
                .map(|&n| if n == INTERIOR { 0.0 } else { scale * unit(random.below(1 << 24)) - shift })
                .collect()
        };
        let planes = [plane(1.0, 0.0), plane(6.0, 3.0), plane(6.0, 3.0)];
        Self { tiling: Tiling::new(width, height, tile, order).unwrap(), channels, counts, planes }
    }

    /// The bytes of a piece, in words so that they are aligned.
    fn piece(&self, index: usize) -> Vec<u32> {
        let tile = self.tiling.tile(index);
        let width = self.tiling.size().0;
        let places: Vec<usize> = (tile.y..tile.y + tile.height)
            .flat_map(|y| (tile.x..tile.x + tile.width).map(move |x| (y * width + x) as usize))
            .collect();
        let mut words: Vec<u32> = places.iter().map(|&i| self.counts[i]).collect();
        let wanted = [self.channels.smooth, self.channels.distance, self.channels.distance];
        for (plane, _) in self.planes.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            words.extend(places.iter().map(|&i| plane[i].to_bits()));
        }
        words
    }

    fn done<'a>(&'a self, index: usize, words: &'a [u32], cost: &'a [u64]) -> Done<'a> {
        Done {
            work: self,
            range: index..index + 1,
            bytes: bytemuck::cast_slice(words),
            costs: cost,
            executed: 0,
            worker: 0,
            began: Duration::ZERO,
            ended: Duration::ZERO,
            waited: Default::default(),
        }
    }

    /// Gives the pieces to `sink` in this order, from two threads that take turns as it happens.
    fn deliver(&self, sink: &dyn Sink, order: &[usize]) -> Result<()> {
        sink.start(&RunInfo { pieces: self.tiling.len(), workers: 2, backend: "test" })?;
        let (left, right) = order.split_at(order.len() / 2);
        let give =
            |part: &[usize]| part.iter().try_for_each(|&index| sink.done(&self.done(index, &self.piece(index), &[1])));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| give(right));
            give(left).and(other.join().unwrap())
        })?;
        sink.finish(&report())
    }

    fn in_order(&self) -> Vec<usize> {
        (0..self.tiling.len()).collect()
    }

    fn options(&self, samples: u32, depth: Depth, settings: &Settings) -> ImageOptions {
        ImageOptions {
            tiling: self.tiling.clone(),
            samples,
            channels: self.channels,
            colourer: Arc::new(Colourer::new(settings).unwrap()),
            depth,
            scene: SCENE.into(),
        }
    }

    fn file(&self, format: &'static Format, options: ImageOptions, order: &[usize]) -> Vec<u8> {
        let sink = ImageSink::new(format, Output::memory(), options).unwrap();
        self.deliver(&sink, order).unwrap();
        sink.into_memory()
    }
}

fn report() -> Report {
    let (setup, wall) = (Duration::ZERO, Duration::ZERO);
    Report { backend: "test", schedule: "static".into(), setup, wall, workers: Vec::new() }
}

impl Work for Image {
    fn len(&self) -> usize {
        self.tiling.len()
    }

    fn piece_len(&self, index: usize) -> usize {
        self.channels.bytes(self.tiling.tile(index).area())
    }

    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        Err(Error::Unsupported("pieces are delivered by the test".into()))
    }
}

const SCENE: &str = "version = 1\n# Größe, 分形, “quotes”\n[view]\nre = \"-0.75\"\n";

fn format(name: &str) -> &'static Format {
    Format::named(name).unwrap()
}

/// Width, height, and the pixels as 16-bit numbers of the file's depth.
fn decode(png: &[u8]) -> (u32, u32, Vec<u16>) {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = match info.bit_depth {
        png::BitDepth::Eight => bytes.iter().map(|&b| b.into()).collect(),
        png::BitDepth::Sixteen => bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
        other => panic!("{other:?}"),
    };
    (info.width, info.height, pixels)
}

/// Every pixel by itself: its samples coloured one by one with 16 bits, mixed in linear light with the C library's powers.
fn recomputed(image: &Image, samples: u32, settings: &Settings) -> Vec<f64> {
    let colourer = Colourer::new(settings).unwrap();
    let (width, height) = image.tiling.size();
    let mut out = Vec::new();
    for (y, x) in (0..height / samples).flat_map(|y| (0..width / samples).map(move |x| (y, x))) {
        let mut sum = [0f64; 3];
        for (sy, sx) in (0..samples).flat_map(|sy| (0..samples).map(move |sx| (sy, sx))) {
            let i = ((y * samples + sy) * width + x * samples + sx) as usize;
            // A sample by itself is a pixel of its own, so its distances are told in pixels of that size.
            let [dx, dy] = [1, 2].map(|plane| [image.planes[plane][i] / samples as f32]);
            let one = Samples {
                tile: Tile { x: 0, y: 0, width: 1, height: 1 },
                counts: &image.counts[i..=i],
                fractions: &image.planes[0][i..=i],
                distance_x: &dx,
                distance_y: &dy,
            };
            let mut pixel = [0; 6];
            colourer.paint(&one, 1, Depth::Sixteen, &mut pixel, &mut Scratch::default());
            for (sum, value) in sum.iter_mut().zip(pixel.chunks_exact(2)) {
                let value = f64::from(u16::from_be_bytes([value[0], value[1]])) / 65535.0;
                *sum += if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
            }
        }
        out.extend(sum.map(|sum| {
            let mean = sum / f64::from(samples * samples);
            if mean <= 0.0031308 { 12.92 * mean } else { 1.055 * mean.powf(1.0 / 2.4) - 0.055 }
        }));
    }
    out
}

#[test]
fn a_picture_is_its_samples_mixed_in_linear_light() {
    for colouring in COLOURINGS {
        let settings = Settings { colouring: colouring.name.into(), interior: "#123456".into(), ..Settings::default() };
        for (samples, (width, height)) in [(1, (1, 1)), (1, (33, 17)), (2, (2, 2)), (2, (34, 18)), (3, (39, 21))] {
            let image = Image::new(width, height, 6, Order::Rows, colouring.channels);
            let expected = recomputed(&image, samples, &settings);
            for (depth, largest, tolerance) in [(Depth::Eight, 255.0, 1.5), (Depth::Sixteen, 65535.0, 3.0)] {
                let file = image.file(format("png"), image.options(samples, depth, &settings), &image.in_order());
                let (w, h, pixels) = decode(&file);
                assert_eq!((w, h), (width / samples, height / samples));
                for (i, (is, should)) in pixels.iter().zip(&expected).enumerate() {
                    let off = f64::from(*is) - should * largest;
                    assert!(
                        off.abs() < tolerance,
                        "{} {samples} {depth:?} at {i}: {is} {}",
                        colouring.name,
                        should * largest
                    );
                }
            }
        }
    }
}

#[test]
fn every_cut_and_order_gives_the_same_file() {
    let mut random = Random(7);
    for (format, depth, samples) in [
        ("png", Depth::Eight, 1),
        ("png", Depth::Eight, 2),
        ("png", Depth::Sixteen, 1),
        ("ppm", Depth::Eight, 1),
        ("ppm", Depth::Sixteen, 2),
        ("exr", Depth::Eight, 1),
        ("exr-tiles", Depth::Eight, 1),
    ] {
        let (width, height) = (70 * samples, 37 * samples);
        let mut first = None;
        for tile in [samples, 16, 64, u32::MAX / samples * samples] {
            for &(order, ..) in ORDERS {
                let image = Image::new(width, height, tile, order, ALL);
                let mut pieces = image.in_order();
                for _ in 0..2 {
                    let file =
                        image.file(self::format(format), image.options(samples, depth, &Settings::default()), &pieces);
                    let known = first.get_or_insert_with(|| file.clone());
                    assert!(*known == file, "{format}, {samples} samples, tiles of {tile}, {order}");
                    shuffle(&mut random, &mut pieces);
                }
            }
        }
    }
}

#[test]
fn a_picture_in_memory_is_that_of_the_file() {
    let image = Image::new(50, 40, 16, Order::Hilbert, ALL);
    let sink = PictureSink::new(image.options(2, Depth::Eight, &Settings::default())).unwrap();
    image.deliver(&sink, &image.in_order()).unwrap();
    let picture = sink.into_picture();
    let file = image.file(format("png"), image.options(2, Depth::Eight, &Settings::default()), &image.in_order());
    let (width, height, pixels) = decode(&file);
    assert_eq!((picture.width, picture.height), (width, height));
    assert!(picture.pixels.iter().copied().map(u16::from).eq(pixels));

    let directory = Directory::new("save");
    picture.save(directory.path("saved.png")).unwrap();
    picture.save(directory.path("saved.PPM")).unwrap();
    assert_eq!(decode(&fs::read(directory.path("saved.png")).unwrap()).2.len(), picture.pixels.len());
    let ppm = fs::read(directory.path("saved.PPM")).unwrap();
    assert!(ppm.starts_with(b"P6\n25 20\n255\n") && ppm.ends_with(&picture.pixels));
    assert!(matches!(picture.save(directory.path("saved.exr")), Err(Error::Usage(_))));
    assert_eq!(directory.names(), ["saved.PPM", "saved.png"]);
}

#[test]
fn a_png_carries_its_scene_and_says_that_it_is_srgb() {
    let image = Image::new(5, 4, 2, Order::Rows, ALL);
    let file = image.file(format("png"), image.options(1, Depth::Eight, &Settings::default()), &image.in_order());
    let reader = png::Decoder::new(Cursor::new(&file)).read_info().unwrap();
    let info = reader.info();
    let scene = info.utf8_text.iter().find(|text| text.keyword == SCENE_KEY).expect("the chunk is before the pixels");
    assert_eq!(scene.get_text().unwrap(), SCENE);
    assert!(
        info.uncompressed_latin1_text
            .iter()
            .any(|text| text.keyword == "Software" && text.text.starts_with("fractal "))
    );
    assert_eq!(info.srgb, Some(png::SrgbRenderingIntent::Perceptual));
}

#[test]
fn an_exr_holds_the_samples_as_others_read_them() {
    use exr::prelude::{FlatSamples, read_first_flat_layer_from_file};
    let directory = Directory::new("exr");
    let mut random = Random(5);
    let channels = [Channels::default(), Channels { smooth: true, distance: false }, ALL];
    for (format, channels) in ["exr", "exr-tiles"].into_iter().flat_map(|name| channels.map(|of| (format(name), of))) {
        let image = Image::new(145, 139, 16, Order::Hilbert, channels);
        let path = directory.path("samples.exr");
        let output = Output::create(&path).unwrap();
        let sink = ImageSink::new(format, output, image.options(1, Depth::Eight, &Settings::default())).unwrap();
        let mut pieces = image.in_order();
        shuffle(&mut random, &mut pieces);
        image.deliver(&sink, &pieces).unwrap();
        drop(sink);

        let file = std::io::BufReader::new(fs::File::open(&path).unwrap());
        let meta = exr::meta::MetaData::read_from_buffered(file, true).unwrap();
        let edge = match meta.headers[0].blocks {
            exr::meta::BlockDescription::Tiles(tiles) => tiles.tile_size.width(),
            exr::meta::BlockDescription::ScanLines => 0,
        };
        assert_eq!(edge, if format.name == "exr" { 0 } else { 64 });
        let read = read_first_flat_layer_from_file(&path).unwrap();
        let layer = &read.layer_data;
        assert_eq!((layer.size.x(), layer.size.y()), (145, 139));
        let scene = layer.attributes.other.iter().find(|(name, _)| **name == *SCENE_KEY).unwrap().1;
        let exr::meta::attribute::AttributeValue::Text(scene) = scene else { panic!("{scene:?}") };
        assert_eq!(scene.as_slice(), SCENE.as_bytes());
        let mut names = Vec::new();
        for channel in &layer.channel_data.list {
            names.push(channel.name.to_string());
            match (channel.name.to_string().as_str(), &channel.sample_data) {
                ("N", FlatSamples::U32(values)) => {
                    let stored = |n: u32| if n == INTERIOR { u32::MAX } else { n + 1024 };
                    assert!(values.iter().copied().eq(image.counts.iter().map(|&n| stored(n))));
                }
                ("NF", FlatSamples::F32(values)) => assert_eq!(*values, image.planes[0]),
                ("DEX", FlatSamples::F32(values)) => assert_eq!(*values, image.planes[1]),
                ("DEY", FlatSamples::F32(values)) => assert_eq!(*values, image.planes[2]),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(names.len(), channels.words(), "{names:?}");
    }
}

#[test]
fn an_exr_for_a_pipe_is_the_same_file() {
    let image = Image::new(145, 39, 16, Order::Rows, ALL);
    let options = || image.options(1, Depth::Eight, &Settings::default());
    for format in ["exr", "exr-tiles"].map(format) {
        let file = image.file(format, options(), &image.in_order());
        let (mut reader, writer) = std::io::pipe().unwrap();
        let sink = ImageSink::new(format, Output::create(descriptor(&writer)).unwrap(), options()).unwrap();
        drop(writer);
        let read = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
            bytes
        });
        image.deliver(&sink, &image.in_order()).unwrap();
        drop(sink);
        assert!(read.join().unwrap() == file);
    }
}

#[test]
fn samples_of_their_own_need_one_a_pixel() {
    let image = Image::new(8, 8, 4, Order::Rows, ALL);
    let refused = ImageSink::new(format("exr"), Output::memory(), image.options(2, Depth::Eight, &Settings::default()));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("exr") && message.contains("samples = 1"), "{message}");
}

#[test]
fn pixels_are_never_cut() {
    let image = Image::new(9, 9, 4, Order::Rows, ALL);
    for samples in [0, 2, 3] {
        let refused =
            ImageSink::new(format("png"), Output::memory(), image.options(samples, Depth::Eight, &Settings::default()));
        assert!(matches!(refused, Err(Error::Usage(_))), "{samples}");
    }
}

/// An empty directory of this test; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fractal-pictures-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(target_os = "linux")]
fn descriptor(pipe: &impl std::os::fd::AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", pipe.as_raw_fd()).into()
}

#[test]
fn a_file_appears_only_when_it_is_complete() {
    for format in OUTPUTS {
        let directory = Directory::new(&format!("complete-{}", format.name));
        let path = directory.path("picture");
        fs::write(&path, "what was there before").unwrap();
        let image = Image::new(40, 40, 16, Order::Rows, ALL);
        let options = || image.options(1, Depth::Eight, &Settings::default());
        let sink = || ImageSink::new(format, Output::create(&path).unwrap(), options()).unwrap();

        // Never started; stopped before the end; finished too early; complete.
        drop(sink());
        let stopped = sink();
        stopped.start(&RunInfo { pieces: 9, workers: 1, backend: "test" }).unwrap();
        stopped.done(&image.done(0, &image.piece(0), &[1])).unwrap();
        assert_eq!(directory.names().len(), 2);
        drop(stopped);
        assert!(image.deliver(&sink(), &[0, 1, 2, 5]).is_err());
        assert_eq!(directory.names(), ["picture"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "what was there before");
        image.deliver(&sink(), &image.in_order()).unwrap();
        assert_eq!(directory.names(), ["picture"]);
        assert!(fs::read(&path).unwrap() == image.file(format, options(), &image.in_order()), "{}", format.name);
    }
}

/// Large enough that writing fails before the end.
fn fail(path: &Path, format: &'static Format, before: impl FnOnce()) -> Error {
    let image = Image::new(600, 600, 20, Order::Rows, ALL);
    let options = image.options(1, Depth::Sixteen, &Settings::default());
    let sink = ImageSink::new(format, Output::create(path).unwrap(), options).unwrap();
    before();
    image.deliver(&sink, &image.in_order()).unwrap_err()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_closed_pipe_end_the_run() {
    for format in OUTPUTS {
        let error = fail(Path::new("/dev/full"), format, || ());
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull), "{error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");

        let (reader, writer) = std::io::pipe().unwrap();
        let path = descriptor(&writer);
        let error = fail(&path, format, || drop((reader, writer)));
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe), "{error}");
    }
}

#[test]
fn unwritable_outputs_are_refused_before_anything_is_computed() {
    let directory = Directory::new("unwritable");
    let file = directory.path("file");
    fs::write(&file, "").unwrap();
    let cases = [
        directory.0.clone(),
        directory.path("missing/picture.png"),
        directory.path("missing/"),
        file.join("picture.png"),
        directory.path(&format!("{}.png", "long".repeat(64))),
    ];
    for path in &cases {
        let error = Output::create(path).unwrap_err();
        assert!(matches!(error, Error::Io { action: "create", .. }), "{}: {error:?}", path.display());
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    assert!(matches!(Output::create(""), Err(Error::Usage(_))));
    assert_eq!(directory.names(), ["file"]);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_survive() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = Directory::new("links");
    let (file, link) = (directory.path("file.ppm"), directory.path("link.ppm"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file.ppm", &link).unwrap();
    let picture = Picture { width: 1, height: 1, pixels: vec![1, 2, 3] };
    picture.save(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"P6\n1 1\n255\n\x01\x02\x03");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // A name that is as long as names may be leaves no room for an addition.
    let long = directory.path(&format!("{}.ppm", "ä".repeat(125)));
    picture.save(&long).unwrap();
    assert_eq!(directory.names().len(), 3);
}

#[test]
fn two_outputs_of_one_name_do_not_meet() {
    use std::io::Write;
    let directory = Directory::new("twice");
    let path = directory.path("same.ppm");
    let (mut one, mut two) = (Output::create(&path).unwrap(), Output::create(&path).unwrap());
    one.write_all(b"one").unwrap();
    two.write_all(b"two").unwrap();
    assert_eq!(directory.names().len(), 2);
    two.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    one.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(directory.names(), ["same.ppm"]);
}

#[test]
fn formats_are_chosen_by_ending_or_by_name() {
    let chosen = |path: &str, name: Option<&str>| format_for(path, name).map(|format| format.name);
    assert_eq!(chosen("a.png", None).unwrap(), "png");
    assert_eq!(chosen("a.b/c.EXR", None).unwrap(), "exr");
    assert_eq!(chosen("-", None).unwrap(), "png");
    assert_eq!(chosen("a.png", Some("ppm")).unwrap(), "ppm");
    assert_eq!(chosen("a.png", Some("exr-tiles")).unwrap(), "exr-tiles");
    for (path, name) in [("a.bmp", None), ("png", None), ("", None), ("a.png", Some("bmp")), ("a.png", Some(""))] {
        let error = chosen(path, name).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        let known = |format: &Format| if name.is_some() { format.name } else { format.extension };
        assert!(OUTPUTS.iter().all(|format| error.to_string().contains(known(format))), "{error}");
        assert_eq!(error.to_string().matches(".exr").count(), usize::from(name.is_none()), "{error}");
    }
}

#[test]
fn unknown_colours_are_refused_and_known_ones_listed() {
    let refuse = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        match Colourer::new(&settings) {
            Err(Error::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let message = refuse(&|s| s.palette = "no\nsuch".into());
    assert!(
        PALETTES.iter().all(|palette| message.contains(palette.name)) && message.contains("no\\nsuch"),
        "{message}"
    );
    let message = refuse(&|s| s.colouring = "x".repeat(10_000_000));
    assert!(COLOURINGS.iter().all(|colouring| message.contains(colouring.name)) && message.len() < 300);
    assert!(refuse(&|s| s.interior = "blue".into()).contains("interior"));
    for bad in [f64::NAN, f64::INFINITY, -1e9] {
        assert!(refuse(&|s| s.density = bad).contains("density"));
        assert!(refuse(&|s| s.offset = bad).contains("offset"));
    }
    for palette in PALETTES {
        Colourer::new(&Settings { palette: palette.name.into(), ..Settings::default() }).unwrap();
    }
}
