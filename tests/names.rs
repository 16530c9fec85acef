//! File names, which may be links, bytes that are not text, or text that acts on a terminal.

mod support;

use serde_json::Value;
use std::process::{Command, Output};
use support::Scratch;

/// Runs a command that must succeed.
fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn a_link_is_followed_and_stays() {
    let scratch = Scratch::new("links");
    std::fs::create_dir(scratch.join("there")).unwrap();
    for (link, target) in [
        ("a.png", "there/a.png"),
        ("a.part", "there/a.part"),
        ("a.tiles", "there/a.tiles"),
        ("whole.png", "there/b.png"),
    ] {
        std::os::unix::fs::symlink(target, scratch.join(link)).unwrap();
    }
    done(scratch.program(words("render --size 40x30 -o a.png --checkpoint a.tiles")));
    done(scratch.program(words("render --size 40x30 -o a.part --shard 1/1")));
    done(scratch.program(words("render --size 40x30 -o a.part --shard 1/1")));
    for name in ["a.png", "a.part", "a.tiles"] {
        assert!(scratch.join(name).is_symlink() && scratch.join("there").join(name).is_file(), "{name}");
    }
    // Nobody named this one.
    for resume in ["", " --resume"] {
        let output = scratch.program(words(&format!("render --size 40x30{resume}"))).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!scratch.join("there/b.png").exists());
    }
}

#[test]
fn what_comes_from_outside_does_nothing_to_a_terminal() {
    let scratch = Scratch::new("escapes");
    let is_quiet = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && fractal::internal::is_hidden(c)), "{text:?}");
        text
    };
    let foreign = "red\u{1b}[31m\u{9b}1m\u{202e}";
    for file in ["a.json", "b.json"] {
        let entry = serde_json::json!({"command": foreign, "times": [1.0, 2.0], "parameters": {"scene": foreign}});
        std::fs::write(scratch.join(file), serde_json::json!({ "results": [entry] }).to_string()).unwrap();
    }
    let compare = |more: &[&str]| done(scratch.program(["bench", "compare", "a.json", "b.json"].iter().chain(more)));
    assert!(is_quiet(&compare(&[]).stdout).contains("red\u{fffd}[31m\u{fffd}1m\u{fffd}"));
    let json: Value = serde_json::from_str(&is_quiet(&compare(&["--json"]).stdout)).unwrap();
    assert_eq!(json["differences"][0]["command"], foreign);
    // Names of files in messages.
    std::fs::write(scratch.join(format!("{foreign}.toml")), "").unwrap();
    let scene = format!("{foreign}.toml");
    let render = |more: &[&str]| {
        done(scratch.program(["render", &scene, "--size", "40x30", "-o", "{name}.png"].iter().chain(more)))
    };
    let told = is_quiet(&render(&["-v", "--checkpoint", "{name}.tiles"]).stderr);
    assert!(told.lines().count() >= 3 && told.contains("kept in red\u{fffd}"), "{told}");
    let json = is_quiet(&render(&["--stats", "json", "--resume", "--checkpoint", "{name}.tiles"]).stderr);
    assert!(serde_json::from_str::<Value>(&json).unwrap()["tiles"].is_u64(), "{json}");
    assert!(scratch.join(format!("{foreign}.png")).exists());
}

#[test]
fn a_name_of_dots_is_no_folder() {
    let scratch = Scratch::new("dots");
    std::fs::create_dir_all(scratch.join("in/out/scene")).unwrap();
    std::fs::write(scratch.join("in/...toml"), "").unwrap();
    for source in ["...toml", "-"] {
        let mut command = scratch.program(["render", source, "--size", "9x9", "-q", "-o", "out/{name}/a.png"]);
        let dots = scratch.join("in/dots");
        std::fs::write(&dots, "name = \"..\"").unwrap();
        command.current_dir(scratch.join("in")).stdin(std::fs::File::open(&dots).unwrap());
        done(command);
        assert!(!scratch.join("in/a.png").exists());
        std::fs::remove_file(scratch.join("in/out/scene/a.png")).unwrap();
    }
}

/// On Linux names are bytes.
#[cfg(target_os = "linux")]
#[test]
fn names_of_files_need_not_be_text() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let scratch = Scratch::new("bytes");
    // An `@` stands for a byte that is in no text.
    let name = |text: &str| {
        let bytes = text.bytes().map(|byte| if byte == b'@' { 0xff } else { byte });
        OsString::from_vec(bytes.collect())
    };
    let run = |arguments: &str| done(scratch.program(arguments.split_whitespace().map(name)));
    let is_there = |text: &str| assert!(scratch.join(name(text)).exists(), "{text}");
    std::fs::write(scratch.join(name("s@.toml")), "image = { size = [40, 30] }").unwrap();
    std::fs::create_dir(scratch.join(name("d@"))).unwrap();
    std::fs::write(scratch.join(name("p@")), "1,1\n").unwrap();

    let told = String::from_utf8(run("render s@.toml").stderr).unwrap();
    assert!(told.contains("wrote `s\u{fffd}.png`"), "{told}");
    is_there("s@.png");
    run("render s@.toml -o d@/{name}-{index}@.png --owners o@.png --trace t@.json --checkpoint c@.tiles --stats json");
    ["d@/s@-1@.png", "o@.png", "t@.json", "c@.tiles"].into_iter().for_each(is_there);
    run("render s@.toml --iterations 2000 -o e@.exr -v");
    run("render s@.toml --iterations 3000 -o f@.exr --continue e@.exr");
    run("render s@.toml --shard 1/1");
    is_there("s@-1-of-1.part");
    run("merge s@-1-of-1.part -o m@.png");
    run("info s@.png");
    run("check s@.png --pixels 3");
    let points = [name("probe"), name("s@.toml"), [OsStr::from_bytes(b"@"), &name("p@")].into_iter().collect()];
    assert!(done(scratch.program(&points)).stdout.starts_with(b"1,1: "));
    run("bench --scene s@.toml --backend serial --size 40x30 --runs 1 --json b@.json --csv b@.csv --html b@.html");
    run("bench simulate s@.toml --runs 0 --json i@.json");
    run("bench compare b@.json b@.json");
    run("bench report b@.json -o r@.html");
    ["m@.png", "b@.json", "b@.csv", "b@.html", "i@.json", "r@.html"].into_iter().for_each(is_there);
    // An error about such a name shows what of it can be shown.
    let output = scratch.program(["info", "x@.toml"].map(name)).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read `x\u{fffd}.toml`"));
}
