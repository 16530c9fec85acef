//! Runs of a command that are struck.

use super::super::random::Random;
use super::super::support::processes::children;
use super::super::support::{ignore_signals, until, xvfb};
use super::super::words;
use super::Counts;
use super::plan::Plan;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// The X server of a run that is watched, which is always struck in the end: the window would stay.
pub(super) const SERVER: &str = "the X server";

/// Who is struck.
pub(super) const TARGETS: [&str; 3] = ["the program", "a worker", "both"];

/// A run that has ended.
pub(super) struct Run {
    pub(super) status: ExitStatus,
    pub(super) told: String,
    /// What came through its standard output, and whether that was closed early.
    pub(super) received: Option<(Vec<u8>, bool)>,
    /// The signals that the program itself was sent and did not ignore, without those that only stop it for a while.
    pub(super) sent: Vec<Signal>,
    /// Whether it had an X server, which was struck.
    pub(super) watched: bool,
}

/// A run that goes on.
struct Running {
    child: Child,
    reader: Option<JoinHandle<(Vec<u8>, bool)>>,
    sent: Vec<Signal>,
    /// Its X server and the display's name, if it is watched.
    screen: Option<(xvfb::Running, String)>,
}

/// Runs a command of the plan, twice at once perhaps, with strikes.
pub(super) fn run(plan: &Plan<'_>, stage: usize, random: &mut Random, counts: &Counts) -> Vec<Run> {
    let number = if plan.stages[stage].twice { 2 } else { 1 };
    let mut runs = Vec::new();
    for number in 0..number {
        if number == 1 {
            std::thread::sleep(moment(random) / 3);
        }
        let closed_after = (random.below(6) == 0).then(|| random.below(100_000));
        let screen = plan.stages[stage].watched.then(screen);
        runs.push(start(plan, stage, number, closed_after, screen));
    }
    for _ in 0..1 + random.below(10) / 7 {
        std::thread::sleep(moment(random));
        let one = random.below(runs.len() as u64) as usize;
        strike(plan, &mut runs[one], random, counts);
    }
    for run in runs.iter_mut().filter(|run| run.screen.is_some()) {
        if random.below(2) == 0 {
            std::thread::sleep(moment(random) * 5);
        } else {
            // The window stays when the picture is complete.
            let files: Vec<_> = plan.stages[stage].outputs.iter().map(|(name, _)| plan.scratch.join(name)).collect();
            until(&format!("the picture of {}", plan.describe()), || {
                let complete = files.iter().all(|file| file.exists());
                (complete || run.child.try_wait().unwrap().is_some()).then_some(())
            });
        }
        lose(run, counts);
    }
    runs.into_iter().enumerate().map(|(number, run)| end(plan, number, run)).collect()
}

/// An X server of the run's own. Once it is killed, a server of another round may take its number, and the window with it: that ends as
/// well.
fn screen() -> (xvfb::Running, String) {
    until("an X server", || Some(xvfb::start(&["-screen", "0", "320x240x24"])).filter(|(_, display)| display.len() > 1))
}

/// Kills the X server, perhaps once more.
fn lose(run: &Running, counts: &Counts) {
    let (server, _) = run.screen.as_ref().expect("a run with an X server");
    xvfb::send(server, Signal::KILL);
    counts.add("strikes");
    counts.add(SERVER);
}

/// Runs a command of the plan, undisturbed.
pub(super) fn run_alone(plan: &Plan<'_>, stage: usize) -> Run {
    end(plan, 0, start(plan, stage, 0, None, None))
}

/// How long until a strike: mostly while files and workers come into being.
fn moment(random: &mut Random) -> Duration {
    let within = [5_000, 5_000, 20_000, 60_000][random.below(4) as usize];
    Duration::from_micros(random.below(within))
}

fn start(
    plan: &Plan<'_>,
    stage: usize,
    number: usize,
    closed_after: Option<u64>,
    screen: Option<(xvfb::Running, String)>,
) -> Running {
    let stage = &plan.stages[stage];
    let mut command = plan.scratch.program(words(&stage.arguments));
    if plan.ignoring {
        ignore_signals(&mut command);
    }
    if let Some((_, display)) = &screen {
        command.arg("--view").env("DISPLAY", display);
    }
    command.stdout(if stage.piped { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stderr(File::create(plan.scratch.join(format!("told-{number}"))).unwrap()).spawn().unwrap();
    let reader = child.stdout.take().map(|stdout| {
        std::thread::spawn(move || {
            let mut received = Vec::new();
            stdout.take(closed_after.unwrap_or(u64::MAX)).read_to_end(&mut received).unwrap();
            (received, closed_after.is_some())
        })
    });
    Running { child, reader, sent: Vec::new(), screen }
}

fn end(plan: &Plan<'_>, number: usize, mut run: Running) -> Run {
    let status = until(&format!("the end of {}", plan.describe()), || run.child.try_wait().unwrap());
    let told = fs::read_to_string(plan.scratch.join(format!("told-{number}"))).unwrap();
    let received = run.reader.map(|reader| reader.join().unwrap());
    Run { status, told, received, sent: run.sent, watched: run.screen.is_some() }
}

/// Strikes the program or its workers, if it has not ended.
fn strike(plan: &Plan<'_>, run: &mut Running, random: &mut Random, counts: &Counts) {
    if run.screen.is_some() && random.below(3) == 0 {
        return lose(run, counts);
    }
    let target = TARGETS[random.below(4).saturating_sub(1) as usize];
    let signals = [Signal::KILL, Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::STOP];
    // What is ignored is tried more often then.
    let signals = if plan.ignoring { &signals[2..] } else { &signals };
    let signal = signals[random.below(signals.len() as u64) as usize];
    let mut struck = Vec::new();
    if target != TARGETS[0] {
        let workers = workers(run, random);
        if target == TARGETS[1] && !workers.is_empty() {
            struck = vec![workers[random.below(workers.len() as u64) as usize]];
        } else {
            struck = workers;
        }
    }
    let alone = struck.is_empty();
    if alone || target == TARGETS[2] {
        struck.push(Pid::from_child(&run.child));
    }
    if run.child.try_wait().unwrap().is_some() {
        counts.add("ended before a strike");
        return;
    }
    // Nobody else waits for the program, so its number is its own.
    let ignored = plan.ignoring && [Signal::HUP, Signal::INT].contains(&signal);
    if (alone || target == TARGETS[2]) && !ignored && signal != Signal::STOP {
        run.sent.push(signal);
    }
    for &process in &struck {
        let _ = kill_process(process, signal);
    }
    if signal == Signal::STOP {
        std::thread::sleep(Duration::from_micros(random.below(30_000)));
        for &process in &struck {
            let _ = kill_process(process, Signal::CONT);
        }
    }
    counts.add("strikes");
    counts.add(if alone { TARGETS[0] } else { target });
    counts.add(format!("signal {}{}", signal.as_raw(), if ignored { ", ignored" } else { "" }));
}

/// The program's workers, which are waited for if it may have some; after that a moment passes.
fn workers(run: &mut Running, random: &mut Random) -> Vec<Pid> {
    for _ in 0..10 {
        let workers = children(run.child.id());
        if !workers.is_empty() || run.child.try_wait().unwrap().is_some() {
            std::thread::sleep(Duration::from_micros(
                [0, random.below(3_000), random.below(20_000)][random.below(3) as usize],
            ));
            return workers.into_iter().filter_map(Pid::from_raw).collect();
        }
    }
    Vec::new()
}
