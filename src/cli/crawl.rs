//! `crawl`: pages that lead to pages.

use super::args::CrawlArgs;
use fractal::Result;

/// `fractal crawl`.
#[cfg(not(feature = "net"))]
pub(crate) fn run(_: &CrawlArgs) -> Result<()> {
    Err(fractal::Error::Unsupported(fractal::internal::NO_NET.into()))
}

#[cfg(feature = "net")]
pub(crate) use crawled::run;

#[cfg(feature = "net")]
mod folder;

#[cfg(feature = "net")]
mod crawled {
    use super::super::bar::Display;
    use super::super::bench::Bar;
    use super::super::signals::Signals;
    use super::super::waiting::{Counts, url};
    use super::super::{note, print, print_json};
    use super::folder::Folder;
    use super::{CrawlArgs, Result};
    use fractal::Error;
    use fractal::internal::crawl::{Answered, Crawl, CrawlOptions, Page, ROBOTS_BYTES, Visit, host_of};
    use fractal::internal::waiting::{Frontier, Limits, allow, find};
    use serde::Serialize;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Instant;
    use url::Url;

    /// A page as a line of JSON.
    #[derive(Serialize)]
    pub(in super::super) struct Line<'a> {
        url: &'a Url,
        /// The page that leads there.
        from: Option<&'a Url>,
        depth: usize,
        /// That of the answer, if there is one.
        status: Option<u16>,
        /// Why there is none: a kind of failure or `refused`, and a sentence that follows the URL.
        failure: Option<&'a str>,
        text: Option<&'a str>,
        seconds: Option<f64>,
        media: Option<&'a str>,
        /// Bytes of the body that were read, and whether those are all.
        bytes: Option<usize>,
        whole: Option<bool>,
        /// Links that can be followed, those among them that lead to other hosts, and those with nofollow.
        links: Option<usize>,
        elsewhere: Option<usize>,
        nofollow: Option<usize>,
        /// Where a redirect leads.
        moved: Option<&'a Url>,
        /// The name of its file in the folder.
        file: Option<&'a str>,
    }

    /// What has come so far.
    #[derive(Default)]
    struct Seen {
        counts: Counts,
        refused: usize,
        bytes: u64,
        /// What is wrong with the first page, or the one that it redirects to.
        first: Option<String>,
        /// The first error of writing.
        error: Option<Error>,
    }

    /// `fractal crawl`.
    pub(crate) fn run(args: &CrawlArgs) -> Result<()> {
        let url = url(&args.url).map_err(|why| Error::Usage(format!("`{}` {why}", args.url)))?;
        if args.pages == 0 {
            return Err(Error::Usage("`--pages 0` leaves nothing to ask for; allowed are numbers from 1".into()));
        }
        let entry = find(&args.waiting.model)?;
        let hosts = args.host.iter().map(|host| place(host)).collect::<Result<Vec<_>>>()?;
        // More than all hosts together allow are of no use.
        let most = if args.any_host { entry.connections } else { args.per_host * (1 + hosts.len()) };
        let connections = args.waiting.connections.unwrap_or(entry.connections.min(most)).max(1);
        allow(connections)?;
        let small = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let page_bytes = small(args.page_bytes.clamp(1, 1_000_000_000));
        let body = page_bytes.max(ROBOTS_BYTES);
        let limits = Limits { connections, timeout: args.waiting.timeout, redirects: 0, body, ..Limits::default() };
        let options = CrawlOptions {
            depth: small(args.depth),
            pages: small(args.pages),
            bytes: args.bytes,
            page_bytes,
            time: args.time,
            per_host: args.per_host,
            pause: args.pause,
            hosts,
            any_host: args.any_host,
        };
        let signals = Signals::receive()?;
        let open = |path| if args.resume { Folder::resume(path, &url, &signals) } else { Folder::open(path, &signals) };
        let (mut folder, known) = args.output.as_deref().map(open).transpose()?.unzip();
        let known = known.unwrap_or_default();
        let bar = Bar::new(Display::new(&args.waiting.progress, args.quiet));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (record, stop, as_json) = (seen.clone(), signals.stop.child(), args.json);
        let (ended, mut done, began) = (stop.clone(), 0, Instant::now());
        let received = move |page: Page, known: usize| {
            let mut seen = record.lock().unwrap_or_else(PoisonError::into_inner);
            seen.count(&page);
            let kept = folder.as_mut().map_or(Ok(None), |folder| folder.keep(&page));
            let written = kept.and_then(|file| {
                bar.apart(|| if as_json { print_json(&line(&page, file.as_deref())) } else { print(text(&page)) })
            });
            if let Err(error) = written {
                seen.error.get_or_insert(error);
                ended.set();
            }
            done += 1;
            bar.step(done, done + known, None, page.url.as_str());
        };
        let crawl = Arc::new(Crawl::new(&url, options, received));
        crawl.resume(&known);
        let outcome = entry.run(&(crawl.clone() as Arc<dyn Frontier>), &limits, &stop);
        let limit = crawl.limit().filter(|_| outcome.is_ok());
        // The bar goes with it, before what follows is written.
        drop(crawl);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = seen.error.take() {
            return Err(error);
        }
        if !args.quiet {
            note(seen.summary(known.len(), limit, began.elapsed().as_secs_f64()));
        }
        outcome?;
        if seen.counts.is_empty() && seen.refused == 0 && known.is_empty() {
            return Err(Error::Input(format!("--time was over before {url} could be asked for")));
        }
        seen.first.take().map_or(Ok(()), |why| Err(Error::Input(why)))
    }

    /// A host as the library names it.
    fn place(text: &str) -> Result<String> {
        let url = Url::parse(&format!("http://{text}/")).ok();
        let url = url.filter(|url| url.path() == "/" && url.username().is_empty() && url.query().is_none());
        let host = url.as_ref().and_then(host_of).map(|host| host.trim_end_matches(":443").to_owned());
        host.ok_or_else(|| Error::Usage(format!("`{text}` is no host; one is example.org or example.org:8080")))
    }

    /// A page as people read it.
    fn text(page: &Page) -> String {
        let url = &page.url;
        match &page.visit {
            Visit::Answered(Answered { response, took, moved, .. }) => {
                let to = moved.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
                let cut = if response.is_whole { "" } else { " (its beginning)" };
                format!("{:<9} {:8.3} s  {url}{to}{cut}\n", response.status, took.as_secs_f64())
            }
            Visit::Failed(class, why) => format!("{class:<9} {:>10}  {url} {why}\n", ""),
            Visit::Refused(why) => format!("{:<9} {:>10}  {url}: {why}\n", "refused", ""),
        }
    }

    pub(in super::super) fn line<'a>(page: &'a Page, file: Option<&'a str>) -> Line<'a> {
        let (answered, failure) = match &page.visit {
            Visit::Answered(answered) => (Some(answered), None),
            Visit::Failed(class, why) => (None, Some((*class, why))),
            Visit::Refused(why) => (None, Some(("refused", why))),
        };
        let response = answered.map(|answered| &answered.response);
        Line {
            url: &page.url,
            from: page.from.as_ref(),
            depth: page.depth,
            status: response.map(|response| response.status),
            failure: failure.map(|(class, _)| class),
            text: failure.map(|(_, why)| why.as_str()),
            seconds: answered.map(|answered| answered.took.as_secs_f64()),
            media: response.and_then(|response| response.header("content-type")),
            bytes: response.map(|response| response.body.len()),
            whole: response.map(|response| response.is_whole),
            links: answered.map(|answered| answered.links),
            elsewhere: answered.map(|answered| answered.elsewhere),
            nofollow: answered.map(|answered| answered.nofollow),
            moved: answered.and_then(|answered| answered.moved.as_ref()),
            file,
        }
    }

    impl Seen {
        fn count(&mut self, page: &Page) {
            let wrong = match &page.visit {
                Visit::Answered(Answered { response, moved, elsewhere, .. }) => {
                    self.counts.answered(response.status);
                    self.bytes += response.body.len() as u64;
                    match moved {
                        Some(to) if *elsewhere > 0 => {
                            let host = host_of(to).unwrap_or_default();
                            Some(format!(
                                "has moved to {to}, another host; allow it with --host {host}, or begin there"
                            ))
                        }
                        _ if response.status >= 400 => Some(format!("answers with status {}", response.status)),
                        _ => None,
                    }
                }
                Visit::Failed(class, why) => {
                    self.counts.failed(class);
                    Some(why.clone())
                }
                Visit::Refused(why) => {
                    self.refused += 1;
                    Some(format!("is not asked for: {why}"))
                }
            };
            // Only the first page and redirects from it are on this level.
            if page.depth == 0 {
                self.first = self.first.take().or(wrong.map(|why| format!("{} {why}", page.url)));
            }
        }

        /// What came of all pages, in a line.
        fn summary(&self, known: usize, limit: Option<&str>, seconds: f64) -> String {
            let mut text = if known > 0 { format!("{known} pages were there, ") } else { String::new() };
            text += &self.counts.text(if known > 0 { "more" } else { "pages" });
            if self.refused > 0 {
                text += &format!(", {} {} refused", self.refused, if self.refused == 1 { "was" } else { "were" });
            }
            text += &format!("; {} bytes in {seconds:.2} s", self.bytes);
            if let Some(limit) = limit {
                text += &format!("; --{limit} left others out");
            }
            text
        }
    }
}
