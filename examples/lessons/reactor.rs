//! Answers `twisted_fetch_url.py`: a reactor, its protocols and transports, and deferred results, on one screen.

use super::support::transport::Transport;
use super::support::watched::Watched;
use super::support::{notice, pages};
use fractal::{Error, Result};
use polling::{Event, Events, Poller};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

/// What is done when something happens to a connection: methods that are called, and must not wait.
pub(crate) trait Protocol {
    fn connected(&mut self, transport: &Rc<Transport>);
    fn received(&mut self, transport: &Rc<Transport>, bytes: &[u8]);
    fn lost(&mut self);
}

type Connection = (Rc<Transport>, Rc<RefCell<dyn Protocol>>);

/// The loop: it waits for whatever happens next, and calls the protocol to whose connection it happens.
pub(crate) struct Reactor {
    poller: Arc<Poller>,
    connections: RefCell<BTreeMap<usize, Connection>>,
    count: Cell<usize>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(Poller::new()?), connections: RefCell::default(), count: Cell::default() })
    }

    pub(crate) fn add(&self, stream: TcpStream, protocol: impl Protocol + 'static) -> io::Result<()> {
        self.count.set(self.count.get() + 1);
        let transport = Rc::new(Transport::new(&self.poller, stream, self.count.get())?);
        let connection: Connection = (transport.clone(), Rc::new(RefCell::new(protocol)));
        connection.1.borrow_mut().connected(&transport);
        transport.write(b"");
        self.connections.borrow_mut().insert(self.count.get(), connection);
        Ok(())
    }

    /// Runs until it is enough. Who connects to `listener` gets a protocol of its own.
    pub(crate) fn run<P: Protocol + 'static>(
        &self,
        (listener, protocol): (TcpListener, impl Fn() -> P),
        is_enough: impl Fn() -> bool,
    ) -> io::Result<()> {
        let (listener, mut events) = (Watched::new(&self.poller, listener)?, Events::new());
        while !is_enough() {
            listener.expect(Event::readable(0))?;
            events.clear();
            self.poller.wait(&mut events, None)?;
            for event in events.iter() {
                let connection = self.connections.borrow().get(&event.key).cloned();
                match connection {
                    Some(connection) => self.happened(event.key, &connection),
                    None => drop(listener.accept().and_then(|(stream, _)| self.add(stream, protocol()))),
                }
            }
        }
        Ok(())
    }

    fn happened(&self, number: usize, (transport, protocol): &Connection) {
        let mut bytes = [0; 4096];
        match transport.read(&mut bytes) {
            Ok(count @ 1..) => protocol.borrow_mut().received(transport, &bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => {
                self.connections.borrow_mut().remove(&number);
                return protocol.borrow_mut().lost();
            }
        }
        transport.write(b"");
    }
}

pub(crate) type Outcome = std::result::Result<String, String>;
type Callback = Box<dyn FnOnce(Outcome) -> Outcome>;

/// A result that comes later, and what is called with it then: each with what the one before has returned.
#[derive(Clone, Default)]
pub(crate) struct Deferred(Rc<RefCell<Vec<Callback>>>);

impl Deferred {
    pub(crate) fn add_both(self, callback: impl FnOnce(Outcome) -> Outcome + 'static) -> Self {
        self.0.borrow_mut().push(Box::new(callback));
        self
    }

    /// Here is the result; who was called last has nobody to return to.
    pub(crate) fn fire(&self, outcome: Outcome) {
        let _ = self.0.take().into_iter().fold(outcome, |outcome, callback| callback(outcome));
    }
}

/// Runs the lesson.
pub(crate) fn run() -> Result<()> {
    pages::show().map_err(|error| Error::io("run", "the reactor", error))?;
    notice(
        "no function waits for a page: it leaves behind what is to be called with it. So one thread holds any number of \
        connections, and the program reads from the inside out. What a callback returns goes to the next, an error too, \
        until one of them makes good of it. `async` writes such chains as loops and calls again.",
    );
    Ok(())
}
