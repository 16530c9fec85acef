//! One worker, the calling thread, piece after piece: the reference that every other backend must equal.
//!
//! The Python equivalent is a `for` loop. A claim of one empty piece costs 16 ns, most of it in virtual calls of the work and
//! the sink.

use super::{BackendEntry, Session, Setup};
use crate::error::Result;
use crate::parallel::{Report, Schedule, Sink, Stop, Work, Worker};
use std::sync::Arc;

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "serial",
    help: "one worker that computes the pieces in order: the reference",
    model: "no parallelism",
    counterpart: "a for loop",
    choose: "to debug, to profile a kernel, as the base of a speed-up, or where all the work takes less time than starting workers",
    avoid: "where several processors have more to do than that",
    schedules: &[Schedule::STATIC, Schedule::AUTO],
    parallel: false,
    open: |setup| Ok(Box::new(Serial { worker: Worker::new(0), setup })),
    ..BackendEntry::THREADS
};

struct Serial {
    worker: Worker,
    setup: Setup,
}

impl Session for Serial {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let Self { worker, setup } = self;
        let job = setup.begin(ENTRY.name, work, sink, stop)?;
        let _pinned = setup.pinning.as_ref().map(|pinning| pinning.pin(0)).transpose()?;
        let chunk = setup.schedule.chunk().map_or(job.pieces(), |chunk| chunk as usize);
        let mut rest = 0..job.pieces();
        while !rest.is_empty() {
            let claim = rest.start..rest.end.min(rest.start.saturating_add(chunk));
            rest.start = claim.end;
            if job.execute(worker, claim).is_break() {
                break;
            }
        }
        setup.end(&job, vec![worker.take_report()])
    }
}
