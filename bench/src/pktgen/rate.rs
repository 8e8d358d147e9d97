//! Rates as people write them, and what they are in packets.

use std::fmt;

use numbers::rate;

use super::value::{ParseError, split_number};

/// Bits that a frame takes on the line besides its own: preamble, start of frame and gap (IEEE 802.3 clause 4.4.2).
const OVERHEAD_BYTES: f64 = 20.0;

/// An asked rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// Packets a second.
    Packets(f64),
    /// Bits a second on the line, with preamble, checksum and gap.
    Bits(f64),
    /// A share of the line's bits, 1 for all.
    Line(f64),
    /// As fast as possible.
    Max,
}

impl Rate {
    /// `1Mpps`, `250kpps`, `1000` (packets), `2.5Gbit/s`, `50%`, `max`.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                format!("'{text}' is not a rate"),
                "write packets a second such as 1Mpps, 250kpps or 1000pps; bits on the line such as 2.5Gbit/s; \
                 a share of the line such as 50%; or max",
            )
        };
        let text = text.trim();
        if text == "max" {
            return Ok(Rate::Max);
        }
        let (number, unit) = split_number(text).ok_or_else(wrong)?;
        if number <= 0.0 {
            return Err(ParseError::new(
                format!("'{text}' sends nothing"),
                "write a rate above 0, such as 1000pps",
            ));
        }
        if unit == "%" {
            return Ok(Rate::Line(number / 100.0));
        }
        let (scale, unit) = scale(unit);
        match unit {
            "" | "pps" => Ok(Rate::Packets(number * scale)),
            "bit/s" | "bps" => Ok(Rate::Bits(number * scale)),
            _ => Err(wrong()),
        }
    }

    /// Packets a second, for frames of `frame_bytes` in the mean (with their checksum) on a line of `line_bits` a
    /// second; `None` for no limit.
    pub(crate) fn pps(self, frame_bytes: f64, line_bits: f64) -> Option<f64> {
        match self {
            Rate::Packets(pps) => Some(pps),
            Rate::Bits(bits) => Some(bits / bits_of(frame_bytes)),
            Rate::Line(share) => Some(share * line_bits / bits_of(frame_bytes)),
            Rate::Max => None,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Packets(pps) => f.write_str(&rate(*pps, "pps")),
            Rate::Bits(bits) => f.write_str(&rate(*bits, "bit/s")),
            Rate::Line(share) => write!(f, "{} %", share * 100.0),
            Rate::Max => f.write_str("max"),
        }
    }
}

/// Bits on the line of a frame of that many bytes with its checksum.
pub(crate) fn bits_of(frame_bytes: f64) -> f64 {
    (frame_bytes + OVERHEAD_BYTES) * 8.0
}

/// `10Gbit/s` in bits a second.
pub(crate) fn parse_bits(text: &str) -> Result<f64, ParseError> {
    match Rate::parse(text) {
        Ok(Rate::Bits(bits)) => Ok(bits),
        _ => Err(ParseError::new(
            format!("'{text}' is not a speed in bits a second"),
            "write it like 10Gbit/s",
        )),
    }
}

/// `1%`, `0.5%`, `0.01`: a share.
pub(crate) fn parse_share(text: &str) -> Result<f64, ParseError> {
    let wrong = || ParseError::new(format!("'{text}' is not a share"), "write it like 1% or 0.01");
    let (number, unit) = split_number(text.trim()).ok_or_else(wrong)?;
    let share = match unit {
        "%" => number / 100.0,
        "" => number,
        _ => return Err(wrong()),
    };
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

/// The factor of an SI prefix, and the unit behind it.
fn scale(unit: &str) -> (f64, &str) {
    let scales = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9)];
    scales
        .into_iter()
        .find_map(|(prefix, scale)| Some((scale, unit.strip_prefix(prefix)?)))
        .unwrap_or((1.0, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let table = [
            ("1Mpps", Rate::Packets(1e6)),
            ("250kpps", Rate::Packets(250e3)),
            ("1000", Rate::Packets(1e3)),
            ("1.5 Mpps", Rate::Packets(1.5e6)),
            ("2k", Rate::Packets(2e3)),
            ("50%", Rate::Line(0.5)),
            ("2.5Gbit/s", Rate::Bits(2.5e9)),
            ("100Mbps", Rate::Bits(1e8)),
            ("max", Rate::Max),
        ];
        for (text, rate) in table {
            assert_eq!(Rate::parse(text).expect(text), rate, "{text}");
        }
        for text in ["", "fast", "-1", "1Xpps", "0", "1e6", "%", "1 %%", "NaN", "inf"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_line_rates_of_the_textbooks() {
        // RFC 5180 appendix A.1 gives 14,880,952 for 64-byte frames on 10 Gigabit Ethernet, 812,743 for 1518.
        let line = |frame, bits| Rate::Line(1.0).pps(frame, bits).expect("a limit") as u64;
        assert_eq!(line(64.0, 10e9), 14_880_952);
        assert_eq!(line(1518.0, 10e9), 812_743);
        assert_eq!(Rate::Bits(1e9).pps(64.0, 10e9).map(|pps| pps as u64), Some(1_488_095));
        assert_eq!(Rate::Packets(5.0).pps(64.0, 10e9), Some(5.0));
        assert_eq!(Rate::Max.pps(64.0, 10e9), None);
    }

    #[test]
    fn shares_and_speeds() {
        assert_eq!(parse_share("1%").expect("a share"), 0.01);
        assert_eq!(parse_share("0").expect("a share"), 0.0);
        assert!(parse_share("100%").is_err() && parse_share("1pps").is_err());
        assert_eq!(parse_bits("10Gbit/s").expect("a speed"), 10e9);
        assert!(parse_bits("10Mpps").is_err());
    }
}
