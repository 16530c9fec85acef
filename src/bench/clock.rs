//! Where times come from: this machine's clocks, or in tests a clock that is set by hand.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Wall-clock time and processor time. Everything that measures asks one of these, so that tests can decide what time it is.
pub trait Clock {
    /// The time since some moment in the past. It never goes backwards.
    fn now(&self) -> Duration;

    /// The processor time that this process has used.
    fn processor(&self) -> Duration;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Clock for System {
    fn now(&self) -> Duration {
        read(ClockId::Monotonic)
    }

    fn processor(&self) -> Duration {
        read(ClockId::ProcessCPUTime)
    }
}

/// A clock that stands still until it is moved, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Mock {
    now: std::cell::Cell<Duration>,
    processor: std::cell::Cell<Duration>,
}

#[cfg(test)]
impl Mock {
    /// Moves on by `seconds`, of which the fraction `busy` is processor time.
    pub(crate) fn pass(&self, seconds: f64, busy: f64) {
        self.now.set(self.now.get() + Duration::from_secs_f64(seconds));
        self.processor.set(self.processor.get() + Duration::from_secs_f64(seconds * busy));
    }
}

#[cfg(test)]
impl Clock for Mock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn processor(&self) -> Duration {
        self.processor.get()
    }
}
