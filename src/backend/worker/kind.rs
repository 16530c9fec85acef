//! Kinds of work: how a worker makes a work from its recipe.

use crate::error::Result;
use crate::parallel::Work;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Makes a work from the bytes of its recipe.
type Make = dyn Fn(&[u8]) -> Result<Arc<dyn Work>> + Send + Sync;

/// A kind of work that a worker program can make from a [`Recipe`](crate::parallel::Recipe).
#[derive(Clone)]
pub struct WorkKind {
    name: Cow<'static, str>,
    make: Arc<Make>,
}

impl WorkKind {
    /// A kind by the name that recipes refer to it with, and how its work is made from a recipe's bytes.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        make: impl Fn(&[u8]) -> Result<Arc<dyn Work>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make) }
    }

    /// The name by which recipes refer to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The work of a recipe.
    pub(super) fn make(&self, recipe: &[u8]) -> Result<Arc<dyn Work>> {
        (self.make)(recipe)
    }
}

impl fmt::Debug for WorkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkKind").field("name", &self.name).finish_non_exhaustive()
    }
}
