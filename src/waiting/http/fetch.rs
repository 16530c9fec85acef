//! Fetching a target: the requests, and what their answers mean, until there is an answer or a failure.

use super::super::{Answer, Class, Failure, Limits, Response, Target};
use super::response::{Fault, Reader};
use super::tls;
use crate::error::shorten;
use rustls::ClientConnection;
use std::io::{self, Write};
use std::time::Instant;
use url::{Host, Url};

/// A target on its way, without the connection that carries it.
///
/// The model connects to the [address](address_of) of [`url`](Self::url); then in turn it [sends](Self::send) and, when there is
/// something to read, [receives](Self::receive), until that says that the connection has served its purpose. Then the target
/// [is complete](Self::is_complete), or it was redirected and needs another connection.
#[derive(Debug)]
pub(crate) struct Fetch {
    target: Target,
    started: Instant,
    deadline: Instant,
    most_redirects: usize,
    most_head: usize,
    most_body: usize,
    redirects: Vec<Url>,
    /// Whether the request for this connection was prepared.
    is_begun: bool,
    tls: Option<Box<ClientConnection>>,
    /// What is to be sent, and how much of it was.
    out: Vec<u8>,
    sent: usize,
    /// Made with the first bytes: while it waits, a fetch is small, since there may be ten thousand.
    reader: Option<Box<Reader>>,
    outcome: Option<Box<Result<Response, Failure>>>,
}

/// The host of a URL, without the brackets of IPv6, and its port.
pub(crate) fn address_of(url: &Url) -> (String, u16) {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    (host, url.port_or_known_default().unwrap_or(80))
}

/// Why a URL cannot be fetched.
fn refusal(url: &Url) -> Option<&'static str> {
    match url.scheme() {
        "http" | "https" if url.has_host() => None,
        "http" | "https" => Some("has no host"),
        _ => Some("is neither http nor https"),
    }
}

impl Fetch {
    /// A target that starts now.
    pub(crate) fn new(target: Target, limits: &Limits) -> Self {
        let started = Instant::now();
        let mut fetch = Self {
            target,
            started,
            deadline: started + limits.timeout,
            most_redirects: limits.redirects,
            most_head: limits.head,
            most_body: limits.body,
            redirects: Vec::new(),
            is_begun: false,
            tls: None,
            out: Vec::new(),
            sent: 0,
            reader: None,
            outcome: None,
        };
        if let Some(why) = refusal(&fetch.target.url) {
            fetch.fail(Failure::new(Class::Protocol, why));
        }
        fetch
    }

    /// The URL to connect to.
    pub(crate) fn url(&self) -> &Url {
        self.redirects.last().unwrap_or(&self.target.url)
    }

    /// When the time for this target is over.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether there is an answer or a failure.
    pub(crate) fn is_complete(&self) -> bool {
        self.outcome.is_some()
    }

    /// Prepares the request, now that there is a connection. Before that it would only take memory.
    fn begin(&mut self) {
        self.is_begun = true;
        let request = self.request();
        if self.url().scheme() == "http" {
            self.out = request;
            return;
        }
        match tls::connection(self.url()) {
            Ok(mut connection) => {
                // It is kept until the connection is encrypted.
                let _ = connection.writer().write_all(&request);
                self.tls = Some(connection);
                self.encrypt();
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn request(&self) -> Vec<u8> {
        let url = self.url();
        let method = if self.target.head { "HEAD" } else { "GET" };
        let query = url.query().map_or(String::new(), |query| format!("?{query}"));
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        format!(
            "{method} {}{query} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: fractal/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.path(),
            env!("CARGO_PKG_VERSION")
        )
        .into_bytes()
    }

    /// Moves what the encryption wants to send to where it is sent from.
    fn encrypt(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut self.out).is_ok_and(|count| count > 0) {}
        }
    }

    /// What is to be sent next; nothing when it is the server's turn.
    fn outgoing(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// Takes note that so many bytes of what is outgoing were sent.
    fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.out.len() {
            // While it waits, a fetch keeps no memory for what is done.
            self.out = Vec::new();
            self.sent = 0;
        }
    }

    /// Whether it is the server's turn.
    pub(crate) fn is_listening(&self) -> bool {
        self.is_begun && self.outgoing().is_empty()
    }

    /// Sends as much as `write` takes now, and says whether that is all. The first time is when there is a connection.
    pub(crate) fn send(&mut self, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        if !self.is_begun {
            self.begin();
        }
        if self.is_complete() {
            return Err(io::Error::other("it cannot be encrypted"));
        }
        while !self.outgoing().is_empty() {
            match write(self.outgoing()) {
                Ok(count) => self.sent(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes what `read` has now, and says whether the connection has served its purpose.
    pub(crate) fn receive(&mut self, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        // Allocated once there is something to read, so that those who wait hold none.
        let mut bytes = vec![0; 16 << 10];
        match read(&mut bytes) {
            Ok(count) => Ok(self.received(&bytes[..count])),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes bytes that have arrived; none mean the end of the connection. Returns whether the connection has served its purpose.
    fn received(&mut self, bytes: &[u8]) -> bool {
        if self.outcome.is_some() {
            return true;
        }
        let new = || Box::new(Reader::new(self.most_head, self.most_body, self.target.head));
        let reader = self.reader.get_or_insert_with(new);
        let mut fault = None;
        let mut plain = |bytes: &[u8]| {
            fault = reader.receive(bytes).err();
            fault.is_some() || reader.is_complete()
        };
        let mut failure = None;
        match &mut self.tls {
            _ if bytes.is_empty() => fault = reader.end().err(),
            Some(tls) => failure = tls::receive(tls, bytes, &mut plain).err(),
            None => _ = plain(bytes),
        }
        match (fault, failure) {
            (Some(fault), _) => {
                let closed = matches!(fault, Fault::NoHead | Fault::Cut(..));
                let class = if closed { Class::Closed } else { Class::Protocol };
                self.fail(Failure::new(class, fault.to_string()));
            }
            (None, Some(failure)) => self.fail(failure),
            (None, None) => {
                self.encrypt();
                return self.advance();
            }
        }
        true
    }

    /// Looks at what was read: whether it is a redirect, or complete.
    fn advance(&mut self) -> bool {
        let Some(response) = self.reader.as_ref().and_then(|reader| reader.response()) else { return false };
        let location = response.header("location").filter(|_| matches!(response.status, 301 | 302 | 303 | 307 | 308));
        if let Some(location) = location.filter(|_| self.most_redirects > 0) {
            let to = self.url().join(location).map_err(|_| shorten(location));
            self.redirect(to);
            return true;
        }
        let Some(reader) = self.reader.take_if(|reader| reader.is_complete()) else { return false };
        self.outcome = Some(Box::new(Ok(reader.into_response())));
        true
    }

    fn redirect(&mut self, to: Result<Url, String>) {
        let (to, why) = match to {
            Ok(to) => match refusal(&to) {
                Some(_) => (shorten(to.as_str()), "which cannot be fetched"),
                None if to == self.target.url || self.redirects.contains(&to) => {
                    (shorten(to.as_str()), "where it has been before")
                }
                None => {
                    if self.redirects.len() < self.most_redirects {
                        self.redirects.push(to);
                        (self.is_begun, self.tls, self.reader) = (false, None, None);
                        (self.out, self.sent) = (Vec::new(), 0);
                        return;
                    }
                    let text = format!("redirects more than {} times", self.most_redirects);
                    return self.fail(Failure::new(Class::Redirects, text));
                }
            },
            Err(to) => (to, "which is no URL"),
        };
        self.fail(Failure::new(Class::Redirects, format!("redirects to `{to}`, {why}")));
    }

    /// Ends the target with a failure.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.outcome.get_or_insert_with(|| Box::new(Err(failure)));
    }

    /// Ends the target since its host has no address that can be found.
    pub(crate) fn unresolved(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::TimedOut => self.late("the address of its host was found"),
            _ => Failure::new(Class::Name, format!("has a host without an address: {error}")),
        }
    }

    /// The failure to connect.
    pub(crate) fn unconnected(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::TimedOut => self.late("there was a connection"),
            io::ErrorKind::ConnectionRefused => Failure::new(Class::Connect, "refused the connection"),
            _ => local(error).unwrap_or_else(|| Failure::new(Class::Connect, format!("cannot be reached: {error}"))),
        }
    }

    /// Ends the target with an error of its connection.
    pub(crate) fn broken(&mut self, error: &io::Error) {
        let failure = match error.kind() {
            io::ErrorKind::TimedOut if self.is_begun => self.late("the answer was complete"),
            io::ErrorKind::TimedOut => self.late("there was a connection"),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Failure::new(Class::Closed, "reset the connection")
            }
            _ => local(error).unwrap_or_else(|| Failure::new(Class::Closed, format!("was lost: {error}"))),
        };
        self.fail(failure);
    }

    fn late(&self, what: &str) -> Failure {
        Failure::new(Class::Timeout, format!("took longer than {:?} before {what}", self.deadline - self.started))
    }

    /// The answer, now that the target is complete.
    #[inline(never)]
    pub(crate) fn into_answer(self) -> Answer {
        let unfinished = || Box::new(Err(Failure::new(Class::Closed, "was left before it had answered")));
        Answer {
            target: self.target,
            took: self.started.elapsed(),
            redirects: self.redirects,
            outcome: *self.outcome.unwrap_or_else(unfinished),
        }
    }
}

/// The failure if an error is this machine's own.
fn local(error: &io::Error) -> Option<Failure> {
    use rustix::io::Errno;
    let raw = error.raw_os_error()?;
    let is_local = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    let is_local = is_local.iter().any(|errno| errno.raw_os_error() == raw);
    is_local
        .then(|| Failure::new(Class::Local, format!("could not be asked, since this machine is at a limit: {error}")))
}
