//! Resuming from a checkpoint.

use super::support::{Scratch, until};
use super::{Count, Fuse, files, heads, render, scene, told, words};
use fractal::backend::{self, BACKENDS};
use fractal::parallel::{Pieces, Sink, Stop, Tee, Work};
use fractal::sink::{Checkpoint, Grid, Records};
use fractal::{Render, Result, Scene};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn every_backend_goes_on_where_another_ended() {
    let deep = "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"1e-50\"\n[image]\nsize = [93, 60]\n[iteration]\nmax = 500\n";
    for scene in [scene(), Scene::from_toml(deep).unwrap()] {
        goes_on(&render(&scene));
    }
}

fn goes_on(render: &Render) {
    let scratch = Scratch::new("resume");
    let all = Pieces::new(render.tiling().len(), None);
    let whole = Arc::new(Grid::new(render.tiles()));
    render.run_here(whole.clone(), &Stop::new()).unwrap();
    let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
    let options = backend::SessionOptions { workers: 3, program, ..Default::default() };
    for (index, entry) in BACKENDS.iter().enumerate() {
        let path = scratch.join(entry.name);
        let checkpoint = Arc::new(Checkpoint::create(&path, &render.description(None).unwrap()).unwrap());
        let fuse = Arc::new(Fuse::new(index % 4));
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
        let (count, grid) = (Arc::new(Count::default()), Arc::new(Grid::new(render.tiles())));
        let checkpoint = Arc::new(Checkpoint::go_on(&records).unwrap());
        let sink = Arc::new(Tee::new(vec![checkpoint.clone(), count.clone(), grid.clone()]));
        let outcome = render.run_missing(&mut *session, sink, &all, vec![records].into(), &Stop::new()).unwrap();
        assert_eq!(count.kept.load(Ordering::Relaxed), kept, "{}", next.name);
        assert_eq!(count.computed.load(Ordering::Relaxed), all.len() - kept, "{}", next.name);
        assert_eq!(outcome.report.workers.iter().map(|worker| worker.pieces).sum::<usize>(), all.len() - kept);
        assert!(grid.samples() == whole.samples(), "{} after {}", next.name, entry.name);
        assert_eq!(checkpoint.pieces(), all.len());

        let records = Arc::new(render.read_records(Records::open(&path).unwrap(), &Stop::new()).unwrap());
        assert!(records.is_complete());
        let grid = Arc::new(Grid::new(render.tiles()));
        let outcome =
            render.run_missing(&mut *session, grid.clone(), &all, vec![records].into(), &Stop::new()).unwrap();
        assert!(outcome.report.executed() == 0 && grid.samples() == whole.samples());
    }
}

#[test]
fn another_process_makes_the_same_missing_pieces() {
    let render = render(&scene());
    let scratch = Scratch::new("recipe");
    let checkpoint = Arc::new(Checkpoint::create(scratch.join("a"), &render.description(None).unwrap()).unwrap());
    let mut session = backend::find("serial").unwrap().open(&backend::SessionOptions::default()).unwrap();
    let fuse = Arc::new(Fuse::new(0));
    assert!(render.run(&mut *session, Arc::new(Tee::new(vec![checkpoint, fuse])), &Stop::new()).is_err());
    let records = Arc::new(render.read_records(Records::open(scratch.join("a")).unwrap(), &Stop::new()).unwrap());

    /// A session that runs what the recipe of its work makes.
    struct Elsewhere(Box<dyn backend::Session>);
    impl backend::Session for Elsewhere {
        fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<fractal::parallel::Report> {
            let made = fractal::internal::from_recipe(&work.recipe().unwrap().bytes)?.work();
            assert_eq!(made.len(), work.len());
            self.0.run(made, sink, stop)
        }
    }
    let all = Pieces::new(render.tiling().len(), None);
    let grid = Arc::new(Grid::new(render.tiles()));
    let missing = all.len() - records.found().len();
    let outcome =
        render.run_missing(&mut Elsewhere(session), grid.clone(), &all, vec![records].into(), &Stop::new()).unwrap();
    assert_eq!(outcome.report.workers[0].pieces, missing);
    let whole = Arc::new(Grid::new(render.tiles()));
    render.run_here(whole.clone(), &Stop::new()).unwrap();
    assert!(grid.samples() == whole.samples());
}

#[test]
fn a_checkpoint_is_never_replaced_and_goes_with_its_picture_only() {
    let scratch = Scratch::new("flow");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let picture = "render seahorses --size 320x180 --tile 32 --samples 1 -q";
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
    let stats: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(stats["seconds"]["keep"].as_f64().unwrap() > 0.0, "{text}");
    assert!(0 < some && some < 60, "{some} of 60 tiles were computed");
    // Other colours are no other samples.
    let (code, text) = run(&format!("{picture} -o c.png --palette ember --checkpoint a.tiles --resume --stats json"));
    assert!(code == 0 && computed(&text) == 0, "{text}");
    assert_eq!(run(&format!("{picture} --palette ember -o ember.png")).0, 0);
    assert!(read("c.png") == read("ember.png"));

    // Without a file --resume begins anew, and a picture that is there is left alone.
    let speaks = "render seahorses --size 320x180 --tile 32 --samples 1";
    let (code, text) = run(&format!("{speaks} -o d.png --resume"));
    assert!(
        code == 0 && text.starts_with("there is no `d.png.checkpoint`, so seahorses starts from the beginning\n"),
        "{text}"
    );
    assert!(read("d.png") == read("plain.png") && !files(&scratch).contains(&"d.png.checkpoint".into()));
    let (code, text) = run(&format!("{speaks} -o d.png --resume"));
    assert!(code == 0 && text == "`d.png` is already complete\n", "{text}");
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
        ("--checkpoint text --resume", 1, "not a file of finished pieces"),
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
    let who = format!("`empty` is being written by process {}", std::process::id());
    assert!(code == 1 && text.contains(&who), "{text}");
}

#[test]
fn an_interrupted_run_says_what_it_kept_and_what_continues() {
    let scratch = Scratch::new("kept");
    let scene = "julia = ['-0.390540870218', '-0.586787907347']\nimage.size = [1600, 1200]\niteration.max = 30000000";
    fs::write(scratch.join("a.toml"), scene).unwrap();
    fs::write(scratch.join("small.toml"), "image.size = [16, 12]").unwrap();
    let (resume, input) = ("--resume ", ", with the same standard input");
    for (arguments, kept, resume, input) in [
        ("a.toml", "a.png.checkpoint", "", ""),
        // The first is there by then, and without --resume it would be refused.
        ("small.toml a.toml", "a.png.checkpoint", resume, ""),
        ("- -o a.png", "a.png.checkpoint", "", input),
        ("a.toml --checkpoint c -o b.png", "c", resume, ""),
    ] {
        let typed = format!("render {arguments} --tile 8 --workers 1");
        let _ = fs::remove_file(scratch.join("a.png.checkpoint"));
        let scene = fs::File::open(scratch.join("a.toml")).unwrap();
        let mut child = scratch.program(words(&typed)).stdin(scene).stderr(Stdio::piped()).spawn().unwrap();
        until("tiles are kept", || {
            let file = fs::read(scratch.join(kept)).unwrap_or_default();
            (file.len() > 8 && heads(&file).len() > 3).then_some(())
        });
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let [expected @ .., left, "fractal: stopped before the work was complete"] = &lines[..] else {
            panic!("{text}")
        };
        let (told, command) = left.split_once(&format!("; to continue{input}: ")).unwrap();
        assert!(told.starts_with(&format!("`{kept}` keeps ")) && told.ends_with(" of 30000 tiles"), "{text}");
        let (_, command) = command.split_once(" render ").unwrap();
        assert_eq!(command, typed.replacen("render ", resume, 1));
        let expected = expected.iter().filter(|line| line.starts_with("`a.png` is expected to take about "));
        let same = if resume.is_empty() { "same command continues" } else { "same command with --resume continues" };
        let announced = expected.map(|line| line.contains(kept) && line.contains(same)).collect::<Vec<_>>();
        assert_eq!(announced, vec![true; usize::from(kept != "c")], "{text}");
    }
}
