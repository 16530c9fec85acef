//! Answers the first slide, "concurrency is not parallelism": one core where two tasks take turns, beside two cores.

use super::support::{cores_allowed, keep_to_cores, notice};
use fractal::Result;
use std::thread;
use std::time::{Duration, Instant};

/// How many columns a timeline has.
const COLUMNS: usize = 60;

/// What a task does with its time.
#[derive(Clone, Copy)]
enum Task {
    /// Needs so much of a core's time.
    Compute(Duration),
    /// Waits so long for something else: a disk, a network, a person.
    Wait(Duration),
}

/// Runs a task; returns when it was seen to run, since `began`.
fn run_task(task: Task, began: Instant) -> Vec<Duration> {
    let mut seen = Vec::new();
    match task {
        Task::Compute(need) => {
            let (mut had, mut last) = (Duration::ZERO, Instant::now());
            while had < need {
                // Longer than a step of this loop takes: something else ran meanwhile.
                let step = last.elapsed();
                last += step;
                had += step.min(Duration::from_micros(20));
                seen.push(last - began);
            }
        }
        Task::Wait(time) => {
            seen.push(began.elapsed());
            thread::sleep(time);
            seen.push(began.elapsed());
        }
    }
    seen
}

/// Runs two tasks on so many cores, and draws when each ran.
fn show(what: &str, task: Task, cores: usize, column: Duration) {
    let began = Instant::now();
    let times = thread::scope(|scope| {
        let start = |_| scope.spawn(move || (keep_to_cores(cores), run_task(task, began)).1);
        [0, 1].map(start).map(|thread| thread.join().expect("a task does not panic"))
    });
    println!(
        "\n{what}, {cores} core{}: {:.0} ms",
        if cores == 1 { "" } else { "s" },
        began.elapsed().as_secs_f64() * 1e3
    );
    for (name, seen) in ["A", "B"].iter().zip(times) {
        let mut line = [' '; COLUMNS];
        for at in seen {
            if let Some(place) = line.get_mut((at.as_nanos() / column.as_nanos()) as usize) {
                *place = '#';
            }
        }
        println!("  {name} |{}|", line.iter().collect::<String>());
    }
}

/// Runs the lesson.
pub(crate) fn run(quick: bool) -> Result<()> {
    let time = Duration::from_millis(if quick { 10 } else { 60 });
    let column = time * 5 / 2 / COLUMNS as u32;
    println!("Two tasks, A and B, of {} ms each. A # is when a task was seen to run.", time.as_millis());
    let both = cores_allowed().min(2);
    show("They compute", Task::Compute(time), 1, column);
    show("They compute", Task::Compute(time), both, column);
    show("They wait", Task::Wait(time), 1, column);
    show("They wait", Task::Wait(time), both, column);
    notice(
        "on one core both tasks are in progress at once, and at each moment one runs: that is concurrency. Two cores \
        run both: that is parallelism, and only it makes computing faster. Waiting needs no core at all.",
    );
    Ok(())
}
