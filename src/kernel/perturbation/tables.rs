//! Tables for skipping iterations: staged approximation of second order.
//!
//! **An entry** takes a sample from one iterate of the reference to a later one. With Z the first of them, δ the sample's difference from
//! it and c the sample's offset, its first iteration is exact, u = δ·(2Z + δ), and all that follow are one polynomial,
//!
//! > δ′ = P + Q + d·P² + e·P·Q + f·Q², where P = A·u and Q = B·c.
//!
//! Coefficients relative to P and Q neither overflow nor underflow as A and B do. An entry begins as A = B = 1. It takes in one more
//! iterate w by squaring its polynomial and dropping what is above second order: A′ = 2wA, B′ = 2wB + 1 and, with t = 2wB/B′,
//! d′ = (2wd + 1)/(2w)², e′ = 2(we + 1)/(2w)²·t, f′ = (2wf + 1)/(2w)²·t². Two entries become one in the same way ([`Step::then`]).
//!
//! **Where it holds.** What is dropped are cubes: relative to w it is the third power of the difference's share of w. So the first
//! dropped term is below a tolerance ε where differences stay below √ε·|w|; |u| and |c| are limited accordingly (`r`, `rc`). Of first
//! order, as others do it, differences must stay below ε·|w|. At the same limits an entry of second order costs three times as much, but
//! tolerates the square of the error: at a dense place of 1e50 it takes a quarter of the iterations that are left to do one by one.
//!
//! **Stages.** The orbit is cut where it comes close to 0, closer than ever before by a factor of 16: from such a dip on it nearly
//! repeats itself. The next stage joins the entries between deeper dips in the same way, until there is none left (Imagina's stages). A
//! sample goes from the last stage, whose entries are longest, to the first.
//!
//! **Julia sets.** Samples differ by where they start, so c is 0, and B with it. They start along an orbit of their own, the centre's, at
//! most as far from it as the view's radius, so the best entry there is the longest that this radius allows. What is left of that orbit
//! is not long: differences are 2⁻²⁰ of the iterates where the entry ends, and as large as these where samples rebase. The same holds for
//! the critical orbit, where samples are as far from 0 as they have been when they came to it.
//!
//! **Exactness.** An entry ends where the orbit ends only if that is the same for every larger maximum, and no iterate that it skips can
//! have escaped: differences from iterates near the escape radius are limited to a part of what is left to it. Near the tip −2, with radius
//! 2, that is what the reference notes of iterates that `f64` takes for 2 (`edge.rs`). Where such iterates were in no entry of more than
//! one iteration, a view there at 1e-2000 took 88 times as long as with radius 256.

use super::orbit::{Given, Orbit};
use super::precise::NOTED;
use super::wide::{Part, Size, Wide, power_of_two};
use crate::kernel::double_double::DoubleDouble;
use std::cmp::Ordering;
use std::ops::Range;

/// How much closer to 0 than ever before an iterate is that begins an entry, as a power of two.
const DIP: i32 = -4;

/// The most bytes of tables for an iterate, on average over an orbit that is longer than this.
const TABLE_BYTES: usize = 48;
const SHORT: usize = 1 << 14;

/// An entry, ready for use with offsets that are divided by the scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) a: [f64; 2],
    /// B times the scale.
    pub(super) b: [f64; 2],
    pub(super) d: [f64; 2],
    pub(super) e: [f64; 2],
    pub(super) f: [f64; 2],
    /// The most that the larger part of u may be; negative where the entry cannot be used.
    pub(super) r: f64,
    /// The same for c, divided by the scale.
    pub(super) rc: f64,
    /// How many iterations it takes.
    pub(super) len: u32,
    /// Where a sample goes on if it cannot use the entry: an entry of the stage before, or in the first stage the reference's iterate.
    pub(super) next: u32,
    /// The entry's place among the wide ones plus 1, if it is out of `f64`'s range.
    pub(super) wide: u32,
    /// The place in the orbit of the iterate Z that it starts from.
    pub(super) place: u32,
}

/// An entry out of `f64`'s range: each coefficient with an exponent of its own, but one for d, e and f together.
#[derive(Clone, Copy, Debug)]
pub(super) struct WideEntry {
    pub(super) a: [f64; 2],
    pub(super) b: [f64; 2],
    pub(super) d: [f64; 2],
    pub(super) e: [f64; 2],
    pub(super) f: [f64; 2],
    pub(super) r: f64,
    pub(super) rc: f64,
    pub(super) a_exponent: i32,
    pub(super) b_exponent: i32,
    pub(super) def_exponent: i32,
    pub(super) r_exponent: i32,
}

/// The entries of a stage: from `begin` to before `end`, where there is one more that has only the iterate at which the last entry ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) begin: u32,
    pub(super) end: u32,
}

/// What tables are made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The binary logarithm of the tolerance; even.
    pub(super) tolerance: i32,
    /// The binary logarithm of what offsets are divided by.
    pub(super) exponent: i32,
    pub(super) escape_radius: f64,
    /// Whether the orbit ends where it does for every larger maximum.
    pub(super) complete: bool,
    /// How far samples of a Julia set are from the view's centre at most.
    pub(super) start: Option<Size>,
    /// The maximum number of iterations.
    pub(super) max: u64,
    /// The most bytes of all entries, as long as there are stages to drop: [`most_bytes`].
    pub(super) bytes: usize,
}

/// An entry in the making.
#[derive(Clone, Copy, Debug)]
struct Step<P> {
    z: Wide<P>,
    a: Wide<P>,
    b: Wide<P>,
    d: Wide<P>,
    e: Wide<P>,
    f: Wide<P>,
    r: Size,
    rc: Size,
    len: u32,
    next: u32,
    place: u32,
}

/// The coefficients after one more squaring, before the sample's offset is added; those of second order are loose.
struct Squared<P> {
    a: Wide<P>,
    b: Wide<P>,
    d: Wide<P>,
    e: Wide<P>,
    f: Wide<P>,
}

impl<P: Part> Step<P> {
    fn squared(&self, w: Wide<P>) -> Squared<P> {
        let w2 = w.shifted(1);
        let per_square = w2.loose_product(w2).loose_inverse();
        let relative = |w: Wide<P>, x: Wide<P>| w.loose_product(x).loose_sum(Wide::one()).loose_product(per_square);
        let (d, e, f) = (relative(w2, self.d), relative(w, self.e).shifted(1), relative(w2, self.f));
        Squared { a: w2 * self.a, b: w2 * self.b, d, e, f }
    }

    /// With one more iterate w.
    fn and(&self, w: Wide<P>, at: usize, within: &Within<'_>) -> Self {
        let Squared { a, b: bw, d, e, f } = self.squared(w);
        let b = if within.limits.start.is_some() { bw } else { bw + Wide::one() };
        let t = bw.loose_product(b.loose_inverse());
        let most = within.most(w, at);
        let (r, rc) = (self.r.min(most.over(self.a.size())), self.rc.min(most.over(self.b.size())));
        Self { a, b, d: Wide::new(d.m, d.e), e: e * t, f: f * t.loose_product(t), r, rc, len: self.len + 1, ..*self }
    }

    /// Followed by another entry.
    fn then(&self, s: &Self, within: &Within<'_>) -> Self {
        let Squared { a: a1, b: b1, d: d1, e: e1, f: f1 } = self.squared(s.z);
        let per_a = s.a.inverse();
        let (d1, e1, f1) = (d1 * per_a, e1 * per_a, f1 * per_a);
        let bw = s.a * b1;
        let b = bw + s.b;
        let per_b = b.inverse();
        let (t, v) = (bw * per_b, s.b * per_b);
        let most = within.most(s.z, s.place as usize);
        let r = self.r.min(most.over(self.a.size())).min(s.r.over(a1.size()));
        let rc = self.rc.min(most.over(self.b.size())).min(s.r.over(b1.size())).min(s.rc);
        Self {
            z: self.z,
            a: s.a * a1,
            b,
            d: d1 + s.d,
            e: (e1 + s.d.shifted(1)) * t + s.e * v,
            f: (f1 + s.d) * (t * t) + s.e * (t * v) + s.f * (v * v),
            r,
            rc,
            len: self.len + s.len,
            next: self.next,
            place: self.place,
        }
    }
}

/// The limits of an orbit's entries.
#[derive(Clone, Copy)]
struct Within<'a> {
    orbit: Orbit<'a>,
    limits: Limits,
}

impl Within<'_> {
    /// One iteration from an iterate: u is at most 1, and so small that the sample has not escaped.
    fn one<P: Part>(&self, z: Wide<P>, at: usize) -> Step<P> {
        // With room for the other part of a complex number. Where it is below |Z|, a sample that could be used has |δ| < |u|/|Z|,
        // otherwise |δ|² < |u|.
        let Size { m, e } = self.room(z, at);
        let (room, size) = (Size { m, e: e - 2 }, z.size());
        let r = room.times(if room.is_below(size) { size } else { room }).min(Size::of(1.0));
        let r = if m > 0.0 { r } else { Size::NONE };
        let (a, zero) = (Wide::one(), Wide::zero());
        let b = if self.limits.start.is_some() { zero } else { a };
        let (len, place) = (1, at as u32);
        Step { z, a, b, d: zero, e: zero, f: zero, r, rc: Size::of(1.0), len, next: place, place }
    }

    /// How large differences from an iterate may be.
    fn most<P: Part>(&self, w: Wide<P>, at: usize) -> Size {
        let Limits { tolerance, escape_radius, .. } = self.limits;
        let Size { m, e } = w.size();
        let most = Size { m, e: e + tolerance / 2 };
        // With both terms, and both parts, a difference is up to four times as large, and a half more.
        if w.modulus() * (1.0 + 4.0 * power_of_two(tolerance / 2)) <= escape_radius {
            return most;
        }
        let Size { m, e } = self.room(w, at);
        most.min(Size { m, e: e - 4 })
    }

    /// How far from an iterate no sample has escaped.
    fn room<P: Part>(&self, z: Wide<P>, at: usize) -> Size {
        let radius = self.limits.escape_radius;
        if let Some(excess) = self.orbit.excess(at) {
            // While |δ|·(2|Z| + |δ|) is below R² − |Z|².
            return if excess.m[0] < 0.0 { excess.size().over(Size::of(2.0 * radius + 1.0)) } else { Size::NONE };
        }
        let room = radius - z.modulus();
        if room > NOTED * radius { Size::of(room) } else { Size::NONE }
    }
}

impl Limits {
    fn entry<P: Part>(&self, step: &Step<P>, wides: &mut Vec<WideEntry>) -> Entry {
        let shift = -self.exponent;
        let b = step.b.shifted(-shift);
        let below = |x: &Wide<P>| x.e < 900;
        let all_below = below(&step.a) & below(&step.d) & below(&step.e) & below(&step.f) & below(&b);
        let rc_fits = step.rc.e.saturating_add(shift) > -1000;
        let fits = step.r.e > -900 && rc_fits && step.a.e > -100 && all_below;
        let usable = step.r.m > 0.0 && step.rc.m > 0.0;
        let rc = if step.rc.m > 0.0 { step.rc.m * power_of_two((step.rc.e + shift).clamp(-1000, 1000)) } else { -1.0 };
        let (a, d, e) = (step.a.to_f64(), step.d.to_f64(), step.e.to_f64());
        let (f, b) = (step.f.to_f64(), b.to_f64());
        let r = if usable { step.r.to_f64(0) } else { -1.0 };
        let Step { len, next, place, .. } = *step;
        let mut entry = Entry { a, b, d, e, f, r, rc, len, next, wide: 0, place };
        if usable && !fits {
            let def_exponent = step.d.e.max(step.e.e).max(step.f.e);
            let of = |x: Wide<P>| x.shifted(-def_exponent).to_f64();
            wides.push(WideEntry {
                a: step.a.high().m,
                b: step.b.high().m,
                d: of(step.d),
                e: of(step.e),
                f: of(step.f),
                r: step.r.m,
                rc,
                a_exponent: step.a.e,
                b_exponent: if step.b.is_zero() { step.b.e } else { step.b.e - shift },
                def_exponent,
                r_exponent: step.r.e,
            });
            entry.wide = wides.len() as u32;
        }
        entry
    }
}

/// Stages in the making: all entries of one after the other, each followed by one with the iterate at which it ends.
struct Builder<'a, P> {
    within: Within<'a>,
    steps: Vec<Step<P>>,
    stages: Vec<Stage>,
}

/// Tables as they are prepared.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) stages: Vec<Stage>,
    pub(super) entries: Vec<Entry>,
    pub(super) wides: Vec<WideEntry>,
}

/// Watches the sizes of iterates for the first dip.
struct Dips {
    smallest: Size,
    before: Size,
}

impl Dips {
    fn new(first: Size) -> Self {
        Self { smallest: first, before: first }
    }

    /// Whether this is the first dip.
    fn found(&mut self, size: Size) -> bool {
        if !size.is_below(self.smallest) {
            return false;
        }
        (self.before, self.smallest) = (self.smallest, size);
        size.is_below(Size { m: self.before.m, e: self.before.e + DIP })
    }

    /// Whether an iterate is nearly as close to 0 as the dip, between it and the closest before.
    fn reached(&self, size: Size) -> bool {
        size.times(size).is_below(self.smallest.times(self.before))
    }
}

/// The most bytes of all entries for an orbit of this length: stages are dropped for it. At a place of 1e533 whose entries are 3
/// iterations long, dropping the first costs 10 to 25 % of the time. In short orbits it would cost more, and memory is no matter.
pub(super) fn most_bytes(len: usize) -> usize {
    if len > SHORT { TABLE_BYTES * len } else { usize::MAX }
}

/// The tables of an orbit.
pub(super) fn build(orbit: Orbit<'_>, limits: Limits) -> Made {
    if orbit.rest.is_empty() {
        build_with::<f64>(orbit, limits)
    } else {
        build_with::<DoubleDouble<f64>>(orbit, limits)
    }
}

fn build_with<P: Given>(orbit: Orbit<'_>, limits: Limits) -> Made {
    let mut builder: Builder<'_, P> =
        Builder { within: Within { orbit, limits }, steps: Vec::new(), stages: Vec::new() };
    if let Some(radius) = limits.start {
        let closest = orbit.closest(radius);
        builder.longest(0..orbit.critical - 1, closest.times(closest));
        if orbit.has_way() {
            let from = orbit.wide(orbit.critical).size();
            builder.longest(orbit.critical..orbit.z.len() - 1, radius.times(from));
        }
    } else {
        if builder.first() {
            while builder.next() {}
        }
        while builder.is_too_large() {
            builder.drop_first();
        }
    }
    let Builder { steps, stages, .. } = builder;
    let mut wides = Vec::new();
    let entries = steps.iter().map(|step| limits.entry(step, &mut wides)).collect();
    Made { stages, entries, wides }
}

impl<P: Given> Builder<'_, P> {
    /// The first stage, from the orbit; whether it has a dip.
    fn first(&mut self) -> bool {
        let last = self.within.orbit.critical - 1;
        let size = |at: usize| self.within.orbit.wide(at).size();
        let mut dips = Dips::new(size(1));
        let dip = (1..last).find(|&at| dips.found(size(at)));
        let mut begins = 0;
        let mut step = self.within.one(Wide::zero(), 0);
        for at in 1..last {
            let w = P::iterate(&self.within.orbit, at);
            let cut = dip.is_some_and(|dip| at == dip || at > dip && (dips.reached(w.size()) || at - begins >= dip));
            if cut {
                self.steps.push(step);
                step = self.within.one(w, at);
                begins = at;
            } else {
                step = step.and(w, at, &self.within);
            }
        }
        self.steps.push(step);
        let end = self.within.one(P::iterate(&self.within.orbit, last), last);
        self.close(0, end);
        dip.is_some()
    }

    /// The stage above the last one; whether it has a dip.
    fn next(&mut self) -> bool {
        let Some(&Stage { begin, end }) = self.stages.last() else { return false };
        let (from, to) = (begin as usize, end as usize);
        let mut dips = Dips::new(self.steps[from + 1].z.size());
        let dip = (from + 1..to).find(|&at| dips.found(self.steps[at].z.size()));
        let start = self.steps.len();
        let mut step = Step { next: begin, ..self.steps[from] };
        let (mut period, mut dipped) = (0, false);
        for at in from + 1..to {
            let other = self.steps[at];
            if dip == Some(at) {
                (period, dipped) = (step.len, true);
            }
            if dip == Some(at) || dipped && (dips.reached(other.z.size()) || step.len >= period) {
                self.steps.push(step);
                step = Step { next: at as u32, ..other };
            } else {
                step = step.then(&other, &self.within);
            }
        }
        self.steps.push(step);
        let sentinel = self.steps[to];
        self.close(start, sentinel);
        dip.is_some()
    }

    /// A stage of an orbit: the longest entry that all samples can take, whose u is about this at most, and one that none can.
    fn longest(&mut self, Range { start: first, end: last }: Range<usize>, u: Size) {
        let begin = self.steps.len() as u32;
        let mut step = self.within.one(P::iterate(&self.within.orbit, first), first);
        // For u = δ·(2Z + δ) where |δ| is below |Z|, with parts in place of absolute values. Too much costs a few iterations.
        let most = u.times(Size { m: 1.0, e: 3 });
        let mut ended = false;
        let mut at = first + 1;
        while at < last && !ended {
            let longer = step.and(P::iterate(&self.within.orbit, at), at, &self.within);
            ended = longer.r.is_below(most);
            if !ended {
                (step, at) = (longer, at + 1);
            }
        }
        // An orbit that ends at the maximum has a longer entry with a larger one.
        if !ended && (last - first) as u64 >= self.within.limits.max {
            step.r = Size::NONE;
        }
        self.steps.push(step);
        if at < last {
            let rest = self.within.one(P::iterate(&self.within.orbit, at), at);
            self.steps.push(Step { r: Size::NONE, len: (last - at) as u32, ..rest });
        }
        self.stages.push(Stage { begin, end: self.steps.len() as u32 });
        self.steps.push(self.within.one(P::iterate(&self.within.orbit, last), last));
    }

    /// Whether the tables take more memory than the orbit is worth, and the first stage can be missed.
    fn is_too_large(&self) -> bool {
        self.stages.len() > 1 && self.steps.len() * size_of::<Entry>() > self.within.limits.bytes
    }

    /// Drops the first stage: the next one leads to where that led.
    fn drop_first(&mut self) {
        let dropped = self.stages.remove(0).end as usize + 1;
        let first = self.stages[0].end as usize;
        for at in dropped..self.steps.len() {
            let next = self.steps[at].next as usize;
            self.steps[at].next = match at.cmp(&first) {
                Ordering::Less => self.steps[next].next,
                // A stage ends with one that leads nowhere.
                Ordering::Equal => 0,
                Ordering::Greater => next.saturating_sub(dropped) as u32,
            };
        }
        self.steps.drain(..dropped);
        for stage in &mut self.stages {
            stage.begin -= dropped as u32;
            stage.end -= dropped as u32;
        }
    }

    /// Ends a stage that begins at `begin`.
    fn close(&mut self, begin: usize, end: Step<P>) {
        if !self.within.limits.complete
            && let Some(last) = self.steps.last_mut()
        {
            // With a larger maximum it would be longer.
            last.r = Size::NONE;
        }
        self.stages.push(Stage { begin: begin as u32, end: self.steps.len() as u32 });
        self.steps.push(end);
    }
}
