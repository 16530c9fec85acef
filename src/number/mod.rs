//! Numbers that `f64` cannot hold: exact decimals, and how exact values are rounded.
//!
//! Nothing here knows about pictures.

mod angle;
mod decimal;
#[cfg(feature = "window")]
mod exact_decimal;
mod round;

pub(crate) use angle::sin_cos_degrees;
pub use decimal::{Decimal, MAX_DIGITS, MAX_EXPONENT, ParseDecimalError};
pub(crate) use decimal::{MAX_PLAIN_DIGITS, significant_digits};
#[cfg(feature = "window")]
pub(crate) use exact_decimal::ExactDecimal;
pub(crate) use round::{Ratio, ldexp, ldexp_of_all};
