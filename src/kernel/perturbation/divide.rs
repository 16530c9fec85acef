//! Taking a group of samples over an entry: the inner loop of the stages.

use super::pack::{Pack, largest, product, sum};
use super::scratch::{C_X, C_Y, D_X, D_Y, Group, ID, Scratch, Z_X, Z_Y};
use super::tables::{Entry, WideEntry};
use super::wide::{Wide, power_of_two};

/// Below 2 to this a sample's δ has an exponent besides that of `f64`, so that no square in a step underflows.
pub(super) const SMALL: i32 = -430;

/// An entry's numbers as a group needs them: u = δ·(2Z + `own`·δ) and so on; the result is scaled by 2^`exponent`.
pub(super) struct Step {
    z2: [f64; 2],
    own: f64,
    a: [f64; 2],
    b: [f64; 2],
    d: [f64; 2],
    e: [f64; 2],
    f: [f64; 2],
    r: f64,
    pub(super) rc: f64,
    /// The iterate at which it ends.
    next: [f64; 2],
    pub(super) exponent: i32,
}

/// How an entry divided a group.
pub(super) struct Divided {
    pub(super) kept: usize,
    pub(super) rebased: usize,
    pub(super) failed: usize,
    /// Whether a δ may have become too small for `f64`.
    pub(super) small: bool,
}

#[inline(always)]
pub(super) fn scaled([x, y]: [f64; 2], scale: f64) -> [f64; 2] {
    [x * scale, y * scale]
}

impl Step {
    /// For numbers that need no other exponent.
    #[inline(always)]
    pub(super) fn near(entry: &Entry, z: [f64; 2], next: [f64; 2]) -> Self {
        let &Entry { a, b, d, e, f, r, rc, .. } = entry;
        Self { z2: scaled(z, 2.0), own: 1.0, a, b, d, e, f, r, rc, next, exponent: 0 }
    }

    /// For a group with an exponent.
    pub(super) fn far(entry: &WideEntry, z: Wide, next: Wide, s: i32) -> Self {
        // w = 2Z + δ has its own exponent, so that u has s + w.
        let w = (z.e + 1).max(s);
        let u = s + w;
        let o = (entry.a_exponent + u).max(entry.b_exponent);
        let def = power_of_two((o + entry.def_exponent).min(1000));
        Self {
            z2: scaled(z.m, power_of_two(z.e + 1 - w)),
            own: power_of_two(s - w),
            a: scaled(entry.a, power_of_two(entry.a_exponent + u - o)),
            b: scaled(entry.b, power_of_two(entry.b_exponent - o)),
            d: scaled(entry.d, def),
            e: scaled(entry.e, def),
            f: scaled(entry.f, def),
            r: entry.r * power_of_two((entry.r_exponent - u).clamp(-1000, 1000)),
            rc: entry.rc,
            next: scaled(next.m, power_of_two((next.e - o).min(1000))),
            exponent: o,
        }
    }
}

#[inline(always)]
fn all<L: Pack>(l: L, [x, y]: [f64; 2]) -> [L; 2] {
    [l.constant(x), l.constant(y)]
}

/// Takes samples of the group over an entry.
#[inline(always)]
pub(super) fn divide<L: Pack, const DERIVATIVE: bool>(
    l: L,
    step: &Step,
    scratch: &mut Scratch,
    range: std::ops::Range<usize>,
    [check_c, is_last]: [bool; 2],
) -> Divided {
    let full = u64::MAX >> (64 - L::LEN);
    let (z2, own, next) = (all(l, step.z2), l.constant(step.own), all(l, step.next));
    let (sa, sb, sd, se, sf) = (all(l, step.a), all(l, step.b), all(l, step.d), all(l, step.e), all(l, step.f));
    let (r, rc) = (l.constant(step.r), l.constant(step.rc));
    let (one, small_size) = (l.constant(1.0), l.constant(if step.exponent == 0 { power_of_two(SMALL) } else { 0.0 }));
    let Scratch { group, rebased, failed, .. } = scratch;
    let group = &mut *group.0;
    let kept_lanes = if is_last { 0 } else { full };
    let mut done = Divided { kept: 0, rebased: 0, failed: 0, small: false };
    let mut i = range.start;
    while i < range.end {
        let left = range.end - i;
        let valid = if left >= L::LEN { full } else { (1 << left) - 1 };
        let z = [l.load(&group[Z_X][i..]), l.load(&group[Z_Y][i..])];
        let c = [l.load(&group[C_X][i..]), l.load(&group[C_Y][i..])];
        let d = if DERIVATIVE { [l.load(&group[D_X][i..]), l.load(&group[D_Y][i..])] } else { z };
        let u = product(z, [own.mul_add(z[0], z2[0]), own.mul_add(z[1], z2[1])]);
        let mut fits = largest(u).at_most(r);
        if check_c {
            fits = fits & largest(c).at_most(rc);
        }
        let fit_bits = L::bits(fits) & valid;
        if fit_bits != valid {
            let which = l.mask(valid & !fit_bits);
            let values = [z[0], z[1], c[0], c[1], l.load(&group[ID][i..]), d[0], d[1]];
            put::<L, DERIVATIVE>(values, which, valid & !fit_bits == full, failed, done.failed);
            done.failed += (valid & !fit_bits).count_ones() as usize;
            if fit_bits == 0 {
                i += L::LEN;
                continue;
            }
        }
        // The polynomial.
        let (p, q) = (product(u, sa), product(c, sb));
        let (dp, ep, fq) = (product(p, sd), product(p, se), product(q, sf));
        let after = sum(sum(p, q), sum(product(p, dp), product(q, sum(ep, fq))));
        // Its derivative: A·(1 + 2dP + eQ)·∂u + B·(1 + eP + 2fQ), with ∂u = 2(Z + δ)·∂δ.
        let d_after = if DERIVATIVE {
            let eq = product(q, se);
            let by_u = product(sa, [one + (dp[0] + dp[0] + eq[0]), dp[1] + dp[1] + eq[1]]);
            let by_c = product(sb, [one + (fq[0] + fq[0] + ep[0]), fq[1] + fq[1] + ep[1]]);
            let w = [own.mul_add(z[0] + z[0], z2[0]), own.mul_add(z[1] + z[1], z2[1])];
            sum(product(by_u, product(w, d)), by_c)
        } else {
            after
        };
        let whole = sum(after, next);
        let (size, whole_size) = (largest(after), largest(whole));
        let keep_bits = L::bits(size.at_most(whole_size)) & fit_bits & kept_lanes;
        let back_bits = fit_bits & !keep_bits;
        // Of those that are kept or rebased it is the smaller one, but for the last entry, where that does no harm.
        done.small |= L::bits(size.smaller(whole_size).at_most(small_size)) & fit_bits != 0;
        if back_bits != 0 {
            let values = [whole[0], whole[1], c[0], c[1], l.load(&group[ID][i..]), d_after[0], d_after[1]];
            let which = l.mask(back_bits);
            put::<L, DERIVATIVE>(values, which, back_bits == full, rebased, done.rebased);
            done.rebased += back_bits.count_ones() as usize;
        }
        if keep_bits != 0 {
            let w = range.start + done.kept;
            let values = [after[0], after[1], c[0], c[1], l.load(&group[ID][i..]), d_after[0], d_after[1]];
            let kept = keep_bits.count_ones() as usize;
            let planes = if DERIVATIVE { 7 } else { 5 };
            let mut plane = 0;
            while plane < planes {
                let to = &mut group[plane];
                if keep_bits != full {
                    let packed = values[plane].compress(l.mask(keep_bits));
                    if valid == full {
                        // What lies behind those that are kept has been read.
                        packed.store(&mut to[w..]);
                    } else {
                        let mut lanes = [0.0; 8];
                        packed.store(&mut lanes);
                        to[w..w + kept].copy_from_slice(&lanes[..kept]);
                    }
                } else if w != i || !(C_X..=ID).contains(&plane) {
                    values[plane].store(&mut to[w..]);
                }
                plane += 1;
            }
            done.kept += kept;
        }
        i += L::LEN;
    }
    done
}

/// Appends lanes to a group that has `len` samples.
#[inline(always)]
fn put<L: Pack, const DERIVATIVE: bool>(values: [L; 7], which: L::Mask, whole: bool, to: &mut Group, len: usize) {
    let planes = if DERIVATIVE { 7 } else { 5 };
    let mut plane = 0;
    while plane < planes {
        let packed = if whole { values[plane] } else { values[plane].compress(which) };
        packed.store(&mut to.0[plane][len..]);
        plane += 1;
    }
}
