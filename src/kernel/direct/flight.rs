//! Vectors in flight, kept full from the queue. See the engine for the overview.

use super::Problem;
use super::bounded::Bounded;
use super::engine::{Engine, STOP_CHECK};
use super::refill::InFlight;
use super::scratch::{Flight, Parameters, State};
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, MaskOf, Vector};
use crate::kernel::unroll::{each, unroll};
use fearless_simd::prelude::*;
use std::hint::black_box;
use std::mem::swap;
use std::ptr;

/// Lanes that have ended; they idle.
struct Ended {
    escaped: u64,
    /// Those whose orbit has repeated.
    repeated: u64,
}

/// Blocks between two checks of which lanes should be compared with a later iterate from then on.
const RENEWAL: u64 = 8;
/// Vectors that run once the remaining lanes fit in them and nothing waits: an iteration of one takes as long as of two.
const FEW: usize = 2;
/// The share of lanes in flight, in 48ths, that may idle before they are refilled together.
const WAIT: u32 = 12;

/// Iterations after which a lane is suspected of never escaping, where its neighbours did not.
const SUSPECT: u64 = 256;

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
    /// Whether blocks take the state from memory and put it there: where 16 registers hold the state of 7 vectors, but nothing else.
    const IN_MEMORY: bool = Self::LEN == 4;

    /// Runs `blocks` blocks of the inner loop on points that never escape, for measuring; returns the iterations of all lanes.
    #[inline(always)]
    pub(super) fn spin(&mut self, blocks: u64) -> u64 {
        let flight = &mut *self.scratch.flight;
        let mut i = 0;
        while i < K * Self::LEN {
            (flight.z[0].0[i], flight.z[1].0[i]) = (0.0, 0.0);
            (flight.a.0[i], flight.b.0[i]) = (-0.11 - 0.001 * i as f64, 0.1 + 0.002 * i as f64);
            i += 1;
        }
        flight.alive = Self::FLIGHT;
        let until = flight.blocks + blocks;
        let _ = self.blocks::<K>(u32::MAX, until);
        blocks * Self::LONG * (K * Self::LEN) as u64
    }

    /// The lanes in flight, for what happens to them between blocks.
    #[inline(always)]
    fn lanes(&mut self) -> InFlight<'_, S, K> {
        InFlight { simd: self.simd, scratch: self.scratch }
    }

    /// Runs the samples of the queue in flight until it is empty; with `land`, until no lane is in flight.
    #[inline(never)]
    pub(super) fn fly(&mut self, land: bool) -> Result<()> {
        self.simd.vectorize(
            #[inline(always)]
            || self.fly_inlined(land),
        )
    }

    #[inline(always)]
    fn fly_inlined(&mut self, land: bool) -> Result<()> {
        let max = self.problem.limits.max;
        let mut next_stop = self.scratch.flight.blocks + STOP_CHECK;
        if self.scratch.flight.alive == 0 && self.scratch.queue.head == self.scratch.queue.len {
            self.scratch.queue.len = 0;
            self.scratch.queue.head = 0;
            self.finish(land);
            return Ok(());
        }
        let free = Self::FLIGHT & !self.scratch.flight.alive;
        self.counters.refills += self.lanes().refill(free);
        let mut deadline = self.lanes().deadline(max);
        loop {
            let waiting = self.scratch.queue.len - self.scratch.queue.head;
            if waiting == 0 && (!land || self.scratch.flight.alive == 0) {
                break;
            }
            let few = (FEW * Self::LEN) as u32;
            let alive = self.scratch.flight.alive;
            if K > FEW && waiting == 0 && alive.count_ones() <= few && alive >> few != 0 {
                self.scratch.gather();
            }
            let alive = self.scratch.flight.alive;
            let patience = if waiting == 0 { alive.count_ones() } else { WAIT * (K * Self::LEN) as u32 / 48 }.max(1);
            let next_check = (self.scratch.flight.blocks / RENEWAL + 1) * RENEWAL;
            let until = next_check.min(deadline);
            let Ended { escaped, repeated } = if K > FEW && alive >> few == 0 {
                self.blocks::<FEW>(patience, until)
            } else {
                self.blocks::<K>(patience, until)
            };

            self.counters.periodic += u64::from(repeated.count_ones());
            self.scratch.flight.alive &= !repeated;
            self.scratch.eager |= repeated != 0;
            if self.scratch.flight.blocks >= deadline {
                self.lanes().retire_old(max, escaped);
            }
            if self.scratch.flight.blocks >= next_check {
                let suspects = self.lanes().renew(SUSPECT) & !escaped;
                if Self::PROVES && self.scratch.eager && suspects != 0 {
                    let flight = &self.scratch.flight;
                    let n = flight.base.0[suspects.trailing_zeros() as usize] + (flight.blocks * Self::LONG) as f64;
                    let Bounded { lanes, executed } =
                        Self::bounded(self.simd, self.problem, flight, suspects, n as u64);
                    self.counters.executed += executed;
                    self.counters.periodic += u64::from(lanes.count_ones());
                    self.scratch.flight.alive &= !lanes;
                    self.scratch.eager = lanes != 0;
                }
            }
            if (escaped | repeated).count_ones() >= patience && escaped != 0 {
                self.lanes().retire_escaped(escaped);
                if self.scratch.finish.len >= G * Self::LEN {
                    self.finish(false);
                }
            }
            let free = Self::FLIGHT & !self.scratch.flight.alive;
            let refilled = free != 0 && waiting != 0;
            if refilled {
                self.counters.refills += self.lanes().refill(free);
            }
            if self.scratch.flight.blocks >= deadline {
                deadline = self.lanes().deadline(max);
            } else if refilled {
                // At the latest; it is computed again then.
                deadline =
                    deadline.min(self.scratch.flight.blocks + (max - self.scratch.queue.most).div_ceil(Self::LONG));
            }
            if self.scratch.flight.blocks >= next_stop {
                next_stop += STOP_CHECK;
                if self.stop.is_set() {
                    return Err(Error::Stopped);
                }
            }
        }
        (self.scratch.queue.head, self.scratch.queue.len) = (0, 0);
        self.finish(land);
        Ok(())
    }

    /// Runs blocks of the first N vectors until `patience` lanes have ended or `until` blocks have been run; returns the lanes that have
    /// ended.
    #[inline(always)]
    fn blocks<const N: usize>(&mut self, patience: u32, until: u64) -> Ended {
        let simd = self.simd;
        let (zero, back) = (self.splat(0.0), self.splat(Self::LONG as f64));
        let limit = self.splat(self.problem.limit());
        let problem = self.problem;
        let flight: &mut Flight = &mut self.scratch.flight;
        let Flight { parameters, z, next: [next, spare], a, b, base, seen, .. } = flight;
        unroll!(N, k => {
            let i = k * Self::LEN;
            parameters.set(k, problem.formula.parameters([Vector::load(simd, &a.0[i..]), Vector::load(simd, &b.0[i..])]));
        });
        let (home, mut z, mut next, mut spare) = (&raw const *z, z, &mut **next, &mut **spare);
        let mut x = each!(N, k => Vector::<S>::load(simd, &z[0].0[k * Self::LEN..]), zero);
        let mut y = each!(N, k => Vector::<S>::load(simd, &z[1].0[k * Self::LEN..]), zero);
        let alive = flight.alive;
        let mut blocks = flight.blocks;
        let (mut escaped, mut repeated) = (0_u64, 0_u64);
        loop {
            if Self::IN_MEMORY {
                Self::block::<N>(simd, problem, parameters, z, next);
                x = each!(N, k => Vector::<S>::load(simd, &next[0].0[k * Self::LEN..]), zero);
                y = each!(N, k => Vector::<S>::load(simd, &next[1].0[k * Self::LEN..]), zero);
            } else {
                unroll!(N, k => {
                    x[k].store(&mut z[0].0[k * Self::LEN..]);
                    y[k].store(&mut z[1].0[k * Self::LEN..]);
                });
                let parameters = each!(N, k => parameters.vector(simd, k), [zero; 3]);
                Self::iterate(problem, &mut x, &mut y, &parameters, Self::LONG / 2);
            }
            blocks += 1;
            let within = Self::lanes_within(problem, &x, &y, limit, escaped & !alive);
            if within != u64::MAX >> (64 - Self::LEN * N) {
                unroll!(N, k => {
                    let i = k * Self::LEN;
                    let mask = MaskOf::<S>::from_bitmask(simd, within >> i & Self::FULL);
                    let base_of = Vector::<S>::load(simd, &base.0[i..]);
                    x[k] = x[k].select(mask, Vector::load(simd, &z[0].0[i..]));
                    y[k] = y[k].select(mask, Vector::load(simd, &z[1].0[i..]));
                    (base_of - back + back.kept(mask)).store(&mut base.0[i..]);
                    if Self::IN_MEMORY {
                        x[k].store(&mut spare[0].0[i..]);
                        y[k].store(&mut spare[1].0[i..]);
                    }
                });
                swap(&mut next, &mut spare);
                escaped = alive & !within;
            }
            if Self::IN_MEMORY {
                swap(&mut z, &mut next);
            }
            if (escaped | repeated).count_ones() >= patience {
                break;
            }
            // Real parts rarely match; only then are the imaginary parts compared.
            let mut same = 0;
            unroll!(N, k => {
                let i = k * Self::LEN;
                same |= x[k].0.simd_eq(Vector::<S>::load(simd, &seen[0].0[i..]).0).to_bitmask() << i;
            });
            same &= alive & !(escaped | repeated);
            if same != 0 {
                unroll!(N, k => {
                    let i = k * Self::LEN;
                    let mask = y[k].0.simd_eq(Vector::<S>::load(simd, &seen[1].0[i..]).0);
                    repeated |= same & mask.to_bitmask() << i;
                });
                if (escaped | repeated).count_ones() >= patience {
                    break;
                }
            }
            if blocks >= until {
                break;
            }
        }
        self.counters.executed += (blocks - flight.blocks) * Self::LONG * (N * Self::LEN) as u64;
        flight.blocks = blocks;
        if !Self::IN_MEMORY || !ptr::eq(z, home) {
            let home = if ptr::eq(next, home) {
                next
            } else if ptr::eq(spare, home) {
                spare
            } else {
                z
            };
            unroll!(N, k => {
                x[k].store(&mut home[0].0[k * Self::LEN..]);
                y[k].store(&mut home[1].0[k * Self::LEN..]);
            });
        }
        Ended { escaped, repeated }
    }

    /// Runs a block of N vectors from one place in memory to another.
    ///
    /// A function of its own without anything else, since only then the compiler keeps the state of 7 vectors in 16 registers.
    #[inline(never)]
    fn block<const N: usize>(simd: S, problem: &Problem<F>, parameters: &Parameters, from: &State, to: &mut State) {
        simd.vectorize(
            #[inline(always)]
            || Self::block_inlined::<N>(simd, problem, parameters, from, to),
        );
    }

    #[inline(always)]
    fn block_inlined<const N: usize>(
        simd: S,
        problem: &Problem<F>,
        parameters: &Parameters,
        from: &State,
        to: &mut State,
    ) {
        let zero = Vector::<S>::splat(simd, 0.0);
        let mut x = each!(N, k => Vector::load(simd, &from[0].0[k * Self::LEN..]), zero);
        let mut y = each!(N, k => Vector::load(simd, &from[1].0[k * Self::LEN..]), zero);
        let mut i = 0;
        while i < Self::LONG {
            // Read anew each time, as operands: what is read once takes registers from the state.
            let parameters = black_box(parameters);
            unroll!(N, k => {
                [x[k], y[k]] = problem.formula.step([x[k], y[k]], parameters.vector(simd, k));
            });
            i += 1;
        }
        unroll!(N, k => {
            x[k].store(&mut to[0].0[k * Self::LEN..]);
            y[k].store(&mut to[1].0[k * Self::LEN..]);
        });
    }
}
