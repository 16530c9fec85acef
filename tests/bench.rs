//! `fractal bench` as it is used: its output, continuing after an interrupt, and its warnings on a busy machine.

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::Scratch;

/// Runs the program; it must succeed.
fn bench(scratch: &Scratch, arguments: &[&str]) -> Output {
    let output = scratch.program(["bench"].iter().chain(arguments)).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const SMALL: [&str; 8] = ["--size", "96x64", "--tile", "16", "--workers", "1,2", "--scene", "whole"];

#[test]
fn the_cores_are_measured_and_all_is_kept() {
    let scratch = Scratch::new("bench-cores");
    let more = ["--scene", "costly-tail", "--runs", "3", "--per-core", "--weak", "--json", "a.json", "--csv", "a.csv"];
    let output = bench(&scratch, &[&SMALL[..], &more, &["--markdown", "a.md"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("whole: the whole Mandelbrot set") && text.contains("costly-tail: not a picture"), "{text}");
    assert!(text.contains("speed-up") && text.contains('█') && text.contains("3 rounds"), "{text}");

    assert!(
        text.contains("Speed-ups are relative to one worker of serial, auto.") && text.contains("Weak scaling"),
        "{text}"
    );
    let few = "Scaling laws need 6 runs with each number of workers";
    assert!(text.contains(few) && !text.contains("Amdahl's"), "laws from three runs: {text}");
    let marked = std::fs::read_to_string(scratch.join("a.md")).unwrap();
    let row = marked.lines().find(|line| line.starts_with("| threads | auto | 2 |")).unwrap();
    assert!(marked.contains("\n## whole: the whole Mandelbrot set") && row.ends_with('|'), "{marked}");

    let results = json(scratch.join("a.json"));
    let entries = results["results"].as_array().unwrap();
    let grown: Vec<&Value> = entries.iter().filter(|entry| entry["parameters"]["scaling"] == "weak").collect();
    assert!(grown.len() > 2 && grown.iter().all(|entry| entry["parameters"]["workers"] == "2"), "{grown:?}");
    for entry in grown.iter().filter(|entry| entry["parameters"]["scene"] == "whole") {
        let growth = entry["growth"].as_f64().unwrap();
        assert!((growth - 2.0).abs() < 0.05 && entry["pixels"].as_f64().unwrap() > 12_000.0, "{entry}");
        assert!(entry["karp_flatt"].is_null(), "a law for a fixed size: {entry}");
    }
    let backends = json_lines_of_backends(&scratch);
    for name in backends {
        let workers: Vec<_> = entries
            .iter()
            .filter(|entry| entry["parameters"]["backend"] == *name && entry["parameters"]["scene"] == "whole")
            .filter(|entry| entry["parameters"]["core"].is_null())
            .map(|entry| entry["parameters"]["workers"].as_str().unwrap())
            .collect();
        // With --weak, more work for two workers.
        assert!(workers == ["1", "2", "2"] || workers == ["1"], "{name}: {workers:?}");
    }
    assert!(entries.iter().any(|entry| !entry["parameters"]["core"].is_null()), "each processor alone");
    for entry in entries {
        // What hyperfine's scripts read.
        let times: Vec<f64> = entry["times"].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
        assert_eq!(times.len(), 3);
        assert!(entry["command"].as_str().unwrap().contains("workers"));
        for key in ["mean", "stddev", "median", "user", "system", "min", "max"] {
            assert!(entry[key].is_f64(), "{key}: {entry}");
        }
        assert_eq!(entry["exit_codes"], serde_json::json!([0, 0, 0]));
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(entry["min"].as_f64(), Some(least));
        assert_eq!(entry["warmup"].as_array().unwrap().len(), 1);
        // A speed-up that would be too good is left out where other programs disturbed the times.
        assert!(entry["speedup"].as_f64().map_or(entry["disturbed"] == true, |speedup| speedup > 0.0), "{entry}");
    }
    let machine = &results["machine"];
    assert!(machine["host"].is_string() && !machine["isa"].as_str().unwrap().is_empty(), "{machine}");
    let csv = std::fs::read_to_string(scratch.join("a.csv")).unwrap();
    assert_eq!(csv.lines().count(), entries.len() + 1);
    assert!(csv.starts_with("command,parameter_backend,parameter_core,parameter_scaling,parameter_scene,"), "{csv}");
}

/// The names of the backends that run here.
fn json_lines_of_backends(scratch: &Scratch) -> Vec<String> {
    let output = scratch.program(["backends", "--json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let available = list.as_array().unwrap().iter().filter(|backend| backend["available"] == true);
    available.map(|backend| backend["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_interrupted_measurement_goes_on() {
    let scratch = Scratch::new("bench-resume");
    let arguments = |runs: &'static str| {
        [&SMALL[..], &["--backend", "serial", "--backend", "threads", "--runs", runs, "--json", "a.json"]].concat()
    };
    let times = || -> Vec<Value> {
        let results = json(scratch.join("a.json"));
        results["results"].as_array().unwrap().iter().map(|entry| entry["times"].clone()).collect()
    };
    let count = || times().iter().map(|times| times.as_array().unwrap().len()).sum::<usize>();
    // More rounds than anybody waits for.
    let mut child =
        scratch.program([&["bench"], &arguments("100000")[..]].concat()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !scratch.join("a.json").exists() || count() < 4 {
        assert!(
            began.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`a.json`; the same command with --resume continues"), "{told}");
    // Without a file it says that all is lost, and what would keep it.
    let long = [&["bench"], &SMALL[..], &["--backend", "serial", "--runs", "100000", "--progress", "json"]].concat();
    let mut child = scratch.program(long).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with('{') && !line.contains("\"warning\"")));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let told: Vec<_> = lines.filter(|line| !line.starts_with('{')).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(told[0].contains("nothing is kept of the measurements: --json FILE keeps them"), "{told:?}");

    let before = times();
    let rounds = before.iter().map(|times| times.as_array().unwrap().len()).max().unwrap() + 2;
    let rounds: &'static str = Box::leak(rounds.to_string().into_boxed_str());
    bench(&scratch, &[&arguments(rounds)[..], &["--resume"]].concat());
    for (before, after) in before.iter().zip(times()) {
        let (before, after) = (before.as_array().unwrap(), after.as_array().unwrap());
        assert_eq!(after.len().to_string(), rounds);
        assert_eq!(after[..before.len()], before[..], "no time is lost");
    }

    // Another measurement is not mixed in.
    let mut other = arguments("3");
    other[1] = "48x32";
    let output = scratch.program([&["bench"], &other[..], &["--resume"]].concat()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("so it cannot be continued") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_busy_machine_is_reported_of() {
    let scratch = Scratch::new("bench-busy");
    let mut others: Vec<_> =
        (0..2).map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap()).collect();
    let arguments = [&SMALL[..], &["--backend", "serial", "--seconds", "2", "--json", "a.json"]].concat();
    let output = scratch.program([&["bench"], &arguments[..]].concat()).output().unwrap();
    let [anyway, idle] = [&["--anyway"][..], &["--wait-idle=1", "--json", "b.json"]]
        .map(|more| [&["bench"], &SMALL[..], &["--backend", "serial", "--runs", "1"], more].concat())
        .map(|arguments| scratch.program(arguments).output().unwrap());
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    assert!(output.status.success() && anyway.status.success());
    // The warning comes first, and again with the figures, which are marked.
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("fractal: the machine is busy: other programs use"), "{told}");
    assert_eq!(String::from_utf8(anyway.stderr).unwrap(), "");
    // One time has no spread.
    let once = String::from_utf8(anyway.stdout).unwrap();
    assert!(once.contains("± MAD") && !once.contains("0.00 ns"), "{once}");
    let told = String::from_utf8(idle.stderr).unwrap();
    assert_eq!((idle.status.code(), told.lines().count()), (Some(1), 2), "{told}");
    assert!(
        told.contains("still busy after 1 s") && told.contains("`--anyway`") && !scratch.join("b.json").exists(),
        "{told}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Warning: The machine was busy: other programs used") && text.contains("s !"), "{text}");
    assert!(text.contains("There is no line to quote"), "{text}");
    let results = json(scratch.join("a.json"));
    assert!(results["usage"]["others"].as_f64().unwrap() > 0.1, "{}", results["usage"]);
    assert!(results["warnings"][0].as_str().unwrap().starts_with("The machine was busy"));
    assert!(results["results"].as_array().unwrap().iter().all(|entry| entry["disturbed"] == true), "{results}");
}

/// What was asked for is what is measured and traced, and what is left out is named.
#[test]
fn the_schedules_that_were_asked_for_are_traced() {
    let scratch = Scratch::new("bench-asked");
    let schedules = ["--schedule", "static", "--schedule", "dynamic,3", "--backend", "threads", "--backend", "futures"];
    let files = ["--runs", "1", "--trace", "t.json", "--html", "a.html", "--json", "a.json"];
    let output = bench(&scratch, &[&SMALL[..], &schedules, &files].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("relative to one worker of "), "no `serial`, so another base is named: {text}");
    let results = json(scratch.join("a.json"));
    let traced: Vec<(String, String)> = results["scenes"][0]["timelines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ["backend", "schedule"].map(|key| line[key].as_str().unwrap().to_owned()).into())
        .collect();
    let measured: std::collections::BTreeSet<(String, String)> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| ["backend", "schedule"].map(|key| entry["parameters"][key].as_str().unwrap().to_owned()).into())
        .collect();
    assert_eq!(traced.iter().cloned().collect::<std::collections::BTreeSet<_>>(), measured);
    assert!(traced.contains(&("threads".into(), "static".into())) && !traced.iter().any(|(_, name)| name == "auto"));
    let left_out = results["left_out"].to_string();
    let honoured = |name: &str| traced.iter().any(|(backend, schedule)| backend == "futures" && schedule == name);
    for name in ["static", "dynamic,3"] {
        assert_eq!(honoured(name), !left_out.contains(&format!("`{name}`")), "{name}: {left_out}");
    }
    // Nothing with one worker: no speed-up, and that is said.
    let output = bench(
        &scratch,
        &["--size", "48x32", "--workers", "2", "--backend", "threads", "--scene", "whole", "--runs", "1"],
    );
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("There are no speed-ups, since nothing was measured with one worker")
    );
}

/// Files stand side by side even if they measured the same.
#[test]
fn several_files_make_one_page() {
    let scratch = Scratch::new("bench-beside");
    for name in ["a.json", "b.json"] {
        bench(&scratch, &[&SMALL[..], &["--backend", "serial", "--runs", "1", "--json", name]].concat());
    }
    hyperfine(scratch.join("c.json"), &[1.0, 1.1]);
    // As an earlier version wrote it.
    let old = r#"{"results": [], "fractal": 1, "scenes": [{"name": "a", "help": "b", "tiles": [], "slowdown": [], "predictions": [],
        "timelines": [], "checks": []}], "fits": [{"scene": "a", "backend": "b", "schedule": "auto", "universal": null, "amdahl":
        {"single": 1.0, "contention": 0.0, "coherency": 0.0, "contention_interval": null, "coherency_interval": null}}]}"#;
    std::fs::write(scratch.join("old.json"), old).unwrap();
    let files = ["a.json", "b.json", "c.json", "old.json"];
    let output = scratch.program(["bench", "report", "-o", "page.html"].iter().chain(&files)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(scratch.join("page.html")).unwrap();
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let sources: Value = serde_json::from_str(data).unwrap();
    for (source, name) in sources.as_array().unwrap().iter().zip(files) {
        assert_eq!(source["file"], name);
        let kept = json(scratch.join(name));
        assert_eq!(source["results"]["results"][0]["times"], kept["results"][0]["times"], "{name}");
    }
}

#[test]
fn schedules_stand_side_by_side() {
    let scratch = Scratch::new("bench-schedules");
    let files = ["--svg", "s.svg", "--html", "s.html", "--json", "s.json", "--trace", "s.trace"];
    let more = ["--tile", "16", "--workers", "2", "--runs", "2", "--anyway"];
    let arguments = [&["schedules", "whole", "--size", "160x96"], &more[..], &files].concat();
    let text = String::from_utf8(bench(&scratch, &arguments).stdout).unwrap();
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let rows = text.lines().skip_while(|line| !line.contains("first done")).skip(1);
    let shown: Vec<_> = rows.take(4).map(first).collect();
    assert_eq!(shown, ["static", "static,1", "dynamic", "guided"], "{text}");
    let results = json(scratch.join("s.json"));
    let panels = results["panels"].as_array().unwrap();
    let owners = |panel: &Value| {
        let mut owners = vec![None; 60];
        for claim in panel["line"]["claims"].as_array().unwrap() {
            let [worker, first, count] = [0, 1, 2].map(|at| claim[at].as_u64().unwrap() as usize);
            for owner in &mut owners[first..first + count] {
                assert_eq!(owner.replace(worker), None, "a tile was computed twice");
            }
        }
        owners.into_iter().collect::<Option<Vec<_>>>().expect("every tile has an owner")
    };
    // These two say beforehand who takes what; how many claims the others take follows from their definition.
    let halves: Vec<usize> = (0..60).map(|tile| tile / 30).collect();
    assert_eq!(owners(&panels[0]), halves);
    assert_eq!(owners(&panels[1]), (0..60).map(|tile| tile % 2).collect::<Vec<_>>());
    let claims = [2, 3].map(|panel: usize| panels[panel]["line"]["claims"].as_array().unwrap().len());
    assert!(claims[0] == 60 && claims[1] < 30, "{claims:?}");
    panels.iter().for_each(|panel| _ = owners(panel));
    let file = |name: &str| std::fs::read_to_string(scratch.join(name)).unwrap();
    // Where nothing says beforehand who takes what, one worker may have been quick enough to take all.
    assert!((6..=8).contains(&file("s.svg").matches("<path fill=").count()), "two workers in four panels");
    assert!(file("s.html").contains("\"panels\":[{"));
    let trace: Value = serde_json::from_str(&file("s.trace")).unwrap();
    let names = trace["traceEvents"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap());
    assert!(names.filter(|name| name.ends_with(" at 16,0")).count() >= 1, "slices name their tiles");

    // Several tile sizes and numbers of workers, and a picture that grows with them.
    let arguments = ["schedules", "whole", "--size", "64x64", "--schedule", "dynamic,1", "--weak", "--runs", "1"];
    bench(&scratch, &[&arguments[..], &["--tile", "8,whole", "--workers", "1,4", "--json", "s.json"]].concat());
    let results = json(scratch.join("s.json"));
    let seen = results["panels"].as_array().unwrap().iter();
    let seen = seen.map(|panel| (panel["tiles"].as_array().unwrap().len(), panel["growth"].as_f64().unwrap()));
    assert_eq!(seen.collect::<Vec<_>>(), [(64, 1.0), (256, 4.0), (1, 1.0), (1, 4.0)]);
}

#[test]
fn what_cannot_be_measured_is_a_sentence() {
    let scratch = Scratch::new("bench-wrong");
    std::fs::write(scratch.join("bad.json"), "{\"results\": 3}").unwrap();
    for (arguments, code, says) in [
        (&["--scene", "nowhere"][..], 2, "and the scenes of `bench` are whole, valley, exterior, deep, costly-tail"),
        (&["simulate", "nowhere"], 2, "and the scenes of `bench` are whole"),
        (&["schedules", "nowhere"], 2, "and the scenes of `bench` are whole"),
        (&["schedules", "whole", "--schedule", "fast"], 2, "schedule `fast` is unknown"),
        (
            &["schedules", "whole", "--backend", "serial"],
            2,
            "backend `serial` does not honour the schedule `dynamic`; it honours static",
        ),
        (&["schedules", "whole", "--workers", "1,2,3,4,5"], 2, "20 combinations of --schedule, --tile and --workers"),
        (
            &["schedules", "costly-tail", "--iterations", "9"],
            2,
            "`costly-tail` is not a picture, so it has no `iteration.max=9` to change",
        ),
        (&["schedules", "whole", "--crop", "0,0,9x9", "--weak", "--workers", "1,2"], 2, "leave out --crop"),
        (&["--wait-idle=0"], 2, "--wait-idle"),
        (&["--backend", "thread"], 2, "threads"),
        (&["--schedule", "fast"], 2, "schedule `fast` is unknown"),
        (&["--backend", "serial", "--schedule", "guided"], 2, "honours none of the schedules"),
        (&["--workers", "0"], 2, "from 1 to"),
        (&["--size", "0x5", "--runs", "1"], 2, "size"),
        (&["--json", "bad.json", "--resume"], 1, "holds no results of a benchmark"),
        (&["--resume"], 2, "--json"),
    ] {
        let output = scratch.program(["bench"].iter().chain(arguments)).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(says) && told.lines().count() == 1, "{arguments:?}: {told}");
    }
}

#[test]
fn outputs_are_open_before_anything_is_measured() {
    let scratch = Scratch::new("bench-outputs");
    std::fs::write(scratch.join("cache"), "no folder").unwrap();
    // More rounds than anybody waits for, which no fault of an output may wait for either.
    let cores = [&SMALL[..], &["--backend", "serial", "--runs", "100000"]].concat();
    let overhead = vec!["overhead", "--runs", "10000"];
    let simulate = vec!["simulate", "whole", "--size", "96x64", "--runs", "10000"];
    let schedules = vec!["schedules", "whole", "--size", "96x64", "--runs", "10000"];
    for command in [&cores, &overhead, &simulate, &schedules] {
        for output in ["--json", "--csv", "--markdown", "--html", "--trace", "--save"] {
            let path = if output == "--save" { "cache/fractal" } else { "missing/x" };
            let more = if output == "--save" { vec![output] } else { vec!["--json", "a.json", output, path] };
            let more = if output == "--json" { vec![output, path] } else { more };
            if output == "--save" && command != &cores {
                continue;
            }
            let arguments = [&["bench"], &command[..], &more].concat();
            let output = scratch.program(&arguments).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
            assert!(told.contains(path) && told.lines().count() == 1, "{arguments:?}: {told}");
            assert!(output.stdout.is_empty());
            assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 1, "{arguments:?} leaves something");
        }
    }
}

#[test]
fn an_output_that_fails_costs_no_other() {
    let scratch = Scratch::new("bench-full");
    let few = [&SMALL[..], &["--backend", "serial", "--runs", "1", "--save", "--anyway"]].concat();
    let more = ["--json", "/dev/full", "--csv", "a.csv", "--trace", "/dev/full", "--html", "a.html"];
    let output = scratch.program([&["bench"], &few[..], &more].concat()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("/dev/full") && told.lines().count() == 1, "{told}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("1 round in"));
    for name in ["a.csv", "a.html", "cache/fractal/wisdom.json"] {
        assert!(scratch.join(name).exists(), "{name}");
    }
}

/// A file in hyperfine's shape, without any key of ours.
fn hyperfine(path: impl AsRef<Path>, times: &[f64]) {
    let results = serde_json::json!({"results": [{
        "command": "sleep 1", "mean": 1.0, "stddev": null, "median": 1.0, "user": 0.0, "system": 0.0, "min": 1.0, "max": 1.0,
        "times": times, "exit_codes": [0, null],
    }]});
    std::fs::write(path, results.to_string()).unwrap();
}

#[test]
fn comparing_says_what_has_become_slower() {
    let scratch = Scratch::new("bench-compare");
    let times: Vec<f64> = (0..20).map(|run| 1.0 + f64::from(run * 7 % 20) * 0.002).collect();
    let slower: Vec<f64> = times.iter().map(|time| time * 1.05).collect();
    hyperfine(scratch.join("a.json"), &times);
    hyperfine(scratch.join("b.json"), &slower);
    let compare = |arguments: &[&str]| scratch.program(["bench", "compare"].iter().chain(arguments)).output().unwrap();
    // The times scatter by 4 %: 20 of them show that it is the same within 3 %, but not within 1 %.
    for (threshold, verdicts, status) in
        [("3", "1 the same within 3.0 %, 0 not", 0), ("1", "0 the same within 1.0 %, 1 not", 1)]
    {
        let arguments = ["a.json", "a.json", "--threshold", threshold, "--require-decision"];
        let (plain, strict) = (compare(&arguments[..4]), compare(&arguments));
        assert_eq!((plain.status.code(), strict.status.code()), (Some(0), Some(status)));
        let text = String::from_utf8(strict.stdout).unwrap();
        assert!(text.contains(&format!("0 slower, 0 faster, {verdicts} decided")), "{text}");
        let told = String::from_utf8(strict.stderr).unwrap();
        assert_eq!(told, if status == 0 { "" } else { "fractal: 1 of 1 are not decided\n" });
    }
    let output = compare(&["a.json", "b.json"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("SLOWER") && text.contains("+5.0 %"), "{text}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "fractal: 1 of 1 became slower\n");
    let faster = compare(&["b.json", "a.json", "--json"]);
    assert_eq!(faster.status.code(), Some(0));
    let comparison: Value = serde_json::from_slice(&faster.stdout).unwrap();
    assert_eq!(comparison["differences"][0]["verdict"], "faster");
    assert_eq!(compare(&["a.json", "b.json", "--threshold", "10", "--require-decision"]).status.code(), Some(0));
    assert_eq!(compare(&["a.json", "nowhere.json"]).status.code(), Some(1));
    assert_eq!(compare(&["a.json", "b.json", "--level", "101"]).status.code(), Some(2));
}

#[test]
fn overheads_and_the_shortest_pieces_are_measured() {
    let scratch = Scratch::new("bench-overhead");
    let arguments =
        ["overhead", "--quick", "--runs", "1", "--workers", "2", "--backend", "serial", "--backend", "threads"];
    let output = bench(&scratch, &[&arguments[..], &["--json", "o.json", "--csv", "o.csv"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("empty piece") && text.contains("95 %"), "{text}");
    let results = json(scratch.join("o.json"));
    let (costs, grains) = (&results["overhead"]["costs"], &results["overhead"]["grains"]);
    // Each schedule with a claim for each piece, and `auto`.
    let grains: Vec<&Value> =
        grains.as_array().unwrap().iter().filter(|grains| grains["backend"] != "libgomp").collect();
    assert_eq!((costs.as_array().unwrap().len(), grains.len()), (2 + 5, 2 + 5));
    let constructs = results["overhead"]["references"].as_array().unwrap();
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        constructs.iter().partition(|reference| reference["name"].as_str().unwrap().starts_with("region, "));
    let names = ["parallel", "for", "barrier", "single", "critical", "ordered", "reduction"];
    for (reference, name) in ours.iter().zip(names) {
        assert_eq!(reference["name"], format!("region, construct {name}"));
    }
    assert!(ours.len() == 10 && text.contains("with 2 workers") && text.contains("construct barrier"), "{text}");
    let left_out = results["left_out"].to_string();
    assert!(!others.is_empty() || left_out.contains("OpenMP") && left_out.contains("PyMP"), "{left_out}");
    for other in constructs {
        assert!(other["times"][0].as_f64().unwrap() > 0.0, "{other}");
    }
    for cost in costs.as_array().unwrap() {
        assert!(cost["piece"][0].as_f64().unwrap() > 0.0 && cost["open"][0].as_f64().unwrap() > 0.0, "{cost}");
    }
    for grain in grains {
        let points = grain["points"].as_array().unwrap();
        assert_eq!(points.len(), 15);
        let part = |point: &Value| point["efficiency"].as_f64().unwrap();
        assert!(points.iter().all(|point| (0.0..=1.0).contains(&part(point))), "{grain}");
    }
    assert_eq!(
        std::fs::read_to_string(scratch.join("o.csv"))
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("libgomp"))
            .count(),
        1 + 7 * 15
    );
}

#[test]
fn a_scene_is_simulated() {
    let scratch = Scratch::new("bench-simulate");
    let arguments =
        ["simulate", "whole", "--size", "160x96", "--tile", "16", "--workers", "2", "--runs", "1", "--orders"];
    let output = bench(&scratch, &[&arguments[..], &["--json", "s.json", "--csv", "s.csv"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("4096") && text.contains("The largest error is"), "{text}");
    // Every prediction has its interval; where real runs were too far from them there is none.
    let intervals = text.contains("hilbert") && text.contains("1.0 (") && text.contains("; hence the intervals.");
    let silence =
        !text.contains("hilbert") && text.contains("There are no predictions: real runs were so far from them");
    assert!(intervals != silence && (intervals || silence), "{text}");
    let scene = &json(scratch.join("s.json"))["scenes"][0];
    let costs = scene["recording"]["costs"].as_array().unwrap();
    assert_eq!((costs.len(), scene["tiles"].as_array().unwrap().len()), (60, 60));
    assert!(costs.iter().all(|cost| cost.as_f64().unwrap() > 0.0));
    // Five schedules, four of them with their best chunk too, in three orders.
    assert_eq!(scene["predictions"].as_array().unwrap().len(), 9 * 3);
    for forecast in scene["predictions"].as_array().unwrap() {
        for run in forecast["runs"].as_array().unwrap() {
            let (makespan, bound) = (run[1]["makespan"].as_f64().unwrap(), run[1]["bound"].as_f64().unwrap());
            assert!(makespan >= bound * (1.0 - 1e-9), "{forecast}");
        }
    }
    assert!(text.contains("under every schedule: "), "{text}");
    for check in scene["checks"].as_array().unwrap() {
        let number = |key: &str| check[key].as_f64().unwrap();
        assert!(number("runs") == 1.0 && number("measured") > 0.0 && number("predicted") > 0.0, "{check}");
    }
    for timeline in scene["timelines"].as_array().unwrap() {
        let claims = timeline["claims"].as_array().unwrap();
        assert_eq!(claims.iter().map(|claim| claim[2].as_u64().unwrap()).sum::<u64>(), 60, "every piece once");
    }
    let output = scratch.program(["bench", "simulate", "costly-tail", "--size", "9x9"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_was_measured_best_is_kept_and_used() {
    let scratch = Scratch::new("bench-save");
    let render = |arguments: &[&str]| {
        let always = ["render", "whole", "--size", "96x64", "-o", "a.png"];
        let output = scratch.program(always.iter().chain(arguments)).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    let auto = ["--backend", "auto", "--progress", "never"];
    let told = render(&auto);
    assert!(told.contains("backend threads, schedule auto, tiles of 64, by default: nothing"), "{told}");
    assert!(!render(&["--progress", "never"]).contains("tiles of"));

    let saved = ["--save", "--backend", "channel", "--scene", "exterior", "--size", "96x64", "--runs", "1"];
    let text = String::from_utf8(bench(&scratch, &saved).stdout).unwrap();
    assert!(text.contains("wisdom.json`; the fastest is channel") && text.contains("best tile"), "{text}");
    let kept = json(scratch.join("cache/fractal/wisdom.json"));
    let choice = &kept["backends"]["channel"];
    let (schedule, tile) = (choice["schedule"].as_str().unwrap(), choice["tile"].as_u64().unwrap());
    let expected = format!("backend channel, schedule {schedule}, tiles of {tile}, as `fractal bench --save` measured");
    assert!(render(&auto).contains(&expected));
    let told = render(&["--backend", "channel", "--schedule", "auto", "--tile", "auto", "--progress", "never"]);
    assert!(told.contains(&expected), "{told}");
    let told = render(&["--backend", "auto", "--schedule", "dynamic,2", "--tile", "16", "--progress", "never"]);
    assert!(told.contains("backend channel, schedule dynamic,2, tiles of 16"), "{told}");
    let told = render(&["--backend", "threads", "--tile", "auto", "--progress", "never"]);
    assert!(told.contains("tiles of 64, by default: `fractal bench --save` has not measured this backend"), "{told}");
    assert!(!render(&["--backend", "auto", "-q"]).contains("tiles of"));

    // What cannot be used is reported, and nothing else happens: nobody waits for the other end of a pipe, or the end of a device.
    let file = scratch.join("cache/fractal/wisdom.json");
    std::fs::write(&file, "wise").unwrap();
    let told = render(&auto);
    assert!(told.contains("is not a valid file of wisdom: ") && told.contains("; it is not used"), "{told}");
    assert!(told.contains("backend threads"), "{told}");
    let kinds: [(&dyn Fn(), &str); 4] = [
        (&|| std::fs::write(&file, vec![b' '; 2_000_000]).unwrap(), "is too large: at most"),
        (&|| assert!(Command::new("mkfifo").arg(&file).status().unwrap().success()), "is not a regular file"),
        (&|| std::os::unix::fs::symlink("/dev/zero", &file).unwrap(), "is not a regular file"),
        (&|| std::fs::create_dir(&file).unwrap(), "is not a regular file"),
    ];
    for (make, says) in kinds {
        std::fs::remove_file(&file).unwrap();
        make();
        let told = render(&auto);
        assert!(told.contains(says) && told.contains("; it is not used"), "{told}");
        let output = scratch.program(["bench"].iter().chain(&saved)).output().unwrap();
        assert_eq!(output.status.code(), Some(i32::from(says.contains("regular"))), "{output:?}");
        if says.contains("too large") {
            continue;
        }
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
        assert!(output.stdout.is_empty(), "nothing is measured");
    }
}

#[test]
fn other_kinds_of_work_are_measured_in_their_own_words() {
    let scratch = Scratch::new("bench-work");
    let arguments = ["--work", "primes", "--size", "64x48", "--workers", "1,2", "--runs", "1", "--weak"];
    let some = ["--backend", "serial", "--backend", "threads", "--backend", "pipes", "--anyway"];
    let files = ["--json", "a.json", "--html", "a.html", "--trace", "a.trace"];
    let output = bench(&scratch, &[&arguments[..], &some, &files].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("primes: the primes up to a number") && text.contains(" segments\n"), "{text}");
    let results = json(scratch.join("a.json"));
    let entries = results["results"].as_array().unwrap();
    assert_eq!(entries.len(), 1 + 2 + 2 + 2, "each number of workers, and two workers with twice the work");
    assert!(entries.iter().all(|entry| entry["piece"] == "segment" && entry["parameters"]["scene"] == "primes"));
    let growth: Vec<f64> = entries.iter().map(|entry| entry["growth"].as_f64().unwrap()).collect();
    assert_eq!(growth.iter().filter(|growth| (1.9..2.1).contains(*growth)).count(), 2, "{growth:?}");
    assert_eq!(results["scenes"][0]["piece"], "segment");
    let trace = std::fs::read_to_string(scratch.join("a.trace")).unwrap();
    assert!(trace.contains("segments waiting") && !trace.contains("piece 0"), "{trace}");
    let output = bench(&scratch, &["simulate", "--work", "primes", "--runs", "0", "--anyway"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("primes: ") || text.contains("\nprimes: "), "{text}");
    assert!(text.contains(" segments, "), "{text}");
}
