//! The limit on descriptors, which every connection needs one of.

use crate::error::{Error, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

/// What a program needs besides its connections.
const OTHERS: u64 = 64;

/// How many connections this process may have at once, after raising its own limit as far as it may.
pub fn most_connections() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // What is refused leaves the limit as it was.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

/// Checks that this process may have so many connections at once, and raises its limit on descriptors if that is needed.
///
/// # Errors
/// [`Error::Unsupported`] that names the limit.
pub fn allow(connections: usize) -> Result<()> {
    let most = most_connections();
    if connections <= most {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "{connections} connections at once need a descriptor each, and this process may have {most}: allow fewer, or raise the limit \
         (`ulimit -n`)"
    )))
}
