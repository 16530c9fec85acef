//! Running a work that is no picture: its session, progress, trace and statistics, in the work's own words.

use super::args::WorkArgs;
use super::bar::{Display, Ticker, scaled};
use super::losses::Losses;
use super::render::write_trace;
use super::signals::Signals;
use super::stats::{Mark, peak_memory};
use super::wisdom::{self, Asked, Chosen};
use super::{note, note_json};
use fractal::Result;
use fractal::backend::{BackendEntry, SessionOptions};
use fractal::parallel::{Pieces, Report, Sink, Tee, Work};
use fractal::sink::{Kept, Progress, Resumed, Trace};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// How a work is run, and what is shown of it.
pub(super) struct Runner<'a> {
    args: &'a WorkArgs,
    backend: &'static BackendEntry,
    options: SessionOptions,
    display: Display,
}

impl<'a> Runner<'a> {
    /// Works out what the arguments mean.
    pub(super) fn new(args: &'a WorkArgs) -> Result<Self> {
        let asked = Asked { backend: args.backend.as_deref(), schedule: args.schedule.as_deref(), tile: None };
        let Chosen { backend, schedule, .. } = wisdom::choose(asked, args.quiet)?;
        let options = SessionOptions {
            workers: args.workers.unwrap_or(0),
            schedule: Some(schedule),
            pin: args.pin,
            // Whoever is quiet sees no times.
            timed: !args.quiet || args.trace.is_some() || args.stats.is_some(),
            sized: args.stats.is_some(),
            ..SessionOptions::default()
        };
        Ok(Self { args, backend, options, display: Display::new(&args.progress, args.quiet) })
    }

    /// Computes the pieces of `work` that are not `kept`; the sinks see all. `name` stands before the progress.
    pub(super) fn run(
        &self,
        name: &str,
        work: &Arc<dyn Work>,
        kept: Vec<Arc<dyn Kept>>,
        sinks: Vec<Arc<dyn Sink>>,
        signals: &Signals,
    ) -> Result<Report> {
        let mark = Mark::first();
        let output = self.args.trace.as_ref().map(|path| signals.create(path)).transpose()?;
        let mut session = self.backend.open(&SessionOptions { stop: signals.stop.clone(), ..self.options.clone() })?;
        let progress = Arc::new(Progress::of_pieces(work.len()));
        let trace = output.is_some().then(|| Arc::new(Trace::new(name, Instant::now())));
        let losses = Arc::new(Losses::default());
        let own: [Option<Arc<dyn Sink>>; 3] = [
            trace.clone().map(|trace| trace as _),
            (self.display != Display::Hidden).then(|| progress.clone() as _),
            self.args.verbose.then(|| losses.clone() as _),
        ];
        let sink: Arc<dyn Sink> = Arc::new(Tee::new(sinks.into_iter().chain(own.into_iter().flatten()).collect()));
        let ticker = Ticker::start(self.display, name, progress);
        let started = Mark::now();
        let report = if kept.is_empty() {
            session.run(work.clone(), sink, &signals.stop)
        } else {
            let all = Pieces::new(work.len(), None);
            let resumed = Resumed::new(sink, work.clone(), &all, kept, &signals.stop)?;
            session.run(resumed.rest(), Arc::new(resumed), &signals.stop)
        };
        drop(ticker);
        losses.report(name);
        let report = report?;
        let ended = Mark::now();
        if self.args.stats.is_some() {
            note_json(&stats(name, &**work, &report, [&mark, &started, &ended]));
        }
        if let Some((output, trace)) = output.zip(trace) {
            write_trace(output, &[trace])?;
        }
        Ok(report)
    }

    /// Whether people read what is written, and nothing else does.
    pub(super) fn is_reported(&self) -> bool {
        !self.args.quiet
    }

    /// Reports a line on standard error, unless it is quiet.
    pub(super) fn note(&self, line: impl AsRef<str>) {
        if self.is_reported() {
            note(line);
        }
    }
}

/// How fast a run was and who ran it: `in 1.20 s: 8.31 G numbers/s with 2 workers of threads, efficiency 0.98`.
pub(super) fn speed(report: &Report) -> String {
    let (wall, workers) = (report.wall.as_secs_f64(), report.workers.len());
    format!(
        "in {wall:.2} s: {}{}/s with {workers} {} of {}, efficiency {:.2}",
        scaled(report.executed() as f64 / wall.max(1e-9)),
        report.unit,
        if workers == 1 { "worker" } else { "workers" },
        report.backend,
        report.efficiency()
    )
}

/// What a run cost. Pieces and operations have the work's own names. Programs read these keys; keys may be added but not renamed.
fn stats(name: &str, work: &dyn Work, report: &Report, [begin, started, ended]: [&Mark; 3]) -> Value {
    let (pieces, unit) = (format!("{}s", work.piece()), report.unit);
    let elsewhere: f64 = report.workers.iter().map(|worker| worker.processor.as_secs_f64()).sum();
    let workers = report.workers.iter().map(|worker| {
        json!({
            "index": worker.index,
            "busy_seconds": worker.busy.as_secs_f64(),
            &pieces: worker.pieces,
            "claims": worker.claims,
            unit: worker.executed,
        })
    });
    json!({
        "work": name,
        "seconds": {
            "setup": started.since(begin) + report.setup.as_secs_f64(),
            "run": report.wall.as_secs_f64(),
            "total": ended.since(begin),
        },
        "cpu_seconds": {
            "run": ended.processor_since(started) + elsewhere,
            "total": ended.processor_since(begin) + elsewhere,
        },
        &pieces: work.len(),
        unit: report.executed(),
        "peak_memory_bytes": peak_memory().map(|own| own + report.workers.iter().map(|worker| worker.memory).sum::<u64>()),
        "backend": report.backend,
        "schedule": report.schedule,
        "workers": workers.collect::<Vec<_>>(),
        "imbalance": report.imbalance(),
        "efficiency": report.efficiency(),
    })
}
