use super::*;
use proptest::prelude::*;

fn recording(costs: &[f64]) -> Recording {
    Recording { costs: costs.to_vec(), joined: vec![0.0; costs.len()], grain: 1024, overheads: RunOverheads::default() }
}

fn makespan(costs: &[f64], schedule: &str, workers: usize) -> f64 {
    recording(costs).replay(schedule.parse().unwrap(), workers, &[]).makespan
}

#[test]
fn hand_computed_runs_are_met() {
    let front = [3.0, 1.0, 1.0, 1.0];
    // Worker 0 has the costly piece, worker 1 the rest.
    assert_eq!(makespan(&front, "dynamic", 2), 3.0);
    // Blocks 3 + 1 and 1 + 1; in turns 3 + 1 and 1 + 1 too.
    assert_eq!(makespan(&front, "static", 2), 4.0);
    assert_eq!(makespan(&front, "static,1", 2), 4.0);
    assert_eq!(makespan(&front, "dynamic,2", 2), 4.0);
    // Stealing: worker 1 has done 2..4 at 2 and takes piece 1 from worker 0, which still computes piece 0.
    assert_eq!(makespan(&front, "nonmonotonic:dynamic", 2), 3.0);
    // The costly piece comes last and alone: 1 1 1 | 1 1 1, then 6.
    let back = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 6.0];
    assert_eq!(makespan(&back, "dynamic", 2), 9.0);
    assert_eq!(recording(&back).bound(2, &[]), 6.0);
    assert_eq!(recording(&back).bound(3, &[]), 6.0, "the longest piece");
    // Guided with two workers takes a quarter of what is left: 2, 2, 1, 1, 1, 1.
    assert_eq!(makespan(&[1.0; 8], "guided", 2), 4.0);
    let run = recording(&[1.0; 8]).replay(Schedule::GUIDED, 2, &[]);
    assert_eq!((run.claims, run.efficiency, run.imbalance), (6, 1.0, 0.0));
    // Auto takes a sixteenth, and so pieces one by one.
    assert_eq!(recording(&[1.0; 8]).replay(Schedule::AUTO, 2, &[]).claims, 8);
}

#[test]
fn overheads_are_paid_where_they_arise() {
    let mut pieces = recording(&[1.0; 4]);
    pieces.overheads = RunOverheads { claim: 0.5, shared: 0.0, start: 0.25, end: 0.125 };
    // Worker 0: 0 to 3 with two claims, worker 1 the same from 0.25 on.
    assert_eq!(pieces.replay(Schedule::DYNAMIC, 2, &[]).makespan, 3.25 + 0.125);
    assert_eq!(pieces.replay(Schedule::STATIC, 2, &[]).makespan, 0.25 + 2.5 + 0.125, "one claim each");
    // Twice as slow, but for the end and for the quarter of a second in which worker 1 is left alone.
    assert_eq!(pieces.replay(Schedule::STATIC, 2, &[1.0, 2.0]).makespan, 2.0 * 2.5 + 0.25 + 0.125);
    // A counter that takes as long as a piece serves one worker after the other.
    let mut pieces = recording(&[1.0; 8]);
    pieces.overheads.shared = 1.0;
    assert_eq!(pieces.replay(Schedule::DYNAMIC, 4, &[]).makespan, 8.0);
    assert_eq!(pieces.replay(Schedule::STEALING, 4, &[]).makespan, 2.0, "there is no counter");
}

#[test]
fn pieces_computed_together_save_what_they_save() {
    let pieces = Recording { joined: vec![0.25; 8], grain: 3, ..recording(&[1.0; 8]) };
    // Claims of 3, 3 and 2 pieces save 2, 2 and 1 times.
    assert_eq!(pieces.serial(), 8.0 - 5.0 * 0.25);
    assert_eq!(pieces.replay(Schedule::DYNAMIC, 1, &[]).makespan, 8.0);
    let (chunk, best) = pieces.best_chunk(Schedule::DYNAMIC, 2, &[]);
    assert_eq!((chunk, best.makespan), (2, 2.0 * 1.75));
    assert_eq!(
        pieces.replay("dynamic,4".parse().unwrap(), 2, &[]).makespan,
        3.5,
        "4 pieces are a claim of 3 and one of 1"
    );
}

#[test]
fn pieces_save_what_was_recorded_where_they_are() {
    let mut pieces = recording(&[1.0; 6]);
    pieces.joined = vec![0.5, 0.5, 0.5, 0.0, 0.0, 0.0];
    // Blocks of three: the first piece of a claim saves nothing.
    assert_eq!(pieces.replay(Schedule::STATIC, 2, &[]).makespan, 3.0);
    assert_eq!(pieces.replay(Schedule::STATIC, 1, &[]).makespan, 5.0);
    let backwards = pieces.reordered(&[5, 4, 3, 2, 1, 0]);
    assert_eq!(backwards.replay(Schedule::STATIC, 2, &[]).makespan, 3.0);
}

#[test]
fn who_is_left_alone_is_not_disturbed() {
    let pieces = recording(&[1.0, 4.0]);
    // Both need 1 of an undisturbed core, which takes 1.5; then the rest of the second piece.
    assert_eq!(pieces.replay(Schedule::STATIC, 2, &[1.0, 1.5]).makespan, 1.5 + 3.0);
    let run = pieces.replay(Schedule::STATIC, 2, &[1.0, 1.5]);
    assert!((run.efficiency - (1.5 + 4.5) / 9.0).abs() < 1e-12 && run.makespan >= run.bound, "{run:?}");
}

#[test]
fn claims_are_handed_out_as_backends_do() {
    let run = |costs: &[f64], schedule: &str, workers, dispatch| {
        let pieces = Recording { grain: 2, ..recording(costs) };
        pieces.replay_handed(schedule.parse().unwrap(), workers, &[], dispatch)
    };
    // A worker that takes whole blocks keeps the costly one to the end; with a queue, the other continues with parts of it.
    let costs = [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0];
    assert_eq!(run(&costs, "static", 2, Dispatch::PULL).makespan, 12.0);
    let queue = run(&costs, "guided,4", 2, Dispatch::Push);
    assert_eq!((queue.makespan, queue.claims), (8.0, 4));
    assert_eq!(run(&costs, "guided,4", 2, Dispatch::PULL).makespan, 12.0);
    // Four blocks for two workers with two shares each, which take turns: 0 2 | 4 6, if blocks have two pieces.
    let shares = run(&costs, "static", 2, Dispatch::Pull { shares: 2 });
    assert_eq!((shares.makespan, shares.claims), (12.0, 4));
    // A quarter of what is left for a worker, an eighth for one of two shares.
    assert_eq!(run(&[1.0; 16], "guided", 2, Dispatch::PULL).claims, 8);
    assert_eq!(run(&[1.0; 16], "guided", 2, Dispatch::Pull { shares: 2 }).claims, 12);
}

#[test]
fn the_best_chunk_avoids_both_ends() {
    let mut costs = vec![1.0; 64];
    costs[0] = 20.0;
    let mut pieces = recording(&costs);
    pieces.overheads.claim = 1.0;
    let (chunk, best) = pieces.best_chunk(Schedule::DYNAMIC, 4, &[]);
    assert!(chunk == 4 || chunk == 8, "{chunk}");
    for power in 0..=4 {
        let other = pieces.replay(Schedule::DYNAMIC.with_chunk(1 << power).unwrap(), 4, &[]);
        assert!(best.makespan <= other.makespan);
    }
}

#[test]
fn thousands_of_workers_and_no_pieces_are_no_trouble() {
    let run = recording(&[2.0; 100]).replay(Schedule::STEALING, 4096, &[]);
    assert_eq!((run.makespan, run.claims), (2.0, 100));
    let empty = recording(&[]).replay(Schedule::DYNAMIC, 3, &[]);
    assert_eq!((empty.makespan, empty.claims), (0.0, 0));
    assert_eq!(worker_counts(2), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]);
    assert_eq!(worker_counts(6)[..7], [1, 2, 3, 4, 5, 6, 8]);
}

#[test]
fn another_order_is_another_run() {
    let pieces = recording(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 6.0]);
    let costly_first = pieces.reordered(&[6, 0, 1, 2, 3, 4, 5]);
    assert_eq!(costly_first.replay(Schedule::DYNAMIC, 2, &[]).makespan, 6.0);
}

proptest! {
    #[test]
    fn no_schedule_beats_the_bound_or_loses_to_one_worker(
        costs in prop::collection::vec(0.0..10.0, 1..200), workers in 1..40usize, kind in 0..5usize,
        chunk in prop::option::of(1..20u32), slowdown in 1.0..2.0,
    ) {
        let kinds = [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO];
        let schedule = chunk.map_or(kinds[kind], |c| kinds[kind].with_chunk(c).unwrap_or(kinds[kind]));
        let pieces = recording(&costs);
        let run = pieces.replay(schedule, workers, &[slowdown]);
        let slack = 1.0 + 1e-9;
        prop_assert!(run.makespan * slack >= run.bound, "{run:?}");
        prop_assert!(run.makespan <= pieces.serial() * slowdown * slack, "{run:?}");
        // All pieces were computed, once.
        let busy = run.efficiency * run.workers as f64 * run.makespan;
        prop_assert!((busy - slowdown * costs.iter().sum::<f64>()).abs() < 1e-6);
    }

    /// Graham's bound for dispatch out pieces one by one to the next free worker.
    #[test]
    fn dynamic_keeps_grahams_bound(costs in prop::collection::vec(0.0..10.0, 1..200), workers in 1..40usize) {
        let pieces = recording(&costs);
        let longest = costs.iter().copied().fold(0.0, f64::max);
        let m = workers as f64;
        let run = pieces.replay(Schedule::DYNAMIC, workers, &[]);
        prop_assert!(run.makespan <= costs.iter().sum::<f64>() / m + longest * (1.0 - 1.0 / m) + 1e-9);
    }
}
