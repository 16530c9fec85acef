//! A request to stop, shared by everything that takes part in a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A flag that asks a run to end early. Clones share the flag.
///
/// Work checks it at least every 20 ms; a session survives a stopped run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
    /// Counts how often the flag is checked: a worker that checks it makes progress.
    checks: Option<Arc<AtomicU64>>,
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that counts in `checks` how often it is checked.
    pub(crate) fn counted(checks: Arc<AtomicU64>) -> Self {
        Self { checks: Some(checks), ..Self::default() }
    }

    /// A flag that is set with `self` or on its own: it ends one run without ending its caller's.
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(self.own.clone()), checks: self.checks.clone() }
    }

    /// Asks the run to end. It cannot be taken back.
    pub fn set(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to end.
    #[inline]
    pub fn is_set(&self) -> bool {
        if let Some(checks) = &self.checks {
            checks.fetch_add(1, Ordering::Relaxed);
        }
        self.own.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|p| p.load(Ordering::Relaxed))
    }
}
