//! Who computes: the next backend, another number of workers, the next schedule.

use super::{State, next};
use crate::backend::BACKENDS;
use crate::parallel::{MAX_WORKERS, Schedule, worker_count};
use std::time::Duration;

impl State {
    pub(super) fn next_backend(&mut self, on: bool, now: Duration) {
        if self.available.is_empty() {
            self.available = BACKENDS.iter().filter(|entry| entry.probe().is_ok()).collect();
        }
        let name = next(self.available.iter().map(|entry| entry.name), self.workforce.backend.name, on);
        if let Some(entry) = self.available.iter().find(|entry| entry.name == name) {
            self.workforce.backend = entry;
            if !entry.schedules.iter().any(|honoured| honoured.serves(self.workforce.schedule)) {
                self.workforce.schedule = Schedule::AUTO;
            }
            self.show_message(format!("backend {}: {}", entry.name, entry.help), now);
        }
    }

    pub(super) fn set_workers(&mut self, more: bool, now: Duration) {
        let workers = match self.workforce.workers {
            0 => worker_count(None).unwrap_or(1),
            workers => workers,
        };
        self.workforce.workers = if more { (workers + 1).min(MAX_WORKERS) } else { (workers - 1).max(1) };
        let told = match self.workforce.workers {
            _ if !self.workforce.backend.parallel => {
                format!("backend {} has only one worker", self.workforce.backend.name)
            }
            1 => "1 worker".into(),
            workers => format!("{workers} workers"),
        };
        self.show_message(told, now);
    }

    pub(super) fn next_schedule(&mut self, on: bool, now: Duration) {
        let schedules = self.workforce.backend.schedules;
        let here = schedules.iter().position(|schedule| *schedule == self.workforce.schedule);
        let count = schedules.len();
        let index = here.map_or(0, |index| if on { index + 1 } else { index + count - 1 } % count);
        self.workforce.schedule = schedules[index];
        self.show_message(format!("schedule {}", self.workforce.schedule), now);
    }
}
