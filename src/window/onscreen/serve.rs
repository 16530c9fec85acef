//! The window's process: it carries out the program's orders, and reports events.
//!
//! Two things end it at once, whatever the toolkit is doing: the end of its input, which means that the program has ended, and the
//! toolkit's own library, which ends a process that has lost its display.

use super::super::minifb::Minifb;
#[cfg(not(all(unix, not(target_os = "macos"))))]
use super::super::pixels::Pixels;
use super::super::toolkit::Window;
use super::message::{News, Order, receive, send};
use super::{NoWindow, ROLE};
use crate::backend::worker;
use crate::error::{Error, Result};
use crate::parallel::lock;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two polls: the shorter one for `STAYS_AWAKE` after an event. A poll costs 30 µs.
const IDLE: Duration = Duration::from_millis(8);
const AWAKE: Duration = Duration::from_millis(2);
const STAYS_AWAKE: Duration = Duration::from_secs(1);

/// Runs the window and never returns if this process was started for it; otherwise does nothing.
pub(crate) fn main() {
    let Some((role, program)) = worker::role().filter(|(role, _)| role == ROLE) else { return };
    if let Err(error) = serve(program) {
        eprintln!("fractal: {role}: {error}");
        // Not the status that Xlib ends with.
        exit(3);
    }
    exit(0);
}

/// What is to be shown next.
#[derive(Default)]
struct Wanted {
    title: Option<String>,
    picture: Option<(u32, u32)>,
    /// The picture's pixels, and later the buffer for the next one's.
    pixels: Vec<u32>,
}

type Inbox = Arc<(Mutex<Wanted>, Condvar)>;

fn serve(program: u32) -> Result<()> {
    worker::end_with(program)?;
    let failed = |error| Error::io("take", "the pipes to the program", error);
    let (input, output) = worker::take_stdio().map_err(failed)?;
    let mut news = BufWriter::new(output);
    let mut orders = BufReader::new(input);
    let told = |error| Error::io("write to", "the program", error);
    let mut report = |messages: &[News]| {
        messages.iter().try_for_each(|message| send(&mut news, message)).and_then(|()| news.flush()).map_err(told)
    };
    let first =
        receive(&mut orders, &mut String::new()).map_err(|error| Error::io("read from", "the program", error))?;
    let Some(Order::Open(title, size)) = first else { return Ok(()) };
    let mut window = match open(&title, size) {
        Ok((window, density)) => {
            // Before any further request to the display: the program need not wait for that.
            report(&[News::Opened(density)])?;
            // If the display is gone, it is the toolkit that ends the process.
            #[cfg(all(unix, not(target_os = "macos")))]
            let _ = super::x11::introduce(window.number(), program);
            window
        }
        Err(NoWindow::NoDisplay(why)) => return report(&[News::NoDisplay(why)]),
        Err(NoWindow::Unfit(why)) => return report(&[News::Unfit(why)]),
        Err(NoWindow::Failed(error)) => return Err(error),
    };
    let inbox = Inbox::default();
    let theirs = inbox.clone();
    let listen = move || {
        listen(&mut orders, &theirs);
        exit(0);
    };
    let started = std::thread::Builder::new().name("orders".into()).spawn(listen);
    started.map_err(|error| Error::io("start", "a thread of the window", error))?;
    let (mut events, mut messages) = (Vec::new(), Vec::new());
    let mut happened = Instant::now();
    loop {
        let pace = if happened.elapsed() < STAYS_AWAKE { AWAKE } else { IDLE };
        let (mut outcome, mut pixels) = (Ok(()), None);
        {
            let wanted = lock(&inbox.0);
            let idle = |wanted: &mut Wanted| wanted.title.is_none() && wanted.picture.is_none();
            let waited = inbox.1.wait_timeout_while(wanted, pace, idle);
            let (mut wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if let Some(title) = wanted.title.take() {
                window.set_title(&title);
            }
            if let Some(size) = wanted.picture.take() {
                pixels = Some((std::mem::take(&mut wanted.pixels), size));
            }
        }
        if let Some((pixels, size)) = pixels {
            outcome = window.present(&pixels, size);
            // Before the program is notified: it then sends the next one.
            lock(&inbox.0).pixels = pixels;
            messages.push(News::Shown);
        }
        outcome = outcome.and_then(|()| window.poll(&mut events));
        if !events.is_empty() {
            happened = Instant::now();
        }
        messages.extend(events.drain(..).map(News::Event));
        if let Err(error) = outcome {
            messages.push(News::Failed(error.to_string()));
            return report(&messages);
        }
        if !messages.is_empty() {
            report(&messages)?;
            messages.clear();
        }
    }
}

/// Opens the window, and returns the screen's density with it.
fn open(title: &str, size: (u32, u32)) -> std::result::Result<(Minifb, f64), NoWindow> {
    #[cfg(all(unix, not(target_os = "macos")))]
    let (pixels, density) = super::x11::examine()?;
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    let (pixels, density) = (Pixels::default(), 0.0);
    let window = Minifb::open(title, size, pixels).map_err(|error| {
        // If the display has gone meanwhile, that is what is reported.
        #[cfg(all(unix, not(target_os = "macos")))]
        if let Err(why) = super::x11::examine() {
            return why;
        }
        NoWindow::NoDisplay(error)
    })?;
    Ok((window, density))
}

/// Takes orders until there are no more.
fn listen(orders: &mut BufReader<File>, inbox: &Inbox) {
    let mut line = String::new();
    while let Ok(Some(order)) = receive(orders, &mut line) {
        let lock = || lock(&inbox.0);
        match order {
            Order::Open(..) => {}
            Order::Title(title) => lock().title = Some(title),
            Order::Picture(width, height) => {
                // The buffer is free: the program sends a picture only after the last one was answered.
                let mut pixels = std::mem::take(&mut lock().pixels);
                pixels.resize(width as usize * height as usize, 0);
                if orders.read_exact(bytemuck::cast_slice_mut(&mut pixels)).is_err() {
                    return;
                }
                let mut wanted = lock();
                wanted.pixels = pixels;
                wanted.picture = Some((width, height));
            }
        }
        inbox.1.notify_all();
    }
}
