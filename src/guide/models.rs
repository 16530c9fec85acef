//! What each backend does when something goes wrong, and with results that come faster than they are taken: facts, not figures.

use crate::backend::{self, BackendEntry};

/// How a backend behaves, in a few words each.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// The backend.
    pub name: &'static str,
    /// In what order its results come.
    pub order: &'static str,
    /// What happens when sinks are slower than the workers.
    pub pressure: &'static str,
    /// The lines of code that are its own.
    pub lines: usize,
}

/// What faults cost: of a worker that is a thread, and of one that is a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) panic: &'static str,
    pub(super) crash: &'static str,
    pub(super) kill: &'static str,
    pub(super) hang: &'static str,
    pub(super) cancel: &'static str,
}

const PANIC: &str = "ends the run with an error that names the piece; the session can be used again";

const THREAD: Faults = Faults {
    panic: PANIC,
    crash: "ends the program",
    kill: "only the program can be killed; a checkpoint keeps what is finished",
    hang: "the run waits for ever",
    cancel: "pieces look at a flag",
};

const PROCESS: Faults = Faults {
    panic: PANIC,
    crash: "costs its piece, which another worker computes again",
    kill: "costs its piece, which another worker computes again",
    hang: "after FRACTAL_WORKER_TIMEOUT seconds without progress the worker is replaced",
    cancel: "pieces look at a flag; a worker that does not is killed",
};

/// Counts lines of code: neither empty nor a comment, and not the tests, which stand last.
const fn lines(texts: &[&str]) -> usize {
    let (mut count, mut file) = (0, 0);
    while file < texts.len() {
        let text = texts[file].as_bytes();
        let mut at = 0;
        while at < text.len() {
            while at < text.len() && (text[at] == b' ' || text[at] == b'\n') {
                at += 1;
            }
            let is_comment = at + 1 < text.len() && text[at] == b'/' && text[at + 1] == b'/';
            if begins(text, at, b"#[cfg(test)]\nmod tests") {
                break;
            }
            if at < text.len() && !is_comment {
                count += 1;
            }
            while at < text.len() && text[at] != b'\n' {
                at += 1;
            }
        }
        file += 1;
    }
    count
}

const fn begins(text: &[u8], at: usize, with: &[u8]) -> bool {
    if at + with.len() > text.len() {
        return false;
    }
    let mut index = 0;
    while index < with.len() {
        if text[at + index] != with[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The lines of code of some files of `src/backend/`.
macro_rules! lines_of {
    ($($file:literal),+) => { const { lines(&[$(include_str!(concat!("../backend/", $file))),+]) } };
}

const AS_FINISHED: &str = "as they are finished; taken in order";
const STOLEN: &str = "as they are finished; everywhere at once where pieces are stolen";
const OWN_THREAD: &str = "a worker delivers its own results, and waits for the sinks";
const BOUNDED: &str = "a bounded number of claims is in flight; workers wait when it is reached";

/// Every backend, in the order of [`backend::BACKENDS`]; those that are left out of this build too.
pub const MODELS: &[Conduct] = &[
    Conduct { name: "serial", order: "in order", pressure: OWN_THREAD, lines: lines_of!("serial.rs") },
    Conduct { name: "threads", order: AS_FINISHED, pressure: OWN_THREAD, lines: lines_of!("threads.rs") },
    Conduct { name: "rayon", order: STOLEN, pressure: OWN_THREAD, lines: lines_of!("rayon.rs") },
    Conduct {
        name: "processes",
        order: AS_FINISHED,
        pressure: "each worker has a ring of shared memory; it waits when the ring is full",
        lines: lines_of!(
            "processes/mod.rs",
            "processes/claims.rs",
            "processes/collect.rs",
            "processes/member.rs",
            "processes/ring.rs",
            "processes/segment.rs",
            "processes/serve.rs"
        ),
    },
    Conduct {
        name: "pipes",
        order: AS_FINISHED,
        pressure: "a full pipe makes its worker wait",
        lines: lines_of!("pipes/mod.rs", "pipes/converse.rs", "pipes/member.rs", "pipes/run.rs"),
    },
    Conduct {
        name: "channel",
        order: AS_FINISHED,
        pressure: "a fixed number of claims is in flight; workers wait for the one thread that collects",
        lines: lines_of!("channel.rs"),
    },
    Conduct {
        name: "deque",
        order: "nearly in order",
        pressure: OWN_THREAD,
        lines: lines_of!("deque.rs", "deque/queues.rs"),
    },
    Conduct { name: "futures", order: AS_FINISHED, pressure: BOUNDED, lines: lines_of!("futures.rs") },
    Conduct { name: "tokio", order: AS_FINISHED, pressure: BOUNDED, lines: lines_of!("tokio.rs") },
    Conduct { name: "fibers", order: AS_FINISHED, pressure: OWN_THREAD, lines: lines_of!("fibers.rs") },
    Conduct {
        name: "generators",
        order: "side by side, in turns",
        pressure: OWN_THREAD,
        lines: lines_of!("generators.rs"),
    },
];

impl Conduct {
    /// The backend's entry, unless this build lacks it.
    pub(super) fn entry(&self) -> Option<&'static BackendEntry> {
        backend::find(self.name).ok()
    }

    pub(super) fn faults(&self) -> &'static Faults {
        if self.entry().is_some_and(BackendEntry::in_processes) { &PROCESS } else { &THREAD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BACKENDS;

    #[test]
    fn every_backend_has_its_facts() {
        for entry in BACKENDS {
            let conduct = MODELS.iter().find(|conduct| conduct.name == entry.name).expect(entry.name);
            assert!(conduct.lines > 15, "{}: {} lines", entry.name, conduct.lines);
        }
        assert!(MODELS.len() >= BACKENDS.len());
    }

    #[test]
    fn lines_of_code_are_counted() {
        let text = "//! a\n\nuse b;\n    // c\nfn d() {\n    e();\n}\n#[cfg(test)]\nmod tests {\n    f();\n}\n";
        assert_eq!((lines(&[text]), lines(&[text, "g\n\n"]), lines(&[""])), (4, 5, 0));
    }
}
