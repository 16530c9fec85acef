//! Samples that never escape: whether an orbit is caught by an attracting cycle, which `disc.rs` shows of iterates at which it rebases.
//!
//! An orbit's escape is what other code finds; here it only ends the search. The derivative goes through the tables' entries as δ does.
//! They hold where the iterates' share of the distance to 0 stays below √ε, so each of their |F_j|/|z_j| is at most √ε·|F|/r.

use super::disc::Mark;
use super::pack::{difference, largest, sum};
use super::shared::{Shared, State};
use super::tables::WideEntry;
use super::wide::{Size, Wide};
use crate::error::{Error, Result};
use crate::parallel::Stop;

/// Below 2 to this, differences have an exponent besides that of `f64`.
const NORMAL: i32 = -400;

/// Iterations in `f64` at a time, after which the derivative gets another exponent.
const RUN: u64 = 64;

/// Steps between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 13;

/// A disc that P iterations map into itself.
#[derive(Clone, Copy, Debug)]
struct Disc {
    centre: State,
    radius: Size,
    period: u64,
}

struct Walk<'a> {
    shared: &'a Shared<'a>,
    state: State,
    mark: Option<Mark>,
    /// How many when the stop flag was looked at.
    checked: u64,
    /// Entries and single iterations, and runs of these in `f64`: each takes about as long.
    taken: u64,
}

/// How far an orbit is followed: up to an iteration, and over so many entries, iterations and runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) until: u64,
    pub(super) steps: u64,
}

/// Whether a walk goes on.
enum Step {
    On,
    Rebased,
    Escaped,
}

impl Shared<'_> {
    /// Whether an orbit is caught within some bounds.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(super) fn is_caught(&self, state: State, bounds: Bounds) -> Result<bool> {
        Ok(self.disc(state, bounds)?.is_some())
    }

    /// The period of the cycle by which an orbit is caught, if it is before iteration `until`.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(super) fn period(&self, state: State, until: u64) -> Result<Option<u64>> {
        let bounds = Bounds { until, steps: u64::MAX };
        let Some(Disc { centre, radius, period }) = self.disc(state, bounds)? else { return Ok(None) };
        // The first iterate in the disc: from there on the orbit tends to the same point of the cycle.
        let mut walk = Walk { shared: self, state: centre, mark: None, checked: 0, taken: 0 };
        for n in 1..period {
            walk.single();
            let State { at, delta, .. } = walk.state;
            let z = self.orbit.wide(at) + delta;
            if period % n == 0 && !radius.is_below((z + centre.delta.negated()).size()) {
                return Ok(Some(n));
            }
            walk.stop(self.stop)?;
        }
        Ok(Some(period))
    }

    fn disc(&self, state: State, Bounds { until, steps }: Bounds) -> Result<Option<Disc>> {
        let mut walk = Walk { shared: self, state, mark: None, checked: 0, taken: 0 };
        loop {
            let State { at, n, delta, .. } = walk.state;
            if n >= until || walk.taken > steps {
                return Ok(None);
            }
            if at == 0 {
                if let Some(mark) = walk.mark
                    && let Some(radius) = mark.radius(delta, Size::NONE)
                {
                    return Ok(Some(Disc { centre: walk.state, radius, period: n - mark.n }));
                }
                // Brent: the orbit is compared with an iterate that is replaced whenever the number of iterations has doubled.
                if walk.mark.is_none_or(|mark| n >= 2 * mark.n) {
                    walk.mark = Some(Mark::new(delta, n));
                }
            }
            let step = if at == 0 { walk.entries(until) } else { walk.singles(until) };
            if matches!(step, Step::Escaped) {
                return Ok(None);
            }
            walk.stop(self.stop)?;
        }
    }
}

impl Walk<'_> {
    fn stop(&mut self, stop: &Stop) -> Result<()> {
        if self.taken >= self.checked + STOP_INTERVAL {
            self.checked = self.taken;
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    /// Goes on from 0, over the entries that the sample may take.
    fn entries(&mut self, until: u64) -> Step {
        let tables = self.shared.tables;
        let (mut stage, mut at) = tables.first(false);
        while self.state.n < until {
            let entry = tables.entry(at);
            let wide = tables.wide(at);
            if entry.r < 0.0 || !self.entry(&wide, entry.len) {
                self.state.at = entry.next as usize;
                if tables.is_shortest(stage) {
                    return self.single();
                }
                (stage, at) = (stage - 1, entry.next as usize);
                self.state.at = tables.place(at);
                continue;
            }
            self.taken += 1;
            at += 1;
            self.state.at = tables.place(at);
            if let Some(step) = self.ended(at == tables.stage(stage).end as usize) {
                return step;
            }
        }
        Step::On
    }

    /// Takes an entry; whether the sample may.
    fn entry(&mut self, entry: &WideEntry, len: u32) -> bool {
        let State { at, delta, c, .. } = self.state;
        let z = self.shared.orbit.wide(at) + delta;
        let u = delta * (self.shared.orbit.wide(at) + z);
        let r = Size { m: entry.r, e: entry.r_exponent };
        if r.is_below(u.size()) || largest(c) > entry.rc {
            return false;
        }
        let [a, b] = [(entry.a, entry.a_exponent), (entry.b, entry.b_exponent)].map(|(m, e)| Wide { m, e });
        let [d, e, f] = [entry.d, entry.e, entry.f].map(|m| Wide::new(m, entry.def_exponent));
        let (p, q) = (a * u, b * Wide::new(c, 0));
        let after = p + q + d * p * p + (e * p + f * q) * q;
        if let Some(mark) = &mut self.mark {
            mark.leave(z);
            let before = mark.derivative.map_or(Wide::one(), |derivative| z.shifted(1) * derivative);
            let Size { m, e: exponent } = before.size().over(r);
            mark.shares = mark.shares + Wide { m: [m, 0.0], e: exponent + self.shared.tolerance / 2 };
            mark.derivative = Some(a * (Wide::one() + (d * p).shifted(1) + e * q) * before);
        }
        (self.state.delta, self.state.n) = (after, self.state.n + u64::from(len));
        true
    }

    /// What has become of the sample at a place; `ends` where it must rebase.
    fn ended(&mut self, ends: bool) -> Option<Step> {
        let State { at, delta, .. } = self.state;
        let z = self.shared.orbit.wide(at) + delta;
        let [x, y] = z.to_f64();
        let norm = y.mul_add(y, x * x);
        if norm > self.shared.limit || norm.is_nan() {
            return Some(Step::Escaped);
        }
        if ends || z.size().is_below(delta.size()) {
            (self.state.at, self.state.delta) = (0, z);
            return Some(Step::Rebased);
        }
        None
    }

    /// One iteration, with an exponent where it is needed.
    fn single(&mut self) -> Step {
        let State { at, delta, c, n } = self.state;
        let around = self.shared.orbit.wide(at);
        let z = around + delta;
        if let Some(mark) = &mut self.mark {
            mark.leave(z);
            mark.derivative = Some(mark.derivative.map_or(Wide::one(), |derivative| z.shifted(1) * derivative));
        }
        let delta = (around + z) * delta + Wide::new(c, self.shared.exponent);
        (self.state.at, self.state.delta, self.state.n) = (at + 1, delta, n + 1);
        self.taken += 1;
        self.ended(at + 1 == self.shared.orbit.last(at)).unwrap_or(Step::On)
    }

    /// Some iterations in `f64`, if that holds the sample; until it rebases or becomes too small.
    fn singles(&mut self, until: u64) -> Step {
        let State { mut at, mut n, delta, c } = self.state;
        let least = if self.shared.exponent < NORMAL { NORMAL / 2 } else { NORMAL };
        let begins = self.mark.is_some_and(|mark| mark.derivative.is_none());
        if delta.e < least || begins {
            return self.single();
        }
        let mut derivative = self.mark.and_then(|mark| mark.derivative).unwrap_or(Wide::one());
        let orbit = &self.shared.orbit;
        let c = Wide::new(c, self.shared.exponent).to_f64();
        let last = orbit.last(at);
        let (mut delta, mut z, mut shares, mut step) = (delta.to_f64(), orbit.z[at], 0.0, Step::On);
        let mut full = sum(z, delta);
        for _ in 0..(until - n).min(RUN) {
            let ([x, y], [p, q]) = (full, derivative.m);
            shares += largest(derivative.m) / largest(full);
            derivative.m = [2.0 * (x * p - y * q), 2.0 * (x * q + y * p)];
            delta = difference(sum(z, full), delta, c);
            (at, n) = (at + 1, n + 1);
            z = orbit.z[at];
            full = sum(z, delta);
            let norm = full[1].mul_add(full[1], full[0] * full[0]);
            if norm > self.shared.limit || norm.is_nan() {
                step = Step::Escaped;
                break;
            }
            if at == last || largest(full) < largest(delta) {
                (delta, at, step) = (full, 0, Step::Rebased);
                break;
            }
            if largest(delta) < 1e-60 || !(1e-200..1e200).contains(&largest(derivative.m)) {
                break;
            }
        }
        if let Some(mark) = &mut self.mark {
            mark.shares = mark.shares + Wide::new([shares, 0.0], derivative.e);
            mark.derivative = Some(Wide::new(derivative.m, derivative.e));
        }
        (self.state.at, self.state.n, self.state.delta) = (at, n, Wide::new(delta, 0));
        self.taken += 1;
        step
    }
}
