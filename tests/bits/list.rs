//! The committed list, and the message when something differs from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// Whether the list is written instead of being compared with.
pub(super) fn is_written() -> bool {
    std::env::var_os("FRACTAL_BITS").is_some_and(|what| what == "write")
}

const HEAD: &str = "\
# What every version computes, bit for bit. Each line has a name and hashes (FNV-1a, 64 bits): of the planes of samples of a scene, or
# of the pixels of a picture. A hash changes only in a commit that says why what is computed is another.
# `FRACTAL_BITS=write cargo test --test bits` writes this file.
";

/// What follows a difference.
pub(super) const ADVICE: &str = "\
The same scene gives the same bits in every version. Where another result is wanted, `FRACTAL_BITS=write cargo test --test bits` writes
tests/bits/list.txt, and the commit that changes it says why.";

/// How many differences are shown: enough to see what they have in common.
const TOLD: usize = 12;

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "bits", "list.txt"].iter().collect()
}

/// One line: the hashes of what has this name, each with what it is of.
pub(super) type Hashes = Vec<(&'static str, String)>;

/// The hashes as a line has them.
pub(super) fn text(hashes: &Hashes) -> String {
    let words: Vec<_> = hashes.iter().map(|(of, hash)| format!("{of}={hash}")).collect();
    words.join(" ")
}

/// The list as it was committed.
pub(super) struct List(BTreeMap<String, String>);

impl List {
    pub(super) fn read() -> Self {
        let file = std::fs::read_to_string(path()).unwrap_or_default();
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        let words = lines.filter_map(|line| line.split_once(char::is_whitespace));
        Self(words.map(|(name, hashes)| (name.into(), hashes.trim().into())).collect())
    }

    /// The hashes of `name`, as text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Collects what was found, and compares it with the list.
pub(super) struct Comparison {
    list: List,
    /// In the order in which they were found, as they are written.
    found: Vec<(&'static str, String)>,
    differences: Vec<String>,
    seen: BTreeSet<&'static str>,
}

impl Comparison {
    pub(super) fn new() -> Self {
        Self { list: List::read(), found: Vec::new(), differences: Vec::new(), seen: BTreeSet::new() }
    }

    /// Takes what `name` was found to be, and by whom.
    pub(super) fn add(&mut self, name: &'static str, hashes: &Hashes, way: &str) {
        let found = text(hashes);
        if self.seen.insert(name) {
            self.found.push((name, found.clone()));
        }
        match self.list.get(name) {
            Some(expected) if expected == found => {}
            Some(expected) => {
                // Only the planes that differ, since which ones these are says most.
                let expected: Vec<_> = expected.split(' ').collect();
                let found: Vec<_> = found.split(' ').collect();
                let only = |ours: &[&str], theirs: &[&str]| {
                    let words: Vec<_> = ours.iter().copied().filter(|word| !theirs.contains(word)).collect();
                    if words.is_empty() { "nothing".into() } else { words.join(" ") }
                };
                let (expected, found) = (only(&expected, &found), only(&found, &expected));
                self.differences.push(format!("{name}: expected {expected}, found {found} ({way})"));
            }
            None => self.differences.push(format!("{name}: not in the list, found {found} ({way})")),
        }
    }

    /// Fails with what differs, or writes the list.
    pub(super) fn finish(self) {
        if is_written() {
            let width = self.found.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let mut file = HEAD.to_owned();
            for (name, hashes) in &self.found {
                writeln!(file, "{name:width$}  {hashes}").unwrap();
            }
            std::fs::write(path(), file).unwrap();
            println!("{} lines written", self.found.len());
            return;
        }
        let mut differences = self.differences;
        let gone = self.list.0.keys().filter(|name| !self.seen.contains(name.as_str()));
        differences.extend(gone.map(|name| format!("{name}: in the list, but no scene or picture has this name")));
        let count = differences.len();
        differences.truncate(TOLD);
        let more = if count > TOLD { format!("\n  and {} more", count - TOLD) } else { String::new() };
        assert!(count == 0, "not the bits of before:\n  {}{more}\n{ADVICE}", differences.join("\n  "));
    }
}
