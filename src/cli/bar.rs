//! Progress on standard error: a thread reads the counters at its own pace and draws a bar or writes lines of JSON.
//!
//! indicatif itself hides a bar when there is no terminal. Its estimate of the time left is not used, since it knows nothing of costs.

use super::args::ProgressArgs;
use super::note;
use fractal::internal::printable;
use fractal::sink::{Progress, Snapshot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::fmt::Debug;
use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Display {
    /// Not at all.
    Hidden,
    /// As a bar on the terminal.
    Bar,
    /// As a bar, even without a terminal.
    Forced,
    /// As lines of JSON.
    Json,
}

impl Display {
    /// What `--progress` means; without it a bar is shown on a terminal, unless `quiet`.
    pub(super) fn new(asked: &ProgressArgs, quiet: bool) -> Self {
        match asked.when.as_deref() {
            Some("json") => Display::Json,
            Some("always") => Display::Forced,
            Some("auto") if io::stderr().is_terminal() => Display::Bar,
            None if io::stderr().is_terminal() && !quiet => Display::Bar,
            _ => Display::Hidden,
        }
    }

    /// How often it is drawn; JSON less often, so as not to keep programs busy.
    fn interval(self) -> Duration {
        Duration::from_millis(if self == Display::Json { 250 } else { 100 })
    }
}

/// A thread that shows the progress of a run until it is dropped.
pub(super) struct Ticker {
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts showing `progress` under a `name`.
    pub(super) fn start(display: Display, name: &str, progress: Arc<Progress>) -> Self {
        let (end, ended) = channel();
        let mut show: Box<dyn FnMut(&Snapshot) + Send> = match display {
            Display::Json => Box::new(|snapshot| note(snapshot.json())),
            Display::Hidden => return Self { end: None, thread: None },
            Display::Bar => Box::new(draw_on(bar(name, ProgressDrawTarget::stderr()))),
            Display::Forced => Box::new(draw_on(bar(name, forced(io::stderr())))),
        };
        let body = move || {
            while ended.recv_timeout(display.interval()) == Err(RecvTimeoutError::Timeout) {
                show(&progress.snapshot());
            }
            // Programs need the final state; people see the picture.
            if display == Display::Json {
                show(&progress.snapshot());
            }
        };
        // If the thread cannot start, the run continues without progress.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(body).ok();
        Self { end: Some(end), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // How the thread ended no longer matters.
            let _ = thread.join();
        }
    }
}

/// Steps of the bar: more than any terminal has cells.
const PARTS: u64 = 10_000;

fn bar(name: &str, target: ProgressDrawTarget) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {msg}").expect("a constant").progress_chars("=> ");
    ProgressBar::with_draw_target(Some(PARTS), target).with_style(style).with_prefix(printable(name))
}

/// Draws on a bar, which is cleared when the closure is dropped.
fn draw_on(bar: ProgressBar) -> impl FnMut(&Snapshot) + Send {
    struct Cleared(ProgressBar);
    impl Drop for Cleared {
        fn drop(&mut self) {
            self.0.finish_and_clear();
        }
    }
    let bar = Cleared(bar);
    move |snapshot| {
        if let Some(done) = snapshot.preparing {
            bar.0.set_message(format!("preparing, {:.0} %", 100.0 * done));
            bar.0.set_position((done * PARTS as f64) as u64);
            return;
        }
        bar.0.set_message(message(snapshot));
        bar.0.set_position((snapshot.fraction * PARTS as f64) as u64);
    }
}

/// The text beside the bar.
fn message(snapshot: &Snapshot) -> String {
    let Snapshot { pieces_done, pieces, pixels, executed, unit, piece, elapsed, left, fraction, .. } = *snapshot;
    let rate = |count: u64| scaled(count as f64 / elapsed.as_secs_f64().max(1e-9));
    let (percent, executed, left) = (fraction * 100.0, rate(executed), left.map_or("?".into(), clock));
    match pixels {
        Some([done, _]) => {
            let pixels = rate(done);
            format!("{percent:.0} %, {pieces_done}/{pieces} tiles, {pixels}px/s, {executed}it/s, {left} left")
        }
        None => format!("{percent:.0} %, {pieces_done}/{pieces} {piece}s, {executed}{unit}/s, {left} left"),
    }
}

/// Three digits and a prefix: `12.3 M`.
pub(super) fn scaled(value: f64) -> String {
    let mut value = value;
    for prefix in ["", "k", "M", "G", "T", "P"] {
        if value < 999.5 {
            let digits = if prefix.is_empty() || value >= 99.95 {
                0
            } else if value >= 9.995 {
                1
            } else {
                2
            };
            return format!("{value:.digits$} {prefix}");
        }
        value /= 1000.0;
    }
    format!("{value:.2} E")
}

/// Hours, minutes and seconds: `1:02:03`, `0:05`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A terminal of fixed width, whatever is really there.
#[derive(Debug)]
struct Screen<W>(Mutex<W>);

pub(super) fn forced(stderr: Stderr) -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Mutex::new(stderr))), 20)
}

impl<W: Write> Screen<W> {
    fn put(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }

    fn go(&self, n: usize, direction: char) -> io::Result<()> {
        if n > 0 { self.put(&format!("\x1b[{n}{direction}")) } else { Ok(()) }
    }
}

impl<W: Write + Debug + Send> TermLike for Screen<W>
where
    Mutex<W>: Sync,
{
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(&format!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\x1b[2K")
    }
    fn flush(&self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            pieces_done: 3,
            pieces: 12,
            pixels: Some([24_690_000, 98_760_000]),
            executed: 9_000_000_000,
            unit: "iterations",
            piece: "tile",
            fraction: 0.504,
            elapsed: Duration::from_secs(2),
            left: Some(Duration::from_millis(3_599_200)),
            preparing: None,
        }
    }

    /// Memory that can be read while it is being written.
    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_says_what_is_known() {
        let memory = Memory::default();
        let screen = Screen(Mutex::new(memory.clone()));
        let mut draw = draw_on(bar("seahorses", ProgressDrawTarget::term_like(Box::new(screen))));
        draw(&snapshot());
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("seahorses [") && text.contains("=>"), "{text:?}");
        assert!(text.contains("] 50 %, 3/12 tiles, 12.3 Mpx/s, 4.50 Git/s, 1:00:00 left"), "{text:?}");
        draw(&Snapshot { pixels: None, unit: "numbers", piece: "segment", ..snapshot() });
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("] 50 %, 3/12 segments, 4.50 Gnumbers/s, 1:00:00 left"), "{text:?}");
        draw(&Snapshot { preparing: Some(0.4), ..snapshot() });
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("] preparing, 40 %"), "{text:?}");
        drop(draw);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with("\x1b[2K"), "the line is cleared at the end: {text:?}");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 7.4, 999.4, 999.6, 9_994.0, 12_345.0, 123_456_789.0, 9.9e16, 1.5e18].map(scaled);
        assert_eq!(texts, ["0 ", "7 ", "999 ", "1.00 k", "9.99 k", "12.3 k", "123 M", "99.0 P", "1.50 E"]);
        let texts = [0, 1, 59_001, 3_599_000, 3_723_000].map(|ms| clock(Duration::from_millis(ms)));
        assert_eq!(texts, ["0:00", "0:01", "1:00", "59:59", "1:02:03"]);
    }
}
