//! The tail: what is left of each sample's orbit after the stages, one iteration at a time.
//!
//! δ′ = (2Z + δ)·δ + c. Every lane is at a place of the reference of its own. K vectors are in flight; a lane whose sample has ended takes
//! the next one at once, so lanes are idle only at the end of a batch.
//!
//! What a flight keeps is what the next iteration needs, since with AVX2 all of it is in memory: w = Z + (Z + δ) in place of Z and of the
//! iterate, which is computed again of a sample that has ended. Places are in memory for every instruction set, where each lane's index is
//! one load; taken out of a vector it is three instructions. A blend takes as long as three other operations, so rebasing is a masked Z
//! and a sum.

use super::difference::{Difference, stored};
use super::orbit::Orbit;
use super::pack::{self, MOST_LANES, Pack, Places, difference, largest, place, sum, tangent};
use super::scratch::{Ends, Waiting};
use super::shared::{Shared, State};
use super::wide::{Wide, power_of_two};
use crate::error::{Error, Result};
use crate::kernel::double_double::DoubleDouble;
use crate::kernel::unroll::{each, unroll};

/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 14;

/// Samples in the lanes of one vector.
#[derive(Clone, Copy)]
struct Flight<L, N> {
    delta: [N; 2],
    /// Z + (Z + δ).
    w: [N; 2],
    c: [N; 2],
    /// The samples' iterates, Z + δ, and their derivatives, if there are any.
    full: [L; 2],
    derivative: [L; 2],
}

/// What all iterations have in common.
#[derive(Clone, Copy)]
struct Constants<L> {
    zero: L,
    one: L,
    first: L,
    /// The place before the last of the critical orbit.
    last: L,
    scale: L,
    limit: L,
}

/// Samples that wait, in the order in which memory has them.
type Queue<'a> = std::slice::Iter<'a, Waiting>;

/// Who is nobody stays at the reference.
const NOBODY: Waiting =
    Waiting { id: 0, at: 0, n: 0, check: 0, delta: [0.0; 2], offset: [0.0; 2], rest: [0.0; 2], derivative: [0.0; 2] };

/// A sample in a lane: where it is in the reference, its difference and its iterate.
struct Seat {
    at: usize,
    delta: [f64; 2],
    full: [f64; 2],
}

/// Who is in the lanes.
#[derive(Clone, Copy)]
struct Crew {
    /// The places after those of the reference that the lanes are at.
    next: Places,
    id: [u32; MOST_LANES],
    /// At how many iterations of the batch a sample has come to the maximum or is examined, and how many it had done when the batch began.
    end: [u64; MOST_LANES],
    before: [u64; MOST_LANES],
    offset: [[f64; 2]; MOST_LANES],
    /// Lanes that have a sample, as bits.
    alive: u64,
}

impl<L: Pack, N: Difference<L>> Flight<L, N> {
    /// One iteration; the lanes that are within the escape radius, as bits. Where there are two orbits, `lasts` are the places before the
    /// last of those that the lanes are on: a field for them would cost the others 3 % of their time.
    #[inline(always)]
    fn iterate<const DERIVATIVE: bool, const TWO: bool>(
        &mut self,
        places: &mut Places,
        orbit: &Orbit<'_>,
        constants: &Constants<L>,
        lasts: &mut L,
    ) -> u64 {
        let &Constants { zero, one, first, last, scale, limit } = constants;
        if DERIVATIVE {
            self.derivative = tangent(self.full, self.derivative, scale);
        }
        let delta = difference(self.w, self.delta, self.c);
        let next = zero.load(places);
        let z = N::iterates(zero, places, orbit);
        let full = sum(z, delta);
        let near = largest(high(delta)).at_most(largest(high(full))) & next.at_most(if TWO { *lasts } else { last });
        let (x, y) = (N::rebased(near, delta[0], z[0], full[0]), N::rebased(near, delta[1], z[1], full[1]));
        (self.delta, self.w) = ([x[0], y[0]], sum([x[1], y[1]], full));
        // Every place is above that of 0, and that above 0.
        (next.masked(near).larger(first) + one).store(places);
        if TWO {
            *lasts = lasts.select(near, last);
        }
        let [x, y] = high(full);
        if DERIVATIVE {
            self.full = [x, y];
        }
        L::bits(y.mul_add(y, x * x).at_most(limit))
    }
}

#[inline(always)]
fn high<L: Pack, N: Difference<L>>([x, y]: [N; 2]) -> [L; 2] {
    [x.high(), y.high()]
}

impl Shared<'_> {
    /// Iterates the samples that wait until they end. Returns the iterations of all lanes.
    #[inline(always)]
    pub(super) fn tail<L: Pack, N: Difference<L>, const K: usize, const DERIVATIVE: bool, const TWO: bool>(
        &self,
        l: L,
        waiting: &mut Vec<Waiting>,
        ends: &mut Ends,
    ) -> Result<u64> {
        let orbit = &self.orbit;
        let constants = Constants {
            zero: l.constant(0.0),
            one: l.constant(1.0),
            first: l.constant(place(0)),
            last: l.constant(place(orbit.critical as u32 - 2)),
            scale: l.constant(if TWO { 0.0 } else { power_of_two(self.exponent) }),
            limit: l.constant(orbit.lowered(self.limit)),
        };
        let idle = [N::of(constants.zero); 2];
        let derivative = [constants.zero; 2];
        let nobody = Flight { delta: idle, w: idle, c: idle, full: derivative, derivative };
        let mut lasts = [constants.last; K];
        let mut flights = [nobody; K];
        let (end, offset) = ([u64::MAX; MOST_LANES], [[0.0; 2]; MOST_LANES]);
        let next = [place(1); MOST_LANES];
        let absent = Crew { next, id: [0; MOST_LANES], end, before: [0; MOST_LANES], offset, alive: 0 };
        let mut crews = [absent; K];
        let (mut now, mut executed) = (0, 0);
        let everyone = u64::MAX >> (64 - L::LEN);
        let mut queue = waiting.iter();
        let mut alive = 0;
        unroll!(K, k => {
            let mut flight = flights[k];
            self.board::<L, N, DERIVATIVE>(l, &mut flight, &mut crews[k], everyone, now, &mut queue, ends);
            flights[k] = flight;
            if TWO {
                lasts[k] = self.lasts(l, &crews[k].next);
            }
            alive += crews[k].alive.count_ones();
        });
        let mut end = first_end(&crews);
        while alive > 0 {
            now += 1;
            executed += u64::from(alive);
            let within = each!(K, k => flights[k].iterate::<DERIVATIVE, TWO>(&mut crews[k].next, orbit, &constants, &mut lasts[k]), 0);
            let mut ended = now == end;
            unroll!(K, k => { ended |= !within[k] & crews[k].alive != 0; });
            if ended {
                alive = 0;
                unroll!(K, k => {
                    let mut out = !within[k] & crews[k].alive;
                    if !orbit.excesses.is_empty() {
                        let flight = flights[k];
                        out = self.escaped(&flight, &crews[k], out);
                    }
                    let mut leave = out;
                    if now == end {
                        let flight = flights[k];
                        leave |= self.at_end(&flight, &mut crews[k], now, out, ends)?;
                    }
                    if leave != 0 {
                        let mut flight = flights[k];
                        self.record::<L, N, DERIVATIVE>(&flight, &crews[k], out, now, ends);
                        self.board::<L, N, DERIVATIVE>(l, &mut flight, &mut crews[k], leave, now, &mut queue, ends);
                        flights[k] = flight;
                        if TWO {
                            lasts[k] = self.lasts(l, &crews[k].next);
                        }
                    }
                    alive += crews[k].alive.count_ones();
                });
                end = first_end(&crews);
            }
            if now % STOP_INTERVAL == 0 && self.stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        waiting.clear();
        Ok(executed)
    }

    /// Those of some lanes beyond [`Orbit::lowered`] that have escaped.
    fn escaped<L: Pack, N: Difference<L>>(&self, flight: &Flight<L, N>, crew: &Crew, lanes: u64) -> u64 {
        let delta = [flight.delta[0].stored(), flight.delta[1].stored()];
        let has_escaped = |lane: &usize| {
            let Seat { at, delta, full } = self.seat::<L, N>(crew, &delta, *lane);
            lanes >> lane & 1 == 1 && self.has_escaped(at, Wide::new(delta, 0), full)
        };
        (0..L::LEN).filter(has_escaped).fold(0, |lanes, lane| lanes | 1 << lane)
    }

    /// What is in a lane.
    #[inline(always)]
    fn seat<L: Pack, N: Difference<L>>(&self, crew: &Crew, [x, y]: &Both, lane: usize) -> Seat {
        let at = pack::at(crew.next[lane]) - 1;
        let [full_x, full_y] = self.sum_at::<L, N>(at, [[x[0][lane], y[0][lane]], [x[1][lane], y[1][lane]]]);
        Seat { at, delta: [x[0][lane], y[0][lane]], full: [full_x.high, full_y.high] }
    }

    /// The iterate with a difference, of a high and a low part, from that of the reference at a place.
    #[inline(always)]
    fn sum_at<L: Pack, N: Difference<L>>(&self, at: usize, [delta, lacks]: [[f64; 2]; 2]) -> [DoubleDouble<f64>; 2] {
        let (z, rest) = (self.orbit.z[at], N::rest(&self.orbit, at));
        let part = |part: usize| {
            let z = DoubleDouble { high: z[part], low: rest[part] };
            N::whole(z, DoubleDouble { high: delta[part], low: lacks[part] })
        };
        [part(0), part(1)]
    }

    /// Notes how the samples of some lanes have escaped.
    #[inline(always)]
    fn record<L: Pack, N: Difference<L>, const DERIVATIVE: bool>(
        &self,
        flight: &Flight<L, N>,
        crew: &Crew,
        lanes: u64,
        now: u64,
        ends: &mut Ends,
    ) {
        let delta = [flight.delta[0].stored(), flight.delta[1].stored()];
        let derivative = [stored(flight.derivative[0]), stored(flight.derivative[1])];
        let mut rest = lanes;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let n = crew.before[lane].wrapping_add(now);
            let full = self.seat::<L, N>(crew, &delta, lane).full;
            ends.set::<DERIVATIVE>(crew.id[lane] as usize, n, full, [derivative[0][lane], derivative[1][lane]]);
        }
    }

    /// Gives new samples to some lanes, or none if none is left. Lanes are replaced within vectors: writing them to arrays, from which
    /// whole vectors are read at once, waits for the memory each time.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "all of them are the loop's")]
    fn board<L: Pack, N: Difference<L>, const DERIVATIVE: bool>(
        &self,
        l: L,
        flight: &mut Flight<L, N>,
        crew: &mut Crew,
        lanes: u64,
        now: u64,
        queue: &mut Queue<'_>,
        ends: &mut Ends,
    ) {
        let scale = power_of_two(self.exponent);
        let mut rest = lanes;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            crew.end[lane] = u64::MAX;
            crew.alive &= !(1 << lane);
            let sample = match self.next::<DERIVATIVE>(queue, ends) {
                Some(sample) => {
                    crew.id[lane] = sample.id;
                    crew.end[lane] = now + (self.max.min(sample.check) - sample.n);
                    crew.offset[lane] = sample.offset;
                    crew.before[lane] = sample.n.wrapping_sub(now);
                    crew.alive |= 1 << lane;
                    sample
                }
                None => &NOBODY,
            };
            let at = sample.at as usize;
            crew.next[lane] = place(sample.at + 1);
            let (delta_rest, c_rest) =
                if self.orbit.has_start() { (sample.rest, [0.0; 2]) } else { ([0.0; 2], sample.rest) };
            let full = self.sum_at::<L, N>(at, [sample.delta, delta_rest]);
            let w = self.sum_at::<L, N>(at, [[full[0].high, full[1].high], [full[0].low, full[1].low]]);
            let which = l.mask(1 << lane);
            let mut part = 0;
            while part < 2 {
                let c = DoubleDouble { high: sample.offset[part] * scale, low: c_rest[part] };
                flight.delta[part] =
                    flight.delta[part].with(which, DoubleDouble { high: sample.delta[part], low: delta_rest[part] });
                flight.w[part] = flight.w[part].with(which, w[part]);
                flight.c[part] = flight.c[part].with(which, c);
                if DERIVATIVE {
                    flight.full[part] = l.constant(full[part].high).select(which, flight.full[part]);
                    flight.derivative[part] =
                        l.constant(sample.derivative[part]).select(which, flight.derivative[part]);
                }
                part += 1;
            }
        }
    }

    /// The lanes whose samples have come to the maximum, or to where they are found to be caught by a cycle; `out` have escaped.
    fn at_end<L: Pack, N: Difference<L>>(
        &self,
        flight: &Flight<L, N>,
        crew: &mut Crew,
        now: u64,
        out: u64,
        ends: &mut Ends,
    ) -> Result<u64> {
        let differences = [flight.delta[0].stored(), flight.delta[1].stored()];
        let mut lanes = 0;
        for lane in 0..L::LEN {
            if crew.end[lane] != now || out >> lane & 1 == 1 {
                continue;
            }
            let n = crew.before[lane].wrapping_add(now);
            let Seat { at, delta, full } = self.seat::<L, N>(crew, &differences, lane);
            if n >= self.max {
                lanes |= 1 << lane;
                let derivative = [stored(flight.derivative[0])[lane], stored(flight.derivative[1])[lane]];
                ends.reach(crew.id[lane] as usize, full, derivative);
            } else if self.is_interior(State { at, n, delta: Wide::new(delta, 0), c: crew.offset[lane] }, n / 16)? {
                lanes |= 1 << lane;
                ends.caught += 1;
            } else {
                crew.end[lane] = now + (Self::later(n).min(self.max) - n);
            }
        }
        Ok(lanes)
    }

    /// For each lane the place before the last of the orbit that it is on.
    fn lasts<L: Pack>(&self, l: L, next: &Places) -> L {
        l.load(&next.map(|next| place(self.orbit.last(pack::at(next) - 1) as u32 - 1)))
    }

    /// The next sample that has not ended yet.
    #[inline(always)]
    fn next<'a, const DERIVATIVE: bool>(&self, queue: &mut Queue<'a>, ends: &mut Ends) -> Option<&'a Waiting> {
        for sample in queue {
            // An entry ends at an iterate that may have escaped.
            let at = sample.at as usize;
            let [x, y] = sum(self.orbit.z[at], sample.delta);
            let within = y.mul_add(y, x * x) <= self.orbit.lowered(self.limit);
            let has_escaped = !within && self.has_escaped(at, Wide::new(sample.delta, 0), [x, y]);
            if has_escaped && (1..=self.max).contains(&sample.n) {
                ends.set::<DERIVATIVE>(sample.id as usize, sample.n, [x, y], sample.derivative);
            } else if sample.n < self.max {
                return Some(sample);
            } else {
                ends.reach(sample.id as usize, [x, y], sample.derivative);
            }
        }
        None
    }
}

/// When the first sample in flight comes to the maximum.
#[inline(always)]
fn first_end<const K: usize>(crews: &[Crew; K]) -> u64 {
    let (mut first, mut k) = (u64::MAX, 0);
    while k < K {
        let mut lane = 0;
        while lane < MOST_LANES {
            first = if crews[k].end[lane] < first { crews[k].end[lane] } else { first };
            lane += 1;
        }
        k += 1;
    }
    first
}

/// The lanes of a complex number: two parts, each high and low.
type Both = [[[f64; MOST_LANES]; 2]; 2];
