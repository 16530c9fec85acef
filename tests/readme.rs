//! The commands and tables in the documents: every command in a block marked `sh` is run in a scratch directory with the program as
//! built; the table of backends is the program's.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::Scratch;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    if let Ok(guides) = std::fs::read_dir(root.join("docs")) {
        documents.extend(
            guides.map(|guide| guide.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    documents.sort();
    documents
}

/// The blocks of commands in a document.
fn blocks(text: &str) -> Vec<String> {
    text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// A command as it is run here: `cargo run … --` is the program that was built; other calls of cargo build or test what is being
/// tested right now, and are left out; windows are opened by tests/window_x11.rs.
fn runnable(line: &str) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_fractal");
    if let Some(("cargo run --release", arguments)) = line.split_once(" -- ") {
        return Some(format!("'{program}' {arguments}"));
    }
    // What needs the network is tested where the program has it.
    let is_left_out = cfg!(not(feature = "net")) && line.starts_with("fractal bench waiting");
    (!line.starts_with("cargo ") && !support::opens_a_window(line) && !is_left_out).then(|| line.to_owned())
}

#[test]
fn every_command_works() {
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = documents().into_iter().map(|document| scope.spawn(move || run(&document))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(counts.iter().sum::<usize>() >= 20, "only {counts:?} commands were found");
}

/// Runs all commands of a document, one after the other; returns how many.
fn run(document: &Path) -> usize {
    let text = std::fs::read_to_string(document).unwrap();
    let name = document.file_stem().unwrap().to_string_lossy().into_owned();
    let scratch = Scratch::new(&format!("document-{name}"));
    std::fs::create_dir(scratch.join("output")).unwrap();
    // The documents speak of `fractal`, which is this program here.
    let bin = scratch.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fractal"), bin.join("fractal")).unwrap();
    let old = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&old))).unwrap();
    // A command goes on in the next line after a backslash.
    let commands: Vec<_> = blocks(&text).iter().flat_map(|block| script(block)).collect();
    for command in &commands {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", command]).current_dir(&*scratch);
        shell.env("PATH", &path).env("XDG_CACHE_HOME", scratch.join("cache"));
        let output = shell.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {command}\n{told}", document.display());
    }
    commands.len()
}

/// The commands of a block that are run here.
fn script(block: &str) -> Vec<String> {
    block.replace("\\\n", " ").lines().filter_map(runnable).collect()
}

#[test]
fn the_readme_shows_the_programs_own_table_of_backends() {
    let scratch = Scratch::new("table");
    let table = scratch.program(["backends", "--markdown"]).output().unwrap().stdout;
    let table = String::from_utf8(table).unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains(&table), "README.md needs the output of `fractal backends --markdown`:\n{table}");
}

/// What a command writes is what a file has.
fn is_written_by(scratch: &Scratch, file: &str, arguments: &[&str]) {
    let output = scratch.program(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let command = arguments.join(" ");
    assert!(
        text.as_bytes() == output.stdout,
        "{file} is not what `fractal {command}` writes: fractal {command} > {file}"
    );
}

#[test]
fn the_guide_and_when_to_choose_a_backend_are_what_the_program_writes() {
    let scratch = Scratch::new("guide-page");
    is_written_by(&scratch, "docs/choosing.md", &["guide", "--markdown"]);
    let long = ["backends", "--long", "--markdown"];
    is_written_by(&scratch, "src/backend/choose.md", &long);
    let table = String::from_utf8(scratch.program(long).output().unwrap().stdout).unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains(&table), "README.md needs the output of `fractal backends --long --markdown`:\n{table}");
}

#[cfg(feature = "window")]
#[test]
fn the_readme_shows_the_windows_own_table_of_keys() {
    let scratch = Scratch::new("keys");
    let table = String::from_utf8(scratch.program(["view", "--keys"]).output().unwrap().stdout).unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains(&table), "README.md needs the output of `fractal view --keys`:\n{table}");
}

#[test]
fn pictures_and_links_of_the_documents_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root.join(page));
    for page in pages.into_iter().chain(documents()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let outside = target.contains("://") || target.is_empty();
            assert!(outside || page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
        }
    }
}
