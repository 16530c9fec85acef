//! The parts of shards, and the picture merged from them.

use super::support::{Scratch, left_out::left_out};
use super::{files, heads, seal, shell, told, words};
use std::fs;
use std::path::Path;

#[test]
fn parts_make_the_same_picture_in_any_order() {
    let scratch = Scratch::new("shards");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    for (format, scene) in [
        ("png", "seahorses --size 230x170 --samples 2 --tile 16"),
        ("ppm", "ship --size 230x170 --samples 1 --tile 16 --order hilbert"),
        ("exr", "curl --size 230x170 --samples 1 --tile 16 --order centre"),
    ] {
        assert_eq!(run(&format!("render {scene} -o plain.{format}")).0, 0);
        for i in 1..=3 {
            assert_eq!(
                run(&format!("render {scene} --format {format} --shard {i}/3 -q -o {i}.part")),
                (0, String::new())
            );
        }
        for order in ["1.part 2.part 3.part", "3.part 1.part 2.part", "2.part 3.part 2.part 1.part"] {
            assert_eq!(run(&format!("merge {order} -q -o merged.{format}")), (0, String::new()), "{order}");
            assert!(read(&format!("merged.{format}")) == read(&format!("plain.{format}")), "{order} to {format}");
        }
        let (code, text) = run(&format!("merge 3.part 1.part -o gaps.{format}"));
        assert!(code == 1 && text.contains(" of 165 tiles: 55 of shard 2/3; ") && text.lines().count() == 1, "{text}");
        assert!(!files(&scratch).contains(&format!("gaps.{format}")));
        assert_eq!(run(&format!("merge 3.part 1.part --complete -o gaps.{format}")).0, 0);
        assert!(read(&format!("gaps.{format}")) == read(&format!("plain.{format}")));
    }
    // A part of another cut, so that tiles are in both: equal ones are fine, others are reported.
    let scene = "seahorses --size 230x170 --samples 1 --tile 16";
    assert_eq!(run(&format!("render {scene} --shard 1/2 -o half.part")).0, 0);
    assert_eq!(run(&format!("render {scene} --shard 1/3 -o third.part")).0, 0);
    let (code, text) = run("merge half.part third.part -o overlap.png");
    assert!(code == 1 && text.contains("–") && text.contains(" and more; "), "{text}");
    assert_eq!(run("merge half.part third.part --complete -o overlap.png").0, 0);
    let forged = forge(&read("third.part"));
    fs::write(scratch.join("forged.part"), forged).unwrap();
    let (code, text) = run("merge half.part third.part forged.part --complete -o overlap.png");
    assert!(code == 1 && text.contains("third.part` and `forged.part` have different results for piece"), "{text}");
    // What is no part, or of something else.
    for (arguments, part) in [
        ("merge third.part 2.part -o x.png", "of another picture"),
        ("merge overlap.png -o x.png", "not a file of finished pieces"),
        ("merge nowhere.part -o x.png", "cannot read `nowhere.part`"),
        ("merge third.part -o x.exr", "no distances"),
        ("merge third.part --set max=7 --complete -o x.png", "`iteration.max`"),
    ] {
        let (code, text) = run(arguments);
        assert!(code == 1 && text.contains(part) && text.lines().count() == 1, "{arguments}: {text}");
    }
    for (arguments, part) in [
        ("render --shard 0/3", "0/3"),
        ("render --shard 4/3", "4/3"),
        ("render --shard 1/3 -o a.png", ".part"),
        ("render --shard 1/3 -o -", ".part"),
        ("render --shard 1/3 --checkpoint a", "cannot be used with"),
        ("merge third.part", "--output"),
    ] {
        let (code, text) = run(arguments);
        assert!(code == 2 && text.contains(part), "{arguments}: {text}");
    }
}

/// A file whose first piece has other bytes, under right checksums.
fn forge(file: &[u8]) -> Vec<u8> {
    let mut forged = file.to_vec();
    // The first two heads are those of the description.
    let &[_, _, at, end, ..] = &heads(file)[..] else { panic!("it has pieces") };
    forged[at + 50] ^= 1;
    let crc = crc32fast::hash(&forged[at + 48..end]);
    forged[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
    seal(&mut forged, at);
    forged
}

#[test]
fn the_files_for_job_systems_work() {
    let scratch = Scratch::new("jobs");
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shards");
    let file = |name: &str| files.join(name).display().to_string();
    fs::write(scratch.join("scene.toml"), "[image]\nsize = [400, 300]\n[iteration]\nmax = 300\n").unwrap();
    let run = |command: &str| {
        let (code, text) = told(shell(&scratch, command));
        assert_eq!(code, 0, "{command}\n{text}");
    };
    let check = || {
        run("cmp picture.png plain.png && rm -r picture.png parts");
    };
    run("fractal render scene.toml -o plain.png");
    if std::process::Command::new("make").arg("--version").output().is_err() {
        left_out("docs/shards/Makefile", "`make` is not installed");
    } else {
        let make = format!("make -f '{}' -j2 SCENE=scene.toml SHARDS=5", file("Makefile"));
        run(&make);
        // A part was lost and another one cut in its middle.
        run("rm parts/2.part && head -c 100000 parts/3.part > parts/3.part.checkpoint && rm parts/3.part picture.png");
        run(&make);
        run("test ! -e parts/3.part.checkpoint");
        check();
    }
    run(&format!(
        "mkdir parts; for i in {{1..8}}; do SLURM_ARRAY_TASK_ID=$i SLURM_CPUS_PER_TASK=1 '{}'; done",
        file("slurm.sh")
    ));
    run("fractal merge parts/*.part -o picture.png");
    check();
    let yaml = fs::read_to_string(files.join("kubernetes.yaml")).unwrap();
    let script: Vec<_> = yaml.lines().skip_while(|line| line.trim() != "- |").skip(1).take(2).map(str::trim).collect();
    fs::write(scratch.join("pod.sh"), script.join("\n")).unwrap();
    run("mkdir parts; for i in {0..7}; do PARTS=parts JOB_COMPLETION_INDEX=$i /bin/sh -ceu \"$(cat pod.sh)\"; done");
    run("fractal merge parts/*.part -o picture.png");
    check();
    if told(shell(&scratch, "parallel --version")).0 == 0 {
        run(&format!("'{}'", file("parallel.sh")));
        check();
    } else {
        left_out("docs/shards/parallel.sh", "`parallel` is not installed");
    }
}
