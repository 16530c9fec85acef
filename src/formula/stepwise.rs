//! A formula without its two-iteration form.

use super::{Formula, Interior, Lanes, Number};

/// `F`, with two single steps for two iterations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stepwise<F>(pub(crate) F);

impl<F: Formula> Formula for Stepwise<F> {
    const DEGREE: u32 = F::DEGREE;
    const CONFORMAL: bool = F::CONFORMAL;
    const SQUARE: bool = F::SQUARE;

    #[inline(always)]
    fn parameters<N: Number>(self, c: [N; 2]) -> [N; 3] {
        self.0.parameters(c)
    }

    #[inline(always)]
    fn step<N: Number>(self, z: [N; 2], parameters: [N; 3]) -> [N; 2] {
        self.0.step(z, parameters)
    }

    #[inline(always)]
    fn jacobian<N: Number>(self, z: [N; 2]) -> [[N; 2]; 2] {
        self.0.jacobian(z)
    }

    fn growth_radius(self, c: f64) -> f64 {
        self.0.growth_radius(c)
    }

    #[inline(always)]
    fn interior<L: Lanes>(self, c: [L; 2]) -> Option<Interior<L::Mask>> {
        self.0.interior(c)
    }

    fn may_be_interior(self, low: [f64; 2], high: [f64; 2]) -> bool {
        self.0.may_be_interior(low, high)
    }
}
