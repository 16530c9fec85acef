//! `render --view`: a window that shows a running render.

use crate::session::{pixels, valley};
use crate::support::until;
use fractal::internal::Script;
use fractal::kernel::{Counters, Facts, Kernel, Request, TileClaim};
use fractal::parallel::{Prepared, Preparing, Stop};
use fractal::window::{Event, Key, Viewer, Watched};
use fractal::{Render, Result};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Tiles that are being computed, and their workers, are seen before they are finished.
#[test]
fn a_watched_render_shows_tiles_as_they_are_claimed() {
    use fractal::parallel::RunInfo;
    let mut scene = valley();
    scene.image = fractal::scene::Image::new((160, 128), 1);
    let mut window = Script::new(160, 128);
    let watched = Watched::default();
    let mut viewer = Viewer::new(watched.clone(), 0.0, &mut window);
    let render = fractal::Render::new(&scene).unwrap();
    let sink = watched.picture("a picture", &render, (160, 128)).unwrap();
    sink.start(&RunInfo { pieces: 6, workers: 2, backend: "threads", unit: "iterations", piece: "tile" }).unwrap();
    window.events.push(Event::Key(Key::Char('o')));
    let mut look = |window: &mut Script| {
        window.later += Duration::from_secs(60);
        viewer.step(window).unwrap();
        [10 * 160 + 10, 10 * 160 + 74]
            .map(|at| window.shown[at])
            .into_iter()
            .chain([window.shown[64]])
            .collect::<Vec<_>>()
    };
    let before = look(&mut window);
    sink.claimed(1, 1..2);
    let claimed = look(&mut window);
    assert_eq!(claimed[0], before[0], "nobody has the first tile");
    assert_ne!(claimed[1], before[1], "the second is being computed");
    sink.claimed(0, 4..5);
    let edge = claimed[2];
    assert_ne!(edge, before[2]);
    assert_ne!(look(&mut window)[2], window.shown[64 * 160 + 64], "workers have colours of their own");
}

#[test]
fn a_watched_render_fills_the_window() {
    use fractal::window::Seen;
    let press = |c| Event::Key(Key::Char(c));
    // As large as the window, with several samples a pixel, and much larger than the window.
    let cases =
        [("relief", (160, 100), 1, (160, 100)), ("smooth", (80, 50), 2, (80, 50)), ("bands", (501, 313), 1, (126, 79))];
    for (colouring, size, samples, shown) in cases {
        let mut scene = valley();
        scene.image = fractal::scene::Image::new(size, samples);
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
        scene.image = fractal::scene::Image::new((size.0 * samples, size.1 * samples), 1);
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

/// A kernel that keeps preparing until its channel is closed.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn Kernel>,
    done: Mutex<Receiver<f64>>,
}

impl Kernel for Slow {
    fn channels(&self) -> fractal::sample::Channels {
        self.inner.channels()
    }
    fn facts(&self) -> Facts {
        self.inner.facts()
    }
    fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        self.done.lock().unwrap().iter().for_each(|done| preparing.progress(done));
        Ok(Prepared::default())
    }
    fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        self.inner.compute(prepared, claim, stop)
    }
}

#[test]
fn a_watched_render_says_how_much_is_prepared() {
    let mut scene = valley();
    scene.image = fractal::scene::Image::new((400, 250), 1);
    let rendered = pixels(&fractal::render(&scene).unwrap());
    let mut window = Script::new(400, 250);
    let watched = Watched::default();
    let mut viewer = Viewer::new(watched.clone(), 0.0, &mut window);
    // The second picture of a film is prepared while the first is shown; the third under the panel.
    for panel in [false, false, true] {
        if panel {
            window.events.push(Event::Key(Key::Tab));
        }
        let mut look = |viewer: &mut Viewer| {
            window.later += Duration::from_secs(60);
            viewer.step(&mut window).unwrap();
            window.shown.clone()
        };
        // Messages expire, then it is drawn without them.
        look(&mut viewer);
        let before = look(&mut viewer);
        let (tell, done) = channel();
        let own = |request: &Request| {
            Ok(Arc::new(Slow { inner: request.kernel()?, done: Mutex::new(done) }) as Arc<dyn Kernel>)
        };
        let render = Render::with_kernel(&scene, Default::default(), own).unwrap();
        let sink = watched.picture("a picture", &render, (400, 250)).unwrap();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| render.run_here(sink, &Stop::new()).unwrap());
            let mut seen = before;
            for done in [0.0, 0.4, 0.75] {
                tell.send(done).unwrap();
                seen = until("what is shown changes", || Some(look(&mut viewer)).filter(|shown| *shown != seen));
                assert!(look(&mut viewer) == seen, "it is shown until there is more progress");
            }
            drop(tell);
            running.join().unwrap();
            let complete = look(&mut viewer);
            assert!(complete != seen && (panel || complete == rendered));
        });
    }
}
