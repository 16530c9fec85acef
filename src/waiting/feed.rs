//! What the models share whose caller does the waiting itself: when to start a target, when to look again, and when all is over.

use super::{Answer, Frontier, Limits, Next, Target};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a model may take to notice a stop.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A loop that stands still for so long is reported.
const STILL: Duration = Duration::from_millis(100);

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
    /// When the last wait was to end.
    until: Option<Instant>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(frontier: &'a Arc<dyn Frontier>, limits: &Limits, stop: &'a Stop) -> Self {
        Self { frontier: &**frontier, connections: limits.connections, stop, open: 0, until: None }
    }

    /// What to do next.
    pub(super) fn step(&mut self) -> Result<Step> {
        if self.stop.is_set() {
            return Err(Error::Stopped);
        }
        let now = Instant::now();
        if let Some(late) =
            self.until.take().map(|until| now.saturating_duration_since(until)).filter(|late| *late >= STILL)
        {
            self.frontier.stood_still(late);
        }
        let soon = now + TICK;
        let until = if self.open >= self.connections {
            soon
        } else {
            match self.frontier.next() {
                Next::Target(target) => {
                    self.open += 1;
                    return Ok(Step::Start(target));
                }
                Next::Done if self.open == 0 => return Ok(Step::Over),
                Next::At(moment) => moment.min(soon),
                Next::Later | Next::Done => soon,
            }
        };
        self.until = Some(until);
        Ok(Step::Wait(until))
    }

    /// Delivers an answer.
    pub(super) fn deliver(&mut self, answer: Answer) {
        self.open -= 1;
        self.frontier.deliver(answer);
    }
}
