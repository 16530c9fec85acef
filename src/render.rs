//! Scene + backend + sinks → picture: the front door of the library.

mod continued;
mod keep;
mod recipe;

pub use continued::{Escaped, Known};
pub use recipe::{KIND, KINDS, from_recipe, size_of_recipe};

use crate::backend::{self, Session};
use crate::colour::{Colourer, Depth};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::{Counters, Isa, Kernel, Wanted, choose};
use crate::parallel::{Claim, Pieces, Prepared, PreparedOnce, Preparing, Recipe, Report, Sink, Stop, Work};
use crate::sample::Channels;
use crate::scene::Scene;
use crate::sink::{ImageOptions, Picture, PictureSink, Tiles};
use crate::tile::{Order, Tile, Tiling};
use recipe::Ingredients;
use std::fmt;
use std::sync::Arc;

/// How a scene is computed; nothing here changes a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The edge of a tile in pixels; beyond the image's size for one tile.
    pub tile: u32,
    /// The order of the tiles.
    pub order: Order,
    /// The instruction set; `None` for `FRACTAL_ISA`, then the best of this machine.
    pub isa: Option<Isa>,
    /// What is computed beside what the colouring needs.
    pub channels: Channels,
}

/// The edge of a tile in pixels unless something else is asked for.
pub const DEFAULT_TILE: u32 = 64;

impl Default for Options {
    fn default() -> Self {
        Self { tile: DEFAULT_TILE, order: Order::default(), isa: None, channels: Channels::default() }
    }
}

/// Renders a scene with all cores: the picture, in memory. Nothing is printed; in a debug build it takes long unless this crate is
/// optimised, as the [front page](crate) says.
///
/// # Errors
/// When the scene cannot be rendered: [`Render::with`] says which can.
pub fn render(scene: &Scene) -> Result<Picture> {
    Render::new(scene)?.picture()
}

/// A scene that has been checked and planned: which kernel computes it and into which tiles it is cut.
#[derive(Clone, Debug)]
pub struct Render {
    scene: Arc<Scene>,
    colourer: Arc<Colourer>,
    work: Arc<RenderWork>,
}

/// What a run of a [`Render`] tells.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it cost, worker by worker.
    pub report: Report,
    /// What happened inside the kernel.
    pub counters: Counters,
}

impl Outcome {
    fn new(report: Report) -> Self {
        Self { counters: Counters::from_numbers(&report.counts()), report }
    }
}

impl Render {
    /// Plans `scene` with default options.
    ///
    /// # Errors
    /// As [`Render::with`].
    pub fn new(scene: &Scene) -> Result<Self> {
        Self::with(scene, Options::default())
    }

    /// Plans `scene`.
    ///
    /// # Errors
    /// [`Error::Usage`] for names and numbers that are not allowed, [`Error::Unsupported`] for a view too small for the
    /// kernels that there are.
    pub fn with(scene: &Scene, options: Options) -> Result<Self> {
        Self::plan(scene, options, None, false, choose::kernel)
    }

    /// Plans `scene` with a formula of your own in place of the one that it names.
    ///
    /// # Errors
    /// As [`Render::with`].
    pub fn with_formula<F: Formula>(scene: &Scene, options: Options, formula: F) -> Result<Self> {
        Self::plan(scene, options, None, true, |request| choose::kernel_for(request, formula))
    }

    /// Plans `scene` with a kernel of your own. Backends whose workers are other processes cannot run it.
    ///
    /// # Errors
    /// As [`Render::with`], and what `kernel` returns.
    pub fn with_kernel(
        scene: &Scene,
        options: Options,
        kernel: impl FnOnce(&choose::Request) -> Result<Arc<dyn Kernel>>,
    ) -> Result<Self> {
        Self::plan(scene, options, None, true, kernel)
    }

    /// A coarse picture of this one: the samples in the middle of squares of `grain` × `grain`, as this render computes them, in tiles of
    /// `tile` × `tile` samples. It is for looking at its samples only; workers in other processes cannot compute it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a render with a kernel or formula of your own.
    pub fn coarse(&self, grain: u32, tile: u32) -> Result<Self> {
        if self.work.own_kernel {
            return Err(Error::Unsupported("there is no coarse picture of a render with a kernel of its own".into()));
        }
        let options = Options { tile, ..self.work.options };
        Ok(Self::plan(&self.scene, options, Some(grain.max(1)), true, choose::kernel)?.sharing(self))
    }

    /// With what `other`'s kernel prepared; before anybody has its work.
    fn sharing(mut self, other: &Self) -> Self {
        if let Some(work) = Arc::get_mut(&mut self.work) {
            work.tables = other.work.tables.clone();
        }
        self
    }

    fn plan(
        scene: &Scene,
        options: Options,
        coarse: Option<u32>,
        own_kernel: bool,
        kernel: impl FnOnce(&choose::Request) -> Result<Arc<dyn Kernel>>,
    ) -> Result<Self> {
        scene.check()?;
        let colourer = Colourer::new(&scene.colour)?;
        let channels = options.channels | colourer.channels();
        let mut request = choose::Request::new(scene, channels, options.isa)?;
        if let Some(grain) = coarse {
            request.plane = Arc::new(request.plane.coarse(grain as usize));
        }
        let (width, height) = (request.plane.columns.len() as u32, request.plane.rows.len() as u32);
        let edge = options.tile.saturating_mul(if coarse.is_some() { 1 } else { scene.image.samples });
        let tiling = Tiling::new(width, height, edge.min(width.max(height)), options.order)?;
        let kernel = kernel(&request)?;
        let work = RenderWork {
            scene: scene.clone(),
            options: Options { channels, ..options },
            kernel,
            tiling,
            pieces: None,
            masked: false,
            masks: None,
            tables: Arc::default(),
            own_kernel,
        };
        Ok(Self { scene: Arc::new(scene.clone()), colourer: Arc::new(colourer), work: Arc::new(work) })
    }

    /// The scene.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The kernel that was chosen.
    pub fn kernel(&self) -> &dyn Kernel {
        &*self.work.kernel
    }

    /// The tiles, in samples.
    pub fn tiling(&self) -> Tiling {
        self.work.tiling.clone()
    }

    /// What is computed for each sample.
    pub fn channels(&self) -> Channels {
        self.work.options.channels
    }

    /// How sinks read the pieces of its work.
    pub fn tiles(&self) -> Tiles {
        Tiles { tiling: self.tiling(), channels: self.channels() }
    }

    /// What a sink needs to make a picture of the samples.
    pub fn image_options(&self, depth: Depth) -> ImageOptions {
        ImageOptions {
            tiles: self.tiles(),
            samples: self.scene.image.samples,
            colourer: self.colourer.clone(),
            depth,
            scene: self.scene.to_toml(),
        }
    }

    /// What the kernel needs beside the tiles, made once for all runs of this render.
    ///
    /// # Errors
    /// What [`Kernel::prepare`] returns.
    pub fn prepared(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        self.work.prepare(preparing)
    }

    /// The work, for a backend.
    pub fn work(&self) -> Arc<dyn Work> {
        self.work.clone()
    }

    /// Computes every tile on the workers of `session` and gives the samples to `sink`.
    ///
    /// # Errors
    /// What the backend's [`Session::run`] returns.
    pub fn run(&self, session: &mut dyn Session, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Outcome> {
        Ok(Outcome::new(session.run(self.work(), sink, stop)?))
    }

    /// Computes every tile on all cores of this machine, with the `threads` backend, and gives the samples to `sink`.
    ///
    /// # Errors
    /// As [`Render::run`].
    pub fn run_here(&self, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Outcome> {
        let mut session = backend::find("threads")?.open(&backend::Options::default())?;
        self.run(&mut *session, sink, stop)
    }

    /// Renders on all cores, to a picture in memory.
    ///
    /// # Errors
    /// As [`Render::run`].
    pub fn picture(&self) -> Result<Picture> {
        let sink = Arc::new(PictureSink::new(self.image_options(Depth::Eight))?);
        self.run_here(sink.clone(), &Stop::new())?;
        let mut picture = sink.picture();
        let (width, height) = (picture.width, picture.height);
        Ok(std::mem::replace(&mut *picture, Picture { width, height, pixels: Vec::new() }))
    }
}

/// A scene as a [`Work`]: a piece is a tile.
struct RenderWork {
    scene: Scene,
    options: Options,
    kernel: Arc<dyn Kernel>,
    tiling: Tiling,
    /// Which tiles are its pieces, if not all.
    pieces: Option<Pieces>,
    /// Whether masks are prepared, which say what samples of its pieces are computed.
    masked: bool,
    /// The masks, where they were made.
    masks: Option<Prepared>,
    /// What the kernel prepared, for all works of this render.
    tables: Arc<PreparedOnce>,
    /// Whether the kernel is one that only this program can make.
    own_kernel: bool,
}

impl RenderWork {
    /// The tile that is piece `index`.
    #[inline]
    fn tile(&self, index: usize) -> Tile {
        self.tiling.tile(self.pieces.as_ref().map_or(index, |pieces| pieces.get(index)))
    }
}

impl Work for RenderWork {
    fn len(&self) -> usize {
        self.pieces.as_ref().map_or(self.tiling.len(), Pieces::len)
    }

    fn piece_len(&self, index: usize) -> usize {
        self.options.channels.bytes(self.tile(index).area())
    }

    fn most_operations(&self) -> Option<u64> {
        let first = (self.len() > 0).then(|| self.tile(0).area() as u64);
        first.map(|samples| samples.saturating_mul(self.scene.max_iterations().into()))
    }

    fn claim_bytes(&self) -> Option<usize> {
        self.kernel.facts().claim_bytes
    }

    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        let tables = self.tables.get(preparing, |preparing| self.kernel.prepare(preparing))?;
        Ok(self.masks.as_ref().map_or_else(|| tables.clone(), |masks| tables.and(masks)))
    }

    fn prepared_len(&self) -> u64 {
        self.kernel.prepared_len() + self.masks.as_ref().map_or(0, |masks| masks.len() as u64)
    }

    fn compute(&self, prepared: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let range = claim.range();
        let tiles = range.clone().map(|index| {
            let tile = self.tile(index);
            let mask = if self.masked { continued::mask(prepared, index, tile.area())? } else { None };
            Ok(Wanted { tile, mask })
        });
        let tiles: Vec<_> = tiles.collect::<Result<_>>()?;
        let mut useful = vec![0; tiles.len()];
        let words = bytemuck::cast_slice_mut(claim.bytes());
        let counters = self.kernel.compute(prepared, &tiles, words, &mut useful, stop)?;
        for (index, useful) in range.zip(useful) {
            claim.set_cost(index, useful);
        }
        claim.add_executed(counters.executed);
        claim.add_counts(&counters.to_numbers());
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        if self.own_kernel {
            return None;
        }
        let Options { tile, order, channels, isa } = self.options;
        let recipe = Ingredients {
            scene: self.scene.clone(),
            tile,
            order: order.to_string(),
            channels,
            pieces: self.pieces.clone(),
            masked: self.masked,
            isa: isa.map(|isa| isa.to_string()),
            tier: self.kernel.facts().tier.into(),
        };
        serde_json::to_vec(&recipe).ok().map(|bytes| Recipe { kind: KIND.into(), bytes })
    }

    fn unit(&self) -> &'static str {
        "iterations"
    }

    fn describe(&self, index: usize) -> String {
        let number = self.pieces.as_ref().map_or(index, |pieces| pieces.get(index));
        format!("tile {number} ({}) of {}", self.tiling.tile(number), self.scene.title())
    }
}

impl fmt::Debug for RenderWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderWork").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Grid;

    fn scene() -> Scene {
        Scene::from_toml("[view]\nre = \"-0.7\"\n[image]\nsize = [40, 30]\nsamples = 2\n[iteration]\nmax = 200\n")
            .unwrap()
    }

    #[test]
    fn a_picture_in_memory_has_colours() {
        let picture = render(&scene()).unwrap();
        assert_eq!((picture.width, picture.height, picture.pixels.len()), (40, 30, 3600));
        let colours: std::collections::HashSet<_> = picture.pixels.chunks(3).collect();
        assert!(colours.len() > 50, "{} colours", colours.len());
    }

    #[test]
    fn a_recipe_makes_the_same_samples() {
        let channels = Channels::ALL;
        let render = Render::with(&scene(), Options { tile: 7, order: Order::Hilbert, isa: None, channels }).unwrap();
        let again = from_recipe(&render.work().recipe().unwrap().bytes).unwrap();
        assert_eq!(render.work().len(), again.work().len());
        let samples = [&render, &again].map(|render| {
            let grid = Arc::new(Grid::new(render.tiles()));
            render.run_here(grid.clone(), &Stop::new()).unwrap();
            grid.samples()
        });
        assert_eq!(samples[0], samples[1]);
        assert!(from_recipe(b"{}").is_err());
    }

    #[test]
    fn a_stopped_run_says_so_and_the_render_can_be_used_again() {
        let render = Render::new(&scene()).unwrap();
        let stop = Stop::new();
        stop.set();
        let nowhere = || Arc::new(crate::parallel::Discard);
        assert!(matches!(render.run_here(nowhere(), &stop), Err(Error::Stopped)));
        let outcome = render.run_here(nowhere(), &Stop::new()).unwrap();
        assert_eq!(outcome.counters.executed, outcome.report.executed());
        assert!(outcome.report.useful() > 0);
    }

    #[test]
    fn two_runs_at_once_count_for_themselves() {
        let render = Render::new(&scene()).unwrap();
        let run = || render.run_here(Arc::new(crate::parallel::Discard), &Stop::new()).unwrap().counters;
        let samples = |c: Counters| c.escaped + c.cardioid + c.bulb + c.periodic + c.limit;
        let alone = samples(run());
        assert_eq!(alone, 40 * 30 * 4);
        std::thread::scope(|scope| {
            let runs = [(); 4].map(|()| scope.spawn(|| samples(run())));
            runs.into_iter().for_each(|run| assert_eq!(run.join().unwrap(), alone));
        });
    }

    #[test]
    fn what_no_scene_file_could_say_is_refused_too() {
        for wrong in [
            Scene { formula: "mandelbrat".into(), ..scene() },
            Scene { power: Some(3), ..scene() },
            Scene { image: crate::scene::Image::new((0, 1), 1), ..scene() },
        ] {
            assert!(Render::new(&wrong).is_err(), "{wrong:?}");
        }
    }
}
