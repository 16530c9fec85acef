//! Names of files for pages.

use std::collections::HashSet;
use url::Url;

/// The most letters of a URL that its name repeats.
const KEPT: usize = 80;

/// Gives every page a name that no other has, on file systems that ignore case as well, and that stays within the folder.
///
/// A name begins with what can be read of the URL and ends with a CRC-32 of all of it, so that a crawl of the same pages gives the same
/// names; where two of those are equal, a number follows.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// Takes note of a name that a page has already.
    pub fn keep(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// The name for a URL whose answer is of a media type.
    pub fn name(&mut self, url: &Url, media: Option<&str>) -> String {
        let mut readable = String::new();
        for c in url[url::Position::BeforeHost..].to_ascii_lowercase().chars() {
            if c.is_ascii_alphanumeric() || c == '.' && !readable.ends_with(['.', '-']) {
                readable.push(c);
            } else if !readable.is_empty() && !readable.ends_with('-') {
                readable.push('-');
            }
        }
        readable.truncate(KEPT);
        let stem = format!("{}-{:08x}", readable.trim_matches(['-', '.']), crc32fast::hash(url.as_str().as_bytes()));
        let ending = ending(media);
        let candidates = std::iter::once(format!("{stem}.{ending}"));
        let mut candidates = candidates.chain((2..).map(|number| format!("{stem}-{number}.{ending}")));
        candidates.find(|name| self.0.insert(name.clone())).expect("there is always another number")
    }
}

/// The ending for a media type.
fn ending(media: Option<&str>) -> &'static str {
    const ENDINGS: &[(&str, &str)] = &[
        ("text/html", "html"),
        ("application/xhtml+xml", "xhtml"),
        ("text/plain", "txt"),
        ("text/markdown", "md"),
        ("text/css", "css"),
        ("text/javascript", "js"),
        ("application/json", "json"),
        ("application/pdf", "pdf"),
        ("application/xml", "xml"),
        ("text/xml", "xml"),
        ("image/jpeg", "jpg"),
        ("image/png", "png"),
        ("image/gif", "gif"),
        ("image/svg+xml", "svg"),
        ("image/webp", "webp"),
    ];
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ENDINGS.iter().find(|(known, _)| *known == media).map_or("bin", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Component, Path};

    #[test]
    fn names_stay_in_the_folder_and_never_collide() {
        let mut names = Names::default();
        let urls = [
            "http://h.example/",
            "http://h.example/a",
            "http://h.example/A",
            "http://h.example/a/",
            "http://h.example/a?",
            "http://h.example/../../etc/passwd",
            "http://h.example/..%2f..%2fetc%2fpasswd",
            "http://h.example/%00",
            "http://h.example/con",
            "http://h.example/\u{e9}\u{202e}",
            "http://h.example/.hidden",
            "http://h.example/~",
            "http://[::1]:8080/",
        ];
        let mut urls: Vec<_> = urls.map(|url| Url::parse(url).unwrap()).into();
        urls.push(Url::parse(&format!("http://h.example/{}", "x/".repeat(900))).unwrap());
        let mut seen = HashSet::new();
        for url in urls.iter().chain(&urls) {
            let name = names.name(url, Some("text/html; charset=utf-8"));
            let parts: Vec<_> = Path::new(&name).components().collect();
            assert!(matches!(parts[..], [Component::Normal(_)]), "{name}");
            assert!(name.len() < 120 && name.ends_with(".html") && !name.starts_with(['.', '-']), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)), "{name}");
            assert!(seen.insert(name.to_ascii_lowercase()), "{name}");
        }
        let mut again = Names::default();
        assert_eq!(again.name(&urls[1], Some("image/PNG")), "h.example-a-af82b8e0.png");
        assert_eq!(again.name(&urls[1], Some("image/PNG")), "h.example-a-af82b8e0-2.png");
        assert_eq!(again.name(&urls[1], None).rsplit('.').next(), Some("bin"));
    }
}
