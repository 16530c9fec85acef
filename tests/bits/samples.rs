//! Scenes whose samples are recorded. Most are small; each covers a path through the kernels or a way of cutting an image.

use super::hash;
use super::list::Hashes;
use super::ways::{Sessions, Way};
use fractal::formula::FORMULAS;
use fractal::kernel::Isa;
use fractal::parallel::Stop;
use fractal::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR, SampleSize};
use fractal::sink::{Grid, Tiles};
use fractal::{Render, RenderOptions, Scene};
use std::sync::Arc;

/// A scene with how it is cut and what is computed of it.
pub(super) struct Recorded {
    pub(super) name: &'static str,
    scene: Scene,
    options: RenderOptions,
}

/// A view with filaments, interior of several periods, and counts over the whole range.
const SEAHORSES: &str = "re=-0.7453 im=0.1127 width=0.01 max=900";
const SHIP: &str = "formula=burning_ship re=-1.755 im=-0.03 width=0.09 max=600";
const ANTENNA: &str = "re=-0.7 im=0.1 width=2 max=250";
const DEEP: &str = "re=-0.7450754204943227934331 im=0.1125224821214891982619 max=20000";

/// Name, keys of the scene, and then the edge of a tile, the order of the tiles, and the channels: `n` counts, `f` fractions,
/// `d` distances. Repeated keys replace what was said before.
const SCENES: &[(&str, &[&str], &str)] = &[
    // Every combination of channels has a kernel of its own.
    ("seahorses/counts", &[SEAHORSES], "16 rows n"),
    ("seahorses/smooth", &[SEAHORSES], "16 rows nf"),
    ("seahorses/distance", &[SEAHORSES], "16 rows nd"),
    ("seahorses/all", &[SEAHORSES], "16 rows nfd"),
    ("ship/counts", &[SHIP], "16 centre n"),
    ("ship/smooth", &[SHIP], "16 centre nf"),
    ("ship/distance", &[SHIP], "16 centre nd"),
    ("ship/all", &[SHIP], "16 centre nfd"),
    // However it is cut, it is the same: these lines have the hashes of `seahorses/all` and `ship/all`.
    ("seahorses/tile-1", &[SEAHORSES], "1 hilbert nfd"),
    ("seahorses/tile-7", &[SEAHORSES], "7 centre nfd"),
    ("seahorses/tile-64", &[SEAHORSES], "64 rows nfd"),
    ("seahorses/whole", &[SEAHORSES], "whole rows nfd"),
    ("seahorses/around", &[SEAHORSES], "7 20,31 nfd"),
    ("ship/tile-1", &[SHIP], "1 rows nfd"),
    ("ship/tile-7", &[SHIP], "7 hilbert nfd"),
    ("ship/whole", &[SHIP], "whole centre nfd"),
    // Shapes that no vector fits.
    ("shape/one", &[SEAHORSES, "size=1x1"], "16 rows nfd"),
    ("shape/column", &[SEAHORSES, "size=1x70"], "7 rows nfd"),
    ("shape/row", &[SEAHORSES, "size=100x1"], "16 hilbert nfd"),
    ("shape/odd", &[SEAHORSES, "size=3x5"], "whole rows nfd"),
    // Samples lie between pixels.
    ("samples/2", &[SEAHORSES, "size=31x22 samples=2"], "7 rows nfd"),
    ("samples/3", &[SHIP, "size=29x20 samples=3"], "16 hilbert nfd"),
    // Rotation has coordinates of its own, and turns distances.
    ("rotation/33.3", &[ANTENNA, "rotation=33.3"], "16 rows nfd"),
    ("rotation/90", &[ANTENNA, "rotation=90"], "7 rows nf"),
    ("rotation/-117.25", &[SHIP, "rotation=-117.25"], "16 hilbert nfd"),
    ("rotation/julia", &["julia=-0.8,0.156 width=3 rotation=21 max=250"], "16 rows nfd"),
    ("rotation/samples-2", &["formula=tricorn rotation=7.5 size=31x22 samples=2 max=250"], "16 rows nfd"),
    // Radii so small that growth beyond them is not certain, where every iterate is tested; then those where it is.
    ("radius/1.5", &[ANTENNA, "escape_radius=1.5"], "16 rows nfd"),
    ("radius/2", &[ANTENNA, "escape_radius=2"], "16 rows nfd"),
    ("radius/2/counts", &[ANTENNA, "escape_radius=2"], "whole rows n"),
    ("radius/1.1/celtic", &["formula=celtic escape_radius=1.1 max=250"], "7 rows nfd"),
    ("radius/2/multibrot-8", &["formula=multibrot power=8 escape_radius=2 max=250"], "16 rows nfd"),
    ("radius/2/julia", &["julia=-2.2,0.1 width=4 escape_radius=2 max=250"], "16 rows nfd"),
    ("radius/3/julia", &["julia=-2.2,0.1 width=4 escape_radius=3 max=250"], "16 rows nfd"),
    ("radius/4", &[ANTENNA, "escape_radius=4"], "16 rows nfd"),
    ("radius/16.5/ship", &[SHIP, "escape_radius=16.5"], "16 rows nfd"),
    ("radius/1e5", &[ANTENNA, "escape_radius=1e5"], "16 rows nfd"),
    ("radius/1e5/multibrot-8", &["formula=multibrot power=8 escape_radius=1e5 max=250"], "16 rows nfd"),
    // Towards the end of what 64 bits can tell apart.
    ("deep/1e-5", &[DEEP, "width=1e-5 max=5000"], "16 rows nfd"),
    ("deep/1e-9", &[DEEP, "width=1e-9"], "16 rows nfd"),
    ("deep/9.5e-11", &[DEEP, "width=9.5e-11 rotation=45"], "16 rows nfd"),
    ("deep/ship", &["formula=burning_ship re=-1.755 im=-0.02203125007124811 width=1e-8 max=3000"], "16 rows nfd"),
    // Few, many and chosen iterations; orbits that stay until the last of them.
    ("iterations/1", &["max=1"], "16 rows nfd"),
    ("iterations/2", &["max=2"], "16 rows nfd"),
    ("iterations/3", &["formula=multibrot power=7 max=3"], "16 rows nfd"),
    ("iterations/auto", &["re=-0.16 im=1.035 width=0.01 max=auto"], "16 rows nfd"),
    ("iterations/100000", &["re=-0.75 im=0.01 width=0.02 max=100000"], "7 rows nfd"),
    ("iterations/100000/tricorn", &["formula=tricorn re=-1.75 im=0 width=0.12 max=100000"], "7 rows nf"),
    // So many samples that a change of fractions by 10⁻¹², far less than their last bit, still moves some of them to the next.
    ("many/mandelbrot", &["re=-0.6 im=0.1 width=6 max=100 size=1000x700"], "64 rows nfd"),
    ("many/ship", &["formula=burning_ship re=-0.5 im=-0.4 width=7 max=100 size=1000x700"], "64 hilbert nfd"),
    // All interior, none, and exactly on the axis, where signs of zeros could show.
    ("inside", &["re=-0.1 im=0 width=0.01 max=5000"], "16 rows nfd"),
    ("outside", &["re=1000 im=7 width=10 max=100"], "16 rows nfd"),
    ("axis", &["re=0 im=0 width=4 size=65x33 max=200"], "16 rows nfd"),
    ("axis/ship", &["formula=burning_ship re=0 im=0 width=4 size=65x33 max=200"], "16 rows nfd"),
    ("axis/julia", &["julia=0,0 width=3 size=65x33 max=200"], "16 rows nfd"),
    ("axis/celtic", &["formula=celtic re=-2 im=0 width=0.5 size=65x33 max=200"], "16 rows nfd"),
];

/// A scene of these keys, 97 by 67 pixels unless they say otherwise.
pub(super) fn scene(keys: &[&str]) -> Scene {
    let mut scene = Scene::default();
    let keys = keys.iter().flat_map(|keys| keys.split_whitespace());
    ["size=97x67"].into_iter().chain(keys).for_each(|key| scene.set(key).unwrap());
    scene
}

/// How a scene is cut and what is computed, as [`SCENES`] says it.
pub(super) fn options(words: &str) -> RenderOptions {
    let [tile, order, channels] = words.split(' ').collect::<Vec<_>>()[..] else { panic!("`{words}`") };
    let tile = if tile == "whole" { u32::MAX } else { tile.parse().unwrap() };
    let wanted = |letter, those| if channels.contains(letter) { those } else { Channels::COUNTS };
    let channels = wanted('f', Channels::SMOOTH) | wanted('d', Channels::DISTANCE);
    RenderOptions { tile, order: order.parse().unwrap(), isa: None, channels }
}

/// A name that is made lives as long as those that are written down.
fn name(text: String) -> &'static str {
    text.leak()
}

/// All scenes. Those of the formulas follow from the table of formulas, so that a new one has lines without being named here.
pub(super) fn all() -> Vec<Recorded> {
    // A colouring that wants nothing adds no channels to those that are asked for.
    let recorded = |name, keys: &[&str], how: &str| {
        let mut scene = scene(keys);
        scene.set("colouring=bands").unwrap();
        Recorded { name, scene, options: options(how) }
    };
    let mut all: Vec<_> = SCENES.iter().map(|&(name, keys, how)| recorded(name, keys, how)).collect();
    for entry in FORMULAS {
        for power in entry.powers.clone() {
            let keys = format!("formula={} power={power} max=250", entry.name);
            let title = format!("formula/{}-{power}", entry.name);
            all.push(recorded(name(format!("{title}/counts")), &[&keys], "whole rows n"));
            all.push(recorded(name(format!("{title}/all")), &[&keys], "16 rows nfd"));
            // Near the edge of the set for low and for high powers, so that there is something to see of both sides.
            let julia = if power < 5 { "julia=0.3,0.5" } else { "julia=0.6,0.55" };
            all.push(recorded(name(format!("{title}/julia")), &[&keys, julia], "16 rows nfd"));
        }
    }
    all
}

impl Recorded {
    /// Computes it, and hashes each plane.
    pub(super) fn hashes(&self, sessions: &mut Sessions, (backend, isa): Way) -> Hashes {
        let render = Render::with(&self.scene, RenderOptions { isa: Some(isa), ..self.options }).unwrap();
        let channels = render.channels();
        assert_eq!(channels, self.options.channels, "{}: nothing else is computed", self.name);
        let grid = Arc::new(Grid::new(Tiles { channels, ..render.tiles() }));
        render.run(sessions.of(backend), grid.clone(), &Stop::new()).unwrap();
        let samples = grid.samples();
        let SampleSize { width, height } = render.tiling().size();
        let plane = |of: fn(&fractal::sink::Sample) -> u32| hash::of_plane(width, height, samples.iter().map(of));
        let mut hashes = vec![("counts", plane(|sample| sample.count.map_or(INTERIOR, |n| n as u32)))];
        if channels.contains(Channels::SMOOTH) {
            hashes.push(("fractions", plane(|sample| sample.number(FRACTIONS).to_bits())));
        }
        if channels.contains(Channels::DISTANCE) {
            hashes.push(("x", plane(|sample| sample.number(DISTANCES_X).to_bits())));
            hashes.push(("y", plane(|sample| sample.number(DISTANCES_Y).to_bits())));
        }
        hashes
    }
}

/// What must be so for the hashes to mean something: most scenes have samples inside and outside, and are no plain planes.
#[test]
fn the_scenes_show_something() {
    let all = all();
    let shown = |recorded: &&Recorded| {
        let render =
            Render::with(&recorded.scene, RenderOptions { isa: Some(Isa::best()), ..recorded.options }).unwrap();
        let grid = Arc::new(Grid::new(render.tiles()));
        render.run_here(grid.clone(), &Stop::new()).unwrap();
        let counts: std::collections::HashSet<_> = grid.samples().iter().map(|sample| sample.count).collect();
        counts.len() > 5 && counts.contains(&None)
    };
    let plain: Vec<_> = all.iter().filter(|recorded| !shown(recorded)).map(|recorded| recorded.name).collect();
    println!("plain: {plain:?}");
    assert!(plain.len() * 4 < all.len(), "{plain:?}");
}
