//! How a worker gets its next claim, and how it knows that there is none.

use super::crossbeam::{Queue, Steal, Stealer};

/// The stealing ends of all workers' queues, in the workers' order.
pub(super) struct Stealers(pub(super) Box<[Stealer<usize>]>);

impl Stealers {
    /// The next claim of worker number `index`: the oldest of its own queue, else of another's. None when all are empty; they stay
    /// so, as no claim is added while workers run.
    pub(super) fn next(&self, own: &Queue<usize>, index: usize) -> Option<usize> {
        own.pop().or_else(|| self.steal(index))
    }

    /// Another worker's oldest claim, beginning with the next worker's so that thieves spread out.
    #[cold]
    fn steal(&self, thief: usize) -> Option<usize> {
        let (before, others) = self.0.split_at(thief);
        others.iter().chain(before).find_map(|stealer| {
            loop {
                match stealer.steal() {
                    Steal::Success(start) => return Some(start),
                    Steal::Empty => return None,
                    // Another thief was faster; since the queue got shorter, this loop ends.
                    Steal::Retry => {}
                }
            }
        })
    }
}
