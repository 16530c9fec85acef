//! A socket that a poller watches. `polling` cannot know that a socket is still open; here it is, as long as it is watched.

use polling::{Event, Poller};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

/// A socket whose calls do not block, and the poller that reports when one of them would not have blocked.
pub(crate) struct Watched<S: AsFd> {
    poller: Arc<Poller>,
    socket: S,
}

impl<S: AsFd> Watched<S> {
    /// Has `poller` watch the socket, at first for nothing.
    pub(crate) fn new(poller: &Arc<Poller>, socket: S) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: the socket is owned by the value that is returned, whose `drop` ends the watch before the socket is closed.
        #[allow(unsafe_code)]
        unsafe { poller.add(socket.as_fd().as_raw_fd(), Event::none(0)) }?;
        Ok(Self { poller: poller.clone(), socket })
    }

    /// Asks for the next such event, and for no more than one.
    pub(crate) fn expect(&self, event: Event) -> io::Result<()> {
        self.poller.modify(&self.socket, event)
    }
}

impl<S: AsFd> Deref for Watched<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.socket
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        let _ = self.poller.delete(&self.socket);
    }
}
