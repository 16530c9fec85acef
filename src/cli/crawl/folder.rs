//! The folder of a crawl: the pages, and a list of them from which it can be resumed.

use super::super::json;
use super::super::signals::Signals;
use super::crawled::line;
use fractal::internal::crawl::{Answered, Known, Names, Page, Visit, links};
use fractal::{Error, Result};
use serde::Deserialize;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use url::Url;

/// The list of pages in a folder. No page has this name, for those end with a checksum.
const LIST: &str = "pages.jsonl";

/// Where pages are kept: each file appears when it is complete, and then its line in the list.
pub(super) struct Folder {
    path: PathBuf,
    list: File,
    names: Names,
    signals: Signals,
}

/// What is read of a line.
#[derive(Deserialize)]
struct Listed {
    url: Url,
    from: Option<Url>,
    depth: usize,
    status: Option<u16>,
    failure: Option<String>,
    bytes: Option<u64>,
    links: Option<usize>,
    moved: Option<Url>,
    file: Option<String>,
}

impl Folder {
    /// A folder that is new or empty. Nothing is known of its pages.
    pub(super) fn open(path: &Path, signals: &Signals) -> Result<(Self, Vec<Known>)> {
        fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))?;
        let mut entries = fs::read_dir(path).map_err(|error| Error::io("read", path, error))?;
        if entries.next().is_some() {
            let path = path.display();
            return Err(Error::Usage(format!(
                "`{path}` is not empty; pages are kept in a new or empty folder, and --resume continues a crawl in its own"
            )));
        }
        Ok((Self::with(path, Names::default(), signals)?, Vec::new()))
    }

    fn with(path: &Path, names: Names, signals: &Signals) -> Result<Self> {
        let list = path.join(LIST);
        let opened = OpenOptions::new().append(true).create(true).open(&list);
        let list = opened.map_err(|error| Error::io("write", &list, error))?;
        Ok(Self { path: path.to_owned(), list, names, signals: signals.clone() })
    }

    /// The folder of an earlier crawl from `first` on, and the pages that are there; or a new one.
    pub(super) fn resume(path: &Path, first: &Url, signals: &Signals) -> Result<(Self, Vec<Known>)> {
        let list = path.join(LIST);
        let text = match fs::read(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::open(path, signals),
            Err(error) => return Err(Error::io("read", &list, error)),
        };
        // As the library has it.
        let mut begin = first.clone();
        begin.set_fragment(None);
        let _ = (begin.set_username(""), begin.set_password(None));
        // A line without its end was being written when the machine stopped.
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let (mut names, mut known) = (Names::default(), Vec::new());
        for (number, text) in (1..).zip(text[..whole].split_inclusive(|&byte| byte == b'\n')) {
            let wrong = |why: &dyn std::fmt::Display| {
                Error::Input(format!("line {number} of `{}` is of no crawl: {why}", list.display()))
            };
            let listed: Listed = serde_json::from_slice(text).map_err(|error| wrong(&error))?;
            if listed.from.is_none() && listed.url != begin {
                let (path, url) = (path.display(), listed.url);
                return Err(Error::Usage(format!("`{path}` has a crawl from {url} on, and none from {begin} on")));
            }
            let mut leads = Vec::from_iter(listed.moved.clone());
            if let Some(name) = &listed.file {
                if Path::new(name).file_name().is_none_or(|file| file != &**name) {
                    return Err(wrong(&format_args!("`{name}` is no name of a file")));
                }
                names.keep(name);
                // Those of pages whose head asks not to follow them were not counted.
                if leads.is_empty() && listed.links > Some(0) {
                    let file = path.join(name);
                    let body = fs::read(&file).map_err(|error| Error::io("read", &file, error))?;
                    leads = links(&body, &listed.url).urls;
                }
            }
            // A first page without an answer leads nowhere, and is asked for again.
            let is_answered = listed.status.is_some_and(|status| status < 400);
            if listed.from.is_some() || is_answered {
                known.push(Known {
                    is_asked: listed.failure.as_deref() != Some("refused"),
                    url: listed.url,
                    depth: listed.depth,
                    bytes: listed.bytes.unwrap_or(0),
                    is_moved: listed.moved.is_some(),
                    leads,
                });
            }
        }
        let folder = Self::with(path, names, signals)?;
        folder.list.set_len(whole as u64).map_err(|error| Error::io("write", &list, error))?;
        Ok((folder, known))
    }

    /// Keeps a page; returns the name of its file, if it has one.
    pub(super) fn keep(&mut self, page: &Page) -> Result<Option<String>> {
        let mut file = None;
        if let Visit::Answered(Answered { response, .. }) = &page.visit
            && (200..300).contains(&response.status)
        {
            let name = self.names.name(&page.url, response.header("content-type"));
            let path = self.path.join(&name);
            let mut output = self.signals.create(&path)?;
            output.write_all(&response.body).map_err(|error| Error::io("write", &path, error))?;
            output.finish()?;
            file = Some(name);
        }
        let line = json(&line(page, file.as_deref())) + "\n";
        let written = self.list.write_all(line.as_bytes());
        written.map_err(|error| Error::io("write", self.path.join(LIST), error))?;
        Ok(file)
    }
}
