//! Results as one self-contained HTML file: styles, scripts and data are inside, and nothing is loaded from anywhere.
//!
//! The charts are a few hundred lines of script of our own. A chart library would be larger than all of a report's data, and most load
//! more code when a page is opened; SVG from `plotters` cannot be zoomed and shows no values under the pointer.

use super::cores::headline;
use super::results::Results;
use crate::colour::distinct;
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
const SCRIPTS: [&str; 3] =
    [include_str!("report/charts.js"), include_str!("report/timeline.js"), include_str!("report/page.js")];

/// How many workers have a colour of their own.
const COLOURS: usize = 256;

/// The lightness of workers' colours, which is that of a map of owners.
const LIGHTNESS: f64 = 0.74;

/// The results of one measurement, and where they are from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// The name of the file; empty for a measurement that was not read from one.
    pub file: String,
    /// The line to quote, if there is one.
    pub headline: Option<String>,
    /// The measurements.
    pub results: Results,
}

impl Source {
    /// Results from a file, or with an empty name from nowhere.
    pub fn new(file: impl Into<String>, results: Results) -> Self {
        Self { file: file.into(), headline: headline(&results), results }
    }
}

/// The page, with the results of one or more measurements side by side.
pub fn html(sources: &[Source]) -> String {
    const SOUND: &str = "numbers and text are always JSON";
    let data = serde_json::to_string(sources).expect(SOUND);
    let colours: Vec<String> = (0..COLOURS)
        .map(|worker| distinct(worker, LIGHTNESS))
        .map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"))
        .collect();
    // Inside a script, no text may look like its end; JSON allows `<` to be escaped.
    let data = data.replace('<', "\\u003c");
    let page = PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", &SCRIPTS.concat());
    page.replace("/*WORKERS*/", &serde_json::to_string(&colours).expect(SOUND)).replace("/*DATA*/", &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_everything_and_loads_nothing() {
        let mut results = Results::default();
        results.warnings.push("</script><script>alert(1)</script> /*SCRIPT*/".into());
        let page = html(&[Source::new("", results.clone())]);
        assert!(page.starts_with("<!doctype html>") && page.contains("function chart("));
        for outside in ["src=", "@import", "<link", "url(http", "fetch(", "import("] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The only address is the name of SVG's elements.
        assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
        assert_eq!(page.matches("</script>").count(), 2, "data cannot end its script");
        let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let again: Vec<Source> = serde_json::from_str(data).unwrap();
        assert_eq!(again[0].results.warnings, results.warnings);
    }
}
