//! Complex arithmetic for formulas: pairs (real, imaginary) of numbers, with the operations in a fixed order.

use super::Number;

/// z², 4 operations.
#[inline(always)]
pub(super) fn square<N: Number>([x, y]: [N; 2]) -> [N; 2] {
    [x.mul_sub(x, y * y), (x + x) * y]
}

/// (x² − 3y², 3x² − y²), so that z³ = (x·first, y·second).
#[inline(always)]
fn cube_factors<N: Number>([x, y]: [N; 2]) -> [N; 2] {
    let (xx, yy) = (x * x, y * y);
    let three = x.constant(3.0);
    [yy.mul_add(x.constant(-3.0), xx), xx.mul_sub(three, yy)]
}

/// z³.
#[inline(always)]
pub(super) fn cube<N: Number>(z: [N; 2]) -> [N; 2] {
    let [p, q] = cube_factors(z);
    [z[0] * p, z[1] * q]
}

/// z·w.
#[inline(always)]
pub(super) fn multiply<N: Number>([x, y]: [N; 2], [u, v]: [N; 2]) -> [N; 2] {
    [x.mul_sub(u, y * v), x.mul_add(v, y * u)]
}

/// z^n for n from 2 to 7, made of squarings, cubes and products.
#[inline(always)]
pub(super) fn power<N: Number>(z: [N; 2], n: u32) -> [N; 2] {
    match n {
        2 => square(z),
        3 => cube(z),
        4 => square(square(z)),
        5 => multiply(square(square(z)), z),
        6 => square(cube(z)),
        7 => multiply(square(cube(z)), z),
        _ => unreachable!("powers from 2 to 7"),
    }
}

/// z² + c from −Re c and Im c.
#[inline(always)]
pub(super) fn square_add<N: Number>([x, y]: [N; 2], [minus_a, b]: [N; 2]) -> [N; 2] {
    [x.mul_sub(x, y.mul_add(y, minus_a)), (x + x).mul_add(y, b)]
}

/// z·w + c from −Re c and Im c.
#[inline(always)]
pub(super) fn multiply_add<N: Number>([x, y]: [N; 2], [u, v]: [N; 2], [minus_a, b]: [N; 2]) -> [N; 2] {
    [x.mul_sub(u, y.mul_add(v, minus_a)), x.mul_add(v, y.mul_add(u, b))]
}

/// z³ + c from −Re c and Im c.
#[inline(always)]
pub(super) fn cube_add<N: Number>(z: [N; 2], [minus_a, b]: [N; 2]) -> [N; 2] {
    let [p, q] = cube_factors(z);
    [z[0].mul_sub(p, minus_a), z[1].mul_add(q, b)]
}
