//! Imports point one way: files use only the top-level modules that the table in ARCHITECTURE.md allows them, and imports between
//! files form no cycle. A module counts as one with those above and inside it: imports among these are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// A module's path from the crate's root, whose own path is empty.
type Module = Vec<String>;

/// A name that a file uses, as a path from the crate's root.
struct Used {
    path: Vec<String>,
    /// The name under which the file gives it to others, if it does.
    exported: Option<String>,
}

/// All files of the library and the program, by module.
struct House {
    files: BTreeMap<Module, Vec<Used>>,
}

impl House {
    /// Reads files: the path of each below `src`, and its text.
    fn new(texts: &[(String, String)]) -> Self {
        let module = |path: &str| {
            let path = path.strip_suffix(".rs").unwrap_or(path);
            let mut module: Module = path.split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            module
        };
        let modules: BTreeSet<Module> = texts.iter().map(|(path, _)| module(path)).collect();
        let files = texts.iter().map(|(path, text)| {
            let module = module(path);
            let used = used(&module, text, &modules);
            (module, used)
        });
        Self { files: files.collect() }
    }

    fn read() -> Self {
        fn sources(folder: &Path, below: &str, found: &mut Vec<(String, String)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
                if path.is_dir() {
                    sources(&path, &format!("{name}/"), found);
                } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                    found.push((name, std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut texts);
        Self::new(&texts)
    }

    /// The module that defines what is at `path`, through all the names that modules give on.
    fn defining(&self, path: &[String], hops: usize) -> Module {
        let inside = |len: &usize| self.files.contains_key(&path[..*len]);
        let len = (0..=path.len()).rev().find(inside).unwrap_or(0);
        let (module, rest) = path.split_at(len);
        let exports = rest
            .first()
            .and_then(|name| self.files.get(module)?.iter().find(|used| used.exported.as_ref() == Some(name)));
        match exports {
            Some(used) if hops > 0 => self.defining(&[&used.path[..], &rest[1..]].concat(), hops - 1),
            _ => module.to_vec(),
        }
    }

    /// The modules whose names a module uses.
    fn uses(&self, module: &Module) -> BTreeSet<Module> {
        let found = self.files[module].iter().map(|used| self.defining(&used.path, 8));
        found.filter(|other| !other.starts_with(module) && !module.starts_with(other)).collect()
    }

    /// All modules that use each other in circles.
    fn circles(&self) -> Vec<Module> {
        let mut uses: BTreeMap<_, _> = self.files.keys().map(|module| (module.clone(), self.uses(module))).collect();
        loop {
            // Who uses nobody that is left is in no circle, nor is who is used by nobody.
            let used: BTreeSet<Module> = uses.values().flatten().cloned().collect();
            let before = uses.len();
            uses.retain(|module, others| !others.is_empty() && used.contains(module));
            let left: BTreeSet<Module> = uses.keys().cloned().collect();
            uses.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
            if uses.len() == before {
                return uses.into_keys().collect();
            }
        }
    }
}

/// What a file uses, outside of its comments and of its tests, which stand last.
fn used(module: &Module, text: &str, modules: &BTreeSet<Module>) -> Vec<Used> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let (mut used, mut rest, mut import) = (Vec::new(), String::new(), None::<String>);
    for line in code {
        let trimmed = line.trim();
        let visibility = if trimmed.starts_with("pub") { trimmed.find("use ").unwrap_or(0) } else { 0 };
        if import.is_none() && trimmed[visibility..].starts_with("use ") && !trimmed[..visibility].contains("fn ") {
            import = Some(String::new());
        }
        let Some(mut tree) = import.take() else {
            let _ = writeln!(rest, "{line}");
            continue;
        };
        tree.push_str(trimmed);
        if !trimmed.ends_with(';') {
            import = Some(tree);
            continue;
        }
        let is_public = tree.starts_with("pub");
        let tree = tree[tree.find("use ").unwrap() + 4..].trim_end_matches(';');
        for path in expanded(tree) {
            let (path, name) = path.split_once(" as ").map_or((&*path, None), |(path, name)| (path, Some(name)));
            let exported = is_public.then(|| name.or(path.rsplit("::").next()).unwrap().trim().to_owned());
            let path = absolute(module, path.trim(), modules);
            used.extend(path.map(|path| Used { path, exported }));
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for root in ["crate::", "super::", "self::", "fractal::"] {
        for (at, _) in rest.match_indices(root) {
            let before = rest[..at].chars().next_back();
            if before.is_none_or(|before| !is_name(before) && before != ':') {
                let path: String = rest[at..].chars().take_while(|&c| is_name(c) || c == ':').collect();
                let path = absolute(module, path.trim_end_matches(':'), modules);
                used.extend(path.map(|path| Used { path, exported: None }));
            }
        }
    }
    used
}

/// The paths of a tree of imports.
fn expanded(tree: &str) -> Vec<String> {
    let Some((start, list)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let list = &list[..list.rfind('}').unwrap()];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                parts.last_mut().unwrap().push(c);
            }
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expanded(&format!("{}{part}", start.trim()))).collect()
}

/// A path as it is written in a module, from the crate's root; `None` for another crate's. The program names the library by name.
fn absolute(module: &Module, path: &str, modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let mut names = path.split("::").map(str::to_owned).peekable();
    let mut from = match names.peek()?.as_str() {
        "crate" | "fractal" => {
            names.next();
            Vec::new()
        }
        "self" | "super" => module.clone(),
        child => {
            let child = [&module[..], &[child.to_owned()]].concat();
            modules.contains(&child).then(|| module.clone())?
        }
    };
    while let Some(name) = names.next_if(|name| name == "self" || name == "super") {
        if name == "super" {
            from.pop();
        }
    }
    from.extend(names.filter(|name| name != "self"));
    Some(from)
}

/// A row of the table: top-level modules, here called rooms, and those that they may use.
struct Row {
    rooms: Vec<String>,
    uses: BTreeSet<String>,
    /// Whether each of these is named, so that each must be used.
    named: bool,
}

/// The table of top-level modules in ARCHITECTURE.md, from the foundation up.
fn table() -> Vec<Row> {
    let quoted = |cell: &str| -> Vec<String> {
        let names = cell.split('`').skip(1).step_by(2);
        let name =
            |name: &str| name.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs").to_owned();
        names.map(name).collect()
    };
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| Module |").nth(1).expect("a table of modules");
    let mut above: BTreeSet<String> = BTreeSet::new();
    let mut rows = Vec::new();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (rooms, named) = (quoted(cells[1]), quoted(cells[3]));
        let uses: BTreeSet<String> = match cells[3].strip_prefix("all above") {
            Some(_) => above.iter().filter(|room| !named.contains(room)).cloned().collect(),
            None => named.iter().cloned().collect(),
        };
        assert!(uses.is_subset(&above), "{rooms:?} may use {uses:?}, of which some are not above");
        above.extend(rooms.iter().cloned());
        rows.push(Row { rooms, uses, named: !cells[3].starts_with("all above") });
    }
    rows
}

#[test]
fn every_file_uses_only_what_its_room_may() {
    let (house, table) = (House::read(), table());
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for module in house.files.keys().filter(|module| !module.is_empty()) {
        let row = table.iter().find(|row| row.rooms.contains(&module[0]));
        let row = row.unwrap_or_else(|| panic!("`{}` is in no module of ARCHITECTURE.md", module.join("/")));
        for other in house.uses(module).iter().filter(|other| !other.is_empty() && !row.rooms.contains(&other[0])) {
            let (file, room) = (module.join("/"), &other[0]);
            assert!(row.uses.contains(room), "`{file}` uses {}, but may use only {:?}", other.join("/"), row.uses);
            seen.entry(module[0].clone()).or_default().insert(room.clone());
        }
    }
    for row in table.iter().filter(|row| row.named) {
        let used: BTreeSet<_> = row.rooms.iter().flat_map(|room| seen.get(room)).flatten().cloned().collect();
        assert_eq!(used, row.uses, "what {:?} use, and what ARCHITECTURE.md says that they may", row.rooms);
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let house = House::read();
    let circles: Vec<_> = house.circles().iter().map(|module| module.join("/")).collect();
    assert!(circles.is_empty(), "these files use each other in circles: {}", circles.join(", "));
    assert!(house.files.len() > 200 && house.files.keys().map(|module| house.uses(module).len()).sum::<usize>() > 1000);
}

#[test]
fn circles_are_found_in_all_forms() {
    let house = |texts: &[(&str, &str)]| {
        let texts: Vec<_> = texts.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        House::new(&texts).circles().iter().map(|module| module.join("/")).collect::<Vec<_>>()
    };
    let room = ("a/mod.rs", "mod one;\nmod two;\nmod three;\npub use two::Two;\npub use one::{\n    One,\n};\n");
    // A parent and its children are no circle, and neither are tests and comments.
    let fine = "use super::One;\n//! crate::a::three::Three\n#[cfg(test)]\nmod tests {\n    use crate::a::three;\n}\n";
    assert!(
        house(&[room, ("a/one.rs", "use super::Any;"), ("a/two.rs", fine), ("a/three.rs", "use super::Two;")])
            .is_empty()
    );
    // What the room gives on is where it is defined.
    for one in [
        "use super::Two;",
        "pub(crate) use crate::a::{three::Three, Two as Second};",
        "fn f() {\n    super::two::f()\n}",
    ] {
        assert_eq!(house(&[room, ("a/one.rs", one), ("a/two.rs", "use super::One;")]), ["a/one", "a/two"], "{one}");
    }
    let long = [
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "fn f(_: crate::a::A) {}"),
        ("d.rs", "use crate::a::A;"),
    ];
    assert_eq!(house(&long), ["a", "b", "c"]);
    // The program is another crate, which names the library.
    assert_eq!(
        house(&[("cli/mod.rs", ""), ("cli/x.rs", "use fractal::y::Y;"), ("y.rs", "use crate::cli::x;")]),
        ["cli/x", "y"]
    );
}
