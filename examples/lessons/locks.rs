//! Answers `threading`'s Lock, Condition, Semaphore, Event and Timer: each in a few lines, and the channel that replaces them.

mod buffer;
mod sync {
    pub(super) use std::sync::{Condvar, Mutex};
}

use super::support::meetings::{enter, ring, transfer, wake};
use super::support::notice;
use buffer::Buffer;
use fractal::Result;
use std::sync::{Arc, Condvar, Mutex, mpsc::sync_channel};
use std::thread;
use std::time::Duration;

/// A semaphore: at most so many at once. With 1 and 0 alone it is a lock.
struct Semaphore(Mutex<usize>, Condvar);

impl Semaphore {
    fn acquire(&self) {
        let free = self.0.lock().expect("no holder panics");
        *self.1.wait_while(free, |free| *free == 0).expect("no holder panics") -= 1;
    }

    fn release(&self) {
        *self.0.lock().expect("no holder panics") += 1;
        self.1.notify_one();
    }
}

/// An event: all wait until it is set once.
#[derive(Default)]
struct Event(Mutex<bool>, Condvar);

impl Event {
    fn set(&self) {
        *self.0.lock().expect("no holder panics") = true;
        self.1.notify_all();
    }

    /// Waits at most so long; returns whether it was set.
    fn wait(&self, limit: Duration) -> bool {
        let set = self.0.lock().expect("no holder panics");
        *self.1.wait_timeout_while(set, limit, |set| !*set).expect("no holder panics").0
    }
}

/// Calls `body` after a while, unless the event that it returns is set before.
fn timer(after: Duration, body: Box<dyn FnOnce() + Send>) -> Arc<Event> {
    let cancelled = Arc::new(Event::default());
    let seen = cancelled.clone();
    thread::spawn(move || {
        if !seen.wait(after) {
            body();
        }
    });
    cancelled
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let (count, buffer) = (if quick { 1000 } else { 100_000 }, Buffer::new(4));
    let by_buffer = transfer("buffer", count, |number| buffer.put(number), || Some(buffer.take()));

    let (semaphore, event) = (Semaphore(Mutex::new(2), Condvar::new()), Event::default());
    enter("semaphore", || semaphore.acquire(), || semaphore.release());
    wake("event", || event.wait(Duration::MAX), || event.set());

    ring("timer", timer, |timer| timer.set());

    let (sender, receiver) = sync_channel(4);
    let by_channel = transfer("channel", count, move |number| _ = sender.send(number), || receiver.recv().ok());
    println!("\nA number takes {by_buffer:.0} ns by the buffer, {by_channel:.0} ns by the channel.");
    notice(
        "a condition is always waited for in a loop with its lock held: `wait_while` is that loop. All four are \
        a lock and conditions. A channel has them inside, knows its end, and is what one should reach for first.",
    );
    Ok(())
}
