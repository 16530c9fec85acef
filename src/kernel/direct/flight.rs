//! Vectors in flight, kept full from the queue. See the engine for the overview.

use super::engine::{BLOCK, Engine, STOP_CHECK};
use super::refill::InFlight;
use super::scratch::Flight;
use crate::error::{Error, Result};
use crate::formula::{Formula, Lanes, MaskOf, Number, Vector};
use crate::kernel::unroll::{each, unroll};
use fearless_simd::prelude::*;

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

impl<S: Simd, F: Formula, const K: usize, const G: usize> Engine<'_, S, F, K, G> {
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
        blocks * BLOCK * (K * Self::LEN) as u64
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
            if self.scratch.flight.blocks >= deadline {
                self.lanes().retire_old(max, escaped);
            }
            if self.scratch.flight.blocks >= next_check {
                self.lanes().renew();
            }
            if (escaped | repeated).count_ones() >= patience && escaped != 0 {
                self.lanes().retire_escaped(escaped);
                if self.scratch.finish.len >= G * Self::LEN {
                    self.finish(false);
                }
            }
            let free = Self::FLIGHT & !self.scratch.flight.alive;
            if free != 0 && waiting != 0 {
                self.counters.refills += self.lanes().refill(free);
                deadline = self.lanes().deadline(max);
            } else if self.scratch.flight.blocks >= deadline {
                deadline = self.lanes().deadline(max);
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
        let zero = self.splat(0.0);
        let radius = self.splat(self.problem.limit());
        let back = self.splat(BLOCK as f64);
        let flight: &mut Flight = &mut self.scratch.flight;
        let mut x = each!(N, k => Vector::load(simd, &flight.z[0].0[k * Self::LEN..]), zero);
        let mut y = each!(N, k => Vector::load(simd, &flight.z[1].0[k * Self::LEN..]), zero);
        let parameters = each!(N, k => self.problem.formula.parameters([
            Vector::load(simd, &flight.a.0[k * Self::LEN..]),
            Vector::load(simd, &flight.b.0[k * Self::LEN..]),
        ]), [zero; 3]);
        let alive = flight.alive;
        let mut blocks = flight.blocks;
        let (mut escaped, mut repeated) = (0_u64, 0_u64);
        loop {
            unroll!(N, k => {
                x[k].store(&mut flight.saved_x.0[k * Self::LEN..]);
                y[k].store(&mut flight.saved_y.0[k * Self::LEN..]);
            });
            let mut i = 0;
            while i < BLOCK / 2 {
                unroll!(N, k => {
                    [x[k], y[k]] = self.problem.formula.step2([x[k], y[k]], parameters[k]);
                });
                i += 1;
            }
            blocks += 1;
            let mut within = 0;
            unroll!(N, k => {
                within = within << Self::LEN | y[N - 1 - k].mul_add(y[N - 1 - k], x[N - 1 - k] * x[N - 1 - k]).at_most(radius).to_bitmask();
            });
            if within != u64::MAX >> (64 - Self::LEN * N) {
                unroll!(N, k => {
                    let i = k * Self::LEN;
                    let mask = MaskOf::<S>::from_bitmask(simd, within >> i & Self::FULL);
                    let base = Vector::<S>::load(simd, &flight.base.0[i..]);
                    x[k] = x[k].select(mask, Vector::load(simd, &flight.saved_x.0[i..]));
                    y[k] = y[k].select(mask, Vector::load(simd, &flight.saved_y.0[i..]));
                    (base - zero.select(mask, back)).store(&mut flight.base.0[i..]);
                });
                escaped = alive & !within;
                if (escaped | repeated).count_ones() >= patience {
                    break;
                }
            }
            // Real parts rarely match; only then are the imaginary parts compared.
            let mut same = 0;
            unroll!(N, k => {
                let i = k * Self::LEN;
                same |= x[k].0.simd_eq(Vector::<S>::load(simd, &flight.seen[0].0[i..]).0).to_bitmask() << i;
            });
            same &= alive & !(escaped | repeated);
            if same != 0 {
                unroll!(N, k => {
                    let i = k * Self::LEN;
                    let mask = y[k].0.simd_eq(Vector::<S>::load(simd, &flight.seen[1].0[i..]).0);
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
        unroll!(N, k => {
            x[k].store(&mut flight.z[0].0[k * Self::LEN..]);
            y[k].store(&mut flight.z[1].0[k * Self::LEN..]);
        });
        self.counters.executed += (blocks - flight.blocks) * BLOCK * (N * Self::LEN) as u64;
        flight.blocks = blocks;
        Ended { escaped, repeated }
    }
}
