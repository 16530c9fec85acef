//! What differences of the tail are computed in: lanes of `f64`, or of two for quality `exact`.

use super::orbit::Orbit;
use super::pack::{MOST_LANES, Pack, Places};
use crate::formula::Number;
use crate::kernel::double_double::{DoubleDouble, HighPart};

/// Such numbers.
pub(super) trait Difference<L: Pack>: Number + HighPart<L> {
    /// The difference and the iterate of the reference after rebasing the lanes that are not `near`, from δ, Z and Z + δ.
    fn rebased(near: L::Mask, delta: Self, z: Self, full: Self) -> [Self; 2];

    /// The iterates at some places.
    fn iterates(l: L, places: &Places, orbit: &Orbit<'_>) -> [Self; 2];

    /// Another number in some lanes.
    fn with(self, lanes: L::Mask, number: DoubleDouble<f64>) -> Self;

    /// The high parts and the low ones.
    fn stored(self) -> [[f64; MOST_LANES]; 2];

    /// What an iterate lacks, if these numbers can hold it.
    fn rest(orbit: &Orbit<'_>, at: usize) -> [f64; 2];

    /// The sum of two numbers of a high and a low part, likewise.
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64>;
}

impl<L: Pack> Difference<L> for L {
    #[inline(always)]
    fn rebased(near: L::Mask, delta: Self, z: Self, _: Self) -> [Self; 2] {
        [delta + z.without(near), z.masked(near)]
    }
    #[inline(always)]
    fn iterates(l: L, places: &Places, orbit: &Orbit<'_>) -> [Self; 2] {
        l.iterates(places, orbit.z)
    }
    #[inline(always)]
    fn with(self, lanes: L::Mask, number: DoubleDouble<f64>) -> Self {
        self.constant(number.high).select(lanes, self)
    }
    #[inline(always)]
    fn stored(self) -> [[f64; MOST_LANES]; 2] {
        [stored(self), [0.0; MOST_LANES]]
    }
    #[inline(always)]
    fn rest(_: &Orbit<'_>, _: usize) -> [f64; 2] {
        [0.0; 2]
    }
    #[inline(always)]
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64> {
        DoubleDouble::of(a.high + b.high)
    }
}

impl<L: Pack> Difference<L> for DoubleDouble<L> {
    #[inline(always)]
    fn rebased(near: L::Mask, delta: Self, z: Self, full: Self) -> [Self; 2] {
        let high = delta.high.select(near, full.high);
        let low = delta.low.select(near, full.low);
        [Self { high, low }, Self { high: z.high.masked(near), low: z.low.masked(near) }]
    }
    #[inline(always)]
    fn iterates(l: L, places: &Places, orbit: &Orbit<'_>) -> [Self; 2] {
        let ([x, y], [x_low, y_low]) = (l.iterates(places, orbit.z), l.iterates(places, orbit.rest));
        [Self { high: x, low: x_low }, Self { high: y, low: y_low }]
    }
    #[inline(always)]
    fn with(self, lanes: L::Mask, DoubleDouble { high, low }: DoubleDouble<f64>) -> Self {
        Self {
            high: Difference::<L>::with(self.high, lanes, DoubleDouble::of(high)),
            low: Difference::<L>::with(self.low, lanes, DoubleDouble::of(low)),
        }
    }
    #[inline(always)]
    fn stored(self) -> [[f64; MOST_LANES]; 2] {
        [stored(self.high), stored(self.low)]
    }
    #[inline(always)]
    fn rest(orbit: &Orbit<'_>, at: usize) -> [f64; 2] {
        orbit.rest[at]
    }
    #[inline(always)]
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64> {
        a + b
    }
}

#[inline(always)]
pub(super) fn stored<L: Pack>(numbers: L) -> [f64; MOST_LANES] {
    let mut array = [0.0; MOST_LANES];
    numbers.store(&mut array);
    array
}
