//! A session in a scripted window, shared by its tests.

use crate::support::Scratch;
use fractal::backend::Program;
use fractal::internal::Script;
use fractal::window::{Button, Event, Explorer, ExplorerOptions, Key, Status, Window, WindowSettings};
use fractal::{Scene, render};
use std::time::{Duration, Instant};

/// Generous: this is to catch a stuck worker, not a slow machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn scene(text: &str) -> Scene {
    Scene::from_toml(text).unwrap()
}

/// A view with both escaping and interior samples at all speeds.
pub(crate) fn valley() -> Scene {
    scene("view = { re = \"-0.7467\", im = \"0.1097\", width = \"0.0118\" }\niteration = { max = 500 }")
}

pub(crate) fn pixels(picture: &fractal::sink::Picture) -> Vec<u32> {
    picture.pixels.chunks(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]])).collect()
}

/// The program that worker processes run: this one cannot serve as a worker.
pub(crate) fn program() -> Program {
    Program { path: Some(env!("CARGO_BIN_EXE_fractal").into()), ..Program::default() }
}

pub(crate) struct Session {
    pub(crate) window: Script,
    pub(crate) explorer: Explorer,
    /// The folder that it saves pictures in, if it owns that.
    _folder: Option<Scratch>,
}

impl Session {
    pub(crate) fn with(scene: &Scene, size: (u32, u32), options: &ExplorerOptions) -> Self {
        let mut window = Script::new(size.0, size.1);
        let explorer = Explorer::new(scene, options, &mut window).unwrap();
        Self { window, explorer, _folder: None }
    }

    pub(crate) fn new(scene: &Scene, size: (u32, u32)) -> Self {
        let settings = WindowSettings { workers: 2, ..WindowSettings::default() };
        let scratch = Scratch::new("window");
        let options = ExplorerOptions {
            settings,
            folder: scratch.to_path_buf(),
            program: program(),
            ..ExplorerOptions::default()
        };
        Self { _folder: Some(scratch), ..Self::with(scene, size, &options) }
    }

    /// One turn of the loop, with these events.
    pub(crate) fn step(&mut self, events: &[Event]) {
        self.window.events.extend_from_slice(events);
        assert!(self.explorer.step(&mut self.window).unwrap(), "nobody quits here");
    }

    /// Each key in a turn of its own, far enough apart that each is a step of the history.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.window.later += Duration::from_secs(1);
            self.step(&[Event::Key(Key::Char(c))]);
        }
    }

    /// Runs the loop until a condition holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            self.step(&[]);
            self.window.wait(Duration::from_millis(1));
            assert!(began.elapsed() < LIMIT, "waited in vain: {what}");
        }
    }

    /// Runs the loop until the picture is complete, or refused.
    pub(crate) fn settle(&mut self) {
        self.until("the picture is complete", |session| *session.explorer.status() != Status::Busy);
    }

    /// Checks that the settled picture is the rendered one.
    pub(crate) fn check(&mut self) {
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
pub(crate) fn drag(button: Button, shift: bool, from: (i64, i64), to: (i64, i64)) -> [Event; 4] {
    [Event::Moved(from.0, from.1), Event::Pressed(button, shift), Event::Moved(to.0, to.1), Event::Released(button)]
}
