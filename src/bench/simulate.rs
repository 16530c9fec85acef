//! What would happen with other schedules and more workers: recorded costs of pieces, replayed event by event.
//!
//! The claims come from [`Loop`], the code that hands them out in real runs, so that a schedule does here what it does there. Workers ask
//! in the order of the simulated time, the lower number first when two ask at once; nothing is random. The simulation does not know how
//! workers slow each other down through shared caches, memory and clock rates: the caller says how much slower a core is when that many
//! compute at once.
//!
//! Events are kept in the time of an undisturbed core, which goes slower than the clock while others compute as well. So one heap is
//! enough, and a worker that is left alone at the end is as fast as one alone. Slowing all claims down equally once over-predicted runs
//! under `static` by 6 % where two workers slow each other down by a tenth.

use crate::backend::Dispatch;
use crate::parallel::{Claims, Kind, Loop, Modifier, Schedule};
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

/// The overheads of a run, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOverheads {
    /// Each claim that is computed: taking it, timing it, delivering its results.
    pub claim: f64,
    /// The part of taking a claim that no two workers can do at the same time: the counter that they share. Schedules without one,
    /// `static` and stealing, do not pay it.
    pub shared: f64,
    /// From the start of a run until the other workers begin.
    pub start: f64,
    /// From the end of the last piece until the run has ended.
    pub end: f64,
}

/// A run that was recorded, to predict its cost under other conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Seconds that each piece takes as a claim of its own, in the order of their numbers.
    pub costs: Vec<f64>,
    /// Seconds that each piece saves when it is computed together with the one before it.
    pub joined: Vec<f64>,
    /// The most pieces that are computed together, whatever the schedule hands out.
    pub grain: usize,
    /// What the run costs besides its pieces.
    pub overheads: RunOverheads,
}

/// The outcome of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The number of workers.
    pub workers: usize,
    /// Seconds from start to end.
    pub makespan: f64,
    /// No schedule takes less than this: the work shared equally, or the longest piece.
    pub bound: f64,
    /// The part of the workers' time in which they computed.
    pub efficiency: f64,
    /// The busiest worker's busy time divided by the mean, minus 1.
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

/// Prefix sums, so that the sum of a range is a difference.
fn sums(values: &[f64]) -> Vec<f64> {
    let add = |sum: &mut f64, value: &f64| {
        *sum += value;
        Some(*sum)
    };
    std::iter::once(0.0).chain(values.iter().scan(0.0, add)).collect()
}

/// How many times as long everything takes when `active` workers compute: the value at their number less 1, or the last one.
fn slow(slowdown: &[f64], active: usize) -> f64 {
    slowdown.get(active.saturating_sub(1)).or(slowdown.last()).copied().unwrap_or(1.0)
}

/// Where workers get their claims.
enum Source<'a> {
    /// For each worker, the shares that it takes claims from in turn.
    Own(Vec<VecDeque<Claims<'a>>>),
    /// All claims, in parts of `grain` pieces.
    Queue { claims: Claims<'a>, rest: Range<usize>, grain: usize },
}

impl Source<'_> {
    fn claim(&mut self, worker: usize) -> Option<Range<usize>> {
        match self {
            Self::Own(shares) => loop {
                let mut share = shares[worker].pop_front()?;
                if let Some(claim) = share.next() {
                    shares[worker].push_back(share);
                    return Some(claim);
                }
            },
            Self::Queue { claims, rest, grain } => {
                if rest.start == rest.end {
                    *rest = claims.next()?;
                }
                let part = rest.start..rest.end.min(rest.start + *grain);
                rest.start = part.end;
                Some(part)
            }
        }
    }
}

/// A claim in flight: since when by the clock, and how long it takes an undisturbed core, without overheads and with all of them.
#[derive(Clone, Copy)]
struct UnderWay {
    since: f64,
    alone: f64,
    all: f64,
}

impl Recording {
    /// Simulates it with `workers` workers under a schedule. `slowdown` is how many times as long everything takes while 1, 2, … workers
    /// compute at once; the last value holds for more workers, and without values they do not slow each other down.
    ///
    /// # Panics
    /// When there are no workers.
    pub fn replay(&self, schedule: Schedule, workers: usize, slowdown: &[f64]) -> Prediction {
        self.replay_handed(schedule, workers, slowdown, Dispatch::PULL)
    }

    /// The same for a backend whose workers get their claims in another way.
    ///
    /// # Panics
    /// When there are no workers.
    pub fn replay_handed(
        &self,
        schedule: Schedule,
        workers: usize,
        slowdown: &[f64],
        dispatch: Dispatch,
    ) -> Prediction {
        let RunOverheads { claim: per_claim, shared, start, end } = self.overheads;
        let grain = self.grain.max(1);
        let shares = if let Dispatch::Pull { shares } = dispatch { shares } else { 1 };
        let pieces = Loop::new(0..self.costs.len(), schedule.with_auto_limit(self.grain), workers * shares);
        let mut source = match dispatch {
            Dispatch::Pull { .. } => {
                let of = |worker| (worker * shares..(worker + 1) * shares).map(|share| pieces.claims(share)).collect();
                Source::Own((0..workers).map(of).collect())
            }
            Dispatch::Push => Source::Queue { claims: pieces.claims(0), rest: 0..0, grain },
        };
        let mut requests: BinaryHeap<_> =
            (0..workers).map(|worker| Reverse(Request(if worker == 0 { 0.0 } else { start }, worker))).collect();
        let (costs, joined) = (sums(&self.costs), sums(&self.joined));
        let shared = if has_counter(schedule) { shared } else { 0.0 };
        let mut busy = vec![0.0; workers];
        let mut under_way: Vec<Option<UnderWay>> = vec![None; workers];
        let (mut counter_free, mut taken, mut active) = (0.0_f64, 0, workers);
        // By an undisturbed core, and by the clock.
        let (mut core, mut clock, mut last) = (0.0_f64, 0.0_f64, 0.0_f64);
        while let Some(Reverse(Request(now, worker))) = requests.pop() {
            clock += (now - core) * slow(slowdown, active);
            core = now;
            if let Some(UnderWay { since, alone, all }) = under_way[worker].take() {
                busy[worker] += if all > 0.0 { (clock - since) * alone / all } else { 0.0 };
                last = clock;
            }
            let Some(claim) = source.claim(worker) else {
                active -= 1;
                continue;
            };
            let granted = now.max(counter_free);
            counter_free = granted + shared;
            let parts = claim.len().div_ceil(grain);
            let starts = (claim.start..claim.end).step_by(grain).map(|start| self.joined[start]).sum::<f64>();
            let saved = joined[claim.end] - joined[claim.start] - starts;
            let alone = (costs[claim.end] - costs[claim.start] - saved).max(0.0);
            let done = granted + parts as f64 * per_claim + alone;
            under_way[worker] = Some(UnderWay { since: clock, alone, all: done - now });
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

    /// The least time in which `workers` workers can compute everything.
    pub fn bound(&self, workers: usize, slowdown: &[f64]) -> f64 {
        let least = self.costs.iter().zip(&self.joined).map(|(cost, saved)| cost - saved.max(0.0));
        let (sum, longest) = least.fold((0.0, 0.0_f64), |(sum, longest), cost| (sum + cost, longest.max(cost)));
        // Fewer workers may be faster where many slow each other down.
        let rate = |active: usize| active as f64 / slow(slowdown, active);
        let fastest = (1..=workers.min(slowdown.len())).map(rate).fold(rate(workers), f64::max);
        let lone = (1..=workers.min(slowdown.len())).map(|active| slow(slowdown, active)).fold(f64::INFINITY, f64::min);
        (sum / fastest).max(longest * if lone.is_finite() { lone } else { 1.0 })
    }

    /// The time with one worker that takes all in one go, the baseline for speed-ups.
    pub fn serial(&self) -> f64 {
        self.replay(Schedule::STATIC, 1, &[]).makespan
    }

    /// The chunk, a power of two, with which `schedule` is fastest, and that run.
    pub fn best_chunk(&self, schedule: Schedule, workers: usize, slowdown: &[f64]) -> (u32, Prediction) {
        let most = self.costs.len().div_ceil(workers).max(1).ilog2();
        let run = |chunk: u32| {
            let schedule = schedule.with_chunk(chunk).unwrap_or(schedule);
            (chunk, self.replay(schedule, workers, slowdown))
        };
        let all = (0..=most).map(|power| run(1 << power));
        all.min_by(|a, b| a.1.makespan.total_cmp(&b.1.makespan)).expect("there is a chunk of 1")
    }

    /// The same pieces in another order: the new piece i is piece `order[i]` here. A piece is assumed to save the same after any other.
    pub fn reordered(&self, order: &[usize]) -> Self {
        let [costs, joined] =
            [&self.costs, &self.joined].map(|values| order.iter().map(|&index| values[index]).collect());
        Self { costs, joined, ..self.clone() }
    }
}

/// Whether all workers take their claims from one counter.
fn has_counter(schedule: Schedule) -> bool {
    match schedule.kind() {
        Kind::Static => false,
        Kind::Dynamic => schedule.order() != Some(Modifier::Nonmonotonic),
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
