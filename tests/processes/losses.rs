//! Workers that end, hang or write garbage cost only their piece.

use super::faults::{Fault, Faults};
use super::random::Random;
use super::support::{Scratch, is_long};
use super::{LIMIT, backends, on_its_own, open, options, run, signal, watched, workers_in};
use fractal::backend::{BackendEntry, SessionOptions};
use fractal::parallel::{Sink, Stop};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn random_kills_cost_nothing_but_time() {
    let target = if is_long() { 250 } else { 12 };
    for entry in backends() {
        for (schedule, seed) in [("dynamic", 1), ("static,3", 2), ("auto", 3)] {
            let scratch = Scratch::new(&format!("kills-{}-{seed}", entry.name));
            let varies = schedule == "static,3";
            let work = Faults { pieces: 3000, microseconds: 200, varies, ..Faults::new(&scratch) };
            let (kills, over) = (AtomicUsize::new(0), AtomicBool::new(false));
            let mut runs = 0;
            watched("a run with kills", 10 * LIMIT, || {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut random = Random(seed * 0x1234_5678_9abc_def1);
                        while !over.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_micros(random.below(20_000)));
                            let workers = workers_in(&scratch);
                            if !workers.is_empty() {
                                let victim = workers[random.below(workers.len() as u64) as usize];
                                kills.fetch_add(usize::from(signal(victim, Signal::KILL)), Ordering::Relaxed);
                            }
                        }
                    });
                    let mut session = open(entry, 3, schedule);
                    while kills.load(Ordering::Relaxed) < target {
                        let outcome = run(&mut *session, &work);
                        if let Err(error) = outcome {
                            over.store(true, Ordering::Relaxed);
                            panic!("{} {schedule}: {error}", entry.name);
                        }
                        runs += 1;
                    }
                    over.store(true, Ordering::Relaxed);
                });
            });
            // Each worker that computed left a file: more than three of them says that new ones took part.
            let seen: HashSet<_> = fs::read_dir(&*scratch).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert!(seen.len() > 3 + target / 2, "{} {schedule}: {} workers", entry.name, seen.len());
            println!("{} {schedule}: {} kills in {runs} runs, {} workers", entry.name, kills.into_inner(), seen.len());
        }
    }
}

/// A worker program that does something else first, the given number of times: a shell script that then becomes the real one.
fn script(scratch: &Scratch, first: &str, times: usize) -> SessionOptions {
    let path = scratch.join("worker.sh");
    // A folder can be made once.
    let once = "for n in $(seq $TIMES); do mkdir \"$0.$n\" 2>/dev/null && { FIRST; }; done";
    let once = once.replace("$TIMES", &times.to_string()).replace("FIRST", first);
    let own = std::env::current_exe().unwrap();
    fs::write(&path, format!("#!/bin/sh\n{once}\nexec '{}' \"$@\"\n", own.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = options(2, "dynamic");
    options.program.path = Some(path);
    options
}

#[derive(Default)]
struct Told(Mutex<Vec<(usize, String)>>);

impl Sink for Told {
    fn lost(&self, worker: usize, how: &str) {
        self.0.lock().unwrap().push((worker, how.to_owned()));
    }
}

#[test]
fn a_worker_that_is_lost_before_its_first_message_is_replaced() {
    for entry in backends() {
        for (first, times, how) in [
            ("kill -KILL $$", 1, "was killed by signal 9"),
            ("kill -KILL $$", 7, "was killed by signal 9"),
            ("kill -TERM $$", 2, "was killed by signal 15"),
            // The other one has answered, so it can be no fault of the program.
            ("sleep 0.2; exit 0", 1, "ended with status 0"),
            ("head -c 100000 /dev/zero >&0 2>/dev/null; exit 0", 1, ""),
            ("head -c 100000 /dev/zero; exit 0", 1, ""),
        ] {
            let scratch = Scratch::new(&format!("early-{}", entry.name));
            let mut session =
                watched("opening", LIMIT, || entry.open(&script(&scratch, first, times))).expect(entry.name);
            let work = Faults::new(&scratch);
            watched("a run", LIMIT, || run(&mut *session, &work)).unwrap();
            drop(session);

            let mut session = watched("opening", LIMIT, || {
                for n in 1..=times {
                    fs::remove_dir(scratch.join(format!("worker.sh.{n}"))).unwrap();
                }
                entry.open(&script(&scratch, first, times))
            })
            .unwrap();
            let told = Arc::new(Told::default());
            session.run(Arc::new(Faults::new(&scratch)), told.clone(), &Stop::new()).unwrap();
            let told = told.0.lock().unwrap();
            assert_eq!(told.len(), times, "{} {first}: {told:?}", entry.name);
            assert!(
                told.iter().all(|(worker, text)| *worker < 2 && text.contains(how)),
                "{} {first}: {told:?}",
                entry.name
            );
        }
        // One that is always killed ends the session, and the program is not blamed.
        let scratch = Scratch::new(&format!("never-{}", entry.name));
        let error = watched("opening", LIMIT, || entry.open(&script(&scratch, "kill -KILL $$", 100)).err().unwrap());
        let text = error.to_string();
        assert!(text.contains("were lost before they were ready; the last one, worker "), "{text}");
        assert!(text.ends_with("was killed by signal 9") && !text.contains("main"), "{text}");
    }
}

#[test]
fn a_worker_that_ends_or_crashes_once_is_replaced() {
    for entry in backends() {
        for schedule in ["dynamic", "dynamic,16", "static", "static,3", "auto"] {
            for fault in [Fault::Exit, Fault::Abort, Fault::Memory, Fault::Kill] {
                let scratch = Scratch::new(&format!("once-{}", entry.name));
                let work = Faults { varies: schedule.contains(','), ..Faults::new(&scratch) };
                let work = work.with(0, fault, 1).with(77, fault, 2).with(199, fault, 1);
                let mut session = open(entry, 2, schedule);
                watched("a run with faults", LIMIT, || run(&mut *session, &work)).unwrap();
                assert!(!work.is_due(0, 1) && !work.is_due(77, 2) && !work.is_due(199, 1), "they did happen");
            }
        }
    }
}

#[test]
fn a_piece_that_no_worker_survives_is_named_and_the_session_goes_on() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "dynamic,50"] {
            let mut session = open(entry, 2, schedule);
            for (fault, how) in [(Fault::Abort, "was killed by signal 6"), (Fault::Exit, "ended with status 0")] {
                let scratch = Scratch::new(&format!("always-{}", entry.name));
                let work = Faults::new(&scratch).with(123, fault, 1000);
                let error = watched("a deadly piece", LIMIT, || run(&mut *session, &work)).unwrap_err().to_string();
                let begin = "part 123 of the test ended each of the 3 workers that computed it; the last one, worker ";
                assert!(error.starts_with(begin) && error.ends_with(how), "{} {schedule}: {error}", entry.name);
                // Alone three times, and perhaps once among others.
                assert!(!work.is_due(123, 3) && work.is_due(123, 5), "as many workers, no more");
                run(&mut *session, &Faults::new(&scratch)).unwrap();
            }
        }
    }
}

#[test]
fn a_piece_whose_workers_are_killed_from_outside_is_computed_by_the_session() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "dynamic,50"] {
            let scratch = Scratch::new(&format!("outside-{}", entry.name));
            let work = Faults::new(&scratch).with(123, Fault::Kill, 1000);
            watched("a piece under fire", LIMIT, || run(&mut *open(entry, 2, schedule), &work)).unwrap();
            // Alone three times, perhaps once among others, and the session itself.
            assert!(!work.is_due(123, 4) && work.is_due(123, 6), "{} {schedule}", entry.name);
        }
    }
}

#[test]
fn garbage_and_prints_do_no_harm() {
    if !on_its_own("losses::garbage_and_prints_do_no_harm", ("ON_ITS_OWN", "yes")) {
        return;
    }
    for entry in backends() {
        for fault in [Fault::Garbage, Fault::Print] {
            let scratch = Scratch::new(&format!("garbage-{}", entry.name));
            let work = Faults::new(&scratch).with(5, fault, 1).with(150, fault, 1);
            watched("a run with garbage", LIMIT, || run(&mut *open(entry, 2, "dynamic"), &work)).unwrap();
            assert!(!work.is_due(5, 1) && !work.is_due(150, 1), "it did happen");
        }
    }
}

/// What a worker does to memory that all share costs workers and time, and no result.
#[test]
fn memory_that_a_worker_gone_wild_writes_over_is_not_believed() {
    if !on_its_own("losses::memory_that_a_worker_gone_wild_writes_over_is_not_believed", ("ON_ITS_OWN", "yes")) {
        return;
    }
    let entry = fractal::backend::find("processes").unwrap();
    for schedule in ["dynamic", "dynamic,7", "static", "static,3", "auto"] {
        let mut session = open(entry, 3, schedule);
        for fault in [Fault::Zeros, Fault::Ones, Fault::Noise] {
            let scratch = Scratch::new("wild");
            // The last piece of all as well, when others have ended their search.
            let work =
                Faults::new(&scratch).with(5, fault, 1).with(60, fault, 1).with(61, fault, 1).with(199, fault, 1);
            let what = format!("{schedule} {fault:?}");
            watched(&what, LIMIT, || run(&mut *session, &work)).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!([5, 60, 61, 199].iter().all(|&piece| !work.is_due(piece, 1)), "it did happen");
        }
        run(&mut *session, &Faults::new(&Scratch::new("tamed"))).unwrap();
    }
}

/// Who takes pages out of the memory takes results that are being computed with them; here there are none. In a process of its own, since
/// it takes those of all sessions.
#[test]
fn a_hole_in_the_memory_that_all_share_ends_nothing() {
    if !on_its_own("losses::a_hole_in_the_memory_that_all_share_ends_nothing", ("ON_ITS_OWN", "yes")) {
        return;
    }
    let entry = fractal::backend::find("processes").unwrap();
    let scratch = Scratch::new("hole");
    let work = Faults::new(&scratch).with(5, Fault::Hole, 1).with(60, Fault::Hole, 1).with(199, Fault::Hole, 1);
    let mut session = open(entry, 1, "dynamic");
    watched("a run with holes", LIMIT, || run(&mut *session, &work)).unwrap();
    assert!([5, 60, 199].iter().all(|&piece| !work.is_due(piece, 1)), "it did happen");
    run(&mut *session, &Faults::new(&scratch)).unwrap();
}

/// The session's own program is started with other patience than the other tests', which even a worker that is kept from running by others
/// does not exhaust. All cases wait for it at the same time.
#[test]
fn a_suspended_worker_and_a_caught_one_are_replaced() {
    if !on_its_own("losses::a_suspended_worker_and_a_caught_one_are_replaced", ("FRACTAL_WORKER_TIMEOUT", "4")) {
        return;
    }
    let hang = |entry: &BackendEntry, fault| {
        let scratch = Scratch::new(&format!("hang-{}", entry.name));
        // Longer than the patience, and looks at its `Stop`: nobody replaces it.
        let slow = Faults { pieces: 2, microseconds: 6_000_000, ..Faults::new(&scratch) };
        let mut session = open(entry, 2, "dynamic");
        run(&mut *session, &slow).unwrap();
        assert_eq!(workers_in(&scratch).len(), 2, "{}: they are the same as before", entry.name);
        run(&mut *session, &Faults::new(&scratch).with(60, fault, 1)).unwrap();
        let error = run(&mut *session, &Faults::new(&scratch).with(61, fault, 1000)).unwrap_err().to_string();
        assert!(error.starts_with("part 61 of the test ended each of the 3 workers"), "{error}");
        assert!(error.contains("made no progress"), "{error}");
    };
    std::thread::scope(|scope| {
        for entry in backends() {
            for fault in [Fault::Suspend, Fault::Loop] {
                scope.spawn(move || hang(entry, fault));
            }
        }
    });
}

#[test]
fn a_worker_that_cannot_be_replaced_leaves_the_rest_to_the_others() {
    for entry in backends() {
        for schedule in ["dynamic", "static", "static,2"] {
            let scratch = Scratch::new(&format!("gone-{}", entry.name));
            let link = scratch.join("program");
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &link).unwrap();
            let mut options = options(2, schedule);
            options.program.path = Some(link.clone());
            let mut session = entry.open(&options).unwrap();
            fs::remove_file(&link).unwrap();
            let work = Faults::new(&scratch).with(20, Fault::Exit, 1);
            watched("a run with one worker left", LIMIT, || run(&mut *session, &work)).unwrap();
            let work = Faults::new(&scratch).with(21, Fault::Exit, 9).with(180, Fault::Exit, 9);
            let error = watched("a run with none left", LIMIT, || run(&mut *session, &work)).unwrap_err().to_string();
            assert!(
                error.contains("cannot be started from") && error.lines().count() == 1,
                "{} {schedule}: {error}",
                entry.name
            );
        }
    }
}
