//! Pictures larger than memory, and those that would not fit.

use super::support::Scratch;
use super::{files, render, scene, shell, told, words};
use fractal::parallel::Recipe;
use fractal::sink::{Checkpoint, Description};
use serde_json::Value;
use std::fs;

#[test]
fn what_does_not_fit_into_memory_is_reported_before() {
    let scratch = Scratch::new("memory");
    for (arguments, part) in [
        ("--size 1000000x1000000 --tile whole -o a.png", "; use smaller tiles"),
        ("--size 1000000x1000000 --tile 1 --order centre -o a.png", "--order rows"),
        ("--size 500000x500000 --format exr -o -", "write it to a file"),
    ] {
        let (code, text) = told(scratch.program(words(&format!("render {arguments}"))));
        assert!(code == 1 && text.contains(part) && text.contains("B of memory, "), "{arguments}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    // A file of finished tiles may be of anything.
    let small = render(&scene());
    let recipe = String::from_utf8(small.work().recipe().unwrap().bytes).unwrap();
    let size = recipe.find("\"size\":[").unwrap() + 7;
    let end = size + recipe[size..].find(']').unwrap() + 1;
    let recipe = format!("{}[60000000,60000000]{}", &recipe[..size], &recipe[end..]).into_bytes();
    let description = Description::new(Some(&Recipe { kind: "render".into(), bytes: recipe }), 1 << 40, None).unwrap();
    drop(Checkpoint::create(scratch.join("huge.part"), &description).unwrap());
    let (code, text) = told(scratch.program(words("merge huge.part -o a.png")));
    assert!(code == 1 && text.contains("for the order of its tiles, but"), "{text}");
    fs::remove_file(scratch.join("huge.part")).unwrap();
    // One that would need gigabytes for its order is known to be foreign before any of them.
    let recipe = String::from_utf8(small.work().recipe().unwrap().bytes).unwrap();
    let recipe = format!("{}[120000,120000]{}", &recipe[..size], &recipe[end..]).into_bytes();
    let description =
        Description::new(Some(&Recipe { kind: "render".into(), bytes: recipe }), 15000 * 15000, None).unwrap();
    drop(Checkpoint::create(scratch.join("foreign"), &description).unwrap());
    for file in ["--checkpoint foreign --resume", "--continue foreign"] {
        let limited = "ulimit -v 1000000; fractal render --size 40x30 -o a.png";
        let (code, text) = told(shell(&scratch, &format!("{limited} {file}")));
        assert!(code == 1 && text.contains("is of another picture") && text.lines().count() == 1, "{code}: {text}");
    }
    fs::remove_file(scratch.join("foreign")).unwrap();
    // The limit of a shell counts as well.
    let limited = "ulimit -v 1000000; fractal render --size 20000x20000";
    let (code, text) = told(shell(&scratch, &format!("{limited} --tile whole -o a.png")));
    assert!(code == 1 && text.contains("use smaller tiles"), "{text}");
    assert_eq!(files(&scratch), [""; 0]);
}

#[test]
fn a_large_picture_takes_little_memory_in_any_order() {
    let scratch = Scratch::new("poster");
    let run = |arguments: &str| {
        let (code, text) = told(scratch.program(words(&format!("render {arguments} --stats json"))));
        assert_eq!(code, 0, "{text}");
        let stats: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        stats["peak_memory_bytes"].as_u64().unwrap() >> 20
    };
    // 330 MB of pixels.
    let rows = run("--size 11000x5000 --bits 16 --iterations 100 -o rows.png");
    assert!(rows < 100, "{rows} MB");
    let centre = run("--size 11000x5000 --bits 16 --iterations 100 --order centre --schedule static -o centre.png");
    assert!(centre < 350, "{centre} MB");
    assert!(fs::read(scratch.join("rows.png")).unwrap() == fs::read(scratch.join("centre.png")).unwrap());
    // Supersampled, as raw data, and from a file of its tiles.
    let supersampled = run("--size 3000x2000 --samples 3 --iterations 100 -o a.ppm");
    assert!(supersampled < 100, "{supersampled} MB");
    let raw = run("--size 5500x3500 --iterations 100 --checkpoint a.tiles -o a.exr");
    assert!(raw < 150, "{raw} MB");
    let resumed = run("--size 5500x3500 --iterations 100 --checkpoint a.tiles --resume -o b.exr");
    assert!(resumed < 150, "{resumed} MB");
    assert!(fs::read(scratch.join("a.exr")).unwrap() == fs::read(scratch.join("b.exr")).unwrap());
    // In tiles, and read back of either form.
    let tiles = run("--size 5500x3500 --iterations 100 --format exr-tiles -o tiles.exr");
    assert!(tiles < 150, "{tiles} MB");
    for file in ["a.exr", "tiles.exr"] {
        let more = run(&format!("--size 5500x3500 --iterations 120 --continue {file} --order hilbert -o more.exr"));
        assert!(more < 350, "{more} MB");
    }
    let plain = run("--size 5500x3500 --iterations 120 -o plain.exr");
    assert!(plain < 150, "{plain} MB");
    assert!(fs::read(scratch.join("more.exr")).unwrap() == fs::read(scratch.join("plain.exr")).unwrap());
}
