//! Crawls of a site that is made for them, in every model and by the command.

use super::limits;
use super::site::{self, Site};
use super::support::{Scratch, until};
use fractal::internal::crawl::{Crawl, CrawlOptions, Page, ROBOTS_BYTES, Visit};
use fractal::internal::waiting::{DEFAULT, Frontier, Limits, WAITINGS};
use fractal::parallel::Stop;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use url::Url;

const PER_HOST: usize = 3;
const PAUSE: Duration = Duration::from_millis(4);

/// What the site's robots.txt asks for.
const DELAY: Duration = Duration::from_millis(10);

const PAGE_BYTES: usize = 100_000;

#[test]
fn every_model_visits_what_may_be_visited_and_nothing_else() {
    thread::scope(|scope| {
        for entry in WAITINGS {
            scope.spawn(move || {
                let (site, pages, began) = (Site::open(), Arc::new(Mutex::new(Vec::<Page>::new())), Instant::now());
                let options = CrawlOptions {
                    depth: 100,
                    pages: 1000,
                    bytes: u64::MAX,
                    page_bytes: PAGE_BYTES,
                    time: None,
                    per_host: PER_HOST,
                    pause: PAUSE,
                    hosts: Vec::new(),
                    any_host: false,
                };
                let (first, kept) = (Url::parse(&format!("http://{}/", site.address)).unwrap(), pages.clone());
                let crawl = Crawl::new(&first, options, move |page, _| kept.lock().unwrap().push(page));
                let crawl: Arc<dyn Frontier> = Arc::new(crawl);
                let limits = Limits {
                    redirects: 0,
                    body: ROBOTS_BYTES,
                    timeout: Duration::from_secs(3),
                    ..limits(entry.connections.min(8))
                };
                entry.run(&crawl, &limits, &Stop::new()).unwrap();
                site.check(entry.name, PER_HOST);
                // However long a request takes to arrive, so much time has passed for the crawler from the first one to the last.
                let pauses = PAUSE + DELAY * (site.requests() as u32 - 2);
                assert!(began.elapsed() >= pauses, "{}: pauses are kept", entry.name);
                check(entry.name, &pages.lock().unwrap(), &first);
            });
        }
    });
}

/// Checks what is reported of pages.
fn check(model: &str, pages: &[Page], first: &Url) {
    let mut seen = BTreeMap::new();
    for page in pages {
        let what = match &page.visit {
            Visit::Answered(answered) if !answered.response.is_whole => "cut".to_owned(),
            Visit::Answered(answered) => answered.response.status.to_string(),
            Visit::Failed(class, _) => (*class).to_owned(),
            Visit::Refused(_) => "refused".to_owned(),
        };
        let path = page.url.as_str().replacen(first.as_str(), "/", 1);
        assert_eq!(seen.insert(path.clone(), what), None, "{model}: {path} is reported once");
        if let Visit::Answered(answered) = &page.visit {
            assert!(answered.response.body.len() <= PAGE_BYTES, "{model}: {path} is bounded");
        }
    }
    for (path, expected) in [
        ("/", "200"),
        ("/old", "302"),
        ("/missing", "404"),
        ("/broken", "500"),
        ("/silent", "timeout"),
        ("/endless", "cut"),
        ("/huge", "cut"),
        ("/cut", "closed"),
        ("/private", "refused"),
        ("/private/page?x", "refused"),
        ("/private/moved", "refused"),
    ] {
        assert_eq!(seen.get(path).map(String::as_str), Some(expected), "{model}: {path}");
    }
    let home = pages.iter().find(|page| page.url == *first).unwrap();
    let Visit::Answered(home) = &home.visit else { panic!("{model}: the first page has answered") };
    assert_eq!((home.elsewhere, home.nofollow), (1, 1), "{model}");
}

#[test]
fn the_command_keeps_pages_and_lists_them() {
    let (scratch, site) = (Scratch::new("crawl"), Site::open());
    let first = format!("http://{}/", site.address);
    let limits = ["--pause", "1ms", "--timeout", "3s", "--page-bytes", "100000", "--per-host", "3", "--model", "tokio"];
    let output = scratch.program(["crawl", &first, "-o", "kept"].iter().chain(&limits)).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    site.check("the command", 3);
    for line in [format!("{first}old -> {first}new\n"), format!("{first}private: robots.txt disallows it\n")] {
        assert!(stdout.contains(&line), "{line}{stdout}");
    }
    assert!(stderr.contains("2 did not (closed: 1, timeout: 1), 3 were refused; "), "{stderr}");
    let list = fs::read_to_string(scratch.join("kept/pages.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), stdout.lines().count());
    let mut files: Vec<_> = lines.iter().filter_map(|line| line["file"].as_str()).map(str::to_owned).collect();
    files.push("pages.jsonl".into());
    files.sort();
    let mut found: Vec<_> = fs::read_dir(scratch.join("kept")).unwrap().collect();
    let mut found: Vec<_> = found.drain(..).map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, files, "what is there is in the list, and nothing else");
    let home = lines.iter().find(|line| line["url"] == first.as_str()).unwrap();
    let body = fs::read(scratch.join("kept").join(home["file"].as_str().unwrap())).unwrap();
    assert_eq!(Some(body.len() as u64), home["bytes"].as_u64());
    assert!(body.starts_with(b"<!doctype html><title>Site</title>"));
    // The folder is not used twice, and the first page decides the exit status.
    let again = scratch.program(["crawl", &first, "-o", "kept"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&again.stderr)
            .contains("`kept` is not empty; pages are kept in a new or empty folder, and --resume")
    );
    for (path, what) in [
        ("missing", "answers with status 404"),
        ("private", "is not asked for: robots.txt disallows it"),
        ("away", "has moved to http://127.0.0.2:9/never, another host; allow it with --host 127.0.0.2:9"),
    ] {
        let output = scratch.program(["crawl", &format!("{first}{path}"), "--json", "-q"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{path}: {stderr}");
        assert!(stderr.contains(&format!("{first}{path} {what}")), "{stderr}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    }
}

#[test]
fn an_interrupted_crawl_keeps_what_it_has_and_is_resumed() {
    thread::scope(|scope| {
        for entry in WAITINGS {
            scope.spawn(move || {
                let (scratch, site) = (Scratch::new("crawl-stop"), Site::open());
                let first = format!("http://{}/", site.address);
                let arguments = ["--pause", "1ms", "--timeout", "10m", "--per-host", "1", "-j", "1", "-o", "kept"];
                let mut command = scratch.program(["crawl", &first, "--model", entry.name].iter().chain(&arguments));
                let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                // From then on nothing more comes.
                until("the silent page", || site.asked().contains(&"/silent".into()).then_some(()));
                let pid = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
                let began = Instant::now();
                let output = child.wait_with_output().unwrap();
                assert!(began.elapsed() < Duration::from_secs(2), "{} stops at once", entry.name);
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(130), "{}: {stderr}", entry.name);
                let list = fs::read_to_string(scratch.join("kept/pages.jsonl")).unwrap();
                assert!(list.lines().count() >= 5 && list.ends_with('\n'), "{}: {list}", entry.name);
                for line in list.lines() {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    if let Some(file) = line["file"].as_str() {
                        let len = fs::metadata(scratch.join("kept").join(file)).unwrap().len();
                        assert_eq!(Some(len), line["bytes"].as_u64(), "{}: {file}", entry.name);
                    }
                }
                if entry.name == DEFAULT {
                    resume(&scratch, &site, &first);
                }
            });
        }
    });
}

/// Continues an interrupted crawl.
fn resume(scratch: &Scratch, site: &Site, first: &str) {
    // As after a loss of power: a line that is not whole, and a page that is not listed.
    let list = scratch.join("kept/pages.jsonl");
    let before = fs::read_to_string(&list).unwrap();
    fs::write(&list, before.clone() + "{\"url\":\"http://h").unwrap();
    let crawl = |first: &str, more: &[&str]| {
        let arguments = ["--pause", "1ms", "--timeout", "1s", "--resume", "-o", "kept"];
        let output = scratch.program(["crawl", first].iter().chain(&arguments).chain(more)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = crawl(&format!("{first}old"), &[]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&format!("`kept` has a crawl from {first} on, and none from {first}old on")), "{stderr}");
    let (code, stderr) = crawl(&format!("{first}#part"), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains(&format!("{} pages were there, ", before.lines().count())), "{stderr}");
    // What was under way is asked for again, and nothing else.
    let mut asked = site.asked();
    for twice in ["/robots.txt", "/silent"] {
        let at = asked.iter().position(|path| path == twice).unwrap();
        asked.remove(at);
    }
    assert_eq!(asked, site::reachable());
    let after = fs::read_to_string(&list).unwrap();
    assert!(after.starts_with(&before));
    let lines: Vec<serde_json::Value> = after.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let urls: BTreeSet<_> = lines.iter().map(|line| line["url"].as_str().unwrap()).collect();
    assert_eq!(urls.len(), lines.len(), "each is listed once: {after}");
    // Nothing is left to do, and what is no list is refused.
    assert_eq!(crawl(first, &["-q"]), (Some(0), String::new()));
    fs::write(&list, after + "{}\n").unwrap();
    let (code, stderr) = crawl(first, &[]);
    assert!(stderr.contains(&format!("line {} of `kept/pages.jsonl` is of no crawl: ", lines.len() + 1)), "{stderr}");
    assert_eq!(code, Some(1));
}
