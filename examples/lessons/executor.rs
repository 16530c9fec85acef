//! Answers `concurrent.futures`: one executor over threads and over processes, with submit, map, as_completed, timeout and cancel.

use super::support::calls::{Call, Gate, Outcome, in_process, in_thread, serve};
use super::support::notice;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use fractal::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// How the processes of this lesson are started.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, hide = true)]
    serve: bool,
}

/// A call that somebody else makes. Who claims it first, a worker or who cancels it, decides what becomes of it.
#[derive(Clone)]
struct Future(Call, Arc<AtomicBool>, (Sender<Outcome>, Receiver<Outcome>));

impl Future {
    fn result(&self, limit: Duration) -> Outcome {
        self.2.1.recv_timeout(limit).unwrap_or_else(|_| Err("timeout".into()))
    }

    /// A call that has begun is not interrupted: then this says no.
    fn cancel(&self) -> bool {
        !self.1.swap(true, SeqCst)
    }
}

/// Workers that take calls from a queue; only `make` knows whether they are threads or processes.
struct Executor(Sender<(Future, Sender<Future>)>);

impl Executor {
    fn new<W: FnMut(Call) -> Outcome + 'static>(workers: usize, make: fn() -> W) -> Self {
        let (sender, queue) = unbounded::<(Future, Sender<Future>)>();
        for _ in 0..workers {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut work = make();
                for (future, done) in queue {
                    if !future.1.swap(true, SeqCst) {
                        let _ = future.2.0.send(work(future.0));
                        let _ = done.send(future);
                    }
                }
            });
        }
        Self(sender)
    }

    /// The futures, in order, and those that are completed, as they are.
    fn submit(&self, calls: impl IntoIterator<Item = Call>) -> (Vec<Future>, Receiver<Future>) {
        let (done, completed) = unbounded();
        let futures: Vec<_> = calls.into_iter().map(|call| Future(call, Arc::default(), bounded(1))).collect();
        for future in &futures {
            self.0.send((future.clone(), done.clone())).expect("workers live as long as their executor");
        }
        (futures, completed)
    }
}

/// The same for every executor: two workers are all that it knows.
fn show(executor: &Executor, [first, second]: [Gate; 2]) {
    let (futures, _) = executor.submit((1..=8).map(|n| ("square", n)));
    println!(
        "  map:          {:?}",
        futures.iter().flat_map(|future| future.result(Duration::MAX)).collect::<Vec<_>>()
    );
    let (futures, completed) = executor.submit([("pass", first.0), ("square", 7)]);
    println!("  as_completed: first {}", completed.recv().expect("one is done").0.0);
    println!("  timeout:      {:?}", futures[0].result(Duration::from_millis(10)));
    first.open();
    println!("  as_completed: then {}", completed.recv().expect("the other is done").0.0);
    let (futures, completed) = executor.submit([("pass", second.0), ("pass", second.0), ("square", 9)]);
    while !futures[..2].iter().all(|future| future.1.load(SeqCst)) {
        thread::yield_now();
    }
    println!("  cancel:       running {}, waiting {}", futures[0].cancel(), futures[2].cancel());
    second.open();
    println!("  completed:    {} of 3", completed.iter().count());
    let (futures, _) = executor.submit([("fail", 4), ("square", 4)]);
    let outcomes: Vec<_> = futures.iter().map(|future| future.result(Duration::MAX)).collect();
    println!("  an error:     {outcomes:?}");
}

/// Runs the lesson.
pub(crate) fn run(options: &Options) -> Result<()> {
    // Panics are outcomes here: nobody has to read of them twice.
    std::panic::set_hook(Box::new(|_| ()));
    if options.serve {
        serve();
        return Ok(());
    }
    println!("ThreadPoolExecutor:");
    show(&Executor::new(2, in_thread), [Gate::new(1), Gate::new(2)]);
    println!("\nProcessPoolExecutor:");
    show(&Executor::new(2, in_process), [Gate::new(3), Gate::new(4)]);
    notice(
        "threads and processes give the same answers through one interface. `map` keeps the order of its calls, \
        `as_completed` that of their ends; and an error comes to who asks for that result, not to others.",
    );
    Ok(())
}
