//! The program itself: its pictures when its workers are killed, and what it leaves behind when it is killed itself.

use super::random::Random;
use super::support::processes::{children, lives};
use super::support::{Scratch, is_long, until};
use super::{LIMIT, backends, signal, watched};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A picture that takes some seconds.
const PICTURE: [&str; 13] = [
    "render",
    "whole",
    "--size",
    "1920x1080",
    "--iterations",
    "60000",
    "--samples",
    "2",
    "--tile",
    "32",
    "--workers",
    "2",
    "-o",
];

#[test]
fn a_killed_session_leaves_nothing_behind() {
    // Whatever others keep there is not ours.
    let shm = || -> BTreeSet<_> {
        let names = fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().contains("fractal")).collect()
    };
    let before = shm();
    let scratch = Scratch::new("orphans");
    for entry in backends() {
        let mut command = scratch.program(PICTURE);
        command.args(["out.png", "--backend", entry.name]).stderr(Stdio::null());
        watched("a killed session", LIMIT, || {
            let mut session = command.spawn().unwrap();
            while children(session.id()).len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
                assert!(session.try_wait().unwrap().is_none(), "it ended too early");
            }
            let workers = children(session.id());
            session.kill().unwrap();
            session.wait().unwrap();
            let began = Instant::now();
            while workers.iter().any(|&worker| lives(worker)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("{}: gone after {:?}", entry.name, began.elapsed());
        });
        assert_eq!(shm().difference(&before).next(), None);
        assert!(!scratch.join("out.png").exists());
    }
}

/// As a worker finds itself whose session was killed while it was started.
#[test]
fn a_worker_that_comes_too_late_says_nothing() {
    let scratch = Scratch::new("late");
    for entry in backends() {
        let worker = || scratch.program([format!("fractal-worker:{}:{}", entry.name, i32::MAX)]);
        let mut late = worker();
        let mut late = late.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(late.stdin.take());
        let output = watched("a worker that comes too late", LIMIT, || late.wait_with_output().unwrap());
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
        // A worker that is started by hand says so.
        let output = watched("a worker without a session", LIMIT, || worker().output().unwrap());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*text), (Some(1), "fractal: a worker can only be started by a session\n"));
    }
}

#[test]
fn kills_change_no_picture() {
    let scratch = Scratch::new("picture");
    let render = |name: &str, backend: &str| {
        let mut command = scratch.program([
            "render",
            "seahorses",
            "--size",
            "640x360",
            "--samples",
            "1",
            "--tile",
            "16",
            "-q",
            "-o",
            name,
        ]);
        command.args(["--backend", backend, "--workers", "2"]);
        command
    };
    assert!(render("serial.exr", "threads").status().unwrap().success());
    let expected = fs::read(scratch.join("serial.exr")).unwrap();
    let target = if is_long() { 250 } else { 20 };
    for entry in backends() {
        let (mut kills, mut random) = (0, Random(42));
        watched("a picture with kills", 10 * LIMIT, || {
            while kills < target {
                let mut session = render("out.exr", entry.name).spawn().unwrap();
                // From the first moment on: before a worker has said anything it is lost like any other. More in a row than are replaced
                // would end the run.
                let mut most = 12;
                while session.try_wait().unwrap().is_none() {
                    let workers = children(session.id());
                    let within = if workers.is_empty() { 500 } else { [5_000, 15_000][random.below(2) as usize] };
                    std::thread::sleep(Duration::from_micros(random.below(within)));
                    if most > 0 && !workers.is_empty() && session.try_wait().unwrap().is_none() {
                        let victim = workers[random.below(workers.len() as u64) as usize];
                        let killed = usize::from(signal(victim, Signal::KILL));
                        (kills, most) = (kills + killed, most - killed);
                    }
                }
                assert!(session.wait().unwrap().success());
                assert!(fs::read(scratch.join("out.exr")).unwrap() == expected, "{}", entry.name);
                fs::remove_file(scratch.join("out.exr")).unwrap();
            }
        });
        println!("{}: {kills} kills", entry.name);
    }
}

#[test]
fn lost_workers_are_reported_with_how() {
    let scratch = Scratch::new("told");
    for entry in backends() {
        let told = watched("a picture with a kill", LIMIT, || {
            // One that the kill came too late for is tried again.
            until("a worker is killed before the end", || {
                let mut command = scratch.program(PICTURE);
                command.args(["a.png", "--iterations", "3000", "--trace", "trace.json", "--backend", entry.name]);
                command.args(["--verbose"]).stderr(Stdio::piped());
                let session = command.spawn().unwrap();
                let worker = until("a worker", || children(session.id()).first().copied());
                signal(worker, Signal::KILL);
                let output = session.wait_with_output().unwrap();
                let text = String::from_utf8(output.stderr).unwrap();
                assert!(output.status.success(), "{text}");
                text.contains("replaced").then_some(text)
            })
        });
        let line = told.lines().find(|line| line.contains("replaced")).unwrap();
        assert!(
            line.starts_with("a.png: worker ") && line.ends_with(" was killed by signal 9 and was replaced"),
            "{told}"
        );
        let trace: Value = serde_json::from_slice(&fs::read(scratch.join("trace.json")).unwrap()).unwrap();
        let mut events = trace["traceEvents"].as_array().unwrap().iter();
        let lost = events.find(|event| event["name"] == "worker lost").unwrap();
        assert_eq!(lost["args"]["how"], "was killed by signal 9", "{lost}");
    }
}
