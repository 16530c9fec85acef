//! Fractals, and every way of running one program in parallel.
//!
//! A picture, with its progress, and a way to cancel it:
//!
//! ```
//! use fractal::{Render, Scene, Stop};
//!
//! # fn main() -> fractal::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("fractal-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # std::env::set_current_dir(&folder).unwrap();
//! let scene = Scene::load("seahorses")?.edit().size(320, 180).build()?;
//! let stop = Stop::new(); // A clone of it cancels from any thread: `stop.set()`.
//! let picture = Render::new(&scene)?.picture_with(&stop, |done| eprint!("\r{:3.0} %", 100.0 * done.fraction))?;
//! picture.save("seahorses.png")?;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! Without either, [`render(&scene)`](render()) is the one call between a [`Scene`] and a [`Picture`]. A picture is a slice of bytes,
//! and becomes an `RgbImage` of the `image` crate with the feature of that name.
//!
//! # What, who and where
//!
//! Three questions are kept apart, and any answer to one works with any answer to the others: **what** is computed (a [`Scene`], planned
//! into a [`Render`]), **who** computes it (a [`backend`] with a [schedule](parallel::Schedule)), and **where** results go
//! ([sinks](parallel::Sink)):
//!
//! ```
//! use fractal::{Render, Scene, Stop, backend, sink::Grid};
//! use std::sync::Arc;
//!
//! # fn main() -> fractal::Result<()> {
//! let scene = Scene::builder().size(64, 48).samples(2).max_iterations(500).build()?;
//! let render = Render::new(&scene)?;
//! let mut session = backend::find("threads")?.open(&backend::SessionOptions { workers: 2, timed: true, ..Default::default() })?;
//! let grid = Arc::new(Grid::new(render.tiles()));
//! let outcome = render.run(&mut *session, grid.clone(), &Stop::new())?;
//! assert_eq!(outcome.report.workers.len(), 2);
//! assert_eq!((grid.size().width, grid.samples().len()), (128, 128 * 96));
//! # Ok(())
//! # }
//! ```
//!
//! # Of your own
//!
//! - a **formula**: [`formula::Formula`], written once for single numbers and SIMD vectors, and [`Render::with_formula`]
//!   (`examples/own_formula.rs`);
//! - a **backend**: [`backend::Session`], which decides who computes which pieces and when (`examples/own_backend.rs`);
//! - a **work** that is no picture: [`parallel::Work`], which every backend runs (`examples/own_work.rs`);
//! - **workers** in other processes that know your works and formulas: [`worker_main`] (`examples/own_worker.rs`);
//! - a **sink**: [`parallel::Sink`]; a **kernel**: [`kernel::Kernel`]; a **parallel region**: [`parallel::region`].
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
//! measures cores and backends for the program; `thumbnails` adds the command of that name, and `net` those that wait for connections;
//! `image` converts a picture to the types of the `image` crate. With `default-features = false` the library has no command-line
//! dependency, no executor and no runtime; the other backends are always available.

pub mod backend;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod colour;
#[cfg(feature = "net")]
mod crawl;
mod error;
pub mod formula;
#[cfg(feature = "bench")]
mod guide;
#[doc(hidden)]
pub mod internal;
pub mod kernel;
mod number;
pub mod parallel;
mod plane;
mod render;
pub mod sample;
pub mod scene;
pub mod sink;
mod system;
mod tile;
#[cfg(feature = "net")]
mod waiting;
#[cfg(feature = "window")]
pub mod window;
mod works;

pub use error::{Error, Result};
pub use parallel::Stop;
pub use render::{Costs, Escaped, Known, Outcome, Part, Render, RenderOptions, render};
pub use scene::Scene;
pub use sink::Picture;

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
    #[cfg(feature = "net")]
    waiting::main();
    #[cfg(all(feature = "bench", feature = "net"))]
    bench::waiting::main();
    backend::worker::main(|| {
        let all = kinds.into_iter().chain(render::kinds()).chain(works::kinds());
        #[cfg(feature = "bench")]
        let all = all.chain(bench::work::kinds());
        all.collect()
    });
}

/// The programs of the page for those who come from PyMP.
#[cfg(doctest)]
#[doc = include_str!("../docs/from_pymp.md")]
mod from_pymp {}
