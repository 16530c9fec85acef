//! OpenMP's constructs in Rust: a team of threads enters a region together, and shares loops, sections and tasks in it.
//!
//! ```
//! use fractal::parallel::{Schedule, region::region};
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! let found = AtomicUsize::new(0);
//! region(4, |team| {
//!     let mut own = 0;
//!     team.for_each(0..1000, Schedule::DYNAMIC, |number| own += usize::from(number % 7 == 0));
//!     let all = team.reduce(own, |left, right| left + right);
//!     team.single(|| found.store(all, Ordering::Relaxed));
//! })?;
//! assert_eq!(found.into_inner(), 143);
//! # Ok::<(), fractal::Error>(())
//! ```
//!
//! What OpenMP leaves undefined is either refused by the compiler or detected at run time. The compiler refuses data races and values that
//! escape from the region. Every construct borrows the [`Member`] (here `team`) mutably, so the compiler also refuses a construct inside
//! another one, where a barrier would wait for ever:
//!
//! ```compile_fail,E0499
//! # use fractal::parallel::{Schedule, region::region};
//! region(2, |team| {
//!     team.for_each(0..10, Schedule::DYNAMIC, |_| team.barrier());
//! })?;
//! # Ok::<(), fractal::Error>(())
//! ```
//! ```compile_fail,E0594
//! # use fractal::parallel::region::region;
//! let mut sum = 0;
//! region(2, |team| sum += team.index())?; // a race
//! # Ok::<(), fractal::Error>(())
//! ```
//! ```compile_fail,E0277
//! # use fractal::parallel::region::region;
//! let shared = std::rc::Rc::new(1);
//! region(2, |_| println!("{shared}"))?; // cannot be shared between threads
//! # Ok::<(), fractal::Error>(())
//! ```
//! ```compile_fail,E0521
//! # use fractal::parallel::region::region;
//! let kept = std::sync::Mutex::new(None);
//! region(2, |team| *kept.lock().unwrap() = Some(team))?; // a member that escapes
//! # Ok::<(), fractal::Error>(())
//! ```
//!
//! # Regions inside regions
//!
//! Each member of a team can enter a region of its own; then its thread is worker 0 of the inner team. How many workers that has:
//!
//! 1. What is asked for; for 0 the entry of `OMP_NUM_THREADS=4,2` for its level, the last entry for all deeper levels.
//! 2. One, if as many regions with more than one worker are around it as may be nested (`OMP_MAX_ACTIVE_LEVELS`): 1 by default, so that
//!    inner regions run alone, since the outer team has the processors already; any number if `OMP_NUM_THREADS` is a list.
//! 3. Fewer, if all regions of the process together would have more threads than `OMP_THREAD_LIMIT`. Who comes first gets them.
//!
//! A region of one worker takes an entry of the list in rule 1, as in OpenMP, but is not counted by rule 2.
//!
//! # Mistakes
//!
//! If not all workers reach a barrier, if they reach different constructs, or if a critical section is entered inside itself, this is
//! detected at once and reported as a worker's panic. A panic cancels the region: the others leave it at the next barrier or iteration, and
//! [`region`] returns the panics of all workers.

mod constructs;
mod settings;
mod tasks;

pub use super::critical::critical;
pub use super::team::Member;
pub use constructs::Ordered;
pub use settings::{RegionSettings, WaitPolicy};
pub use tasks::Tasks;

use super::event_count::SpinThenPark;
use super::panics;
use super::pin::Pinning;
use super::team::{Panic, Team};
use super::{Binding, MAX_WORKERS};
use crate::error::{Error, Result};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// In how many regions the thread is, and how many of them have more than one worker.
    static LEVEL: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
    /// The team of the thread's last region, which the next one can probably use again.
    static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
}

/// How often threads check that should avoid sleep: for some milliseconds, of which they only spin for 12 µs. Where the system has put two
/// members on one processor, a barrier takes as long as they spin: 277 µs with 20,000 spins, and GNU's OpenMP, which does not yield, 6 ms.
const ACTIVE: SpinThenPark = SpinThenPark { spins: 1000, yields: 20_000 };

/// Threads that are in regions, without those that entered them.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Calls `body` in `workers` workers at the same time, or in as many as the thread limit allows, and returns when all have left it. The
/// caller is worker 0. If `workers` is 0, [`RegionSettings::current`] decides how many there are. A region inside another one has one
/// worker unless the settings allow more.
///
/// The threads are kept for the calling thread's next region.
///
/// # Errors
/// [`Error::Panicked`] with the panics of all workers; [`Error::Usage`] when an environment variable is wrong, or there would be more than
/// [`MAX_WORKERS`] workers; [`Error::Unsupported`] when the system cannot start more threads.
pub fn region(workers: usize, body: impl Fn(&mut Member<'_>) + Sync) -> Result<()> {
    region_with(RegionSettings::current()?, workers, body)
}

/// [`region`] if `condition` is true, else the same with the caller as the only worker (OpenMP's `if` clause): for work that is not always
/// worth a team. A region inside one that runs alone may have several workers again: a team of one leaves the processors to it.
///
/// ```
/// use fractal::parallel::{Schedule, region::region_if};
///
/// let numbers = vec![1_u64; 100];
/// region_if(numbers.len() > 10_000, 4, |team| {
///     let mut sum = 0;
///     team.for_each(0..numbers.len(), Schedule::STATIC, |index| sum += numbers[index]);
///     assert_eq!((team.len(), team.reduce(sum, |left, right| left + right)), (1, 100));
/// })?;
/// # Ok::<(), fractal::Error>(())
/// ```
///
/// # Errors
/// As for [`region`].
pub fn region_if(condition: bool, workers: usize, body: impl Fn(&mut Member<'_>) + Sync) -> Result<()> {
    region(if condition { workers } else { 1 }, body)
}

/// [`region`] under `settings` instead of the environment's.
///
/// # Errors
/// As for [`region`].
pub fn region_with(settings: &RegionSettings, workers: usize, body: impl Fn(&mut Member<'_>) + Sync) -> Result<()> {
    panics::prepare();
    let [level, active] = LEVEL.get();
    let asked = if workers > 0 { workers } else { settings.workers_at(level) };
    if asked > MAX_WORKERS {
        return Err(Error::Usage(format!("a region of {asked} workers is too large; allowed are 1 to {MAX_WORKERS}")));
    }
    let allowed = if active < settings.max_active_levels { asked } else { 1 };
    let busy = Busy::take(allowed - 1, settings.thread_limit - 1);
    let mut team = Kept::take(settings, busy.0 + 1)?;
    let inner = [level + 1, active + usize::from(team.team.len() > 1)];
    // By value: what lies elsewhere in this frame goes to the other processors as another cache line (`team.rs`).
    let outcome = team.team.run(&move |member| {
        let _level = Level(LEVEL.replace(inner));
        // A member's panic is reported once, by the error, with its location.
        panics::with_place(|| body(member));
    });
    KEPT.set(Some(team));
    outcome.map_err(|panics| told(&panics))
}

/// A team between regions, with what it was made for.
struct Kept {
    team: Team,
    binding: Option<Binding>,
    waiting: Option<WaitPolicy>,
}

impl Kept {
    /// The thread's team if it fits, else a new one.
    fn take(settings: &RegionSettings, workers: usize) -> Result<Self> {
        let RegionSettings { binding, waiting, .. } = *settings;
        let fits = |kept: &Self| kept.team.len() == workers && (kept.binding, kept.waiting) == (binding, waiting);
        // A team that does not fit ends before the next begins.
        if let Some(kept) = KEPT.take().filter(fits) {
            return Ok(kept);
        }
        let pinning = binding.map(|binding| Pinning::new(binding, workers)).transpose()?;
        let team = match waiting {
            None => Team::new(workers, pinning)?,
            Some(WaitPolicy::Passive) => Team::with_spin(workers, pinning, SpinThenPark::NONE)?,
            Some(WaitPolicy::Active) => Team::with_spin(workers, pinning, ACTIVE)?,
        };
        Ok(Self { team, binding, waiting })
    }
}

/// Every member's panic in one error.
fn told(panics: &[Panic]) -> Error {
    let mut messages = panics.iter().map(|(worker, payload)| (*worker, panics::message(payload.as_ref())));
    let (worker, first) = messages.next().unwrap_or((0, "no message"));
    let others = messages.map(|(worker, message)| format!("; worker {worker} panicked as well: {message}"));
    let message = std::iter::once(first.to_owned()).chain(others).collect();
    Error::Panicked { piece: "its part of a region".into(), worker, message }
}

/// Restores the thread's level, also after a panic.
struct Level([usize; 2]);

impl Drop for Level {
    fn drop(&mut self) {
        LEVEL.set(self.0);
    }
}

/// Threads that count against the limit until this is dropped.
struct Busy(usize);

impl Busy {
    /// As many of `asked` threads as `limit` allows.
    fn take(asked: usize, limit: usize) -> Self {
        let add = |busy: usize| Some(busy + asked.min(limit.saturating_sub(busy)));
        let before = BUSY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or_else(|busy| busy);
        Self(asked.min(limit.saturating_sub(before)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(self.0, Ordering::Relaxed);
    }
}
