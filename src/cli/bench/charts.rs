//! What measurements with charts have in common: a drawing, a page, and progress.

use super::super::bar::Display;
use super::super::distinct::Files;
use super::super::signals::Signals;
use super::args::ChartArgs;
use super::busy;
use super::progress::Bar;
use fractal::Result;
use fractal::bench::results::write_to;
use fractal::sink::Output;

/// The files of the charts, which appear when they are written.
pub(super) struct Charts {
    drawing: Option<Output>,
    page: Option<Output>,
}

impl Charts {
    /// Opens the files, and waits until the machine is idle, if that is asked for.
    pub(super) fn begin(args: &ChartArgs, signals: &Signals) -> Result<(Self, Bar)> {
        let mut files = Files::new();
        [&args.svg, &args.html].into_iter().flatten().try_for_each(|path| files.writes(path))?;
        let open = |path: &Option<_>| path.as_ref().map(|path| signals.create(path)).transpose();
        let charts = Self { drawing: open(&args.svg)?, page: open(&args.html)? };
        let display = Display::new(&args.progress, false);
        busy::check(&args.busy, display, &signals.stop)?;
        Ok((charts, Bar::new(display)))
    }

    /// Writes them.
    pub(super) fn write(self, svg: impl FnOnce() -> String, html: impl FnOnce() -> String) -> Result<()> {
        self.drawing.map_or(Ok(()), |output| write_to(output, svg()))?;
        self.page.map_or(Ok(()), |output| write_to(output, html()))
    }
}
