//! Who computes the pieces: the trait and the table of backends. A backend is one file and one line here.
//!
//! When to choose which:
//!
#![doc = include_str!("choose.md")]

mod channel;
mod deque;
#[cfg(feature = "fibers")]
mod fibers;
#[cfg(feature = "futures")]
mod futures;
mod generators;
mod pipes;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(feature = "rayon")]
mod rayon;
mod replies;
mod serial;
mod threads;
#[cfg(feature = "tokio")]
mod tokio;
pub(crate) mod worker;
mod worker_pool;

pub use worker::{Program, WorkKind};

use crate::error::{Error, Result, perhaps, shorten};
use crate::parallel::pin::Pinning;
use crate::parallel::team::Team;
use crate::parallel::{
    Environment, Job, LastSeen, Report, Schedule, Sink, Stop, Work, WorkerReport, binding_in, process, worker_count_in,
    worker_timeout_in,
};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Every backend, beginning with the simplest. Help, lists, completions and error messages follow from this table.
pub const BACKENDS: &[BackendEntry] = &[
    serial::ENTRY,
    threads::ENTRY,
    #[cfg(feature = "rayon")]
    rayon::ENTRY,
    #[cfg(target_os = "linux")]
    processes::ENTRY,
    pipes::ENTRY,
    channel::ENTRY,
    deque::ENTRY,
    #[cfg(feature = "futures")]
    futures::ENTRY,
    #[cfg(feature = "tokio")]
    tokio::ENTRY,
    #[cfg(feature = "fibers")]
    fibers::ENTRY,
    generators::ENTRY,
];

/// The name of the default backend.
pub const DEFAULT: &str = threads::ENTRY.name;

/// Workers that live across runs.
///
/// A backend of your own decides who takes which pieces and when; [`Job`] does what all backends share:
///
/// ```
/// use fractal::backend::Session;
/// use fractal::parallel::{Job, Loop, Report, Schedule, Sink, Stop, Work, Worker};
/// use std::{sync::Arc, thread};
///
/// struct Scoped(usize);
///
/// impl Session for Scoped {
///     fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> fractal::Result<Report> {
///         let job = Job::begin("scoped", self.0, true, work, sink, stop)?;
///         let pieces = Loop::new(0..job.pieces(), Schedule::DYNAMIC, self.0);
///         let compute = |index| {
///             let mut worker = Worker::new(index);
///             let _ = pieces.claims(index).try_for_each(|claim| job.execute(&mut worker, claim));
///             worker.take_report()
///         };
///         let reports = thread::scope(|scope| {
///             let threads: Vec<_> = (0..self.0).map(|index| scope.spawn(move || compute(index))).collect();
///             threads.into_iter().map(|thread| thread.join().expect("pieces' panics are caught")).collect()
///         });
///         job.end("dynamic", reports)
///     }
/// }
/// # use fractal::parallel::{Claim, Discard, Prepared};
/// # struct Nothing;
/// # impl Work for Nothing {
/// #     fn len(&self) -> usize { 1000 }
/// #     fn piece_len(&self, _: usize) -> usize { 1 }
/// #     fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> fractal::Result<()> { Ok(()) }
/// # }
/// # let report = Scoped(3).run(Arc::new(Nothing), Arc::new(Discard), &Stop::new())?;
/// # assert_eq!(report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), 1000);
/// # Ok::<(), fractal::Error>(())
/// ```
pub trait Session: Send {
    /// Runs `work` to the end, delivering every finished piece to `sink`. The session can be used again afterwards, even after an
    /// error or a stop.
    ///
    /// # Errors
    /// The first error of the work or the sink, [`crate::Error::Panicked`], or [`crate::Error::Stopped`].
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report>;
}

/// How a session is opened. The default leaves everything to the environment and measures no times.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// The number of workers, up to [`crate::parallel::MAX_WORKERS`]; 0 for the number that
    /// [`worker_count`](crate::parallel::worker_count) gives. A backend that is not parallel always has one.
    pub workers: usize,
    /// Who takes which pieces; `None` for the schedule that [`Schedule::runtime`] gives.
    pub schedule: Option<Schedule>,
    /// Whether each worker is pinned to one processor; `OMP_PROC_BIND` can ask for it as well.
    pub pin: bool,
    /// Whether each claim is timed, for sinks and reports that show times.
    pub timed: bool,
    /// Whether the memory of workers is measured too, where a run is timed and they are processes: to ask the system takes 10 to 20 µs for
    /// each.
    pub sized: bool,
    /// The program that is started as a worker, where workers are processes: by default this program, which must call
    /// [`crate::worker_main`] first.
    pub program: Program,
    /// Stops waiting for workers to start, where these are processes. Each run has a `Stop` of its own.
    pub stop: Stop,
}

/// A backend's entry in the table.
#[derive(Clone)]
pub struct BackendEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// The model of parallelism that it demonstrates.
    pub model: &'static str,
    /// Its Python equivalent.
    pub counterpart: &'static str,
    /// When to choose it: what follows "choose it".
    pub choose: &'static str,
    /// When to choose another: what follows "choose another".
    pub avoid: &'static str,
    /// The schedules that it honours; those with a chunk are listed without one.
    pub schedules: &'static [Schedule],
    /// Whether it can have more than one worker.
    pub parallel: bool,
    /// How its workers and their session communicate, where they are other processes.
    transport: Option<worker::Transport>,
    /// How its workers get their claims.
    pub dispatch: Dispatch,
    probe: fn() -> std::result::Result<(), String>,
    open: fn(Setup) -> Result<Box<dyn Session>>,
}

impl BackendEntry {
    /// The defaults of an entry: threads of this process that take their own claims.
    const THREADS: Self = Self {
        name: "",
        help: "",
        model: "",
        counterpart: "",
        choose: "",
        avoid: "",
        schedules: &[],
        parallel: true,
        transport: None,
        dispatch: Dispatch::PULL,
        probe: || Ok(()),
        open: |_| Err(Error::Unsupported("this backend has no way to open it".into())),
    };
}

/// How workers get the claims of a loop; the simulation depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// Each worker takes its own, for several shares in turn, each of which is a worker to the schedule.
    Pull {
        /// How many shares a worker has.
        shares: usize,
    },
    /// One thread takes all of them and queues those to be in flight; free workers take the next from the queue.
    Push,
}

impl Dispatch {
    /// Each worker takes its own claims.
    pub const PULL: Self = Self::Pull { shares: 1 };
}

/// The argument of an entry's `open`: the options with everything decided and checked.
struct Setup {
    workers: usize,
    schedule: Schedule,
    pinning: Option<Pinning>,
    timed: bool,
    sized: bool,
    program: Program,
    /// How long a worker process may show no progress.
    timeout: Duration,
    stop: Stop,
    /// Where the threads of a pool ran last, if there is one; `None` where they are pinned or wake apart without help.
    last_seen: OnceLock<Option<Arc<LastSeen>>>,
}

impl Setup {
    /// Begins a [`Job`] of this backend.
    fn begin(&self, backend: &'static str, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Job> {
        let mut job = Job::begin(backend, self.workers, self.timed, work, sink, stop)?;
        self.last_seen.get().into_iter().flatten().for_each(|threads| job.keep_apart(threads));
        Ok(job)
    }

    /// A team of the requested number of workers.
    fn team(&self) -> Result<Team> {
        Team::new(self.workers, self.pinning.clone())
    }

    /// Ends `job` with the reports of its workers.
    fn end(&self, job: &Job, workers: Vec<WorkerReport>) -> Result<Report> {
        job.end(&self.schedule.to_string(), workers)
    }

    /// What each thread of a pool does first: makes itself known, or pins itself to a processor if that was requested. Pinning was checked
    /// before; losing the processor since then is no reason to end.
    fn first(&self) -> impl Fn(usize) + Send + Sync + Clone + use<> {
        let (pinning, last_seen) = (self.pinning.clone(), self.last_seen().clone());
        move |index| {
            last_seen.iter().for_each(|last_seen| last_seen.rests(index));
            std::mem::forget(pinning.as_ref().and_then(|pinning| pinning.pin(index).ok()));
        }
    }

    fn last_seen(&self) -> &Option<Arc<LastSeen>> {
        let made = || if self.pinning.is_none() { LastSeen::new(self.workers).map(Arc::new) } else { None };
        self.last_seen.get_or_init(made)
    }

    /// The error when the system refuses to start workers.
    fn refused(&self, error: &dyn fmt::Display) -> Error {
        Error::Unsupported(format!("{} workers cannot be started: {error}; ask for fewer", self.workers))
    }
}

/// The error for a work that has no recipe.
fn no_recipe(backend: &str) -> Error {
    Error::Unsupported(format!(
        "backend `{backend}` computes in other processes and cannot make this work there, since it has no recipe; use `{DEFAULT}`"
    ))
}

/// The backend called `name`.
///
/// # Errors
/// [`Error::Usage`] that lists the known backends.
pub fn find(name: &str) -> Result<&'static BackendEntry> {
    BACKENDS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = BACKENDS.iter().map(|entry| entry.name).collect();
        let perhaps = perhaps(name, known.iter().copied());
        Error::Usage(format!("backend `{}`{perhaps} is unknown; there are {}", shorten(name), known.join(", ")))
    })
}

impl BackendEntry {
    /// Whether its workers are other processes, which requires a work to have a [`Recipe`](crate::parallel::Recipe).
    pub fn in_processes(&self) -> bool {
        self.transport.is_some()
    }

    /// Checks whether the backend can run here.
    ///
    /// # Errors
    /// Why it cannot, in a few words.
    pub fn probe(&self) -> std::result::Result<(), String> {
        (self.probe)()
    }

    /// Starts the workers.
    ///
    /// # Errors
    /// [`Error::Usage`] when an option or a variable is not allowed, or the backend does not honour the schedule;
    /// [`Error::Unsupported`] when the backend, so many workers, or pinning is not available here; [`Error::Stopped`].
    pub fn open(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let setup = self.set_up(options, &process)?;
        (self.open)(setup)
    }

    fn set_up(&self, options: &SessionOptions, environment: &Environment<'_>) -> Result<Setup> {
        let (schedule, variable) = match options.schedule {
            Some(schedule) => (schedule, None),
            None => Schedule::from_environment(environment)?,
        };
        if !self.schedules.iter().any(|honoured| honoured.serves(schedule)) {
            let honoured: Vec<_> = self.schedules.iter().map(|schedule| schedule.usage()).collect();
            return Err(Error::Usage(format!(
                "backend `{}` does not honour the schedule `{schedule}`{}; it honours {}",
                self.name,
                variable.map_or(String::new(), |name| format!(" from {name}")),
                honoured.join(", ")
            )));
        }
        let explicit = (options.workers > 0).then_some(options.workers);
        let asked = worker_count_in(explicit, environment)?;
        let workers = if self.parallel { asked } else { 1 };
        let binding = binding_in(options.pin, environment)?;
        self.probe().map_err(|why| Error::Unsupported(format!("backend `{}` cannot run here: {why}", self.name)))?;
        let pinning = binding.map(|binding| Pinning::new(binding, workers)).transpose()?;
        let timeout = worker_timeout_in(environment)?;
        let (program, stop) = (options.program.clone(), options.stop.clone());
        let SessionOptions { timed, sized, .. } = *options;
        let last_seen = OnceLock::new();
        Ok(Setup { workers, schedule, pinning, timed, sized, program, timeout, stop, last_seen })
    }
}

impl fmt::Debug for BackendEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendEntry")
            .field("name", &self.name)
            .field("schedules", &self.schedules)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for entry in BACKENDS {
            assert_eq!(find(entry.name).unwrap().name, entry.name, "names are unique");
            for text in [entry.help, entry.model, entry.counterpart, entry.choose, entry.avoid] {
                assert!(!text.contains('\n') && !text.is_empty(), "{} says what it is", entry.name);
            }
            assert!(entry.schedules.contains(&Schedule::AUTO), "{} has a schedule of its own choice", entry.name);
            assert_eq!(entry.probe(), Ok(()), "{} runs here", entry.name);
        }
        assert!(find(DEFAULT).unwrap().parallel);
        let error = find("thread").unwrap_err().to_string();
        assert!(
            error.starts_with("backend `thread` (perhaps you mean `threads`) is unknown; there are serial, threads"),
            "{error}"
        );
    }

    #[test]
    fn what_a_backend_does_not_honour_is_refused_with_what_it_does() {
        let serial = find("serial").unwrap();
        let variable = |name: &str| (name == "OMP_SCHEDULE").then(|| "guided,4".to_owned());
        let refusal = |result: Result<Setup>| match result {
            Err(Error::Usage(text)) => text,
            other => panic!("{:?}", other.err()),
        };
        let text = refusal(serial.set_up(&SessionOptions::default(), &variable));
        assert_eq!(
            text,
            "backend `serial` does not honour the schedule `guided,4` from OMP_SCHEDULE; it honours static[,chunk], auto"
        );
        let asked = SessionOptions { schedule: Some(Schedule::STEALING), ..SessionOptions::default() };
        assert!(refusal(serial.set_up(&asked, &|_| None)).contains("`nonmonotonic:dynamic`; it honours"));
        let text = refusal(serial.set_up(&SessionOptions { workers: 5000, ..SessionOptions::default() }, &|_| None));
        assert!(text.contains("from 1 to 4096"), "{text}");
    }

    #[test]
    fn the_environment_decides_what_is_not_asked_for() {
        let variable = |name: &str| match name {
            "FRACTAL_WORKERS" => Some("3".to_owned()),
            "FRACTAL_SCHEDULE" => Some("static,2".to_owned()),
            _ => None,
        };
        let setup = find("threads").unwrap().set_up(&SessionOptions::default(), &variable).unwrap();
        assert_eq!((setup.workers, setup.schedule.to_string().as_str()), (3, "static,2"));
        assert!(setup.pinning.is_none());
        let asked = SessionOptions {
            workers: 2,
            schedule: Some(Schedule::GUIDED),
            pin: true,
            timed: true,
            ..SessionOptions::default()
        };
        let setup = find("threads").unwrap().set_up(&asked, &variable).unwrap();
        assert_eq!((setup.workers, setup.schedule, setup.timed), (2, Schedule::GUIDED, true));
        assert!(setup.pinning.is_some());
        assert_eq!(find("serial").unwrap().set_up(&SessionOptions::default(), &variable).unwrap().workers, 1);
    }
}
