//! What is kept of a measurement: JSON in hyperfine's format, which its plot scripts can read, with additional keys of our own.

use super::fits::Fit;
use super::load::Usage;
use super::machine::Machine;
use super::overhead::Overheads;
use super::simulate::{Prediction, Recording};
use super::statistics::Summary;
use crate::error::{Error, Result};
use crate::sink::{Output, Slice, Trace};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

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
    /// Scaling laws.
    #[serde(default)]
    pub fits: Vec<Scaling>,
    /// The scenes, piece by piece.
    #[serde(default)]
    pub scenes: Vec<MeasuredScene>,
    /// The overhead of the backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<Overheads>,
}

/// The measurements of one combination of parameters. Times are in seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultEntry {
    /// What was run, in a line.
    pub command: String,
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
    /// How many times faster than the baseline of the same scene: one worker of `serial`.
    pub speedup: Option<f64>,
    /// Speed-up divided by the number of workers.
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
}

/// A scene, piece by piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MeasuredScene {
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub help: String,
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

/// One run, claim by claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// The backend.
    pub backend: String,
    /// The schedule.
    pub schedule: String,
    /// The number of workers.
    pub workers: usize,
    /// From the start of the run to its end, in seconds.
    pub wall: f64,
    /// Worker, first piece, number of pieces, start and end in microseconds since the start of the run.
    pub claims: Vec<(usize, usize, usize, f64, f64)>,
}

impl Timeline {
    /// Converts it to a trace that Perfetto opens.
    pub fn trace(&self, scene: &str) -> Trace {
        let micro = |micro: f64| Duration::from_nanos((micro * 1e3).max(0.0) as u64);
        let mut workers = vec![Vec::new(); self.workers];
        for &(worker, first, count, began, ended) in &self.claims {
            let slice =
                Slice { range: first..first + count, operations: None, began: micro(began), ended: micro(ended) };
            if let Some(slices) = workers.get_mut(worker) {
                slices.push(slice);
            }
        }
        let wall = Duration::try_from_secs_f64(self.wall).unwrap_or_default();
        Trace::recorded(format!("{scene}, {}", self.schedule), self.backend.clone(), wall, workers)
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

    /// Adds the contents of another file, for one report of several measurements. What both have is kept from this one.
    pub fn merge(&mut self, other: Self) {
        // A name may occur more than once in one file.
        let known: HashSet<_> = self.results.iter().map(ResultEntry::key).collect();
        self.results.extend(other.results.into_iter().filter(|entry| !known.contains(&entry.key())));
        let name = |fit: &Scaling| [&fit.scene, &fit.backend, &fit.schedule].map(String::clone);
        let mut known: HashSet<_> = self.fits.iter().map(name).collect();
        self.fits.extend(other.fits.into_iter().filter(|fit| known.insert(name(fit))));
        let mut known = HashMap::new();
        for (place, scene) in self.scenes.iter().enumerate() {
            known.entry(scene.name.clone()).or_insert(place);
        }
        for scene in other.scenes {
            match known.get(&scene.name) {
                // Two recordings of one scene may differ in their pieces, so one is taken whole: the one with real runs.
                Some(&place) if self.scenes[place].checks.is_empty() && !scene.checks.is_empty() => {
                    self.scenes[place] = scene;
                }
                Some(_) => {}
                None => {
                    known.insert(scene.name.clone(), self.scenes.len());
                    self.scenes.push(scene);
                }
            }
        }
        self.machine = self.machine.take().or(other.machine);
        self.overhead = self.overhead.take().or(other.overhead);
        for (mine, theirs) in [(&mut self.warnings, other.warnings), (&mut self.left_out, other.left_out)] {
            mine.extend(theirs);
            let mut seen = HashSet::new();
            mine.retain(|line| seen.insert(line.clone()));
        }
        self.settings.extend(other.settings);
        self.usage = self.usage.and(other.usage);
        self.fractal = VERSION;
    }

    /// A row for each entry: its parameters, statistics, and all its times at the end.
    pub fn csv(&self) -> String {
        let names: std::collections::BTreeSet<_> =
            self.results.iter().flat_map(|entry| entry.parameters.keys()).collect();
        let mut text = "command".to_owned();
        names.iter().for_each(|name| _ = write!(text, ",parameter_{name}"));
        text += ",runs,mean,stddev,median,min,max,mad,outliers,user,system,speedup,efficiency,karp_flatt,imbalance,idle,\
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
