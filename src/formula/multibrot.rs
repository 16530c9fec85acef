//! Multibrot sets: z^d + c. Powers are made of squarings and products in a fixed order.

use super::{Entry, Formula, Home, Number};

/// z^D + c for D from 3 to 8. (Power 2 is [`super::Mandelbrot`].)
#[derive(Clone, Copy, Debug, Default)]
pub struct Multibrot<const D: u32>;

pub(super) static ENTRY: Entry = Entry {
    name: "multibrot",
    help: "z^power + c, power 2 to 8",
    powers: 2..=8,
    home: Home { re: "0", im: "0", zoom: "1.45" },
    julia_home: Home { re: "0", im: "0", zoom: "1.6" },
};

/// z², 4 operations.
#[inline(always)]
fn square<N: Number>([x, y]: [N; 2]) -> [N; 2] {
    [x.mul_sub(x, y * y), (x + x) * y]
}

/// (x² − 3y², 3x² − y²), so that z³ = (x·first, y·second).
#[inline(always)]
fn cube_factors<N: Number>([x, y]: [N; 2]) -> [N; 2] {
    let (xx, yy) = (x * x, y * y);
    let three = x.constant(3.0);
    [yy.mul_add(x.constant(-3.0), xx), xx.mul_sub(three, yy)]
}

#[inline(always)]
fn multiply<N: Number>([x, y]: [N; 2], [u, v]: [N; 2]) -> [N; 2] {
    [x.mul_sub(u, y * v), x.mul_add(v, y * u)]
}

/// z^n for n from 2 to 7.
#[inline(always)]
fn power<N: Number>(z: [N; 2], n: u32) -> [N; 2] {
    match n {
        2 => square(z),
        3 => {
            let [p, q] = cube_factors(z);
            [z[0] * p, z[1] * q]
        }
        4 => square(square(z)),
        5 => multiply(square(square(z)), z),
        6 => square(power3(z)),
        _ => multiply(square(power3(z)), z),
    }
}

#[inline(always)]
fn power3<N: Number>(z: [N; 2]) -> [N; 2] {
    let [p, q] = cube_factors(z);
    [z[0] * p, z[1] * q]
}

/// z² + c from −a and b.
#[inline(always)]
fn square_add<N: Number>([x, y]: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
    [x.mul_sub(x, y.mul_add(y, minus_a)), (x + x).mul_add(y, b)]
}

/// z·w + c from −a and b.
#[inline(always)]
fn multiply_add<N: Number>([x, y]: [N; 2], [u, v]: [N; 2], [minus_a, b, _]: [N; 3]) -> [N; 2] {
    [x.mul_sub(u, y.mul_add(v, minus_a)), x.mul_add(v, y.mul_add(u, b))]
}

impl<const D: u32> Formula for Multibrot<D> {
    const DEGREE: u32 = D;
    const CONFORMAL: bool = true;

    #[inline(always)]
    fn parameters<N: Number>(self, [a, b]: [N; 2]) -> [N; 3] {
        [a * a.constant(-1.0), b, b]
    }

    #[inline(always)]
    fn step<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        match D {
            3 => {
                let [p, q] = cube_factors(z);
                [z[0].mul_sub(p, parameters[0]), z[1].mul_add(q, parameters[1])]
            }
            4 => square_add(square(z), parameters),
            5 => multiply_add(power(z, 4), z, parameters),
            6 => square_add(power3(z), parameters),
            7 => multiply_add(power(z, 6), z, parameters),
            8 => square_add(power(z, 4), parameters),
            _ => unreachable!("powers from 3 to 8"),
        }
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, z: [N; 2]) -> [[N; 2]; 2] {
        let [u, v] = power(z, D - 1);
        let d = u.constant(f64::from(D));
        [[d * u, u.constant(-f64::from(D)) * v], [d * v, d * u]]
    }
}
