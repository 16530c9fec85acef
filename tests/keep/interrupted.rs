//! The first interrupt ends the program, whatever it is waiting for.

use super::support::{Scratch, until};
use super::{files, words};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Waits until the program receives signals.
fn receives(child: &Child) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        (u64::from_str_radix(mask.trim(), 16).unwrap() >> (libc::SIGINT - 1) & 1 == 1).then_some(())
    };
    until("signals are received", caught);
}

/// Interrupts the program once. It ends with the status for that.
fn interrupt(mut child: Child, what: &str) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = until(what, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(130), "{what}");
}

fn fifo(scratch: &Scratch, name: &str) {
    assert!(Command::new("mkfifo").arg(scratch.join(name)).status().unwrap().success());
}

#[test]
fn the_first_interrupt_ends_a_wait_for_a_reader() {
    let scratch = Scratch::new("reader");
    fifo(&scratch, "pipe.png");
    fifo(&scratch, "pipe.exr");
    for arguments in [
        "render whole --size 64x48 -o pipe.png",
        "render whole --size 64x48 -o a.png --trace pipe.png",
        "render whole --size 64x48 -o a.png --owners pipe.png",
        // Here it is a writer.
        "render whole --size 64x48 -o a.png --continue pipe.exr",
        "bench --scene whole --size 64x48 --runs 1 --json pipe.png",
    ] {
        let child = scratch.program(words(arguments)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        receives(&child);
        interrupt(child, arguments);
        assert!(!files(&scratch).iter().any(|name| name.contains(".tmp-")), "{:?}", files(&scratch));
    }
}

#[test]
fn the_first_interrupt_ends_a_wait_for_room_in_a_pipe() {
    let scratch = Scratch::new("room");
    for arguments in [
        "render whole --size 1000x1000 --format ppm -o -",
        "render whole --size 1000x1000 --format ppm -o - --backend processes --workers 2",
        "render whole --size 1000x1000 --format ppm -o - --backend pipes --workers 2",
    ] {
        let mut child = scratch.program(words(arguments)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let pipe = child.stdout.take().unwrap();
        // Fuller than half; what comes does not fit, and nobody reads.
        let full = || {
            assert!(child.try_wait().unwrap().is_none(), "it cannot have ended");
            (rustix::io::ioctl_fionread(&pipe).unwrap() >= 1 << 15).then_some(())
        };
        until("the pipe is full", full);
        interrupt(child, arguments);
    }
}

#[test]
fn a_pipe_is_no_file_of_finished_tiles() {
    let scratch = Scratch::new("special");
    fifo(&scratch, "a.part");
    for arguments in ["merge a.part -o a.png", "render whole --size 64x48 --continue a.part -o a.png"] {
        let mut child = scratch.program(words(arguments)).stderr(Stdio::null()).spawn().unwrap();
        // Nobody ever writes to it.
        let status = until(arguments, || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(1), "{arguments}");
    }
}

#[test]
fn the_first_interrupt_ends_a_wait_for_room_in_the_standard_error() {
    let scratch = Scratch::new("errors");
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As much as a pipe holds.
    writer.write_all(&[b'x'; 1 << 16]).unwrap();
    let arguments = "render whole --size 4000x4000 --iterations 2000000 --progress json -o a.png";
    let child = scratch.program(words(arguments)).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    receives(&child);
    until("its temporary file", || (!files(&scratch).is_empty()).then_some(()));
    interrupt(child, arguments);
    assert!(!files(&scratch).iter().any(|name| name.contains(".tmp-")), "{:?}", files(&scratch));
    drop(reader);
}
