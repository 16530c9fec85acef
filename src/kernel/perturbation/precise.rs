//! z² + c in arbitrary precision, for the reference orbit: fixed-point numbers in two's complement, of as many 64-bit limbs as are needed.
//!
//! The topmost limb has 7 bits before the point, enough for (x + y)² where |x|, |y| ≤ 2. One kind of step is all that is needed, so it
//! works in place. Integers give the same bits on every machine.
//!
//! Squares are truncated: columns of products that cannot reach the result are left out, which is half of the work. Up to 16,384 bits this
//! takes about as long as MPFR, and half as long below 1,000. Two columns are added up at once: with one, 8 to 54 limbs take 1.2 to 1.3
//! times as long, with four 1.4 times, for want of registers; unrolled four times, two take 1.2 times. The processor's `mulx` gains nothing
//! then. Squaring three numbers in step with each other, with 128-bit sums, takes 1.6 to 1.8 times as long.

use super::wide::{Wide, power_of_two};
use crate::number::Ratio;

/// Bits of the topmost limb after the point.
const POINT: usize = 57;

/// Limbs, from the last place up; the value is that of the integer times 2^(7 − 64·length).
type Limbs = Vec<u64>;

/// How near |Z|² is to R² where the difference is noted, as a share of it.
pub(super) const NOTED: f64 = 1.0 / (1_u64 << 40) as f64;

/// Whether |Z|² − R² is noted for an iterate, with R² = `limit`.
pub(super) fn is_noted([x, y]: [f64; 2], limit: f64) -> bool {
    (x * x + y * y - limit).abs() <= NOTED * limit
}

/// An iterate of z² + c.
#[derive(Debug)]
pub(super) struct Precise {
    z: [Limbs; 2],
    c: [Limbs; 2],
    /// How many limbs are in use, from the topmost down.
    used: usize,
    /// |x|, |y| and |x + y|, and their squares, each in the lowest limbs.
    sizes: [Limbs; 3],
    squares: [Limbs; 3],
}

impl Precise {
    /// An iterate z of z² + c, with as many limbs as will ever be needed; each part's absolute value must be below 4.
    pub(super) fn new(z: &[Ratio; 2], c: &[Ratio; 2], limbs: usize) -> Self {
        let [z, c] = [z, c].map(|point| point.each_ref().map(|part| of(part, limbs)));
        let space = || std::array::from_fn(|_| vec![0; limbs + 1]);
        let mut precise = Self { z, c, used: limbs, sizes: space(), squares: space() };
        precise.measure();
        precise
    }

    /// How many limbs are in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Uses more limbs or fewer.
    pub(super) fn resize(&mut self, limbs: usize) {
        let len = self.z[0].len();
        let limbs = limbs.clamp(2, len);
        if limbs > self.used {
            self.z.iter_mut().for_each(|part| part[len - limbs..len - self.used].fill(0));
        }
        self.used = limbs;
        self.measure();
    }

    /// The iterate, rounded to the 53 bits of an `f64`.
    pub(super) fn value(&self) -> Wide {
        let (x, y) = (self.part(0).0, self.part(1).0);
        x + Wide { m: [y.m[1], y.m[0]], e: y.e }
    }

    /// What the value lacks, rounded likewise.
    pub(super) fn rest(&self) -> [f64; 2] {
        [self.part(0).1, self.part(1).1]
    }

    /// |z|² less a number in [1, 8), rounded likewise. The product is truncated as an iterate's is.
    pub(super) fn excess(&mut self, limit: f64) -> Wide {
        let n = self.used;
        for part in 0..2 {
            square_of(&self.sizes[part][..n], &mut self.squares[part][..=n]);
        }
        let [xx, yy, sum] = self.squares.each_mut().map(|square| &mut square[..n]);
        let mut carry = false;
        for i in 0..n {
            (sum[i], carry) = xx[i].carrying_add(yy[i], carry);
        }
        // The bits of an `f64` above 1 are all in the topmost limb.
        sum[n - 1] = sum[n - 1].wrapping_sub((limit * (1_u64 << POINT) as f64) as u64);
        let negative = is_negative(sum);
        make_positive(sum);
        rounded(sum, negative).0
    }

    #[inline(always)]
    fn part(&self, part: usize) -> (Wide, f64) {
        rounded(&self.sizes[part][..self.used], is_negative(&self.z[part]))
    }

    /// Goes to the next iterate.
    pub(super) fn step(&mut self) {
        let n = self.used;
        let low = self.z[0].len() - n;
        // Without `map`, which is left as a call.
        let [x, y] = &mut self.z;
        let (x, y) = (&mut x[low..][..n], &mut y[low..][..n]);
        let (a, b) = (&self.c[0][low..][..n], &self.c[1][low..][..n]);
        let sum = &mut self.sizes[2][..n];
        let mut carry = false;
        for i in 0..n {
            (sum[i], carry) = x[i].carrying_add(y[i], carry);
        }
        make_positive(sum);
        for part in 0..3 {
            square_of(&self.sizes[part][..n], &mut self.squares[part][..=n]);
        }
        // Re z² = x² − y², Im z² = (x + y)² − x² − y².
        let [xx, yy, ss] = &self.squares;
        let (xx, yy, ss) = (&xx[..n], &yy[..n], &ss[..n]);
        let (mut carries, mut borrows) = ([false; 2], [false; 3]);
        for i in 0..n {
            let re;
            (re, borrows[0]) = xx[i].borrowing_sub(yy[i], borrows[0]);
            (x[i], carries[0]) = re.carrying_add(a[i], carries[0]);
            let im;
            (im, borrows[1]) = ss[i].borrowing_sub(xx[i], borrows[1]);
            let (im, borrow) = im.borrowing_sub(yy[i], borrows[2]);
            borrows[2] = borrow;
            (y[i], carries[1]) = im.carrying_add(b[i], carries[1]);
        }
        self.measure();
    }

    /// Notes |x| and |y|.
    fn measure(&mut self) {
        for part in 0..2 {
            let (z, size) = (&self.z[part], &mut self.sizes[part][..self.used]);
            size.copy_from_slice(&z[z.len() - self.used..]);
            make_positive(size);
        }
    }
}

/// A number's largest multiple of the last place that is not above it.
fn of(value: &Ratio, limbs: usize) -> Limbs {
    let mut number = vec![0; limbs];
    value.floor_limbs(64 * (limbs as i64 - 1) + POINT as i64, &mut number);
    number
}

fn is_negative(limbs: &[u64]) -> bool {
    limbs.last().is_some_and(|limb| limb >> 63 == 1)
}

/// Makes a number its absolute value.
fn make_positive(limbs: &mut [u64]) {
    if is_negative(limbs) {
        let mut carry = true;
        for limb in limbs {
            (*limb, carry) = (!*limb).carrying_add(0, carry);
        }
    }
}

/// Adds a product to a sum of three limbs.
#[inline(always)]
fn add_product(sum: &mut [u64; 3], a: u64, b: u64) {
    let (low, high) = a.carrying_mul(b, 0);
    let mut carry;
    (sum[0], carry) = sum[0].carrying_add(low, false);
    (sum[1], carry) = sum[1].carrying_add(high, carry);
    sum[2] = sum[2].wrapping_add(u64::from(carry));
}

/// The square of a number that is not negative, less at most 2⁸ units of the last place for each limb; `square` has one limb more.
fn square_of(x: &[u64], square: &mut [u64]) {
    match x.len() {
        2 => return square_of_few::<2>(x, square),
        3 => return square_of_few::<3>(x, square),
        4 => return square_of_few::<4>(x, square),
        5 => return square_of_few::<5>(x, square),
        6 => return square_of_few::<6>(x, square),
        _ => {}
    }
    let n = x.len();
    let mut carry = [0; 2];
    // Columns of the product from the one whose upper bits reach the last place: the sum of x[at + i]·x[n − 1 − i].
    for at in (0..n).step_by(2) {
        let mut sums = [[0; 3]; 2];
        let pairs = (n - at - 1) / 2;
        // By index: a library's iterators over several slices may be left as calls, which took a third of the time.
        let (low, high) = (&x[at..=at + pairs], &x[n - pairs..]);
        for i in 0..pairs {
            let factor = high[pairs - 1 - i];
            add_product(&mut sums[0], low[i], factor);
            add_product(&mut sums[1], low[i + 1], factor);
        }
        if (n - at).is_multiple_of(2) {
            add_product(&mut sums[0], x[at + pairs], x[n - 1 - pairs]);
        }
        square[at] = carried(column(sums[0], x, at), &mut carry);
        if at + 1 < n {
            square[at + 1] = carried(column(sums[1], x, at + 1), &mut carry);
        }
    }
    square[n] = carry[0];
    for i in 0..n {
        square[i] = square[i + 1] << (64 - POINT) | square[i] >> POINT;
    }
}

/// A column from the sum of its products of two different limbs, each of which counts twice. That of one with itself counts once.
#[inline(always)]
fn column(sum: [u64; 3], x: &[u64], at: usize) -> [u64; 3] {
    let mut sum = [sum[0] << 1, sum[1] << 1 | sum[0] >> 63, sum[2] << 1 | sum[1] >> 63];
    if (x.len() - at) % 2 == 1 {
        let middle = x[(at + x.len() - 1) / 2];
        add_product(&mut sum, middle, middle);
    }
    sum
}

/// The same for N limbs, in loops that the compiler unrolls: at a place of 1e50, with five limbs and fewer, in about a third of the time.
fn square_of_few<const N: usize>(x: &[u64], square: &mut [u64]) {
    let (Some(x), Some((square, [top]))) = (x.first_chunk::<N>(), square.split_first_chunk_mut::<N>()) else { return };
    let mut carry = [0; 2];
    for at in 0..N {
        let mut sum = [0; 3];
        for i in 0..(N - at) / 2 {
            add_product(&mut sum, x[at + i], x[N - 1 - i]);
        }
        square[at] = carried(column(sum, x, at), &mut carry);
    }
    *top = carry[0];
    for i in 0..N - 1 {
        square[i] = square[i + 1] << (64 - POINT) | square[i] >> POINT;
    }
    square[N - 1] = *top << (64 - POINT) | square[N - 1] >> POINT;
}

/// The lowest limb of a column's sum and what earlier columns carried; the rest is carried on.
#[inline(always)]
fn carried(sum: [u64; 3], carry: &mut [u64; 2]) -> u64 {
    let (limb, mut over) = sum[0].carrying_add(carry[0], false);
    (carry[0], over) = sum[1].carrying_add(carry[1], over);
    carry[1] = sum[2] + u64::from(over);
    limb
}

/// The nearest number with the bits of an `f64`, from a number's absolute value and sign; and what is left, rounded likewise.
#[inline(always)]
fn rounded(limbs: &[u64], negative: bool) -> (Wide, f64) {
    let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else { return (Wide::zero(), 0.0) };
    let below = |places: usize| top.checked_sub(places).map_or(0, |at| limbs[at]);
    let shift = limbs[top].leading_zeros();
    let leading = u128::from(limbs[top]) << 64 | u128::from(below(1));
    let bits = leading << shift | u128::from(below(2).checked_shr(64 - shift).unwrap_or(0));
    // The last of 63 bits is also set for digits that are cut off, so that it rounds like the whole.
    let cut = u64::from(bits as u64 != 0);
    let m = ((bits >> 65) as u64 | (bits >> 64) as u64 & 1 | cut) as i64 as f64;
    let rest = bits.wrapping_sub((m as u128) << 65) as i128 as f64;
    let e = 64 * (top as i32 + 1 - limbs.len() as i32) - shift as i32 - 63 + (64 - POINT as i32);
    let sign = if negative { -1.0 } else { 1.0 };
    (Wide::new([sign * m, 0.0], e), sign * rest * power_of_two((e - 65).max(-1022)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu_int::IBig;
    use dashu_int::UBig;
    use dashu_int::ops::UnsignedAbs;
    use proptest::prelude::*;

    /// The integer of some limbs.
    fn integer(limbs: &[u64]) -> IBig {
        let mut number = limbs.iter().rev().fold(IBig::ZERO, |sum, &limb| (sum << 64) + IBig::from(limb));
        if is_negative(limbs) {
            number -= IBig::ONE << (64 * limbs.len());
        }
        number
    }

    proptest! {
        #[test]
        fn squares_are_those_of_integers(mut limbs in prop::collection::vec(any::<u64>(), 1..30)) {
            let n = limbs.len();
            // Below 8, so that the square fits.
            limbs[n - 1] >>= 4;
            let mut square = vec![0; n + 1];
            square_of(&limbs, &mut square);
            let exact = (integer(&limbs) * integer(&limbs)) >> (64 * (n - 1) + POINT);
            let lost = exact - integer(&square[..n]);
            prop_assert!(lost >= IBig::ZERO && lost <= IBig::from(n << 8), "{lost} for {limbs:?}");
        }

        #[test]
        fn orbits_are_those_of_integers(parts in any::<[i64; 2]>(), limbs in 2_usize..9) {
            // Within radius 2⁻¹, where the orbit stays bounded for some steps.
            let c = parts.map(|part| Ratio { num: IBig::from(part), den: UBig::ONE << 65 });
            let mut precise = Precise::new(&c, &c, limbs);
            let point = 64 * (limbs - 1) + POINT;
            let [a, b] = c.each_ref().map(|part| part.floor_scaled(point as i64).0);
            let (mut x, mut y) = (a.clone(), b.clone());
            for _ in 0..8 {
                let (re, im) = (&x * &x - &y * &y, &x * &y * 2);
                (x, y) = ((re >> point) + &a, (im >> point) + &b);
                precise.step();
                for (ours, exact) in precise.z.iter().zip([&x, &y]) {
                    let off = (integer(ours) - exact).unsigned_abs();
                    prop_assert!(off < UBig::ONE << 32, "{off}");
                }
                let value = precise.value().to_f64();
                for (ours, exact) in value.iter().zip([&x, &y]) {
                    let exact = Ratio { num: exact.clone(), den: UBig::ONE << point }.to_f64();
                    prop_assert!((ours - exact).abs() <= exact.abs() * 2e-16 + 2f64.powi(40 - point as i32), "{ours} {exact}");
                }
            }
        }
    }

    #[test]
    fn negative_numbers_round_down_and_become_f64_again() {
        let c = |num: i32, den: UBig| Ratio { num: IBig::from(num), den };
        let fraction = c(-7, UBig::from(4u8));
        let mut precise = Precise::new(&[fraction.clone(), fraction.clone()], &[fraction.clone(), fraction], 3);
        assert_eq!(precise.value().to_f64(), [-1.75, -1.75]);
        precise.step();
        assert_eq!(precise.value().to_f64(), [-1.75, 6.125 - 1.75]);
        precise.resize(2);
        assert_eq!((precise.value().to_f64(), precise.used()), ([-1.75, 4.375], 2));
        precise.resize(9);
        assert_eq!((precise.value().to_f64(), precise.used()), ([-1.75, 4.375], 3));
        // −2⁻³⁰⁰ is −1 in the last place of two limbs.
        let tiny = c(-1, UBig::ONE << 300);
        let tiny = [tiny.clone(), tiny];
        let precise = Precise::new(&tiny, &tiny, 2);
        assert_eq!(precise.value(), Wide::new([-1.0, -1.0], -121));
        assert_eq!(Precise::new(&tiny, &tiny, 9).value(), Wide::new([-1.0, -1.0], -300));
    }
}
