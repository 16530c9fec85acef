//! What a timeline suggests: who waited, when, and what the simulation says would help.

use super::results::{MeasuredScene, Timeline};
use super::simulate::Recording;
use crate::parallel::Schedule;

/// Waiting less than this share of a run is not worth a word.
const WORTH: f64 = 0.1;

/// Gains below this share are within what the simulation may be wrong by.
const GAIN: f64 = 0.03;

/// The most sentences for a scene.
const MOST: usize = 3;

/// A sentence for each run in which a worker waited long, the longest wait first.
pub fn advise(scene: &MeasuredScene) -> Vec<String> {
    let mut found: Vec<(f64, String)> = scene.timelines.iter().filter_map(|line| of_run(scene, line)).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().take(MOST).map(|(_, sentence)| sentence).collect()
}

/// The shares of a run in which a worker waited: before its first claim, between claims, after the last.
fn waits(line: &Timeline, worker: usize) -> [f64; 3] {
    let wall = line.wall * 1e6;
    let own = || line.claims.iter().filter(|claim| claim.0 == worker);
    let first = own().map(|claim| claim.3).fold(wall, f64::min);
    let last = own().map(|claim| claim.4).fold(first, f64::max);
    let busy: f64 = own().map(|claim| claim.4 - claim.3).sum();
    [first, last - first - busy, wall - last].map(|micro| (micro / wall).clamp(0.0, 1.0))
}

fn of_run(scene: &MeasuredScene, line: &Timeline) -> Option<(f64, String)> {
    if line.workers < 2 || line.claims.is_empty() || line.wall <= 0.0 {
        return None;
    }
    let longest = |a: &(usize, [f64; 3]), b: &(usize, [f64; 3])| a.1.iter().sum::<f64>().total_cmp(&b.1.iter().sum());
    let (worker, parts) = (0..line.workers).map(|worker| (worker, waits(line, worker))).max_by(longest)?;
    let wait: f64 = parts.iter().sum();
    if wait < WORTH {
        return None;
    }
    let place = (0..3).max_by(|&a, &b| parts[a].total_cmp(&parts[b]))?;
    let when = ["before its first claim", "between its claims", "after its last claim"][place];
    let help = scene.recording.as_ref().map_or(String::new(), |recording| help(scene, recording, line, place));
    let Timeline { backend, schedule, .. } = line;
    Some((
        wait,
        format!(
            "{backend}, {schedule}: worker {worker} waited {:.0} % of the time, mostly {when}{help}.",
            100.0 * wait
        ),
    ))
}

/// What would help, with the simulation's estimate.
fn help(scene: &MeasuredScene, recording: &Recording, line: &Timeline, place: usize) -> String {
    if place == 0 {
        return ": it began late, which no schedule changes".to_owned();
    }
    let Ok(schedule) = line.schedule.parse::<Schedule>() else { return String::new() };
    let time = |recording: &Recording| recording.replay(schedule, line.workers, &scene.slowdown).makespan;
    let now = time(recording);
    let gain = |time: f64| 1.0 - time / now;
    // Each must gain more than those before it, which are simpler, to be worth its name.
    let mut found = Vec::new();
    if !scene.tiles.is_empty() && place == 2 {
        found.push((gain(time(&smaller(recording))), "tiles half as wide".to_owned()));
    }
    let order = scene.predictions.first().map(|forecast| &forecast.order);
    for forecast in scene.predictions.iter().filter(|forecast| Some(&forecast.order) == order) {
        for (chunk, run) in forecast.runs.iter().filter(|(_, run)| run.workers == line.workers) {
            let kind = forecast.schedule.split(',').next().unwrap_or_default();
            let name = chunk.map_or(forecast.schedule.clone(), |chunk| format!("{kind},{chunk}"));
            found.push((gain(run.makespan), format!("the schedule `{name}`")));
        }
    }
    if let (false, 2, Ok(one)) = (scene.tiles.is_empty(), place, Schedule::DYNAMIC.with_chunk(1)) {
        let both = smaller(recording).replay(one, line.workers, &scene.slowdown).makespan;
        found.push((gain(both), format!("tiles half as wide under the schedule `{one}`")));
    }
    let better = |best: Option<(f64, String)>, next: (f64, String)| match best {
        Some(best) if next.0 <= best.0 + 0.01 => Some(best),
        _ => Some(next),
    };
    let best = found.into_iter().fold(None, better);
    match best {
        Some((gain, what)) if gain >= GAIN => {
            format!(": {what} would save {:.0} % of the time by the simulation", 100.0 * gain)
        }
        _ => ": by the simulation no schedule would save 3 %, so the cause is outside the schedule".to_owned(),
    }
}

/// The recording with each tile cut into four of equal cost.
fn smaller(recording: &Recording) -> Recording {
    let quarter = |values: &[f64]| values.iter().flat_map(|value| [value / 4.0; 4]).collect();
    Recording { costs: quarter(&recording.costs), joined: quarter(&recording.joined), ..recording.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::forecast::predict;
    use super::super::simulate::RunOverheads;
    use super::*;

    /// Eight tiles of which the last costs as much as all others, on two workers.
    fn scene(costs: &[f64]) -> MeasuredScene {
        let recording = Recording {
            costs: costs.to_vec(),
            joined: vec![0.0; costs.len()],
            grain: 1,
            overheads: RunOverheads::default(),
        };
        let own = vec![("rows".to_owned(), (0..costs.len()).collect::<Vec<_>>())];
        MeasuredScene {
            tiles: vec![[0, 0, 8, 8]; costs.len()],
            predictions: predict(&recording, &own, &[1.0, 1.0], 2),
            recording: Some(recording),
            slowdown: vec![1.0, 1.0],
            ..MeasuredScene::default()
        }
    }

    fn line(schedule: &str, claims: &[(usize, usize, usize, f64, f64)], wall: f64) -> Timeline {
        Timeline { backend: "threads".into(), schedule: schedule.into(), workers: 2, wall, claims: claims.to_vec() }
    }

    #[test]
    fn who_waited_and_what_would_help_is_said() {
        let mut tail = scene(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 7.0]);
        let claims = [(0, 0, 4, 0.0, 4e6), (1, 4, 4, 0.0, 1e7)];
        tail.timelines = vec![line("static", &claims, 10.0)];
        let advice = advise(&tail);
        let start = "threads, static: worker 0 waited 60 % of the time, mostly after its last claim: ";
        assert!(advice.len() == 1 && advice[0].starts_with(start), "{advice:?}");
        assert!(
            advice[0].contains("tiles half as wide under the schedule `dynamic,1` would save 30 %")
                && advice[0].ends_with("by the simulation."),
            "{advice:?}"
        );
        // Nobody waited.
        let mut even = scene(&[1.0; 8]);
        even.timelines = vec![line("static", &[(0, 0, 4, 0.0, 4e6), (1, 4, 4, 0.0, 3.9e6)], 4.0)];
        assert_eq!(advise(&even), Vec::<String>::new());
        // A worker that came late: no schedule helps.
        even.timelines = vec![line("dynamic", &[(0, 0, 4, 0.0, 4e6), (1, 4, 4, 4e6, 8e6)], 8.0)];
        assert!(advise(&even)[0].contains("before its first claim: it began late"), "{:?}", advise(&even));
        // One alone waits for nobody.
        even.timelines[0].workers = 1;
        assert!(advise(&even).is_empty());
    }
}
