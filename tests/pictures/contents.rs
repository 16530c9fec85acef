//! The contents of files: the same for every size and order of tiles, as other programs read them.

use super::*;

#[test]
fn a_picture_is_its_samples_mixed_in_linear_light() {
    for colouring in COLOURINGS {
        let settings = ColourSettings {
            colouring: colouring.name.into(),
            interior: "#123456".into(),
            ..ColourSettings::default()
        };
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
                    let file = image.file(
                        self::format(format),
                        image.options(samples, depth, &ColourSettings::default()),
                        &pieces,
                    );
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
    let sink = PictureSink::new(image.options(2, Depth::Eight, &ColourSettings::default())).unwrap();
    image.deliver(&sink, &image.in_order()).unwrap();
    let picture = sink.into_picture();
    let file = image.file(format("png"), image.options(2, Depth::Eight, &ColourSettings::default()), &image.in_order());
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
    let file = image.file(format("png"), image.options(1, Depth::Eight, &ColourSettings::default()), &image.in_order());
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
    let channels = [Channels::default(), Channels::SMOOTH, ALL];
    for (format, channels) in ["exr", "exr-tiles"].into_iter().flat_map(|name| channels.map(|of| (format(name), of))) {
        let image = Image::new(145, 139, 16, Order::Hilbert, channels);
        let path = directory.path("samples.exr");
        let output = Output::create(&path).unwrap();
        let sink = ImageSink::new(format, output, image.options(1, Depth::Eight, &ColourSettings::default())).unwrap();
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
    let options = || image.options(1, Depth::Eight, &ColourSettings::default());
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
    let refused =
        ImageSink::new(format("exr"), Output::memory(), image.options(2, Depth::Eight, &ColourSettings::default()));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("exr") && message.contains("samples = 1"), "{message}");
}

#[test]
fn pixels_are_never_cut() {
    let image = Image::new(9, 9, 4, Order::Rows, ALL);
    for samples in [0, 2, 3] {
        let refused = ImageSink::new(
            format("png"),
            Output::memory(),
            image.options(samples, Depth::Eight, &ColourSettings::default()),
        );
        assert!(matches!(refused, Err(Error::Usage(_))), "{samples}");
    }
}
