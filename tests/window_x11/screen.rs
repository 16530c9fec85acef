//! A screen, the program on it, and screenshots.

use crate::support::{LIMIT, Scratch, until, xvfb};
use rustix::process::Signal;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
pub(crate) use xvfb::{Running, send};

/// How many times as much work each try has, where something must be seen before it ends.
pub(crate) const HARDER: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Servers and their clients share few processors: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// An X server with a window manager.
pub(crate) struct Screen {
    pub(crate) display: String,
    /// The windows of programs that have not ended.
    living: RefCell<HashSet<String>>,
    _manager: Running,
    pub(crate) server: Running,
    _turn: MutexGuard<'static, ()>,
}

impl Screen {
    /// Starts the server; `None` after saying what is missing.
    pub(crate) fn start() -> Option<Self> {
        Self::with(&["-screen", "0", "1400x900x24"])
    }

    /// The same with these arguments for the server.
    pub(crate) fn with(arguments: &[&str]) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if !xvfb::are_here(&["Xvfb", "xdotool", "openbox", "import"], "the window on a real X server") {
            return None;
        }
        let (server, manager, display) = until("a screen with a window manager", || Self::try_start(arguments));
        Some(Self { display, living: RefCell::default(), _manager: manager, server, _turn: turn })
    }

    /// A server, its window manager and its name; `None` if one of them does not start, to try again.
    fn try_start(arguments: &[&str]) -> Option<(Running, Running, String)> {
        let (mut server, display) = xvfb::start(arguments);
        let mut manager = Command::new("openbox");
        let manager = manager.env("DISPLAY", &display).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut manager = Running(manager);
        let began = Instant::now();
        while xdotool(&display, "get_desktop").is_none() {
            let ended = [&mut server, &mut manager].map(|process| process.0.try_wait().unwrap());
            if ended.iter().any(Option::is_some) || began.elapsed() > LIMIT / 3 {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some((server, manager, display))
    }

    /// What xdotool prints for a line of arguments; `None` when it fails.
    pub(crate) fn xdotool(&self, arguments: &str) -> Option<String> {
        xdotool(&self.display, arguments)
    }
}

fn xdotool(display: &str, arguments: &str) -> Option<String> {
    let output = Command::new("xdotool").args(arguments.split(' ')).env("DISPLAY", display).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// A picture of a window, or of a file.
#[derive(Clone, PartialEq)]
pub(crate) struct Shot {
    pub(crate) width: usize,
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Shot {
    pub(crate) fn from_ppm(bytes: &[u8]) -> Self {
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

    pub(crate) fn colours(&self) -> usize {
        self.pixels.iter().collect::<HashSet<_>>().len()
    }

    /// The share of pixels that equal those of another picture of the same size.
    pub(crate) fn like(&self, other: &Self) -> f64 {
        if self.width != other.width || self.pixels.len() != other.pixels.len() {
            return 0.0;
        }
        let same = self.pixels.iter().zip(&other.pixels).filter(|(a, b)| a == b).count();
        same as f64 / self.pixels.len() as f64
    }
}

/// The program with a window.
pub(crate) struct Program<'a> {
    pub(crate) screen: &'a Screen,
    pub(crate) scratch: &'a Scratch,
    pub(crate) process: Running,
    pub(crate) window: String,
    ended: bool,
    /// What it prints, line by line.
    pub(crate) lines: Receiver<String>,
}

impl<'a> Program<'a> {
    /// Starts `fractal` and waits for its window.
    pub(crate) fn open(screen: &'a Screen, scratch: &'a Scratch, arguments: &[&str]) -> Self {
        Self::start(screen, scratch, program(screen, scratch, arguments))
    }

    /// The same for a command that exists already.
    pub(crate) fn start(screen: &'a Screen, scratch: &'a Scratch, mut command: Command) -> Self {
        // The server reuses the numbers of a program that has ended for the next one, and may still list its window for a while: a new
        // window can be recognised only once the old one is gone. Nothing else distinguishes windows, since none says which process it
        // belongs to.
        until("windows disappear with their programs", || {
            windows(screen).is_subset(&screen.living.borrow()).then_some(())
        });
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        // Shown when the test fails.
        if let Some(stderr) = process.stderr.take() {
            std::thread::spawn(|| {
                BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| eprintln!("{line}"));
            });
        }
        let mut process = Running(process);
        let window = until("a window opens", || {
            assert_eq!(process.0.try_wait().unwrap(), None, "the program ended without a window");
            windows(screen).difference(&screen.living.borrow()).next().cloned()
        });
        screen.living.borrow_mut().insert(window.clone());
        screen.xdotool(&format!("windowactivate --sync {window}")).unwrap();
        Self { screen, scratch, process, window, ended: false, lines }
    }

    pub(crate) fn do_(&self, arguments: &str) {
        assert!(self.screen.xdotool(arguments).is_some(), "xdotool {arguments}");
    }

    /// Presses keys, each for as long as a person does.
    pub(crate) fn press(&self, keys: &str) {
        for key in keys.split(' ') {
            self.do_(&format!("keydown {key}"));
            std::thread::sleep(Duration::from_millis(40));
            self.do_(&format!("keyup {key}"));
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    pub(crate) fn point(&self, x: u32, y: u32) {
        self.do_(&format!("mousemove --window {} {x} {y}", self.window));
        std::thread::sleep(Duration::from_millis(60));
    }

    /// Waits until the program has received everything that was sent before: it receives in order, and answers this.
    pub(crate) fn heard(&mut self) {
        self.command();
    }

    /// Has the window manager close the window, as a click on its close button does.
    pub(crate) fn close(&self) {
        // A key pressed while something else has the keyboard is lost now and then; a user who sees that presses it again.
        let mut pressed: Option<Instant> = None;
        until("the window closes", || {
            if !windows(self.screen).contains(&self.window) {
                return Some(());
            }
            if pressed.is_none_or(|then| then.elapsed() > LIMIT / 10)
                && self.screen.xdotool(&format!("windowactivate --sync {}", self.window)).is_some()
            {
                let _ = self.screen.xdotool("key alt+F4");
                pressed = Some(Instant::now());
            }
            None
        });
    }

    pub(crate) fn shot(&self) -> Shot {
        let mut import = Command::new("import");
        import.args(["-window", &self.window, "-depth", "8", "ppm:-"]).env("DISPLAY", &self.screen.display);
        // A window that is on its way back cannot be captured yet.
        until("the window can be captured", || {
            let output = import.output().unwrap();
            output.status.success().then(|| Shot::from_ppm(&output.stdout))
        })
    }

    /// The scene that is shown, as the command line that the program prints.
    pub(crate) fn command(&mut self) -> String {
        self.press("l");
        let line = self.lines.recv_timeout(LIMIT).expect("it prints its command line");
        line.trim().to_owned()
    }

    /// Waits until the window shows exactly what the scene's command line renders: once no message covers it any more.
    pub(crate) fn check(&mut self) -> Shot {
        self.check_but(0)
    }

    /// The same above the line that shows a message for 5 s after each request: for all checks of a window but the last, since wrong pixels
    /// move along with the picture.
    pub(crate) fn check_above(&mut self) -> Shot {
        self.check_but(50)
    }

    /// Compares all but this many rows at the bottom.
    fn check_but(&mut self, rows: usize) -> Shot {
        let command = self.command();
        let words = command.strip_prefix("fractal ").unwrap().split(' ').chain(["-o", "wanted.ppm"]);
        let output = self.scratch.program(words).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let wanted = Shot::from_ppm(&std::fs::read(self.scratch.join("wanted.ppm")).unwrap());
        let mut like = 0.0;
        let began = Instant::now();
        while like < 1.0 {
            let mut shot = self.shot();
            if shot.pixels.len() == wanted.pixels.len() {
                let below = shot.pixels.len() - rows * shot.width;
                shot.pixels[below..].copy_from_slice(&wanted.pixels[below..]);
            }
            like = shot.like(&wanted);
            assert!(began.elapsed() < LIMIT, "{like} of the window is as `{command}` renders it");
            std::thread::sleep(Duration::from_millis(100));
        }
        wanted
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.process, signal);
    }

    /// Waits for the end of the process.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = until("the program ends", || self.process.0.try_wait().unwrap());
        self.screen.living.borrow_mut().remove(&self.window);
        self.ended = true;
        status.code()
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // The process ends right after this, unless it was waited for: then the number may be another window's.
        if !self.ended {
            self.screen.living.borrow_mut().remove(&self.window);
        }
    }
}

pub(crate) fn windows(screen: &Screen) -> HashSet<String> {
    let mut search = Command::new("xdotool");
    search.args(["search", "--onlyvisible", "--name", "^fractal"]).env("DISPLAY", &screen.display);
    let found = until("windows are listed", || {
        let output = search.output().unwrap();
        // Finding none is a failure as well, a silent one; another is that a window disappears while it is examined.
        (output.status.success() || output.stderr.is_empty()).then_some(output.stdout)
    });
    String::from_utf8(found).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn program(screen: &Screen, scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.program(arguments);
    command.env("DISPLAY", &screen.display).env("XDG_STATE_HOME", scratch.join("state"));
    command.stderr(Stdio::piped());
    command
}
