//! Processes that are spoken to over their standard input and output: what works wherever a program can be started.
//!
//! Python's counterpart is `multiprocessing.Pool`, or `subprocess` with pipes. Choose it where memory cannot be shared; elsewhere
//! `processes` does the same without copying results.
//!
//! Each worker has a thread here that takes claims for it, as threads of the backend `threads` do for themselves, sends their numbers
//! and reads the results; so every schedule is there, and sinks work in parallel. A worker is given more than one claim, so that it goes
//! on while its results are read, and the more of them the smaller they are; towards the end only one, which keeps nobody waiting. What a lost worker was given is known: the
//! one that takes its place is given it again. Messages are frames with checksums, and a worker that says anything else is lost too.
//!
//! Requests are so small, and so few at a time, that they always fit into a pipe: a thread that writes never waits for a worker that
//! waits for it.

use super::worker::frame::{self, Head, Tail};
use super::worker::{Process, Program, ending, message, monotonic, spawn};
use super::{Entry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::pin::Pinning;
use crate::parallel::{
    Claims, Done, Finished, Job, Kind, Loop, MAX_COUNTS, Recipe, Report, Schedule, Sink, Stop, Work, Worker,
};
use message::numbers;
use std::cell::Cell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader};
use std::ops::Range;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) const ENTRY: Entry = Entry {
    name: "pipes",
    help: "processes of this program, with pipes for requests and results; runs on every system",
    model: "processes, messages",
    counterpart: "multiprocessing.Pool, subprocess",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    parallel: true,
    processes: true,
    probe: || Ok(()),
    open,
};

/// How many workers a piece may cost, computed alone, before it is no longer given to one.
const LOSSES: u8 = 3;

/// How often it is looked whether the run is over and whether workers get on.
const LOOK: Duration = Duration::from_millis(5);

/// The most time that counts as a worker's silence between two looks: if the session itself was suspended, its workers are not at fault.
const BLINK: Duration = Duration::from_millis(100);

/// How many claims a worker has to do at most, and about how long they are to last together.
const DEPTH: usize = 64;
const AHEAD: Duration = Duration::from_millis(1);

/// The longest message that is no result: an error.
const LONGEST: u64 = 1 << 20;

struct Pipes {
    seats: Vec<Seat>,
    program: Program,
    pinning: Option<Pinning>,
    schedule: Schedule,
    timed: bool,
    patience: Duration,
    run: u64,
    /// The hash and the number of the work that was sent last.
    work: (u64, u64),
}

/// A worker's place, and the worker in it.
struct Seat {
    worker: Worker,
    member: Option<Member>,
    /// The same for whoever looks after it.
    live: Arc<Mutex<Option<Arc<Live>>>>,
}

struct Member {
    live: Arc<Live>,
    output: BufReader<ChildStdout>,
    greeted: bool,
    /// The work that it was sent.
    work: u64,
}

/// A worker process as several threads see it.
struct Live {
    input: Mutex<ChildStdin>,
    process: Mutex<Process>,
    /// Counts its messages.
    signs: AtomicU64,
    /// Whether something is expected of it.
    busy: AtomicBool,
    /// Whether it was killed because it gave no sign of life.
    hung: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, program, patience } = setup;
    let mut seats = Vec::new();
    for index in 0..workers {
        let mut seat = Seat { worker: Worker::new(index), member: None, live: Arc::default() };
        seat.start(&program, pinning.as_ref(), workers)?;
        seats.push(seat);
    }
    let lives: Vec<_> = seats.iter().flat_map(|seat| seat.member.as_ref().map(|member| member.live.clone())).collect();
    std::thread::scope(|scope| {
        let (ready, waited) = channel::<()>();
        scope.spawn(move || {
            if waited.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                lives.iter().for_each(|live| live.give_up());
            }
        });
        let mut tail = Tail::default();
        let outcome = seats.iter_mut().flat_map(|seat| &mut seat.member).try_for_each(|member| {
            match member.read(&mut tail, |_| LONGEST) {
                Ok(Some(head)) => program.welcome(head, &tail),
                _ if member.live.hung.load(Ordering::Relaxed) => {
                    Err(program.no_worker(&format!("said nothing for {patience:?}")))
                }
                _ => Err(program.no_worker(&ending(lock(&member.live.process).end()))),
            }
        });
        drop(ready);
        outcome
    })?;
    Ok(Box::new(Pipes { seats, program, pinning, schedule, timed, patience, run: 0, work: (0, 0) }))
}

impl Live {
    /// Kills the process because it gives no sign of life.
    fn give_up(&self) {
        self.hung.store(true, Ordering::Relaxed);
        lock(&self.process).end();
    }

    fn send<const N: usize>(&self, kind: u32, given: [u64; N], tail: &[&[u8]]) -> io::Result<()> {
        frame::write(&mut *lock(&self.input), kind, &numbers(given), tail)
    }
}

impl Member {
    fn read(&mut self, tail: &mut Tail, limit: impl FnOnce(&Head) -> u64) -> io::Result<Option<Head>> {
        let head = if self.greeted {
            frame::read(&mut self.output, tail, limit)
        } else {
            frame::read_first(&mut self.output, tail, limit)
        }?;
        self.greeted = true;
        self.live.signs.fetch_add(1, Ordering::Relaxed);
        Ok(head)
    }
}

impl Seat {
    /// Starts a worker in this place.
    fn start(&mut self, program: &Program, pinning: Option<&Pinning>, workers: usize) -> Result<()> {
        self.member = None;
        let index = self.worker.index();
        let refused = |error: io::Error| {
            Error::Unsupported(format!(
                "worker {index} of {workers} cannot be started from {}: {error}; ask for fewer workers or another backend",
                program.describe()
            ))
        };
        let mut command = program.command(ENTRY.name)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(command).map_err(refused)?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both are pipes");
        let live = Arc::new(Live {
            input: Mutex::new(input),
            process: Mutex::new(Process::new(child)),
            signs: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            hung: AtomicBool::new(false),
        });
        let processor = pinning.map_or(0, |pinning| pinning.processor(index) as u64 + 1);
        // One that cannot be told has ended, which shows soon.
        let _ = live.send(message::SEAT, [index as u64, workers as u64, processor], &[]);
        *lock(&self.live) = Some(live.clone());
        let output = BufReader::with_capacity(1 << 16, output);
        self.member = Some(Member { live, output, greeted: false, work: 0 });
        Ok(())
    }
}

/// Pieces that a worker was or will be given.
#[derive(Clone, Debug)]
struct Given {
    range: Range<usize>,
    /// How many workers ended while they computed it alone.
    losses: u8,
    /// Whether all of those were killed from outside.
    killed: bool,
}

/// A run, for all threads.
struct Run<'a> {
    job: &'a Job,
    recipe: &'a Recipe,
    program: &'a Program,
    pinning: Option<&'a Pinning>,
    schedule: Schedule,
    pieces: Loop,
    workers: usize,
    number: u64,
    work: u64,
    /// The origin of its clock plus one, or 0.
    origin: u64,
    /// Pieces that were given to workers, some perhaps twice.
    given: AtomicUsize,
    /// Workers that have ended since a result was last handed on.
    losses: AtomicUsize,
    pool: Mutex<Pool>,
    changed: Condvar,
}

/// What threads hand to each other.
#[derive(Default)]
struct Pool {
    /// Pieces of workers that could not be replaced.
    orphans: Vec<Given>,
    /// Threads that have something to do.
    active: usize,
    /// Why a worker could not be replaced.
    refusal: Option<Error>,
}

impl Session for Pipes {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let recipe = work.recipe().ok_or_else(|| super::no_recipe(ENTRY.name))?;
        let workers = self.seats.len();
        let job = Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?;
        let mut hasher = DefaultHasher::new();
        (recipe.kind, &recipe.bytes, job.prepared().bytes()).hash(&mut hasher);
        let hash = hasher.finish();
        if self.work.0 != hash || self.work.1 == 0 {
            self.work = (hash, self.work.1 + 1);
        }
        self.run += 1;
        if self.timed {
            // What they used before is not this run's.
            for member in self.seats.iter().filter_map(|seat| seat.member.as_ref()) {
                lock(&member.live.process).processor_time();
            }
        }
        let schedule = self.schedule.with_auto_limit(job.grain());
        let run = Run {
            job: &job,
            recipe: &recipe,
            program: &self.program,
            pinning: self.pinning.as_ref(),
            schedule,
            pieces: Loop::new(0..job.pieces(), schedule, workers),
            workers,
            number: self.run,
            work: self.work.1,
            origin: if self.timed { 1 + monotonic().saturating_sub(job.now().as_nanos() as u64) } else { 0 },
            given: AtomicUsize::new(0),
            losses: AtomicUsize::new(0),
            pool: Mutex::new(Pool { active: workers, ..Pool::default() }),
            changed: Condvar::new(),
        };
        if job.pieces() > 0 && !job.is_over() {
            let lives: Vec<_> = self.seats.iter().map(|seat| seat.live.clone()).collect();
            let running = AtomicUsize::new(workers);
            std::thread::scope(|scope| {
                let monitor = std::thread::current();
                for seat in &mut self.seats {
                    let (run, running, monitor) = (&run, &running, monitor.clone());
                    let name = format!("fractal-pipe-{}", seat.worker.index());
                    let body = move || {
                        run.serve(seat);
                        running.fetch_sub(1, Ordering::Release);
                        monitor.unpark();
                    };
                    if let Err(error) = std::thread::Builder::new().name(name).spawn_scoped(scope, body) {
                        let _ = job.fail(Error::io("start", "a thread for a worker", error));
                        running.fetch_sub(1, Ordering::Release);
                        lock(&run.pool).active -= 1;
                    }
                }
                run.look_after(&lives, &running, self.patience);
            });
            let mut pool = lock(&run.pool);
            if !job.is_over() && !pool.orphans.is_empty() {
                let _ = job.fail(pool.refusal.take().unwrap_or_else(|| Error::Unsupported("no worker is left".into())));
            }
        }
        let mut reports: Vec<_> = self.seats.iter_mut().map(|seat| seat.worker.take_report()).collect();
        if self.timed {
            for (report, seat) in reports.iter_mut().zip(&self.seats) {
                if let Some(member) = &seat.member {
                    let mut process = lock(&member.live.process);
                    (report.process, report.memory) = (process.id(), process.memory());
                    report.processor = process.processor_time();
                }
            }
        }
        job.end(&self.schedule.to_string(), reports)
    }
}

impl Run<'_> {
    /// Tells workers when the run is over, and kills those that give no sign of life, until all threads have ended.
    fn look_after(&self, lives: &[Arc<Mutex<Option<Arc<Live>>>>], running: &AtomicUsize, patience: Duration) {
        let mut quiet = vec![(0, Duration::ZERO); lives.len()];
        let mut told = vec![false; lives.len()];
        let mut since = Instant::now();
        while running.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(LOOK);
            let time = since.elapsed().min(BLINK);
            since = Instant::now();
            if self.job.is_over() {
                self.changed.notify_all();
            }
            for ((live, (seen, quiet)), told) in lives.iter().zip(&mut quiet).zip(&mut told) {
                let Some(live) = lock(live).clone() else { continue };
                // Whoever is just writing to it is looked after in the next round.
                if self.job.is_over()
                    && !*told
                    && let Ok(mut input) = live.input.try_lock()
                {
                    *told = true;
                    let _ = frame::write(&mut *input, message::STOP, &numbers([self.number]), &[]);
                }
                let signs = live.signs.load(Ordering::Relaxed);
                let silent = std::mem::replace(seen, signs) == signs && live.busy.load(Ordering::Relaxed);
                *quiet = if silent { *quiet + time } else { Duration::ZERO };
                if *quiet > patience {
                    *quiet = Duration::ZERO;
                    live.give_up();
                }
            }
        }
    }

    /// A thread's part: everything that its worker computes.
    fn serve(&self, seat: &mut Seat) {
        let mut own = self.pieces.claims(seat.worker.index());
        let (mut todo, mut given) = (VecDeque::new(), VecDeque::new());
        let mut tail = Tail::default();
        while let Some(next) = self.next(&mut own, &mut todo) {
            todo.push_front(next);
            if let Err(how) = self.converse(seat, &mut own, &mut todo, &mut given, &mut tail) {
                let ended = self.replace(seat, how, &mut todo, &mut given);
                if ended && !self.job.is_over() {
                    // Somebody else's now, as far as it was this worker's alone.
                    if self.schedule.kind() == Kind::Static {
                        todo.extend(own.map(|range| Given { range, losses: 0, killed: true }));
                    }
                    let mut pool = lock(&self.pool);
                    pool.orphans.extend(todo);
                    pool.active -= 1;
                    self.changed.notify_all();
                    return;
                }
            }
            if let Some(member) = &seat.member {
                member.live.busy.store(false, Ordering::Relaxed);
            }
        }
    }

    /// What to do next; none when nothing can come any more.
    fn next(&self, own: &mut Claims<'_>, todo: &mut VecDeque<Given>) -> Option<Given> {
        if self.job.is_over() {
            let mut pool = lock(&self.pool);
            pool.active -= 1;
            self.changed.notify_all();
            return None;
        }
        if let Some(next) = self.own(own, todo) {
            return Some(next);
        }
        let mut pool = lock(&self.pool);
        pool.active -= 1;
        self.changed.notify_all();
        loop {
            if self.job.is_over() {
                return None;
            }
            if let Some(orphan) = pool.orphans.pop() {
                pool.active += 1;
                return Some(orphan);
            }
            if pool.active == 0 {
                return None;
            }
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What this worker has to do next, no more than one claim.
    fn own(&self, own: &mut Claims<'_>, todo: &mut VecDeque<Given>) -> Option<Given> {
        let mut next = match todo.pop_front() {
            Some(next) => next,
            None => Given { range: own.next()?, losses: 0, killed: true },
        };
        let claim = self.job.first_claim(next.range.clone());
        if claim.end < next.range.end {
            todo.push_front(Given { range: claim.end..next.range.end, ..next });
        }
        next.range = claim;
        self.given.fetch_add(next.range.len(), Ordering::Relaxed);
        Some(next)
    }

    /// Lets the worker compute what there is, until there is nothing or it is lost; then says how.
    fn converse(
        &self,
        seat: &mut Seat,
        own: &mut Claims<'_>,
        todo: &mut VecDeque<Given>,
        given: &mut VecDeque<Given>,
        tail: &mut Tail,
    ) -> std::result::Result<(), &'static str> {
        let Seat { worker, member, .. } = seat;
        let Some(member) = member else { return Err("") };
        let live = member.live.clone();
        live.busy.store(true, Ordering::Relaxed);
        self.begin(member).map_err(|_| "")?;
        let (mut depth, mut pace, mut requests) = (1, None, Vec::new());
        let mut claimed = None;
        let mut since = Instant::now();
        loop {
            // Requests go in batches: a worker's list is filled when half of it is done.
            if given.len() <= depth / 2 && !self.job.is_over() {
                requests.clear();
                while given.len() < depth
                    && let Some(next) = self.own(own, todo)
                {
                    requests.extend([next.range.start as u64, next.range.end as u64]);
                    given.push_back(next);
                }
                let sent = if requests.is_empty() {
                    Ok(())
                } else {
                    live.send(message::COMPUTE, [self.number], &[bytemuck::cast_slice(&requests)])
                };
                if sent.is_err() {
                    // It has ended, perhaps after it sent results; what it was not told of is not its fault.
                    let untold = given.split_off(given.len() - requests.len() / 2);
                    untold.into_iter().rev().for_each(|given| todo.push_front(given));
                    if given.is_empty() {
                        return Err("");
                    }
                }
            }
            let Some(first) = given.front() else { return Ok(()) };
            if claimed.replace(first.range.start) != Some(first.range.start) {
                self.job.claimed(worker.index(), first.range.clone());
            }
            let len = first.range.clone().map(|index| self.job.work().piece_len(index)).sum::<usize>();
            let most = (8 * (first.range.len() + MAX_COUNTS) + len) as u64;
            let limit = |head: &Head| if head.kind == message::DONE { most } else { LONGEST };
            let head = match member.read(tail, limit) {
                Ok(Some(head)) => head,
                Ok(None) => return Err(""),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err("said what is no message"),
                Err(_) => return Err(""),
            };
            match head.kind {
                message::HELLO => {
                    if let Err(error) = self.program.welcome(head, tail) {
                        let _ = self.job.fail(error);
                        return Err("");
                    }
                }
                message::BEAT | message::IDLE => {}
                message::FAILED => {
                    let unknown = || Error::Input(format!("worker {} failed and did not say how", worker.index()));
                    let error = message::unpack(tail.bytes()).unwrap_or_else(unknown);
                    if head.numbers[0] == self.number || head.numbers[0] == 0 {
                        let _ = self.job.fail(error);
                    }
                    if head.numbers[1] == 1 {
                        given.pop_front();
                    }
                }
                message::DONE => {
                    self.hand_on(worker, &head, tail, first, len)?;
                    let time = since.elapsed();
                    since += time;
                    let pace = *pace.insert(pace.map_or(time, |pace: Duration| (7 * pace + time) / 8));
                    let left = self.job.pieces().saturating_sub(self.given.load(Ordering::Relaxed));
                    let least = if left > 16 * self.workers * first.range.len() { 2 } else { 1 };
                    depth = ((AHEAD.as_nanos() / pace.as_nanos().max(1)) as usize).clamp(least, DEPTH);
                    given.pop_front();
                }
                _ => return Err("said what is no message"),
            }
        }
    }

    /// Tells a worker of the run, and of the work if it does not know it.
    fn begin(&self, member: &mut Member) -> io::Result<()> {
        let live = &member.live;
        if member.work != self.work {
            let (kind, recipe, prepared) =
                (self.recipe.kind.as_bytes(), &self.recipe.bytes, self.job.prepared().bytes());
            let gap = (kind.len() + recipe.len()).next_multiple_of(8) - kind.len() - recipe.len();
            let lengths = [kind.len(), recipe.len(), prepared.len()].map(|len| len as u64);
            live.send(message::WORK, lengths, &[kind, recipe, &[0; 8][..gap], prepared])?;
            member.work = self.work;
        }
        live.send(message::RUN, [self.number, self.job.pieces() as u64, self.origin], &[])
    }

    /// Hands on the result of the first claim that the worker was given.
    fn hand_on(
        &self,
        worker: &mut Worker,
        head: &Head,
        tail: &Tail,
        first: &Given,
        len: usize,
    ) -> std::result::Result<(), &'static str> {
        const NONE: &str = "published what is no result";
        let [run, start, sizes, executed, began, ended] = head.numbers;
        let (pieces, counts) = ((sizes >> 32) as usize, sizes as u32 as usize);
        let Range { start: expected, .. } = first.range;
        let fits = tail.bytes().len() == 8 * (pieces + counts) + len;
        if run != self.number || start as usize != expected || pieces != first.range.len() || !fits {
            return Err(NONE);
        }
        let (costs, rest) = tail.bytes().split_at(8 * pieces);
        let (counts, bytes) = rest.split_at(8 * counts);
        let (costs, counts) = (bytemuck::cast_slice(costs), bytemuck::cast_slice(counts));
        let done = Done {
            work: self.job.work(),
            range: first.range.clone(),
            bytes,
            costs,
            executed,
            worker: worker.index(),
            began: Duration::from_nanos(began),
            ended: Duration::from_nanos(ended.max(began)),
            waited: Cell::default(),
        };
        if !self.job.is_over() {
            self.job.work().add_counts(counts);
            worker.count(&done);
            let _ = self.job.hand_on(&done);
            self.losses.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The worker is lost: it is waited for, what it was given goes back, and another takes its place. True when none can.
    fn replace(&self, seat: &mut Seat, how: &str, todo: &mut VecDeque<Given>, given: &mut VecDeque<Given>) -> bool {
        let index = seat.worker.index();
        let (mut text, mut killed) = ("could not be started".to_owned(), true);
        if let Some(member) = seat.member.take() {
            let status = lock(&member.live.process).end();
            let hung = member.live.hung.load(Ordering::Relaxed);
            #[cfg(unix)]
            let by_signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
            #[cfg(not(unix))]
            let by_signal: Option<i32> = None;
            killed = how.is_empty() && !hung && by_signal == Some(9);
            text = match (how, hung) {
                (_, true) => "gave no sign of life".to_owned(),
                ("", _) => ending(status),
                (how, _) => how.to_owned(),
            };
        }
        *lock(&seat.live) = None;
        if self.job.is_over() {
            given.clear();
            return false;
        }
        let mut lost: VecDeque<_> = std::mem::take(given);
        if let Some(first) = lost.pop_front() {
            // Piece by piece, so that it shows which one it is.
            let alone = first.range.len() == 1;
            let losses = first.losses + u8::from(alone);
            let killed = first.killed && (killed || !alone);
            let pieces = first.range.clone().map(|index| Given { range: index..index + 1, losses, killed });
            pieces.rev().for_each(|piece| lost.push_front(piece));
            if losses >= LOSSES {
                lost.pop_front();
                self.rescue(&mut seat.worker, first.range.start, killed, &text);
            }
        }
        lost.into_iter().rev().for_each(|given| todo.push_front(given));
        let losses = self.losses.fetch_add(1, Ordering::Relaxed) + 1;
        if losses > 10 + 3 * self.workers && !self.job.is_over() {
            let _ = self.job.fail(Error::Unsupported(format!(
                "workers of backend `pipes` ended {losses} times without a result in between; the last one, worker {index}, {text}"
            )));
        }
        match seat.start(self.program, self.pinning, self.workers) {
            Ok(()) => false,
            Err(error) => {
                lock(&self.pool).refusal = Some(error);
                true
            }
        }
    }

    /// A piece has cost as many workers as it may. If all were killed, by hand or by the system for want of memory, the session
    /// computes it, alone; if one crashed, it would crash as well, so the run ends with an error that names the piece.
    fn rescue(&self, worker: &mut Worker, piece: usize, killed: bool, how: &str) {
        if killed {
            let mut finished = Finished::default();
            if self.job.compute(worker, piece..piece + 1, &mut finished).is_continue() {
                let _ = self.job.hand_on(&self.job.done(&finished));
            }
            return;
        }
        let _ = self.job.fail(super::fatal(&self.job.name(piece), LOSSES, worker.index(), how));
    }
}
