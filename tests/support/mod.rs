//! A scratch directory in which to run the program, and helpers for waiting and for leaving tests out.

#![allow(dead_code)] // No test uses all of it.

pub(crate) mod left_out;
pub(crate) mod processes;
pub(crate) mod xvfb;

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Generous: what never happens is to be found, a slow machine is not.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Waits for something, and gives back what was found.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the long form of the tests is asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("FRACTAL_LONG").is_some()
}

/// Whether a documented command opens a window, so that it needs a screen.
pub(crate) fn opens_a_window(line: &str) -> bool {
    (line.starts_with("fractal view") && !line.contains("--keys")) || line.contains(" --view")
}

/// A directory of its own for a test; it goes away with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory.
    pub(crate) fn new(name: &str) -> Self {
        // Tests of one process may take the same name at the same time.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The program with arguments, in this directory, without input, with none of the environment that it heeds, with no signal ignored,
    /// and with a cache of its own here.
    pub(crate) fn program<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fractal"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FRACTAL_") || name.to_string_lossy().starts_with("OMP_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_CACHE_HOME", self.join("cache"));
        // Signals that whoever started the tests ignores, as a shell without job control does for what it starts with `&`, would be
        // ignored by the program as well.
        dispose(&mut command, &[libc::SIGHUP, libc::SIGINT, libc::SIGTERM], libc::SIG_DFL);
        command
    }
}

/// Has a command ignore SIGHUP and SIGINT from its start, as `nohup` and `&` of a script do.
pub(crate) fn ignore_signals(command: &mut Command) {
    dispose(command, &[libc::SIGHUP, libc::SIGINT], libc::SIG_IGN);
}

/// Sets what a command does at signals, `how` being `SIG_DFL` or `SIG_IGN`.
#[allow(unsafe_code)]
fn dispose(command: &mut Command, signals: &'static [libc::c_int], how: libc::sighandler_t) {
    use std::os::unix::process::CommandExt;
    assert!([libc::SIG_DFL, libc::SIG_IGN].contains(&how), "no handler");
    let set = move || {
        for &signal in signals {
            // SAFETY: this is a child between fork and exec, where POSIX allows `signal`; the signal exists, and `how` is no handler.
            unsafe { libc::signal(signal, how) };
        }
        Ok(())
    };
    // SAFETY: the closure calls nothing but `signal`; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
