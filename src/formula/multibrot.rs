//! Multibrot sets: z^d + c. The last square, product or cube adds c, so that both are rounded once.

use super::complex::{cube_add, multiply_add, power, square_add};
use super::{Formula, FormulaEntry, Home, Number};

/// z^D + c for D from 3 to 8. (Power 2 is [`super::Mandelbrot`].)
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Multibrot<const D: u32>;

pub(super) static ENTRY: FormulaEntry = FormulaEntry {
    name: "multibrot",
    help: "z^power + c, power 2 to 8",
    powers: 2..=8,
    home: Home { re: "0", im: "0", zoom: "1.45" },
    julia_home: Home { re: "0", im: "0", zoom: "1.6" },
};

impl<const D: u32> Formula for Multibrot<D> {
    const DEGREE: u32 = D;
    const CONFORMAL: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        [a * a.constant(-1.0), b, b]
    }

    #[inline(always)]
    fn step<N: Number>(self, z: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
        match D {
            3 => cube_add(z, [minus_a, b]),
            _ if D.is_multiple_of(2) => square_add(power(z, D / 2), [minus_a, b]),
            _ => multiply_add(power(z, D - 1), z, [minus_a, b]),
        }
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, z: [N; 2]) -> [[N; 2]; 2] {
        let ([u, v], d) = (power(z, D - 1), z[0].constant(f64::from(D)));
        [[d * u, u.constant(-f64::from(D)) * v], [d * v, d * u]]
    }
}
