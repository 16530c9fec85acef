//! Calls of functions by name, which threads and processes can both make. A closure cannot travel to another process, in Python no more
//! than here: `pickle` sends a function's name.

use std::io::{BufRead, BufReader, Write};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a call gives: its value, or why there is none.
pub(crate) type Outcome = std::result::Result<u64, String>;

/// A function's name and its argument.
pub(crate) type Call = (&'static str, u64);

type Function = (&'static str, fn(u64) -> u64);

/// The functions that can be called.
const FUNCTIONS: [Function; 3] = [
    ("square", |n| n * n),
    ("pass", |gate| {
        while !path(gate).exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        gate
    }),
    ("fail", |n| panic!("no answer for {n}")),
];

/// The file that is there while a gate is open.
fn path(gate: u64) -> PathBuf {
    std::env::temp_dir().join(format!("lessons-gate-{gate}"))
}

/// Something that a call waits for until it is opened, so that the lesson need not guess how long things take.
pub(crate) struct Gate(pub(crate) u64);

impl Gate {
    /// A gate that no other lesson that runs at this time has.
    pub(crate) fn new(number: u64) -> Self {
        Self(u64::from(std::process::id()) * 10 + number)
    }

    /// Lets all pass.
    pub(crate) fn open(&self) {
        std::fs::write(path(self.0), "").expect("the temporary directory can be written to");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(path(self.0));
    }
}

/// Calls in this thread; a panic is an outcome like others.
fn call(name: &str, argument: u64) -> Outcome {
    let function = FUNCTIONS.iter().find(|(known, _)| *known == name).ok_or(format!("there is no function {name}"))?.1;
    catch_unwind(|| function(argument)).map_err(|panic| *panic.downcast::<String>().unwrap_or_default())
}

/// What makes calls in a thread.
pub(crate) fn in_thread() -> impl FnMut(Call) -> Outcome {
    |(name, argument)| call(name, argument)
}

/// What makes calls in a process of its own, which lives as long as this value.
pub(crate) fn in_process() -> impl FnMut(Call) -> Outcome {
    /// Waits for the process, whose input has ended.
    struct Reaped(Child);
    impl Drop for Reaped {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }
    let mut command = Command::new(std::env::current_exe().expect("a program knows its path"));
    let child = command.args(["executor", "--serve"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("this program can be started again");
    let mut answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut child = Reaped(child);
    move |(name, argument)| {
        let asked = child.0.stdin.as_mut().map(|questions| writeln!(questions, "{name} {argument}"));
        match (asked, answers.next()) {
            (Some(Ok(())), Some(Ok(line))) => match line.split_once(' ') {
                Some(("value", value)) => value.parse().map_err(|_| format!("{value} is no value")),
                _ => Err(line.trim_start_matches("error ").to_owned()),
            },
            _ => Err("the process has ended".into()),
        }
    }
}

/// The other end of [`in_process`]: answers until there are no more questions.
pub(crate) fn serve() {
    for line in std::io::stdin().lines().map_while(|line| line.ok()) {
        let (name, argument) = line.split_once(' ').unwrap_or_default();
        match call(name, argument.parse().unwrap_or_default()) {
            Ok(value) => println!("value {value}"),
            Err(error) => println!("error {error}"),
        }
    }
}
