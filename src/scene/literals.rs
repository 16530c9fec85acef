//! Plain numbers in place of exact decimals: `re = -0.75` instead of `re = "-0.75"`.
//!
//! Parsers deliver plain numbers as `f64`, which silently loses digits beyond its precision. Here numbers are checked as they were
//! written.

use crate::error::shorten;
use crate::number::{MAX_PLAIN_DIGITS, significant_digits};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The keys of `[view]` that hold exact decimals.
const EXACT: [&str; 4] = ["re", "im", "width", "zoom"];

/// Refuses plain numbers with too many digits in a TOML scene that has already been read.
pub(super) fn check_toml(text: &str) -> Result<(), String> {
    let Ok(table) = DeTable::parse(text) else { return Ok(()) };
    let table = table.get_ref();
    if let Some(view) = table.get("view").and_then(|view| view.get_ref().as_table()) {
        for key in EXACT {
            if let Some(DeValue::Float(number)) = view.get(key).map(|value| value.get_ref()) {
                check(&format!("view.{key}"), number.as_str())?;
            }
        }
    }
    for part in table.get("julia").and_then(|julia| julia.get_ref().as_array()).into_iter().flatten() {
        if let DeValue::Float(number) = part.get_ref() {
            check("julia", number.as_str())?;
        }
    }
    Ok(())
}

/// The parts of a JSON scene with exact decimals, as written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default)]
    view: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    julia: Option<Vec<&'a RawValue>>,
}

/// Refuses plain numbers with too many digits in a JSON scene that has already been read.
pub(super) fn check_json(text: &str) -> Result<(), String> {
    let Ok(written) = serde_json::from_str::<Written<'_>>(text) else { return Ok(()) };
    for key in EXACT {
        if let Some(value) = written.view.get(key) {
            check(&format!("view.{key}"), value.get())?;
        }
    }
    written.julia.into_iter().flatten().try_for_each(|value| check("julia", value.get()))
}

/// Refuses a value that is a plain number with too many digits; whole numbers that fit 64 bits lose none.
fn check(key: &str, literal: &str) -> Result<(), String> {
    if literal.parse::<i64>().is_ok() || literal.starts_with('"') || significant_digits(literal) <= MAX_PLAIN_DIGITS {
        return Ok(());
    }
    Err(format!("`{key}`: {} has more digits than a plain number keeps; write it in quotes", shorten(literal)))
}
