//! Kills and interrupts at any moment, and the cost of keeping tiles.

use super::random::Random;
use super::support::{Scratch, until};
use super::{files, told, words};
use fractal::Render;
use fractal::parallel::Stop;
use fractal::sink::Records;
use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

/// Strikes the program with `signal` again and again at moments that look random, then lets it complete `a.png`; returns how often it
/// was struck. At every end, what it had reported as done is in the file.
fn strike(scratch: &Scratch, scene: &str, signal: rustix::process::Signal, strikes: u32, within_ms: u64) -> u32 {
    let mut random = Random(0x2545_f491_4f6c_dd1d ^ u64::from(strikes));
    let mut struck = 0;
    loop {
        let arguments = format!("{scene} -o a.png --checkpoint a.tiles --resume --progress json");
        let mut command = scratch.program(words(&arguments));
        command.stdout(std::process::Stdio::null()).stderr(fs::File::create(scratch.join("told")).unwrap());
        let mut child = command.spawn().unwrap();
        if struck < strikes {
            std::thread::sleep(Duration::from_millis(random.below(within_ms)));
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal);
        }
        let status = child.wait().unwrap();
        let text = fs::read_to_string(scratch.join("told")).unwrap();
        let done = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let done = done.filter_map(|line| line["tiles_done"].as_u64()).max().unwrap_or(0);
        let names = files(scratch);
        if status.success() {
            return struck;
        }
        struck += 1;
        if signal == rustix::process::Signal::INT {
            // Right after its start it is the shell's 130: a process ended by a signal, with nothing begun.
            assert!(status.code() == Some(130) || status.signal() == Some(2) && text.is_empty(), "{status}: {text}");
            assert!(names.iter().all(|name| ["a.tiles", "told", "plain.png", "a.png"].contains(&&**name)), "{names:?}");
        }
        // It may be struck between its picture and its end.
        if names.contains(&"a.png".into()) {
            let read = |name: &str| fs::read(scratch.join(name)).unwrap();
            assert!(read("a.png") == read("plain.png"), "no picture that is not complete");
            fs::remove_file(scratch.join("a.png")).unwrap();
        }
        if let Ok(file) = Records::open(scratch.join("a.tiles")) {
            let render = Render::of_records(file.description(), Path::new("a.tiles")).unwrap();
            let records = render.read_records(file, &Stop::new()).unwrap();
            assert!(records.found().len() as u64 >= done, "{} of {done} tiles are kept", records.found().len());
        } else {
            assert_eq!(done, 0, "{text}");
        }
    }
}

const LONG_ENOUGH: &str =
    "render whole --re -0.7436 --im 0.1318 --width 4e-3 --iterations 40000 --size 1600x1200 --tile 32 -q";

#[test]
fn kills_at_any_moment_lose_no_finished_tile() {
    use rustix::process::Signal;
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        let scratch = Scratch::new("kills");
        assert_eq!(told(scratch.program(words(&format!("{LONG_ENOUGH} -o plain.png")))).0, 0);
        // Within the first milliseconds, where files are created, and later.
        strike(&scratch, LONG_ENOUGH, signal, 8, 5);
        fs::remove_file(scratch.join("a.png")).unwrap();
        fs::remove_file(scratch.join("a.tiles")).unwrap();
        strike(&scratch, LONG_ENOUGH, signal, 6, 120);
        let read = |name: &str| fs::read(scratch.join(name)).unwrap();
        assert!(read("a.png") == read("plain.png"));
        assert!(!files(&scratch).iter().any(|name| name.contains(".tmp-")), "{:?}", files(&scratch));
    }
}

/// Starts the program and kills it as soon as it tells of more finished tiles than `tiles`, and has written something of its picture if
/// it is to have; returns how many it reported, and how much it had written, or `None` if it was complete before it could be killed.
fn kill_beyond(scratch: &Scratch, arguments: &str, tiles: u64, begun: bool) -> Option<(u64, u64)> {
    let mut command = scratch.program(words(arguments));
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.map_while(io::Result::ok).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let mut done = told.filter_map(|line| line["tiles_done"].as_u64());
    let done = done.find(|&done| done > tiles);
    let half = || files(scratch).into_iter().filter(|name| name.contains(".tmp-")).collect::<Vec<_>>();
    let written = || half().first().map_or(0, |name| fs::metadata(scratch.join(name)).map_or(0, |file| file.len()));
    if begun {
        let complete = || files(scratch).contains(&"a.ppm".into());
        until("a picture that is begun is drawn as its tiles come", || (written() > 0 || complete()).then_some(()));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    if status.success() || files(scratch).contains(&"a.ppm".into()) {
        return None;
    }
    assert_eq!(half().len(), 1, "that of an earlier kill has gone: {:?}", half());
    Some((done.expect("it was killed before its end"), written()))
}

#[test]
fn what_is_kept_is_not_drawn_before_all_is_there() {
    // A picture that is complete before the kill is tried again with more work: how fast a machine is and how late it runs this test
    // is not known.
    let tried = ["60000", "400000", "2000000"].into_iter().find_map(|iterations| {
        let scratch = Scratch::new("drawn");
        let scene = SIEGEL.replace("8000000", iterations).replace("1600x1200", "1000x800").replace("-q", "--workers 2");
        let arguments = format!("{scene} -o a.ppm --checkpoint a.tiles --resume --progress json");
        let (first, _) = kill_beyond(&scratch, &arguments, 3000, true)?;
        let (second, written) = kill_beyond(&scratch, &arguments, first + 500, false)?;
        Some((scratch, scene, first, second, written))
    });
    let (scratch, scene, first, second, written) = tried.expect("a kill before the end");
    assert!(second > first && written == 0, "{written} bytes");
    assert_eq!(told(scratch.program(words(&format!("{scene} -q -o a.ppm --checkpoint a.tiles --resume")))).0, 0);
    assert_eq!(told(scratch.program(words(&format!("{scene} -q -o plain.ppm")))).0, 0);
    assert!(fs::read(scratch.join("a.ppm")).unwrap() == fs::read(scratch.join("plain.ppm")).unwrap());
}

/// Processor seconds of all children of this process that have ended.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[13..15].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    // Linux tells them in hundredths everywhere.
    ticks as f64 / 100.0
}

/// Processor seconds of the program with these arguments.
fn cost(scratch: &Scratch, arguments: &str) -> f64 {
    let before = children();
    assert_eq!(told(scratch.program(words(arguments))), (0, String::new()), "{arguments}");
    children() - before
}

/// A Siegel disk, in which no orbit ever escapes or returns: as much work as one likes.
const SIEGEL: &str = "render --julia -0.390540870218,-0.586787907347 --iterations 8000000 --size 1600x1200 --tile 8 -q";

/// Takes about eleven minutes on two processors.
#[test]
#[ignore = "measures for minutes; run it alone: cargo test --test keep -- --ignored --nocapture --test-threads 1"]
fn a_hundred_kills_cost_less_than_five_percent() {
    let scratch = Scratch::new("hundred");
    let straight = cost(&scratch, &format!("{SIEGEL} -o plain.png"));
    let before = children();
    // A run of this length is over before 100 kills if they are further apart.
    let within_ms = (straight * 1000.0 / 2.0 / 100.0 * 1.6) as u64;
    let struck = strike(&scratch, SIEGEL, rustix::process::Signal::KILL, 100, within_ms);
    let killed = children() - before;
    let extra = 100.0 * (killed / straight - 1.0);
    println!("{straight:.1} s of processors at once, {killed:.1} s with {struck} kills: {extra:+.2} %");
    assert!(fs::read(scratch.join("a.png")).unwrap() == fs::read(scratch.join("plain.png")).unwrap());
    assert!(struck >= 90, "{struck} kills");
    assert!(extra <= 5.0, "{extra} %");
}

/// At 300 ns a pixel, which is little for a picture that takes minutes. Runs are compared in pairs, one right after the other, and the
/// median pair counts: the processors of a virtual machine may share a core at one time and not at another, and are half as fast then.
#[test]
#[ignore = "measures for a minute; run it alone: cargo test --test keep -- --ignored --nocapture --test-threads 1"]
fn keeping_costs_less_than_two_percent() {
    let scratch = Scratch::new("cost");
    let scene = "render --julia -0.390540870218,-0.586787907347 --iterations 12000 --size 3840x2160 -q -o a.png";
    let mut extra = Vec::new();
    for round in 0..21 {
        let mut seconds = [0.0; 2];
        for way in [round % 2, 1 - round % 2] {
            let _ = fs::remove_file(scratch.join("a.tiles"));
            let how = ["--no-checkpoint", "--checkpoint a.tiles"][way];
            seconds[way] = cost(&scratch, &format!("{scene} {how}"));
        }
        extra.push(100.0 * (seconds[1] / seconds[0] - 1.0));
    }
    extra.sort_by(f64::total_cmp);
    let [low, extra, high] = [extra[5], extra[10], extra[15]];
    println!(
        "a checkpoint costs {extra:+.2} % of the processors' time; half of the pairs say {low:+.2} to {high:+.2} %"
    );
    assert!(extra <= 2.0, "{extra} %");
}
