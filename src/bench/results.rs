//! What is kept of a measurement: JSON in hyperfine's format, which its plot scripts can read, with additional keys of our own.

use super::fits::{Fit, Gustafson};
use super::load::Usage;
use super::machine::Machine;
use super::overhead::Overheads;
use super::simulate::{Prediction, Recording};
use super::statistics::{Interval, Summary};
pub use super::timeline::{Panel, Timeline, piece_name};
use crate::error::{Error, Result};
use crate::sink::Output;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;

/// The version of our keys.
pub const VERSION: u32 = 1;

/// The largest file that is read.
pub const MAX_BYTES: u64 = 1 << 30;

/// A file of results. Those of hyperfine have `results` only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// The measurements: an entry for each combination.
    pub results: Vec<ResultEntry>,
    /// Version of the keys below and in the entries, 0 for hyperfine's files.
    #[serde(default)]
    pub fractal: u32,
    /// The settings of the measurement; continuing it needs the same.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The machine that it was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// What the machine did meanwhile.
    #[serde(default)]
    pub usage: Usage,
    /// Reasons to doubt the figures.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What was requested but left out, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// For each scene, what its speed-ups are relative to: `one worker of serial, auto`; missing where nothing ran with one worker.
    #[serde(default)]
    pub bases: BTreeMap<String, String>,
    /// Scaling laws.
    #[serde(default)]
    pub fits: Vec<Scaling>,
    /// The scenes, piece by piece.
    #[serde(default)]
    pub scenes: Vec<MeasuredScene>,
    /// The overhead of the backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<Overheads>,
    /// Runs side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<Panel>,
}

/// The measurements of one combination of parameters. Times are in seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultEntry {
    /// What was run, in a line.
    pub command: String,
    /// What its pieces are, in the singular; empty in older files.
    #[serde(default)]
    pub piece: String,
    /// The mean of `times`.
    pub mean: f64,
    /// Their standard deviation.
    pub stddev: Option<f64>,
    /// Their median.
    pub median: f64,
    /// Processor time in user mode, the mean of the runs.
    pub user: f64,
    /// Processor time in the system, the mean of the runs.
    pub system: f64,
    /// The least of `times`.
    pub min: f64,
    /// The largest of `times`.
    pub max: f64,
    /// Wall-clock time of each run, in the order in which they were made.
    pub times: Vec<f64>,
    /// 0 for each run: a run that fails ends the measurement. hyperfine's files may hold others, and `None` after a signal.
    pub exit_codes: Vec<Option<i32>>,
    /// What distinguishes it from the others: scene, backend, schedule, workers.
    pub parameters: BTreeMap<String, String>,
    /// The median absolute deviation of `times`.
    pub mad: f64,
    /// How many of `times` are outliers.
    pub outliers: usize,
    /// Times of warm-up runs, which are not counted.
    pub warmup: Vec<f64>,
    /// Processor time of each run, of this process by its own clock.
    pub processor: Vec<f64>,
    /// For each run, the seconds that each worker was busy.
    pub busy: Vec<Vec<f64>>,
    /// Claims of the last run.
    pub claims: usize,
    /// Pieces of a run.
    pub pieces: usize,
    /// Pixels of the picture; 0 if it is not one, and in old files.
    pub pixels: usize,
    /// The work relative to that for one worker: above 1 where it grows with the workers; 0 in old files, where it is 1.
    pub growth: f64,
    /// Processor seconds of other programs during its runs, counted in ticks: each run adds an error of up to 20 ms, in either direction.
    pub others: Option<f64>,
    /// Whether other programs used enough to make its times too long.
    pub disturbed: bool,
    /// How many times faster than the baseline of the same scene, for the same amount of work.
    pub speedup: Option<f64>,
    /// The 95 % confidence interval of the speed-up; `None` if there are too few times for one.
    pub speedup_interval: Option<Interval>,
    /// Speed-up divided by the number of workers. `None`, as the speed-up, where it would be far above 1 because a baseline was disturbed.
    pub efficiency: Option<f64>,
    /// The Karp–Flatt metric: the serial fraction.
    pub karp_flatt: Option<f64>,
    /// The busiest worker's busy time divided by the mean, minus 1; the median of the runs.
    pub imbalance: Option<f64>,
    /// The part of the workers' time in which they did not compute; the median of the runs.
    pub idle: Option<f64>,
    /// Workers' time per piece apart from computing; the median of the runs.
    pub overhead_per_piece: Option<f64>,
}

/// How one backend and schedule scales on a scene.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaling {
    /// The scene.
    pub scene: String,
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// Amdahl's law.
    pub amdahl: Option<Fit>,
    /// The universal scalability law.
    pub universal: Option<Fit>,
    /// Gustafson's law, where the work grew with the workers.
    #[serde(default)]
    pub gustafson: Option<Gustafson>,
}

/// A scene, piece by piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MeasuredScene {
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub help: String,
    /// What its pieces are, in the singular: tiles, segments, files.
    #[serde(default)]
    pub piece: String,
    /// Each piece's rectangle x, y, width, height in samples; empty if it is not a picture.
    pub tiles: Vec<[u32; 4]>,
    /// What each piece costs alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// How many times longer pieces take when several workers compute at once: the index is the number of workers less 1.
    pub slowdown: Vec<f64>,
    /// Predictions for other schedules and numbers of workers.
    pub predictions: Vec<Forecast>,
    /// Who did what when, in one run of each backend.
    pub timelines: Vec<Timeline>,
    /// Real runs with their predictions.
    pub checks: Vec<Check>,
    /// By how much the predictions may be wrong, as real runs show; `None` where that is unknown, or so much that they say nothing.
    pub errors: Option<Interval>,
    /// What the timelines and the simulation suggest, a sentence each.
    #[serde(default)]
    pub advice: Vec<String>,
}

/// A schedule's predicted times over the number of workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forecast {
    /// The schedule.
    pub schedule: String,
    /// The order of the pieces.
    pub order: String,
    /// By number of workers; for schedules that take one, with the best chunk.
    pub runs: Vec<(Option<u32>, Prediction)>,
}

/// A real run with its prediction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// The number of workers.
    pub workers: usize,
    /// How many real runs there were.
    pub runs: usize,
    /// The lower decile of their times, in seconds.
    pub measured: f64,
    /// The predicted time, in seconds.
    pub predicted: f64,
}

impl Check {
    /// The prediction's relative error.
    pub fn error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }
}

/// One run of an [`ResultEntry`]. All times are seconds.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From its start to its end.
    pub time: f64,
    /// The sum of the workers' busy times.
    pub busy: f64,
    /// The largest of them.
    pub most: f64,
    /// How many workers there were.
    pub workers: usize,
    /// Processor time of this process.
    pub processor: f64,
}

impl ResultEntry {
    /// The runs with complete data; none in hyperfine's files.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        let known = self.times.iter().zip(&self.busy).zip(&self.processor);
        known.map(|((&time, busy), &processor)| Run {
            time,
            busy: busy.iter().sum(),
            most: busy.iter().copied().fold(0.0, f64::max),
            workers: busy.len(),
            processor,
        })
    }

    /// A parameter's value; empty when there is none.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The number of workers; 0 when it is unknown.
    pub fn workers(&self) -> usize {
        self.parameter("workers").parse().unwrap_or(0)
    }

    /// The work relative to that for one worker.
    pub fn growth(&self) -> f64 {
        if self.growth > 0.0 { self.growth } else { 1.0 }
    }

    /// Whether its work grows with the workers.
    pub fn is_weak(&self) -> bool {
        self.parameter("scaling") == "weak"
    }

    /// What identifies an entry across files: the parameters, or the command when there are none.
    pub fn key(&self) -> String {
        if self.parameters.is_empty() {
            return self.command.clone();
        }
        self.parameters.iter().map(|(name, value)| format!("{name:?}={value:?} ")).collect()
    }

    /// Computes the statistics of `times`.
    pub fn summarise(&mut self) {
        if let Some(summary) = Summary::of(&self.times) {
            let Summary { mean, stddev, median, min, max, mad, outliers } = summary;
            (self.mean, self.median, self.min, self.max) = (mean, median, min, max);
            self.stddev = (self.times.len() > 1).then_some(stddev);
            (self.mad, self.outliers) = (mad, outliers);
        }
        self.exit_codes = vec![Some(0); self.times.len()];
    }
}

impl Results {
    /// Reads one of our files or of hyperfine's.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is neither or from a later version.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |source| Error::io("read", path, source);
        // A pipe does not say how much it holds.
        let mut text = String::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::Input(format!(
                "`{}` is too large for results; allowed are at most {MAX_BYTES} bytes",
                path.display()
            )));
        }
        read.map_err(failed)?;
        let results: Self = serde_json::from_str(&text)
            .map_err(|error| Error::Input(format!("`{}` holds no results of a benchmark: {error}", path.display())))?;
        if results.fractal > VERSION {
            return Err(Error::Input(format!(
                "`{}` has results of version {}; this program reads versions up to {VERSION}",
                path.display(),
                results.fractal
            )));
        }
        let sound = |entry: &ResultEntry| entry.times.iter().all(|time| time.is_finite() && *time >= 0.0);
        if let Some(entry) = results.results.iter().find(|entry| !sound(entry)) {
            return Err(Error::Input(format!(
                "`{}` has a bad time for `{}`; allowed are finite numbers from 0",
                path.display(),
                entry.command
            )));
        }
        Ok(results)
    }

    /// The results as JSON, which [`Results::read`] reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }

    /// A row for each entry: its parameters, statistics, and all its times at the end.
    pub fn csv(&self) -> String {
        let names: std::collections::BTreeSet<_> =
            self.results.iter().flat_map(|entry| entry.parameters.keys()).collect();
        let mut text = "command".to_owned();
        names.iter().for_each(|name| _ = write!(text, ",parameter_{name}"));
        text += ",runs,mean,stddev,median,min,max,mad,outliers,user,system,disturbed,speedup,efficiency,karp_flatt,imbalance,idle,\
                 overhead_per_piece,times\n";
        for entry in &self.results {
            text += &quoted(&entry.command);
            names.iter().for_each(|name| _ = write!(text, ",{}", quoted(entry.parameter(name))));
            let ResultEntry { mean, median, min, max, mad, user, system, .. } = entry;
            let known = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let fields = [
                entry.times.len().to_string(),
                mean.to_string(),
                known(entry.stddev),
                median.to_string(),
                min.to_string(),
                max.to_string(),
                mad.to_string(),
                entry.outliers.to_string(),
                user.to_string(),
                system.to_string(),
                entry.disturbed.to_string(),
                known(entry.speedup),
                known(entry.efficiency),
                known(entry.karp_flatt),
                known(entry.imbalance),
                known(entry.idle),
                known(entry.overhead_per_piece),
                entry.times.iter().map(f64::to_string).collect::<Vec<_>>().join(" "),
            ];
            _ = writeln!(text, ",{}", fields.join(","));
        }
        text
    }
}

/// Writes a text to a file that appears only when it is complete.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    write_to(Output::create(path)?, text)
}

/// Writes `bytes` to an open output and completes it.
///
/// # Errors
/// When it cannot be written.
pub fn write_to(mut output: Output, bytes: impl AsRef<[u8]>) -> Result<()> {
    output.write_all(bytes.as_ref()).map_err(|source| Error::io("write", output.path(), source))?;
    output.finish()
}

/// A field of a CSV file (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
