//! What outlives the window: saved pictures, printed command lines, the settings and the place.

use crate::session::{Session, valley};
use crate::support::Scratch;
use fractal::Scene;
use fractal::internal::{SavedState, Script};
use fractal::window::{Event, Explorer, ExplorerOptions, Key, WindowSettings};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn saved_pictures_are_the_rendered_ones_and_go_on_where_they_were() {
    let scratch = Scratch::new("window-save");
    std::fs::write(scratch.join("mandelbrot-1.png"), "mine").unwrap();
    let options = ExplorerOptions { folder: PathBuf::from(&*scratch), ..ExplorerOptions::default() };
    let mut session = Session::with(&valley(), (150, 90), &options);
    session.settle();
    // One whose samples are all there, and one that is not computed yet when it is to be saved.
    session.type_keys("s");
    session.step(&[Event::Wheel(2), Event::Key(Key::Char('s')), Event::Wheel(1)]);
    session.until("both are saved", |_| {
        let whole = |n: u32| Scene::load(scratch.join(format!("mandelbrot-{n}.png")).to_str().unwrap()).is_ok();
        whole(2) && whole(3)
    });
    session.until("the message says where", |session| {
        session.explorer.message().is_some_and(|text| text.contains(".png"))
    });
    assert_eq!(std::fs::read(scratch.join("mandelbrot-1.png")).unwrap(), b"mine");
    for number in [2, 3] {
        let saved = scratch.join(format!("mandelbrot-{number}.png"));
        let again = scratch.program(["render", saved.to_str().unwrap(), "-o", "again.png"]).output().unwrap();
        assert!(again.status.success(), "{again:?}");
        assert_eq!(std::fs::read(&saved).unwrap(), std::fs::read(scratch.join("again.png")).unwrap(), "{number}");
        // It is the same view to the bit when it is opened again.
        let scene = Scene::load(saved.to_str().unwrap()).unwrap();
        let opened = Session::new(&scene, scene.image.size);
        assert_eq!(opened.explorer.scene(), scene);
    }
    assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 4);
}

#[test]
fn a_picture_is_saved_at_any_size_while_the_window_goes_on() {
    let scratch = Scratch::new("window-save-as");
    let options = ExplorerOptions { folder: PathBuf::from(&*scratch), ..ExplorerOptions::default() };
    let mut session = Session::with(&valley(), (150, 90), &options);
    session.settle();
    let plain = session.window.shown.clone();
    session.type_keys("S");
    assert!(session.window.shown != plain, "the question is shown");
    // What is typed is no command: this neither quits nor opens a Julia set.
    session.type_keys("qJ");
    session.step(&[Event::Key(Key::Escape)]);
    session.type_keys("S");
    session.step(&[Event::Key(Key::Delete)]);
    session.type_keys("300x180, 17");
    session.step(&[Event::Key(Key::Enter)]);
    assert!(session.explorer.message().unwrap().contains("`image.samples` is 17"), "{:?}", session.explorer.message());
    session.step(&[Event::Key(Key::Backspace), Event::Key(Key::Backspace), Event::Key(Key::Char('2'))]);
    let asked = session.explorer.scene();
    session.step(&[Event::Key(Key::Enter), Event::Wheel(3)]);
    assert_ne!(session.explorer.scene(), asked, "the window goes on");
    session
        .until("it is saved", |session| session.explorer.message().is_some_and(|text| text.starts_with("saved as ")));
    let scene = Scene::load(scratch.join("mandelbrot-1.png")).unwrap();
    assert_eq!((scene.image.size, scene.image.samples), ((300, 180), 2));
    assert_eq!((&scene.view, &scene.julia), (&asked.view, &None));
    let again = scratch.program(["render", "mandelbrot-1.png", "-o", "again.png"]).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let read = |name: &str| std::fs::read(scratch.join(name)).unwrap();
    assert!(read("mandelbrot-1.png") == read("again.png"));
    session.check();
    assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 2);
}

#[test]
fn a_printed_command_line_renders_the_picture() {
    let scratch = Scratch::new("window-print");
    let mut session = Session::new(&valley(), (160, 100));
    session.step(&[Event::Moved(20, 30), Event::Wheel(7)]);
    session.type_keys("rpk.i");
    session.settle();
    session.type_keys("l");
    let printed = session.explorer.take_printed();
    assert_eq!(printed.len(), 1);
    let words = printed[0].strip_prefix("fractal ").unwrap().split(' ').chain(["-o", "printed.ppm"]);
    let output = scratch.program(words).output().unwrap();
    assert!(output.status.success(), "{printed:?} {output:?}");
    let file = std::fs::read(scratch.join("printed.ppm")).unwrap();
    let rendered: Vec<u32> =
        file[file.len() - 160 * 100 * 3..].chunks(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]])).collect();
    assert_eq!(rendered, session.explorer.picture());
}

#[test]
fn settings_and_place_are_remembered() {
    let scratch = Scratch::new("window-memory");
    let file = scratch.join("state/fractal/view.toml");
    assert_eq!(SavedState::load(&file).unwrap(), None);
    let options = ExplorerOptions { remember: Some(file.clone()), ..ExplorerOptions::default() };
    let mut window = Script::new(140, 90);
    let mut explorer = Explorer::new(&valley(), &options, &mut window).unwrap();
    let keys = "+rtomdw".chars().map(|c| Event::Key(Key::Char(c)));
    window.events = keys.chain([Event::Key(Key::Tab), Event::Closed]).collect();
    explorer.run(&mut window, &mut |line| panic!("nothing should be printed: {line}")).unwrap();
    let memory = SavedState::load(&file).unwrap().unwrap();
    assert_eq!(memory, explorer.memory());
    let WindowSettings { outlines, costs, panel, tile, .. } = memory.settings;
    assert!(outlines && costs && panel && tile == 32 && memory.scene.view.rotation != 0.0);
    // The next window starts there, to the bit.
    let options = ExplorerOptions { settings: memory.settings.clone(), ..options };
    let mut next = Explorer::new(&memory.scene, &options, &mut Script::new(140, 90)).unwrap();
    assert_eq!(next.memory(), memory);
    // Without quitting, it is remembered after a while.
    let mut window = Script::new(140, 90);
    window.events = vec![Event::Key(Key::Char('-'))];
    next.step(&mut window).unwrap();
    window.later += Duration::from_secs(60);
    next.step(&mut window).unwrap();
    assert_eq!(SavedState::load(&file).unwrap().unwrap(), next.memory());
    // A broken file is an error, and forgetting removes it.
    std::fs::write(&file, "settings = 3").unwrap();
    assert!(SavedState::load(&file).unwrap_err().to_string().contains("view.toml` is not a saved window state"));
    SavedState::forget(&file).unwrap();
    SavedState::forget(&file).unwrap();
    assert_eq!(SavedState::load(&file).unwrap(), None);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_reported_and_nothing_else() {
    let scratch = Scratch::new("window-unwritable");
    std::fs::write(scratch.join("file"), "").unwrap();
    let options = ExplorerOptions { remember: Some(scratch.join("file/view.toml")), ..ExplorerOptions::default() };
    let mut session = Session::with(&valley(), (60, 40), &options);
    session.type_keys("+");
    session.window.later += Duration::from_secs(60);
    session.step(&[]);
    assert!(
        session.explorer.message().unwrap().starts_with("the window's state is not remembered: "),
        "{:?}",
        session.explorer.message()
    );
    session.check();
}
