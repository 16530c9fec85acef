//! When an orbit ends, and why it ended; shared by all number tiers.

use crate::error::{Error, Result};
use crate::sample::{MAX_ESCAPE_RADIUS, MAX_ITERATIONS};
use std::fmt;

/// When an orbit ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The most iterations, from 1 to [`MAX_ITERATIONS`]; a sample that has not escaped by then is interior.
    pub max: u64,
    /// The radius R: a sample has escaped at the first iterate with |z| > R. More than 1, at most [`MAX_ESCAPE_RADIUS`].
    pub escape_radius: f64,
}

impl Limits {
    pub(super) fn check(self) -> Result<()> {
        let Limits { max, escape_radius } = self;
        if !(1..=MAX_ITERATIONS).contains(&max) {
            return Err(Error::Usage(format!(
                "maximum number of iterations {max} is not allowed; it must be 1 to {MAX_ITERATIONS}"
            )));
        }
        if !(escape_radius > 1.0 && escape_radius <= MAX_ESCAPE_RADIUS) {
            return Err(Error::Usage(format!(
                "escape radius {escape_radius} is not allowed; it must be more than 1 and at most {MAX_ESCAPE_RADIUS}"
            )));
        }
        Ok(())
    }
}

/// Why an orbit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// |z| became greater than the escape radius.
    Escaped,
    /// The point lies in the main cardioid.
    Cardioid,
    /// The point lies in the disc of period 2.
    Bulb,
    /// The orbit returned to exactly the same number.
    Period,
    /// The maximum number of iterations was reached.
    Limit,
}

impl Why {
    /// Its name: `escaped`, `cardioid`, `bulb`, `period`, `limit`.
    pub fn name(self) -> &'static str {
        match self {
            Why::Escaped => "escaped",
            Why::Cardioid => "cardioid",
            Why::Bulb => "bulb",
            Why::Period => "period",
            Why::Limit => "limit",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
