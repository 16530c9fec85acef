//! A claim's samples: in batches through the stages and the tail, then written.

use super::Perturbation;
use super::pack::Pack;
use super::scratch::{BATCH, C_X, C_Y, D_X, D_Y, Ends, ID, Scratch, Waiting, Z_X, Z_Y};
use super::shared::Shared;
use super::wide::{larger, power_of_two};
use crate::error::Result;
use crate::formula::{Mandelbrot, Vector};
use crate::kernel::distance::{Tangent, vector};
use crate::kernel::double_double::DoubleDouble;
use crate::kernel::plain::{self, Found};
use crate::kernel::{Counters, Isa, TileClaim, TileRequest, Why};
use crate::plane::{Plane, Rotation};
use crate::sample::Channels;
use fearless_simd::Level;
use fearless_simd::prelude::*;

/// The distance to others with another count, in pixels, below which a sample is in question: a thousand times what tables of tolerance
/// 2⁻⁴⁴ may move it. At a dense place of 1e284, 0.32 % of 6,000 counts were off without asking again, none with it. A thousand times as
/// much changes no count there.
const IN_QUESTION: f64 = 1e-7;

/// The smallest exponent of offsets that are asked about again. Their low parts end at 2⁻¹⁰⁷⁴, so here they still have eleven bits, and
/// what c adds is off by less than 10⁻¹⁹ pixels. Differences of a Julia set have nothing added, and all their bits down to the other.
const LEAST_EXPONENT: i32 = -1010;
const LEAST_JULIA_EXPONENT: i32 = -960;

impl Perturbation {
    /// Computes a claim's tiles.
    pub(super) fn claim(&self, shared: Shared<'_>, claim: TileClaim<'_>) -> Result<Counters> {
        Scratch::with(|scratch| {
            let samples = claim.tiles.iter().map(|wanted| wanted.tile.area() - wanted.skipped()).sum();
            scratch.ends.reset(samples, self.reference.double);
            scratch.offsets.clear();
            // Which samples are in question shows the derivative.
            let derivative = self.channels.contains(Channels::DISTANCE) || self.reference.double;
            let executed = match (derivative, shared.orbit.has_start()) {
                (false, false) => self.dispatch::<false, false>(shared, claim.tiles, scratch)?,
                (true, false) => self.dispatch::<true, false>(shared, claim.tiles, scratch)?,
                (false, true) => self.dispatch::<false, true>(shared, claim.tiles, scratch)?,
                (true, true) => self.dispatch::<true, true>(shared, claim.tiles, scratch)?,
            };
            let (ends, mut next) = (&scratch.ends, 0);
            let mut counters = plain::compute(self.channels, self.limits.max, claim, shared.stop, |_, _| {
                let i = next;
                next += 1;
                Some(match ends.n[i] {
                    u64::MAX => Found { why: Why::Limit, n: self.limits.max, fraction: 0.0, distance: [0.0; 2] },
                    n => {
                        let distance = [ends.d_x[i] as f32, ends.d_y[i] as f32];
                        Found { why: Why::Escaped, n, fraction: ends.x[i] as f32, distance }
                    }
                })
            })?;
            counters.executed = executed;
            (counters.periodic, counters.limit) = (ends.caught, counters.limit - ends.caught);
            Ok(counters)
        })
    }

    /// Runs the code for the instruction set. How many vectors are in flight was chosen by measurement: at e50, 2, 3 and 5 of AVX2 take
    /// 2.87, 2.17 and 1.83 s, and 2, 3 and 4 of AVX-512 1.87, 1.60 and 1.60 s.
    fn dispatch<const DERIVATIVE: bool, const TWO: bool>(
        &self,
        shared: Shared<'_>,
        tiles: &[TileRequest<'_>],
        scratch: &mut Scratch,
    ) -> Result<u64> {
        let level = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        match self.isa {
            Isa::Avx512 if let Some(simd) = level.as_avx512() => {
                return self.vectors::<_, 3, DERIVATIVE, TWO>(simd, shared, tiles, scratch);
            }
            Isa::Avx2 if let Some(simd) = level.as_avx2() => {
                return self.vectors::<_, 5, DERIVATIVE, TWO>(simd, shared, tiles, scratch);
            }
            _ => {}
        }
        #[cfg(target_arch = "aarch64")]
        if self.isa == Isa::Neon
            && let Some(simd) = level.as_neon()
        {
            return self.vectors::<_, 4, DERIVATIVE, TWO>(simd, shared, tiles, scratch);
        }
        let _ = level;
        self.samples::<f64, 1, DERIVATIVE, TWO>(0.0, shared, tiles, scratch)
    }

    fn vectors<S: Simd, const K: usize, const DERIVATIVE: bool, const TWO: bool>(
        &self,
        simd: S,
        shared: Shared<'_>,
        tiles: &[TileRequest<'_>],
        scratch: &mut Scratch,
    ) -> Result<u64> {
        simd.vectorize(
            #[inline(always)]
            || {
                let l = Vector::<S>::splat(simd, 0.0);
                self.samples::<Vector<S>, K, DERIVATIVE, TWO>(l, shared, tiles, scratch)
            },
        )
    }

    /// Computes the samples of some tiles, one after the other; their fractions and distances are left in the place of their last
    /// iterates. Returns the steps taken.
    #[inline(always)]
    fn samples<L: Pack, const K: usize, const DERIVATIVE: bool, const TWO: bool>(
        &self,
        l: L,
        shared: Shared<'_>,
        tiles: &[TileRequest<'_>],
        scratch: &mut Scratch,
    ) -> Result<u64> {
        let (mut steps, mut tile, mut place, mut id) = (0, 0, 0, 0);
        loop {
            let len = self.fill(scratch, tiles, [&mut tile, &mut place], &mut id);
            if len == 0 {
                break;
            }
            steps += shared.march::<L, DERIVATIVE>(l, scratch, len)?;
            let Scratch { waiting, ends, .. } = &mut *scratch;
            steps += if self.reference.double {
                shared.tail::<L, DoubleDouble<L>, 1, DERIVATIVE, TWO>(l, waiting, ends)?
            } else {
                shared.tail::<L, L, K, DERIVATIVE, TWO>(l, waiting, ends)?
            };
        }
        if self.reference.double {
            self.ask_again(shared, scratch);
            let Scratch { waiting, ends, .. } = &mut *scratch;
            steps += shared.tail::<L, DoubleDouble<L>, 1, DERIVATIVE, TWO>(l, waiting, ends)?;
        }
        self.finish::<L, DERIVATIVE>(l, &mut scratch.ends);
        Ok(steps + scratch.ends.singly)
    }

    /// Puts the next samples into the group, from a place in a tile on; returns how many.
    fn fill(
        &self,
        scratch: &mut Scratch,
        tiles: &[TileRequest<'_>],
        [tile, place]: [&mut usize; 2],
        id: &mut u32,
    ) -> usize {
        let numbers = &mut *scratch.group.0;
        let mut len = 0;
        while len < BATCH
            && let Some(TileRequest { tile: area, mask }) = tiles.get(*tile)
        {
            let width = area.width as usize;
            while len < BATCH && *place < area.area() {
                if mask.is_none_or(|mask| mask.has(*place)) {
                    let c = self.offsets.point(area.x as usize + *place % width, area.y as usize + *place / width);
                    (numbers[C_X][len], numbers[C_Y][len], numbers[ID][len]) = (c.re, c.im, f64::from(*id));
                    if self.reference.double {
                        let [column, row] = [*place % width, *place / width];
                        scratch.offsets.push(self.offset(area.x as usize + column, area.y as usize + row));
                    }
                    (len, *id) = (len + 1, *id + 1);
                }
                *place += 1;
            }
            if *place == area.area() {
                (*tile, *place) = (*tile + 1, 0);
            }
        }
        for plane in [Z_X, Z_Y, D_X, D_Y] {
            numbers[plane][..len].fill(0.0);
        }
        len
    }

    /// A sample's offset divided by 2^`exponent`, in double-double. At a dense place of 1e284, what `f64` lacks of offsets, some 10⁻¹⁴
    /// pixels, is what decided the last 0.12 % of 6,000 counts.
    pub(super) fn offset(&self, x: usize, y: usize) -> [DoubleDouble<f64>; 2] {
        let Plane { columns, rows, rotation, spacing } = &self.offsets;
        let Some(rest) = self.rest else {
            let offset = self.offsets.point(x, y);
            return [offset.re, offset.im].map(DoubleDouble::of);
        };
        let [half, rest] = [0.5 * spacing, 0.5 * rest];
        // Whole numbers of half the spacing.
        let exact = |rounded: f64| {
            let k = (rounded / half).round();
            DoubleDouble { high: rounded, low: k.mul_add(rest, k.mul_add(half, -rounded)) }
        };
        let (u, v) = (exact(columns[x]), exact(rows[y]));
        let Some(Rotation { cos, sin, .. }) = *rotation else { return [u, v] };
        let [cos, sin] = [cos, sin].map(DoubleDouble::of);
        [u * cos - v * sin, u * sin + v * cos]
    }

    /// Puts the samples in line once more that lie so near to others with another count that the roundings of the stages may decide: the
    /// tail computes all of their iterations in double-double. Of those that have come to the maximum it is the same question whether they
    /// escape before.
    fn ask_again(&self, shared: Shared<'_>, scratch: &mut Scratch) {
        let Scratch { ends, waiting, offsets, .. } = scratch;
        let orbit = shared.orbit;
        if self.exponent < if orbit.has_start() { LEAST_JULIA_EXPONENT } else { LEAST_EXPONENT } {
            return;
        }
        let scale = power_of_two(self.exponent);
        // Samples of a Julia set start at an offset from the centre, which is that from 0 where the centre has no orbit of its own.
        let (at, from) = match (orbit.has_start(), orbit.has_way()) {
            (true, true) => (orbit.critical, [DoubleDouble::of(0.0); 2]),
            (true, false) => {
                let ([x, y], [x_rest, y_rest]) = (orbit.z[orbit.critical], orbit.rest[orbit.critical]);
                (0, [DoubleDouble { high: x, low: x_rest }, DoubleDouble { high: y, low: y_rest }])
            }
            _ => (0, [DoubleDouble::of(0.0); 2]),
        };
        for (id, &offset) in offsets.iter().enumerate() {
            let size = larger(ends.x[id].abs(), ends.y[id].abs());
            let change = larger(ends.d_x[id].abs(), ends.d_y[id].abs());
            if size * self.frame.per_spacing >= IN_QUESTION * change {
                continue;
            }
            ends.n[id] = u64::MAX;
            let [x, y] = offset.map(|part| part.scaled(scale));
            let mut sample = Waiting {
                id: id as u32,
                at: at as u32,
                n: 0,
                check: u64::MAX,
                delta: [0.0; 2],
                offset: offset.map(|part| part.high),
                rest: [x.low, y.low],
                derivative: [0.0; 2],
            };
            if orbit.has_start() {
                let [x, y] = [x + from[0], y + from[1]];
                (sample.delta, sample.rest, sample.derivative) = ([x.high, y.high], [x.low, y.low], [scale, 0.0]);
                sample.offset = [0.0; 2];
            }
            waiting.push(sample);
        }
    }

    /// Turns the last iterates and their derivatives into fractions and distances.
    #[inline(always)]
    fn finish<L: Pack, const DERIVATIVE: bool>(&self, l: L, ends: &mut Ends) {
        if !DERIVATIVE && !self.channels.contains(Channels::SMOOTH) {
            return;
        }
        let len = ends.n.len();
        let mut i = 0;
        while i < len {
            let z = [l.load(&ends.x[i..]), l.load(&ends.y[i..])];
            if DERIVATIVE {
                let right = [l.load(&ends.d_x[i..]), l.load(&ends.d_y[i..])];
                let [x, y] = vector::<Mandelbrot, L>(Tangent { z, right, up: right }, self.frame);
                x.store(&mut ends.d_x[i..]);
                y.store(&mut ends.d_y[i..]);
            }
            let u = z[1].mul_add(z[1], z[0] * z[0]) * l.constant(self.fraction.scale);
            let [fraction] = self.fraction.of_scaled([u]);
            fraction.store(&mut ends.x[i..]);
            i += L::LEN;
        }
    }
}
