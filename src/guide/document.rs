//! The guide as text for a terminal, as Markdown, and as JSON.

use super::ask::{NEEDS, bytes, time};
use super::measured::{Figures, Measured};
use super::models::{Conduct, MODELS};
use super::sections::SECTIONS;
use super::waiting;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How the guide is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal.
    Text,
    /// As docs/choosing.md.
    Markdown,
}

/// The width of a line of text.
const WIDTH: usize = 100;
/// The same in Markdown, as in the other documents.
const PAGE: usize = 138;

/// What a backend that was not measured shows.
const UNKNOWN: &str = "–";

/// The whole guide with the figures of `measured`.
pub fn guide(measured: &Measured, style: Style) -> String {
    let mut page = Page { style, text: String::new() };
    page.title("Which model when");
    page.paragraph(
        "`fractal guide` is this page. `fractal guide --ask compute,10us,local` answers a question, and `fractal guide --measure` shows \
         the page with the figures of your machine. The program writes it from a table of rules and of measurements: `fractal guide \
         --markdown` is docs/choosing.md.",
    );
    page.heading("The models");
    page.table(
        &["Model", "In Python", "Choose it", "Choose another"],
        &rows(|conduct| {
            let entry = conduct.entry();
            let said = |text: Option<&str>| text.unwrap_or(UNKNOWN).to_owned();
            vec![
                said(entry.map(|entry| entry.counterpart)),
                said(entry.map(|entry| entry.choose)),
                said(entry.map(|entry| entry.avoid)),
            ]
        }),
    );
    page.heading("What they cost");
    figures(&mut page, measured);
    page.heading("What goes wrong, and what it costs");
    faults(&mut page);
    page.table(
        &["Model", "Order of results", "When sinks are slower than workers"],
        &rows(|conduct| vec![conduct.order.to_owned(), conduct.pressure.to_owned()]),
    );
    for section in SECTIONS {
        page.heading(section.title);
        section.parts.iter().for_each(|part| page.paragraph(&filled(part, |name| value(name, measured))));
    }
    many_connections(&mut page);
    page.heading("Questions");
    page.paragraph(
        "A question is made of these words, the length of a piece such as `10us` or `2ms`, and how many there are, such as `10000` or \
         `1M`, with commas between them.",
    );
    let rows: Vec<_> = NEEDS.iter().map(|need| vec![format!("`{}`", need.word), need.help.to_owned()]).collect();
    page.table(&["Word", "What it asks for"], &rows);
    page.text
}

/// The chapter on waiting.
fn many_connections(page: &mut Page) {
    let costs = waiting::recorded();
    let text = |part: &&str| filled(part, |name| waiting::value(name, &costs));
    page.heading(waiting::TITLE);
    waiting::BEFORE.iter().for_each(|part| page.paragraph(&text(part)));
    page.table(&waiting::HEADINGS, &waiting::rows(&costs));
    let busy = if costs.busy { BUSY } else { "" };
    page.paragraph(&format!(
        "These figures are from `{}`, on {}.{busy} Memory is for each connection that is open at once. `fractal bench waiting` measures \
         your machine, in a program built with the feature `net`; `fractal status` asks real servers with each of these models.",
        waiting::COMMAND,
        costs.machine
    ));
    waiting::AFTER.iter().for_each(|part| page.paragraph(&text(part)));
}

/// What is said of figures that were disturbed.
const BUSY: &str =
    " Other programs used the processors meanwhile, so times are too long: compare them, but do not quote them.";

/// A row for each backend that begins with its name.
fn rows(cells: impl Fn(&Conduct) -> Vec<String>) -> Vec<Vec<String>> {
    let row = |conduct: &Conduct| [vec![format!("`{}`", conduct.name)], cells(conduct)].concat();
    MODELS.iter().map(row).collect()
}

fn figures(page: &mut Page, measured: &Measured) {
    let known = |length: Option<f64>| length.map_or("not reached".to_owned(), time);
    let headings =
        ["Model", "Empty piece", "Start", "Empty run", "METG 50 %", "METG 90 %", "Memory of a worker", "Lines of code"];
    page.table(
        &headings,
        &rows(|conduct| {
            let Some(figures) = measured.backends.get(conduct.name) else {
                return vec![UNKNOWN.to_owned(); 6].into_iter().chain([code(conduct.lines)]).collect();
            };
            let Figures { piece, start, run, metg50, metg90, memory } = *figures;
            let memory = memory.map_or("one thread".to_owned(), bytes);
            vec![time(piece), time(start), time(run), known(metg50), known(metg90), memory, code(conduct.lines)]
        }),
    );
    let busy = if measured.busy { BUSY } else { "" };
    page.paragraph(&format!(
        "All figures on this page, here and in the text below, are from `{}` with {} workers, on {}.{busy} The \
         lines of code, with imports and the entry in the table of backends, were counted by the compiler from src/backend. `fractal \
         bench overhead` measures the same costs under every schedule, beside OpenMP's.",
        measured.command(), measured.workers, measured.machine
    ));
    page.paragraph(
        "An empty piece is a claim of its own here: that is what the model costs. Start is until a first run without pieces has ended; \
         empty run is such a run later. METG, Task Bench's minimum effective task granularity, is the shortest piece from which on the \
         processors are used by 50 or 90 % for the work itself. Memory is what each further worker takes.",
    );
}

/// A number of lines, in hundreds where there are many: nobody chooses by the difference, and it changes with every repair.
fn code(lines: usize) -> String {
    if lines < 100 { lines.to_string() } else { format!("about {}", (lines + 50) / 100 * 100) }
}

fn faults(page: &mut Page) {
    let (processes, threads): (Vec<&Conduct>, Vec<&Conduct>) =
        MODELS.iter().partition(|conduct| conduct.entry().is_some_and(|entry| entry.in_processes()));
    let (Some(process), Some(thread)) = (processes.first(), threads.first()) else { return };
    let (thread, process) = (thread.faults(), process.faults());
    let names: Vec<&str> = processes.iter().map(|conduct| conduct.name).collect();
    let last = format!("Processes ({})", names.join(" and "));
    let headings = ["What happens to a worker", "Threads of this program", &last];
    let row = |what: &str, thread: &str, process: &str| vec![what.to_owned(), thread.to_owned(), process.to_owned()];
    page.table(
        &headings,
        &[
            row("an exception (a panic)", thread.panic, process.panic),
            row("a crash (a segmentation fault, an abort)", thread.crash, process.crash),
            row("a kill, no memory left", thread.kill, process.kill),
            row("a hang", thread.hang, process.hang),
            row("cancelling", thread.cancel, process.cancel),
        ],
    );
}

/// A text with its figures, each found by its name.
fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        filled += &value(name).unwrap_or_else(|| format!("{{{name}}}"));
        filled += rest;
    }
    filled
}

/// A figure by its name, `threads.start`.
fn value(name: &str, measured: &Measured) -> Option<String> {
    let (backend, figure) = name.split_once('.')?;
    let Figures { piece, start, run, metg50, metg90, memory } = *measured.backends.get(backend)?;
    let known = |length: Option<f64>| length.map_or("a length that was not reached".to_owned(), time);
    Some(match figure {
        "piece" => time(piece),
        "start" => time(start),
        "run" => time(run),
        "metg50" => known(metg50),
        "metg90" => known(metg90),
        "memory" => bytes(memory.unwrap_or(0.0)),
        _ => return None,
    })
}

/// The guide as JSON: facts and figures of each backend, and the words of questions.
pub fn json(measured: &Measured) -> Value {
    let model = |conduct: &Conduct| {
        let (entry, faults) = (conduct.entry(), conduct.faults());
        json!({
            "name": conduct.name,
            "help": entry.map(|entry| entry.help),
            "python": entry.map(|entry| entry.counterpart),
            "choose": entry.map(|entry| entry.choose),
            "avoid": entry.map(|entry| entry.avoid),
            "order": conduct.order,
            "back_pressure": conduct.pressure,
            "exception": faults.panic,
            "crash": faults.crash,
            "kill": faults.kill,
            "hang": faults.hang,
            "cancel": faults.cancel,
            "lines": conduct.lines,
            "figures": measured.backends.get(conduct.name),
        })
    };
    let models: Vec<Value> = MODELS.iter().map(model).collect();
    let words: Vec<Value> = NEEDS.iter().map(|need| json!({ "word": need.word, "help": need.help })).collect();
    json!({
        "command": measured.command(),
        "machine": measured.machine,
        "workers": measured.workers,
        "busy": measured.busy,
        "models": models,
        "words": words,
    })
}

/// A page that grows from the top.
struct Page {
    style: Style,
    text: String,
}

impl Page {
    fn title(&mut self, text: &str) {
        _ = match self.style {
            Style::Text => writeln!(self.text, "{}\n", text.to_uppercase()),
            Style::Markdown => writeln!(self.text, "# {text}\n"),
        };
    }

    fn heading(&mut self, text: &str) {
        _ = match self.style {
            Style::Text => writeln!(self.text, "{}\n", text.to_uppercase()),
            Style::Markdown => writeln!(self.text, "## {text}\n"),
        };
    }

    fn paragraph(&mut self, text: &str) {
        let (text, width) = match self.style {
            Style::Text => (plain(text), WIDTH),
            Style::Markdown => (text.to_owned(), PAGE),
        };
        let indent = if text.starts_with("- ") { "  " } else { "" };
        wrapped(&text, width, indent).iter().for_each(|line| _ = writeln!(self.text, "{line}"));
        self.text.push('\n');
    }

    fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        if self.style == Style::Markdown {
            _ = writeln!(self.text, "| {} |", headings.join(" | "));
            _ = writeln!(self.text, "|{}", " --- |".repeat(headings.len()));
            rows.iter().for_each(|row| _ = writeln!(self.text, "| {} |", row.join(" | ")));
        } else if rows.iter().flatten().all(|cell| cell.chars().count() <= 42) {
            let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
            let width = |column: usize| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
            };
            let line = |cells: &mut dyn Iterator<Item = &str>| {
                let padded = cells.enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
                padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            };
            _ = writeln!(self.text, "{}", line(&mut headings.iter().copied()));
            rows.iter().for_each(|row| _ = writeln!(self.text, "{}", line(&mut row.iter().map(String::as_str))));
        } else {
            // Sentences have no room side by side.
            for row in rows {
                _ = writeln!(self.text, "{}", plain(&row[0]));
                for (heading, cell) in headings.iter().zip(row).skip(1) {
                    let lines = wrapped(&format!("{heading}: {}", plain(cell)), WIDTH - 2, "  ");
                    lines.iter().for_each(|line| _ = writeln!(self.text, "  {line}"));
                }
            }
        }
        self.text.push('\n');
    }
}

/// Text without the marks of Markdown.
fn plain(text: &str) -> String {
    let text = text.replace("**", "").replace(['`', '*'], "");
    // Links of the document are files beside it.
    match text.split_once("[") {
        Some((before, rest)) => match rest.split_once("](").and_then(|(_, rest)| rest.split_once(')')) {
            Some((target, after)) => format!("{before}docs/{target}{after}"),
            None => text,
        },
        None => text,
    }
}

/// The lines of a text, the first of them without `indent`.
fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_in_the_text_exists() {
        let measured = Measured::recorded();
        for style in [Style::Text, Style::Markdown] {
            let text = guide(&measured, style);
            assert!(!text.contains(['{', '}']), "a figure is unknown");
            let width = if style == Style::Text { WIDTH } else { PAGE };
            let is_table = |line: &str| line.starts_with('|') || style == Style::Text;
            assert!(text.lines().all(|line| is_table(line) || line.chars().count() <= width));
        }
        let filled = |text| filled(text, |name| value(name, &measured));
        assert_eq!(filled("a {threads.none} b {nobody.start}."), "a {threads.none} b {nobody.start}.");
    }

    #[test]
    fn text_has_no_marks() {
        assert_eq!(plain("**a** *b* `c` ([d](e.md))"), "a b c (docs/e.md)");
        assert_eq!([code(99), code(649), code(1450)], ["99", "about 600", "about 1500"]);
        assert_eq!(wrapped("aa bb cc dd", 5, "  "), ["aa bb", "  cc", "  dd"]);
    }

    #[test]
    fn json_has_every_model() {
        let json = json(&Measured::recorded());
        let models = json["models"].as_array().unwrap();
        assert_eq!(models.len(), MODELS.len());
        assert!(models.iter().all(|model| model["lines"].as_u64() > Some(15) && model["order"].is_string()));
    }
}
