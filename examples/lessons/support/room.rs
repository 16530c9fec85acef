//! What all servers of `chat` share: who is in the room, and lines.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::Receiver;

/// The most lines that may wait for one client. Who lets more of them pile up does not read, and is dropped.
pub(crate) const MOST_WAITING: usize = 1000;

/// The most bytes of a line.
const LONGEST: usize = 4096;

/// The same in bytes, for who keeps those.
pub(crate) const MOST_UNSENT: usize = MOST_WAITING * LONGEST;

/// A line for many clients, kept once.
pub(crate) type Line = Arc<str>;

/// A way to give a client a line, for models on one thread.
pub(crate) type Give = Box<dyn Fn(&Line) -> bool>;

/// Ends a connection, wherever somebody waits for it; returns false, for the client takes no more.
pub(crate) fn hang_up(stream: &TcpStream) -> bool {
    let _ = stream.shutdown(Shutdown::Both);
    false
}

/// Everybody's way to be given a line: a function that never waits, and returns whether the client took it.
pub(crate) struct Room<G>(Mutex<(usize, BTreeMap<usize, G>)>);

impl<G: Fn(&Line) -> bool> Room<G> {
    /// A room without people.
    pub(crate) fn new() -> Self {
        Self(Mutex::new((0, BTreeMap::new())))
    }

    fn lock(&self) -> MutexGuard<'_, (usize, BTreeMap<usize, G>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in and greets it; returns its number.
    pub(crate) fn enter(&self, give: G) -> usize {
        let (number, people) = &mut *self.lock();
        *number += 1;
        give(&format!("{} here\n", people.len() + 1).into());
        people.insert(*number, give);
        *number
    }

    /// Gives a line to all others, and drops those that do not take it. The lock makes the order the same for all.
    pub(crate) fn say(&self, from: usize, line: &str) {
        let line = Line::from(line);
        self.lock().1.retain(|&number, give| number == from || give(&line));
    }

    /// Takes a client out, and what it was given lines with.
    pub(crate) fn leave(&self, number: usize) {
        let left = self.lock().1.remove(&number);
        drop(left);
    }
}

/// Bytes that have come, of a line whose end has not.
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes more bytes, and calls `each` with every line that they complete; returns false when a line is too long.
    pub(crate) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) -> bool {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.0.extend_from_slice(part);
            if self.0.len() > LONGEST {
                return false;
            }
            if part.ends_with(b"\n") {
                each(&String::from_utf8_lossy(&self.0));
                self.0.clear();
            }
        }
        true
    }
}

/// Says what a client sends, as long as there is more, and takes it out of the room. `read` may block, or switch to others.
pub(crate) fn hear<G: Fn(&Line) -> bool>(
    room: &Room<G>,
    number: usize,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) {
    let (mut lines, mut bytes) = (Lines::default(), [0; 4096]);
    while let Ok(count @ 1..) = read(&mut bytes)
        && lines.take(&bytes[..count], |line| room.say(number, line))
    {}
    room.leave(number);
}

/// The same for a task.
pub(crate) async fn hear_from<G: Fn(&Line) -> bool>(room: &Room<G>, number: usize, mut input: OwnedReadHalf) {
    let (mut lines, mut bytes) = (Lines::default(), [0; 4096]);
    while let Ok(count @ 1..) = input.read(&mut bytes).await
        && lines.take(&bytes[..count], |line| room.say(number, line))
    {}
}

/// Writes lines as they come, until no more can come.
pub(crate) async fn speak_to(mut output: OwnedWriteHalf, mut lines: Receiver<Line>) {
    while let Some(line) = lines.recv().await
        && output.write_all(line.as_bytes()).await.is_ok()
    {}
}
