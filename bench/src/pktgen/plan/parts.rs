//! The parts of a plan from the settings that they take, with what is usual.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use wire::MacAddr;

use super::{Arp, Machine, Ndr, Ports, Timing, Traffic};
use crate::Usage;
use crate::pktgen::field::{Order, Prefix, parse_ports};
use crate::pktgen::rate::{Rate, parse_bits, parse_share};
use crate::pktgen::settings::Settings;
use crate::pktgen::sizes::Sizes;
use crate::pktgen::template::{Headers, Protocol, smallest};
use crate::pktgen::value::{ParseError, parse_bool, parse_duration, parse_mac, parse_number};

const MBUFS_DEFAULT: u64 = 16383;

fn text(text: &str) -> Result<String, ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(
            "nothing is given",
            "name a device such as net_memif0,role=client",
        ));
    }
    Ok(text.to_owned())
}

/// A truth value.
pub(super) fn switch(given: &Settings, key: &str, default: bool) -> Result<bool, Usage> {
    Ok(given.get(key, parse_bool)?.unwrap_or(default))
}

fn number(
    given: &Settings,
    key: &str,
    range: RangeInclusive<u64>,
    default: u64,
) -> Result<u64, Usage> {
    Ok(given.get(key, |text| parse_number(text, range))?.unwrap_or(default))
}

fn time(given: &Settings, key: &str, default: Duration) -> Result<Duration, Usage> {
    Ok(given.get(key, parse_duration)?.unwrap_or(default))
}

/// The devices.
pub(super) fn ports(given: &Settings) -> Result<Ports, Usage> {
    // Device strings hold commas, so an array is no list of them.
    let device = |key| given.get(key, text);
    let Some(tx_device) = device("tx-device")? else {
        let cure = "give one, for example --tx-device 0000:03:00.0 or net_memif0,role=client,socket=/run/memif.sock";
        return Err(given.error("tx-device", &ParseError::new("nowhere to send to", cure)));
    };
    let rx_device = device("rx-device")?.filter(|rx_device| *rx_device != tx_device);
    Ok(Ports {
        tx_device,
        rx_device,
        tx_only: switch(given, "tx-only", false)?,
        line_rate: given.get("line-rate", parse_bits)?,
        // The range fits.
        descriptors: number(given, "descriptors", 32..=32768, 1024)? as u16,
        link_timeout: time(given, "link-timeout", Duration::from_secs(10))?,
    })
}

/// The packets.
pub(super) fn traffic(given: &Settings) -> Result<Traffic, Usage> {
    let prefix = |key| given.get(key, Prefix::parse);
    let (src, dst) = match (prefix("src")?, prefix("dst")?) {
        (Some(src), Some(dst)) => (src, dst),
        // RFC 2544 appendix C.2.2 and RFC 5180 section 8 set these aside for benchmarks.
        (src, dst) => {
            let v6 = src.or(dst).is_some_and(|prefix| prefix.network.is_ipv6());
            let defaults = if v6 {
                ["2001:2:0:1::/64", "2001:2:0:2::/64"]
            } else {
                ["198.18.0.0/16", "198.19.0.0/16"]
            };
            let [first, second] = defaults.map(Prefix::parse);
            let of = |key, default: Result<Prefix, ParseError>| {
                default.map_err(|wrong| given.error(key, &wrong))
            };
            (src.map_or_else(|| of("src", first), Ok)?, dst.map_or_else(|| of("dst", second), Ok)?)
        }
    };
    if src.network.is_ipv4() != dst.network.is_ipv4() {
        let wrong = ParseError::new(
            format!("{dst} and the source {src} are of two families"),
            "give both as IPv4 or both as IPv6",
        );
        return Err(given.error("dst", &wrong));
    }
    let mut traffic = Traffic {
        rate: given.get("rate", Rate::parse)?.unwrap_or(Rate::Packets(1000.0)),
        sizes: match given.get("size", Sizes::parse)? {
            Some(sizes) => sizes,
            None => Sizes { shares: vec![(64, 1)], text: "imix".to_owned() },
        },
        protocol: given.get("proto", protocol)?.unwrap_or(Protocol::Udp),
        src,
        dst,
        // The ranges that RFC 4814 section 4.5 recommends.
        sport: given.get("sport", parse_ports)?.unwrap_or(1024..=65535),
        dport: given.get("dport", parse_ports)?.unwrap_or(1..=49151),
        order: given.get("order", Order::parse)?.unwrap_or(Order::Random),
        vlans: given.get("vlan", vlans)?.unwrap_or_default(),
        ttl: number(given, "ttl", 1..=255, 64)? as u8,
        src_mac: given.get("src-mac", parse_mac)?,
        dst_mac: given.get("dst-mac", parse_mac)?,
        seed: number(given, "seed", 0..=u64::MAX, 1)?,
        verify: switch(given, "verify", true)?,
    };
    let headers = Headers {
        src_mac: MacAddr::ZERO,
        dst_mac: MacAddr::ZERO,
        vlans: traffic.vlans.clone(),
        v6: src.network.is_ipv6(),
        protocol: traffic.protocol,
        ttl: traffic.ttl,
        stream: 0,
    };
    let fitting = traffic.sizes.fit(smallest(&headers));
    traffic.sizes = fitting.map_err(|wrong| given.error("size", &wrong))?;
    if given.all("size").is_none() {
        traffic.sizes.text = traffic.sizes.shares[0].0.to_string();
    }
    Ok(traffic)
}

fn protocol(text: &str) -> Result<Protocol, ParseError> {
    match text {
        "udp" => Ok(Protocol::Udp),
        "tcp-syn" => Ok(Protocol::TcpSyn),
        "icmp" => Ok(Protocol::Icmp),
        _ => {
            Err(ParseError::new(format!("'{text}' is not made here"), "write udp, tcp-syn or icmp"))
        }
    }
}

fn vlans(text: &str) -> Result<Vec<u16>, ParseError> {
    let vlans = text
        .split(',')
        .map(|text| parse_number(text.trim(), 1..=4094).map(|vlan| vlan as u16))
        .collect::<Result<Vec<_>, _>>()?;
    if vlans.len() > 2 {
        return Err(ParseError::new(
            "more than two tags",
            "give the outer and the inner one: 100,200",
        ));
    }
    Ok(vlans)
}

fn address(text: &str) -> Result<Ipv4Addr, ParseError> {
    text.parse().map_err(|_| {
        ParseError::new(format!("'{text}' is not an IPv4 address"), "write it like 172.16.0.2")
    })
}

/// Who answers whom.
pub(super) fn arp(given: &Settings) -> Result<Arp, Usage> {
    Ok(Arp {
        answer: switch(given, "arp", true)?,
        tx_address: given.get("tx-address", address)?,
        rx_address: given.get("rx-address", address)?,
        gateway: given.get("gateway", address)?,
    })
}

/// How long.
pub(super) fn timing(given: &Settings) -> Result<Timing, Usage> {
    let count = given.get("count", |text| parse_number(text, 1..=u64::MAX))?;
    let default = count.is_none().then_some(Duration::from_secs(10));
    Ok(Timing {
        duration: given.get("duration", parse_duration)?.or(default),
        count,
        drain: time(given, "drain", Duration::from_secs(2))?,
        catch_up: time(given, "catch-up", Duration::from_millis(1))?,
    })
}

/// The search, if it is asked for; what is wrong with its settings is said even if not.
pub(super) fn ndr(given: &Settings) -> Result<Option<Ndr>, Usage> {
    let resolution = given.get("resolution", parse_share)?.unwrap_or(0.01);
    if resolution < 0.0001 {
        let wrong = ParseError::new("finer than trials repeat", "give 0.01% or more");
        return Err(given.error("resolution", &wrong));
    }
    let max = given.get("ndr-max", Rate::parse)?.unwrap_or(Rate::Line(1.0));
    let min = given.get("ndr-min", Rate::parse)?;
    for (key, rate) in [("ndr-max", Some(max)), ("ndr-min", min)] {
        if rate == Some(Rate::Max) {
            let wrong =
                ParseError::new("a search needs a number", "write a rate such as 10Mpps or 100%");
            return Err(given.error(key, &wrong));
        }
    }
    let ndr = Ndr {
        min,
        max,
        resolution,
        trial: time(given, "trial", Duration::from_secs(5))?,
        loss: given.get("loss", parse_share)?.unwrap_or(0.0),
    };
    Ok(switch(given, "ndr", false)?.then_some(ndr))
}

/// Threads and memory.
pub(super) fn machine(given: &Settings) -> Result<Machine, Usage> {
    let cpu = |key| given.get(key, |text| parse_number(text, 0..=1023).map(|cpu| cpu as usize));
    let hugepages = |text: &str| match text {
        "auto" => Ok(pmd::Hugepages::Auto),
        "required" => Ok(pmd::Hugepages::Required),
        "none" => Ok(pmd::Hugepages::None),
        _ => Err(ParseError::new(
            format!("'{text}' is none of the choices"),
            "write auto, required or none",
        )),
    };
    Ok(Machine {
        cpu: cpu("cpu")?,
        rx_cpu: cpu("rx-cpu")?,
        burst: number(given, "burst", 1..=256, 32)? as usize,
        mbufs: number(given, "mbufs", 1024..=16_777_215, MBUFS_DEFAULT)? as u32,
        hugepages: given.get("hugepages", hugepages)?.unwrap_or_default(),
        eal_args: given.all("eal-arg").map(<[String]>::to_vec).unwrap_or_default(),
    })
}
