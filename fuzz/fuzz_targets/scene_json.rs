//! Any text is a scene in JSON or refused; a scene that is accepted survives being written.
#![no_main]

use fractal::Scene;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Scene::from_json(text) {
        Ok(scene) => {
            assert_eq!(Scene::from_json(&scene.to_json()).expect("what was written is a scene"), scene);
            assert_eq!(Scene::from_toml(&scene.to_toml()).expect("what was written is a scene"), scene);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
