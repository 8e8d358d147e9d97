//! A MAC address (IEEE 802-2014 section 8.2) and its text.

use std::fmt;
use std::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A MAC address. Its text is six bytes in hexadecimal with colons between, as ether_ntoa(3) and ether_aton(3) write and
/// read it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "String", try_from = "String")
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// `00:00:00:00:00:00`, the unknown target of an ARP request.
    pub const ZERO: MacAddr = MacAddr([0; 6]);
    /// Bytes of the text that `Display` writes.
    pub const TEXT_LEN: usize = 17;

    /// Whether the group bit is set: multicast, and broadcast as its special case.
    #[must_use]
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether one station can have it: neither a group's nor zero.
    #[must_use]
    pub fn is_unicast(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }

    /// The address in the lower 48 bits of a word, as a little-endian load of a header's first eight bytes shows it:
    /// one comparison instead of six.
    #[must_use]
    #[inline]
    pub const fn key(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no MAC address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no MAC address: write it like 02:00:00:00:00:01")]
pub struct BadMacAddr {
    text: String,
}

impl FromStr for MacAddr {
    type Err = BadMacAddr;

    /// One or two digits a byte. Where a file's style wants two, the text has [`MacAddr::TEXT_LEN`] bytes.
    fn from_str(text: &str) -> Result<Self, BadMacAddr> {
        octets(text).map(Self).ok_or_else(|| BadMacAddr { text: text.to_owned() })
    }
}

fn octets(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| matches!(part.len(), 1 | 2))?;
        // `from_str_radix` takes a sign.
        let digits = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        *octet = u8::from_str_radix(part, 16).ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(octets)
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for MacAddr {
    type Error = BadMacAddr;

    fn try_from(text: String) -> Result<Self, BadMacAddr> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_is_what_a_load_of_the_header_shows() {
        let header = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00, 0xaa, 0xbb];
        let mac = MacAddr([0x02, 0x70, 0x63, 0x61, 0x70, 0x00]);
        assert_eq!(u64::from_le_bytes(header) & 0xffff_ffff_ffff, mac.key());
    }

    #[test]
    fn texts() {
        let mac = MacAddr([0x02, 0, 0, 0, 0x0a, 0xff]);
        assert_eq!(mac.to_string(), "02:00:00:00:0a:ff");
        assert_eq!(mac.to_string().len(), MacAddr::TEXT_LEN);
        for text in ["02:00:00:00:0a:ff", "02:00:00:00:0A:FF", "2:0:0:0:a:ff"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in [
            "",
            ":::::",
            "02:00:00:00:0a",
            "02:00:00:00:0a:ff:00",
            "02:00:00:00:0a:fg",
            "02:00:00:00:0a:+f",
            "02:00:00:00:0a:0ff",
            "02-00-00-00-0a-ff",
            "0200.0000.0aff",
            " 02:00:00:00:0a:ff",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn which_addresses_one_station_can_have() {
        for (text, unicast) in [
            ("02:00:00:00:00:01", true),
            ("fe:ff:ff:ff:ff:ff", true),
            ("00:00:00:00:00:01", true),
            ("00:00:00:00:00:00", false),
            ("01:00:5e:00:00:01", false),
            ("ff:ff:ff:ff:ff:ff", false),
        ] {
            assert_eq!(text.parse().map(MacAddr::is_unicast), Ok(unicast), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in any::<[u8; 6]>()) {
            prop_assert_eq!(MacAddr(octets).to_string().parse(), Ok(MacAddr(octets)));
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn json_is_the_text() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        assert_eq!(serde_json::to_string(&mac).expect("a text"), "\"02:00:00:00:00:01\"");
        assert_eq!(serde_json::from_str::<MacAddr>("\"2:0:0:0:0:1\"").expect("an address"), mac);
        let error = serde_json::from_str::<MacAddr>("\"02:00\"").expect_err("too short");
        assert!(error.to_string().contains("02:00:00:00:00:01"), "{error}");
    }
}
