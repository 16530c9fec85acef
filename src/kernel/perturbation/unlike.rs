//! Tables and exponents unlike those that a view has: with fewer stages the counts stay, with other exponents every bit.

use super::tables::{self, most_bytes};
use super::{BYTES_PER_ITERATE, Perturbation, Tables};
use crate::kernel::{Counters, Isa, Kernel, Request, TileClaim};
use crate::parallel::{Prepared, Preparing, Stop};
use crate::sample::Channels;
use crate::scene::{MaxIterations, PLACES, Scene};
use crate::tile::Tile;

const WHOLE: Tile = Tile { x: 0, y: 0, width: 32, height: 18 };

fn kernel(scene: Scene, isa: Isa) -> Perturbation {
    sized(scene, (WHOLE.width, WHOLE.height), isa)
}

fn sized(mut scene: Scene, size: (u32, u32), isa: Isa) -> Perturbation {
    (scene.image.size, scene.image.samples) = (size, 1);
    let request = Request::new(&scene, Channels::ALL, Some(isa)).unwrap();
    let Request { limits, channels, quality, .. } = request;
    let centre = [request.view.re.clone(), request.view.im.clone()];
    Perturbation::new((centre, scene.julia), request.offsets().unwrap(), limits, channels, (quality, isa)).unwrap()
}

fn place(name: &str) -> Scene {
    PLACES.iter().find(|place| place.name == name).unwrap().scene()
}

fn prepared(kernel: &Perturbation) -> Prepared {
    kernel.prepare(&Preparing::quietly(&Stop::new())).unwrap()
}

/// A place's kernel, what it prepares, and how many iterates its reference has.
fn made(name: &str) -> (Perturbation, Prepared, usize) {
    let kernel = kernel(place(name), Isa::best());
    let prepared = prepared(&kernel);
    let iterates = kernel.reference.read(&prepared).unwrap().z.len();
    (kernel, prepared, iterates)
}

/// What is prepared with other limits of the tables.
fn with(kernel: &Perturbation, prepared: &Prepared, change: impl FnOnce(&mut tables::Limits)) -> Prepared {
    let orbit = kernel.reference.read(prepared).unwrap();
    let mut limits = kernel.table_limits(orbit);
    change(&mut limits);
    kernel.reference.prepare(&Preparing::quietly(&Stop::new())).unwrap().and(&Tables::prepare(orbit, limits))
}

/// All samples, with differences below 2^`normal` in groups that have an exponent.
fn compute(kernel: &Perturbation, prepared: &Prepared, normal: Option<i32>) -> (Vec<u32>, Counters) {
    let stop = Stop::new();
    let mut shared = kernel.shared(prepared, &stop).unwrap();
    shared.normal = normal.unwrap_or(shared.normal);
    let mut words = vec![0; WHOLE.area() * kernel.channels.words()];
    let claim = TileClaim { tiles: &[WHOLE.into()], words: &mut words, useful: &mut [0] };
    let counters = kernel.claim(shared, claim).unwrap();
    (words, counters)
}

fn stages(kernel: &Perturbation, prepared: &Prepared) -> usize {
    kernel.shared(prepared, &Stop::new()).unwrap().tables.stages()
}

#[test]
fn fewer_stages_take_more_steps_to_the_same_counts() {
    for name in ["brooch", "clover"] {
        let (kernel, all, iterates) = made(name);
        let (words, counters) = compute(&kernel, &all, None);
        let (mut before, mut steps) = ((stages(&kernel, &all), all.len()), counters.executed);
        for _ in 0..2 {
            // Half of what the entries take, besides 16 bytes for each iterate.
            let bytes = (before.1 - 16 * iterates) / 2;
            let fewer = with(&kernel, &all, |limits| limits.bytes = bytes);
            let now = (stages(&kernel, &fewer), fewer.len());
            assert!(now.0 > 1 && now.0 < before.0 && now.1 < before.1, "{name}: {now:?} after {before:?}");
            assert!(fewer.len() <= 16 * iterates + bytes + 1000, "{name}: {} bytes", fewer.len());
            let (other, counters) = compute(&kernel, &fewer, None);
            assert!(counters.executed > steps, "{name}: {} steps after {steps}", counters.executed);
            let off = (0..WHOLE.area()).filter(|&i| other[i] != words[i]).count();
            assert!(off * 300 <= WHOLE.area(), "{name}: {off} counts differ");
            (before, steps) = (now, counters.executed);
        }
        // The last stage stays, whatever it takes.
        let one = with(&kernel, &all, |limits| limits.bytes = 0);
        assert_eq!(stages(&kernel, &one), 1);
        compute(&kernel, &one, None);
    }
}

#[test]
fn long_orbits_take_at_most_64_bytes_an_iterate() {
    for name in ["sunflower", "compass"] {
        let (kernel, all, iterates) = made(name);
        assert!(iterates > 40_000 && all.len() as u64 <= BYTES_PER_ITERATE * iterates as u64, "{name}: {}", all.len());
        assert!(all.len() as u64 <= kernel.prepared_len(), "what was known in advance is the most");
    }
    // Entries of 3 iterations and longer ones for 3 of these, and so on, would take 56 bytes an iterate.
    assert_eq!([1000, 100_000].map(most_bytes), [usize::MAX, 4_800_000]);
}

#[test]
fn exponents_where_none_are_needed_change_no_bit() {
    for name in ["hooks", "brooch", "compass"] {
        let (kernel, prepared, _) = made(name);
        let (words, counters) = compute(&kernel, &prepared, None);
        // All samples begin in a group with an exponent, and get rid of it later or sooner.
        for normal in [-30, -45] {
            assert!(kernel.exponent < normal);
            assert_eq!(compute(&kernel, &prepared, Some(normal)), (words.clone(), counters), "{name}: {normal}");
        }
        let wide = kernel.shared(&prepared, &Stop::new()).unwrap().tables.widened().and(&prepared);
        assert_eq!(compute(&kernel, &wide, None), (words, counters), "{name}");
    }
}

#[test]
fn the_reference_of_a_single_sample_ends_at_the_period() {
    let mut scene = place("brooch");
    scene.iteration.max = MaxIterations::Count(1_000_000);
    let kernel = sized(scene, (1, 1), Isa::best());
    assert_eq!(kernel.reference.read(&prepared(&kernel)).unwrap().z.len(), 4505);
}
