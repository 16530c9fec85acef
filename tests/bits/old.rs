//! Files of earlier versions (`old/`): each is read and gives the recorded pixels, or is refused in one sentence.
//!
//! They are not regenerated when the format changes, since they stand for the files that users have. Commit bdcd297 wrote those with
//! packed tiles, commit c15529f the others; the command for each is named after it below. Only `interrupted.tiles` is newer, since the
//! longest orbits of its view are refined now: before the first release, no version stands for that.
//!
//! | File | What it is |
//! | --- | --- |
//! | `packed.tiles` | a complete checkpoint of [`RELIEF`], with all planes |
//! | `plain.tiles` | the same, by the version that did not pack |
//! | `interrupted.tiles` | of [`DEEP`], cut after 13 tiles, where a killed program leaves it |
//! | `torn.tiles` | of [`SHIP`], cut in the middle of a tile's record |
//! | `flipped.tiles` | of [`SHIP`], with one bit flipped in the data of a tile |
//! | `plain-1.part`, `packed-2.part`, `packed-3.part` | the shards of [`CELTIC`], by both versions |
//! | `fewer.tiles`, `fewer.exr` | [`MORE`] with 300 iterations: a checkpoint of its PNG file, and an EXR file |
//! | `picture.png` | the picture of [`RELIEF`], with its scene inside |

use super::decode;
use super::list::{self, List};
use super::support::Scratch;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const RELIEF: &str =
    "--re -0.7453 --im 0.1127 --width 0.01 --iterations 900 --size 64x48 --tile 16 --colour relief";
pub(super) const SHIP: &str = "--formula burning_ship --re -1.755 --im -0.03 --width 0.09 \
    --iterations 600 --size 80x60 --tile 16 --order hilbert";
pub(super) const DEEP: &str = "--re -0.7450754204943227934331 --im 0.1125224821214891982619 \
    --width 9.5e-11 --iterations 50000 --size 80x60 --tile 16 --order hilbert";
pub(super) const CELTIC: &str = "--formula celtic --re -0.6 --im 0.3 --width 2.4 \
    --iterations 250 --size 75x50 --tile 16 --order centre";
pub(super) const MORE: &str = "--re -0.7453 --im 0.1127 --width 0.01 --iterations 900 --size 48x36 --tile 16";

/// What a checkpoint has lost, and the name of its picture in the list.
struct Checkpoint {
    file: &'static str,
    arguments: &'static str,
    picture: &'static str,
    missing: u64,
    damaged: bool,
}

const CHECKPOINTS: &[Checkpoint] = &[
    Checkpoint { file: "packed.tiles", arguments: RELIEF, picture: "old/relief", missing: 0, damaged: false },
    Checkpoint { file: "plain.tiles", arguments: RELIEF, picture: "old/relief", missing: 0, damaged: false },
    Checkpoint { file: "interrupted.tiles", arguments: DEEP, picture: "old/deep", missing: 7, damaged: false },
    Checkpoint { file: "torn.tiles", arguments: SHIP, picture: "old/ship", missing: 9, damaged: true },
    Checkpoint { file: "flipped.tiles", arguments: SHIP, picture: "old/ship", missing: 1, damaged: true },
];

const PARTS: [&str; 3] = ["plain-1.part", "packed-2.part", "packed-3.part"];

/// The program's name and version as all of these files have it.
const PROGRAM: &str = "fractal 0.1.0";

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "bits", "old", file].iter().collect()
}

/// An old file as it stands here, except that this very version wrote it: that others are refused is a test of its own.
fn read(file: &str) -> Vec<u8> {
    let bytes = fs::read(path(file)).unwrap();
    let ours = concat!("fractal ", env!("CARGO_PKG_VERSION"));
    if ours == PROGRAM { bytes } else { describe(&bytes, PROGRAM, ours) }
}

fn long(file: &[u8], at: usize) -> usize {
    u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize
}

/// Makes the checksums of a record right again: that of the data, then that of the head, which has it.
fn seal(record: &mut [u8]) {
    let crc = crc32fast::hash(&record[48..]);
    record[40..44].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&record[8..48]);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The records of a whole file, with their heads of 48 bytes.
fn records(file: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut at = 8;
    while at < file.len() {
        // The last one may be torn.
        let end = (at + 48 + long(file, at + 32)).min(file.len());
        records.push(file[at..end].to_vec());
        at = end;
    }
    records
}

/// The file with other words in both copies of what it says of its pieces.
fn describe(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = file[..8].to_vec();
    for (index, mut record) in records(file).into_iter().enumerate() {
        if index < 2 {
            let text = String::from_utf8(record.split_off(48)).unwrap();
            assert!(text.contains(from), "{text}");
            record.extend(text.replace(from, to).into_bytes());
            let len = record.len() as u64 - 48;
            record[32..40].copy_from_slice(&len.to_le_bytes());
            seal(&mut record);
        }
        out.extend(record);
    }
    out
}

/// Runs the program: its exit status, and what it wrote to standard error.
fn told(scratch: &Scratch, arguments: &str) -> (i32, String) {
    let output = scratch.program(arguments.split_whitespace()).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

/// Checks that a picture has the pixels of the list, and takes it away.
fn check(scratch: &Scratch, list: &List, picture: &str, name: &str, what: &str) {
    let hashes = list::text(&decode::hashes(&fs::read(scratch.join(picture)).unwrap()));
    fs::remove_file(scratch.join(picture)).unwrap();
    // While the list is written there is none to compare with.
    if !list::is_written() {
        let expected = list.get(name).unwrap_or("a line of this name in the list");
        assert!(expected == hashes, "{name} by {what}: expected {expected}, found {hashes}\n{}", list::ADVICE);
    }
}

/// How many tiles were computed, as the last line of `--stats json` has it.
fn computed(told: &str) -> u64 {
    let stats: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    stats["workers"].as_array().unwrap().iter().map(|worker| worker["tiles"].as_u64().unwrap()).sum()
}

/// Fails unless a command is refused in one sentence that says all of `words`, and leaves no picture.
fn refuse(scratch: &Scratch, arguments: &str, words: &[&str]) {
    let (code, text) = told(scratch, arguments);
    assert!(code == 1 && text.lines().count() == 1, "{arguments}: {code}: {text}");
    assert!(words.iter().all(|word| text.contains(word)), "{arguments}: {words:?} in {text}");
    assert!(!scratch.join("a.png").exists(), "{arguments}");
}

#[test]
fn old_checkpoints_lead_to_the_same_picture() {
    let (scratch, list) = (Scratch::new("old-checkpoints"), List::read());
    for &Checkpoint { file, arguments, picture, missing, damaged } in CHECKPOINTS {
        fs::write(scratch.join("a.tiles"), read(file)).unwrap();
        // Parts and checkpoints are one format, so either command reads them. What is missing is reported or computed.
        if missing == 0 {
            assert_eq!(told(&scratch, "merge a.tiles -q -o a.png"), (0, String::new()), "{file}");
        } else {
            let (code, text) = told(&scratch, "merge a.tiles -o a.png");
            assert!(code == 1 && text.contains(&format!("no part has {missing} of 20 tiles: ")), "{file}: {text}");
            assert_eq!(text.contains("`a.tiles` is damaged; its lost tiles"), damaged, "{file}: {text}");
            assert_eq!(told(&scratch, "merge a.tiles -q --complete -o a.png"), (0, String::new()), "{file}");
        }
        check(&scratch, &list, "a.png", picture, &format!("merge of {file}"));
        let resume = format!("render {arguments} -o a.png --checkpoint a.tiles --resume --stats json");
        let (code, text) = told(&scratch, &resume);
        assert_eq!(code, 0, "{file}: {text}");
        assert_eq!(computed(&text), missing, "{file}: {text}");
        assert_eq!(text.contains("`a.tiles` is damaged; its lost tiles"), damaged, "{file}: {text}");
        check(&scratch, &list, "a.png", picture, &format!("resumption of {file}"));
        // Today's records stand after those of then, and the file is whole.
        let (code, text) = told(&scratch, &resume);
        assert!(code == 0 && computed(&text) == 0, "{file} again: {text}");
        check(&scratch, &list, "a.png", picture, &format!("second resumption of {file}"));
    }
}

#[test]
fn old_parts_are_merged() {
    let (scratch, list) = (Scratch::new("old-parts"), List::read());
    PARTS.iter().for_each(|part| fs::write(scratch.join(part), read(part)).unwrap());
    for order in [PARTS, [PARTS[2], PARTS[0], PARTS[1]]] {
        let merge = format!("merge {} -q -o a.png", order.join(" "));
        assert_eq!(told(&scratch, &merge), (0, String::new()));
        check(&scratch, &list, "a.png", "old/celtic", &merge);
    }
    let few = format!("merge {} {} -o a.png", PARTS[0], PARTS[2]);
    refuse(&scratch, &few, &["no part has 6 of 20 tiles: 6 of shard 2/3; "]);
    assert_eq!(told(&scratch, &format!("{few} --complete -q")), (0, String::new()));
    check(&scratch, &list, "a.png", "old/celtic", &few);
    // With a part of today.
    let (code, text) = told(&scratch, &format!("render {CELTIC} --shard 2/3 -o today.part"));
    assert_eq!(code, 0, "{text}");
    let mixed = format!("merge {} today.part {} {} -q -o a.png", PARTS[0], PARTS[2], PARTS[1]);
    assert_eq!(told(&scratch, &mixed), (0, String::new()));
    check(&scratch, &list, "a.png", "old/celtic", &mixed);
}

#[test]
fn old_pictures_are_gone_on_from() {
    let (scratch, list) = (Scratch::new("old-pictures"), List::read());
    fs::write(scratch.join("fewer.tiles"), read("fewer.tiles")).unwrap();
    for from in [Path::new("fewer.tiles"), &path("fewer.exr")] {
        let (code, text) = told(&scratch, &format!("render {MORE} -o a.png --continue {}", from.display()));
        assert!(code == 0 && text.contains("1235 of 1728 samples had escaped in `"), "{}: {text}", from.display());
        check(&scratch, &list, "a.png", "old/more", "continuation");
    }
    let picture = path("picture.png");
    fs::copy(&picture, scratch.join("b.png")).unwrap();
    check(&scratch, &list, "b.png", "old/relief", "what is in the file");
    assert_eq!(told(&scratch, &format!("render {} -q -o a.png", picture.display())), (0, String::new()));
    check(&scratch, &list, "a.png", "old/relief", "the scene in the file");
}

#[test]
fn what_is_of_no_use_is_refused_in_one_sentence() {
    let scratch = Scratch::new("old-refused");
    let whole = read("packed.tiles");
    let write = |file: &[u8]| fs::write(scratch.join("a.tiles"), file).unwrap();
    let ours = concat!("fractal ", env!("CARGO_PKG_VERSION"));
    let resume = format!("render {RELIEF} -o a.png --checkpoint a.tiles --resume");
    // Another picture, each time by one thing.
    write(&whole);
    for (other, key) in [
        ("--re 0.1", "`view.re`"),
        ("--iterations 901", "`iteration.max`"),
        ("--tile 8", "tile size"),
        ("--set escape_radius=257", "`iteration.escape_radius`"),
    ] {
        refuse(&scratch, &format!("{resume} {other}"), &["`a.tiles` is of another picture", key]);
    }
    // What another version may write one day: another beginning of the file, another program, works and keys that we do not know.
    let mut later = whole.clone();
    later[3] += 1;
    let damaged = describe(&whole, "\"kind\":", "\"king\":");
    for (file, words) in [
        (&later[..], &["`a.tiles` is not a file of finished pieces"][..]),
        (&describe(&whole, ours, "fractal 9.1.0"), &["was computed by fractal 9.1.0", "finish it with that version"]),
        (&describe(&whole, "\"kind\":\"render\"", "\"kind\":\"dream\""), &["a work that is not a picture"]),
        (&describe(&whole, "\"formula\":", "\"warp\":1,\"formula\":"), &["unknown field `warp`"]),
        (&damaged, &["its description of the work is damaged"]),
        (&whole[..300], &["its description of the work is damaged"]),
    ] {
        write(file);
        refuse(&scratch, &resume, words);
        refuse(&scratch, "merge a.tiles -o a.png", words);
    }
}

/// Resumes `file` of [`RELIEF`], which leads to its picture after so many tiles were computed.
fn resume_damaged(scratch: &Scratch, list: &List, file: &[u8], missing: u64, what: &str) {
    fs::write(scratch.join("a.tiles"), file).unwrap();
    let resume = format!("render {RELIEF} -o a.png --checkpoint a.tiles --resume --stats json");
    let (code, text) = told(scratch, &resume);
    assert!(code == 0 && text.starts_with("`a.tiles` is damaged; its lost tiles"), "{what}: {text}");
    assert_eq!(computed(&text), missing, "{what}: {text}");
    check(scratch, list, "a.png", "old/relief", what);
}

#[test]
fn what_is_of_some_use_is_used() {
    let (scratch, list) = (Scratch::new("old-damaged"), List::read());
    let whole = read("packed.tiles");
    // A later version may keep tiles in a way that we do not know: such tiles count as lost, and all others are used.
    let mut file = whole[..8].to_vec();
    for (index, mut record) in records(&whole).into_iter().enumerate() {
        if index > 8 {
            record[44..48].copy_from_slice(&7u32.to_le_bytes());
            seal(&mut record);
        }
        file.extend(record);
    }
    resume_damaged(&scratch, &list, &file, 5, "an unknown coding");
    // Either copy of what it says of its pieces is enough.
    let second = 8 + records(&whole)[0].len();
    for at in [100, second + 100] {
        let mut file = whole.clone();
        file[at] ^= 1;
        resume_damaged(&scratch, &list, &file, 0, "one copy of the description");
    }
    resume_damaged(&scratch, &list, &whole[..second + 100], 12, "no tile");
}
