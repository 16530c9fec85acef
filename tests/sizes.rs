//! In-process backends, formulas and lessons stay short enough to read in one go, since shared code has a place of its own; and so does
//! the library's front page.

use fractal::backend::BACKENDS;
use fractal::formula::FORMULAS;
use std::fs;
use std::path::Path;

/// The lines of code of a file, or of `NAME.rs` and the files of its folder: without comments, imports, tests and the entry of the table.
fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let (mut count, mut inside) = (0, None);
    for line in code.lines().map(str::trim) {
        // An import or entry ends with the line that closes it.
        if inside.is_none() {
            inside = match line {
                _ if line.starts_with("use ") || line.starts_with("pub(super) use ") => Some(";"),
                _ if line.contains(" ENTRY: ") => Some("};"),
                _ => None,
            };
            if inside.is_none() {
                count += usize::from(!line.is_empty() && !line.starts_with("//"));
            }
        }
        if inside.is_some_and(|end| line.ends_with(end)) {
            inside = None;
        }
    }
    assert_eq!(inside, None, "{}: an import or entry that ends", path.display());
    let folder = path.with_extension("");
    let more = folder.is_dir().then(|| fs::read_dir(folder).unwrap());
    count + more.into_iter().flatten().map(|file| lines(&file.unwrap().path())).sum::<usize>()
}

#[test]
fn backends_and_formulas_are_short() {
    let file = |room: &str, name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{room}/{name}.rs"));
    let mut all = Vec::new();
    for backend in BACKENDS.iter().filter(|backend| !backend.in_processes()) {
        all.push((backend.name, lines(&file("backend", backend.name)), 60));
    }
    for formula in FORMULAS {
        let path = file("formula", formula.name);
        let paired = fs::read_to_string(&path).unwrap().contains("const PAIRED: bool = true;");
        all.push((formula.name, lines(&path), if paired { 50 } else { 30 }));
    }
    assert!(all.iter().all(|(_, lines, _)| *lines > 15), "what is counted is code: {all:?}");
    #[cfg(feature = "net")]
    for model in fractal::internal::waiting::WAITINGS {
        let most = if model.name == "reactor" { 80 } else { 60 };
        all.push((model.name, lines(&file("waiting", &model.name.replace('-', "_"))), most));
    }
    for (name, lines, most) in all {
        println!("{name}: {lines} lines of at most {most}");
        assert!(lines <= most, "{name} has {lines} lines, of at most {most}");
    }
}

/// What a class is shown fits on two screens; `support/` has the rest.
#[test]
fn lessons_are_short() {
    let (mut count, mut wrong) = (0, Vec::new());
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lessons")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !path.ends_with("main.rs") {
            let (lines, name) = (lines(&path), path.file_stem().unwrap().display());
            println!("{name}: {lines} lines of at most 80");
            wrong.extend((!(15..=80).contains(&lines)).then(|| format!("{name} has {lines} lines, of at most 80")));
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(count >= 15, "only {count} lessons were found");
}

#[test]
fn the_library_has_few_modules() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let (mut shown, mut hidden, mut is_hidden) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        match line.strip_prefix("pub mod ") {
            Some(name) if is_hidden => hidden.push(name),
            Some(name) => shown.push(name),
            None if line.starts_with('#') => is_hidden |= line == "#[doc(hidden)]",
            None => {}
        }
        is_hidden &= line.starts_with('#');
    }
    assert!(shown.len() > 5 && shown.len() <= 9, "{shown:?}");
    assert_eq!(hidden, ["bench;", "internal;"]);
}
