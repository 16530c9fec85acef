//! Traces as Perfetto and Chrome read them: every event conforms to the Trace Event Format, a worker does one thing at a time, and the
//! clocks of all processes agree.

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use support::Scratch;

/// The names of the backends that run here.
fn backends(scratch: &Scratch) -> Vec<String> {
    let output = scratch.program(["backends", "--json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let available = list.as_array().unwrap().iter().filter(|backend| backend["available"] == true);
    available.map(|backend| backend["name"].as_str().unwrap().to_owned()).collect()
}

/// Runs the program, which must succeed and write `t.json`; gives back the events.
fn events(scratch: &Scratch, arguments: &[&str]) -> Vec<Value> {
    let output = scratch.program(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let trace: Value = serde_json::from_slice(&std::fs::read(scratch.join("t.json")).unwrap()).unwrap();
    assert_eq!(trace["displayTimeUnit"], "ms");
    trace["traceEvents"].as_array().unwrap().clone()
}

/// A time in nanoseconds, which the file has in microseconds with three digits behind the point.
fn nanoseconds(value: &Value) -> u64 {
    (value.as_f64().unwrap_or_else(|| panic!("{value} is no time")) * 1e3).round() as u64
}

/// What a run has.
#[derive(Default)]
struct Run {
    title: String,
    /// Names of threads by their number.
    threads: BTreeMap<u64, String>,
    /// By thread: begin, end, number of pieces.
    claims: BTreeMap<u64, Vec<(u64, u64, u64)>>,
    whole: Option<(u64, u64, u64)>,
    /// By name: time and value.
    counters: BTreeMap<String, Vec<(u64, u64)>>,
}

/// Checks each event alone.
fn runs(events: &[Value]) -> BTreeMap<u64, Run> {
    let mut runs: BTreeMap<u64, Run> = BTreeMap::new();
    for event in events {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{key} of {event}"));
        let run = runs.entry(number("pid")).or_default();
        let name = event["name"].as_str().unwrap().to_owned();
        let argument = || event["args"]["name"].as_str().unwrap().to_owned();
        match (event["ph"].as_str().unwrap(), name.as_str()) {
            ("M", "process_name") => run.title = argument(),
            ("M", "thread_name") => assert!(run.threads.insert(number("tid"), argument()).is_none(), "{event}"),
            ("X", _) => {
                let (begin, pieces) = (nanoseconds(&event["ts"]), event["args"]["pieces"].as_u64().unwrap());
                let slice = (begin, begin + nanoseconds(&event["dur"]), pieces);
                if event["cat"] == "run" {
                    assert!(run.whole.replace(slice).is_none(), "{event}");
                } else {
                    assert!(
                        event["cat"] == "claim"
                            && ["piece", "tile"].iter().any(|thing| name.starts_with(thing))
                            && pieces > 0,
                        "{event}"
                    );
                    run.claims.entry(number("tid")).or_default().push(slice);
                }
            }
            ("C", _) => {
                let value = event["args"]["count"].as_u64().unwrap();
                run.counters.entry(name).or_default().push((nanoseconds(&event["ts"]), value));
            }
            _ => panic!("an unknown event: {event}"),
        }
    }
    runs
}

/// Checks the events of a run together.
fn check(run: &Run, workers: usize, pieces: u64) {
    let title = &run.title;
    let names: Vec<&str> = run.threads.values().map(String::as_str).collect();
    let expected: Vec<String> = (0..workers).map(|worker| format!("worker {worker}")).chain(["run".into()]).collect();
    assert_eq!(names, expected, "{title}");
    let (start, end, counted) = run.whole.unwrap();
    assert_eq!(counted, pieces, "{title}");
    for (worker, claims) in &run.claims {
        assert!((*worker as usize) < workers, "{title}");
        // Both ends are rounded down to nanoseconds.
        let apart = claims.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 2);
        assert!(apart, "{title}: worker {worker} does one thing at a time: {claims:?}");
        // If another process had another clock, its claims would lie elsewhere.
        let inside = claims.iter().all(|claim| start <= claim.0 + 2 && claim.0 <= claim.1 && claim.1 <= end + 2);
        assert!(inside, "{title}: {start} to {end}: {claims:?}");
    }
    assert_eq!(run.claims.values().flatten().map(|claim| claim.2).sum::<u64>(), pieces, "{title}");
    let things = if run.counters.contains_key("tiles waiting") { "tiles" } else { "pieces" };
    let [waiting, idle] = [&format!("{things} waiting"), "idle workers"].map(|name| &run.counters[name]);
    assert_eq!(run.counters.len(), 2, "{title}");
    for counter in [waiting, idle] {
        assert!(counter.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{title}: {counter:?}");
    }
    assert!(waiting.windows(2).all(|pair| pair[0].1 > pair[1].1), "{title}: they only become fewer");
    assert_eq!((waiting[0], waiting.last().unwrap().1), ((start, pieces), 0), "{title}");
    assert!(idle[0] == (start, workers as u64) && idle.iter().all(|idle| idle.1 <= workers as u64), "{title}");
    assert_eq!(idle.last().unwrap().1, 0, "{title}");
}

#[test]
fn every_backend_is_traced() {
    let scratch = Scratch::new("traces");
    for backend in backends(&scratch) {
        let arguments =
            ["render", "whole", "seahorses", "--size", "160x96", "--samples", "1", "--tile", "16", "--workers", "2"];
        let more = ["--backend", &backend, "--trace", "t.json", "-o", "{index}.png"];
        let runs = runs(&events(&scratch, &[&arguments[..], &more].concat()));
        assert_eq!(runs.keys().copied().collect::<Vec<_>>(), [1, 2], "{backend}");
        let workers = if ["serial", "generators"].contains(&backend.as_str()) { 1 } else { 2 };
        for run in runs.values() {
            assert!(run.title.ends_with(&format!("({backend})")), "{}", run.title);
            check(run, workers, 60);
        }
        // One after the other, by one clock.
        assert!(runs[&1].whole.unwrap().1 <= runs[&2].whole.unwrap().0, "{backend}");
    }
}

#[test]
fn benchmarks_are_traced() {
    let scratch = Scratch::new("bench-traces");
    let count = backends(&scratch).len();
    let small = ["--size", "96x64", "--tile", "16", "--workers", "2", "--trace", "t.json"];
    let cores = [&["bench", "--scene", "whole", "--scene", "exterior", "--runs", "1"], &small[..]].concat();
    let runs_of = |arguments: &[&str]| runs(&events(&scratch, arguments));
    let found = runs_of(&cores);
    assert_eq!(found.len(), 2 * count);
    for run in found.values() {
        check(run, run.threads.len() - 1, 24);
        assert_eq!(run.whole.unwrap().0, 0, "all begin at 0");
    }
    let simulated = runs_of(&[&["bench", "simulate", "whole", "--runs", "0"], &small[..]].concat());
    assert_eq!(simulated.len(), count);
    simulated.values().for_each(|run| check(run, run.threads.len() - 1, 24));
    let overhead = ["bench", "overhead", "--quick", "--runs", "1", "--backend", "pipes", "--no-references"];
    let overhead = runs_of(&[&overhead[..], &["--workers", "2", "--trace", "t.json"]].concat());
    assert_eq!(overhead.len(), 5, "four schedules with a piece a claim, and auto");
    overhead.values().for_each(|run| check(run, 2, 400));
}
