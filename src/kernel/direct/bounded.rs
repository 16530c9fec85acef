//! A proof that an orbit never escapes, found long before the orbit repeats.
//!
//! Let z₀ be the iterate that an orbit has reached, as computed, and z₁, z₂, … those that follow. The points w of a disc around zₖ, where
//! |w − zₖ| ≤ ρ, go into one of radius ρ·(2|zₖ| + ρ) around zₖ₊₁, since |w² − z²| = |w − z|·|w + z|; that holds for computed iterates
//! too, if what two of them are rounded by is added. If the disc around z₀ of some radius r comes to lie within itself, after any number
//! of iterations, then no iterate of any number in it ever leaves these few discs. If they all lie within a radius of 2, the orbit never
//! escapes.
//!
//! What radius will do is found first. After k iterations the disc's radius is slope·r + bend·r² and terms of higher order, where the
//! slope is the product of all 2|z|. An attracting cycle of a period k near z₀ has a slope below 1; then there is room for the distance
//! from z₀ to zₖ if it is at most (1 − slope)² / (4·bend). The radius in the middle of what is possible is 4 times the one that is
//! tried, for the sake of the higher terms.
//!
//! Lanes are searched where an orbit has just repeated, and for as long as something is found: elsewhere, what searches cost is more than
//! what they save. On AVX2 on Granite Rapids, on a busy machine, A@50000 takes 0.85 of the time without (`fractal bench kernel`), and
//! A@1000 0.98. B gains nothing: its interior takes a twentieth of its time, and more than half of that has periods above 128, for which
//! a search takes longer than the rest of the orbit.
//!
//! Tried there, each on a busy machine, where 2 % are no difference: at most 128 steps (A@50000 1.2) or 64 (1.05); an eighth of the
//! iterations so far (1.03); searching all groups that have done 512 iterations (A@50000 0.95, B 1.03); with 512 bits, where the square
//! roots take longest (A@1000 1.1). Discs of parameters, so that one proof does for a sample and its neighbours, have a radius of 0.4
//! samples in the mean on A and 0.25 on B: it shrinks with the square of the distance from the boundary. Discs whose centre moves with c
//! would shrink with the distance itself; they were not tried.

use super::Problem;
use super::engine::Engine;
use super::scratch::Flight;
use crate::formula::{Formula, Lanes, MaskOf, Number, Vector};
use crate::kernel::unroll::unroll;
use fearless_simd::prelude::*;

/// More than what two iterates within the radius of 2 are rounded by: each by less than 30 units of 2⁻⁵³.
const ROUNDING: f64 = 1.0 / (1_u64 << 46) as f64;
/// Twice the radius within which all discs must lie. The margin is more than any rounding of what is compared with it.
const WIDEST: f64 = 2.0 * 1.99;
/// 2, and more than what |z| and the disc's radius are rounded by.
const TWICE: f64 = 2.0 + 1.0 / (1_u64 << 40) as f64;
/// A disc that has grown this much is given up.
const STEEPEST: f64 = 1e6;

/// The most iterations of a search, and the share of those done so far.
const MOST: u64 = 32;
const SHARE: u64 = 16;
/// Vectors that are searched at once: one waits for its own results most of the time.
const PAIR: usize = 2;

/// What came of a search.
pub(super) struct Bounded {
    /// The lanes that never escape.
    pub(super) lanes: u64,
    /// Iterations, of all lanes together.
    pub(super) executed: u64,
}

/// Some vectors of complex numbers.
type Points<S> = [[Vector<S>; PAIR]; 2];

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    /// Whether orbits are proved never to escape. With 512 bits, what searches cost is more than what they save.
    pub(super) const PROVES: bool = F::SQUARE && Self::LEN <= 4;

    /// Those of `suspects`, which have done at least `n` iterations, whose orbits are proved never to escape. Gives up where none of
    /// those that are searched at once is.
    #[inline(never)]
    pub(super) fn bounded(simd: S, problem: &Problem<F>, lanes: &Flight, suspects: u64, n: u64) -> Bounded {
        simd.vectorize(
            #[inline(always)]
            || Self::bounded_inlined(simd, problem, lanes, suspects, (n / SHARE).min(MOST)),
        )
    }

    #[inline(always)]
    fn bounded_inlined(simd: S, problem: &Problem<F>, lanes: &Flight, suspects: u64, most: u64) -> Bounded {
        let at_once = (PAIR * Self::LEN) as u64;
        let zero = Vector::<S>::splat(simd, 0.0);
        let mut bounded = Bounded { lanes: 0, executed: 0 };
        let mut rest = suspects;
        while rest != 0 {
            // The next few side by side; where there are fewer, the last is repeated.
            let mut from = [0; 16];
            let mut side = [[0.0; 16]; 4];
            let mut l = 0;
            while l < PAIR * Self::LEN {
                from[l] = if rest == 0 { from[l - 1] } else { rest.trailing_zeros() as usize };
                rest &= rest.wrapping_sub(1);
                let i = from[l];
                (side[0][l], side[1][l]) = (lanes.z[0].0[i], lanes.z[1].0[i]);
                (side[2][l], side[3][l]) = (lanes.a.0[i], lanes.b.0[i]);
                l += 1;
            }
            let mut z = [[zero; PAIR]; 2];
            let mut parameters = [[zero; 3]; PAIR];
            unroll!(PAIR, k => {
                let i = k * Self::LEN;
                (z[0][k], z[1][k]) = (Vector::load(simd, &side[0][i..]), Vector::load(simd, &side[1][i..]));
                let c = [Vector::load(simd, &side[2][i..]), Vector::load(simd, &side[3][i..])];
                parameters[k] = problem.formula.parameters(c);
            });
            let (steps, radius) = Self::attracted(problem, z, &parameters, most);
            bounded.executed += steps * at_once;
            let mut proved = 0;
            if radius[0].0.reduce_max().max(radius[1].0.reduce_max()) > 0.0 {
                proved = Self::proved(problem, z, &parameters, radius, steps);
                bounded.executed += steps * at_once;
            }
            if proved == 0 {
                break;
            }
            while proved != 0 {
                bounded.lanes |= 1 << from[proved.trailing_zeros() as usize];
                proved &= proved - 1;
            }
        }
        bounded
    }

    /// Looks for a radius for each lane, 0 where there is none, and says for how many iterations.
    #[inline(always)]
    fn attracted(
        problem: &Problem<F>,
        z: Points<S>,
        parameters: &[[Vector<S>; 3]; PAIR],
        most: u64,
    ) -> (u64, [Vector<S>; PAIR]) {
        let [mut x, mut y] = z;
        let (zero, one, twice) = (x[0].constant(0.0), x[0].constant(1.0), x[0].constant(TWICE));
        let (twelve, eighth, steepest) = (x[0].constant(12.0), x[0].constant(0.125), x[0].constant(STEEPEST));
        let (mut slope, mut bend, mut radius) = ([one; PAIR], [zero; PAIR], [zero; PAIR]);
        let mut open = u64::MAX >> (64 - PAIR * Self::LEN);
        let mut steps = 0;
        while steps < most && open != 0 {
            steps += 1;
            let (mut near, mut flat) = (0, 0);
            unroll!(PAIR, k => {
                let factor = y[k].mul_add(y[k], x[k] * x[k]).sqrt() * twice;
                bend[k] = factor.mul_add(bend[k], slope[k] * slope[k]);
                slope[k] = factor * slope[k];
                [x[k], y[k]] = problem.formula.step([x[k], y[k]], parameters[k]);
                let (u, v) = (x[k] - z[0][k], y[k] - z[1][k]);
                let (room, scaled) = (one - slope[k], bend[k] * twelve);
                let square = room * room;
                let enough = (scaled * scaled * v.mul_add(v, u * u)).at_most(square * square) & slope[k].at_most(one);
                near |= enough.to_bitmask() << (k * Self::LEN);
                flat |= slope[k].at_most(steepest).to_bitmask() << (k * Self::LEN);
            });
            near &= open;
            if near != 0 {
                unroll!(PAIR, k => {
                    let mask = MaskOf::<S>::from_bitmask(x[k].0.token(), near >> (k * Self::LEN) & Self::FULL);
                    radius[k] = ((one - slope[k]) * eighth).div(bend[k]).select(mask, radius[k]);
                });
            }
            open &= flat & !near;
        }
        (steps, radius)
    }

    /// The lanes in which the disc of a radius around z comes to lie within itself in at most so many iterations.
    #[inline(always)]
    fn proved(
        problem: &Problem<F>,
        z: Points<S>,
        parameters: &[[Vector<S>; 3]; PAIR],
        radius: [Vector<S>; PAIR],
        steps: u64,
    ) -> u64 {
        let [mut x, mut y] = z;
        let (zero, twice) = (x[0].constant(0.0), x[0].constant(TWICE));
        let (rounding, limit) = (x[0].constant(ROUNDING), x[0].constant(WIDEST));
        let (mut disc, mut widest) = (radius, [zero; PAIR]);
        let mut proved = 0;
        let mut i = 0;
        while i < steps {
            unroll!(PAIR, k => {
                let factor = y[k].mul_add(y[k], x[k] * x[k]).sqrt() * twice;
                widest[k] = Vector(widest[k].0.max((factor + (disc[k] + disc[k])).0));
                disc[k] = disc[k].mul_add(factor + disc[k], rounding);
                [x[k], y[k]] = problem.formula.step([x[k], y[k]], parameters[k]);
                let (u, v) = (x[k] - z[0][k], y[k] - z[1][k]);
                let inside = (v.mul_add(v, u * u).sqrt() + disc[k]).at_most(radius[k]);
                proved |= (inside & widest[k].at_most(limit)).to_bitmask() << (k * Self::LEN);
            });
            i += 1;
        }
        proved
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use crate::formula::Mandelbrot;
    use crate::kernel::smooth::Fraction;
    use crate::kernel::{Limits, Why};
    use crate::plane::Plane;
    use fearless_simd::Level;
    use num_complex::Complex64;
    use std::sync::Arc;

    /// Which of at most 8 points are proved never to escape, once their orbits are 256 iterations long.
    fn proved<S: Simd>(simd: S, problem: &Problem<Mandelbrot>, points: &[Complex64]) -> u64 {
        Scratch::with(|scratch| {
            let flight = &mut *scratch.flight;
            for (i, c) in points.iter().enumerate() {
                let parameters = problem.formula.parameters([c.re, c.im]);
                let z = (0..256).fold([0.0; 2], |z, _| problem.formula.step(z, parameters));
                (flight.z[0].0[i], flight.z[1].0[i], flight.a.0[i], flight.b.0[i]) = (z[0], z[1], c.re, c.im);
            }
            let suspects = u64::MAX >> (64 - points.len());
            Engine::<S, Mandelbrot, 7, 8>::bounded(simd, problem, flight, suspects, 256).lanes
        })
    }

    /// `proved` with the code for AVX2, which alone searches on x86.
    fn proved_by_avx2(problem: &Problem<Mandelbrot>, points: &[Complex64]) -> Option<u64> {
        #[cfg(target_arch = "x86_64")]
        return Level::new().as_avx2().map(|simd| proved(simd, problem, points));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    #[test]
    fn what_is_proved_never_escapes() {
        // Where the component of period 3 ends, and close outside of three places where an orbit takes long to escape.
        let point = |i: i32| Complex64::new(-0.24 + 0.003 * f64::from(i % 80), 0.63 + 0.003 * f64::from(i / 80));
        let mut points: Vec<_> = (0..80 * 80).map(point).collect();
        for digits in 1..40 {
            let near = 10_f64.powf(-0.125 * f64::from(digits));
            points.extend(
                [(-1.75 + near, 0.0), (-0.75, near), (0.25 + near, 0.0)].map(|(re, im)| Complex64::new(re, im)),
            );
        }
        let plane = Arc::new(Plane { columns: vec![0.0], rows: vec![0.0], rotation: None, spacing: 1.0 });
        let limits = Limits { max: 20_000, escape_radius: 2.0 };
        let fraction = Fraction::new(2, limits.escape_radius, true);
        let problem = Problem {
            formula: Mandelbrot,
            julia: None,
            plane,
            limits,
            fraction,
            checked: false,
            paired: true,
            refine_from: u64::MAX,
        };
        let (mut stay, mut found) = (0, 0);
        for points in points.chunks(8) {
            let Some(lanes) = proved_by_avx2(&problem, points) else { return };
            for (i, &point) in points.iter().enumerate() {
                let escapes = problem.orbit(point, true, &mut || false).unwrap().why == Why::Escaped;
                let proved = lanes >> i & 1 == 1;
                assert!(!(escapes && proved), "{point}");
                stay += u32::from(!escapes);
                found += u32::from(proved);
            }
        }
        assert!(3 * found > 2 * stay, "{found} of {stay}");
    }
}
