//! What a region's constructs cost with two workers, beside gcc's OpenMP where there is one: `cargo bench --bench region`.
//!
//! Minima over many runs, because other programs on the machine can only lengthen a run; `active` is with `OMP_WAIT_POLICY=active`, since libgomp's
//! threads look for milliseconds before they sleep. The C program is `benches/libgomp.c`.

use fractal::parallel::Schedule;
use fractal::parallel::region::{Member, Settings, WaitPolicy, region_with};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const RUNS: usize = 2000;
const ROUNDS: u32 = 100;
const NUMBERS: usize = 100_000;

fn time(rounds: u32, mut body: impl FnMut()) -> Duration {
    let began = Instant::now();
    (0..rounds).for_each(|_| body());
    began.elapsed() / rounds
}

/// The least of what `construct` took in any member, in nanoseconds; it is given the member.
fn inside(settings: &Settings, construct: impl Fn(&mut Member<'_>) + Sync) -> f64 {
    let least = Mutex::new(Duration::MAX);
    region_with(settings, 2, |team| {
        for _ in 0..RUNS {
            let taken = time(ROUNDS, || construct(team));
            let mut least = least.lock().expect("nobody panics");
            *least = taken.min(*least);
            drop(least);
            team.barrier();
        }
    })
    .expect("the region ends well");
    least.into_inner().expect("nobody panics").as_secs_f64() * 1e9
}

fn ours(waiting: Option<WaitPolicy>) -> [f64; 4] {
    let settings = &Settings { waiting, ..Settings::current().expect("the environment is sound").clone() };
    let parallel = (0..RUNS).map(|_| {
        time(ROUNDS, || {
            region_with(settings, 2, |team| {
                black_box(team.index());
            })
            .expect("it ends well");
        })
    });
    let parallel = parallel.min().unwrap_or_default().as_secs_f64() * 1e9;
    let barrier = inside(settings, |team| team.barrier());
    let fixed = inside(settings, |team| {
        team.for_each(0..2, Schedule::STATIC, |number| {
            black_box(number);
        });
    });
    let claims = |team: &mut Member<'_>| {
        team.for_each(0..NUMBERS, Schedule::DYNAMIC, |number| {
            black_box(number);
        });
    };
    let dynamic = (0..RUNS / 20).map(|_| time(1, || region_with(settings, 2, claims).expect("it ends well")));
    let dynamic = dynamic.min().unwrap_or_default().as_secs_f64() * 1e9 / NUMBERS as f64;
    [parallel, barrier, fixed, dynamic]
}

/// gcc's figures, or why there are none.
fn libgomp() -> Result<Vec<f64>, String> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libgomp");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/libgomp.c");
    let mut gcc = Command::new("gcc");
    let built =
        gcc.args(["-O2", "-fopenmp", "-o"]).args([&program, &source]).output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).trim().to_owned());
    }
    let output = Command::new(program).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().map(|word| word.parse().map_err(|_| text.clone())).collect()
}

fn main() {
    let ours = [None, Some(WaitPolicy::Active)].map(ours);
    let gcc = libgomp();
    if let Err(why) = &gcc {
        println!("gcc's OpenMP is left out: {why}");
    }
    println!("nanoseconds, 2 workers, minimum      ours    active   libgomp");
    for (index, name) in ["empty region", "barrier", "static loop", "dynamic,1, a number"].into_iter().enumerate() {
        let theirs = gcc.as_ref().map_or("-".into(), |figures| format!("{:.1}", figures[index]));
        println!("{name:<30}{:>11.1}{:>10.1}{theirs:>10}", ours[0][index], ours[1][index]);
    }
}
