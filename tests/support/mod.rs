//! A scratch directory in which the program is run.

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a documented command opens a window, so that it needs a screen.
#[allow(dead_code)] // Not every test reads the documents.
pub(crate) fn opens_a_window(line: &str) -> bool {
    (line.starts_with("fractal view") && !line.contains("--keys")) || line.contains(" --view")
}

/// A directory of its own for a test; it goes away with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The program with arguments, in this directory, without input, with none of the environment that it heeds, and with a cache of its
    /// own here.
    pub(crate) fn program<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fractal"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FRACTAL_") || name.to_string_lossy().starts_with("OMP_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_CACHE_HOME", self.join("cache"));
        command
    }
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
