//! Complex numbers in double-double with an exponent of their own.

use crate::kernel::double_double::DoubleDouble;
use crate::number::ldexp;

pub(super) type Double = DoubleDouble<f64>;

/// A complex number z·2^exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wide {
    pub(super) z: [Double; 2],
    pub(super) exponent: i64,
}

impl Wide {
    pub(super) const ZERO: Self = Self { z: [Double { high: 0.0, low: 0.0 }; 2], exponent: -(1 << 40) };

    /// From parts with exponents of their own.
    pub(super) fn of((x, ex): (Double, i64), (y, ey): (Double, i64)) -> Self {
        let zero = Double::default();
        Self { z: [x, zero], exponent: ex }.normalised().plus(Self { z: [zero, y], exponent: ey }.normalised())
    }

    /// With parts of at most 1, and one of at least ½; or 0.
    #[inline(always)]
    pub(super) fn normalised(self) -> Self {
        let size = largest(self.z);
        // An orbit that comes back to 0 again and again doubles its exponent every time.
        if size == 0.0 || self.exponent < Self::ZERO.exponent {
            return Self::ZERO;
        }
        let shift = exponent_of(size);
        // In two factors, since one may be no normal number.
        let half = two_to(-(shift / 2));
        let z = self.z.map(|part| part.scaled(half).scaled(two_to(shift / 2 - shift)));
        Self { z, exponent: self.exponent + shift }
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        let exponent = self.exponent.max(other.exponent);
        let (a, b) = (two_to(self.exponent - exponent), two_to(other.exponent - exponent));
        let sum = |i: usize| self.z[i].scaled(a) + other.z[i].scaled(b);
        Self { z: [sum(0), sum(1)], exponent }.normalised()
    }

    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        Self { z: product(self.z, other.z), exponent: self.exponent + other.exponent }.normalised()
    }

    /// The binary logarithm of its size: the larger part's absolute value.
    pub(super) fn log2(self) -> f64 {
        largest(self.z).log2() + self.exponent as f64
    }

    /// As a plain number, 0 where it is too small.
    #[inline(always)]
    pub(super) fn plain(self) -> [Double; 2] {
        let scale = two_to(self.exponent);
        self.z.map(|part| part.scaled(scale))
    }

    #[inline(always)]
    pub(super) fn is_below(self, exponent: i64) -> bool {
        let size = largest(self.z);
        size == 0.0 || exponent_of(size) + self.exponent < exponent
    }

    #[inline(always)]
    pub(super) fn is_smaller_than(self, other: Self) -> bool {
        let exponent = self.exponent.max(other.exponent);
        largest(self.z) * two_to(self.exponent - exponent) < largest(other.z) * two_to(other.exponent - exponent)
    }
}

#[inline(always)]
pub(super) fn product([a, b]: [Double; 2], [x, y]: [Double; 2]) -> [Double; 2] {
    [a * x - b * y, a * y + b * x]
}

#[inline(always)]
pub(super) fn norm([x, y]: [Double; 2]) -> f64 {
    x.high * x.high + y.high * y.high
}

/// The larger part's absolute value.
#[inline(always)]
pub(super) fn largest([x, y]: [Double; 2]) -> f64 {
    x.high.abs().max(y.high.abs())
}

/// The exponent e of a positive normal number in [2^(e−1), 2^e).
#[inline(always)]
pub(super) fn exponent_of(value: f64) -> i64 {
    (value.to_bits() >> 52) as i64 - 1022
}

/// 2^exponent, or 0 below the range of normal numbers.
#[inline(always)]
pub(super) fn two_to(exponent: i64) -> f64 {
    match exponent {
        -1022..1024 => f64::from_bits(((exponent + 1023) as u64) << 52),
        ..-1022 => 0.0,
        _ => ldexp(1, exponent),
    }
}
