//! Which model of parallelism when: facts about each backend, figures that were measured, and rules that choose by them.
//!
//! `docs/choosing.md` is made from all three; the figures in it are those of `docs/choosing.json`, or of the machine at hand, and those of
//! waiting always of `docs/waiting.json`.

mod ask;
mod document;
mod measured;
mod models;
mod sections;
mod waiting;

pub use ask::{Answer, NEEDS, Need, Question, ask};
pub use document::{Style, guide, json};
pub use measured::{Figures, Measured, memory, record};
pub use models::{Conduct, MODELS};
