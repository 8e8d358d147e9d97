//! Numbers as people read them: the text of counts and rates, the same in all that the programs print. It has no state and
//! no dependencies.

#![forbid(unsafe_code)]

/// A number's share of a thousand, a million or a milliard of its unit, and the SI prefix.
#[must_use]
pub fn prefixed(value: f64) -> (f64, &'static str) {
    let scales = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let scale = scales.into_iter().find(|(scale, _)| value >= *scale);
    scale.map_or((value, ""), |(scale, prefix)| (value / scale, prefix))
}

/// So many digits, and no fewer in front of the point: `1.234`, `92.31`, `100.0` and `12345` of four.
#[must_use]
pub fn digits(value: f64, count: usize) -> String {
    let tens = std::iter::successors(Some(10.0), |ten| Some(ten * 10.0));
    let before_the_point = 1 + tens.take(count).take_while(|ten| value.abs() >= *ten).count();
    format!("{value:.*}", count.saturating_sub(before_the_point))
}

/// A rate with three digits and an SI prefix: `1.23 Mpps`, `12.3 kbit/s`; up to 999 a whole number is one: `7 pps`.
#[must_use]
pub fn rate(per_second: f64, unit: &str) -> String {
    let (scaled, prefix) = prefixed(per_second);
    let whole = prefix.is_empty() && scaled.fract() == 0.0;
    format!("{} {prefix}{unit}", digits(scaled, if whole { 0 } else { 3 }))
}

/// A count with its digits in groups of three: `12,345,678`.
#[must_use]
pub fn group(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(group(count), text);
        }
    }

    #[test]
    fn digits_do_not_pretend() {
        let table = [
            (0.0, "0.000"),
            (1.23456, "1.235"),
            (-92.3111, "-92.31"),
            (100.0, "100.0"),
            (1000.0, "1000"),
            (12_345.6, "12346"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in table {
            assert_eq!(digits(value, 4), text);
        }
    }

    #[test]
    fn rates_have_a_prefix() {
        let table = [
            (0.0, "0 pps"),
            (1.5, "1.50 pps"),
            (999.0, "999 pps"),
            (1_000.0, "1.00 kpps"),
            (1_234_567.0, "1.23 Mpps"),
            (12_345_678.0, "12.3 Mpps"),
            (250e9, "250 Gpps"),
        ];
        for (value, text) in table {
            assert_eq!(rate(value, "pps"), text);
        }
    }
}
