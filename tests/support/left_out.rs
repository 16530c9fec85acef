//! Reports what is left out on this machine where it is seen: the output of a passing test is not.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// The list of what one `cargo test` left out. All its processes have one parent.
pub(crate) fn list() -> PathBuf {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    std::env::temp_dir().join(format!("fractal-left-out-{parent}"))
}

/// Says once that `what` is not tested here, and why; `tests/your_machine.rs` says it again at the end.
pub(crate) fn left_out(what: &str, why: &str) {
    let line = format!("left out: {what} ({why})\n");
    if fs::read_to_string(list()).is_ok_and(|said| said.contains(&line)) {
        return;
    }
    // Unlike what the macros print, this is not captured.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let list = File::options().create(true).append(true).open(list());
    list.and_then(|mut list| list.write_all(line.as_bytes())).unwrap();
}

/// The same for want of a program, which is a failure where `CI` says that everything must be tested.
pub(crate) fn lacks(what: &str, program: &str) {
    assert!(std::env::var_os("CI").is_none(), "`{program}` is not installed, which {what} needs");
    left_out(what, &format!("`{program}` is not installed"));
}
