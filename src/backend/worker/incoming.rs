//! The messages that a worker receives.
//!
//! The thread that computes reads them itself. When another thread read them and passed them on, every message woke two threads, one
//! after the other: two workers of `pipes` on two processors took 20 % longer for a short picture. While the first thread computes for
//! longer than [`LOOK`], a second one reads in its place, so that a request to stop, or the end of the session, is noticed. It is not
//! woken for that, which would cost a short run more than it gains, but looks from time to time whether it is needed.

use super::frame::{self, Head, Tail};
use super::message::{Message as _, RunEnds};
use super::pulse::Over;
use super::transport::Inbox;
use crate::parallel::lock;
use std::collections::VecDeque;
use std::fs::File;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::Duration;

/// How often the second thread looks whether the first one is still busy with the same message.
const LOOK: Duration = Duration::from_millis(5);

/// After how many looks without a message in between it sleeps until it is woken: after a second.
const LOOKS: u32 = 200;

pub(super) struct Message {
    pub(super) head: Head,
    pub(super) tail: Tail,
    pub(super) files: Vec<File>,
}

/// The messages of a worker, for its two threads.
pub(super) struct Incoming {
    /// Locked by the thread that reads, for as long as it waits.
    input: Mutex<Box<dyn Inbox>>,
    /// Messages that were read before they were asked for. Added to only by a thread that has locked `input`.
    ahead: Mutex<VecDeque<Message>>,
    /// How many messages the first thread has taken.
    taken: AtomicU64,
    over: Arc<Over>,
    /// Whether the second thread sleeps until it is woken.
    asleep: AtomicBool,
}

impl Incoming {
    pub(super) fn new(input: Box<dyn Inbox>, over: Arc<Over>) -> Self {
        let (input, ahead) = (Mutex::new(input), Mutex::default());
        Self { input, ahead, taken: AtomicU64::new(0), over, asleep: AtomicBool::new(false) }
    }

    /// Waits for a message. A request to stop is obeyed at once. At the end of the session this process ends, whatever it is doing.
    fn read(&self, input: &mut dyn Inbox) {
        let mut tail = Tail::default();
        let Ok(Some(head)) = frame::read(input, &mut tail, |_| u64::MAX) else { exit(0) };
        if head.kind == RunEnds::KIND {
            self.over.stop(RunEnds::of(head.numbers).run);
        } else {
            lock(&self.ahead).push_back(Message { head, tail, files: input.files() });
        }
    }

    /// Reads what has arrived: there may be a request to stop behind other messages.
    fn read_arrived(&self, input: &mut dyn Inbox) {
        while input.has_more() {
            self.read(input);
        }
    }

    /// The next message that has been read.
    fn take(&self) -> Option<Message> {
        let message = lock(&self.ahead).pop_front();
        self.taken.fetch_add(u64::from(message.is_some()), Ordering::Relaxed);
        message
    }

    /// Waits for the next message. From then on the worker is busy; `second` is its second thread.
    pub(super) fn next(&self, second: &Thread) -> Message {
        let message = loop {
            if let Some(message) = self.take() {
                break message;
            }
            let mut input = lock(&self.input);
            // Meanwhile the second thread may have read one.
            if lock(&self.ahead).is_empty() {
                self.read(&mut **input);
            }
            self.read_arrived(&mut **input);
        };
        self.over.busy.store(true, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            second.unpark();
        }
        message
    }

    /// The next message, if it has arrived.
    pub(super) fn try_next(&self) -> Option<Message> {
        self.take().or_else(|| {
            // If it is locked, the second thread waits for one.
            self.read_arrived(&mut **self.input.try_lock().ok()?);
            self.take()
        })
    }

    /// The second thread's body: reads messages while the first one computes.
    pub(super) fn stand_in(&self) {
        let (mut idle, mut taken) = (0, u64::MAX);
        loop {
            std::thread::sleep(LOOK);
            let before = std::mem::replace(&mut taken, self.taken.load(Ordering::Relaxed));
            let busy = self.over.busy.load(Ordering::Relaxed);
            idle = if busy || before != taken { 0 } else { idle + 1 };
            if busy && before == taken {
                let mut input = lock(&self.input);
                self.read(&mut **input);
                self.read_arrived(&mut **input);
            } else if idle > LOOKS {
                self.asleep.store(true, Ordering::SeqCst);
                if !self.over.busy.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Compute, RunBegins};
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread::{current, spawn};
    use std::time::Instant;

    impl Inbox for UnixStream {
        fn has_more(&self) -> bool {
            self.set_nonblocking(true).unwrap();
            let found = rustix::net::recv(self, &mut [0; 1], rustix::net::RecvFlags::PEEK).is_ok();
            self.set_nonblocking(false).unwrap();
            found
        }
    }

    fn send(session: &mut UnixStream, kind: u32, run: u64) {
        frame::write(session, kind, &[run, 0, 0, 0, 0, 0], &[]).unwrap();
    }

    /// The session's end of the stream, and a worker that was started. The stream is never closed, or this process would end.
    fn started() -> (&'static mut UnixStream, Arc<Incoming>, Thread) {
        let (session, worker) = UnixStream::pair().unwrap();
        let incoming = Arc::new(Incoming::new(Box::new(worker), Arc::default()));
        let second = incoming.clone();
        let second = spawn(move || second.stand_in()).thread().clone();
        (Box::leak(Box::new(session)), incoming, second)
    }

    /// Waits until `met`; a minute is taken for never.
    fn eventually(met: impl Fn() -> bool) {
        let began = Instant::now();
        while !met() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never happens");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_request_to_stop_passes_messages_by() {
        let (session, incoming, second) = started();
        let stop = incoming.over.begin(1);
        for run in [1, 2] {
            send(session, Compute::KIND, run);
        }
        send(session, RunEnds::KIND, 1);
        assert_eq!(incoming.next(&second).head.numbers[0], 1);
        assert!(stop.is_set());
        assert_eq!(incoming.try_next().unwrap().head.numbers[0], 2);
        assert!(incoming.try_next().is_none());
    }

    #[test]
    fn a_busy_worker_notices_the_end_and_loses_no_message() {
        let (session, incoming, second) = started();
        for run in 1..20 {
            let stop = incoming.over.begin(run);
            send(session, RunBegins::KIND, run);
            assert_eq!(incoming.next(&second).head.numbers[0], run);
            // It stays busy.
            send(session, Compute::KIND, run + 100);
            if run % 2 == 0 {
                send(session, RunEnds::KIND, run);
                eventually(|| stop.is_set());
            } else {
                // The second thread reads this message, and waits for another, which does not keep this one from the first thread.
                eventually(|| !lock(&incoming.ahead).is_empty() && incoming.input.try_lock().is_err());
            }
            assert_eq!(incoming.next(&second).head.numbers[0], run + 100);
            incoming.over.busy.store(false, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_idle_worker_sleeps_and_still_notices_the_end() {
        let (session, incoming, second) = started();
        for run in 1..3 {
            eventually(|| incoming.asleep.load(Ordering::SeqCst));
            let stop = incoming.over.begin(run);
            send(session, RunBegins::KIND, run);
            incoming.next(&second);
            send(session, RunEnds::KIND, run);
            eventually(|| stop.is_set());
            send(session, RunBegins::KIND, run);
            incoming.next(&second);
            incoming.over.busy.store(false, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_message_may_come_in_parts() {
        let (session, incoming, _) = started();
        let mut bytes = Vec::new();
        frame::write(&mut bytes, Compute::KIND, &[7; 6], &[b"claims"]).unwrap();
        let (first, last) = bytes.split_at(40);
        session.write_all(first).unwrap();
        let main = spawn({
            let second = current();
            move || incoming.next(&second).tail.bytes().to_vec()
        });
        std::thread::sleep(Duration::from_millis(5));
        session.write_all(last).unwrap();
        assert_eq!(main.join().unwrap(), b"claims");
    }
}
