//! The window's loop with a scripted window: real events, real computing, no screen.

mod support;

use fractal::backend::Program;
use fractal::window::{Button, Event, Explorer, Key, Memory, Options, Script, Settings, Status, Window, keys};
use fractal::{Scene, render};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::Scratch;

/// Generous: a stuck worker is to be found, a slow machine is not.
const LIMIT: Duration = Duration::from_secs(120);

fn scene(text: &str) -> Scene {
    Scene::from_toml(text).unwrap()
}

/// A view with both escaping and interior samples at all speeds.
fn valley() -> Scene {
    scene("view = { re = \"-0.7467\", im = \"0.1097\", width = \"0.0118\" }\niteration = { max = 500 }")
}

fn pixels(picture: &fractal::sink::Picture) -> Vec<u32> {
    picture.pixels.chunks(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]])).collect()
}

/// What workers that are processes run: this program has no place for them.
fn program() -> Program {
    Program { path: Some(env!("CARGO_BIN_EXE_fractal").into()), ..Program::default() }
}

struct Session {
    window: Script,
    explorer: Explorer,
}

impl Session {
    fn with(scene: &Scene, size: (u32, u32), options: &Options) -> Self {
        let mut window = Script::new(size.0, size.1);
        let explorer = Explorer::new(scene, options, &mut window).unwrap();
        Self { window, explorer }
    }

    fn new(scene: &Scene, size: (u32, u32)) -> Self {
        let settings = Settings { workers: 2, ..Settings::default() };
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("window-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self::with(scene, size, &Options { settings, folder, program: program(), ..Options::default() })
    }

    /// One turn of the loop in which these events happen.
    fn step(&mut self, events: &[Event]) {
        self.window.events.extend_from_slice(events);
        assert!(self.explorer.step(&mut self.window).unwrap(), "nobody quits here");
    }

    /// Each key in a turn of its own, so far apart that each is a step of the history.
    fn type_keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.window.later += Duration::from_secs(1);
            self.step(&[Event::Key(Key::Char(c))]);
        }
    }

    /// Turns the loop until something holds.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            self.step(&[]);
            self.window.wait(Duration::from_millis(1));
            assert!(began.elapsed() < LIMIT, "waited in vain: {what}");
        }
    }

    /// Turns the loop until the picture is complete, or refused.
    fn settle(&mut self) {
        self.until("the picture is complete", |session| *session.explorer.status() != Status::Busy);
    }

    /// The settled picture is the rendered one.
    fn check(&mut self) {
        self.settle();
        assert_eq!(*self.explorer.status(), Status::Settled);
        let scene = self.explorer.scene();
        let rendered = pixels(&render(&scene).unwrap());
        let shown = self.explorer.picture();
        let wrong = shown.iter().zip(&rendered).filter(|(a, b)| a != b).count();
        assert_eq!((shown.len(), wrong), (rendered.len(), 0), "pixels that differ in {}", scene.to_toml());
    }
}

/// A drag with a button from one pixel to another.
fn drag(button: Button, shift: bool, from: (i64, i64), to: (i64, i64)) -> [Event; 4] {
    [Event::Moved(from.0, from.1), Event::Pressed(button, shift), Event::Moved(to.0, to.1), Event::Released(button)]
}

#[test]
fn what_settles_is_what_is_rendered() {
    for text in [
        "",
        "view = { rotation = 30.0 }",
        "image = { samples = 2 }",
        "formula = \"burning_ship\"\ncolour = { colouring = \"distance\" }",
        "julia = [\"-0.8\", \"0.156\"]\ncolour = { colouring = \"relief\" }",
        "view = { zoom = \"7\" }\niteration = { max = 5000, escape_radius = 2.0 }\ncolour = { colouring = \"bands\" }",
    ] {
        Session::new(&scene(text), (211, 134)).check();
    }
}

#[test]
fn every_change_settles_on_what_is_rendered() {
    let mut session = Session::new(&valley(), (180, 121));
    session.check();
    session.step(&[Event::Moved(31, 99), Event::Wheel(3)]);
    session.check();
    session.step(&[Event::Wheel(-5)]);
    session.check();
    session.step(&drag(Button::Left, false, (90, 60), (107, 31)));
    session.check();
    session.step(&drag(Button::Right, false, (40, 40), (80, 70)));
    session.check();
    session.step(&[Event::Resized(203, 90)]);
    session.check();
    // Turned, with more iterations, more samples, distances, another palette, other tiles, another formula, a Julia set.
    for key in "rcxipCPtuxxxfJ[[[]Ra".chars() {
        session.type_keys(&key.to_string());
        session.check();
    }
    session.step(&[Event::Key(Key::Home), Event::Key(Key::Left), Event::Key(Key::Up)]);
    session.check();
}

#[test]
fn a_pan_computes_only_what_it_uncovers() {
    let mut session = Session::new(&valley(), (256, 192));
    session.settle();
    let everything = session.explorer.timing().tiles;
    session.step(&drag(Button::Left, false, (100, 100), (80, 100)));
    session.check();
    // A strip of 20 × 192 pixels, in tiles of 64.
    assert!(everything >= 12);
    assert_eq!(session.explorer.timing().tiles, 3);
    // What is kept is shown in the very frame that answers the event.
    let before = session.explorer.picture().to_vec();
    session.step(&drag(Button::Left, false, (80, 100), (85, 93)));
    let after = session.explorer.picture();
    for y in 0..192usize - 7 {
        assert_eq!(after[y * 256 + 5..(y + 1) * 256], before[(y + 7) * 256..(y + 8) * 256 - 5], "row {y}");
    }
    session.check();
}

#[test]
fn an_event_is_answered_by_the_old_picture_at_once() {
    let mut session = Session::new(&valley(), (240, 160));
    session.settle();
    let before = session.explorer.picture().to_vec();
    let frames = session.window.frames;
    session.step(&[Event::Moved(60, 40), Event::Wheel(4)]);
    assert_eq!(session.window.frames, frames + 1);
    // (5/4)⁴ times larger: the pixel that was at (60, 40) is still there.
    let at = |picture: &[u32], x: usize, y: usize| picture[y * 240 + x];
    let shown = &session.window.shown;
    let scale = 1.25f64.powi(4);
    let place = |at: usize, anchor: f64| (anchor + 0.5 + (at as f64 + 0.5 - anchor - 0.5) / scale) as usize;
    let samples: Vec<_> = (0..240).step_by(7).flat_map(|x| (0..120).step_by(7).map(move |y| (x, y))).collect();
    let same =
        samples.iter().filter(|(x, y)| at(shown, *x, *y) == at(&before, place(*x, 60.0), place(*y, 40.0))).count();
    // The first tiles may be there already.
    assert!(same * 2 > samples.len(), "{same} of {}", samples.len());
    assert_eq!(at(shown, 60, 40), at(&before, 60, 40));
    session.check();
}

#[test]
fn old_work_is_stopped_and_its_tiles_are_dropped() {
    // Seconds of work for each view.
    let heavy =
        scene("view = { re = \"-0.7467\", im = \"0.1097\", width = \"0.0118\" }\niteration = { max = 3000000 }");
    let mut session = Session::new(&heavy, (640, 400));
    for _ in 0..5 {
        let seen = session.explorer.timing().tiles;
        session.until("something is computed", |session| session.explorer.timing().tiles > seen.min(1));
        session.step(&[Event::Wheel(1)]);
        session.until("old work is stopped", |session| session.explorer.timing().stopped.is_some());
    }
    // A light view at last; nothing that was computed for the heavy ones is in it.
    session.step(&[Event::Key(Key::Home)]);
    session.type_keys("a");
    session.check();
}

#[test]
fn history_goes_back_and_forward() {
    let mut session = Session::new(&valley(), (120, 80));
    let view = |session: &Session| session.explorer.scene().view;
    let start = view(&session);
    session.type_keys("+");
    let nearer = view(&session);
    session.type_keys("f");
    assert_ne!(session.explorer.scene().formula, "mandelbrot");
    session.type_keys("J");
    assert!(session.explorer.scene().julia.is_some());
    session.type_keys("[");
    assert!(session.explorer.scene().julia.is_none());
    session.step(&[Event::Key(Key::Backspace)]);
    assert_eq!((view(&session), session.explorer.scene().formula.as_str()), (nearer.clone(), "mandelbrot"));
    session.type_keys("[");
    assert_eq!(view(&session), start);
    session.type_keys("[");
    assert_eq!((view(&session), session.explorer.message()), (start, Some("this is where it began")));
    session.type_keys("]");
    assert_eq!(view(&session), nearer);
    session.type_keys("]]]]");
    assert!(session.explorer.scene().julia.is_some());
    // A new way ends the old one.
    session.type_keys("[-]");
    assert_eq!(session.explorer.message(), Some("there is nothing further on"));
    session.check();
}

#[test]
fn turns_of_the_wheel_that_belong_together_are_one_step_back() {
    let mut session = Session::new(&valley(), (120, 80));
    let start = session.explorer.scene().view;
    for _ in 0..10 {
        session.step(&[Event::Wheel(1)]);
    }
    session.type_keys("[");
    assert_eq!(session.explorer.scene().view, start);
}

#[test]
fn a_view_too_deep_is_refused_in_words_and_left_again() {
    let deep = scene("view = { re = \"-0.7467\", im = \"0.1097\", width = \"1e-9\" }");
    let mut session = Session::new(&deep, (320, 200));
    session.settle();
    let before = session.window.frames;
    while !matches!(session.explorer.status(), Status::Refused(_)) {
        session.step(&[Event::Wheel(3)]);
        session.settle();
        assert!(session.window.frames < before + 200, "it never gets too deep");
    }
    let Status::Refused(why) = session.explorer.status().clone() else { unreachable!() };
    assert!(why.contains("too close for 64-bit numbers"), "{why}");
    // Colours, overlays and moves go on.
    session.type_keys("po");
    session.step(&[Event::Wheel(-9)]);
    session.check();
}

#[test]
fn backends_workers_schedules_and_tiles_change_nothing_that_is_seen() {
    let mut session = Session::new(&valley(), (200, 120));
    session.settle();
    let picture = session.explorer.picture().to_vec();
    let mut crews = std::collections::HashSet::new();
    for key in "bdwtdbddTBDWnbbb".chars() {
        session.type_keys(&key.to_string());
        assert_eq!(session.explorer.picture(), picture, "the picture stays while it is computed again");
        session.check();
        let Settings { backend, workers, schedule, tile, .. } = session.explorer.settings();
        crews.insert((backend, workers, schedule, tile));
    }
    assert!(crews.len() >= 8, "{crews:?}");
    assert_eq!(session.explorer.picture(), picture);
}

#[test]
fn colours_change_without_computing() {
    let mut session = Session::new(&valley(), (200, 120));
    session.settle();
    let tiles = session.explorer.timing().tiles;
    let mut seen = std::collections::HashSet::new();
    for key in "pPpp..,kKK".chars() {
        session.type_keys(&key.to_string());
        assert_eq!(*session.explorer.status(), Status::Settled, "{key}");
        seen.insert(session.explorer.picture().to_vec());
        session.check();
    }
    assert_eq!(seen.len(), 7);
    // Bands need nothing that smooth colours have not.
    session.type_keys("c");
    assert_eq!(*session.explorer.status(), Status::Settled);
    // Running colours run until they are stopped.
    session.type_keys(" ");
    let still = session.explorer.picture().to_vec();
    session.until("colours run", |session| {
        session.window.later += Duration::from_millis(50);
        session.explorer.picture() != still
    });
    session.type_keys(" ");
    assert_eq!(session.explorer.timing().tiles, tiles);
    session.check();
    // Distances are computed once; going around all colourings does not compute them again.
    session.type_keys("c");
    session.check();
    let tiles = session.explorer.timing().tiles;
    session.type_keys("cccc");
    assert_eq!((session.explorer.status(), session.explorer.timing().tiles), (&Status::Settled, tiles));
    session.check();
}

#[test]
fn the_inset_shows_the_julia_set_of_the_pointers_point() {
    let mut session = Session::new(&scene(""), (480, 270));
    session.step(&[Event::Moved(100, 90)]);
    session.type_keys("j");
    session.settle();
    let rendered = |session: &Session, pointer: Event| {
        let (_, size) = session.explorer.inset().unwrap();
        let mut other = Session::new(&session.explorer.scene(), (480, 270));
        other.step(&[pointer]);
        other.type_keys("J");
        let julia = Scene { image: fractal::scene::Image { size, samples: 1 }, ..other.explorer.scene() };
        let mut julia = Scene { view: Default::default(), ..julia };
        julia.iteration.max = fractal::scene::MaxIterations::Count(julia.max_iterations());
        pixels(&render(&julia).unwrap())
    };
    for (x, y) in [(100, 90), (250, 133)] {
        session.step(&[Event::Moved(x, y)]);
        let wanted = rendered(&session, Event::Moved(x, y));
        session.until("the inset is complete", |session| session.explorer.inset().unwrap().0 == wanted);
    }
    // It follows the pointer while the picture stays as it is.
    assert_eq!(*session.explorer.status(), Status::Settled);
    session.type_keys("J");
    assert!(session.explorer.inset().is_none() && session.explorer.scene().julia.is_some());
    session.check();
    session.type_keys("J");
    assert!(session.explorer.inset().is_some() && session.explorer.scene().julia.is_none());
    session.check();
}

#[test]
fn saved_pictures_are_the_rendered_ones_and_go_on_where_they_were() {
    let scratch = Scratch::new("window-save");
    std::fs::write(scratch.join("mandelbrot-1.png"), "mine").unwrap();
    let options = Options { folder: PathBuf::from(&*scratch), ..Options::default() };
    let mut session = Session::with(&valley(), (150, 90), &options);
    session.settle();
    // One whose samples are all there, and one that is not computed yet when it is asked for.
    session.type_keys("s");
    session.step(&[Event::Wheel(2), Event::Key(Key::Char('s')), Event::Wheel(1)]);
    session.until("both are saved", |_| {
        let whole = |n: u32| Scene::load(scratch.join(format!("mandelbrot-{n}.png")).to_str().unwrap()).is_ok();
        whole(2) && whole(3)
    });
    session.until("it is said where", |session| session.explorer.message().is_some_and(|text| text.contains(".png")));
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
    assert_eq!(Memory::load(&file).unwrap(), None);
    let options = Options { remember: Some(file.clone()), ..Options::default() };
    let mut window = Script::new(140, 90);
    let mut explorer = Explorer::new(&valley(), &options, &mut window).unwrap();
    let keys = "+rtomdw".chars().map(|c| Event::Key(Key::Char(c)));
    window.events = keys.chain([Event::Key(Key::Tab), Event::Closed]).collect();
    explorer.run(&mut window, &mut |line| panic!("nothing is printed: {line}")).unwrap();
    let memory = Memory::load(&file).unwrap().unwrap();
    assert_eq!(memory, explorer.memory());
    let Settings { outlines, costs, panel, tile, .. } = memory.settings;
    assert!(outlines && costs && panel && tile == 32 && memory.scene.view.rotation != 0.0);
    // The next window begins there, to the bit.
    let options = Options { settings: memory.settings.clone(), ..options };
    let mut next = Explorer::new(&memory.scene, &options, &mut Script::new(140, 90)).unwrap();
    assert_eq!(next.memory(), memory);
    // Without quitting it is remembered after a while.
    let mut window = Script::new(140, 90);
    window.events = vec![Event::Key(Key::Char('-'))];
    next.step(&mut window).unwrap();
    window.later += Duration::from_secs(60);
    next.step(&mut window).unwrap();
    assert_eq!(Memory::load(&file).unwrap().unwrap(), next.memory());
    // What is broken is an error, and forgetting removes it.
    std::fs::write(&file, "settings = 3").unwrap();
    assert!(Memory::load(&file).unwrap_err().to_string().contains("view.toml` is not what was written"));
    Memory::forget(&file).unwrap();
    Memory::forget(&file).unwrap();
    assert_eq!(Memory::load(&file).unwrap(), None);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told_and_nothing_else() {
    let scratch = Scratch::new("window-unwritable");
    std::fs::write(scratch.join("file"), "").unwrap();
    let options = Options { remember: Some(scratch.join("file/view.toml")), ..Options::default() };
    let mut session = Session::with(&valley(), (60, 40), &options);
    session.type_keys("+");
    session.window.later += Duration::from_secs(60);
    session.step(&[]);
    assert!(
        session.explorer.message().unwrap().starts_with("nothing is remembered: "),
        "{:?}",
        session.explorer.message()
    );
    session.check();
}

#[test]
fn everything_drawn_over_the_picture_is_gone_when_it_is_switched_off() {
    let mut session = Session::new(&valley(), (640, 400));
    session.check();
    session.window.later += Duration::from_secs(60);
    session.step(&[]);
    let plain = session.explorer.picture().to_vec();
    assert_eq!(session.window.shown, plain, "no message is left");
    let mut seen = vec![plain.clone()];
    for key in ["o", "m", "h"] {
        session.type_keys(key);
        assert!(!seen.contains(&session.window.shown), "{key}");
        seen.push(session.window.shown.clone());
        // The help has several pages in a window of this size.
        session.until("it is switched off", |session| {
            session.type_keys(key);
            session.window.later += Duration::from_secs(60);
            session.step(&[]);
            session.window.shown == plain
        });
    }
    session.step(&[Event::Key(Key::Tab)]);
    assert!(!seen.contains(&session.window.shown));
    session.step(&[Event::Key(Key::Tab)]);
    session.step(&[Event::Moved(50, 50), Event::Pressed(Button::Left, true), Event::Moved(200, 120)]);
    assert_eq!(session.window.shown[50 * 640 + 100], 0, "the box has a dark edge");
    session.step(&[Event::Moved(51, 51), Event::Released(Button::Left)]);
    assert!(session.window.shown == plain, "a box that is no box does nothing");
}

#[test]
fn outlines_have_the_colours_of_the_workers() {
    let settings = Settings { workers: 2, outlines: true, schedule: Some("static,1".into()), ..Settings::default() };
    let mut session = Session::with(&valley(), (256, 128), &Options { settings, ..Options::default() });
    session.settle();
    session.window.later += Duration::from_secs(60);
    session.step(&[]);
    let edges: std::collections::HashSet<u32> = (0..2)
        .flat_map(|y| (0..4).map(move |x| y * 64 * 256 + x * 64 + 30))
        .map(|at| session.window.shown[at])
        .collect();
    assert_eq!(edges.len(), 2, "{edges:?}");
}

#[test]
fn an_unchanged_picture_is_shown_again_now_and_then() {
    let mut session = Session::new(&valley(), (60, 40));
    session.settle();
    session.window.later += Duration::from_secs(60);
    session.step(&[]);
    let frames = session.window.frames;
    for _ in 0..20 {
        session.step(&[]);
    }
    assert!(session.window.frames <= frames + 1);
    for _ in 0..20 {
        session.window.later += Duration::from_millis(500);
        session.step(&[]);
    }
    assert!(session.window.frames >= frames + 20);
    // What the toolkit does tell is answered at once.
    let frames = session.window.frames;
    session.step(&[Event::Exposed]);
    assert_eq!(session.window.frames, frames + 1);
}

#[test]
fn every_way_of_quitting_quits() {
    for event in [Event::Key(Key::Char('q')), Event::Key(Key::Escape), Event::Closed] {
        let mut window = Script::new(300, 200);
        let heavy =
            scene("iteration = { max = 100000000 }\nview = { re = \"-0.7467\", im = \"0.1097\", width = \"0.01\" }");
        let mut explorer = Explorer::new(&heavy, &Options::default(), &mut window).unwrap();
        window.events.push(event);
        let began = Instant::now();
        explorer.run(&mut window, &mut |_| Ok(())).unwrap();
        drop(explorer);
        assert!(began.elapsed() < Duration::from_secs(20), "{event:?}: {:?}", began.elapsed());
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn event(&mut self, keys: &[Key]) -> Event {
        match self.roll(20) {
            0..5 => Event::Moved(self.roll(260) as i64 - 10, self.roll(180) as i64 - 10),
            5..9 => Event::Wheel(self.roll(7) as i32 - 3),
            9..12 => {
                let buttons = [Button::Left, Button::Left, Button::Right, Button::Middle];
                Event::Pressed(buttons[self.roll(4) as usize], self.roll(4) == 0)
            }
            12..15 => Event::Released([Button::Left, Button::Right, Button::Middle][self.roll(3) as usize]),
            15 if self.roll(4) == 0 => Event::Resized(1 + self.roll(240) as u32, 1 + self.roll(160) as u32),
            _ => Event::Key(keys[self.roll(keys.len() as u64) as usize]),
        }
    }
}

#[test]
fn ten_thousand_events_at_any_moment_end_in_the_rendered_picture() {
    let bindings = || keys::GROUPS.iter().flat_map(|group| group.bindings);
    let unwanted = [keys::Action::Quit, keys::Action::Save, keys::Action::MoreIterations];
    let mut pool: Vec<Key> = bindings()
        .filter(|binding| !unwanted.contains(&binding.action))
        .flat_map(|binding| binding.triggers)
        .filter_map(|trigger| if let keys::Trigger::Key(key) = trigger { Some(*key) } else { None })
        .collect();
    // More iterations now and then, and soon as many as the view wants again.
    pool.extend([Key::Char('i'), Key::Char('a'), Key::Char('a'), Key::Home]);
    let settings = Settings { workers: 2, panel: true, ..Settings::default() };
    let mut session =
        Session::with(&valley(), (160, 100), &Options { settings, program: program(), ..Options::default() });
    let mut dice = Dice(0x5eed_0fe7_e275);
    for count in 0..10_000u32 {
        let event = dice.event(&pool);
        session.window.later += Duration::from_millis(dice.roll(900));
        session.step(&[event]);
        for _ in 0..dice.roll(3) {
            std::thread::sleep(Duration::from_micros(dice.roll(2000)));
            session.step(&[]);
        }
        session.explorer.take_printed();
        if count % 500 == 499 {
            session.settle();
            match session.explorer.status().clone() {
                Status::Refused(why) => assert_eq!(render(&session.explorer.scene()).unwrap_err().to_string(), why),
                _ => session.check(),
            }
        }
    }
    // Wherever it went, home is a picture.
    session.step(&[Event::Key(Key::Home), Event::Key(Key::Char('a'))]);
    session.check();
}

#[test]
fn a_watched_render_fills_the_window() {
    use fractal::parallel::Stop;
    use fractal::window::{Seen, Viewer, Watched};
    let press = |c| Event::Key(Key::Char(c));
    // As large as the window, with several samples a pixel, and much larger than the window.
    let cases =
        [("relief", (160, 100), 1, (160, 100)), ("smooth", (80, 50), 2, (80, 50)), ("bands", (501, 313), 1, (126, 79))];
    for (colouring, size, samples, shown) in cases {
        let mut scene = valley();
        scene.image = fractal::scene::Image { size, samples };
        scene.colour.colouring = colouring.into();
        let mut window = Script::new(160, 100);
        let watched = Watched::default();
        let mut viewer = Viewer::new(watched.clone(), 0.0, &mut window);
        viewer.step(&mut window).unwrap();
        let dark = window.shown.clone();
        let render = fractal::Render::new(&scene).unwrap();
        let sink = watched.picture("a picture", &render, (160, 100)).unwrap();
        render.run_here(sink, &Stop::new()).unwrap();
        window.later += Duration::from_secs(60);
        assert_eq!(viewer.step(&mut window).unwrap(), Seen::Nothing);
        assert!(viewer.message().is_none() && window.shown != dark);
        // Each shown pixel is one of the samples.
        scene.image = fractal::scene::Image { size: (size.0 * samples, size.1 * samples), samples: 1 };
        let rendered = pixels(&fractal::render(&scene).unwrap());
        let (across, stride) = (size.0 * samples, (size.0 * samples).div_ceil(shown.0));
        let corner = ((160 - shown.0) / 2, (100 - shown.1) / 2);
        for (x, y) in (0..shown.1).flat_map(|y| (0..shown.0).map(move |x| (x, y))) {
            let there = window.shown[((corner.1 + y) * 160 + corner.0 + x) as usize];
            assert_eq!(there, rendered[(y * stride * across + x * stride) as usize], "{colouring} {x} {y}");
        }
        // Q asks first; a closed window cancels nothing.
        window.events.push(press('o'));
        viewer.step(&mut window).unwrap();
        window.events.push(press('q'));
        assert_eq!(viewer.step(&mut window).unwrap(), Seen::Nothing);
        assert!(viewer.message().unwrap().contains("once more"));
        window.events.push(press('q'));
        assert_eq!(viewer.step(&mut window).unwrap(), Seen::Cancelled);
        window.events.push(Event::Closed);
        assert_eq!(viewer.step(&mut window).unwrap(), Seen::Closed);
        viewer.end("complete", &window);
        window.events.push(press('q'));
        assert_eq!(viewer.step(&mut window).unwrap(), Seen::Closed);
    }
}

#[test]
fn every_key_of_the_table_does_something() {
    let mut session = Session::new(&valley(), (160, 100));
    session.settle();
    let quits = keys::Action::Quit;
    for binding in keys::GROUPS.iter().flat_map(|group| group.bindings).filter(|binding| binding.action != quits) {
        for trigger in binding.triggers {
            if let keys::Trigger::Key(key) = trigger {
                session.step(&[Event::Key(*key)]);
            }
        }
    }
    session.explorer.take_printed();
    session.check();
}
