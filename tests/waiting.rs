//! Waiting for many connections, in every model: what grows meanwhile, what goes wrong, and how it stops; and the commands that do so.

#[path = "waiting/crawl.rs"]
mod crawl;
#[path = "waiting/site.rs"]
mod site;
mod support;

use fractal::backend::Program;
use fractal::internal::waiting::{Answer, Frontier, Limits, List, Next, Target, WAITINGS, WaitingEntry};
use fractal::{Error, Result, Stop};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{Scratch, until};
use url::Url;

/// The limits of these tests: their own program does not become a worker.
fn limits(connections: usize) -> Limits {
    Limits { connections, program: Program::at(env!("CARGO_BIN_EXE_fractal")), ..Limits::default() }
}

/// A server that answers `GET /n` with the numbers of the pages that page n links to, and counts its connections.
struct Site {
    address: std::net::SocketAddr,
    /// How many connections there are, and were at most.
    now: AtomicUsize,
    most: AtomicUsize,
}

const PAGES: usize = 40;

impl Site {
    fn open() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(Self { address, now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
        let server = site.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                let server = server.clone();
                thread::spawn(move || server.answer(stream));
            }
        });
        site
    }

    fn answer(&self, mut stream: TcpStream) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(|line| line.ok());
        let first = lines.next().unwrap_or_default();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let path = first.split(' ').nth(1).unwrap_or("/");
        let page: usize = path[1..].parse().unwrap_or(0);
        let links = format!("{} {}", (2 * page + 1) % PAGES, (2 * page + 2) % PAGES);
        let head = match path {
            "/silent" => {
                // Until the client has gone.
                let _ = lines.next();
                String::new()
            }
            "/moved" => format!("HTTP/1.1 302 Found\r\nLocation: /{}\r\n\r\n", PAGES - 1),
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{links}", links.len()),
        };
        // The connection counts until the client knows the answer.
        self.now.fetch_sub(1, Ordering::Relaxed);
        let _ = stream.write_all(head.as_bytes());
    }

    fn target(&self, id: usize, path: &str) -> Target {
        Target { id, url: Url::parse(&format!("http://{}/{path}", self.address)).unwrap(), head: false }
    }
}

/// Pages to be asked for and when, those that are known, how many are under way, and the answers.
type Crawled = (VecDeque<(usize, Instant)>, BTreeSet<usize>, usize, Vec<Answer>);

/// A crawler: pages add the pages that they link to, each a moment later.
struct Crawl {
    site: Arc<Site>,
    state: Mutex<Crawled>,
}

impl Frontier for Crawl {
    fn next(&self) -> Next {
        let mut state = self.state.lock().unwrap();
        match state.0.front() {
            Some((_, moment)) if *moment > Instant::now() => Next::At(*moment),
            Some(_) => {
                let (page, _) = state.0.pop_front().unwrap();
                state.2 += 1;
                Next::Target(self.site.target(page, &page.to_string()))
            }
            None if state.2 == 0 => Next::Done,
            None => Next::Later,
        }
    }

    fn deliver(&self, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.2 -= 1;
        let text = answer.outcome.as_ref().map(|response| String::from_utf8_lossy(&response.body).into_owned());
        for page in text.unwrap_or_default().split(' ').map(|page| page.parse().unwrap()) {
            if state.1.insert(page) {
                state.0.push_back((page, Instant::now() + Duration::from_millis(1)));
            }
        }
        state.3.push(answer);
    }
}

#[test]
fn every_model_visits_what_grows_within_its_limit() {
    for entry in WAITINGS {
        let site = Site::open();
        let start = VecDeque::from([(0, Instant::now())]);
        let state = Mutex::new((start, BTreeSet::from([0]), 0, Vec::new()));
        let crawl = Arc::new(Crawl { site: site.clone(), state });
        let limits = limits(3.min(entry.connections));
        entry.run(&(crawl.clone() as Arc<dyn Frontier>), &limits, &Stop::new()).unwrap();
        let state = crawl.state.lock().unwrap();
        let visited: BTreeSet<_> = state.3.iter().map(|answer| answer.target.id).collect();
        assert_eq!((visited.len(), state.3.len(), state.1.len()), (PAGES, PAGES, PAGES), "{}", entry.name);
        assert!(state.3.iter().all(|answer| answer.outcome.as_ref().is_ok_and(|response| response.status == 200)));
        assert!(site.most.load(Ordering::Relaxed) <= limits.connections, "{}", entry.name);
    }
}

/// Runs a model over targets of a site, with a function that sees each answer.
fn run(
    entry: &WaitingEntry,
    targets: Vec<Target>,
    limits: &Limits,
    stop: &Stop,
    seen: impl Fn(&Answer) + Send + 'static,
) -> (Result<()>, Vec<Answer>) {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let kept = answers.clone();
    let list: Arc<dyn Frontier> = Arc::new(List::new(targets, move |answer| {
        seen(&answer);
        kept.lock().unwrap().push(answer);
    }));
    let outcome = entry.run(&list, limits, stop);
    let mut answers = std::mem::take(&mut *answers.lock().unwrap());
    answers.sort_by_key(|answer| answer.target.id);
    (outcome, answers)
}

#[test]
fn every_model_names_what_went_wrong_and_goes_on() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for entry in WAITINGS {
        let site = Site::open();
        let mut targets =
            vec![site.target(0, "7"), site.target(1, "moved"), site.target(2, "silent"), site.target(3, "9")];
        targets.push(Target { id: 4, url: Url::parse(&format!("http://{refusing}/")).unwrap(), head: false });
        targets.push(Target { id: 5, url: Url::parse("http://no-such-host.invalid/").unwrap(), head: false });
        let limits = Limits { timeout: Duration::from_millis(300), ..limits(6.min(entry.connections)) };
        let (outcome, answers) = run(entry, targets, &limits, &Stop::new(), |_| {});
        outcome.unwrap();
        let said: Vec<_> = answers
            .iter()
            .map(|answer| match &answer.outcome {
                Ok(response) => format!("{} {}", response.status, String::from_utf8_lossy(&response.body)),
                Err(failure) => failure.class.name().to_owned(),
            })
            .collect();
        assert_eq!(said[..5], ["200 15 16", "200 39 0", "timeout", "200 19 20", "connect"], "{}", entry.name);
        // Where there is no network at all, finding out takes longer.
        assert!(matches!(&*said[5], "name" | "timeout"), "{}: {said:?}", entry.name);
        assert_eq!(answers[1].redirects.len(), 1);
        assert_eq!(
            answers[2].outcome.as_ref().unwrap_err().text,
            "took longer than 300ms before the answer was complete"
        );
    }
}

/// A resolver that never answers costs its target's time and nothing else.
#[test]
fn a_resolver_that_hangs_keeps_nobody_else() {
    fn hangs(_: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
        loop {
            thread::park();
        }
    }
    for entry in WAITINGS.iter().filter(|entry| !entry.in_processes) {
        let site = Site::open();
        let named = |id| Target { id, url: Url::parse("http://h.example/").unwrap(), head: false };
        let targets = vec![named(0), site.target(1, "7"), named(2), site.target(3, "9")];
        let limits = Limits { timeout: Duration::from_millis(200), resolve: hangs, ..limits(3.min(entry.connections)) };
        let (outcome, answers) = run(entry, targets, &limits, &Stop::new(), |_| {});
        outcome.unwrap();
        let late = "took longer than 200ms before the address of its host was found";
        for id in [0, 2] {
            assert_eq!(answers[id].outcome.as_ref().unwrap_err().text, late, "{}", entry.name);
            assert_eq!(answers[id + 1].outcome.as_ref().unwrap().status, 200, "{}", entry.name);
        }
    }
}

#[test]
fn every_model_stops() {
    for entry in WAITINGS {
        let site = Site::open();
        let (stop, connections) = (Stop::new(), 8.min(entry.connections));
        let (asked, watched) = (stop.clone(), site.clone());
        let until = thread::spawn(move || {
            while watched.now.load(Ordering::Relaxed) < connections {
                thread::sleep(Duration::from_millis(1));
            }
            asked.set();
        });
        let limits = Limits { timeout: Duration::from_secs(3600), ..limits(connections) };
        let targets = (0..100).map(|id| site.target(id, "silent")).collect();
        let (outcome, answers) = run(entry, targets, &limits, &stop, |_| {});
        until.join().unwrap();
        assert!(matches!(outcome, Err(Error::Stopped)), "{}: {outcome:?}", entry.name);
        assert_eq!(answers.len(), 0);
    }
}

/// Answers as no server should, until the client has gone.
fn hostile(mut stream: TcpStream) -> std::io::Result<()> {
    let mut start = [0; 64];
    let count = stream.peek(&mut start)?;
    let text = String::from_utf8_lossy(&start[..count]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or("/").to_owned();
    if start[0] == 0x16 {
        // A greeting of TLS, which is answered in plain text.
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    if path == "/reset" {
        // Closing a connection with a request that was not read resets it.
        return Ok(());
    }
    let lines = BufReader::new(stream.try_clone()?).lines();
    lines.map_while(|line| line.ok()).take_while(|line| !line.is_empty()).for_each(drop);
    let mut moved = |to: &str| stream.write_all(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n").as_bytes());
    match path.as_str() {
        "/loop" => return moved("/back"),
        "/back" => return moved("loop"),
        "/ftp" => return moved("ftp://127.0.0.1/"),
        "/nowhere" => return moved("http://"),
        _ if path.starts_with("/more") => return moved(&format!("{path}e")),
        _ => {}
    }
    let mut forever = |head: &str, again: &[u8], pause| {
        stream.write_all(head.as_bytes())?;
        loop {
            stream.write_all(again)?;
            thread::sleep(pause);
        }
    };
    match path.as_str() {
        "/headers" => forever("HTTP/1.1 200 OK\r\n", &b"A: b\r\n".repeat(100), Duration::ZERO),
        "/slow" => forever("HTTP/1.1 200 OK\r\n", b"A", Duration::from_millis(10)),
        "/huge" => forever("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", &[b'x'; 4096], Duration::ZERO),
        "/endless" => forever("HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096], Duration::ZERO),
        "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
        "/length" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        "/garbage" => stream.write_all(&[0xff, 0, b'\n', 0x1b]),
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
    }
}

#[test]
fn hostile_servers_are_answered_with_a_sentence_each() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(|stream| stream.ok()) {
            thread::spawn(move || hostile(stream));
        }
    });
    /// A path, and the status that is answered, or the kind of failure and the end of its sentence.
    type Case = (&'static str, std::result::Result<u64, (&'static str, &'static str)>);
    let cases: &[Case] = &[
        ("headers", Err(("protocol", "sent headers without an end: more than 65536 bytes"))),
        ("slow", Err(("timeout", "took longer than 1s before the answer was complete"))),
        ("short", Err(("closed", "closed the connection after 5 of 100 bytes"))),
        ("length", Err(("protocol", "sent a Content-Length that is not one number"))),
        ("reset", Err(("closed", "reset the connection"))),
        ("garbage", Err(("protocol", "answered with something else than HTTP/1"))),
        ("tls", Err(("tls", "InvalidContentType"))),
        ("loop", Err(("redirects", "where it has been before"))),
        ("more", Err(("redirects", "redirects more than 10 times"))),
        ("ftp", Err(("redirects", "`ftp://127.0.0.1/`, which cannot be fetched"))),
        ("nowhere", Err(("redirects", "`http://`, which is no URL"))),
        ("huge", Ok(200)),
        ("endless", Ok(200)),
        ("fine", Ok(404)),
    ];
    let scratch = Scratch::new("hostile");
    let scheme = |path: &str| if path == "tls" { "https" } else { "http" };
    let urls: String = cases.iter().map(|(path, _)| format!("{}://{address}/{path}\n", scheme(path))).collect();
    std::fs::write(scratch.join("urls"), "# what is asked\n\n".to_owned() + &urls).unwrap();
    let check = |model: &'static str| {
        let connections = if model == "serial" { "1" } else { "20" };
        let arguments = ["status", "urls", "--json", "--timeout", "1s", "--model", model, "-j", connections];
        let output = scratch.program(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{model}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| line["number"].as_u64());
        assert_eq!(lines.len(), cases.len(), "{model}: {text}");
        for ((path, expected), line) in cases.iter().zip(lines) {
            match expected {
                Ok(status) => assert_eq!(line["status"].as_u64(), Some(*status), "{model}: {line}"),
                Err((class, end)) => {
                    assert_eq!(line["failure"], *class, "{model}: {line}");
                    assert!(line["text"].as_str().unwrap().ends_with(end), "{model}: {line}");
                }
            }
            if matches!(*path, "huge" | "endless") {
                assert_eq!((&line["bytes"], &line["whole"]), (&65536.into(), &false.into()), "{model}");
            }
        }
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("3 of 14 URLs answered (200: 2, 404: 1), 11 did not (closed: 2, "), "{model}: {said}");
    };
    thread::scope(|scope| WAITINGS.iter().for_each(|entry| drop(scope.spawn(|| check(entry.name)))));
}

#[test]
fn interrupted_programs_leave_nothing_behind() {
    let scratch = Scratch::new("interrupted-status");
    for entry in WAITINGS {
        let site = Site::open();
        let urls: String = (0..8).map(|_| format!("http://{}/silent\n", site.address)).collect();
        std::fs::write(scratch.join("urls"), urls).unwrap();
        let arguments = ["status", "urls", "--model", entry.name, "--timeout", "1h"];
        let mut child = scratch.program(arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
        let all = 8.min(entry.connections);
        until("all are connected", || (site.now.load(Ordering::Relaxed) == all).then_some(()));
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{}", entry.name);
        // Those of other processes too.
        until("all are closed", || (site.now.load(Ordering::Relaxed) == 0).then_some(()));
    }
}

#[test]
fn a_lost_process_is_replaced() {
    let site = Site::open();
    let address = site.address;
    for entry in WAITINGS.iter().filter(|entry| entry.in_processes) {
        let scratch = Scratch::new("lost");
        let silent = format!("http://{address}/silent\n");
        std::fs::write(scratch.join("urls"), silent + &format!("http://{address}/1\n").repeat(5)).unwrap();
        let arguments = ["status", "urls", "--model", entry.name, "--timeout", "1h", "-j", "1", "--json"];
        let mut command = scratch.program(arguments);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        until("it is connected", || (site.now.load(Ordering::Relaxed) == 1).then_some(()));
        for id in support::processes::children(child.id()) {
            let id = rustix::process::Pid::from_raw(id).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}: {output:?}", entry.name);
        let text = String::from_utf8(output.stdout).unwrap();
        let lost = "was lost with the process that asked it, which was killed by signal 9";
        assert!(text.contains(lost) && text.contains("\"failure\":\"local\""), "{text}");
        assert_eq!(text.matches("\"status\":200").count(), 5, "{text}");
    }
}

#[test]
fn what_waiting_costs_is_measured() {
    let scratch = Scratch::new("bench-waiting");
    let arguments =
        ["bench", "waiting", "--connections", "5,30", "--delay", "1ms", "--runs", "1", "--block-one=1ms", "--anyway"];
    let output = scratch
        .program(arguments.into_iter().chain(["--json", "--html", "w.html", "--svg", "w.svg"]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let costs = found["costs"].as_array().unwrap();
    assert_eq!(costs.len(), 2 * WAITINGS.len());
    for cost in costs {
        assert_eq!(cost["failed"], serde_json::json!({}), "{cost}");
        // The server answers after a millisecond.
        assert!(["wall", "p50", "p99"].iter().all(|key| cost[key].as_f64().unwrap() >= 1e-3), "{cost}");
        assert!(
            cost["p99"].as_f64() >= cost["p50"].as_f64() && cost["blocked"]["p50"].as_f64().unwrap() >= 1e-3,
            "{cost}"
        );
        let is_many = cost["at_once"].as_u64() == Some(30);
        assert!(!is_many || cost["resident"].as_f64().unwrap() > 0.0, "{cost}");
        assert!(cost["lines"].as_u64().unwrap() > 3, "{cost}");
    }
    let left_out = found["left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|why| why.as_str().unwrap().starts_with("`serial` is given 20 of 30")), "{left_out:?}");
    let (page, picture) = (scratch.join("w.html"), scratch.join("w.svg"));
    let [page, picture] = [page, picture].map(|path| std::fs::read_to_string(path).unwrap());
    // A point for each model and number of connections in each of four charts, and the table.
    assert!(page.contains(&picture) && picture.matches("<circle").count() <= 8 * WAITINGS.len());
    assert!(
        picture.matches("<circle").count() >= 6 * WAITINGS.len()
            && page.contains("process-each")
            && page.contains("blocked p99")
    );
    let one = scratch
        .program(["bench", "waiting", "--model", "reactor", "--connections", "9", "--runs", "1", "--anyway"])
        .output()
        .unwrap();
    let text = String::from_utf8(one.stdout).unwrap();
    assert!(text.contains("reactor") && !text.contains("tokio"), "{text}");
}
