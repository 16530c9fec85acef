//! Kills and signals at random moments, over everything that renders: no wrong pixel, no half-written file, nothing lost and nothing left.
//!
//! A round draws a command and strikes it and its workers a few times, mostly in its first milliseconds, and the X server of a render that
//! is watched; then the command may complete its work. `FRACTAL_KILLS=10000 cargo test --release --test keep storm -- --nocapture` strikes
//! ten thousand times, which takes about ten minutes on two processors, and 300 times without. Each round has a seed of its own: a failure
//! prints the one that repeats it, and `FRACTAL_SEED` sets the first. What a round draws follows from its seed; how far the program has
//! come when it is struck does not.

mod judged;
mod plan;
mod struck;

use super::random::Random;
use judged::Left;
use plan::{Plan, Undisturbed};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Strikes without `FRACTAL_KILLS`.
const FEW: u64 = 300;

/// Rounds at once: they wait more than they compute.
const ROUNDS: usize = 3;

/// How often everything has happened.
#[derive(Debug, Default)]
struct Counts(Mutex<BTreeMap<String, u64>>);

impl Counts {
    fn add(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

/// Says how a round that fails is repeated, and ends the others.
struct Repeat<'a>(u64, &'a AtomicBool);

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.store(true, Ordering::Relaxed);
            eprintln!("FRACTAL_SEED={} FRACTAL_KILLS=1 repeats this round", self.0);
        }
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

#[test]
fn a_storm_of_kills_and_signals_changes_no_picture_and_leaves_nothing() {
    let (strikes, first) = (number("FRACTAL_KILLS", FEW), number("FRACTAL_SEED", 1));
    let undisturbed = Undisturbed::render();
    let windows = plan::has_windows();
    let (counts, next, failed) = (Counts::default(), AtomicU64::new(first), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..ROUNDS.min(strikes as usize) {
            scope.spawn(|| {
                while counts.of("strikes") < strikes && !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let _repeat = Repeat(seed, &failed);
                    round(seed, &undisturbed, windows, &counts);
                }
            });
        }
    });
    println!("seeds {first} to {}: {:#?}", next.into_inner() - 1, counts.0.lock().unwrap());
    if strikes >= FEW {
        // A storm in which something never happens is none.
        let of_windows = [plan::WATCHED, struck::SERVER];
        let all =
            plan::KINDS.iter().map(|(name, _)| *name).chain(judged::ENDS).chain(struck::TARGETS).chain(of_windows);
        for what in all {
            assert!(counts.of(what) > 0 || !windows && of_windows.contains(&what), "{what}");
        }
    }
}

/// One command, struck some times and then completed.
fn round(seed: u64, undisturbed: &Undisturbed, windows: bool, counts: &Counts) {
    // Seeds in a row have almost the same bits, and the generator needs some steps to make them differ.
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..8).for_each(|_| _ = random.below(2));
    let plan = Plan::draw(&mut random, undisturbed, windows);
    counts.add(plan.kind);
    for stage in 0..plan.stages.len() {
        let mut left = Left::default();
        for _ in 0..1 + random.below(4) {
            let runs = struck::run(&plan, stage, &mut random, counts);
            judged::judge(&plan, stage, &runs, &mut left, counts);
            left.forget(&plan, stage, random.below(3));
        }
        judged::complete(&plan, stage, &left);
    }
}
