//! Who computed what and when, in Chrome's trace format, which ui.perfetto.dev opens: a process for each run, a row for each worker
//! and one for the run as a whole, a slice for each claim, a mark for each lost worker, and two counters: pieces waiting for a
//! worker, and workers without a claim, which shows gaps too short to be seen.
//!
//! The format is "Trace Event Format" in its JSON object form; times are microseconds. It is written by hand since that takes a
//! handful of lines, and a million claims are written as fast as they are formatted. Workers in other processes report the times of
//! their claims by the clock that all processes of a machine share.

use crate::error::Result;
use crate::parallel::{FinishedClaim, Report, RunInfo, Sink, lock};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A sink that collects the claims of one run. Sessions must measure times for it (`timed` in [`crate::backend::SessionOptions`]).
#[derive(Debug)]
pub struct Trace {
    name: String,
    epoch: Instant,
    run: OnceLock<Run>,
    /// Each piece's rectangle x, y, width, height in samples; none if the pieces are no tiles.
    tiles: Vec<[u32; 4]>,
}

#[derive(Debug)]
struct Run {
    backend: Cow<'static, str>,
    /// The name of its operations, in the plural.
    unit: &'static str,
    /// What a piece is.
    piece: Cow<'static, str>,
    /// Whether its pieces are all tiles of the trace, and not a part of them.
    is_whole: bool,
    /// When the run started, since the epoch.
    start: Duration,
    /// How long it took; unset if it was not complete.
    wall: OnceLock<Duration>,
    /// The claims of each worker.
    workers: Vec<Mutex<Vec<Slice>>>,
    /// Lost workers: which, when since the epoch, and how.
    lost: Mutex<Vec<(usize, Duration, String)>>,
}

/// A claim that a worker has computed.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its pieces.
    pub range: Range<usize>,
    /// Their cost, and the operations executed for them; `None` where they were not counted.
    pub operations: Option<[u64; 2]>,
    /// When it began, since the start of the run.
    pub began: Duration,
    /// When it ended.
    pub ended: Duration,
}

impl Trace {
    /// For a run of this name. Times are written since `epoch`, which all traces of a file share.
    pub fn new(name: impl Into<String>, epoch: Instant) -> Self {
        Self { name: name.into(), epoch, run: OnceLock::new(), tiles: Vec::new() }
    }

    /// With the rectangle x, y, width, height of each piece, in samples from the top left: slices then name their tiles by them.
    #[must_use]
    pub fn of_tiles(self, tiles: Vec<[u32; 4]>) -> Self {
        Self { tiles, ..self }
    }

    /// For a run that was recorded elsewhere and starts with the trace, with the slices of each of its workers. Its backend is given, and
    /// what a piece is.
    pub fn recorded(
        name: impl Into<String>,
        [backend, piece]: [String; 2],
        wall: Duration,
        workers: Vec<Vec<Slice>>,
    ) -> Self {
        let workers = workers.into_iter().map(Mutex::new).collect();
        let (start, lost) = (Duration::ZERO, Mutex::default());
        let run = Run {
            backend: backend.into(),
            unit: "operations",
            piece: piece.into(),
            is_whole: true,
            start,
            wall: wall.into(),
            workers,
            lost,
        };
        Self { run: run.into(), ..Self::new(name, Instant::now()) }
    }

    /// Writes the claims of all runs as one JSON object. Runs that were not started are left out.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write<'a>(traces: impl IntoIterator<Item = &'a Self>, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
        let mut comma = "\n";
        for (index, trace) in traces.into_iter().enumerate() {
            if let Some(run) = trace.run.get() {
                let tiles = if run.is_whole { &trace.tiles[..] } else { &[] };
                run.write((&trace.name, tiles), index + 1, &mut comma, out)?;
            }
        }
        writeln!(out, "\n]}}")
    }
}

impl Run {
    fn write(
        &self,
        (name, tiles): (&str, &[[u32; 4]]),
        pid: usize,
        comma: &mut &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let title = Value::from(format!("{name} ({})", self.backend));
        let unit = Value::from(self.unit);
        let metadata = |what: &str| format!(r#"{{"name":"{what}","ph":"M","pid":{pid}"#);
        write!(out, r#"{comma}{},"args":{{"name":{title}}}}}"#, metadata("process_name"))?;
        *comma = ",\n";
        // By time: workers that began or ended a claim, and pieces taken.
        let mut changes: Vec<(Duration, isize, usize)> = Vec::new();
        for (tid, slices) in self.workers.iter().enumerate() {
            write!(out, r#"{comma}{},"tid":{tid},"args":{{"name":"worker {tid}"}}}}"#, metadata("thread_name"))?;
            let mut slices = lock(slices);
            // Where another thread receives the results, they may be out of order.
            slices.sort_by_key(|slice| slice.began);
            for Slice { range, operations, began, ended } in slices.iter() {
                let (first, last) = (range.start, range.end - 1);
                let label = label(&self.piece, [first, last], tiles);
                let place = tiles.get(first).map_or_else(String::new, |[x, y, width, height]| {
                    format!(r#","x":{x},"y":{y},"width":{width},"height":{height}"#)
                });
                let (begin, end) = (self.start + *began, self.start + *ended);
                let duration = Microseconds(end.saturating_sub(begin));
                let effort = operations.map_or_else(String::new, |[useful, executed]| {
                    format!(r#",{unit}:{useful},"executed":{executed}"#)
                });
                write!(
                    out,
                    r#"{comma}{{"name":"{label}","cat":"claim","ph":"X","pid":{pid},"tid":{tid},"ts":{},"dur":{duration},"args":{{"first":{first},"pieces":{}{place}{effort}}}}}"#,
                    Microseconds(begin),
                    range.len()
                )?;
                changes.extend([(begin, 1, range.len()), (end, -1, 0)]);
            }
        }
        for (tid, when, how) in lock(&self.lost).iter() {
            let (ts, how) = (Microseconds(*when), Value::from(how.as_str()));
            write!(
                out,
                r#"{comma}{{"name":"worker lost","cat":"loss","ph":"i","s":"t","pid":{pid},"tid":{tid},"ts":{ts},"args":{{"how":{how}}}}}"#
            )?;
        }
        changes.sort_unstable();
        let last = changes.last().map_or(self.start, |(time, ..)| *time);
        let pieces = changes.iter().map(|(.., pieces)| pieces).sum();
        let end = self.wall.get().map_or(last, |wall| last.max(self.start + *wall));
        let tid = self.workers.len();
        write!(out, r#"{comma}{},"tid":{tid},"args":{{"name":"run"}}}}"#, metadata("thread_name"))?;
        write!(
            out,
            r#"{comma}{{"name":"run","cat":"run","ph":"X","pid":{pid},"tid":{tid},"ts":{},"dur":{},"args":{{"pieces":{pieces}}}}}"#,
            Microseconds(self.start),
            Microseconds(end - self.start)
        )?;
        self.counters(&changes, pieces, end, &mut |name, time, count| {
            write!(
                out,
                r#"{comma}{{"name":"{name}","ph":"C","pid":{pid},"tid":{tid},"ts":{},"args":{{"count":{count}}}}}"#,
                Microseconds(time)
            )
        })
    }

    /// Calls `put` with each change of each counter; `waiting` is the number of pieces waiting at the start.
    fn counters(
        &self,
        changes: &[(Duration, isize, usize)],
        waiting: usize,
        end: Duration,
        put: &mut dyn FnMut(&str, Duration, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut idle, mut waiting) = (self.workers.len() as isize, waiting);
        let mut before = [usize::MAX; 2];
        let waiting_name = format!("{}s waiting", self.piece);
        let mut count = |time, idle: isize, waiting: usize| {
            // Never below zero, whatever the clocks say.
            let now = [waiting, idle.max(0) as usize];
            for ((name, count), before) in [&*waiting_name, "idle workers"].into_iter().zip(now).zip(&mut before) {
                if count != *before {
                    put(name, time, count)?;
                    *before = count;
                }
            }
            Ok(())
        };
        count(self.start, idle, waiting)?;
        let mut at = 0;
        while let Some(&(time, ..)) = changes.get(at) {
            while let Some(&(_, taken, pieces)) = changes.get(at).filter(|change| change.0 == time) {
                idle -= taken;
                waiting = waiting.saturating_sub(pieces);
                at += 1;
            }
            count(time, idle, waiting)?;
        }
        // Counters keep their last value forever: outside a run no worker is idle.
        count(end, 0, waiting)
    }
}

/// The name of a slice: its pieces and, if they are tiles, where the first of them lies.
fn label(piece: &str, [first, last]: [usize; 2], tiles: &[[u32; 4]]) -> String {
    let numbers = if first == last { format!("{piece} {first}") } else { format!("{piece}s {first}–{last}") };
    tiles.get(first).map_or(numbers.clone(), |[x, y, ..]| format!("{numbers} at {x},{y}"))
}

/// A time in microseconds, to the nanosecond.
struct Microseconds(Duration);

impl std::fmt::Display for Microseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_micros(), self.0.subsec_nanos() % 1000)
    }
}

impl Sink for Trace {
    fn start(&self, run: &RunInfo) -> Result<()> {
        let workers = (0..run.workers).map(|_| Mutex::default()).collect();
        self.run.get_or_init(|| Run {
            backend: run.backend.into(),
            unit: run.unit,
            piece: run.piece.into(),
            is_whole: run.pieces == self.tiles.len(),
            start: self.epoch.elapsed(),
            wall: OnceLock::new(),
            workers,
            lost: Mutex::default(),
        });
        Ok(())
    }

    fn lost(&self, worker: usize, how: &str) {
        if let Some(run) = self.run.get() {
            let loss = (worker, self.epoch.elapsed(), how.to_owned());
            lock(&run.lost).push(loss);
        }
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let slice = Slice {
            range: done.range.clone(),
            operations: Some([done.costs.iter().fold(0, |sum, cost| sum.wrapping_add(*cost)), done.executed]),
            began: done.began,
            ended: done.ended,
        };
        // Each worker has its own list, so this never blocks.
        if let Some(slices) = self.run.get().and_then(|run| run.workers.get(done.worker)) {
            lock(slices).push(slice);
        }
        Ok(())
    }

    fn kept(&self, _: &FinishedClaim<'_>) -> Result<()> {
        // No worker of this run computed it.
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<()> {
        self.run.get().map(|run| run.wall.get_or_init(|| report.wall));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Claim, Job, Prepared, Report, Stop, Work, Worker};
    use std::sync::Arc;

    /// Piece i costs i and executes 10 operations.
    struct Numbers;

    impl Work for Numbers {
        fn len(&self) -> usize {
            5
        }
        fn piece_len(&self, _: usize) -> usize {
            0
        }
        fn unit(&self) -> &'static str {
            "numbers"
        }
        fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
            for index in claim.range() {
                claim.set_cost(index, index as u64);
                claim.add_executed(10);
            }
            Ok(())
        }
    }

    fn run(trace: &Arc<Trace>, claims: &[(usize, Range<usize>)]) -> Report {
        let job = Job::begin("by hand", 2, true, Arc::new(Numbers), trace.clone(), &Stop::new()).unwrap();
        let mut workers = [Worker::new(0), Worker::new(1)];
        for (worker, range) in claims {
            assert!(job.execute(&mut workers[*worker], range.clone()).is_continue());
        }
        job.end("by hand", workers.iter_mut().map(Worker::take_report).collect()).unwrap()
    }

    #[test]
    fn every_claim_is_a_slice_in_its_workers_row() {
        let epoch = Instant::now();
        let traces = ["first \"scene\"", "second"].map(|name| Arc::new(Trace::new(name, epoch)));
        run(&traces[0], &[(0, 0..1), (1, 1..4), (0, 4..5)]);
        run(&traces[1], &[(1, 0..5)]);
        let mut text = Vec::new();
        Trace::write(traces.iter().map(|trace| &**trace), &mut text).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        let events = json["traceEvents"].as_array().unwrap();
        let with = |phase: &str| events.iter().filter(|event| event["ph"] == *phase).collect::<Vec<_>>();
        let names: Vec<_> = with("M").iter().map(|event| event["args"]["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "first \"scene\" (by hand)",
                "worker 0",
                "worker 1",
                "run",
                "second (by hand)",
                "worker 0",
                "worker 1",
                "run"
            ]
        );
        let claims = || with("X").into_iter().filter(|slice| slice["cat"] == "claim");
        let slices: Vec<_> = claims()
            .map(|slice| {
                let args = &slice["args"];
                let number = |value: &Value| value.as_u64().unwrap();
                let place = (number(&slice["pid"]), number(&slice["tid"]));
                (place, slice["name"].as_str().unwrap(), number(&args["pieces"]), number(&args["numbers"]))
            })
            .collect();
        assert_eq!(
            slices,
            [
                ((1, 0), "piece 0", 1, 0),
                ((1, 0), "piece 4", 1, 4),
                ((1, 1), "pieces 1–3", 3, 6),
                ((2, 1), "pieces 0–4", 5, 10)
            ]
        );
        let end = |slice: &Value| slice["ts"].as_f64().unwrap() + slice["dur"].as_f64().unwrap();
        let row: Vec<_> = claims().filter(|s| s["pid"] == 1 && s["tid"] == 0).collect();
        assert!(end(row[0]) <= row[1]["ts"].as_f64().unwrap() + 0.001, "a worker does one thing at a time");
        assert_eq!(row[0]["args"]["executed"], 10);
        let run = with("X").into_iter().find(|slice| slice["cat"] == "run").unwrap();
        assert!(run["ts"].as_f64() <= row[0]["ts"].as_f64() && end(run) >= end(row[1]));
    }

    #[test]
    fn counters_follow_the_claims() {
        let at = Duration::from_micros;
        let slice =
            |range: Range<usize>, began, ended| Slice { range, operations: None, began: at(began), ended: at(ended) };
        let workers = vec![vec![slice(4..5, 7, 9), slice(0..3, 1, 5)], vec![slice(3..4, 2, 7)]];
        let trace = Trace::recorded("a", ["by hand".into(), "file".into()], at(10), workers);
        let mut text = Vec::new();
        Trace::write([&trace], &mut text).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        let counter = |name: &str| {
            let events = json["traceEvents"].as_array().unwrap().iter();
            let events = events.filter(|event| event["ph"] == "C" && event["name"] == name);
            let value =
                |event: &Value| (event["ts"].as_f64().unwrap() as u64, event["args"]["count"].as_u64().unwrap());
            events.map(value).collect::<Vec<_>>()
        };
        assert_eq!(counter("files waiting"), [(0, 5), (1, 2), (2, 1), (7, 0)]);
        // At 7 one worker ends and the other begins again.
        assert_eq!(counter("idle workers"), [(0, 2), (1, 1), (2, 0), (5, 1), (9, 2), (10, 0)]);
    }

    #[test]
    fn slices_name_their_tiles() {
        let tiles = [[0, 0, 8, 8], [8, 0, 4, 8], [0, 8, 8, 2]];
        assert_eq!([label("file", [0, 0], &[]), label("file", [0, 2], &[])], ["file 0", "files 0–2"]);
        assert_eq!(
            [label("tile", [1, 1], &tiles), label("tile", [1, 2], &tiles)],
            ["tile 1 at 8,0", "tiles 1–2 at 8,0"]
        );
        let slice = Slice { range: 1..3, operations: None, began: Duration::ZERO, ended: Duration::from_micros(1) };
        let trace = Trace::recorded(
            "a",
            ["by hand".to_owned(), "tile".to_owned()],
            Duration::from_micros(1),
            vec![vec![slice]],
        );
        let mut text = Vec::new();
        Trace::write([&trace.of_tiles(tiles.to_vec())], &mut text).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        let slice = json["traceEvents"].as_array().unwrap().iter().find(|event| event["cat"] == "claim").unwrap();
        let place = ["x", "y", "width", "height"].map(|name| slice["args"][name].as_u64().unwrap());
        assert_eq!((slice["name"].as_str(), place), (Some("tiles 1–2 at 8,0"), [8, 0, 4, 8]));
    }

    #[test]
    fn microseconds_keep_their_nanoseconds() {
        let text = |nanoseconds| Microseconds(Duration::from_nanos(nanoseconds)).to_string();
        assert_eq!(
            [text(0), text(5), text(1_000_042), text(3_000_000_999)],
            ["0.000", "0.005", "1000.042", "3000000.999"]
        );
    }
}
