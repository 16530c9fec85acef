//! A picture to be made, and where outputs go.

use fractal::Render;
use fractal::parallel::{Pieces, Shard};
use fractal::sink::Format;
use std::path::{Path, PathBuf};

/// A picture to be made, or a shard's part of one.
pub(super) struct Picture {
    /// The scene's short name, as shown.
    pub(super) name: String,
    pub(super) render: Render,
    pub(super) output: PathBuf,
    /// Whether the output's name was given, so that it may replace a file.
    pub(super) is_named: bool,
    pub(super) format: &'static Format,
    pub(super) owners: Option<(PathBuf, &'static Format)>,
    pub(super) shard: Option<Shard>,
    /// A file with fewer iterations, whose escaped samples are reused.
    pub(super) continued: Option<PathBuf>,
}

impl Picture {
    /// The tiles to compute.
    pub(super) fn wanted(&self) -> Pieces {
        Pieces::new(self.render.tiling().len(), self.shard)
    }
}

/// Whether several outputs can go to the same target, one after the other.
pub(super) fn is_device(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|found| !found.is_file() && !found.is_dir())
}
