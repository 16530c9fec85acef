//! The real window on a real X server without a screen: Xvfb, openbox as window manager, and xdotool as the user's hands.
//!
//! Where these programs are missing the tests say so and are left out; with `CI` set that is a failure. On Debian:
//! `apt-get install --no-install-recommends xvfb xdotool openbox imagemagick`.

mod support;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::Scratch;

/// Generous: what never happens is to be found, a slow machine is not.
const LIMIT: Duration = Duration::from_secs(90);

/// Servers and their clients share few processors: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server with a window manager.
struct Screen {
    display: String,
    _manager: Running,
    _server: Running,
    _turn: MutexGuard<'static, ()>,
}

/// What is missing here, if anything.
fn missing() -> Option<&'static str> {
    let there = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    ["Xvfb", "xdotool", "openbox", "import"].into_iter().find(|name| !there(name))
}

impl Screen {
    /// Starts the server; `None` after saying what is missing.
    fn start() -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = missing() {
            assert!(std::env::var_os("CI").is_none(), "`{name}` is not installed, which this test needs");
            println!("left out: `{name}` is not installed");
            return None;
        }
        // The server chooses a number that is free, and tells it when it is ready.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1400x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        let (server, display) = (Running(server), format!(":{}", number.trim()));
        let mut manager = Command::new("openbox");
        let manager = manager.env("DISPLAY", &display).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let screen = Self { display, _manager: Running(manager), _server: server, _turn: turn };
        until("the window manager is there", || screen.xdotool("get_desktop").is_some().then_some(()));
        Some(screen)
    }

    /// What xdotool says to a line of arguments; `None` when it fails.
    fn xdotool(&self, arguments: &str) -> Option<String> {
        let output = Command::new("xdotool").args(arguments.split(' ')).env("DISPLAY", &self.display).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A picture of a window, or of a file.
#[derive(Clone, PartialEq)]
struct Shot {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Shot {
    fn from_ppm(bytes: &[u8]) -> Self {
        let mut numbers = Vec::new();
        let mut rest = bytes.strip_prefix(b"P6").expect("a PPM");
        while numbers.len() < 3 {
            let start = rest.iter().position(u8::is_ascii_digit).unwrap();
            let end = start + rest[start..].iter().position(|b| !b.is_ascii_digit()).unwrap();
            numbers.push(std::str::from_utf8(&rest[start..end]).unwrap().parse::<usize>().unwrap());
            rest = &rest[end..];
        }
        let pixels = rest[1..].as_chunks::<3>().0.to_vec();
        assert_eq!(pixels.len(), numbers[0] * numbers[1]);
        Self { width: numbers[0], pixels }
    }

    fn colours(&self) -> usize {
        self.pixels.iter().collect::<HashSet<_>>().len()
    }

    /// The share of pixels that are as in another picture of the same size.
    fn like(&self, other: &Self) -> f64 {
        if self.width != other.width || self.pixels.len() != other.pixels.len() {
            return 0.0;
        }
        let same = self.pixels.iter().zip(&other.pixels).filter(|(a, b)| a == b).count();
        same as f64 / self.pixels.len() as f64
    }
}

/// The program with a window.
struct Program<'a> {
    screen: &'a Screen,
    scratch: &'a Scratch,
    process: Running,
    window: String,
}

impl<'a> Program<'a> {
    /// Starts `fractal` and waits for its window.
    fn open(screen: &'a Screen, scratch: &'a Scratch, arguments: &[&str]) -> Self {
        let before = windows(screen);
        let process = program(screen, scratch, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let process = Running(process);
        let window = until("a window opens", || windows(screen).difference(&before).next().cloned());
        screen.xdotool(&format!("windowactivate --sync {window}")).unwrap();
        Self { screen, scratch, process, window }
    }

    fn do_(&self, arguments: &str) {
        assert!(self.screen.xdotool(arguments).is_some(), "xdotool {arguments}");
    }

    /// Presses keys, each for as long as a person does.
    fn press(&self, keys: &str) {
        for key in keys.split(' ') {
            self.do_(&format!("keydown {key}"));
            std::thread::sleep(Duration::from_millis(40));
            self.do_(&format!("keyup {key}"));
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    fn point(&self, x: u32, y: u32) {
        self.do_(&format!("mousemove --window {} {x} {y}", self.window));
        std::thread::sleep(Duration::from_millis(60));
    }

    /// Has the window manager close the window, as a click on its cross does.
    fn close(&self) {
        self.do_(&format!("windowactivate --sync {}", self.window));
        self.do_("key alt+F4");
    }

    fn shot(&self) -> Shot {
        let mut import = Command::new("import");
        import.args(["-window", &self.window, "-depth", "8", "ppm:-"]).env("DISPLAY", &self.screen.display);
        // A window that is on its way back cannot be looked at yet.
        until("the window can be looked at", || {
            let output = import.output().unwrap();
            output.status.success().then(|| Shot::from_ppm(&output.stdout))
        })
    }

    /// The scene that is shown, as the command line that the program prints.
    fn command(&mut self) -> String {
        self.press("l");
        let mut line = String::new();
        let stdout = self.process.0.stdout.as_mut().unwrap();
        while !line.ends_with('\n') {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            line.push(char::from(byte[0]));
        }
        line.trim().to_owned()
    }

    /// Waits until the window shows exactly what the scene's command line renders.
    fn check(&mut self) -> Shot {
        let command = self.command();
        let words = command.strip_prefix("fractal ").unwrap().split(' ').chain(["-o", "wanted.ppm"]);
        let output = self.scratch.program(words).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let wanted = Shot::from_ppm(&std::fs::read(self.scratch.join("wanted.ppm")).unwrap());
        let mut like = 0.0;
        let began = Instant::now();
        while like < 1.0 {
            let shot = self.shot();
            like = shot.like(&wanted);
            assert!(began.elapsed() < LIMIT, "{like} of the window is as `{command}` renders it");
            std::thread::sleep(Duration::from_millis(100));
        }
        wanted
    }

    /// Waits for the end of the process.
    fn exit_code(&mut self) -> Option<i32> {
        until("the program ends", || self.process.0.try_wait().unwrap()).code()
    }
}

fn windows(screen: &Screen) -> HashSet<String> {
    let found = screen.xdotool("search --onlyvisible --name ^fractal").unwrap_or_default();
    found.lines().map(str::to_owned).collect()
}

fn program(screen: &Screen, scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.program(arguments);
    command.env("DISPLAY", &screen.display).env("XDG_STATE_HOME", scratch.join("state"));
    command
}

#[test]
fn the_window_explores() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-explore");
    let mut program = Program::open(&screen, &scratch, &["view", "seahorses", "--size", "640x400", "--workers", "2"]);
    let opened = program.check();
    assert!(opened.colours() > 1000, "{} colours", opened.colours());

    // The wheel zooms at the pointer.
    program.point(400, 150);
    (0..3).for_each(|_| program.do_("click 4"));
    let zoomed = program.check();
    assert!(zoomed.like(&opened) < 0.3);
    let under = |shot: &Shot| shot.pixels[150 * 640 + 400];
    assert_eq!(under(&zoomed), under(&opened), "the point under the pointer stays");

    // A drag moves by whole pixels: what stays in the window is the same.
    program.do_("mousedown 1");
    std::thread::sleep(Duration::from_millis(60));
    program.point(350, 130);
    program.do_("mouseup 1");
    let dragged = program.check();
    for y in (30..360).step_by(11) {
        let row = |shot: &Shot, x: usize, y: usize| shot.pixels[y * 640 + x..y * 640 + x + 500].to_vec();
        assert_eq!(row(&dragged, 20, y), row(&zoomed, 70, y + 20), "row {y}");
    }

    // Keys: another palette, a turn, back again, home.
    program.press("p r");
    assert!(program.check().like(&dragged) < 0.5);
    program.press("u bracketleft Left Home");
    program.check();

    // Another size.
    program.do_(&format!("windowsize --sync {} 500 333", program.window));
    let resized = program.check();
    assert_eq!((resized.width, resized.pixels.len()), (500, 500 * 333));

    // Saved with its scene.
    program.press("s");
    let saved = scratch.join("seahorses-1.png");
    until("the picture is saved", || std::fs::metadata(&saved).is_ok_and(|file| file.len() > 0).then_some(()));
    let command = program.command();
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
    let output = scratch.program(["render", saved.to_str().unwrap(), "-o", "saved.ppm"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(Shot::from_ppm(&std::fs::read(scratch.join("saved.ppm")).unwrap()) == resized);

    // The next window opens where this one was closed.
    let mut program = Program::open(&screen, &scratch, &["view", "--size", "500x333"]);
    assert_eq!(program.command(), command);
    program.press("Escape");
    assert_eq!(program.exit_code(), Some(0));
    let mut fresh = Program::open(&screen, &scratch, &["view", "--fresh", "--size", "500x333"]);
    assert!(!fresh.command().contains("--palette"));
    // Closing the window by the window manager is quitting.
    fresh.close();
    assert_eq!(fresh.exit_code(), Some(0));
}

#[test]
fn a_window_that_was_covered_or_minimised_is_right_again() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-cover");
    let mut program = Program::open(&screen, &scratch, &["view", "jewel", "--size", "400x300", "--fresh"]);
    let wanted = program.check();
    std::thread::sleep(Duration::from_secs(5));
    let over = |shot: &Shot| shot.like(&wanted) == 1.0;
    // Half a second, and what a loaded machine needs for looking.
    let soon = |what: &str| {
        let began = Instant::now();
        until(what, || over(&program.shot()).then_some(()));
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: {:?}", began.elapsed());
    };
    soon("nothing is drawn over the picture");
    {
        let cover = Program::open(&screen, &scratch, &["view", "whole", "--size", "400x300", "--fresh"]);
        let place = screen.xdotool(&format!("getwindowgeometry --shell {}", program.window)).unwrap();
        let value = |name: &str| place.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        cover.do_(&format!("windowmove --sync {} {} {}", cover.window, value("X="), value("Y=")));
        std::thread::sleep(Duration::from_millis(700));
        assert!(program.shot().like(&wanted) < 0.7, "it is covered");
    }
    soon("it is uncovered");
    program.do_(&format!("windowminimize --sync {}", program.window));
    std::thread::sleep(Duration::from_millis(700));
    program.do_(&format!("windowactivate --sync {}", program.window));
    soon("it is back");
}

#[test]
fn tiles_fill_in_and_overlays_come_and_go() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-tiles");
    let place = ["--re", "-0.7467", "--im", "0.1097", "--width", "0.0118", "--size", "600x400"];
    let slow = ["view", "--fresh", "--backend", "serial", "--iterations", "2000000", "--samples", "2"];
    let mut program = Program::open(&screen, &scratch, &[&slow[..], &place].concat());
    let shots: Vec<_> = (0..6)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(300));
            program.shot()
        })
        .collect();
    let wanted = program.check();
    let likes: Vec<_> = shots.iter().map(|shot| shot.like(&wanted)).collect();
    assert!(likes.windows(2).all(|pair| pair[0] <= pair[1]), "{likes:?}");
    assert!(likes[0] < 0.9, "the first picture is not the last: {likes:?}");
    // The panel is dark and has letters; outlines change the picture everywhere.
    program.press("Tab o");
    let panel = until("the panel is shown", || Some(program.shot()).filter(|shot| shot.like(&wanted) < 0.95));
    let corner = (10..150).flat_map(|y| (10..200).map(move |x| y * 600 + x));
    let dark = corner.clone().filter(|at| panel.pixels[*at].iter().all(|channel| *channel < 90)).count();
    let bright = corner.filter(|at| panel.pixels[*at].iter().all(|channel| *channel > 190)).count();
    assert!(dark > 10_000 && bright > 300, "{dark} dark and {bright} bright pixels");
    program.press("Tab o h");
    let help = until("the help is shown", || Some(program.shot()).filter(|shot| shot.like(&wanted) < 0.1));
    assert!(help.pixels.iter().filter(|pixel| pixel.iter().all(|channel| *channel > 190)).count() > 2000);
    program.press("h h h h q");
    // However many pages there are, and whether q came then: it ends.
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_render_is_watched() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-render");
    let heavy = ["seahorses", "--size", "640x400", "--iterations", "3000000", "--samples", "2", "-q", "--view"];
    // Closing the window lets the render go on.
    let mut program = Program::open(&screen, &scratch, &[&["render"], &heavy[..], &["-o", "a.png"]].concat());
    until("tiles fill in", || (program.shot().colours() > 300).then_some(()));
    assert!(!scratch.join("a.png").exists());
    program.close();
    assert_eq!(program.exit_code(), Some(0));
    assert!(scratch.join("a.png").exists());
    // Q asks once more, then cancels. No orbit inside of this Julia set ends before its last iteration, so it would take hours.
    let endless = [
        "--julia",
        "-0.390540870218,-0.586787907347",
        "--iterations",
        "2000000000",
        "--size",
        "640x400",
        "-q",
        "--view",
    ];
    let mut program = Program::open(&screen, &scratch, &[&["render"], &endless[..], &["-o", "b.png"]].concat());
    program.press("q");
    std::thread::sleep(Duration::from_millis(300));
    assert!(program.process.0.try_wait().unwrap().is_none(), "one Q does not end it");
    program.press("q");
    assert_eq!(program.exit_code(), Some(130));
    assert!(!scratch.join("b.png").exists());
    // A complete picture stays until the window is closed.
    let mut program =
        Program::open(&screen, &scratch, &["render", "curl", "--size", "320x200", "-q", "--view", "-o", "c.ppm"]);
    let file = scratch.join("c.ppm");
    until("the picture is complete", || file.exists().then_some(()));
    let wanted = Shot::from_ppm(&std::fs::read(&file).unwrap());
    until("the window shows it", || (program.shot().like(&wanted) == 1.0).then_some(()));
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn without_a_display_there_is_one_sentence() {
    let scratch = Scratch::new("x11-none");
    for arguments in [&["view"][..], &["render", "whole", "--view"]] {
        let output = scratch.program(arguments).env_remove("DISPLAY").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            told,
            "fractal: no window can be opened here (DISPLAY is not set); `fractal render` needs no display\n"
        );
        let output = scratch.program(arguments).env("DISPLAY", ":65000").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && told.lines().count() == 1 && !told.contains("not set"), "{told}");
    }
    assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 0);
}

/// The commands of the documents that open a window, as they stand there.
#[test]
fn documented_commands_open_windows() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-documents");
    std::fs::create_dir(scratch.join("output")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for document in ["README.md", "docs/viewer.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let blocks = text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
        for line in blocks.flat_map(str::lines).filter(|line| support::opens_a_window(line)) {
            let words: Vec<_> = line.split(' ').skip(1).collect();
            let mut program = Program::open(&screen, &scratch, &words);
            until("there is a picture", || (program.shot().colours() > 50).then_some(()));
            program.close();
            assert_eq!(program.exit_code(), Some(0), "{document}: {line}");
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} commands were found");
}
