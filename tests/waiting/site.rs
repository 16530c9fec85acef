//! A site made for crawlers: loops, redirects, errors, pages that are slow, endless, huge or cut, rules, and links in odd forms. It
//! remembers who asked for what.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The site's state, which is read after a crawl.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    paths: Vec<String>,
    now: usize,
    most: usize,
}

/// What may be asked for and can be reached, each once.
const REACHABLE: &[&str] = &[
    "/robots.txt",
    "/",
    "/loop/a",
    "/loop/b",
    "/old",
    "/new",
    "/turn/1",
    "/turn/2",
    "/to-private",
    "/away",
    "/missing",
    "/broken",
    "/slow",
    "/silent",
    "/endless",
    "/huge",
    "/cut",
    "/private/open",
    "/odd?x=1&y=2",
    "/odd/space%20in%20it",
    "/odd/protocol",
    "/?query",
    "/base/here",
    "/base/x/there",
    "/frame",
    "/area",
    "/next",
    "/text",
    "/tag",
    "/deep/1",
    "/deep/2",
    "/deep/3",
    "/upper/%C3%A9",
];

/// The same, sorted.
pub(crate) fn reachable() -> Vec<&'static str> {
    REACHABLE.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

const HOME: &str = "<!doctype html><title>Site</title><link rel=stylesheet href=/never.css><link rel=next href=/next>
<A HREF=/loop/a>loop</A> <a href='/old'>moved</a> <a href=/turn/1>turns</a> <a href=/to-private><a href=/away>
<a href=/missing#part><a href=/broken><a href=/slow><a href=/silent><a href=/endless><a href=/huge><a href=/cut>
<a href=/private><a href=/private/page?x><a href=/private/open><a href=HTTP://HOST/./odd/../odd?x=1&amp;y=2#part>
<a href='
 /odd/space in it '><a href=//HOST/odd/protocol><a href=?query><a href=/base/here><iframe src=/frame></iframe>
<map><area href=area></map><a href=/text><a href=/tag><a href=/deep/1><a href=/upper/\u{e9}><a href=#top><a href=''>
<!-- <a href=/never/comment> --><script>x = '<a href=/never/script>'</script><a rel='nofollow' href=/never/nofollow>
<a href=javascript:alert(1)><a href=mailto:anna@h.example><a href=http://127.0.0.2:9/never><a href=http://[::bad/><a>";

impl Site {
    pub(crate) fn open() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Arc::new(Self { address: listener.local_addr().unwrap(), log: Mutex::default() });
        let server = site.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                let server = server.clone();
                // What a client that has gone does not take is no error.
                thread::spawn(move || drop(server.answer(stream)));
            }
        });
        site
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(|line| line.ok());
        let first = lines.next().unwrap_or_default();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        {
            let mut log = self.log.lock().unwrap();
            log.paths.push(path.clone());
            log.now += 1;
            log.most = log.most.max(log.now);
        }
        let page = |head: &str, body: &str| format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let html = |body: &str| page("200 OK\r\nContent-Type: text/html; charset=utf-8", body);
        let redirect = |to: &str| page(&format!("302 Found\r\nLocation: {to}"), "");
        let answer = match path.as_str() {
            "/robots.txt" => {
                page("200 OK", "User-agent: *\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 0.01\n")
            }
            "/" => html(&HOME.replace("HOST", &self.address.to_string())),
            "/loop/a" => html("<a href=b><a href=a>"),
            "/loop/b" => html("<a href=a><a href=../loop/./b>"),
            "/old" => redirect("new"),
            "/turn/1" => redirect("/turn/2"),
            "/turn/2" => redirect("/turn/1"),
            "/to-private" => redirect("/private/moved"),
            "/away" => redirect("http://127.0.0.2:9/never"),
            "/missing" => page("404 Not Found\r\nContent-Type: text/plain", "<a href=/never/missing>"),
            "/broken" => page("500 Internal Server Error", ""),
            "/slow" => {
                thread::sleep(Duration::from_millis(100));
                html("slow")
            }
            "/silent" | "/huge" | "/endless" | "/cut" => String::new(),
            "/base/here" => html("<a href=there><base href=x/>"),
            "/text" => page("200 OK\r\nContent-Type: text/plain", "<a href=/never/text>"),
            "/tag" => page("200 OK\r\nX-Robots-Tag: nofollow", "<a href=/never/tag>"),
            "/deep/1" | "/deep/2" => html(&format!("<a href={}>", if path.ends_with('1') { 2 } else { 3 })),
            _ => html("<p>nothing but text"),
        };
        // The connection counts until the client knows the answer.
        self.log.lock().unwrap().now -= 1;
        stream.write_all(answer.as_bytes())?;
        match path.as_str() {
            // Until the client has gone.
            "/silent" => lines.for_each(drop),
            "/huge" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 1 << 16])?;
                }
            }
            "/endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    stream.write_all(b"5\r\nx<a >\r\n")?;
                }
            }
            "/cut" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<a href=/never/cut>")?,
            _ => {}
        }
        Ok(())
    }

    /// The paths that were asked for, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut paths = self.log.lock().unwrap().paths.clone();
        paths.sort();
        paths
    }

    /// Checks that a crawl has asked for exactly what it may and can reach, each once, and with at most so many connections.
    pub(crate) fn check(&self, what: &str, most: usize) {
        assert_eq!(self.asked(), reachable(), "{what}");
        let log = self.log.lock().unwrap();
        assert!(log.most <= most, "{what}: {} connections at once, of {most}", log.most);
    }

    pub(crate) fn requests(&self) -> usize {
        self.log.lock().unwrap().paths.len()
    }
}
