//! Any bytes after the mark of EXR are a picture with a scene, or are refused.
#![no_main]

use fractal::Scene;
use libfuzzer_sys::fuzz_target;

/// What every EXR picture begins with.
const MARK: &[u8] = b"\x76\x2f\x31\x01";

fuzz_target!(|bytes: &[u8]| {
    let file = [MARK, bytes.strip_prefix(MARK).unwrap_or(bytes)].concat();
    match Scene::from_bytes(&file) {
        Ok(scene) => scene.check().expect("a scene that was read is sound"),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
