//! What a run cost, worker by worker.

use super::work::add;
use std::time::Duration;

/// What one worker did in a run.
#[derive(Clone, Debug, Default)]
pub struct WorkerReport {
    /// The worker's number.
    pub index: usize,
    /// Time spent computing claims and on the sinks' part of the work, such as colouring, without waiting. 0 when the run was not timed.
    pub busy: Duration,
    /// Pieces computed.
    pub pieces: usize,
    /// Claims taken.
    pub claims: usize,
    /// Operations (iterations for a picture) actually executed.
    pub executed: u64,
    /// Operations that the results are worth, however they were computed.
    pub useful: u64,
    /// The work's own counters for this worker: sums of what [`super::Claim::add_counts`] was given.
    pub counts: Vec<u64>,
    /// Its process ID, where workers are processes and the run was timed; else 0.
    pub process: u32,
    /// Processor time that this process used in the run; of `pipes` to a hundredth of a second.
    pub processor: Duration,
    /// The most memory that this process had to itself, in bytes; else 0.
    pub memory: u64,
}

impl WorkerReport {
    /// Adds a claim: what its pieces were worth, what was executed for them, and how long that took.
    #[inline]
    pub(crate) fn count(&mut self, costs: &[u64], executed: u64, counts: &[u64], busy: Duration) {
        if !busy.is_zero() {
            self.busy += busy;
        }
        self.pieces += costs.len();
        self.claims += 1;
        // A worker in a process of its own may say anything: a sum that wraps harms nobody.
        self.executed = self.executed.wrapping_add(executed);
        self.useful = costs.iter().fold(self.useful, |sum, cost| sum.wrapping_add(*cost));
        add(&mut self.counts, counts);
    }

    /// Adds the figures of `other`, except its number.
    pub fn add(&mut self, other: &Self) {
        self.busy += other.busy;
        self.pieces += other.pieces;
        self.claims += other.claims;
        self.executed = self.executed.wrapping_add(other.executed);
        self.useful = self.useful.wrapping_add(other.useful);
        add(&mut self.counts, &other.counts);
        self.process = self.process.max(other.process);
        self.processor += other.processor;
        self.memory = self.memory.max(other.memory);
    }
}

/// What a run cost.
#[derive(Clone, Debug)]
pub struct Report {
    /// The backend's name.
    pub backend: &'static str,
    /// The schedule that was used, as it is written on the command line.
    pub schedule: String,
    /// Time spent preparing, before any piece.
    pub setup: Duration,
    /// Wall-clock time from the first claim to the end of the last.
    pub wall: Duration,
    /// What the work counts, in the plural: [`super::Work::unit`].
    pub unit: &'static str,
    /// Each worker, by number.
    pub workers: Vec<WorkerReport>,
}

impl Report {
    /// Operations actually executed by all workers.
    pub fn executed(&self) -> u64 {
        self.workers.iter().fold(0, |sum, worker| sum.wrapping_add(worker.executed))
    }

    /// Operations that the results are worth.
    pub fn useful(&self) -> u64 {
        self.workers.iter().fold(0, |sum, worker| sum.wrapping_add(worker.useful))
    }

    /// The work's own counters, summed over all workers.
    pub fn counts(&self) -> Vec<u64> {
        let mut sums = Vec::new();
        self.workers.iter().for_each(|w| add(&mut sums, &w.counts));
        sums
    }

    /// Busy seconds divided by workers × wall: 1 when every worker computed all the time; 0 when the run was not timed. NaN when nothing
    /// ran.
    pub fn efficiency(&self) -> f64 {
        let busy: f64 = self.workers.iter().map(|w| w.busy.as_secs_f64()).sum();
        busy / (self.workers.len() as f64 * self.wall.as_secs_f64())
    }

    /// The busiest worker's busy time divided by the mean, minus 1: 0 when the load was balanced. NaN when nothing ran or the run was not
    /// timed.
    pub fn imbalance(&self) -> f64 {
        let busy = || self.workers.iter().map(|w| w.busy.as_secs_f64());
        let mean = busy().sum::<f64>() / self.workers.len() as f64;
        busy().fold(0.0, f64::max) / mean - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_gone_wild_counts_ends_nothing() {
        let mut report = WorkerReport::default();
        for _ in 0..2 {
            report.count(&[u64::MAX, 7], u64::MAX, &[u64::MAX], Duration::from_nanos(u64::MAX));
        }
        let mut sum = report.clone();
        sum.add(&report);
        assert_eq!((sum.pieces, sum.claims, sum.counts.len()), (8, 4, 1));
        let workers = vec![report, sum];
        let report = Report {
            backend: "by hand",
            schedule: String::new(),
            setup: Duration::ZERO,
            wall: Duration::from_secs(1),
            unit: "iterations",
            workers,
        };
        assert_eq!((report.executed(), report.useful(), report.counts().len()), (u64::MAX - 5, 36, 1));
    }
}
