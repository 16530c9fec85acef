use super::*;
use crate::waiting::{Class, Failure, Target};

/// A request to a site that is only thought of: when it began, when it ended, and its URL.
type Asking = (Duration, Duration, String);

/// What a server answers.
type Outcome = Result<Response, Failure>;

/// Carries out a crawl in a time that is only thought of, too; `serve` says how long an answer takes.
fn carry_out<F>(crawl: &Crawl<F>, connections: usize, serve: impl Fn(&str) -> (u64, Outcome)) -> Vec<Asking>
where
    F: FnMut(Page, usize) + Send,
{
    let begin = Instant::now();
    let (mut now, mut open, mut log) = (begin, Vec::<(Instant, Target, Outcome)>::new(), Vec::new());
    loop {
        let next = if open.len() < connections { crawl.next_at(now) } else { Next::Later };
        let moment = match next {
            Next::Target(target) => {
                let (took, outcome) = serve(target.url.as_str());
                let end = now + Duration::from_millis(took);
                log.push((now - begin, end - begin, target.url.to_string()));
                open.push((end, target, outcome));
                continue;
            }
            Next::Done if open.is_empty() => return log,
            Next::At(moment) => Some(moment),
            Next::Later | Next::Done => None,
        };
        let first = open.iter().map(|(end, ..)| *end).min();
        now = first.into_iter().chain(moment).min().expect("what waits for others must not be alone");
        while let Some(at) = open.iter().position(|(end, ..)| *end <= now) {
            let (_, target, outcome) = open.swap_remove(at);
            crawl.take(Answer { target, took: Duration::ZERO, redirects: Vec::new(), outcome }, now);
        }
        assert!(log.len() < 10_000, "it ends");
    }
}

fn options() -> CrawlOptions {
    CrawlOptions {
        depth: 100,
        pages: 1000,
        bytes: u64::MAX,
        page_bytes: 5000,
        time: None,
        per_host: 2,
        pause: Duration::from_millis(10),
        hosts: Vec::new(),
        any_host: false,
    }
}

fn page(html: &str) -> Outcome {
    Ok(Response { status: 200, body: html.into(), is_whole: true, ..Response::default() })
}

fn redirect(to: &str) -> Outcome {
    Ok(Response { status: 302, headers: vec![("location".into(), to.into())], ..Response::default() })
}

fn nothing() -> Outcome {
    Ok(Response { status: 404, is_whole: true, ..Response::default() })
}

/// Crawls `http://h.example/`; returns what was asked for, and what came of each page by its path.
fn crawl(
    options: CrawlOptions,
    connections: usize,
    serve: impl Fn(&str) -> (u64, Outcome),
) -> (Vec<Asking>, BTreeMap<String, String>) {
    let mut seen = BTreeMap::new();
    let log = {
        let received = |page: Page, _: usize| {
            let what = match page.visit {
                Visit::Answered(answered) => answered.response.status.to_string(),
                Visit::Failed(class, _) => class.into(),
                Visit::Refused(why) => why,
            };
            let url = page.url.as_str().replace("http://h.example", "");
            assert_eq!(seen.insert(url.clone(), what), None, "{url} is reported once");
        };
        let crawl = Crawl::new(&Url::parse("http://h.example/").unwrap(), options, received);
        carry_out(&crawl, connections, |url| serve(url.strip_prefix("http://h.example").unwrap_or(url)))
    };
    (log, seen)
}

fn paths(log: &[Asking]) -> Vec<&str> {
    log.iter().map(|(.., url)| url.strip_prefix("http://h.example").unwrap_or(url)).collect()
}

#[test]
fn a_pages_links_do_not_wait_for_slow_pages() {
    let (log, _) = crawl(options(), 10, |path| match path {
        "/" => (1, page("<a href=slow><a href=1>")),
        "/slow" => (10_000, page("")),
        "/20" | "/robots.txt" => (1, nothing()),
        path => (1, page(&format!("<a href={}>", path[1..].parse::<usize>().unwrap() + 1))),
    });
    let slow = log.iter().find(|(.., url)| url.ends_with("/slow")).unwrap();
    let last = log.iter().find(|(.., url)| url.ends_with("/20")).unwrap();
    assert!(last.1 < slow.1, "twenty levels are done while one page of the first is under way: {log:?}");
    assert_eq!(log.len(), 23);
}

#[test]
fn pauses_and_limits_of_each_host_are_kept() {
    let links: String = (0..20).map(|n| format!("<a href=/{n}><a href=http://other.example/{n}>")).collect();
    let options = CrawlOptions { any_host: true, ..options() };
    let (log, _) = crawl(options, 100, |url| match url {
        "/" => (3, page(&links)),
        "http://other.example/robots.txt" => (3, page("User-agent: *\nCrawl-delay: 0.5")),
        url => (35, if url.ends_with("robots.txt") { nothing() } else { page("") }),
    });
    assert_eq!(log.len(), 43);
    for (host, pause) in [("h.example", 10), ("other.example", 500)] {
        let of_host: Vec<_> = log.iter().filter(|(.., url)| url.starts_with(&format!("http://{host}/"))).collect();
        assert!(of_host[0].2.ends_with("/robots.txt"), "rules come first");
        for pair in of_host.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(pause), "{pair:?}");
        }
        for (start, ..) in &of_host {
            let open = of_host.iter().filter(|other| other.0 <= *start && *start < other.1).count();
            assert!(open <= 2, "{open} at once");
        }
    }
    // One does not wait for the other: the quick host is done when the slow one has hardly begun.
    let quick = log.iter().filter(|(.., url)| url.starts_with("http://h.")).map(|(start, ..)| *start).max().unwrap();
    assert!(quick < Duration::from_secs(1), "{quick:?}");
}

#[test]
fn what_is_disallowed_is_never_asked_for() {
    let (log, seen) = crawl(options(), 10, |path| match path {
        "/robots.txt" => (1, page("User-agent: *\nDisallow: /secret\nDisallow: /deep/")),
        "/" => (1, page("<a href=secret><a href=open><a href=moved>")),
        "/open" => (1, page("<a href=/deep/er>")),
        "/moved" => (1, redirect("/secret/too")),
        path => panic!("{path} is disallowed"),
    });
    assert_eq!(paths(&log), ["/robots.txt", "/", "/open", "/moved"]);
    let disallowed = "robots.txt disallows it";
    for (path, what) in
        [("/secret", disallowed), ("/deep/er", disallowed), ("/secret/too", disallowed), ("/moved", "302")]
    {
        assert_eq!(seen[path], what, "{path}");
    }
    // The first page may be disallowed, and rules may be missing.
    let (log, seen) = crawl(options(), 10, |_| (1, page("User-agent: *\nDisallow: /")));
    assert_eq!((log.len(), seen["/"].as_str()), (1, disallowed));
    let refused = || Err(Failure { class: Class::Connect, text: "refused the connection".into() });
    let (log, seen) = crawl(options(), 10, |_| (1, refused()));
    assert_eq!((log.len(), seen["/"].as_str()), (1, "the robots.txt of its host refused the connection"));
}

#[test]
fn rules_can_be_elsewhere_but_not_without_end() {
    let serve = |hops: usize| {
        move |path: &str| match path.strip_prefix("/robots") {
            Some(".txt") => (1, redirect("/robots1")),
            Some(n) if n.parse::<usize>().unwrap() == hops => (1, page("User-agent: *\nDisallow: /")),
            Some(n) => (1, redirect(&format!("/robots{}", n.parse::<usize>().unwrap() + 1))),
            None => (1, page("")),
        }
    };
    assert_eq!(crawl(options(), 10, serve(hosts::MOST_HOPS)).1["/"], "robots.txt disallows it");
    let (log, seen) = crawl(options(), 10, serve(100));
    assert_eq!((log.len(), seen["/"].as_str()), (2 + hosts::MOST_HOPS, "200"), "there are none");
}

#[test]
fn redirects_are_followed_to_known_hosts_and_end() {
    let (log, seen) = crawl(options(), 10, |path| match path {
        "/robots.txt" => (1, nothing()),
        "/" => (1, page("<a href=/loop1><a href=/away><a href=/chain/0>")),
        "/loop1" => (1, redirect("/loop2")),
        "/loop2" => (1, redirect("/loop1#again")),
        "/away" => (1, redirect("http://other.example/")),
        path => (1, redirect(&(path.rsplit('/').next().unwrap().parse::<usize>().unwrap() + 1).to_string())),
    });
    assert!(log.iter().all(|(.., url)| url.starts_with("http://h.example/")));
    let chain = log.iter().filter(|(.., url)| url.contains("/chain/")).count();
    assert_eq!((chain, seen["/chain/11"].as_str()), (1 + MOST_REDIRECTS, "is the 11th redirect in a row"));
    assert_eq!([&seen["/loop1"], &seen["/loop2"], &seen["/away"]], ["302"; 3]);
}

#[test]
fn every_limit_ends_a_crawl() {
    // Every page leads to two more, without end.
    let serve = |path: &str| match path {
        "/robots.txt" => (1, nothing()),
        path => {
            let path = path.trim_end_matches('/');
            (1, page(&format!("<a href={path}/a><a href={path}/b>{}", "x".repeat(1000))))
        }
    };
    let asked = |options| crawl(options, 10, serve).0.len() - 1;
    let every = CrawlOptions { pages: 500, ..options() };
    assert_eq!(asked(every.clone()), 500);
    assert_eq!(asked(CrawlOptions { depth: 0, ..every.clone() }), 1);
    assert_eq!(asked(CrawlOptions { depth: 3, ..every.clone() }), 15);
    assert_eq!(asked(CrawlOptions { pages: 7, ..every.clone() }), 7);
    let bytes = asked(CrawlOptions { bytes: 20_000, ..every.clone() });
    assert!((18..=20).contains(&bytes), "{bytes} pages of a kilobyte");
    let time = asked(CrawlOptions { time: Some(Duration::from_secs(1)), ..every });
    assert!((50..=100).contains(&time), "{time} pages in a second, 10 ms apart");
}

#[test]
fn pages_are_cut_and_disallowed_ones_bounded() {
    let links: String = (0..9_000).map(|n| format!("<a href=/private/{{page}}/{n}>")).collect();
    let (log, seen) = crawl(CrawlOptions { page_bytes: 1 << 20, pages: 3, ..options() }, 1, |path| match path {
        "/robots.txt" => (1, page("User-agent: *\nDisallow: /private")),
        path => (1, page(&(links.replace("{page}", &path[1..]) + &format!("<a href={path}x>")))),
    });
    assert_eq!(paths(&log), ["/robots.txt", "/", "/x"], "no further page is known once so many were disallowed");
    assert_eq!(seen.len(), 10 * 3 + MOST_REFUSED);
    let cut = Mutex::new(None);
    let received = |page: Page, _| match page.visit {
        Visit::Answered(answered) => {
            let Response { body, is_whole, .. } = answered.response;
            *cut.lock().unwrap() = Some((body.len(), is_whole));
        }
        visit => panic!("{visit:?}"),
    };
    let crawl = Crawl::new(&Url::parse("http://h.example/").unwrap(), options(), received);
    carry_out(&crawl, 1, |url| (1, if url.ends_with("robots.txt") { nothing() } else { page(&"x".repeat(6000)) }));
    assert_eq!(*cut.lock().unwrap(), Some((5000, false)));
}

#[test]
fn a_server_that_is_asked_too_much_is_left_alone() {
    let (log, seen) = crawl(options(), 10, |path| match path {
        "/robots.txt" => (1, nothing()),
        "/" => (1, page("<a href=busy><a href=later>")),
        "/busy" => {
            let headers = vec![("retry-after".into(), "30".into())];
            (1, Ok(Response { status: 503, headers, ..Response::default() }))
        }
        _ => (1, page("")),
    });
    assert_eq!((paths(&log)[3], seen["/busy"].as_str()), ("/later", "503"));
    assert!(log[3].0 - log[2].1 >= Duration::from_secs(30), "{log:?}");
}

#[test]
fn hosts_are_those_that_are_named() {
    let html = "<a href=http://h.example:81/><a href=https://h.example/><a href=http://other.example/><a href=http://www.h.example/>";
    let asked = |options| {
        let (log, _) = crawl(options, 10, |url| (1, if url.ends_with("robots.txt") { nothing() } else { page(html) }));
        let mut urls: Vec<_> =
            log.into_iter().map(|(.., url)| url).filter(|url| !url.ends_with("robots.txt")).collect();
        urls.sort();
        urls
    };
    assert_eq!(asked(options()), ["http://h.example/", "https://h.example/"]);
    let hosts = vec!["other.example".into(), "h.example:81".into()];
    let urls = ["http://h.example/", "http://h.example:81/", "http://other.example/", "https://h.example/"];
    assert_eq!(asked(CrawlOptions { hosts, ..options() }), urls);
    assert_eq!(asked(CrawlOptions { any_host: true, ..options() }).len(), 5);
}

/// Several threads ask at once, and each page is read by one of them: meanwhile it must not seem to the others that all is done.
#[test]
fn a_crawl_is_not_done_while_an_answer_is_read() {
    const PAGES: usize = 300;
    // Long enough to be read for a while.
    let text = "<p>text</p>".repeat(2000);
    let options = CrawlOptions { depth: PAGES, page_bytes: 1 << 20, pause: Duration::ZERO, ..options() };
    let count = Mutex::new(0);
    let crawl = Crawl::new(&Url::parse("http://h.example/0").unwrap(), options, |_, _| *count.lock().unwrap() += 1);
    let work = || {
        loop {
            match crawl.next() {
                Next::Target(target) => {
                    let number = target.url.path()[1..].parse::<usize>();
                    let outcome = number.map_or_else(
                        |_| nothing(),
                        |number| page(&format!("{text}<a href=/{}>", (number + 1).min(PAGES - 1))),
                    );
                    crawl.deliver(Answer { target, took: Duration::ZERO, redirects: Vec::new(), outcome });
                }
                Next::Done => return crawl.lock().pages,
                Next::At(_) | Next::Later => std::thread::yield_now(),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(work));
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [PAGES; 4], "when each thread ended");
    });
    assert_eq!(*count.lock().unwrap(), PAGES);
}

/// Thousands of rules and links: they are compared in slices, between which others have their turn, and nothing is left out.
#[test]
fn many_rules_do_not_hold_the_loop() {
    let rules: String = (0..40_000).map(|n| format!("Disallow: /{n}x*y\n")).collect();
    let links = |end| (0..200).map(move |n| format!("<a href=/{n}{end}>"));
    let links: String = links("x/y").chain(links("")).collect();
    let options = CrawlOptions { page_bytes: 1 << 20, pages: 150, pause: Duration::ZERO, ..options() };
    let seen = Mutex::new(BTreeMap::new());
    let received = |page: Page, _| {
        let path = page.url.path().to_owned();
        seen.lock().unwrap().insert(path, matches!(page.visit, Visit::Answered(_)));
    };
    let crawl = Crawl::new(&Url::parse("http://h.example/").unwrap(), options, received);
    let deliver = |path: &str, outcome| {
        let Next::Target(target) = crawl.next() else { panic!("{path} is wanted") };
        assert_eq!(target.url.path(), path);
        crawl.deliver(Answer { target, took: Duration::ZERO, redirects: Vec::new(), outcome });
    };
    deliver("/robots.txt", page(&format!("User-agent: *\n{rules}")));
    deliver("/", page(&links));
    let left = crawl.lock().found.len();
    assert!(left > 0, "400 links and 40,000 rules take longer than a slice");
    let mut slices = 0;
    loop {
        match crawl.next() {
            Next::Target(target) => {
                crawl.deliver(Answer { target, took: Duration::ZERO, redirects: Vec::new(), outcome: page("") });
            }
            Next::At(_) => slices += 1,
            Next::Done => break,
            Next::Later => panic!("nothing is under way"),
        }
    }
    assert!(slices > 0, "those that are disallowed come first");
    let seen = seen.lock().unwrap();
    let answered = seen.values().filter(|answered| **answered).count();
    assert_eq!((answered, seen["/0"], seen["/0x/y"]), (150, true, false));
}

#[test]
fn a_crawl_is_resumed_where_it_ended() {
    let url = |path: &str| Url::parse("http://h.example/").unwrap().join(path).unwrap();
    let known = |path: &str, depth, leads: &[&str]| Known {
        url: url(path),
        depth,
        is_asked: true,
        bytes: 10,
        leads: leads.iter().map(|to| url(to)).collect(),
        is_moved: false,
    };
    let moved = |path: &str, to: &str| Known { is_moved: true, ..known(path, 1, &[to]) };
    let mut pages =
        vec![known("/", 0, &["/a", "/b", "/loop/1", "http://other.example/"]), known("/a", 1, &["/", "/c"])];
    pages.push(Known { is_asked: false, ..known("/secret", 1, &[]) });
    pages.extend((1..MOST_REDIRECTS).map(|n| moved(&format!("/loop/{n}"), &format!("/loop/{}", n + 1))));
    let resumed = |options, pages: &[Known]| {
        let seen = Mutex::new(BTreeMap::new());
        let received = |page: Page, _: usize| _ = seen.lock().unwrap().insert(page.url.path().to_owned(), page.depth);
        let crawl = Crawl::new(&url("/"), options, received);
        crawl.resume(pages);
        carry_out(&crawl, 10, |url| match url.strip_prefix("http://h.example").unwrap() {
            "/robots.txt" => (1, nothing()),
            "/b" => (1, page("<a href=/a><a href=/d>")),
            path if path.starts_with("/loop/") => (1, redirect(&(path[6..].parse::<usize>().unwrap() + 1).to_string())),
            _ => (1, page("<a href=/secret>")),
        });
        let limit = crawl.limit();
        drop(crawl);
        (seen.into_inner().unwrap(), limit)
    };
    let seen = [("/b", 1), ("/c", 2), ("/d", 2), ("/loop/10", 1), ("/loop/11", 1), ("/loop/12", 1)];
    let expected: BTreeMap<_, _> = seen.map(|(path, depth)| (path.to_owned(), depth)).into();
    assert_eq!(resumed(options(), &pages), (expected, None), "redirects are counted across the interruption");
    // They count for the limits, and those that are disallowed do not.
    let asked = pages.iter().filter(|page| page.is_asked).count();
    let (seen, limit) = resumed(CrawlOptions { pages: asked + 1, ..options() }, &pages);
    assert_eq!((seen.keys().next().map(String::as_str), seen.len(), limit), (Some("/b"), 1, Some("pages")));
    let (seen, limit) = resumed(CrawlOptions { bytes: 10 * pages.len() as u64, ..options() }, &pages);
    assert_eq!((seen.len(), limit), (0, Some("bytes")));
    assert_eq!(resumed(options(), &[]).0.len(), 2, "nothing was there");
}
