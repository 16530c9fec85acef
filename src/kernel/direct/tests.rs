//! Tests of the kernel through its public interface.

use super::*;
use crate::formula::{self, FORMULAS, Number};
use crate::kernel::TileRequest;
use crate::sample::INTERIOR;
use crate::sample::MAX_ITERATIONS;
use crate::scene::Quality;
use crate::tile::{Mask, Tile};

/// A plane of `width` × `height` samples around `centre`.
fn plane(centre: Complex64, spacing: f64, width: u32, height: u32) -> Arc<Plane> {
    let offset = |i: u32, n: u32| f64::from(2 * i + 1) / 2.0 - f64::from(n) / 2.0;
    Arc::new(Plane {
        columns: (0..width).map(|x| centre.re + offset(x, width) * spacing).collect(),
        rows: (0..height).map(|y| centre.im - offset(y, height) * spacing).collect(),
        rotation: None,
        spacing,
    })
}

fn whole(plane: &Plane) -> Tile {
    Tile { x: 0, y: 0, width: plane.columns.len() as u32, height: plane.rows.len() as u32 }
}

/// The words, useful iterations and counters of one tile over the whole plane.
fn render(direct: &Direct, plane: &Plane) -> (Vec<u32>, u64, Counters) {
    let tile = whole(plane);
    let mut words = vec![7; tile.area() * direct.channels().words()];
    let mut useful = [0];
    let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut useful };
    let counters = direct.compute(&Prepared::default(), claim, &Stop::new()).unwrap();
    (words, useful[0], counters)
}

const ALL: Channels = Channels::ALL;

#[test]
fn known_points_end_as_they_must() {
    let entry = formula::find("mandelbrot").unwrap();
    let spec = Spec { entry, power: 2, julia: None };
    // The planes of a single sample, and how its orbit ended.
    let end = |re: f64, im: f64| {
        let plane = plane(Complex64::new(re, im), 1e-3, 1, 1);
        let limits = Limits { max: 1000, escape_radius: 2.0 };
        let direct = Direct::new(&spec, plane.clone(), limits, ALL, Isa::Scalar).unwrap();
        let (words, _, Counters { escaped, cardioid, bulb, periodic, limit, .. }) = render(&direct, &plane);
        (words, [escaped, cardioid, bulb, periodic, limit])
    };
    assert_eq!(end(0.1, 0.1).1, [0, 1, 0, 0, 0], "the cardioid");
    assert_eq!(end(-1.1, 0.1).1, [0, 0, 1, 0, 0], "the disc of period 2");
    // The orbit at the centre of the period-3 minibrot converges fast and so repeats exactly. i is preperiodic but unstable: only
    // rounding could drive it away, and there is none.
    for (re, im) in [(-1.7548776662466927, 0.0), (-2.0, 0.0), (0.0, 1.0)] {
        let (words, ends) = end(re, im);
        assert_eq!((words[0], ends), (INTERIOR, [0, 0, 0, 1, 0]), "{re} {im}");
    }
    for (re, count) in [(1.0, 3), (2.0, 2), (2.1, 1), (f64::NAN, 1)] {
        let (words, ends) = end(re, 0.0);
        assert_eq!((words[0], ends), (count, [1, 0, 0, 0, 0]), "{re}");
    }
    assert!(f32::from_bits(end(2.1, 0.0).0[2]).abs() > 0.0, "a distance");
}

#[test]
fn counts_are_summed_and_counted() {
    for entry in FORMULAS {
        let spec = Spec { entry, power: entry.default_power(), julia: None };
        let plane = plane(Complex64::new(-0.5, 0.0), 0.05, 71, 53);
        let direct =
            Direct::new(&spec, plane.clone(), Limits { max: 300, escape_radius: 4.0 }, ALL, Isa::best()).unwrap();
        let (words, useful, counters) = render(&direct, &plane);
        let area = whole(&plane).area();
        let sum: u64 = words[..area].iter().map(|&n| u64::from(n.min(300))).sum();
        assert_eq!(useful, sum, "{}", entry.name);
        let Counters { escaped, cardioid, bulb, periodic, limit, .. } = counters;
        assert_eq!(escaped + cardioid + bulb + periodic + limit, area as u64, "{}", entry.name);
        assert!(escaped > 0 && periodic > 0, "{}: {counters:?}", entry.name);
    }
}

#[test]
fn wrong_limits_are_refused() {
    let spec = Spec { entry: formula::find("celtic").unwrap(), power: 2, julia: None };
    let make = |max, escape_radius| {
        let plane = plane(Complex64::ZERO, 0.1, 2, 2);
        Direct::new(&spec, plane, Limits { max, escape_radius }, ALL, Isa::Scalar)
    };
    assert!(make(1, 1.001).is_ok() && make(MAX_ITERATIONS, 1e5).is_ok());
    for (max, radius) in [(0, 2.0), (MAX_ITERATIONS + 1, 2.0), (9, 1.0), (9, 1.1e5), (9, f64::NAN), (9, f64::INFINITY)]
    {
        assert!(matches!(make(max, radius), Err(Error::Usage(_))), "{max} {radius}");
    }
    let power = Spec { power: 3, ..spec };
    let plane = plane(Complex64::ZERO, 0.1, 2, 2);
    let error = Direct::new(&power, plane, Limits { max: 9, escape_radius: 2.0 }, ALL, Isa::Scalar).unwrap_err();
    assert!(error.to_string().contains("power 3"), "{error}");
}

/// z² + c/2, a formula that is not in the table.
#[derive(Clone, Copy, Debug)]
struct Own;

impl Formula for Own {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = true;
    fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
        let half = x.constant(0.5);
        [x.mul_sub(x, y.mul_sub(y, a * half)), (x + x).mul_add(y, b * half)]
    }
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        [[x + x, y.constant(-2.0) * y], [y + y, x + x]]
    }
}

#[test]
fn an_own_formula_is_rendered() {
    let limits = Limits { max: 100, escape_radius: 8.0 };
    let plane_own = plane(Complex64::new(-1.0, 0.0), 0.1, 40, 30);
    let own = Direct::with(Own, None, plane_own.clone(), limits, Channels::default(), Isa::best()).unwrap();
    let spec = Spec { entry: formula::find("mandelbrot").unwrap(), power: 2, julia: None };
    let plane = plane(Complex64::new(-0.5, 0.0), 0.05, 40, 30);
    let mandelbrot = Direct::new(&spec, plane.clone(), limits, Channels::default(), Isa::best()).unwrap();
    assert_eq!(render(&own, &plane_own).0, render(&mandelbrot, &plane).0);
}

fn julia(entry: &formula::FormulaEntry) -> Complex64 {
    match entry.name {
        "multibrot" => Complex64::new(0.5, 0.55),
        "burning_ship" => Complex64::new(-1.2, -0.35),
        _ => Complex64::new(-0.75, 0.11),
    }
}

/// Every formula and power, as a plane of parameters and as a Julia set.
fn specs() -> Vec<Spec> {
    let mut specs = Vec::new();
    for &entry in FORMULAS {
        for power in entry.powers.clone() {
            specs.push(Spec { entry, power, julia: None });
            specs.push(Spec { entry, power, julia: Some(julia(entry)) });
        }
    }
    specs
}

/// Describes how vectors and the reference differ.
fn difference(direct: &Direct, reference: &Direct, plane: &Plane) -> Option<String> {
    let ((words, useful, counters), (expected, sum, _)) = (render(direct, plane), render(reference, plane));
    let area = whole(plane).area();
    let wrong: Vec<_> = (0..words.len()).filter(|&i| words[i] != expected[i]).collect();
    let Counters { escaped, cardioid, bulb, periodic, limit, .. } = counters;
    let ended = escaped + cardioid + bulb + periodic + limit;
    (!wrong.is_empty() || useful != sum || ended != area as u64).then(|| {
        let i = wrong.first().copied().unwrap_or(0);
        format!(
            "{} words differ, first {i} (sample {} of {area}): {:#x} instead of {:#x}; useful {useful} instead of {sum}; {counters:?}",
            wrong.len(),
            i % area,
            words[i],
            expected[i]
        )
    })
}

#[test]
fn every_instruction_set_gives_the_reference_bits() {
    let channels = [Channels::default(), Channels::SMOOTH, Channels::DISTANCE, ALL];
    for spec in specs() {
        let plane = plane(Complex64::new(-0.4, 0.01), 0.031, 97, 71);
        for limits in [Limits { max: 333, escape_radius: 2.0 }, Limits { max: 2000, escape_radius: 256.0 }] {
            for channels in channels {
                let make = |isa| Direct::new(&spec, plane.clone(), limits, channels, isa).unwrap();
                let reference = make(Isa::Scalar);
                for isa in Isa::available() {
                    if let Some(difference) = difference(&make(isa), &reference, &plane) {
                        panic!("{} {spec:?} {limits:?} {channels:?} {isa}: {difference}", spec.entry.name);
                    }
                }
            }
        }
    }
}

/// Makes a kernel that uses formulas' two-iteration form, or does not, regardless of which is faster here.
struct Form {
    spec: Spec,
    plane: Arc<Plane>,
    limits: Limits,
    isa: Isa,
    paired: bool,
}

impl Visitor for Form {
    type Output = Direct;
    fn visit<F: Formula>(self, formula: F) -> Direct {
        let Form { spec, plane, limits, isa, paired } = self;
        let fraction = Fraction::new(F::DEGREE, limits.escape_radius, true);
        let problem = Problem {
            formula,
            julia: spec.julia,
            plane,
            limits,
            fraction,
            checked: false,
            paired,
            refine_from: u64::MAX,
        };
        Direct { isa, channels: ALL, tiles: Box::new(problem) }
    }
}

#[test]
fn both_forms_of_two_iterations_give_the_reference_bits() {
    let limits = Limits { max: 700, escape_radius: 4.0 };
    let plane = plane(Complex64::new(-0.4, 0.01), 0.031, 97, 71);
    for spec in specs() {
        let reference = Direct::new(&spec, plane.clone(), limits, ALL, Isa::Scalar).unwrap();
        for (isa, paired) in Isa::available().into_iter().flat_map(|isa| [(isa, false), (isa, true)]) {
            let direct = spec.visit(Form { spec, plane: plane.clone(), limits, isa, paired }).unwrap();
            if let Some(difference) = difference(&direct, &reference, &plane) {
                panic!("{} {spec:?} {isa}, in pairs {paired}: {difference}", spec.entry.name);
            }
        }
    }
}

/// Cuts a plane into tiles of at most `width` × `height`.
fn cut(plane: &Plane, width: usize, height: usize) -> Vec<TileRequest<'static>> {
    let mut tiles = Vec::new();
    for y in (0..plane.rows.len()).step_by(height) {
        for x in (0..plane.columns.len()).step_by(width) {
            let (right, bottom) = (plane.columns.len() - x, plane.rows.len() - y);
            let (width, height) = (width.min(right) as u32, height.min(bottom) as u32);
            tiles.push(Tile { x: x as u32, y: y as u32, width, height }.into());
        }
    }
    tiles
}

#[test]
fn tiles_of_any_size_and_rotated_views_are_the_same() {
    let mut planes =
        [plane(Complex64::new(-0.743_643_9, 0.131_825_9), 1e-6, 83, 61), plane(Complex64::ZERO, 0.04, 83, 61)];
    let (sin, cos) = 0.4_f64.sin_cos();
    Arc::get_mut(&mut planes[1]).unwrap().rotation =
        Some(crate::plane::Rotation { centre: Complex64::new(-0.6, 0.1), cos, sin });
    for plane in planes {
        for (name, julia) in
            [("mandelbrot", None), ("burning_ship", None), ("mandelbrot", Some(Complex64::new(-0.12, 0.74)))]
        {
            let spec = Spec { entry: formula::find(name).unwrap(), power: 2, julia };
            let limits = Limits { max: 3000, escape_radius: 16.0 };
            let make = |isa| Direct::new(&spec, plane.clone(), limits, ALL, isa).unwrap();
            let reference = make(Isa::Scalar);
            for isa in Isa::available() {
                let direct = make(isa);
                for (width, height) in [(1, 1), (7, 5), (1, 61), (83, 1), (16, 16), (64, 64)] {
                    let tiles = cut(&plane, width, height);
                    let area: usize = tiles.iter().map(|wanted| wanted.tile.area()).sum();
                    let run = |direct: &Direct| {
                        let mut words = vec![7; area * ALL.words()];
                        let mut useful = vec![0; tiles.len()];
                        let claim = TileClaim { tiles: &tiles, words: &mut words, useful: &mut useful };
                        direct.compute(&Prepared::default(), claim, &Stop::new()).unwrap();
                        (words, useful)
                    };
                    assert!(run(&direct) == run(&reference), "{name} {isa} tiles of {width} × {height}");
                }
            }
        }
    }
}

#[test]
fn only_wanted_samples_are_computed() {
    let plane = plane(Complex64::new(-0.7, 0.0), 0.03, 83, 61);
    let limits = Limits { max: 700, escape_radius: 16.0 };
    for name in ["mandelbrot", "burning_ship"] {
        let spec = Spec { entry: formula::find(name).unwrap(), power: 2, julia: None };
        for isa in Isa::available() {
            let direct = Direct::new(&spec, plane.clone(), limits, ALL, isa).unwrap();
            for (width, height) in [(83, 61), (16, 16), (7, 5)] {
                let tiles = cut(&plane, width, height);
                let area: usize = tiles.iter().map(|wanted| wanted.tile.area()).sum();
                let run = |tiles: &[TileRequest<'_>]| {
                    let (mut words, mut useful) = (vec![7; area * ALL.words()], vec![0; tiles.len()]);
                    let claim = TileClaim { tiles, words: &mut words, useful: &mut useful };
                    let counters = direct.compute(&Prepared::default(), claim, &Stop::new()).unwrap();
                    (words, useful, counters)
                };
                let (whole, ..) = run(&tiles);
                // All, none, every third, and a pseudo-random choice.
                let bit = |tile: usize, i: usize| match tile % 4 {
                    0 => true,
                    1 => false,
                    2 => i.is_multiple_of(3),
                    _ => (i * i / 7 + tile).is_multiple_of(5),
                };
                let bits = |(number, wanted): (usize, &TileRequest<'_>)| {
                    let mut bits = vec![0u8; Mask::bytes(wanted.tile.area())];
                    (0..wanted.tile.area()).for_each(|i| bits[i / 8] |= u8::from(bit(number, i)) << (i % 8));
                    bits
                };
                let masks: Vec<_> = tiles.iter().enumerate().map(bits).collect();
                let masked = tiles.iter().zip(&masks).enumerate().map(|(number, (&wanted, bits))| match number % 4 {
                    0 => wanted,
                    _ => TileRequest { mask: Some(Mask::new(bits)), ..wanted },
                });
                let masked: Vec<_> = masked.collect();
                let (some, useful, counters) = run(&masked);
                let (mut expected, mut samples, mut at) = (whole.clone(), 0, 0);
                for (number, wanted) in tiles.iter().enumerate() {
                    let (area, mut worth) = (wanted.tile.area(), 0);
                    for i in 0..area {
                        let word = |plane: usize| at + plane * area + i;
                        if bit(number, i) {
                            samples += 1;
                            worth += u64::from(whole[word(0)]).min(limits.max);
                        } else {
                            expected[word(0)] = INTERIOR;
                            (1..4).for_each(|plane| expected[word(plane)] = 0);
                        }
                    }
                    assert_eq!(useful[number], worth, "{name} {isa} tile {number} of {width} × {height}");
                    at += area * ALL.words();
                }
                assert!(some == expected, "{name} {isa} tiles of {width} × {height}");
                let Counters { escaped, cardioid, bulb, periodic, limit, .. } = counters;
                assert_eq!(escaped + cardioid + bulb + periodic + limit, samples, "{name} {isa}");
            }
        }
    }
}

#[test]
fn everything_that_a_kernel_can_do_happens() {
    let spec = Spec { entry: formula::find("mandelbrot").unwrap(), power: 2, julia: None };
    let plane = plane(Complex64::new(-0.7, 0.0), 0.01, 250, 200);
    for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::Scalar) {
        let limits = Limits { max: 500, escape_radius: 2.0 };
        let direct = Direct::new(&spec, plane.clone(), limits, Channels::default(), isa).unwrap();
        let Counters { executed, escaped, cardioid, bulb, periodic, limit, refills } = render(&direct, &plane).2;
        for happened in [executed, escaped, cardioid, bulb, periodic, limit, refills] {
            assert!(happened > 0, "{isa}: {:?}", render(&direct, &plane).2);
        }
    }
}

#[test]
fn shortcuts_lose_nothing() {
    let plane = plane(Complex64::new(-0.6, 0.013), 0.037, 61, 53);
    let limits = Limits { max: 4000, escape_radius: 2.0 };
    let fraction = Fraction::new(2, limits.escape_radius, true);
    let problem = Problem {
        formula: crate::formula::Mandelbrot,
        julia: None,
        plane: plane.clone(),
        limits,
        fraction,
        checked: false,
        paired: true,
        refine_from: u64::MAX,
    };
    let mut ended = [0; 3];
    for i in 0..whole(&plane).area() {
        let point = plane.point(i % 61, i / 61);
        let short = problem.orbit(point, true, &mut || false).unwrap();
        let full = problem.orbit(point, false, &mut || false).unwrap();
        assert_eq!(short.why == Why::Escaped, full.why == Why::Escaped, "{point}");
        match short.why {
            Why::Escaped => assert_eq!((short.n, short.z), (full.n, full.z), "{point}"),
            Why::Cardioid => ended[0] += 1,
            Why::Bulb => ended[1] += 1,
            Why::Period => ended[2] += 1,
            Why::Limit => {}
        }
    }
    assert!(ended.into_iter().all(|count| count > 0), "{ended:?}");
}

#[test]
fn a_set_flag_stops_every_instruction_set() {
    let spec = Spec { entry: formula::find("burning_ship").unwrap(), power: 2, julia: None };
    let plane = plane(Complex64::new(-0.4, -0.5), 0.02, 64, 64);
    for isa in Isa::available() {
        let limits = Limits { max: MAX_ITERATIONS, escape_radius: 2.0 };
        let direct = Direct::new(&spec, plane.clone(), limits, ALL, isa).unwrap();
        let tile = whole(&plane);
        let mut words = vec![0; tile.area() * ALL.words()];
        let stop = Stop::new();
        stop.set();
        let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
        let result = direct.compute(&Prepared::default(), claim, &stop);
        assert!(matches!(result, Err(Error::Stopped)), "{isa}");
    }
}

#[test]
fn what_is_reported_is_what_runs() {
    let spec = Spec { entry: formula::find("mandelbrot").unwrap(), power: 2, julia: None };
    let plane = plane(Complex64::new(-0.7, 0.0), 0.1, 8, 8);
    for isa in Isa::available() {
        let told = |escape_radius| {
            let limits = Limits { max: 9, escape_radius };
            Direct::new(&spec, plane.clone(), limits, ALL, isa).unwrap().facts().isa
        };
        assert_eq!(told(2.0), isa.name());
        assert_eq!(told(1.5), "scalar", "every iterate is tested");
    }
}

#[test]
fn tiny_imaginary_parts_change_nothing() {
    let spec = |julia| Spec { entry: formula::find("mandelbrot").unwrap(), power: 2, julia };
    let mut near_axis = plane(Complex64::new(-1.5, 0.0), 1e-3, 40, 3);
    Arc::get_mut(&mut near_axis).unwrap().rows[1] = 5e-324;
    let wide = plane(Complex64::new(0.0, 0.0), 0.05, 60, 41);
    for (julia, plane) in [(None, near_axis), (Some(Complex64::new(-1.0, 0.0)), wide)] {
        let limits = Limits { max: 5000, escape_radius: 256.0 };
        let make = |isa| Direct::new(&spec(julia), plane.clone(), limits, ALL, isa).unwrap();
        for isa in Isa::available() {
            if let Some(difference) = difference(&make(isa), &make(Isa::Scalar), &plane) {
                panic!("{isa}: {difference}");
            }
        }
    }
}

#[test]
fn refined_samples_have_the_same_bits_in_every_instruction_set() {
    let make = |spec: &Spec, plane: &Arc<Plane>, max, isa, from: Option<u64>| {
        let limits = Limits { max, escape_radius: 256.0 };
        let mut direct = Direct::new(spec, plane.clone(), limits, ALL, isa).unwrap();
        from.into_iter().for_each(|from| direct.tiles.set_refined(from));
        direct
    };
    let wide = plane(Complex64::new(-0.4, 0.01), 0.031, 37, 29);
    let specs = specs();
    for (spec, isa) in specs.iter().flat_map(|spec| Isa::available().into_iter().map(move |isa| (spec, isa))) {
        let [direct, reference] = [isa, Isa::Scalar].map(|isa| make(spec, &wide, 300, isa, Some(12)));
        assert_eq!(difference(&direct, &reference, &wide), None, "{} {spec:?} {isa}", spec.entry.name);
    }
    // At the Feigenbaum point, orbits are so long and slow that it happens by itself. At the first maximum, some samples escape in one kind
    // of numbers only.
    let slow = plane(Complex64::new(-1.401_155_189_092_05, 2.0e-9), 4e-11, 7, 5);
    for (max, isa) in
        [17_000, 100_000].into_iter().flat_map(|max| Isa::available().into_iter().map(move |isa| (max, isa)))
    {
        let [direct, reference] = [isa, Isa::Scalar].map(|isa| make(&specs[0], &slow, max, isa, None));
        assert_eq!(difference(&direct, &reference, &slow), None, "{isa} {max}");
        let draft = difference(&direct.at(Quality::Draft), &reference, &slow);
        assert!(max < 100_000 || draft.is_some(), "{isa}");
    }
}
