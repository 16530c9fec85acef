//! Scenes: every way of reading one gives the same scene, or one sentence that says why not, and never panics.

mod files;
mod random;
mod text;

use fractal::colour::{COLOURINGS, Depth, PALETTES};
use fractal::formula::FORMULAS;
use fractal::parallel::Stop;
use fractal::scene::{Decimal, Extent, Image, KEYS, MAX_SCENE_BYTES, MaxIterations, PLACES, Quality, auto_max};
use fractal::sink::{Format, ImageSink, Output, SCENE_KEY};
use fractal::{Error, Render, Scene};
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
        crop = [3, 2, 10, 8]
        [iteration]
        max = 500
        escape_radius = 128.5
        quality = "exact"
        precision = "f64"
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
