//! The tail: what is left of each sample's orbit after the stages, one iteration at a time.
//!
//! δ′ = (2Z + δ)·δ + c. Every lane is at a place of the reference of its own. K vectors are in flight; a lane whose sample has ended takes
//! the next one at once, so lanes are idle only at the end of a batch.

use super::orbit::Iterate;
use super::pack::{MOST_LANES, Pack, largest, place, sum};
use super::scratch::{Ends, Waiting};
use super::stages::Shared;
use super::wide::power_of_two;
use crate::error::{Error, Result};
use crate::formula::Number;
use crate::kernel::unroll::{each, unroll};

/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 14;

/// (w)·δ + c, with the roundings that every way of iterating has; w is Z + (Z + δ).
#[inline(always)]
pub(super) fn difference<N: Number>([wx, wy]: [N; 2], [dx, dy]: [N; 2], [a, b]: [N; 2]) -> [N; 2] {
    let minus_wy = wy * wy.constant(-1.0);
    [minus_wy.mul_add(dy, wx.mul_add(dx, a)), wx.mul_add(dy, wy.mul_add(dx, b))]
}

/// The derivative after an iteration from z = Z + δ: 2zD + `scale`.
#[inline(always)]
pub(super) fn tangent<N: Number>([x, y]: [N; 2], [right, up]: [N; 2], scale: N) -> [N; 2] {
    let (x2, y2) = (x + x, y + y);
    let minus_y2 = y2 * y2.constant(-1.0);
    [minus_y2.mul_add(up, x2.mul_add(right, scale)), x2.mul_add(up, y2 * right)]
}

/// Samples in the lanes of one vector.
#[derive(Clone, Copy)]
struct Flight<L> {
    delta: [L; 2],
    /// The samples' iterates, Z + δ.
    full: [L; 2],
    /// The reference's iterates Z, and their places.
    z: [L; 2],
    place: L,
    c: [L; 2],
    derivative: [L; 2],
}

/// What all iterations have in common.
#[derive(Clone, Copy)]
struct Constants<L> {
    zero: L,
    one: L,
    first: L,
    /// The place before the last.
    last: L,
    scale: L,
    limit: L,
}

/// Who is in the lanes.
#[derive(Clone, Copy)]
struct Crew {
    id: [u32; MOST_LANES],
    /// At how many iterations of the batch a sample has come to the maximum, and how many it had done when the batch began.
    end: [u64; MOST_LANES],
    before: [u64; MOST_LANES],
    /// Lanes that have a sample, as bits.
    alive: u64,
}

impl<L: Pack> Flight<L> {
    /// One iteration; the lanes that are not within the escape radius, as bits.
    #[inline(always)]
    fn iterate<const DERIVATIVE: bool>(&mut self, orbit: &[Iterate], constants: &Constants<L>) -> u64 {
        let &Constants { zero, one, first, last, scale, limit } = constants;
        if DERIVATIVE {
            self.derivative = tangent(self.full, self.derivative, scale);
        }
        let delta = difference(sum(self.z, self.full), self.delta, self.c);
        let place = self.place + one;
        let z = place.iterates(orbit);
        let full = sum(z, delta);
        let near = largest(delta).at_most(largest(full)) & place.at_most(last);
        self.delta = [delta[0].select(near, full[0]), delta[1].select(near, full[1])];
        self.z = [z[0].select(near, zero), z[1].select(near, zero)];
        self.place = place.select(near, first);
        self.full = full;
        L::bits(full[1].mul_add(full[1], full[0] * full[0]).at_most(limit))
    }
}

impl Shared<'_> {
    /// Iterates the samples that wait until they end. Returns the iterations of all lanes.
    #[inline(always)]
    pub(super) fn tail<L: Pack, const K: usize, const DERIVATIVE: bool>(
        &self,
        l: L,
        waiting: &mut Vec<Waiting>,
        ends: &mut Ends,
    ) -> Result<u64> {
        let orbit = self.orbit.z;
        let constants = Constants {
            zero: l.constant(0.0),
            one: l.constant(1.0),
            first: l.constant(place(0)),
            last: l.constant(place(orbit.len() as u32 - 2)),
            scale: l.constant(power_of_two(self.exponent)),
            limit: l.constant(self.limit),
        };
        let idle = [constants.zero; 2];
        let nobody = Flight { delta: idle, full: idle, z: idle, place: constants.first, c: idle, derivative: idle };
        let mut flights = [nobody; K];
        let absent = Crew { id: [0; MOST_LANES], end: [u64::MAX; MOST_LANES], before: [0; MOST_LANES], alive: 0 };
        let mut crews = [absent; K];
        let (mut now, mut executed) = (0, 0);
        let everyone = u64::MAX >> (64 - L::LEN);
        let mut alive = 0;
        unroll!(K, k => {
            let mut flight = flights[k];
            self.board(&mut flight, &mut crews[k], everyone, now, waiting, ends);
            flights[k] = flight;
            alive += crews[k].alive.count_ones();
        });
        let mut end = first_end(&crews);
        while alive > 0 {
            now += 1;
            executed += u64::from(alive);
            let within = each!(K, k => flights[k].iterate::<DERIVATIVE>(orbit, &constants), 0);
            let mut ended = now == end;
            unroll!(K, k => { ended |= !within[k] & crews[k].alive != 0; });
            if ended {
                alive = 0;
                unroll!(K, k => {
                    let out = !within[k] & crews[k].alive;
                    let mut leave = out;
                    if now == end {
                        leave |= crews[k].at_end(now);
                    }
                    if leave != 0 {
                        let mut flight = flights[k];
                        self.record(&flight, &crews[k], out, now, ends);
                        self.board(&mut flight, &mut crews[k], leave, now, waiting, ends);
                        flights[k] = flight;
                    }
                    alive += crews[k].alive.count_ones();
                });
                end = first_end(&crews);
            }
            if now % STOP_INTERVAL == 0 && self.stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(executed)
    }

    /// Notes how the samples of some lanes have escaped.
    #[inline(always)]
    fn record<L: Pack>(&self, flight: &Flight<L>, crew: &Crew, lanes: u64, now: u64, ends: &mut Ends) {
        let (x, y) = (stored(flight.full[0]), stored(flight.full[1]));
        let (d_x, d_y) = (stored(flight.derivative[0]), stored(flight.derivative[1]));
        let mut rest = lanes;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let n = crew.before[lane].wrapping_add(now);
            ends.set(crew.id[lane] as usize, n, [x[lane], y[lane]], [d_x[lane], d_y[lane]]);
        }
    }

    /// Gives new samples to some lanes, or none if none is left.
    #[inline(always)]
    fn board<L: Pack>(
        &self,
        flight: &mut Flight<L>,
        crew: &mut Crew,
        lanes: u64,
        now: u64,
        waiting: &mut Vec<Waiting>,
        ends: &mut Ends,
    ) {
        let l = flight.place;
        let Flight { delta, full, z, place: places, c, derivative } = *flight;
        let (mut delta, mut full, mut z) = (both(delta), both(full), both(z));
        let (mut c, mut derivative, mut places) = (both(c), both(derivative), stored(places));
        let mut rest = lanes;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            crew.end[lane] = u64::MAX;
            crew.alive &= !(1 << lane);
            // Who is nobody stays at the reference.
            let mut sample = Waiting { id: 0, at: 0, n: 0, delta: [0.0; 2], c: [0.0; 2], derivative: [0.0; 2] };
            if let Some(next) = self.next(waiting, ends) {
                sample = next;
                crew.id[lane] = sample.id;
                crew.end[lane] = now + (self.max - sample.n);
                crew.before[lane] = sample.n.wrapping_sub(now);
                crew.alive |= 1 << lane;
            }
            let iterate = self.orbit.z[sample.at as usize];
            set(&mut delta, lane, sample.delta);
            set(&mut full, lane, sum(iterate, sample.delta));
            set(&mut z, lane, iterate);
            set(&mut c, lane, sample.c);
            set(&mut derivative, lane, sample.derivative);
            places[lane] = place(sample.at);
        }
        let (delta, full, z) = (loaded(l, &delta), loaded(l, &full), loaded(l, &z));
        *flight =
            Flight { delta, full, z, place: l.load(&places), c: loaded(l, &c), derivative: loaded(l, &derivative) };
    }

    /// The next sample that has not ended yet.
    #[inline(always)]
    fn next(&self, waiting: &mut Vec<Waiting>, ends: &mut Ends) -> Option<Waiting> {
        while let Some(sample) = waiting.pop() {
            // An entry ends at an iterate that may have escaped.
            let [x, y] = sum(self.orbit.z[sample.at as usize], sample.delta);
            let within = y.mul_add(y, x * x) <= self.limit;
            if !within && (1..=self.max).contains(&sample.n) {
                ends.set(sample.id as usize, sample.n, [x, y], sample.derivative);
            } else if sample.n < self.max {
                return Some(sample);
            }
        }
        None
    }
}

impl Crew {
    /// The lanes whose samples have come to the maximum.
    #[inline(always)]
    fn at_end(&self, now: u64) -> u64 {
        let (mut lanes, mut lane) = (0, 0);
        while lane < MOST_LANES {
            lanes |= u64::from(self.end[lane] == now) << lane;
            lane += 1;
        }
        lanes
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

#[inline(always)]
fn stored<L: Pack>(numbers: L) -> [f64; MOST_LANES] {
    let mut array = [0.0; MOST_LANES];
    numbers.store(&mut array);
    array
}

#[inline(always)]
fn both<L: Pack>([x, y]: [L; 2]) -> [[f64; MOST_LANES]; 2] {
    [stored(x), stored(y)]
}

#[inline(always)]
fn loaded<L: Pack>(l: L, [x, y]: &[[f64; MOST_LANES]; 2]) -> [L; 2] {
    [l.load(x), l.load(y)]
}

#[inline(always)]
fn set(numbers: &mut [[f64; MOST_LANES]; 2], lane: usize, [x, y]: [f64; 2]) {
    numbers[0][lane] = x;
    numbers[1][lane] = y;
}
