//! The reference orbit: that of the view's centre, in arbitrary precision, rounded to `f64` for all samples.
//!
//! **Precision.** An error ε of an iterate acts like a shift of c by ε divided by the derivative, so what an orbit needs follows from the
//! distance between samples, with room for the sum over all iterations: 128 bits more than the spacing has, whatever the maximum. So a
//! larger maximum makes the same orbit longer and changes nothing of it.

use super::fixed::Fixed;
use crate::error::{Error, Result};
use crate::number::Decimal;
use crate::parallel::{Buffer, Prepared, Preparing};

/// The part of the prepared data that holds it.
const PART: &str = "perturbation: reference orbit";

/// Bits beyond those of the distance between samples.
const GUARD_BITS: u64 = 128;

/// Iterations between checks of the stop flag: a few milliseconds at the largest precision.
const STOP_INTERVAL: usize = 1 << 11;

/// Iterations between reports of progress.
const REPORT_INTERVAL: usize = 1 << 17;

/// An iterate: real and imaginary part.
pub(super) type Iterate = [f64; 2];

/// How a reference orbit is computed.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) centre: [Decimal; 2],
    /// The binary logarithm of the distance between samples, rounded down.
    pub(super) exponent: i64,
    /// The maximum number of iterations.
    pub(super) max: u32,
}

impl Reference {
    /// The bits after the point.
    pub(super) fn bits(&self) -> u64 {
        (self.exponent.min(0).unsigned_abs() + GUARD_BITS).next_multiple_of(64)
    }

    /// The most bytes that it takes.
    pub(super) fn most_bytes(&self) -> u64 {
        (u64::from(self.max) + 1) * size_of::<Iterate>() as u64
    }

    /// Computes it.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Unsupported`] when there is not enough memory.
    pub(super) fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
        preparing.progress(0.0);
        let orbit = self.compute(preparing)?;
        let buffer = Buffer::from(bytemuck::cast_slice::<Iterate, u8>(&orbit));
        preparing.progress(1.0);
        Ok(Prepared::default().with(PART, buffer))
    }

    /// From z₀ = 0 to the first iterate beyond radius 2, or to the maximum.
    fn compute(&self, preparing: &Preparing<'_>) -> Result<Vec<Iterate>> {
        let centre = self.centre.each_ref().map(Decimal::to_f64);
        let mut orbit = Vec::from([[0.0; 2], centre]);
        let limbs = (self.bits() / 64 + 1) as usize;
        let mut scratch = Fixed::zero(limbs);
        let mut wide = vec![0; 2 * limbs];
        let escaped = |[x, y]: Iterate| x * x + y * y > 4.0;
        if escaped(centre) {
            return Ok(orbit);
        }
        let c = self.centre.each_ref().map(|part| Fixed::of(&part.ratio(), limbs));
        let ([mut x, mut y], mut sum) = (c.clone(), Fixed::zero(limbs));
        for n in 2..=self.max as usize {
            // Re z² = x² − y², Im z² = (x + y)² − x² − y².
            sum.set(&x);
            sum.add(&y);
            [&mut sum, &mut x, &mut y].into_iter().for_each(|number| number.square(&mut wide));
            sum.subtract(&x);
            sum.subtract(&y);
            sum.add(&c[1]);
            x.subtract(&y);
            x.add(&c[0]);
            std::mem::swap(&mut y, &mut sum);
            let z = [x.to_f64(&mut scratch), y.to_f64(&mut scratch)];
            if orbit.len() == orbit.capacity() {
                orbit.try_reserve(orbit.len()).map_err(|_| self.too_long(n))?;
            }
            orbit.push(z);
            if escaped(z) {
                break;
            }
            if n % STOP_INTERVAL == 0 && preparing.stop().is_set() {
                return Err(Error::Stopped);
            }
            if n % REPORT_INTERVAL == 0 {
                preparing.progress(n as f64 / f64::from(self.max));
            }
        }
        Ok(orbit)
    }

    fn too_long(&self, n: usize) -> Error {
        Error::Unsupported(format!(
            "the reference orbit of this view does not fit into memory: it has {n} iterates so far and may have {}, of {} bytes each; \
             fewer iterations need less",
            u64::from(self.max) + 1,
            size_of::<Iterate>()
        ))
    }

    /// The orbit among what was prepared: z₀, z₁ and so on.
    ///
    /// # Errors
    /// [`Error::Input`] when it is not there or has no length that it could have: it may come from another process.
    pub(super) fn read<'a>(&self, prepared: &'a Prepared) -> Result<&'a [Iterate]> {
        let bytes = prepared.get(PART).ok_or_else(|| Error::Input("the view's reference orbit is missing".into()))?;
        let orbit: Option<&[Iterate]> = bytemuck::try_cast_slice(bytes).ok();
        let most = u64::from(self.max) + 1;
        orbit.filter(|orbit| (2..=most).contains(&(orbit.len() as u64))).ok_or_else(|| {
            let (len, each) = (bytes.len(), size_of::<Iterate>());
            Error::Input(format!(
                "the view's reference orbit is damaged: it has {len} bytes, but must have 2 to {most} iterates of {each} bytes"
            ))
        })
    }
}
