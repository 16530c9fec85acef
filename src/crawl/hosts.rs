//! Whom to ask next: hosts take turns, and each is asked for its rules first, and then as often as it allows.

use super::robots::Rules;
use super::{Page, Visit};
use crate::waiting::{Failure, Response, Target};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use url::Url;

/// The most redirects that are followed to a host's robots.txt, by RFC 9309.
pub(super) const MOST_HOPS: usize = 5;

/// A page that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) url: Url,
    pub(super) from: Option<Url>,
    pub(super) depth: usize,
    /// How many redirects in a row led here.
    pub(super) redirects: usize,
    /// Whether it has waited for the rules of its host, and only these are to be looked at.
    pub(super) is_known: bool,
}

/// What a request is for.
pub(super) enum Asked {
    /// The rules of a host, after so many redirects.
    Robots(usize, usize),
    /// A page of a host.
    Page(usize, Wanted),
}

/// A scheme, a name and a port.
struct Host {
    /// Where its rules are, and how many redirects led there.
    robots: (Url, usize),
    /// Unless they are known.
    rules: Option<Rules>,
    /// Whether its rules are under way.
    is_asked: bool,
    waiting: VecDeque<Wanted>,
    /// Requests under way.
    open: usize,
    /// When the last one began.
    last: Option<Instant>,
    /// Before which moment it has asked not to be asked.
    rests: Option<Instant>,
}

impl Host {
    /// When it may be asked again.
    fn free(&self, pause: Duration) -> Option<Instant> {
        let delay = self.rules.as_ref().map(Rules::delay).unwrap_or_default();
        self.last.map(|last| last + pause.max(delay)).max(self.rests)
    }
}

/// All hosts.
pub(super) struct Hosts {
    most: usize,
    pause: Duration,
    hosts: Vec<Host>,
    places: BTreeMap<String, usize>,
    /// Whose turn it is.
    turn: usize,
    waiting: usize,
}

impl Hosts {
    pub(super) fn new(most: usize, pause: Duration) -> Self {
        Self { most, pause, hosts: Vec::new(), places: BTreeMap::new(), turn: 0, waiting: 0 }
    }

    /// How many pages wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a page. If its host's rules are known and disallow it, it is refused instead.
    pub(super) fn want(&mut self, wanted: Wanted, refused: &mut Vec<Page>) {
        let origin = wanted.url.origin().ascii_serialization();
        let number = *self.places.entry(origin).or_insert_with(|| {
            let mut robots = wanted.url.clone();
            robots.set_path("/robots.txt");
            robots.set_query(None);
            let host = Host {
                robots: (robots, 0),
                rules: None,
                is_asked: false,
                waiting: VecDeque::new(),
                open: 0,
                last: None,
                rests: None,
            };
            self.hosts.push(host);
            self.hosts.len() - 1
        });
        let host = &mut self.hosts[number];
        match host.rules.as_ref().and_then(|rules| rules.refusal(&wanted.url)) {
            Some(why) => refused.push(refusal(wanted, why)),
            None => {
                host.waiting.push_back(wanted);
                self.waiting += 1;
            }
        }
    }

    /// The next request, whose number is `id`; or the moment before which there is none, unless something else happens.
    pub(super) fn next(&mut self, id: usize, now: Instant) -> Result<(Target, Asked), Option<Instant>> {
        let mut soonest: Option<Instant> = None;
        for offset in 0..self.hosts.len() {
            let number = (self.turn + offset) % self.hosts.len();
            let host = &mut self.hosts[number];
            if host.waiting.is_empty() || host.is_asked || host.open >= self.most {
                continue;
            }
            if let Some(free) = host.free(self.pause).filter(|free| *free > now) {
                soonest = Some(soonest.map_or(free, |soonest| soonest.min(free)));
                continue;
            }
            self.turn = number + 1;
            host.last = Some(now);
            host.open += 1;
            let (url, asked) = if host.rules.is_none() {
                host.is_asked = true;
                (host.robots.0.clone(), Asked::Robots(number, host.robots.1))
            } else {
                let wanted = host.waiting.pop_front().expect("it was looked at");
                self.waiting -= 1;
                (wanted.url.clone(), Asked::Page(number, wanted))
            };
            return Ok((Target { id, url, head: false }, asked));
        }
        Err(soonest)
    }

    /// A request to a host has ended.
    pub(super) fn ended(&mut self, number: usize) {
        self.hosts[number].open -= 1;
    }

    /// A host is left alone until a moment.
    pub(super) fn rest(&mut self, number: usize, until: Option<Instant>) {
        let host = &mut self.hosts[number];
        host.rests = host.rests.max(until);
    }

    /// The answer to the request for a host's rules: they are elsewhere, or known. Returns the pages that have waited for them, which are
    /// to be wanted again.
    pub(super) fn rules(
        &mut self,
        number: usize,
        moved: Option<Url>,
        outcome: &Result<Response, Failure>,
    ) -> VecDeque<Wanted> {
        self.ended(number);
        let host = &mut self.hosts[number];
        host.is_asked = false;
        if let Some(moved) = moved {
            host.robots = (moved, host.robots.1 + 1);
            return VecDeque::new();
        }
        host.rules = Some(Rules::read(outcome));
        let mut again = std::mem::take(&mut host.waiting);
        self.waiting -= again.len();
        again.iter_mut().for_each(|wanted| wanted.is_known = true);
        again
    }
}

fn refusal(wanted: Wanted, why: String) -> Page {
    Page { url: wanted.url, from: wanted.from, depth: wanted.depth, visit: Visit::Refused(why) }
}
