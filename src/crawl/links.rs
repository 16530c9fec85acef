//! Where a page leads.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use std::collections::BTreeSet;
use url::Url;

/// The most links of a page that are read; pages that people write have fewer.
const MOST_LINKS: usize = 10_000;

/// The most bytes of a URL. Browsers and servers agree on some two thousand; what is longer is mostly a trap.
const LONGEST: usize = 2048;

/// Elements that lead to other pages, and the attribute that says where.
const ELEMENTS: &[(&[u8], &[u8])] =
    &[(b"a", b"href"), (b"area", b"href"), (b"link", b"href"), (b"frame", b"src"), (b"iframe", b"src")];

/// What `link` means by another page; style sheets and icons are none.
const PAGES: &[&str] = &["alternate", "author", "canonical", "help", "license", "next", "prev", "search"];

/// The links of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Where it leads, in order, each URL once and in its normal form.
    pub urls: Vec<Url>,
    /// How many links ask not to be followed (`nofollow`).
    pub nofollow: usize,
}

/// Reads the links of a page in HTML, which may be of any form or none. Its text is taken for UTF-8, which holds for nearly all URLs in
/// pages of other encodings as well.
pub fn links(html: &[u8], page: &Url) -> Links {
    let (mut base, mut found, mut all_nofollow) = (None, Vec::new(), false);
    // Otherwise what stands in scripts is taken for elements.
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        let Token::StartTag(tag) = token else { continue };
        let value = |name: &[u8]| attribute(&tag, name);
        match tag.name.as_slice() {
            // Only the first counts, and it does so for links before it as well.
            b"base" => base = base.or_else(|| page.join(&value(b"href")?).ok()),
            b"meta" if value(b"name").is_some_and(|name| name.eq_ignore_ascii_case("robots")) => {
                all_nofollow |= value(b"content").is_some_and(|rules| has(&rules, &["nofollow", "none"]));
            }
            name => {
                let target = ELEMENTS.iter().find(|(element, _)| *element == name).and_then(|(_, key)| value(key));
                let rel = value(b"rel").unwrap_or_default();
                if let Some(target) =
                    target.filter(|_| found.len() < MOST_LINKS && (name != b"link" || has(&rel, PAGES)))
                {
                    found.push((target, has(&rel, &["nofollow"])));
                }
            }
        }
    }
    let (base, mut seen, mut links) = (base.unwrap_or_else(|| page.clone()), BTreeSet::new(), Links::default());
    for (target, nofollow) in found {
        if nofollow || all_nofollow {
            links.nofollow += 1;
        } else if let Some(url) = base.join(&target).ok().and_then(normal)
            && seen.insert(url.clone())
        {
            links.urls.push(url);
        }
    }
    links
}

/// The value of an attribute.
fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Whether a list, of words between blanks or commas, has one of these.
pub(super) fn has(list: &str, words: &[&str]) -> bool {
    let mut listed = list.split(|c: char| c.is_ascii_whitespace() || c == ',');
    listed.any(|listed| words.iter().any(|word| listed.eq_ignore_ascii_case(word)))
}

/// The form in which a URL is compared and asked for: as [`Url`] writes it, without a fragment, which is the browser's affair, and
/// without a password, which is nobody's. `None` if nothing can be asked for there.
pub(super) fn normal(mut url: Url) -> Option<Url> {
    url.set_fragment(None);
    let can_be_asked = matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= LONGEST;
    (can_be_asked && url.set_username("").is_ok() && url.set_password(None).is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> (Vec<String>, usize) {
        let links = links(html.as_bytes(), &Url::parse("http://h.example/a/b?c#d").unwrap());
        (links.urls.into_iter().map(|url| url.as_str().replace("http://h.example", "")).collect(), links.nofollow)
    }

    #[test]
    fn links_are_found_in_every_form() {
        for (html, url) in [
            (r#"<a href="x">"#, "/a/x"),
            ("<A HREF=/x>", "/x"),
            ("<a href='\n ../x\t'>", "/x"),
            ("<a\nclass=b href = \"/x?a=1&amp;b=2\" >text</a>", "/x?a=1&b=2"),
            ("<a href=''>", "/a/b?c"),
            ("<a href=?y>", "/a/b?y"),
            ("<a href=//h.example:80/./x/../y#z>", "/y"),
            ("<a href=HTTP://H.EXAMPLE/x>", "/x"),
            ("<a href=http://anna:secret@h.example/x>", "/x"),
            ("<a href='/with blank'>", "/with%20blank"),
            ("<a href=/%7Ex>", "/%7Ex"),
            ("<a href=/&#x78;>", "/x"),
            ("<map><area href=x></map>", "/a/x"),
            ("<frameset><frame src=x>", "/a/x"),
            ("<iframe src=x></iframe>", "/a/x"),
            ("<link rel='next' href=x>", "/a/x"),
            ("<a href=x", ""),
            ("<p><a href=x><a href=./x><a href=x#y>", "/a/x"),
            ("<a href=x><base href=/other/>", "/other/x"),
            ("<base href=/other/><base href=/third/><a href=x>", "/other/x"),
        ] {
            let expected: Vec<_> = Some(url).filter(|url| !url.is_empty()).into_iter().map(str::to_owned).collect();
            assert_eq!(read(html), (expected, 0), "{html}");
        }
    }

    #[test]
    fn what_is_no_link_is_none() {
        for html in [
            "<!-- <a href=x> -->",
            "<script>'<a href=x>'</script>",
            "<style><a href=x></style>",
            "<textarea><a href=x></textarea>",
            "<a name=x>",
            "<link rel=stylesheet href=x.css>",
            "<img src=x>",
            "<a href=mailto:anna@h.example>",
            "<a href='javascript:alert(1)'>",
            "<a href=data:text/html,x>",
            "<a href=ftp://h.example/x>",
            "<a href=http://>",
            "<a href=http://h.example:99999/>",
            "<a data-href=x>",
        ] {
            assert_eq!(read(html), (Vec::new(), 0), "{html}");
        }
        assert_eq!(read(&format!("<a href=/{}>", "x".repeat(LONGEST))).0, [""; 0]);
    }

    #[test]
    fn nofollow_is_counted_and_not_followed() {
        assert_eq!(read("<a href=x rel='noopener NoFollow'><a href=y>"), (vec!["/a/y".into()], 1));
        assert_eq!(read("<a href=x><meta name=Robots content='noindex, nofollow'><a href=y>"), (Vec::new(), 2));
        assert_eq!(read("<meta name=robots content=none><a href=x>"), (Vec::new(), 1));
    }

    #[test]
    fn any_text_is_a_page() {
        // Every sequence of four of these, which open, close and break what the others mean.
        let parts = [
            "<a href='",
            "<base href=",
            "x?y#z",
            "'>",
            ">",
            "<!--",
            "<script>",
            "</script>",
            "\0\u{e9}",
            " rel=nofollow ",
            "//[",
            "&#x2f;",
        ];
        let page = Url::parse("http://h.example/").unwrap();
        for number in 0..parts.len().pow(4) {
            let digits = (0..4).map(|place| parts[number / parts.len().pow(place) % parts.len()]);
            let html: String = digits.collect();
            for url in links(html.as_bytes(), &page).urls {
                assert_eq!(normal(Url::parse(url.as_str()).unwrap()), Some(url), "{html:?}");
            }
            // A page that is cut anywhere, also within a letter.
            links(&html.as_bytes()[..html.len() / 2], &page);
        }
    }

    #[test]
    fn many_links_are_cut() {
        let html: String = (0..MOST_LINKS + 5).map(|n| format!("<a href=/{n}>")).collect();
        assert_eq!(read(&html).0.len(), MOST_LINKS);
    }
}
