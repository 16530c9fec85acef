//! Who makes a render's kernel: this library, for its own formulas and those of a program, or the program itself.

use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::{Kernel, Request, choose};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The kind of a render with a formula of this library, for other processes.
pub(super) const KIND: &str = "render";

/// Whether a kind of work is that of a render, with whatever formula.
pub(super) fn is_render(kind: &str) -> bool {
    kind.strip_prefix(KIND).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Who makes a render's kernel, here and wherever its recipe is read.
#[derive(Clone)]
pub(super) enum Maker {
    /// This library, for the formula that the scene names.
    Library,
    /// This library, for a formula of the program's own.
    Formula(OwnFormula),
    /// Only the part of the program that planned the render.
    Kernel,
}

/// Makes kernels.
type Make = dyn Fn(&Request) -> Result<Arc<dyn Kernel>> + Send + Sync;

/// A formula of a program's own: the kind of its renders, and what makes its kernels.
#[derive(Clone)]
pub(super) struct OwnFormula {
    kind: Arc<str>,
    kernel: Arc<Make>,
}

impl Maker {
    pub(super) fn formula<F: Formula>(formula: F) -> Self {
        // Its parameters too: a worker whose formula has other ones must not take the work.
        let kind = format!("{KIND} {formula:?}").into();
        Self::Formula(OwnFormula { kind, kernel: Arc::new(move |request| choose::kernel_for(request, formula)) })
    }

    /// The kind of its renders; `None` if no other process can make the kernel.
    pub(super) fn kind(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Library => Some(KIND.into()),
            Self::Formula(own) => Some(own.kind.to_string().into()),
            Self::Kernel => None,
        }
    }

    pub(super) fn kernel(&self, request: &Request) -> Result<Arc<dyn Kernel>> {
        match self {
            Self::Library => request.kernel(),
            Self::Formula(own) => (own.kernel)(request),
            Self::Kernel => Err(Error::Unsupported("a kernel of your own belongs to one render only".into())),
        }
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Maker").field(&self.kind()).finish()
    }
}
