//! What must hold after a run, however it was struck.

use super::super::files;
use super::super::support::processes::running_in;
use super::super::support::until;
use super::Counts;
use super::plan::{Holds, Plan};
use super::struck::{Run, run_alone};
use fractal::Render;
use fractal::parallel::Stop;
use fractal::sink::Records;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// How runs end.
pub(super) const ENDS: [&str; 3] = ["completed", "interrupted", "killed"];

/// How one of two ends when the other has its file: that depends on what the processors do.
const REFUSED: &str = "refused";

/// How one ends whose display went away before it had a window.
const WINDOWLESS: &str = "windowless";

/// What it says.
const NO_WINDOW: &str = "fractal: no window can be opened here (";

/// Messages of runs that go well or are interrupted, a part of each.
const TOLD: [&str; 12] = [
    "fractal: stopped before the work was complete",
    "tiles; to continue: ",
    "nothing is kept of `",
    "nothing is kept of the measurements, since none was written yet",
    "` is expected to take about ",
    "tiles of this very picture, so the render continues from it",
    "starts from the beginning",
    "is already complete",
    "samples had escaped in",
    "finished tiles are kept in",
    "wrote `",
    "the measurements so far are in `results.json`; the same command with --resume continues",
];

/// Messages of one of two runs whose file the other has, or just had.
const REFUSALS: [&str; 3] = [
    "` is being written by process ",
    "was written by another process just now; try again",
    "was removed or replaced just now; try again",
];

/// What a run says that loses its window.
const GONE: &str = "fractal: the window is gone: ";

/// What a run says that continues a file whose last write a SIGKILL cut off: the kernel then ends it between two pages.
const CUT_OFF: &str = "is damaged; its lost tiles are computed again";

/// What a round knows of the files that are left.
#[derive(Default)]
pub(super) struct Left {
    /// Whether a run was killed that may have been writing tiles.
    killed: bool,
    /// Tiles that were kept.
    tiles: usize,
    /// Temporary files.
    temporary: BTreeSet<String>,
}

/// Checks what runs that were started at once have done.
pub(super) fn judge(plan: &Plan<'_>, stage: usize, runs: &[Run], left: &mut Left, counts: &Counts) {
    let is_killed = runs.iter().any(|run| run.sent.contains(&Signal::KILL));
    left.killed |= is_killed;
    for run in runs {
        counts.add(end(plan, stage, run, runs.len() > 1, left));
        received(plan, run);
    }
    nobody(plan);
    let found = outputs(plan, stage);
    assert!(
        found.complete || runs.iter().all(|run| run.status.code() != Some(0)),
        "{}: nothing is there",
        plan.describe()
    );
    // Only what is killed may leave one, and the next that completes its output removes it.
    if !is_killed {
        let new: Vec<_> = found.temporary.difference(&left.temporary).collect();
        assert!(new.is_empty(), "{}: {new:?} are left", plan.describe());
    }
    left.temporary = found.temporary;
    tiles(plan, stage, runs, found.complete, left);
}

/// Has the command complete its work, and checks that all is as if nobody had disturbed it.
pub(super) fn complete(plan: &Plan<'_>, stage: usize, left: &Left) {
    let run = run_alone(plan, stage);
    assert_eq!(end(plan, stage, &run, false, left), ENDS[0], "{}: {}", plan.describe(), run.told);
    received(plan, &run);
    nobody(plan);
    let found = outputs(plan, stage);
    assert!(found.complete && found.temporary.is_empty(), "{}: {:?}", plan.describe(), files(&plan.scratch));
    if let Some(tiles) = &plan.stages[stage].tiles {
        let path = plan.scratch.join(&tiles.name);
        assert_eq!(path.exists(), tiles.stays, "{}", plan.describe());
        assert!(!tiles.stays || kept(&path, 0).is_some_and(|(tiles, of)| tiles == of), "{}", plan.describe());
    }
}

/// Checks how one run ended and what it reported.
fn end(plan: &Plan<'_>, stage: usize, run: &Run, is_twin: bool, left: &Left) -> &'static str {
    let Run { status, told, sent, watched, .. } = run;
    let what = || format!("{}: {status} after {sent:?}: {told}", plan.describe());
    let asked = sent.iter().any(|signal| *signal != Signal::KILL);
    let refused = |line: &str| line.starts_with("fractal: ") && REFUSALS.iter().any(|part| line.contains(part));
    let end = match (status.code(), status.signal()) {
        (Some(0), _) => ENDS[0],
        (Some(130), _) if asked => ENDS[1],
        (Some(1), _) if is_twin && plan.stages[stage].tiles.is_some() && told.lines().last().is_some_and(refused) => {
            REFUSED
        }
        (Some(1), _) if *watched && told.starts_with(NO_WINDOW) && told.lines().count() == 1 => WINDOWLESS,
        (None, Some(9)) if sent.contains(&Signal::KILL) => ENDS[2],
        // Right after its start, with nothing begun.
        (None, Some(signal)) if sent.iter().any(|sent| sent.as_raw() == signal) => {
            assert!(told.is_empty(), "{}", what());
            ENDS[2]
        }
        _ => panic!("{}", what()),
    };
    // The second signal ends it without a word.
    let stopped = told.contains(TOLD[0]);
    assert!(end == ENDS[1] && (stopped || sent.len() > 1) || end != ENDS[1] && !stopped, "{}", what());
    for line in told.lines().filter(|line| end != REFUSED || !refused(line)) {
        let of_window = [NO_WINDOW, GONE].iter().any(|start| line.starts_with(start));
        let known = TOLD.iter().any(|part| line.contains(part))
            || left.killed && line.contains(CUT_OFF)
            || *watched && of_window;
        assert!(known || line.starts_with('{') && serde_json::from_str::<Value>(line).is_ok(), "{line}: {}", what());
    }
    end
}

/// Checks what a run sent through its standard output.
fn received(plan: &Plan<'_>, run: &Run) {
    let Some((received, closed)) = &run.received else { return };
    let expected = plan.picture("disk");
    assert!(expected.starts_with(received), "{}: other bytes", plan.describe());
    assert!(
        *closed || run.status.code() != Some(0) || expected.len() == received.len(),
        "{}: too few",
        plan.describe()
    );
}

/// Waits until no process of the round is left.
fn nobody(plan: &Plan<'_>) {
    let folder = fs::canonicalize(&*plan.scratch).unwrap();
    until(&format!("no process is left of {}", plan.describe()), || running_in(&folder).is_empty().then_some(()));
}

/// The files of a stage.
struct Found {
    /// Whether all its outputs are there.
    complete: bool,
    temporary: BTreeSet<String>,
}

/// Checks that there are no files but those that may be there, and that no output is there that is not complete.
fn outputs(plan: &Plan<'_>, stage: usize) -> Found {
    let (temporary, other): (BTreeSet<_>, _) =
        files(&plan.scratch).into_iter().partition(|name| name.contains(".tmp-"));
    let unknown: Vec<_> = other.iter().filter(|name| !plan.names(stage).any(|known| known == **name)).collect();
    assert!(unknown.is_empty(), "{}: {unknown:?}", plan.describe());
    let mut complete = true;
    for (name, holds) in &plan.stages[stage].outputs {
        let Ok(found) = fs::read(plan.scratch.join(name)) else {
            complete = false;
            continue;
        };
        let right = match holds {
            Holds::Picture(scene) => found == plan.picture(scene),
            Holds::Part => kept(&plan.scratch.join(name), 0).is_some_and(|(tiles, of)| tiles == of.div_ceil(2)),
            Holds::Json => serde_json::from_slice::<Value>(&found).is_ok(),
            Holds::Png => found.starts_with(b"\x89PNG") && found.ends_with(b"IEND\xaeB`\x82"),
            Holds::Text => found.ends_with(b"\n"),
        };
        assert!(right, "{}: `{name}` is wrong", plan.describe());
    }
    Found { complete, temporary }
}

/// How many tiles a file has, and of how many, with at most so many damaged places; `None` if it has not even a description.
fn kept(path: &Path, most_damaged: u64) -> Option<(usize, usize)> {
    let file = Records::open(path).ok()?;
    let render = Render::of_records(file.description(), path).unwrap();
    let of = render.tiling().len();
    let records = render.read_records(file, &Stop::new()).unwrap();
    assert!(records.damaged() <= most_damaged, "{}: {} damaged places", path.display(), records.damaged());
    Some((records.found().len(), of))
}

/// Checks that finished tiles that were reported, or kept before, are kept.
fn tiles(plan: &Plan<'_>, stage: usize, runs: &[Run], complete: bool, left: &mut Left) {
    let Some(tiles) = &plan.stages[stage].tiles else { return };
    let lines =
        runs.iter().flat_map(|run| run.told.lines()).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let done = lines.filter_map(|line| line["tiles_done"].as_u64()).max().unwrap_or(0) as usize;
    // What was cut off is at the end, and gone once the file was continued: damage within it would stay.
    let found = kept(&plan.scratch.join(&tiles.name), left.killed.into()).map_or(0, |(tiles, _)| tiles);
    if tiles.stays || !complete {
        assert!(found >= done.max(left.tiles), "{}: {found} of {done} tiles, {}", plan.describe(), left.tiles);
    }
    left.tiles = found;
}

impl Left {
    /// Removes outputs now and then, with the tiles or without, so that there is work again.
    pub(super) fn forget(&mut self, plan: &Plan<'_>, stage: usize, choice: u64) {
        let stage = &plan.stages[stage];
        let complete = stage.outputs.iter().all(|(name, _)| plan.scratch.join(name).exists());
        if !complete || choice == 0 {
            return;
        }
        for (name, _) in &stage.outputs {
            fs::remove_file(plan.scratch.join(name)).unwrap();
        }
        if let Some(tiles) = stage.tiles.as_ref().filter(|_| choice > 1) {
            // It may have gone by itself.
            let _ = fs::remove_file(plan.scratch.join(&tiles.name));
            self.tiles = 0;
        }
    }
}
