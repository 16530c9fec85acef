//! The window on the screen, owned by a process of its own: the program started a second time.
//!
//! Toolkits end the process when the display goes away (Xlib calls `exit` when the server is stopped or the user kills the connection, and
//! whenever the server refuses a request), crash in libraries that they load, and wait for a server that does not answer. Here that ends or
//! delays only the window: this side never waits for the toolkit longer than [`PATIENCE`], and a lost window is an error of
//! [`Window::poll`] like any other. A thread with an error handler that never returns would survive only the loss of a server, and needs
//! more `unsafe`.
//!
//! Through the pipe a picture of 1280×720 takes 2.3 ms under Xvfb, compared with 0.9 ms for the toolkit alone; an idle window takes 2.0 %
//! of a processor in both processes together, instead of 1.4 %.

mod message;
mod serve;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

pub(crate) use serve::main;

use super::toolkit::{Event, Window};
use crate::backend::Program;
use crate::backend::worker::{Process, ending, spawn};
use crate::error::{Error, Result};
use crate::parallel::{Stop, lock};
use message::{News, Order, receive, send};
use std::fmt;
use std::io::{BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The role that the window's process is started in; workers are given their backend's name there.
const ROLE: &str = "window";

/// The most pixels that a window's side can have: X11 counts them in 15 bits.
const MAX_SIDE: u32 = 32_767;

/// How long to wait for a picture to be shown. After that the program continues, and sends no other picture until this one is shown.
const PATIENCE: Duration = Duration::from_millis(250);

/// The exit status with which Xlib ends a process whose display is gone or has refused a request.
const XLIB: i32 = 1;

/// How long to wait for a window to open.
const OPENING: Duration = Duration::from_secs(30);

/// Why no window opened.
#[derive(Debug)]
pub enum NoWindow {
    /// There is no display, or it does not answer.
    NoDisplay(String),
    /// There is a display, but it cannot show the window.
    Unfit(String),
    /// A reason that is not the display's fault.
    Failed(Error),
}

impl From<NoWindow> for Error {
    fn from(why: NoWindow) -> Self {
        match why {
            NoWindow::NoDisplay(why) | NoWindow::Unfit(why) => {
                Error::Unsupported(format!("no window can be opened here ({why}); `fractal render` needs no display"))
            }
            NoWindow::Failed(error) => error,
        }
    }
}

/// A window on the screen.
pub struct OnScreen {
    process: Process,
    heard: Arc<Heard>,
    /// To the thread that writes: the window's process may not be reading.
    orders: Sender<Vec<u8>>,
    /// Buffers that have been written, for reuse.
    written: Receiver<Vec<u8>>,
    size: (u32, u32),
    density: f64,
    began: Instant,
}

impl fmt::Debug for OnScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnScreen").field("size", &self.size).finish_non_exhaustive()
    }
}

/// What has been received from the window's process.
#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    opened: Option<std::result::Result<f64, NoWindow>>,
    events: Vec<Event>,
    /// A picture was sent that is not shown yet.
    showing: bool,
    failure: Option<String>,
    /// Nothing more will be received.
    ended: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits while a condition holds, at most this long.
    fn wait_while(&self, at_most: Duration, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, |state| !state.ended && holds(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Receives messages until there are no more.
    fn listen(&self, news: impl Read) {
        let (mut news, mut line) = (BufReader::new(news), String::new());
        while let Ok(Some(message)) = receive(&mut news, &mut line) {
            let mut state = self.lock();
            match message {
                News::Opened(density) => state.opened = Some(Ok(density)),
                News::NoDisplay(why) => state.opened = Some(Err(NoWindow::NoDisplay(why))),
                News::Unfit(why) => state.opened = Some(Err(NoWindow::Unfit(why))),
                News::Event(event) => state.events.push(event),
                News::Shown => state.showing = false,
                News::Failed(why) => state.failure = Some(why),
            }
            drop(state);
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl OnScreen {
    /// Checks that a window can have this size.
    ///
    /// # Errors
    /// [`Error::Usage`] when it cannot.
    pub fn check((width, height): (u32, u32)) -> Result<()> {
        if [width, height].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
            return Ok(());
        }
        Err(Error::Usage(format!("a window cannot have {width}x{height} pixels: each side takes 1 to {MAX_SIDE}")))
    }

    /// Opens a resizable window in a process that runs `program`, whose `main` calls [`crate::worker_main`] first.
    ///
    /// # Errors
    /// [`NoWindow`] says why there is none; a stop that is set meanwhile is [`Error::Stopped`].
    pub fn open(title: &str, size: (u32, u32), program: &Program, stop: &Stop) -> std::result::Result<Self, NoWindow> {
        let window = Self::start(title, size, program).map_err(NoWindow::Failed)?;
        let limit = Instant::now() + OPENING;
        loop {
            let mut state = window.heard.wait_while(Duration::from_millis(10), |state| state.opened.is_none());
            if let Some(opened) = state.opened.take() {
                drop(state);
                return opened.map(|density| Self { density, ..window });
            }
            let ended = state.ended;
            drop(state);
            if ended {
                return Err(window.fault(program));
            }
            if stop.is_set() {
                return Err(NoWindow::Failed(Error::Stopped));
            }
            if Instant::now() > limit {
                return Err(NoWindow::NoDisplay(format!("{} does not answer", display())));
            }
        }
    }

    /// Starts the process, and the threads that talk to it.
    fn start(title: &str, size: (u32, u32), program: &Program) -> Result<Self> {
        Self::check(size)?;
        let mut command = program.command(ROLE)?;
        // What Xlib prints on standard error is reported in better words here.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // The window needs keys, never text, and an input method that does not answer makes the toolkit free memory twice.
        command.env("XMODIFIERS", "@im=none");
        let failed = |error| Error::Unsupported(format!("the window's process cannot be started: {error}"));
        let mut child = spawn(command).map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let process = Process::new(child);
        let heard = Arc::new(Heard::default());
        let ear = heard.clone();
        let (orders, to_write) = channel::<Vec<u8>>();
        let (spare, written) = channel();
        let thread = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.into())
                .spawn(body)
                .map(drop)
                .map_err(|error| Error::Unsupported(format!("a thread for the window cannot be started: {error}")))
        };
        let output = output.expect("it is piped");
        thread("window news", Box::new(move || ear.listen(output)))?;
        let mut input = input.expect("it is piped");
        let write = move || {
            for order in to_write {
                // The process no longer reads because it has ended, which the other thread notices.
                if input.write_all(&order).is_err() {
                    return;
                }
                let _ = spare.send(order);
            }
        };
        thread("window orders", Box::new(write))?;
        let window = Self { process, heard, orders, written, size, density: 0.0, began: Instant::now() };
        window.order(&Order::Open(title.to_owned(), size), &[]);
        Ok(window)
    }

    /// How many times as dense as usual the screen is; 0 if that is unknown.
    pub fn density(&self) -> f64 {
        self.density
    }

    fn order(&self, order: &Order, pixels: &[u32]) {
        let mut bytes = self.written.try_recv().unwrap_or_default();
        bytes.clear();
        send(&mut bytes, order).expect("writing to memory never fails");
        bytes.extend_from_slice(bytemuck::cast_slice(pixels));
        // This fails only if the process has ended, which the receiving thread notices.
        let _ = self.orders.send(bytes);
    }

    /// Why the process ended before there was a window.
    fn fault(mut self, program: &Program) -> NoWindow {
        let status = self.process.ended_soon();
        match status.map(|status| status.code()) {
            None => NoWindow::Failed(program.no_worker("said something else")),
            Some(Some(0)) => NoWindow::Failed(program.no_worker("ended")),
            Some(Some(XLIB)) => NoWindow::NoDisplay(format!("{} is gone, or refuses the window", display())),
            // A library that the display needs has crashed.
            Some(_) => NoWindow::Unfit(format!("its process {}", ending(status))),
        }
    }
}

/// The display, for messages.
fn display() -> String {
    match std::env::var_os("DISPLAY").filter(|name| !name.is_empty()) {
        Some(name) => format!("the display `{}`", name.to_string_lossy()),
        None => "the display".into(),
    }
}

impl Window for OnScreen {
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let mut state = self.heard.lock();
        let first = events.len();
        events.append(&mut state.events);
        // The reason stays until the end is noticed, which may be later.
        let (ended, failure) = (state.ended, state.failure.clone());
        drop(state);
        for event in &events[first..] {
            if let Event::Resized(width, height) = *event {
                self.size = (width, height);
            }
        }
        if !ended {
            return Ok(());
        }
        let status = self.process.ended_soon();
        let why = match (failure, status.and_then(|status| status.code())) {
            (Some(why), _) => why,
            (None, Some(XLIB)) => format!("{} is gone, or has closed it", display()),
            _ => format!("its process {}", ending(status)),
        };
        Err(Error::Unsupported(format!("the window is gone: {why}")))
    }

    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn present(&mut self, pixels: &[u32], (width, height): (u32, u32)) -> Result<()> {
        let patient = |state: &State| state.showing;
        {
            let mut state = self.heard.lock();
            // A picture that is skipped for lack of time is made up for by the next one, which comes soon for other reasons.
            if state.showing || state.ended {
                return Ok(());
            }
            state.showing = true;
        }
        self.order(&Order::Picture(width, height), pixels);
        drop(self.heard.wait_while(PATIENCE, patient));
        Ok(())
    }

    fn set_title(&mut self, title: &str) {
        self.order(&Order::Title(title.to_owned()), &[]);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wait(&mut self, at_most: Duration) {
        drop(self.heard.wait_while(at_most, |state| state.events.is_empty()));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What comes of opening a window with a shell in place of this program.
    fn open(script: &str, stop: &Stop) -> std::result::Result<OnScreen, NoWindow> {
        let program = Program { path: Some("/bin/sh".into()), arguments: vec!["-c".into(), script.into()] };
        OnScreen::open("a", (4, 3), &program, stop)
    }

    fn lost(window: &mut OnScreen) -> String {
        loop {
            match window.poll(&mut Vec::new()) {
                Ok(()) => window.wait(Duration::from_secs(60)),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn why_no_window_opens_is_reported() {
        let told = |script: &str| match open(script, &Stop::new()).unwrap_err() {
            NoWindow::NoDisplay(why) => format!("no display: {why}"),
            NoWindow::Unfit(why) => format!("unfit: {why}"),
            NoWindow::Failed(why) => format!("failed: {why}"),
        };
        assert_eq!(told(r#"echo '{"NoDisplay":"none"}'"#), "no display: none");
        assert_eq!(told(r#"echo '{"Unfit":"grey"}'"#), "unfit: grey");
        assert!(told("exit 1").starts_with("no display: the display"));
        assert_eq!(told("kill -SEGV $$"), "unfit: its process was killed by signal 11");
        let main = "before it became a worker; its `main` must call `fractal::worker_main` first";
        assert_eq!(told("true"), format!("failed: the program `/bin/sh` ended {main}"));
        assert_eq!(
            told("echo hello; exec sleep 1000"),
            format!("failed: the program `/bin/sh` said something else {main}")
        );
        let stop = Stop::new();
        stop.set();
        let failed = open("exec sleep 1000", &stop).unwrap_err();
        assert!(matches!(failed, NoWindow::Failed(Error::Stopped)), "{failed:?}");
        let program = Program::at("/nonexistent/fractal");
        let failed = Error::from(OnScreen::open("a", (4, 3), &program, &stop).unwrap_err()).to_string();
        assert!(failed.starts_with("the window's process cannot be started: "), "{failed}");
        let failed = Error::from(OnScreen::open("a", (0, 3), &program, &stop).unwrap_err());
        assert!(matches!(failed, Error::Usage(_)), "{failed}");
    }

    #[test]
    fn a_window_that_goes_is_an_error_of_the_next_look() {
        for (end, why) in [
            ("kill -SEGV $$", "its process was killed by signal 11"),
            ("exit 1", "is gone, or has closed it"),
            ("exit 3", "its process ended with status 3"),
            (r#"echo '{"Failed":"no more"}'"#, "no more"),
        ] {
            let script = format!("echo '{{\"Opened\":1.5}}'; echo '{{\"Event\":\"Exposed\"}}'; {end}");
            let mut window = open(&script, &Stop::new()).unwrap();
            assert_eq!(window.density(), 1.5);
            let told = lost(&mut window);
            assert!(told.starts_with("the window is gone: ") && told.ends_with(why), "{told}");
            // Nothing waits for it, whatever is still requested.
            window.set_title("b");
            window.present(&[0; 12], (4, 3)).unwrap();
            window.wait(Duration::from_secs(1000));
        }
    }

    /// It never takes a picture, and no pipe can hold one of this size.
    #[test]
    fn a_window_that_hangs_is_not_waited_for() {
        let mut window = open(r#"echo '{"Opened":0}'; exec sleep 1000"#, &Stop::new()).unwrap();
        let pixels = vec![0; 1000 * 1000];
        for _ in 0..10_000 {
            window.present(&pixels, (1000, 1000)).unwrap();
        }
        window.poll(&mut Vec::new()).unwrap();
    }

    #[test]
    fn what_happens_comes_in_order() {
        let script =
            r#"echo '{"Opened":0}'; echo '{"Event":{"Resized":[5,6]}}'; echo '{"Event":"Closed"}'; exec sleep 1000"#;
        let mut window = open(script, &Stop::new()).unwrap();
        let mut events = Vec::new();
        while events.len() < 2 {
            window.wait(Duration::from_secs(60));
            window.poll(&mut events).unwrap();
        }
        assert_eq!(events, [Event::Resized(5, 6), Event::Closed]);
        assert_eq!(window.size(), (5, 6));
    }
}
