//! Workers that send messages but never answer: only progress counts.

use super::faults::{Check, Faults};
use super::support::{Scratch, until};
use super::{LIMIT, backends, is_worker, on_its_own, open, options, watched};
use fractal::backend::{BackendEntry, SessionOptions};
use fractal::internal::frame::{self, Tail};
use fractal::parallel::{Claim, Discard, Prepared, Recipe, Stop, Work};
use fractal::{Error, Result};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The number of the messages' protocol, which is the library's own affair.
fn protocol() -> u64 {
    let source = include_str!("../../src/backend/worker/message.rs");
    let number = source.split_once("PROTOCOL: u64 = ").unwrap().1.split_once(';').unwrap().0;
    number.parse().unwrap()
}

/// Greets as a worker does, then says again and again that it lives, and begins a message that it never ends if it is to. A file tells
/// that it was given a run.
#[test]
#[ignore = "it is started as a worker by another test"]
fn lives_and_does_nothing() {
    const HELLO: u32 = 16;
    const BEAT: u32 = 19;
    const RUN: u32 = 4;
    if !is_worker() {
        return;
    }
    let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let pipes = std::env::args().next_back().unwrap().contains(":pipes:");
    let output =
        if pipes { std::io::stdout().as_fd().try_clone_to_owned() } else { input.as_fd().try_clone_to_owned() };
    let output = Arc::new(Mutex::new(File::from(output.unwrap())));
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    frame::write(&mut *output.lock().unwrap(), HELLO, &[protocol(), 0, 0, 0, 0, 0], &[version]).unwrap();
    let beats = output.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(50));
            if frame::write(&mut *beats.lock().unwrap(), BEAT, &[0; 6], &[]).is_err() {
                std::process::exit(0);
            }
        }
    });
    let mut tail = Tail::default();
    while let Ok(Some(head)) = frame::read(&mut input, &mut tail, |_| u64::MAX) {
        if head.kind == RUN {
            let place = PathBuf::from(std::env::var_os("PRETEND").unwrap());
            if place.join("half").exists() {
                let mut message = Vec::new();
                frame::write(&mut message, BEAT, &[0; 6], &[]).unwrap();
                output.lock().unwrap().write_all(&message[..30]).unwrap();
                fs::write(place.join("waiting"), "").unwrap();
                // Nothing is said any more.
                let _ = std::mem::ManuallyDrop::new(output.lock().unwrap());
                let _ = input.read_to_end(&mut Vec::new());
            }
            fs::write(place.join("waiting"), "").unwrap();
        }
    }
    std::process::exit(0);
}

/// Such workers.
fn pretenders(scratch: &Scratch) -> SessionOptions {
    let (path, own) = (scratch.join("worker.sh"), std::env::current_exe().unwrap());
    let text = format!("#!/bin/sh\nPRETEND='{}' exec '{}' \"$@\"\n", scratch.display(), own.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = options(2, "dynamic");
    options.program.path = Some(path);
    let arguments = ["pretending::lives_and_does_nothing", "--exact", "--ignored", "--nocapture"];
    options.program.arguments = arguments.map(Into::into).into();
    options
}

/// Stops a run as soon as something is there.
fn stopped(
    entry: &BackendEntry,
    options: &SessionOptions,
    work: Arc<dyn Work>,
    mut begun: impl FnMut() -> bool + Send,
) {
    let mut session = entry.open(options).unwrap();
    let stop = Stop::new();
    let outcome = watched("a stopped run", LIMIT, || {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                until("the run has begun", || begun().then_some(()));
                stop.set();
            });
            session.run(work, Arc::new(Discard), &stop)
        })
    });
    assert!(matches!(outcome, Err(Error::Stopped)), "{}: {outcome:?}", entry.name);
}

#[test]
fn a_run_is_stopped_whatever_its_workers_do() {
    for entry in backends() {
        for half in [false, true] {
            let scratch = Scratch::new(&format!("pretend-{}", entry.name));
            if half {
                fs::write(scratch.join("half"), "").unwrap();
            }
            let work = Faults::new(&scratch);
            stopped(entry, &pretenders(&scratch), Arc::new(work.clone()), || work.waits());
        }
    }
}

/// A work that no worker ever makes of its recipe.
#[derive(Debug)]
pub(super) struct Endless(pub(super) PathBuf);

impl Endless {
    /// What workers do instead.
    pub(super) fn make(recipe: &[u8]) -> Result<Arc<dyn Work>> {
        fs::write(PathBuf::from(String::from_utf8(recipe.to_vec()).unwrap()).join("waiting"), "").unwrap();
        loop {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Work for Endless {
    fn len(&self) -> usize {
        10
    }

    fn piece_len(&self, _: usize) -> usize {
        0
    }

    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "endless".into(), bytes: self.0.to_str().unwrap().as_bytes().to_vec() })
    }
}

#[test]
fn a_run_is_stopped_while_workers_make_its_work_for_ever() {
    for entry in backends() {
        let scratch = Scratch::new(&format!("endless-{}", entry.name));
        let place = scratch.to_path_buf();
        let waits = move || place.join("waiting").exists();
        stopped(entry, &options(2, "dynamic"), Arc::new(Endless(scratch.to_path_buf())), waits);
        // The session has other workers then.
        super::run(&mut *open(entry, 2, "dynamic"), &Faults::new(&scratch)).unwrap();
    }
}

/// Workers are replaced, and at last the run ends with what they did.
#[test]
fn who_lives_and_does_nothing_is_not_trusted() {
    if !on_its_own("pretending::who_lives_and_does_nothing_is_not_trusted", ("FRACTAL_WORKER_TIMEOUT", "1")) {
        return;
    }
    std::thread::scope(|scope| {
        for entry in backends() {
            scope.spawn(move || {
                let scratch = Scratch::new(&format!("trust-{}", entry.name));
                let work = Faults::new(&scratch);
                let mut session = entry.open(&pretenders(&scratch)).unwrap();
                let outcome = session.run(Arc::new(work.clone()), Check::new(&work), &Stop::new());
                let text = outcome.unwrap_err().to_string();
                assert!(text.contains("made no progress for 1s"), "{}: {text}", entry.name);
            });
        }
    });
}

/// A session that is being opened is stopped as well.
#[test]
fn waiting_for_first_messages_is_stopped() {
    for entry in backends() {
        let scratch = Scratch::new(&format!("mute-{}", entry.name));
        let path = scratch.join("worker.sh");
        fs::write(&path, format!("#!/bin/sh\n: >'{}/waiting'\nexec sleep 1000\n", scratch.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = options(2, "dynamic");
        options.program.path = Some(path);
        let stop = options.stop.clone();
        let outcome = watched("opening", LIMIT, || {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    until("a worker", || scratch.join("waiting").exists().then_some(()));
                    stop.set();
                });
                entry.open(&options).err()
            })
        });
        assert!(matches!(outcome, Some(Error::Stopped)), "{}: {outcome:?}", entry.name);
    }
}
