//! How a worker sends messages to its session.
//!
//! A large result takes time to pass through a pipe, and longer when the session is not there to read it. So large results are sent
//! by a thread of their own while the next claim is computed. Where a processor is spare, that thread is woken for each: with naps, a
//! short picture's first results came after a millisecond, and its worker waited for claims. Where none is, a woken thread displaces the
//! one that woke it. (When it was woken, workers on two processors spent a quarter of their time waiting.) There it polls from time to
//! time, and only for results of more than a usual claim. If no result is waiting, two kinds are sent at once: smaller results,
//! since passing them to another thread would cost more, and all results when there is no next claim, since the session sends more
//! claims once it has them. While a result is waiting, nothing else of the computing thread is sent at once, so its messages arrive in
//! order.

use super::message::{Done, Message};
use super::{frame, start};
use crate::error::Result;
use crate::parallel::lock;
use std::collections::VecDeque;
use std::io::Write;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::Duration;

/// Results up to this size are sent at once where a processor is spare: as much as a pipe holds when it could not be enlarged.
const AT_ONCE: usize = 1 << 16;

/// The same where none is: those of a usual claim, of which a pipe holds several.
const USUAL: usize = 1 << 18;

/// The most results that wait.
const WAITING: usize = 4;

/// How long the sending thread naps when there is no result and no processor is spare, and after how many naps it sleeps until it is
/// woken.
const NAP: Duration = Duration::from_micros(500);
const NAPS: u32 = 40;

/// The stream to the session, for several threads.
#[derive(Clone)]
pub(super) struct Out(Arc<Mutex<Box<dyn Write + Send>>>);

impl Out {
    pub(super) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends a message. If the session cannot be reached, it has ended, so the worker ends too.
    pub(super) fn send<M: Message>(&self, message: M, tail: &[&[u8]]) {
        let mut out = lock(&self.0);
        if frame::write(&mut **out, M::KIND, &message.numbers(), tail).and_then(|()| out.flush()).is_err() {
            exit(0);
        }
    }
}

/// A result with the memory of its tail: words up to `split`, counts, and the bytes of the other words.
struct Packet {
    done: Done,
    words: Vec<u64>,
    split: usize,
    counts: Vec<u64>,
    len: usize,
}

impl Packet {
    fn send(&self, out: &Out) {
        let (costs, rest) = self.words.split_at(self.split);
        let bytes = &bytemuck::cast_slice(rest)[..self.len];
        out.send(self.done, &[bytemuck::cast_slice(costs), bytemuck::cast_slice(&self.counts), bytes]);
    }
}

/// The state that the two threads share.
#[derive(Default)]
struct Mailbox {
    packets: Mutex<VecDeque<Packet>>,
    /// Packets not yet sent; one of them may be in the process of being sent.
    waiting: AtomicUsize,
    /// Whether the sending thread must be woken.
    asleep: AtomicBool,
    /// Memory of packets already sent.
    spare: Mutex<Vec<Vec<u64>>>,
}

impl Mailbox {
    /// The sending thread's body.
    fn serve(&self, out: &Out, spare: bool) {
        let mut naps = 0;
        loop {
            let packet = lock(&self.packets).pop_front();
            match packet {
                Some(packet) => {
                    packet.send(out);
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                    lock(&self.spare).push(packet.words);
                    naps = 0;
                }
                None if naps < NAPS && !spare => {
                    naps += 1;
                    std::thread::park_timeout(NAP);
                }
                None => {
                    self.asleep.store(true, Ordering::SeqCst);
                    if self.waiting.load(Ordering::SeqCst) == 0 {
                        std::thread::park();
                    }
                    self.asleep.store(false, Ordering::SeqCst);
                    naps = 0;
                }
            }
        }
    }
}

/// The computing thread's outgoing messages.
pub(super) struct Outbox {
    out: Out,
    mailbox: Arc<Mailbox>,
    sender: Option<Thread>,
    /// Whether there are more processors than workers.
    spare: bool,
}

impl Outbox {
    pub(super) fn new(out: Out) -> Self {
        Self { out, mailbox: Arc::default(), sender: None, spare: false }
    }

    /// Says whether there are more processors than workers, before the first result.
    pub(super) fn set_spare(&mut self, spare: bool) {
        self.spare = spare;
    }

    /// Waits until at most `most` results are unsent.
    fn wait(&self, most: usize) {
        while self.mailbox.waiting.load(Ordering::SeqCst) > most {
            std::thread::sleep(NAP / 5);
        }
    }

    /// Sends a message with a short tail (the bytes after its numbers), after all results that are waiting.
    pub(super) fn send<M: Message>(&mut self, message: M, tail: &[u8]) {
        self.wait(0);
        self.out.send(message, &[tail]);
    }

    /// Memory for a result.
    pub(super) fn memory(&mut self, words: usize) -> Vec<u64> {
        let mut spare = lock(&self.mailbox.spare);
        // That of the last result, which is in the processor's cache. Fresh memory is zeroed page by page, on first use.
        let large = spare.iter().rposition(|memory| memory.len() >= words);
        large.map_or_else(|| vec![0; words], |index| spare.remove(index))
    }

    /// Sends a result: `words` holds a cost for each of `pieces` pieces, then `len` bytes of results; `counts` are sent between them.
    /// `more` says whether there is another claim to compute meanwhile.
    ///
    /// # Errors
    /// When the sending thread cannot be started.
    pub(super) fn result(
        &mut self,
        done: Done,
        (words, pieces, len): (Vec<u64>, usize, usize),
        counts: Vec<u64>,
        more: bool,
    ) -> Result<()> {
        let packet = Packet { done, words, split: pieces, counts, len };
        let at_once = if self.spare { AT_ONCE } else { USUAL };
        if (len <= at_once || !more) && self.mailbox.waiting.load(Ordering::SeqCst) == 0 {
            packet.send(&self.out);
            lock(&self.mailbox.spare).push(packet.words);
            return Ok(());
        }
        if self.sender.is_none() {
            let (mailbox, out, spare) = (self.mailbox.clone(), self.out.clone(), self.spare);
            self.sender = Some(start("outbox", Box::new(move || mailbox.serve(&out, spare)))?);
        }
        self.wait(WAITING - 1);
        self.mailbox.waiting.fetch_add(1, Ordering::SeqCst);
        lock(&self.mailbox.packets).push_back(packet);
        if (!more || self.mailbox.asleep.load(Ordering::SeqCst))
            && let Some(sender) = &self.sender
        {
            sender.unpark();
        }
        Ok(())
    }
}
