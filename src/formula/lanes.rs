//! The numbers that formulas are generic over: any [`Number`] for iterating, and [`Lanes`], one `f64` or a SIMD vector of them, for
//! everything else that kernels do with samples.

use fearless_simd::prelude::*;
use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Mul, Sub};

/// What an iteration needs from a number. Implementors may be 64-bit numbers, exact ones of a fixed size, or pairs of a value and its
/// derivative. Those that round do so once per operation.
pub trait Number: Copy + Debug + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Whether an addition occupies the same execution ports as a multiplication. Where it does, forms with fewer operations win; where
    /// additions have a port of their own, forms with more additions and fewer multiplications win.
    const UNIFIED_PORTS: bool = false;

    /// An `f64` constant as a number of the same kind.
    fn constant(self, value: f64) -> Self;

    /// `self · b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;

    /// `self · b − c`, rounded once.
    fn mul_sub(self, b: Self, c: Self) -> Self;

    /// The absolute value.
    fn abs(self) -> Self;

    /// The absolute value of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
}

/// One or more `f64` that go through the same operations. Every operation rounds according to IEEE 754 in all implementors, so a
/// formula gives the same bits whatever it runs on.
pub trait Lanes: Number {
    /// A boolean for each lane.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask>;

    /// Whether `self` ≤ `other`; false for NaN.
    fn at_most(self, other: Self) -> Self::Mask;

    /// Splits positive numbers into (e, m) with `self = 2^e · m` and m in [√½, √2). Infinity and NaN give e = 1024.
    fn exponent_mantissa(self) -> (Self, Self);

    /// `self / b`.
    fn div(self, b: Self) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// In each lane `self` where `mask` is set, else `other`.
    fn select(self, mask: Self::Mask, other: Self) -> Self;
}

/// The bits of √½. Subtracting them puts the mantissas of [√½, √2) under one exponent.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// The exponent bits of 2⁵²: an integer below 2⁵² in the low bits makes 2⁵² + integer.
const TWO_52: u64 = 0x4330_0000_0000_0000;
/// Added before shifting the exponent down so that it stays positive; subtracted again as a number.
const BIAS: u64 = 1023;

impl Number for f64 {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, -c)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f64::copysign(self, sign)
    }
}

impl Lanes for f64 {
    type Mask = bool;

    #[inline(always)]
    fn at_most(self, other: Self) -> bool {
        self <= other
    }
    #[inline(always)]
    fn exponent_mantissa(self) -> (Self, Self) {
        let bits = self.to_bits();
        let biased = bits.wrapping_sub(SQRT_HALF).wrapping_add(BIAS << 52) >> 52;
        let mantissa = f64::from_bits(bits.wrapping_sub(biased << 52).wrapping_add(BIAS << 52));
        (f64::from_bits(biased | TWO_52) - (f64::from_bits(TWO_52) + BIAS as f64), mantissa)
    }
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        self / b
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn select(self, mask: bool, other: Self) -> Self {
        if mask { self } else { other }
    }
}

/// A vector of the instruction set `S`'s native width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector<S: Simd>(pub S::f64s);

impl<S: Simd> Add for Vector<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl<S: Simd> Sub for Vector<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl<S: Simd> Mul for Vector<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

/// The mask of a [`Vector`].
pub(crate) type MaskOf<S> = <<S as Simd>::f64s as SimdBase<S>>::Mask;

impl<S: Simd> Number for Vector<S> {
    // Intel's 512-bit units and Arm's vector units execute additions on the same ports; narrower x86 units have a port for them besides
    // the two that multiply. (AMD has one for all widths: there, kernels use single steps of formulas.)
    const UNIFIED_PORTS: bool = Self::LEN > 4 || cfg!(target_arch = "aarch64");

    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Self(S::f64s::splat(self.0.token(), value))
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        if Self::FUSED { Self(self.0.mul_add(b.0, c.0)) } else { self.emulated_mul_add(b, c) }
    }
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        if Self::FUSED { Self(self.0.mul_sub(b.0, c.0)) } else { self.emulated_mul_add(b, Self(-c.0)) }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs())
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(self.0.copysign(sign.0))
    }
}

impl<S: Simd> Lanes for Vector<S> {
    type Mask = MaskOf<S>;

    #[inline(always)]
    fn at_most(self, other: Self) -> Self::Mask {
        self.0.simd_le(other.0)
    }
    #[inline(always)]
    fn exponent_mantissa(self) -> (Self, Self) {
        let simd = self.0.token();
        let bits: S::u64s = self.0.bitcast();
        let biased = (bits - S::u64s::splat(simd, SQRT_HALF.wrapping_sub(BIAS << 52))) >> 52;
        let mantissa = bits - (biased << 52) + S::u64s::splat(simd, BIAS << 52);
        let exponent: S::f64s = (biased | S::u64s::splat(simd, TWO_52)).bitcast();
        (Self(exponent - S::f64s::splat(simd, f64::from_bits(TWO_52) + BIAS as f64)), Self(mantissa.bitcast()))
    }
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        Self(self.0 / b.0)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, other: Self) -> Self {
        Self(mask.select(self.0, other.0))
    }
}

impl<S: Simd> Vector<S> {
    /// Whether the instruction set has a fused multiply-add. Of those that kernels are compiled for, only x86 with 128 bits lacks it.
    const FUSED: bool = Self::LEN > 2 || cfg!(target_arch = "aarch64");

    /// A fused multiply-add lane by lane, through the system's `fma`. One call per lane is slow, but takes little code.
    #[inline(always)]
    fn emulated_mul_add(self, b: Self, c: Self) -> Self {
        let mut result = c.0;
        let lanes = result.as_mut_slice();
        let mut l = 0;
        while l < Self::LEN {
            lanes[l] = f64::mul_add(self.0[l], b.0[l], lanes[l]);
            l += 1;
        }
        Self(result)
    }

    /// The number of lanes.
    pub(crate) const LEN: usize = <S::f64s as SimdBase<S>>::LEN;

    /// The same number in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: S, value: f64) -> Self {
        Self(S::f64s::splat(simd, value))
    }

    /// In each lane `self` where `mask` is set, else 0.
    ///
    /// With masks that are vectors, this is one operation, where a selection takes three on Intel processors.
    #[inline(always)]
    pub(crate) fn kept(self, mask: MaskOf<S>) -> Self {
        if Self::LEN > 4 {
            return self.select(mask, self.constant(0.0));
        }
        let bits: S::i64s = self.0.bitcast();
        Self((bits & mask.to_vector()).bitcast())
    }

    /// The first [`Vector::LEN`] numbers of a slice.
    #[inline(always)]
    pub(crate) fn load(simd: S, slice: &[f64]) -> Self {
        Self(S::f64s::from_slice(simd, &slice[..Self::LEN]))
    }

    /// Writes to the first [`Vector::LEN`] numbers of a slice.
    #[inline(always)]
    pub(crate) fn store(self, slice: &mut [f64]) {
        self.0.store_slice(&mut slice[..Self::LEN]);
    }
}
