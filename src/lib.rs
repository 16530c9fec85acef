//! Fractals, and every way of running one program in parallel.

pub mod backend;
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

pub use error::{Error, Result};
pub use render::{Render, render};
pub use scene::Scene;
