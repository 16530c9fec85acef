//! What `status` and `crawl` share: URLs that can be asked, and counts of what came of them.

use std::collections::BTreeMap;
use url::{ParseError, Url};

/// A URL that can be asked, or what is wrong with it, to follow its text in a sentence.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => "does not begin with http:// or https://".to_owned(),
        error => format!("is no URL: {error}; one is https://example.org/"),
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("has the scheme `{other}`; allowed are http and https")),
    }
}

/// How often each status and each kind of failure came.
#[derive(Default)]
pub(super) struct Counts {
    statuses: BTreeMap<u16, usize>,
    failures: BTreeMap<&'static str, usize>,
}

impl Counts {
    pub(super) fn answered(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
    }

    pub(super) fn failed(&mut self, class: &'static str) {
        *self.failures.entry(class).or_default() += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.failures.is_empty()
    }

    /// How many failed.
    pub(super) fn failures(&self) -> usize {
        self.failures.values().sum()
    }

    /// All of them in words, such as "2 pages answered (200: 1, 404: 1), 1 did not (name: 1)"; `what` are the pages.
    pub(super) fn text(&self, what: &str) -> String {
        let answered: usize = self.statuses.values().sum();
        let mut text = format!("{answered} {what} answered{}", list(&self.statuses));
        if self.failures() > 0 {
            text += &format!(", {} did not{}", self.failures(), list(&self.failures));
        }
        text
    }
}

fn list(counts: &BTreeMap<impl std::fmt::Display, usize>) -> String {
    let each: Vec<_> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}
