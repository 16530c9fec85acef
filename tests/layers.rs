//! Imports point one way: each part of the library names those that it may use, all of them listed before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each part, and which of the parts above it in this list it may use.
const PARTS: &[(&str, &str)] = &[
    ("error", ""),
    ("number", ""),
    ("tile", "error"),
    ("sample", "tile"),
    ("plane", ""),
    ("parallel", "error"),
    ("backend", "error parallel"),
    ("formula", "error number"),
    ("colour", "error sample"),
    ("sink", "error tile sample parallel colour"),
    // The key under which a picture carries its scene is the sinks' to say.
    ("scene", "error number sample plane formula colour sink"),
    ("kernel", "error number tile sample plane parallel formula scene"),
    ("render", "error tile sample parallel backend formula colour scene kernel sink"),
    ("window", "error number tile sample parallel backend formula colour scene sink render"),
    ("bench", "error tile sample plane parallel backend formula scene kernel sink render"),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The parts that a source text names, outside of comments and of its tests, which stand last.
fn used(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap());
        let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // The names that lib.rs takes out of their parts.
            used.insert(match name.as_str() {
                "Error" | "Result" => "error".into(),
                "Scene" => "scene".into(),
                "Render" => "render".into(),
                _ => name,
            });
        }
    }
    used
}

#[test]
fn the_list_has_no_circle() {
    for (index, (part, uses)) in PARTS.iter().enumerate() {
        for used in uses.split_whitespace() {
            assert!(
                PARTS[..index].iter().any(|(above, _)| *above == used),
                "{part} uses {used}, which is not above it"
            );
        }
    }
}

#[test]
fn every_part_uses_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = 0;
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let part = first.strip_suffix(".rs").unwrap_or(first);
        let text = std::fs::read_to_string(&file).unwrap();
        match part {
            "lib" => continue,
            // The program is another crate: it sees what every program sees.
            "main" | "cli" => {
                let own: BTreeSet<_> = used(&text).into_iter().filter(|name| name != "cli").collect();
                assert_eq!(own, BTreeSet::new(), "{}", inside.display());
                continue;
            }
            _ => {}
        }
        let (_, allowed) = PARTS.iter().find(|(name, _)| *name == part).unwrap_or_else(|| {
            panic!("{} belongs to no part that the list of this test knows", inside.display());
        });
        for name in used(&text) {
            let may = name == part || allowed.split_whitespace().any(|allowed| allowed == name);
            assert!(may, "{} uses {name}, but {part} may use only: {allowed}", inside.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} imports were found");
}

#[test]
fn names_are_found_in_all_forms() {
    let text = "use crate::error::{Error, Result};\nuse crate::{\n    Scene,\n    tile::Tile\n};\n// crate::cli\nlet x = crate::number::one();\n\
                #[cfg(test)]\nmod tests {\n    use crate::backend;\n}\n";
    assert_eq!(used(text).into_iter().collect::<Vec<_>>(), ["error", "number", "scene", "tile"]);
}
