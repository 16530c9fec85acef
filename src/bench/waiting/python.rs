//! Python's clients, measured by the same server: a pool of threads, asyncio with aiohttp, and gevent.

use super::child::{Ask, Child};
use crate::error::Result;
use std::process::{Command, Stdio};

const PROGRAM: &str = include_str!("waits.py");

/// The clients, and the module that each needs.
pub(super) const CLIENTS: [(&str, &str); 3] =
    [("Python ThreadPoolExecutor", "concurrent.futures"), ("Python aiohttp", "aiohttp"), ("Python gevent", "gevent")];

/// The clients that this machine's Python has; of the others is said what is missing.
pub(super) fn found(left_out: &mut Vec<String>) -> Vec<&'static str> {
    let has = |module: &str| {
        let mut command = Command::new("python3");
        command
            .args(["-c", &format!("import {module}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let (there, missing): (Vec<_>, Vec<_>) = CLIENTS.into_iter().partition(|(_, module)| has(module));
    left_out.extend(missing.iter().map(|(name, module)| format!("{name}: `python3` has no module `{module}`")));
    there.into_iter().map(|(name, _)| name).collect()
}

/// Starts a client.
pub(super) fn client(ask: Ask) -> Result<Child> {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Child::start(command, &serde_json::to_string(&ask).expect("numbers and text are always JSON"))
}
