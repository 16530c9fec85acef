//! The program itself: its pictures when its workers are killed, and what it leaves when it is.

use super::random::Random;
use super::support::{Scratch, is_long};
use super::{LIMIT, backends, signal, watched};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The processes whose parent is `id`.
fn children(id: u32) -> Vec<i32> {
    let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let own: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (state, parent) = stat.rsplit_once(") ")?.1.split_once(' ')?;
        (parent.split(' ').next()? == id.to_string() && state != "Z").then_some(own)
    });
    stats.collect()
}

fn lives(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A picture that takes some seconds.
const PICTURE: [&str; 14] = [
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
    "-q",
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

#[test]
fn kills_change_no_picture() {
    let scratch = Scratch::new("picture");
    let render = |name: &str, backend: &str| {
        let mut command =
            scratch.program(["render", "seahorses", "--size", "640x360", "--tile", "16", "-q", "-o", name]);
        command.args(["--backend", backend, "--workers", "2"]);
        command
    };
    assert!(render("serial.exr", "threads").status().unwrap().success());
    let expected = fs::read(scratch.join("serial.exr")).unwrap();
    let target = if is_long() { 250 } else { 5 };
    for entry in backends() {
        let (mut kills, mut random) = (0, Random(42));
        watched("a picture with kills", 10 * LIMIT, || {
            while kills < target {
                let mut session = render("out.exr", entry.name).spawn().unwrap();
                while session.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_micros(random.below(15_000)));
                    let workers = children(session.id());
                    // Before the session has heard of its workers, it is told that they cannot be started, which is another test.
                    if workers.len() == 2
                        && scratch.join("out.exr").exists()
                            | fs::read_dir(&*scratch)
                                .unwrap()
                                .flatten()
                                .any(|e| e.file_name().to_string_lossy().contains("out.exr"))
                        && session.try_wait().unwrap().is_none()
                    {
                        kills += usize::from(signal(workers[random.below(2) as usize], Signal::KILL));
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
