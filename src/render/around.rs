//! Renders around the reference orbit of another view, for previews: they have no need to wait for their own.

use super::Render;
use super::work::RenderWork;
use crate::kernel::Kept;
use std::sync::Arc;

/// The reference orbit that a render made, and what it is the reference of.
#[cfg(feature = "window")]
#[derive(Debug)]
pub(crate) struct Around(Kept);

#[cfg(feature = "window")]
impl Around {
    /// That of a render, if it was prepared and may serve other views.
    pub(crate) fn of(render: &Render) -> Option<Self> {
        render.work.request.keep(&render.work.tables.made()?).map(Self)
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A render around it, if it serves that: the samples are as accurate, but have not the bits of those around the render's own.
    pub(crate) fn preview(&self, render: &Render) -> Option<Render> {
        render.around(&self.0)
    }

    /// The same if it is the render's own, to the bit.
    pub(crate) fn own(&self, render: &Render) -> Option<Render> {
        if render.work.request.is_own(&self.0) { render.around(&self.0) } else { None }
    }
}

impl Render {
    /// The same render around the reference orbit of another view, if that serves it.
    pub(super) fn around(&self, kept: &Kept) -> Option<Self> {
        let request = self.work.request.around(kept)?;
        let kernel = self.work.maker.kernel(&request).ok()?;
        let work = RenderWork { request, kernel, tables: Arc::default(), ..(*self.work).clone() };
        Some(Self { work: Arc::new(work), ..self.clone() })
    }
}
