//! The tail: what is left of each sample's orbit after the stages, one iteration at a time.
//!
//! δ′ = (2Z + δ)·δ + c. Every lane is at a place of the reference of its own. K vectors are in flight; a lane whose sample has ended takes
//! the next one at once, so lanes are idle only at the end of a batch.

use super::orbit::Orbit;
use super::pack::{self, MOST_LANES, Pack, difference, largest, place, sum, tangent};
use super::scratch::{Ends, Waiting};
use super::shared::{Shared, State};
use super::wide::{Wide, power_of_two};
use crate::error::{Error, Result};
use crate::formula::Number;
use crate::kernel::double_double::DoubleDouble;
use crate::kernel::unroll::{each, unroll};

/// Iterations between checks of the stop flag.
const STOP_INTERVAL: u64 = 1 << 14;

/// What differences are computed in: lanes of `f64`, or of two.
pub(super) trait Difference<L: Pack>: Number {
    /// Numbers without a low part.
    fn of(high: L) -> Self;

    fn high(self) -> L;

    /// In each lane `self` where the mask is set, else `other`.
    fn choose(self, mask: L::Mask, other: Self) -> Self;

    /// The iterates at some places.
    fn iterates(places: L, orbit: &Orbit<'_>) -> [Self; 2];

    /// The high parts and the low ones.
    fn stored(self) -> [[f64; MOST_LANES]; 2];

    fn loaded(l: L, from: &[[f64; MOST_LANES]; 2]) -> Self;

    /// What an iterate lacks, if these numbers can hold it.
    fn rest(orbit: &Orbit<'_>, at: usize) -> [f64; 2];

    /// The sum of two numbers of a high and a low part, likewise.
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64>;
}

impl<L: Pack> Difference<L> for L {
    #[inline(always)]
    fn of(high: L) -> Self {
        high
    }
    #[inline(always)]
    fn high(self) -> L {
        self
    }
    #[inline(always)]
    fn choose(self, mask: L::Mask, other: Self) -> Self {
        self.select(mask, other)
    }
    #[inline(always)]
    fn iterates(places: L, orbit: &Orbit<'_>) -> [Self; 2] {
        places.iterates(orbit.z)
    }
    #[inline(always)]
    fn stored(self) -> [[f64; MOST_LANES]; 2] {
        [stored(self), [0.0; MOST_LANES]]
    }
    #[inline(always)]
    fn loaded(l: L, from: &[[f64; MOST_LANES]; 2]) -> Self {
        l.load(&from[0])
    }
    #[inline(always)]
    fn rest(_: &Orbit<'_>, _: usize) -> [f64; 2] {
        [0.0; 2]
    }
    #[inline(always)]
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64> {
        DoubleDouble::of(a.high + b.high)
    }
}

impl<L: Pack> Difference<L> for DoubleDouble<L> {
    #[inline(always)]
    fn of(high: L) -> Self {
        DoubleDouble::of(high)
    }
    #[inline(always)]
    fn high(self) -> L {
        self.high
    }
    #[inline(always)]
    fn choose(self, mask: L::Mask, other: Self) -> Self {
        Self { high: self.high.select(mask, other.high), low: self.low.select(mask, other.low) }
    }
    #[inline(always)]
    fn iterates(places: L, orbit: &Orbit<'_>) -> [Self; 2] {
        let ([x, y], [x_low, y_low]) = (places.iterates(orbit.z), places.iterates(orbit.rest));
        [Self { high: x, low: x_low }, Self { high: y, low: y_low }]
    }
    #[inline(always)]
    fn stored(self) -> [[f64; MOST_LANES]; 2] {
        [stored(self.high), stored(self.low)]
    }
    #[inline(always)]
    fn loaded(l: L, from: &[[f64; MOST_LANES]; 2]) -> Self {
        Self { high: l.load(&from[0]), low: l.load(&from[1]) }
    }
    #[inline(always)]
    fn rest(orbit: &Orbit<'_>, at: usize) -> [f64; 2] {
        orbit.rest[at]
    }
    #[inline(always)]
    fn whole(a: DoubleDouble<f64>, b: DoubleDouble<f64>) -> DoubleDouble<f64> {
        a + b
    }
}

/// Samples in the lanes of one vector.
#[derive(Clone, Copy)]
struct Flight<L, N> {
    delta: [N; 2],
    /// The samples' iterates, Z + δ.
    full: [N; 2],
    /// The reference's iterates Z, and their places.
    z: [N; 2],
    place: L,
    c: [N; 2],
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

/// Who is in the lanes.
#[derive(Clone, Copy)]
struct Crew {
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
        orbit: &Orbit<'_>,
        constants: &Constants<L>,
        lasts: &mut L,
    ) -> u64 {
        let &Constants { zero, one, first, last, scale, limit } = constants;
        if DERIVATIVE {
            self.derivative = tangent(high(self.full), self.derivative, scale);
        }
        let delta = difference(sum(self.z, self.full), self.delta, self.c);
        let place = self.place + one;
        let z = N::iterates(place, orbit);
        let full = sum(z, delta);
        let near = largest(high(delta)).at_most(largest(high(full))) & place.at_most(if TWO { *lasts } else { last });
        self.delta = [delta[0].choose(near, full[0]), delta[1].choose(near, full[1])];
        self.z = [z[0].choose(near, N::of(zero)), z[1].choose(near, N::of(zero))];
        self.place = place.select(near, first);
        if TWO {
            *lasts = lasts.select(near, last);
        }
        self.full = full;
        let [x, y] = high(full);
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
        let nobody = Flight { delta: idle, full: idle, z: idle, place: constants.first, c: idle, derivative };
        let mut lasts = [constants.last; K];
        let mut flights = [nobody; K];
        let (end, offset) = ([u64::MAX; MOST_LANES], [[0.0; 2]; MOST_LANES]);
        let absent = Crew { id: [0; MOST_LANES], end, before: [0; MOST_LANES], offset, alive: 0 };
        let mut crews = [absent; K];
        let (mut now, mut executed) = (0, 0);
        let everyone = u64::MAX >> (64 - L::LEN);
        let mut alive = 0;
        unroll!(K, k => {
            let mut flight = flights[k];
            self.board::<L, N, TWO>(&mut flight, &mut crews[k], everyone, now, waiting, ends);
            flights[k] = flight;
            if TWO {
                lasts[k] = self.lasts(flight.place);
            }
            alive += crews[k].alive.count_ones();
        });
        let mut end = first_end(&crews);
        while alive > 0 {
            now += 1;
            executed += u64::from(alive);
            let within = each!(K, k => flights[k].iterate::<DERIVATIVE, TWO>(orbit, &constants, &mut lasts[k]), 0);
            let mut ended = now == end;
            unroll!(K, k => { ended |= !within[k] & crews[k].alive != 0; });
            if ended {
                alive = 0;
                unroll!(K, k => {
                    let mut out = !within[k] & crews[k].alive;
                    if !orbit.excesses.is_empty() {
                        let flight = flights[k];
                        out = self.escaped(&flight, out);
                    }
                    let mut leave = out;
                    if now == end {
                        let flight = flights[k];
                        leave |= self.at_end(&flight, &mut crews[k], now, out, ends)?;
                    }
                    if leave != 0 {
                        let mut flight = flights[k];
                        self.record(&flight, &crews[k], out, now, ends);
                        self.board::<L, N, TWO>(&mut flight, &mut crews[k], leave, now, waiting, ends);
                        flights[k] = flight;
                        if TWO {
                            lasts[k] = self.lasts(flight.place);
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
        Ok(executed)
    }

    /// Those of some lanes beyond [`Orbit::lowered`] that have escaped.
    fn escaped<L: Pack, N: Difference<L>>(&self, flight: &Flight<L, N>, lanes: u64) -> u64 {
        let [[d_x, d_y], [x, y]] = [flight.delta, flight.full].map(|[x, y]| [stored(x.high()), stored(y.high())]);
        let places = stored(flight.place);
        let has_escaped = |lane: &usize| {
            let delta = Wide::new([d_x[*lane], d_y[*lane]], 0);
            lanes >> lane & 1 == 1 && self.has_escaped(pack::at(places[*lane]), delta, [x[*lane], y[*lane]])
        };
        (0..L::LEN).filter(has_escaped).fold(0, |lanes, lane| lanes | 1 << lane)
    }

    /// Notes how the samples of some lanes have escaped.
    #[inline(always)]
    fn record<L: Pack, N: Difference<L>>(
        &self,
        flight: &Flight<L, N>,
        crew: &Crew,
        lanes: u64,
        now: u64,
        ends: &mut Ends,
    ) {
        let (x, y) = (stored(flight.full[0].high()), stored(flight.full[1].high()));
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
    fn board<L: Pack, N: Difference<L>, const TWO: bool>(
        &self,
        flight: &mut Flight<L, N>,
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
            let mut sample = Waiting {
                id: 0,
                at: 0,
                n: 0,
                check: 0,
                delta: [0.0; 2],
                c: [0.0; 2],
                offset: [0.0; 2],
                rest: [0.0; 2],
                derivative: [0.0; 2],
            };
            if let Some(next) = self.next(waiting, ends) {
                sample = next;
                crew.id[lane] = sample.id;
                crew.end[lane] = now + (self.max.min(sample.check) - sample.n);
                crew.offset[lane] = sample.offset;
                crew.before[lane] = sample.n.wrapping_sub(now);
                crew.alive |= 1 << lane;
            }
            let at = sample.at as usize;
            let (iterate, lacks) = (self.orbit.z[at], N::rest(&self.orbit, at));
            let (delta_rest, c_rest) = if TWO { (sample.rest, [0.0; 2]) } else { ([0.0; 2], sample.rest) };
            let [x, y] = [0, 1].map(|part| {
                let z = DoubleDouble { high: iterate[part], low: lacks[part] };
                N::whole(z, DoubleDouble { high: sample.delta[part], low: delta_rest[part] })
            });
            set(&mut delta, lane, sample.delta, delta_rest);
            set(&mut full, lane, [x.high, y.high], [x.low, y.low]);
            set(&mut z, lane, iterate, lacks);
            set(&mut c, lane, sample.c, c_rest);
            set(&mut derivative, lane, sample.derivative, [0.0; 2]);
            places[lane] = place(sample.at);
        }
        let (delta, full, z) = (loaded(l, &delta), loaded(l, &full), loaded(l, &z));
        *flight =
            Flight { delta, full, z, place: l.load(&places), c: loaded(l, &c), derivative: loaded(l, &derivative) };
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
        let (x, y) = (stored(flight.delta[0].high()), stored(flight.delta[1].high()));
        let places = stored(flight.place);
        let mut lanes = 0;
        for lane in 0..L::LEN {
            if crew.end[lane] != now || out >> lane & 1 == 1 {
                continue;
            }
            let n = crew.before[lane].wrapping_add(now);
            let (at, delta) = (pack::at(places[lane]), Wide::new([x[lane], y[lane]], 0));
            if n >= self.max {
                lanes |= 1 << lane;
                let [z, derivative] =
                    [high(flight.full), flight.derivative].map(|[x, y]| [stored(x)[lane], stored(y)[lane]]);
                ends.reach(crew.id[lane] as usize, z, derivative);
            } else if self.is_interior(State { at, n, delta, c: crew.offset[lane] }, n / 16)? {
                lanes |= 1 << lane;
                ends.caught += 1;
            } else {
                crew.end[lane] = now + (Self::later(n).min(self.max) - n);
            }
        }
        Ok(lanes)
    }

    /// For each lane the place before the last of the orbit that it is on.
    fn lasts<L: Pack>(&self, places: L) -> L {
        places.load(&stored(places).map(|at| place(self.orbit.last(pack::at(at)) as u32 - 1)))
    }

    /// The next sample that has not ended yet.
    #[inline(always)]
    fn next(&self, waiting: &mut Vec<Waiting>, ends: &mut Ends) -> Option<Waiting> {
        while let Some(sample) = waiting.pop() {
            // An entry ends at an iterate that may have escaped.
            let at = sample.at as usize;
            let [x, y] = sum(self.orbit.z[at], sample.delta);
            let within = y.mul_add(y, x * x) <= self.orbit.lowered(self.limit);
            let has_escaped = !within && self.has_escaped(at, Wide::new(sample.delta, 0), [x, y]);
            if has_escaped && (1..=self.max).contains(&sample.n) {
                ends.set(sample.id as usize, sample.n, [x, y], sample.derivative);
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

#[inline(always)]
fn stored<L: Pack>(numbers: L) -> [f64; MOST_LANES] {
    let mut array = [0.0; MOST_LANES];
    numbers.store(&mut array);
    array
}

/// The lanes of a complex number: two parts, each high and low.
type Both = [[[f64; MOST_LANES]; 2]; 2];

#[inline(always)]
fn both<L: Pack, N: Difference<L>>([x, y]: [N; 2]) -> Both {
    [x.stored(), y.stored()]
}

#[inline(always)]
fn loaded<L: Pack, N: Difference<L>>(l: L, [x, y]: &Both) -> [N; 2] {
    [N::loaded(l, x), N::loaded(l, y)]
}

#[inline(always)]
fn set([x, y]: &mut Both, lane: usize, high: [f64; 2], low: [f64; 2]) {
    (x[0][lane], y[0][lane]) = (high[0], high[1]);
    (x[1][lane], y[1][lane]) = (low[0], low[1]);
}
