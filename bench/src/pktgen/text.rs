//! The report for people.

use std::fmt;

use super::report::Report;
use super::result::{Back, Sent, Trial};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trial) = &self.trial {
            write!(f, "{trial}")?;
        }
        if let Some(search) = &self.ndr {
            write!(f, "{search}")?;
        }
        for note in self.notes.iter().chain(&self.machine.warnings) {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { asked, sent, received, lost, latency, returned } = self;
        let rate = asked
            .pps
            .map_or_else(|| "as fast as possible".to_owned(), |pps| numbers::rate(pps, "pps"));
        let packets =
            asked.packets.map_or_else(String::new, |packets| format!(", {packets} packets"));
        let time = asked.duration_s.map_or_else(String::new, |seconds| format!(", {seconds} s"));
        writeln!(f, "asked     {rate}{time}{packets}")?;
        writeln!(
            f,
            "sent      {} packets in {:.3} s: {}, {} on the line{}",
            sent.packets,
            sent.seconds,
            numbers::rate(sent.pps, "pps"),
            numbers::rate(sent.line_bit_s, "bit/s"),
            shortfall(sent),
        )?;
        if let Some(received) = received {
            writeln!(f, "received  {received}")?;
        }
        if let Some(lost) = lost {
            writeln!(f, "lost      {} packets, {:.6} %", lost.packets, lost.share * 100.0)?;
        }
        if let Some(latency) = latency {
            let points: Vec<String> =
                latency.points.iter().map(|(at, ns)| format!("p{at} {:.1}", ns / 1000.0)).collect();
            writeln!(f, "latency   us: {}", points.join("  "))?;
        }
        if let Some(returned) = returned.as_ref().filter(|returned| returned.frames > 0) {
            writeln!(f, "came in on the sending port: {returned}")?;
        }
        Ok(())
    }
}

/// Why less was sent than asked.
fn shortfall(sent: &Sent) -> String {
    if sent.rate_met {
        return String::new();
    }
    let why = if sent.queue_full > 0 {
        "the device, or whoever empties its queue, does not take more"
    } else if sent.no_buffers > 0 {
        "the buffers are all under way: give more --mbufs"
    } else {
        "this CPU was busy with something else or is too slow"
    };
    format!("\n          LESS than asked: {why}")
}

impl fmt::Display for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Back { packets, sequence, others, ttl_min, ttl_max, .. } = self;
        write!(
            f,
            "{packets} packets, {} of them again, {} out of order",
            sequence.duplicates, sequence.reordered
        )?;
        if let (Some(lowest), Some(highest)) = (ttl_min, ttl_max) {
            let ttl =
                if lowest == highest { lowest.to_string() } else { format!("{lowest}-{highest}") };
            write!(f, ", TTL {ttl}")?;
        }
        let others: Vec<String> =
            others.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if !others.is_empty() {
            write!(f, "; and {}", others.join(", "))?;
        }
        Ok(())
    }
}
