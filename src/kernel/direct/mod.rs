//! The direct kernel: every sample iterated on its own in `f64`, and the longest orbits of small views once more in double-double.

mod bounded;
mod dispatch;
mod distance;
mod engine;
mod escape_count;
mod flight;
mod group;
mod period;
mod quick;
mod reference;
mod refill;
mod refine;
mod scratch;

use super::smooth::Fraction;
use super::tier::Tier;
use super::{Counters, Facts, Isa, Kernel, Limits, TileClaim, Why};
use crate::error::{Error, Result};
use crate::formula::{Formula, Spec, Visitor};
use crate::parallel::{Prepared, Stop};
use crate::plane::Plane;
use crate::sample::{COUNTS_PER_HIGH, Channels};
use crate::scene::Quality;
use num_complex::Complex64;
use std::fmt;
use std::sync::Arc;

/// The kernel for views that `f64` can resolve.
pub(crate) struct Direct {
    /// The instruction set that runs.
    isa: Isa,
    channels: Channels,
    tiles: Box<dyn Tiles>,
}

impl Direct {
    /// A kernel for a formula of the table.
    ///
    /// # Errors
    /// [`Error::Usage`] when a limit, the power or the Julia constant is not allowed.
    pub(crate) fn new(spec: &Spec, plane: Arc<Plane>, limits: Limits, channels: Channels, isa: Isa) -> Result<Self> {
        struct Make {
            julia: Option<Complex64>,
            plane: Arc<Plane>,
            limits: Limits,
            channels: Channels,
            isa: Isa,
        }
        impl Visitor for Make {
            type Output = Result<Direct>;
            fn visit<F: Formula>(self, formula: F) -> Result<Direct> {
                Direct::with(formula, self.julia, self.plane, self.limits, self.channels, self.isa)
            }
        }
        spec.visit(Make { julia: spec.julia, plane, limits, channels, isa })?
    }

    /// A kernel for any formula, including one of your own. `julia` is the fixed c of a Julia set.
    ///
    /// # Errors
    /// [`Error::Usage`] when a limit or the Julia constant is not allowed or the processor does not have `isa`.
    pub(crate) fn with<F: Formula>(
        formula: F,
        julia: Option<Complex64>,
        plane: Arc<Plane>,
        limits: Limits,
        channels: Channels,
        isa: Isa,
    ) -> Result<Self> {
        limits.check()?;
        if !isa.is_available() {
            return Err(isa.name().parse::<Isa>().err().unwrap_or(Error::Stopped));
        }
        if let Some(c) = julia.filter(|c| !(c.re.is_finite() && c.im.is_finite())) {
            return Err(Error::Usage(format!("Julia constant {c} is not allowed; both parts must be finite numbers")));
        }
        let checked = limits.escape_radius < formula.growth_radius(julia.map_or(0.0, |c| c.norm()));
        // Vector code has 32 bits for a count.
        let plain = checked || isa == Isa::Sse42 && !F::NARROW || limits.max >= COUNTS_PER_HIGH;
        let isa = if plain { Isa::Scalar } else { isa };
        let fraction = Fraction::new(F::DEGREE, limits.escape_radius, !checked);
        let paired = !isa.has_adders() && halves_exactly(julia, &plane);
        let refine_from = refine::least(&plane);
        let problem = Problem { formula, julia, plane, limits, fraction, checked, paired, refine_from };
        Ok(Self { isa, channels, tiles: Box::new(problem) })
    }

    /// The same for a quality: in drafts, no sample is refined.
    #[must_use]
    pub(crate) fn at(mut self, quality: Quality) -> Self {
        if quality == Quality::Draft {
            self.tiles.set_refined(u64::MAX);
        }
        self
    }

    /// Runs `blocks` blocks of the inner loop on points that never escape, for measuring; returns the iterations of all lanes.
    #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only benchmarks measure it"))]
    pub(crate) fn spin(&self, blocks: u64) -> u64 {
        self.tiles.spin(self.isa, blocks)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").field("isa", &self.isa).field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Kernel for Direct {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn facts(&self) -> Facts {
        Facts { tier: Tier::F64.name(), isa: self.isa.name(), exact: true, prefix_stable: true, claim_bytes: None }
    }

    fn period(&self, _prepared: &Prepared, column: u32, row: u32, stop: &Stop) -> Result<Option<u64>> {
        self.tiles.period(column as usize, row as usize, stop)
    }

    fn compute(&self, _prepared: &Prepared, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        let area: usize = claim.tiles.iter().map(|wanted| wanted.tile.area()).sum();
        assert_eq!(claim.words.len(), area * self.channels.words(), "length of the claim's data");
        assert_eq!(claim.useful.len(), claim.tiles.len(), "one sum of useful iterations for each tile");
        self.tiles.compute(self.isa, self.channels, claim, stop)
    }
}

/// A kernel with the formula's type erased.
trait Tiles: Send + Sync {
    fn compute(&self, isa: Isa, channels: Channels, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters>;

    fn period(&self, column: usize, row: usize, stop: &Stop) -> Result<Option<u64>>;

    fn spin(&self, isa: Isa, blocks: u64) -> u64;

    /// Refines samples with counts from `from` on: see [`refine`].
    fn set_refined(&mut self, from: u64);
}

/// What is computed: everything that the code for an instruction set reads.
#[derive(Debug)]
struct Problem<F> {
    formula: F,
    /// The fixed c of a Julia set.
    julia: Option<Complex64>,
    plane: Arc<Plane>,
    limits: Limits,
    fraction: Fraction,
    /// Whether every single iterate must be tested, since growth beyond the escape radius is not guaranteed.
    checked: bool,
    /// Whether a formula's two-iteration form is used where there is one: whether it is faster here, and exact, since it keeps half of
    /// an imaginary part.
    paired: bool,
    /// The count from which on samples are refined: see [`refine`].
    refine_from: u64,
}

impl<F> Problem<F> {
    /// z₀ and c of a point.
    fn start(&self, point: Complex64) -> [[f64; 2]; 2] {
        let point = [point.re, point.im];
        self.julia.map_or([[0.0; 2], point], |c| [point, [c.re, c.im]])
    }

    /// 1 where the point is c, so that f itself depends on it, and 0 for a Julia set.
    fn own(&self) -> f64 {
        if self.julia.is_some() { 0.0 } else { 1.0 }
    }
}

/// Whether no imaginary part can become so small that halving it loses a bit. That can happen only if the imaginary part of c is itself
/// tiny, or is 0 with an orbit that leaves the real axis: where c is not tiny, its sum with a product is 0 or far above the smallest
/// number, and in the plane of c an orbit with c on the real axis stays there.
fn halves_exactly(julia: Option<Complex64>, plane: &Plane) -> bool {
    const TINY: f64 = 1e-60;
    let coarse = |value: f64| value == 0.0 || value.abs() > TINY;
    if let Some(c) = julia {
        return c.im.abs() > TINY;
    }
    // A rotated view's imaginary part is a sum of products: if no factor is tiny, it is 0 or not tiny enough to matter.
    let rotation = plane.rotation.is_none_or(|r| {
        [r.centre.im, r.cos, r.sin].into_iter().all(coarse) && plane.columns.iter().copied().all(coarse)
    });
    rotation && plane.rows.iter().copied().all(coarse)
}

impl<F: Formula> Tiles for Problem<F> {
    fn compute(&self, isa: Isa, channels: Channels, claim: TileClaim<'_>, stop: &Stop) -> Result<Counters> {
        if isa == Isa::Scalar {
            return self.one_by_one(channels, claim, stop);
        }
        let mut counters = Counters::default();
        let TileClaim { tiles: mut rest, words: mut rest_words, useful: mut rest_useful } = claim;
        while let Some(first) = rest.first() {
            // Tiles of equal area have their planes at equal offsets.
            let area = first.tile.area();
            let equal = rest.iter().take_while(|wanted| wanted.tile.area() == area).count();
            let (tiles, after) = rest.split_at(equal);
            let (words, after_words) = rest_words.split_at_mut(equal * area * channels.words());
            let (useful, after_useful) = rest_useful.split_at_mut(equal);
            (rest, rest_words, rest_useful) = (after, after_words, after_useful);
            counters += self.together(isa, channels, TileClaim { tiles, words, useful }, stop)?;
        }
        Ok(counters)
    }

    fn period(&self, column: usize, row: usize, stop: &Stop) -> Result<Option<u64>> {
        self.cycle(column, row, stop)
    }

    fn spin(&self, isa: Isa, blocks: u64) -> u64 {
        self.spin_lanes(isa, blocks)
    }

    fn set_refined(&mut self, from: u64) {
        self.refine_from = from;
    }
}

#[cfg(test)]
mod tests;
