//! Recording runs: which worker computed which pieces when, and what each piece costs.

use super::results::Timeline;
use super::simulate::{Recording, RunOverheads};
use super::statistics::{Interval, lower_decile, quantile};
use super::subject::Subject;
use crate::backend::{BackendEntry, Session, SessionOptions};
use crate::error::Result;
use crate::parallel::{Discard, FinishedClaim, Schedule, Sink, Stop, Work, lock};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Worker, first piece, number of pieces, start and end in seconds.
type Slice = (usize, usize, usize, f64, f64);

/// A sink that keeps the claims of a run.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Slice>>);

impl Recorder {
    fn take(&self) -> Vec<Slice> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl Sink for Recorder {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let slice =
            (done.worker, done.range.start, done.range.len(), done.began.as_secs_f64(), done.ended.as_secs_f64());
        lock(&self.0).push(slice);
        Ok(())
    }
}

fn options(workers: usize, schedule: Schedule) -> SessionOptions {
    SessionOptions { workers, schedule: Some(schedule), timed: true, ..SessionOptions::default() }
}

/// Runs `subject` once, with its workers pinned if `pin`, and keeps its claims.
///
/// # Errors
/// The errors of the backend.
pub fn timeline(
    subject: &Subject,
    entry: &'static BackendEntry,
    schedule: Schedule,
    (workers, pin): (usize, bool),
    stop: &Stop,
) -> Result<Timeline> {
    let workers = if entry.parallel { workers } else { 1 };
    let mut session = entry.open(&SessionOptions { stop: stop.clone(), pin, ..options(workers, schedule) })?;
    session.run(subject.small.clone(), Arc::new(Discard), stop)?;
    let recorder = Arc::new(Recorder::default());
    let report = session.run(subject.work.clone(), recorder.clone(), stop)?;
    let mut slices = recorder.take();
    slices.sort_by(|a, b| (a.0, a.3).partial_cmp(&(b.0, b.3)).expect("times are numbers"));
    let micro = |seconds: f64| (seconds * 1e7).round() / 10.0;
    Ok(Timeline {
        backend: entry.name.to_owned(),
        schedule: schedule.to_string(),
        workers: report.workers.len(),
        wall: report.wall.as_secs_f64(),
        claims: slices
            .iter()
            .map(|&(worker, first, count, began, ended)| (worker, first, count, micro(began), micro(ended)))
            .collect(),
    })
}

/// What the pieces of a subject cost, from runs of one worker in which each is a claim of its own, and runs in which as many are computed
/// together as in the backends. The minimum time of each claim counts; then all are scaled by the same factor, so that their sum is that
/// of a whole run, the lower decile of all. Sums of minimum times were 1 to 3 % below every run.
pub struct Costs {
    single: Box<dyn Session>,
    together: Box<dyn Session>,
    grain: usize,
    pieces: Vec<f64>,
    claims: BTreeMap<(usize, usize), f64>,
    /// The sums of each run: of single pieces, of claims.
    sums: [Vec<f64>; 2],
}

impl Costs {
    /// Opens the sessions that are needed.
    ///
    /// # Errors
    /// The errors of the backend.
    pub fn new(subject: &Subject, stop: &Stop) -> Result<Self> {
        let entry = crate::backend::find("serial")?;
        let mut single = entry.open(&options(1, Schedule::STATIC.with_chunk(1)?))?;
        single.run(subject.small.clone(), Arc::new(Discard), stop)?;
        Ok(Self {
            single,
            together: entry.open(&options(1, Schedule::STATIC))?,
            grain: crate::parallel::grain(&*subject.work)?,
            pieces: vec![f64::INFINITY; subject.work.len()],
            claims: BTreeMap::new(),
            sums: Default::default(),
        })
    }

    /// Makes a run of each kind.
    ///
    /// # Errors
    /// The errors of the backend.
    pub fn round(&mut self, subject: &Subject, stop: &Stop) -> Result<()> {
        let [single, together] = [&mut self.single, &mut self.together].map(|session| slices(session, subject, stop));
        let (single, together) = (single?, together?);
        let sum = |slices: &[Slice]| slices.iter().map(|(.., began, ended)| ended - began).sum::<f64>();
        self.sums[0].push(sum(&single));
        self.sums[1].push(sum(&together));
        for (_, first, _, began, ended) in single {
            self.pieces[first] = self.pieces[first].min(ended - began);
        }
        for (_, first, count, began, ended) in together {
            let least = self.claims.entry((first, count)).or_insert(f64::INFINITY);
            *least = least.min(ended - began);
        }
        Ok(())
    }

    /// The sums of a typical run.
    fn typical(&self) -> [f64; 2] {
        [0, 1].map(|kind| lower_decile(&self.sums[kind], |sum| *sum).copied().unwrap_or(0.0))
    }

    /// How far recordings may be from a typical one, by the scatter of those that were made: a range around 0. `None` for fewer than five.
    pub(super) fn scatter(&self) -> Option<Interval> {
        let ratio = quantile(&self.sums[1], 0.9) / quantile(&self.sums[1], 0.1);
        let known = self.sums[1].len() >= 5 && ratio.is_finite();
        known.then(|| Interval { low: 1.0 / ratio - 1.0, high: ratio - 1.0 })
    }

    /// The recording so far, without overheads.
    pub fn recording(&self) -> Recording {
        let [single, together] = self.typical();
        let factor = |sum: f64, of: f64| if of > 0.0 { sum / of } else { 1.0 };
        let scale = factor(single, self.pieces.iter().sum());
        let costs: Vec<f64> = self.pieces.iter().map(|cost| cost * scale).collect();
        let scale = factor(together, self.claims.values().sum());
        let mut joined = vec![0.0; costs.len()];
        for (&(first, count), time) in self.claims.iter().filter(|((_, count), _)| *count > 1) {
            let range = first..first + count;
            // In equal parts, for want of a better split.
            let saved = (costs[range.clone()].iter().sum::<f64>() - time * scale) / (count - 1) as f64;
            joined[range].fill(saved);
        }
        Recording { costs, joined, grain: self.grain, overheads: RunOverheads::default() }
    }
}

impl fmt::Debug for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Costs").field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// The claims of a run.
fn slices(session: &mut Box<dyn Session>, subject: &Subject, stop: &Stop) -> Result<Vec<Slice>> {
    let recorder = Arc::new(Recorder::default());
    session.run(subject.work.clone(), recorder.clone(), stop)?;
    Ok(recorder.take())
}

/// The times between the pieces of a run, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// From the start of the run to its end.
    pub wall: f64,
    /// From the first worker's first claim to those of the others, on average.
    pub start: f64,
    /// Before the first claim and after the last.
    pub ends: f64,
    /// Between two claims of a worker, on average.
    pub gap: f64,
    /// How long computing takes per piece.
    pub piece: f64,
    /// How many pieces a claim has, on average.
    pub pieces: f64,
}

impl Between {
    /// Of a run of `work`.
    ///
    /// # Errors
    /// The errors of the backend.
    pub fn of(session: &mut dyn Session, work: Arc<dyn Work>, stop: &Stop) -> Result<Self> {
        let recorder = Arc::new(Recorder::default());
        let wall = session.run(work, recorder.clone(), stop)?.wall.as_secs_f64();
        Ok(Self::from_slices(wall, recorder.take()))
    }

    fn from_slices(wall: f64, mut slices: Vec<Slice>) -> Self {
        slices.sort_by(|a, b| (a.0, a.3).partial_cmp(&(b.0, b.3)).expect("times are numbers"));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (mut firsts, mut gaps, mut last) = (Vec::new(), Vec::new(), 0.0_f64);
        for (index, &(worker, .., began, ended)) in slices.iter().enumerate() {
            match index.checked_sub(1).map(|before| &slices[before]).filter(|before| before.0 == worker) {
                Some(before) => gaps.push(began - before.4),
                None => firsts.push(began),
            }
            last = last.max(ended);
        }
        firsts.sort_by(f64::total_cmp);
        let first = firsts.first().copied().unwrap_or(0.0);
        let others: Vec<f64> = firsts.iter().skip(1).map(|began| began - first).collect();
        let pieces = slices.iter().map(|slice| slice.2).sum::<usize>() as f64;
        let busy: f64 = slices.iter().map(|slice| slice.4 - slice.3).sum();
        Self {
            wall,
            start: mean(&others),
            ends: first + (wall - last).max(0.0),
            gap: mean(&gaps).max(0.0),
            piece: busy / pieces.max(1.0),
            pieces: pieces / slices.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_claims_is_found() {
        // Worker 0 begins at 1, worker 1 at 1.5; the run ends at 11.
        let slices = vec![(0, 0, 2, 1.0, 3.0), (1, 4, 2, 1.5, 5.5), (0, 2, 2, 3.25, 6.25), (0, 6, 2, 7.0, 10.0)];
        let between = Between::from_slices(11.0, slices);
        let expected = Between { wall: 11.0, start: 0.5, ends: 2.0, gap: 0.5, piece: 1.5, pieces: 2.0 };
        assert_eq!(between, expected);
        assert_eq!(Between::from_slices(1.0, Vec::new()).ends, 1.0);
    }

    #[test]
    fn the_sum_of_costs_is_that_of_a_run() {
        let subject =
            Subject::standard(super::super::subject::standard("costly-tail").unwrap(), (100, 100), 10).unwrap();
        let mut costs = Costs::new(&subject, &Stop::new()).unwrap();
        (0..3).for_each(|_| costs.round(&subject, &Stop::new()).unwrap());
        let recording = costs.recording();
        let [single, together] = costs.typical();
        assert!((recording.costs.iter().sum::<f64>() / single - 1.0).abs() < 1e-9);
        assert!((recording.serial() / together - 1.0).abs() < 1e-9, "{} {together}", recording.serial());
        assert_eq!(recording.costs.len(), 100);
    }
}
