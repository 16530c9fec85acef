//! Waiting for many connections, in every model: what grows meanwhile, what goes wrong, and how it stops; and the commands that do so.

#[path = "waiting/crawl.rs"]
mod crawl;
#[path = "waiting/site.rs"]
mod site;
mod support;

use fractal::backend::Program;
use fractal::internal::waiting::{Answer, Frontier, Limits, List, Next, Target, WAITINGS, WaitingEntry};
use fractal::{Error, Result, Stop};
use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
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

/// A crawler: pages add the pages that they link to, each a moment later.
struct Crawl {
    site: Arc<Site>,
    state: Mutex<(VecDeque<(usize, Instant)>, BTreeSet<usize>, usize, Vec<Answer>)>,
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
