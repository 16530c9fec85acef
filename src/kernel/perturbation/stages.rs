//! Samples on their way through the stages: all of a batch at once, as a tree of paths.
//!
//! Neighbours take the same entries for most of the way, so a batch starts as one group. Every entry divides a group in place: into samples
//! that it took on, those that go back to the begin of the stage (rebasing), and those that it cannot take, for the stage before.
//! The last two wait while the first go on. There are no masks and no idle lanes but in the last vector of a group.
//!
//! **Exponents.** δ and its derivative are those of the group times 2^`exponent`, which is 0 wherever `f64` holds them. Only the entry's
//! numbers are scaled, once for a group, so depth costs next to nothing, and no rounding depends on the group that a sample is in.

use super::orbit::Orbit;
use super::pack::{Pack, difference, largest, product, sum, tangent};
use super::prepared::Tables;
use super::scratch::{C_X, C_Y, D_X, D_Y, Group, ID, Pending, Scratch, Waiting, Z_X, Z_Y};
use super::tables::{Entry, WideEntry};
use super::wide::{Wide, power_of_two};
use crate::error::{Error, Result};
use crate::parallel::Stop;

/// Below 2^`SMALL` a sample's δ has an exponent besides that of `f64`, so that no square in a step underflows; until it is above
/// 2^`NORMAL`.
const SMALL: i32 = -430;
const NORMAL: i32 = -400;

/// Entries between checks of the stop flag: at most some milliseconds for a whole batch.
const STOP_INTERVAL: u32 = 256;

/// What all samples of a picture share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) orbit: Orbit<'a>,
    pub(super) tables: Tables<'a>,
    /// The maximum number of iterations.
    pub(super) max: u64,
    /// The binary logarithm of what offsets are divided by.
    pub(super) exponent: i32,
    /// R², the limit for |z|².
    pub(super) limit: f64,
    pub(super) stop: &'a Stop,
}

/// An entry's numbers as a group needs them: u = δ·(2Z + `own`·δ) and so on; the result is scaled by 2^`exponent`.
struct Step {
    z2: [f64; 2],
    own: f64,
    a: [f64; 2],
    b: [f64; 2],
    d: [f64; 2],
    e: [f64; 2],
    f: [f64; 2],
    r: f64,
    rc: f64,
    /// The iterate at which it ends.
    next: [f64; 2],
    exponent: i32,
}

/// How an entry divided a group.
struct Divided {
    kept: usize,
    rebased: usize,
    failed: usize,
    /// Whether a δ became too small for `f64`.
    small: bool,
}

#[inline(always)]
fn scaled([x, y]: [f64; 2], scale: f64) -> [f64; 2] {
    [x * scale, y * scale]
}

impl Step {
    /// For numbers that need no other exponent.
    #[inline(always)]
    fn near(entry: &Entry, z: [f64; 2], next: [f64; 2]) -> Self {
        let &Entry { a, b, d, e, f, r, rc, .. } = entry;
        Self { z2: scaled(z, 2.0), own: 1.0, a, b, d, e, f, r, rc, next, exponent: 0 }
    }

    /// For a group with an exponent.
    fn far(entry: &WideEntry, z: Wide, next: Wide, s: i32) -> Self {
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

impl Shared<'_> {
    /// Takes `len` samples with δ = 0, which are in the scratch memory's group, through all stages; those that are left then wait there.
    /// Returns the steps taken.
    #[inline(always)]
    pub(super) fn march<L: Pack, const DERIVATIVE: bool>(
        &self,
        l: L,
        scratch: &mut Scratch,
        len: usize,
    ) -> Result<u64> {
        let (mut steps, mut since) = (0, 0);
        let farthest = self.begin(scratch, len);
        while let Some(mut group) = scratch.pending.pop() {
            while group.from < group.to && group.n < self.max {
                since += 1;
                if since >= STOP_INTERVAL {
                    since = 0;
                    if self.stop.is_set() {
                        return Err(Error::Stopped);
                    }
                }
                let Pending { stage, at, n, from, to, exponent } = group;
                let entry = self.tables.entry(at);
                if entry.r < 0.0 {
                    self.fail(scratch, group, entry.next);
                    break;
                }
                let step = self.step(at, &entry, exponent);
                let is_last = at + 1 == self.tables.stage(stage).end as usize;
                let check_c = farthest > step.rc;
                let divided = divide::<L, DERIVATIVE>(l, &step, scratch, from..to, [check_c, is_last]);
                steps += (to - from - divided.failed) as u64;
                let (kept, rebased) = (from + divided.kept, from + divided.kept + divided.rebased);
                copy::<DERIVATIVE>(&mut scratch.group, kept, &scratch.rebased, divided.rebased);
                copy::<DERIVATIVE>(&mut scratch.group, rebased, &scratch.failed, divided.failed);
                if divided.failed > 0 {
                    self.fail(scratch, Pending { from: rebased, to, ..group }, entry.next);
                }
                let after = n + u64::from(entry.len);
                let begin = self.tables.stage(stage).begin as usize;
                let back = Pending { stage, at: begin, n: after, from: kept, to: rebased, exponent: step.exponent };
                let on = Pending { stage, at: at + 1, n: after, from, to: kept, exponent: step.exponent };
                if step.exponent == 0 && !divided.small {
                    if divided.rebased > 0 {
                        scratch.pending.push(back);
                    }
                    group = on;
                } else {
                    self.settle::<DERIVATIVE>(scratch, back);
                    self.settle::<DERIVATIVE>(scratch, on);
                    break;
                }
            }
        }
        Ok(steps)
    }

    /// Puts the samples in line for the last stage; returns the largest part of their offsets.
    fn begin(&self, scratch: &mut Scratch, len: usize) -> f64 {
        let last = self.tables.stages().checked_sub(1);
        let at = last.map_or(0, |stage| self.tables.stage(stage).begin as usize);
        let exponent = if self.exponent > NORMAL { 0 } else { self.exponent };
        let first = Pending { stage: last.unwrap_or(0), at, n: 0, from: 0, to: len, exponent };
        if last.is_none() {
            self.leave(scratch, first, 0);
        } else {
            scratch.pending.push(first);
        }
        let [_, _, c_x, c_y, ..] = &scratch.group.0;
        c_x[..len].iter().chain(&c_y[..len]).fold(0.0, |most: f64, part| most.max(part.abs()))
    }

    #[inline(always)]
    fn step(&self, at: usize, entry: &Entry, exponent: i32) -> Step {
        let (place, next) = (entry.place as usize, self.tables.place(at + 1));
        if exponent == 0 && entry.wide == 0 {
            return Step::near(entry, self.orbit.z[place], self.orbit.z[next]);
        }
        Step::far(&self.tables.wide(at), self.orbit.wide(place), self.orbit.wide(next), exponent)
    }

    /// Samples that cannot use an entry go on in the stage before, or by themselves.
    fn fail(&self, scratch: &mut Scratch, group: Pending, next: u32) {
        if group.stage == 0 {
            self.leave(scratch, group, next);
        } else {
            scratch.pending.push(Pending { stage: group.stage - 1, at: next as usize, ..group });
        }
    }

    /// Samples that have gone through all stages wait at a place of the reference.
    fn leave(&self, scratch: &mut Scratch, group: Pending, at: u32) {
        let scale = power_of_two(self.exponent);
        for i in group.from..group.to {
            let [z_x, z_y, c_x, c_y, id, d_x, d_y] =
                [Z_X, Z_Y, C_X, C_Y, ID, D_X, D_Y].map(|plane| scratch.group.0[plane][i]);
            let mut sample = Waiting {
                id: id as u32,
                at,
                n: group.n,
                delta: [z_x, z_y],
                c: [c_x, c_y].map(|part| if scale > 0.0 { part * scale } else { 0.0 }),
                derivative: [d_x, d_y],
            };
            if group.exponent != 0 {
                self.alone(&mut sample, [c_x, c_y], group.exponent);
            }
            scratch.waiting.push(sample);
        }
    }

    /// Iterates a sample until `f64` holds it, with the roundings of the tail.
    fn alone(&self, sample: &mut Waiting, c: [f64; 2], exponent: i32) {
        let last = self.orbit.z.len() - 1;
        let mut s = exponent;
        let [mut delta, mut derivative] = [sample.delta, sample.derivative];
        let mut at = sample.at as usize;
        // A sample at the centre stays at the reference; what it needs an exponent for is its derivative.
        while sample.n < self.max {
            let size = largest(delta).larger(if delta == [0.0; 2] { largest(derivative) } else { 0.0 });
            let e = if size > 0.0 { Wide::new([size, 0.0], s).e } else { s };
            if e > NORMAL {
                break;
            }
            // δ and its derivative with an exponent that suits δ; the reference and the sample's iterate with one that suits the larger.
            (delta, derivative) = (shifted(delta, s - e), shifted(derivative, s - e));
            let z = self.orbit.wide(at);
            let w = z.e.max(e);
            let z = scaled(z.m, power_of_two(z.e - w));
            let full = sum(z, scaled(delta, power_of_two(e - w)));
            let o = (e + w).max(self.exponent);
            let (own, scale) = (power_of_two(e + w - o), power_of_two(self.exponent - o));
            derivative = tangent(full, scaled(derivative, own), scale);
            delta = difference(sum(z, full), scaled(delta, own), scaled(c, scale));
            (sample.n, at, s) = (sample.n + 1, at + 1, o);
            let next = self.orbit.wide(at);
            let w = next.e.max(s);
            let full = sum(scaled(next.m, power_of_two(next.e - w)), scaled(delta, power_of_two(s - w)));
            if at == last || largest(full) < largest(delta) * power_of_two(s - w) {
                (delta, derivative, at, s) = (full, shifted(derivative, s - w), 0, w);
            }
        }
        (sample.delta, sample.derivative, sample.at) = (shifted(delta, s), shifted(derivative, s), at as u32);
    }

    /// Gives samples the exponent that suits them, and puts them in line.
    fn settle<const DERIVATIVE: bool>(&self, scratch: &mut Scratch, group: Pending) {
        let Pending { from, mut to, exponent: s, .. } = group;
        if from == to {
            return;
        }
        let numbers = &mut scratch.group.0;
        let size = |x: &[f64], y: &[f64]| x.iter().chain(y).fold(0.0, |most: f64, part| most.max(part.abs()));
        let mut most = size(&numbers[Z_X][from..to], &numbers[Z_Y][from..to]);
        if most == 0.0 && DERIVATIVE {
            most = size(&numbers[D_X][from..to], &numbers[D_Y][from..to]);
        }
        let e = if most > 0.0 { Wide::new([most, 0.0], s).e } else { 0 };
        let exponent = if e > NORMAL { 0 } else { e };
        if exponent == 0 {
            // Those that are too small form a group of their own, which is rare.
            let bound = power_of_two((SMALL - s).min(1023));
            let mut i = from;
            while i < to {
                let size = largest([numbers[Z_X][i], numbers[Z_Y][i]]);
                if size < bound && size > 0.0 {
                    to -= 1;
                    numbers.iter_mut().for_each(|numbers| numbers.swap(i, to));
                } else {
                    i += 1;
                }
            }
        }
        let planes: &[[usize; 2]] = if DERIVATIVE { &[[Z_X, Z_Y], [D_X, D_Y]] } else { &[[Z_X, Z_Y]] };
        for plane in planes.iter().flatten().filter(|_| s != exponent) {
            numbers[*plane][from..to].iter_mut().for_each(|number| [*number, _] = shifted([*number; 2], s - exponent));
        }
        if to < group.to {
            self.settle::<DERIVATIVE>(scratch, Pending { from: to, ..group });
        }
        if from < to {
            scratch.pending.push(Pending { to, exponent, ..group });
        }
    }
}

/// Times 2^k, for numbers that stay within the range of `f64`.
fn shifted(m: [f64; 2], k: i32) -> [f64; 2] {
    // In two factors, since 2^k may be out of range.
    scaled(scaled(m, power_of_two(k / 2)), power_of_two(k - k / 2))
}

/// Puts the first `len` samples of another group into a group.
fn copy<const DERIVATIVE: bool>(group: &mut Group, at: usize, other: &Group, len: usize) {
    if len > 0 {
        let planes = if DERIVATIVE { 7 } else { 5 };
        for (numbers, others) in group.0.iter_mut().zip(&other.0).take(planes) {
            numbers[at..at + len].copy_from_slice(&others[..len]);
        }
    }
}

#[inline(always)]
fn all<L: Pack>(l: L, [x, y]: [f64; 2]) -> [L; 2] {
    [l.constant(x), l.constant(y)]
}

/// Takes samples of the group over an entry.
#[inline(always)]
fn divide<L: Pack, const DERIVATIVE: bool>(
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
    let group = &mut group.0;
    let mut done = Divided { kept: 0, rebased: 0, failed: 0, small: false };
    let mut i = range.start;
    while i < range.end {
        let left = range.end - i;
        let valid = if left >= L::LEN { full } else { (1 << left) - 1 };
        let z = [l.load(&group[Z_X][i..]), l.load(&group[Z_Y][i..])];
        let c = [l.load(&group[C_X][i..]), l.load(&group[C_Y][i..])];
        let id = l.load(&group[ID][i..]);
        let d = if DERIVATIVE { [l.load(&group[D_X][i..]), l.load(&group[D_Y][i..])] } else { z };
        let u = product(z, [own.mul_add(z[0], z2[0]), own.mul_add(z[1], z2[1])]);
        let mut fits = largest(u).at_most(r);
        if check_c {
            fits = fits & largest(c).at_most(rc);
        }
        let fit_bits = L::bits(fits) & valid;
        if fit_bits != valid {
            let which = l.mask(valid & !fit_bits);
            let values = [z[0], z[1], c[0], c[1], id, d[0], d[1]];
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
        let keep_bits = if is_last { 0 } else { L::bits(size.at_most(whole_size)) & fit_bits };
        let back_bits = fit_bits & !keep_bits;
        let smaller = whole_size.select(l.mask(back_bits), size);
        done.small |= L::bits(smaller.at_most(small_size)) & fit_bits != 0;
        if keep_bits != 0 {
            let w = range.start + done.kept;
            let values = [after[0], after[1], c[0], c[1], id, d_after[0], d_after[1]];
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
        if back_bits != 0 {
            let values = [whole[0], whole[1], c[0], c[1], id, d_after[0], d_after[1]];
            let which = l.mask(back_bits);
            put::<L, DERIVATIVE>(values, which, back_bits == full, rebased, done.rebased);
            done.rebased += back_bits.count_ones() as usize;
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
