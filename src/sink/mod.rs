//! Where samples go: pictures in files and in memory, files of finished pieces, and records of a run.

mod bands;
mod checkpoint;
mod estimate;
mod formats;
mod grid;
pub(crate) mod identity;
mod image;
mod kept;
pub(crate) mod output;
mod outputs;
mod picture;
pub(crate) mod progress;
pub(crate) mod records;
#[cfg(any(feature = "bench", feature = "window"))]
pub(crate) mod remembered;
mod resumed;
mod spill;
pub(crate) mod staged;
mod tiles;
mod trace;
mod worker_map;

pub use checkpoint::Checkpoint;
pub use formats::{Data, Format, SCENE_KEY};
pub use grid::{Grid, Sample};
#[cfg(not(feature = "exr"))]
pub(crate) use image::exr::NO_EXR;
pub use image::{ImageCost, ImageOptions, ImageSink};
pub use kept::{Kept, Replay};
pub use output::Output;
pub use outputs::{OUTPUTS, format_for};
pub use picture::{Picture, PictureSink};
pub use progress::{Estimate, Progress, Snapshot};
pub use records::{Description, Found, Records, Unread};
pub use resumed::Resumed;
pub use tiles::Tiles;
pub use trace::{Slice, Trace};
pub use worker_map::WorkerMap;
