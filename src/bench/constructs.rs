//! What each construct of a parallel region costs on its own, as in EPCC's micro-benchmarks of OpenMP (Bull 1999): the time of many empty
//! ones. `reference/openmp.c` does the same with a C compiler's runtime, in the same order.

use super::clock::Clock;
use super::overhead::{Reference, least_of_batch, seconds};
use crate::error::{Error, Result};
use crate::parallel::region::{Member, RegionSettings, WaitPolicy, critical, region_with};
use crate::parallel::{Schedule, Stop};
use std::hint::black_box;

/// How many of a construct are measured at once, and how many iterations of a loop: few enough to be undisturbed now and then.
const TIMES: usize = 100;
const ITERATIONS: usize = 1000 * TIMES;

/// A construct: its name, how many of them `run` executes, and the code that does so.
struct Construct {
    name: &'static str,
    count: usize,
    run: fn(&RegionSettings, usize) -> Result<()>,
}

/// A region in which every member reaches `construct` many times.
fn inside(settings: &RegionSettings, workers: usize, construct: impl Fn(&mut Member<'_>) + Sync) -> Result<()> {
    region_with(settings, workers, |team| (0..TIMES).for_each(|_| construct(team)))
}

fn iterations(settings: &RegionSettings, workers: usize, schedule: Schedule) -> Result<()> {
    // A program may know its schedule at compile time; here the cost with any schedule is measured.
    let schedule = black_box(schedule.with_chunk(1)?);
    region_with(settings, workers, |team| {
        team.for_each(0..ITERATIONS, schedule, |number| {
            black_box(number);
        });
    })
}

fn constructs(workers: usize) -> Vec<Construct> {
    let each = |name, run| Construct { name, count: TIMES, run };
    let of_loop = |name, run| Construct { name, count: ITERATIONS, run };
    vec![
        each("construct parallel", |settings, workers| {
            (0..TIMES).try_for_each(|_| {
                region_with(settings, workers, |team| {
                    black_box(team.index());
                })
            })
        }),
        each("construct for", |settings, workers| {
            inside(settings, workers, |team| {
                team.for_each(0..team.len(), Schedule::STATIC, |number| {
                    black_box(number);
                });
            })
        }),
        each("construct barrier", |settings, workers| inside(settings, workers, |team| team.barrier())),
        each("construct single", |settings, workers| {
            inside(settings, workers, |team| {
                team.single(|| black_box(()));
            })
        }),
        Construct {
            name: "construct critical",
            count: TIMES * workers,
            run: |settings, workers| inside(settings, workers, |_| critical("of a benchmark", || black_box(()))),
        },
        each("construct ordered", |settings, workers| {
            let schedule = Schedule::STATIC.with_chunk(1)?;
            region_with(settings, workers, |team| {
                team.ordered(0..TIMES, schedule, |_, ordered| ordered.run(|| black_box(())));
            })
        }),
        each("construct reduction", |settings, workers| {
            inside(settings, workers, |team| {
                black_box(team.reduce(team.index(), |a, b| a + b));
            })
        }),
        of_loop("an iteration of schedule(static,1)", |s, workers| iterations(s, workers, Schedule::STATIC)),
        of_loop("an iteration of schedule(dynamic,1)", |s, workers| iterations(s, workers, Schedule::DYNAMIC)),
        of_loop("an iteration of schedule(guided,1)", |s, workers| iterations(s, workers, Schedule::GUIDED)),
    ]
}

/// Measures each construct whose name is `wanted` with `workers` workers, `runs` times after one run that does not count.
///
/// # Errors
/// When threads cannot be started, or [`Error::Stopped`].
pub fn measure(
    clock: &dyn Clock,
    wanted: impl Fn(&str) -> bool,
    workers: usize,
    runs: usize,
    stop: &Stop,
) -> Result<Vec<Reference>> {
    // As in the reference: threads that spin while another one needs their processor measure the system's time slices.
    let free = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) >= workers;
    let waiting = Some(if free { WaitPolicy::Active } else { WaitPolicy::Passive });
    let settings = RegionSettings { waiting, ..RegionSettings::current()?.clone() };
    let mut references = Vec::new();
    for Construct { name, count, run } in constructs(workers).into_iter().filter(|construct| wanted(construct.name)) {
        let mut times = Vec::new();
        for round in 0..=runs {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let (least, ()) = least_of_batch(clock, || seconds(clock, || run(&settings, workers)))?;
            if round > 0 {
                times.push(least / count as f64);
            }
        }
        references.push(Reference { name: format!("region, {name}"), workers, times });
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clock::System;

    #[test]
    fn every_construct_is_measured() {
        let stop = Stop::new();
        let found = measure(&System, |_| true, 2, 2, &stop).unwrap();
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|reference| reference.times.len() == 2 && reference.times.iter().all(|&t| t > 0.0)));
        stop.set();
        assert!(matches!(measure(&System, |_| true, 2, 2, &stop), Err(Error::Stopped)));
    }
}
