//! OpenMP's constructs one by one, on a team of four. `OMP_NUM_THREADS` and the like take effect where a region asks for 0 workers.

use fractal::parallel::Schedule;
use fractal::parallel::region::{RegionSettings, Tasks, critical, region, region_if, region_with};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the leaves of a binary tree, a task for each branch.
fn leaves<'env>(tasks: &Tasks<'_, 'env>, depth: u32, count: &'env AtomicUsize) {
    if depth == 0 {
        count.fetch_add(1, Ordering::Relaxed);
    } else {
        tasks.spawn(move |tasks| leaves(tasks, depth - 1, count));
        leaves(tasks, depth - 1, count);
    }
}

fn main() -> fractal::Result<()> {
    let count = AtomicUsize::new(0);
    region(4, |team| {
        let line = format!("hello from worker {} of {}", team.index(), team.len());
        let lines = team.reduce(vec![line], |left, right| [left, right].concat());
        team.masked(|| lines.iter().for_each(|line| println!("region:    {line}")));
    })?;

    region(4, |team| {
        let index = team.index();
        critical("print", || println!("critical:  worker {index}, one at a time"));
        team.barrier();

        let mut squares = 0;
        team.for_each(0..1000, Schedule::GUIDED, |number| squares += number * number);
        // Combined in worker order, so the result is the same every time, even for floating-point numbers.
        let all = team.reduce(squares, |left, right| left + right);
        team.masked(|| println!("reduce:    the sum of squares is {all}"));
        team.barrier();

        let mut places = 0;
        team.collapse([30, 40], Schedule::STATIC, |[row, column]| places += usize::from(row == column));
        let diagonal = team.reduce(places, |left, right| left + right);
        team.single(|| println!("collapse:  {diagonal} of 1200 places lie on the diagonal"));

        team.ordered(0..6, Schedule::DYNAMIC, |number, ordered| {
            ordered.run(|| println!("ordered:   {number}, by worker {index}"));
        });
        team.sections(&[&|| println!("sections:  here"), &|| println!("sections:  and there")]);

        team.tasks(|tasks| leaves(tasks, 10, &count));
        team.single(|| println!("tasks:     {} leaves", count.load(Ordering::Relaxed)));

        // Endless, until one worker finds what all are looking for.
        let _ = team.for_claims(0..usize::MAX, Schedule::DYNAMIC, |claim| {
            if claim.contains(&12_345) {
                println!("cancel:    worker {index} has found it, and all stop");
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
    })?;

    // Too little to be worth a team: the caller does it alone.
    region_if(count.load(Ordering::Relaxed) > 1_000_000, 4, |team| println!("if:        {} worker", team.len()))?;

    // A team inside each member of a team: two levels are allowed here, and one by default.
    let settings = RegionSettings { max_active_levels: 2, ..RegionSettings::current()?.clone() };
    let inside = AtomicUsize::new(0);
    region_with(&settings, 2, |_| {
        let inner = region_with(&settings, 3, |_| _ = inside.fetch_add(1, Ordering::Relaxed));
        inner.expect("three threads more");
    })?;
    println!("nested:    {} workers in 2 teams of 3", inside.into_inner());

    // A mistake is reported instead of hanging: a barrier that one worker skips. The error says what the panics would.
    std::panic::set_hook(Box::new(|_| ()));
    let mistake = region(4, |team| {
        if team.index() != 2 {
            team.barrier();
        }
    });
    println!("mistake:   {}", mistake.unwrap_err());
    Ok(())
}
