//! Pages of an earlier crawl, which are not asked for again.

use super::hosts::{Hosts, Wanted};
use super::{Crawl, Page};
use std::collections::BTreeMap;
use url::Url;

/// A page that an earlier crawl has reported.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its URL, in normal form.
    pub url: Url,
    /// How many links it is away from the first page.
    pub depth: usize,
    /// Whether it was asked for; those that robots.txt disallows were not.
    pub is_asked: bool,
    /// How many bytes of it were kept.
    pub bytes: u64,
    /// Where it leads, in normal form.
    pub leads: Vec<Url>,
    /// Whether that is a redirect.
    pub is_moved: bool,
}

impl<F: FnMut(Page, usize) + Send> Crawl<F> {
    /// Continues an earlier crawl that began at the same page, before the first request: its pages, in the order in which they were
    /// reported, are not asked for again, and where they lead is wanted. They count for the limits of pages and bytes.
    pub fn resume(&self, known: &[Known]) {
        let mut state = self.lock();
        if known.is_empty() {
            return;
        }
        // The first page is among them.
        state.hosts = Hosts::new(self.options.per_host, self.options.pause);
        let mut redirects = BTreeMap::new();
        for page in known {
            state.seen.insert(page.url.clone());
            state.pages += usize::from(page.is_asked);
            state.bytes += page.bytes;
            if page.is_moved {
                let before = redirects.get(&page.url).copied().unwrap_or(0);
                redirects.extend(page.leads.iter().map(|to| (to, before + 1)));
            }
        }
        for page in known {
            let depth = page.depth + usize::from(!page.is_moved);
            let redirects = |to| if page.is_moved { redirects[to] } else { 0 };
            let inside = page.leads.iter().filter(|to| depth <= self.options.depth && self.is_inside(to));
            let wanted = inside.map(|to| Wanted {
                url: to.clone(),
                from: Some(page.url.clone()),
                depth,
                redirects: redirects(to),
                is_known: false,
            });
            // Those that are known are left out when they are compared with the rules.
            state.found.extend(wanted);
        }
    }
}
