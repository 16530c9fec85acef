//! Crawling: pages that lead to pages, politely. A crawl is a [`Frontier`] that grows, so every model of waiting can carry it out.
//!
//! There are no waves: a page's links can be asked for as soon as the page is there, whatever others still take. What holds them back is
//! politeness. Each host has its own rules (robots.txt), its own limit of connections, and its own pause between requests; redirects are
//! links like any others, so that the host they lead to has its say.

mod hosts;
mod known;
mod links;
mod names;
mod robots;

pub use known::Known;
pub use links::{Links, links};
pub use names::Names;

use crate::waiting::{Answer, Frontier, Next, Response};
use hosts::{Asked, Hosts, Wanted};
use links::normal;
pub use robots::ROBOTS_BYTES;
use robots::{is_nofollow, retry_after};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// Of how many pages that are disallowed a crawl takes note, beyond ten times its limit of pages.
const MOST_REFUSED: usize = 10_000;

/// The most redirects in a row that are followed.
const MOST_REDIRECTS: usize = 10;

/// For how long pages that were found are compared with the rules of their hosts before something else has its turn: with ten thousand
/// links and half a megabyte of rules that takes seconds, and in an event loop all connections would wait for it.
const SLICE: Duration = Duration::from_millis(5);

/// What bounds a crawl.
#[derive(Clone, Debug)]
pub struct CrawlOptions {
    /// How many links away from the first page.
    pub depth: usize,
    /// How many pages are asked for; redirects count.
    pub pages: usize,
    /// After so many bytes of bodies no more pages are asked for. Those that are under way are read to their end.
    pub bytes: u64,
    /// The most bytes of a page that are kept. The model must read [`ROBOTS_BYTES`] at least, since rules may be as long.
    pub page_bytes: usize,
    /// After so much time no more pages are asked for.
    pub time: Option<Duration>,
    /// The most connections to a host at once, at least 1.
    pub per_host: usize,
    /// The pause between the beginnings of two requests to a host; a longer one that its robots.txt asks for is kept as well.
    pub pause: Duration,
    /// Names of hosts to which links are followed, besides that of the first page, with the port where it is not the scheme's own.
    pub hosts: Vec<String>,
    /// Whether links are followed to any host.
    pub any_host: bool,
}

/// A page, and what came of it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its URL, in normal form.
    pub url: Url,
    /// The page that leads there; none for the first.
    pub from: Option<Url>,
    /// How many links it is away from the first page.
    pub depth: usize,
    /// What came of it.
    pub visit: Visit,
}

/// What came of a page.
#[derive(Clone, Debug)]
pub enum Visit {
    /// The server answered, whatever its status.
    Answered(Answered),
    /// There is no answer: the kind of failure, and a sentence that follows the URL.
    Failed(&'static str, String),
    /// It was not asked for: robots.txt disallows it, or it is a redirect too many.
    Refused(String),
}

/// An answer, and where it leads.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The answer.
    pub response: Response,
    /// The time from the start of the request to the end of the answer.
    pub took: Duration,
    /// How many links it has that can be followed, each URL counted once.
    pub links: usize,
    /// How many of these, or of redirects, lead to hosts that are left out.
    pub elsewhere: usize,
    /// How many links more ask not to be followed.
    pub nofollow: usize,
    /// Where a redirect leads.
    pub moved: Option<Url>,
}

/// A crawl; `F` receives every page, one at a time, in no particular order, and how many more are known by then.
pub struct Crawl<F> {
    options: CrawlOptions,
    first_host: Option<String>,
    end: Option<Instant>,
    state: Mutex<State>,
    received: Mutex<F>,
}

struct State {
    hosts: Hosts,
    /// Pages that were found and are not compared with the rules yet.
    found: VecDeque<Wanted>,
    /// All that was ever wanted.
    seen: BTreeSet<Url>,
    /// What is under way. An answer that is being read is nothing that was asked any more, but still under way: it may lead to others.
    open: BTreeMap<usize, Option<Asked>>,
    /// How many requests there were, and how many of these for pages.
    requests: usize,
    pages: usize,
    bytes: u64,
    /// Whether pages were forgotten, since as many as may be asked for were known.
    is_cut: bool,
}

impl State {
    /// How many pages are known that are to be asked for.
    fn known(&self) -> usize {
        self.hosts.waiting() + self.found.len() + self.open.len()
    }
}

impl<F: FnMut(Page, usize) + Send> Crawl<F> {
    /// A crawl that begins at `first`, which must be of http or https. Its time begins now.
    pub fn new(first: &Url, options: CrawlOptions, received: F) -> Self {
        let end = options.time.and_then(|time| Instant::now().checked_add(time));
        let mut state = State {
            hosts: Hosts::new(options.per_host, options.pause),
            found: VecDeque::new(),
            seen: BTreeSet::new(),
            open: BTreeMap::new(),
            requests: 0,
            pages: 0,
            bytes: 0,
            is_cut: false,
        };
        let first = normal(first.clone());
        let first_host = first.as_ref().and_then(host_of);
        if let Some(url) = first {
            state.seen.insert(url.clone());
            state.hosts.want(Wanted { url, from: None, depth: 0, redirects: 0, is_known: false }, &mut Vec::new());
        }
        Self { options, first_host, end, state: Mutex::new(state), received: Mutex::new(received) }
    }

    /// Which limit kept pages from being asked for that are known, in words; none if all were asked for.
    pub fn limit(&self) -> Option<&'static str> {
        let state = self.lock();
        let is_cut = state.is_cut || state.hosts.waiting() > 0 || !state.found.is_empty();
        is_cut.then_some(match () {
            () if state.pages >= self.options.pages => "pages",
            () if state.bytes >= self.options.bytes => "bytes",
            () => "time",
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether links to this URL are followed.
    fn is_inside(&self, url: &Url) -> bool {
        let host = host_of(url);
        self.options.any_host || host == self.first_host || host.is_some_and(|host| self.options.hosts.contains(&host))
    }

    /// The next request at a moment.
    fn next_at(&self, now: Instant) -> Next {
        let mut state = self.lock();
        let is_late = self.end.is_some_and(|end| now >= end);
        if is_late || state.pages >= self.options.pages || state.bytes >= self.options.bytes {
            return Next::Done;
        }
        let refused = self.compare(&mut state);
        let next = self.next_of(&mut state, now);
        let known = state.known();
        drop(state);
        self.report(refused, known);
        next
    }

    /// The next request to a host at a moment.
    fn next_of(&self, state: &mut State, now: Instant) -> Next {
        let id = state.requests;
        match state.hosts.next(id, now) {
            Ok((target, asked)) => {
                state.requests += 1;
                state.pages += usize::from(matches!(asked, Asked::Page(..)));
                state.open.insert(id, Some(asked));
                Next::Target(target)
            }
            Err(_) if !state.found.is_empty() => Next::At(now),
            Err(Some(moment)) => Next::At(self.end.map_or(moment, |end| end.min(moment))),
            Err(None) if state.open.is_empty() => Next::Done,
            Err(None) => Next::Later,
        }
    }

    /// Takes an answer, and adds the pages that it leads to.
    fn take(&self, answer: Answer, now: Instant) {
        let id = answer.target.id;
        let Some(asked) = self.lock().open.get_mut(&id).and_then(Option::take) else { return };
        let (mut pages, mut pause) = (Vec::new(), None);
        let mut state = match asked {
            Asked::Robots(host, hops) => {
                let moved = answer.outcome.as_ref().ok().and_then(|response| moved(response, &answer.target.url));
                let mut state = self.lock();
                state.open.remove(&id);
                let again = state.hosts.rules(host, moved.filter(|_| hops < hosts::MOST_HOPS), &answer.outcome);
                // They were found before all others.
                again.into_iter().rev().for_each(|wanted| state.found.push_front(wanted));
                state
            }
            Asked::Page(host, wanted) => {
                let Wanted { url, from, depth, redirects, .. } = wanted;
                let page = |to, depth, redirects| Wanted {
                    url: to,
                    from: Some(url.clone()),
                    depth,
                    redirects,
                    is_known: false,
                };
                let mut found = Vec::new();
                let visit = match answer.outcome {
                    Ok(mut response) => {
                        if response.body.len() > self.options.page_bytes {
                            response.body.truncate(self.options.page_bytes);
                            response.is_whole = false;
                        }
                        pause = retry_after(&response);
                        let moved = moved(&response, &url);
                        let mut answered = Answered { took: answer.took, moved, ..Answered::default() };
                        if let Some(to) = answered.moved.clone() {
                            found.push(page(to, depth, redirects + 1));
                        } else if is_html(&response) {
                            // Before the state is locked: a long page takes milliseconds.
                            let Links { urls, nofollow } = links(&response.body, &url);
                            let obeys = is_nofollow(&response);
                            answered.nofollow = nofollow + if obeys { urls.len() } else { 0 };
                            found.extend(urls.into_iter().filter(|_| !obeys).map(|to| page(to, depth + 1, 0)));
                        }
                        answered.links = if answered.moved.is_some() { 0 } else { found.len() };
                        let all = found.len();
                        found.retain(|wanted| self.is_inside(&wanted.url));
                        answered.elsewhere = all - found.len();
                        answered.response = response;
                        Visit::Answered(answered)
                    }
                    Err(failure) => Visit::Failed(failure.class.name(), failure.text),
                };
                let mut state = self.lock();
                state.open.remove(&id);
                state.hosts.ended(host);
                state.hosts.rest(host, pause.and_then(|pause| now.checked_add(pause)));
                if let Visit::Answered(answered) = &visit {
                    state.bytes += answered.response.body.len() as u64;
                }
                pages.push(Page { url, from, depth, visit });
                state.found.extend(found.into_iter().filter(|wanted| wanted.depth <= self.options.depth));
                state
            }
        };
        pages.append(&mut self.compare(&mut state));
        let known = state.known();
        drop(state);
        self.report(pages, known);
    }

    /// Gives pages that were found to their hosts, for a while; returns those that their rules disallow.
    fn compare(&self, state: &mut State) -> Vec<Page> {
        let (began, mut refused) = (Instant::now(), Vec::new());
        while began.elapsed() < SLICE
            && let Some(wanted) = state.found.pop_front()
        {
            self.want(state, wanted, &mut refused);
        }
        refused
    }

    /// Reports what came of pages, when so many more are known.
    fn report(&self, pages: Vec<Page>, known: usize) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        pages.into_iter().for_each(|page| received(page, known));
    }

    /// Adds a page, unless it is known, or there are as many as may be asked for.
    fn want(&self, state: &mut State, wanted: Wanted, refused: &mut Vec<Page>) {
        if wanted.is_known {
            return state.hosts.want(wanted, refused);
        }
        // Pages that are disallowed wait for nothing, and one host can name any number of them.
        let most_seen = self.options.pages.saturating_mul(10).saturating_add(MOST_REFUSED);
        if state.pages + state.hosts.waiting() >= self.options.pages || state.seen.len() >= most_seen {
            state.is_cut |= !state.seen.contains(&wanted.url);
            return;
        }
        if !state.seen.insert(wanted.url.clone()) {
            return;
        }
        if wanted.redirects > MOST_REDIRECTS {
            let visit = Visit::Refused(format!("is the {}th redirect in a row", wanted.redirects));
            refused.push(Page { url: wanted.url, from: wanted.from, depth: wanted.depth, visit });
            return;
        }
        state.hosts.want(wanted, refused);
    }
}

impl<F: FnMut(Page, usize) + Send> Frontier for Crawl<F> {
    fn next(&self) -> Next {
        self.next_at(Instant::now())
    }

    fn deliver(&self, answer: Answer) {
        self.take(answer, Instant::now());
    }
}

impl<F> fmt::Debug for Crawl<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crawl").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The host of a URL, where it is asked whether links to it are followed: its name, and its port where that is not the scheme's own. So
/// http and https of a name are one.
pub fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Where an answer redirects to.
fn moved(response: &Response, url: &Url) -> Option<Url> {
    let is_redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
    normal(url.join(response.header("location").filter(|_| is_redirect)?).ok()?)
}

/// Whether an answer is a page with links.
fn is_html(response: &Response) -> bool {
    let media = response.header("content-type").unwrap_or("text/html").split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| media.eq_ignore_ascii_case(html))
}

#[cfg(test)]
mod tests;
