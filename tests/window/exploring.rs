//! Exploring: zooms, pans, boxes, history, and that the settled picture is the rendered one.

use crate::session::{LIMIT, Session, drag, program, scene, valley};
use fractal::internal::{Script, keys};
use fractal::scene::MaxIterations;
use fractal::window::{Button, Event, Explorer, ExplorerOptions, Key, Status, WindowSettings};
use std::time::Instant;

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
    // The pixels that stay are shown in the very frame that answers the event.
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
    // A tile takes so long that few are finished by the time of the answer, even if this thread has to wait for a processor.
    let mut heavy = valley();
    heavy.iteration.max = MaxIterations::Count(100_000);
    let mut session = Session::new(&heavy, (240, 160));
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
    assert_eq!((view(&session), session.explorer.message()), (start, Some("there is nothing further back")));
    session.type_keys("]");
    assert_eq!(view(&session), nearer);
    session.type_keys("]]]]");
    assert!(session.explorer.scene().julia.is_some());
    // A new change discards the way forward.
    session.type_keys("[-]");
    assert_eq!(session.explorer.message(), Some("there is nothing further forward"));
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
fn the_window_goes_as_deep_as_the_numbers_and_no_deeper() {
    let near = scene(
        "formula = \"celtic\"\nview = { re = \"-0.7467\", im = \"0.1097\", width = \"1e-9\" }\niteration = { max = 500 }",
    );
    let ends = |session: &Session| session.explorer.message().filter(|text| text.starts_with("no further: ")).is_some();
    for event in [Event::Wheel(1), Event::Key(Key::Char('+')), Event::Wheel(7)] {
        let mut session = Session::new(&near, (320, 200));
        for count in 0.. {
            session.step(&[event]);
            if ends(&session) {
                break;
            }
            assert!(count < 100, "it never ends");
        }
        let told = session.explorer.message().unwrap();
        assert!(told.contains("this view is too deep: it is ") && told.contains("64-bit numbers"), "{told}");
        // Nothing has changed, and the picture is complete.
        session.check();
        let view = session.explorer.scene().view;
        session.step(&[event]);
        assert_eq!(session.explorer.scene().view, view);
        // More samples would be too close together, so they go round.
        session.type_keys("xxxxx");
        session.check();
        session.step(&[Event::Wheel(-9)]);
        session.check();
    }
    // A box is no way around it.
    let mut session = Session::new(&near, (320, 200));
    session.step(&drag(Button::Right, false, (100, 50), (110, 60)));
    assert!(ends(&session), "{:?}", session.explorer.message());
    session.check();
}

#[test]
fn the_window_goes_on_where_64_bit_numbers_end() {
    let near = scene("view = { re = \"0\", im = \"1\", width = \"1e-9\" }\niteration = { max = 400 }");
    let mut session = Session::new(&near, (120, 80));
    for _ in 0..4 {
        session.step(&[Event::Moved(61, 39), Event::Wheel(10)]);
        session.check();
    }
    assert!(session.explorer.scene().view().log2_spacing(120, 80) < -45.0);
    // The pixels that stay are of another reference orbit, so all four tiles of 64 × 64 are computed.
    session.step(&drag(Button::Left, false, (60, 40), (43, 40)));
    session.check();
    assert!(session.explorer.timing().tiles >= 4);
    session.step(&[Event::Resized(131, 90)]);
    session.check();
    session.step(&[Event::Wheel(-50)]);
    session.check();
}

#[test]
fn deep_previews_reach_workers_in_other_processes() {
    let deep = scene("view = { re = \"0\", im = \"1\", width = \"1e-40\" }\niteration = { max = 400 }");
    let settings = WindowSettings { backend: "processes".into(), workers: 2, ..WindowSettings::default() };
    let options = ExplorerOptions { settings, program: program(), ..ExplorerOptions::default() };
    let mut session = Session::with(&deep, (120, 80), &options);
    session.check();
    for _ in 0..2 {
        // Far enough that a coarse picture comes first, around the orbit of the view before.
        session.step(&[Event::Moved(61, 39), Event::Wheel(10)]);
        session.check();
        assert!(session.explorer.timing().first < session.explorer.timing().full);
    }
}

#[test]
fn a_view_too_deep_is_refused_in_words_and_left_again() {
    let deep = scene("formula = \"celtic\"\nview = { re = \"-0.7467\", im = \"0.1097\", width = \"1e-11\" }");
    let mut session = Session::new(&deep, (320, 200));
    session.settle();
    let Status::Refused(why) = session.explorer.status().clone() else { panic!("{:?}", session.explorer.status()) };
    assert!(why.contains("this view is too deep: it is 1.0e-11 wide"), "{why}");
    // Colours, overlays and moves still work.
    session.type_keys("po");
    session.step(&[Event::Wheel(-30)]);
    session.check();
}

#[test]
fn every_way_of_quitting_quits() {
    for event in [Event::Key(Key::Char('q')), Event::Key(Key::Escape), Event::Closed] {
        let mut window = Script::new(300, 200);
        let heavy =
            scene("iteration = { max = 100000000 }\nview = { re = \"-0.7467\", im = \"0.1097\", width = \"0.01\" }");
        let mut explorer = Explorer::new(&heavy, &ExplorerOptions::default(), &mut window).unwrap();
        window.events.push(event);
        let began = Instant::now();
        explorer.run(&mut window, &mut |_| Ok(())).unwrap();
        drop(explorer);
        assert!(began.elapsed() < LIMIT, "{event:?}: {:?}", began.elapsed());
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
                if binding.action == keys::Action::SaveAs {
                    session.step(&[Event::Key(Key::Escape)]);
                }
            }
        }
    }
    session.explorer.take_printed();
    session.check();
}
