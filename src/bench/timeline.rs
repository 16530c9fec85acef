//! Runs claim by claim: who did what when.

use crate::sink::{Slice, Trace};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What pieces are called where a file does not say it.
pub fn piece_name(name: &str) -> &str {
    if name.is_empty() { "piece" } else { name }
}

/// One run, claim by claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// The number of workers.
    pub workers: usize,
    /// From the start of the run to its end, in seconds.
    pub wall: f64,
    /// Worker, first piece, number of pieces, start and end in microseconds since the start of the run.
    pub claims: Vec<(usize, usize, usize, f64, f64)>,
}

impl Timeline {
    /// Converts it to a trace that Perfetto opens; `piece` is what its pieces are.
    pub fn trace(&self, scene: &str, piece: &str) -> Trace {
        let micro = |micro: f64| Duration::from_nanos((micro * 1e3).max(0.0) as u64);
        let mut workers = vec![Vec::new(); self.workers];
        for &(worker, first, count, began, ended) in &self.claims {
            let slice =
                Slice { range: first..first + count, operations: None, began: micro(began), ended: micro(ended) };
            if let Some(slices) = workers.get_mut(worker) {
                slices.push(slice);
            }
        }
        let wall = Duration::try_from_secs_f64(self.wall).unwrap_or_default();
        let names = [self.backend.clone(), piece_name(piece).to_owned()];
        Trace::recorded(format!("{scene}, {}", self.schedule), names, wall, workers)
    }
}

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
            tiles: vec![[0; 4]; 4],
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
}
