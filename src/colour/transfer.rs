//! From linear light to the numbers in a file: the sRGB transfer function of IEC 61966-2-1.
//!
//! A picture must have the same bytes on every machine, and `powf` differs between C libraries. So the exact functions here take roots
//! by Newton's method, using only additions, multiplications and divisions, whose results IEEE 754 fixes; they fill tables, from which
//! pixels are encoded.

use std::sync::LazyLock;

/// The positive `n`-th root of a positive normal number, to within a few units in the last place.
///
/// Newton's method, from an initial guess that divides the exponent by `n` in the number's bits.
pub(super) fn root(x: f64, n: i32) -> f64 {
    const ONE: u64 = 1023 << 52;
    let divisor = n as u64;
    let mut y = f64::from_bits(ONE - ONE / divisor + x.to_bits() / divisor);
    let order = f64::from(n);
    for _ in 0..6 {
        y += (x / power(y, n - 1) - y) / order;
    }
    y
}

/// x to a small natural power, always multiplied in the same order (`powi` guarantees none).
pub(super) fn power(x: f64, n: i32) -> f64 {
    (0..n).fold(1.0, |product, _| product * x)
}

/// The sRGB value in [0, 1] of linear light in [0, 1]; anything outside is clipped.
pub(super) fn encode(linear: f64) -> f64 {
    let x = linear.clamp(0.0, 1.0);
    if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * power(root(x, 12), 5) - 0.055 }
}

/// The linear light in [0, 1] of an sRGB value in [0, 1].
pub(super) fn decode(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { power(root((value + 0.055) / 1.055, 5), 12) }
}

/// Cells of the table of [`Encoder`].
const CELLS: usize = 4096;

/// The table's length: a power of two, so that masked indices need no bounds checks.
const TABLE: usize = 2 * CELLS;

/// Adding this to a number of small magnitude rounds it to an integer (to nearest, ties to even), which is then in the last bits of the
/// sum. A conversion would first have to check whether the number fits.
const ROUND: f32 = 1.5 * (1u32 << 23) as f32;

/// Encodes linear light by table: the transfer function over √x, where it is nearly linear, with linear interpolation. The square root
/// is exact by IEEE 754. Before rounding, the result is within 0.02 of a 16-bit step of [`encode`]; within 0.06 in the one cell where
/// the function's linear part meets its power part.
#[derive(Debug)]
pub(super) struct Encoder {
    /// The value at the start of a cell, and its increase over the cell.
    cells: Box<[(f32, f32); TABLE]>,
}

impl Encoder {
    /// The table, built when first needed.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Encoder> = LazyLock::new(|| {
            let mut cells = boxed((1.0, 0.0));
            let at = |cell: usize| encode(power(cell as f64 / CELLS as f64, 2));
            let mut low = at(0);
            for (i, cell) in cells.iter_mut().enumerate().take(CELLS) {
                let high = at(i + 1);
                *cell = (low as f32, (high - low) as f32);
                low = high;
            }
            Encoder { cells }
        });
        &SHARED
    }

    /// The sRGB value in [0, 1] of linear light; below 0 counts as 0, above 1 as 1.
    #[inline(always)]
    fn value(&self, linear: f32) -> f32 {
        // Written so that each is one instruction and NaN becomes 0.
        let x = if linear > 0.0 { linear } else { 0.0 };
        let x = if x < 1.0 { x } else { 1.0 };
        let s = x.sqrt() * CELLS as f32;
        // The cell below; on a boundary it does not matter which of the two is taken.
        let rounded = (s - 0.5) + ROUND;
        let (low, rise) = self.cells[rounded.to_bits() as usize % TABLE];
        low + (s - (rounded - ROUND)) * rise
    }

    /// As 8 bits, rounded to nearest.
    #[inline(always)]
    pub(super) fn to_u8(&self, linear: f32) -> u8 {
        (self.value(linear) * 255.0 + ROUND).to_bits() as u8
    }

    /// As 16 bits, rounded to nearest.
    #[inline(always)]
    pub(super) fn to_u16(&self, linear: f32) -> u16 {
        (self.value(linear) * 65535.0 + ROUND).to_bits() as u16
    }
}

/// A boxed array that is never on the stack.
pub(super) fn boxed<T: Copy, const N: usize>(value: T) -> Box<[T; N]> {
    vec![value; N].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("the length is N"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eight_bits_survive_linear_light() {
        for byte in 0..=255u8 {
            let linear = decode(f64::from(byte) / 255.0);
            assert_eq!(Encoder::shared().to_u8(linear as f32), byte);
        }
    }

    #[test]
    fn sixteen_bits_survive_linear_light() {
        for value in 0..=65535u16 {
            let linear = decode(f64::from(value) / 65535.0);
            assert_eq!(Encoder::shared().to_u16(linear as f32), value);
        }
    }

    #[test]
    fn what_is_out_of_range_is_clipped() {
        let encoder = Encoder::shared();
        assert_eq!((encoder.to_u8(-1.0), encoder.to_u8(2.0), encoder.to_u16(f32::INFINITY)), (0, 255, 65535));
        assert_eq!(encoder.to_u16(f32::NAN), 0);
    }

    #[test]
    fn the_table_follows_the_function() {
        let encoder = Encoder::shared();
        let kink = (0.003_130_8_f64.sqrt() * CELLS as f64) as usize;
        for i in 0..CELLS * 16 {
            let x = power((i as f64 + 0.5) / (CELLS * 16) as f64, 2) as f32;
            let (exact, table) = (encode(f64::from(x)) * 65535.0, f64::from(encoder.value(x)) * 65535.0);
            let most = if i / 16 == kink { 0.06 } else { 0.02 };
            assert!((exact - table).abs() < most, "{x}: {exact} {table}");
        }
    }

    proptest! {
        #[test]
        fn roots_are_roots(x in 1e-6f64..1e6, n in 2i32..13) {
            let y = root(x, n);
            prop_assert!((power(y, n) / x - 1.0).abs() < 1e-14);
        }
    }
}
