//! The commands whose works are no pictures.

use super::ending::signal;
use super::support::{Scratch, until};
use super::{done, stdout};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::{Output, Stdio};

#[test]
fn primes_are_counted_on_every_backend() {
    let scratch = Scratch::new("primes");
    for backend in fractal::backend::BACKENDS {
        let count = ["primes", "2_000_000", "-q", "--workers", "2", "--backend", backend.name];
        assert_eq!(stdout(scratch.program(count)), "148933\n", "{}", backend.name);
    }
    let arguments = ["primes", "1e7", "--stats", "json", "--progress", "json", "--trace", "trace.json"];
    let Output { stdout, stderr, .. } = done(scratch.program(arguments));
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(stdout.starts_with("664579 primes up to 10000000 in "), "{stdout}");
    assert!(stdout.contains("numbers/s with ") && stdout.lines().count() == 1, "{stdout}");
    let lines: Vec<Value> =
        String::from_utf8(stderr).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (stats, progress) = lines.split_last().unwrap();
    assert_eq!((&stats["work"], &stats["numbers"]), (&"primes".into(), &10_000_001.into()));
    assert_eq!(progress.last().unwrap()["segments_done"], stats["segments"]);
    let sum: u64 = stats["workers"].as_array().unwrap().iter().map(|worker| worker["segments"].as_u64().unwrap()).sum();
    assert_eq!(stats["segments"], sum);
    let trace = fs::read_to_string(scratch.join("trace.json")).unwrap();
    assert!(trace.contains("\"name\":\"segment") && trace.contains("segments waiting"), "{trace}");
}

#[test]
fn interrupted_primes_continue() {
    let scratch = Scratch::new("primes-resume");
    let arguments = ["primes", "1e12", "--checkpoint", "kept", "--progress", "json"];
    let mut child = scratch.program(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    until("a segment is kept", || fs::metadata(scratch.join("kept")).is_ok_and(|file| file.len() > 500).then_some(()));
    signal(&child, rustix::process::Signal::INT);
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains(" segments are kept; continue with: ") && text.contains("--resume"), "{text}");
    let output = scratch.program(["primes", "1e12", "--checkpoint", "kept"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("continue with --resume, or remove it"));
    let other = scratch.program(["primes", "1e7", "--checkpoint", "kept", "--resume"]).output().unwrap();
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    // A complete one is read, and nothing computed.
    let complete = ["primes", "3e6", "--checkpoint", "complete"];
    assert!(stdout(scratch.program(complete)).starts_with("216816 primes"));
    let arguments = [&complete[..], &["--resume", "-q"]].concat();
    assert_eq!(stdout(scratch.program(arguments)), "216816\n");
}

#[cfg(feature = "thumbnails")]
#[test]
fn thumbnails_are_the_same_on_every_backend() {
    let scratch = Scratch::new("thumbnails");
    fs::create_dir_all(scratch.join("in/below")).unwrap();
    let photo = include_bytes!("../../src/works/thumbnails/usual.jpg");
    for name in ["a.jpg", "a.jpeg", "a.b.jpg", "below/a.jpg"] {
        fs::write(scratch.join("in").join(name), photo).unwrap();
    }
    done(scratch.program(["render", "--size", "80x60", "-o", "in/a.b.png", "-q"]));
    fs::write(scratch.join("in/half.jpg"), &photo[..photo.len() - 200]).unwrap();
    fs::write(scratch.join("in/words.png"), "words").unwrap();
    fs::write(scratch.join("in/words.txt"), "words").unwrap();
    fs::create_dir(scratch.join("in/folder.jpg")).unwrap();
    std::os::unix::fs::symlink("loop.jpg", scratch.join("in/loop.jpg")).unwrap();
    std::os::unix::fs::symlink("..", scratch.join("in/up")).unwrap();
    let mut first: Option<Vec<(String, Vec<u8>)>> = None;
    for backend in fractal::backend::BACKENDS {
        let arguments =
            ["thumbnails", "in", "-o", "in/small", "--size", "5", "--workers", "2", "--backend", backend.name];
        let output = scratch.program(arguments).output().unwrap();
        let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let lines: Vec<_> = errors.lines().collect();
        for (line, why) in lines.iter().zip([
            "`in/folder.jpg` is a folder, not a picture",
            "`in/half.jpg` is damaged: ",
            "`in/loop.jpg` cannot be read: ",
            "`in/up` is a link to a folder, which is not followed",
            "`in/words.png` is not a picture of format JPEG, PNG or WebP",
            "fractal: 5 of 10 files have no thumbnail",
        ]) {
            assert!(line.starts_with(why), "{errors}");
        }
        assert_eq!(lines.len(), 6, "{errors}");
        assert!(text.starts_with("5 thumbnails in `in/small` in ") && text.contains("1 other file"), "{text}");
        let names = ["a.b.jpg", "a.b.png.jpg", "a.jpeg", "a.jpg", "below/a.jpg"];
        let made = names.map(|name| (name.to_owned(), fs::read(scratch.join("in/small").join(name)).unwrap()));
        assert!(made.iter().all(|(_, bytes)| bytes.starts_with(b"\xff\xd8")));
        assert_eq!(fs::read_dir(scratch.join("in/small")).unwrap().count(), 5, "nothing else is left");
        assert_eq!(first.get_or_insert(made.to_vec()), &made, "{}", backend.name);
        fs::remove_dir_all(scratch.join("in/small")).unwrap();
    }
}
