//! The kernel by itself: its prepared data, whatever it is, and how it agrees with the direct one.

use super::Perturbation;
use crate::error::Error;
use crate::kernel::direct::Direct;
use crate::kernel::{Isa, Kernel, Request, TileClaim, TileRequest};
use crate::number::Ratio;
use crate::parallel::{Prepared, Preparing, Stop};
use crate::sample::{Channels, DISTANCES_X, DISTANCES_Y, INTERIOR, Samples};
use crate::scene::Scene;
use crate::tile::Tile;
use std::sync::Arc;

const PART: &str = "perturbation: reference orbit";
const WHOLE: Tile = Tile { x: 0, y: 0, width: 40, height: 30 };

fn kernel(view: &str, iteration: &str) -> Arc<dyn Kernel> {
    kernel_with(view, iteration, Isa::Scalar)
}

fn kernel_with(view: &str, iteration: &str, isa: Isa) -> Arc<dyn Kernel> {
    kernel_of("", view, iteration, isa)
}

/// The same with keys before the view's.
fn kernel_of(first: &str, view: &str, iteration: &str, isa: Isa) -> Arc<dyn Kernel> {
    let scene = format!("{first}\n[view]\n{view}\n[image]\nsize = [40, 30]\n[iteration]\n{iteration}\n");
    Request::new(&Scene::from_toml(&scene).unwrap(), Channels::ALL, Some(isa)).unwrap().kernel().unwrap()
}

/// Branches at the tip i.
fn branches(max: u32) -> Arc<dyn Kernel> {
    kernel("re = \"0\"\nim = \"1\"\nwidth = \"1e-100\"\nrotation = 20.0", &format!("max = {max}"))
}

fn prepared(kernel: &dyn Kernel) -> Prepared {
    kernel.prepare(&Preparing::quietly(&Stop::new())).unwrap()
}

fn compute(kernel: &dyn Kernel, prepared: &Prepared, wanted: TileRequest<'_>) -> crate::Result<Vec<u32>> {
    let mut words = vec![7; wanted.tile.area() * kernel.channels().words()];
    let mut useful = [0];
    let counters = kernel.compute(
        prepared,
        TileClaim { tiles: &[wanted], words: &mut words, useful: &mut useful },
        &Stop::new(),
    )?;
    let samples = (wanted.tile.area() - wanted.skipped()) as u64;
    assert_eq!(counters.escaped + counters.periodic + counters.limit, samples, "{counters:?}");
    assert!(counters.executed <= useful[0] + samples, "no step is less than an iteration: {counters:?}");
    Ok(words)
}

/// Beyond the exponents of `f64`, samples at the tip that no entry suits are iterated one by one.
#[test]
fn iterations_of_single_samples_are_counted() {
    let kernel = kernel("re = \"0\"\nim = \"1\"\nwidth = \"1e-1000\"", "max = 40000");
    let (tile, stop) = (Tile { x: 0, y: 0, width: 4, height: 4 }, Stop::new());
    let (mut words, mut useful) = (vec![0; tile.area() * kernel.channels().words()], [0]);
    let wanted = [TileRequest { tile, mask: None }];
    let claim = TileClaim { tiles: &wanted, words: &mut words, useful: &mut useful };
    let counters = kernel.compute(&prepared(&*kernel), claim, &stop).unwrap();
    assert!(counters.executed > 1000 * 16, "{counters:?}");
}

/// The same with other bytes in one part.
fn altered(prepared: &Prepared, part: &str, bytes: &[u8]) -> Prepared {
    prepared
        .parts()
        .fold(Prepared::default(), |all, (name, _, old)| all.with(name, if name == part { bytes } else { old }.into()))
}

fn orbit(prepared: &Prepared) -> Vec<[f64; 2]> {
    bytemuck::cast_slice(prepared.get(PART).unwrap()).to_vec()
}

#[test]
fn the_reference_is_the_orbit_of_the_centre() {
    // i, then the cycle of −1 + i and −i, until a shift within the view can reach 0: the derivative grows by 2.38 with every iteration.
    let kernel = branches(1000);
    let z = orbit(&prepared(&*kernel));
    assert_eq!(z[..5], [[0.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [0.0, -1.0], [-1.0, 1.0]]);
    assert!(z[1..].chunks_exact(2).skip(1).all(|pair| pair == [[0.0, -1.0], [-1.0, 1.0]]));
    assert!((265..275).contains(&z.len()), "{}", z.len());
    // One that escapes, and one that does so at once.
    for (re, len) in [("0.26", 31), ("3", 2), ("-1e99", 2)] {
        let kernel = self::kernel(&format!("re = \"{re}\"\nim = \"0\"\nwidth = \"1e-20\""), "max = 5000");
        let prepared = prepared(&*kernel);
        assert_eq!(orbit(&prepared).len(), len, "{re}");
        compute(&*kernel, &prepared, WHOLE.into()).unwrap();
    }
    // The nucleus of period 3: its orbit returns to 0 there, and the view would not see the rest.
    let kernel =
        self::kernel("re = \"-1.75487766624669276004950889635852869189460661777279\"\nwidth = \"1e-30\"", "max = 5000");
    assert_eq!(orbit(&prepared(&*kernel)).len(), 4);
}

#[test]
fn a_larger_maximum_changes_nothing_that_has_escaped() {
    let (few, many) = (branches(274), branches(100_000));
    let (short, long) = (prepared(&*few), prepared(&*many));
    assert!(long.get(PART).unwrap().starts_with(short.get(PART).unwrap()));
    let (before, after) =
        (compute(&*few, &short, WHOLE.into()).unwrap(), compute(&*many, &long, WHOLE.into()).unwrap());
    let area = WHOLE.area();
    let escaped = (0..area).filter(|&i| before[i] != INTERIOR).count();
    assert!(escaped > 100 && escaped < area, "{escaped}");
    for i in (0..area).filter(|&i| before[i] != INTERIOR) {
        assert!((0..4).all(|plane| before[plane * area + i] == after[plane * area + i]), "sample {i}");
    }
}

#[test]
fn a_stop_ends_the_reference_and_the_samples() {
    // Where two discs touch: no cycle attracts, and none is left, so that each would take its maximum.
    let inside = |max: u32| kernel("re = \"-0.75\"\nim = \"0\"\nwidth = \"1e-200\"", &format!("max = {max}"));
    let kernel = inside(4_000_000_000);
    let stop = Stop::new();
    let set = |_| stop.set();
    let preparing = Preparing::new(&stop, 1, &set);
    assert!(matches!(kernel.prepare(&preparing), Err(Error::Stopped)));
    let prepared = prepared(&*inside(3000));
    let mut words = vec![0; WHOLE.area() * kernel.channels().words()];
    let claim = TileClaim { tiles: &[WHOLE.into()], words: &mut words, useful: &mut [0] };
    let ended = kernel.compute(&prepared, claim, &stop);
    assert!(matches!(ended, Err(Error::Stopped)));
}

#[test]
fn wild_prepared_bytes_are_refused_or_harmless() {
    let view = "re = \"0\"\nim = \"1\"\nwidth = \"1e-100\"";
    wild(&*kernel_of("julia = [\"0\", \"1\"]", view, "max = 300", Isa::best()), 602);
    wild(&*branches(300), 301);
}

fn wild(kernel: &dyn Kernel, most: usize) {
    let honest = prepared(kernel);
    for len in [0, 1, 15, 16, 31, 33, 16 * (most + 1), 16 * 100_000] {
        let error = compute(kernel, &altered(&honest, PART, &vec![1_u8; len]), WHOLE.into()).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, Error::Input(_)) && text.contains(&format!("must have 2 to {most} iterates of 16 bytes")),
            "{text}"
        );
    }
    let missing = compute(kernel, &Prepared::default(), WHOLE.into()).unwrap_err().to_string();
    assert_eq!(missing, "the view's reference orbit is missing");
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random ^ random >> 33
    };
    let (mut refused, mut harmless) = (0, 0);
    let parts: Vec<_> = honest.parts().map(|(name, _, bytes)| (name.to_owned(), bytes.to_vec())).collect();
    for kind in 0..600 {
        let (name, bytes) = &parts[kind % parts.len()];
        let mut bytes = bytes.clone();
        bytes.resize(bytes.len().max(24), 0);
        for _ in 0..1 + kind / 50 {
            let at = 8 * (next() as usize % (bytes.len() / 8));
            let special = [f64::NAN, f64::INFINITY, -0.0, 5e-324, f64::MAX, -1e200].map(f64::to_bits);
            let bits = match kind / 5 % 4 {
                0 => next(),
                1 => special[next() as usize % special.len()],
                2 => ((next() % 300) << 32) | (next() % 300),
                _ => 0,
            };
            bytes[at..at + 8].copy_from_slice(&bits.to_ne_bytes());
        }
        match compute(kernel, &altered(&honest, name, &bytes), WHOLE.into()) {
            Ok(_) => harmless += 1,
            Err(Error::Input(text)) => {
                assert!(text.contains("damaged"), "{text}");
                refused += 1;
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
    assert!(refused > 50 && harmless > 50, "{refused} and {harmless}");
}

#[test]
fn instruction_sets_and_tiles_change_no_bit_at_any_depth() {
    let area = WHOLE.area();
    let depths = [("1e-12", 0), ("1e-50", 20), ("1e-320", 33), ("1e-1000", 70)];
    // The set of i contains 0 and i: the second orbit of 0 does not end, the view's own at once.
    let julia = "julia = [\"0\", \"1\"]";
    let views = depths.into_iter().flat_map(|depth| [("", "1", depth), (julia, "1", depth), (julia, "0", depth)]);
    for (first, im, (width, rotation)) in views {
        let view = format!("re = \"0\"\nim = \"{im}\"\nwidth = \"{width}\"\nrotation = {rotation}.0");
        let mut counts = Vec::new();
        for quality in ["draft", "normal", "exact"] {
            let iteration = format!("max = 3000\nquality = \"{quality}\"\nprecision = \"perturbation\"");
            let plain = kernel_of(first, &view, &iteration, Isa::Scalar);
            let prepared = prepared(&*plain);
            let expected = compute(&*plain, &prepared, WHOLE.into()).unwrap();
            for isa in Isa::available() {
                let kernel = kernel_of(first, &view, &iteration, isa);
                assert!(kernel.prepare(&Preparing::quietly(&Stop::new())).unwrap().hashes().eq(prepared.hashes()));
                assert!(compute(&*kernel, &prepared, WHOLE.into()).unwrap() == expected, "{width} {quality} {isa}");
                for tile in [Tile { x: 3, y: 7, width: 1, height: 1 }, Tile { x: 30, y: 11, width: 9, height: 4 }] {
                    let part = compute(&*kernel, &prepared, tile.into()).unwrap();
                    for i in 0..tile.area() {
                        let (x, y) =
                            (tile.x as usize + i % tile.width as usize, tile.y as usize + i / tile.width as usize);
                        let same =
                            (0..4).all(|plane| part[plane * tile.area() + i] == expected[plane * area + y * 40 + x]);
                        assert!(same, "{width} {quality} {isa}: sample {x},{y}");
                    }
                }
            }
            counts.push(expected[..area].to_vec());
        }
        for other in [0, 1] {
            let off = (0..area).filter(|&i| counts[other][i] != counts[2][i]).count();
            assert!(off * 100 <= area, "{first} {im} {width}: {off} counts differ");
        }
    }
}

#[test]
fn samples_that_cycles_catch_are_found_and_change_nothing() {
    // A copy of period 3, a view within it, and a filled Julia set: the same counts as without looking, at a cost that the maximum does
    // not raise.
    let copy = "re = \"-1.75487766624669276004950889635852869189460661777279\"\nim = \"0\"\nwidth = ";
    let views = [
        ("", format!("{copy}\"0.06\""), 3, 200),
        ("", format!("{copy}\"1e-20\""), 3, WHOLE.area()),
        (
            "julia = [\"-0.122561\", \"0.744862\"]",
            "re = \"0.1\"\nim = \"0\"\nwidth = \"1e-12\"".into(),
            3,
            WHOLE.area(),
        ),
        ("julia = [\"-1\", \"0\"]", "re = \"0\"\nim = \"0\"\nwidth = \"3\"".into(), 2, 200),
    ];
    for (first, view, period, least) in views {
        let of = |max: u32| kernel_of(first, &view, &format!("max = {max}\nprecision = \"perturbation\""), Isa::best());
        let (short, long) = (of(2000), of(4_000_000_000));
        let [few, many] = [&short, &long].map(|kernel| compute(&**kernel, &prepared(&**kernel), WHOLE.into()).unwrap());
        let area = WHOLE.area();
        let inside: Vec<_> = (0..area).filter(|&i| many[i] == INTERIOR).collect();
        assert!(inside.len() >= least, "{view}: {}", inside.len());
        assert!((0..area).all(|i| few[i] == many[i] || few[i] == INTERIOR), "{view}");
        let all = prepared(&*long);
        let periods: Vec<_> = inside
            .iter()
            .map(|&i| long.period(&all, i as u32 % WHOLE.width, i as u32 / WHOLE.width, &Stop::new()).unwrap())
            .collect();
        assert!(periods.iter().all(|found| found.is_some_and(|found| found % period == 0)), "{view}: {periods:?}");
        assert!(periods.iter().filter(|found| **found == Some(period)).count() * 2 > inside.len(), "{view}");
    }
}

#[test]
fn where_tiers_meet_they_agree() {
    // 40 samples across a width of 3.64e-11 are as close as 64-bit numbers allow: at this width, at half of it and at twice.
    let places = [
        ("", "0\"\nim = \"1"),
        ("", "-0.1852324350525204\"\nim = \"1.014422644823822"),
        ("julia = [\"0\", \"1\"]", "0\"\nim = \"1"),
    ];
    let widths = ["1.82e-11", "3.64e-11", "7.28e-11"];
    let views: Vec<_> = places.into_iter().flat_map(|place| widths.map(|width| (place, width))).collect();
    let mut off = 0;
    for &((first, place), width) in views.iter().chain(&[(("", "-0.75"), "3")]) {
        let both = [false, true].map(|deep| {
            let scene = format!(
                "{first}\n[view]\nre = \"{place}\"\nwidth = \"{width}\"\nrotation = 10.0\n[image]\nsize = [40, 30]\n\
                 [iteration]\nmax = 3000\nprecision = \"perturbation\"\n"
            );
            let request = Request::new(&Scene::from_toml(&scene).unwrap(), Channels::ALL, Some(Isa::Scalar)).unwrap();
            let kernel = if deep {
                request.kernel().unwrap()
            } else {
                // Chosen at two of these widths, and as it would be at the third.
                let plane = request.view.plane(40, 30, 1).unwrap();
                let Request { limits, channels, isa, .. } = request;
                Arc::new(Direct::new(&request.spec(), Arc::new(plane), limits, channels, isa).unwrap())
            };
            let (prepared, area) = (prepared(&*kernel), WHOLE.area());
            // The direct kernel counts less than it would execute.
            let mut words = vec![0; area * kernel.channels().words()];
            kernel
                .compute(
                    &prepared,
                    TileClaim { tiles: &[WHOLE.into()], words: &mut words, useful: &mut [0] },
                    &Stop::new(),
                )
                .unwrap();
            words
        });
        let [direct, ours] =
            both.each_ref().map(|words| Samples::new(WHOLE, Channels::ALL, bytemuck::cast_slice(words)));
        off += direct.counts.iter().zip(ours.counts).filter(|(a, b)| a != b).count();
        for plane in [DISTANCES_X, DISTANCES_Y] {
            for (i, (a, b)) in direct.plane(plane).iter().zip(ours.plane(plane)).enumerate() {
                let same = direct.counts[i] == ours.counts[i];
                assert!(!same || (a - b).abs() < 0.02 + 0.02 * a.abs(), "{width}, sample {i}: {a} and {b}");
            }
        }
    }
    assert!(off * 1000 <= 3 * (views.len() + 1) * WHOLE.area(), "{off} counts differ");
}

/// Exact quality computes with what 64-bit offsets lack of the exact ones.
#[test]
fn offsets_in_double_double_are_the_exact_ones() {
    for (width, rotation) in [("1e-50", 0), ("0.7e-284", 0), ("3", 0), ("1e-320", 33)] {
        let scene = format!(
            "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"{width}\"\nrotation = {rotation}.0\n[image]\nsize = [47, 30]\nsamples = 3\n\
             crop = [10, 5, 20, 20]\n[iteration]\nquality = \"exact\"\n"
        );
        let request = Request::new(&Scene::from_toml(&scene).unwrap(), Channels::ALL, Some(Isa::Scalar)).unwrap();
        let offsets = request.offsets().unwrap();
        let (exponent, rotation) = (offsets.exponent, offsets.plane.rotation);
        let centre = [request.view.re.clone(), request.view.im.clone()];
        let how = (request.quality, request.isa);
        let kernel = Perturbation::new((centre, None), offsets, request.limits, request.channels, how).unwrap();
        // Half the distance between samples, divided by 2^exponent.
        let Ratio { num, den } = request.view.spacing_ratio(47, 30);
        let shift = exponent.unsigned_abs() as usize;
        let (num, den) = if exponent < 0 { (num << shift, den) } else { (num, den << shift) };
        let half = Ratio { num, den: den * 6_u8 };
        let times = |ratio: &Ratio, value: f64| {
            let Ratio { num, den } = Ratio::from_f64(value);
            Ratio { num: &ratio.num * num, den: &ratio.den * den }
        };
        for (x, y) in [(0, 0), (59, 0), (17, 44), (30, 29)] {
            let (u, v) = (times(&half, (2 * (30 + x) + 1 - 141) as f64), times(&half, (90 - 2 * (15 + y) - 1) as f64));
            let exact = match rotation {
                None => [u, v],
                Some(turn) => {
                    [times(&u, turn.cos).plus(&times(&v, -turn.sin)), times(&u, turn.sin).plus(&times(&v, turn.cos))]
                }
            };
            let ours = kernel.offset(x as usize, y as usize);
            for (ours, exact) in ours.into_iter().zip(exact) {
                let minus = Ratio::from_f64(-ours.high).plus(&Ratio::from_f64(-ours.low));
                let off = exact.plus(&minus).to_f64().abs();
                assert!(off <= 100.0 * 2_f64.powi(-100), "{width}, sample {x},{y}: {off:e}");
                assert!(ours.low.abs() <= 2_f64.powi(-45), "{width}, sample {x},{y}: {}", ours.low);
            }
        }
    }
}

/// Around the tip −2 the orbit of the centre stays at 2, and samples are on either side of it by less than any `f64` shows.
#[test]
fn samples_along_the_escape_radius_escape_on_the_right_side() {
    // c = −2 + ε: the left half is beyond radius 2 at once, the right half for as long as the square of its difference is small. Then
    // z₀ = 2 + ε of its Julia set, the other way round.
    let views =
        [("", "-2", 30), ("", "-2", 400), ("julia = [\"-2\", \"0\"]", "2", 30), ("julia = [\"-2\", \"0\"]", "2", 400)];
    for (first, re, depth) in views {
        let view = format!("re = \"{re}\"\nim = \"0\"\nwidth = \"1e-{depth}\"");
        let mut expected = None;
        for (isa, quality) in Isa::available().into_iter().map(|isa| (isa, "normal")).chain([(Isa::best(), "exact")]) {
            let kernel =
                kernel_of(first, &view, &format!("max = 3000\nescape_radius = 2.0\nquality = \"{quality}\""), isa);
            let all = compute(&*kernel, &prepared(&*kernel), WHOLE.into()).unwrap();
            let counts = all[..WHOLE.area()].to_vec();
            for (i, &n) in counts.iter().enumerate() {
                let is_beyond = (i % 40 < 20) == first.is_empty();
                assert!(if is_beyond { n == 1 } else { n > depth }, "{view} {isa} {quality}: sample {i} has {n}");
            }
            assert_eq!(*expected.get_or_insert_with(|| counts.clone()), counts, "{view} {isa} {quality}");
        }
    }
}

/// Beside the tip −2, orbits stay where `f64` takes them for 2. With radius 2, no sample could once take more than one iteration there at
/// once.
#[test]
fn entries_pass_iterates_near_the_smallest_escape_radius() {
    let re = format!("-1.{}", "9".repeat(200));
    let longest = |radius: &str| {
        let scene =
            format!("[view]\nre = \"{re}\"\nwidth = \"1e-205\"\n[iteration]\nmax = 3000\nescape_radius = {radius}\n");
        let request = Request::new(&Scene::from_toml(&scene).unwrap(), Channels::ALL, Some(Isa::Scalar)).unwrap();
        let (centre, how) = ([request.view.re.clone(), request.view.im.clone()], (request.quality, request.isa));
        let offsets = request.offsets().unwrap();
        let kernel = Perturbation::new((centre, None), offsets, request.limits, request.channels, how).unwrap();
        let prepared = prepared(&kernel);
        let orbit = kernel.orbit(&prepared).unwrap();
        let made = super::tables::build(orbit, kernel.table_limits(orbit));
        made.entries.iter().filter(|entry| entry.r > 0.0).map(|entry| entry.len).max()
    };
    let [least, usual] = ["2.0", "256.0"].map(longest);
    assert!(least > Some(100) && least >= usual.map(|len| len / 2), "{least:?} iterations, {usual:?} with radius 256");
}
