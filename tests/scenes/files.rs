//! Files that carry scenes, and named places.

use super::*;

#[test]
fn files_that_are_no_scenes_are_reported() {
    let folder = Folder::new();
    let (png, exr) = (picture(&plain(), "png"), picture(&plain(), "exr"));
    let foreign = |mark: &[u8], picture: &[u8]| {
        let mut bytes = picture.to_vec();
        let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
        bytes[at] ^= 1;
        bytes
    };
    let chunk = png.windows(4).position(|window| window == b"iTXt").unwrap();
    let without_scene = [
        &png[..chunk - 4],
        &png[chunk - 4 + 12 + u32::from_be_bytes(png[chunk - 4..chunk].try_into().unwrap()) as usize..],
    ]
    .concat();
    let long_text = [b"#".repeat(10 << 20), b"\n".to_vec()].concat();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("garbage", (0..=255).cycle().take(5000).collect(), "is neither a scene"),
        ("latin.toml", b"title = \"caf\xe9\"".to_vec(), "is neither a scene (TOML or JSON in UTF-8)"),
        ("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF".to_vec(), "is neither a scene"),
        ("page.html", b"<html></html>".to_vec(), "is not a scene: line 1, column "),
        ("long.toml", long_text, "is too long for a scene: at most 1048576 bytes are allowed"),
        ("long.bin", vec![0; 10 << 20], "is neither a scene"),
        ("empty.json", vec![], "is not a scene: line 1, column 0"),
        ("half.toml", full().to_toml().as_bytes()[..100].to_vec(), "is not a scene: line "),
        ("half.json", full().to_json().as_bytes()[..100].to_vec(), "is not a scene: line "),
        ("head.png", png[..8].to_vec(), "is a damaged PNG picture"),
        ("half.png", png[..chunk + 20].to_vec(), "is a damaged PNG picture"),
        ("bits.png", foreign(b"iTXt", &png), "PNG picture"),
        ("other.png", without_scene, "is a PNG picture without a scene: only pictures made by this program carry one"),
        ("head.exr", exr[..4].to_vec(), "is a damaged EXR picture"),
        ("half.exr", exr[..100].to_vec(), "is a damaged EXR picture"),
        ("other.exr", foreign(SCENE_KEY.as_bytes(), &exr), "is an EXR picture without a scene"),
    ];
    for (name, bytes, sentence) in cases {
        let path = folder.file(name, bytes);
        let message = fault(Scene::load(&path));
        assert!(message.contains(sentence) && message.contains(&path), "{name}: {message}");
    }
    let message = fault(Scene::load(folder.0.to_str().unwrap()));
    assert!(message.ends_with("is a directory, not a scene or a picture"), "{message}");
    let missing = Scene::load("no-such-place").unwrap_err();
    assert_eq!(missing.exit_code(), 2);
    assert!(missing.to_string().contains("there is no file or place `no-such-place`; the places are whole, "));
    for name in ["no-such-scene.toml", "no/such", "nul\0.toml"] {
        let missing = Scene::load(name).unwrap_err();
        assert!(matches!(missing, Error::Io { action: "read", .. }), "{missing:?}");
    }
    let file = folder.file("plain.toml", b"");
    assert_eq!(Scene::load(&file).unwrap(), Scene::default());
    let beneath = Scene::load(format!("{file}/scene.toml")).unwrap_err();
    assert!(matches!(beneath, Error::Io { action: "read", .. }), "{beneath:?}");
}

#[test]
fn a_small_file_cannot_unpack_to_a_large_scene() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    let mut text = png::text_metadata::ITXtChunk::new(SCENE_KEY, "#".repeat(50 * MAX_SCENE_BYTES));
    text.compressed = true;
    text.compress_text().unwrap();
    writer.write_text_chunk(&text).unwrap();
    writer.write_image_data(&[0]).unwrap();
    writer.finish().unwrap();
    assert!(bytes.len() < MAX_SCENE_BYTES);
    let message = fault(Scene::from_bytes(&bytes));
    assert!(message.contains("is a PNG picture whose scene cannot be unpacked"), "{message}");
}

#[test]
fn a_compressed_scene_is_read() {
    let mut bytes = Vec::new();
    let encoder = png::Encoder::new(&mut bytes, 1, 1);
    let mut writer = encoder.write_header().unwrap();
    let mut text = png::text_metadata::ITXtChunk::new(SCENE_KEY, full().to_json());
    text.compressed = true;
    text.compress_text().unwrap();
    writer.write_text_chunk(&text).unwrap();
    writer.write_image_data(&[0]).unwrap();
    writer.finish().unwrap();
    assert_eq!(Scene::from_bytes(&bytes).unwrap(), full());
}

#[test]
fn every_place_is_a_view_that_can_be_shown() {
    assert!(PLACES.len() >= 12);
    let names: BTreeSet<_> = PLACES.iter().map(|place| place.name).collect();
    assert_eq!(names.len(), PLACES.len());
    let mut deep = Vec::new();
    for place in PLACES {
        let scene = Scene::load(place.name).unwrap();
        assert_eq!(scene.name.as_deref(), Some(place.name));
        assert_eq!(Scene { name: None, title: None, ..scene.clone() }, Scene::from_toml(place.text).unwrap());
        let (width, height) = scene.image.size;
        assert_eq!((width, height), (1920, 1080));
        // 64-bit numbers show the shallow ones with room to spare.
        let log2_spacing = scene.view().log2_spacing(width, height);
        assert!(!(-60.0..-40.0).contains(&log2_spacing), "{}", place.name);
        deep.extend((log2_spacing < -60.0).then_some(log2_spacing));
        // Also at twice the usual size; the samples are those that make the first picture a good one.
        Render::new(&Scene { image: Image::new((3840, 2160), scene.image.samples), ..scene.clone() }).unwrap();
        assert!(scene.image.samples > 1 || ["whole", "dendrite"].contains(&place.name), "{}", place.name);
        Render::new(&scene).unwrap();
        assert!(!place.help.is_empty() && place.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    }
    assert!(deep.len() >= 12 && deep.iter().any(|spacing| *spacing < -3300.0), "{deep:?}");
}

#[test]
fn automatic_iterations_grow_with_depth() {
    let counts: Vec<_> = (0..4000).map(auto_max).collect();
    assert!(counts.is_sorted() && counts[0] == 1000 && counts[16] == 7400);
    assert!(auto_max(u32::MAX) <= 50_000_000);
    let mut scene = Scene::default();
    assert_eq!(scene.max_iterations(), 1000);
    scene.set("view.width=1e-300").unwrap();
    assert_eq!(scene.max_iterations(), auto_max(998));
    scene.set("max=77").unwrap();
    assert_eq!(scene.max_iterations(), 77);
}
