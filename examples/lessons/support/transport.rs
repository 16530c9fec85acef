//! The other side of a reactor's protocol: a connection that takes any number of bytes at once, and sends them when it can.

use super::room::hang_up;
use super::watched::Watched;
use polling::{Event, Poller};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// A connection, as its protocol sees it.
pub(crate) struct Transport {
    stream: Watched<TcpStream>,
    number: usize,
    unsent: RefCell<Vec<u8>>,
}

impl Transport {
    /// A connection whose events have this number.
    pub(crate) fn new(poller: &Arc<Poller>, stream: TcpStream, number: usize) -> io::Result<Self> {
        Ok(Self { stream: Watched::new(poller, stream)?, number, unsent: RefCell::default() })
    }

    /// Sends what the system takes, and keeps the rest until it takes more; returns how much that is.
    pub(crate) fn write(&self, bytes: &[u8]) -> usize {
        let mut unsent = self.unsent.borrow_mut();
        unsent.extend_from_slice(bytes);
        while let Ok(count @ 1..) = (&*self.stream).write(&unsent) {
            unsent.drain(..count);
        }
        // Where the connection is broken, reading will report it.
        let _ = self.stream.expect(Event::new(self.number, true, !unsent.is_empty()));
        unsent.len()
    }

    /// Reads what has come; 0 is the end.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(bytes)
    }

    /// Ends the connection; the reactor will find it lost. Returns false, for it takes no more.
    pub(crate) fn close(&self) -> bool {
        hang_up(&self.stream)
    }
}
