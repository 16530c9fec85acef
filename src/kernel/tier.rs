//! The number tiers by name.

/// Which numbers a kernel computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Every sample on its own, in 64-bit numbers.
    F64,
    /// Differences from a reference orbit.
    Perturbation,
}

impl Tier {
    /// Its name, as in [`Facts::tier`](super::Facts::tier).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::Perturbation => "perturbation",
        }
    }
}
