//! Running independent pieces of work of any kind, on any kind of worker.

mod claim_size;
mod claims;
mod computed_claim;
mod critical;
mod environment;
mod event_count;
mod exclusion;
mod job;
mod last_seen;
mod lock;
mod panics;
mod pieces;
pub(crate) mod pin;
mod prepared;
pub mod region;
mod report;
mod result;
mod schedule;
mod selected;
mod sink;
mod stop;
mod sync;
pub(crate) mod team;
mod units;
mod work;
mod workers;

#[cfg(feature = "bench")]
pub(crate) use claim_size::grain;
#[cfg(target_os = "linux")]
pub(crate) use claim_size::{CLAIM_PIECES, claim_bytes};
pub use claims::{Claims, Loop};
pub use computed_claim::{ComputedClaim, Effort, Worker};
pub use environment::{Binding, MAX_WORKERS, worker_count};
pub(crate) use environment::{Environment, binding_in, process, worker_count_in, worker_timeout_in};
pub use job::Job;
pub(crate) use last_seen::LastSeen;
pub(crate) use lock::lock;
pub(crate) use panics::guarded;
pub use pieces::{MAX_SHARDS, Pieces, Position, Shard};
pub use prepared::{ALIGNMENT, Buffer, Prepared, PreparedOnce, Preparing};
pub(crate) use prepared::{Key, Shared};
pub use report::{Report, WorkerReport};
pub use result::Lengths;
pub use schedule::{Kind, Modifier, Schedule};
pub use selected::Selected;
pub use sink::{Discard, FinishedClaim, Piece, RunInfo, Sink, Tee, waited};
pub use stop::Stop;
pub(crate) use units::Units;
pub use work::{Claim, MAX_COUNTS, Recipe, Work};
pub(crate) use workers::Workers;
