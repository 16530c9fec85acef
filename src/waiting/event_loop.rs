//! The part that fibers and callbacks share: connections that do not block, and one place where all of them are waited for.
//!
//! `polling` is epoll on Linux and kqueue elsewhere. The system has no way to ask for the address of a name without blocking, so a few
//! threads do, as gevent and Twisted have it too, and wake the loop.

use super::http::address_of;
use super::refused;
use crate::error::Result;
use crossbeam_channel::{Sender, unbounded};
use polling::{Event, Events, Poller};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// The most threads that ask for the addresses of names.
const RESOLVERS: usize = 16;

/// What a name's addresses are.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

/// What has happened to the one with a number.
pub(super) enum Happened {
    /// Its connection can be read from or written to.
    Ready(usize),
    /// Its time is over.
    Late(usize),
    /// The addresses of its host.
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
    found: Arc<Mutex<Vec<(usize, Found)>>>,
    resolvers: Cell<usize>,
    names: Sender<(usize, String, u16)>,
    asked: crossbeam_channel::Receiver<(usize, String, u16)>,
}

impl EventLoop {
    pub(super) fn new() -> Result<Self> {
        let poller = Arc::new(Poller::new().map_err(|error| refused("an event loop", &error))?);
        let (names, asked) = unbounded();
        Ok(Self {
            poller,
            events: RefCell::new(Events::new()),
            timers: RefCell::default(),
            found: Arc::default(),
            resolvers: Cell::new(0),
            names,
            asked,
        })
    }

    /// Begins to connect; the connection can be written to once there is one.
    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<Socket> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        match connect(&stream, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Socket { stream: stream.into(), poller: self.poller.clone(), is_known: Cell::new(false) })
    }

    /// Has the addresses of the host of a URL found, for the one with a number.
    pub(super) fn resolve(&self, number: usize, url: &Url) {
        let (host, port) = address_of(url);
        let known = |found| self.found.lock().unwrap_or_else(PoisonError::into_inner).push((number, found));
        if let Ok(address) = host.parse() {
            return known(Ok(vec![SocketAddr::new(address, port)]));
        }
        if self.resolvers.get() < RESOLVERS {
            self.resolvers.set(self.resolvers.get() + 1);
            if let Err(error) = self.start_resolver() {
                return known(Err(error));
            }
        }
        // There is a receiver, this one.
        let _ = self.names.send((number, host, port));
    }

    fn start_resolver(&self) -> io::Result<()> {
        let (asked, found, poller) = (self.asked.clone(), self.found.clone(), self.poller.clone());
        let resolve = move || {
            for (number, host, port) in asked {
                let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
                found.lock().unwrap_or_else(PoisonError::into_inner).push((number, addresses));
                // The loop also looks at each tick.
                let _ = poller.notify();
            }
        };
        std::thread::Builder::new().name("fractal-names".into()).spawn(resolve).map(drop)
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
        found.into_iter().map(|(number, addresses)| Happened::Found(number, addresses)).collect()
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
            happened.push(Happened::Late(number));
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
