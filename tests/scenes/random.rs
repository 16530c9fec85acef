//! Any scene or file, however odd, is read or refused.

use super::*;

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
        max in prop_oneof![Just(MaxIterations::Auto), (1u64..9_000_000_000_000_000).prop_map(MaxIterations::Count)],
        names in (0..COLOURINGS.len(), 0..PALETTES.len()),
        numbers in (2.0f64..1e5, -10.0f64..10.0, -10.0f64..10.0),
    ) -> Scene {
        let mut scene = Scene { title, julia, formula: FORMULAS[formula].name.into(), ..Scene::default() };
        (scene.view.re, scene.view.im, scene.view.rotation) = (re, im, rotation);
        if let Some(extent) = extent {
            scene.set_extent(extent);
        }
        (scene.image.size, scene.image.samples) = (size, samples);
        let (right, down) = (size.0 / 3, size.1 / 2);
        let crop = [right, down, size.0 - right, size.1 - down];
        scene.image.crop = (samples % 2 == 0).then(|| crop.into());
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
