//! What the cores are measured with: scenes that are hard in different ways, and a synthetic one that is hard on schedules.

use super::work::Spin;
use crate::error::Result;
use crate::parallel::Work;
use crate::render::{Render, RenderOptions};
use crate::scene::Scene;
use crate::tile::{ORDERS, SampleSize, Tile, Tiling};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A scene as it is listed.
#[derive(Clone, Copy)]
pub struct Standard {
    /// Its name.
    pub name: &'static str,
    /// What is hard about it, in a line.
    pub help: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A scene without its size.
    Scene(&'static str),
    /// Pieces of `rounds` rounds; the last of `part` parts of them have `factor` times as many.
    Spin { rounds: u64, part: usize, factor: u64 },
}

/// All standard scenes.
pub const STANDARDS: &[Standard] = &[
    Standard {
        name: "whole",
        help: "the whole Mandelbrot set: a costly middle, cheap edges",
        kind: Kind::Scene("[view]\nre = \"-0.5\"\nwidth = \"3.0\"\n[iteration]\nmax = 2000"),
    },
    Standard {
        name: "valley",
        help: "far inside Seahorse Valley: all pieces are costly, and about equally so",
        kind: Kind::Scene(
            "[view]\nre = \"-0.743643887037151\"\nim = \"0.131825904205330\"\nwidth = \"5.1e-5\"\n[iteration]\nmax = 5000",
        ),
    },
    Standard {
        name: "exterior",
        help: "a view in which every sample escapes soon: cheap pieces",
        kind: Kind::Scene(
            "[view]\nre = \"-0.77568377\"\nim = \"0.13646737\"\nwidth = \"3e-4\"\n[iteration]\nmax = 2000",
        ),
    },
    Standard {
        name: "deep",
        help: "a view of width 1e-25, beyond 64-bit numbers: a serial part before the pieces",
        kind: Kind::Scene(
            // The samples take about 80 iterations, the reference orbit takes all.
            "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"1e-25\"\n[iteration]\nmax = 100000",
        ),
    },
    Standard {
        name: "costly-tail",
        help: "not a picture: the last hundredth of the pieces costs half of the total",
        kind: Kind::Spin { rounds: 20_000, part: 100, factor: 100 },
    },
];

/// The standard scene called `name`.
pub fn standard(name: &str) -> Option<&'static Standard> {
    STANDARDS.iter().find(|standard| standard.name == name)
}

impl Standard {
    /// The scene, of the usual size; `None` if it is not a picture.
    pub fn scene(&self) -> Option<Result<Scene>> {
        match self.kind {
            Kind::Scene(text) => Some(Scene::from_toml(text)),
            Kind::Spin { .. } => None,
        }
    }
}

/// What is measured: a work, and where its pieces lie.
#[derive(Clone)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub help: String,
    /// All of it.
    pub work: Arc<dyn Work>,
    /// A small part, to wake the workers and warm up code and memory.
    pub small: Arc<dyn Work>,
    /// The tiles, in the order of their numbers; none if it is not a picture.
    pub tiles: Vec<Tile>,
    /// How many pixels the picture has; 0 if it is not one.
    pub pixels: usize,
    /// How much work it is, in the unit of its kind: pixels, numbers, files, pieces.
    pub amount: u64,
    /// How many times as long as `small` it takes, about.
    pub scale: f64,
    /// How much work it is, relative to the same subject for one worker: 1, unless the work grows with the workers (weak scaling).
    pub growth: f64,
}

impl Subject {
    /// A standard scene of `size` pixels.
    ///
    /// # Errors
    /// Those of [`Subject::of_scene`].
    pub fn standard(standard: &Standard, size: (u32, u32), tile: u32) -> Result<Self> {
        match standard.kind {
            Kind::Scene(text) => {
                let mut scene = Scene::from_toml(text)?;
                (scene.image.size, scene.image.crop) = (size, None);
                Self::of_scene(standard.name, standard.help, &scene, tile)
            }
            Kind::Spin { rounds, part, factor } => {
                // As many pieces as a picture of this size would have.
                let pieces = (size.0.div_ceil(tile.max(1)) as usize * size.1.div_ceil(tile.max(1)) as usize).max(part);
                let work = Spin { pieces, rounds, costly_from: pieces - pieces / part, factor, bytes: 0 };
                Ok(Self {
                    name: standard.name.to_owned(),
                    help: standard.help.to_owned(),
                    work: Arc::new(work),
                    small: Arc::new(Spin::even(16, rounds)),
                    tiles: Vec::new(),
                    pixels: 0,
                    amount: pieces as u64,
                    scale: (pieces - pieces / part) as f64 / 16.0 + (pieces / part) as f64 * factor as f64 / 16.0,
                    growth: 1.0,
                })
            }
        }
    }

    /// Any scene.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn of_scene(name: &str, help: &str, scene: &Scene, tile: u32) -> Result<Self> {
        let options = RenderOptions { tile, ..RenderOptions::default() };
        let render = Render::with(scene, options)?;
        let mut small = scene.clone();
        small.image.crop = None;
        small.image.size = (scene.image.size.0.min(64), scene.image.size.1.min(64));
        let pixels = |scene: &Scene| scene.image.drawn().samples(1).area() as usize;
        let (pixels, few) = (pixels(scene), pixels(&small));
        let small = Render::with(&small, RenderOptions { tile: 8, ..options })?;
        let tiling = render.tiling();
        Ok(Self {
            name: name.to_owned(),
            help: help.to_owned(),
            work: render.work(),
            small: small.work(),
            tiles: (0..tiling.len()).map(|index| tiling.tile(index)).collect(),
            pixels,
            amount: pixels as u64,
            scale: pixels as f64 / few as f64,
            growth: 1.0,
        })
    }

    /// As a larger version of `small`, for weak scaling: its growth is the ratio of their amounts.
    #[must_use]
    pub fn grown_from(mut self, small: &Self) -> Self {
        self.growth = self.amount as f64 / small.amount as f64;
        self
    }

    /// For each order of tiles, its name and the numbers of its tiles here. What is not a picture has its own order only.
    pub fn orders(&self) -> Vec<(String, Vec<usize>)> {
        let own = || (0..self.work.len()).collect::<Vec<_>>();
        let (Some(width), Some(height)) = (
            self.tiles.iter().map(|tile| tile.x + tile.width).max(),
            self.tiles.iter().map(|tile| tile.y + tile.height).max(),
        ) else {
            return vec![("given".into(), own())];
        };
        let edge = self.tiles.iter().map(|tile| tile.width.max(tile.height)).max().unwrap_or(1);
        let numbers: HashMap<(u32, u32), usize> =
            self.tiles.iter().enumerate().map(|(number, tile)| ((tile.x, tile.y), number)).collect();
        let order = |&(order, name, _): &(_, &'static str, _)| {
            let tiling = Tiling::new(SampleSize { width, height }, edge, order).ok()?;
            let places = (0..tiling.len()).map(|index| tiling.tile(index));
            Some((
                name.to_owned(),
                places.map(|tile| numbers.get(&(tile.x, tile.y)).copied()).collect::<Option<Vec<_>>>()?,
            ))
        };
        ORDERS.iter().filter_map(order).collect()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).field("pieces", &self.work.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standard").field("name", &self.name).finish_non_exhaustive()
    }
}
