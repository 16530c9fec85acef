//! Processes that communicate over standard input and output, which works wherever a program can be started.
//!
//! The Python equivalent is `multiprocessing.Pool`, or `subprocess` with pipes.
//!
//! Each worker has a thread here that takes claims for it, as threads of the backend `threads` do for themselves, sends their
//! numbers and reads the results; so all schedules are available, and sinks work in parallel. A worker is given more than one
//! claim, so that it continues while its results are read, and the smaller the claims, the more of them; towards the end of the run
//! only as many as cover the latency of a result, so that none has to wait long for another. The claims given to a lost worker are
//! known: its replacement is given them again. Messages are frames with checksums, and a worker that sends anything else is lost
//! too.
//!
//! Requests are so small and so few at a time that they always fit into a pipe: a thread that writes never waits for a worker that
//! waits for it.
//!
//! A claim of one empty piece costs 0.7 to 0.8 µs of wall time with two workers, one with a result of 16 KB 3.4 to 4 µs. Two
//! workers are ready after 1.3 ms.

mod converse;
mod member;
mod run;

use super::worker::frame::Tail;
use super::worker::message::{Failed, Hello, Message as _};
use super::worker::{Arrivals, Early, Losses, Program, Transport, WorkMessage, origin, report_lost};
use super::{BackendEntry, Session, Setup};
use crate::error::{Error, Result};
use crate::parallel::pin::Pinning;
use crate::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, Worker, lock};
use member::{Live, WorkerSlot};
use run::{LOOK, Pool, Run};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, park_timeout};
use std::time::{Duration, Instant};

pub(super) const ENTRY: BackendEntry = BackendEntry {
    name: "pipes",
    help: "processes of this program, with pipes for requests and results; runs on every system",
    model: "processes, messages",
    counterpart: "multiprocessing.Pool, subprocess",
    choose: "where a fault must not end everything and memory cannot be shared: on any system, and as the step before other machines",
    avoid: "where `processes` runs and results are large: it does the same without copying them",
    schedules: &[Schedule::STATIC, Schedule::DYNAMIC, Schedule::GUIDED, Schedule::STEALING, Schedule::AUTO],
    transport: Some(Transport::PIPES),
    open,
    ..BackendEntry::THREADS
};

/// The longest message other than a result: an error.
const LONGEST: u64 = 1 << 20;

struct Pipes {
    places: Vec<WorkerSlot>,
    program: Program,
    pinning: Option<Pinning>,
    schedule: Schedule,
    timed: bool,
    /// Whether the memory of workers is measured.
    sized: bool,
    timeout: Duration,
    run: u64,
    /// The workers that were lost before the next run, and how.
    lost: Vec<(usize, String)>,
}

fn open(setup: Setup) -> Result<Box<dyn Session>> {
    let Setup { workers, schedule, pinning, timed, sized, program, timeout, stop, .. } = setup;
    let mut places: Vec<_> = (0..workers)
        .map(|index| WorkerSlot {
            worker: Worker::new(index),
            member: None,
            live: Arc::default(),
            tail: Tail::default(),
        })
        .collect();
    places.iter_mut().try_for_each(|place| place.start(&program, pinning.as_ref(), workers))?;
    let mut arrivals = Arrivals::new(&program, ENTRY.name, workers);
    loop {
        let lost = first_messages(&mut places, &program, timeout, &stop, &mut arrivals)?;
        if lost.is_empty() {
            break;
        }
        let again: Vec<_> = lost.iter().map(|(index, _)| *index).collect();
        arrivals.lost(lost)?;
        again.into_iter().try_for_each(|index| places[index].start(&program, pinning.as_ref(), workers))?;
    }
    let lost = arrivals.into_lost();
    // The time in which they began does not count for the first run. Between two runs they use next to none.
    for member in places.iter().filter_map(|place| place.member.as_ref()).filter(|_| timed) {
        lock(&member.live.process).processor_time();
    }
    Ok(Box::new(Pipes { places, program, pinning, schedule, timed, sized, timeout, run: 0, lost }))
}

/// Receives the first messages of new workers; returns those that sent none, and why.
fn first_messages(
    places: &mut [WorkerSlot],
    program: &Program,
    timeout: Duration,
    stop: &Stop,
    arrivals: &mut Arrivals<'_>,
) -> Result<Vec<(usize, Early)>> {
    let new = |place: &&mut WorkerSlot| place.member.as_ref().is_some_and(|member| !member.greeted);
    let lives: Vec<Arc<Live>> =
        places.iter().flat_map(|place| &place.member).map(|member| member.live.clone()).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A blocked reader of a pipe is woken when the process at the other end ends.
        let watch = || {
            let began = Instant::now();
            while !done.load(Ordering::Acquire) {
                park_timeout(LOOK);
                let silent = began.elapsed() > timeout;
                for live in lives.iter().filter(|live| live.signs.load(Ordering::Relaxed) == 0) {
                    if stop.is_set() {
                        live.give_up("had sent nothing when the run was stopped".to_owned());
                    } else if silent {
                        live.give_up(format!("sent nothing for {timeout:?}"));
                    }
                }
            }
        };
        let watch = Builder::new().name("fractal-watch".into()).spawn_scoped(scope, watch);
        let watch = watch.map_err(no_thread)?;
        let (mut tail, mut lost) = (Tail::default(), Vec::new());
        let outcome = places.iter_mut().filter(new).try_for_each(|place| {
            let index = place.worker.index();
            let Some(member) = &mut place.member else { return Ok(()) };
            match member.read(&mut tail, |_| LONGEST) {
                Ok(Some(head)) if matches!(head.kind, Hello::KIND | Failed::KIND) => {
                    member.live.sign();
                    arrivals.answered();
                    return program.welcome(head, &tail);
                }
                Ok(None) | Err(_) if stop.is_set() => return Err(Error::Stopped),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    lost.push((index, Early::Wrong(error.to_string())));
                }
                Ok(Some(_)) => lost.push((index, Early::Wrong("sent some other message".to_owned()))),
                Ok(None) | Err(_) => {
                    let why = member.live.given_up.get().cloned();
                    let ended = || Early::Ended(place.end(None));
                    lost.push((index, why.map_or_else(ended, Early::Wrong)));
                }
            }
            Ok(())
        });
        done.store(true, Ordering::Release);
        watch.thread().unpark();
        outcome.map(|()| lost)
    })
}

/// The error when the system refuses to start a thread that serves workers.
#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn no_thread(error: io::Error) -> Error {
    Error::Unsupported(format!(
        "backend `{}` cannot start a thread for its workers: {error}; ask for fewer workers or another backend",
        ENTRY.name
    ))
}

impl Session for Pipes {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let recipe = work.recipe().ok_or_else(|| super::no_recipe(ENTRY.name))?;
        let workers = self.places.len();
        let job = Job::begin(ENTRY.name, workers, self.timed, work, sink, stop)?;
        let work_message = WorkMessage::new(&recipe, job.prepared());
        self.run += 1;
        let schedule = self.schedule.with_auto_limit(job.grain());
        let run = Run {
            job: &job,
            work_message,
            program: &self.program,
            pinning: self.pinning.as_ref(),
            schedule,
            pieces: Loop::new(0..job.pieces(), schedule, workers),
            workers,
            number: self.run,
            origin: if self.timed { origin(&job) } else { 0 },
            given: AtomicUsize::new(0),
            losses: Losses::new(&job, ENTRY.name, workers),
            pool: Mutex::new(Pool { active: workers, ..Pool::default() }),
            changed: Condvar::new(),
        };
        report_lost(&mut self.lost, &run.losses);
        if job.pieces() > 0 && !job.is_over() {
            let lives: Vec<_> = self.places.iter().map(|place| place.live.clone()).collect();
            let running = AtomicUsize::new(workers);
            std::thread::scope(|scope| {
                let monitor = std::thread::current();
                for place in &mut self.places {
                    let (run, running, monitor) = (&run, &running, monitor.clone());
                    let name = format!("fractal-pipe-{}", place.worker.index());
                    let body = move || {
                        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| run.serve(place))) {
                            run.job.lost(payload.as_ref());
                        }
                        running.fetch_sub(1, Ordering::Release);
                        monitor.unpark();
                    };
                    if let Err(error) = Builder::new().name(name).spawn_scoped(scope, body) {
                        let _ = job.fail(no_thread(error));
                        running.fetch_sub(1, Ordering::Release);
                        lock(&run.pool).active -= 1;
                    }
                }
                run.look_after(&lives, &running, self.timeout);
            });
            let mut pool = lock(&run.pool);
            if !job.is_over() && !pool.orphans.is_empty() {
                let _ = job.fail(pool.refusal.take().unwrap_or_else(|| Error::Unsupported("no worker is left".into())));
            }
        }
        let mut reports: Vec<_> = self.places.iter_mut().map(|place| place.worker.take_report()).collect();
        if self.timed {
            for (report, place) in reports.iter_mut().zip(&self.places) {
                if let Some(member) = &place.member {
                    let mut process = lock(&member.live.process);
                    (report.process, report.processor) = (process.id(), process.processor_time());
                    report.memory = if self.sized { process.memory() } else { 0 };
                }
            }
        }
        job.end(&self.schedule.to_string(), reports)
    }
}
