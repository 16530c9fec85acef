//! `status`: which of many URLs answer, and how.

use super::args::StatusArgs;
use fractal::Result;

/// `fractal status`.
#[cfg(not(feature = "net"))]
pub(crate) fn run(_: &StatusArgs) -> Result<()> {
    Err(fractal::Error::Unsupported(fractal::internal::NO_NET.into()))
}

#[cfg(feature = "net")]
pub(crate) use asked::run;

#[cfg(feature = "net")]
mod asked {
    use super::super::bar::Display;
    use super::super::bench::Bar;
    use super::super::signals::Signals;
    use super::super::waiting::{Counts, url};
    use super::super::{note, print, print_json};
    use super::{Result, StatusArgs};
    use fractal::Error;
    use fractal::internal::waiting::{Answer, Frontier, Limits, List, Target, allow, find};
    use serde::Serialize;
    use std::ffi::OsStr;
    use std::io::{ErrorKind, Read};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Instant;
    use url::Url;

    /// The most bytes of a file of URLs: a million long ones.
    const MOST_BYTES: u64 = 256 << 20;

    /// An answer as a line of JSON.
    #[derive(Serialize)]
    struct Line<'a> {
        /// Its place among the URLs, from 1.
        number: usize,
        url: &'a Url,
        /// That of the answer, if there is one.
        status: Option<u16>,
        /// Why there is none: a kind of failure, and a sentence that follows the URL.
        failure: Option<&'static str>,
        text: Option<&'a str>,
        seconds: f64,
        redirects: &'a [Url],
        /// Bytes of the body that were read, and whether those are all.
        bytes: Option<usize>,
        whole: Option<bool>,
    }

    /// What has been answered so far.
    struct Seen {
        counts: Counts,
        /// The first error of writing.
        error: Option<Error>,
    }

    /// `fractal status`.
    pub(crate) fn run(args: &StatusArgs) -> Result<()> {
        let mut urls = Vec::new();
        for source in &args.sources {
            read(source, &mut urls)?;
        }
        let entry = find(&args.waiting.model)?;
        let connections = args.waiting.connections.unwrap_or(entry.connections).min(urls.len()).max(1);
        allow(connections)?;
        let limits =
            Limits { connections, timeout: args.waiting.timeout, body: 64 << 10, head: 64 << 10, ..Limits::default() };
        let signals = Signals::receive()?;
        let bar = Bar::new(Display::new(&args.waiting.progress, args.quiet));
        let all = urls.len();
        let targets = urls.into_iter().enumerate().map(|(id, url)| Target { id, url, head: args.head }).collect();
        let seen = Arc::new(Mutex::new(Seen { counts: Counts::default(), error: None }));
        let (record, stop, json) = (seen.clone(), signals.stop.child(), args.json);
        let (ended, mut done, began) = (stop.clone(), 0, Instant::now());
        let received = move |answer: Answer| {
            let mut seen = record.lock().unwrap_or_else(PoisonError::into_inner);
            match &answer.outcome {
                Ok(response) => seen.counts.answered(response.status),
                Err(failure) => seen.counts.failed(failure.class.name()),
            }
            done += 1;
            if let Err(error) = bar.apart(|| if json { print_json(&line(&answer)) } else { print(text(&answer)) }) {
                seen.error.get_or_insert(error);
                ended.set();
            }
            bar.step(done, all, None, answer.target.url.as_str());
        };
        let list: Arc<dyn Frontier> = Arc::new(List::new(targets, received));
        let outcome = entry.run(&list, &limits, &stop);
        // The bar goes with it, before what follows is written.
        drop(list);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = seen.error.take() {
            return Err(error);
        }
        if !args.quiet {
            let text = seen.counts.text(&format!("of {all} URLs"));
            note(format!("{text}, in {:.2} s", began.elapsed().as_secs_f64()));
        }
        outcome?;
        match seen.counts.failures() {
            0 => Ok(()),
            failed => Err(Error::Input(format!("{failed} of {all} URLs did not answer"))),
        }
    }

    /// Reads the URLs of a source: itself, or a file.
    fn read(source: &OsStr, urls: &mut Vec<Url>) -> Result<()> {
        if let Some(text) = source.to_str().filter(|text| text.contains("://")) {
            urls.push(url(text).map_err(|why| Error::Usage(format!("`{text}` {why}")))?);
            return Ok(());
        }
        let name = if source == "-" { "standard input".into() } else { source.to_string_lossy() };
        let failed = |error: std::io::Error| match error.kind() {
            // The host of a URL, perhaps.
            ErrorKind::NotFound => {
                Error::Input(format!("`{name}` is no file, and no URL, which begins with http:// or https://"))
            }
            _ => Error::io("read", &*name, error),
        };
        let mut bytes = Vec::new();
        let outcome = match &*name {
            "standard input" if source == "-" => std::io::stdin().take(MOST_BYTES + 1).read_to_end(&mut bytes),
            _ => std::fs::File::open(source).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)),
        };
        if outcome.map_err(failed)? as u64 > MOST_BYTES {
            return Err(Error::Input(format!("`{name}` is too long: at most {} MiB are read", MOST_BYTES >> 20)));
        }
        let before = urls.len();
        // Some editors begin a file with a mark that it is UTF-8.
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let wrong = |why| Error::Input(format!("line {number} of `{name}` {why}"));
                urls.push(url(line).map_err(wrong)?);
            }
        }
        if urls.len() == before {
            return Err(Error::Input(format!("`{name}` has no URLs; each stands on a line of its own")));
        }
        Ok(())
    }

    fn line(answer: &Answer) -> Line<'_> {
        let (response, failure) = (answer.outcome.as_ref().ok(), answer.outcome.as_ref().err());
        Line {
            number: answer.target.id + 1,
            url: &answer.target.url,
            status: response.map(|response| response.status),
            failure: failure.map(|failure| failure.class.name()),
            text: failure.map(|failure| failure.text.as_str()),
            seconds: answer.took.as_secs_f64(),
            redirects: &answer.redirects,
            bytes: response.map(|response| response.body.len()),
            whole: response.map(|response| response.is_whole),
        }
    }

    /// An answer as people read it.
    fn text(answer: &Answer) -> String {
        let (url, seconds) = (&answer.target.url, answer.took.as_secs_f64());
        let to: String = answer.redirects.iter().map(|url| format!(" -> {url}")).collect();
        match &answer.outcome {
            Ok(response) => format!("{:<9} {seconds:8.3} s  {url}{to}\n", response.status),
            Err(failure) => format!("{:<9} {seconds:8.3} s  {url}{to} {failure}\n", failure.class.name()),
        }
    }
}
