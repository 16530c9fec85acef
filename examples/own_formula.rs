//! A formula of your own: the Buffalo, which folds the square of z into the first quadrant.
//!
//! It is written once, generic over numbers: one `f64`, or a SIMD vector of them. The kernel does the rest on every instruction set:
//! lane refill, periodicity, smooth counts, distances.

use fractal::formula::{Formula, Number};
use fractal::{Render, Scene};

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
    let mut scene = Scene::default();
    for assignment in ["re=-0.6", "im=-0.5", "width=5", "max=1000", "palette=ember", "size=1280x720"] {
        scene.set(assignment)?;
    }
    Render::with_formula(&scene, Default::default(), Buffalo)?.picture()?.save("output/own_formula.png")
}
