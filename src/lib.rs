//! Fractals, and every way of running one program in parallel.
//!
//! A picture in five lines:
//!
//! ```
//! # fn main() -> fractal::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("fractal-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # std::env::set_current_dir(&folder).unwrap();
//! let mut scene = fractal::Scene::load("seahorses")?;
//! scene.set("image.size=320x180")?;
//! let picture = fractal::render(&scene)?;
//! picture.save("seahorses.png")?;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! Three questions are kept apart, and any answer to one works with any answer to the others:
//! **what** is computed (a [`Scene`], planned into a [`Render`]), **who** computes it (a [`backend`] with a
//! [schedule](parallel::Schedule)), and **where** results go ([sinks](parallel::Sink)):
//!
//! ```
//! use fractal::{Render, Scene, backend, parallel::Stop, sink::Grid};
//! use std::sync::Arc;
//!
//! # fn main() -> fractal::Result<()> {
//! let scene = Scene::from_toml("image = { size = [64, 48] }\niteration = { max = 500 }")?;
//! let render = Render::new(&scene)?;
//! let mut session = backend::find("threads")?.open(&backend::SessionOptions { workers: 2, timed: true, ..Default::default() })?;
//! let grid = Arc::new(Grid::new(render.tiles()));
//! let outcome = render.run(&mut *session, grid.clone(), &Stop::new())?;
//! assert_eq!(outcome.report.workers.len(), 2);
//! assert_eq!(grid.samples().len(), 64 * 48);
//! # Ok(())
//! # }
//! ```
//!
//! [`Stop`](parallel::Stop) cancels a run from any thread, and a [`Sink`](parallel::Sink) of your own sees its progress.
//!
//! # A formula of your own
//!
//! It is written once, generic over [numbers](formula::Number): one `f64`, or a SIMD vector of them. The same kernel then renders it
//! with all its features: instruction sets, lane refill, periodicity, smooth counts and distances.
//!
//! ```
//! use fractal::formula::{Formula, Number};
//! use fractal::{Render, Scene};
//!
//! /// z² + c, then conjugated: its set is the Tricorn's mirror image.
//! #[derive(Clone, Copy, Debug)]
//! struct Mirror;
//!
//! impl Formula for Mirror {
//!     const DEGREE: u32 = 2;
//!     const CONFORMAL: bool = false;
//!
//!     #[inline(always)]
//!     fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
//!         [x.mul_add(x, a - y * y), y.constant(0.0) - (x + x).mul_add(y, b)]
//!     }
//!
//!     #[inline(always)]
//!     fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
//!         let (two, minus_two) = (x.constant(2.0), x.constant(-2.0));
//!         [[two * x, minus_two * y], [minus_two * y, minus_two * x]]
//!     }
//! }
//!
//! # fn main() -> fractal::Result<()> {
//! let scene = Scene::from_toml("image = { size = [64, 48] }\niteration = { max = 500 }")?;
//! let picture = Render::with_formula(&scene, Default::default(), Mirror)?.picture()?;
//! assert_eq!(picture.width, 64);
//! # Ok(())
//! # }
//! ```
//!
//! # A backend of your own
//!
//! A backend decides which worker takes which pieces, and when; a [`Job`](parallel::Job) does the rest.
//!
//! ```
//! use fractal::backend::Session;
//! use fractal::parallel::{Job, Report, Sink, Stop, Work, Worker};
//! use fractal::{Render, Result, Scene};
//! use std::sync::Arc;
//!
//! /// One worker that takes the pieces from the last to the first.
//! struct Backwards;
//!
//! impl Session for Backwards {
//!     fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
//!         let job = Job::begin("backwards", 1, true, work, sink, stop)?;
//!         let mut worker = Worker::new(0);
//!         for piece in (0..job.pieces()).rev() {
//!             if job.execute(&mut worker, piece..piece + 1).is_break() {
//!                 break;
//!             }
//!         }
//!         job.end("backwards", vec![worker.take_report()])
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let scene = Scene::from_toml("image = { size = [64, 48] }\niteration = { max = 500 }")?;
//! let outcome = Render::new(&scene)?.run(&mut Backwards, Arc::new(fractal::parallel::Discard), &Stop::new())?;
//! assert_eq!(outcome.report.backend, "backwards");
//! # Ok(())
//! # }
//! ```
//!
//! # In a debug build
//!
//! Unoptimised kernels are about two hundred times slower. These two lines in your program's `Cargo.toml` optimise this crate in debug
//! builds too:
//!
//! ```toml
//! [profile.dev.package.fractal]
//! opt-level = 3
//! ```
//!
//! # Features
//!
//! `cli` (the program, with clap and indicatif, and with `bench`), `exr` (raw samples in EXR pictures), `window` (the interactive
//! window, with minifb) and `fibers`, `futures`, `rayon` and `tokio` (the backends of the same names) are on by default. `bench`
//! measures cores and backends; `image` converts a picture to the types of the `image` crate. With `default-features = false` the
//! library has no command-line dependency, no executor and no runtime; the other backends are always available.

pub mod backend;
#[cfg(feature = "bench")]
pub mod bench;
pub mod colour;
pub mod error;
pub mod formula;
pub mod kernel;
pub mod number;
pub mod parallel;
pub mod plane;
pub mod render;
pub mod sample;
pub mod scene;
pub mod sink;
pub mod tile;
#[cfg(feature = "window")]
pub mod window;

pub use error::{Error, Result};
pub use render::{Render, render};
pub use scene::Scene;

/// If this process was started as a worker of a process backend, or to hold a window on the screen, becomes that and never returns;
/// otherwise does nothing.
///
/// A program that uses the backends `processes` or `pipes`, or that opens a window, must call this first in its `main`: they start the
/// program again for each of their workers, and for the window. `kinds` are its own kinds of work and its own
/// [formulas](backend::WorkKind::formula); those of this library are always known.
///
/// ```
/// fractal::worker_main([]);
/// ```
pub fn worker_main(kinds: impl IntoIterator<Item = backend::WorkKind>) {
    #[cfg(feature = "window")]
    window::main();
    backend::worker::main(|| {
        let all = kinds.into_iter().chain(render::kinds());
        #[cfg(feature = "bench")]
        let all = all.chain(bench::work::kinds());
        all.collect()
    });
}
