//! What this crate's own program, tests and benchmarks use beyond the library's interface. It follows them, and may change with any
//! version.

pub use crate::error::{is_hidden, printable};
pub use crate::kernel::choose::F64_SPACING;
pub use crate::render::{DEFAULT_TILE, from_recipe, size_of_recipe};
pub use crate::sink::identity::{Identity, STDOUT, destination, is_stdout};
pub use crate::sink::output::check_stdout;
pub use crate::sink::records::{PART_EXTENSION, check_unused};
pub use crate::sink::staged::Leftover;
#[cfg(feature = "window")]
pub use crate::window::{remember::SavedState, save::command_line, script::Script};
#[cfg(feature = "thumbnails")]
pub use crate::works::thumbnails;
pub use crate::works::{MAX_LIMIT, NO_THUMBNAILS, PrimeCount, Primes};

/// What a program says that cannot wait for connections.
pub const NO_NET: &str =
    "this program was built without networking: build it with `cargo install --path . --features net`";

/// What Linux says of processes and the machine.
pub mod system {
    pub use crate::system::{address_space, available, bytes, data, status, value};
}

/// Which model of parallelism when.
#[cfg(feature = "bench")]
pub mod guide {
    pub use crate::guide::{
        Answer, Conduct, Figures, MODELS, Measured, NEEDS, Need, Question, Style, ask, guide, json, memory, record,
    };
}

/// Messages to and from workers in other processes.
pub mod frame {
    pub use crate::backend::worker::frame::{Head, Numbers, Tail, read, read_first, write};
}

/// The keys and gestures of the window.
#[cfg(feature = "window")]
pub mod keys {
    pub use crate::window::keys::{Action, GROUPS, Gesture, Group, KeyBinding, Trigger, action, markdown};
}

/// Pages that lead to pages.
#[cfg(feature = "net")]
pub mod crawl {
    pub use crate::crawl::{
        Answered, Crawl, CrawlOptions, Known, Links, Names, Page, ROBOTS_BYTES, Visit, host_of, links,
    };
}

/// Waiting for many connections.
#[cfg(feature = "net")]
pub mod waiting {
    pub use crate::waiting::http::{Fault, Reader};
    pub use crate::waiting::{
        Answer, Class, DEFAULT, Failure, Frontier, Limits, List, Next, Response, Target, WAITINGS, WaitingEntry, allow,
        find, most_connections,
    };
}
