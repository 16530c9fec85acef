//! The part that fibers and callbacks share: connections that do not block, and one place where all of them are waited for.
//!
//! `polling` is epoll on Linux and kqueue elsewhere. Names are resolved by threads, which wake the loop.

use super::names::{self, Found, Resolve};
use super::refused;
use crate::error::Result;
use polling::{Event, Events, Poller};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// What has happened to the one with a number.
pub(super) enum Happened {
    /// Its connection can be read from or written to.
    Ready(usize),
    /// Its time is over.
    Late(usize),
    /// The addresses of its host, or that its time is over and they were not found.
    Found(usize, Found),
}

impl Happened {
    /// To whom.
    pub(super) fn number(&self) -> usize {
        match *self {
            Self::Ready(number) | Self::Late(number) | Self::Found(number, _) => number,
        }
    }

    /// To whom, and the addresses if these are what happened.
    pub(super) fn wake(self) -> (usize, Found) {
        match self {
            Self::Ready(number) | Self::Late(number) => (number, Ok(Vec::new())),
            Self::Found(number, addresses) => (number, addresses),
        }
    }
}

/// Waits for everything at once.
pub(super) struct EventLoop {
    poller: Arc<Poller>,
    events: RefCell<Events>,
    timers: RefCell<BTreeSet<(Instant, usize)>>,
    resolve: Resolve,
    found: Arc<Mutex<Vec<(usize, Found)>>>,
    /// Those who wait for addresses.
    unresolved: RefCell<HashSet<usize>>,
}

impl EventLoop {
    /// A loop for which names are resolved in this way.
    pub(super) fn new(resolve: Resolve) -> Result<Self> {
        let poller = Arc::new(Poller::new().map_err(|error| refused("an event loop", &error))?);
        let (events, timers, unresolved) = (RefCell::new(Events::new()), RefCell::default(), RefCell::default());
        Ok(Self { poller, events, timers, resolve, found: Arc::default(), unresolved })
    }

    /// Begins to connect, for the one with a number, and reports to it once there is a connection or none can be.
    pub(super) fn connect(&self, address: SocketAddr, number: usize) -> io::Result<Socket> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        match connect(&stream, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = Socket { stream: stream.into(), poller: self.poller.clone(), is_known: Cell::new(false) };
        socket.watch(number, true).map(|()| socket)
    }

    /// Has the addresses of the host of a URL found, for the one with a number, whose time is over at this moment.
    pub(super) fn resolve(&self, number: usize, url: &Url, deadline: Instant) {
        let (found, poller) = (self.found.clone(), self.poller.clone());
        let later = move |addresses| {
            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, addresses));
            // The loop also looks at each tick.
            let _ = poller.notify();
        };
        self.unresolved.borrow_mut().insert(number);
        if let Some(address) = names::ask(url, self.resolve, deadline, later) {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).push((number, Ok(vec![address])));
        }
    }

    /// Ends the time of the one with a number at this moment.
    pub(super) fn set_timer(&self, deadline: Instant, number: usize) {
        self.timers.borrow_mut().insert((deadline, number));
    }

    /// Forgets that.
    pub(super) fn clear_timer(&self, deadline: Instant, number: usize) {
        self.timers.borrow_mut().remove(&(deadline, number));
    }

    /// The addresses that were found meanwhile.
    fn found(&self) -> Vec<Happened> {
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        let mut unresolved = self.unresolved.borrow_mut();
        // Nobody waits for those that come too late.
        let found = found.into_iter().filter(|(number, _)| unresolved.remove(number));
        found.map(|(number, addresses)| Happened::Found(number, addresses)).collect()
    }

    /// Waits until something happens, or until this moment at most, and says what.
    pub(super) fn wait(&self, until: Instant) -> Vec<Happened> {
        let mut events = self.events.borrow_mut();
        events.clear();
        let mut happened = self.found();
        let time = if happened.is_empty() { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        // An error is a signal; whatever there is, the next call finds it.
        let _ = self.poller.wait(&mut events, Some(time));
        happened.extend(self.found());
        happened.extend(events.iter().map(|event| Happened::Ready(event.key)));
        let (now, mut timers) = (Instant::now(), self.timers.borrow_mut());
        while let Some((_, number)) = timers.first().copied().filter(|(deadline, _)| *deadline <= now) {
            timers.pop_first();
            happened.push(if self.unresolved.borrow_mut().remove(&number) {
                Happened::Found(number, Err(io::ErrorKind::TimedOut.into()))
            } else {
                Happened::Late(number)
            });
        }
        happened
    }
}

/// A connection that does not block and belongs to a loop.
pub(super) struct Socket {
    stream: TcpStream,
    poller: Arc<Poller>,
    /// Whether the poller knows it.
    is_known: Cell<bool>,
}

impl Socket {
    /// Reports once when the connection can be read from, or written to if `writing`, to the one with a number.
    pub(super) fn watch(&self, number: usize, writing: bool) -> io::Result<()> {
        let event = if writing { Event::writable(number) } else { Event::readable(number) };
        if self.is_known.replace(true) {
            return self.poller.modify(&self.stream, event);
        }
        // SAFETY: the stream is removed from the poller before it is closed: `drop` does so, and nothing else takes it out of here.
        #[expect(unsafe_code, reason = "`polling` keeps the descriptor, which must not be closed before")]
        unsafe {
            self.poller.add(&self.stream, event)
        }
    }

    /// The error of the connection, once it can be written to.
    pub(super) fn connected(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.stream
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_known.get() {
            // It can only fail for what is not there.
            let _ = self.poller.delete(&self.stream);
        }
    }
}
