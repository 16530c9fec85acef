//! Tasks: work that is discovered while other work is done, as in a tree.

use crate::parallel::lock;
use crate::parallel::team::{Member, Waiter};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Accepts tasks while the team is in [`Member::tasks`]. What they borrow outlives that call: `'env`.
pub struct Tasks<'a, 'env> {
    queue: &'a Queue,
    waiter: Waiter<'a>,
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

/// A task whose lifetime was erased.
type Task = Box<dyn FnOnce(&Tasks<'_, 'static>) + Send>;

/// What the members share in the construct.
struct Queue {
    state: Mutex<State>,
    /// Whether a member has taken on the body.
    taken: AtomicBool,
}

struct State {
    waiting: VecDeque<Task>,
    /// Tasks that members are running, including the body of the construct.
    running: usize,
    /// Set when a member leaves: tasks spawned from then on are dropped.
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock.
        lock(&self.state)
    }
}

impl Member<'_> {
    /// Calls `body` in the first member that arrives, has all members run the tasks that it and other tasks spawn, and waits until none
    /// are left (`single` with `task` and `taskgroup`). The member that called `body` takes the newest task, the others take the oldest.
    ///
    /// # Panics
    /// As [`Member::for_each`].
    pub fn tasks<'env>(&mut self, body: impl FnOnce(&Tasks<'_, 'env>)) {
        // The body counts as running from the start: a member is about to call it.
        let state = || State { waiting: VecDeque::new(), running: 1, closed: false };
        let queue = self.construct(|| Queue { state: Mutex::new(state()), taken: AtomicBool::new(false) });
        let (queue, waiter) = (&*queue, self.waiter());
        let leaving = Leaving { queue, waiter };
        let first = !queue.taken.swap(true, Ordering::Relaxed);
        if first {
            let _ended = Ended { queue, waiter };
            body(&Tasks { queue, waiter, env: PhantomData });
        }
        while let Some(task) = next(queue, waiter, first) {
            let _ended = Ended { queue, waiter };
            task(&Tasks { queue, waiter, env: PhantomData });
        }
        drop(leaving);
        self.barrier();
    }

    /// Calls `body` for each number of `range`, `grain` numbers per task (`taskloop`), and waits until all have finished.
    ///
    /// # Panics
    /// As [`Member::for_each`], and when `grain` is 0.
    pub fn taskloop(&mut self, range: Range<usize>, grain: usize, body: &(impl Fn(usize) + Sync)) {
        self.tasks(|tasks| {
            for start in range.clone().step_by(grain) {
                let part = start..range.end.min(start.saturating_add(grain));
                tasks.spawn(move |_| part.for_each(body));
            }
        });
    }
}

/// A task to run, or `None` when all are done.
fn next(queue: &Queue, waiter: Waiter<'_>, newest: bool) -> Option<Task> {
    loop {
        let mut state = queue.state();
        let task = if newest { state.waiting.pop_back() } else { state.waiting.pop_front() };
        if task.is_some() {
            state.running += 1;
            return task;
        }
        if state.running == 0 {
            return None;
        }
        drop(state);
        waiter.wait("the tasks of its team", || {
            let state = queue.state();
            state.running == 0 || !state.waiting.is_empty()
        });
    }
}

impl<'env> Tasks<'_, 'env> {
    /// Adds a task, which some member will run. It can spawn others.
    #[allow(unsafe_code)]
    pub fn spawn(&self, task: impl FnOnce(&Tasks<'_, 'env>) + Send + 'env) {
        let task: Box<dyn FnOnce(&Tasks<'_, 'env>) + Send + 'env> = Box::new(task);
        // SAFETY: the task is run or dropped before the call of `Member::tasks` that `'env` outlives returns, because `Leaving` waits for
        // that, even when the member unwinds. The task is called with `Tasks` of the erased lifetime, but can only give it tasks of
        // `'env`; the same holds for these.
        let task = unsafe { std::mem::transmute::<Box<dyn FnOnce(&Tasks<'_, 'env>) + Send + 'env>, Task>(task) };
        let mut state = self.queue.state();
        if state.closed {
            drop((state, task));
        } else {
            state.waiting.push_back(task);
            drop(state);
            self.waiter.notify();
        }
    }
}

/// Records when dropped that a task has ended, however it did.
struct Ended<'a> {
    queue: &'a Queue,
    waiter: Waiter<'a>,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.queue.state().running -= 1;
        self.waiter.notify();
    }
}

/// Lets a member leave only when no task is left: all have run, or were dropped because it unwinds.
struct Leaving<'a> {
    queue: &'a Queue,
    waiter: Waiter<'a>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let dropped = {
            let mut state = self.queue.state();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(dropped);
        self.waiter.wait_whatever(|| self.queue.state().running == 0);
    }
}

impl fmt::Debug for Tasks<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.queue.state();
        write!(f, "Tasks({} waiting, {} running)", state.waiting.len(), state.running)
    }
}
