//! A picture that is to be made, and where outputs go.

use fractal::parallel::{Pieces, Shard};
use fractal::render::Render;
use fractal::sink::Format;
use std::path::{Path, PathBuf};

/// A picture that is to be made, or a shard's part of one.
pub(super) struct Picture {
    /// The scene's short name, as it is shown.
    pub(super) name: String,
    pub(super) render: Render,
    pub(super) output: PathBuf,
    /// Whether somebody typed the output's name, so that it may replace a file.
    pub(super) is_named: bool,
    pub(super) format: &'static Format,
    pub(super) owners: Option<(PathBuf, &'static Format)>,
    pub(super) shard: Option<Shard>,
    /// A file with fewer iterations, of which is taken what can be.
    pub(super) continued: Option<PathBuf>,
}

impl Picture {
    /// The tiles that are wanted.
    pub(super) fn wanted(&self) -> Pieces {
        Pieces::new(self.render.tiling().len(), self.shard)
    }
}

/// Whether several outputs can go to the same place, one after the other.
pub(super) fn is_device(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|found| !found.is_file() && !found.is_dir())
}
