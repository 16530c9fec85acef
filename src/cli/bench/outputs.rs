//! The output files of `bench`.
//!
//! All outputs are opened before anything is measured: a missing folder must not be reported only after minutes. A later failure, such as
//! a full disk, costs only the file concerned.

use super::super::distinct::Files;
use super::super::note;
use super::super::signals::Signals;
use super::args::ResultArgs;
use fractal::Result;
use fractal::bench::report::{Source, html};
use fractal::bench::results::{Results, write_to};
use fractal::sink::{Output, Trace};
use std::io;

/// The requested files, open.
pub(super) struct Outputs {
    signals: Signals,
    json: Option<Output>,
    csv: Option<Output>,
    markdown: Option<Output>,
    trace: Option<Output>,
    html: Option<Output>,
    /// Whether the file of `json` has measurements of this run.
    has_kept: bool,
}

impl Outputs {
    /// Opens the requested files; `files` has the others that the command reads and writes.
    pub(super) fn open(args: &ResultArgs, mut files: Files, signals: &Signals) -> Result<Self> {
        let ResultArgs { json, csv, markdown, html, trace } = args;
        [json, csv, markdown, html, trace].into_iter().flatten().try_for_each(|path| files.writes(path))?;
        let open = |path: &Option<_>| path.as_ref().map(|path| signals.create(path)).transpose();
        Ok(Self {
            json: open(&args.json)?,
            csv: open(&args.csv)?,
            markdown: open(&args.markdown)?,
            trace: open(&args.trace)?,
            html: open(&args.html)?,
            signals: signals.clone(),
            has_kept: false,
        })
    }

    /// Writes the measurements so far, as JSON, if the file can be replaced: pipes and devices get everything once, at the end.
    pub(super) fn keep(&mut self, results: &Results) -> Result<()> {
        let Some(output) = self.json.take_if(|json| json.temporary().is_some()) else { return Ok(()) };
        // The next output is opened before this one is complete, so that its place is never lost.
        self.json = Some(self.signals.create(output.path())?);
        write_to(output, results.to_json())?;
        self.has_kept = true;
        Ok(())
    }

    /// After a run that was stopped: says what is kept, and what continues, if there is a way.
    pub(super) fn leave(&self, continues: &str) {
        note(match &self.json {
            Some(json) if self.has_kept => {
                format!("fractal: the measurements so far are in `{}`{continues}", json.path().display())
            }
            Some(_) => "fractal: nothing is kept of the measurements, since none was written yet".into(),
            None => "fractal: nothing is kept of the measurements: --json FILE keeps them as they come".into(),
        });
    }

    /// Writes everything. A failure keeps no other file from being written; the first error is returned.
    pub(super) fn finish(
        self,
        results: &Results,
        csv: impl FnOnce() -> String,
        markdown: impl FnOnce() -> String,
    ) -> Result<()> {
        fn one<T: AsRef<[u8]>>(output: Option<Output>, bytes: impl FnOnce() -> T) -> Result<()> {
            output.map_or(Ok(()), |output| write_to(output, bytes()))
        }
        let Self { json, csv: rows, markdown: tables, trace, html: page, .. } = self;
        let outcomes = [
            one(json, || results.to_json()),
            one(rows, csv),
            one(tables, || spaced(&markdown())),
            one(trace, || timelines(results)),
            one(page, || html(&[Source::new("", results.clone())])),
        ];
        outcomes.into_iter().collect()
    }
}

/// A report in Markdown, in which every line that is not part of a table is a paragraph.
fn spaced(text: &str) -> String {
    let mut spaced = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let follows = line.starts_with('|') && spaced.lines().next_back().is_some_and(|last| last.starts_with('|'));
        spaced += if spaced.is_empty() || follows { "" } else { "\n" };
        spaced += line;
        spaced.push('\n');
    }
    spaced
}

/// One run of each backend, as a trace that Perfetto opens.
fn timelines(results: &Results) -> Vec<u8> {
    let scenes = results.scenes.iter().flat_map(|scene| {
        scene.timelines.iter().map(|line| line.trace(&scene.name, &scene.piece).of_tiles(scene.tiles.clone()))
    });
    let panels = results.panels.iter().map(|panel| {
        let name = format!("{}, {}, {} workers", panel.scene, panel.pieces(), panel.line.workers);
        panel.line.trace(&name, if panel.is_picture { "tile" } else { "" }).of_tiles(if panel.is_picture {
            panel.tiles.clone()
        } else {
            Vec::new()
        })
    });
    let mut bytes = Vec::new();
    Trace::write(&scenes.chain(panels).collect::<Vec<_>>(), &mut bytes as &mut dyn io::Write)
        .expect("memory can be written");
    bytes
}
