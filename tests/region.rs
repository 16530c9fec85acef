//! Regions: every construct does what OpenMP says, and mistakes are reported and never hang. Among them are the known failures of PyMP,
//! the Python library that regions are modelled on.

use fractal::Error;
use fractal::parallel::region::{Member, RegionSettings, WaitPolicy, critical, region, region_if, region_with};
use fractal::parallel::{Binding, Schedule};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const WORKERS: [usize; 4] = [1, 2, 3, 8];

fn settings() -> RegionSettings {
    RegionSettings {
        workers: vec![3],
        schedule: Schedule::AUTO,
        thread_limit: 4096,
        max_active_levels: 1,
        binding: None,
        waiting: None,
    }
}

fn schedules() -> Vec<Schedule> {
    let kinds = [Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING];
    let chunked = kinds.into_iter().flat_map(|kind| [1, 3, 64].map(|chunk| kind.with_chunk(chunk).unwrap()));
    kinds.into_iter().chain([Schedule::AUTO]).chain(chunked).collect()
}

/// What the region's error says.
fn fault(workers: usize, body: impl Fn(&mut Member<'_>) + Sync) -> String {
    let error = region(workers, body).unwrap_err();
    assert!(matches!(error, Error::Panicked { .. }), "{error:?}");
    // The team can be used again.
    region(workers, |team| team.barrier()).unwrap();
    error.to_string()
}

fn add(counter: &AtomicUsize) {
    counter.fetch_add(1, SeqCst);
}

fn counters(count: usize) -> Vec<AtomicUsize> {
    (0..count).map(|_| AtomicUsize::new(0)).collect()
}

#[test]
fn loops_share_their_numbers_under_every_schedule() {
    for workers in WORKERS {
        for schedule in schedules() {
            let seen = counters(500);
            region(workers, |team| {
                assert_eq!(team.len(), workers);
                team.for_each(100..600, schedule, |number| add(&seen[number - 100]));
                // The loop ends with a barrier.
                assert!(seen.iter().all(|count| count.load(SeqCst) == 1), "{schedule}");
            })
            .unwrap();
        }
    }
}

#[test]
fn collapsed_loops_run_through_all_places() {
    let seen = Mutex::new(Vec::new());
    region(3, |team| {
        team.collapse([2, 3, 4], Schedule::STATIC, |place| seen.lock().unwrap().push(place));
        team.collapse([7, 0], Schedule::STATIC, |_| unreachable!("there are none"));
    })
    .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    let all = (0..24).map(|number| [number / 12, number / 4 % 3, number % 4]);
    assert_eq!(seen, all.collect::<Vec<_>>());
}

#[test]
fn a_barrier_is_passed_by_all_together() {
    for workers in WORKERS {
        let (round, rounds) = (AtomicUsize::new(0), 200);
        region(workers, |team| {
            for number in 0..rounds {
                assert_eq!(round.load(SeqCst) / team.len(), number);
                team.barrier();
                round.fetch_add(1, SeqCst);
                team.barrier();
            }
        })
        .unwrap();
        assert_eq!(round.into_inner(), rounds * workers);
    }
}

#[test]
fn one_member_does_what_is_single_and_worker_0_what_is_masked() {
    for workers in WORKERS {
        let (single, masked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        region(workers, |team| {
            for round in 1..=50 {
                let own = team.single(|| single.fetch_add(1, SeqCst));
                assert!(own.is_none_or(|before| before == round - 1));
                assert_eq!(single.load(SeqCst), round);
                let index = team.index();
                assert_eq!(team.masked(|| masked.fetch_add(1, SeqCst)).is_some(), index == 0);
                team.barrier();
            }
        })
        .unwrap();
        assert_eq!((single.into_inner(), masked.into_inner()), (50, 50));
    }
}

#[test]
fn ordered_parts_come_in_order() {
    for workers in WORKERS {
        for schedule in schedules().into_iter().filter(|schedule| schedule.order().is_none()) {
            let seen = Mutex::new(Vec::new());
            region(workers, |team| {
                team.ordered(3..103, schedule, |number, ordered| {
                    if number % 3 != 0 {
                        ordered.run(|| seen.lock().unwrap().push(number));
                    }
                });
            })
            .unwrap();
            let expected: Vec<_> = (3..103).filter(|number| number % 3 != 0).collect();
            assert_eq!(seen.into_inner().unwrap(), expected, "{workers} {schedule}");
        }
    }
    let told = fault(2, |team| team.ordered(0..9, Schedule::STEALING, |_, _| ()));
    assert!(told.contains("an ordered loop cannot have schedule `nonmonotonic:dynamic`"), "{told}");
}

#[test]
fn sections_run_once_each() {
    let seen = counters(3);
    region(2, |team| {
        team.sections(&[&|| add(&seen[0]), &|| add(&seen[1]), &|| add(&seen[2])]);
        assert!(seen.iter().all(|count| count.load(SeqCst) == 1));
    })
    .unwrap();
}

#[test]
fn a_critical_section_is_entered_by_one_at_a_time() {
    let (mut inside, mut sum) = (false, 0_usize);
    let shared = Mutex::new((&mut inside, &mut sum));
    region(4, |team| {
        team.for_each(0..1000, Schedule::DYNAMIC, |number| {
            critical("sum", || {
                let mut shared = shared.try_lock().expect("nobody else is inside");
                assert!(!std::mem::replace(&mut *shared.0, true));
                *shared.1 += number;
                *shared.0 = false;
            });
            critical("another", || critical("a third", || ()));
        });
    })
    .unwrap();
    assert_eq!(sum, 499_500);
}

#[test]
fn reductions_are_combined_in_worker_order() {
    for _ in 0..100 {
        region(5, |team| {
            let text = team.reduce(team.index().to_string(), |left, right| left + &right);
            assert_eq!(text, "01234");
            // A sum that depends on the order of its terms.
            let term = [1e16, 1.0, -1e16, 1.0, 3.0][team.index()];
            assert_eq!(team.reduce(term, |left, right| left + right), 4.0);
        })
        .unwrap();
    }
}

/// The nodes of a tree: `width` children each, `depth` levels.
fn nodes(width: usize, depth: u32) -> usize {
    (0..=depth).map(|level| width.pow(level)).sum()
}

#[test]
fn tasks_spawn_tasks_and_borrow() {
    use fractal::parallel::region::Tasks;
    fn grow<'env>(tasks: &Tasks<'_, 'env>, seen: &'env AtomicUsize, depth: u32) {
        seen.fetch_add(1, SeqCst);
        for _ in 0..if depth > 0 { 3 } else { 0 } {
            tasks.spawn(move |tasks| grow(tasks, seen, depth - 1));
        }
    }
    for workers in WORKERS {
        let seen = AtomicUsize::new(0);
        region(workers, |team| {
            team.tasks(|tasks| grow(tasks, &seen, 6));
            assert_eq!(seen.load(SeqCst), nodes(3, 6), "all are done when the construct ends");
        })
        .unwrap();

        let each = counters(100);
        region(workers, |team| team.taskloop(0..100, 7, &|number| add(&each[number]))).unwrap();
        assert!(each.iter().all(|count| count.load(SeqCst) == 1));
    }
}

#[test]
fn a_cancelled_region_ends_early_and_well() {
    for workers in WORKERS {
        let taken = AtomicUsize::new(0);
        region(workers, |team| {
            let cancel = team.index() == 0;
            let _ = team.for_claims(0..usize::MAX, Schedule::DYNAMIC, |_| {
                taken.fetch_add(1, SeqCst);
                if cancel { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            team.cancel();
            team.barrier();
            unreachable!("members leave at the barrier");
        })
        .unwrap();
        assert!(taken.into_inner() >= 1);
    }
}

#[test]
fn regions_nest_as_far_as_they_may() {
    let count = |settings: &RegionSettings| {
        let seen = Mutex::new(Vec::new());
        region_with(settings, 0, |outer| {
            let (index, outer) = (outer.index(), outer.len());
            region_with(settings, 0, |inner| seen.lock().unwrap().push((outer, index, inner.len(), inner.index())))
                .unwrap();
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        seen
    };
    let base = RegionSettings { workers: vec![2, 3], ..settings() };
    assert_eq!(count(&base), [(2, 0, 1, 0), (2, 1, 1, 0)], "one active level");
    let nested = count(&RegionSettings { max_active_levels: 2, ..base.clone() });
    let all: Vec<_> = (0..6).map(|number| (2, number / 3, 3, number % 3)).collect();
    assert_eq!(nested, all);
    assert_eq!(count(&RegionSettings { max_active_levels: 0, ..base.clone() }), [(1, 0, 1, 0)]);
    assert_eq!(count(&RegionSettings { thread_limit: 1, ..base }), [(1, 0, 1, 0)]);
}

#[test]
fn a_region_whose_condition_is_false_has_one_worker_and_is_no_level() {
    let lens = |condition| {
        let (outer, inner) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        region_if(condition, 3, |team| {
            outer.lock().unwrap().push((team.index(), team.len()));
            region_with(&settings(), 2, |team| inner.lock().unwrap().push(team.len())).unwrap();
        })
        .unwrap();
        let mut outer = outer.into_inner().unwrap();
        outer.sort_unstable();
        (outer, inner.into_inner().unwrap())
    };
    assert_eq!(lens(false), (vec![(0, 1)], vec![2, 2]), "the inner region may have a team");
    assert_eq!(lens(true), (vec![(0, 3), (1, 3), (2, 3)], vec![1, 1, 1]), "one level has a team by default");
    // It runs on the caller's thread, and its panic is reported as any other.
    let caller = std::thread::current().id();
    region_if(false, 3, |_| assert_eq!(std::thread::current().id(), caller)).unwrap();
    let error = region_if(false, 3, |_| panic!("alone")).unwrap_err().to_string();
    assert!(error.contains("alone"), "{error}");
}

#[test]
fn nested_teams_have_the_sizes_that_the_rule_says() {
    // By level, the sizes of all teams on three levels.
    let sizes = |settings: &RegionSettings| {
        let seen: [Mutex<Vec<usize>>; 3] = Default::default();
        let note = |level: usize, team: &Member<'_>| {
            if team.index() == 0 {
                seen[level].lock().unwrap().push(team.len());
            }
        };
        region_with(settings, 0, |team| {
            note(0, team);
            region_with(settings, 0, |team| {
                note(1, team);
                region_with(settings, 0, |team| note(2, team)).unwrap();
            })
            .unwrap();
        })
        .unwrap();
        seen.map(|sizes| sizes.into_inner().unwrap())
    };
    let base = RegionSettings { workers: vec![2, 3], max_active_levels: 3, ..settings() };
    assert_eq!(sizes(&base), [vec![2], vec![3; 2], vec![3; 6]], "the last entry is for all deeper levels");
    assert_eq!(sizes(&RegionSettings { max_active_levels: 2, ..base.clone() }), [vec![2], vec![3; 2], vec![1; 6]]);
    // A team of one takes its entry of the list, but is none of the levels that may have a team.
    let alone = RegionSettings { workers: vec![1, 3], max_active_levels: 1, ..base };
    assert_eq!(sizes(&alone), [vec![1], vec![3], vec![1; 3]]);
}

#[test]
fn waiting_and_binding_are_as_set() {
    for waiting in [None, Some(WaitPolicy::Active), Some(WaitPolicy::Passive)] {
        let rounds = AtomicUsize::new(0);
        region_with(&RegionSettings { waiting, ..settings() }, 2, |team| {
            (0..50).for_each(|_| team.barrier());
            rounds.fetch_add(1, SeqCst);
        })
        .unwrap();
        assert_eq!(rounds.into_inner(), 2);
    }
    #[cfg(target_os = "linux")]
    region_with(&RegionSettings { binding: Some(Binding::Close), ..settings() }, 2, |_| {
        assert_eq!(rustix::thread::sched_getaffinity(None).unwrap().count(), 1);
    })
    .unwrap();
}

#[test]
fn the_environment_is_shown_and_checked() {
    if std::env::var_os("REGION_INNER").is_some() {
        let lens = Mutex::new(HashSet::new());
        let outcome = region(0, |team| lens.lock().unwrap().extend([team.len()]));
        println!("{:?} {outcome:?}", lens.into_inner().unwrap());
        return;
    }
    let run = |name: &str, value: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "the_environment_is_shown_and_checked"]);
        command.env("REGION_INNER", "1").env("OMP_DISPLAY_ENV", "true").env(name, value).env_remove("FRACTAL_WORKERS");
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (out, shown) = run("OMP_NUM_THREADS", "5,2");
    assert!(out.contains("{5} Ok(())"), "{out}");
    assert!(shown.contains("OMP_NUM_THREADS = '5,2'") && shown.contains("OPENMP DISPLAY ENVIRONMENT END"), "{shown}");
    assert!(run("OMP_THREAD_LIMIT", "1").0.contains("{1} Ok(())"));
    assert!(run("OMP_WAIT_POLICY", "lazy").0.contains("OMP_WAIT_POLICY is `lazy`; allowed are"));
}

#[test]
fn a_barrier_that_not_all_reach_is_reported() {
    let told = fault(3, |team| {
        if team.index() != 1 {
            team.barrier();
        }
    });
    assert!(told.contains("waits at a barrier that a member of its team skipped"), "{told}");
}

#[test]
fn an_ordered_loop_that_a_member_passes_by_is_reported() {
    let told = fault(2, |team| {
        if team.index() == 1 {
            team.ordered(0..10, Schedule::STATIC, |_, _| ());
        }
    });
    assert!(told.contains("worker 1 waits"), "{told}");
}

#[test]
fn members_that_come_to_different_constructs_are_reported() {
    let told = fault(2, |team| {
        if team.index() == 0 {
            team.reduce(1, |left, right| left + right);
        } else {
            team.single(|| ());
        }
    });
    assert!(told.contains("reached a different construct from the others of its team"), "{told}");
    // Loops under `static` share nothing, so the barrier has to tell.
    let single = |team: &mut Member<'_>| {
        team.single(|| ());
    };
    for other in [|team: &mut Member<'_>| team.barrier(), single] {
        let told = fault(3, |team| {
            if team.index() == 1 {
                team.for_each(0..10, Schedule::STATIC, |_| ());
            } else {
                other(team);
            }
        });
        assert!(told.contains("reached a different construct from the others of its team"), "{told}");
    }
}

#[test]
fn a_critical_section_inside_of_itself_or_around_a_barrier_is_reported() {
    let told = fault(1, |_| critical("twice", || critical("twice", || ())));
    assert!(told.contains("critical section `twice` is entered inside itself"), "{told}");
    let told = fault(2, |team| critical("around", || team.barrier()));
    assert!(told.contains("reached a barrier inside a critical section"), "{told}");
}

#[test]
fn a_panic_in_each_construct_ends_the_region_for_all() {
    type Construct = fn(&mut Member<'_>);
    let constructs: [Construct; 8] = [
        |team| team.for_each(0..100, Schedule::DYNAMIC, |number| assert!(number != 40, "boom")),
        |team| team.ordered(0..100, Schedule::DYNAMIC, |number, _| assert!(number != 40, "boom")),
        |team| team.sections(&[&|| (), &|| panic!("boom"), &|| ()]),
        |team| assert!(team.single(|| panic!("boom")) == Some(())),
        |team| assert!(team.reduce(1, |_, _| panic!("boom")) > 1, "boom: one value is combined with none"),
        |team| team.tasks(|tasks| (0..50).for_each(|number| tasks.spawn(move |_| assert!(number != 20, "boom")))),
        |team| team.tasks(|_| panic!("boom")),
        |team| critical("broken", || panic!("boom {}", team.index())),
    ];
    for workers in WORKERS {
        for construct in constructs {
            let told = fault(workers, |team| {
                construct(team);
                team.barrier();
                team.barrier();
            });
            assert!(told.contains("boom") && told.contains("region.rs:"), "{told}");
        }
    }
}

#[test]
fn a_region_begins_afresh_after_one_that_ended_early() {
    type Body = fn(&mut Member<'_>);
    let bodies: [Body; 5] = [
        |team| assert!(team.single(|| panic!("boom")) == Some(())),
        |team| team.for_each(0..10, Schedule::DYNAMIC, |number| assert!(number != 5, "boom")),
        |team| {
            team.cancel();
            team.barrier();
        },
        // These end well, but leave something half-done.
        |team| {
            if team.index() == 1 {
                let _ = catch_unwind(AssertUnwindSafe(|| team.barrier()));
            }
        },
        |team| {
            if team.index() == 1 {
                team.for_each_nowait(0..10, Schedule::DYNAMIC, |_| ());
            }
        },
    ];
    for workers in WORKERS {
        for body in bodies {
            let _ = region(workers, body);
            let count = AtomicUsize::new(0);
            region(workers, |team| {
                team.single(|| add(&count));
                team.for_each(0..10, Schedule::DYNAMIC, |_| add(&count));
                assert_eq!(count.load(SeqCst), 11);
            })
            .unwrap();
        }
    }
}

/// Waits for `condition`, for a minute at most.
fn wait_for(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not happen");
        std::thread::yield_now();
    }
}

// What PyMP is known to do wrong, as far as it can happen with threads. A worker that is killed alone is a matter of processes.

#[test]
fn pymp_a_break_in_a_dynamic_loop_leaks_indices_into_the_next() {
    for workers in WORKERS {
        let seen = counters(5);
        region(workers, |team| {
            let _ = team.for_claims(0..10, Schedule::DYNAMIC, |claim| {
                if claim.start >= 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            team.for_each(0..5, Schedule::DYNAMIC, |number| add(&seen[number]));
        })
        .unwrap();
        assert!(seen.iter().all(|count| count.load(SeqCst) == 1));
    }
}

#[test]
fn pymp_an_exception_that_cannot_travel_lets_a_child_run_on() {
    // A payload that says nothing and is of a type that nobody knows.
    struct Unknown;
    let after = AtomicUsize::new(0);
    let told = fault(3, |team| {
        if team.index() == 2 {
            std::panic::resume_unwind(Box::new(Unknown));
        }
        team.barrier();
        after.fetch_add(1, SeqCst);
    });
    assert!(told.contains("worker 2 panicked while computing its part of a region: no message"), "{told}");
    assert_eq!(after.into_inner(), 0, "nobody goes on after the barrier");
}

#[test]
fn pymp_a_lock_holder_that_dies_deadlocks_the_rest() {
    let entered = AtomicUsize::new(0);
    let told = fault(3, |team| {
        critical("held", || {
            entered.fetch_add(1, SeqCst);
            assert!(team.index() != 1, "dies with the lock");
        });
    });
    assert!(told.contains("worker 1 panicked") && told.contains("dies with the lock"), "{told}");
    assert_eq!(entered.into_inner(), 3, "the others have entered");
}

#[test]
fn pymp_only_the_first_of_several_errors_is_reported() {
    let ready = AtomicUsize::new(0);
    let told = fault(3, |team| {
        ready.fetch_add(1, SeqCst);
        wait_for(|| ready.load(SeqCst) == team.len());
        panic!("error of {}", team.index());
    });
    for worker in 0..3 {
        assert!(told.contains(&format!("error of {worker} (")), "{told}");
    }
    assert_eq!(told.lines().count(), 1);
}
