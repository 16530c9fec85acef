//! How many pieces backends hand out at once, and guards around a backend's own code.

use super::Job;
use crate::error::Error;
use crate::parallel::{Kind, Loop, Schedule, Units};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, ScopedJoinHandle};

/// The most claims in flight per worker, and how many there are of any size: one to compute and three that wait. With seven that wait, a
/// short picture spent a tenth of its time on the first use of their memory.
const UNDER_WAY: usize = 64;
const FEW: usize = 4;

/// The fewest pieces in a batch, if claims are so small: one to compute and one that waits.
const LEAST: usize = 2;

/// The claims in flight where one thread deals them out: for each worker a few if they are large, since each has memory of its own, and
/// up to 64 small ones, since waking a sleeping thread costs as much as a hundred messages.
pub(crate) struct Flight {
    pub(crate) claims: usize,
    pieces: usize,
    few: usize,
    most: usize,
}

impl Flight {
    pub(crate) fn has_room(&self) -> bool {
        self.claims < self.few || self.pieces < self.most
    }

    pub(crate) fn begin(&mut self, claim: &Range<usize>) {
        (self.claims, self.pieces) = (self.claims + 1, self.pieces + claim.len());
    }

    pub(crate) fn end(&mut self, claim: &Range<usize>) {
        (self.claims, self.pieces) = (self.claims - 1, self.pieces - claim.len());
    }
}

impl Job {
    /// All pieces, cut into claims for `workers` under `schedule`: of one size, or under `auto` smaller ones towards the end.
    pub(crate) fn cut(&self, schedule: Schedule, workers: usize) -> Units {
        match schedule.kind() {
            Kind::Auto => Units::shrinking(self.pieces(), workers, self.grain()),
            _ => Units::Chunks { pieces: self.pieces(), chunk: schedule.chunk().map_or(1, |chunk| chunk as usize) },
        }
    }

    /// No claims in flight yet, of those that one thread deals out to `workers`.
    pub(crate) fn flight(&self, workers: usize) -> Flight {
        Flight { claims: 0, pieces: 0, few: FEW * workers, most: workers * self.grain().clamp(FEW, UNDER_WAY) }
    }

    /// The most claims that a [`Flight`] for `workers` has.
    pub(crate) const fn most_under_way(workers: usize) -> usize {
        workers * UNDER_WAY
    }

    /// The next of `claims` to submit together, as many as wait for a worker: the thread that awaits them is woken about once for each
    /// batch, and not for each claim. Twice as many batches as workers are to be in flight.
    #[cfg_attr(not(any(feature = "futures", feature = "tokio")), allow(dead_code))]
    pub(crate) fn batch(&self, claims: &mut impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
        let (mut pieces, most) = (0, (2 * self.grain()).clamp(LEAST, UNDER_WAY));
        let next = || {
            let claim = if pieces < most { claims.next() } else { None }?;
            pieces += claim.len();
            Some(claim)
        };
        std::iter::from_fn(next).collect()
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
