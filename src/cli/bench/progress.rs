//! The progress of a benchmark and its remaining time: a bar, or lines of JSON.

use super::super::bar::{Display, clock, forced};
use super::super::note_json;
use fractal::internal::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Shows progress until it is dropped.
pub(in crate::cli) struct Bar {
    display: Display,
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Bar {
    pub(in crate::cli) fn new(display: Display) -> Self {
        let target = match display {
            Display::Bar => Some(ProgressDrawTarget::stderr()),
            Display::Forced => Some(forced(std::io::stderr())),
            Display::Hidden | Display::Json => None,
        };
        let style = ProgressStyle::with_template("[{wide_bar}] {msg}").expect("a constant").progress_chars("=> ");
        let bar = target.map(|target| ProgressBar::with_draw_target(Some(1), target).with_style(style));
        Self { display, bar, began: Instant::now() }
    }

    /// Writes something while the bar is out of the way.
    #[cfg(feature = "net")]
    pub(in crate::cli) fn apart<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// `done` of `all` measurements are complete, the last one of `what`; `left` is the remaining time, if known.
    pub(in crate::cli) fn step(&self, done: usize, all: usize, left: Option<Duration>, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            let left = left.map_or("?".into(), clock);
            bar.set_message(format!("{done}/{all}, {left} left: {}", printable(what)));
        }
        if self.display == Display::Json {
            let line = serde_json::json!({
                "done": done,
                "all": all,
                "seconds": self.began.elapsed().as_secs_f64(),
                "eta_seconds": left.map(|left| left.as_secs_f64()),
                "what": what,
            });
            note_json(&line);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
