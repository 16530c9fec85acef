//! Discs that some iterations map into themselves.
//!
//! From an iterate w, P iterations lead to a later one, w + Δ. If they map a disc around w into itself, every orbit that enters it stays
//! bounded, and tends to a cycle whose period divides P. With F the derivative of all iterations but the first, which is exact, a disc of
//! radius ρ becomes one of r₁ = ρ·(2|w| + ρ) and then of about r₁·|F|, as long as r₁ times the sum of the |F_j|/|z_j| on the way is small:
//! then no image of the disc comes near 0, and each is nearly a disc (Koebe's distortion theorem says how nearly). So |Δ| + r₁·|F| < ρ is
//! enough.

use super::wide::{Size, Wide};

/// How small images of the disc are, as shares of their distances from 0, in the sum.
const NEARLY: f64 = 1.0 / 64.0;

/// How exact iterates are.
const ROUNDING: f64 = 1.0 / (1_u64 << 48) as f64;

/// An absolute value is at most this times the larger part.
const DIAGONAL: f64 = 1.4143;

/// What is known since an iterate at which the orbit has rebased.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    w: Wide,
    pub(super) n: u64,
    /// ∂z/∂z₁, with z₁ the iterate after this one.
    pub(super) derivative: Option<Wide>,
    /// The sum of its size as a share of the iterates'.
    pub(super) shares: Wide,
}

impl Mark {
    /// At an iterate, after some iterations.
    pub(super) fn new(w: Wide, n: u64) -> Self {
        Self { w, n, derivative: None, shares: Wide::zero() }
    }

    /// The largest radius known of a disc around the mark that is mapped into itself by the iterations since, which have led to `z`, give
    /// or take `stray`.
    pub(super) fn radius(&self, z: Wide, stray: Size) -> Option<Size> {
        if self.w.is_zero() && z.is_zero() {
            return Some(Size::NONE);
        }
        let apart = z + self.w.negated();
        // Divided by 2^scale.
        let scale = self.w.e.max(apart.e);
        let [w, apart] = [self.w, apart].map(|number| DIAGONAL * number.size().to_f64(-scale));
        // Numbers that are equal here are so to some 50 bits: orbits also come back to cycles that repel.
        let apart = apart + w * ROUNDING + stray.to_f64(-scale);
        let derivative = DIAGONAL * self.derivative?.size().to_f64(scale);
        let shares = self.shares.size().to_f64(scale.saturating_mul(2));
        let fits = |radius: f64| {
            let image = radius * (2.0 * w + radius);
            image * shares <= NEARLY && apart + image * derivative * (1.0 + 8.0 * NEARLY) < radius
        };
        let radius = (1..16).rev().map(|k| apart * f64::from(1 << k)).find(|&radius| fits(radius))?;
        Some(Size::of(radius / DIAGONAL).times(Size { m: 1.0, e: scale }))
    }

    /// Goes on from an iterate z over one iteration: the derivative before it.
    pub(super) fn leave(&mut self, z: Wide) {
        if let Some(derivative) = self.derivative {
            self.shares = self.shares + share(derivative, z);
        }
    }
}

/// Whether iterates from a mark on show that the orbit is caught by an attracting cycle, and with it all orbits near it whose points c
/// are at most `radius` from its own.
pub(super) fn attracts(orbit: &[[f64; 2]], radius: Size) -> bool {
    let [first, way @ .., last] = orbit else { return false };
    let mut mark = Mark { derivative: Some(Wide::one()), ..Mark::new(Wide::new(*first, 0), 0) };
    let mut by_c: Wide = Wide::one();
    for z in way.iter().map(|&z| Wide::new(z, 0)) {
        mark.leave(z);
        mark.derivative = mark.derivative.map(|derivative| z.shifted(1) * derivative);
        by_c = z.shifted(1) * by_c + Wide::one();
    }
    mark.radius(Wide::new(*last, 0), radius.times(by_c.size()).times(Size { m: 1.0, e: 1 })).is_some()
}

/// The size of a number as a share of another's.
fn share(number: Wide, of: Wide) -> Wide {
    let Size { m, e } = number.size().over(of.size());
    Wide { m: [m, 0.0], e }
}
