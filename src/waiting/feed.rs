//! What the models share whose caller does the waiting itself: when to start a target, when to look again, and when all is over.

use super::{Answer, Frontier, Limits, Next, Target};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a model may take to notice a stop.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What a model does next.
pub(super) enum Step {
    /// Start this target.
    Start(Target),
    /// Wait for answers, until this moment at most.
    Wait(Instant),
    /// Nothing more: all is answered.
    Over,
}

/// The frontier within the limits.
pub(super) struct Feed<'a> {
    frontier: &'a dyn Frontier,
    connections: usize,
    stop: &'a Stop,
    /// Targets that were started and are not answered yet.
    open: usize,
}

impl<'a> Feed<'a> {
    pub(super) fn new(frontier: &'a Arc<dyn Frontier>, limits: &Limits, stop: &'a Stop) -> Self {
        Self { frontier: &**frontier, connections: limits.connections, stop, open: 0 }
    }

    /// What to do next.
    pub(super) fn step(&mut self) -> Result<Step> {
        if self.stop.is_set() {
            return Err(Error::Stopped);
        }
        let soon = Instant::now() + TICK;
        if self.open >= self.connections {
            return Ok(Step::Wait(soon));
        }
        Ok(match self.frontier.next() {
            Next::Target(target) => {
                self.open += 1;
                Step::Start(target)
            }
            Next::At(moment) => Step::Wait(moment.min(soon)),
            Next::Done if self.open == 0 => Step::Over,
            Next::Later | Next::Done => Step::Wait(soon),
        })
    }

    /// Delivers an answer.
    pub(super) fn deliver(&mut self, answer: Answer) {
        self.open -= 1;
        self.frontier.deliver(answer);
    }
}
