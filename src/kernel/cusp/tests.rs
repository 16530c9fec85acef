//! Counts close to ¼ against those of arbitrary precision, and of the formula iterated step by step.

use super::{Cusp, Double, PART, is_near, plus, times};
use crate::error::{Error, Result};
use crate::kernel::{Isa, Kernel, Request, TileClaim};
use crate::parallel::{Prepared, Preparing, Stop};
use crate::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, Samples};
use crate::scene::Scene;
use crate::tile::Tile;

const WHOLE: Tile = Tile { x: 0, y: 0, width: 9, height: 9 };

fn request(view: &str, max: u64) -> Request {
    let scene = format!("[view]\n{view}\n[image]\nsize = [9, 9]\n[iteration]\nmax = {max}\n");
    Request::new(&Scene::from_toml(&scene).unwrap(), Channels::ALL, Some(Isa::best())).unwrap()
}

/// The kernel, if the view is close to the cusp.
fn cusp(view: &str, max: u64) -> Option<Cusp> {
    let request = request(view, max);
    let (centre, offsets) = ([request.view.re.clone(), request.view.im.clone()], request.offsets().unwrap());
    is_near(&centre, &offsets, request.log2_spacing())
        .then(|| Cusp::new(&centre, offsets, request.limits, request.channels).unwrap())
}

fn prepared(kernel: &dyn Kernel) -> Prepared {
    kernel.prepare(&Preparing::quietly(&Stop::new())).unwrap()
}

fn compute(kernel: &dyn Kernel, prepared: &Prepared, tile: Tile) -> Result<Vec<u32>> {
    let mut words = vec![0; tile.area() * kernel.channels().words()];
    let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
    kernel.compute(prepared, claim, &Stop::new()).map(|_| words)
}

/// z iterated step by step, with what a derivative by c times `scale` is added to; until |z| > 256.
fn plainly(epsilon: [Double; 2], scale: f64, max: u64) -> Option<(u64, [f64; 2], [f64; 2])> {
    let c = [epsilon[0].plus(0.25), epsilon[1]];
    let (mut z, mut derivative) = ([Double::default(); 2], [0.0; 2]);
    for n in 1..=max {
        derivative = plus(times(z.map(|part| 2.0 * part.high), derivative), [scale, 0.0]);
        z = plus(times(z, z), c);
        let near = z.map(|part| part.high);
        if near[0].hypot(near[1]) > 256.0 {
            return Some((n, near, derivative));
        }
    }
    None
}

/// 4,442,882,939 iterations of 192-bit numbers, one by one, end there, at z = 1322.701247855078. They take 34 s of one processor.
#[test]
fn a_count_beyond_32_bits_is_that_of_arbitrary_precision() {
    let kernel =
        request("re = \"0.2500000000000000005\"\nim = \"0\"\nwidth = \"1e-27\"", 5_000_000_000).kernel().unwrap();
    let middle = Tile { x: 4, y: 4, width: 1, height: 1 };
    let words = compute(&*kernel, &prepared(&*kernel), middle).unwrap();
    let samples = Samples::new(middle, kernel.channels(), bytemuck::cast_slice(&words));
    assert_eq!(samples.count(0), Some(4_442_882_939));
    let smooth = 1.0 - (1322.701247855078_f64.ln() / 256_f64.ln()).log2();
    assert!((f64::from(samples.plane(FRACTIONS)[0]) - smooth).abs() < 1e-7);
}

#[test]
fn samples_are_those_of_the_formula() {
    let views = [
        "re = \"0.25000000001\"\nim = \"0\"\nwidth = \"3e-16\"",
        "re = \"0.250000000013\"\nim = \"4e-17\"\nwidth = \"2e-17\"\nrotation = 30.0",
    ];
    let (mut escaped, mut inside) = (0, 0);
    for view in views {
        let kernel = cusp(view, 1_200_000).unwrap();
        let words = compute(&kernel, &prepared(&kernel), WHOLE).unwrap();
        let samples = Samples::new(WHOLE, Channels::ALL, bytemuck::cast_slice(&words));
        for i in 0..WHOLE.area() {
            let epsilon = kernel.epsilon(i % 9, i / 9);
            let Some(count) = samples.count(i) else {
                inside += 1;
                assert!(i % 9 > 0 || plainly(epsilon, 1.0, 1_200_000).is_none(), "{view}: sample {i}");
                continue;
            };
            escaped += 1;
            if i % 3 > 0 {
                continue;
            }
            let (n, [x, y], [a, b]) = plainly(epsilon, kernel.scale, 1_200_000).unwrap();
            assert_eq!(count, n, "{view}: sample {i}");
            let fraction = 1.0 - (x.hypot(y).ln() / 256_f64.ln()).log2();
            assert!((f64::from(samples.plane(FRACTIONS)[i]) - fraction).abs() < 1e-6, "{view}: sample {i}");
            let pixels = x.hypot(y) * x.hypot(y).ln() / (a.hypot(b) * kernel.offsets.spacing);
            let ours = samples.plane(DISTANCES_X)[i].hypot(samples.plane(DISTANCES_Y)[i]);
            assert!((f64::from(ours) / pixels - 1.0).abs() < 1e-5, "{view}: sample {i}: {ours} and {pixels} pixels");
        }
    }
    assert!(escaped > 20 && inside > 20, "{escaped} and {inside}");
}

#[test]
fn a_larger_maximum_changes_nothing_that_has_escaped() {
    let view = "re = \"0.25000000001\"\nim = \"0\"\nwidth = \"3e-16\"";
    let [few, many] = [993_459, 1 << 53].map(|max| {
        let kernel = cusp(view, max).unwrap();
        compute(&kernel, &prepared(&kernel), WHOLE).unwrap()
    });
    let area = WHOLE.area();
    // The samples of the larger maximum have high words besides.
    let escaped: Vec<_> = (0..area).filter(|&i| few[i] != u32::MAX).collect();
    assert!(!escaped.is_empty() && escaped.len() < area);
    assert!(escaped.iter().all(|&i| (0..4).all(|plane| few[plane * area + i] == many[plane * area + i])));
}

#[test]
fn only_views_that_need_it_have_this_kernel() {
    let at = |re: &str, width: &str| cusp(&format!("re = \"{re}\"\nim = \"0\"\nwidth = \"{width}\""), 1000).is_some();
    assert!(at("0.2500000000000000005", "1e-20") && at("0.25", "1e-20") && at("0.25", "1e-250"));
    assert!(!at("0.26", "1e-20"), "its orbits are short");
    assert!(!at("0.25", "1e-9"), "some of its orbits are short");
    assert!(!at("0.2500000000000000005", "1e-50"), "ε has not the digits");
    assert!(at("0.25", "1e-400"), "ε is 0, or nearly");
}

#[test]
fn damaged_bytes_are_refused_and_a_stop_is_noticed() {
    // No sample of this view escapes.
    let deep = cusp("re = \"0.25\"\nim = \"0\"\nwidth = \"1e-400\"", 1 << 53).unwrap();
    let words = compute(&deep, &prepared(&deep), WHOLE).unwrap();
    assert!(words[..WHOLE.area()].iter().all(|&word| word == u32::MAX));
    let kernel = cusp("re = \"0.25\"\nim = \"0\"\nwidth = \"1e-20\"", 1 << 40).unwrap();
    let honest = prepared(&kernel);
    let len = honest.get(PART).unwrap().len();
    assert_eq!(len as u64, kernel.prepared_len());
    for len in [0, 15, len - 16, len + 16] {
        let other = Prepared::default().with(PART, vec![1_u8; len][..].into());
        assert!(matches!(compute(&kernel, &other, WHOLE), Err(Error::Input(text)) if text.contains("damaged")));
    }
    for word in [f64::NAN, f64::INFINITY, -1e300, 0.0] {
        let wild = bytemuck::cast_slice(&vec![word; len / 8]).to_vec();
        compute(&kernel, &Prepared::default().with(PART, wild[..].into()), WHOLE).unwrap();
    }
    let stop = Stop::new();
    stop.set();
    assert!(matches!(kernel.prepare(&Preparing::quietly(&stop)), Err(Error::Stopped)));
    let claim = TileClaim { tiles: &[WHOLE.into()], words: &mut vec![0; 9999], useful: &mut [0] };
    assert!(matches!(kernel.compute(&honest, claim, &stop), Err(Error::Stopped)));
}
