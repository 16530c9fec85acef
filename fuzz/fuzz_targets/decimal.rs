//! Any text is a decimal or refused; both ways to the nearest float agree.
#![no_main]

use fractal::scene::Decimal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(decimal) = text.parse::<Decimal>() else { return };
    assert_eq!(decimal.as_str(), text.trim());
    assert_eq!(decimal.order().is_none(), decimal.signum() == 0);
    let value = decimal.to_f64();
    assert!(!value.is_nan());
    // Beyond this the exact value is long to compute and rounds to zero or infinity.
    if decimal.order().is_none_or(|order| order.abs() < 10_000) && text.len() < 10_000 {
        assert_eq!(value.to_bits(), decimal.ratio().to_f64().to_bits());
    }
});
