//! Who computed what and when, in the trace format of Chrome, which ui.perfetto.dev opens: a process for each run, a row for each
//! worker, a slice for each claim.
//!
//! The format is "Trace Event Format" in its JSON object form; times are microseconds. It is written by hand since it is a handful
//! of lines, and a million claims are written as fast as they are formatted.

use crate::error::Result;
use crate::parallel::{Done, RunInfo, Sink};
use serde_json::Value;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A sink that collects the claims of one run. Sessions must take times for it (`timed` in [`crate::backend::Options`]).
#[derive(Debug)]
pub struct Trace {
    name: String,
    epoch: Instant,
    run: OnceLock<Run>,
}

#[derive(Debug)]
struct Run {
    backend: &'static str,
    /// When the run started, since the epoch.
    start: Duration,
    /// The claims of each worker.
    workers: Vec<Mutex<Vec<Slice>>>,
}

#[derive(Debug)]
struct Slice {
    range: Range<usize>,
    useful: u64,
    executed: u64,
    began: Duration,
    ended: Duration,
}

impl Trace {
    /// For a run of this name. Times are written since `epoch`, which all traces of a file share.
    pub fn new(name: impl Into<String>, epoch: Instant) -> Self {
        Self { name: name.into(), epoch, run: OnceLock::new() }
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
                run.write(&trace.name, index + 1, &mut comma, out)?;
            }
        }
        writeln!(out, "\n]}}")
    }
}

impl Run {
    fn write(&self, name: &str, pid: usize, comma: &mut &str, out: &mut dyn Write) -> io::Result<()> {
        let title = Value::from(format!("{name} ({})", self.backend));
        let metadata = |what: &str| format!(r#"{{"name":"{what}","ph":"M","pid":{pid}"#);
        write!(out, r#"{comma}{},"args":{{"name":{title}}}}}"#, metadata("process_name"))?;
        *comma = ",\n";
        for (tid, slices) in self.workers.iter().enumerate() {
            write!(out, r#"{comma}{},"tid":{tid},"args":{{"name":"worker {tid}"}}}}"#, metadata("thread_name"))?;
            for slice in slices.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let Slice { range, useful, executed, began, ended } = slice;
                let (first, last) = (range.start, range.end - 1);
                let label = if first == last { format!("tile {first}") } else { format!("tiles {first}–{last}") };
                let begin = Microseconds(self.start + *began);
                let duration = Microseconds(ended.saturating_sub(*began));
                write!(
                    out,
                    r#"{comma}{{"name":"{label}","ph":"X","pid":{pid},"tid":{tid},"ts":{begin},"dur":{duration},"args":{{"first":{first},"pieces":{},"iterations":{useful},"executed":{executed}}}}}"#,
                    range.len()
                )?;
            }
        }
        Ok(())
    }
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
        self.run.get_or_init(|| Run { backend: run.backend, start: self.epoch.elapsed(), workers });
        Ok(())
    }

    fn done(&self, done: &Done<'_>) -> Result<()> {
        let slice = Slice {
            range: done.range.clone(),
            useful: done.costs.iter().sum(),
            executed: done.executed,
            began: done.began,
            ended: done.ended,
        };
        // Each worker has its own list, so nobody waits here.
        if let Some(slices) = self.run.get().and_then(|run| run.workers.get(done.worker)) {
            slices.lock().unwrap_or_else(PoisonError::into_inner).push(slice);
        }
        Ok(())
    }

    fn kept(&self, _: &Done<'_>) -> Result<()> {
        // Nobody of this run did anything.
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
            ["first \"scene\" (by hand)", "worker 0", "worker 1", "second (by hand)", "worker 0", "worker 1"]
        );
        let slices: Vec<_> = with("X")
            .iter()
            .map(|slice| {
                let args = &slice["args"];
                let number = |value: &Value| value.as_u64().unwrap();
                let place = (number(&slice["pid"]), number(&slice["tid"]));
                (place, slice["name"].as_str().unwrap(), number(&args["pieces"]), number(&args["iterations"]))
            })
            .collect();
        assert_eq!(
            slices,
            [
                ((1, 0), "tile 0", 1, 0),
                ((1, 0), "tile 4", 1, 4),
                ((1, 1), "tiles 1–3", 3, 6),
                ((2, 1), "tiles 0–4", 5, 10)
            ]
        );
        let end = |slice: &Value| slice["ts"].as_f64().unwrap() + slice["dur"].as_f64().unwrap();
        let row: Vec<_> = with("X").into_iter().filter(|s| s["pid"] == 1 && s["tid"] == 0).collect();
        assert!(end(row[0]) <= row[1]["ts"].as_f64().unwrap() + 0.001, "a worker does one thing at a time");
        assert_eq!(row[0]["args"]["executed"], 10);
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
