//! Runs of one scene side by side: who computed which piece, and when, under several schedules, sizes of tiles and numbers of workers.

use super::clock::Clock;
use super::load::LoadCounters;
use super::measure::{Rounds, Step, in_turns};
use super::record;
use super::results::{ResultEntry, Results, Timeline, VERSION};
use super::subject::Subject;
use crate::backend::BackendEntry;
use crate::error::{Error, Result};
use crate::parallel::{Schedule, Stop};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schedules that are shown if none are named. The first two differ only in who takes which pieces, the last two in how many at once.
pub const SHOWN: [&str; 4] = ["static", "static,1", "dynamic", "guided"];

/// One run of several, with what is needed to draw it beside the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Panel {
    /// Its scene.
    pub scene: String,
    /// The edge of its tiles in pixels, or `whole`.
    pub tile: String,
    /// How many times the work of the smallest run it is; 1 but for weak scaling.
    pub growth: f64,
    /// Whether its pieces are tiles of a picture.
    pub is_picture: bool,
    /// Each piece's rectangle x, y, width, height in samples; of what is not a picture, squares in reading order.
    pub tiles: Vec<[u32; 4]>,
    /// The fastest run.
    pub line: Timeline,
    /// The time of each run, in seconds.
    pub times: Vec<f64>,
}

/// What is run for a panel.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which of the subjects.
    pub subject: usize,
    /// The edge of its tiles, as it is written.
    pub tile: String,
    /// The schedule.
    pub schedule: Schedule,
    /// The number of workers.
    pub workers: usize,
}

impl Panel {
    /// The share of the workers' time in which they computed.
    pub fn busy(&self) -> f64 {
        let computing: f64 = self.line.claims.iter().map(|claim| claim.4 - claim.3).sum();
        computing / (self.line.workers as f64 * self.line.wall * 1e6)
    }

    /// What its pieces are.
    pub fn pieces(&self) -> String {
        match &*self.tile {
            _ if !self.is_picture => format!("{} pieces", self.tiles.len()),
            "whole" => "one tile".into(),
            edge => format!("tiles of {edge}"),
        }
    }

    /// Which worker computed each piece.
    pub fn owners(&self) -> Vec<usize> {
        let mut owners = vec![0; self.tiles.len()];
        for &(worker, first, count, ..) in &self.line.claims {
            owners.iter_mut().skip(first).take(count).for_each(|owner| *owner = worker);
        }
        owners
    }

    /// When the first worker was done for good, as a share of the run: from then on the others computed without it.
    pub fn first_idle(&self) -> f64 {
        let mut ends = vec![0.0_f64; self.line.workers];
        for &(worker, .., ended) in &self.line.claims {
            if let Some(end) = ends.get_mut(worker) {
                *end = end.max(ended);
            }
        }
        ends.into_iter().fold(f64::INFINITY, f64::min) / (self.line.wall * 1e6)
    }
}

/// Squares in reading order, in the shape of a screen, for pieces that lie nowhere.
fn squares(pieces: usize) -> Vec<[u32; 4]> {
    const EDGE: usize = 16;
    let columns = (pieces as f64 * 16.0 / 9.0).sqrt().ceil().max(1.0) as usize;
    let square = |index: usize| [index % columns * EDGE, index / columns * EDGE, EDGE, EDGE].map(|value| value as u32);
    (0..pieces).map(square).collect()
}

/// Runs all of `shown` in turns on the backend `entry`, and keeps the fastest run of each with its claims, and the times of all.
///
/// # Errors
/// The errors of the backend and of `after`; [`Error::Stopped`] when `stop` is set.
pub fn measure(
    clock: &dyn Clock,
    (subjects, shown): (&[Subject], &[Shown]),
    (entry, rounds): (&'static BackendEntry, Rounds),
    results: &mut Results,
    stop: &Stop,
    mut after: impl FnMut(&Step) -> Result<()>,
) -> Result<()> {
    results.fractal = VERSION;
    let mut fastest: Vec<Option<Timeline>> = vec![None; shown.len()];
    let mut entries: Vec<_> = shown.iter().map(|one| one.entry(&subjects[one.subject], entry)).collect();
    let one = |index: usize| {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let Shown { subject, schedule, workers, .. } = shown[index];
        let (before, processor) = (LoadCounters::read(), clock.processor());
        let line = record::timeline(&subjects[subject], entry, schedule, (workers, false), stop)?;
        let processor = clock.processor() - processor;
        Ok((line, processor, LoadCounters::read().others_since(&before, processor)))
    };
    in_turns(clock, rounds, &vec![0; shown.len()], 3, one, |step, (line, processor, others)| {
        let entry = &mut entries[step.combination];
        if step.is_warmup {
            entry.warmup.push(line.wall);
            return after(&step);
        }
        entry.times.push(line.wall);
        entry.processor.push(processor.as_secs_f64());
        entry.others = Some(entry.others.unwrap_or(0.0) + others);
        entry.claims = line.claims.len();
        entry.summarise();
        let best = &mut fastest[step.combination];
        if best.as_ref().is_none_or(|best| line.wall < best.wall) {
            *best = Some(line);
        }
        after(&step)
    })?;
    for ((one, line), entry) in shown.iter().zip(fastest).zip(&entries) {
        let subject = &subjects[one.subject];
        let tiles: Vec<_> = subject.tiles.iter().map(|tile| [tile.x, tile.y, tile.width, tile.height]).collect();
        results.panels.extend(line.map(|line| Panel {
            scene: subject.name.clone(),
            tile: one.tile.clone(),
            growth: subject.growth,
            is_picture: !tiles.is_empty(),
            tiles: if tiles.is_empty() { squares(subject.work.len()) } else { tiles },
            line,
            times: entry.times.clone(),
        }));
    }
    results.results.append(&mut entries);
    Ok(())
}

impl Shown {
    fn entry(&self, subject: &Subject, entry: &BackendEntry) -> ResultEntry {
        let parameters = [
            ("scene", subject.name.clone()),
            ("backend", entry.name.to_owned()),
            ("schedule", self.schedule.to_string()),
            ("workers", self.workers.to_string()),
            ("tile", self.tile.clone()),
        ];
        ResultEntry {
            command: format!(
                "{}, {}, {}, {} workers, tiles of {}",
                subject.name, entry.name, self.schedule, self.workers, self.tile
            ),
            parameters: BTreeMap::from(parameters.map(|(name, value)| (name.to_owned(), value))),
            pieces: subject.work.len(),
            pixels: subject.pixels,
            growth: subject.growth,
            ..ResultEntry::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        let claims = vec![(0, 0, 2, 0.0, 4.0), (1, 2, 1, 1.0, 9.0), (0, 3, 1, 4.0, 5.0)];
        let line = Timeline { backend: "a".into(), schedule: "static".into(), workers: 2, wall: 10e-6, claims };
        Panel {
            scene: "b".into(),
            tile: "64".into(),
            growth: 1.0,
            is_picture: false,
            tiles: squares(4),
            line,
            times: vec![10e-6],
        }
    }

    #[test]
    fn owners_and_shares_follow_from_the_claims() {
        let panel = panel();
        assert_eq!(panel.owners(), [0, 0, 1, 0]);
        assert!((panel.busy() - 13.0 / 20.0).abs() < 1e-12 && (panel.first_idle() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_lies_nowhere_is_laid_out_in_reading_order() {
        assert_eq!(squares(4), [[0, 0, 16, 16], [16, 0, 16, 16], [32, 0, 16, 16], [0, 16, 16, 16]]);
        assert!(squares(0).is_empty());
    }
}
