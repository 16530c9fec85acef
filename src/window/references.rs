//! Reference orbits of earlier views, for previews of later ones: a zoom or a pan shows something before its own orbit is there.
//!
//! The final picture has its own, as `fractal render` does, so its bits do not depend on how its view was reached.

use crate::render::{Around, Render};
use std::collections::VecDeque;

/// The most bytes of all kept orbits, and how many they are at most: each is looked at for each view.
const MOST_BYTES: usize = 128 << 20;
const MOST: usize = 64;

/// The orbits, the latest first.
#[derive(Debug, Default)]
pub(super) struct References {
    kept: VecDeque<Around>,
}

impl References {
    /// The same render around the latest orbit that serves it, if one does.
    pub(super) fn preview(&self, render: &Render) -> Option<Render> {
        self.kept.iter().find_map(|kept| kept.preview(render))
    }

    /// The same render around its own orbit, if that was made before: every bit is what it would be with another.
    pub(super) fn own(&self, render: &Render) -> Option<Render> {
        self.kept.iter().find_map(|kept| kept.own(render))
    }

    /// Keeps the orbit that was made for a render, and forgets the oldest where they take too much memory. Whether there is one.
    pub(super) fn keep(&mut self, render: &Render) -> bool {
        let Some(kept) = Around::of(render) else { return false };
        self.kept.push_front(kept);
        self.kept.truncate(MOST);
        let mut bytes = 0;
        self.kept.retain(|kept| {
            bytes += kept.len();
            bytes <= MOST_BYTES
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{Batch, Engine, News, Step, Workforce};
    use crate::backend;
    use crate::parallel::Schedule;
    use crate::sample::Channels;
    use crate::scene::{Decimal, PLACES, Quality, Scene};
    use crate::tile::Order;
    use std::collections::VecDeque;
    use std::time::Duration;

    const SIZE: (u32, u32) = (48, 32);
    const COARSE: u32 = 4;
    const FULL: u32 = 0;

    /// A place, `zoom` times enlarged by 5/4.
    fn scene(name: &str, zoom: i32) -> Scene {
        let mut scene = PLACES.iter().find(|place| place.name == name).unwrap().scene();
        let width = scene.view().spacing(1, 1) * 0.8_f64.powi(zoom);
        scene.view.width = Some(Decimal::from_f64(width).unwrap());
        (scene.image.size, scene.image.samples) = (SIZE, 1);
        scene
    }

    struct Window(Engine, VecDeque<super::super::engine::EngineEvent>, u64);

    impl Window {
        fn new() -> Self {
            Self(Engine::start().unwrap(), VecDeque::new(), 0)
        }

        /// The counts of a picture with this grain, in the order in which they came, and how many orbits were made for it.
        fn show(&mut self, scene: &Scene, grain: u32, backend: &str) -> (Vec<u32>, usize) {
            let Self(engine, events, generation) = self;
            *generation += 1;
            let step = Step { area: [0, 0, SIZE.0, SIZE.1].into(), grain, tile: 64, order: Order::Rows };
            let program = backend::Program::default();
            let backend = backend::find(backend).unwrap();
            let workforce = Workforce { backend, workers: 1, schedule: Schedule::AUTO, program };
            let (scene, channels) = (scene.clone(), Channels::SMOOTH);
            engine.compute(Batch { generation: *generation, workforce, scene, channels, steps: vec![step] });
            let (mut words, mut orbits) = (Vec::new(), 0);
            loop {
                engine.collect(events);
                while let Some(event) = events.pop_front() {
                    match event.news {
                        News::Preparing { percent: 100 } => orbits += 1,
                        News::Finished { claim, .. } => words.extend(claim.words),
                        News::Complete => return (words, orbits),
                        News::Failed(error) => panic!("{error}"),
                        _ => {}
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// How many counts of two pictures differ.
    fn off(a: &[u32], b: &[u32]) -> usize {
        // The fractions follow.
        let counts = a.len() / 2;
        assert_eq!(a.len(), b.len());
        (0..counts).filter(|&i| a[i] != b[i]).count()
    }

    #[test]
    fn a_zoom_makes_fewer_orbits_than_frames() {
        for name in ["hooks", "brooch"] {
            let mut window = Window::new();
            let (mut orbits, mut wrong, mut all) = (0, 0, 0);
            for zoom in 0..30 {
                let scene = scene(name, zoom);
                let (preview, made) = window.show(&scene, COARSE, "threads");
                let (own, one) = Window::new().show(&scene, COARSE, "threads");
                assert_eq!(one, 1);
                (orbits, wrong, all) = (orbits + made, wrong + off(&preview, &own), all + own.len() / 2);
            }
            assert_eq!(orbits, 1, "{name}: the first one serves all");
            assert!(wrong * 100 <= all, "{name}: {wrong} of {all} counts differ from those around their own orbits");
        }
    }

    #[test]
    fn what_settles_does_not_depend_on_the_views_before() {
        let mut window = Window::new();
        for zoom in [4, 5] {
            let scene = scene("hooks", zoom);
            window.show(&scene, COARSE, "threads");
            let (words, _) = window.show(&scene, FULL, "threads");
            let (own, _) = Window::new().show(&scene, FULL, "serial");
            assert!(words == own, "zoom {zoom}");
            let (again, orbits) = window.show(&scene, FULL, "threads");
            assert!(again == own && orbits == 0, "its own orbit is still there");
            let mut other = scene;
            for (quality, made) in [(Quality::Draft, [0, 0]), (Quality::Exact, [1, 0])] {
                other.iteration.quality = quality;
                let (own, _) = Window::new().show(&other, FULL, "serial");
                for orbits in made {
                    assert!(window.show(&other, FULL, "threads") == (own.clone(), orbits), "{quality:?}, zoom {zoom}");
                }
            }
        }
    }

    #[test]
    fn orbits_serve_pans_and_not_other_places() {
        let mut window = Window::new();
        let first = scene("hooks", 0);
        assert_eq!(window.show(&first, COARSE, "threads").1, 1);
        let mut panned = first.clone();
        let re = first.view().re.ratio().plus(&crate::number::Ratio::from_f64(5e-19));
        panned.view.re = Some(crate::number::ExactDecimal::from_ratio(&re, 60, 60).to_decimal());
        panned.view.rotation = 20.0;
        let (preview, made) = window.show(&panned, COARSE, "threads");
        let (own, _) = Window::new().show(&panned, COARSE, "threads");
        assert_eq!(made, 0);
        assert!(off(&preview, &own) <= 1, "{} of {} differ", off(&preview, &own), own.len() / 2);
        assert_eq!(window.show(&scene("brooch", 0), COARSE, "threads").1, 1, "that is elsewhere");
        assert_eq!(window.show(&first, COARSE, "threads").1, 0, "the first is still there");
        let mut exact = first;
        exact.iteration.quality = Quality::Exact;
        assert_eq!(window.show(&exact, COARSE, "threads").1, 1, "that needs more digits");
    }
}
