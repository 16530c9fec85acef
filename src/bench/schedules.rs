//! Runs of one scene side by side: who computed which piece, and when, under several schedules, sizes of tiles and numbers of workers.

use super::clock::Clock;
use super::load::LoadCounters;
use super::measure::{Rounds, Step, in_turns};
use super::record;
use super::results::{Panel, ResultEntry, Results, Timeline, VERSION};
use super::subject::Subject;
use crate::backend::BackendEntry;
use crate::error::{Error, Result};
use crate::parallel::{Schedule, Stop};
use std::collections::BTreeMap;

/// The schedules that are shown if none are named. The first two differ only in who takes which pieces, the last two in how many at once.
pub const SHOWN: [&str; 4] = ["static", "static,1", "dynamic", "guided"];

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

    #[test]
    fn what_lies_nowhere_is_laid_out_in_reading_order() {
        assert_eq!(squares(4), [[0, 0, 16, 16], [16, 0, 16, 16], [32, 0, 16, 16], [0, 16, 16, 16]]);
        assert!(squares(0).is_empty());
    }
}
