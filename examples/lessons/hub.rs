//! Answers gevent's hub: a call that would block registers its socket with the loop and switches to it. `sleep(0)` gives way.

use super::support::watched::Watched;
use super::support::{greens, notice};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use fractal::{Error, Result};
use polling::{Event, Events, Poller};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::mem::replace;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The loop.
pub(crate) struct Hub {
    pub(crate) poller: Arc<Poller>,
    state: RefCell<State>,
}

/// The green threads, and those that are to run, each from a moment on. All others wait for a socket, or for somebody to wake them.
#[derive(Default)]
struct State {
    green: Vec<Option<Coroutine<(), (), ()>>>,
    due: BTreeSet<(Instant, usize)>,
}

/// A socket, and what a green thread waits for there.
type On<'a, S> = (&'a Watched<S>, fn(usize) -> Event);

/// A green thread, as it sees itself.
pub(crate) struct Me<'a> {
    pub(crate) hub: &'a Rc<Hub>,
    pub(crate) number: usize,
    yielder: &'a Yielder<(), ()>,
}

impl Me<'_> {
    /// Lets others run until somebody wakes this one; it may be woken too often, so the caller looks again.
    pub(crate) fn pause(&self) {
        self.yielder.suspend(());
    }

    pub(crate) fn sleep(&self, time: Duration) {
        self.hub.state.borrow_mut().due.insert((Instant::now() + time, self.number));
        self.pause();
    }

    /// This is the trick: the call of a thread, tried again each time that the socket is ready.
    pub(crate) fn wait<S: AsFd, T>(&self, on: On<S>, mut call: impl FnMut(&S) -> io::Result<T>) -> io::Result<T> {
        loop {
            match call(on.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => on.0.expect(on.1(self.number))?,
                outcome => return outcome,
            }
            self.pause();
        }
    }
}

impl Hub {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self { poller: Arc::new(Poller::new()?), state: RefCell::default() }))
    }

    /// Starts a green thread with a stack of 32 KB, of which it uses what it touches; returns its number.
    pub(crate) fn spawn(self: &Rc<Self>, body: impl FnOnce(&Me) -> io::Result<()> + 'static) -> io::Result<usize> {
        let (hub, stack, mut state) = (self.clone(), DefaultStack::new(32 << 10)?, self.state.borrow_mut());
        let number = state.green.len();
        let body = move |yielder: &Yielder<_, _>, ()| drop(body(&Me { hub: &hub, number, yielder }));
        state.green.push(Some(Coroutine::with_stack(stack, body)));
        state.due.insert((Instant::now(), number));
        Ok(number)
    }

    pub(crate) fn wake(&self, number: usize) {
        self.state.borrow_mut().due.insert((Instant::now(), number));
    }

    fn resume(&self, number: usize) {
        let Some(mut green) = self.state.borrow_mut().green[number].take() else { return };
        if let CoroutineResult::Yield(()) = green.resume(()) {
            self.state.borrow_mut().green[number] = Some(green);
        }
    }

    /// Runs until all green threads have ended.
    pub(crate) fn run(&self) -> io::Result<()> {
        let mut events = Events::new();
        loop {
            let later = self.state.borrow_mut().due.split_off(&(Instant::now(), usize::MAX));
            let due = replace(&mut self.state.borrow_mut().due, later);
            due.into_iter().for_each(|(_, number)| self.resume(number));
            if self.state.borrow().green.iter().all(Option::is_none) {
                return Ok(());
            }
            let next = self.state.borrow().due.first().map(|next| next.0.saturating_duration_since(Instant::now()));
            events.clear();
            self.poller.wait(&mut events, next)?;
            events.iter().for_each(|event| self.wake(event.key));
        }
    }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    greens::show(if quick { 20 } else { 200 }).map_err(|error| Error::io("run", "the hub", error))?;
    notice(
        "a client is written as for a thread: it writes, and reads. Where that would block, it registers its socket and \
        switches to the loop. gevent's monkey patching hides such calls behind the names of the standard library; here \
        they have a name of their own, `wait`. What does not use it blocks all.",
    );
    Ok(())
}
