//! Decimal numbers of any precision, kept exactly as typed.

use super::round::Ratio;
use crate::error::shorten;
use dashu_int::{IBig, UBig};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The largest number of digits, not counting those of the exponent.
pub const MAX_DIGITS: usize = 100_000;

/// The largest absolute value of an exponent.
pub const MAX_EXPONENT: i64 = 1_000_000;

/// The largest number of significant digits that a plain (unquoted) number in a file may have: an `f64` preserves these.
pub(crate) const MAX_PLAIN_DIGITS: usize = 15;

/// An exact decimal number: `-0.75`, `5.1e-5`, `1e-2000`.
///
/// Equality compares the text, since the text is what files keep; compare [`Decimal::ratio`]s to compare values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    text: Box<str>,
}

/// Why a text is not a [`Decimal`]; the sentence follows the name of what the number is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDecimalError(String);

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseDecimalError {}

impl Decimal {
    /// The shortest decimal that reads back as this `f64`; `None` unless it is finite.
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self { text: format!("{value:?}").into() })
    }

    /// The text as typed, without surrounding whitespace.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The exact value.
    pub fn ratio(&self) -> Ratio {
        let (mantissa, exponent) = split(&self.text);
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let magnitude = IBig::from(UBig::from_str_radix(&digits, 10).expect("digits"));
        let num = if mantissa.starts_with('-') { -magnitude } else { magnitude };
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let exponent = exponent - fraction as i64;
        let power = UBig::from(10u8).pow(exponent.unsigned_abs() as usize);
        if exponent >= 0 { Ratio { num: num * power, den: UBig::ONE } } else { Ratio { num, den: power } }
    }

    /// The nearest `f64`, ties to even.
    pub fn to_f64(&self) -> f64 {
        match self.order() {
            None => 0.0,
            Some(order) if order < -400 => 0.0,
            Some(order) if order > 400 => f64::INFINITY * f64::from(self.signum()),
            // The standard library rounds correctly whatever the length, but not for the largest exponents.
            Some(_) => 0.0 + self.text.parse::<f64>().expect("a decimal is a number"),
        }
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match self.order() {
            None => 0,
            Some(_) => {
                if self.text.starts_with('-') {
                    -1
                } else {
                    1
                }
            }
        }
    }

    /// The largest k with 10ᵏ ≤ |value|; `None` for 0. Only looks at the text.
    pub fn order(&self) -> Option<i64> {
        let (mantissa, exponent) = split(&self.text);
        let digits = || mantissa.bytes().filter(u8::is_ascii_digit);
        let whole = mantissa.bytes().take_while(|&b| b != b'.').filter(u8::is_ascii_digit).count();
        let first = digits().position(|b| b != b'0')?;
        Some(whole as i64 - 1 - first as i64 + exponent)
    }
}

/// Mantissa and exponent of a checked text.
fn split(text: &str) -> (&str, i64) {
    match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse().expect("a checked exponent")),
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        let text = text.trim();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = |part| str::strip_prefix(part, ['+', '-']).unwrap_or(part);
        let (whole, fraction) = unsigned(mantissa).split_once('.').unwrap_or((unsigned(mantissa), ""));
        let power = unsigned(exponent);
        let digits = [whole, fraction, power].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        if !digits || whole.is_empty() && fraction.is_empty() || power.is_empty() {
            return Err(ParseDecimalError(format!(
                "{} is not a decimal number such as -0.75 or 5.1e-5",
                if text.is_empty() { "an empty text".into() } else { format!("`{}`", shorten(text)) }
            )));
        }
        let length = whole.len() + fraction.len();
        if length > MAX_DIGITS {
            return Err(ParseDecimalError(format!(
                "a number of {length} digits is too long: at most {MAX_DIGITS} are allowed"
            )));
        }
        // An exponent that does not fit into 64 bits is not allowed either.
        if exponent.parse::<i64>().map_or(true, |exponent| exponent.unsigned_abs() > MAX_EXPONENT as u64) {
            return Err(ParseDecimalError(format!(
                "the exponent of `{}` is out of range: it must be -{MAX_EXPONENT} to {MAX_EXPONENT}",
                shorten(text)
            )));
        }
        Ok(Self { text: text.into() })
    }
}

/// The number of digits of a number as written, from the first non-zero one, without those of the exponent.
pub(crate) fn significant_digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|&b| b == b'0').count()
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({})", shorten(&self.text))
    }
}

impl TryFrom<&str> for Decimal {
    type Error = ParseDecimalError;

    fn try_from(text: &str) -> Result<Self, ParseDecimalError> {
        text.parse()
    }
}

impl TryFrom<f64> for Decimal {
    type Error = ParseDecimalError;

    fn try_from(value: f64) -> Result<Self, ParseDecimalError> {
        Self::from_f64(value).ok_or_else(|| ParseDecimalError(format!("{value} is not a finite number")))
    }
}

impl From<i32> for Decimal {
    fn from(value: i32) -> Self {
        Self { text: value.to_string().into() }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads a quoted decimal, or a plain number short enough not to have lost digits.
struct Reader;

impl de::Visitor<'_> for Reader {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number in quotes, such as \"-0.75\" or \"5.1e-5\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
        let decimal = Decimal::from_f64(value)
            .ok_or_else(|| E::custom(format!("`{value}` is not a decimal number such as -0.75 or 5.1e-5")))?;
        if significant_digits(&decimal.text) > MAX_PLAIN_DIGITS {
            return Err(E::custom(format!("{decimal} has more digits than a plain number keeps; write it in quotes")));
        }
        Ok(decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Decimal, ParseDecimalError> {
        text.parse()
    }

    #[test]
    fn the_text_is_kept_as_typed() {
        for text in ["0", "-0", "+1.50", ".5", "5.", "-0.75", "5.1e-5", "1E+3", "1e-2000", "007"] {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
        assert_eq!(parse(" 1.5\n").unwrap().as_str(), "1.5");
        assert_eq!(parse(&"9".repeat(MAX_DIGITS)).unwrap().as_str().len(), MAX_DIGITS);
    }

    #[test]
    fn what_is_no_number_is_refused_in_one_sentence() {
        let long = "1".repeat(200_000);
        let cases = [
            ("", "an empty text is not a decimal number"),
            (" ", "an empty text is not a decimal number"),
            ("NaN", "`NaN` is not a decimal number such as -0.75 or 5.1e-5"),
            ("inf", "`inf` is not"),
            ("-infinity", "is not a decimal number"),
            (".", "is not a decimal number"),
            ("-", "is not a decimal number"),
            ("e5", "is not a decimal number"),
            ("1e", "is not a decimal number"),
            ("1e+", "is not a decimal number"),
            ("1e5.5", "is not a decimal number"),
            ("--1", "is not a decimal number"),
            ("1.2.3", "is not a decimal number"),
            ("1_000", "is not a decimal number"),
            ("0x10", "is not a decimal number"),
            ("1 2", "is not a decimal number"),
            ("٣", "is not a decimal number"),
            ("1e1000001", "the exponent of `1e1000001` is out of range: it must be -1000000 to 1000000"),
            ("1e-99999999999999999999999999", "is out of range"),
            (&long, "a number of 200000 digits is too long: at most 100000 are allowed"),
        ];
        for (text, sentence) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(sentence), "{message}");
            assert!(message.len() < 200 && !message.contains('\n'), "{message}");
        }
        assert_eq!(shorten("a\u{1b}[31m\nb"), "a\u{fffd}[31m b");
    }

    #[test]
    fn values_are_exact() {
        let ratio = parse("-12.50e-3").unwrap().ratio();
        assert_eq!(ratio.num, IBig::from(-1250));
        assert_eq!(ratio.den, UBig::from(100_000u32));
        let ratio = parse("1.5e3").unwrap().ratio();
        assert_eq!((ratio.num, ratio.den), (IBig::from(1500), UBig::ONE));
        for (text, order, signum) in [
            ("0.00e9", None, 0),
            ("-0.05", Some(-2), -1),
            ("12", Some(1), 1),
            ("1e-2000", Some(-2000), 1),
            ("00.7e3", Some(2), 1),
        ] {
            let decimal = parse(text).unwrap();
            assert_eq!((decimal.order(), decimal.signum()), (order, signum), "{text}");
        }
    }

    #[test]
    fn the_nearest_float_is_found_at_every_length() {
        let zeros = "0".repeat(99_000);
        for (text, value) in [
            (format!("0.{zeros}1e99001"), 1.0),
            (format!("-25{zeros}e-99001"), -2.5),
            ("1e1000000".into(), f64::INFINITY),
            ("-1e1000000".into(), f64::NEG_INFINITY),
            ("-1e-1000000".into(), 0.0),
            ("-0".into(), 0.0),
            ("4.9e-324".into(), f64::from_bits(1)),
        ] {
            let decimal = parse(&text).unwrap();
            assert_eq!(decimal.to_f64().to_bits(), f64::to_bits(value));
            if decimal.order().is_none_or(|order| order.abs() < 1000) {
                assert_eq!(decimal.ratio().to_f64().to_bits(), f64::to_bits(value));
            }
        }
    }

    proptest! {
        #[test]
        fn both_ways_to_a_float_agree(text in "[+-]?[0-9]{0,30}\\.[0-9]{1,30}(e-?[0-9]{1,2}|e-3[0-9]{2})?") {
            let decimal = parse(&text).unwrap();
            prop_assert_eq!(decimal.to_f64().to_bits(), decimal.ratio().to_f64().to_bits());
        }

        #[test]
        fn floats_survive(value in any::<f64>()) {
            let decimal = Decimal::from_f64(value);
            prop_assert_eq!(decimal.is_some(), value.is_finite());
            if let Some(decimal) = decimal {
                prop_assert_eq!(decimal.to_f64(), value);
                prop_assert_eq!(parse(decimal.as_str()).unwrap(), decimal);
            }
        }

        #[test]
        fn no_text_panics(text in ".*", number in "[-+0-9.eE]{0,12}") {
            for text in [text, number] {
                if let Ok(decimal) = parse(&text) {
                    prop_assert_eq!(decimal.order().is_none(), decimal.signum() == 0);
                    decimal.to_f64();
                }
            }
        }
    }
}
