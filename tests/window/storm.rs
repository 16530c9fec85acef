//! Events at any moment: a thousand, or ten thousand with `FRACTAL_LONG=1`.

use crate::random::Random;
use crate::session::{Session, program, valley};
use crate::support::{Scratch, is_long};
use fractal::internal::keys;
use fractal::render;
use fractal::window::{Button, Event, ExplorerOptions, Key, Status, WindowSettings};
use std::time::Duration;

fn any_event(random: &mut Random, keys: &[Key]) -> Event {
    match random.below(20) {
        0..5 => Event::Moved(random.below(260) as i64 - 10, random.below(180) as i64 - 10),
        5..9 => Event::Wheel(random.below(7) as i32 - 3),
        9..12 => {
            let buttons = [Button::Left, Button::Left, Button::Right, Button::Middle];
            Event::Pressed(buttons[random.below(4) as usize], random.below(4) == 0)
        }
        12..15 => Event::Released([Button::Left, Button::Right, Button::Middle][random.below(3) as usize]),
        15 if random.below(4) == 0 => Event::Resized(1 + random.below(240) as u32, 1 + random.below(160) as u32),
        _ => Event::Key(keys[random.below(keys.len() as u64) as usize]),
    }
}

/// Random events at random moments. Wherever that leads, the settled picture is the rendered one.
fn storm(seed: u64, settings: WindowSettings, unwanted: &[keys::Action]) {
    let bindings = || keys::GROUPS.iter().flat_map(|group| group.bindings);
    let unwanted =
        [&[keys::Action::Quit, keys::Action::Save, keys::Action::SaveAs, keys::Action::MoreIterations], unwanted]
            .concat();
    let mut pool: Vec<Key> = bindings()
        .filter(|binding| !unwanted.contains(&binding.action))
        .flat_map(|binding| binding.triggers)
        .filter_map(|trigger| if let keys::Trigger::Key(key) = trigger { Some(*key) } else { None })
        .collect();
    // More iterations now and then, and soon as many as suit the view again.
    pool.extend([Key::Char('i'), Key::Char('a'), Key::Char('a'), Key::Home]);
    let mut session = Session::with(
        &valley(),
        (160, 100),
        &ExplorerOptions { settings, program: program(), ..ExplorerOptions::default() },
    );
    let mut random = Random(seed);
    let (events, looks) = if is_long() { (10_000, 500) } else { (1000, 100) };
    for count in 0..events {
        let event = any_event(&mut random, &pool);
        session.window.later += Duration::from_millis(random.below(900));
        session.step(&[event]);
        for _ in 0..random.below(3) {
            std::thread::sleep(Duration::from_micros(random.below(2000)));
            session.step(&[]);
        }
        session.explorer.take_printed();
        if count % looks == looks - 1 {
            session.settle();
            match session.explorer.status().clone() {
                Status::Refused(why) => assert_eq!(render(&session.explorer.scene()).unwrap_err().to_string(), why),
                _ => session.check(),
            }
        }
    }
    // Wherever it went, the home view can be rendered.
    session.step(&[Event::Key(Key::Home), Event::Key(Key::Char('a'))]);
    session.check();
    // The program renders the same picture.
    let scratch = Scratch::new(&format!("window-storm-{seed}"));
    std::fs::write(scratch.join("scene.toml"), session.explorer.scene().to_toml()).unwrap();
    let output = scratch.program(["render", "scene.toml", "-o", "scene.ppm"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let file = std::fs::read(scratch.join("scene.ppm")).unwrap();
    let shown = session.explorer.picture();
    let rendered = file[file.len() - 3 * shown.len()..].chunks(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]]));
    assert!(rendered.eq(shown.iter().copied()), "the program renders another picture");
}

#[test]
fn events_at_any_moment_end_in_the_rendered_picture() {
    // Through all backends.
    storm(0x5eed_0fe7_e275, WindowSettings { workers: 2, panel: true, ..WindowSettings::default() }, &[]);
}

#[test]
fn events_with_stealing_end_in_the_rendered_picture() {
    let stay = [keys::Action::NextBackend, keys::Action::LastBackend];
    let settings = WindowSettings {
        backend: "deque".into(),
        workers: 3,
        outlines: true,
        costs: true,
        ..WindowSettings::default()
    };
    storm(0xdeca_de0f_57ea, settings, &stay);
}

#[test]
fn events_with_processes_end_in_the_rendered_picture() {
    let stay = [keys::Action::NextBackend, keys::Action::LastBackend];
    storm(
        0x9ce5_5e50_1234,
        WindowSettings { backend: "processes".into(), workers: 2, ..WindowSettings::default() },
        &stay,
    );
}
