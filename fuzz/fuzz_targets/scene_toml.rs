//! Any text is a scene in TOML or refused; a scene that is accepted survives being written.
#![no_main]

use fractal::Scene;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Scene::from_toml(text) {
        Ok(scene) => {
            assert_eq!(Scene::from_toml(&scene.to_toml()).expect("what was written is a scene"), scene);
            assert_eq!(Scene::from_json(&scene.to_json()).expect("what was written is a scene"), scene);
            scene.max_iterations();
            // Small, and at least two of everything.
            scene.view().plane(5, 4, 1).expect("every scene has a plane");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
