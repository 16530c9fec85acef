//! The window's memory use, in a process of its own so that nothing else counts.

use fractal::Scene;
use fractal::internal::Script;
use fractal::window::{Button, Event, Explorer, ExplorerOptions, Key, Status, Window, WindowSettings};
use std::time::Duration;

/// Memory of this process that is in use, in bytes.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn memory_stays_flat_over_ten_thousand_changes_of_the_view() {
    const CHANGES: usize = 10_000;
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut scene = Scene::load("seahorses").unwrap();
    scene.image.samples = 1;
    let mut window = Script::new(320, 200);
    let settings = WindowSettings { workers: 2, outlines: true, panel: true, ..WindowSettings::default() };
    let mut explorer =
        Explorer::new(&scene, &ExplorerOptions { settings, ..ExplorerOptions::default() }, &mut window).unwrap();
    let mut seen = Vec::new();
    for change in 0..CHANGES {
        let k = change as i64;
        window.events = match change % 5 {
            0 => vec![Event::Moved(k % 320, k % 200), Event::Wheel(if change / 5 % 8 < 4 { 1 } else { -1 })],
            1 => vec![
                Event::Pressed(Button::Left, false),
                Event::Moved(k * 7 % 320, k * 3 % 200),
                Event::Released(Button::Left),
            ],
            2 => vec![Event::Key([Key::Left, Key::Right, Key::Up, Key::Down][change / 5 % 4])],
            3 => vec![Event::Key(Key::Char(['r', 'R', '[', 'c'][change / 5 % 4]))],
            _ => vec![Event::Key(if change % 200 == 4 { Key::Home } else { Key::Char('[') })],
        };
        window.later += Duration::from_secs(1);
        explorer.step(&mut window).unwrap();
        if change % 10 == 0 {
            window.wait(Duration::from_millis(1));
            explorer.step(&mut window).unwrap();
        }
        if change % 1000 == 999 {
            while *explorer.status() == Status::Busy {
                explorer.step(&mut window).unwrap();
                window.wait(Duration::from_millis(1));
            }
            seen.push(memory());
        }
    }
    let megabytes: Vec<_> = seen.iter().map(|bytes| bytes >> 20).collect();
    println!("MiB in use after each 1000 changes: {megabytes:?}");
    // What the allocator keeps varies by a few MiB; a tile of each change would be 300 MiB.
    assert!(seen[9] < seen[1] + (16 << 20), "{megabytes:?} MiB");
}
