//! The processes of the measurement: the server, and for each run a client, so that memory and descriptors of one are not those of
//! another.

use super::server::{self, Serve};
use crate::backend::Program;
use crate::backend::worker::{Process, end_with, ending, spawn};
use crate::bench::clock::{Clock as _, System};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use crate::system;
use crate::waiting::{self, Answer, Frontier, Limits, Next, Target, most_connections};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio, exit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use url::Url;

/// The last argument of such a process.
const WORD: &str = "fractal-bench-waiting";

/// What such a process reads on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The process that ordered it.
    parent: u32,
    pub(super) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Serve(Serve),
    Ask(Ask),
}

/// What a client does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) total: usize,
    pub(super) at_once: usize,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) path: String,
    /// How long the use of the first answer blocks.
    pub(super) block: Duration,
    /// Whether memory is watched, which takes time.
    pub(super) watches: bool,
}

/// What a client found. Times are in seconds, memory in bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) start: f64,
    pub(super) wall: f64,
    pub(super) processor: f64,
    pub(super) resident: u64,
    pub(super) stacks: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// The longest time for which a loop stood still.
    #[serde(default)]
    pub(super) still: f64,
    pub(super) answered: usize,
    pub(super) failed: BTreeMap<String, usize>,
}

/// Becomes such a process and never returns, if this process was started as one; else does nothing.
pub(crate) fn main() {
    if std::env::args_os().next_back().is_none_or(|last| last != WORD) {
        return;
    }
    if let Err(error) = work() {
        eprintln!("fractal: {error}");
        exit(1);
    }
    exit(0);
}

fn work() -> Result<()> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Error::io("read", "the order", error))?;
    let order: Order =
        serde_json::from_str(&line).map_err(|error| Error::Input(format!("the order is wrong: {error}")))?;
    end_with(order.parent)?;
    match order.task {
        Task::Serve(serve) => server::serve(&serve),
        Task::Ask(ask) => {
            let found = serde_json::to_string(&self::ask(&ask)?).expect("numbers and text are always JSON");
            writeln!(std::io::stdout(), "{found}").map_err(|error| Error::io("write", "standard output", error))
        }
    }
}

/// A process that was given an order, and its output line by line.
pub(super) struct Child {
    process: Process,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Child {
    /// Starts this program again and gives it an order.
    pub(super) fn order(program: &Program, task: Task) -> Result<Self> {
        let mut command = program.again()?;
        command.arg(WORD);
        let order = Order { parent: std::process::id(), task };
        let order = serde_json::to_string(&order).expect("numbers and text are always JSON");
        Self::start(command, &order)
    }

    /// Starts a program and gives it a line.
    pub(super) fn start(mut command: Command, line: &str) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = |error| Error::Unsupported(format!("a process to measure with cannot be started: {error}"));
        let mut child = spawn(command).map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let process = Process::new(child);
        // If it has ended already, its output says so.
        let _ = writeln!(input.expect("it was asked for"), "{line}");
        let (sender, lines) = channel();
        let output = BufReader::new(output.expect("it was asked for"));
        let read =
            move || output.lines().map_while(|line| line.ok()).try_for_each(|line| sender.send(line)).unwrap_or(());
        thread::Builder::new().name("output".into()).spawn(read).map_err(failed)?;
        Ok(Self { process, lines })
    }

    /// Its next line, which a stop ends the waiting for.
    pub(super) fn line(&mut self, stop: &Stop) -> Result<String> {
        loop {
            match self.lines.recv_timeout(Duration::from_millis(10)) {
                Ok(line) => return Ok(line),
                Err(_) if stop.is_set() => return Err(Error::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let end = ending(self.process.ended_soon());
                    return Err(Error::Unsupported(format!("a process to measure with {end}")));
                }
            }
        }
    }
}

/// The targets of a run, and what becomes of them.
struct Run {
    ask: Ask,
    urls: Vec<Url>,
    given: Mutex<usize>,
    first: OnceLock<Instant>,
    seen: Mutex<Seen>,
    has_blocked: AtomicBool,
}

struct Seen {
    took: Vec<f32>,
    still: Duration,
    failed: BTreeMap<String, usize>,
    last: Instant,
}

impl Run {
    fn new(ask: &Ask) -> Result<Self> {
        let wrong = |error: url::ParseError| Error::Input(format!("an address is wrong: {error}"));
        let url = |address: &SocketAddr| Url::parse(&format!("http://{address}{}", ask.path)).map_err(wrong);
        let took = Vec::with_capacity(ask.total);
        Ok(Self {
            ask: ask.clone(),
            urls: ask.addresses.iter().map(url).collect::<Result<_>>()?,
            given: Mutex::new(0),
            first: OnceLock::new(),
            seen: Mutex::new(Seen { took, still: Duration::ZERO, failed: BTreeMap::new(), last: Instant::now() }),
            has_blocked: AtomicBool::new(false),
        })
    }
}

impl Frontier for Run {
    fn next(&self) -> Next {
        self.first.get_or_init(Instant::now);
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if *given == self.ask.total {
            return Next::Done;
        }
        *given += 1;
        Next::Target(Target { id: *given, url: self.urls[*given % self.urls.len()].clone(), head: false })
    }

    fn deliver(&self, answer: Answer) {
        if !self.ask.block.is_zero() && !self.has_blocked.swap(true, Ordering::Relaxed) {
            thread::sleep(self.ask.block);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer.outcome {
            Ok(response) if response.status == 200 => seen.took.push(answer.took.as_secs_f32()),
            Ok(response) => *seen.failed.entry(response.status.to_string()).or_default() += 1,
            Err(failure) => *seen.failed.entry(failure.class.name().into()).or_default() += 1,
        }
        seen.last = Instant::now();
    }

    fn stood_still(&self, time: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.still = seen.still.max(time);
    }
}

/// Runs a model and measures it, in a process of its own.
fn ask(ask: &Ask) -> Result<Found> {
    most_connections();
    let entry = waiting::find(&ask.model)?;
    let limits = Limits { connections: ask.at_once, timeout: Duration::from_secs(60), ..Limits::default() };
    if ask.watches {
        // What the first connection of all takes, such as pages of code, is no cost of the others.
        let one = Arc::new(Run::new(&Ask { total: 1, path: "/".into(), block: Duration::ZERO, ..ask.clone() })?);
        entry.run(&(one as Arc<dyn Frontier>), &Limits { connections: 1, ..limits.clone() }, &Stop::new())?;
    }
    let run = Arc::new(Run::new(ask)?);
    let memory = ask.watches.then(Memory::begin);
    let (before, children) = (System.processor(), children_time());
    let began = Instant::now();
    entry.run(&(run.clone() as Arc<dyn Frontier>), &limits, &Stop::new())?;
    let processor = (System.processor() - before).as_secs_f64() + (children_time() - children);
    let (resident, stacks) = memory.map(Memory::end).unwrap_or_default();
    let first = run.first.get().copied().unwrap_or(began);
    let mut seen = run.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.took.sort_by(f32::total_cmp);
    let at = |share: f64| seen.took.get((share * seen.took.len() as f64) as usize).copied().map_or(0.0, f64::from);
    Ok(Found {
        start: (first - began).as_secs_f64(),
        wall: (seen.last - first).as_secs_f64(),
        processor,
        resident,
        stacks,
        p50: at(0.5),
        p99: at(0.99),
        still: seen.still.as_secs_f64(),
        answered: seen.took.len(),
        failed: seen.failed.clone(),
    })
}

/// Processor time of children that have ended, to a hundredth of a second.
fn children_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Watches the memory of this process, its children, and the kernel's stacks.
struct Memory {
    before: u64,
    stacks_before: u64,
    most_children: Arc<AtomicU64>,
    most_stacks: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The kernel's stacks, of the whole machine: Linux counts them together only.
fn kernel_stacks() -> u64 {
    system::bytes(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default(), "KernelStack").unwrap_or(0)
}

/// The memory of this process's children: what each has of its own, and its share of what several have.
fn children() -> u64 {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(|entry| entry.ok());
    let ids: String = tasks.map(|task| read(task.path().join("children"))).collect();
    let shares = ids.split_whitespace().map(|id| read(format!("/proc/{id}/smaps_rollup").into()));
    shares.filter_map(|text| system::bytes(&text, "Pss")).sum()
}

impl Memory {
    fn begin() -> Self {
        let [most_children, most_stacks] = [const { AtomicU64::new(0) }; 2].map(Arc::new);
        let is_over = Arc::new(AtomicBool::new(false));
        let (in_children, in_stacks, over) = (most_children.clone(), most_stacks.clone(), is_over.clone());
        let watch = move || {
            while !over.load(Ordering::Relaxed) {
                in_children.fetch_max(children(), Ordering::Relaxed);
                in_stacks.fetch_max(kernel_stacks(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        };
        let thread = thread::Builder::new().name("memory".into()).spawn(watch).ok();
        let before = system::bytes(&system::status(std::process::id()), "VmRSS").unwrap_or(0);
        Self { before, stacks_before: kernel_stacks(), most_children, most_stacks, is_over, thread }
    }

    /// By how much resident memory and the kernel's stacks grew at most.
    fn end(self) -> (u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
        let peak = system::bytes(&system::status(std::process::id()), "VmHWM").unwrap_or(0);
        let children = self.most_children.load(Ordering::Relaxed);
        let stacks = self.most_stacks.load(Ordering::Relaxed).saturating_sub(self.stacks_before);
        (peak.saturating_sub(self.before) + children, stacks)
    }
}
