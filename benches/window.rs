//! The window's loop at 1280 × 720, driven by events at arbitrary moments: how soon they are answered, how soon the new view is shown,
//! how soon old work stops, and what idling costs.
//!
//! The window is scripted: showing a picture is copying it. What a screen adds is measured under X11 when `DISPLAY` is set.
//!
//! `cargo bench --bench window` prints a table; `-- --check` also fails where a limit is exceeded.

use fractal::backend::Program;
use fractal::parallel::Stop;
use fractal::scene::MaxIterations;
use fractal::window::{Event, Explorer, ExplorerOptions, Key, OnScreen, Status, Window, WindowSettings};
use fractal::{Result, Scene};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (1280, 720);

/// What the user does, from another thread.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<VecDeque<Event>>>);

/// A window that polls the hand and records when pictures are shown.
struct Bench {
    hand: Hand,
    began: Instant,
    shown: Vec<u32>,
    /// When the last picture was shown.
    presented: Instant,
    /// A real window beside the scripted one.
    screen: Option<OnScreen>,
}

impl Window for Bench {
    fn poll(&mut self, events: &mut Vec<Event>) -> Result<()> {
        if let Some(screen) = &mut self.screen {
            screen.poll(&mut Vec::new())?;
        }
        events.extend(self.hand.0.lock().unwrap().drain(..));
        Ok(())
    }

    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn present(&mut self, pixels: &[u32], size: (u32, u32)) -> Result<()> {
        match &mut self.screen {
            Some(screen) => screen.present(pixels, size)?,
            None => {
                self.shown.clear();
                self.shown.extend_from_slice(pixels);
            }
        }
        self.presented = Instant::now();
        Ok(())
    }

    fn set_title(&mut self, _: &str) {}

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wait(&mut self, at_most: Duration) {
        std::thread::sleep(at_most);
    }
}

struct Loop {
    window: Bench,
    explorer: Explorer,
}

/// The answer to one event.
struct Answer {
    /// Until the moved picture was shown.
    shown: Duration,
    /// Until the first pass of the new view, of blocks of at most 8 pixels, was complete and shown.
    first: Duration,
    /// Until everything was complete and shown.
    full: Duration,
}

impl Loop {
    fn new(scene: &Scene, screen: bool) -> Self {
        let screen =
            screen.then(|| OnScreen::open("fractal", SIZE, &Program::default(), &Stop::new()).expect("a display"));
        let (began, shown) = (Instant::now(), Vec::new());
        let mut window = Bench { hand: Hand::default(), began, shown, presented: began, screen };
        let settings = WindowSettings { workers: 2, ..WindowSettings::default() };
        let explorer =
            Explorer::new(scene, &ExplorerOptions { settings, ..ExplorerOptions::default() }, &mut window).unwrap();
        Self { window, explorer }
    }

    fn hand(&mut self, event: Event) {
        self.window.hand.0.lock().unwrap().push_back(event);
        self.turn();
    }

    fn turn(&mut self) {
        self.explorer.step(&mut self.window).unwrap();
    }

    /// Waits as the loop does.
    fn wait(&mut self) {
        let pause = self.explorer.pause(self.window.now());
        self.window.wait(pause);
    }

    fn settle(&mut self) {
        while *self.explorer.status() == Status::Busy {
            self.turn();
            self.wait();
        }
    }

    /// Makes an event happen after `pause`, at a moment that the loop does not know. Joining the thread returns when it happened.
    fn later(&self, event: Event, pause: Duration) -> JoinHandle<Instant> {
        let hand = self.window.hand.clone();
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            // The lock is held so that the loop does not see the event before its time is recorded.
            let mut events = hand.0.lock().unwrap();
            let happened = Instant::now();
            events.push_back(event);
            happened
        })
    }

    /// Follows the answer to an event until it is complete.
    fn answer(&mut self, event: Event, pause: Duration) -> Answer {
        let thread = self.later(event, pause);
        let view = self.explorer.scene().view;
        let (mut shown, mut first, mut full) = (None, None, None);
        while full.is_none() {
            let before = self.window.presented;
            self.turn();
            if self.explorer.scene().view != view && self.window.presented != before {
                let at = self.window.presented;
                shown.get_or_insert(at);
                if self.explorer.timing().first.is_some() {
                    first.get_or_insert(at);
                }
                if *self.explorer.status() == Status::Settled {
                    full = Some(at);
                }
            }
            self.wait();
        }
        let began = thread.join().unwrap();
        let since = |at: Option<Instant>| at.expect("it was seen") - began;
        Answer { shown: since(shown), first: since(first), full: since(full) }
    }

    /// Makes an event happen while workers are busy; returns how long until all have stopped their work for the previous view. `None`
    /// when they were done before it happened.
    fn stop(&mut self, event: Event, pause: Duration) -> Option<Duration> {
        let before = self.explorer.timing().stopped;
        let thread = self.later(event, pause);
        while self.explorer.timing().stopped == before {
            if thread.is_finished() && *self.explorer.status() == Status::Settled {
                return None;
            }
            self.turn();
            self.wait();
        }
        let happened = thread.join().unwrap();
        self.explorer.timing().stopped.map(|stopped| stopped.saturating_duration_since(happened))
    }

    /// The share of a processor's time that the loop takes when nothing happens.
    fn idle(&mut self, time: Duration) -> f64 {
        let (began, used) = (Instant::now(), processor_time());
        while began.elapsed() < time {
            self.turn();
            self.wait();
        }
        (processor_time() - used).as_secs_f64() / began.elapsed().as_secs_f64()
    }
}

/// Processor time of all threads of this process.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The median of several times, in milliseconds.
fn median(times: impl IntoIterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| 1e3 * time.as_secs_f64())
}

/// A line of the table: what was measured, and its limit.
struct Row {
    what: String,
    value: f64,
    limit: Option<f64>,
    unit: &'static str,
}

/// Measures a view: turns of the wheel, and jumps to a part of it and back.
fn measure(name: &str, screen: bool, rows: &mut Vec<Row>) {
    const ROUNDS: usize = 9;
    let mut scene = Scene::load(name).expect("a place");
    scene.image.samples = 1;
    let key = |c| Event::Key(Key::Char(c));
    let pause = |round: usize| Duration::from_millis(15 + 7 * (round as u64 * 5 % 11));
    let mut row = |what: &str, value: f64, limit: Option<f64>, unit| {
        rows.push(Row { what: format!("{name}{}: {what}", if screen { " (X11)" } else { "" }), value, limit, unit });
    };

    let mut looped = Loop::new(&scene, screen);
    looped.settle();
    let idle = looped.idle(Duration::from_secs(3));
    row("processor time when nothing happens", 100.0 * idle, Some(3.0), "%");

    looped.hand(Event::Moved(700, 300));
    let wheel: Vec<_> = (0..ROUNDS)
        .map(|round| looped.answer(Event::Wheel(if round % 6 < 3 { 1 } else { -1 }), pause(round)))
        .collect();
    row("wheel to moved picture", median(wheel.iter().map(|answer| answer.shown)), Some(20.0), "ms");
    row("wheel to complete picture", median(wheel.iter().map(|answer| answer.full)), None, "ms");

    // From here to a part of it and back, where nothing at the edges was seen before.
    looped.hand(Event::Wheel(7));
    looped.settle();
    let jumps: Vec<_> =
        (0..ROUNDS).map(|round| looped.answer(key(if round % 2 == 0 { '[' } else { ']' }), pause(round))).collect();
    row("jump to moved picture", median(jumps.iter().map(|answer| answer.shown)), Some(20.0), "ms");
    row("jump to coarse picture", median(jumps.iter().map(|answer| answer.first)), Some(60.0), "ms");
    row("jump to complete picture", median(jumps.iter().map(|answer| answer.full)), None, "ms");

    // The same with work that takes seconds, which every turn of the wheel stops.
    let mut heavy = scene;
    heavy.iteration.max = MaxIterations::Count(20_000_000);
    heavy.iteration.escape_radius = 256.0;
    heavy.image.samples = 3;
    let mut looped = Loop::new(&heavy, screen);
    looped.hand(Event::Moved(640, 360));
    let stops =
        (0..ROUNDS).filter_map(|round| looped.stop(Event::Wheel(if round % 2 == 0 { 1 } else { -1 }), pause(round)));
    row("event to all workers stopped", median(stops), Some(20.0), "ms");
}

fn main() {
    fractal::worker_main([]);
    let check = std::env::args().any(|argument| argument == "--check");
    let mut rows = Vec::new();
    for name in ["whole", "seahorses"] {
        measure(name, false, &mut rows);
        if std::env::var_os("DISPLAY").is_some() {
            measure(name, true, &mut rows);
        }
    }
    let mut exceeded = 0;
    for Row { what, value, limit, unit } in &rows {
        let over = limit.is_some_and(|limit| *value > limit);
        exceeded += u32::from(over);
        let limit = limit.map_or(String::new(), |limit| format!("at most {limit} {unit}"));
        println!("{what:<55} {value:>8.1} {unit:<3} {limit:<16} {}", if over { "EXCEEDED" } else { "" });
    }
    assert!(!check || exceeded == 0, "{exceeded} limits were exceeded");
}
