//! The addresses of names. The system only knows how to find them by blocking, for as long as it likes: a name server that does not
//! answer takes it ten seconds and more, and nothing can interrupt the call.
//!
//! So threads ask, for all models, and who waits gives up at its deadline; the thread continues until the system answers. gevent and
//! Twisted have threads for it too. These are started as they are needed and end when there is nothing to ask. Their number is bounded
//! for the whole program, and well above what a run needs: each name that hangs keeps one of them from all others.

use super::http::address_of;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::catch_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use url::Url;

/// The most threads that ask.
const MOST: usize = 256;

/// How long a thread waits for another question before it ends.
const IDLE: Duration = Duration::from_secs(1);

/// Enough for the system's resolver and what it loads.
const STACK_BYTES: usize = 256 << 10;

/// What the addresses of a name are.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

/// Finds the addresses of a host with a port, and may block.
pub(super) type Resolve = fn(&str, u16) -> Found;

/// The system's resolver.
pub(super) fn system(host: &str, port: u16) -> Found {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// Who is asked.
static NAMES: Names = Names::new();

/// The threads that ask, and what they are to ask.
struct Names {
    state: Mutex<State>,
    asked: Condvar,
}

struct State {
    questions: VecDeque<Question>,
    threads: usize,
    /// How many of these wait for a question.
    idle: usize,
}

struct Question {
    host: String,
    port: u16,
    resolve: Resolve,
    deadline: Instant,
    found: Box<dyn FnOnce(Found) + Send>,
}

/// The address of the host of a URL, if it is one, and nobody has to be asked.
fn address(url: &Url) -> Option<SocketAddr> {
    let (host, port) = address_of(url);
    host.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port))
}

/// Has the addresses of the host of a URL found, and calls `found` with them from another thread, unless nobody can wait for them any
/// more by then. A host that is an address needs no question: it is returned.
pub(super) fn ask(
    url: &Url,
    resolve: Resolve,
    deadline: Instant,
    found: impl FnOnce(Found) + Send + 'static,
) -> Option<SocketAddr> {
    let known = address(url);
    if known.is_none() {
        let (host, port) = address_of(url);
        NAMES.ask(Question { host, port, resolve, deadline, found: Box::new(found) });
    }
    known
}

/// The addresses of the host of a URL, for a thread that waits for them until a deadline.
///
/// What a name needs is out of line, as in what follows: those whose host is an address take no stack or task for it.
pub(super) fn wait(url: &Url, resolve: Resolve, deadline: Instant) -> Found {
    address(url).map_or_else(|| wait_for(url, resolve, deadline), |address| Ok(vec![address]))
}

#[inline(never)]
fn wait_for(url: &Url, resolve: Resolve, deadline: Instant) -> Found {
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(url, resolve, deadline, move |found| drop(sender.try_send(found)));
    let left = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(left).unwrap_or_else(|_| late())
}

/// The same for a task.
pub(super) async fn wait_in_task(url: &Url, resolve: Resolve, deadline: Instant) -> Found {
    if let Some(address) = address(url) {
        return Ok(vec![address]);
    }
    let (sender, receiver) = oneshot::channel();
    ask(url, resolve, deadline, move |found| drop(sender.send(found)));
    let found = Box::pin(timeout_at(deadline.into(), receiver)).await;
    found.map_or_else(|_| late(), |found| found.unwrap_or_else(|_| late()))
}

fn late() -> Found {
    Err(io::ErrorKind::TimedOut.into())
}

impl Names {
    const fn new() -> Self {
        Self { state: Mutex::new(State { questions: VecDeque::new(), threads: 0, idle: 0 }), asked: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&'static self, question: Question) {
        let mut state = self.lock();
        state.questions.push_back(question);
        if state.questions.len() > state.idle && state.threads < MOST {
            let thread = thread::Builder::new().name("fractal-names".into()).stack_size(STACK_BYTES);
            match thread.spawn(|| self.answer()) {
                Ok(_) => state.threads += 1,
                // One of the others answers, if there is one.
                Err(error) if state.threads == 0 => {
                    let question = state.questions.pop_back();
                    drop(state);
                    question
                        .into_iter()
                        .for_each(|question| (question.found)(Err(io::Error::new(error.kind(), error.to_string()))));
                    return;
                }
                Err(_) => {}
            }
        }
        self.asked.notify_one();
    }

    /// Answers questions until there are none for a while.
    fn answer(&'static self) {
        let mut state = self.lock();
        loop {
            if let Some(question) = state.questions.pop_front() {
                drop(state);
                // Who asked has given up otherwise, and there may be many of them.
                if Instant::now() < question.deadline {
                    let found = catch_unwind(|| (question.resolve)(&question.host, question.port));
                    (question.found)(found.unwrap_or_else(|_| Err(io::Error::other("the resolver panicked"))));
                }
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (again, time) = self.asked.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = again;
            state.idle -= 1;
            if time.timed_out() && state.questions.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn question(host: &str, resolve: Resolve, deadline: Instant, found: mpsc::Sender<(usize, Found)>) -> Question {
        let number = host.parse().unwrap_or_default();
        let found = Box::new(move |addresses| found.send((number, addresses)).unwrap());
        Question { host: host.into(), port: 80, resolve, deadline, found }
    }

    /// Names that hang take threads up to the limit and no further; then others wait, and those whose time is over are left out.
    #[test]
    fn threads_are_bounded_and_end() {
        static GATE: Mutex<()> = Mutex::new(());
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        fn hangs(_: &str, port: u16) -> Found {
            ASKED.fetch_add(1, Ordering::SeqCst);
            drop(GATE.lock());
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        }
        let gate = GATE.lock();
        let names: &'static Names = Box::leak(Box::new(Names::new()));
        let (sender, receiver) = mpsc::channel();
        let later = Instant::now() + Duration::from_secs(3600);
        for number in 0..2 * MOST {
            // Every other one beyond the limit has no time left.
            let deadline = if number > MOST && number % 2 == 0 { Instant::now() } else { later };
            names.ask(question(&number.to_string(), hangs, deadline, sender.clone()));
        }
        while ASKED.load(Ordering::SeqCst) < MOST {
            thread::yield_now();
        }
        let (threads, waiting) = {
            let state = names.lock();
            (state.threads, state.questions.len())
        };
        assert_eq!((threads, waiting), (MOST, MOST));
        assert!(receiver.try_recv().is_err());
        drop(gate);
        drop(sender);
        let mut found: Vec<_> = receiver.iter().map(|(number, found)| (number, found.unwrap().len())).collect();
        found.sort_unstable();
        let expected: Vec<_> = (0..2 * MOST).filter(|n| *n <= MOST || n % 2 == 1).map(|n| (n, 1)).collect();
        assert_eq!(found, expected);
        while names.lock().threads > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_resolver_that_panics_is_an_error() {
        let names: &'static Names = Box::leak(Box::new(Names::new()));
        let (sender, receiver) = mpsc::channel();
        fn panics(host: &str, _: u16) -> Found {
            std::panic::resume_unwind(Box::new(host.to_owned()))
        }
        let later = Instant::now() + Duration::from_secs(3600);
        names.ask(question("1", panics, later, sender.clone()));
        assert_eq!(receiver.recv().unwrap().1.unwrap_err().to_string(), "the resolver panicked");
        names.ask(question("2", |_, _| Ok(Vec::new()), later, sender));
        assert_eq!(receiver.recv().unwrap().0, 2, "its thread still answers, or another does");
    }

    #[test]
    fn addresses_are_no_names() {
        let asked = |url: &str| {
            let resolve: Resolve = |host, port| Err(io::Error::other(format!("{host} {port}")));
            let deadline = Instant::now() + Duration::from_secs(3600);
            wait(&Url::parse(url).unwrap(), resolve, deadline).map_err(|error| error.to_string())
        };
        assert_eq!(asked("https://[::1]/"), Ok(vec!["[::1]:443".parse().unwrap()]));
        assert_eq!(asked("http://127.0.0.2:81/"), Ok(vec!["127.0.0.2:81".parse().unwrap()]));
        assert_eq!(asked("http://h.example/"), Err("h.example 80".into()));
    }
}
