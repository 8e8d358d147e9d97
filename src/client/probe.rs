//! The parts that ping and traceroute share: the names of ICMP messages, times, and where each reply goes.

use std::time::Duration;

use serde::Serialize;

use super::Client;
use crate::cli::{Failure, print};
use crate::protocol::ProbeHeard;

/// ICMP types.
pub(super) const ECHO_REPLY: u8 = 0;
pub(super) const UNREACH: u8 = 3;
pub(super) const TIME_EXCEEDED: u8 = 11;

/// Seconds, also parts of them, as `-i` and `-w` take them: from a millisecond to a minute.
pub(super) fn seconds(word: &str) -> Result<Duration, String> {
    let wrong = || format!("{word:?} is no time that can be: give seconds from 0.001 to 60");
    let seconds: f64 = word.parse().map_err(|_| wrong())?;
    let allowed = (0.001..=60.0).contains(&seconds);
    if allowed { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

/// A time as the protocol wants it.
pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Nanoseconds as milliseconds.
pub(super) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The meaning of an ICMP message, in the words of ping(8) (FreeBSD: `pr_icmph`, sbin/ping/ping.c).
pub(super) fn phrase(heard: &ProbeHeard) -> String {
    let text = match (heard.kind, heard.code) {
        (UNREACH, 0) => "Destination Net Unreachable",
        (UNREACH, 1) => "Destination Host Unreachable",
        (UNREACH, 2) => "Destination Protocol Unreachable",
        (UNREACH, 3) => "Destination Port Unreachable",
        (UNREACH, 4) => {
            return format!("frag needed and DF set (MTU {})", heard.mtu.unwrap_or(0));
        }
        (UNREACH, 5) => "Source Route Failed",
        (UNREACH, 13) => "Communication prohibited by filter",
        (UNREACH, code) => return format!("Dest Unreachable, Bad Code: {code}"),
        (TIME_EXCEEDED, 0) => "Time to live exceeded",
        (TIME_EXCEEDED, 1) => "Frag reassembly time exceeded",
        (TIME_EXCEEDED, code) => return format!("Time exceeded, Bad Code: {code}"),
        (12, _) => "Parameter problem",
        (kind, _) => return format!("Bad ICMP type: {kind}"),
    };
    text.to_owned()
}

impl Client {
    /// One line: `json` with `-j`, otherwise `text`, which brings its own end.
    pub(super) fn tell(&self, json: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.access.json {
            return self.show(json, |_| String::new());
        }
        Ok(print(format_args!("{text}"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds("1"), Ok(Duration::from_secs(1)));
        assert_eq!(seconds("0.25").map(millis), Ok(250));
        for word in ["", "0", "-1", "61", "1s", "nan", "inf"] {
            assert!(seconds(word).is_err(), "{word}");
        }
        assert_eq!(format!("{:.3}", ms(1_234_567)), "1.235");
    }
}
