//! Nothing that was finished is lost: checkpoints, whatever happens to the program or to the file.

mod support;

use fractal::backend::{self, BACKENDS};
use fractal::parallel::{Claim, Done, Pieces, Prepared, Recipe, Sink, Stop, Tee, Work};
use fractal::render::{Options, Render};
use fractal::sample::Channels;
use fractal::sink::records::{Description, Records};
use fractal::sink::{Checkpoint, Grid};
use fractal::tile::Order;
use fractal::{Error, Result, Scene};
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::Scratch;

const ALL: Channels = Channels { smooth: true, distance: true };

fn scene() -> Scene {
    Scene::from_toml("[view]\nre = \"-0.7\"\n[image]\nsize = [203, 150]\n[iteration]\nmax = 500\n").unwrap()
}

fn render(scene: &Scene) -> Render {
    Render::with(scene, Options { tile: 8, channels: ALL, order: Order::Hilbert, ..Options::default() }).unwrap()
}

/// Ends a run after so many claims.
struct Fuse(AtomicUsize);

impl Sink for Fuse {
    fn done(&self, _: &Done<'_>) -> Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Stopped),
        }
    }
}

/// Counts pieces and what was executed for them.
#[derive(Default)]
struct Count {
    computed: AtomicUsize,
    kept: AtomicUsize,
}

impl Sink for Count {
    fn done(&self, done: &Done<'_>) -> Result<()> {
        self.computed.fetch_add(done.range.len(), Ordering::Relaxed);
        Ok(())
    }
    fn kept(&self, done: &Done<'_>) -> Result<()> {
        self.kept.fetch_add(done.range.len(), Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn every_backend_goes_on_where_another_ended() {
    let scratch = Scratch::new("resume");
    let render = render(&scene());
    let all = Pieces::new(render.tiling().len(), None);
    let whole = Arc::new(Grid::new(render.tiling(), ALL));
    render.run_here(whole.clone(), &Stop::new()).unwrap();
    let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
    let options = backend::Options { workers: 3, program, ..Default::default() };
    for (index, entry) in BACKENDS.iter().enumerate() {
        let path = scratch.join(entry.name);
        let checkpoint = Arc::new(Checkpoint::create(&path, &render.description(None).unwrap()).unwrap());
        let fuse = Arc::new(Fuse(AtomicUsize::new(index % 4)));
        let mut session = entry.open(&options).unwrap();
        let sink = Arc::new(Tee::new(vec![checkpoint.clone(), fuse]));
        let ended = render.run(&mut *session, sink, &Stop::new());
        let kept = checkpoint.pieces();
        // A run of few large claims may have ended before the fuse did, or with it.
        assert!(kept > 0 && (ended.is_err() || kept == all.len()), "{}: {kept}", entry.name);
        drop(checkpoint);

        let records = Arc::new(render.read_records(Records::open(&path).unwrap(), &Stop::new()).unwrap());
        assert_eq!((records.found().len(), records.damaged()), (kept, 0), "{}", entry.name);
        let next = &BACKENDS[(index + 1) % BACKENDS.len()];
        let mut session = next.open(&options).unwrap();
        let (count, grid) = (Arc::new(Count::default()), Arc::new(Grid::new(render.tiling(), ALL)));
        let checkpoint = Arc::new(Checkpoint::go_on(&records).unwrap());
        let sink = Arc::new(Tee::new(vec![checkpoint.clone(), count.clone(), grid.clone()]));
        let outcome = render.run_missing(&mut *session, sink, &all, vec![records], &Stop::new()).unwrap();
        assert_eq!(count.kept.load(Ordering::Relaxed), kept, "{}", next.name);
        assert_eq!(count.computed.load(Ordering::Relaxed), all.len() - kept, "{}", next.name);
        assert_eq!(outcome.report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), all.len() - kept);
        assert!(grid.samples() == whole.samples(), "{} after {}", next.name, entry.name);
        assert_eq!(checkpoint.pieces(), all.len());

        let records = Arc::new(render.read_records(Records::open(&path).unwrap(), &Stop::new()).unwrap());
        assert!(records.is_complete());
        let grid = Arc::new(Grid::new(render.tiling(), ALL));
        let outcome = render.run_missing(&mut *session, grid.clone(), &all, vec![records], &Stop::new()).unwrap();
        assert!(outcome.report.executed() == 0 && grid.samples() == whole.samples());
    }
}

#[test]
fn another_process_makes_the_same_missing_pieces() {
    let render = render(&scene());
    let scratch = Scratch::new("recipe");
    let checkpoint = Arc::new(Checkpoint::create(scratch.join("a"), &render.description(None).unwrap()).unwrap());
    let mut session = backend::find("serial").unwrap().open(&backend::Options::default()).unwrap();
    let fuse = Arc::new(Fuse(AtomicUsize::new(0)));
    assert!(render.run(&mut *session, Arc::new(Tee::new(vec![checkpoint, fuse])), &Stop::new()).is_err());
    let records = Arc::new(render.read_records(Records::open(scratch.join("a")).unwrap(), &Stop::new()).unwrap());

    /// A session that runs what the recipe of its work makes.
    struct Elsewhere(Box<dyn backend::Session>);
    impl backend::Session for Elsewhere {
        fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<fractal::parallel::Report> {
            let made = fractal::render::from_recipe(&work.recipe().unwrap().bytes)?.work();
            assert_eq!(made.len(), work.len());
            self.0.run(made, sink, stop)
        }
    }
    let all = Pieces::new(render.tiling().len(), None);
    let grid = Arc::new(Grid::new(render.tiling(), ALL));
    let missing = all.len() - records.found().len();
    let outcome = render.run_missing(&mut Elsewhere(session), grid.clone(), &all, vec![records], &Stop::new()).unwrap();
    assert_eq!(outcome.report.workers[0].pieces, missing);
    let whole = Arc::new(Grid::new(render.tiling(), ALL));
    render.run_here(whole.clone(), &Stop::new()).unwrap();
    assert!(grid.samples() == whole.samples());
}

/// A work of pieces whose lengths and bytes look random.
struct Bytes(usize);

impl Bytes {
    fn bytes(index: usize) -> Vec<u8> {
        (0..index * 37 % 100).map(|i| (i * i + 31 * index) as u8).collect()
    }
}

impl Work for Bytes {
    fn len(&self) -> usize {
        self.0
    }
    fn piece_len(&self, index: usize) -> usize {
        Self::bytes(index).len()
    }
    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        let bytes: Vec<u8> = claim.range().flat_map(Self::bytes).collect();
        claim.bytes().copy_from_slice(&bytes);
        claim.range().for_each(|index| claim.set_cost(index, index as u64 + 7));
        claim.add_executed(1);
        Ok(())
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "bytes", bytes: self.0.to_string().into_bytes() })
    }
}

fn write_bytes(path: &Path, pieces: usize) {
    let work = Arc::new(Bytes(pieces));
    let description = Description::new(work.recipe().as_ref(), pieces, None).unwrap();
    let checkpoint = Arc::new(Checkpoint::create(path, &description).unwrap());
    let mut session = backend::find("serial").unwrap().open(&backend::Options::default()).unwrap();
    session.run(work, checkpoint, &Stop::new()).unwrap();
}

/// What can happen to a file.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Zero(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

impl Damage {
    /// Does it, and says which bytes are not what they were and where they were.
    fn strike(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        let len = file.len();
        match self {
            Self::Flip(at, bits) => file[at.index(len)] ^= bits,
            Self::Cut(at) => file.truncate(at.index(len)),
            Self::Zero(at, count) => file[at.index(len)..].iter_mut().take(*count).for_each(|byte| *byte = 0),
            Self::Insert(at, bytes) => {
                file.splice(at.index(len)..at.index(len), bytes.iter().copied());
            }
            Self::Remove(at, count) => {
                let start = at.index(len);
                file.drain(start..(start + count).min(len));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        at().prop_map(Damage::Cut),
        (at(), 1usize..600).prop_map(|(at, count)| Damage::Zero(at, count)),
        (at(), prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1usize..300).prop_map(|(at, count)| Damage::Remove(at, count)),
    ]
}

const PIECES: usize = 40;

/// The pieces of a file, each checked; or why there are none.
fn pieces_of(path: &Path) -> Result<Vec<usize>> {
    let records = Records::open(path)?.read(|index| Bytes::bytes(index).len(), &Stop::new())?;
    let mut words = Vec::new();
    for &found in records.found() {
        let (piece, _) = records.read(found, &mut words)?;
        assert_eq!((piece.bytes, piece.cost), (&Bytes::bytes(found.index)[..], found.index as u64 + 7));
    }
    Ok(records.found().iter().map(|found| found.index).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_happens_to_a_file_its_whole_pieces_are_found(damages in prop::collection::vec(damage(), 1..5)) {
        let scratch = Scratch::new("damage");
        let path = scratch.join("file");
        write_bytes(&path, PIECES);
        let before = fs::read(&path).unwrap();
        let mut file = before.clone();
        damages.iter().for_each(|damage| damage.strike(&mut file));
        fs::write(&path, &file).unwrap();
        match pieces_of(&path) {
            Ok(found) => {
                // A piece whose record still stands somewhere, bit for bit, is found.
                let mut at = before.windows(4).position(|mark| mark == b"\xf2PC\n").unwrap();
                let mut expected = Vec::new();
                while at < before.len() {
                    let head = &before[at..at + 48];
                    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
                    let record = &before[at..at + 48 + number(32) as usize];
                    if number(8) < PIECES as u64 && file.windows(record.len()).any(|bytes| bytes == record) {
                        expected.push(number(8) as usize);
                    }
                    at += record.len();
                }
                prop_assert!(expected.iter().all(|piece| found.contains(piece)), "{expected:?} in {found:?}");
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(text.contains("file` is ") && !text.contains('\n'), "{}", text);
            }
        }
    }
}

#[test]
fn one_damage_costs_one_piece_at_most() {
    let scratch = Scratch::new("flips");
    let path = scratch.join("file");
    write_bytes(&path, PIECES);
    let file = fs::read(&path).unwrap();
    for at in 8..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let found = pieces_of(&path).unwrap();
        assert!(found.len() >= PIECES - 1, "{at}: {found:?}");
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Runs a command; its exit status and what it told on standard error.
fn told(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

fn files(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(&**scratch).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_is_never_replaced_and_goes_with_its_picture_only() {
    let scratch = Scratch::new("flow");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let picture = "render seahorses --size 320x180 --tile 32 -q";
    assert_eq!(run(&format!("{picture} -o plain.png")).0, 0);
    assert_eq!(run(&format!("{picture} -o a.png --checkpoint a.tiles")).0, 0);
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    assert!(read("a.png") == read("plain.png"));

    // Half a file, as a kill leaves it.
    let tiles = read("a.tiles");
    fs::write(scratch.join("a.tiles"), &tiles[..tiles.len() / 2]).unwrap();
    let (code, text) = run(&format!("{picture} -o b.png --checkpoint a.tiles"));
    assert!(code == 2 && text.contains("--resume") && text.lines().count() == 1, "{text}");
    assert_eq!(read("a.tiles").len(), tiles.len() / 2, "it was left alone");
    for (other, key) in [
        ("--re 0.1", "`view.re`"),
        ("--tile 16", "tile size"),
        ("--iterations 77", "`iteration.max`"),
        ("--order hilbert", "order of tiles"),
        ("--formula tricorn", "`formula`"),
        ("--samples 2", "`image.samples`"),
        ("--format exr", "data"),
    ] {
        let (code, text) = run(&format!("{picture} -o b.png --checkpoint a.tiles --resume {other}"));
        assert!(code == 1 && text.contains("of another picture") && text.contains(key), "{other}: {text}");
    }
    let (code, text) = run(&format!("{picture} -o b.png --checkpoint a.tiles --resume --stats json"));
    assert_eq!(code, 0, "{text}");
    assert!(read("b.png") == read("plain.png"));
    let computed = |text: &str| -> u64 {
        let stats: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        stats["workers"].as_array().unwrap().iter().map(|worker| worker["tiles"].as_u64().unwrap()).sum()
    };
    let some = computed(&text);
    assert!(0 < some && some < 60, "{some} of 60 tiles were computed");
    // Other colours are no other samples.
    let (code, text) = run(&format!("{picture} -o c.png --palette ember --checkpoint a.tiles --resume --stats json"));
    assert!(code == 0 && computed(&text) == 0, "{text}");
    assert_eq!(run(&format!("{picture} --palette ember -o ember.png")).0, 0);
    assert!(read("c.png") == read("ember.png"));

    // Without a file --resume begins anew, and a picture that is there is left alone.
    let speaks = "render seahorses --size 320x180 --tile 32";
    let (code, text) = run(&format!("{speaks} -o d.png --resume"));
    assert!(code == 0 && text == "there is no `d.png.checkpoint`, so seahorses begins anew\n", "{text}");
    assert!(read("d.png") == read("plain.png") && !files(&scratch).contains(&"d.png.checkpoint".into()));
    let (code, text) = run(&format!("{speaks} -o d.png --resume"));
    assert!(code == 0 && text == "`d.png` is complete already\n", "{text}");
}

#[test]
fn what_cannot_be_kept_is_said() {
    let scratch = Scratch::new("refused");
    fs::write(scratch.join("text"), "precious").unwrap();
    fs::write(scratch.join("empty"), "").unwrap();
    for (arguments, code, part) in [
        ("--checkpoint -", 2, "regular file"),
        ("--checkpoint /dev/null", 2, "regular file"),
        ("--checkpoint text", 2, "--resume"),
        ("--checkpoint text --resume", 1, "no file of finished pieces"),
        ("--checkpoint . --resume", 1, "`.`"),
        ("--checkpoint nowhere/a", 1, "nowhere/a"),
        ("--checkpoint a --no-checkpoint", 2, "cannot be used with"),
        ("--resume --format ppm -o -", 2, "--checkpoint"),
        ("--checkpoint a.png", 2, "two outputs"),
    ] {
        let (told, text) = self::told(scratch.program(words(&format!("render --size 40x30 -o a.png {arguments}"))));
        assert!(told == code && text.contains(part) && text.lines().count() == 1, "{arguments}: {told}: {text}");
    }
    assert_eq!(fs::read(scratch.join("text")).unwrap(), b"precious");
    assert_eq!(files(&scratch), ["empty", "text"]);
    // A run that was killed right after it had created the file.
    assert_eq!(told(scratch.program(words("render --size 40x30 -o a.png --checkpoint empty -q"))), (0, String::new()));
    // Two runs cannot write one file.
    let file = fs::File::open(scratch.join("empty")).unwrap();
    file.lock().unwrap();
    let (code, text) = told(scratch.program(words("render --size 40x30 -o b.png --checkpoint empty --resume")));
    assert!(code == 1 && text.contains("another process"), "{text}");
}

/// A generator that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Strikes the program with `signal` again and again at moments that look random, then lets it complete `a.png`; returns how often it
/// was struck. At every end, what it had told as done is in the file.
fn strike(scratch: &Scratch, scene: &str, signal: rustix::process::Signal, strikes: u32, within_ms: u64) -> u32 {
    let mut random = Random(0x2545_f491_4f6c_dd1d ^ u64::from(strikes));
    let mut struck = 0;
    loop {
        let arguments = format!("{scene} -o a.png --checkpoint a.tiles --resume --progress json");
        let mut command = scratch.program(words(&arguments));
        command.stdout(std::process::Stdio::null()).stderr(fs::File::create(scratch.join("told")).unwrap());
        let mut child = command.spawn().unwrap();
        if struck < strikes {
            std::thread::sleep(Duration::from_millis(random.below(within_ms)));
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal);
        }
        let status = child.wait().unwrap();
        let text = fs::read_to_string(scratch.join("told")).unwrap();
        let done = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let done = done.filter_map(|line| line["tiles_done"].as_u64()).max().unwrap_or(0);
        let names = files(scratch);
        if status.success() {
            return struck;
        }
        struck += 1;
        if signal == rustix::process::Signal::INT {
            // Right after its start it is the shell's 130: a process ended by a signal, with nothing begun.
            assert!(status.code() == Some(130) || status.signal() == Some(2) && text.is_empty(), "{status}: {text}");
            assert!(names.iter().all(|name| ["a.tiles", "told", "plain.png"].contains(&&**name)), "{names:?}");
        }
        assert!(!names.contains(&"a.png".into()), "no picture that is not complete");
        if let Ok(file) = Records::open(scratch.join("a.tiles")) {
            let render = Render::of_records(file.description(), Path::new("a.tiles")).unwrap();
            let records = render.read_records(file, &Stop::new()).unwrap();
            assert!(records.found().len() as u64 >= done, "{} of {done} tiles are kept", records.found().len());
        } else {
            assert_eq!(done, 0, "{text}");
        }
    }
}

const LONG_ENOUGH: &str =
    "render whole --re -0.7436 --im 0.1318 --width 4e-3 --iterations 40000 --size 1600x1200 --tile 32 -q";

#[test]
fn kills_at_any_moment_lose_no_finished_tile() {
    use rustix::process::Signal;
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        let scratch = Scratch::new("kills");
        assert_eq!(told(scratch.program(words(&format!("{LONG_ENOUGH} -o plain.png")))).0, 0);
        strike(&scratch, LONG_ENOUGH, signal, 6, 120);
        let read = |name: &str| fs::read(scratch.join(name)).unwrap();
        assert!(read("a.png") == read("plain.png"));
    }
}

#[test]
fn parts_make_the_same_picture_in_any_order() {
    let scratch = Scratch::new("shards");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    for (format, scene) in [
        ("png", "seahorses --size 230x170 --samples 2 --tile 16"),
        ("ppm", "ship --size 230x170 --tile 16 --order hilbert"),
        ("exr", "curl --size 230x170 --tile 16 --order centre"),
    ] {
        assert_eq!(run(&format!("render {scene} -o plain.{format}")).0, 0);
        for i in 1..=3 {
            assert_eq!(run(&format!("render {scene} --format {format} --shard {i}/3 -o {i}.part")), (0, String::new()));
        }
        for order in ["1.part 2.part 3.part", "3.part 1.part 2.part", "2.part 3.part 2.part 1.part"] {
            assert_eq!(run(&format!("merge {order} -o merged.{format}")), (0, String::new()), "{order}");
            assert!(read(&format!("merged.{format}")) == read(&format!("plain.{format}")), "{order} to {format}");
        }
        let (code, text) = run(&format!("merge 3.part 1.part -o gaps.{format}"));
        assert!(code == 1 && text.contains(" of 165 tiles: 55 of shard 2/3; ") && text.lines().count() == 1, "{text}");
        assert!(!files(&scratch).contains(&format!("gaps.{format}")));
        assert_eq!(run(&format!("merge 3.part 1.part --complete -o gaps.{format}")).0, 0);
        assert!(read(&format!("gaps.{format}")) == read(&format!("plain.{format}")));
    }
    // A part of another cut, so that tiles are in both: equal ones are fine, others are told.
    let scene = "seahorses --size 230x170 --tile 16";
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
        ("merge overlap.png -o x.png", "no file of finished pieces"),
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
    let mut at = 8;
    let long = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    while long(file, at + 8) == u64::MAX {
        at += 48 + long(file, at + 32) as usize;
    }
    let end = at + 48 + long(file, at + 32) as usize;
    forged[at + 50] ^= 1;
    let crc = crc32fast::hash(&forged[at + 48..end]);
    forged[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&forged[at + 8..at + 48]);
    forged[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
    forged
}

/// A shell command in `scratch` with the program in its path.
fn shell(scratch: &Scratch, command: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_fractal")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", command]).current_dir(&**scratch);
    shell.env("PATH", format!("{}:{path}", folder.display())).env("SCENE", "scene.toml");
    shell
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
    let make = format!("make -f '{}' -j2 SCENE=scene.toml SHARDS=5", file("Makefile"));
    run(&make);
    // A part was lost and another one cut in its middle.
    run("rm parts/2.part && head -c 100000 parts/3.part > parts/3.part.checkpoint && rm parts/3.part picture.png");
    run(&make);
    run("test ! -e parts/3.part.checkpoint");
    check();
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
    }
}

/// Processor seconds of all children of this process that have ended.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[13..15].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    // Linux tells them in hundredths everywhere.
    ticks as f64 / 100.0
}

/// Processor seconds of the program with these arguments.
fn cost(scratch: &Scratch, arguments: &str) -> f64 {
    let before = children();
    assert_eq!(told(scratch.program(words(arguments))), (0, String::new()), "{arguments}");
    children() - before
}

/// A Siegel disk, in which no orbit ever escapes or returns: as much work as one likes.
const SIEGEL: &str = "render --julia -0.390540870218,-0.586787907347 --iterations 8000000 --size 1600x1200 --tile 8 -q";

/// Takes about ten minutes on two processors.
#[test]
#[ignore = "measures for minutes; run it alone: cargo test --test keep -- --ignored --nocapture --test-threads 1"]
fn a_hundred_kills_cost_less_than_five_percent() {
    let scratch = Scratch::new("hundred");
    let straight = cost(&scratch, &format!("{SIEGEL} -o plain.png"));
    let before = children();
    // A run of this length is over before 100 kills if they are further apart.
    let within_ms = (straight * 1000.0 / 2.0 / 100.0 * 1.6) as u64;
    let struck = strike(&scratch, SIEGEL, rustix::process::Signal::KILL, 100, within_ms);
    let killed = children() - before;
    let extra = 100.0 * (killed / straight - 1.0);
    println!("{straight:.1} s of processors at once, {killed:.1} s with {struck} kills: {extra:+.2} %");
    assert!(fs::read(scratch.join("a.png")).unwrap() == fs::read(scratch.join("plain.png")).unwrap());
    assert!(struck >= 90, "{struck} kills");
    assert!(extra <= 5.0, "{extra} %");
}

/// At 300 ns a pixel, which is little for a picture that takes minutes.
#[test]
#[ignore = "measures for a minute; run it alone: cargo test --test keep -- --ignored --nocapture --test-threads 1"]
fn keeping_costs_less_than_two_percent() {
    let scratch = Scratch::new("cost");
    let scene = "render --julia -0.390540870218,-0.586787907347 --iterations 12000 --size 3840x2160 -q -o a.png";
    let mut least = [f64::INFINITY; 2];
    for _ in 0..8 {
        let _ = fs::remove_file(scratch.join("a.tiles"));
        for (least, how) in least.iter_mut().zip(["--no-checkpoint", "--checkpoint a.tiles"]) {
            *least = least.min(cost(&scratch, &format!("{scene} {how}")));
        }
    }
    let [without, with] = least;
    let extra = 100.0 * (with / without - 1.0);
    println!("{without:.2} s of processors without a checkpoint, {with:.2} s with one: {extra:+.2} %");
    assert!(extra <= 2.0, "{extra} %");
}

#[test]
fn more_iterations_take_what_had_escaped() {
    let scratch = Scratch::new("continue");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    let scene = "render seahorses --size 320x180 --tile 16";
    assert_eq!(run(&format!("{scene} --iterations 300 -o few.exr --checkpoint few.tiles")).0, 0);
    assert_eq!(run(&format!("{scene} --iterations 300 -o few.png --checkpoint colours.tiles")).0, 0);
    for (format, files) in [("exr", ["few.exr", "few.tiles"]), ("png", ["few.exr", "colours.tiles"])] {
        assert_eq!(run(&format!("{scene} --iterations 3000 -o plain.{format}")).0, 0);
        for file in files {
            let (code, text) =
                run(&format!("{scene} --iterations 3000 --continue {file} --stats json -o more.{format}"));
            assert_eq!(code, 0, "{text}");
            assert!(read(&format!("more.{format}")) == read(&format!("plain.{format}")), "{file} to {format}");
            let (first, stats) = text.split_once('\n').unwrap();
            let kept: u64 = words(first)[0].parse().unwrap();
            assert!(0 < kept && kept < 240 && first.contains("of 240 tiles had escaped"), "{first}");
            let stats: Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
            let workers = stats["workers"].as_array().unwrap();
            let computed: u64 = workers.iter().map(|worker| worker["tiles"].as_u64().unwrap()).sum();
            assert_eq!(computed, 240 - kept, "{file} to {format}");
        }
    }
    // What was taken is kept in the new run's own file, which needs no other then.
    let more = format!("{scene} --iterations 3000 -q -o kept.exr --checkpoint more.tiles");
    assert_eq!(run(&format!("{more} --continue few.exr")), (0, String::new()));
    let (code, text) = run(&format!("{more} --resume --stats json"));
    assert!(code == 0 && text.contains(r#""iterations":{"executed":0,"#), "{text}");
    assert!(read("kept.exr") == read("plain.exr"));
    for (arguments, part) in [
        ("--iterations 200 --continue few.exr", "up to 300 iterations, more than the 200"),
        ("--iterations 200 --continue few.tiles", "up to 300 iterations, more than the 200"),
        ("--iterations 400 --re 0.3 --continue few.exr", "its `view.re` is"),
        ("--iterations 400 --re 0.3 --continue few.tiles", "its `view.re` is"),
        ("--iterations 400 --size 32x18 --continue few.exr", "its `image.size` is"),
        ("--iterations 400 --format exr -o x.exr --continue colours.tiles", "its data is"),
        ("--iterations 400 --continue few.png", "no file of finished pieces"),
        ("--iterations 400 --continue nowhere.exr", "nowhere.exr"),
    ] {
        let (code, text) = run(&format!("render seahorses --size 320x180 --tile 16 -o x.png {arguments}"));
        assert!(code == 1 && text.contains(part) && text.lines().count() == 1, "{arguments}: {text}");
    }
    fs::write(scratch.join("cut.exr"), &read("few.exr")[..20_000]).unwrap();
    let (code, text) = run(&format!("{scene} --iterations 400 --continue cut.exr -o x.png"));
    assert!(code == 1 && text.contains("`cut.exr`") && text.lines().count() == 1, "{text}");
}

#[test]
fn what_does_not_fit_into_memory_is_told_before() {
    let scratch = Scratch::new("memory");
    for (arguments, part) in [
        ("--size 1000000x1000000 --tile whole -o a.png", "; take smaller tiles"),
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
    let description = Description::new(Some(&Recipe { kind: "render", bytes: recipe }), 1 << 40, None).unwrap();
    drop(Checkpoint::create(scratch.join("huge.part"), &description).unwrap());
    let (code, text) = told(scratch.program(words("merge huge.part -o a.png")));
    assert!(code == 1 && text.contains("for the order of its tiles, but"), "{text}");
    std::fs::remove_file(scratch.join("huge.part")).unwrap();
    // The limit of a shell counts as well.
    let limited = "ulimit -v 1000000; fractal render --size 20000x20000";
    let (code, text) = told(shell(&scratch, &format!("{limited} --tile whole -o a.png")));
    assert!(code == 1 && text.contains("take smaller tiles"), "{text}");
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
}
