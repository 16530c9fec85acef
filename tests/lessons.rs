//! Every lesson runs, and its output is what `docs/lessons.md` promises. This program is the lessons' own program as well, so that they
//! are tested as they are now, whether or not the example has been built.

#[path = "lessons/commands.rs"]
mod commands;
#[path = "../examples/lessons/main.rs"]
mod program;
#[path = "support/mod.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use support::Scratch;

/// The tests; those that are named on the command line are run, or all.
const TESTS: &[(&str, fn())] = &[
    ("workshop", workshop),
    ("gil", gil),
    ("race", race),
    ("sharing", sharing),
    ("locks", locks),
    ("tasks", tasks),
    ("switch", switch),
    ("executor", executor),
    ("concurrency", concurrency),
    ("asyncio", asyncio),
    ("streams", streams),
    ("manager", manager),
    ("commands", commands::run),
    ("find", find),
    ("interrupts", interrupts),
    ("hub", hub),
    ("reactor", reactor),
    ("chat", chat),
    ("rpc", rpc),
    ("mistakes", mistakes),
    ("documents", documents),
];

fn main() -> ExitCode {
    // Set for what the tests start, and inherited by its workers.
    if std::env::var_os("LESSON").is_some() {
        return program::main();
    }
    // As with other tests: names of those to run, and of those not to.
    let (mut asked, mut skipped, mut arguments) = (Vec::new(), Vec::new(), std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--skip" => skipped.extend(arguments.next()),
            "--test-threads" => drop(arguments.next()),
            name if !name.starts_with('-') => asked.push(argument),
            _ => {}
        }
    }
    let mut failed = false;
    for (name, test) in TESTS {
        let is_named = |list: &[String]| list.iter().any(|part| name.contains(part.as_str()));
        if (asked.is_empty() || is_named(&asked)) && !is_named(&skipped) {
            let passed = std::panic::catch_unwind(test).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed |= !passed;
        }
    }
    ExitCode::from(u8::from(failed))
}

/// A lesson, as a command.
fn lesson(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).env("LESSON", "1").stdin(Stdio::null());
    command
}

/// What a lesson prints: it succeeds, fits on a projector, and ends with what to notice.
fn output(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = lesson(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{arguments:?}: {status}\n{stdout}{stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    let last = stdout.rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("Notice: "), "{arguments:?} says last what to notice:\n{stdout}");
    for line in stdout.lines() {
        assert!(line.chars().count() <= program::support::COLUMNS, "{arguments:?} fits on a projector: {line}");
    }
    stdout
}

/// Asserts that a lesson prints all of these lines, in this order, whatever is between them.
#[track_caller]
fn contains(output: &str, parts: &[&str]) {
    let mut rest = output;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing, or comes too early, in\n{output}"));
        rest = &rest[at + part.len()..];
    }
}

fn workshop() {
    let scratch = Scratch::new("workshop");
    let backends: Vec<_> = fractal::backend::BACKENDS.iter().map(|backend| format!("\n{} ", backend.name)).collect();
    // What the talks' serial program writes, with CPython 3.11 and Pillow.
    let pictures = [
        (&["--quick"][..], "7eadb6b7d50f07c18a23ef06ed8cb68c194f3144fca7c2403addc1d49c981da8"),
        (&["-W", "560", "-H", "320", "-n", "1000"], "bdf3b3d3e07929c25730ca6be158d0b429bbb2892b490106ebe6b36086722cb2"),
    ];
    for (arguments, expected) in pictures {
        let path = scratch.join("picture.png");
        let said = output(&[&["workshop", "-o", path.to_str().unwrap()], arguments].concat());
        contains(&said, &backends.iter().map(String::as_str).collect::<Vec<_>>());
        contains(&said, &[&format!("All {} give the same bytes.", backends.len())]);
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        let Some(hash) = sha256(&bytes) else { return support::left_out::lacks("the workshop's picture", "sha256sum") };
        assert_eq!(hash, expected, "{arguments:?}");
    }
}

fn sha256(bytes: &[u8]) -> Option<String> {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned())
}

fn gil() {
    let said = output(&["gil", "--quick"]);
    contains(&said, &["one thread computes", "two threads compute", "two threads, one lock: this is Python"]);
    contains(&said, &["two processes compute", "one thread waits", "two threads wait, without the lock"]);
}

fn race() {
    let said = output(&["race", "--quick"]);
    // Each finds what the other one had found: this does not depend on time.
    contains(&said, &["In step: two threads add 1 a hundred times each:  100 instead of 200"]);
    for cure in ["an atomic addition ", "a lock around each addition ", "a sum for each, added at the end "] {
        let line = said.lines().find(|line| line.contains(cure)).unwrap();
        assert!(line.contains(" 0 lost"), "{line}");
    }
    // The compiler refuses the program that is shown, with the error that is shown.
    let scratch = Scratch::new("race");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lessons/support/refused.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--emit=metadata", "--out-dir"]).arg(&*scratch).arg(source);
    let refusal = String::from_utf8(rustc.output().expect("what runs cargo has rustc").stderr).unwrap();
    let error = "error[E0499]: cannot borrow `counter` as mutable more than once at a time";
    contains(&refusal, &[error]);
    contains(&said, &["scope.spawn(|| counter += 1);", error]);
}

fn sharing() {
    let said = output(&["sharing", "--quick"]);
    let columns = |what: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.split_whitespace().map(|word| word.parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    let (together, apart) = (columns("on one cache line"), columns("on a line each"));
    assert_eq!(together[0], 8.0, "the counters are neighbours");
    assert!(apart[0] >= 64.0, "the counters are on lines of their own: {apart:?}");
    assert_eq!([together[2], apart[2]], [6e6; 2], "nothing is lost");
}

fn locks() {
    let said = output(&["locks", "--quick"]);
    let lines = [
        "buffer:    1000 numbers through 4 places, sum 500500\n",
        "semaphore: 6 threads, 2 places; never more than 2 inside: true\n",
        "event:     set once, 3 of 3 threads wake\n",
        "timer:     one is cancelled, one rings after 20 ms\n",
        "channel:   1000 numbers through 4 places, sum 500500\n",
    ];
    contains(&said, &lines);
}

fn tasks() {
    let said = output(&["tasks", "--quick"]);
    contains(
        &said,
        &["after  5 values, primes ends\n", "after 12 values, squares ends\n", "\nprimes: [2, 3, 5, 7, 11]\n"],
    );
    contains(&said, &["\nsquares: [1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144]\n"]);
}

fn switch() {
    let said = output(&["switch", "--quick"]);
    let order = ["first:  12\n", "second: 56\n", "first:  34, and it ends\n", "parent: the second has not ended"];
    contains(&said, &order);
    contains(&said, &["20000 switches between two of them"]);
    assert!(!said.contains("second: 78"), "nobody switches back: {said}");
}

fn executor() {
    let said = output(&["executor"]);
    let (threads, processes) = said.split_once("\nProcessPoolExecutor:\n").unwrap();
    let threads = threads.strip_prefix("ThreadPoolExecutor:\n").unwrap();
    assert_eq!(processes.split("\n\nNotice").next().unwrap(), threads.trim_end(), "one interface, equal results");
    let lines = [
        "map:          [1, 4, 9, 16, 25, 36, 49, 64]\n",
        "as_completed: first square\n",
        "timeout:      Err(\"timeout\")\n",
        "as_completed: then pass\n",
        "cancel:       running false, waiting true\n",
        "completed:    2 of 3\n",
        "an error:     [Err(\"no answer for 4\"), Ok(16)]",
    ];
    contains(threads, &lines);
}

fn concurrency() {
    let said = output(&["concurrency", "--quick"]);
    let both = if std::thread::available_parallelism().unwrap().get() > 1 { "2 cores" } else { "1 core" };
    contains(&said, &["They compute, 1 core: ", &format!("They compute, {both}: ")]);
    contains(&said, &["They wait, 1 core: ", &format!("They wait, {both}: ")]);
    let timelines: Vec<_> =
        said.lines().filter(|line| line.starts_with("  A |") || line.starts_with("  B |")).collect();
    assert_eq!(timelines.len(), 8);
    assert!(timelines.iter().all(|line| line.contains('#') && line.ends_with('|')), "{said}");
}

fn asyncio() {
    let both = |arguments: &[&str]| {
        let said = output(arguments);
        contains(
            &said,
            &["squares [100, 121, 144, 169, 196, 225, 256, 289, 324, 361]\n", "primes  [11, 13, 17, 19]\n"],
        );
        contains(&said, &["timeout: an hour was too long\n", "connection is closed\n", "cancelled: true\n"]);
        let word = |before: &str| said.split_once(before).unwrap().1.split(' ').next().unwrap().parse::<u32>().unwrap();
        (word("ticker:  "), word("the longest pause between two was "))
    };
    let (ticks, _) = both(&["asyncio", "--quick"]);
    assert!(ticks > 1, "tasks that await let a ticker tick");
    // However fast or slow the machine is: the waits block, one after the other.
    let (ticks, pause) = both(&["asyncio", "--quick", "--block"]);
    assert!(ticks == 1 && pause >= 200, "{ticks} ticks, the longest pause was {pause} ms");
}

fn streams() {
    let said = output(&["streams"]);
    let wait = |harm: &str| said.split_once(harm).unwrap().1.split(' ').next().unwrap().parse::<u32>().unwrap();
    assert!(wait("harm: others wait ") >= 100, "a call that blocks the loop takes that long: {said}");
    assert!(wait("calls the pool's map; others wait ") >= 100, "and so does a pool that is waited for: {said}");
    contains(
        &said,
        &["wait for ever: true\n", "waits for ever: false\n", "task awaits; they wait ", "refused: true\n"],
    );
    if has_python() {
        contains(&said, &["harm: a child that takes a lock of the other thread would wait for ever\n"]);
        contains(&said, &["cure: it is forked before there are threads, and takes the lock\n"]);
    }
}

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        support::left_out::lacks("what the lessons show of Python", "python3");
    }
    found
}

fn manager() {
    let said = output(&["manager", "--quick"]);
    let sum = |what: &str| said.lines().find(|line| line.starts_with(what)).unwrap().rsplit(' ').next().unwrap();
    assert_eq!(sum("memory that threads share, and a lock"), "400");
    // It is one dictionary, however it is reached.
    assert_eq!([sum("a manager, by a Unix socket"), sum("the same manager, by TCP")], ["400", "800"]);
    if has_python() {
        assert_eq!(sum("Python's SyncManager"), "400");
    }
}

fn find() {
    let said = output(&["find", "--quick"]);
    contains(&said, &[": 2/2/7.txt; ", "nothing; 100 files were read\n"]);
    let scratch = Scratch::new("find");
    std::fs::write(scratch.join("this"), "123456789").unwrap();
    // The check value of CRC-32.
    contains(
        &output(&["find", scratch.to_str().unwrap(), "--crc32", "cbf43926"]),
        &["cbf43926: this; 1 files were read"],
    );
}

fn interrupts() {
    let said = output(&["interrupts", "--quick"]);
    for backend in ["threads", "pipes"] {
        let part = said.split_once(&format!("{backend}:\n")).unwrap().1;
        let part = part.lines().take(3).collect::<Vec<_>>().join("\n");
        contains(&part, &["interrupted: stopped before the work was complete\n", "the same workers again: 10 pieces"]);
        contains(&part, &["worker processes that are left: 0"]);
    }
}

fn hub() {
    let said = output(&["hub", "--quick"]);
    contains(
        &said,
        &["sleep(0) after each number: a1 b1 a2 b2 a3 b3\n", "no sleep:                   a1 a2 a3 b1 b2 b3\n"],
    );
    contains(&said, &["20 of 20 clients got an answer"]);
}

fn reactor() {
    let said = output(&["reactor"]);
    // All three are under way before the first comes.
    contains(&said, &["/         is asked for\n", "/nowhere  is asked for\n", "/hang-up  is asked for\n"]);
    for line in [
        "23 bytes: <title>Fractals</title>\n",
        "/nowhere  no page: status 404\n",
        "/hang-up  no page: the server hung up\n",
    ] {
        contains(&said, &["/hang-up  is asked for\n", line]);
    }
}

fn chat() {
    let disconnects = if support::is_long() { "1000" } else { "100" };
    let said = output(&["chat", "--disconnects", disconnects]);
    for model in ["threads", "tokio", "fibers", "reactor"] {
        let line = said.lines().find(|line| line.starts_with(model)).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        // 200 clients say two lines each to 199 others.
        assert_eq!([words[1], words[4]], ["79600", "0"], "every line, once and in order: {line}");
        contains(line, &["was dropped", "disturb nobody"]);
    }
    // What a server sends to whoever is there, by the program's own way to serve.
    use std::io::{BufRead, BufReader};
    let mut server = lesson(&["chat", "--serve", "threads"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let connect = || BufReader::new(std::net::TcpStream::connect(address.trim()).unwrap());
    let line = |client: &mut BufReader<std::net::TcpStream>| {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        line
    };
    let (mut anna, mut bert) = (connect(), connect());
    assert_eq!(line(&mut anna), "1 here\n");
    assert_eq!(line(&mut bert), "2 here\n");
    // A line comes in two parts, and the next with its end.
    for part in ["Anna: go", "od morning\nAnna: ", "again\n"] {
        anna.get_mut().write_all(part.as_bytes()).unwrap();
    }
    assert_eq!([line(&mut bert), line(&mut bert)], ["Anna: good morning\n", "Anna: again\n"]);
    // A line without end is no line, and who sends it is not kept.
    anna.get_mut().write_all(&[b'x'; 5000]).unwrap();
    assert_eq!(anna.read_line(&mut String::new()).unwrap_or(0), 0);
    server.kill().unwrap();
    server.wait().unwrap();
}

fn rpc() {
    let said = output(&["rpc", "--quick"]);
    contains(&said, &[" calls failed and were made again.\n", "The picture has the bytes that `serial` computes.\n"]);
    let given = said.lines().filter_map(|line| line.strip_suffix(" rows")?.rsplit(' ').next()?.parse::<u32>().ok());
    let given: Vec<_> = given.collect();
    assert_eq!((given.len(), given.iter().sum::<u32>()), (3, 60), "every row was given once: {said}");
    if said.contains("a process is killed\n") {
        assert!(given.contains(&5), "and who was killed gave no more: {said}");
    }
    // One process is enough, and is not killed.
    contains(&output(&["rpc", "--quick", "--processes", "1"]), &["process 1 gave  60 rows\n0 calls failed"]);
}

fn mistakes() {
    let scratch = Scratch::new("mistakes");
    let nowhere = scratch.join("nowhere/picture.png");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["nothing"], 2, "unrecognized subcommand 'nothing'"),
        (&["commands", "-j", "0", "true"], 2, "allowed are whole numbers from 1 to 4096"),
        (&["commands", "--timeout", "0", "true"], 2, "allowed are seconds from 0.001 to 1000000"),
        (&["find", nowhere.to_str().unwrap(), "--crc32", "0"], 1, "lessons: cannot read"),
        (&["find", "--crc32", "0"], 2, "<FOLDER>"),
        (&["chat", "--serve", "carrier-pigeons"], 2, "possible values: threads, tokio, fibers, reactor"),
        (&["chat", "--clients", "0"], 2, "allowed are whole numbers from 1 to 4096"),
        (&["chat", "--port", "7000"], 2, "--serve <MODEL>"),
        (&["rpc", "--processes", "0"], 2, "allowed are whole numbers from 1 to 4096"),
        (&["workshop", "-W", "0"], 2, "0 is not in 1..=10000"),
        (&["workshop", "--quick", "-o", nowhere.to_str().unwrap()], 1, "lessons: cannot create"),
        (&["workshop", "--quick", "--originals", scratch.to_str().unwrap()], 1, "has no mandelbrot.py"),
    ];
    for (arguments, status, sentence) in cases {
        let output = lesson(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{arguments:?}: {stderr}");
        assert!(stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
}

/// The syllabus has every lesson with its command, and every lesson says what it answers.
fn documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let syllabus = std::fs::read_to_string(root.join("docs/lessons.md")).unwrap();
    let (mut count, mut missing) = (0, Vec::new());
    for file in std::fs::read_dir(root.join("examples/lessons")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || name == "main" {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! Answers "), "the first line of {name} says what it answers");
        let section = syllabus.split("\n## ").find(|section| section.contains(&format!("--example lessons -- {name}")));
        let section = section.unwrap_or_else(|| {
            missing.push(name);
            ""
        });
        let after_output = section.rsplit("\n```\n").next().unwrap();
        let questions = ["\n1. ", "\n2. "].map(|number| after_output.matches(number).count());
        assert!(section.is_empty() || questions == [1, 1], "{section} has two questions");
    }
    assert!(count >= 19 && missing.is_empty(), "docs/lessons.md lacks {missing:?}");
}
