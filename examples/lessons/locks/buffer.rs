//! A bounded buffer of one lock and two conditions; `tests/models.rs` tries every order in which threads can meet in it.

use super::sync::{Condvar, Mutex};
use std::collections::VecDeque;

/// A queue with few places: who puts waits for a free one, who takes waits for a full one.
pub(super) struct Buffer<T> {
    places: usize,
    queue: Mutex<VecDeque<T>>,
    not_full: Condvar,
    not_empty: Condvar,
}

impl<T> Buffer<T> {
    pub(super) fn new(places: usize) -> Self {
        Self { places, queue: Mutex::new(VecDeque::new()), not_full: Condvar::new(), not_empty: Condvar::new() }
    }

    pub(super) fn put(&self, item: T) {
        let mut queue = self.queue.lock().unwrap();
        // A loop, since another may have taken the place before this thread has the lock again.
        while queue.len() == self.places {
            queue = self.not_full.wait(queue).unwrap();
        }
        queue.push_back(item);
        assert!(queue.len() <= self.places, "no more items than places");
        self.not_empty.notify_one();
    }

    pub(super) fn take(&self) -> T {
        let mut queue = self.queue.lock().unwrap();
        while queue.is_empty() {
            queue = self.not_empty.wait(queue).unwrap();
        }
        self.not_full.notify_one();
        queue.pop_front().unwrap()
    }
}
