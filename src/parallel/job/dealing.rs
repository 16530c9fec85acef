//! How many pieces backends hand out at once, and guards around a backend's own code.

use super::Job;
use crate::error::Error;
use crate::parallel::{Kind, Loop, Schedule, Units};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, ScopedJoinHandle};

/// The most claims in flight per worker.
const UNDER_WAY: usize = 64;

impl Job {
    /// All pieces, cut into claims for `workers` under `schedule`: of one size, or under `auto` smaller ones towards the end.
    pub(crate) fn cut(&self, schedule: Schedule, workers: usize) -> Units {
        match schedule.kind() {
            Kind::Auto => Units::shrinking(self.pieces(), workers, self.grain()),
            _ => Units::Chunks { pieces: self.pieces(), chunk: schedule.chunk().map_or(1, |chunk| chunk as usize) },
        }
    }

    /// How many claims are in flight where one thread deals them out: for each worker, one to compute and one waiting if they are large,
    /// and up to 64 small ones, since waking a sleeping thread costs as much as a hundred messages.
    pub(crate) fn under_way(&self, workers: usize) -> usize {
        workers * self.grain().clamp(2, UNDER_WAY)
    }

    /// The most that [`Job::under_way`] returns for `workers`.
    pub(crate) const fn most_under_way(workers: usize) -> usize {
        workers * UNDER_WAY
    }

    /// All pieces, as `workers` share them under `schedule`.
    pub(crate) fn share(&self, schedule: Schedule, workers: usize) -> Loop {
        Loop::new(0..self.pieces(), schedule.with_auto_limit(self.grain()), workers)
    }

    /// The claims of a loop that no worker has begun, in order, for one thread that deals them out to all, until the run is over.
    pub(crate) fn dealt<'a>(&'a self, shared: &'a Loop) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut claims = shared.claims(0).flat_map(|range| self.claims(range));
        std::iter::from_fn(move || if self.is_over() { None } else { claims.next() })
    }

    /// Calls `body`, which is a backend's own code or a library's. A panic is a fault of that code and ends the run.
    pub(crate) fn guard<T>(&self, body: impl FnOnce() -> T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(body)).map_err(|payload| self.lost(payload.as_ref())).ok()
    }

    /// The same, on a separate thread if `apart`: an executor refuses to run inside another.
    #[cfg_attr(not(any(feature = "futures", feature = "tokio")), allow(dead_code))]
    pub(crate) fn guard_apart<T: Send>(&self, apart: bool, body: impl FnOnce() -> T + Send) -> Option<T> {
        if !apart {
            return self.guard(body);
        }
        let outcome = std::thread::scope(|scope| Builder::new().spawn_scoped(scope, body).map(ScopedJoinHandle::join));
        match outcome {
            Ok(outcome) => outcome.map_err(|payload| self.lost(payload.as_ref())).ok(),
            Err(error) => {
                let what = format!("a thread beside the caller's executor cannot be started: {error}");
                let _ = self.fail(Error::Unsupported(what));
                None
            }
        }
    }
}
