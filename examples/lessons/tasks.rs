//! Answers `coop/generator_tasks.py`: generators that take turns, and pass values down a pipeline.

use super::support::{is_prime, notice};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use fractal::Result;
use std::collections::VecDeque;

/// A generator: a function that pauses where it yields, with everything that it has on its stack.
struct Generator<T>(Coroutine<(), T, ()>);

impl<T: 'static> Generator<T> {
    fn new(body: impl FnOnce(&Yielder<(), T>) + 'static) -> Self {
        Self(Coroutine::new(move |yielder, ()| body(yielder)))
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    /// Python's `next()`: resumes the function until it yields, or ends.
    fn next(&mut self) -> Option<T> {
        if self.0.done() {
            return None;
        }
        match self.0.resume(()) {
            CoroutineResult::Yield(value) => Some(value),
            CoroutineResult::Return(()) => None,
        }
    }
}

fn numbers(limit: u64) -> Generator<u64> {
    Generator::new(move |yielder| (1..=limit).for_each(|n| yielder.suspend(n)))
}

fn squares(numbers: Generator<u64>) -> Generator<u64> {
    Generator::new(move |yielder| numbers.for_each(|n| yielder.suspend(n * n)))
}

fn primes(numbers: Generator<u64>) -> Generator<u64> {
    Generator::new(move |yielder| numbers.filter(|&n| is_prime(n, || ())).for_each(|n| yielder.suspend(n)))
}

/// A task: its name, and a generator whose values are its results.
type Task = (&'static str, Generator<u64>, Vec<u64>);

/// Gives each task a turn until the last has ended; one that ends leaves, and the others go on.
fn take_turns(mut waiting: VecDeque<Task>) -> Vec<Task> {
    let mut ended = Vec::new();
    while let Some((name, mut generator, mut results)) = waiting.pop_front() {
        match generator.next() {
            Some(value) => {
                results.push(value);
                waiting.push_back((name, generator, results));
            }
            None => {
                println!("  after {:2} values, {name} ends", results.len());
                ended.push((name, generator, results));
            }
        }
    }
    ended
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let limit = if quick { 12 } else { 15 };
    println!("Two pipelines take turns on one thread, up to {limit}:");
    let squares = ("squares", squares(numbers(limit)), Vec::new());
    let primes = ("primes", primes(numbers(limit)), Vec::new());
    for (name, _, results) in take_turns([squares, primes].into()) {
        println!("\n{name}: {results:?}");
    }
    notice(
        "a task says itself when others may continue; nothing can come in between, so nothing needs a lock, and a \
        task that never yields stops all. The original's scheduler forgets the tasks after one that has ended.",
    );
    Ok(())
}
