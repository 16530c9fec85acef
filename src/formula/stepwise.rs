//! A formula without its form for two iterations at once.

use super::{Formula, Interior, Lanes};

/// `F` with two single steps for two iterations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stepwise<F>(pub(crate) F);

impl<F: Formula> Formula for Stepwise<F> {
    const DEGREE: u32 = F::DEGREE;
    const CONFORMAL: bool = F::CONFORMAL;

    #[inline(always)]
    fn parameters<L: Lanes>(self, c: [L; 2]) -> [L; 3] {
        self.0.parameters(c)
    }

    #[inline(always)]
    fn step<L: Lanes>(self, z: [L; 2], parameters: [L; 3]) -> [L; 2] {
        self.0.step(z, parameters)
    }

    #[inline(always)]
    fn jacobian<L: Lanes>(self, z: [L; 2]) -> [[L; 2]; 2] {
        self.0.jacobian(z)
    }

    fn growth_radius(self, c: f64) -> f64 {
        self.0.growth_radius(c)
    }

    #[inline(always)]
    fn interior<L: Lanes>(self, c: [L; 2]) -> Option<Interior<L::Mask>> {
        self.0.interior(c)
    }
}
