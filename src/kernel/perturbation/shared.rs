//! What all samples of a picture share, and where one of them is.

use super::orbit::Orbit;
use super::prepared::Tables;
use super::wide::Wide;
use crate::parallel::Stop;

/// What all samples of a picture share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) orbit: Orbit<'a>,
    pub(super) tables: Tables<'a>,
    /// The maximum number of iterations.
    pub(super) max: u64,
    /// The binary logarithm of what offsets are divided by.
    pub(super) exponent: i32,
    /// The binary logarithm of the tables' tolerance.
    pub(super) tolerance: i32,
    /// Differences below 2 to this are those of their group times a power of two.
    pub(super) normal: i32,
    /// R², the limit for |z|².
    pub(super) limit: f64,
    pub(super) stop: &'a Stop,
}

/// An orbit on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// The place in the reference.
    pub(super) at: usize,
    /// Iterations done.
    pub(super) n: u64,
    pub(super) delta: Wide,
    /// The offset divided by 2^`exponent`.
    pub(super) c: [f64; 2],
}

impl Shared<'_> {
    /// How the orbit of a sample begins, from its offset divided by 2^`exponent`.
    pub(super) fn start(&self, offset: [f64; 2]) -> State {
        if !self.orbit.has_start() {
            return State { at: 0, n: 0, delta: Wide::zero(), c: offset };
        }
        let (at, delta, c) = (self.orbit.critical, Wide::new(offset, self.exponent), [0.0; 2]);
        if self.orbit.has_way() {
            return State { at, n: 0, delta, c };
        }
        State { at: 0, n: 0, delta: delta + self.orbit.wide(at), c }
    }
}
