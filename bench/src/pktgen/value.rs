//! Values as people write them: numbers, times, MAC addresses; and the error of a value that cannot be used.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use wire::MacAddr;

/// Why a value cannot be used, and what to write instead.
#[derive(Debug)]
pub(crate) struct ParseError {
    what: String,
    cure: String,
}

impl ParseError {
    pub(crate) fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into() }
    }

    /// Why the value cannot be used.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The way to write it.
    pub(crate) fn cure(&self) -> &str {
        &self.cure
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Splits a number from the word behind it. No signs and no exponents.
pub(crate) fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `true` or `false`.
pub(crate) fn parse_bool(text: &str) -> Result<bool, ParseError> {
    text.parse().map_err(|_| {
        ParseError::new(format!("'{text}' is neither true nor false"), "write one of them")
    })
}

/// A whole number of a range.
pub(crate) fn parse_number(text: &str, range: RangeInclusive<u64>) -> Result<u64, ParseError> {
    let number = text.replace('_', "").parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let what = format!("'{text}' is out of range, or no whole number");
        ParseError::new(what, format!("write a number from {} to {}", range.start(), range.end()))
    })
}

/// `500ms`, `10s`, `2m`, `100us`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let wrong = || {
        ParseError::new(format!("'{text}' is not a time"), "write it like 100us, 500ms, 10s or 2m")
    };
    let (number, unit) = split_number(text.trim()).ok_or_else(wrong)?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `02:00:00:00:00:01`.
pub(crate) fn parse_mac(text: &str) -> Result<MacAddr, ParseError> {
    let mac = text.parse().ok().filter(|_| text.len() == MacAddr::TEXT_LEN);
    mac.ok_or_else(|| {
        let what = format!("'{text}' is not a MAC address");
        ParseError::new(what, "write six bytes: 02:00:00:00:00:01")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(parse_mac("02:00:00:00:00:ff").expect("a MAC"), MacAddr([2, 0, 0, 0, 0, 255]));
        for text in
            ["", "02:00:00:00:00", "02:00:00:00:00:ff:00", "02:00:00:00:00:g0", "2:0:0:0:0:1"]
        {
            assert!(parse_mac(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("100us").expect("a time"), Duration::from_micros(100));
        assert_eq!(parse_duration("1.5").expect("a time"), Duration::from_millis(1500));
        assert!(parse_duration("1x").is_err() && parse_duration("").is_err());
        assert_eq!(parse_number("1_000", 1..=1000).expect("a number"), 1000);
        assert!(parse_number("0", 1..=9).is_err() && parse_number("10", 1..=9).is_err());
        assert!(parse_bool("yes").is_err());
    }
}
