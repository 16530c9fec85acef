//! Small Python programs beside ours, where Python is installed.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Takes a lock in a child: forked while a thread of the parent holds it, or before there is a thread.
pub(crate) const FORK: &str = r#"
import multiprocessing, sys, threading, warnings
warnings.simplefilter("ignore")
lock, held, end = threading.Lock(), threading.Event(), threading.Event()
def hold():
    with lock:
        held.set()
        end.wait()
def child():
    print("takes the lock" if lock.acquire(timeout=.1) else "would wait for ever", flush=True)
def fork():
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    return process
thread = threading.Thread(target=hold)
if sys.argv[1] == "late":
    thread.start()
    held.wait()
    process = fork()
else:
    process = fork()
    thread.start()
process.join()
end.set()
"#;

/// A pool whose workers sleep, until it is interrupted.
const POOL: &str = r#"
import multiprocessing, time
context = multiprocessing.get_context("fork")
all_work = context.Barrier(5)
def work(number):
    all_work.wait()
    time.sleep(60)
with context.Pool(4) as pool:
    result = pool.map_async(work, range(4), 1)
    all_work.wait()
    print("ready", flush=True)
    result.get()
"#;

/// Two processes add 1 to an entry of a manager's dictionary, so many times each, under a lock of the manager.
pub(crate) const MANAGER: &str = r#"
import multiprocessing, sys, time
times = int(sys.argv[1])
def client(entries, lock):
    for _ in range(times):
        with lock:
            entries["entry"] += 1
context = multiprocessing.get_context("fork")
with context.Manager() as manager:
    entries, lock = manager.dict(entry=0), manager.Lock()
    clients = [context.Process(target=client, args=(entries, lock)) for _ in range(2)]
    began = time.perf_counter()
    for process in clients:
        process.start()
    for process in clients:
        process.join()
    took = (time.perf_counter() - began) / times / 2 * 1e6
    print(f"{took:10.2f} µs{entries['entry']:12}")
"#;

fn start(program: &str, argument: &str) -> Option<Child> {
    let mut command = Command::new("python3");
    command.args(["-c", program, argument]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).spawn().ok()
}

/// What a Python program prints.
pub(crate) fn python(program: &str, argument: &str) -> String {
    let output = start(program, argument).and_then(|child| child.wait_with_output().ok());
    match output {
        Some(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
        Some(output) => format!("python3 failed: {}", output.status),
        None => "left out: python3 is not installed".to_owned(),
    }
}

/// Interrupts a Python pool as Ctrl-C in a terminal does: the whole process group.
pub(crate) fn interrupt_pool() -> String {
    let Some(mut child) = start(POOL, "") else { return "left out: python3 is not installed".to_owned() };
    let mut ready = String::new();
    let _ = BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut ready);
    let _ = kill_process_group(Pid::from_child(&child), Signal::INT);
    let mut text = String::new();
    let _ = child.stderr.take().expect("it is piped").read_to_string(&mut text);
    let _ = child.wait();
    format!("{} tracebacks in {} lines", text.matches("Traceback").count(), text.lines().count())
}
