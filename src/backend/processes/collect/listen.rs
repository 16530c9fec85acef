//! What workers say.

use super::Collector;
use crate::backend::processes::member::{Broken, Doing};
use crate::backend::worker::Held;
use crate::backend::worker::frame::Head;
use crate::backend::worker::message::{self, Beat, Failed, Hello, Idle, Message};
use crate::error::Error;
use std::time::Duration;

impl Collector<'_> {
    /// Receives a worker's messages.
    pub(super) fn listen(&mut self, slot: usize) {
        let Some(member) = &mut self.pool.members[slot] else { return };
        let (id, ended) = (member.id(), member.hear());
        // Another worker may take its place meanwhile.
        while let Some(member) = self.pool.members[slot].as_mut().filter(|member| member.id() == id) {
            match member.next(&mut self.tail) {
                Ok(Some(head)) => self.heed(slot, head),
                Ok(None) if ended => return self.lost(slot, None),
                Ok(None) => return,
                Err(Broken) => return self.reject(slot),
            }
        }
    }

    /// Handles a worker's message.
    fn heed(&mut self, slot: usize, head: Head) {
        let Some(member) = &mut self.pool.members[slot] else { return };
        // Of all messages in which it matters, the first number is the run's.
        let run = Failed::of(head.numbers).run;
        let current = run == self.run[0] || run == 0;
        match (head.kind, member.doing) {
            (Hello::KIND, Doing::Starting { run }) => {
                member.doing = if run { Doing::Run } else { Doing::Nothing };
                member.quiet = Duration::ZERO;
                if let Err(error) = self.pool.program.welcome(head, &self.tail) {
                    let _ = self.job.fail(error);
                }
            }
            (Failed::KIND, Doing::Starting { .. }) => {
                let why = message::unpack(self.tail.bytes()).map(|error| error.to_string());
                self.lost(slot, Some(&why.unwrap_or_else(|| "could not start".into())));
            }
            (Idle::KIND, Doing::Run) if current => member.rests(Idle::of(head.numbers)),
            (Failed::KIND, _) if current => {
                if run == 0 {
                    // It may not have received what it was sent.
                    member.held = Held::default();
                }
                let unknown = || Error::Input(format!("worker {slot} failed without a reason"));
                let _ = self.job.fail(message::unpack(self.tail.bytes()).unwrap_or_else(unknown));
            }
            (Beat::KIND, _) => member.beats(Beat::of(head.numbers).progress),
            (Idle::KIND | Failed::KIND, _) => {}
            _ => self.reject(slot),
        }
    }
}
