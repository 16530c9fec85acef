//! The way from a worker to its session.
//!
//! A large result takes its time on the way through a pipe, and longer when the session is not there to read it. So those leave from a
//! thread of their own while the next claim is computed. It is not woken for each: it looks for the next one from time to time, since
//! where there are no more processors than workers, whoever is woken pushes aside who wakes it. (Woken, it made workers of two
//! processors wait for a quarter of the time.) What fits into a pipe leaves at once: handing it to another thread would cost more. So does
//! everything when there is no next claim: the session gives more when it has the results.
//! Every message follows those that were sent before it by the same thread.

use super::message::numbers;
use super::{frame, start};
use crate::error::Result;
use std::collections::VecDeque;
use std::io::Write;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// Results up to this size leave at once: as much as a pipe holds that could not be made larger.
const AT_ONCE: usize = 1 << 16;

/// How many results wait at most.
const WAITING: usize = 4;

/// How long the thread that sends results naps when there is none, and after how many naps it sleeps until it is woken.
const NAP: Duration = Duration::from_micros(500);
const NAPS: u32 = 40;

/// The stream to the session, for several threads.
#[derive(Clone)]
pub(super) struct Out(Arc<Mutex<Box<dyn Write + Send>>>);

impl Out {
    pub(super) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends a message. A session that cannot be reached has ended, and so does the worker.
    pub(super) fn send<const N: usize>(&self, kind: u32, given: [u64; N], tail: &[&[u8]]) {
        let mut out = lock(&self.0);
        if frame::write(&mut **out, kind, &numbers(given), tail).and_then(|()| out.flush()).is_err() {
            exit(0);
        }
    }
}

/// A message whose tail is in memory that goes with it: words up to `split`, counts, and the bytes of the other words.
struct Letter {
    kind: u32,
    numbers: [u64; 6],
    words: Vec<u64>,
    split: usize,
    counts: Vec<u64>,
    len: usize,
}

impl Letter {
    fn send(&self, out: &Out) {
        let (costs, rest) = self.words.split_at(self.split);
        let bytes = &bytemuck::cast_slice(rest)[..self.len];
        out.send(self.kind, self.numbers, &[bytemuck::cast_slice(costs), bytemuck::cast_slice(&self.counts), bytes]);
    }
}

/// What the two threads share.
#[derive(Default)]
struct Post {
    letters: Mutex<VecDeque<Letter>>,
    /// Letters that have not left, one of which is perhaps leaving.
    waiting: AtomicUsize,
    /// Whether the sending thread must be woken.
    asleep: AtomicBool,
    /// Memory of letters that have left.
    spare: Mutex<Vec<Vec<u64>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Post {
    /// The sending thread's whole life.
    fn serve(&self, out: &Out) {
        let mut naps = 0;
        loop {
            let letter = lock(&self.letters).pop_front();
            match letter {
                Some(letter) => {
                    letter.send(out);
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                    lock(&self.spare).push(letter.words);
                    naps = 0;
                }
                None if naps < NAPS => {
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

/// What the computing thread sends.
pub(super) struct Outbox {
    out: Out,
    post: Arc<Post>,
    sender: Option<Thread>,
}

impl Outbox {
    pub(super) fn new(out: Out) -> Self {
        Self { out, post: Arc::default(), sender: None }
    }

    /// Waits until at most `most` results have not left.
    fn wait(&self, most: usize) {
        while self.post.waiting.load(Ordering::SeqCst) > most {
            std::thread::sleep(NAP / 5);
        }
    }

    /// Sends a message with a short tail.
    pub(super) fn send<const N: usize>(&mut self, kind: u32, given: [u64; N], tail: &[u8]) {
        self.wait(0);
        self.out.send(kind, given, &[tail]);
    }

    /// Memory for a result.
    pub(super) fn memory(&mut self, words: usize) -> Vec<u64> {
        // Fresh memory comes with zeros; to extend what is there would write them once more.
        lock(&self.post.spare).pop().filter(|memory| memory.len() >= words).unwrap_or_else(|| vec![0; words])
    }

    /// Sends a result: `pieces` costs in `words`, then `len` bytes. `more` says whether there is something to compute meanwhile.
    ///
    /// # Errors
    /// When there can be no thread to send it from.
    pub(super) fn result(
        &mut self,
        kind: u32,
        numbers: [u64; 6],
        (words, pieces, len): (Vec<u64>, usize, usize),
        counts: Vec<u64>,
        more: bool,
    ) -> Result<()> {
        let letter = Letter { kind, numbers, words, split: pieces, counts, len };
        if (len <= AT_ONCE || !more) && self.post.waiting.load(Ordering::SeqCst) == 0 {
            letter.send(&self.out);
            lock(&self.post.spare).push(letter.words);
            return Ok(());
        }
        if self.sender.is_none() {
            let (post, out) = (self.post.clone(), self.out.clone());
            self.sender = Some(start("post", Box::new(move || post.serve(&out)))?);
        }
        self.wait(WAITING - 1);
        self.post.waiting.fetch_add(1, Ordering::SeqCst);
        lock(&self.post.letters).push_back(letter);
        if (!more || self.post.asleep.load(Ordering::SeqCst))
            && let Some(sender) = &self.sender
        {
            sender.unpark();
        }
        Ok(())
    }
}
