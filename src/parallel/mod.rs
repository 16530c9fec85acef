//! Running independent pieces of work, whatever they are and whoever computes them.

mod job;
mod report;
mod sink;
mod stop;
mod work;

pub use job::{Job, Worker};
pub use report::{Report, WorkerReport};
pub use sink::{Discard, Done, Piece, RunInfo, Sink, Tee};
pub use stop::Stop;
pub use work::{Claim, Prepared, Recipe, Work};
