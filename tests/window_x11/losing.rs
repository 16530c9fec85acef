//! Windows that are lost, and programs that are asked to end while they have one.

use crate::screen::{self, HARDER, Program, Screen, program, send};
use crate::support::{Scratch, is_long, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

type Lose = fn(&Loss<'_>);

/// How a window is lost.
const LOSSES: [(&str, Lose); 4] = [
    ("the server ends", |loss| send(&loss.screen.server, Signal::KILL)),
    ("the user kills the client", |loss| loss.xdotool("windowkill")),
    ("another client destroys the window", |loss| loss.xdotool("windowclose")),
    ("the window's process is killed", |loss| kill_process(loss.window_process(), Signal::KILL).unwrap()),
];

struct Loss<'a> {
    screen: &'a Screen,
    process: u32,
    window: &'a str,
}

impl Loss<'_> {
    fn xdotool(&self, what: &str) {
        assert!(self.screen.xdotool(&format!("{what} {}", self.window)).is_some(), "{what}");
    }

    /// The only process that the program has started.
    fn window_process(&self) -> Pid {
        let children = children(self.process);
        assert_eq!(children.len(), 1, "{children:?}");
        Pid::from_raw(children[0]).unwrap()
    }
}

/// The processes that a program has started.
fn children(process: u32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let lines = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).ok());
    lines.flat_map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn lose(how: Lose, program: &Program<'_>) {
    how(&Loss { screen: program.screen, process: program.process.0.id(), window: &program.window });
}

/// Starts a program whose standard error goes to a file.
fn open<'a>(screen: &'a Screen, scratch: &'a Scratch, arguments: &[&str]) -> Program<'a> {
    let mut command = program(screen, scratch, arguments);
    command.stderr(File::create(scratch.join("told")).unwrap());
    Program::start(screen, scratch, command)
}

fn told(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.join("told")).unwrap()
}

/// Changes the palette, and returns its name. A key pressed while something else has the keyboard is lost now and then.
fn repaint(program: &mut Program<'_>) -> String {
    until("the palette changes", || {
        program.press("p");
        let command = program.command();
        command.split(' ').skip_while(|word| *word != "--palette").nth(1).map(str::to_owned)
    })
}

/// What a window remembers when it ends.
fn remembered(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.join("state/fractal/view.toml")).unwrap_or_default()
}

#[test]
fn a_render_outlives_its_window() {
    for (name, how) in LOSSES {
        let lost = HARDER.into_iter().any(|harder| {
            let Some(screen) = Screen::start() else { return true };
            let scratch = Scratch::new("x11-outlive");
            let iterations = (3_000_000 * harder).to_string();
            let scene =
                ["render", "seahorses", "--size", "640x400", "--samples", "1", "--iterations", &iterations, "-q", "-o"];
            let mut program = open(&screen, &scratch, &[&scene[..], &["a.ppm", "--view"]].concat());
            let early = !scratch.join("a.ppm").exists();
            lose(how, &program);
            assert_eq!(program.exit_code(), Some(0), "{name}: {}", told(&scratch));
            let picture = std::fs::read(scratch.join("a.ppm")).unwrap();
            let output = scratch.program([&scene[..], &["b.ppm"]].concat()).output().unwrap();
            assert!(output.status.success() && std::fs::read(scratch.join("b.ppm")).unwrap() == picture, "{name}");
            let told = told(&scratch);
            let expected =
                told.starts_with("fractal: the window is gone: ") && told.ends_with("; the render continues\n");
            assert!(told.is_empty() || (expected && told.lines().count() == 1), "{name}: {told}");
            early && !told.is_empty()
        });
        assert!(lost, "{name}: every picture was complete before");
    }
}

#[test]
fn a_window_that_is_lost_has_its_place_remembered() {
    for (name, how) in LOSSES {
        let Some(screen) = Screen::start() else { return };
        let scratch = Scratch::new("x11-lost");
        let mut program = open(&screen, &scratch, &["view", "--fresh", "--size", "300x200", "--workers", "1"]);
        let palette = repaint(&mut program);
        lose(how, &program);
        assert_eq!(program.exit_code(), Some(1), "{name}");
        let told = told(&scratch);
        assert!(told.starts_with("fractal: the window is gone: ") && told.lines().count() == 1, "{name}: {told}");
        assert!(remembered(&scratch).contains(&palette), "{name}: {palette}");
    }
}

#[test]
fn signals_end_a_window_in_order() {
    let Some(screen) = Screen::start() else { return };
    // No orbit inside this Julia set ends before its last iteration: neither its picture nor a saved one would be complete in hours.
    let endless = ["--julia", "-0.390540870218,-0.586787907347", "--iterations", "2000000000"];
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let scratch = Scratch::new("x11-signals");
        let view = ["view", "--fresh", "--size", "300x200", "--workers", "1"];
        let mut program = open(&screen, &scratch, &[&view[..], &endless].concat());
        let palette = repaint(&mut program);
        let reserved = || files(&scratch).into_iter().find(|name| name.ends_with(".png"));
        until("a picture is being saved", || {
            program.press("s");
            program.heard();
            reserved()
        });
        program.signal(signal);
        assert_eq!(program.exit_code(), Some(130), "{signal:?}");
        assert_eq!(told(&scratch), "fractal: stopped before the work was complete\n");
        assert!(remembered(&scratch).contains(&palette), "{signal:?}: {palette}");
        assert!(reserved().is_none(), "{:?}", files(&scratch));

        let mut program =
            open(&screen, &scratch, &[&["render"], &endless[..], &["-q", "--view", "-o", "b.png"]].concat());
        program.signal(signal);
        assert_eq!(program.exit_code(), Some(130), "{signal:?}");
        assert!(files(&scratch).iter().all(|name| !name.contains("b.png")), "{:?}", files(&scratch));
    }
    // Signals that are ignored from the start stay ignored.
    let scratch = Scratch::new("x11-ignored");
    let mut command = std::process::Command::new("sh");
    let inner = program(&screen, &scratch, &["view", "--fresh", "--size", "300x200"]);
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(&*scratch).stderr(std::process::Stdio::null());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut program = Program::start(&screen, &scratch, command);
    program.signal(Signal::HUP);
    program.signal(Signal::INT);
    program.check_above();
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

/// A server that does not answer, as over a network that is gone, does not keep programs from ending.
#[test]
fn a_server_that_hangs_delays_nothing_but_the_window() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-hang");
    let mut viewer = open(&screen, &scratch, &["view", "--fresh", "--size", "300x200", "--workers", "1"]);
    let palette = repaint(&mut viewer);
    let heavy = ["render", "seahorses", "--size", "640x400", "--samples", "1", "--iterations", "3000000", "-q"];
    let mut render = Program::open(&screen, &scratch, &[&heavy[..], &["--view", "-o", "a.png"]].concat());
    until("tiles fill in", || (render.shot().colours() > 50).then_some(()));
    send(&screen.server, Signal::STOP);
    until("the picture is complete", || scratch.join("a.png").exists().then_some(()));
    render.signal(Signal::TERM);
    // It is complete, or becomes so too late.
    assert!(matches!(render.exit_code(), Some(0 | 130)));
    // Waiting for a window that does not open can be interrupted.
    let mut late = screen::Running(program(&screen, &scratch, &["view", "--fresh"]).spawn().unwrap());
    until("it handles signals", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", late.0.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        (u64::from_str_radix(caught.trim(), 16).unwrap() >> (libc::SIGTERM - 1) & 1 == 1).then_some(())
    });
    send(&late, Signal::TERM);
    let status = until("it ends", || late.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(130));
    // Nor does the program wait for one whose server ends meanwhile.
    let mut late = program(&screen, &scratch, &["view", "--fresh"]);
    let late = late.stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("it has a process for the window", || (!children(late.id()).is_empty()).then_some(()));
    viewer.signal(Signal::TERM);
    assert_eq!(viewer.exit_code(), Some(130));
    send(&screen.server, Signal::KILL);
    let output = late.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.lines().count() == 1, "{told}");
    assert!(told.starts_with("fractal: no window can be opened here (the display `:"), "{told}");
    assert!(remembered(&scratch).contains(&palette));
}

/// Before there is a window, while it opens, and after: the watched render is complete or was never started.
#[test]
fn a_server_may_end_at_any_moment() {
    let scratch = Scratch::new("x11-moments");
    let render = ["render", "curl", "--size", "320x200", "--samples", "3", "-q", "-o"];
    assert!(scratch.program([&render[..], &["wanted.ppm"]].concat()).status().unwrap().success());
    let wanted = std::fs::read(scratch.join("wanted.ppm")).unwrap();
    let trials = if is_long() { 200 } else { 8 };
    for trial in 0..trials {
        let Some(screen) = Screen::start() else { return };
        let _ = std::fs::remove_file(scratch.join("a.ppm"));
        let mut command = program(&screen, &scratch, &[&render[..], &["a.ppm", "--view"]].concat());
        let mut render = screen::Running(command.stderr(File::create(scratch.join("told")).unwrap()).spawn().unwrap());
        // From the start to well after the window is there, in steps that double.
        std::thread::sleep(Duration::from_micros(500 << (trial % 10)));
        send(&screen.server, Signal::KILL);
        let status = until("the program ends", || render.0.try_wait().unwrap());
        let told = told(&scratch);
        match status.code() {
            Some(0) => assert!(std::fs::read(scratch.join("a.ppm")).unwrap() == wanted, "{trial}: {told}"),
            Some(1) => {
                assert!(told.starts_with("fractal: no window can be opened here (the display "), "{trial}: {told}");
            }
            _ => panic!("{trial}: {status}: {told}"),
        }
        assert!(told.lines().count() <= 1, "{trial}: {told}");
        assert_eq!(scratch.join("a.ppm").exists(), status.success());
        assert!(files(&scratch).iter().all(|name| !name.contains(".tmp")), "{:?}", files(&scratch));
    }
}

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
