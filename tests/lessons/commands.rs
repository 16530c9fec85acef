//! `commands`: what it prints, what it kills, and its exit status.

use super::support::{Scratch, until};
use super::{contains, lesson};
use std::process::Stdio;

/// What is printed, and the exit status.
fn outcome(arguments: &[&str]) -> (String, i32) {
    let output = lesson(&[&["commands"], arguments].concat()).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

/// Waits until the process whose number is in the file `name` has ended: it is gone, or nobody has waited for it yet.
fn has_ended(scratch: &Scratch, name: &str) {
    let number = std::fs::read_to_string(scratch.join(name)).unwrap();
    until("the end of a process", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

pub(super) fn run() {
    // The slow one is printed first, for it is the first.
    let (said, status) = outcome(&["-j", "3"]);
    contains(
        &said,
        &["[ok] sleep .2; echo slow, and yet printed first\nslow, and yet printed first\n[ok] echo quick\nquick\n"],
    );
    contains(&said, &["[status 3] ", "\nto both\nstreams\n", "\nNotice: "]);
    assert_eq!(status, 1, "the number of failures");

    // Large outputs on both streams of several commands are whole, and nobody waits for ever.
    let large = "head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' x >&2";
    let (said, status) = outcome(&["-j", "4", large, large, large, large]);
    assert_eq!((said.matches("xxxxxxxxxx").count(), status), (4 * 200_000, 0));

    // Real pipes; commands from standard input; at most 100 failures.
    assert_eq!(outcome(&["--pipe", "printf 'b\\na\\n'", "sort"]), ("[ok] printf 'b\\na\\n' | sort\na\nb\n".into(), 0));
    let (said, status) = outcome(&["--pipe", "yes", "head -n 1", "false"]);
    assert_eq!((said.as_str(), status), ("[status 1] yes | head -n 1 | false\n", 1), "a pipe ends with its reader");
    assert_eq!(outcome(&["-"]), (String::new(), 0), "no lines, no commands");
    assert_eq!(outcome(&["false"; 120]).1, 100);
    let (said, status) = outcome(&["-j", "1", "--fail-fast", "true", "exit 7", "echo never"]);
    assert_eq!((said.as_str(), status), ("[ok] true\n[status 7] exit 7\n[not run] echo never\n", 1));

    // A timeout ends grandchildren, too.
    let scratch = Scratch::new("commands");
    let grandchild = format!("sleep 600 & echo $! > '{}'; wait", scratch.join("late").display());
    let (said, status) = outcome(&["--timeout", "1", &grandchild]);
    assert!(said.starts_with("[timeout] ") && status == 1, "{said}");
    has_ended(&scratch, "late");

    // And so does an interrupt; what has not begun never does.
    let file = scratch.join("interrupted");
    let grandchild = format!("sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait", file.display());
    let mut command = lesson(&["commands", "-j", "1", &grandchild, "echo never"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the command to run", || file.exists().then_some(()));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    contains(&said, &["[stopped] sleep", "[not run] echo never\n"]);
    assert!(!said.contains("\nnever"), "{said}");
    has_ended(&scratch, "interrupted");
}
