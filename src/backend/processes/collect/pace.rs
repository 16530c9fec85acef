//! When the session looks into the rings, and how it sleeps in between.
//!
//! It needs a processor for that, and where each has a worker, it takes one from a worker. What the scheduler of Linux 6.18 did of 960 ×
//! 540 pixels of the whole set, with two workers on two processors (medians of 61 runs):
//!
//! - A message wakes a worker on the sender's processor, and the worker often runs there at once: where the session was to begin the
//!   run of another one afterwards, that one began a millisecond later in one run of ten. So workers that were last seen on the
//!   session's processor are started last (3.6 instead of 3.9 ms).
//! - At the end the session looked without sleeping, on the processor of the last worker, which waited, while another was idle: the last
//!   claim took 300 µs longer. Waking on an idle one cannot be asked for.
//! - Every look takes 20 to 40 µs from a worker, a third of it for copying. With naps of one result a run took 2 % longer than with
//!   naps of one and a half; naps of two or more, with larger rings, gained nothing more, since less was in the processors' caches.

use rustix::thread::{current_timer_slack, set_current_timer_slack};
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long the session naps after it has delivered something, without asking to be woken. So results come in batches, and cost their
/// workers no system call and no context switch.
const NAP: RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_millis(1);

/// For how many results of each worker it naps: their rings have room for three large ones.
const RESULTS: f64 = 1.5;

/// How long it looks without sleeping in all, towards the end, where its processor is spare: waking it would take longer than the last
/// claims do, of a short picture's time some hundredths.
const PATIENCE: Duration = Duration::from_micros(300);

/// As long as it lives, this thread's sleep is no longer than asked for. Linux would let it be 50 µs longer, to wake several threads at
/// once: as long as the shortest nap.
pub(super) struct Slack(Option<NonZero<u64>>);

impl Slack {
    pub(super) fn least() -> Self {
        let before = current_timer_slack().ok().and_then(NonZero::new);
        let _ = set_current_timer_slack(NonZero::new(1));
        Self(before)
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        // Without a value, the thread's own default.
        let _ = set_current_timer_slack(self.0);
    }
}

/// The pace of a run.
pub(super) struct Pace {
    /// How much time is left, judged by the time so far.
    rest: Duration,
    /// How long the session naps now, towards the end half of the time that is left.
    nap: Duration,
    /// Since when it looks without sleeping.
    ending: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { rest: Duration::MAX, nap: *NAP.start(), ending: None }
    }

    pub(super) fn nap(&self) -> Duration {
        self.nap
    }

    /// `moved` results of `workers` workers came in `time`, and the run is expected to take `rest` more.
    pub(super) fn moved(&mut self, moved: usize, workers: usize, time: Duration, rest: Duration) {
        let each = time.mul_f64(RESULTS * workers as f64 / moved as f64);
        self.rest = rest;
        self.nap = ((3 * self.nap + each) / 4).min(rest / 2).clamp(*NAP.start(), *NAP.end());
    }

    pub(super) fn is_near_the_end(&self) -> bool {
        self.rest <= PATIENCE
    }

    /// Whether it may still look without sleeping. The first call starts the clock.
    pub(super) fn has_patience(&mut self) -> bool {
        self.ending.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}
