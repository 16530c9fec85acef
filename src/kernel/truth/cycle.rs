//! Finds where an orbit with all its digits has come to an attracting cycle.
//!
//! An orbit that comes back to an iterate, in all digits of a double-double, may still leave again: near a repelling cycle it stays for as
//! many iterations as the view is deep. So the derivative around the cycle, the product of its 2z, has to shrink distances too. And the
//! iterate to come back to has to be the one next to 0 of the whole cycle, where numbers have the most digits after the point: all that go
//! past 2 agree there to more digits than a double-double has.

use super::ranged::Wide;

/// The binary logarithm of what distances have shrunk to at least, from one iterate to the other.
const SHRUNK: f64 = -1.0;

/// An iterate that others are compared with.
#[derive(Clone, Copy)]
struct Mark {
    z: Wide,
    place: u64,
    log2: f64,
    /// The binary logarithm of the derivative of the current iterate by this one.
    derivative: f64,
}

/// The search along one orbit.
#[derive(Default)]
pub(super) struct Cycle {
    place: u64,
    seen: Option<Mark>,
    /// The iterate next to 0 since the search last began anew.
    nearest: Option<Mark>,
    /// Where it begins anew.
    renew: u64,
}

impl Cycle {
    /// Takes the next iterate, z₀ first; returns the place of the one that it is equal to, if both are on an attracting cycle.
    pub(super) fn closes(&mut self, z: Wide) -> Option<u64> {
        let place = self.place;
        self.place += 1;
        if let Some(seen) = self.seen.filter(|seen| seen.z == z && seen.derivative < SHRUNK) {
            return Some(seen.place);
        }
        let log2 = z.log2();
        // Not the one next to 0.
        self.seen = self.seen.filter(|seen| log2 >= seen.log2);
        if place >= self.renew {
            (self.seen, self.nearest, self.renew) = (self.nearest, None, (2 * place).max(64));
        }
        if self.nearest.is_none_or(|nearest| log2 < nearest.log2) {
            self.nearest = Some(Mark { z, place, log2, derivative: 0.0 });
        }
        for mark in [&mut self.seen, &mut self.nearest].into_iter().flatten() {
            // From this iterate to the next.
            mark.derivative += 1.0 + log2;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::double_double::DoubleDouble;

    /// z = 0, then 99 times about 1.9 and once 2^`exponent`, again and again.
    fn closed(exponent: i64) -> Option<u64> {
        let [zero, far, near] = [0.0, 1.9, 1.0].map(DoubleDouble::of);
        let mut cycle = Cycle::default();
        (0..10_000).find_map(|place| {
            cycle.closes(match place {
                0 => Wide::of((zero, 0), (zero, 0)),
                _ if place % 100 == 0 => Wide::of((near, exponent), (zero, 0)),
                _ => Wide::of((far, 0), (zero, 0)),
            })
        })
    }

    #[test]
    fn a_cycle_closes_at_its_nearest_iterate_and_if_it_attracts() {
        assert!(closed(-500).is_some_and(|place| place > 0 && place % 100 == 0), "{:?}", closed(-500));
        // 99·log₂ 3.8 is 190.7.
        assert_eq!(closed(-190), None);
        assert!(closed(-193).is_some());
    }
}
