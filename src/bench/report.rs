//! Results as one self-contained HTML file: styles, scripts and data are inside, and nothing is loaded from anywhere.
//!
//! The charts are a few hundred lines of script of our own. A chart library would be larger than all of a report's data, and most load
//! more code when a page is opened; SVG from `plotters` cannot be zoomed and shows no values under the pointer.

use super::results::Results;

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
const SCRIPTS: [&str; 3] =
    [include_str!("report/charts.js"), include_str!("report/timeline.js"), include_str!("report/page.js")];

/// The page.
pub fn html(results: &Results) -> String {
    let data = serde_json::to_string(results).expect("numbers and text are always JSON");
    // Inside a script, no text may look like its end; JSON allows `<` to be escaped.
    let data = data.replace('<', "\\u003c");
    PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", &SCRIPTS.concat()).replace("/*DATA*/", &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_everything_and_loads_nothing() {
        let mut results = Results::default();
        results.warnings.push("</script><script>alert(1)</script> /*SCRIPT*/".into());
        let page = html(&results);
        assert!(page.starts_with("<!doctype html>") && page.contains("function chart("));
        for outside in ["src=", "@import", "<link", "url(http", "fetch(", "import("] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The only address is the name of SVG's elements.
        assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
        assert_eq!(page.matches("</script>").count(), 2, "data cannot end its script");
        let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let again: Results = serde_json::from_str(data).unwrap();
        assert_eq!(again.warnings, results.warnings);
    }
}
