//! Scene + backend + sinks → picture: the front door of the library.

mod around;
mod continued;
mod costs;
mod ingredients;
mod keep;
#[cfg(test)]
mod large;
mod maker;
mod part;
mod recipe;
mod work;

#[cfg(feature = "window")]
pub(crate) use around::Around;
pub use continued::{Escaped, Known};
pub use costs::Costs;
pub use part::Part;
pub(crate) use recipe::kinds;
pub use recipe::{from_recipe, size_of_recipe};

use crate::backend::{self, Session};
use crate::colour::{Colourer, Depth};
use crate::error::Result;
use crate::formula::Formula;
#[cfg(feature = "window")]
use crate::kernel::Tier;
use crate::kernel::{Counters, Isa, Kernel, Request};
use crate::parallel::{Prepared, Preparing, Report, Sink, Stop, Tee, Work};
use crate::sample::Channels;
use crate::scene::Scene;
use crate::sink::progress::{Estimate, Progress, Reported, Snapshot};
use crate::sink::{ImageOptions, Picture, PictureSink, Tiles};
use crate::tile::{Order, Tiling};
use maker::Maker;
use part::tiling;
use std::sync::Arc;
use work::RenderWork;

/// How a scene is computed; nothing here changes a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenderOptions {
    /// The edge of a tile in pixels; a value beyond the image's size gives one tile.
    pub tile: u32,
    /// The order of the tiles.
    pub order: Order,
    /// The instruction set; `None` for `FRACTAL_ISA`, then the best of this machine.
    pub isa: Option<Isa>,
    /// The channels to compute besides those that the colouring needs.
    pub channels: Channels,
}

/// The default edge of a tile in pixels.
pub const DEFAULT_TILE: u32 = 64;

impl Default for RenderOptions {
    fn default() -> Self {
        Self { tile: DEFAULT_TILE, order: Order::default(), isa: None, channels: Channels::default() }
    }
}

/// Renders a scene on all cores to a picture in memory. Nothing is printed. Debug builds are slow unless this crate is optimised; see
/// the [front page](crate).
///
/// # Errors
/// When the scene cannot be rendered; see [`Render::with`].
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

/// The outcome of a run of a [`Render`].
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
        Self::with(scene, RenderOptions::default())
    }

    /// Plans `scene`.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for names and numbers that are not allowed, [`crate::Error::Unsupported`] for a view too small for the
    /// existing kernels.
    pub fn with(scene: &Scene, options: RenderOptions) -> Result<Self> {
        Self::made_by(scene, options, &Maker::Library)
    }

    /// Why no number tier is accurate enough for `scene`, if none is: cheaper than planning it.
    #[cfg(feature = "window")]
    pub(crate) fn too_deep(scene: &Scene) -> Option<crate::Error> {
        let request = Request::new(scene, Channels::default(), None).ok()?;
        request.tier().err()
    }

    /// Whether a sample's last bits depend on the centre of the view, so that those of one view do not serve another one.
    #[cfg(feature = "window")]
    pub(crate) fn is_centred(scene: &Scene) -> bool {
        let request = Request::new(scene, Channels::default(), None);
        request.and_then(|request| request.tier()).is_ok_and(|tier| tier == Tier::Perturbation)
    }

    /// Plans `scene` with a formula of your own in place of the one that it names. Workers in other processes know the formula if their
    /// program registered it: [`WorkKind::formula`](crate::backend::WorkKind::formula).
    ///
    /// # Errors
    /// As [`Render::with`].
    pub fn with_formula<F: Formula>(scene: &Scene, options: RenderOptions, formula: F) -> Result<Self> {
        Self::made_by(scene, options, &Maker::formula(formula))
    }

    fn made_by(scene: &Scene, options: RenderOptions, maker: &Maker) -> Result<Self> {
        let kernel = |request: &Request| maker.kernel(request);
        Self::plan(scene, options, maker.clone(), kernel)
    }

    /// Plans `scene` with a kernel of your own. Backends whose workers are other processes cannot run it.
    ///
    /// # Errors
    /// As [`Render::with`], and what `kernel` returns.
    pub fn with_kernel(
        scene: &Scene,
        options: RenderOptions,
        kernel: impl FnOnce(&Request) -> Result<Arc<dyn Kernel>>,
    ) -> Result<Self> {
        Self::plan(scene, options, Maker::Kernel, kernel)
    }

    /// Shares what `other`'s kernel prepared, as long as nothing else holds this render's work.
    fn sharing(mut self, other: &Self) -> Self {
        if let Some(work) = Arc::get_mut(&mut self.work) {
            work.tables = other.work.tables.clone();
        }
        self
    }

    fn plan(
        scene: &Scene,
        options: RenderOptions,
        maker: Maker,
        kernel: impl FnOnce(&Request) -> Result<Arc<dyn Kernel>>,
    ) -> Result<Self> {
        scene.check()?;
        let colourer = Colourer::new(&scene.colour)?;
        let channels = (options.channels | colourer.channels()).for_maximum(scene.max_iterations());
        let request = Request::new(scene, channels, options.isa)?;
        let samples = scene.image.samples;
        let tiling = tiling(scene.image.drawn().samples(samples), options.tile.saturating_mul(samples), options.order)?;
        let kernel = kernel(&request)?;
        let work = RenderWork {
            scene: scene.clone(),
            options: RenderOptions { channels, ..options },
            kernel,
            request,
            tiling,
            origin: (0, 0),
            part: Part::All,
            tables: Arc::default(),
            maker,
        };
        Ok(Self { scene: Arc::new(scene.clone()), colourer: Arc::new(colourer), work: Arc::new(work) })
    }

    /// The scene.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The chosen kernel.
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
        let samples = if matches!(self.work.part, Part::Coarse(..)) { 1 } else { self.scene.image.samples };
        Tiles { tiling: self.tiling(), channels: self.channels(), samples }
    }

    /// What a sink needs to make a picture of the samples.
    pub fn image_options(&self, depth: Depth) -> ImageOptions {
        ImageOptions { tiles: self.tiles(), colourer: self.colourer.clone(), depth, scene: self.scene.to_toml() }
    }

    /// What the kernel needs besides the tiles, prepared once for all runs of this render.
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

    /// Computes every tile on the workers of `session` and delivers the samples to `sink`.
    ///
    /// # Errors
    /// What the backend's [`Session::run`] returns.
    pub fn run(&self, session: &mut dyn Session, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Outcome> {
        Ok(Outcome::new(session.run(self.work(), sink, stop)?))
    }

    /// Computes every tile on all cores of this machine, with the `threads` backend, and delivers the samples to `sink`.
    ///
    /// # Errors
    /// As [`Render::run`].
    pub fn run_here(&self, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Outcome> {
        let mut session = backend::find("threads")?.open(&backend::SessionOptions::default())?;
        self.run(&mut *session, sink, stop)
    }

    /// Renders on all cores, to a picture in memory.
    ///
    /// # Errors
    /// As [`Render::run`].
    pub fn picture(&self) -> Result<Picture> {
        self.picture_to(&Stop::new(), |picture| picture)
    }

    /// As [`Render::picture`], until `stop` is set from another thread or by `progress`, which is called now and then on the workers'
    /// threads, never by two at once, and at the end. How far the render is and the time left follow from the costs of its parts, which
    /// a coarse picture predicts.
    ///
    /// # Errors
    /// As [`Render::run`]; [`Error::Stopped`](crate::Error::Stopped) once `stop` is set.
    pub fn picture_with(&self, stop: &Stop, progress: impl FnMut(&Snapshot) + Send + 'static) -> Result<Picture> {
        const COARSE: u64 = 1 << 16;
        let size = self.tiling().size();
        let estimate = match self.work.maker {
            Maker::Kernel => Estimate::uniform(size),
            _ => self.costs(&backend::SessionOptions::default(), COARSE, stop)?.estimate,
        };
        let counted = Progress::new(self.tiling(), self.scene.image.samples, estimate);
        let reported = Arc::new(Reported::new(counted, progress));
        let picture = self.picture_to(stop, |picture| Arc::new(Tee::new(vec![picture, reported.clone()])))?;
        reported.report();
        Ok(picture)
    }

    /// Renders to a picture through the sink that `around` makes of its own.
    fn picture_to(&self, stop: &Stop, around: impl FnOnce(Arc<dyn Sink>) -> Arc<dyn Sink>) -> Result<Picture> {
        let sink = Arc::new(PictureSink::new(self.image_options(Depth::Eight))?);
        self.run_here(around(sink.clone()), stop)?;
        let mut picture = sink.picture();
        let (width, height) = (picture.width, picture.height);
        Ok(std::mem::replace(&mut *picture, Picture { width, height, pixels: Vec::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
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
    fn progress_is_reported_and_the_picture_can_be_cancelled() {
        let (told, seen) = std::sync::mpsc::channel();
        let render = Render::with(&scene(), RenderOptions { tile: 4, ..RenderOptions::default() }).unwrap();
        let picture = render.picture_with(&Stop::new(), move |done| told.send(*done).unwrap()).unwrap();
        assert_eq!(picture, super::render(&scene()).unwrap());
        let seen: Vec<_> = seen.iter().collect();
        assert!(seen.len() > 1 && seen.is_sorted_by_key(|done| done.fraction));
        let last = seen.last().unwrap();
        assert_eq!((last.fraction, last.pieces_done, last.pixels), (1.0, last.pieces, Some([1200, 1200])));

        let (stop, from) = (Stop::new(), Stop::new());
        let cancel = from.clone();
        let cancelled = render.picture_with(&cancel, move |_| from.set());
        assert!(matches!(cancelled, Err(Error::Stopped)), "{cancelled:?}");
        assert_eq!(render.picture_with(&stop, |_| ()).unwrap(), picture);
    }

    #[test]
    fn a_recipe_makes_the_same_samples() {
        let channels = Channels::ALL;
        let render =
            Render::with(&scene(), RenderOptions { tile: 7, order: Order::Hilbert, isa: None, channels }).unwrap();
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
