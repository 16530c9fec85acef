//! Formulas: what is iterated. Each is one file, written once over [`Number`], and one line in the table at the end of this file.
//!
//! Every formula maps z to f(z, c). As a plane of parameters, z₀ = 0 and c is the point; as a Julia set, z₀ is the point and c fixed.

mod burning_ship;
mod celtic;
mod complex;
mod lanes;
mod mandelbrot;
mod multibrot;
#[cfg(feature = "bench")]
mod operations;
mod regions;
mod stepwise;
mod tricorn;

pub(crate) use burning_ship::BurningShip;
pub(crate) use celtic::Celtic;
pub use lanes::{Lanes, Number};
pub(crate) use lanes::{MaskOf, Vector};
pub(crate) use mandelbrot::Mandelbrot;
pub(crate) use multibrot::Multibrot;
#[cfg(feature = "bench")]
pub(crate) use operations::operations;
pub(crate) use stepwise::Stepwise;
pub(crate) use tricorn::Tricorn;

use crate::error::{Error, Result, perhaps, shorten};
use num_complex::Complex64;
use std::fmt::Debug;
use std::ops::RangeInclusive;

/// A formula as code, from which kernels are built. Implement it for a type of your own to render a formula of your own with the same
/// kernel, and so with all its features: instruction sets, lane refill, periodicity, smooth counts and distances.
///
/// ```
/// use fractal::formula::{Formula, Number};
/// use fractal::{Render, Scene};
///
/// /// z² + c, then conjugated: its set is the Tricorn's mirror image.
/// #[derive(Clone, Copy, Debug)]
/// struct Mirror;
///
/// impl Formula for Mirror {
///     const DEGREE: u32 = 2;
///     const CONFORMAL: bool = false;
///
///     #[inline(always)]
///     fn step<N: Number>(self, [x, y]: [N; 2], [a, b, _]: [N; 3]) -> [N; 2] {
///         [x.mul_add(x, a - y * y), y.constant(0.0) - (x + x).mul_add(y, b)]
///     }
///
///     #[inline(always)]
///     fn jacobian<N: Number>(self, [x, y]: [N; 2]) -> [[N; 2]; 2] {
///         let (two, minus_two) = (x.constant(2.0), x.constant(-2.0));
///         [[two * x, minus_two * y], [minus_two * y, minus_two * x]]
///     }
/// }
///
/// # fn main() -> fractal::Result<()> {
/// let scene = Scene::builder().size(64, 48).max_iterations(500).build()?;
/// let picture = Render::with_formula(&scene, Default::default(), Mirror)?.picture()?;
/// assert_eq!(picture.width, 64);
/// # Ok(())
/// # }
/// ```
///
/// Complex numbers are pairs (real, imaginary) of lanes. Whatever its form, [`Formula::step2`] must give the same bits as
/// [`Formula::step`] applied twice.
pub trait Formula: Copy + Debug + Send + Sync + 'static {
    /// The degree d, at least 2: far out |f(z)| is about |z|^d. The smooth count follows from it.
    const DEGREE: u32;

    /// Whether f is holomorphic in z, so that its Jacobian is the matrix of a complex number.
    const CONFORMAL: bool;

    /// Whether [`Formula::step2`] has a form of its own for lanes whose additions are as costly as multiplications
    /// ([`Number::UNIFIED_PORTS`]). Kernels then have code for both forms and use the better one for the processor and the scene.
    const PAIRED: bool = false;

    /// Whether kernels have code for 128-bit vectors without fused multiply-adds, for comparison: it is slower than the plain loop,
    /// which otherwise runs in its place.
    const NARROW: bool = false;

    /// Whether f spreads points no more than z² does: |f(w) − f(z)| ≤ |w − z|·(|w| + |z|), with a single iteration from |z| ≤ 2 rounded
    /// by at most 2⁻⁴⁸. Then kernels can prove that an orbit near an attracting cycle never escapes.
    const SQUARE: bool = false;

    /// What [`Formula::step`] needs of c, computed once for each point: c and its half, for example. The default is c itself.
    #[inline(always)]
    fn parameters<N: Number>(self, c: [N; 2]) -> [N; 3] {
        [c[0], c[1], c[1]]
    }

    /// One iteration: f(z, c).
    fn step<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2];

    /// Two iterations, for formulas that can do two in fewer operations than one twice.
    #[inline(always)]
    fn step2<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        self.step(self.step(z, parameters), parameters)
    }

    /// The Jacobian of f by z: rows ∂Re f/∂(x, y) and ∂Im f/∂(x, y). For a conformal formula only the first column is used.
    fn jacobian<N: Number>(self, z: [N; 2]) -> [[N; 2]; 2];

    /// The radius beyond which |z| grows with every iteration, given |c|. For smaller escape radii every single iterate is tested.
    /// The default holds wherever |f(z, c)| ≥ |z|² − |c|.
    fn growth_radius(self, c: f64) -> f64 {
        c.max(2.0)
    }

    /// Regions of the plane of c with z₀ = 0 that are known never to escape a radius of 2 or more.
    #[inline(always)]
    fn interior<L: Lanes>(self, c: [L; 2]) -> Option<Interior<L::Mask>> {
        let _ = c;
        None
    }

    /// Whether a rectangle of the plane, from its lower left to its upper right corner, may contain points of these regions. In tiles
    /// that do not, no point is tested. By default all are.
    fn may_be_interior(self, low: [f64; 2], high: [f64; 2]) -> bool {
        let _ = (low, high);
        true
    }
}

/// Which lanes lie in regions that are known never to escape.
#[derive(Clone, Copy, Debug)]
pub struct Interior<M> {
    /// In the main cardioid.
    pub cardioid: M,
    /// In the disc of period 2.
    pub bulb: M,
}

/// A view that shows the whole set of a formula, as decimal strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Real part of the centre.
    pub re: &'static str,
    /// Imaginary part of the centre.
    pub im: &'static str,
    /// 4 divided by the height of the image in the plane.
    pub zoom: &'static str,
}

/// A formula as users choose it.
#[derive(Debug)]
pub struct FormulaEntry {
    /// Its name, as written in scenes and on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
    /// The powers that it can have.
    pub powers: RangeInclusive<u32>,
    /// The view of the plane of c.
    pub home: Home,
    /// The view of a Julia set.
    pub julia_home: Home,
}

impl FormulaEntry {
    /// The power when none is given: the smallest, except that `multibrot` starts at 3, since 2 is the Mandelbrot set.
    pub fn default_power(&self) -> u32 {
        if self.powers.end() > self.powers.start() { 3 } else { *self.powers.start() }
    }
}

/// A formula with its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Which formula.
    pub entry: &'static FormulaEntry,
    /// Its power, one of `entry.powers`.
    pub power: u32,
    /// The fixed c of a Julia set; `None` for the plane of c.
    pub julia: Option<Complex64>,
}

/// Looks a formula up by name.
///
/// # Errors
/// [`Error::Usage`], which lists the known names.
pub fn find(name: &str) -> Result<&'static FormulaEntry> {
    FORMULAS.iter().copied().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = FORMULAS.iter().map(|entry| entry.name).collect();
        let perhaps = perhaps(name, known.iter().copied());
        Error::Usage(format!("unknown formula `{}`{perhaps}; the formulas are {}", shorten(name), known.join(", ")))
    })
}

/// An operation on the type of a formula that is known only by name. See [`Spec::visit`].
pub(crate) trait Visitor {
    /// What is returned.
    type Output;

    /// Called with the formula.
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

/// Generates the table and the mapping from a name and power to the type.
macro_rules! formulas {
    ($($entry:path { $($power:literal => $formula:expr,)+ })+) => {
        /// All formulas.
        pub static FORMULAS: &[&FormulaEntry] = &[$(&$entry),+];

        impl Spec {
            /// Calls `visitor` with the formula's type.
            ///
            /// # Errors
            /// [`Error::Usage`] when the power is not one of the formula's.
            pub(crate) fn visit<V: Visitor>(&self, visitor: V) -> Result<V::Output> {
                $(if std::ptr::eq(self.entry, &$entry) {
                    match self.power {
                        $($power => return Ok(visitor.visit($formula)),)+
                        _ => {}
                    }
                })+
                let (first, last) = (self.entry.powers.start(), self.entry.powers.end());
                let allowed = if first == last { format!("{first}") } else { format!("{first} to {last}") };
                Err(Error::Usage(format!(
                    "power {} is not possible for formula `{}`; it must be {allowed}",
                    self.power, self.entry.name
                )))
            }
        }
    };
}

formulas! {
    mandelbrot::ENTRY { 2 => Mandelbrot, }
    multibrot::ENTRY {
        2 => Mandelbrot,
        3 => Multibrot::<3>,
        4 => Multibrot::<4>,
        5 => Multibrot::<5>,
        6 => Multibrot::<6>,
        7 => Multibrot::<7>,
        8 => Multibrot::<8>,
    }
    burning_ship::ENTRY { 2 => BurningShip, }
    tricorn::ENTRY { 2 => Tricorn, }
    celtic::ENTRY { 2 => Celtic, }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::{Add, Mul, Sub};

    /// 54 fractional bits: exact sums and truncated products.
    #[derive(Clone, Copy, Debug)]
    struct Fixed(i128);

    impl Fixed {
        const ONE: f64 = (1u64 << 54) as f64;
    }

    impl Add for Fixed {
        type Output = Self;
        fn add(self, other: Self) -> Self {
            Self(self.0 + other.0)
        }
    }

    impl Sub for Fixed {
        type Output = Self;
        fn sub(self, other: Self) -> Self {
            Self(self.0 - other.0)
        }
    }

    impl Mul for Fixed {
        type Output = Self;
        fn mul(self, other: Self) -> Self {
            Self((self.0 * other.0) >> 54)
        }
    }

    impl Number for Fixed {
        fn constant(self, value: f64) -> Self {
            Self((value * Self::ONE) as i128)
        }
        fn mul_add(self, b: Self, c: Self) -> Self {
            self * b + c
        }
        fn mul_sub(self, b: Self, c: Self) -> Self {
            self * b - c
        }
        fn abs(self) -> Self {
            Self(self.0.abs())
        }
        fn copysign(self, sign: Self) -> Self {
            Self(if sign.0 < 0 { -self.0.abs() } else { self.0.abs() })
        }
    }

    /// The same formula code gives the same orbit with numbers other than `f64`.
    #[test]
    fn formulas_run_over_numbers_that_are_no_floats() {
        struct Compare;
        impl Visitor for Compare {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                let c = [-0.2, 0.16];
                let fixed = c.map(|x| Fixed(0).constant(x));
                let (mut z, mut exact) = ([0.0; 2], [Fixed(0); 2]);
                let (parameters, exact_parameters) = (formula.parameters(c), formula.parameters(fixed));
                let mut apart: f64 = 0.0;
                for _ in 0..40 {
                    z = formula.step(z, parameters);
                    exact = formula.step(exact, exact_parameters);
                    let wide = [z[0] - exact[0].0 as f64 / Fixed::ONE, z[1] - exact[1].0 as f64 / Fixed::ONE];
                    apart = apart.max(wide[0].abs()).max(wide[1].abs());
                    let [jacobian, other] =
                        [formula.jacobian(z)[0][0], formula.jacobian(exact)[0][0].0 as f64 / Fixed::ONE];
                    apart = apart.max((jacobian - other).abs());
                }
                assert!(z[0].hypot(z[1]) < 1.0, "a bounded orbit");
                apart
            }
        }
        for entry in FORMULAS {
            for power in entry.powers.clone() {
                let apart = Spec { entry, power, julia: None }.visit(Compare).unwrap();
                assert!(apart < 1e-12, "{} {power}: {apart}", entry.name);
            }
        }
    }
}
