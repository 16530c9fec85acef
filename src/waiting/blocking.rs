//! A conversation in code that waits: for threads, where a wait blocks, and for fibers, where it lets others continue.

use super::http::Fetch;
use super::names::{self, Found, Resolve};
use super::{Answer, Failure, Limits, Target};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::{Duration, Instant};
use url::Url;

/// How connections are made and waited for.
pub(super) trait Net {
    /// A connection.
    type Stream: Deref<Target = TcpStream>;

    /// The addresses of the host of a URL.
    fn resolve(&self, url: &Url, deadline: Instant) -> Found;

    /// Connects.
    fn connect(&self, address: SocketAddr, deadline: Instant) -> io::Result<Self::Stream>;

    /// Waits until the connection can be read from, or written to if `writing`.
    fn wait(&self, stream: &Self::Stream, writing: bool, deadline: Instant) -> io::Result<()>;
}

/// The system's own sockets, which block, and how names are resolved for them.
pub(super) struct Sockets(pub(super) Resolve);

/// What is left of the time, or the error when it is over.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Net for Sockets {
    type Stream = Box<TcpStream>;

    fn resolve(&self, url: &Url, deadline: Instant) -> Found {
        names::wait(url, self.0, deadline)
    }

    fn connect(&self, address: SocketAddr, deadline: Instant) -> io::Result<Self::Stream> {
        TcpStream::connect_timeout(&address, left(deadline)?).map(Box::new)
    }

    fn wait(&self, stream: &Self::Stream, writing: bool, deadline: Instant) -> io::Result<()> {
        let events = if writing { PollFlags::OUT } else { PollFlags::IN };
        let mut watched = [PollFd::new(&**stream, events)];
        loop {
            let time = Timespec::try_from(left(deadline)?).map_err(|_| io::ErrorKind::TimedOut)?;
            match poll(&mut watched, Some(&time)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Fetches a target, with a connection for each redirect.
///
/// What it consists of is boxed and out of line, so that the steps use the same part of the stack one after the other, and not each its
/// own: a fiber then needs one page, and a thread one less.
pub(super) fn fetch<N: Net>(target: Target, limits: &Limits, net: &N) -> Answer {
    let mut fetch = begin(target, limits);
    while !fetch.is_complete() {
        step(&mut fetch, net);
    }
    fetch.into_answer()
}

#[inline(never)]
fn begin(target: Target, limits: &Limits) -> Box<Fetch> {
    Box::new(Fetch::new(target, limits))
}

/// Goes through one connection.
#[inline(never)]
fn step<N: Net>(fetch: &mut Fetch, net: &N) {
    match connect(fetch, net) {
        Ok(stream) => converse(fetch, &stream, net).unwrap_or_else(|error| fetch.broken(&error)),
        Err(failure) => fetch.fail(failure),
    }
}

/// Connects to the first address of the host that accepts.
#[inline(never)]
fn connect<N: Net>(fetch: &Fetch, net: &N) -> Result<N::Stream, Failure> {
    let mut failure = Failure::no_address();
    for address in net.resolve(fetch.url(), fetch.deadline()).map_err(|error| fetch.unresolved(&error))? {
        match net.connect(address, fetch.deadline()) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = fetch.unconnected(&error),
        }
    }
    Err(failure)
}

/// Sends and receives until this connection has served its purpose.
#[inline(never)]
fn converse<N: Net>(fetch: &mut Fetch, stream: &N::Stream, net: &N) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut bytes_of: &TcpStream = stream;
    loop {
        while !fetch.send(|bytes| bytes_of.write(bytes))? {
            net.wait(stream, true, fetch.deadline())?;
        }
        net.wait(stream, false, fetch.deadline())?;
        if fetch.receive(|bytes| bytes_of.read(bytes))? {
            return Ok(());
        }
    }
}
