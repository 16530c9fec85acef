//! What the window draws: colours, overlays, the inset, and the parallelism at work.

use crate::session::{Session, pixels, scene, valley};
use fractal::window::{Button, Event, ExplorerOptions, Key, Status, WindowSettings};
use fractal::{Scene, render};
use std::time::Duration;

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
        let WindowSettings { backend, workers, schedule, tile, .. } = session.explorer.settings();
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
    // Bands need no channel that smooth colours lack.
    session.type_keys("c");
    assert_eq!(*session.explorer.status(), Status::Settled);
    // Cycling colours cycle until they are stopped.
    session.type_keys(" ");
    let still = session.explorer.picture().to_vec();
    session.until("the colours cycle", |session| {
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
        let julia = Scene { image: fractal::scene::Image::new(size, 1), ..other.explorer.scene() };
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
    assert!(session.window.shown == plain, "a box that is too small does nothing");
}

#[test]
fn outlines_have_the_colours_of_the_workers() {
    let settings =
        WindowSettings { workers: 2, outlines: true, schedule: Some("static,1".into()), ..WindowSettings::default() };
    let mut session = Session::with(&valley(), (256, 128), &ExplorerOptions { settings, ..ExplorerOptions::default() });
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
    // What the toolkit does report is answered at once.
    let frames = session.window.frames;
    session.step(&[Event::Exposed]);
    assert_eq!(session.window.frames, frames + 1);
}
