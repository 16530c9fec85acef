//! Replies from a pool's workers to the caller, for `channel`: the caller sleeps until many are there, and returns their memory.

use crate::parallel::{ComputedClaim, lock};
use crossbeam_channel::{Receiver, Sender, bounded};
use crossbeam_utils::sync::{Parker, Unparker};
use std::sync::Mutex;
use std::time::Duration;

/// How long the caller sleeps at most: costly claims are delivered one by one.
const LOOK: Duration = Duration::from_millis(5);

/// Replies that wait for the caller, and memory that waits for workers.
///
/// Waking a sleeping thread costs as much as a hundred messages. The channel's own `recv` yields the processor several times before it
/// sleeps: with a worker on every processor, the caller got it back after up to a millisecond, and workers waited for orders meanwhile.
/// So the caller sleeps at once, until as many replies wait as orders: a short picture of two workers on two processors took 7 % less.
pub(super) struct Replies<O, R> {
    /// Orders that wait for a worker.
    orders: Receiver<O>,
    outbox: Sender<R>,
    inbox: Receiver<R>,
    /// The caller's.
    parker: Mutex<Parker>,
    unparker: Unparker,
    /// Of each worker, whose processor still has it in its cache: with memory that any worker took, a short picture took 2 % longer.
    spare: Vec<Mutex<Vec<ComputedClaim>>>,
}

impl<O, R> Replies<O, R> {
    /// Replies of so many workers to `orders`, with room for `room` of them.
    pub(super) fn new(workers: usize, orders: Receiver<O>, room: usize) -> Self {
        let ((outbox, inbox), parker) = (bounded(room), Parker::new());
        let spare = (0..workers).map(|_| Mutex::default()).collect();
        Self { orders, outbox, inbox, unparker: parker.unparker().clone(), parker: Mutex::new(parker), spare }
    }

    /// Whether at least as many replies wait as orders, which are counted last: when the last reply is there, no order is.
    fn are_many(&self) -> bool {
        let replies = self.inbox.len();
        replies > 0 && replies >= self.orders.len()
    }

    /// For a worker: sends a reply.
    pub(super) fn send(&self, reply: R) {
        self.outbox.send(reply).unwrap_or_else(|_| unreachable!("the other end is here"));
        if self.are_many() {
            self.unparker.unpark();
        }
    }

    /// For the caller: a reply. If there is none, waits until there are many, or for some time, so a claim must be in flight.
    pub(super) fn receive(&self) -> R {
        let parker = lock(&self.parker);
        loop {
            match self.inbox.try_recv() {
                Ok(reply) => return reply,
                Err(_) => parker.park_timeout(LOOK),
            }
        }
    }

    /// Memory for a claim of this worker.
    pub(super) fn memory(&self, worker: usize) -> ComputedClaim {
        lock(&self.spare[worker]).pop().unwrap_or_default()
    }

    /// Returns the memory of a delivered claim to the worker that computed it.
    pub(super) fn give_back(&self, memory: ComputedClaim) {
        lock(&self.spare[memory.worker]).push(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::scope;

    #[test]
    fn the_caller_is_woken_when_as_many_replies_wait_as_orders() {
        let (orders, inbox) = bounded(8);
        (0..3).for_each(|order| orders.send(order).unwrap());
        let replies = Replies::new(1, inbox.clone(), 8);
        let are_many = |reply| {
            replies.send(reply);
            replies.are_many()
        };
        assert_eq!([5, 6, 7].map(are_many), [false, false, true]);
        assert_eq!([(); 3].map(|()| replies.receive()), [5, 6, 7]);
        assert!(!replies.are_many());
        // The last reply is enough by itself.
        while inbox.try_recv().is_ok() {}
        assert!(are_many(8));
    }

    #[test]
    fn a_costly_claim_is_delivered_by_itself() {
        let (orders, inbox) = bounded(8);
        (0..3).for_each(|order| orders.send(order).unwrap());
        let replies = Replies::new(1, inbox, 8);
        scope(|scope| {
            let caller = scope.spawn(|| replies.receive());
            replies.send(5);
            assert_eq!(caller.join().unwrap(), 5);
        });
    }

    #[test]
    fn no_reply_is_left_behind() {
        // Many short runs, so that the caller sleeps while the last replies come from several workers.
        let (orders, inbox) = bounded(8);
        let replies = Replies::new(3, inbox.clone(), 8);
        scope(|scope| {
            for _ in 0..3 {
                let (inbox, replies) = (inbox.clone(), &replies);
                scope.spawn(move || inbox.iter().for_each(|order: u32| replies.send(order)));
            }
            for run in 0..20_000 {
                let most = 1 + run % 8;
                (0..most).for_each(|order| orders.send(order).unwrap());
                let sum: u32 = (0..most).map(|_| replies.receive()).sum();
                assert_eq!(sum, most * (most - 1) / 2);
            }
            drop(orders);
        });
    }

    #[test]
    fn memory_returns_to_its_worker() {
        let replies = Replies::<(), ()>::new(2, bounded(1).1, 1);
        replies.give_back(ComputedClaim { worker: 1, words: vec![7], ..ComputedClaim::default() });
        assert!(replies.memory(0).words.is_empty());
        assert_eq!(replies.memory(1).words, [7]);
    }
}
