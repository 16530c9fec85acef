//! What a host allows: its robots.txt, by the rules of RFC 9309.

use super::links::has;
use crate::waiting::{Class, Failure, Response};
use std::time::Duration;
use texting_robots::Robot;
use url::Url;

/// The name under which robots.txt can address this program; others it calls `*`.
const AGENT: &str = "fractal";

/// How much of a robots.txt is read: what RFC 9309 asks for at least.
pub const ROBOTS_BYTES: usize = 500 << 10;

/// The most rules with `$` of a robots.txt. The parser makes a regular expression of each, in up to a tenth of a millisecond and of 42 KB.
const MOST_ENDS: usize = 1000;

/// The longest pause that is kept between two requests, in seconds: a host that asks for more wants no crawler.
const LONGEST_DELAY: f32 = 3600.0;

/// The rules of a host.
pub(super) enum Rules {
    /// It has none.
    None,
    /// Nothing may be asked for, for this reason.
    Closed(String),
    Some(Box<Robot>),
}

impl Rules {
    /// The rules that follow from an answer to the request for robots.txt. No such file allows everything; a server that cannot say
    /// allows nothing.
    pub(super) fn read(outcome: &Result<Response, Failure>) -> Self {
        match outcome {
            Err(failure) if failure.class == Class::Name => Self::Closed("its host has no address".into()),
            Err(failure) => Self::Closed(format!("the robots.txt of its host {}", failure.text)),
            Ok(response) => match response.status {
                200..=299 if ends(whole_lines(response)) > MOST_ENDS => {
                    Self::Closed(format!("the robots.txt of its host has more than {MOST_ENDS} rules with `$`"))
                }
                200..=299 => match Robot::new(AGENT, whole_lines(response)) {
                    Ok(robot) => Self::Some(Box::new(robot)),
                    Err(_) => Self::Closed("the robots.txt of its host cannot be read".into()),
                },
                300..=499 => Self::None,
                status => Self::Closed(format!("its host answers with status {status} for robots.txt")),
            },
        }
    }

    /// Why a URL may not be asked for.
    pub(super) fn refusal(&self, url: &Url) -> Option<String> {
        match self {
            Self::None => None,
            Self::Closed(why) => Some(why.clone()),
            Self::Some(robot) => (!robot.allowed(url.as_str())).then(|| "robots.txt disallows it".into()),
        }
    }

    /// The pause that the host asks for.
    pub(super) fn delay(&self) -> Duration {
        if let Self::Some(robot) = self { time(robot.delay) } else { Duration::ZERO }
    }
}

/// A pause of so many seconds, if that is a number.
fn time(seconds: Option<f32>) -> Duration {
    let seconds = seconds.filter(|seconds| *seconds >= 0.0).unwrap_or_default();
    Duration::from_secs_f32(seconds.min(LONGEST_DELAY))
}

/// The body of an answer, without a last line that was cut: half a rule may disallow all, or allow it.
fn whole_lines(response: &Response) -> &[u8] {
    let body = &response.body;
    let end = if response.is_whole { None } else { body.iter().rposition(|&byte| byte == b'\n') };
    &body[..end.unwrap_or(if response.is_whole { body.len() } else { 0 })]
}

/// How many rules of a robots.txt have an end, `$`.
fn ends(text: &[u8]) -> usize {
    text.split(|byte| b"\r\n".contains(byte)).filter(|line| line.contains(&b'$')).count()
}

/// How long a server that is asked too much wants to be left alone, if it says so in seconds.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.header("retry-after").filter(|_| matches!(response.status, 429 | 503))?;
    Some(time(seconds.trim().parse().ok()))
}

/// Whether the head of an answer asks that none of the page's links be followed.
pub(super) fn is_nofollow(response: &Response) -> bool {
    let mut tags = response.headers.iter().filter(|(name, _)| name == "x-robots-tag");
    tags.any(|(_, value)| {
        // The rules may be for one agent: `other: nofollow`.
        let (agent, rules) = value.split_once(':').unwrap_or(("*", value));
        let agent = agent.trim();
        (agent == "*" || agent.eq_ignore_ascii_case(AGENT)) && has(rules, &["nofollow", "none"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Response, Failure> {
        Ok(Response { status, body: body.into(), is_whole: true, ..Response::default() })
    }

    #[test]
    fn rules_follow_from_every_answer() {
        let url = |path| Url::parse("http://h.example").unwrap().join(path).unwrap();
        let text = "User-agent: *\nDisallow: /\n\nUser-agent: Fractal\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 1.5\n";
        let rules = Rules::read(&answer(200, text));
        assert_eq!(rules.refusal(&url("/")), None);
        assert_eq!(rules.refusal(&url("/private/open/x")), None);
        assert!(rules.refusal(&url("/private/x")).is_some_and(|why| why == "robots.txt disallows it"));
        assert_eq!(rules.delay(), Duration::from_millis(1500));
        for (outcome, refused) in [
            (answer(404, "Disallow: /"), None),
            (answer(403, ""), None),
            (answer(200, ""), None),
            (answer(200, "<html>no rules</html>"), None),
            (answer(503, ""), Some("its host answers with status 503 for robots.txt")),
            (
                Err(Failure { class: Class::Connect, text: "refused the connection".into() }),
                Some("the robots.txt of its host refused the connection"),
            ),
            (Err(Failure { class: Class::Name, text: "has none".into() }), Some("its host has no address")),
        ] {
            assert_eq!(Rules::read(&outcome).refusal(&url("/x")).as_deref(), refused, "{outcome:?}");
        }
    }

    #[test]
    fn delays_of_every_kind_are_bounded() {
        for (seconds, expected) in
            [(f32::NAN, 0), (-1.0, 0), (f32::NEG_INFINITY, 0), (f32::INFINITY, 3600), (1e30, 3600), (2.0, 2)]
        {
            assert_eq!(time(Some(seconds)), Duration::from_secs(expected), "{seconds}");
        }
        assert_eq!(time(None), Duration::ZERO);
    }

    #[test]
    fn half_a_rule_is_none() {
        let cut = |body: &str, is_whole| Ok(Response { is_whole, ..answer(200, body).unwrap() });
        let refuses = |outcome| Rules::read(&outcome).refusal(&Url::parse("http://h.example/x").unwrap()).is_some();
        assert!(!refuses(cut("User-agent: *\nDisallow: /private\nDisallow: /", false)));
        assert!(refuses(cut("User-agent: *\nDisallow: /x\nAllow: /x", false)));
        assert!(refuses(cut("User-agent: *\nDisallow: /", true)) && !refuses(cut("Disallow: /", false)));
    }

    #[test]
    fn rules_that_would_take_long_are_not_read() {
        let text = |ends| format!("User-agent: *\n{}Disallow: /x", "Allow: /*a$\n".repeat(ends));
        let refusal = |ends| Rules::read(&answer(200, &text(ends))).refusal(&Url::parse("http://h.example/y").unwrap());
        assert_eq!(refusal(MOST_ENDS), None);
        assert!(refusal(MOST_ENDS + 1).is_some_and(|why| why.ends_with("has more than 1000 rules with `$`")));
    }

    #[test]
    fn servers_that_are_asked_too_much_say_how_long() {
        let answer = |status, value: &str| {
            let headers = vec![("retry-after".into(), value.into())];
            retry_after(&Response { status, headers, ..Response::default() })
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!([answer(429, "7"), answer(503, " 120 "), answer(200, "7")], [seconds(7), seconds(120), None]);
        assert_eq!(
            [answer(429, "99999999999"), answer(429, "Sat, 28 Nov 2026 20:00:00 GMT")],
            [seconds(3600), seconds(0)]
        );
    }

    #[test]
    fn the_head_of_an_answer_has_rules_too() {
        let tagged =
            |value: &str| Response { headers: vec![("x-robots-tag".into(), value.into())], ..Response::default() };
        for (value, is) in
            [("noindex, nofollow", true), ("none", true), ("noindex", false), ("fractal: nofollow", true)]
        {
            assert_eq!(is_nofollow(&tagged(value)), is, "{value}");
        }
        assert!(!is_nofollow(&tagged("otherbot: nofollow")));
    }
}
