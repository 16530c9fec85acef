//! Scenes: every way of reading one gives the same scene or one sentence that says why not, and never a panic.

use fractal::colour::{COLOURINGS, Depth, PALETTES};
use fractal::formula::FORMULAS;
use fractal::number::Decimal;
use fractal::parallel::Stop;
use fractal::render::Render;
use fractal::scene::{Extent, KEYS, MAX_SCENE_BYTES, MaxIterations, PLACES, Quality, auto_max};
use fractal::sink::{Format, ImageSink, Output, SCENE_KEY};
use fractal::{Error, Scene};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of a test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fractal-scenes-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The path of a new file in it, as text.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A scene in which every key is given and none has its default.
fn full() -> Scene {
    Scene::from_toml(
        r##"
        version = 1
        name = "full"
        title = "Æverything"
        formula = "multibrot"
        power = 5
        julia = ["-0.80", "1.56e-1"]
        [view]
        re = "-0.743643887037151000000000000000000000001"
        im = "+.131825904205330"
        width = "5.1e-5"
        rotation = 30.1
        [image]
        size = [20, 10]
        samples = 2
        [iteration]
        max = 500
        escape_radius = 128.5
        quality = "exact"
        [colour]
        colouring = "bands"
        palette = "ember"
        interior = "#102030"
        density = 0.1
        offset = 0.3
        "##,
    )
    .unwrap()
}

/// The same with one sample per pixel, as raw data needs it.
fn plain() -> Scene {
    let mut scene = full();
    scene.image.samples = 1;
    scene
}

/// A picture of a scene in a format of ours.
fn picture(scene: &Scene, format: &str) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.0.join("picture");
    let render = Render::new(scene).unwrap();
    let output = Output::create(&path).unwrap();
    let sink = ImageSink::new(Format::named(format).unwrap(), output, render.image_options(Depth::Eight)).unwrap();
    render.run_here(Arc::new(sink), &Stop::default()).unwrap();
    fs::read(path).unwrap()
}

/// The message of an input error in one line of a bearable length.
fn fault(result: fractal::Result<Scene>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error:?}");
    let message = error.to_string();
    assert!(!message.chars().any(char::is_control) && message.len() < 1200, "{message}");
    message
}

#[test]
fn scenes_survive_every_form() {
    for scene in [full(), Scene::default()] {
        assert_eq!(Scene::from_toml(&scene.to_toml()).unwrap(), scene);
        assert_eq!(Scene::from_json(&scene.to_json()).unwrap(), scene);
        assert_eq!(Scene::from_bytes(scene.to_toml().as_bytes()).unwrap(), scene);
        assert_eq!(Scene::from_bytes(scene.to_json().as_bytes()).unwrap(), scene);
    }
    assert!(full().to_toml().contains("re = \"-0.743643887037151000000000000000000000001\""));
}

#[test]
fn pictures_are_scenes() {
    let folder = Folder::new();
    for format in ["png", "exr"] {
        // The name of the file says nothing: content decides.
        let path = folder.file("some.toml", &picture(&plain(), format));
        assert_eq!(Scene::load(&path).unwrap(), plain(), "{format}");
    }
}

#[test]
fn every_key_can_be_set_and_no_other() {
    let mut table = toml::Table::try_from(full()).unwrap();
    let zoom = toml::Table::try_from(Scene::from_toml("[view]\nzoom = \"7e3\"").unwrap()).unwrap();
    table["view"].as_table_mut().unwrap().insert("zoom".into(), zoom["view"]["zoom"].clone());
    let mut names = BTreeSet::new();
    let mut scene = Scene::default();
    for (name, value) in &table {
        for (name, value) in match value.as_table() {
            Some(table) => table.iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect(),
            None => vec![(name.clone(), value)],
        } {
            // As a file has it, and bare.
            for value in [value.to_string(), value.as_str().map_or(value.to_string(), String::from)] {
                scene.set(&format!("{name}={value}")).unwrap();
            }
            names.insert(name);
        }
    }
    assert_eq!(names, KEYS.iter().map(|key| key.name.to_string()).collect());
    scene.set("view.width=5.1e-5").unwrap();
    assert_eq!(scene, full());
}

#[test]
fn values_are_typed_as_people_do() {
    let mut scene = Scene::default();
    for assignment in ["size=640x480", "max=5000", "re = -0.5", "julia=-0.8, 0.156", "quality=draft"] {
        scene.set(assignment).unwrap();
    }
    assert_eq!(scene.image.size, (640, 480));
    assert_eq!(scene.iteration.max, MaxIterations::Count(5000));
    assert_eq!(scene.view.re.as_ref().unwrap().as_str(), "-0.5");
    assert_eq!(scene.julia.as_ref().unwrap()[1].as_str(), "0.156");
    assert_eq!(scene.iteration.quality, Quality::Draft);
    scene.set("zoom=1e3").unwrap();
    scene.set("width=0.1").unwrap();
    assert_eq!((&scene.view.zoom, scene.view().extent), (&None, Extent::Width("0.1".parse().unwrap())));
    for assignment in ["julia=none", "max=auto", "name=", "size=[640,480]"] {
        scene.set(assignment).unwrap();
    }
    assert_eq!((scene.julia, scene.iteration.max), (None, MaxIterations::Auto));
}

#[test]
fn what_cannot_be_set_is_told() {
    let huge = "7".repeat(200_000);
    let cases = [
        ("", "`` sets nothing: `key=value` is wanted, for example `iteration.max=5000`"),
        ("max", "`max` sets nothing"),
        ("depth=5", "there is no key `depth` in a scene; the keys are version, name"),
        ("view=1", "there is no key `view`"),
        ("max=-1", "`iteration.max` cannot be `-1`: a whole number from 1 to 4294966270, or auto is wanted"),
        ("max=0", "`iteration.max` is 0, but must be 1 to 4294966270, or \"auto\""),
        ("max=5e3", "cannot be `5e3`"),
        ("size=5", "`image.size` cannot be `5`: width and height in pixels such as 1920x1080 is wanted"),
        ("size=0x5", "`image.size` is 0x5, but both must be at least 1"),
        ("size=4294967296x5", "`image.size` cannot be `4294967296x5`"),
        ("size=4294967295x1", "their product at most"),
        ("samples=0", "`image.samples` is 0, but must be 1 to 16"),
        ("re=NaN", "`view.re`: `NaN` is not a decimal number such as -0.75 or 5.1e-5"),
        ("re=inf", "`view.re`: `inf` is not a decimal number"),
        ("re=1e100", "`view.re` is out of range: its absolute value must be below 1e100"),
        (&format!("im={huge}"), "`view.im`: a number of 200000 digits is too long: at most 100000 are allowed"),
        ("width=0", "`view.width` is out of range: it must be above 0"),
        ("width=-1", "`view.width` is out of range"),
        ("zoom=0.0", "`view.zoom` is out of range"),
        ("rotation=NaN", "`view.rotation` is NaN, but must be -1000000 to 1000000"),
        ("rotation=left", "`view.rotation` cannot be `left`: degrees such as 45 is wanted"),
        ("julia=1", "`julia` cannot be `1`: two decimal numbers such as -0.8,0.156, or none is wanted"),
        ("julia=1,x", "`julia`: `x` is not a decimal number"),
        ("quality=best", "`iteration.quality` cannot be `best`: draft, normal or exact is wanted"),
        ("escape_radius=1", "`iteration.escape_radius` is 1, but must be more than 1"),
        ("escape_radius=inf", "`iteration.escape_radius` is inf"),
        ("version=2", "`version` is 2, but only version 1 of scenes is known"),
        ("power=9", "`power` is 9, but must be 2 for formula `mandelbrot`"),
        ("formula=newton", "unknown formula `newton`"),
        ("palette=mud", "palette"),
        ("title=a\nb", "`title` must be one line"),
    ];
    for (assignment, sentence) in cases {
        let mut scene = Scene::default();
        let error = scene.set(assignment).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        let message = error.to_string();
        assert!(message.contains(sentence), "`{assignment}` gives {message}");
        assert!(message.len() < 700 && !message.contains('\n'), "{message}");
        assert_eq!(scene, Scene::default());
    }
}

#[test]
fn wrong_toml_is_told_with_its_place() {
    let huge = format!("[view]\nre = \"{}\"", "7".repeat(200_000));
    let deep = format!("julia = {}", "[".repeat(10_000));
    let cases = [
        (
            "version = 1\nformla = \"celtic\"",
            "line 2, column 1: unknown key `formla`, expected one of `version`, `name`",
        ),
        ("[view]\nre = \"0\"\nzom = \"1\"", "line 3, column 1: unknown key `zom`, expected one of `re`, `im`, `width`"),
        ("[camera]\n", "line 1, column 2: unknown key `camera`"),
        ("power = \"five\"", "line 1, column 9: invalid type: string \"five\", expected a whole number"),
        ("[image]\nsize = [5]", "expected a list of two numbers"),
        ("[image]\nsize = [0, 5]", "`image.size` is 0x5, but both must be at least 1"),
        ("[image]\nsize = [4294967296, 5]", "line 2, column 9: invalid value: integer `4294967296`"),
        ("[image]\nsize = \"5x5\"", "line 2, column 8: invalid type: string \"5x5\", expected a list of two numbers"),
        ("[image]\nsamples = 1.5", "expected a whole number"),
        (
            "[iteration]\nmax = \"many\"",
            "line 2, column 7: invalid value: string \"many\", expected a whole number from 1",
        ),
        ("[iteration]\nmax = -5", "expected a whole number from 1 to 4294966270, or \"auto\""),
        ("[iteration]\nmax = 99999999999", "expected a whole number from 1 to 4294966270, or \"auto\""),
        ("[iteration]\nquality = \"best\"", "unknown name `best`, expected one of `draft`, `normal`, `exact`"),
        ("[iteration]\nescape_radius = nan", "`iteration.escape_radius` is NaN"),
        ("julia = [\"1\"]", "expected a list of two numbers"),
        ("julia = [\"1\", \"2\", \"3\"]", "line 1, column 9: invalid length 3, expected a list of two numbers"),
        ("julia = \"1,2\"", "expected a list of two numbers"),
        ("[view]\nre = \"0,5\"", "line 2, column 6: `0,5` is not a decimal number such as -0.75 or 5.1e-5"),
        ("[view]\nre = nan", "`NaN` is not a decimal number"),
        ("[view]\nre = inf", "`inf` is not a decimal number"),
        ("[view]\nre = true", "expected a decimal number in quotes"),
        ("[view]\nre = [\"1\"]", "expected a decimal number in quotes"),
        ("[view]\nre = 0.12345678901234567", "more digits than a plain number keeps, write it in quotes"),
        ("[view]\nre = -0.75000000000000000001", "`view.re`: -0.75000000000000000001 has more digits"),
        ("julia = [0.25, 1.0000000000000000000]", "`julia`: 1.0000000000000000000 has more digits"),
        ("[view]\nwidth = \"1\"\nzoom = \"1\"", "`view.width` and `view.zoom` are both given"),
        ("[view]\nwidth = \"-3\"", "`view.width` is out of range: it must be above 0 and below 1e100"),
        ("name = \"a\\nb\"", "`name` must be one line of at most 1000 bytes"),
        ("version = 1\nversion = 1", "line 2, column 1: duplicate key"),
        ("version = ", "line 1, column 11: "),
        ("formula", "line 1, column 8: "),
        ("\"", "line 1, column "),
        (&huge, "line 2, column 6: a number of 200000 digits is too long"),
        (&deep, "line 1, column "),
    ];
    for (text, sentence) in cases {
        let message = fault(Scene::from_toml(text));
        assert!(message.contains(sentence), "{text:.80} gives: {message}");
    }
}

#[test]
fn wrong_json_is_told_with_its_place() {
    let deep = format!("{{\"view\":{}", "{\"re\":".repeat(10_000));
    let cases = [
        ("", "line 1, column 0: "),
        ("{", "line 1, column 1: EOF"),
        ("[1]", "line 1, column "),
        ("{}}", "line 1, column 3: trailing characters"),
        ("{\n \"formla\": 1}", "line 2, column 9: unknown key `formla`, expected one of `version`"),
        ("{\"version\":1,\"version\":1}", "duplicate key `version`"),
        ("{\"image\":{\"size\":[0,1]}}", "`image.size` is 0x1"),
        ("{\"image\":{\"size\":4}}", "expected a list of two numbers"),
        ("{\"view\":{\"re\":1e999}}", "line 1, column "),
        ("{\"view\":{\"re\":-0.75000000000000000001}}", "`view.re`: -0.75000000000000000001 has more digits"),
        ("{\"view\":{\"re\":null, \"width\":\"x\"}}", "`x` is not a decimal number"),
        (&deep, "line 1, column "),
    ];
    for (text, sentence) in cases {
        let message = fault(Scene::from_json(text));
        assert!(message.contains(sentence), "{text:.80} gives: {message}");
    }
}

#[test]
fn plain_numbers_are_taken_where_nothing_is_lost() {
    let scene = Scene::from_toml("julia = [-0.8, 1]\n[view]\nre = -0.75\nim = 0\nwidth = 5.1e-5").unwrap();
    let json = "{\"julia\":[-0.8,1],\"view\":{\"re\":-0.75,\"im\":0,\"width\":5.1e-5}}";
    assert_eq!(Scene::from_json(json).unwrap(), scene);
    let same = |decimal: &Option<Decimal>, text: &str| {
        assert_eq!(decimal.as_ref().unwrap().to_f64(), text.parse::<f64>().unwrap());
    };
    same(&scene.view.re, "-0.75");
    same(&scene.view.im, "0");
    same(&scene.view.width, "5.1e-5");
    assert_eq!(scene.julia.unwrap()[0].as_str(), "-0.8");
}

#[test]
fn files_that_are_no_scenes_are_told() {
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
    assert!(missing.to_string().contains("there is no file and no place `no-such-place`; the places are whole, "));
    for name in ["no-such-scene.toml", "no/such", "nul\0.toml"] {
        let missing = Scene::load(name).unwrap_err();
        assert!(matches!(missing, Error::Io { action: "read", .. }), "{missing:?}");
    }
    let file = folder.file("plain.toml", b"");
    assert_eq!(Scene::load(&file).unwrap(), Scene::default());
    let beneath = Scene::load(&format!("{file}/scene.toml")).unwrap_err();
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
fn every_place_is_a_view_that_numbers_of_64_bits_show() {
    assert!(PLACES.len() >= 12);
    let names: BTreeSet<_> = PLACES.iter().map(|place| place.name).collect();
    assert_eq!(names.len(), PLACES.len());
    for place in PLACES {
        let scene = Scene::load(place.name).unwrap();
        assert_eq!(scene.name.as_deref(), Some(place.name));
        assert_eq!(Scene { name: None, title: None, ..scene.clone() }, Scene::from_toml(place.text).unwrap());
        let (width, height) = scene.image.size;
        assert_eq!((width, height), (1920, 1080));
        assert!(scene.view().spacing(width, height) >= 1e-12, "{}", place.name);
        Render::new(&scene).unwrap();
        assert!(!place.help.is_empty() && place.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    }
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

fn decimal() -> impl Strategy<Value = Decimal> {
    "-?[0-9]{1,20}(\\.[0-9]{0,60})?([eE]-?[0-7]?[0-9])?".prop_map(|text| text.parse().unwrap())
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        "[1-9]\\.[0-9]{0,40}(e-[0-9]{1,4})?".prop_map(|text| Extent::Width(text.parse().unwrap())),
        "[1-9]\\.[0-9]{0,40}(e[0-9]{1,4})?".prop_map(|text| Extent::Zoom(text.parse().unwrap())),
    ]
}

prop_compose! {
    fn scene()(
        formula in 0..FORMULAS.len(),
        title in proptest::option::of("\\PC{0,40}"),
        julia in proptest::option::of([decimal(), decimal()]),
        re in proptest::option::of(decimal()),
        im in proptest::option::of(decimal()),
        extent in proptest::option::of(extent()),
        rotation in -1e6f64..1e6,
        size in (1u32..5000, 1u32..5000),
        samples in 1u32..17,
        max in prop_oneof![Just(MaxIterations::Auto), (1u32..4_000_000_000).prop_map(MaxIterations::Count)],
        names in (0..COLOURINGS.len(), 0..PALETTES.len()),
        numbers in (2.0f64..1e5, -10.0f64..10.0, -10.0f64..10.0),
    ) -> Scene {
        let mut scene = Scene { title, julia, formula: FORMULAS[formula].name.into(), ..Scene::default() };
        (scene.view.re, scene.view.im, scene.view.rotation) = (re, im, rotation);
        if let Some(extent) = extent {
            scene.set_extent(extent);
        }
        (scene.image.size, scene.image.samples) = (size, samples);
        (scene.iteration.max, scene.iteration.escape_radius) = (max, numbers.0);
        (scene.colour.density, scene.colour.offset) = (numbers.1, numbers.2);
        scene.colour.colouring = COLOURINGS[names.0].name.into();
        scene.colour.palette = PALETTES[names.1].name.into();
        scene
    }
}

/// Bytes of a valid file in which some were changed, removed or repeated.
fn damaged(bytes: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(at, kind, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at % bytes.len();
        match kind % 5 {
            0 => bytes[at] = value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes.truncate(at),
            3 => {
                bytes.drain(at..(at + usize::from(value)).min(bytes.len()));
            }
            _ => {
                let part = bytes[at..(at + usize::from(value)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Where and how to damage a file: mostly near its beginning, where the formats have their structure.
fn changes() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    proptest::collection::vec((prop_oneof![0usize..600, any::<usize>()], any::<u8>(), any::<u8>()), 1..8)
}

/// Reads bytes in every way; only that it returns is asked, and that what it accepts is a scene.
fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for scene in [Scene::from_bytes(bytes), Scene::from_toml(&text), Scene::from_json(&text)] {
        match scene {
            Ok(scene) => {
                scene.check().unwrap();
                assert_eq!(Scene::from_toml(&scene.to_toml()).unwrap(), scene);
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    if let Ok(decimal) = text.parse::<Decimal>() {
        decimal.to_f64();
    }
    let mut scene = Scene::default();
    if scene.set(&text).is_ok() {
        scene.check().unwrap();
    }
}

proptest! {
    #[test]
    fn any_scene_survives_every_form(scene in scene()) {
        scene.check().unwrap();
        prop_assert_eq!(&Scene::from_toml(&scene.to_toml()).unwrap(), &scene);
        prop_assert_eq!(&Scene::from_json(&scene.to_json()).unwrap(), &scene);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "[\\PC\n]{0,100}") {
        read(text.as_bytes());
    }

    #[test]
    fn any_assignment_is_read_without_panic(key in 0..KEYS.len(), value in "(\\PC{0,30}|[-+0-9.eExX,\\[\\]\"]{0,20})") {
        read(format!("{}={value}", KEYS[key].name).as_bytes());
    }

    #[test]
    fn damaged_texts_are_read_without_panic(changes in changes()) {
        read(&damaged(full().to_toml().as_bytes(), &changes));
        read(&damaged(full().to_json().as_bytes(), &changes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_pictures_are_read_without_panic(changes in changes()) {
        static PICTURES: std::sync::LazyLock<[Vec<u8>; 2]> =
            std::sync::LazyLock::new(|| [picture(&plain(), "png"), picture(&plain(), "exr")]);
        for picture in &*PICTURES {
            let _ = Scene::from_bytes(&damaged(picture, &changes));
        }
    }
}
