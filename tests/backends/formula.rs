//! A formula of a program's own, on workers of every kind.

use super::{open, support::Scratch};
use fractal::backend::BACKENDS;
use fractal::formula::{Formula, Number};
use fractal::parallel::{Pieces, Stop};
use fractal::sample::Order;
use fractal::scene::Crop;
use fractal::sink::{Checkpoint, Grid, Records, Sample};
use fractal::{Known, Part, Render, Scene};
use std::sync::Arc;

/// z² + c with a part of the real axis added to the imaginary one, so that its slope shows in every sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaning {
    pub(super) slope: f64,
}

impl Formula for Leaning {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = false;

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
        let re = x.mul_sub(x, y * y) + a;
        [re, (x + x).mul_add(y, b) + re * x.constant(self.slope)]
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        let (two, slope) = (x.constant(2.0), x.constant(self.slope));
        let (by_x, by_y) = (two * x, two * y);
        [[by_x, by_y * x.constant(-1.0)], [by_y + by_x * slope, by_x - by_y * slope]]
    }
}

fn render(slope: f64) -> Render {
    let scene = "iteration.max = 300\n[image]\nsize = [48, 36]\n[colour]\npalette = \"ember\"\n";
    let options = fractal::RenderOptions { tile: 8, ..Default::default() };
    Render::with_formula(&Scene::from_toml(scene).unwrap(), options, Leaning { slope }).unwrap()
}

fn samples(render: &Render, backend: &str, known: Option<Arc<Records>>) -> fractal::Result<Vec<Sample>> {
    let grid = Arc::new(Grid::new(render.tiles()));
    let mut session = open(fractal::backend::find(backend)?, 2);
    let known = Known { tiles: known.into_iter().map(|tiles| tiles as _).collect(), samples: None };
    render.run_missing(&mut *session, grid.clone(), &Pieces::new(render.tiling().len(), None), known, &Stop::new())?;
    Ok(grid.samples())
}

#[test]
fn every_backend_computes_a_formula_of_the_program_and_its_parts() {
    let whole = render(0.5);
    let area = Crop { x: 5, y: 7, width: 20, height: 11 };
    let part = |part| whole.part(part, 8, Order::Rows).unwrap();
    let renders = [whole.clone(), part(Part::Area(area)), part(Part::Coarse(area, 4))];
    let expected: Vec<_> = renders.iter().map(|render| samples(render, "serial", None).unwrap()).collect();
    assert_ne!(expected[0], samples(&Render::new(whole.scene()).unwrap(), "serial", None).unwrap());
    for entry in BACKENDS {
        for (render, expected) in renders.iter().zip(&expected) {
            assert!(samples(render, entry.name, None).unwrap() == *expected, "{}", entry.name);
        }
    }
}

#[test]
fn a_formula_with_other_parameters_is_another_one() {
    let other = render(0.25);
    assert_ne!(samples(&render(0.5), "serial", None).unwrap(), samples(&other, "serial", None).unwrap());
    for entry in BACKENDS.iter().filter(|entry| entry.in_processes()) {
        let error = samples(&other, entry.name, None).unwrap_err().to_string();
        assert!(error.contains("knows no work of kind `render Leaning { slope: 0.25 }`, only"), "{error}");
    }

    // Finished tiles belong to their formula, too.
    let scratch = Scratch::new("own-formula");
    let path = scratch.join("tiles");
    let ours = render(0.5);
    let checkpoint = Arc::new(Checkpoint::create(&path, &ours.description(None).unwrap()).unwrap());
    ours.run_here(checkpoint, &Stop::new()).unwrap();
    let open = || Records::open(&path).unwrap();
    let records = Arc::new(ours.read_records(open(), &Stop::new()).unwrap());
    assert!(records.is_complete());
    let kept = samples(&ours, "processes", Some(records)).unwrap();
    assert_eq!(kept, samples(&ours, "serial", None).unwrap());
    for wrong in [other, Render::new(ours.scene()).unwrap()] {
        let error = wrong.read_records(open(), &Stop::new()).unwrap_err().to_string();
        assert!(error.contains("its kind of work is render Leaning { slope: 0.5 }, not"), "{error}");
    }
    let error = Render::of_records(open().description(), &path).unwrap_err().to_string();
    assert!(error.contains("only the program that has this formula"), "{error}");

    // Other colours of the same tiles are still of this formula.
    let mut scene = ours.scene().clone();
    scene.set("palette=lagoon").unwrap();
    let again = ours.of_scene(&scene).unwrap();
    assert_eq!(samples(&again, "serial", None).unwrap(), samples(&ours, "serial", None).unwrap());
}
