//! The words of the field: what CONTRIBUTING's vocabulary replaces stays out of documents, comments and help, and lines stay short.

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use support::Scratch;

/// Words that have another in the vocabulary, as they would stand in a sentence.
const REPLACED: &[&str] = &[
    "told",
    "dear",
    "dearer",
    "hand on",
    "hands on",
    "handed on",
    "handing on",
    "gets on",
    "get on",
    "getting on",
    "foretell",
    "foretells",
    "foretold",
    "come to claims",
    "thousand million",
    "python's world",
    "is borne",
    "speaks nonsense",
];

/// The most characters of a line.
const LONGEST: usize = 140;

/// Files below `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && path.file_name().unwrap() != "target" {
            files(&path, endings, found);
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
}

/// What of a line is prose: all of a document's, the comment of a source.
fn prose(line: &str, document: bool) -> Option<&str> {
    if document {
        // The vocabulary names what it replaces.
        return Some(line).filter(|line| !line.contains(": not "));
    }
    line.find("//").filter(|&at| at == 0 || line[..at].ends_with(' ')).map(|at| &line[at..])
}

/// The replaced words in a text.
fn replaced(text: &str) -> Vec<&'static str> {
    let text: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    let text = format!(" {} ", text.split_whitespace().collect::<Vec<_>>().join(" "));
    REPLACED.iter().copied().filter(|word| text.contains(&format!(" {word} "))).collect()
}

#[test]
fn words_are_those_of_the_vocabulary_and_lines_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "examples", "benches", "docs"] {
        files(&root.join(folder), &["rs", "md"], &mut found);
    }
    found.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root.join(page)));
    assert!(found.len() > 200, "all files are looked at");
    let mut wrong = String::new();
    for path in found {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let document = name.ends_with(".md");
        for (number, line) in (1..).zip(std::fs::read_to_string(&path).unwrap().lines()) {
            // Tables and pictures of documents and raw strings cannot be broken.
            let whole = document && (line.starts_with('|') || line.starts_with("![") || line.starts_with("    "))
                || line.trim_start().starts_with("r#");
            if line.chars().count() > LONGEST && !whole {
                writeln!(wrong, "{name}:{number}: {} characters", line.chars().count()).unwrap();
            }
            for word in prose(line, document).map(replaced).unwrap_or_default() {
                writeln!(wrong, "{name}:{number}: `{word}`").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines\n{wrong}", wrong.lines().count());
}

#[test]
fn help_uses_them_too() {
    let scratch = Scratch::new("words");
    let commands = [
        "render",
        "merge",
        "view",
        "info",
        "probe",
        "check",
        "bench",
        "bench compare",
        "bench report",
        "bench simulate",
        "bench schedules",
        "guide",
        "crawl",
        "status",
        "bench waiting",
    ];
    for command in
        commands.into_iter().chain(["bench overhead", "bench kernel", "bench deep", "backends", "completions", "man"])
    {
        if command == "view" && cfg!(not(feature = "window")) {
            continue;
        }
        let help = scratch.program(command.split(' ').chain(["--help"])).output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        assert!(help.contains("Usage: "), "{command}");
        assert_eq!(replaced(&help), [""; 0], "{command}:\n{help}");
    }
}

#[test]
fn replaced_words_are_found_as_words() {
    assert_eq!(replaced("What is told, and foretold."), ["told", "foretold"]);
    assert_eq!(replaced("Results are handed\non by hand"), ["handed on"]);
    assert_eq!(replaced("stolen, a second-hand one"), [""; 0]);
    let line = format!("let told = 1; /{} it is dear", '/');
    assert_eq!(prose(&line, false).map(replaced), Some(vec!["dear"]));
    assert_eq!(prose("let told = \"https://example.org\";", false), None);
}
