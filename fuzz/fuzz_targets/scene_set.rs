//! Any assignment changes a scene into another that is sound, or is refused and changes nothing.
#![no_main]

use fractal::Scene;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut scene = Scene::default();
    for assignment in text.lines() {
        let before = scene.clone();
        match scene.set(assignment) {
            Ok(()) => scene.check().expect("a scene that was set is sound"),
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                assert_eq!(scene, before);
            }
        }
    }
});
