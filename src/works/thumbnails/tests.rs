//! Thumbnails of files that are made here, and of damaged ones.

use super::eighth::{self, Unread};
use super::picture::{Thumbnail, fitting, make};
use super::*;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageFormat};
use std::io::Cursor;

const OPTIONS: Options = Options { size: 16, encoding: None, full: false };

/// A camera's usual kind: half as many colour differences across and down, and restart markers.
const USUAL: &[u8] = include_bytes!("usual.jpg");

fn pixels(width: u32, height: u32) -> Vec<u8> {
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        [x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)].map(|channel| channel as u8)
    };
    (0..width * height).flat_map(pixel).collect()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    { encoder }.encode(&pixels(width, height), width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A folder for one test, which is removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fractal-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn thumbnail(path: &Path, options: &Options) -> Result<Thumbnail> {
    make(path, options, &mut Resizer::new(), &Stop::new())
}

#[test]
fn an_eighth_is_the_mean_of_each_block() {
    for bytes in [jpeg(203, 117), USUAL.to_vec()] {
        let full = image::load_from_memory(&bytes).unwrap().into_rgb8();
        let eighth = eighth::read(&bytes, &Stop::new()).unwrap();
        assert_eq!((eighth.full, eighth.channels), (full.dimensions(), 3));
        // Two by two blocks may share their colour differences.
        let (width, height) = (full.width() / 16, full.height() / 16);
        let mut sum = 0;
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            for channel in 0..3 {
                let all = (0..256).map(|i| u32::from(full.get_pixel(16 * x + i % 16, 16 * y + i / 16).0[channel]));
                let ours = (0..4).map(|i| {
                    let pixel = (2 * y + i / 2) * eighth.size.0 + 2 * x + i % 2;
                    u32::from(eighth.pixels[pixel as usize * 3 + channel])
                });
                sum += (all.sum::<u32>() / 256).abs_diff(ours.sum::<u32>() / 4);
            }
        }
        let difference = f64::from(sum) / f64::from(3 * width * height);
        assert!(difference < 1.0, "{difference} on average");
    }
}

#[test]
fn damaged_files_are_reported_and_end_nothing() {
    let mut kinds = [0; 2];
    for len in 0..USUAL.len() {
        match eighth::read(&USUAL[..len], &Stop::new()) {
            Ok(_) => kinds[0] += 1,
            Err(why) => kinds[1] += usize::from(why != Unread::Stopped),
        }
        let mut flipped = USUAL.to_vec();
        flipped[len] ^= 0xff;
        let _ = eighth::read(&flipped, &Stop::new());
    }
    // Without the marker at its end, all data are there.
    assert!(kinds[0] <= 8 && kinds[1] > USUAL.len() - 9, "{kinds:?}");
    assert_eq!(
        eighth::read(USUAL, &{
            let stop = Stop::new();
            stop.set();
            stop
        })
        .unwrap_err(),
        Unread::Stopped
    );
}

#[test]
fn files_become_small_and_keep_what_they_show() {
    let folder = Folder::new("thumbnails-formats");
    let shape = |made: &Thumbnail| {
        let picture = image::load_from_memory(&made.bytes).unwrap();
        (made.encoding, (picture.width(), picture.height()))
    };
    let large = folder.put("large.jpg", &jpeg(640, 320));
    let (small, full) = (thumbnail(&large, &OPTIONS).unwrap(), Options { full: true, ..OPTIONS });
    assert_eq!((shape(&small), small.pixels), ((Encoding::Jpeg, (16, 8)), 640 * 320));
    let [one, other] = [small, thumbnail(&large, &full).unwrap()]
        .map(|made| image::load_from_memory(&made.bytes).unwrap().into_rgb8());
    let difference = one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(difference < 24, "decoded at an eighth and at full size: {difference}");

    let mut picture = image::RgbaImage::from_pixel(40, 20, image::Rgba([200, 0, 0, 255]));
    let encoded = |picture: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let opaque = encoded(&picture.clone().into(), ImageFormat::Png);
    picture.get_pixel_mut(3, 3).0[3] = 0;
    let transparent = encoded(&picture.into(), ImageFormat::WebP);
    // The ending of a name says nothing.
    let (opaque, transparent) = (folder.put("opaque.webp", &opaque), folder.put("transparent.jpg", &transparent));
    assert_eq!(shape(&thumbnail(&opaque, &OPTIONS).unwrap()), (Encoding::Jpeg, (16, 8)));
    assert_eq!(shape(&thumbnail(&transparent, &OPTIONS).unwrap()), (Encoding::Png, (16, 8)));
    let jpeg = Options { encoding: Some(Encoding::Jpeg), size: 999, full: false };
    assert_eq!(shape(&thumbnail(&transparent, &jpeg).unwrap()), (Encoding::Jpeg, (40, 20)), "never enlarged");
    assert_eq!([fitting((1000, 1), 64), fitting((3000, 4000), 64), fitting((64, 9), 64)], [(64, 1), (48, 64), (64, 9)]);
}

#[test]
fn pictures_are_turned_as_the_camera_was_held() {
    // A segment that says: the right side is up.
    let exif = *b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let folder = Folder::new("thumbnails-turned");
    for (width, height) in [(640, 320), (60, 30)] {
        let plain = jpeg(width, height);
        let turned = [&plain[..2], &exif, &plain[2..]].concat();
        let made = thumbnail(&folder.put("turned.jpg", &turned), &OPTIONS).unwrap();
        let picture = image::load_from_memory(&made.bytes).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (8, 16));
        // Red grows to the right, and now to the bottom.
        assert!(picture.get_pixel(4, 14).0[0] > picture.get_pixel(4, 1).0[0] + 100);
    }
}

#[test]
fn hostile_files_are_refused_before_they_take_memory() {
    let folder = Folder::new("thumbnails-hostile");
    let png = |size: u32, depth: u8| {
        let chunk = |name: &[u8], data: &[u8]| {
            let body = [name, data].concat();
            [&(data.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
        };
        let head = [&size.to_be_bytes()[..], &size.to_be_bytes(), &[depth, 6, 0, 0, 0]].concat();
        [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &head), &chunk(b"IDAT", b""), &chunk(b"IEND", b"")].concat()
    };
    let mut bomb = jpeg(640, 320);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xc3, 0x50, 0xc3, 0x50]);
    let cut = jpeg(640, 320);
    for (bytes, why) in [
        (&png(50_000, 8)[..], "has 50000 × 50000 pixels; allowed are at most 268 million"),
        (&png(16_000, 16), "has 16000 × 16000 pixels, which would take 1953 MB of memory; allowed are 512 MB"),
        (&bomb, "has 50000 × 50000 pixels"),
        (&cut[..cut.len() / 2], "is damaged: it ends too early"),
        (&png(8, 8), "cannot be decoded: "),
        (b"hello", "is not a picture of format JPEG, PNG or WebP"),
        (b"", "is not a picture of format JPEG, PNG or WebP"),
    ] {
        let error = thumbnail(&folder.put("a.jpg", bytes), &OPTIONS).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains('\n'), "{error}");
    }
    assert!(thumbnail(&folder.0, &OPTIONS).unwrap_err().to_string().contains("is not a regular file"));
    assert!(Thumbnails::new(&folder.0, vec![], Options { size: 0, ..OPTIONS }).is_err());
    assert!(Thumbnails::from_recipe(b"{}").is_err());
}
