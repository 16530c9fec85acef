//! What is wanted next, and what came of it: the side of a run that is not the model's.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// Where a model gets its targets and delivers its answers: a fixed list, or a queue that grows with the answers as a crawler's does.
///
/// Only [`deliver`](Self::deliver) may add targets, so a model that was given [`Next::Later`] asks again after its next delivery. Both
/// methods are called from several threads at once, and must not block.
pub trait Frontier: Send + Sync {
    /// The next target, or when to ask again. Each target is given once.
    fn next(&self) -> Next;

    /// Takes the answer to a target that [`next`](Self::next) gave.
    fn deliver(&self, answer: Answer);

    /// Is called when a model with one loop finds that its loop stood still for so long, 100 ms at least: something that was called
    /// from it blocked or computed, and all connections waited for that.
    fn stood_still(&self, _time: Duration) {}
}

/// What there is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This target, now.
    Target(Target),
    /// Nothing before this moment, for politeness perhaps; an answer may change that.
    At(Instant),
    /// Nothing before another answer is delivered. At least one target must be under way.
    Later,
    /// Nothing more, whatever answers are still to come.
    Done,
}

/// A request to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The caller's number for it.
    pub id: usize,
    /// Where to: `http` or `https`, with a host.
    pub url: Url,
    /// Whether only the head of the answer is asked for (`HEAD`).
    pub head: bool,
}

/// What came of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The target.
    pub target: Target,
    /// The time from its start to the end of the answer.
    pub took: Duration,
    /// The URLs to which it was redirected, in order; the last is the one that answered or failed.
    pub redirects: Vec<Url>,
    /// The answer of the server, whatever its status, or why there is none.
    pub outcome: Result<Response, Failure>,
}

/// An answer over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status, 200 to 599 in answers that follow the standard, at most 999.
    pub status: u16,
    /// Names, in small letters, and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, up to [`Limits::body`](super::Limits::body), without the framing of chunks.
    #[serde(with = "bytes")]
    pub body: Vec<u8>,
    /// Whether the body was read to its end.
    pub is_whole: bool,
}

impl Response {
    /// The value of the first header with a name, which is given in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Bytes as text, each as the character with its number: between processes that is a quarter of a list of numbers.
mod bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().copied().map(char::from).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub class: Class,
    /// What happened, to follow the URL in a sentence: "refused the connection".
    pub text: String,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The host's name has no address.
    Name,
    /// No connection: refused, or no way there.
    Connect,
    /// No encrypted connection, or one to somebody else.
    Tls,
    /// Too slow.
    Timeout,
    /// The connection ended before the answer did.
    Closed,
    /// What came is not HTTP, or too much of it.
    Protocol,
    /// Redirects without end, or to where nothing can be fetched.
    Redirects,
    /// This machine's limits: descriptors, processes, memory.
    Local,
}

impl Class {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Redirects => "redirects",
            Self::Local => "local",
        }
    }
}

impl Failure {
    /// A failure of a class.
    pub(crate) fn new(class: Class, text: impl Into<String>) -> Self {
        Self { class, text: text.into() }
    }

    /// That of a host without any address.
    pub(crate) fn no_address() -> Self {
        Self::new(Class::Name, "has a host without an address")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A fixed list of targets as a [`Frontier`]; the function receives each answer, one at a time.
pub struct List<F> {
    state: Mutex<(std::vec::IntoIter<Target>, F)>,
}

impl<F: FnMut(Answer) + Send> List<F> {
    /// The targets in order.
    pub fn new(targets: Vec<Target>, received: F) -> Self {
        Self { state: Mutex::new((targets.into_iter(), received)) }
    }
}

impl<F: FnMut(Answer) + Send> Frontier for List<F> {
    fn next(&self) -> Next {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.next().map_or(Next::Done, Next::Target)
    }

    fn deliver(&self, answer: Answer) {
        (self.state.lock().unwrap_or_else(PoisonError::into_inner).1)(answer);
    }
}

impl<F> fmt::Debug for List<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_travel_whole() {
        let response = Response { status: 200, body: (0..=255).collect(), ..Response::default() };
        let text = serde_json::to_string(&response).unwrap();
        assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
        assert!(serde_json::from_str::<Response>(&text.replace('a', "\u{100}")).is_err());
    }
}
