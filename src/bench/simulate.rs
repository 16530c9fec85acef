//! What would happen with other schedules and more workers: recorded costs of pieces, replayed event by event.
//!
//! The claims come from [`Loop`], the code that hands them out in real runs, so that a schedule does here what it does there. Workers ask
//! in the order of the simulated time, workers of lower number first when two ask at once; nothing is random. What it does not know is
//! what workers do to each other in the machine, through shared caches, memory and clock rates: the caller says how much slower a core is
//! when that many compute at once.

use crate::parallel::{Kind, Loop, Order, Schedule};
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// What a run costs beside its pieces, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overheads {
    /// Each claim that is computed: taking it, its times, handing on its results.
    pub claim: f64,
    /// The part of taking a claim that no two workers do at the same time: the counter that they share. Schedules without one, `static` and
    /// stealing, are free of it.
    pub shared: f64,
    /// From the start of a run until the other workers begin.
    pub start: f64,
    /// From the end of the last piece until the run has ended.
    pub end: f64,
}

/// A run that was recorded, and what can be said of its cost elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Seconds that each piece takes as a claim of its own, in the order of their numbers.
    pub costs: Vec<f64>,
    /// Seconds that a piece saves when it is computed together with the one before it.
    pub joined: f64,
    /// The most pieces that are computed together, whatever the schedule hands out.
    pub grain: usize,
    /// The rest.
    pub overheads: Overheads,
}

/// How a simulated run went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The number of workers.
    pub workers: usize,
    /// Seconds from start to end.
    pub makespan: f64,
    /// Below this no schedule comes: the work shared equally, or the longest piece.
    pub bound: f64,
    /// The part of the workers' time in which they computed.
    pub efficiency: f64,
    /// The busiest worker's time over the mean, less 1.
    pub imbalance: f64,
    /// Claims that were handed out.
    pub claims: usize,
}

/// A moment at which a worker asks for its next claim. The earlier comes first, then the lower number.
#[derive(PartialEq)]
struct Request(f64, usize);

impl Eq for Request {}

impl Ord for Request {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Request {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Recording {
    /// Runs it with so many workers under a schedule. `slowdown` is how much longer everything takes when so many workers compute at once;
    /// 1 when they do not disturb each other.
    ///
    /// # Panics
    /// When there are no workers.
    pub fn replay(&self, schedule: Schedule, workers: usize, slowdown: f64) -> Prediction {
        let Overheads { claim: per_claim, shared, start, end } = self.overheads;
        let pieces = Loop::new(0..self.costs.len(), schedule.with_auto_limit(self.grain), workers);
        let mut claims: Vec<_> = (0..workers).map(|worker| pieces.claims(worker)).collect();
        let mut requests: BinaryHeap<_> =
            (0..workers).map(|worker| Reverse(Request(if worker == 0 { 0.0 } else { start }, worker))).collect();
        // Sums from the start, so that the cost of a claim is a difference.
        let mut sums = vec![0.0];
        for cost in &self.costs {
            sums.push(sums.last().expect("it begins with one") + cost);
        }
        let shared = if has_counter(schedule) { shared } else { 0.0 };
        let mut busy = vec![0.0; workers];
        let (mut counter_free, mut last, mut taken) = (0.0_f64, 0.0_f64, 0);
        while let Some(Reverse(Request(now, worker))) = requests.pop() {
            let Some(claim) = claims[worker].next() else { continue };
            let granted = now.max(counter_free);
            counter_free = granted + shared;
            let parts = claim.len().div_ceil(self.grain.max(1));
            let alone = sums[claim.end] - sums[claim.start] - (claim.len() - parts) as f64 * self.joined;
            let time = alone.max(0.0) * slowdown;
            busy[worker] += time;
            let done = granted + parts as f64 * per_claim + time;
            last = last.max(done);
            taken += 1;
            requests.push(Reverse(Request(done, worker)));
        }
        let makespan = last + end;
        let (total, most) = (busy.iter().sum::<f64>(), busy.iter().copied().fold(0.0, f64::max));
        Prediction {
            workers,
            makespan,
            bound: self.bound(workers, slowdown),
            efficiency: if makespan > 0.0 { total / (workers as f64 * makespan) } else { 1.0 },
            imbalance: if total > 0.0 { most * workers as f64 / total - 1.0 } else { 0.0 },
            claims: taken,
        }
    }

    /// The least time in which so many workers can have computed everything.
    pub fn bound(&self, workers: usize, slowdown: f64) -> f64 {
        let most_saved = self.joined * (self.costs.len() - self.costs.len().div_ceil(self.grain.max(1))) as f64;
        let shared = (self.costs.iter().sum::<f64>() - most_saved).max(0.0) / workers as f64;
        let longest = self.costs.iter().copied().fold(0.0, f64::max) - self.joined;
        shared.max(longest) * slowdown
    }

    /// The time with one worker that takes all in one go, against which speed-ups count.
    pub fn serial(&self) -> f64 {
        self.replay(Schedule::STATIC, 1, 1.0).makespan
    }

    /// The chunk, a power of two, with which `schedule` is done first, and how.
    pub fn best_chunk(&self, schedule: Schedule, workers: usize, slowdown: f64) -> (u32, Prediction) {
        let most = self.costs.len().div_ceil(workers).max(1).ilog2();
        let run = |chunk: u32| {
            let schedule = schedule.with_chunk(chunk).unwrap_or(schedule);
            (chunk, self.replay(schedule, workers, slowdown))
        };
        let all = (0..=most).map(|power| run(1 << power));
        all.min_by(|a, b| a.1.makespan.total_cmp(&b.1.makespan)).expect("there is a chunk of 1")
    }

    /// The same pieces numbered in another order: piece i becomes what is number `order[i]` here.
    pub fn reordered(&self, order: &[usize]) -> Self {
        Self { costs: order.iter().map(|&index| self.costs[index]).collect(), ..self.clone() }
    }
}

/// Whether all workers take their claims from one counter.
fn has_counter(schedule: Schedule) -> bool {
    match schedule.kind() {
        Kind::Static => false,
        Kind::Dynamic => schedule.order() != Some(Order::Nonmonotonic),
        Kind::Guided | Kind::Auto => true,
    }
}

/// The numbers of workers that predictions are made for: all powers of two up to 4096, and those that the machine has.
pub fn worker_counts(machine: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (0..=12).map(|power| 1 << power).chain(1..=machine.min(16)).chain([machine]).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

#[cfg(test)]
mod tests;
