//! The result of one trial: what was asked, what was sent, and what came back, apart.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rate::bits_of;
use super::received::Kind;
use super::sequence;
use super::sink::Received;
use super::sizes::FCS;
use super::trial::Outcome;
use crate::report::Percentiles;

/// One trial.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) asked: Asked,
    pub(crate) sent: Sent,
    /// `null` with `--tx-only`.
    pub(crate) received: Option<Back>,
    /// Sent and not received. `null` with `--tx-only`.
    pub(crate) lost: Option<Lost>,
    /// Nanoseconds from making a packet to finding it. `null` if nothing came back.
    pub(crate) latency: Option<Percentiles>,
    /// The packets that came in on the sending port, when that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) returned: Option<Back>,
}

/// The rate that was asked for; `null` for no limit.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) pps: Option<f64>,
    pub(crate) duration_s: Option<f64>,
    pub(crate) packets: Option<u64>,
}

/// The packets that the device took.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    /// Without FCS, as DPDK's ports count.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) pps: f64,
    /// On the line: with FCS, preamble and gap.
    pub(crate) line_bit_s: f64,
    /// At least 99 % of what was asked.
    pub(crate) rate_met: bool,
    /// Times at which the device did not take all that was due.
    pub(crate) queue_full: u64,
    /// Times at which there was no buffer.
    pub(crate) no_buffers: u64,
    /// Packets due in pauses longer than `--catch-up`.
    pub(crate) missed: u64,
}

/// The packets that came in on a port.
#[derive(Debug, Serialize)]
pub(crate) struct Back {
    /// All frames: `packets` and `others`.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Whole test packets of this run.
    pub(crate) packets: u64,
    #[serde(flatten)]
    pub(crate) sequence: sequence::Counts,
    pub(crate) ttl_min: Option<u8>,
    pub(crate) ttl_max: Option<u8>,
    pub(crate) arp_answered: u64,
    /// By name; what did not occur is left out.
    pub(crate) others: BTreeMap<&'static str, u64>,
}

/// The packets that did not come back.
#[derive(Debug, Serialize)]
pub(crate) struct Lost {
    pub(crate) packets: u64,
    pub(crate) share: f64,
}

impl Trial {
    /// In the units of a report.
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let Outcome { asked, seconds, sent, sent_bytes, hz, .. } = outcome;
        let pps = *sent as f64 / seconds.max(1e-9);
        let mean = *sent_bytes as f64 / (*sent).max(1) as f64 + FCS as f64;
        let latency = outcome.received.as_ref().filter(|received| !received.latency.is_empty());
        Self {
            asked: Asked {
                pps: asked.pps,
                duration_s: asked.duration.map(|time| time.as_secs_f64()),
                packets: asked.packets(),
            },
            sent: Sent {
                packets: *sent,
                bytes: *sent_bytes,
                seconds: *seconds,
                pps,
                line_bit_s: bits_of(mean) * pps,
                rate_met: outcome.rate_met(),
                queue_full: outcome.queue_full,
                no_buffers: outcome.no_buffers,
                missed: outcome.missed,
            },
            received: outcome.received.as_ref().map(Back::new),
            lost: outcome
                .lost()
                .map(|packets| Lost { packets, share: packets as f64 / (*sent).max(1) as f64 }),
            latency: latency
                .map(|received| Percentiles::of(&received.latency, "ns", *hz as f64 / 1e9)),
            returned: outcome.returned.as_ref().map(Back::new),
        }
    }
}

impl Back {
    fn new(received: &Received) -> Self {
        let (lowest, highest) = received.ttl;
        let ttl = (received.packets > 0).then_some((lowest, highest));
        let others = Kind::ALL.iter().zip(received.others).filter(|(_, count)| *count > 0);
        Self {
            frames: received.frames,
            bytes: received.bytes,
            packets: received.packets,
            sequence: received.sequence,
            ttl_min: ttl.map(|(lowest, _)| lowest),
            ttl_max: ttl.map(|(_, highest)| highest),
            arp_answered: received.arp_answered,
            others: others.map(|((_, name), count)| (*name, count)).collect(),
        }
    }
}
