//! Answers `multiprocessing.managers.SyncManager`: a dictionary in a process of its own, and what an access to it costs.

use super::support::python::{MANAGER, python};
use super::support::{nanoseconds, notice};
use fractal::{Error, Result};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// How the process of this lesson is started.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

/// The dictionary: the manager's, and for comparison one in this process's own memory.
static ENTRIES: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());

/// Adds to an entry; returns its new value. What is done in here, while the lock is held, nobody sees by halves.
fn add(key: &str, more: i64) -> i64 {
    let mut entries = ENTRIES.lock().expect("nobody panics");
    let entry = entries.entry(key.to_owned()).or_default();
    *entry = entry.wrapping_add(more);
    *entry
}

/// The manager's side of a connection: a line is a request, a line is its answer.
fn answer(stream: impl Read + Write) {
    let (mut stream, mut line) = (BufReader::new(stream), String::new());
    while stream.read_line(&mut line).is_ok_and(|len| len > 0) {
        let request = line.trim().split_once(' ').and_then(|(key, more)| Some((key, more.parse().ok()?)));
        let value = request.map_or("a request is KEY NUMBER".to_owned(), |(key, more)| add(key, more).to_string());
        let _ = stream.get_mut().write_all(format!("{value}\n").as_bytes());
        line.clear();
    }
}

/// The manager: a thread for each connection, until the parent has gone.
fn serve(path: &Path) -> io::Result<()> {
    let (local, remote) = (UnixListener::bind(path)?, TcpListener::bind("127.0.0.1:0")?);
    println!("{}", remote.local_addr()?);
    thread::spawn(move || local.incoming().flatten().for_each(|stream| drop(thread::spawn(|| answer(stream)))));
    thread::spawn(move || remote.incoming().flatten().for_each(|stream| drop(thread::spawn(|| answer(stream)))));
    io::stdin().read_to_end(&mut Vec::new())?;
    std::fs::remove_file(path)
}

/// A proxy: to its user an entry of a dictionary, in truth a conversation. `None` if it ends early.
fn proxy(stream: impl Read + Write) -> impl FnMut(i64) -> Option<i64> {
    let (mut stream, mut line) = (BufReader::new(stream), String::new());
    move |more| {
        stream.get_mut().write_all(format!("entry {more}\n").as_bytes()).ok()?;
        line.clear();
        stream.read_line(&mut line).ok()?;
        line.trim().parse().ok()
    }
}

/// Two clients add 1 so many times; prints what each addition costs, and the sum.
fn show<A: FnMut(i64) -> Option<i64>>(what: &str, times: u64, connect: impl Fn() -> io::Result<A> + Sync) {
    let began = Instant::now();
    let client = || connect().map(|mut add| (0..times).filter(|_| add(1).is_none()).count());
    let failures = thread::scope(|scope| [(); 2].map(|()| scope.spawn(client)).map(|client| client.join()));
    let each = nanoseconds(began.elapsed(), 2 * times) / 1e3;
    let good = failures.iter().all(|failures| matches!(failures, Ok(Ok(0))));
    let sum = connect().ok().and_then(|mut add| add(0));
    println!("{what:36}{each:10.2} µs{:>12}", if good { format!("{}", sum.unwrap_or(-1)) } else { "lost".into() });
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    let failed = |error| Error::io("run", "the manager", error);
    if let Some(path) = &options.serve {
        return serve(path).map_err(failed);
    }
    let times = if quick { 200 } else { 20_000 };
    let path = std::env::temp_dir().join(format!("lessons-manager-{}", std::process::id()));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["manager", "--serve"]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut manager = command.spawn().map_err(failed)?;
    let mut address = String::new();
    BufReader::new(manager.stdout.take().expect("it is piped")).read_line(&mut address).map_err(failed)?;
    println!("Two clients add 1 to an entry, {times} times each\n\n{:36}{:>13}{:>12}", "", "an addition", "the sum");
    show("memory that threads share, and a lock", times, || Ok(|more| Some(add("entry", more))));
    show("a manager, by a Unix socket", times, || UnixStream::connect(&path).map(proxy));
    show("the same manager, by TCP", times, || TcpStream::connect(address.trim()).map(proxy));
    println!("{:36}{}", "Python's SyncManager", python(MANAGER, &times.to_string()));
    drop(manager.stdin.take());
    manager.wait().map_err(failed)?;
    notice(
        "what looks like a dictionary is a conversation: each access is two messages between processes, which cost a \
        hundred times what memory does. Keep there what is seldom used. And `d[k] += 1` by a proxy of Python is two \
        requests, a read and a write: without a lock, updates are lost.",
    );
    Ok(())
}
