//! Selects the vector kernel's code for a formula and an instruction set, and runs the passes after it.

use super::Problem;
use super::distance::Counted;
use super::engine::Engine;
use super::refine::Rough;
use super::scratch::Scratch;
use crate::error::Result;
use crate::formula::{Formula, Stepwise, Vector};
use crate::kernel::unroll::unroll;
use crate::kernel::{Counters, Isa, TileClaim};
use crate::parallel::Stop;
use crate::sample::{COUNTS, Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, INTERIOR};
use fearless_simd::Level;
use fearless_simd::prelude::*;

/// Vectors of words whose fractions are computed side by side; see the module `smooth`.
const AT_ONCE: usize = 4;

/// Consecutive tiles of a claim with equal areas.
struct Part<'a> {
    channels: Channels,
    claim: TileClaim<'a>,
    stop: &'a Stop,
    scratch: &'a mut Scratch,
}

/// What the code for an instruction set runs.
enum Task<'a> {
    /// Samples.
    Tiles(Part<'a>),
    /// This many blocks of the inner loop.
    Spin(u64, &'a mut Scratch),
}

impl<F: Formula> Problem<F> {
    /// Computes tiles of equal area with vectors.
    pub(super) fn together(&self, isa: Isa, channels: Channels, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        Scratch::with(|scratch| {
            let task = Task::Tiles(Part { channels, claim, stop, scratch });
            match self.dispatch(isa, task) {
                Ok(result) => result,
                Err(Task::Tiles(part)) => self.one_by_one(part.channels, part.claim, part.stop),
                Err(Task::Spin(..)) => Ok(Counters::default()),
            }
        })
    }

    /// Runs the inner loop alone; returns the iterations of all lanes, 0 where there are no vectors.
    pub(super) fn spin_lanes(&self, isa: Isa, blocks: u64) -> u64 {
        Scratch::with(|scratch| match self.dispatch(isa, Task::Spin(blocks, scratch)) {
            Ok(Ok(counters)) => counters.executed,
            _ => 0,
        })
    }

    /// Runs a task with the code for an instruction set, or returns the task where there is none. K and G were chosen by measurement.
    fn dispatch<'a>(&self, isa: Isa, task: Task<'a>) -> std::result::Result<Result<Counters>, Task<'a>> {
        let level = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        match isa {
            Isa::Avx512 if let Some(simd) = level.as_avx512() => return Ok(self.run_best(simd, task)),
            Isa::Avx2 if let Some(simd) = level.as_avx2() => return Ok(self.run::<_, 7, 8>(simd, task)),
            Isa::Sse42
                if F::NARROW
                    && let Some(simd) = level.as_sse4_2() =>
            {
                return Ok(self.run::<_, 1, 2>(simd, task));
            }
            _ => {}
        }
        #[cfg(target_arch = "aarch64")]
        if isa == Isa::Neon
            && let Some(simd) = level.as_neon()
        {
            return Ok(self.run_best(simd, task));
        }
        Err(task)
    }

    /// Runs a task on an instruction set for which formulas may have a two-iteration form, using that form where it is best.
    fn run_best<S: Simd>(&self, simd: S, task: Task<'_>) -> Result<Counters> {
        if F::PAIRED && !self.paired {
            let Problem { formula, julia, ref plane, limits, fraction, checked, paired, refine_from } = *self;
            let formula = Stepwise(formula);
            let problem =
                Problem { formula, julia, plane: plane.clone(), limits, fraction, checked, paired, refine_from };
            return problem.run::<S, 6, 8>(simd, task);
        }
        self.run::<S, 6, 8>(simd, task)
    }

    /// Runs a task with the code for one instruction set.
    fn run<S: Simd, const K: usize, const G: usize>(&self, simd: S, task: Task<'_>) -> Result<Counters> {
        simd.vectorize(
            #[inline(always)]
            || match task {
                Task::Tiles(part) => self.passes::<S, K, G>(simd, part),
                Task::Spin(blocks, scratch) => Ok(self.spin::<S, K, G>(simd, blocks, scratch)),
            },
        )
    }

    #[inline(always)]
    fn spin<S: Simd, const K: usize, const G: usize>(&self, simd: S, blocks: u64, scratch: &mut Scratch) -> Counters {
        let (mut words, stop, counters) = ([], Stop::new(), Counters::default());
        let mut engine = Engine::<S, F, K, G> {
            simd,
            problem: self,
            smooth: false,
            scratch,
            words: &mut words,
            fractions: 0,
            stop: &stop,
            counters,
        };
        Counters { executed: engine.spin(blocks), ..counters }
    }

    #[inline(always)]
    fn passes<S: Simd, const K: usize, const G: usize>(&self, simd: S, part: Part<'_>) -> Result<Counters> {
        let Part { channels, claim, stop, scratch } = part;
        let TileClaim { tiles, words, useful } = claim;
        let samples = tiles.first().map_or(0, |wanted| wanted.tile.area());
        let tile_words = samples * channels.words();
        let mut engine = Engine::<S, F, K, G> {
            simd,
            problem: self,
            smooth: channels.contains(Channels::SMOOTH),
            scratch: &mut *scratch,
            words: &mut *words,
            fractions: samples,
            stop,
            counters: Counters::default(),
        };
        engine.run(tiles, tile_words)?;
        let mut counters = engine.counters;
        let max = self.limits.max;
        let mut interiors = 0;
        let mut i = 0;
        while i < tiles.len() {
            let words = &mut words[i * tile_words..(i + 1) * tile_words];
            let all = [COUNTS, FRACTIONS, DISTANCES_X, DISTANCES_Y];
            let [counts, fractions, x, y] = channels.planes_mut(samples, words, all);
            let distance = channels.contains(Channels::DISTANCE);
            if self.refine_from <= max {
                let squares = channels.contains(Channels::SMOOTH).then_some(&mut *fractions);
                let mut rough = Rough { tile: tiles[i].tile, counts: &mut *counts, squares, distance };
                counters.executed += self.refine(simd, &mut rough, &mut scratch.refined, stop)?;
            }
            let [interior, sum] = tally(simd, counts, max as u32);
            // Samples outside the mask were written as interior.
            let skipped = tiles[i].skipped() as u64;
            counters.escaped += samples as u64 - interior;
            interiors += interior - skipped;
            useful[i] = sum - skipped * max;
            if channels.contains(Channels::SMOOTH) {
                self.fractions(simd, counts, fractions);
            }
            if distance {
                let mut counted = Counted { tile: tiles[i].tile, counts, x, y };
                counters.executed += self.distances(simd, &mut counted, &mut scratch.order, stop)?;
                for (i, [right, down]) in scratch.refined.1.drain(..) {
                    (x[i as usize], y[i as usize]) = (right.to_bits(), down.to_bits());
                }
            }
            i += 1;
        }
        // Samples that are interior for no other reason have reached the maximum.
        counters.limit = interiors - counters.cardioid - counters.bulb - counters.periodic;
        Ok(counters)
    }

    /// Turns |z|² into the fraction, in place.
    #[inline(never)]
    fn fractions<S: Simd>(&self, simd: S, counts: &[u32], words: &mut [u32]) {
        simd.vectorize(
            #[inline(always)]
            || {
                let length = AT_ONCE * <S::u32s as SimdBase<S>>::LEN;
                let mut whole = words.chunks_exact_mut(length);
                let mut numbers = counts.chunks_exact(length);
                for (words, counts) in (&mut whole).zip(&mut numbers) {
                    self.fractions_of(simd, counts, words);
                }
                let (rest, counts) = (whole.into_remainder(), numbers.remainder());
                let mut padded = [[INTERIOR; AT_ONCE * 16]; 2];
                padded[0][..rest.len()].copy_from_slice(counts);
                padded[1][..rest.len()].copy_from_slice(rest);
                let [counts, words] = &mut padded;
                self.fractions_of(simd, &counts[..length], &mut words[..length]);
                rest.copy_from_slice(&padded[1][..rest.len()]);
            },
        );
    }

    #[inline(always)]
    fn fractions_of<S: Simd>(&self, simd: S, counts: &[u32], words: &mut [u32]) {
        let length = <S::u32s as SimdBase<S>>::LEN;
        let none = S::u32s::splat(simd, 0);
        let interior = S::u32s::splat(simd, INTERIOR);
        let mut squares = [Vector::<S>::splat(simd, 0.0); 2 * AT_ONCE];
        unroll!(AT_ONCE, k => {
            let bits = S::u32s::from_slice(simd, &words[k * length..][..length]);
            let (low, high) = bits.bitcast::<S::f32s>().widen();
            (squares[2 * k], squares[2 * k + 1]) = (Vector(low), Vector(high));
        });
        let fractions = self.fraction.of_scaled(squares);
        unroll!(AT_ONCE, k => {
            let bits: S::u32s = fractions[2 * k].0.narrow(fractions[2 * k + 1].0).bitcast();
            let counts = S::u32s::from_slice(simd, &counts[k * length..][..length]);
            counts.simd_eq(interior).select(none, bits).store_slice(&mut words[k * length..][..length]);
        });
    }
}

/// The number of interior counts, and the sum of all counts with interior ones as `max`.
#[inline(never)]
fn tally<S: Simd>(simd: S, counts: &[u32], max: u32) -> [u64; 2] {
    simd.vectorize(
        #[inline(always)]
        || {
            let length = <S::u32s as SimdBase<S>>::LEN;
            let (zero, one) = (S::u32s::splat(simd, 0), S::u32s::splat(simd, 1));
            let (interior, low_half) = (S::u32s::splat(simd, INTERIOR), S::u32s::splat(simd, 0xffff));
            let most = S::u32s::splat(simd, max);
            let mut total = [0_u64; 3];
            // Few enough at once that sums of 16-bit halves do not overflow 32 bits.
            for part in counts.chunks(length << 15) {
                let mut sums = [zero; 3];
                let mut whole = part.chunks_exact(length);
                for chunk in &mut whole {
                    let count = S::u32s::from_slice(simd, chunk);
                    let capped = count.min(most);
                    sums[0] += count.simd_eq(interior).select(one, zero);
                    sums[1] += capped & low_half;
                    sums[2] += capped >> 16;
                }
                for (total, sum) in total.iter_mut().zip(sums) {
                    for &lane in sum.as_slice() {
                        *total += u64::from(lane);
                    }
                }
                for &count in whole.remainder() {
                    total[0] += u64::from(count == INTERIOR);
                    total[1] += u64::from(count.min(max));
                }
            }
            [total[0], total[1] + (total[2] << 16)]
        },
    )
}
