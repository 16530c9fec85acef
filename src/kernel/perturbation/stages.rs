//! Samples on their way through the stages: all of a batch at once, as a tree of paths.
//!
//! Neighbours take the same entries for most of the way, so a batch starts as one group. Every entry divides a group in place: into
//! samples that it took on, those that go back to the begin of the stage (rebasing), and those that it cannot take, for the stage before.
//! The last two wait while the first go on. There are no masks and no idle lanes but in the last vector of a group.
//!
//! **Exponents.** δ and its derivative are those of the group times 2^`exponent`, which is 0 wherever `f64` holds them. Only the entry's
//! numbers are scaled, once for a group, so depth costs next to nothing, and no rounding depends on the group that a sample is in.

use super::divide::{SMALL, Step, divide, scaled};
use super::interior::Bounds;
use super::pack::{Pack, difference, largest, sum, tangent};
use super::scratch::{C_X, C_Y, D_X, D_Y, Group, ID, Pending, Scratch, Waiting, Z_X, Z_Y};
use super::shared::{Shared, State};
use super::tables::Entry;
use super::wide::{Wide, larger, power_of_two};
use crate::error::{Error, Result};

/// An exponent besides that of `f64` ends above 2 to this.
pub(super) const NORMAL: i32 = -400;

/// Below 2 to this, far below what a view can show, an orbit that comes back to 0 again and again does so for ever.
const LEAST: i32 = -(1 << 26);

/// How often samples go through the reference before they are examined, and how many entries and iterations they take at least: as much
/// as it costs to examine one.
const PATIENCE: u64 = 16;
const PATIENCE_STEPS: u64 = 2048;

/// Entries between checks of the stop flag: at most some milliseconds for a whole batch.
const STOP_INTERVAL: u32 = 256;

impl Shared<'_> {
    /// Takes `len` samples, whose offsets are in the scratch memory's group, through all stages; those that are left then wait there.
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
                if group.n >= group.check && group.steps >= PATIENCE_STEPS {
                    self.examine(scratch, &mut group)?;
                    continue;
                }
                since += 1;
                if since >= STOP_INTERVAL {
                    since = 0;
                    if self.stop.is_set() {
                        return Err(Error::Stopped);
                    }
                }
                let Pending { stage, at, n, from, to, exponent, .. } = group;
                let entry = self.tables.entry(at);
                if entry.r < 0.0 {
                    self.fail::<DERIVATIVE>(scratch, group, entry.next);
                    break;
                }
                let step = self.step(at, &entry, exponent);
                let is_last = at + 1 == self.tables.stage(stage).end as usize;
                let check_c = farthest > step.rc;
                let divided = divide::<L, DERIVATIVE>(l, &step, scratch, from..to, [check_c, is_last]);
                steps += (to - from - divided.failed) as u64;
                let (kept, rebased) = (from + divided.kept, from + divided.kept + divided.rebased);
                copy::<DERIVATIVE>(&mut scratch.group, kept, &scratch.rebased, divided.rebased);
                let failed = Pending { from: rebased, to, ..group };
                if self.tables.is_shortest(stage) {
                    self.leave::<DERIVATIVE>(scratch, Which::Failed(divided.failed), &failed, entry.next);
                } else if divided.failed > 0 {
                    copy::<DERIVATIVE>(&mut scratch.group, rebased, &scratch.failed, divided.failed);
                    scratch.pending.push(Pending { stage: stage - 1, at: entry.next as usize, ..failed });
                }
                let after = n + u64::from(entry.len);
                let (first, begin) = self.tables.back(stage);
                let moved = Pending { n: after, steps: group.steps + 1, exponent: step.exponent, ..group };
                let back = Pending { stage: first, at: begin, from: kept, to: rebased, ..moved };
                let on = Pending { at: at + 1, from, to: kept, ..moved };
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
            if DERIVATIVE && group.n >= self.max && !self.orbit.rest.is_empty() {
                self.reach(scratch, &group);
            }
        }
        Ok(steps)
    }

    /// Notes where samples are that have come to the maximum within the stages.
    #[cold]
    fn reach(&self, scratch: &mut Scratch, group: &Pending) {
        let around = self.orbit.wide(self.tables.place(group.at));
        for i in group.from..group.to {
            let [x, y, id, d_x, d_y] = [Z_X, Z_Y, ID, D_X, D_Y].map(|plane| scratch.group.0[plane][i]);
            let z = around + Wide::new([x, y], group.exponent);
            scratch.ends.reach(id as usize, z.to_f64(), shifted([d_x, d_y], group.exponent));
        }
    }

    /// Puts the samples in line for the longest entries; returns the largest part of their offsets c.
    fn begin(&self, scratch: &mut Scratch, len: usize) -> f64 {
        let (stage, at) = self.tables.first(self.orbit.has_way());
        let exponent = if self.orbit.has_start() { self.part(scratch, len) } else { self.normal(self.exponent) };
        let check = self.patience();
        scratch.pending.push(Pending { stage, at, n: 0, check, steps: 0, from: 0, to: len, exponent });
        let [_, _, c_x, c_y, ..] = &*scratch.group.0;
        let (c_x, c_y, mut most) = (&c_x[..len], &c_y[..len], 0.0);
        for i in 0..len {
            most = larger(most, larger(c_x[i].abs(), c_y[i].abs()));
        }
        most
    }

    /// Makes the offsets the differences with which samples of a Julia set start; returns their exponent.
    fn part(&self, scratch: &mut Scratch, len: usize) -> i32 {
        let from = if self.orbit.has_way() { Wide::zero() } else { self.orbit.wide(self.orbit.critical) };
        let exponent = self.normal(self.exponent.max(from.e));
        let (scale, from) = (power_of_two(self.exponent - exponent), from.shifted(-exponent).to_f64());
        let [z_x, z_y, c_x, c_y, _, d_x, _] = &mut *scratch.group.0;
        for ([z, c], from) in [[z_x, c_x], [z_y, c_y]].into_iter().zip(from) {
            for (z, c) in z[..len].iter_mut().zip(&mut c[..len]) {
                *z = c.mul_add(scale, from);
                *c = 0.0;
            }
        }
        d_x[..len].fill(scale);
        exponent
    }

    #[inline(always)]
    fn step(&self, at: usize, entry: &Entry, exponent: i32) -> Step {
        let (place, next) = (entry.place as usize, self.tables.place(at + 1));
        if exponent == 0 && entry.wide == 0 {
            return Step::near(entry, self.orbit.z[place], self.orbit.z[next]);
        }
        Step::far(&self.tables.wide(at), self.orbit.wide(place), self.orbit.wide(next), exponent)
    }

    /// After how many iterations samples are examined first: an orbit within a small copy of the set, whose period is the reference's, has
    /// come close to its cycle by then.
    fn patience(&self) -> u64 {
        PATIENCE * self.orbit.critical as u64 + 1024
    }

    /// After how many iterations a sample is examined again.
    pub(super) fn later(n: u64) -> u64 {
        n.saturating_mul(4)
    }

    /// Whether a sample is caught by a cycle, after as much work as `steps` in vectors. It is followed for a quarter of its iterations
    /// more, and over so few entries that those that are not caught lose little: one here takes as long as some hundred in vectors.
    pub(super) fn is_interior(&self, state: State, steps: u64) -> Result<bool> {
        let until = state.n.saturating_add(state.n / 4).min(self.max);
        self.is_caught(state, Bounds { until, steps: 16 + steps / 64 })
    }

    /// Takes the samples out of a group that are caught by a cycle.
    fn examine(&self, scratch: &mut Scratch, group: &mut Pending) -> Result<()> {
        let numbers = &mut scratch.group.0;
        let at = self.tables.place(group.at);
        let mut i = group.from;
        while i < group.to {
            let (z, c) = ([numbers[Z_X][i], numbers[Z_Y][i]], [numbers[C_X][i], numbers[C_Y][i]]);
            let delta = Wide::new(z, group.exponent);
            if self.is_interior(State { at, n: group.n, delta, c }, group.steps)? {
                group.to -= 1;
                numbers.iter_mut().for_each(|numbers| numbers.swap(i, group.to));
                scratch.ends.caught += 1;
            } else {
                i += 1;
            }
        }
        group.check = Self::later(group.n);
        Ok(())
    }

    /// Samples at an entry that none can use go on in the stage before, or by themselves.
    fn fail<const DERIVATIVE: bool>(&self, scratch: &mut Scratch, group: Pending, next: u32) {
        if self.tables.is_shortest(group.stage) {
            self.leave::<DERIVATIVE>(scratch, Which::Group(group.from..group.to), &group, next);
        } else {
            scratch.pending.push(Pending { stage: group.stage - 1, at: next as usize, ..group });
        }
    }

    /// Samples that have gone through all stages, those of a range, wait at a place of the reference. They are taken from where an entry
    /// that they could not use has put them.
    fn leave<const DERIVATIVE: bool>(&self, scratch: &mut Scratch, which: Which, group: &Pending, at: u32) {
        let (from_failed, range) = match which {
            Which::Group(range) => (false, range),
            Which::Failed(len) => (true, 0..len),
        };
        for i in range {
            let from = if from_failed { &scratch.failed } else { &scratch.group };
            let number = |plane: usize| from.0[plane][i];
            let (z_x, z_y, c_x, c_y) = (number(Z_X), number(Z_Y), number(C_X), number(C_Y));
            let (id, d_x, d_y) = (number(ID), number(D_X), number(D_Y));
            let mut sample = Waiting {
                id: id as u32,
                at,
                n: group.n,
                check: group.check.max(group.n + PATIENCE_STEPS.saturating_sub(group.steps)),
                delta: [z_x, z_y],
                offset: [c_x, c_y],
                rest: [0.0; 2],
                derivative: [d_x, d_y],
            };
            if group.exponent != 0 && self.alone(&mut sample, [c_x, c_y], group.exponent, &mut scratch.ends.singly) {
                let z = self.orbit.z[sample.at as usize];
                scratch.ends.set::<DERIVATIVE>(sample.id as usize, sample.n, z, sample.derivative);
            } else {
                scratch.waiting.push(sample);
            }
        }
    }

    /// Iterates a sample until `f64` holds it, with the roundings of the tail, or it has escaped; returns whether it has, and adds the
    /// iterations to `executed`.
    fn alone(&self, sample: &mut Waiting, c: [f64; 2], exponent: i32, executed: &mut u64) -> bool {
        let mut s = exponent;
        let [mut delta, mut derivative] = [sample.delta, sample.derivative];
        let mut at = sample.at as usize;
        // A sample at the centre stays at the reference; what it needs an exponent for is its derivative.
        let mut escaped = sample.n > 0 && self.escapes_alone(at, Wide::new(delta, s));
        while !escaped && sample.n < self.max {
            let size = largest(delta).larger(if delta == [0.0; 2] { largest(derivative) } else { 0.0 });
            let e = if size > 0.0 { Wide::new([size, 0.0], s).e } else { s };
            if e > self.normal {
                break;
            }
            // δ and its derivative with an exponent that suits δ; the reference and the sample's iterate with one that suits the larger.
            (delta, derivative) = (shifted(delta, s - e), shifted(derivative, s - e));
            let z = self.orbit.wide(at);
            let w = z.e.max(e);
            let z = scaled(z.m, power_of_two(z.e - w));
            let full = sum(z, scaled(delta, power_of_two(e - w)));
            let o = if self.orbit.has_start() { e + w } else { (e + w).max(self.exponent) };
            if o < LEAST {
                sample.n = self.max;
                break;
            }
            let scale = if self.orbit.has_start() { 0.0 } else { power_of_two(self.exponent - o) };
            let own = power_of_two(e + w - o);
            derivative = tangent(full, scaled(derivative, own), scale);
            delta = difference(sum(z, full), scaled(delta, own), scaled(c, scale));
            (sample.n, at, s) = (sample.n + 1, at + 1, o);
            *executed += 1;
            escaped = self.escapes_alone(at, Wide::new(delta, s));
            let next = self.orbit.wide(at);
            let w = next.e.max(s);
            let full = sum(scaled(next.m, power_of_two(next.e - w)), scaled(delta, power_of_two(s - w)));
            if !escaped && (at == self.orbit.last(at) || largest(full) < largest(delta) * power_of_two(s - w)) {
                (delta, derivative, at, s) = (full, shifted(derivative, s - w), 0, w);
            }
        }
        // The derivative of a sample that has escaped is at most tiny; how tiny is no matter.
        let derivative = shifted(derivative, if escaped { s.max(2 * NORMAL) } else { s });
        (sample.delta, sample.derivative, sample.at) = (shifted(delta, s), derivative, at as u32);
        escaped
    }

    /// The exponent besides that of `f64` for numbers of about 2^e.
    fn normal(&self, e: i32) -> i32 {
        if e > self.normal { 0 } else { e }
    }

    /// Gives samples the exponent that suits them, and puts them in line.
    fn settle<const DERIVATIVE: bool>(&self, scratch: &mut Scratch, group: Pending) {
        let Pending { from, mut to, exponent: s, .. } = group;
        if from == to {
            return;
        }
        let numbers = &mut scratch.group.0;
        let size = |x: &[f64], y: &[f64]| {
            let mut most = 0.0;
            for i in 0..x.len().min(y.len()) {
                most = larger(larger(x[i].abs(), y[i].abs()), most);
            }
            most
        };
        let mut most = size(&numbers[Z_X][from..to], &numbers[Z_Y][from..to]);
        if most == 0.0 && DERIVATIVE {
            most = size(&numbers[D_X][from..to], &numbers[D_Y][from..to]);
        }
        let e = if most > 0.0 { Wide::new([most, 0.0], s).e } else { 0 };
        if e < LEAST {
            return;
        }
        let exponent = self.normal(e);
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

/// Which samples leave the stages: some of the group, or so many that could not use an entry.
enum Which {
    Group(std::ops::Range<usize>),
    Failed(usize),
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
        for (numbers, others) in group.0.iter_mut().zip(&*other.0).take(planes) {
            numbers[at..at + len].copy_from_slice(&others[..len]);
        }
    }
}
