//! X servers of a test's own.

use super::left_out::lacks;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Sends a process a signal.
pub(crate) fn send(process: &Running, signal: Signal) {
    kill_process(Pid::from_child(&process.0), signal).unwrap();
}

/// A process that is killed when its value is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether all these programs are here; otherwise says which one is missing.
pub(crate) fn are_here(programs: &[&str], what: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    match programs.iter().find(|name| !is_here(name)) {
        Some(missing) => lacks(what, missing),
        None => return true,
    }
    false
}

/// Starts a server, and gives its display's name too; it does not answer if the server could not start. It chooses a free number, which
/// it reports when it is ready. It must not reset when its only client goes away.
pub(crate) fn start(arguments: &[&str]) -> (Running, String) {
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"])
        .args(arguments)
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut number = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
    (Running(server), format!(":{}", number.trim()))
}
