//! Links of pages: any bytes are a page, and what is found is in normal form, bounded, and can be asked for.

#![no_main]

use fractal::internal::crawl::links;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use url::Url;

fuzz_target!(|html: &[u8]| {
    let page = Url::parse("http://h.example/a/b?c").unwrap();
    let found = links(html, &page);
    assert!(found.urls.len() <= 10_000);
    let mut seen = BTreeSet::new();
    for url in &found.urls {
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= 2048, "{url}");
        assert!(url.fragment().is_none() && url.username().is_empty() && url.password().is_none(), "{url}");
        // Its text means the same URL again.
        assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(url));
        assert!(seen.insert(url), "{url} is found once");
    }
});
