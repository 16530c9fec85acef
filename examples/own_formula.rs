//! A formula of your own: the Buffalo, which folds the square of z into the first quadrant.
//!
//! It is written once, generic over numbers: one `f64`, or a SIMD vector of them. The kernel does the rest on every instruction set:
//! lane refill, periodicity, smooth counts, distances.

use fractal::backend::{self, WorkKind};
use fractal::colour::Depth;
use fractal::formula::{Formula, Number};
use fractal::sink::PictureSink;
use fractal::{Render, Scene, Stop};
use std::sync::Arc;

/// (|Re z²| + i·|Im z²|) + c.
#[derive(Clone, Copy, Debug)]
struct Buffalo;

impl Formula for Buffalo {
    const DEGREE: u32 = 2;
    const CONFORMAL: bool = false;

    #[inline(always)]
    fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
        [x.mul_sub(x, y * y).abs() + a, ((x + x) * y).abs() + b]
    }

    /// That of z², with each row multiplied by the sign of the part that was folded.
    #[inline(always)]
    fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
        let two = x.constant(2.0);
        let (re, im) = (two.copysign(x.mul_sub(x, y * y)), two.copysign(x * y));
        [[re * x, re * y * x.constant(-1.0)], [im * y, im * x]]
    }
}

fn main() -> fractal::Result<()> {
    // In a process that was started as a worker, this never returns: the workers of the last lines know the formula by it.
    fractal::worker_main([WorkKind::formula(Buffalo)]);

    let scene = Scene::builder().centre(-0.6, -0.5).width(5).max_iterations(1000).palette("ember").size(1280, 720);
    let render = Render::with_formula(&scene.build()?, Default::default(), Buffalo)?;
    let picture = render.picture()?;
    picture.save("output/own_formula.png")?;

    let mut session = backend::find("pipes")?.open(&Default::default())?;
    let sink = Arc::new(PictureSink::new(render.image_options(Depth::Eight))?);
    let report = render.run(&mut *session, sink.clone(), &Stop::new())?.report;
    assert!(*sink.picture() == picture, "the same pixels");
    println!("the same from {} processes", report.workers.len());
    Ok(())
}
