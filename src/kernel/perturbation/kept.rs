//! Reference orbits that serve other views than their own: for previews, while their own is not there yet.
//!
//! Any point's orbit may be a view's reference, since what perturbation needs is that differences are small beside it, and samples rebase
//! where they are not. It must not end, though, where it has only come to the maximum of iterations: there it is not close to 0, and what
//! rebases loses the digits that tell it from its neighbours. Where it ended at the period of a larger view, as it does before a zoom, the
//! samples that rebase are as far from 0 as that view was wide, so they keep 53 bits of that, and of their distance from the centre.
//!
//! Tried and lost: a reference around the nucleus of the view's period, in place of its centre, which neighbouring views share with the
//! bits of their samples. Newton's method needs an orbit for each step: the named places, whose centres are 2⁻²⁴ of the view's radius
//! from a nucleus, take 2 to come to 2⁻⁶⁶ and 3 to 2⁻⁹⁶, where the reference's precision ends. So every render of such a view would take
//! 3 to 4 times as long for its reference, about 1 s in place of 0.28 at 10^1003, only to spare windows the samples that a pan keeps; and
//! many views have no nucleus.

use super::orbit::Reference;
#[cfg(feature = "window")]
use super::orbit::{EXCESS_PART, Iterate, PART, REST_PART, SMALL_PART};
use super::{Offsets, Perturbation, SPACING_LOG2};
use crate::error::Result;
use crate::kernel::Limits;
use crate::number::{Decimal, Ratio};
use crate::parallel::Prepared;
use crate::plane::Rotation;
use crate::sample::Channels;
use num_complex::Complex64;
use serde::{Deserialize, Serialize};

/// How far from the reference a sample may be, and how large the reference's own view, in distances between samples, as a power of two:
/// then roundings of that move no sample by more than a millionth of the distance to the next.
const FARTHEST: f64 = 33.0;

/// A reference orbit, and the view for which it was computed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    centre: [Decimal; 2],
    exponent: i64,
    radius: f64,
    max: u32,
    /// R², at which iterates have excesses.
    limit: f64,
    double: bool,
    /// The orbit, in a process that has it.
    #[serde(skip)]
    orbit: Prepared,
}

impl Kept {
    /// How far a point is from the reference.
    fn away(&self, point: &[Decimal; 2]) -> [Ratio; 2] {
        [0, 1].map(|part| {
            let Ratio { num, den } = self.centre[part].ratio();
            point[part].ratio().plus(&Ratio { num: -num, den })
        })
    }

    /// Whether it is the reference of a view around this point, to the bit.
    #[cfg(feature = "window")]
    pub(in crate::kernel) fn is_own(&self, centre: &[Decimal; 2], offsets: &Offsets, limits: Limits) -> bool {
        let iterates = self.orbit.get(PART).map_or(0, <[u8]>::len) / size_of::<Iterate>();
        (self.exponent, self.radius) == (offsets.exponent, offsets.radius)
            && iterates as u64 <= limits.max
            && self.limit == limits.escape_radius * limits.escape_radius
            && self.away(centre).iter().all(Ratio::is_zero)
    }

    /// How many bytes it has.
    #[cfg(feature = "window")]
    pub(crate) fn len(&self) -> usize {
        self.orbit.len()
    }

    /// How far a view's centre is from the reference, divided by 2^`exponent`, if it serves samples at these offsets from the centre.
    pub(in crate::kernel) fn serves(&self, centre: &[Decimal; 2], offsets: &Offsets, double: bool) -> Option<[f64; 2]> {
        let away = self.away(centre).map(|Ratio { num, den }| {
            let shift = offsets.exponent.unsigned_abs() as usize;
            if offsets.exponent < 0 { Ratio { num: num << shift, den } } else { Ratio { num, den: den << shift } }
        });
        let farthest = away.each_ref().map(Ratio::log2).into_iter().fold(offsets.radius.log2(), f64::max);
        // It may be from a recipe, which may come from anywhere.
        if !(1e-9..1e9).contains(&self.radius) || !(SPACING_LOG2 as i64 - 1..=64).contains(&self.exponent) {
            return None;
        }
        let own = self.radius.log2() + (self.exponent - offsets.exponent) as f64;
        (self.double == double && farthest.max(own) <= FARTHEST).then(|| away.map(|part| part.to_f64()))
    }
}

impl Offsets {
    /// The same samples' offsets from another point, from which their centre is this far.
    fn seen_from(mut self, [right, up]: [f64; 2]) -> Self {
        if [right, up] == [0.0; 2] {
            return self;
        }
        match &mut self.plane.rotation {
            Some(Rotation { centre, .. }) => *centre += Complex64::new(right, up),
            None => {
                self.plane.columns.iter_mut().for_each(|column| *column += right);
                self.plane.rows.iter_mut().for_each(|row| *row += up);
            }
        }
        self.radius += right.hypot(up);
        self
    }
}

impl Perturbation {
    /// The kernel for samples around a point that is `away` from the centre of another view, whose reference orbit serves them.
    ///
    /// # Errors
    /// As [`Perturbation::new`].
    pub(in crate::kernel) fn around(
        kept: &Kept,
        (offsets, away): (Offsets, [f64; 2]),
        limits: Limits,
        channels: Channels,
        how: (crate::scene::Quality, crate::kernel::Isa),
    ) -> Result<Self> {
        let Kept { centre, exponent, radius, max, limit, double, orbit } = kept.clone();
        let mut kernel = Self::new((centre.clone(), None), offsets.seen_from(away), limits, channels, how)?;
        kernel.reference = Reference { centre, julia: None, exponent, radius, max, limit, double };
        if away != [0.0; 2] {
            kernel.rest = None;
        }
        kernel.kept = Some(orbit).filter(|orbit| !orbit.is_empty());
        Ok(kernel)
    }

    /// The reference orbit among what it has prepared, if that may serve other views.
    #[cfg(feature = "window")]
    pub(in crate::kernel) fn keep(&self, prepared: &Prepared) -> Option<Kept> {
        let &Reference { ref centre, ref julia, exponent, radius, max, limit, double } = &self.reference;
        let orbit = self.reference.read(prepared).ok()?;
        let ended = orbit.z.len() as u64 <= u64::from(max);
        (julia.is_none() && ended && self.kept.is_none()).then(|| {
            let parts = [PART, REST_PART, SMALL_PART, EXCESS_PART];
            let orbit = prepared.only(|name| parts.contains(&name));
            Kept { centre: centre.clone(), exponent, radius, max, limit, double, orbit }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;

    #[test]
    fn orbits_from_anywhere_are_refused_or_harmless() {
        let centre = ["0.25", "-1e-30"].map(|part| part.parse::<Decimal>().unwrap());
        let kept = |exponent, radius| {
            let centre = centre.clone();
            Kept { centre, exponent, radius, max: 1000, limit: 65536.0, double: false, orbit: Prepared::default() }
        };
        let offsets = |exponent| {
            let plane = Plane { columns: vec![-8.0, 8.0], rows: vec![4.0, -4.0], rotation: None, spacing: 16.0 };
            Offsets { plane, rest: 0.0, exponent, radius: 9.0 }
        };
        let away = |kept: &Kept, exponent| kept.serves(&centre, &offsets(exponent), false);
        assert_eq!(away(&kept(-100, 9.0), -100), Some([0.0; 2]));
        assert_eq!(away(&kept(-100, 9.0), -129), Some([0.0; 2]), "a zoom of 2^29");
        assert_eq!(away(&kept(-100, 9.0), -130), None, "a zoom of 2^30");
        assert_eq!(away(&kept(-130, 9.0), -100), Some([0.0; 2]), "out again");
        assert_eq!(kept(-100, 9.0).serves(&centre, &offsets(-100), true), None, "numbers twice as long");
        let moved = ["0.25", "-2e-30"].map(|part| part.parse::<Decimal>().unwrap());
        let [right, up] = kept(-100, 9.0).serves(&moved, &offsets(-100), false).unwrap();
        assert!(right == 0.0 && (up / -1e-30 / 2_f64.powi(100) - 1.0).abs() < 1e-15, "{right} {up}");
        for radius in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, 5e-324] {
            assert_eq!(away(&kept(-100, radius), -100), None, "{radius}");
        }
        for exponent in [i64::MIN, i64::MAX, -1_000_000, 100] {
            assert_eq!(away(&kept(exponent, 9.0), -100), None, "{exponent}");
        }
    }
}
