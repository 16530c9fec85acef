//! The scenes that are measured: those of `bench`, and any other.

use super::super::args::SceneArgs;
use super::super::plan;
use fractal::bench::subject::{STANDARDS, Standard, Subject, standard};
use fractal::{Error, Result, Scene};
use std::ffi::OsStr;
use std::path::Path;

/// The scene of `bench` that is meant, unless there is a file of this name.
pub(super) fn of_bench(source: &OsStr) -> Option<&'static Standard> {
    source.to_str().and_then(standard).filter(|_| !Path::new(source).exists())
}

/// Any scene that is no such one. An error about an unknown name lists these too.
pub(super) fn other(source: &OsStr, replaced: &SceneArgs) -> Result<Scene> {
    plan::plain_scene(source, replaced).map_err(|error| match error {
        Error::Usage(text) if !Path::new(source).exists() && Scene::load(source).is_err() => {
            let names: Vec<&str> = STANDARDS.iter().map(|standard| standard.name).collect();
            Error::Usage(format!("{text}; and the scenes of `bench` are {}", names.join(", ")))
        }
        error => error,
    })
}

/// A scene as a subject under its own name.
pub(super) fn subject(source: &OsStr, scene: &Scene, tile: u32) -> Result<Subject> {
    Subject::of_scene(&plan::name(source, scene).to_string_lossy(), scene.title(), scene, tile)
}
